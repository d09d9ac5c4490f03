//! Consumers that share a head, and die, in a ring that drops what they had in hand: nothing comes twice, what is dropped
//! is counted, and the slots are as good as new.
//!
//! A consumer dies before any of its accesses to shared words; they are counted, so every death is tried.

use crate::rig::{Outcomes, bounded};
use crate::rig_shared::{Ledger, Pushed, Rig, Worker, values};
use crate::ring::shared::repair::dropped;
use std::sync::Arc;

/// Where the words wrap, two messages on.
const LATE: u64 = (1 << 62) - 1;

/// A ring with `n` messages in it, and what they are.
fn filled(n: u64, consumers: u32) -> (Arc<Rig>, Vec<u64>) {
    let rig = Rig::new(2, LATE, 1, consumers);
    let mut done = Vec::new();
    rig.member(0).push_runs(n, 2, &mut done);
    (rig, done)
}

/// Consumer `worker` claims up to `most` at a time, looks twice, and dies after `steps` steps of it.
fn dies(worker: &Worker, most: u64, steps: u32) -> Ledger {
    let mut ledger = Ledger::new();
    let rig = &worker.rig;
    rig.consumers.mortal(worker.i, steps, || {
        worker.work(2, most, &mut ledger);
    });
    rig.consumers.kill(worker.i);
    ledger
}

/// Each of `committed` was delivered once at most, none was marked as one that comes again, and none is invented. Gives how
/// many were delivered.
fn at_most_once(ledgers: &[&Ledger], committed: &[u64]) -> u64 {
    let mut all: Vec<u64> = ledgers.iter().flat_map(|ledger| values(ledger)).collect();
    let again = ledgers.iter().any(|ledger| ledger.iter().any(|d| d.again));
    all.sort_unstable();
    let n = all.len();
    all.dedup();
    assert!(n == all.len() && !again, "a message came twice: {all:?}");
    assert!(all.iter().all(|value| committed.contains(value)));
    n as u64
}

/// At most 2 preemptions, for every death. Two messages; one consumer dies with up to two in its hands while the other
/// takes what it gets and drops what is left. Outcomes: how many the dead one has read, how many the other one, and how
/// many were dropped; what the dead one had read and not released counts twice.
pub fn what_a_dead_consumer_had_in_hand_is_dropped_and_counted() {
    let outcomes = Outcomes::new();
    for steps in 0..14 {
        let seen = outcomes.clone();
        bounded(2, move || {
            let (rig, done) = filled(2, 2);
            let worker = rig.worker(0);
            let other = loom::thread::spawn(move || dies(&worker, 2, steps));
            let (last, mut ledger) = (rig.worker(1), Ledger::new());
            last.work(1, 1, &mut ledger);
            let _ = last.drop_orphans();
            let first = other.join().expect("the consumer ends");
            let (_, settled) = last.drop_orphans().expect("nobody else has the token");
            assert!(settled, "stuck at an orphan");
            last.clear_up(&mut ledger);
            let dropped = dropped(&rig.control);
            let read = at_most_once(&[&first, &ledger], &done);
            assert!((2..=3).contains(&(read + dropped)), "{read} {dropped}");
            seen.saw((first.len(), ledger.len(), dropped));
            assert!(rig.is_clean(LATE + 2), "as good as new");
        });
    }
    outcomes.are([
        (0, 0, 2),
        (0, 1, 1),
        (0, 2, 0),
        (1, 0, 1),
        (1, 0, 2),
        (1, 1, 0),
        (1, 1, 1),
        (2, 0, 0),
        (2, 0, 1),
    ]);
}

/// At most 1 preemption, for every death of the first and of a second one who drops. A third drops what is left; a
/// producer that waits for the slots gets them, and what it writes is delivered.
pub fn whoever_drops_may_die_as_well() {
    let outcomes = Outcomes::new();
    for (first, second) in (4..10).flat_map(|a| (0..22).map(move |b| (a, b))) {
        let seen = outcomes.clone();
        bounded(1, move || {
            let (rig, mut done) = filled(2, 3);
            let gone = dies(&rig.worker(0), 2, first);
            let worker = rig.worker(1);
            let other = loom::thread::spawn(move || {
                let rig = &worker.rig;
                rig.consumers.mortal(1, second, || worker.drop_orphans());
                rig.consumers.kill(1);
            });
            let (last, mut ledger) = (rig.worker(2), Ledger::new());
            let _ = last.drop_orphans();
            other.join().expect("the consumer ends");
            last.clear_up(&mut ledger);
            let _ = last.drop_orphans();
            for n in 2..4 {
                assert_eq!(rig.member(0).push_noted(n, &mut done), Pushed::Done);
            }
            last.clear_up(&mut ledger);
            at_most_once(&[&gone, &ledger], &done);
            assert!(ledger.len() >= 2, "what is pushed afterwards comes");
            assert!(rig.is_clean(LATE + 4), "as good as new");
            seen.saw(dropped(&rig.control));
        });
    }
    // One less than there were, if somebody died between dropping one and counting it.
    outcomes.are([0, 1, 2]);
}

/// At most 2 preemptions. A message and a tombstone in the hands of a dead one, and two who drop: each is released once,
/// and the message is counted once.
pub fn two_who_drop_count_each_message_once() {
    let outcomes = Outcomes::new();
    let seen = outcomes.clone();
    bounded(2, move || {
        let rig = Rig::new(2, LATE, 1, 3);
        let member = rig.member(0);
        let mut run = member.claim(2).expect("room");
        member.commit(&mut run, 16);
        run.abort(&rig.slots);
        // It has announced and claimed both, and read none.
        assert_eq!(dies(&rig.worker(0), 2, 6), []);
        let worker = rig.worker(1);
        let other = loom::thread::spawn(move || worker.drop_orphans());
        let second = rig.worker(2).drop_orphans();
        let first = other.join().expect("the consumer ends");
        let all = [first, second].map(|n| n.map(|(dropped, _)| dropped));
        assert_eq!(all.iter().flatten().sum::<u64>(), 1, "{all:?}");
        assert_eq!(dropped(&rig.control), 1);
        assert!(rig.is_clean(LATE + 2), "as good as new");
        seen.saw(all);
    });
    outcomes.are([
        [Some(0), Some(1)],
        [Some(1), Some(0)],
        [Some(1), None],
        [None, Some(1)],
    ]);
}

/// At most 2 preemptions. A dead consumer has announced what a living one claims and finishes: nothing of that is
/// dropped.
pub fn nothing_is_dropped_that_a_living_one_has_in_hand() {
    let outcomes = Outcomes::new();
    let seen = outcomes.clone();
    bounded(2, move || {
        let (rig, done) = filled(1, 3);
        // It has announced the message, and has not claimed it.
        assert_eq!(dies(&rig.worker(0), 1, 4), []);
        let lives = rig.worker(1);
        let takes = loom::thread::spawn(move || {
            let mut ledger = Ledger::new();
            lives.work(2, 1, &mut ledger);
            ledger
        });
        let last = rig.worker(2);
        let found = last.drop_orphans();
        let ledger = takes.join().expect("the consumer ends");
        assert_eq!(values(&ledger), done, "the living one has it");
        assert_eq!(dropped(&rig.control), 0);
        seen.saw(found);
    });
    outcomes.are([Some((0, false)), Some((0, true))]);
}
