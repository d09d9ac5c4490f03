//! Edge P1 where records have lengths of their own: what is found is whole, comes in order, and is never something
//! that only looks like a record.

use crate::rig::{Outcomes, bounded, exhaustive};
use crate::rig_records::{Popped, Pushed, Rig};
use crate::ring::close::close_producer;
use crate::ring::records::Exactly;

/// Exhaustive. One record, one look.
pub fn a_record_that_is_seen_is_whole() {
    let outcomes = Outcomes::new();
    let seen = outcomes.clone();
    exhaustive(move || {
        let rig = Rig::spsc(32, 0);
        let mut consumer = rig.consumer();
        let mut producer = rig.producer_with_credit(8);
        let writer = loom::thread::spawn(move || {
            assert_eq!(producer.try_push(Exactly::No, 8, 7), Pushed::Done);
        });
        seen.saw(consumer.try_pop());
        writer.join().expect("the producer ends");
    });
    outcomes.are([Popped::Tag(7), Popped::Empty]);
}

/// Exhaustive. The fast look alone, as an endpoint polls it.
pub fn the_fast_look_alone_sees_whole_records() {
    let outcomes = Outcomes::new();
    let seen = outcomes.clone();
    exhaustive(move || {
        let rig = Rig::spsc(32, 0);
        let mut consumer = rig.consumer();
        let mut producer = rig.producer_with_credit(8);
        let writer = loom::thread::spawn(move || {
            assert_eq!(producer.try_push(Exactly::No, 8, 7), Pushed::Done);
        });
        seen.saw(consumer.take());
        writer.join().expect("the producer ends");
    });
    outcomes.are([None, Some(7)]);
}

/// At most 2 preemptions. Records of three lengths lap a small ring, both sides polling. All bytes begin as those of
/// old payload, and look like headers.
pub fn records_of_any_length_come_in_order() {
    bounded(2, || {
        let rig = Rig::with_old_payload(64, 0);
        let mut consumer = rig.consumer();
        let mut producer = rig.producer_with_credit(8);
        let writer = loom::thread::spawn(move || {
            for (tag, len) in [8, 0, 24, 0, 16, 8].into_iter().enumerate() {
                let end = producer.push(Exactly::No, len, tag as u16);
                assert_eq!(end, Pushed::Done);
            }
        });
        for tag in 0..6 {
            assert_eq!(consumer.pop(), Some(tag));
        }
        assert_eq!(consumer.try_pop(), Popped::Empty);
        writer.join().expect("the producer ends");
    });
}

/// Exhaustive. A loan is given up, the next one is written and committed shorter, a third follows: none of the bytes
/// that were written beside the records is read as one.
pub fn bytes_of_a_loan_that_was_given_up_are_no_records() {
    let outcomes = Outcomes::new();
    let seen = outcomes.clone();
    exhaustive(move || {
        let rig = Rig::with_old_payload(64, 0);
        let mut consumer = rig.consumer();
        let mut producer = rig.producer_with_credit(24);
        let writer = loom::thread::spawn(move || {
            producer.write(24, 1);
            producer.write(24, 2);
            producer.commit(8, 2);
            producer.write(0, 3);
            producer.commit(0, 3);
        });
        let mut taken = 0;
        while let Popped::Tag(tag) = consumer.try_pop() {
            assert_eq!(tag, taken + 2);
            taken += 1;
        }
        seen.saw(taken);
        writer.join().expect("the producer ends");
    });
    outcomes.are([0, 1, 2]);
}

/// Exhaustive. The producer commits two records and closes while the consumer looks until it finds nothing.
pub fn no_record_committed_before_the_close_is_missed() {
    let outcomes = Outcomes::new();
    let seen = outcomes.clone();
    exhaustive(move || {
        let rig = Rig::spsc(32, 0);
        let mut consumer = rig.consumer();
        let mut producer = rig.producer_with_credit(8);
        let writer = loom::thread::spawn(move || {
            for (tag, len) in [(0, 0), (1, 8)] {
                assert_eq!(producer.try_push(Exactly::No, len, tag), Pushed::Done);
            }
            close_producer(&producer.rig.control);
            assert_eq!(producer.room(8, Exactly::No), Pushed::Closed);
        });
        let mut taken = 0;
        let end = loop {
            match consumer.try_pop() {
                Popped::Tag(tag) => assert_eq!(tag, taken),
                end => break end,
            }
            taken += 1;
        };
        seen.saw((taken, end));
        writer.join().expect("the producer ends");
    });
    let empty = |taken| (taken, Popped::Empty);
    outcomes.are([empty(0), empty(1), empty(2), (2, Popped::Closed)]);
}
