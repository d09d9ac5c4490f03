//! The workloads of shared rings: who shares what, and how many messages go into one call.

use super::super::harness::CAPACITY;
use super::super::traffic::{Description, Traffic};
use super::content::BYTES;

/// Most producers, and most consumers.
pub const MOST_PARTIES: u32 = 8;
/// Most messages per call.
pub const MOST_BATCH: u32 = 16;

/// Who gets a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sharing {
    /// One of the consumers.
    Competing,
    /// Every consumer; none is left behind.
    Broadcast,
}

/// A stream of 56-byte messages through one ring. Ordered as tables list it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Many {
    /// Who gets a message.
    pub sharing: Sharing,
    /// Producers, 1 to `MOST_PARTIES`; of a broadcast, 1.
    pub producers: u32,
    /// Consumers, 1 to `MOST_PARTIES`.
    pub consumers: u32,
    /// Messages per call, 1 to `MOST_BATCH`.
    pub batch: u32,
    /// Cores that the parties are spread over, 1 or more.
    pub cores: u32,
}

impl Many {
    /// Producers and consumers.
    pub const fn parties(self) -> u32 {
        self.producers + self.consumers
    }

    /// Whether there are more parties than cores.
    pub const fn is_crowded(self) -> bool {
        self.parties() > self.cores
    }

    /// Whether two producers, or two consumers, sit on one core. An engine whose callers wait for each other within the call, without
    /// giving the core away, then moves one message per turn of the scheduler.
    pub fn rivals_share_a_core(self) -> bool {
        // The first consumer sits first, then the producers, then the other consumers.
        let producers = 1..=self.producers;
        let consumers = std::iter::once(0).chain(self.producers + 1..self.parties());
        self.share_a_core(producers) || self.share_a_core(consumers)
    }

    fn share_a_core(self, mut seats: impl Iterator<Item = u32>) -> bool {
        let mut taken = std::collections::BTreeSet::new();
        seats.any(|seat| !taken.insert(seat % self.cores))
    }

    /// Messages of the untimed pass: two laps.
    pub const fn checked(self) -> u64 {
        2 * CAPACITY as u64
    }

    /// What producer `which` sends of `count` messages in all.
    pub const fn share(self, count: u64, which: u32) -> u64 {
        let each = count / self.producers as u64;
        let rest = count % self.producers as u64;
        each + if (which as u64) < rest { 1 } else { 0 }
    }
}

impl Traffic for Many {
    fn shortest_stream(self) -> u64 {
        self.checked()
    }

    /// Parties that share cores take turns of some milliseconds; a loop must see many of them.
    fn stretch(self) -> u64 {
        if self.parties() > 2 { 5 } else { 1 }
    }

    fn is_between_two(self) -> bool {
        self.parties() == 2
    }

    fn is_oversubscribed(self) -> bool {
        self.is_crowded()
    }

    /// Between two parties, one message at a time.
    fn has_round_trips(self) -> bool {
        self.parties() == 2 && self.batch == 1
    }

    fn described(self) -> Description {
        Description {
            kind: match self.sharing {
                Sharing::Competing => "mpmc",
                Sharing::Broadcast => "broadcast",
            },
            element: "slots",
            payload_bytes: BYTES as u64,
            payload: None,
            producers: self.producers,
            consumers: self.consumers,
            batch: self.batch,
            note: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shares_of_all_producers_make_up_the_whole() {
        for producers in 1..=MOST_PARTIES {
            let many = Many {
                sharing: Sharing::Competing,
                producers,
                consumers: 2,
                batch: 1,
                cores: 2,
            };
            for count in [0, 1, 8192] {
                let shares = (0..producers).map(|which| many.share(count, which));
                assert_eq!(shares.sum::<u64>(), count);
            }
        }
    }

    #[test]
    fn rivals_share_a_core_where_there_are_more_of_them_than_cores_or_they_meet_by_turn() {
        let share = |producers, consumers, cores| {
            Many {
                sharing: Sharing::Competing,
                producers,
                consumers,
                batch: 1,
                cores,
            }
            .rivals_share_a_core()
        };
        assert!(!share(1, 1, 2) && !share(2, 1, 2) && !share(2, 2, 2));
        assert!(share(1, 2, 2) && share(4, 4, 2) && share(3, 1, 2));
        assert!(!share(4, 4, 8) && !share(8, 8, 8) && share(8, 8, 7));
    }
}
