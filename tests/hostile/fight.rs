//! A victim and its attacker on one ring, watched for calls that come back late or never.

use crate::attacker::{Attacker, copy_with_canaries};
use crate::victim::{Bytes, OPERATIONS, Typed, Victim};
use crate::victims::{Outcome, PATIENCE, Watchdog};
use annulus::{Backing, Parking, spsc};
use std::time::{Duration, Instant};

/// How much later than that it may come back.
const GRACE: Duration = Duration::from_millis(100);

/// One attacked ring.
pub struct Fight<V> {
    pub victim: V,
    pub enemy: Attacker,
    pub payload: std::ops::Range<usize>,
    pub watchdog: Watchdog,
    pub operations: u64,
    pub late: u32,
}

impl<V: Victim> Fight<V> {
    /// One operation of the victim, timed.
    pub fn operate(&mut self, op: usize) -> Outcome {
        self.operations += 1;
        self.watchdog.beat(self.operations, op as u64);
        let begun = Instant::now();
        let outcome = self.victim.operate(op, &mut self.enemy);
        if begun.elapsed() > PATIENCE + GRACE {
            eprintln!("operation {op} took {:?}", begun.elapsed());
            self.late += 1;
        }
        outcome
    }

    /// Back to a new ring with new endpoints. Checks that nothing outside the ring was written.
    pub fn heal(&mut self) {
        self.enemy.check_canaries(self.payload.clone());
        self.enemy.heal();
        self.victim
            .attach()
            .expect("a healed ring can be attached to");
    }

    /// Every boundary value in every word, each followed by a handful of operations.
    pub fn every_value_in_every_word(&mut self) {
        let values = self.enemy.values.clone();
        for target in self.enemy.targets.clone() {
            for (i, value) in values.iter().enumerate() {
                self.enemy.store(target, *value);
                for j in 0..3 {
                    let op = self.enemy.random.below(OPERATIONS);
                    // Waits and attaching cost time; the random rounds have plenty of them.
                    let op = if (i + j) % 8 == 0 {
                        op
                    } else {
                        [0, 2, 4, 7, 9, 10][op % 6]
                    };
                    if self.operate(op) == Outcome::Over {
                        self.heal();
                    }
                }
                if i % 16 == 15 {
                    self.heal();
                }
            }
            self.heal();
        }
    }

    /// Operations amid random strikes, until there were as many stores as asked for.
    pub fn random_rounds(&mut self, mutations: u64) {
        let end = self.enemy.mutations + mutations;
        while self.enemy.mutations < end {
            for _ in 0..12 {
                self.enemy.strike();
                let op = self.enemy.random.below(OPERATIONS);
                if self.operate(op) == Outcome::Over {
                    break;
                }
            }
            self.heal();
        }
    }

    /// How many stores there were. Panics if the victim came back late too often.
    pub fn finish(self) -> u64 {
        // A busy machine may stall anybody now and then; a library that waits too long does so every time.
        assert!(
            self.late <= 3,
            "{} of {} operations came back late",
            self.late,
            self.operations
        );
        self.enemy.mutations
    }
}

/// A fight over a ring of 8 numbers.
pub fn typed_fight(start: u64, parking: Parking, seed: u64) -> Fight<Typed> {
    let options = spsc::<u64>("hostile")
        .backing(Backing::Memfd)
        .capacity(8)
        .start_position(start)
        .parking(parking);
    let (fd, map) = copy_with_canaries(&options.create().expect("create"), 16);
    let ring = spsc::<u64>("hostile")
        .open_descriptor(fd)
        .expect("a copy is as good as the original");
    let mut victim = Typed {
        ring,
        tx: None,
        rx: None,
    };
    victim.attach().expect("attach");
    Fight {
        victim,
        enemy: Attacker::new(map, 16, 8, seed),
        payload: 8..16,
        watchdog: Watchdog::start("a fight"),
        operations: 0,
        late: 0,
    }
}

/// A fight over a ring of 4 messages of `size` bytes.
pub fn bytes_fight(size: usize, stride: usize, seed: u64) -> Fight<Bytes> {
    let options = spsc::<[u8]>("hostile")
        .slot_size(size)
        .backing(Backing::Memfd)
        .capacity(4);
    let (fd, map) = copy_with_canaries(&options.create().expect("create"), stride);
    let ring = spsc::<[u8]>("hostile")
        .open_descriptor(fd)
        .expect("a copy is as good as the original");
    let mut victim = Bytes {
        ring,
        tx: None,
        rx: None,
        buffer: vec![0; size],
    };
    victim.attach().expect("attach");
    Fight {
        victim,
        enemy: Attacker::new(map, stride, 4, seed),
        payload: 8..8 + size.next_multiple_of(8),
        watchdog: Watchdog::start("a fight"),
        operations: 0,
        late: 0,
    }
}
