//! Consumers that share a head, and die: what was in their hands is delivered again, to one survivor, and marked; nothing
//! is lost, nothing unmarked comes twice, and the slots are as good as new.
//!
//! A consumer dies before any of its accesses to shared words; they are counted, so every death is tried.

use crate::rig::{Outcomes, bounded};
use crate::rig_shared::{Ledger, Pushed, Rig, Worker, settle, value, values};
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

/// At most 2 preemptions, for every death. Two messages; one consumer dies with up to two in its hands while the other takes
/// what it gets, and then takes over the rest. Outcomes: how many the dead one has read, and how many came again.
pub fn what_a_dead_consumer_had_in_hand_comes_again() {
    let outcomes = Outcomes::new();
    for steps in 0..14 {
        let seen = outcomes.clone();
        bounded(2, move || {
            let (rig, done) = filled(2, 2);
            let worker = rig.worker(0);
            let other = loom::thread::spawn(move || dies(&worker, 2, steps));
            let (last, mut ledger) = (rig.worker(1), Ledger::new());
            last.work(1, 1, &mut ledger);
            let _ = last.adopt(&mut ledger);
            let first = other.join().expect("the consumer ends");
            last.clear_up(&mut ledger);
            let again = ledger.iter().filter(|delivery| delivery.again).count();
            seen.saw((first.len(), again));
            settle(&[first, ledger], &[done]);
            assert!(rig.is_clean(LATE + 2), "as good as new");
        });
    }
    outcomes.are([
        (0, 0),
        (0, 1),
        (0, 2),
        (1, 0),
        (1, 1),
        (1, 2),
        (2, 0),
        (2, 1),
    ]);
}

/// At most 1 preemption, for every death of the first. A second takes over and dies as well, at any step; the third
/// finds all that is left, and a producer that waits for the slots gets them.
pub fn whoever_takes_over_may_die_as_well() {
    let outcomes = Outcomes::new();
    for (first, second) in (4..10).flat_map(|a| (0..18).map(move |b| (a, b))) {
        let seen = outcomes.clone();
        bounded(1, move || {
            let (rig, mut done) = filled(2, 3);
            let mut ledgers = vec![dies(&rig.worker(0), 2, first)];
            let worker = rig.worker(1);
            let other = loom::thread::spawn(move || {
                let mut ledger = Ledger::new();
                worker
                    .rig
                    .consumers
                    .mortal(1, second, || worker.go_on(&mut ledger));
                worker.rig.consumers.kill(1);
                ledger
            });
            let (last, mut ledger) = (rig.worker(2), Ledger::new());
            let _ = last.adopt(&mut ledger);
            ledgers.push(other.join().expect("the consumer ends"));
            last.clear_up(&mut ledger);
            let again = ledger.iter().filter(|delivery| delivery.again).count();
            seen.saw(again);
            for n in 2..4 {
                assert_eq!(rig.member(0).push_noted(n, &mut done), Pushed::Done);
            }
            last.clear_up(&mut ledger);
            ledgers.push(ledger);
            settle(&ledgers, &[done]);
        });
    }
    outcomes.are([0, 1, 2]);
}

/// At most 2 preemptions. Two survivors look for what a dead one had in hand: they go to one of them. Nobody
/// else dies, so it comes again once.
pub fn an_orphan_goes_to_one_of_two() {
    let outcomes = Outcomes::new();
    let seen = outcomes.clone();
    bounded(2, move || {
        let (rig, done) = filled(2, 3);
        // It has announced and claimed both, and read none.
        let first = dies(&rig.worker(0), 2, 6);
        assert_eq!(first, []);
        let adopt = |worker: &Worker| {
            let mut ledger = Ledger::new();
            while worker.adopt(&mut ledger) == Ok(()) {}
            ledger
        };
        let worker = rig.worker(1);
        let other = loom::thread::spawn(move || adopt(&worker));
        let second = adopt(&rig.worker(2));
        let third = other.join().expect("the consumer ends");
        assert!(second.iter().chain(&third).all(|delivery| delivery.again));
        let mut all = [values(&second), values(&third)].concat();
        all.sort_unstable();
        assert_eq!(all, done, "each to one of them");
        seen.saw((second.len(), third.len()));
    });
    outcomes.are([(0, 2), (2, 0)]);
}

/// At most 2 preemptions. A consumer lives and stands still with an announcement of what another one has claimed and
/// died with: it is waited for, until it goes on and announces something else or withdraws.
pub fn a_living_consumers_stale_announcement_delays_and_no_more() {
    let outcomes = Outcomes::new();
    let seen = outcomes.clone();
    bounded(2, move || {
        let (rig, done) = filled(1, 3);
        let (dead, lives) = (rig.worker(0), rig.worker(1));
        let first = loom::thread::spawn(move || dies(&dead, 1, 5));
        let second = loom::thread::spawn(move || {
            let mut ledger = Ledger::new();
            lives.work(1, 1, &mut ledger);
            ledger
        });
        let (last, mut ledger) = (rig.worker(2), Ledger::new());
        let verdict = last.adopt(&mut ledger);
        let ledgers = [first, second].map(|c| c.join().expect("the consumer ends"));
        seen.saw((verdict, ledgers[1].len()));
        last.clear_up(&mut ledger);
        let [a, b] = ledgers;
        settle(&[a, b, ledger], &[done]);
    });
    // Waited for is who has it in hand, or has lost the exchange and not yet gone on.
    outcomes.are([
        (Ok(()), 0),
        (Err(false), 0),
        (Err(false), 1),
        (Err(true), 0),
        (Err(true), 1),
    ]);
}

/// At most 2 preemptions. A dead consumer has announced what a living one claimed, who finishes it and announces something
/// else, if there is something: whoever sees that sees that it is finished.
pub fn what_a_living_one_has_finished_is_no_orphan() {
    let outcomes = Outcomes::new();
    for n in 1..3 {
        let seen = outcomes.clone();
        bounded(2, move || {
            let (rig, done) = filled(n, 3);
            // It has announced the first, and has not claimed it.
            let first = dies(&rig.worker(0), 1, 4);
            let lives = rig.worker(1);
            let takes = loom::thread::spawn(move || {
                let mut ledger = Ledger::new();
                lives.work(2, 1, &mut ledger);
                ledger
            });
            let (last, mut ledger) = (rig.worker(2), Ledger::new());
            let verdict = last.adopt(&mut ledger);
            assert_ne!(verdict, Ok(()), "it comes again");
            let second = takes.join().expect("the consumer ends");
            seen.saw(verdict);
            last.clear_up(&mut ledger);
            settle(&[first, second, ledger], &[done]);
        });
    }
    outcomes.are([Err(false), Err(true)]);
}

/// At most 2 preemptions. The same of a living one that then loses an exchange to another one, and withdraws.
pub fn what_a_loser_has_finished_is_no_orphan() {
    let outcomes = Outcomes::new();
    let seen = outcomes.clone();
    bounded(2, move || {
        let (rig, done) = filled(2, 4);
        // It has announced the first, and has not claimed it.
        let first = dies(&rig.worker(0), 1, 4);
        let takes = |i: u32, looks: u32| {
            let worker = rig.worker(i);
            loom::thread::spawn(move || {
                let mut ledger = Ledger::new();
                worker.work(looks, 1, &mut ledger);
                ledger
            })
        };
        let (both, one) = (takes(1, 2), takes(2, 1));
        let third = one.join().expect("the consumer ends");
        let (last, mut ledger) = (rig.worker(3), Ledger::new());
        let verdict = last.adopt(&mut ledger);
        assert_ne!(verdict, Ok(()), "it comes again");
        let second = both.join().expect("the consumer ends");
        seen.saw(verdict);
        last.clear_up(&mut ledger);
        settle(&[first, second, third, ledger], &[done]);
    });
    outcomes.are([Err(false), Err(true)]);
}

/// At most 1 preemption, for every death. Somebody new takes the dead one's place with all that hangs on it.
pub fn a_place_may_be_inherited_with_what_hangs_on_it() {
    let outcomes = Outcomes::new();
    for steps in 0..14 {
        let seen = outcomes.clone();
        bounded(1, move || {
            let (rig, done) = filled(2, 2);
            let first = dies(&rig.worker(0), 2, steps);
            let other = rig.worker(1);
            let looks = loom::thread::spawn(move || {
                let mut ledger = Ledger::new();
                let _ = other.adopt(&mut ledger);
                other.work(1, 1, &mut ledger);
                ledger
            });
            let (heir, mut ledger) = (rig.worker(0), Ledger::new());
            let at_once = heir.inherit(&mut ledger);
            let second = looks.join().expect("the consumer ends");
            assert!(at_once.is_some() || heir.inherit(&mut ledger).is_some());
            heir.clear_up(&mut ledger);
            seen.saw(at_once);
            settle(&[first, second, ledger], &[done]);
        });
    }
    // The other one may be looking, or have announced what it does not get.
    outcomes.are([Some(0), Some(1), Some(2), None]);
}

/// At most 1 preemption, for every death of the first. Two messages and the producer's next: whoever waits for a slot in
/// the hands of the dead gets it when it was taken over.
pub fn a_slot_in_dead_hands_comes_back() {
    let outcomes = Outcomes::new();
    for steps in 0..14 {
        let seen = outcomes.clone();
        bounded(1, move || {
            let (rig, mut done) = filled(2, 2);
            let first = dies(&rig.worker(0), 1, steps);
            let member = rig.member(0);
            let pushes = loom::thread::spawn(move || {
                let pushed = member.push_noted(2, &mut done);
                (done, pushed)
            });
            let (last, mut ledger) = (rig.worker(1), Ledger::new());
            let _ = last.adopt(&mut ledger);
            let (mut done, pushed) = pushes.join().expect("the producer ends");
            seen.saw(pushed);
            last.clear_up(&mut ledger);
            if pushed == Pushed::Full {
                assert_eq!(rig.member(0).push_noted(2, &mut done), Pushed::Done);
            }
            last.clear_up(&mut ledger);
            assert!(done.contains(&value(0, 2)));
            settle(&[first, ledger], &[done]);
        });
    }
    outcomes.are([Pushed::Done, Pushed::Full]);
}
