//! Edges G1 and C1: nothing is written over before it was read, and `Full` means full.

use crate::bells::NoBell;
use crate::rig::{Ask, Outcomes, Producer, Pushed, Rig, bounded, exhaustive};
use crate::wait::park::Fences;
use std::sync::Arc;

/// A ring of `capacity` with messages 0, 1, ... in every slot, and its producer.
fn full(capacity: u64) -> (Arc<Rig>, Producer) {
    let rig = Rig::new(capacity, 0);
    let mut producer = rig.producer();
    for value in 0..capacity {
        assert_eq!(producer.try_push(Ask::Gate, value), Pushed::Done);
    }
    assert_eq!(producer.try_push(Ask::Slot, 99), Pushed::Full);
    (rig, producer)
}

/// Exhaustive. The consumer takes one message of a full ring and says so at the gate.
pub fn the_gate_hands_back_only_what_was_read() {
    let outcomes = Outcomes::new();
    let seen = outcomes.clone();
    exhaustive(move || {
        let (rig, mut producer) = full(2);
        let mut consumer = rig.consumer();
        let reader = loom::thread::spawn(move || {
            assert_eq!(consumer.try_pop(), Some(0));
            consumer
        });
        let pushed = producer.try_push(Ask::Gate, 2);
        seen.saw(pushed);
        let mut consumer = reader.join().expect("the consumer ends");
        assert_eq!(consumer.try_pop(), Some(1));
        assert_eq!(consumer.try_pop(), (pushed == Pushed::Done).then_some(2));
    });
    outcomes.are([Pushed::Done, Pushed::Full]);
}

/// Exhaustive. The consumer takes one message of a full ring and says nothing: the slot itself tells.
pub fn a_slot_hands_itself_back_only_when_it_was_read() {
    let outcomes = Outcomes::new();
    let seen = outcomes.clone();
    exhaustive(move || {
        let (rig, mut producer) = full(2);
        let mut consumer = rig.consumer();
        let reader = loom::thread::spawn(move || {
            assert_eq!(consumer.take(), Some(0));
            consumer
        });
        let pushed = producer.try_push(Ask::Slot, 2);
        seen.saw(pushed);
        let mut consumer = reader.join().expect("the consumer ends");
        // With the consumer at rest, a released slot is found, and only one.
        if pushed == Pushed::Full {
            assert_eq!(producer.room(Ask::Gate), Pushed::Full);
            assert_eq!(producer.try_push(Ask::Slot, 2), Pushed::Done);
        }
        assert_eq!(producer.try_push(Ask::Slot, 3), Pushed::Full);
        assert_eq!(consumer.try_pop(), Some(1));
        assert_eq!(consumer.try_pop(), Some(2));
        assert_eq!(consumer.try_pop(), None);
    });
    outcomes.are([Pushed::Done, Pushed::Full]);
}

/// At most 3 preemptions. A producer that asks the slots runs ahead of the gate while the consumer keeps it back
/// as long as it may.
pub fn a_producer_ahead_of_the_gate_stays_in_order() {
    bounded(3, || {
        let (rig, mut producer) = full(2);
        let mut consumer = rig.consumer();
        let reader = loom::thread::spawn(move || {
            for value in 0..2 {
                assert_eq!(consumer.read(), value);
                consumer.release();
            }
            consumer.head.publish_gate(&consumer.rig.control);
            consumer
        });
        for value in 2..4 {
            assert_eq!(producer.push(Ask::Slot, value), Pushed::Done);
        }
        let mut consumer = reader.join().expect("the consumer ends");
        for value in 2..4 {
            assert_eq!(consumer.try_pop(), Some(value));
        }
        assert_eq!(producer.room(Ask::Slot), Pushed::Done);
    });
}

/// One thread. The same with a ring in which the gate lags by design: it moves every second message only, the
/// producer goes on with every one.
pub fn the_slots_are_asked_while_the_gate_lags() {
    exhaustive(|| {
        let (rig, mut producer) = full(8);
        let mut consumer = rig.consumer();
        for value in 0..24 {
            assert_eq!(consumer.try_pop(), Some(value));
            assert_eq!(producer.try_push(Ask::Slot, value + 8), Pushed::Done);
            assert_eq!(producer.try_push(Ask::Slot, 99), Pushed::Full);
            let _ = producer.notify(&NoBell, Fences::Full);
        }
        assert_eq!(producer.tail.len(&rig.slots), 8);
        assert_eq!(consumer.head.len(&rig.slots), 8);
    });
}
