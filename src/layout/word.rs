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
//! Where many produce, a claim of a dead producer becomes `SKIP(p)` as well. In a broadcast nobody releases: the
//! producer overwrites, and says so first.
//!
//! ```text
//!  READY(p) --producer comes round--> WRITING(p + c) --producer commits--> READY(p + c)
//! ```
//!
//! Positions have 62 bits. At a thousand million messages a second they last 146 years.

/// The number of low bits that hold the state.
const STATE_BITS: u32 = 2;

/// The bits of the state.
pub(crate) const STATE: u64 = (1 << STATE_BITS) - 1;

/// Positions are below this bound.
pub(crate) const POSITION_LIMIT: u64 = 1 << (64 - STATE_BITS);

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

/// The word of a slot in which a broadcast is writing the message of `position`.
#[inline(always)]
pub(crate) const fn writing(position: u64) -> u64 {
    (position << STATE_BITS) | 3
}

/// What added to the word `READY(p)` makes `FREE(p + capacity)` of it.
pub(crate) const fn hand_back(capacity: u64) -> u64 {
    free(capacity).wrapping_sub(ready(0))
}

/// How far the word `found` is from that of a free slot at `position`: negative for a lap before, 0 for the same
/// position in any state, positive for a lap behind. Positions have 62 bits and may wrap.
#[inline(always)]
pub(crate) const fn distance(found: u64, position: u64) -> i64 {
    (found & !STATE).wrapping_sub(free(position)) as i64
}

/// The position in a word.
#[inline(always)]
pub(crate) const fn position(word: u64) -> u64 {
    word >> STATE_BITS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_read_is_handed_back_for_the_next_lap() {
        for p in [0, 1, 4095, POSITION_LIMIT - 1] {
            for c in [2, 4096, 1 << 32] {
                assert_eq!(ready(p).wrapping_add(hand_back(c)), free(p.wrapping_add(c)));
            }
        }
    }

    #[test]
    fn the_words_of_one_lap_differ_from_each_other_and_from_the_next_laps() {
        for p in [0, 1, 4095, POSITION_LIMIT - 2] {
            let all = [
                free(p),
                ready(p),
                skip(p),
                free(p + 1),
                ready(p + 1),
                skip(p + 1),
            ];
            for (i, a) in all.iter().enumerate() {
                assert!(all[i + 1..].iter().all(|b| a != b), "{p}");
            }
        }
    }
}
