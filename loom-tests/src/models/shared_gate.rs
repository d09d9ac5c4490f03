//! Producers that claim what the gate promises, where many consume: nothing is written over that was not read, whoever
//! publishes the gate, whatever the others have in hand, and whoever dies with it.
//!
//! The payload of a slot is watched by loom, so a promise too many ends the model.

use crate::rig::{Outcomes, bounded, exhaustive};
use crate::rig_shared::{Delivery, Ledger, Member, Pushed, Rig, Worker, settle, value};
use crate::ring::announce::Announcements;
use crate::ring::shared::gate::Look;
use std::sync::Arc;

/// Where the words wrap, two messages on.
const LATE: u64 = (1 << 62) - 1;

/// A ring of two slots with a message in each, its producer, and what those are.
fn filled(consumers: u32) -> (Arc<Rig>, Member, Vec<u64>) {
    let rig = Rig::new(2, LATE, 1, consumers);
    let (member, mut done) = (rig.member(0), Vec::new());
    member.push_runs(2, 2, &mut done);
    (rig, member, done)
}

/// How far the gate reaches, in messages.
fn gate(rig: &Rig) -> u64 {
    rig.control.gate.0.load(crate::sync::Ordering::Relaxed) - LATE
}

/// Pushes as many of two messages as the gate promises room for, without a look at anything else. How many.
fn push_promised(member: &Member, done: &mut Vec<u64>) -> u64 {
    let Ok(mut run) = member.claim_by(Look::Gate, 2) else {
        return 0;
    };
    let n = run.len();
    for _ in 0..n {
        let value = value(member.i, done.len() as u64);
        member.commit(&mut run, value);
        done.push(value);
    }
    n
}

/// Consumer `worker` claims both messages and dies with so many of them released.
fn dies_with(worker: &Worker, released: u64) -> Ledger {
    let mut ledger = Ledger::new();
    let mut run = worker.take(2).expect("both are there");
    assert_eq!(run.len(), 2);
    for _ in 0..released {
        worker.next(&mut run, false, &mut ledger);
    }
    worker.rig.consumers.kill(worker.i);
    ledger
}

/// Exhaustive. A consumer takes both messages in one claim, and publishes the gate; a producer goes by the gate alone.
pub fn the_gate_promises_only_what_was_released() {
    let outcomes = Outcomes::new();
    let seen = outcomes.clone();
    exhaustive(move || {
        let (rig, member, mut done) = filled(1);
        let worker = rig.worker(0);
        let takes = loom::thread::spawn(move || {
            let mut ledger = Ledger::new();
            let _ = worker.pop(2, &mut ledger);
            worker.publish_gate();
            ledger
        });
        let promised = push_promised(&member, &mut done);
        let mut ledger = takes.join().expect("the consumer ends");
        seen.saw(promised);
        rig.worker(0).clear_up(&mut ledger);
        settle(&[ledger], &[done]);
    });
    outcomes.are([0, 2]);
}

/// At most 2 preemptions. Two consumers have one message each, released in either order, and both publish.
pub fn the_gate_waits_for_the_oldest_in_hand() {
    let outcomes = Outcomes::new();
    let seen = outcomes.clone();
    bounded(2, move || {
        let (rig, member, mut done) = filled(2);
        let takes = [0, 1].map(|i| {
            let worker = rig.worker(i);
            loom::thread::spawn(move || {
                let mut ledger = Ledger::new();
                let _ = worker.pop(1, &mut ledger);
                worker.publish_gate();
                ledger
            })
        });
        let promised = push_promised(&member, &mut done);
        let ledgers = takes.map(|t| t.join().expect("the consumer ends"));
        seen.saw((promised, gate(&rig)));
        let mut last = Ledger::new();
        rig.worker(0).clear_up(&mut last);
        let [first, second] = ledgers;
        settle(&[first, second, last], &[done]);
    });
    // Who publishes last may have seen the other's message in hand.
    outcomes.are([(0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2)]);
}

/// Exhaustive. A consumer takes one message after the other; a producer that has waited in vain looks at both slots, claims one,
/// and another by what it has seen.
pub fn what_was_seen_ahead_is_free_to_claim() {
    let outcomes = Outcomes::new();
    let seen = outcomes.clone();
    exhaustive(move || {
        let (rig, member, mut done) = filled(1);
        let worker = rig.worker(0);
        let takes = loom::thread::spawn(move || {
            let mut ledger = Ledger::new();
            let _ = worker.pop(1, &mut ledger);
            let _ = worker.pop(1, &mut ledger);
            ledger
        });
        let mut pushed = 0;
        for look in [Look::SlotsAhead, Look::Gate] {
            if let Ok(mut run) = member.claim_by(look, 1) {
                let value = value(member.i, done.len() as u64);
                member.commit(&mut run, value);
                done.push(value);
                pushed += 1;
            }
        }
        let mut ledger = takes.join().expect("the consumer ends");
        seen.saw(pushed);
        rig.worker(0).clear_up(&mut ledger);
        settle(&[ledger], &[done]);
    });
    outcomes.are([0, 1, 2]);
}

/// At most 3 preemptions. One has died with what is left of a run in hand; one takes that over, whose entry is read before the
/// dead one's, while a third publishes.
pub fn what_is_taken_over_is_not_promised() {
    for released in 0..2 {
        let outcomes = Outcomes::new();
        let seen = outcomes.clone();
        bounded(3, move || {
            let (rig, member, mut done) = filled(3);
            let first = dies_with(&rig.worker(2), released);
            let (heir, third) = (rig.worker(0), rig.worker(1));
            let takes_over = loom::thread::spawn(move || {
                let mut ledger = Ledger::new();
                assert_eq!(heir.adopt(&mut ledger), Ok(()));
                ledger
            });
            let publishes = loom::thread::spawn(move || third.publish_gate());
            let promised = push_promised(&member, &mut done);
            let second = takes_over.join().expect("the heir ends");
            publishes.join().expect("the third ends");
            seen.saw((promised, gate(&rig)));
            let mut last = Ledger::new();
            rig.worker(1).clear_up(&mut last);
            settle(&[first, second, last], &[done]);
        });
        // The dead one's run counts from its beginning, what was taken over from where it goes on.
        match released {
            0 => outcomes.are([(0, 0), (0, 2), (2, 2)]),
            _ => outcomes.are([(0, 0), (0, 1), (0, 2), (1, 1), (2, 2)]),
        }
    }
}

/// At most 3 preemptions. One has died with the second message of its run in hand. Somebody new takes its place and inherits
/// that, while another publishes.
pub fn what_is_inherited_is_not_promised() {
    let outcomes = Outcomes::new();
    let seen = outcomes.clone();
    bounded(3, move || {
        let (rig, member, mut done) = filled(2);
        let first = dies_with(&rig.worker(0), 1);
        let heir = rig.worker(0);
        let inherits = loom::thread::spawn(move || {
            let mut ledger = Ledger::new();
            assert_eq!(heir.inherit(&mut ledger), Some(1));
            ledger
        });
        rig.worker(1).publish_gate();
        let promised = push_promised(&member, &mut done);
        let second = inherits.join().expect("the heir ends");
        assert!(second.iter().all(|Delivery { again, .. }| *again));
        seen.saw(promised);
        let mut last = Ledger::new();
        rig.worker(1).clear_up(&mut last);
        settle(&[first, second, last], &[done]);
    });
    outcomes.are([0, 2]);
}

/// At most 2 preemptions. One dies with all that it claimed in hand, while another one lives that had announced the first of it
/// and was too slow. Who takes over what it can does not take the rest before the first: the last slot of the dead one's run
/// speaks for all.
pub fn nothing_is_taken_over_from_behind_what_waits() {
    let outcomes = Outcomes::new();
    let seen = outcomes.clone();
    bounded(2, move || {
        let (rig, member, mut done) = filled(3);
        let slow = rig.worker(1);
        let pops = loom::thread::spawn(move || {
            let mut ledger = Ledger::new();
            let _ = slow.pop(1, &mut ledger);
            ledger
        });
        let dead = rig.worker(2);
        let _ = dead.take(2);
        rig.consumers.kill(2);
        let (heir, mut second) = (rig.worker(0), Ledger::new());
        let taken_over = heir.adopt(&mut second);
        let first = pops.join().expect("the slow one ends");
        heir.publish_gate();
        let promised = push_promised(&member, &mut done);
        seen.saw((first.len(), taken_over, promised));
        heir.clear_up(&mut second);
        settle(&[first, second], &[done]);
    });
    outcomes.are([
        // All of it waits.
        (0, Err(false), 0),
        // The second waits for half of an announcement that was seen.
        (0, Ok(()), 0),
        (0, Ok(()), 2),
        (1, Ok(()), 2),
    ]);
}

/// At most 2 preemptions, for deaths before and after the exchange. One has died with an announcement of both messages; while
/// somebody new inherits its place, another one claims both, if they are there, and dies. Nobody inherits the end of that.
pub fn what_is_claimed_later_is_not_inherited() {
    for steps in 4..8 {
        bounded(2, move || {
            let (rig, member, mut done) = filled(3);
            let dead = rig.worker(0);
            rig.consumers.mortal(0, steps, || dead.take(2));
            rig.consumers.kill(0);
            let other = rig.worker(1);
            let dies = loom::thread::spawn(move || {
                let _ = other.take(2);
                other.rig.consumers.kill(1);
            });
            let (heir, mut first) = (rig.worker(0), Ledger::new());
            let _ = heir.inherit(&mut first);
            dies.join().expect("the other one ends");
            let (last, mut second) = (rig.worker(2), Ledger::new());
            last.publish_gate();
            push_promised(&member, &mut done);
            rig.consumers.kill(0);
            last.clear_up(&mut second);
            settle(&[first, second], &[done]);
        });
    }
}

/// One thread. A consumer that has left, or goes on, holds nobody up.
pub fn what_is_finished_does_not_hold_the_gate() {
    exhaustive(|| {
        let (rig, member, mut done) = filled(2);
        let mut ledger = Ledger::new();
        let publish = || {
            rig.worker(1).publish_gate();
            gate(&rig)
        };
        assert_eq!(publish(), 0);
        let _ = rig.worker(0).pop(1, &mut ledger);
        // Its announcement stays.
        assert_eq!((rig.consumers.run(0), publish()), ((LATE, 1), 1));
        let run = rig.worker(0).take(1).expect("one is there");
        assert_eq!(publish(), 1);
        assert_eq!(push_promised(&member, &mut done), 1);
        assert_eq!(push_promised(&member, &mut done), 0);
        rig.worker(0).again(run, &mut ledger);
        assert_eq!(push_promised(&member, &mut done), 0);
        // Where nothing is promised yet, the slot itself is asked.
        assert_eq!(member.push_noted(3, &mut done), Pushed::Done);
        assert_eq!((publish(), done.len()), (2, 4));
    });
}
