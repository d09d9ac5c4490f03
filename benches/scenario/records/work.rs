//! The workloads of records: how long they are and how many producers send them.

use super::super::traffic::{Description, Traffic};
use super::content::MOST_PRODUCERS;
use super::lengths::Lengths;

/// A stream of records to one consumer. Ordered by the number of producers, then by length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Records {
    /// Their lengths.
    pub lengths: Lengths,
    /// Producers, 1 to `MOST_PRODUCERS`.
    pub producers: u32,
}

impl Ord for Records {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.producers, self.lengths).cmp(&(other.producers, other.lengths))
    }
}

impl PartialOrd for Records {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Records {
    /// Whether there are more parties than the two cores.
    pub const fn is_crowded(self) -> bool {
        assert!(self.producers >= 1 && self.producers <= MOST_PRODUCERS);
        self.producers > 1
    }

    /// What producer `which` sends of `count` records in all.
    pub const fn share(self, count: u64, which: u32) -> u64 {
        let each = count / self.producers as u64;
        let rest = count % self.producers as u64;
        each + if (which as u64) < rest { 1 } else { 0 }
    }
}

impl Traffic for Records {
    fn shortest_stream(self) -> u64 {
        self.lengths.two_laps()
    }

    /// Parties that share cores take turns of some milliseconds; a loop must see many of them.
    fn stretch(self) -> u64 {
        if self.is_crowded() { 5 } else { 1 }
    }

    fn is_between_two(self) -> bool {
        self.producers == 1
    }

    /// They have two cores, however many there are.
    fn is_oversubscribed(self) -> bool {
        self.is_crowded()
    }

    /// With several producers there is nobody to answer.
    fn has_round_trips(self) -> bool {
        self.producers == 1
    }

    fn described(self) -> Description {
        Description {
            kind: if self.producers == 1 { "spsc" } else { "mpsc" },
            element: "records",
            payload_bytes: self.lengths.mean() as u64,
            payload: Some(self.lengths.name()),
            producers: self.producers,
            consumers: 1,
            batch: 1,
            note: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::lengths::SHORT;
    use super::*;

    #[test]
    fn the_shares_of_all_producers_make_up_the_whole() {
        for count in [0, 1, 6, 4681] {
            let records = Records {
                lengths: SHORT,
                producers: 4,
            };
            let shares = (0..4).map(|which| records.share(count, which));
            assert_eq!(shares.clone().sum::<u64>(), count);
            let (least, most) = (shares.clone().min(), shares.max());
            assert!(most <= least.map(|least| least + 1));
        }
    }
}
