//! Many producers, some of whom die: what they committed arrives once and in order, and nobody waits for the dead.
//!
//! A producer dies before any of its accesses to shared words; the accesses are counted, so every death is tried. The
//! consumer looks and repairs while they run, and clears up when all have ended: then every repair must conclude.

use crate::rig::{Outcomes, bounded};
use crate::rig_records::{Ledger, Member, Pushed, Rig, settle, tag, tags};
use crate::ring::records::Exactly;
use crate::ring::records::repair::Repair;
use crate::sync::mortal;
use std::sync::Arc;

/// For ever.
const LONG: u32 = u32::MAX;

/// What a producer does. Notes what it has committed.
type Life = fn(&mut Member, &mut Vec<u16>);

/// One record of 8 bytes.
fn long(member: &mut Member, done: &mut Vec<u16>) {
    member.push_noted(8, 0, done);
}

/// One empty record.
fn short(member: &mut Member, done: &mut Vec<u16>) {
    member.push_noted(0, 0, done);
}

/// Two records, one after the other.
fn twice(member: &mut Member, done: &mut Vec<u16>) {
    member.push_noted(0, 0, done);
    member.push_noted(8, 1, done);
}

/// Two records, the second shorter: for a moment the announcement is half of the one and half of the other.
fn shorter(member: &mut Member, done: &mut Vec<u16>) {
    member.push_noted(8, 0, done);
    member.push_noted(0, 1, done);
}

/// Two empty records in one claim.
fn run(member: &mut Member, done: &mut Vec<u16>) {
    if let Ok(mut claim) = member.claim(Exactly::Yes, &[0, 0]) {
        for n in 0..2 {
            member.write(&claim, 0, tag(member.i, n));
            member.commit(&mut claim, 0, tag(member.i, n));
            done.push(tag(member.i, n));
        }
    }
}

/// The first of two records in one claim, committed shorter than it was written; the rest given up.
fn shrunk(member: &mut Member, done: &mut Vec<u16>) {
    if let Ok(claim) = member.claim(Exactly::Yes, &[8]) {
        member.write(&claim, 8, tag(member.i, 0));
        member.commit_last(claim, 0, tag(member.i, 0));
        done.push(tag(member.i, 0));
    }
}

/// A loan that is written and given up, and a record.
fn given_up(member: &mut Member, done: &mut Vec<u16>) {
    if let Ok(claim) = member.claim(Exactly::Yes, &[8]) {
        member.write(&claim, 8, tag(member.i, 15));
        claim.abort(&member.rig.bytes);
    }
    member.push_noted(0, 0, done);
}

/// Producers do `lives`, each for so many steps, while the consumer looks `looks` times. Gives how much each has
/// committed.
fn killed(start: u64, lives: [(Life, u32); 2], looks: u32) -> [usize; 2] {
    let rig = Rig::mpsc(32, start, 2);
    let mut consumer = rig.consumer();
    let producers = [0, 1].map(|i: u32| {
        let mut member = rig.member(i);
        let rig = Arc::clone(&rig);
        let (life, steps) = lives[i as usize];
        loom::thread::spawn(move || {
            let mut done = Vec::new();
            rig.mortal(i, steps, || life(&mut member, &mut done));
            done
        })
    });
    let mut ledger = Ledger::new();
    consumer.work(looks, &mut ledger);
    let committed = producers.map(|p| p.join().expect("the producer ends"));
    consumer.clear_up(&mut ledger);
    settle(&tags(&ledger), &committed);
    assert!(rig.is_zero());
    committed.map(|done| done.len())
}

/// The deaths of a producer that does `life`, beside one that lives and does `other`; the last of them must come too
/// late. `outcomes`: how many records the dead one committed.
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
pub fn a_producer_killed_anywhere_loses_only_what_it_had_not_committed() {
    one_dies(2, 0, (long, 16), short, &[0, 1]);
}

/// At most 1 preemption, for every death. Its claim begins with padding.
pub fn a_producer_killed_at_the_end_of_the_ring_is_cleared_up_behind() {
    one_dies(1, 24, (long, 16), short, &[0, 1]);
}

/// At most 1 preemption, for every death.
pub fn a_run_whose_producer_dies_is_cleared_up_behind_what_was_committed() {
    one_dies(1, 0, (run, 16), long, &[0, 1, 2]);
}

/// At most 1 preemption, for every death. Before, between and after the two stores that commit a shorter record.
pub fn a_loan_whose_producer_dies_leaves_no_bytes_behind() {
    one_dies(1, 0, (shrunk, 16), short, &[0, 1]);
    one_dies(1, 0, (given_up, 22), short, &[0, 1]);
}

/// At most 1 preemption, for every death. The living one goes on behind the dead one.
pub fn the_living_go_on_behind_the_dead() {
    one_dies(1, 0, (twice, 24), twice, &[0, 1, 2]);
}

/// At most 2 preemptions, for every death. The consumer may read half of one announcement and half of the next, and
/// their owner may die between the two.
pub fn an_announcement_is_read_while_it_changes() {
    let outcomes = Outcomes::new();
    for steps in 0..16 {
        let seen = outcomes.clone();
        bounded(2, move || {
            let rig = Rig::mpsc(64, 0, 1);
            let mut consumer = rig.consumer();
            let mut member = rig.member(0);
            let theirs = Arc::clone(&rig);
            let dies = loom::thread::spawn(move || {
                let mut done = Vec::new();
                theirs.mortal(0, steps, || shorter(&mut member, &mut done));
                done
            });
            let mut ledger = Ledger::new();
            consumer.work(2, &mut ledger);
            let done = dies.join().expect("the producer ends");
            consumer.clear_up(&mut ledger);
            seen.saw(done.len());
            settle(&tags(&ledger), &[done]);
        });
    }
    outcomes.are([0, 1, 2]);
}

/// At most 2 preemptions, for every pair of deaths. Both may have announced the same position with different lengths.
fn both_die(start: u64, lives: [(Life, u32); 2]) {
    for first in 0..lives[0].1 {
        for second in 0..lives[1].1 {
            bounded(2, move || {
                killed(start, [(lives[0].0, first), (lives[1].0, second)], 0);
            });
        }
    }
}

/// See [`both_die`].
pub fn of_two_dead_that_announced_one_position_the_winner_is_found() {
    both_die(0, [(long, 12), (short, 12)]);
    both_die(24, [(long, 12), (short, 12)]);
}

/// The producer `i` is killed just before its exchange: it has announced a record of `len` bytes at the tail and will
/// never claim it. Or just after it.
fn announce(rig: &Arc<Rig>, i: u32, len: u32, claims: bool) {
    let mut member = rig.member(i);
    // The tail; the gate, as there is no credit yet; the announcement's two words; the exchange.
    let end = rig.mortal(i, 4 + u32::from(claims), || {
        member.try_push(Exactly::Yes, len, 99)
    });
    assert_eq!(end, None, "killed");
    let claimed = rig.control.tail.0.load(crate::sync::Ordering::Relaxed);
    assert_eq!(claimed > 0, claims);
}

/// At most 2 preemptions. Two are dead: one claimed the first position, the other announced the same with another
/// length. A third goes on behind them while the consumer repairs. The end of the dead claim must be found, whatever
/// the third does. `table`: whether the first repair did something, and how many records were taken meanwhile.
fn behind_two_dead(claimed: u32, announced: u32, table: &[(bool, usize)]) {
    let outcomes = Outcomes::new();
    let seen = outcomes.clone();
    bounded(2, move || {
        let rig = Rig::mpsc(64, 0, 3);
        let mut consumer = rig.consumer();
        announce(&rig, 0, announced, false);
        announce(&rig, 1, claimed, true);
        let mut member = rig.member(2);
        let third = loom::thread::spawn(move || {
            let mut done = Vec::new();
            for n in 0..2 {
                member.push_noted(0, n, &mut done);
            }
            done
        });
        let mut ledger = Ledger::new();
        let first = consumer.repair();
        consumer.work(2, &mut ledger);
        let before = ledger.len();
        let done = third.join().expect("the third ends");
        assert_eq!(done.len(), 2);
        consumer.clear_up(&mut ledger);
        settle(&tags(&ledger), &[vec![], vec![], done]);
        assert!(rig.is_zero());
        seen.saw((first == Repair::Done, before));
    });
    // Half of an announcement over half of an older one may look like the position's owner: once more, then.
    outcomes.are(table.iter().copied());
}

/// See [`behind_two_dead`].
pub fn a_dead_claim_ends_where_the_next_begins() {
    let table = [(true, 0), (true, 1), (true, 2), (false, 0), (false, 1)];
    behind_two_dead(0, 8, &table);
}

/// See [`behind_two_dead`]. It takes two steps, as the first pads up to the loser's end.
pub fn a_dead_loser_that_announced_less_changes_nothing() {
    behind_two_dead(8, 0, &[(true, 0), (true, 1), (false, 0)]);
}

/// At most 2 preemptions, for every death. The ring has room for one of the two. The other finds it full, and then
/// lives on and does nothing: nobody waits for it.
pub fn a_producer_that_waits_for_room_is_not_waited_for() {
    let outcomes = Outcomes::new();
    for steps in 0..14 {
        let seen = outcomes.clone();
        bounded(2, move || {
            let rig = Rig::mpsc(32, 0, 3);
            let mut consumer = rig.consumer();
            let mut first = Vec::new();
            rig.member(2).push_noted(8, 0, &mut first);
            let mut waits = rig.member(1);
            let mut member = rig.member(0);
            let theirs = Arc::clone(&rig);
            let dies = loom::thread::spawn(move || {
                let mut done = Vec::new();
                theirs.mortal(0, steps, || member.push_noted(8, 0, &mut done));
                done
            });
            let mut waited = Vec::new();
            waits.push_noted(8, 0, &mut waited);
            let done = dies.join().expect("the producer ends");
            seen.saw((done.len(), waited.len()));
            let mut ledger = Ledger::new();
            consumer.clear_up(&mut ledger);
            settle(&tags(&ledger), &[done, waited, first]);
        });
    }
    outcomes.are([(0, 0), (0, 1), (1, 0)]);
}

/// One thread, for every death of the first producer, of the first consumer that clears up after it, and of a second
/// one. With a run, and with padding.
pub fn a_repairer_may_die_as_well() {
    for (start, life) in [(0, run as Life), (24, long as Life), (0, shrunk as Life)] {
        for steps in 0..14 {
            for deaths in (0..20).flat_map(|a| [0, 4, 8].map(|b| [a, b])) {
                bounded(0, move || repairers_die(start, life, steps, deaths));
            }
        }
    }
}

fn repairers_die(start: u64, life: Life, steps: u32, deaths: [u32; 2]) {
    let rig = Rig::mpsc(32, start, 2);
    let mut committed = [Vec::new(), Vec::new()];
    let mut member = rig.member(0);
    rig.mortal(0, steps, || life(&mut member, &mut committed[0]));
    rig.member(1).push_noted(0, 0, &mut committed[1]);
    let mut got = Vec::new();
    for steps in deaths {
        let mut ledger = Ledger::new();
        mortal(steps, || rig.consumer().clear_up(&mut ledger));
        got.extend(rig.released_of(&ledger).0);
    }
    let mut ledger = Ledger::new();
    rig.consumer().clear_up(&mut ledger);
    got.extend(tags(&ledger));
    settle(&got, &committed);
    assert!(rig.is_zero());
    // As good as new.
    assert_eq!(rig.member(1).try_push(Exactly::Yes, 8, 77), Pushed::Done);
}
