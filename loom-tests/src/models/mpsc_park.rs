//! Edge W1 where many sleep on one word, and many wake one. Nobody has a deadline here, so what is lost is a deadlock.

use crate::bells::{FutexBell, NewBell};
use crate::layout::control::CLOSED_BY_CONSUMER;
use crate::rig::bounded;
use crate::rig_records::{Consumer, Member, Popped, Pushed, Rig};
use crate::ring::close::close_shared;
use crate::ring::records::Exactly;
use crate::wait::park::{self, Fences, Sleepers};
use std::sync::Arc;

/// Pushes as an endpoint that sleeps when the ring is full: what the second look claims is used.
fn push_parked(member: &mut Member, len: u32, tag: u16, bell: &FutexBell) -> Pushed {
    let rig = Arc::clone(&member.rig);
    loop {
        let mut end = member.try_push(Exactly::No, len, tag);
        if end == Pushed::Full {
            let word = &rig.control.producer_sleep.0;
            park::nap(word, Sleepers::Many, bell, Fences::Full, u64::MAX, || {
                end = member.try_push(Exactly::Yes, len, tag);
                (end == Pushed::Full).then_some(u64::MAX)
            });
        }
        if end != Pushed::Full {
            return end;
        }
    }
}

/// Takes the next record, sleeping until it is there.
fn pop_parked(consumer: &mut Consumer, bell: &FutexBell) -> u16 {
    let rig = Arc::clone(&consumer.rig);
    loop {
        if let Popped::Tag(tag) = consumer.try_pop() {
            return tag;
        }
        let word = &rig.control.consumer_sleep.0;
        park::nap(word, Sleepers::One, bell, Fences::Full, u64::MAX, || {
            let look = consumer.look();
            (look == crate::ring::records::head::Look::Empty).then_some(u64::MAX)
        });
    }
}

/// At most 2 preemptions. Two producers sleep on a full ring, or are about to; the consumer takes two records, and
/// each time wakes whoever sleeps.
pub fn producers_asleep_on_one_word_are_all_woken() {
    bounded(2, || {
        let rig = Rig::with_sleepers(32, 0, 2);
        let bell = Arc::new(FutexBell::new());
        let mut consumer = rig.consumer();
        for tag in 0..2 {
            assert_eq!(rig.member(0).try_push(Exactly::No, 8, tag), Pushed::Done);
        }
        let producers = [0, 1].map(|i| {
            let (mut member, bell) = (rig.member(i), Arc::clone(&bell));
            loom::thread::spawn(move || push_parked(&mut member, 8, 2, &bell))
        });
        for tag in 0..2 {
            assert_eq!(consumer.try_pop(), Popped::Tag(tag));
            let _ = park::notify(&rig.control.producer_sleep.0, &*bell, Fences::Full);
        }
        for producer in producers {
            assert_eq!(producer.join().expect("it ends"), Pushed::Done);
        }
    });
}

/// At most 2 preemptions. The consumer closes: whoever sleeps on the full ring learns of it.
pub fn a_close_wakes_all_producers() {
    bounded(2, || {
        let rig = Rig::with_sleepers(32, 0, 2);
        let bell = Arc::new(FutexBell::new());
        for tag in 0..2 {
            assert_eq!(rig.member(0).try_push(Exactly::No, 8, tag), Pushed::Done);
        }
        let producers = [0, 1].map(|i| {
            let (mut member, bell) = (rig.member(i), Arc::clone(&bell));
            loom::thread::spawn(move || push_parked(&mut member, 8, 2, &bell))
        });
        close_shared(&rig.control, CLOSED_BY_CONSUMER);
        let _ = park::notify(&rig.control.producer_sleep.0, &*bell, Fences::Full);
        for producer in producers {
            assert_eq!(producer.join().expect("it ends"), Pushed::Closed);
        }
    });
}

/// At most 2 preemptions. The consumer sleeps on an empty ring, two producers push and wake it.
pub fn a_consumer_asleep_is_woken_by_either_producer() {
    bounded(2, || {
        let rig = Rig::with_sleepers(32, 0, 2);
        let bell = Arc::new(FutexBell::new());
        let mut consumer = rig.consumer();
        let producers = [0, 1].map(|i| {
            let (mut member, bell) = (rig.member(i), Arc::clone(&bell));
            loom::thread::spawn(move || {
                let pushed = member.try_push(Exactly::No, 0, i as u16);
                let sleeper = &member.rig.control.consumer_sleep.0;
                let _ = park::notify(sleeper, &*bell, Fences::Full);
                pushed
            })
        });
        let mut got = [0, 0].map(|_| pop_parked(&mut consumer, &bell));
        got.sort_unstable();
        assert_eq!(got, [0, 1]);
        for producer in producers {
            assert_eq!(producer.join().expect("it ends"), Pushed::Done);
        }
    });
}
