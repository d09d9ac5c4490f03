//! One side is killed after any number of its steps in shared memory, and a successor takes over while the
//! other side runs on.
//!
//! A killed participant stops after a step and its private half is dropped. Its successor then runs on the same
//! loom thread: the kernel lock that changes hands orders everything the dead one did before everything the
//! successor does, which is exactly what the order within one thread says, and it costs loom no polling. The
//! ledger: what was committed arrives, in order, at most the message in the dead consumer's hands twice, and
//! nothing else.

use crate::bells::{FutexBell, NewBell};
use crate::rig::{Ask, Consumer, Outcomes, Producer, Pushed, Rig, bounded};
use crate::ring::close::close_producer;
use crate::ring::spsc::Look;
use crate::sync::spin_hint;
use crate::wait::park::Fences;
use std::sync::Arc;

/// A number of steps that may still be done.
struct Life(u32);

impl Life {
    /// Does `step` if there is life left in it.
    fn step<T>(&mut self, step: impl FnOnce() -> T) -> Option<T> {
        self.0 = self.0.checked_sub(1)?;
        Some(step())
    }
}

/// Pushes `value`, `value + 1`, ... until `life` ends: payload, ready word, wake-up. Three steps a message.
fn push_until_death(
    producer: &mut Producer,
    bell: &FutexBell,
    ask: Ask,
    mut value: u64,
    mut life: Life,
) {
    loop {
        while producer.room(ask) == Pushed::Full {
            spin_hint();
        }
        let whole = life
            .step(|| producer.write(value))
            .and_then(|()| life.step(|| producer.publish()))
            .and_then(|()| life.step(|| producer.notify(bell, Fences::Full)));
        if whole.is_none() {
            return;
        }
        value += 1;
    }
}

/// Messages that a producer with `steps` steps has committed.
fn committed(steps: u32) -> u64 {
    u64::from((steps + 1) / 3)
}

/// The successor's part: one more message, then the close.
fn succeed_producer(rig: &Arc<Rig>, bell: &FutexBell, ask: Ask) {
    let mut producer = rig.producer();
    assert_eq!(producer.push(ask, 100), Pushed::Done);
    let _ = producer.notify(bell, Fences::Full);
    close_producer(&rig.control);
    let _ = producer.notify(bell, Fences::Full);
}

/// See the models below.
fn producer_killed(ask: Ask, parked: bool) {
    // A producer that asks the slots begins at a full ring.
    let before = if ask == Ask::Slot { 2 } else { 0 };
    for steps in 0..=6 {
        // From a full ring, with the consumer's steps added, the later steps are too many for 2.
        let preemptions = if before + steps > 5 && ask == Ask::Slot {
            1
        } else {
            2
        };
        let expected: Vec<u64> = (0..u64::from(before) + committed(steps))
            .chain([100])
            .collect();
        bounded(preemptions, move || {
            let rig = match parked {
                true => Rig::with_sleepers(2, 0),
                false => Rig::new(2, 0),
            };
            let bell = Arc::new(FutexBell::new());
            let mut first = rig.producer_with_credit();
            let mut consumer = rig.consumer();
            for value in 0..u64::from(before) {
                assert_eq!(first.try_push(ask, value), Pushed::Done);
            }
            let theirs = (Arc::clone(&rig), Arc::clone(&bell));
            let producers = loom::thread::spawn(move || {
                push_until_death(&mut first, &theirs.1, ask, before.into(), Life(steps));
                succeed_producer(&theirs.0, &theirs.1, ask);
            });
            let mut got = Vec::new();
            while let Some(value) = match parked {
                true => consumer.pop_parked(&*bell, Fences::Full),
                false => consumer.pop(),
            } {
                got.push(value);
            }
            assert_eq!(got, expected, "killed after step {steps}");
            producers.join().expect("the second producer ends");
        });
    }
}

/// At most 2 preemptions, for every step of two pushes. The successor looks at the gate.
pub fn a_producer_killed_at_any_step_loses_only_what_it_had_not_committed() {
    producer_killed(Ask::Gate, false);
}

/// At most 2 preemptions up to the first push's wake-up, 1 for the steps after it. The ring is full at first; both
/// producers ask the slots and so are ahead of the gate.
pub fn a_killed_producer_that_asked_the_slots_is_succeeded() {
    producer_killed(Ask::Slot, false);
}

/// At most 2 preemptions, for every step of two pushes. The consumer sleeps; a wake-up that died with the first
/// producer is made up for by the next of the second. (Without a successor the bounded sleep ends it.)
pub fn a_sleeper_outlives_the_death_of_its_waker() {
    producer_killed(Ask::Gate, true);
}

/// What a consumer had done when it died.
#[derive(Debug, Default)]
struct Ledger {
    released: Vec<u64>,
    in_hand: Option<u64>,
}

/// Takes messages until `life` ends: look, read, release, gate, wake-up. Five steps a message.
fn pop_until_death(consumer: &mut Consumer, bell: &FutexBell, mut life: Life) -> Ledger {
    let mut ledger = Ledger::default();
    loop {
        if life
            .step(|| {
                while consumer.look() != Look::Ready {
                    spin_hint()
                }
            })
            .is_none()
        {
            return ledger;
        }
        ledger.in_hand = life.step(|| consumer.read());
        if life.step(|| consumer.release()).is_none() {
            return ledger;
        }
        ledger.released.extend(ledger.in_hand.take());
        life.step(|| consumer.tell());
        life.step(|| consumer.notify(bell, Fences::Full));
    }
}

/// At most 2 preemptions, for every step of two pops. Four messages through two slots.
fn consumer_killed(ask: Ask) {
    for steps in 0..=10 {
        let outcomes = Outcomes::new();
        let seen = outcomes.clone();
        bounded(2, move || {
            let rig = Rig::new(2, 0);
            let bell = FutexBell::new();
            let mut first = rig.consumer();
            let mut producer = rig.producer_with_credit();
            for value in 0..2 {
                assert_eq!(producer.try_push(ask, value), Pushed::Done);
            }
            let theirs = Arc::clone(&rig);
            let consumers = loom::thread::spawn(move || {
                let ledger = pop_until_death(&mut first, &bell, Life(steps));
                (ledger, theirs.consumer().drain())
            });
            for value in 2..4 {
                assert_eq!(producer.push(ask, value), Pushed::Done);
            }
            close_producer(&rig.control);
            let (ledger, rest) = consumers.join().expect("the second consumer ends");
            let all: Vec<u64> = ledger.released.iter().chain(&rest).copied().collect();
            assert_eq!(all, [0, 1, 2, 3], "killed after step {steps}");
            if let Some(value) = ledger.in_hand {
                assert_eq!(rest[0], value, "the message in hand comes again, first");
            }
            seen.saw((ledger.released.len() as u32, ledger.in_hand.is_some()));
        });
        // Steps of the unfinished message: 2 have it read, 3 and 4 have it released.
        let (whole, part) = (steps / 5, steps % 5);
        outcomes.are([(whole + u32::from(part >= 3), part == 2)]);
    }
}

/// See [`consumer_killed`]; the producer looks at the gate.
pub fn a_consumer_killed_at_any_step_loses_nothing() {
    consumer_killed(Ask::Gate);
}

/// See [`consumer_killed`]; the producer asks the slots, and so may be ahead of the gate.
pub fn a_consumer_killed_behind_a_producer_that_asks_the_slots_loses_nothing() {
    consumer_killed(Ask::Slot);
}

/// At most 3 preemptions, for every step of one pop. The successor dies too, as soon as it has resumed.
pub fn a_successor_may_die_as_well() {
    for steps in 0..=5 {
        bounded(3, move || {
            let rig = Rig::new(2, 0);
            let bell = FutexBell::new();
            let mut first = rig.consumer();
            let mut producer = rig.producer_with_credit();
            for value in 0..2 {
                assert_eq!(producer.try_push(Ask::Slot, value), Pushed::Done);
            }
            let writer = loom::thread::spawn(move || {
                assert_eq!(producer.push(Ask::Slot, 2), Pushed::Done);
                close_producer(&producer.rig.control);
            });
            let released = pop_until_death(&mut first, &bell, Life(steps)).released;
            drop(rig.consumer());
            let rest = rig.consumer().drain();
            let all: Vec<u64> = released.into_iter().chain(rest).collect();
            assert_eq!(all, [0, 1, 2], "killed after step {steps}");
            writer.join().expect("the producer ends");
        });
    }
}
