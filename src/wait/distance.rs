//! How far a consumer that finds what it looks for keeps behind the producer.
//!
//! A processor runs ahead of its program: while it copies one message it already loads what comes next. Who follows closely so
//! takes lines from a producer that has just fetched them to write, and makes each of its stores wait, without ever finding
//! the ring empty. So in full flow it looks further ahead now and then, and where nothing is there yet, it rests.
//! Measured, not derived; see ARCHITECTURE.md.

use super::pace::{PAUSES, ROOM_A_PAUSE};
use crate::layout::header;

/// Messages between two looks ahead.
const BETWEEN_LOOKS: u64 = 32;
/// How many messages further on that is.
const AHEAD: u64 = 64;
/// Bytes of a line of a cache.
const LINE_BYTES: u64 = 64;

/// When a consumer looks whether it is too close, and how long it rests then.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Distance {
    /// It looks at positions with none of these bits.
    mask: u64,
    pauses: u64,
}

impl Distance {
    /// In a ring of that kind, of `capacity` slots of `stride` bytes.
    ///
    /// Not in spsc, where nothing was gained: the producer waits for none of its stores. Messages of several lines were not
    /// measured.
    pub(crate) fn new(kind: u32, stride: u64, capacity: u64) -> Self {
        let matters = kind != header::KIND_SPSC && stride <= LINE_BYTES && capacity >= 4 * AHEAD;
        Self {
            mask: match matters {
                true => BETWEEN_LOOKS - 1,
                false => u64::MAX,
            },
            pauses: PAUSES.min(capacity / ROOM_A_PAUSE),
        }
    }

    /// The bits that positions have not at which it looks.
    pub(crate) fn mask(self) -> u64 {
        self.mask
    }

    /// Whether it looks at `position`.
    #[inline(always)]
    pub(crate) fn is_due(self, position: u64) -> bool {
        position & self.mask == 0
    }

    /// Whether who has last waited at `waited` and is at `position` now is in full flow.
    pub(crate) fn flows(self, waited: u64, position: u64) -> bool {
        position.wrapping_sub(waited) > self.mask
    }

    /// How many messages further on it looks.
    pub(crate) fn ahead(self) -> u64 {
        AHEAD
    }

    /// Pauses of a rest.
    pub(crate) fn pauses(self) -> u64 {
        self.pauses
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// That of a ring of so many slots.
    fn distance(kind: u32, slots: u64) -> Distance {
        Distance::new(kind, 64, slots)
    }

    #[test]
    fn it_is_kept_where_producers_wait_for_lines_and_the_ring_is_large() {
        for kind in [
            header::KIND_MPSC,
            header::KIND_SPMC,
            header::KIND_MPMC,
            header::KIND_BROADCAST,
        ] {
            assert!(distance(kind, 256).is_due(0) && distance(kind, 256).is_due(32));
            assert!(!distance(kind, 256).is_due(33) && !distance(kind, 128).is_due(32));
        }
        assert!(!distance(header::KIND_SPSC, 4096).is_due(32));
        assert!(!Distance::new(header::KIND_MPSC, 128, 4096).is_due(32));
    }

    #[test]
    fn only_who_has_not_waited_for_some_messages_is_in_full_flow() {
        let distance = distance(header::KIND_MPSC, 4096);
        assert!(distance.flows(0, 32) && distance.flows(u64::MAX - 3, 28));
        assert!(!distance.flows(32, 32) && !distance.flows(1, 32));
        // Where none is kept, nobody is.
        assert!(!self::distance(header::KIND_SPSC, 4096).flows(0, u64::MAX));
    }

    #[test]
    fn a_small_ring_does_not_fill_up_during_a_rest() {
        assert_eq!(
            [256, 512, 4096].map(|slots| distance(header::KIND_MPMC, slots).pauses()),
            [4, 8, 16]
        );
    }
}
