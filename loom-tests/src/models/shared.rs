//! Slots whose tail or head many share: claims do not overlap, what was committed comes out once and in order.

use crate::layout::word::POSITION_LIMIT;
use crate::rig::{Outcomes, bounded, exhaustive};
use crate::rig_shared::{Ledger, Member, Pushed, Rig, Worker, settle, value, values};
use crate::ring::shared::head::Nothing;
use std::sync::Arc;

/// Where the words wrap, two messages on.
const LATE: u64 = (1 << 62) - 1;

/// Two producers on threads of their own do `lives`, the only consumer looks `looks` times meanwhile and clears up at the
/// end. Gives what was taken, in order.
fn two_produce(rig: &Arc<Rig>, lives: [fn(&Member, &mut Vec<u64>); 2], looks: u32) -> Vec<u64> {
    let mut consumer = rig.consumer();
    rig.forget_gate(consumer.head.next());
    let producers = [0, 1].map(|i: u32| {
        let member = rig.member(i);
        loom::thread::spawn(move || {
            let mut done = Vec::new();
            lives[i as usize](&member, &mut done);
            done
        })
    });
    let mut ledger = Ledger::new();
    consumer.work(looks, &mut ledger);
    let committed = producers.map(|p| p.join().expect("the producer ends"));
    consumer.clear_up(&mut ledger);
    let all = values(&ledger);
    settle(&[ledger], &committed);
    assert!(rig.is_clean(consumer.head.next()));
    all
}

fn once(member: &Member, done: &mut Vec<u64>) {
    assert_eq!(member.push_noted(0, done), Pushed::Done);
}

fn run_of_two(member: &Member, done: &mut Vec<u64>) {
    member.push_runs(2, 2, done);
}

/// A loan that is given up, then a message.
fn given_up(member: &Member, done: &mut Vec<u64>) {
    if let Ok(mut run) = member.claim(1) {
        run.abort(&member.rig.slots);
    }
    member.push_noted(0, done);
}

/// At most 2 preemptions. Two producers push one message each, in either order.
pub fn two_producers_share_the_slots() {
    for start in [0, LATE] {
        let outcomes = Outcomes::new();
        let seen = outcomes.clone();
        bounded(2, move || {
            let rig = Rig::new(2, start, 2, 0);
            seen.saw(two_produce(&rig, [once, once], 2));
        });
        let (first, second) = (value(0, 0), value(1, 0));
        outcomes.are([vec![first, second], vec![second, first]]);
    }
}

/// At most 2 preemptions. One claims runs of two, the other gives a claim up and pushes; there are four slots. A run is
/// shorter where the slot behind it is not free; a tombstone lies where it likes.
pub fn runs_and_tombstones_come_in_order() {
    for start in [0, LATE] {
        let outcomes = Outcomes::new();
        let seen = outcomes.clone();
        bounded(2, move || {
            let rig = Rig::new(4, start, 2, 0);
            let all = two_produce(&rig, [run_of_two, given_up], 1);
            seen.saw(all.iter().position(|v| *v == value(1, 0)));
        });
        // A run stays together.
        outcomes.are([Some(0), Some(2)]);
    }
}

/// At most 2 preemptions. Two slots, and two producers that each want to push a run of two: who finds no room
/// has withdrawn what it did not get, and may be refused at any of its messages. How many each has pushed.
pub fn a_full_ring_refuses() {
    let outcomes = Outcomes::new();
    let seen = outcomes.clone();
    bounded(2, move || {
        let rig = Rig::new(2, LATE, 2, 0);
        let all = two_produce(&rig, [run_of_two, run_of_two], 2);
        let of = |i: u32| all.iter().filter(|v| **v / 16 == u64::from(i) + 1).count();
        seen.saw((of(0), of(1)));
        for i in 0..2 {
            let (from, len) = crate::ring::announce::run(rig.producers.line(i));
            let first = from.wrapping_sub(LATE) % POSITION_LIMIT;
            let announced = all.iter().skip(first as usize).take(len as usize);
            let own = announced.filter(|v| **v / 16 == u64::from(i) + 1).count();
            assert_eq!(own as u64, len, "who was refused waits for nothing");
        }
    });
    // The second comes as far as there is room.
    outcomes.are([(2, 0), (0, 2), (2, 1), (1, 2), (2, 2)]);
}

/// Exhaustive. The ring is full; the consumer takes one message. A producer claims its slot or finds it full, and
/// never writes before the message was read.
pub fn a_slot_is_claimed_only_when_it_was_released() {
    let outcomes = Outcomes::new();
    let seen = outcomes.clone();
    exhaustive(move || {
        let rig = Rig::new(2, LATE, 1, 0);
        let mut consumer = rig.consumer();
        let member = rig.member(0);
        let mut done = Vec::new();
        for n in 0..2 {
            member.push_noted(n, &mut done);
        }
        let takes = loom::thread::spawn(move || {
            let mut ledger = Ledger::new();
            let _ = consumer.pop(&mut ledger);
            (consumer, ledger)
        });
        seen.saw(member.push_noted(2, &mut done));
        let (mut consumer, mut ledger) = takes.join().expect("the consumer ends");
        consumer.clear_up(&mut ledger);
        settle(&[ledger], &[done]);
    });
    outcomes.are([Pushed::Done, Pushed::Full]);
}

/// At most 2 preemptions. The ring is full when a producer looks. The consumer takes a message and another producer fills the
/// slot before the first has found out why there was no room: that is no lie.
pub fn a_refusal_is_not_taken_for_a_lie() {
    let outcomes = Outcomes::new();
    let seen = outcomes.clone();
    bounded(2, move || {
        let rig = Rig::new(2, LATE, 2, 0);
        let mut consumer = rig.consumer();
        let (member, other) = (rig.member(0), rig.member(1));
        let mut done = Vec::new();
        for n in 0..2 {
            member.push_noted(n, &mut done);
        }
        let runs_on = loom::thread::spawn(move || {
            let (mut ledger, mut others) = (Ledger::new(), Vec::new());
            let _ = consumer.pop(&mut ledger);
            other.push_noted(0, &mut others);
            (consumer, ledger, others)
        });
        seen.saw(member.push_noted(2, &mut done));
        let (mut consumer, mut ledger, others) = runs_on.join().expect("they end");
        consumer.clear_up(&mut ledger);
        settle(&[ledger], &[done, others]);
    });
    outcomes.are([Pushed::Done, Pushed::Full]);
}

/// Consumers on threads of their own claim up to `most` at a time until nothing is there. Gives what they and the last of
/// them, who clears up, have taken.
fn two_consume(rig: &Arc<Rig>, looks: [u32; 2], most: [u64; 2]) -> [Ledger; 2] {
    let work = move |worker: &Worker| {
        let mut ledger = Ledger::new();
        let i = worker.i as usize;
        worker.work(looks[i], most[i], &mut ledger);
        ledger
    };
    let worker = rig.worker(0);
    let other = loom::thread::spawn(move || work(&worker));
    let second = work(&rig.worker(1));
    [other.join().expect("the consumer ends"), second]
}

/// Exhaustive. Three messages are there, one of them a tombstone. Each goes to one of two consumers that claim one or up to
/// two at a time.
pub fn each_message_goes_to_one_consumer() {
    let outcomes = Outcomes::new();
    let seen = outcomes.clone();
    exhaustive(move || {
        let rig = Rig::new(4, LATE, 1, 2);
        let member = rig.member(0);
        let mut done = Vec::new();
        member.push_noted(0, &mut done);
        member.claim(1).expect("there is room").abort(&rig.slots);
        member.push_noted(1, &mut done);
        let mut ledgers = two_consume(&rig, [1, 1], [1, 2]);
        seen.saw((values(&ledgers[0]), values(&ledgers[1])));
        rig.worker(0).clear_up(&mut ledgers[0]);
        settle(&ledgers, &[done]);
        assert!(rig.is_clean(LATE + 3));
    });
    let (first, second) = (vec![value(0, 0)], vec![value(0, 1)]);
    outcomes.are([(first.clone(), second.clone()), (second, first)]);
}

/// At most 2 preemptions. A producer pushes two messages through two slots while two consumers look for them; then two
/// more.
pub fn producers_and_consumers_share_a_ring() {
    let outcomes = Outcomes::new();
    let seen = outcomes.clone();
    bounded(2, move || {
        let rig = Rig::new(2, LATE, 1, 2);
        let member = rig.member(0);
        let pushes = loom::thread::spawn(move || {
            let mut done = Vec::new();
            member.push_runs(2, 2, &mut done);
            member.push_noted(2, &mut done);
            done
        });
        let mut ledgers = two_consume(&rig, [1, 1], [2, 1]);
        let done = pushes.join().expect("the producer ends");
        seen.saw((done.len(), ledgers[0].len(), ledgers[1].len()));
        rig.worker(0).clear_up(&mut ledgers[0]);
        settle(&ledgers, &[done]);
    });
    // Three messages only if somebody has released the first.
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

/// At most 2 preemptions. A producer pushes, another closes, a consumer takes until it is told the end. Whatever was
/// claimed before the close is out by then; nothing is claimed behind it.
pub fn no_slot_is_claimed_after_the_close() {
    let outcomes = Outcomes::new();
    let seen = outcomes.clone();
    bounded(2, move || {
        let rig = Rig::new(2, 0, 1, 1);
        let member = rig.member(0);
        let pushes = loom::thread::spawn(move || {
            let mut done = Vec::new();
            member.push_noted(0, &mut done);
            done
        });
        let theirs = Arc::clone(&rig);
        let closes = loom::thread::spawn(move || {
            crate::ring::close::close_shared(
                &theirs.control,
                crate::layout::control::CLOSED_BY_PRODUCER,
            );
        });
        let mut ledger = Ledger::new();
        let worker = rig.worker(0);
        let told = until_told(&worker, &mut ledger, 3);
        let done = pushes.join().expect("the producer ends");
        closes.join().expect("the closer ends");
        assert!(!told || done.len() == ledger.len(), "told too early");
        seen.saw((done.len(), told));
        worker.clear_up(&mut ledger);
        assert_eq!(worker.take(1), Err(Nothing::Drained));
        settle(&[ledger], &[done]);
    });
    outcomes.are([(0, false), (0, true), (1, false), (1, true)]);
}

/// Takes until it is told the end, in so many looks.
fn until_told(worker: &Worker, ledger: &mut Ledger, looks: u32) -> bool {
    (0..looks).any(|_| worker.pop(1, ledger) == Err(Nothing::Drained))
}

/// At most 2 preemptions. As above with one consumer who keeps its head to itself, and is told by
/// [`crate::ring::spsc::Head::look`].
pub fn the_only_consumer_is_told_the_end_behind_the_last_slot() {
    let outcomes = Outcomes::new();
    let seen = outcomes.clone();
    bounded(2, move || {
        let rig = Rig::new(2, 0, 1, 0);
        let member = rig.member(0);
        let mut consumer = rig.consumer();
        let pushes = loom::thread::spawn(move || {
            let mut done = Vec::new();
            member.push_noted(0, &mut done);
            done
        });
        let theirs = Arc::clone(&rig);
        let closes = loom::thread::spawn(move || {
            crate::ring::close::close_shared(
                &theirs.control,
                crate::layout::control::CLOSED_BY_PRODUCER,
            );
        });
        let mut ledger = Ledger::new();
        let told = (0..3).any(|_| consumer.pop(&mut ledger) == crate::ring::spsc::Look::Closed);
        let done = pushes.join().expect("the producer ends");
        closes.join().expect("the closer ends");
        assert!(!told || done.len() == ledger.len(), "told too early");
        seen.saw((done.len(), told));
        consumer.clear_up(&mut ledger);
        assert_eq!(consumer.pop(&mut ledger), crate::ring::spsc::Look::Closed);
        settle(&[ledger], &[done]);
    });
    outcomes.are([(0, false), (0, true), (1, false), (1, true)]);
}

/// At most 2 preemptions. A consumer closes while a producer pushes. Another consumer gets what was pushed before; what
/// comes later is refused.
pub fn a_consumer_closes_for_all() {
    let outcomes = Outcomes::new();
    let seen = outcomes.clone();
    bounded(2, move || {
        let rig = Rig::new(2, 0, 1, 2);
        let member = rig.member(0);
        let pushes = loom::thread::spawn(move || {
            let mut done = Vec::new();
            member.push_noted(0, &mut done);
            let refused = member.push_noted(1, &mut done);
            (done, refused)
        });
        crate::ring::close::close_shared(&rig.control, crate::layout::control::CLOSED_BY_CONSUMER);
        let mut ledger = Ledger::new();
        let worker = rig.worker(1);
        let told = until_told(&worker, &mut ledger, 2);
        let (done, refused) = pushes.join().expect("the producer ends");
        assert!(!told || done.len() == ledger.len(), "told too early");
        assert!(refused == Pushed::Closed || done.len() == 2);
        seen.saw((done.len(), told));
        worker.clear_up(&mut ledger);
        assert_eq!(worker.take(1), Err(Nothing::Drained));
        settle(&[ledger], &[done]);
    });
    outcomes.are([(0, true), (1, false), (1, true), (2, false)]);
}
