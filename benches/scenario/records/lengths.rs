//! How long the records of one workload are.
//!
//! A class is a range of lengths, both ends included, drawn from uniformly. Every record is long enough to hold two words.

/// A length class, in bytes. Ordered by its shortest record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Lengths {
    /// Shortest record.
    pub least: usize,
    /// Longest record.
    pub most: usize,
}

/// The class that several producers send.
pub const SHORT: Lengths = Lengths {
    least: 24,
    most: 200,
};

/// Every class.
pub const CLASSES: [Lengths; 5] = [
    SHORT,
    Lengths {
        least: 40,
        most: 48,
    },
    Lengths {
        least: 48,
        most: 48,
    },
    Lengths {
        least: 1000,
        most: 1500,
    },
    Lengths {
        least: 65536,
        most: 65536,
    },
];

impl Lengths {
    /// The class of that name; `None` when there is none.
    pub fn named(name: &str) -> Option<Lengths> {
        CLASSES.into_iter().find(|class| class.name() == name)
    }

    /// "24-200", or "48" where all records are equally long.
    pub fn name(self) -> String {
        if self.least == self.most {
            self.most.to_string()
        } else {
            format!("{}-{}", self.least, self.most)
        }
    }

    /// Mean length in bytes.
    pub const fn mean(self) -> usize {
        (self.least + self.most) / 2
    }

    /// Bytes of a ring of such records, the same for every engine that can be told.
    pub const fn ring_bytes(self) -> usize {
        if self.most <= 4096 {
            256 << 10
        } else {
            4 << 20
        }
    }

    /// Records of a ring whose every cell has room for the longest.
    pub const fn cells(self) -> usize {
        self.ring_bytes() / self.most
    }

    /// Records in two laps of a ring without gaps between them.
    pub const fn two_laps(self) -> u64 {
        2 * (self.ring_bytes() / self.mean()) as u64
    }

    /// The length that a random number stands for.
    pub const fn pick(self, random: u64) -> usize {
        let choices = (self.most - self.least + 1) as u64;
        // The upper half times the number of choices is uniform enough, and takes no division.
        self.least + (((random >> 32) * choices) >> 32) as usize
    }

    /// Records in the table that a timed loop sends round and round: a prime that divides no lap. Up to 1500 bytes a record
    /// the table stays within about a third of a first-level cache.
    pub const fn table_len(self) -> u64 {
        match self.most {
            0..=256 => 113,
            257..=4096 => 13,
            _ => 5,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_is_found_by_its_name_and_no_other() {
        for class in CLASSES {
            assert_eq!(Lengths::named(&class.name()), Some(class));
        }
        assert_eq!(SHORT.name(), "24-200");
        assert_eq!(Lengths::named("48-48"), None);
        assert_eq!(Lengths::named("24"), None);
    }

    #[test]
    fn both_ends_of_a_class_are_picked_and_nothing_outside() {
        for class in CLASSES {
            assert_eq!(class.pick(0), class.least);
            assert_eq!(class.pick(u64::MAX), class.most);
            assert!(class.least >= 16);
        }
    }

    #[test]
    fn a_lost_lap_does_not_bring_the_table_round_to_the_same_record() {
        for class in CLASSES {
            for lap in [
                class.cells(),
                class.cells() - 1,
                class.ring_bytes() / class.mean(),
            ] {
                assert_ne!(lap as u64 % class.table_len(), 0, "{}", class.name());
            }
        }
    }
}
