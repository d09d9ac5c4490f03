//! One producer that keeps its tail to itself, many consumers.

use crate::rig::{Outcomes, bounded, exhaustive};
use crate::rig_shared::{Ledger, Pushed, Rig, settle, value, values};
use crate::ring::close::close_producer;
use crate::ring::shared::head::Nothing;
use std::sync::Arc;

/// Where the words wrap, two messages on.
const LATE: u64 = (1 << 62) - 1;

/// At most 2 preemptions. Three messages through two slots, two consumers.
pub fn the_only_producer_waits_for_each_slot() {
    let outcomes = Outcomes::new();
    let seen = outcomes.clone();
    bounded(2, move || {
        let rig = Rig::new(2, LATE, 0, 2);
        let mut producer = rig.producer();
        let pushes = loom::thread::spawn(move || {
            let done: Vec<u64> = (0..3).map(|n| value(0, n)).collect();
            let pushed = done.iter().map(|v| producer.try_push(*v));
            let done = done.iter().zip(pushed.collect::<Vec<_>>());
            done.filter(|(_, pushed)| *pushed == Pushed::Done)
                .map(|(v, _)| *v)
                .collect::<Vec<_>>()
        });
        let worker = rig.worker(0);
        let other = loom::thread::spawn(move || {
            let mut ledger = Ledger::new();
            worker.work(1, 2, &mut ledger);
            ledger
        });
        let mut last = Ledger::new();
        rig.worker(1).work(1, 1, &mut last);
        let done = pushes.join().expect("the producer ends");
        let first = other.join().expect("the consumer ends");
        seen.saw((done.len(), first.len(), last.len()));
        rig.worker(1).clear_up(&mut last);
        assert!(rig.is_clean(LATE.wrapping_add(done.len() as u64)));
        settle(&[first, last], &[done]);
    });
    outcomes.are([
        (2, 0, 0),
        (2, 0, 1),
        (2, 1, 0),
        (2, 2, 0),
        (2, 1, 1),
        (3, 0, 1),
        (3, 1, 0),
        (3, 2, 0),
        (3, 1, 1),
        (3, 2, 1),
    ]);
}

/// Exhaustive. The ring is full; a consumer takes both messages in one claim. The producer writes into a slot only when
/// its message was read.
pub fn the_only_producer_writes_only_what_was_released() {
    let outcomes = Outcomes::new();
    let seen = outcomes.clone();
    exhaustive(move || {
        let rig = Rig::new(2, LATE, 0, 1);
        let mut producer = rig.producer();
        for n in 0..2 {
            assert_eq!(producer.try_push(value(0, n)), Pushed::Done);
        }
        let worker = rig.worker(0);
        let takes = loom::thread::spawn(move || {
            let mut ledger = Ledger::new();
            worker.pop(2, &mut ledger).expect("they are there");
            (worker, ledger)
        });
        let pushed = producer.try_push(value(0, 2));
        let credit = producer.tail.credit();
        let (worker, mut ledger) = takes.join().expect("the consumer ends");
        worker.clear_up(&mut ledger);
        let expected = 2 + u64::from(pushed == Pushed::Done);
        let expected: Vec<u64> = (0..expected).map(|n| value(0, n)).collect();
        assert_eq!(values(&ledger), expected);
        seen.saw((pushed, credit));
    });
    outcomes.are([(Pushed::Full, 0), (Pushed::Done, 0), (Pushed::Done, 1)]);
}

/// At most 2 preemptions, for every death. A producer dies, and a successor goes on while two consumers run. Two messages
/// are in the ring, so it may be full.
pub fn the_only_producer_is_succeeded() {
    let outcomes = Outcomes::new();
    for steps in 0..7 {
        let seen = outcomes.clone();
        bounded(2, move || {
            let rig = Rig::new(2, LATE, 0, 2);
            let mut first = rig.producer();
            let before = [value(0, 0), value(0, 1)];
            for v in before {
                assert_eq!(first.try_push(v), Pushed::Done);
            }
            let theirs = Arc::clone(&rig);
            let pushes = loom::thread::spawn(move || {
                let mut done = Vec::new();
                let mut push = |producer: &mut crate::rig_shared::Producer, v| {
                    if producer.try_push(v) == Pushed::Done {
                        done.push(v);
                    }
                };
                crate::sync::mortal(steps, || push(&mut first, value(0, 2)));
                push(&mut theirs.producer(), value(1, 0));
                done
            });
            let mut ledger = Ledger::new();
            let worker = rig.worker(0);
            worker.work(2, 2, &mut ledger);
            let done = pushes.join().expect("the producers end");
            seen.saw(done.len());
            worker.clear_up(&mut ledger);
            settle(&[ledger], &[before.to_vec(), done]);
        });
    }
    outcomes.are([0, 1, 2]);
}

/// At most 2 preemptions. The producer pushes and closes; two consumers take until they are told the end. No message that
/// was committed before the close is left then.
pub fn consumers_of_one_producer_are_told_the_end() {
    let outcomes = Outcomes::new();
    let seen = outcomes.clone();
    bounded(2, move || {
        let rig = Rig::new(2, LATE, 0, 2);
        let mut producer = rig.producer();
        let theirs = Arc::clone(&rig);
        let pushes = loom::thread::spawn(move || {
            assert_eq!(producer.try_push(value(0, 0)), Pushed::Done);
            close_producer(&theirs.control);
        });
        let drain = |rig: &Arc<Rig>, i: u32| {
            let (worker, mut ledger) = (rig.worker(i), Ledger::new());
            for _ in 0..2 {
                if worker.pop(1, &mut ledger) == Err(Nothing::Drained) {
                    return (ledger, true);
                }
            }
            (ledger, false)
        };
        let theirs = Arc::clone(&rig);
        let other = loom::thread::spawn(move || drain(&theirs, 0));
        let (mut second, told) = drain(&rig, 1);
        let (first, _) = other.join().expect("the consumer ends");
        if !told {
            pushes.join().expect("the producer ends");
            seen.saw(second.len());
            rig.worker(1).clear_up(&mut second);
        }
        settle(&[first, second], &[vec![value(0, 0)]]);
    });
    outcomes.are([0, 1]);
}
