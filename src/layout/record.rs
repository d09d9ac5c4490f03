//! A record's header word: one `u64`, the first 8 bytes of every record.
//!
//! ```text
//!   63                      32 31            16 15              3 2     0
//!  +--------------------------+----------------+-----------------+-------+
//!  |          length          |      tag       |        0        | state |
//!  +--------------------------+----------------+-----------------+-------+
//! ```
//!
//! A record of `length` payload bytes takes `length + 8` bytes, rounded up to the ring's record alignment.
//! That holds for padding too.
//!
//! The life of the word at a record's position:
//!
//! ```text
//!  one producer    anything but READY and PAD --commits--> READY --consumer passes--> READY + TAKEN
//!                  anything but READY and PAD --no room before the end--> PAD --> PAD + TAKEN
//!
//!  many producers  0 --claims--> BUSY --commits--> READY --consumer wipes--> 0
//!                  0 --no room before the end--> PAD --consumer wipes--> 0
//!                                BUSY --given up, or its owner died--> PAD
//!                  0 --its owner died before BUSY--> PAD
//! ```
//!
//! | word at the consumer's position | one producer | many producers |
//! |---|---|---|
//! | `READY` | a record | a record |
//! | `PAD` | nothing here, go on behind it | the same |
//! | 0 | empty | empty, or claimed if the tail is further on |
//! | `BUSY` | empty | claimed, being written |
//! | anything else | empty: what an earlier lap left there | corruption: no honest peer stores it |

/// Bytes of a header.
pub(crate) const HEADER: u64 = 8;

/// State of a record that can be read.
const READY: u16 = 1;
/// State of padding.
const PAD: u16 = 2;
/// State of a record that is being written. Rings with many producers only.
const BUSY: u16 = 3;
/// Added to the state by the only producer's consumer when it has passed a record or padding. Length and tag
/// stay for onlookers.
const TAKEN: u16 = 4;

const fn word(state: u16, tag: u16, len: u32) -> u64 {
    (len as u64) << 32 | (tag as u64) << 16 | state as u64
}

/// The word of a record of `len` payload bytes that can be read.
#[inline(always)]
pub(crate) const fn ready(len: u32, tag: u16) -> u64 {
    word(READY, tag, len)
}

/// The word of padding that takes `total` bytes, header included: at least 8, at most 2^32.
#[inline(always)]
pub(crate) const fn pad(total: u64) -> u64 {
    word(PAD, 0, (total - HEADER) as u32)
}

/// The word of a record of `len` payload bytes that is being written.
#[inline(always)]
pub(crate) const fn busy(len: u32) -> u64 {
    word(BUSY, 0, len)
}

/// The payload length in `word`, whatever its state.
#[inline(always)]
pub(crate) const fn len(word: u64) -> u32 {
    (word >> 32) as u32
}

/// The tag in `word`.
#[inline(always)]
pub(crate) const fn tag(word: u64) -> u16 {
    (word >> 16) as u16
}

/// Whether `word` is that of a record that can be read.
#[inline(always)]
pub(crate) const fn is_ready(word: u64) -> bool {
    word as u16 == READY
}

/// Whether `word` is that of padding.
pub(crate) const fn is_pad(word: u64) -> bool {
    word as u16 == PAD && tag(word) == 0
}

/// Whether `word` is that of a record or of padding, so that a consumer would act on it.
#[inline(always)]
pub(crate) const fn is_header(word: u64) -> bool {
    matches!(word as u16, READY | PAD)
}

/// The word of a record or of padding that its consumer has passed.
#[inline(always)]
pub(crate) const fn taken(word: u64) -> u64 {
    word | TAKEN as u64
}

/// The same before its consumer had passed it; other words as they are.
pub(crate) const fn untaken(word: u64) -> u64 {
    match (word as u16) & !TAKEN {
        READY | PAD => word & !(TAKEN as u64),
        _ => word,
    }
}

/// Whether `word` is that of a record that is being written.
pub(crate) const fn is_busy(word: u64) -> bool {
    word as u16 == BUSY && tag(word) == 0
}

/// How records lie in a ring. Positions are in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    /// Bytes of the ring.
    pub(crate) capacity: u64,
    /// The bits of positions at which records begin.
    mask: u64,
}

/// A record: what its header says, and how many bytes it takes in the ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    /// Payload bytes.
    pub(crate) len: u32,
    pub(crate) tag: u16,
    /// Bytes with header and padding to the ring's alignment.
    pub(crate) total: u64,
}

impl Record {
    /// Its header once it can be read.
    #[inline(always)]
    pub(crate) const fn word(self) -> u64 {
        ready(self.len, self.tag)
    }
}

impl Shape {
    /// In a ring of `capacity` bytes, a power of two, and at least four times `align`, which is 8 or 64: every record
    /// begins on a multiple of that.
    pub(crate) const fn new(capacity: u64, align: u64) -> Self {
        Self {
            capacity,
            mask: align.wrapping_neg(),
        }
    }

    /// Every record begins on a multiple of this.
    #[inline(always)]
    pub(crate) const fn align(self) -> u64 {
        self.mask.wrapping_neg()
    }

    /// The record of `len` payload bytes.
    #[inline(always)]
    pub(crate) const fn record(self, len: u32, tag: u16) -> Record {
        Record {
            len,
            tag,
            total: self.total(len),
        }
    }

    /// Bytes that a record of `len` payload bytes takes.
    #[inline(always)]
    pub(crate) const fn total(self, len: u32) -> u64 {
        // Less the mask is plus the alignment.
        (len as u64 + (HEADER - 1)).wrapping_sub(self.mask) & self.mask
    }

    /// Bytes from `position` to the end of the ring, where every record and every padding must end at the
    /// latest.
    #[inline(always)]
    pub(crate) const fn room(self, position: u64) -> u64 {
        self.capacity - (position & (self.capacity - 1))
    }

    /// The longest payload. Two records of this length fill the ring, so that one fits into an empty ring
    /// wherever its tail stands.
    pub(crate) const fn max_len(self) -> u32 {
        (self.capacity / 2 - HEADER) as u32
    }

    /// Whether a record may begin at `position`.
    pub(crate) const fn is_aligned(self, position: u64) -> bool {
        position & !self.mask == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_says_what_was_put_into_it_and_no_two_kinds_share_one() {
        for n in [0, 1, 7, 1 << 20, u32::MAX - 8] {
            for t in [0, 1, u16::MAX] {
                let w = ready(n, t);
                assert!(is_ready(w) && !is_pad(w) && !is_busy(w) && w != 0);
                assert_eq!((len(w), tag(w)), (n, t));
            }
            for w in [ready(n, 7), pad(u64::from(n) + HEADER)] {
                assert!(is_header(w) && !is_header(taken(w)));
                assert_eq!(untaken(taken(w)), w);
                assert_eq!(untaken(w), w);
            }
            let (p, b) = (pad(u64::from(n) + HEADER), busy(n));
            assert!(is_pad(p) && !is_ready(p) && !is_busy(p));
            assert!(is_busy(b) && !is_ready(b) && !is_pad(b));
            assert_eq!((len(p), len(b)), (n, n));
        }
        for w in [0, busy(3), 4, 7] {
            assert!(!is_header(w));
            assert_eq!(untaken(w), w);
        }
    }

    #[test]
    fn the_longest_record_fits_into_an_empty_ring_wherever_the_tail_stands() {
        for align in [8, 64] {
            let shape = Shape::new(1024, align);
            let total = shape.total(shape.max_len());
            for tail in (0..1024).step_by(align as usize) {
                let room = shape.room(tail);
                let need = if total <= room { total } else { room + total };
                // One producer also needs the next header's place.
                assert!(need + align <= 1024, "{tail}");
            }
        }
    }

    #[test]
    fn a_record_takes_its_header_and_its_payload_rounded_up() {
        let dense = Shape::new(1024, 8);
        assert_eq!(
            [0, 1, 8, 9, 48].map(|n| dense.total(n)),
            [8, 16, 16, 24, 56]
        );
        let lines = Shape::new(1024, 64);
        assert_eq!([0, 56, 57].map(|n| lines.total(n)), [64, 64, 128]);
    }
}
