//! How far a consumer that finds what it looks for keeps behind the producer.
//!
//! A processor runs ahead of its program: while it copies one message it already loads what comes next. Who follows closely so
//! takes lines from a producer that has just fetched them to write, and makes each of its stores wait, without ever finding
//! the ring empty. So in full flow it looks further ahead now and then, and where nothing is there yet, it rests.
//! Measured, not derived; see ARCHITECTURE.md.

use super::pace::{LONGEST_NS, ROOM_A_NS};
use crate::layout::header;

/// Bytes of a line of a cache.
const LINE_BYTES: u64 = 64;

/// When a consumer looks whether it is too close, and how long it rests then.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Distance {
    /// It looks at positions with none of these bits.
    mask: u64,
    /// So many messages further on.
    ahead: u64,
    rest_ns: u64,
}

impl Distance {
    /// In a ring of that kind, of `capacity` slots of `stride` bytes.
    ///
    /// Half as far in spsc, whose producer waits for none of its stores, and only where slots share lines: else nothing was gained
    /// near, and far apart a tenth lost. Messages of several lines were not measured.
    pub(crate) fn new(kind: u32, stride: u64, capacity: u64) -> Self {
        let (between, ahead, rest_ns, longest) = match kind {
            header::KIND_SPSC => (64, 32, LONGEST_NS / 2, LINE_BYTES / 2),
            _ => (32, 64, LONGEST_NS, LINE_BYTES),
        };
        let matters = stride <= longest && capacity >= 4 * ahead;
        Self {
            mask: match matters {
                true => between - 1,
                false => u64::MAX,
            },
            ahead,
            rest_ns: rest_ns.min(capacity / ROOM_A_NS),
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
        self.ahead
    }

    /// How many nanoseconds it rests.
    pub(crate) fn rest_ns(self) -> u64 {
        self.rest_ns
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
    fn it_is_kept_in_large_rings_of_short_messages() {
        for (kind, longest, between, least) in [
            (header::KIND_SPSC, 32, 64, 128),
            (header::KIND_MPSC, 64, 32, 256),
            (header::KIND_BROADCAST, 64, 32, 256),
        ] {
            let kept = Distance::new(kind, longest, least);
            assert!(kept.is_due(0) && kept.is_due(between) && !kept.is_due(between + 1));
            assert!(!Distance::new(kind, longest, least / 2).is_due(between));
            assert!(!Distance::new(kind, 2 * longest, 4096).is_due(between));
        }
    }

    #[test]
    fn only_who_has_not_waited_for_some_messages_is_in_full_flow() {
        let distance = distance(header::KIND_MPSC, 4096);
        assert!(distance.flows(0, 32) && distance.flows(u64::MAX - 3, 28));
        assert!(!distance.flows(32, 32) && !distance.flows(1, 32));
        // Where none is kept, nobody is.
        assert!(!self::distance(header::KIND_MPSC, 128).flows(0, u64::MAX));
    }

    #[test]
    fn a_small_ring_does_not_fill_up_during_a_rest() {
        assert_eq!(
            [256, 512, 4096].map(|slots| distance(header::KIND_MPMC, slots).rest_ns()),
            [128, 256, 400]
        );
    }
}
