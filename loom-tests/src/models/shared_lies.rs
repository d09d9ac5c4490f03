//! Words that no honest peer stores, in rings that many share: they are reported or lead to wrong answers inside the ring,
//! and nobody panics or goes on for ever. One thread each.

use crate::layout::word;
use crate::rig::exhaustive;
use crate::rig_shared::Rig;
use crate::ring::shared::gate::{self, Credit, Look};
use crate::ring::shared::head::{self, Nothing};
use crate::ring::shared::repair;
use crate::ring::shared::tail::{self, Refusal};
use crate::ring::shared::{Run, alone};
use crate::ring::sides::Producers;
use crate::ring::words::Words;
use crate::sync::Ordering::Relaxed;
use std::sync::Arc;

/// Where the rings begin: neither at a lap's beginning nor at 0.
const START: u64 = 5;

/// Lies near and far, for words and for positions.
fn lies() -> impl Iterator<Item = u64> + Clone {
    let far = [
        1 << 62,
        (1 << 62) - 1,
        (1 << 62) + 3,
        1 << 63,
        u64::MAX,
        u64::MAX - 3,
    ];
    (0..64).chain(far)
}

fn inside(run: Run) {
    assert!((1..=4).contains(&run.len()), "{run:?}");
}

/// Everybody does what they can do in `rig` without a peer.
fn all_try(rig: &Arc<Rig>) {
    let (slots, control) = (&rig.slots, &rig.control);
    let mut credit = Credit::new(control, 4, 0);
    for look in [Look::Gate, Look::Slots, Look::SlotsAhead, Look::Gate] {
        if let Ok(run) = tail::claim(slots, control, rig.producers.line(0), &mut credit, 4, look) {
            inside(run);
        }
    }
    for producers in [Producers::One, Producers::Many] {
        if let Ok(run) = head::take(slots, control, rig.consumers.line(0), 4, producers) {
            inside(run);
        }
    }
    let _ = tail::ahead_of(control, head::head(control));
    let mut alone = alone::Tail::resume(slots, control, 4, 0);
    for more in [1, 4, u64::MAX] {
        let _ = alone.refill(slots, control, more, Look::Gate);
        assert!(alone.credit() <= 4, "{}", alone.credit());
        let _ = alone.refill(slots, control, more, Look::Slots);
        assert!(alone.credit() <= 4, "{}", alone.credit());
    }
    let _ = alone.len(control);
    gate::publish(slots, control, &rig.consumers);
    for at in [START, head::head(control)] {
        let _ = repair::tombstone(slots, control, at, &rig.producers);
        let _ = repair::orphan(slots, at, &rig.consumers);
    }
    for i in 0..2 {
        let run = crate::ring::announce::run(rig.producers.line(i));
        let _ = repair::settle_claims(slots, control, 4, run, &rig.producers);
        let run = crate::ring::announce::run(rig.consumers.line(i));
        let _ = repair::estate(slots, control, 4, run, &rig.consumers);
    }
}

/// Any word in the slot of the tail and of the head. A producer is refused or told; so is a consumer.
pub fn a_lying_word_is_reported_or_ignored_by_all_who_share() {
    exhaustive(|| {
        for lie in lies() {
            let rig = Rig::new(4, START, 2, 2);
            // Relaxed, here and below: one thread.
            rig.slots.at(START).store(lie, Relaxed);
            // A gate that promises nothing: the word is looked at.
            rig.control.gate.0.store(START - 4, Relaxed);
            let mut credit = Credit::new(&rig.control, 4, 0);
            let mine = rig.producers.line(0);
            let claimed = tail::claim(&rig.slots, &rig.control, mine, &mut credit, 1, Look::Slots);
            let behind = (lie & !word::STATE).wrapping_sub(word::free(START)) as i64;
            match claimed {
                Ok(run) => assert_eq!((lie, run.next), (word::free(START), START)),
                Err(Refusal::Full) => assert!(behind < 0),
                Err(Refusal::Corrupt(corrupt)) => {
                    assert!(behind >= 0 && lie != word::free(START));
                    assert_eq!((corrupt.position, corrupt.found), (START, lie));
                }
                Err(Refusal::Closed) => panic!("nobody closed"),
            }
            let mine = rig.consumers.line(0);
            let taken = head::take(&rig.slots, &rig.control, mine, 1, Producers::Many);
            match taken {
                Ok(run) => {
                    assert!(lie == word::ready(START) || lie == word::skip(START));
                    assert_eq!(run.next, START);
                }
                Err(Nothing::Empty { .. }) => assert!(behind < 0 || lie == word::free(START)),
                Err(Nothing::Corrupt(corrupt)) => {
                    assert!(behind >= 0);
                    assert_eq!((corrupt.position, corrupt.found), (START, lie));
                }
                Err(Nothing::Drained) => panic!("nobody closed"),
            }
            all_try(&rig);
        }
    });
}

/// Any gate. What it promises is no more than a ring.
pub fn a_lying_gate_promises_no_more_than_a_ring() {
    for lie in lies() {
        exhaustive(move || {
            let rig = Rig::new(4, START, 2, 2);
            rig.control.gate.0.store(lie, Relaxed);
            let credit = Credit::new(&rig.control, 4, 0);
            for from in lies().map(|from| from % word::POSITION_LIMIT) {
                let honest = lie.wrapping_add(4).wrapping_sub(from) % word::POSITION_LIMIT;
                assert_eq!(credit.left(from), if honest <= 4 { honest } else { 0 });
            }
            all_try(&rig);
        });
    }
}

/// Any tail and any head, beside any word. Whatever is claimed is no more than a ring.
pub fn lying_positions_lead_nowhere() {
    for (tail, head) in lies().flat_map(|a| [5, 6, 9, 13, u64::MAX].map(|b| (a, b))) {
        exhaustive(move || {
            for (tail, head) in [(tail, head), (head, tail)] {
                let rig = Rig::new(4, START, 2, 2);
                rig.control.tail.0.store(tail, Relaxed);
                rig.control.head.0.taken.store(head, Relaxed);
                all_try(&rig);
            }
        });
    }
}

/// Any announcement of somebody dead or alive: nothing beyond a ring's slots is looked at.
pub fn a_lying_announcement_delays_at_most() {
    for (from, len) in lies().flat_map(|a| [0, 1, 4, 1 << 62, u64::MAX].map(|b| (a, b))) {
        exhaustive(move || {
            let rig = Rig::new(4, START, 2, 2);
            let mut done = Vec::new();
            rig.member(0).push_runs(2, 2, &mut done);
            for (side, i) in [(&rig.producers, 0), (&rig.consumers, 1)] {
                side.line(i).announce.store(from, Relaxed);
                side.line(i).announce_len.store(len, Relaxed);
                side.kill(i);
            }
            all_try(&rig);
        });
    }
}
