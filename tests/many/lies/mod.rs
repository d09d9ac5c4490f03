//! A peer with write access to a ring that many share stores anything, anywhere, at any time.
//!
//! The victim uses the library in its default, safe mode. Whatever it finds, it must answer with a typed error or a
//! wrong value: never a panic, never a wait beyond its deadline, never a byte touched that does not belong to the
//! ring. Bytes between and behind the ring's regions hold a pattern that is compared at the end of every round.

mod broadcasts;
mod enemy;
mod queues;
mod still;

use crate::common::alone;
use annulus::{EndpointError, JoinError, Kind, Options, Ring, Wait};
use enemy::{Enemy, copy_with_canaries};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// How long the victim is ready to wait.
const PATIENCE: Duration = Duration::from_micros(150);
/// How much later than its deadline an operation may come back.
const GRACE: Duration = Duration::from_millis(100);

fn deadline() -> Instant {
    Instant::now() + PATIENCE
}

/// What one operation came to. Values are not looked at: the enemy may have forged them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Done,
    /// An end is closed for good, or cannot be had: the ring has to be healed.
    Over,
}

/// Whether an end could be had.
fn had<E>(taken: Result<E, EndpointError>) -> Option<E> {
    match taken {
        Ok(end) => Some(end),
        // A damaged ring refuses until it is healed.
        Err(EndpointError::Closed | EndpointError::Corrupt(_) | EndpointError::NoPlace { .. }) => {
            None
        }
        Err(EndpointError::Occupied { .. }) => panic!("the kernel says who is alive, not the peer"),
        Err(e) => panic!("unexpected: {e}"),
    }
}

/// Whether a reader could join.
fn joined<E>(taken: Result<E, JoinError>) -> Option<E> {
    match taken {
        Ok(end) => Some(end),
        Err(JoinError::Gone { .. }) => None,
        Err(JoinError::Endpoint(e)) => had(Err(e)),
        Err(e) => panic!("unexpected: {e}"),
    }
}

/// All ends of a ring of one kind, and what they do.
trait Victim: Sized {
    type Kind: Kind;
    fn options(capacity: u64, start: u64) -> Options<Self::Kind>;
    /// Takes all ends but some.
    fn attach(ring: &Ring<Self::Kind>) -> Self;
    /// Does something, with strikes in the middle of it.
    fn operate(&mut self, ring: &Ring<Self::Kind>, enemy: &mut Enemy) -> Outcome;
}

fn some_wait(enemy: &mut Enemy) -> Wait {
    let soon = Duration::from_micros(5);
    match enemy.rng.below(3) {
        0 => Wait::park().spin_for(soon),
        1 => Wait::spin(),
        _ => Wait::spin_then_yield().spin_for(soon),
    }
}

/// Notices when one operation takes for ever, says which, and ends the process.
struct Watchdog(Arc<AtomicU64>);

impl Watchdog {
    /// Begins to watch. It must beat at least every twenty seconds.
    fn start(what: &'static str) -> Self {
        let beat = Arc::new(AtomicU64::new(0));
        let watched = Arc::clone(&beat);
        std::thread::spawn(move || {
            let (mut last, mut since) = (0, Instant::now());
            loop {
                std::thread::sleep(Duration::from_millis(100));
                let now = watched.load(Relaxed);
                if now == u64::MAX {
                    return;
                }
                if now != last {
                    (last, since) = (now, Instant::now());
                }
                if since.elapsed() > Duration::from_secs(20) {
                    eprintln!("hung in {what}, operation {now}");
                    std::process::abort();
                }
            }
        });
        Self(beat)
    }

    fn beat(&self) {
        self.0.fetch_add(1, Relaxed);
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        self.0.store(u64::MAX, Relaxed);
    }
}

/// Operations amid random strikes on one ring, healed now and then, until there were `mutations`.
fn fight<V: Victim>(capacity: u64, start: u64, mutations: u64) {
    let made = V::options(capacity, start).create().expect("a new ring");
    let (fd, mut enemy) = copy_with_canaries(&made, capacity ^ start);
    let options = V::options(capacity, start);
    let ring = options
        .open_descriptor(fd)
        .expect("a copy is as good as the original");
    let watchdog = Watchdog::start(std::any::type_name::<V>());
    let mut late = 0;
    while enemy.mutations < mutations {
        enemy.heal();
        let mut victim = V::attach(&ring);
        for _ in 0..enemy.rng.below(24) {
            victim.operate(&ring, &mut enemy.harmless());
        }
        for _ in 0..16 {
            enemy.strike();
            watchdog.beat();
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
        drop(victim);
    }
    enemy.heal();
    // A busy machine may stall anybody now and then; a library that waits too long does so every time.
    assert!(late <= 3, "{late} operations came back late");
}

/// The same while the enemy strikes all the time, from a thread of its own.
fn storm<V: Victim>(capacity: u64, run: Duration) {
    let made = V::options(capacity, 0).create().expect("a new ring");
    let (fd, mut enemy) = copy_with_canaries(&made, capacity);
    let options = V::options(capacity, 0);
    let ring = options
        .open_descriptor(fd)
        .expect("a copy is as good as the original");
    let watchdog = Watchdog::start(std::any::type_name::<V>());
    let end = Instant::now() + run;
    while Instant::now() < end {
        enemy.heal();
        let mut victim = V::attach(&ring);
        let over = AtomicBool::new(false);
        std::thread::scope(|s| {
            let mut other = enemy.twin();
            let over = &over;
            s.spawn(move || {
                while !over.load(Relaxed) {
                    other.strike();
                }
            });
            let mut harmless = enemy.harmless();
            for _ in 0..200 {
                watchdog.beat();
                if victim.operate(&ring, &mut harmless) == Outcome::Over {
                    break;
                }
            }
            over.store(true, Relaxed);
        });
        drop(victim);
    }
    enemy.heal();
}

/// A kind's rings of some sizes and places.
fn all<V: Victim>(capacities: &[u64]) {
    let _alone = alone();
    for capacity in capacities {
        for start in [0, (1 << 62) - 128] {
            fight::<V>(*capacity, start, 6_000);
        }
        storm::<V>(*capacity, Duration::from_millis(300));
    }
}

#[test]
fn lies_to_many_producers_and_one_consumer_give_typed_errors_or_wrong_values() {
    all::<queues::Between<annulus::Mpsc<[u8]>>>(&[2, 16]);
}

#[test]
fn lies_to_one_producer_and_many_consumers_give_typed_errors_or_wrong_values() {
    all::<queues::Between<annulus::Spmc<[u8]>>>(&[2, 16]);
}

#[test]
fn lies_to_many_producers_and_many_consumers_give_typed_errors_or_wrong_values() {
    all::<queues::Between<annulus::Mpmc<[u8]>>>(&[2, 16]);
}

#[test]
fn lies_to_readers_of_slots_and_their_producer_give_typed_errors_or_wrong_values() {
    all::<broadcasts::OfSlots>(&[2, 16]);
}

#[test]
fn lies_to_readers_of_records_and_their_producer_give_typed_errors_or_wrong_values() {
    all::<broadcasts::OfRecords>(&[256, 4096]);
}
