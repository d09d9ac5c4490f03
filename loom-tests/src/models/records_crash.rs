//! One producer, one consumer, records: one side dies before any of its accesses to shared words, and a successor
//! takes over while the other side runs on.
//!
//! The successor runs on the same loom thread; see `crash.rs` for why that is enough. The ledger: what was committed
//! arrives, in order, the record in a dead consumer's hands once more, and nothing else.

use crate::rig::{Outcomes, bounded};
use crate::rig_records::{Popped, Producer, Pushed, Rig};
use crate::ring::close::close_producer;
use crate::ring::records::Exactly;
use crate::sync::mortal;

/// Gives up a loan, pushes three records of different lengths, one of which was written longer than it is committed;
/// notes each in `done`.
fn push_three(producer: &mut Producer, exactly: Exactly, done: &mut Vec<u16>) {
    while producer.room(8, exactly) == Pushed::Full {
        crate::sync::spin_hint();
    }
    producer.write(8, 50);
    producer.write(8, 1);
    producer.commit(0, 1);
    done.push(1);
    for (tag, len) in [(2, 8), (3, 0)] {
        assert_eq!(producer.push(exactly, len, tag), Pushed::Done);
        done.push(tag);
    }
}

/// See the models below.
fn producer_killed(exactly: Exactly, start: u64) {
    let outcomes = Outcomes::new();
    for steps in 0..24 {
        let seen = outcomes.clone();
        bounded(1, move || {
            let rig = Rig::with_old_payload(32, start);
            let mut consumer = rig.consumer();
            let mut first = rig.producer_with_credit(8);
            let theirs = std::sync::Arc::clone(&rig);
            let producers = loom::thread::spawn(move || {
                let mut done = Vec::new();
                let life = || push_three(&mut first, exactly, &mut done);
                let survived = mortal(steps, life).is_some();
                let mut second = theirs.producer();
                assert_eq!(second.push(Exactly::Yes, 0, 100), Pushed::Done);
                close_producer(&theirs.control);
                done.push(100);
                (done, survived)
            });
            let got = consumer.drain();
            let (done, survived) = producers.join().expect("the second producer ends");
            assert_eq!(got, done, "killed after step {steps}");
            seen.saw((done.len(), survived));
        });
    }
    outcomes.are([(1, false), (2, false), (3, false), (4, true)]);
}

/// At most 1 preemption, for every access of three pushes.
pub fn a_producer_of_records_killed_anywhere_loses_only_what_it_had_not_committed() {
    producer_killed(Exactly::No, 0);
}

/// At most 1 preemption, for every access of three pushes; with padding, across the end
/// of the numbers, by a producer that asks exactly.
pub fn a_producer_killed_while_it_pads_is_succeeded() {
    producer_killed(Exactly::Yes, 0u64.wrapping_sub(16));
}

/// At most 2 preemptions, for every access of a consumer to shared words. Records and padding lap 32 bytes.
pub fn a_consumer_of_records_killed_anywhere_loses_nothing() {
    let outcomes = Outcomes::new();
    for steps in 0..32 {
        let seen = outcomes.clone();
        bounded(2, move || {
            let rig = Rig::with_old_payload(32, 0);
            let mut first = rig.consumer();
            let mut producer = rig.producer_with_credit(8);
            for (tag, len) in [(0, 8), (1, 0)] {
                assert_eq!(producer.try_push(Exactly::No, len, tag), Pushed::Done);
            }
            let writer = loom::thread::spawn(move || {
                assert_eq!(producer.push(Exactly::Yes, 8, 2), Pushed::Done);
                close_producer(&producer.rig.control);
            });
            let mut ledger = Vec::new();
            let life = || first.drain_into(&mut ledger);
            let survived = mortal(steps, life).is_some();
            let (mut got, in_hand) = rig.released_of(&ledger);
            let rest = rig.consumer().drain();
            if let Some(tag) = in_hand {
                assert_eq!(rest[0], tag, "the record in hand comes again, first");
            }
            got.extend(rest);
            assert_eq!(got, [0, 1, 2], "killed after step {steps}");
            seen.saw((in_hand, survived));
            writer.join().expect("the producer ends");
        });
    }
    outcomes.are([
        (None, false),
        (Some(0), false),
        (Some(1), false),
        (Some(2), false),
        (None, true),
    ]);
}

/// One thread. A consumer that dies in the middle of [`crate::ring::records::head::Head::look`] over padding.
pub fn a_consumer_killed_at_padding_is_succeeded() {
    for steps in 0..12 {
        bounded(0, move || {
            let rig = Rig::with_old_payload(32, 24);
            let mut first = rig.consumer();
            let mut producer = rig.producer();
            assert_eq!(producer.try_push(Exactly::No, 8, 7), Pushed::Done);
            let mut ledger = Vec::new();
            close_producer(&rig.control);
            mortal(steps, || first.drain_into(&mut ledger));
            let (mut got, _) = rig.released_of(&ledger);
            got.extend(rig.consumer().drain());
            assert_eq!(got, [7], "killed after step {steps}");
            let mut producer = rig.producer();
            assert_eq!(producer.room(8, Exactly::Yes), Pushed::Closed);
            assert_eq!(rig.consumer().try_pop(), Popped::Closed);
        });
    }
}
