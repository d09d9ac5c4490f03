//! Many producers: claims do not overlap, each finds its bytes zero, and what was committed comes in order.

use crate::rig::{Outcomes, bounded, exhaustive};
use crate::rig_records::{Consumer, Ledger, Member, Popped, Pushed, Rig, settle, tag, tags};
use crate::ring::records::Exactly;
use std::sync::Arc;

/// Two producers on threads of their own do `lives`, the consumer looks twice meanwhile and clears up at the end.
/// Gives what was taken, in order.
fn two(rig: &Arc<Rig>, lives: [fn(&mut Member, &mut Vec<u16>); 2]) -> Vec<u16> {
    let mut consumer = rig.consumer();
    let producers = [0, 1].map(|i: u32| {
        let mut member = rig.member(i);
        loom::thread::spawn(move || {
            let mut done = Vec::new();
            lives[i as usize](&mut member, &mut done);
            done
        })
    });
    let mut ledger = Ledger::new();
    consumer.work(2, &mut ledger);
    let committed = producers.map(|p| p.join().expect("the producer ends"));
    consumer.clear_up(&mut ledger);
    settle(&tags(&ledger), &committed);
    assert!(rig.is_zero());
    tags(&ledger)
}

/// At most 2 preemptions. Two producers push one record each, in either order.
pub fn two_producers_share_a_ring() {
    let outcomes = Outcomes::new();
    let seen = outcomes.clone();
    bounded(2, move || {
        let rig = Rig::mpsc(32, 0, 2);
        seen.saw(two(
            &rig,
            [
                |m, done| m.push_noted(8, 0, done),
                |m, done| m.push_noted(0, 0, done),
            ],
        ));
    });
    let (first, second) = (tag(0, 0), tag(1, 0));
    outcomes.are([vec![first, second], vec![second, first]]);
}

/// At most 1 preemption, for starts across every wrap. Runs in one claim, loans committed shorter and given up.
pub fn runs_and_loans_come_in_order() {
    for start in [0, 0u64.wrapping_sub(8), 0u64.wrapping_sub(24)] {
        let outcomes = Outcomes::new();
        let seen = outcomes.clone();
        bounded(1, move || {
            let rig = Rig::mpsc(128, start, 2);
            let all = two(&rig, [run_of_two, shrunk_and_given_up]);
            let ours: Vec<usize> = (0..all.len()).filter(|i| all[*i] / 16 == 1).collect();
            assert_eq!(ours[0] + 1, ours[1], "a run stays together");
            seen.saw(ours[0]);
        });
        outcomes.are([0, 1, 2]);
    }
}

fn run_of_two(member: &mut Member, done: &mut Vec<u16>) {
    let mut claim = member.claim(Exactly::Yes, &[8, 0]).expect("there is room");
    for (n, len) in [(0, 8), (1, 0)] {
        let tag = tag(member.i, n);
        member.write(&claim, len, tag);
        member.commit(&mut claim, len, tag);
        done.push(tag);
    }
}

fn shrunk_and_given_up(member: &mut Member, done: &mut Vec<u16>) {
    let claim = member.claim(Exactly::Yes, &[8]).expect("there is room");
    member.write(&claim, 8, tag(member.i, 0));
    member.commit_last(claim, 0, tag(member.i, 0));
    done.push(tag(member.i, 0));
    let claim = member.claim(Exactly::Yes, &[8]).expect("there is room");
    member.write(&claim, 8, tag(member.i, 15));
    claim.abort(&member.rig.bytes);
    member.push_noted(0, 1, done);
}

/// A ring of 32 bytes with four empty records in it, which is all that it takes, a producer and the consumer.
fn filled() -> (Arc<Rig>, Member, Consumer) {
    let rig = Rig::mpsc(32, 0, 1);
    let consumer = rig.consumer();
    let mut member = rig.member(0);
    for tag in 0..4 {
        assert_eq!(member.try_push(Exactly::No, 0, tag), Pushed::Done);
    }
    assert_eq!(member.try_push(Exactly::Yes, 0, 4), Pushed::Full);
    (rig, member, consumer)
}

/// Exhaustive. The consumer takes two records of a full ring, and the gate is published then. The producer asks
/// once, as `exactly` says, claims what it may, and finds it zero.
fn handed_back(exactly: Exactly) -> Outcomes<Pushed> {
    let outcomes = Outcomes::new();
    let seen = outcomes.clone();
    exhaustive(move || {
        let (_rig, mut member, mut consumer) = filled();
        let reader = loom::thread::spawn(move || {
            for tag in 0..2 {
                assert_eq!(consumer.try_pop(), Popped::Tag(tag));
            }
            consumer
        });
        let pushed = member.try_push(exactly, 0, 4);
        let mut consumer = reader.join().expect("the consumer ends");
        for tag in 2..4 + u16::from(pushed == Pushed::Done) {
            assert_eq!(consumer.try_pop(), Popped::Tag(tag));
        }
        assert_eq!(consumer.try_pop(), Popped::Empty);
        seen.saw(pushed);
    });
    outcomes
}

/// See [`handed_back`].
pub fn the_gate_hands_back_only_what_was_wiped() {
    handed_back(Exactly::No).are([Pushed::Done, Pushed::Full]);
}

/// See [`handed_back`].
pub fn the_head_hands_back_only_what_was_wiped() {
    handed_back(Exactly::Yes).are([Pushed::Done, Pushed::Full]);
}
