//! Edge P1: what the consumer finds ready is wholly written, and comes in order.

use crate::rig::{Ask, Outcomes, Pushed, Rig, bounded, exhaustive};
use crate::ring::spsc::Look;

/// Exhaustive. One message, one look; both the fast and the slow half of the look may be the one that finds it.
pub fn a_message_that_is_seen_is_whole() {
    let outcomes = Outcomes::new();
    let seen = outcomes.clone();
    exhaustive(move || {
        let rig = Rig::new(2, 0);
        let mut consumer = rig.consumer();
        let mut producer = rig.producer_with_credit();
        let writer = loom::thread::spawn(move || {
            assert_eq!(producer.try_push(Ask::Gate, 7), Pushed::Done);
        });
        seen.saw(consumer.try_pop());
        writer.join().expect("the producer ends");
    });
    outcomes.are([None, Some(7)]);
}

/// Exhaustive. The fast half alone, as an endpoint polls it.
pub fn the_fast_look_alone_sees_whole_messages() {
    let outcomes = Outcomes::new();
    let seen = outcomes.clone();
    exhaustive(move || {
        let rig = Rig::new(2, 0);
        let consumer = rig.consumer();
        let mut producer = rig.producer_with_credit();
        let writer = loom::thread::spawn(move || {
            assert_eq!(producer.try_push(Ask::Gate, 7), Pushed::Done);
        });
        let ready = consumer.head.is_ready(&rig.slots);
        seen.saw(ready.then(|| consumer.read()));
        writer.join().expect("the producer ends");
    });
    outcomes.are([None, Some(7)]);
}

/// Exhaustive. What an endpoint does that copies: no look but that of [`crate::ring::spsc::Head::take`].
pub fn a_take_alone_sees_whole_messages() {
    let outcomes = Outcomes::new();
    let seen = outcomes.clone();
    exhaustive(move || {
        let rig = Rig::new(2, 0);
        let mut consumer = rig.consumer();
        let mut producer = rig.producer_with_credit();
        let writer = loom::thread::spawn(move || {
            assert_eq!(producer.try_push(Ask::Gate, 7), Pushed::Done);
        });
        let taken = consumer.take();
        seen.saw((taken, consumer.head.next()));
        writer.join().expect("the producer ends");
    });
    outcomes.are([(None, 0), (Some(7), 1)]);
}

/// Exhaustive. The slow half alone finds the message: the first look of [`crate::rig::Consumer::look`] is spent
/// on a slot that was given up.
pub fn a_look_passes_over_a_slot_that_was_given_up() {
    use crate::layout::word;
    use crate::ring::words::Words;
    use crate::sync::Ordering::Release;
    let outcomes = Outcomes::new();
    let seen = outcomes.clone();
    exhaustive(move || {
        let rig = Rig::new(2, 0);
        let mut consumer = rig.consumer();
        let theirs = std::sync::Arc::clone(&rig);
        let writer = loom::thread::spawn(move || {
            // Release P1: what a producer that gives up position 0 and commits 1 stores.
            theirs.slots.at(0).store(word::skip(0), Release);
            theirs.write(1, 7);
            theirs.slots.at(1).store(word::ready(1), Release);
        });
        let look = consumer.look();
        let value = (look == Look::Ready).then(|| consumer.read());
        assert_ne!(look, Look::Closed);
        seen.saw((consumer.head.next(), value));
        writer.join().expect("the producer ends");
    });
    outcomes.are([(0, None), (1, None), (1, Some(7))]);
}

/// At most 3 preemptions. Four messages through two slots, both sides polling.
pub fn messages_come_in_order_through_a_ring_that_laps() {
    bounded(3, || {
        let rig = Rig::new(2, 0);
        let mut consumer = rig.consumer();
        let mut producer = rig.producer_with_credit();
        let writer = loom::thread::spawn(move || {
            for value in 10..14 {
                assert_eq!(producer.push(Ask::Gate, value), Pushed::Done);
            }
        });
        for value in 10..14 {
            assert_eq!(consumer.pop(), Some(value));
        }
        assert_eq!(consumer.look(), Look::Empty);
        writer.join().expect("the producer ends");
    });
}
