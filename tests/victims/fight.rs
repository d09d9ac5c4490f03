//! A victim and its enemy in one process: strikes between and within calls, or from a thread that never stops.

use super::enemy::copy_with_canaries;
use super::{Outcome, PATIENCE, Shape, Sides, Victim, Watchdog, opened};
use annulus::Ring;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// How much later than its deadline an operation may come back.
const GRACE: Duration = Duration::from_millis(100);

/// The ring behind `fd`.
fn open<V: Victim>(shape: &Shape, fd: &OwnedFd) -> Ring<V::Kind> {
    let again = fd.try_clone().expect("dup");
    let ring = V::options(shape).open_descriptor(again);
    ring.expect("a copy is as good as the original")
}

/// Operations amid random strikes on one ring, healed now and then, until there were `mutations`.
pub fn fight<V: Victim>(shape: Shape, mutations: u64) {
    let made = V::options(&shape).create().expect("a new ring");
    let (fd, mut enemy) = copy_with_canaries(&made, shape.capacity ^ shape.start ^ shape.align);
    let ring = open::<V>(&shape, &fd);
    let watchdog = Watchdog::start(std::any::type_name::<V>());
    let (mut late, mut operations) = (0, 0);
    while enemy.mutations < mutations {
        enemy.heal();
        let mut victim = V::attach(&ring, Sides::Both).expect("a healed ring can be attached to");
        for _ in 0..enemy.rng.below(24) {
            victim.operate(&ring, &mut enemy.harmless());
        }
        for _ in 0..16 {
            enemy.strike();
            operations += 1;
            watchdog.beat(operations, 0);
            let begun = Instant::now();
            let outcome = victim.operate(&ring, &mut enemy);
            if begun.elapsed() > PATIENCE + GRACE {
                eprintln!("an operation took {:?}", begun.elapsed());
                late += 1;
            }
            if outcome == Outcome::Over {
                break;
            }
        }
        opened(V::options(&shape), fd.try_clone().expect("dup"));
        drop(victim);
    }
    enemy.heal();
    // A busy machine may stall anybody now and then; a library that waits too long does so every time.
    assert!(
        late <= 3,
        "{late} of {operations} operations came back late"
    );
}

/// The same while the enemy strikes all the time, from a thread of its own, so also in the middle of every call.
pub fn storm<V: Victim>(shape: Shape, run: Duration) {
    let made = V::options(&shape).create().expect("a new ring");
    let (fd, mut enemy) = copy_with_canaries(&made, shape.capacity);
    let ring = open::<V>(&shape, &fd);
    let watchdog = Watchdog::start(std::any::type_name::<V>());
    let end = Instant::now() + run;
    let mut operations = 0;
    while Instant::now() < end {
        enemy.heal();
        let mut victim = V::attach(&ring, Sides::Both).expect("a healed ring can be attached to");
        let over = AtomicBool::new(false);
        std::thread::scope(|s| {
            let mut other = enemy.twin();
            let done = EndOf(&over);
            let over = &over;
            s.spawn(move || {
                while !over.load(Relaxed) {
                    other.strike();
                }
            });
            let mut harmless = enemy.harmless();
            for _ in 0..200 {
                operations += 1;
                watchdog.beat(operations, 0);
                if victim.operate(&ring, &mut harmless) == Outcome::Over {
                    break;
                }
            }
            drop(done);
        });
        drop(victim);
    }
    enemy.heal();
}

/// Says that it is over, also when a test fails.
struct EndOf<'a>(&'a AtomicBool);

impl Drop for EndOf<'_> {
    fn drop(&mut self) {
        self.0.store(true, Relaxed);
    }
}
