//! A peer with write access to a ring of records stores anything, anywhere, at any time.
//!
//! The victim uses the library in its default, safe mode. Whatever it finds, it must answer with a typed
//! error or a wrong value: never a panic, never a wait beyond its deadline, never a byte touched that does not
//! belong to the ring. Bytes between and behind the ring's regions hold a pattern that is compared at the end
//! of every round.

use crate::kinds::{Kind, Shape};
use crate::lies::{Enemy, copy_with_canaries};
use crate::peer::Memory;
use crate::victim::{OPERATIONS, Outcome, PATIENCE, Victim, Watchdog};
use annulus::{MpscRecords, Parking, SpscRecords};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// How much later than its deadline an operation may come back.
const GRACE: Duration = Duration::from_millis(100);

/// One attacked ring.
struct Fight<K: Kind> {
    victim: Victim<K>,
    enemy: Enemy,
    shape: Shape,
    watchdog: Watchdog,
    operations: u64,
    late: u32,
}

impl<K: Kind> Fight<K> {
    fn new(shape: Shape, seed: u64) -> Self {
        let (fd, enemy) = copy_with_canaries(&shape.create::<K>(), shape, seed);
        let ring = K::options("hostile", shape.producers)
            .open_descriptor(fd)
            .expect("a copy is as good as the original");
        let mut fight = Self {
            victim: Victim::new(ring),
            enemy,
            shape,
            watchdog: Watchdog::start(),
            operations: 0,
            late: 0,
        };
        fight.begin();
        fight
    }

    /// A new ring with new endpoints, and something in it.
    fn begin(&mut self) {
        self.victim.leave();
        self.enemy.heal();
        let taken = self.victim.attach(self.shape.producers);
        taken.expect("a healed ring can be attached to");
        for _ in 0..self.enemy.rng.below(24) {
            let len = self.enemy.rng.below(self.shape.capacity / 4) as usize;
            let (bytes, tx) = (&self.victim.bytes[..len], &mut self.victim.txs[0]);
            if tx.try_push(bytes).is_err() || self.enemy.rng.below(2) == 0 {
                let rx = self.victim.rx.as_mut().expect("attached");
                while rx.try_sample().is_ok() {}
            }
        }
    }

    /// One operation of the victim, timed.
    fn operate(&mut self) -> Outcome {
        let op = self.enemy.rng.below(OPERATIONS);
        self.operations += 1;
        self.watchdog.beat(self.operations, op);
        let begun = Instant::now();
        let outcome = self.victim.operate(op, &mut self.enemy);
        if begun.elapsed() > PATIENCE + GRACE {
            eprintln!("operation {op} took {:?}", begun.elapsed());
            self.late += 1;
        }
        outcome
    }

    /// Operations amid random strikes, until there were as many as asked for.
    fn rounds(&mut self, mutations: u64) {
        let end = self.enemy.mutations + mutations;
        while self.enemy.mutations < end {
            for _ in 0..12 {
                self.enemy.strike();
                if self.operate() == Outcome::Over {
                    break;
                }
            }
            self.begin();
        }
        // A busy machine may stall anybody now and then; a library that waits too long does so every time.
        assert!(
            self.late <= 3,
            "{} of {} operations came back late",
            self.late,
            self.operations
        );
    }
}

/// Rings of every sort, each struck so many times.
fn fights<K: Kind>(producers: usize, mutations: u64) {
    for capacity in [256, 1024, 16384] {
        for align in [8, 64] {
            for (parking, start) in [(Parking::Auto, 0), (Parking::Fenced, (1 << 62) - 128)] {
                let shape = Shape {
                    capacity,
                    align,
                    start,
                    producers,
                    parking,
                };
                Fight::<K>::new(shape, capacity + align + start).rounds(mutations);
            }
        }
    }
}

#[test]
fn random_stores_into_a_ring_of_one_producer_give_typed_errors_or_wrong_values() {
    fights::<SpscRecords>(1, 5_000);
}

#[test]
fn random_stores_into_a_ring_of_many_producers_give_typed_errors_or_wrong_values() {
    fights::<MpscRecords>(4, 5_000);
}

/// Strikes from another thread, so also in the middle of every call.
fn storm<K: Kind>(producers: usize) {
    let shape = Shape {
        capacity: 1024,
        align: 8,
        start: 0,
        producers,
        parking: Parking::Auto,
    };
    let mut fight = Fight::<K>::new(shape, 77);
    let memory = Memory::of(&fight.victim.ring, shape);
    let mut second = Enemy::of(memory, shape, 78);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let over = EndOf(&done);
        scope.spawn(|| {
            while !done.load(Relaxed) {
                second.strike();
            }
        });
        let end = Instant::now() + Duration::from_millis(1500);
        while Instant::now() < end {
            for _ in 0..20 {
                if fight.operate() == Outcome::Over {
                    break;
                }
            }
            fight.victim.leave();
            fight.enemy.heal();
            // The enemy does not wait until everybody sits.
            let _ = fight.victim.attach(producers);
        }
        drop(over);
    });
    assert!(fight.late <= 3, "{} came back late", fight.late);
}

/// Says that it is over, also when a test fails.
struct EndOf<'a>(&'a AtomicBool);

impl Drop for EndOf<'_> {
    fn drop(&mut self) {
        self.0.store(true, Relaxed);
    }
}

#[test]
fn a_storm_of_stores_during_the_calls_of_one_producer_s_ring_gives_typed_errors_or_wrong_values() {
    storm::<SpscRecords>(1);
}

#[test]
fn a_storm_of_stores_during_the_calls_of_many_producers_ring_gives_typed_errors_or_wrong_values() {
    storm::<MpscRecords>(4);
}
