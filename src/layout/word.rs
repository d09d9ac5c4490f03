//! The ready word: one `u64` per slot, in the slot's own cache line.
//!
//! ```text
//!   63                                2 1   0
//!  +-----------------------------------+-----+
//!  |             position              |state|
//!  +-----------------------------------+-----+
//! ```
//!
//! The life of the slot that position `p` falls on (capacity `c`):
//!
//! ```text
//!  FREE(p) --producer commits--> READY(p) --consumer releases--> FREE(p + c)
//!     \--claim given up for good--> SKIP(p) --consumer passes--------^
//! ```
//!
//! | word at the consumer's head `p` | the consumer reads it as |
//! |---|---|
//! | `FREE(p)` | empty: nothing committed yet |
//! | `READY(p)` | a message |
//! | `SKIP(p)` | nothing here, go on to `p + 1` |
//! | anything else | corruption: no honest peer stores it |
//!
//! Positions have 62 bits. At a thousand million messages a second they last 146 years.

/// The number of low bits that hold the state.
const STATE_BITS: u32 = 2;
const STATE_MASK: u64 = (1 << STATE_BITS) - 1;

/// Positions are below this bound.
pub(crate) const POSITION_LIMIT: u64 = 1 << (64 - STATE_BITS);

/// What a slot is, as its ready word says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// Not yet published in this lap.
    Free,
    /// Holds a committed message.
    Ready,
    /// Holds nothing and never will in this lap.
    Skip,
    /// Being overwritten (lossy broadcast only).
    Writing,
}

/// The word of a slot that waits for the message of `position`.
#[inline(always)]
pub(crate) const fn free(position: u64) -> u64 {
    position << STATE_BITS
}

/// The word of a slot that holds the message of `position`.
#[inline(always)]
pub(crate) const fn ready(position: u64) -> u64 {
    (position << STATE_BITS) | 1
}

/// The word of a slot whose `position` was given up.
#[inline(always)]
pub(crate) const fn skip(position: u64) -> u64 {
    (position << STATE_BITS) | 2
}

/// Takes a word apart.
pub(crate) const fn decode(word: u64) -> (u64, State) {
    let state = match word & STATE_MASK {
        0 => State::Free,
        1 => State::Ready,
        2 => State::Skip,
        _ => State::Writing,
    };
    (word >> STATE_BITS, state)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_decodes_to_what_it_was_made_from() {
        for p in [0, 1, 4095, POSITION_LIMIT - 1] {
            assert_eq!(decode(free(p)), (p, State::Free));
            assert_eq!(decode(ready(p)), (p, State::Ready));
            assert_eq!(decode(skip(p)), (p, State::Skip));
        }
        assert_eq!(decode(u64::MAX), (POSITION_LIMIT - 1, State::Writing));
    }
}
