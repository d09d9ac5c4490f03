//! Producers that share a tail, and die: what they committed arrives once and in order, what they had claimed becomes
//! tombstones, and nobody waits for the dead.
//!
//! A producer dies before any of its accesses to shared words; they are counted, so every death is tried.

use crate::rig::{Outcomes, bounded};
use crate::rig_shared::{Ledger, Member, Pushed, Rig, Worker, settle, value};
use crate::ring::announce::Announcements;
use crate::ring::shared::head::head;
use crate::ring::shared::repair::{self, Verdict};
use crate::sync::mortal;
use std::sync::Arc;

/// For ever.
const LONG: u32 = u32::MAX;

/// Where the words wrap, two messages on.
const LATE: u64 = (1 << 62) - 1;

/// What a producer does. Notes what it has committed.
type Life = fn(&Member, &mut Vec<u64>);

fn once(member: &Member, done: &mut Vec<u64>) {
    member.push_noted(0, done);
}

fn twice(member: &Member, done: &mut Vec<u64>) {
    member.push_noted(0, done);
    member.push_noted(1, done);
}

/// Two messages in one claim, if there is room for both.
fn run(member: &Member, done: &mut Vec<u64>) {
    member.push_runs(2, 2, done);
}

/// A run of which only the first is committed.
fn given_up(member: &Member, done: &mut Vec<u64>) {
    if let Ok(mut run) = member.claim(2) {
        member.commit(&mut run, value(member.i, 0));
        done.push(value(member.i, 0));
        run.abort(&member.rig.slots);
    }
}

/// Producers do `lives`, each for so many steps, while the only consumer looks `looks` times. Gives how much each has
/// committed.
fn killed(start: u64, lives: [(Life, u32); 2], looks: u32) -> [usize; 2] {
    let rig = Rig::new(2, start, 2, 0);
    let mut consumer = rig.consumer();
    let producers = [0, 1].map(|i: u32| {
        let member = rig.member(i);
        let rig = Arc::clone(&rig);
        let (life, steps) = lives[i as usize];
        loom::thread::spawn(move || {
            let mut done = Vec::new();
            rig.producers.mortal(i, steps, || life(&member, &mut done));
            done
        })
    });
    let mut ledger = Ledger::new();
    consumer.work(looks, &mut ledger);
    let committed = producers.map(|p| p.join().expect("the producer ends"));
    consumer.clear_up(&mut ledger);
    settle(&[ledger], &committed);
    assert!(rig.is_clean(consumer.head.next()), "as good as new");
    committed.map(|done| done.len())
}

/// The deaths of a producer that does `life`, beside one that lives and does `other`; the last of them must come too
/// late. `outcomes`: how many messages the dead one committed.
fn one_dies(
    preemptions: usize,
    start: u64,
    (life, deaths): (Life, u32),
    other: Life,
    outcomes: &[usize],
) {
    let table = Outcomes::new();
    for steps in 0..deaths {
        let seen = table.clone();
        bounded(preemptions, move || {
            let [committed, _] = killed(start, [(life, steps), (other, LONG)], 2);
            seen.saw(committed);
        });
    }
    table.are(outcomes.iter().copied());
}

/// At most 2 preemptions, for every death.
pub fn a_dead_producers_slot_becomes_a_tombstone() {
    one_dies(2, LATE, (once, 11), once, &[0, 1]);
}

/// At most 1 preemption, for every death.
pub fn a_dead_producers_run_becomes_tombstones() {
    one_dies(1, LATE, (run, 14), once, &[0, 1, 2]);
    one_dies(1, LATE, (given_up, 14), once, &[0, 1]);
}

/// At most 1 preemption, for every death. The living one goes on behind the dead one.
pub fn the_living_push_on_behind_the_dead() {
    one_dies(1, LATE, (twice, 17), twice, &[0, 1, 2]);
}

/// At most 2 preemptions, for every pair of deaths. Both may have announced the same position.
pub fn of_two_dead_that_announced_one_slot_nothing_is_left() {
    for first in 0..10 {
        for second in 0..10 {
            bounded(2, move || {
                killed(LATE, [(once, first), (run, second)], 1);
            });
        }
    }
}

/// At most 2 preemptions, for every death. The ring has room for one of the two. The other finds it full and then lives on
/// and does nothing: nobody waits for it.
pub fn a_producer_that_was_refused_is_not_waited_for() {
    let outcomes = Outcomes::new();
    for steps in 0..11 {
        let seen = outcomes.clone();
        bounded(2, move || {
            let rig = Rig::new(2, LATE, 3, 0);
            let mut consumer = rig.consumer();
            let mut first = Vec::new();
            rig.member(2).push_noted(0, &mut first);
            let (waits, member) = (rig.member(1), rig.member(0));
            let theirs = Arc::clone(&rig);
            let dies = loom::thread::spawn(move || {
                let mut done = Vec::new();
                let end = theirs
                    .producers
                    .mortal(0, steps, || member.push_noted(0, &mut done));
                assert!(end != Some(Pushed::Closed));
                done
            });
            let mut waited = Vec::new();
            waits.push_noted(0, &mut waited);
            let done = dies.join().expect("the producer ends");
            seen.saw((done.len(), waited.len()));
            let mut ledger = Ledger::new();
            consumer.clear_up(&mut ledger);
            settle(&[ledger], &[done, waited, first]);
        });
    }
    outcomes.are([(0, 0), (0, 1), (1, 0)]);
}

/// At most 2 preemptions. A producer lives and stands still, having announced the slot that a dead one has claimed: it is
/// waited for until it announces something else, which it does when it goes on.
pub fn a_stale_announcement_delays_and_no_more() {
    let outcomes = Outcomes::new();
    let seen = outcomes.clone();
    bounded(2, move || {
        let rig = Rig::new(4, LATE, 2, 0);
        let mut consumer = rig.consumer();
        let (dead, member) = (rig.member(0), rig.member(1));
        let theirs = Arc::clone(&rig);
        let dies = loom::thread::spawn(move || {
            // It dies when it has claimed.
            theirs.producers.mortal(0, 4, || dead.try_push(value(0, 0)));
        });
        let lives = loom::thread::spawn(move || {
            let mut done = Vec::new();
            member.push_noted(0, &mut done);
            done
        });
        let verdict = rig.tombstone(LATE);
        let mut ledger = Ledger::new();
        consumer.work(1, &mut ledger);
        dies.join().expect("the producer ends");
        let done = lives.join().expect("the producer ends");
        seen.saw((verdict == Verdict::Wait, ledger.len()));
        consumer.clear_up(&mut ledger);
        settle(&[ledger], &[done]);
    });
    outcomes.are([(false, 0), (false, 1), (true, 0), (true, 1)]);
}

/// At most 2 preemptions, for every death. Somebody else makes the tombstones; the consumer passes over them and
/// hands the slots to a producer that writes where the dead one was writing.
pub fn a_tombstone_may_be_another_ones() {
    let outcomes = Outcomes::new();
    for steps in 0..11 {
        let seen = outcomes.clone();
        bounded(2, move || {
            let rig = Rig::new(2, LATE, 2, 0);
            let mut consumer = rig.consumer();
            let (dead, mut done) = (rig.member(0), Vec::new());
            let theirs = Arc::clone(&rig);
            let dies = loom::thread::spawn(move || {
                theirs
                    .producers
                    .mortal(0, steps, || dead.push_runs(2, 2, &mut done));
                let run = theirs.producers.run(0);
                let settled = repair::settle_claims(
                    &theirs.slots,
                    &theirs.control,
                    2,
                    run,
                    &theirs.producers,
                );
                (done, settled)
            });
            let mut ledger = Ledger::new();
            for _ in 0..2 {
                let _ = consumer.pop(&mut ledger);
            }
            let (member, mut others) = (rig.member(1), Vec::new());
            member.push_noted(0, &mut others);
            let (done, settled) = dies.join().expect("the other ends");
            seen.saw((done.len(), settled, others.len()));
            consumer.clear_up(&mut ledger);
            settle(&[ledger], &[done, others]);
        });
    }
    let few = [0, 1].map(|done| [true, false].map(|settled| [0, 1].map(|n| (done, settled, n))));
    outcomes.are(
        few.into_iter()
            .flatten()
            .flatten()
            .chain([(2, true, 0), (2, true, 1)]),
    );
}

/// At most 1 preemption, for every death of a producer that pushes a run of two. A third asks for the dead one's place
/// while the consumer looks and another producer pushes. It gets it when everything is settled, and announces there
/// something else.
pub fn the_place_of_a_dead_producer_is_taken_when_its_slots_are_settled() {
    let outcomes = Outcomes::new();
    for steps in 0..14 {
        let seen = outcomes.clone();
        bounded(1, move || {
            let rig = Rig::new(2, LATE, 2, 0);
            let mut consumer = rig.consumer();
            let (dead, mut done) = (rig.member(0), Vec::new());
            rig.producers
                .mortal(0, steps, || dead.push_runs(2, 2, &mut done));
            rig.producers.kill(0);
            let other = rig.member(1);
            let pushes = loom::thread::spawn(move || {
                let mut done = Vec::new();
                once(&other, &mut done);
                done
            });
            let theirs = Arc::clone(&rig);
            let asks = loom::thread::spawn(move || {
                let run = theirs.producers.run(0);
                let (slots, control) = (&theirs.slots, &theirs.control);
                let settled = repair::settle_claims(slots, control, 2, run, &theirs.producers);
                settled.then(|| {
                    theirs.producers.revive(0);
                    theirs.member(0).try_push(value(0, 9))
                })
            });
            let mut ledger = Ledger::new();
            consumer.work(2, &mut ledger);
            let others = pushes.join().expect("the other producer ends");
            let third = asks.join().expect("the third ends");
            consumer.clear_up(&mut ledger);
            seen.saw((done.len(), third.is_some()));
            if third == Some(Pushed::Done) {
                done.push(value(0, 9));
            }
            settle(&[ledger], &[done, others]);
        });
    }
    // What is to be settled may be announced by the living one for a moment.
    outcomes.are([(0, false), (0, true), (1, false), (1, true), (2, true)]);
}

/// At most 2 preemptions, for every death. Two consumers that share the head meet the hole and both may make the
/// tombstone.
pub fn two_consumers_may_meet_one_hole() {
    let outcomes = Outcomes::new();
    for steps in 4..8 {
        let seen = outcomes.clone();
        bounded(2, move || {
            let rig = Rig::new(2, LATE, 2, 2);
            let (dead, mut done) = (rig.member(0), Vec::new());
            rig.producers
                .mortal(0, steps, || dead.push_noted(0, &mut done));
            let mut others = Vec::new();
            rig.member(1).push_noted(0, &mut others);
            let work = |worker: &Worker| {
                let mut ledger = Ledger::new();
                worker.work(3, 1, &mut ledger);
                ledger
            };
            let worker = rig.worker(0);
            let other = loom::thread::spawn(move || work(&worker));
            let mut last = work(&rig.worker(1));
            let first = other.join().expect("the consumer ends");
            seen.saw((first.len(), last.len()));
            rig.worker(1).clear_up(&mut last);
            settle(&[first, last], &[done, others]);
            assert!(rig.is_clean(head(&rig.control)), "as good as new");
        });
    }
    outcomes.are([(0, 1), (0, 2), (1, 0), (1, 1), (2, 0)]);
}

/// One thread, for every death of the producer and of two consumers that clear up after it, one after the other.
pub fn whoever_makes_tombstones_may_die_as_well() {
    for life in [run as Life, given_up, twice] {
        for steps in 0..16 {
            for deaths in (0..16).flat_map(|a| [0, 3, 7].map(|b| [a, b])) {
                bounded(0, move || {
                    let rig = Rig::new(2, LATE, 2, 0);
                    let mut committed = [Vec::new(), Vec::new()];
                    let member = rig.member(0);
                    rig.producers
                        .mortal(0, steps, || life(&member, &mut committed[0]));
                    rig.member(1).push_noted(0, &mut committed[1]);
                    let mut got = Ledger::new();
                    for steps in deaths {
                        let mut ledger = Ledger::new();
                        let mut consumer = rig.consumer();
                        mortal(steps, || consumer.clear_up(&mut ledger));
                        got.extend(ledger);
                    }
                    let mut last = rig.consumer();
                    last.clear_up(&mut got);
                    // What was in the hands of a dead one comes next.
                    got.dedup();
                    settle(&[got], &committed);
                    assert!(rig.is_clean(last.head.next()), "as good as new");
                });
            }
        }
    }
}
