//! Edge X1 where many share the tail: no claim after the close, and nothing claimed before it is missed.

use crate::layout::control::{CLOSED_BY_CONSUMER, CLOSED_BY_PRODUCER};
use crate::rig::{Outcomes, bounded, exhaustive};
use crate::rig_records::{Ledger, Popped, Pushed, Rig};
use crate::ring::close::{close_shared, finish_shared};
use crate::ring::records::Exactly;
use crate::sync::Ordering::Relaxed;

/// At most 3 preemptions. One producer pushes, another closes for all, the consumer polls until the end: it got what
/// was committed, and nothing is committed after it was told the end.
pub fn no_claim_comes_after_the_close() {
    let outcomes = Outcomes::new();
    let seen = outcomes.clone();
    bounded(3, move || {
        let rig = Rig::mpsc(32, 0, 2);
        let mut consumer = rig.consumer();
        let mut member = rig.member(0);
        let pusher = loom::thread::spawn(move || member.try_push(Exactly::Yes, 0, 7));
        let theirs = std::sync::Arc::clone(&rig);
        let closer = loom::thread::spawn(move || close_shared(&theirs.control, CLOSED_BY_PRODUCER));
        let got = consumer.drain();
        let pushed = pusher.join().expect("the producer ends");
        closer.join().expect("the closer ends");
        assert_eq!(consumer.try_pop(), Popped::Closed);
        assert_eq!(rig.member(1).try_push(Exactly::Yes, 0, 8), Pushed::Closed);
        seen.saw((pushed, got));
    });
    outcomes.are([(Pushed::Done, vec![7]), (Pushed::Closed, vec![])]);
}

/// Exhaustive. A producer holds a loan, closes for all, commits the loan; the consumer looks until it finds
/// nothing. It is told the end only when it has everything.
pub fn a_loan_of_one_of_many_outlives_the_close() {
    let outcomes = Outcomes::new();
    let seen = outcomes.clone();
    exhaustive(move || {
        let rig = Rig::mpsc(32, 0, 1);
        let mut consumer = rig.consumer();
        let mut member = rig.member(0);
        let writer = loom::thread::spawn(move || {
            let mut claim = member.claim(Exactly::No, &[8]).expect("there is room");
            close_shared(&member.rig.control, CLOSED_BY_PRODUCER);
            member.write(&claim, 8, 7);
            member.commit(&mut claim, 8, 7);
        });
        let first = consumer.try_pop();
        seen.saw((first, consumer.try_pop()));
        writer.join().expect("the producer ends");
    });
    let (tag, empty) = (Popped::Tag(7), Popped::Empty);
    outcomes.are([(empty, empty), (empty, tag), (tag, Popped::Closed)]);
}

/// Exhaustive. A producer pushes two records and closes for all, the consumer looks until it finds nothing.
pub fn nothing_committed_before_a_shared_close_is_missed() {
    let outcomes = Outcomes::new();
    let seen = outcomes.clone();
    exhaustive(move || {
        let rig = Rig::mpsc(32, 0, 1);
        let mut consumer = rig.consumer();
        let mut member = rig.member(0);
        let writer = loom::thread::spawn(move || {
            assert_eq!(member.try_push(Exactly::No, 0, 7), Pushed::Done);
            close_shared(&member.rig.control, CLOSED_BY_PRODUCER);
        });
        let first = consumer.try_pop();
        seen.saw((first, consumer.try_pop()));
        writer.join().expect("the producer ends");
    });
    let (tag, empty) = (Popped::Tag(7), Popped::Empty);
    outcomes.are([
        (empty, empty),
        (empty, tag),
        (tag, empty),
        (tag, Popped::Closed),
    ]);
}

/// Exhaustive. The consumer closes while a producer pushes twice: its pushes succeed up to the close and not after.
pub fn no_claim_comes_after_the_consumers_close() {
    let outcomes = Outcomes::new();
    let seen = outcomes.clone();
    exhaustive(move || {
        let rig = Rig::mpsc(32, 0, 1);
        let mut consumer = rig.consumer();
        let mut member = rig.member(0);
        let theirs = std::sync::Arc::clone(&rig);
        let closer = loom::thread::spawn(move || close_shared(&theirs.control, CLOSED_BY_CONSUMER));
        let pushed = [7, 8].map(|tag| member.try_push(Exactly::No, 0, tag));
        closer.join().expect("the closer ends");
        assert_eq!(consumer.try_pop(), Popped::Closed);
        assert_eq!(member.try_push(Exactly::No, 0, 9), Pushed::Closed);
        seen.saw(pushed);
    });
    let (done, closed) = (Pushed::Done, Pushed::Closed);
    outcomes.are([[done, done], [done, closed], [closed, closed]]);
}

/// One thread, for every death of a producer that has closed for all while it held a loan: the consumer clears up and
/// is told the end; anybody can finish a close that was cut short, or close once more.
pub fn a_producer_may_die_closing() {
    for (steps, cut) in (0..16).flat_map(|n| [(n, false), (n, true)]) {
        bounded(0, move || {
            let rig = Rig::mpsc(32, 0, 2);
            let mut member = rig.member(0);
            let end = rig.mortal(0, steps, || {
                let mut claim = member.claim(Exactly::No, &[8]).expect("there is room");
                member.write(&claim, 8, 7);
                close_shared(&member.rig.control, CLOSED_BY_PRODUCER);
                member.commit(&mut claim, 8, 7);
            });
            let mut consumer = rig.consumer();
            let mut ledger = Ledger::new();
            consumer.clear_up(&mut ledger);
            assert_eq!(ledger.len(), usize::from(end.is_some()));
            if cut {
                // Relaxed: one thread. Another closer died between its two stores.
                let bit = u64::from(CLOSED_BY_PRODUCER);
                rig.control.tail.0.fetch_or(bit, Relaxed);
            }
            finish_shared(&rig.control);
            // Relaxed: one thread.
            let closed = rig.control.tail.0.load(Relaxed) as u32 & CLOSED_BY_PRODUCER != 0;
            assert_eq!(consumer.try_pop() == Popped::Closed, closed);
            close_shared(&rig.control, CLOSED_BY_PRODUCER);
            assert_eq!(consumer.try_pop(), Popped::Closed);
        });
    }
}
