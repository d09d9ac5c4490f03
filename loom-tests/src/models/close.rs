//! Edge X1: what was committed before the close is drained, and both sides learn of the close.

use crate::bells::NoBell;
use crate::layout::control::CLOSED_BY_CONSUMER;
use crate::rig::{Ask, Consumer, Outcomes, Pushed, Rig, bounded, exhaustive};
use crate::ring::close::{close_consumer, close_producer, consumer_closed, producer_closed};
use crate::ring::spsc::Look;
use crate::sync::Ordering::Relaxed;
use crate::wait::park::{self, Fences, Notified};

/// Exhaustive. The producer commits two messages and closes while the consumer looks until it finds nothing.
pub fn nothing_committed_before_the_close_is_missed() {
    let outcomes = Outcomes::new();
    let seen = outcomes.clone();
    exhaustive(move || {
        let rig = Rig::new(2, 0);
        let mut consumer = rig.consumer();
        let mut producer = rig.producer_with_credit();
        let writer = loom::thread::spawn(move || {
            for value in 0..2 {
                assert_eq!(producer.try_push(Ask::Gate, value), Pushed::Done);
            }
            close_producer(&producer.rig.control);
            assert_eq!(producer.room(Ask::Gate), Pushed::Closed);
        });
        let mut taken = 0;
        let end = loop {
            match consumer.look() {
                Look::Ready => assert_eq!(consumer.try_pop(), Some(taken)),
                end => break end == Look::Closed,
            }
            taken += 1;
        };
        seen.saw((taken, end));
        writer.join().expect("the producer ends");
    });
    outcomes.are([(0, false), (1, false), (2, false), (2, true)]);
}

/// Exhaustive. Whoever asks [`producer_closed`] first and looks for messages after it misses none.
pub fn the_closed_question_comes_before_the_last_look() {
    let outcomes = Outcomes::new();
    let seen = outcomes.clone();
    exhaustive(move || {
        let rig = Rig::new(2, 0);
        let consumer = rig.consumer();
        let mut producer = rig.producer_with_credit();
        let writer = loom::thread::spawn(move || {
            assert_eq!(producer.try_push(Ask::Gate, 7), Pushed::Done);
            close_producer(&producer.rig.control);
        });
        let closed = producer_closed(&rig.control);
        seen.saw((closed, consumer.head.is_ready(&rig.slots)));
        writer.join().expect("the producer ends");
    });
    outcomes.are([(false, false), (false, true), (true, true)]);
}

/// At most 3 preemptions. The consumer drains up to the close, polling.
pub fn a_drain_ends_at_the_close_with_everything() {
    bounded(3, || {
        let rig = Rig::new(2, 0);
        let mut consumer = rig.consumer();
        let mut producer = rig.producer_with_credit();
        let writer = loom::thread::spawn(move || {
            for value in 0..3 {
                assert_eq!(producer.push(Ask::Gate, value), Pushed::Done);
            }
            close_producer(&producer.rig.control);
        });
        assert_eq!(consumer.drain(), [0, 1, 2]);
        assert_eq!(consumer.look(), Look::Closed);
        writer.join().expect("the producer ends");
    });
}

/// What a consumer does that closes its side.
fn close(consumer: &Consumer) {
    close_consumer(&consumer.rig.control);
    park::leave(&consumer.rig.control.consumer_sleep.0);
}

/// Exhaustive. The consumer closes while the producer, with credit for all, pushes three messages. The push
/// after the one that found the consumer gone is refused: at most one message is late.
pub fn a_producer_learns_of_the_close_one_message_late_at_most() {
    let outcomes = Outcomes::new();
    let seen = outcomes.clone();
    exhaustive(move || {
        let rig = Rig::new(4, 0);
        let mut producer = rig.producer_with_credit();
        let consumer = rig.consumer();
        let closer = loom::thread::spawn(move || {
            close(&consumer);
        });
        let mut pushed = 0;
        while pushed < 3 {
            assert!(producer.tail.has_credit());
            assert_eq!(producer.try_push(Ask::Gate, pushed), Pushed::Done);
            pushed += 1;
            if producer.notify(&NoBell, Fences::Full) == Notified::Gone {
                assert_eq!(producer.try_push(Ask::Gate, 99), Pushed::Closed);
                assert!(consumer_closed(&rig.control));
                break;
            }
        }
        seen.saw((
            pushed,
            rig.control.closed.0.load(Relaxed) & CLOSED_BY_CONSUMER != 0,
        ));
        closer.join().expect("the consumer ends");
    });
    outcomes.are([(1, true), (2, true), (3, true), (3, false)]);
}

/// Exhaustive. The producer holds a loan, written and not yet committed, when the consumer closes: the commit
/// does no harm, nobody reads it, and the next push is refused.
pub fn a_loan_outlives_the_consumers_close() {
    let outcomes = Outcomes::new();
    let seen = outcomes.clone();
    exhaustive(move || {
        let rig = Rig::new(2, 0);
        let mut producer = rig.producer_with_credit();
        let mut consumer = rig.consumer();
        producer.write(7);
        let closer = loom::thread::spawn(move || {
            let before = consumer.try_pop();
            close(&consumer);
            before
        });
        producer.publish();
        let notified = producer.notify(&NoBell, Fences::Full);
        let next = match notified {
            Notified::Gone => producer.try_push(Ask::Gate, 8),
            Notified::Fine => Pushed::Done,
        };
        let taken = closer.join().expect("the consumer ends");
        seen.saw((taken, next));
        producer.tail.forget_credit();
        assert_eq!(producer.try_push(Ask::Slot, 9), Pushed::Closed);
    });
    outcomes.are([
        (None, Pushed::Closed),
        (None, Pushed::Done),
        (Some(7), Pushed::Closed),
        (Some(7), Pushed::Done),
    ]);
}

/// Exhaustive. The consumer holds a sample when the producer closes a full ring: the sample stays valid, what
/// follows is drained, then comes the end.
pub fn a_sample_outlives_the_producers_close() {
    exhaustive(|| {
        let rig = Rig::new(2, 0);
        let mut producer = rig.producer_with_credit();
        let mut consumer = rig.consumer();
        for value in 0..2 {
            assert_eq!(producer.try_push(Ask::Gate, value), Pushed::Done);
        }
        assert_eq!(consumer.look(), Look::Ready);
        let closer = loom::thread::spawn(move || {
            assert_eq!(producer.try_push(Ask::Slot, 99), Pushed::Full);
            close_producer(&producer.rig.control);
            assert_eq!(producer.try_push(Ask::Slot, 99), Pushed::Closed);
        });
        assert_eq!(consumer.read(), 0);
        closer.join().expect("the producer ends");
        assert_eq!(consumer.read(), 0);
        assert_eq!(consumer.drain(), [0, 1]);
    });
}
