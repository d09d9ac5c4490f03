//! Edges C1 and G1 of records, one producer: what is handed back was read, whichever of the two words tells.

use crate::rig::{Outcomes, bounded, exhaustive};
use crate::rig_records::{Consumer, Popped, Producer, Pushed, Rig};
use crate::ring::records::Exactly;
use std::sync::Arc;

/// A ring of 32 bytes with three empty records in it, which is all that it takes, and its ends.
fn filled(start: u64) -> (Arc<Rig>, Producer, Consumer) {
    let rig = Rig::with_old_payload(32, start);
    let consumer = rig.consumer();
    let mut producer = rig.producer();
    for tag in 0..3 {
        assert_eq!(producer.try_push(Exactly::No, 0, tag), Pushed::Done);
    }
    assert_eq!(producer.try_push(Exactly::Yes, 0, 3), Pushed::Full);
    (rig, producer, consumer)
}

/// Exhaustive. The consumer takes two records of a full ring, and the gate is published for each. The producer asks
/// twice, as `exactly` says; its second record lies over the first that was read.
fn handed_back(exactly: Exactly) {
    let outcomes = Outcomes::new();
    let seen = outcomes.clone();
    exhaustive(move || {
        let (_rig, mut producer, mut consumer) = filled(0);
        let reader = loom::thread::spawn(move || {
            for tag in 0..2 {
                assert_eq!(consumer.try_pop(), Popped::Tag(tag));
            }
            consumer
        });
        let mut pushed = 0;
        for _ in 0..2 {
            let end = producer.try_push(exactly, 0, 3 + pushed);
            pushed += u16::from(end == Pushed::Done);
        }
        let mut consumer = reader.join().expect("the consumer ends");
        for tag in 2..3 + pushed {
            assert_eq!(consumer.try_pop(), Popped::Tag(tag));
        }
        assert_eq!(consumer.try_pop(), Popped::Empty);
        seen.saw(pushed);
    });
    outcomes.are([0, 1, 2]);
}

/// See [`handed_back`].
pub fn the_gate_hands_back_only_records_that_were_read() {
    handed_back(Exactly::No);
}

/// See [`handed_back`].
pub fn the_head_hands_back_only_records_that_were_read() {
    handed_back(Exactly::Yes);
}

/// Exhaustive. The consumer may write the bytes of a record that it has read until it gives them back. It takes one of a
/// full ring; the producer's second record lies over it.
pub fn bytes_that_were_read_are_the_consumers_until_it_gives_them_back() {
    let outcomes = Outcomes::new();
    let seen = outcomes.clone();
    exhaustive(move || {
        let rig = Rig::with_dirt(64, 0);
        let mut consumer = rig.consumer();
        let mut producer = rig.producer();
        for (len, tag) in [(16, 0), (24, 1)] {
            assert_eq!(producer.try_push(Exactly::No, len, tag), Pushed::Done);
        }
        assert_eq!(producer.try_push(Exactly::Yes, 0, 2), Pushed::Full);
        let reader = loom::thread::spawn(move || {
            assert_eq!(consumer.try_pop(), Popped::Tag(0));
            consumer
        });
        let mut pushed = 0;
        for len in [0, 8] {
            let end = producer.try_push(Exactly::Yes, len, 2 + pushed);
            pushed += u16::from(end == Pushed::Done);
        }
        let mut consumer = reader.join().expect("the consumer ends");
        for tag in 1..2 + pushed {
            assert_eq!(consumer.try_pop(), Popped::Tag(tag));
        }
        assert_eq!(consumer.try_pop(), Popped::Empty);
        seen.saw(pushed);
    });
    outcomes.are([0, 1, 2]);
}

/// One thread, for starts across the wrap. The consumer has taken a record and its gate does not say so: a producer
/// that looks at the gate finds the ring full, one that looks exactly finds just the room there is. Then it is ahead
/// of the gate, and does not take that for a lie.
pub fn the_head_is_asked_while_the_gate_lags() {
    for start in [0, 0u64.wrapping_sub(8), 0u64.wrapping_sub(64)] {
        bounded(0, move || {
            let rig = Rig::with_old_payload(64, start);
            let mut consumer = rig.consumer();
            let mut producer = rig.producer();
            for tag in 0..7 {
                assert_eq!(producer.try_push(Exactly::No, 0, tag), Pushed::Done);
            }
            for tag in 7..14 {
                assert_eq!(consumer.take(), Some(tag - 7));
                assert_eq!(producer.try_push(Exactly::No, 0, tag), Pushed::Full);
                assert_eq!(producer.try_push(Exactly::Yes, 0, tag), Pushed::Done);
                assert_eq!(producer.try_push(Exactly::Yes, 0, 99), Pushed::Full);
            }
            assert!(consumer.head.publish_gate(&rig.control));
            assert_eq!(producer.try_push(Exactly::No, 0, 99), Pushed::Full);
        });
    }
}

/// At most 2 preemptions. A producer that asks exactly, and so is ahead of the gate, stays in order.
pub fn a_producer_ahead_of_the_gate_keeps_its_records_in_order() {
    bounded(2, || {
        let (_rig, mut producer, mut consumer) = filled(0);
        let writer = loom::thread::spawn(move || {
            for (tag, len) in [(3, 0), (4, 8), (5, 0)] {
                assert_eq!(producer.push(Exactly::Yes, len, tag), Pushed::Done);
            }
        });
        for tag in 0..6 {
            assert_eq!(consumer.pop(), Some(tag));
        }
        writer.join().expect("the producer ends");
    });
}
