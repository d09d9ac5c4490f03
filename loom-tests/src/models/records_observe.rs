//! Edge O1: an onlooker reads along, and takes nothing that is not a record of the lap it is in.

use crate::rig::{Outcomes, bounded, exhaustive};
use crate::rig_records::{FORGED, Popped, Pushed, Rig};
use crate::ring::close::close_producer;
use crate::ring::records::Exactly;
use crate::ring::records::observe::{Onlooker, Seen};
use crate::ring::words::Words;
use crate::sync::Ordering::Relaxed;

/// Exhaustive. The place of the next record still has the mark of a record of the lap before, which was taken. A
/// record is pushed there and taken while the onlooker looks: it sees that one or none.
pub fn a_mark_of_the_lap_before_is_no_record() {
    let outcomes = Outcomes::new();
    let seen = outcomes.clone();
    exhaustive(move || {
        let rig = Rig::spsc(32, 0);
        let mut consumer = rig.consumer();
        let mut producer = rig.producer();
        for tag in 1..5 {
            assert_eq!(producer.try_push(Exactly::Yes, 0, tag), Pushed::Done);
            assert_eq!(consumer.try_pop(), Popped::Tag(tag));
        }
        let mut onlooker = Onlooker::new(&rig.control, rig.shape);
        let both = loom::thread::spawn(move || {
            assert_eq!(producer.try_push(Exactly::Yes, 8, 5), Pushed::Done);
            assert_eq!(consumer.try_pop(), Popped::Tag(5));
        });
        let mut len = None;
        let look = onlooker.look(&rig.bytes, &rig.control, |at, n| {
            // Relaxed: as an onlooker copies; the header's order must do.
            len = Some((n, rig.bytes.at(at).load(Relaxed)));
        });
        seen.saw(match look {
            Seen::Record { tag, .. } => {
                let (n, copied) = len.expect("it was copied");
                assert_eq!(copied, FORGED, "the payload");
                (tag, Some(n))
            }
            other => {
                assert_eq!(other, Seen::Empty);
                (0, None)
            }
        });
        both.join().expect("both end");
    });
    outcomes.are([(0, None), (5, Some(8))]);
}

/// Exhaustive. The onlooker has read one record along; while it looks for the next, that is taken and the producer
/// comes round to it. What it is told that it missed is what lies between its place and the consumer's.
pub fn an_onlooker_that_is_lapped_goes_forward() {
    let outcomes = Outcomes::new();
    let seen = outcomes.clone();
    exhaustive(move || {
        let rig = Rig::spsc(32, 0);
        let mut consumer = rig.consumer();
        let mut producer = rig.producer();
        for tag in 1..4 {
            assert_eq!(producer.try_push(Exactly::Yes, 0, tag), Pushed::Done);
        }
        let mut onlooker = Onlooker::new(&rig.control, rig.shape);
        let first = onlooker.look(&rig.bytes, &rig.control, |_, _| ());
        assert_eq!(
            first,
            Seen::Record {
                tag: 1,
                position: 0
            }
        );
        let both = loom::thread::spawn(move || {
            for tag in 1..3 {
                assert_eq!(consumer.take(), Some(tag));
            }
            for tag in 4..6 {
                assert_eq!(producer.try_push(Exactly::Yes, 0, tag), Pushed::Done);
            }
        });
        seen.saw(match onlooker.look(&rig.bytes, &rig.control, |_, _| ()) {
            Seen::Record { tag, position } => (u64::from(tag), position),
            Seen::Missed { bytes } => (0, bytes),
            other => panic!("the record is there: {other:?}"),
        });
        both.join().expect("both end");
    });
    outcomes.are([(2, 8), (0, 8)]);
}

/// At most 2 preemptions. Three records were read along but one; while the onlooker looks for the second, all are taken
/// and the producer writes payload over its header. The onlooker finds the record or that it missed it, no payload.
pub fn payload_over_a_header_is_no_record_to_an_onlooker() {
    let outcomes = Outcomes::new();
    let seen = outcomes.clone();
    bounded(2, move || {
        let rig = Rig::spsc(32, 0);
        let mut consumer = rig.consumer();
        let mut producer = rig.producer();
        for tag in 1..4 {
            assert_eq!(producer.try_push(Exactly::Yes, 0, tag), Pushed::Done);
        }
        let mut onlooker = Onlooker::new(&rig.control, rig.shape);
        let _ = onlooker.look(&rig.bytes, &rig.control, |_, _| ());
        let both = loom::thread::spawn(move || {
            for tag in 1..4 {
                assert_eq!(consumer.take(), Some(tag));
            }
            for (tag, len) in [(4, 0), (5, 8)] {
                assert_eq!(producer.try_push(Exactly::Yes, len, tag), Pushed::Done);
            }
        });
        seen.saw(match onlooker.look(&rig.bytes, &rig.control, |_, _| ()) {
            Seen::Record { tag, position } => (u64::from(tag), position),
            Seen::Missed { bytes } => (0, bytes),
            other => panic!("the record is there: {other:?}"),
        });
        both.join().expect("both end");
    });
    outcomes.are([(2, 8), (0, 16)]);
}

/// At most 2 preemptions. While the onlooker copies a payload, its record is taken and the place of a header that comes
/// after it, in the lap to come, is cleared in the middle of that payload. What is returned as a record is whole.
pub fn a_payload_that_was_written_over_is_no_record_to_an_onlooker() {
    let outcomes = Outcomes::new();
    let seen = outcomes.clone();
    bounded(2, move || {
        let rig = Rig::spsc(32, 0);
        let mut consumer = rig.consumer();
        let mut producer = rig.producer();
        for (tag, len) in [(1, 8), (2, 0)] {
            assert_eq!(producer.try_push(Exactly::Yes, len, tag), Pushed::Done);
        }
        let mut onlooker = Onlooker::new(&rig.control, rig.shape);
        let both = loom::thread::spawn(move || {
            for tag in 1..3 {
                assert_eq!(consumer.take(), Some(tag));
            }
            for tag in 3..5 {
                assert_eq!(producer.try_push(Exactly::Yes, 0, tag), Pushed::Done);
            }
        });
        let mut copied = 0;
        let look = onlooker.look(&rig.bytes, &rig.control, |at, _| {
            // Relaxed: as an onlooker copies.
            copied = rig.bytes.at(at).load(Relaxed);
        });
        seen.saw(match look {
            Seen::Record { tag, position } => {
                assert_eq!(copied, FORGED, "the payload");
                (u64::from(tag), position)
            }
            Seen::Missed { bytes } => (0, bytes),
            other => panic!("the record is there: {other:?}"),
        });
        both.join().expect("both end");
    });
    outcomes.are([(1, 0), (0, 24)]);
}

/// At most 2 preemptions. As [`an_onlooker_that_is_lapped_goes_forward`], with a thread for each side.
pub fn an_onlooker_knows_where_the_consumer_was_when_it_was_lapped() {
    let outcomes = Outcomes::new();
    let seen = outcomes.clone();
    bounded(2, move || {
        let rig = Rig::spsc(32, 0);
        let mut consumer = rig.consumer();
        let mut producer = rig.producer();
        for tag in 1..4 {
            assert_eq!(producer.try_push(Exactly::Yes, 0, tag), Pushed::Done);
        }
        let mut onlooker = Onlooker::new(&rig.control, rig.shape);
        let reader = loom::thread::spawn(move || assert_eq!(consumer.take(), Some(1)));
        let writer = loom::thread::spawn(move || {
            let _ = producer.try_push(Exactly::Yes, 0, 4);
        });
        seen.saw(match onlooker.look(&rig.bytes, &rig.control, |_, _| ()) {
            Seen::Record { tag, position } => (u64::from(tag), position),
            Seen::Missed { bytes } => (0, bytes),
            other => panic!("the record is there: {other:?}"),
        });
        reader.join().expect("the consumer ends");
        writer.join().expect("the producer ends");
    });
    outcomes.are([(1, 0), (0, 8)]);
}

/// At most 2 preemptions. The producer has closed; the consumer takes the last two records while the onlooker looks.
/// It is told the end only when it has seen both.
pub fn an_onlooker_is_told_the_end_behind_the_last_record() {
    let outcomes = Outcomes::new();
    let seen = outcomes.clone();
    bounded(2, move || {
        let rig = Rig::spsc(32, 0);
        let mut consumer = rig.consumer();
        let mut producer = rig.producer();
        let mut onlooker = Onlooker::new(&rig.control, rig.shape);
        let both = loom::thread::spawn(move || {
            for tag in 1..3 {
                assert_eq!(producer.try_push(Exactly::Yes, 0, tag), Pushed::Done);
            }
            close_producer(&producer.rig.control);
            for tag in 1..3 {
                assert_eq!(consumer.take(), Some(tag));
            }
        });
        let mut got = 0;
        let end = loop {
            match onlooker.look(&rig.bytes, &rig.control, |_, _| ()) {
                Seen::Record { tag, .. } => {
                    assert_eq!(tag, got + 1);
                    got = tag;
                }
                end => break end,
            }
        };
        seen.saw((got, end == Seen::Closed));
        assert!(matches!(end, Seen::Empty | Seen::Closed), "{end:?}");
        both.join().expect("both end");
    });
    outcomes.are([(0, false), (1, false), (2, false), (2, true)]);
}
