//! What the parties of one measurement know of each other outside the ring: how many messages are taken, and which.
//!
//! A consumer of a shared ring cannot tell an empty ring from the end. It enters what it took in chunks, and stops when all
//! that was sent is taken. The same for every engine. Invariant: the entry that completes a pass notes the time.

use std::sync::atomic::{AtomicU64, Ordering};

use super::super::clock::now_ns;
use super::super::loops::Damaged;
use super::super::shared::{Line, Zeroed};
use super::super::slices::Court;
use super::work::Many;

/// Messages after which a consumer enters what it took.
pub const CHUNK: u64 = 64;
/// Messages of the untimed pass that the ledger has room for.
const LEDGER: u64 = 16384;

/// The books. All zero, nothing has happened.
#[repr(C)]
pub struct Books {
    /// Where the parties meet.
    pub court: Court,
    /// The untimed pass.
    pub checked: Pass,
    /// The timed slice.
    pub timed: Pass,
    ledger: [AtomicU64; (LEDGER / 64) as usize],
}

// SAFETY: made of Zeroed parts and an array of atomics, for which zero is a valid value.
unsafe impl Zeroed for Books {}

/// One pass.
#[repr(C)]
pub struct Pass {
    taken: Line,
    sum: Line,
    /// Time of the first start, complemented: the greatest is the first.
    started: Line,
    ended: Line,
}

impl Pass {
    /// Enters `some` messages out of `count`. `Damaged` when more were taken than sent.
    pub fn enter(&self, some: u64, count: u64) -> Result<(), Damaged> {
        let taken = self.taken.word.fetch_add(some, Ordering::AcqRel) + some;
        if taken == count {
            self.end();
        }
        if taken > count { Err(Damaged) } else { Ok(()) }
    }

    /// Whether all `count` messages are taken.
    pub fn is_over(&self, count: u64) -> bool {
        self.taken.word.load(Ordering::Acquire) >= count
    }

    /// Adds one party's sum of first words.
    pub fn add(&self, sum: u64) {
        self.sum.word.fetch_add(sum, Ordering::AcqRel);
    }

    /// What all parties added, modulo 2^64.
    pub fn sum(&self) -> u64 {
        self.sum.word.load(Ordering::Acquire)
    }

    /// A party leaves the barrier; the first starts the clock.
    pub fn start(&self) {
        self.started.word.fetch_max(!now_ns(), Ordering::AcqRel);
    }

    /// A party has its last message; the last stops the clock.
    pub fn end(&self) {
        self.ended.word.fetch_max(now_ns(), Ordering::AcqRel);
    }

    /// Forgets everything, while nobody takes part.
    pub fn clear(&self) {
        for line in [&self.taken, &self.sum, &self.started, &self.ended] {
            line.word.store(0, Ordering::Release);
        }
    }

    /// Nanoseconds from the first start to the last end.
    pub fn elapsed_ns(&self) -> u64 {
        let started = !self.started.word.load(Ordering::Acquire);
        self.ended.word.load(Ordering::Acquire) - started
    }
}

impl Books {
    /// Ticks off message `number` of `producer` in the untimed pass; `Damaged` when there is none such, or for the second time.
    pub fn tick(&self, many: Many, producer: usize, number: u64) -> Result<(), Damaged> {
        let which = u32::try_from(producer).map_err(|_| Damaged)?;
        if which >= many.producers || number >= many.share(many.checked(), which) {
            return Err(Damaged);
        }
        let place = number * u64::from(many.producers) + u64::from(which);
        let bit = 1 << (place % 64);
        let word = self.ledger.get((place / 64) as usize).ok_or(Damaged)?;
        match word.fetch_or(bit, Ordering::AcqRel) & bit {
            0 => Ok(()),
            _ => Err(Damaged),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::shared::Shared;
    use super::super::work::Sharing;
    use super::*;

    const MANY: Many = Many {
        sharing: Sharing::Competing,
        producers: 3,
        consumers: 2,
        batch: 1,
        cores: 2,
    };

    #[test]
    fn a_message_is_ticked_off_once_and_only_if_it_was_sent() {
        let books = Shared::<Books>::new().unwrap();
        let share = MANY.share(MANY.checked(), 2);
        for producer in 0..3 {
            assert_eq!(books.tick(MANY, producer, 0), Ok(()));
            assert_eq!(books.tick(MANY, producer, share - 1), Ok(()));
            assert_eq!(books.tick(MANY, producer, share - 1), Err(Damaged));
        }
        assert_eq!(books.tick(MANY, 2, share), Err(Damaged));
        assert_eq!(books.tick(MANY, 3, 1), Err(Damaged));
    }

    #[test]
    fn a_pass_is_over_when_all_is_taken_and_too_much_is_found() {
        let books = Shared::<Books>::new().unwrap();
        books.timed.start();
        assert_eq!(books.timed.enter(60, 100), Ok(()));
        assert!(!books.timed.is_over(100));
        assert_eq!(books.timed.enter(40, 100), Ok(()));
        assert!(books.timed.is_over(100));
        assert!(books.timed.elapsed_ns() < 1_000_000_000);
        assert_eq!(books.timed.enter(1, 100), Err(Damaged));
        books.timed.clear();
        assert!(!books.timed.is_over(1));
    }
}
