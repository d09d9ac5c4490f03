//! Somebody who takes nothing holds the consumer's token while there is no consumer, and makes padding of what the dead have
//! claimed anywhere in the ring.
//!
//! A producer dies before any of its accesses to shared words; the accesses are counted, so every death is tried.

use crate::layout::record;
use crate::rig::{Outcomes, bounded};
use crate::rig_records::{Ledger, Member, Pushed, Rig, settle, tag, tags};
use crate::ring::announce::withdraw;
use crate::ring::records::Exactly;
use crate::ring::records::mpsc::is_settled_below;
use crate::ring::records::repair::Walk;
use crate::ring::words::Words;
use crate::sync::mortal;
use std::sync::Arc;

/// Two empty records in one claim, and one of 8 bytes in another.
fn life(member: &mut Member, done: &mut Vec<u16>) {
    if let Ok(mut claim) = member.claim(Exactly::Yes, &[0, 0]) {
        for n in 0..2 {
            member.write(&claim, 0, tag(member.i, n));
            member.commit(&mut claim, 0, tag(member.i, n));
            done.push(tag(member.i, n));
        }
    }
    member.push_noted(8, 2, done);
}

/// All that is claimed is a record or padding, up to `end`, where the shared tail is.
fn is_finished(rig: &Rig, begin: u64, end: u64) {
    let mut at = begin;
    while at != end {
        let word = rig.bytes.at(at).settled();
        assert!(record::is_header(word), "unfinished at {at}: {word:#x}");
        at = at.wrapping_add(rig.shape.total(record::len(word)));
    }
}

/// At most 1 preemption, for every death of a producer, beside another one that lives. Nobody consumes. Somebody walks
/// while they run and again when they have ended: then all is finished, the dead one's place is given to another, and a
/// consumer that comes afterwards finds what was committed.
pub fn what_the_dead_have_claimed_becomes_padding_while_nobody_consumes() {
    let outcomes = Outcomes::new();
    for steps in 0..24 {
        let seen = outcomes.clone();
        bounded(1, move || {
            let rig = Rig::mpsc(64, 0, 2);
            let (mut dead, mut other) = (rig.member(0), rig.member(1));
            let theirs = Arc::clone(&rig);
            let dies = loom::thread::spawn(move || {
                let mut done = Vec::new();
                theirs.mortal(0, steps, || life(&mut dead, &mut done));
                theirs.table.kill(0);
                done
            });
            let pushes = loom::thread::spawn(move || {
                let mut done = Vec::new();
                other.push_noted(8, 0, &mut done);
                done
            });
            let early = matches!(rig.walk(), Walk::Finished(_));
            let mut done = dies.join().expect("the producer ends");
            let others = pushes.join().expect("the other producer ends");
            let Walk::Finished(end) = rig.walk() else {
                panic!("stuck");
            };
            is_finished(&rig, 0, end);
            assert!(is_settled_below(&rig.control, end, rig.line(0)));
            withdraw(rig.line(0));
            if rig.revived(0).try_push(Exactly::Yes, 0, tag(0, 9)) == Pushed::Done {
                done.push(tag(0, 9));
            }
            seen.saw((done.len(), early));
            let mut ledger = Ledger::new();
            rig.consumer().clear_up(&mut ledger);
            settle(&tags(&ledger), &[done, others]);
        });
    }
    let all = (1..5).flat_map(|committed| [false, true].map(|early| (committed, early)));
    outcomes.are(all);
}

/// At most 1 preemption. A producer dies with a claim in hand, somebody walks while another one claims behind it, and asks
/// for the dead one's place. Only if all is finished below what the dead one may have claimed it gets it, and announces
/// there something else; in any case everything is cleared up.
pub fn the_place_of_a_dead_producer_is_taken_when_the_walk_has_come_past_it() {
    let outcomes = Outcomes::new();
    for steps in 0..14 {
        let seen = outcomes.clone();
        bounded(1, move || {
            let rig = Rig::mpsc(64, 0, 2);
            let (mut dead, mut other) = (rig.member(0), rig.member(1));
            let theirs = Arc::clone(&rig);
            let dies = loom::thread::spawn(move || {
                let mut done = Vec::new();
                theirs.mortal(0, steps, || dead.push_noted(8, 0, &mut done));
                theirs.table.kill(0);
                let mut others = Vec::new();
                other.push_noted(0, 0, &mut others);
                (done, others)
            });
            let walk = rig.walk();
            let (mut done, others) = dies.join().expect("the producers end");
            let settled = match walk {
                Walk::Finished(end) => is_settled_below(&rig.control, end, rig.line(0)),
                _ => false,
            };
            seen.saw((done.len(), settled));
            if settled && rig.revived(0).try_push(Exactly::Yes, 0, tag(0, 9)) == Pushed::Done {
                done.push(tag(0, 9));
            }
            let mut ledger = Ledger::new();
            rig.consumer().clear_up(&mut ledger);
            settle(&tags(&ledger), &[done, others]);
        });
    }
    outcomes.are([(0, false), (0, true), (1, false), (1, true)]);
}

/// One thread, for every death of the producer and of two who walk one after the other. Also across the end of the ring.
pub fn whoever_walks_may_die_as_well() {
    for start in [0, 40] {
        for steps in 0..24 {
            for deaths in (0..24).flat_map(|a| [0, 6, 12].map(|b| [a, b])) {
                bounded(0, move || {
                    let rig = Rig::mpsc(64, start, 2);
                    let mut committed = [Vec::new(), Vec::new()];
                    let mut member = rig.member(0);
                    rig.mortal(0, steps, || life(&mut member, &mut committed[0]));
                    rig.table.kill(0);
                    rig.member(1).push_noted(0, 0, &mut committed[1]);
                    for steps in deaths {
                        mortal(steps, || rig.walk());
                    }
                    let Walk::Finished(end) = rig.walk() else {
                        panic!("stuck");
                    };
                    is_finished(&rig, start, end);
                    let mut ledger = Ledger::new();
                    rig.consumer().clear_up(&mut ledger);
                    settle(&tags(&ledger), &committed);
                    assert!(rig.is_zero());
                });
            }
        }
    }
}
