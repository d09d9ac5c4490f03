//! Edge W1: no wake-up is lost. Nobody has a deadline here, so a lost one is a deadlock.

use crate::bells::{FutexBell, NewBell, SemaphoreBell};
use crate::layout::control::{ASLEEP, AWAKE};
use crate::rig::{Ask, Outcomes, Pushed, Rig, bounded, exhaustive};
use crate::ring::close::{close_consumer, close_producer};
use crate::ring::spsc::Look;
use crate::sync::Ordering::Relaxed;
use crate::wait::park::{self, Fences};
use std::sync::Arc;

/// Every pair of fences an endpoint may have: publisher's, sleeper's. Mixed peers fence with the stronger side.
const FENCES: [(Fences, Fences); 3] = [
    (Fences::Full, Fences::Full),
    (
        Fences::Asymmetric { registered: true },
        Fences::Asymmetric { registered: true },
    ),
    (
        Fences::Asymmetric { registered: false },
        Fences::Asymmetric { registered: true },
    ),
];

/// Exhaustive, for each pair of fences. The consumer sleeps on an empty ring, one message comes.
fn empty<B: NewBell>() {
    for (publisher, sleeper) in FENCES {
        exhaustive(move || {
            let rig = Rig::with_sleepers(2, 0);
            let bell = Arc::new(B::new());
            let mut consumer = rig.consumer();
            let mut producer = rig.producer_with_credit();
            let theirs = Arc::clone(&bell);
            let writer = loom::thread::spawn(move || {
                assert_eq!(producer.try_push(Ask::Gate, 7), Pushed::Done);
                let _ = producer.notify(&*theirs, publisher);
            });
            assert_eq!(consumer.pop_parked(&*bell, sleeper), Some(7));
            writer.join().expect("the producer ends");
        });
    }
}

/// See [`empty`].
pub fn a_consumer_asleep_on_a_futex_is_woken() {
    empty::<FutexBell>();
}

/// See [`empty`].
pub fn a_consumer_asleep_on_a_semaphore_is_woken() {
    empty::<SemaphoreBell>();
}

/// Exhaustive, for each pair of fences. The producer sleeps on a full ring, the consumer takes one message.
fn full<B: NewBell>() {
    for (publisher, sleeper) in FENCES {
        exhaustive(move || {
            let rig = Rig::with_sleepers(2, 0);
            let bell = Arc::new(B::new());
            let mut consumer = rig.consumer();
            let mut producer = rig.producer_with_credit();
            for value in 0..2 {
                assert_eq!(producer.try_push(Ask::Gate, value), Pushed::Done);
            }
            let theirs = Arc::clone(&bell);
            let reader = loom::thread::spawn(move || {
                assert_eq!(consumer.try_pop(), Some(0));
                let _ = consumer.notify(&*theirs, publisher);
            });
            assert_eq!(producer.push_parked(2, &*bell, sleeper), Pushed::Done);
            reader.join().expect("the consumer ends");
        });
    }
}

/// See [`full`].
pub fn a_producer_asleep_on_a_futex_is_woken() {
    full::<FutexBell>();
}

/// See [`full`].
pub fn a_producer_asleep_on_a_semaphore_is_woken() {
    full::<SemaphoreBell>();
}

/// At most 3 preemptions. A ring of eight publishes its gate every second message and wakes the producer then only.
pub fn a_producer_asleep_behind_a_lagging_gate_is_woken() {
    bounded(3, || {
        let rig = Rig::with_sleepers(8, 0);
        let bell = Arc::new(FutexBell::new());
        let mut consumer = rig.consumer();
        let mut producer = rig.producer_with_credit();
        for value in 0..8 {
            assert_eq!(producer.try_push(Ask::Gate, value), Pushed::Done);
        }
        let theirs = Arc::clone(&bell);
        let reader = loom::thread::spawn(move || {
            for value in 0..2 {
                assert_eq!(consumer.look(), Look::Ready);
                assert_eq!(consumer.read(), value);
                consumer.release();
                if consumer.tell() {
                    let _ = consumer.notify(&*theirs, Fences::Full);
                }
            }
        });
        for value in 8..10 {
            assert_eq!(
                producer.push_parked(value, &*bell, Fences::Full),
                Pushed::Done
            );
        }
        reader.join().expect("the consumer ends");
    });
}

/// Exhaustive. Each side closes while the other sleeps.
pub fn a_close_wakes_whoever_sleeps() {
    exhaustive(|| {
        let rig = Rig::with_sleepers(2, 0);
        let bell = Arc::new(FutexBell::new());
        let mut consumer = rig.consumer();
        let mut producer = rig.producer_with_credit();
        let theirs = Arc::clone(&bell);
        let closer = loom::thread::spawn(move || {
            close_producer(&producer.rig.control);
            let _ = producer.notify(&*theirs, Fences::Full);
        });
        assert_eq!(consumer.pop_parked(&*bell, Fences::Full), None);
        closer.join().expect("the producer ends");
    });
    exhaustive(|| {
        let rig = Rig::with_sleepers(2, 0);
        let bell = Arc::new(FutexBell::new());
        let consumer = rig.consumer();
        let mut producer = rig.producer_with_credit();
        for value in 0..2 {
            assert_eq!(producer.try_push(Ask::Gate, value), Pushed::Done);
        }
        let theirs = Arc::clone(&bell);
        let closer = loom::thread::spawn(move || {
            close_consumer(&consumer.rig.control);
            park::leave(&consumer.rig.control.consumer_sleep.0);
            let _ = consumer.notify(&*theirs, Fences::Full);
        });
        assert_eq!(
            producer.push_parked(2, &*bell, Fences::Full),
            Pushed::Closed
        );
        closer.join().expect("the consumer ends");
    });
}

/// At most 2 preemptions. Three messages through two slots, both sides sleep when they have nothing to do.
pub fn both_sides_may_sleep() {
    bounded(2, || {
        let rig = Rig::with_sleepers(2, 0);
        let bells = Arc::new((FutexBell::new(), FutexBell::new()));
        let mut consumer = rig.consumer();
        let mut producer = rig.producer_with_credit();
        let theirs = Arc::clone(&bells);
        let writer = loom::thread::spawn(move || {
            for value in 0..3 {
                assert_eq!(
                    producer.push_parked(value, &theirs.1, Fences::Full),
                    Pushed::Done
                );
                let _ = producer.notify(&theirs.0, Fences::Full);
            }
        });
        for value in 0..3 {
            assert_eq!(consumer.pop_parked(&bells.0, Fences::Full), Some(value));
            let _ = consumer.notify(&bells.1, Fences::Full);
        }
        writer.join().expect("the producer ends");
    });
}

/// At most 3 preemptions. A consumer dies in its sleep, its successor sleeps on the same word, the producer may
/// spend a wake-up on the dead one: the living one wakes all the same and the word is as new.
pub fn the_word_of_a_dead_sleeper_heals() {
    let outcomes = Outcomes::new();
    let seen = outcomes.clone();
    bounded(3, move || {
        let rig = Rig::with_sleepers(2, 0);
        let bell = Arc::new(FutexBell::new());
        let mut producer = rig.producer_with_credit();
        let theirs = Arc::clone(&rig);
        // Relaxed: the first access of `nap`; then the sleeper is killed.
        let sleeper = loom::thread::spawn(move || {
            theirs.control.consumer_sleep.0.fetch_or(ASLEEP, Relaxed);
        });
        let ringing = Arc::clone(&bell);
        let writer = loom::thread::spawn(move || {
            assert_eq!(producer.try_push(Ask::Gate, 7), Pushed::Done);
            let _ = producer.notify(&*ringing, Fences::Full);
        });
        sleeper.join().expect("the sleeper is dead");
        // Above the state are the wakes.
        let state = |rig: &Rig| rig.control.consumer_sleep.0.load(Relaxed) & 3;
        seen.saw(state(&rig));
        let mut consumer = rig.consumer();
        assert_eq!(consumer.pop_parked(&*bell, Fences::Full), Some(7));
        writer.join().expect("the producer ends");
        // That sleeper dies in its sleep as well, with nobody to clear the word after it.
        rig.control.consumer_sleep.0.fetch_or(ASLEEP, Relaxed);
        // The next message costs one needless ring at most, then the word is AWAKE whatever came before.
        let mut producer = rig.producer();
        assert_eq!(producer.try_push(Ask::Gate, 8), Pushed::Done);
        let _ = producer.notify(&*bell, Fences::Full);
        assert_eq!(state(&rig), AWAKE);
    });
    outcomes.are([AWAKE, ASLEEP]);
}
