//! Batches: a run is published word by word, a drain hands back with one gate.

use crate::bells::{FutexBell, NewBell};
use crate::rig::{Ask, Outcomes, Pushed, Rig, bounded, exhaustive};
use crate::ring::spsc::Look;
use crate::wait::park::Fences;
use std::sync::Arc;

/// Exhaustive. A run of three is written first and published after; the consumer drains what it finds in one go
/// and publishes one gate; then the producer has room again.
pub fn a_run_is_drained_in_order_with_one_gate() {
    let outcomes = Outcomes::new();
    let seen = outcomes.clone();
    exhaustive(move || {
        let rig = Rig::new(4, 0);
        let mut consumer = rig.consumer();
        let mut producer = rig.producer_with_credit();
        let writer = loom::thread::spawn(move || {
            assert!(producer.tail.credit() >= 3);
            for i in 0..3 {
                producer.rig.write(producer.tail.next() + i, i);
            }
            for _ in 0..3 {
                producer.publish();
            }
            producer
        });
        let mut drained = 0;
        while consumer.head.is_ready(&rig.slots) {
            assert_eq!(consumer.read(), drained);
            consumer.release();
            drained += 1;
        }
        assert_eq!(consumer.head.publish_gate(&rig.control), drained > 0);
        seen.saw(drained);
        let mut producer = writer.join().expect("the producer ends");
        producer.tail.forget_credit();
        assert_eq!(producer.room(Ask::Gate), Pushed::Done);
        assert_eq!(producer.tail.credit(), 1 + drained);
    });
    outcomes.are([0, 1, 2, 3]);
}

/// At most 3 preemptions. A producer asleep on a full ring is woken by the one gate of a drain.
pub fn the_gate_of_a_drain_wakes_the_producer() {
    bounded(3, || {
        let rig = Rig::with_sleepers(2, 0);
        let bell = Arc::new(FutexBell::new());
        let mut consumer = rig.consumer();
        let mut producer = rig.producer_with_credit();
        for value in 0..2 {
            assert_eq!(producer.try_push(Ask::Gate, value), Pushed::Done);
        }
        let theirs = Arc::clone(&bell);
        let reader = loom::thread::spawn(move || {
            for value in 0..2 {
                assert_eq!(consumer.look(), Look::Ready);
                assert_eq!(consumer.read(), value);
                consumer.release();
            }
            assert!(consumer.head.publish_gate(&consumer.rig.control));
            let _ = consumer.notify(&*theirs, Fences::Full);
            consumer
        });
        for value in 2..4 {
            assert_eq!(
                producer.push_parked(value, &*bell, Fences::Full),
                Pushed::Done
            );
        }
        let mut consumer = reader.join().expect("the consumer ends");
        assert_eq!(consumer.try_pop(), Some(2));
        assert_eq!(consumer.try_pop(), Some(3));
    });
}
