//! A run of slots that were given up: a consumer passes them in one look, and both its successor and the producer can
//! follow at every moment of it.

use crate::bells::NoBell;
use crate::layout::word;
use crate::rig::{Ask, Consumer, Producer, Pushed, Rig, bounded, exhaustive};
use crate::ring::spsc::Look;
use crate::ring::words::Words;
use crate::sync::AtomicU64;
use crate::sync::Ordering::{Relaxed, Release};
use crate::wait::park::Fences;
use std::cell::RefCell;
use std::sync::Arc;

const CAPACITY: u64 = 8;

/// A ring from which one message was taken, with a gate that does not say so yet, and all of whose slots were given
/// up since: positions 1 to 8. With the producer that succeeds the one that did it.
fn given_up() -> (Arc<Rig>, Consumer, Producer) {
    let rig = Rig::new(CAPACITY, 0);
    let mut consumer = rig.consumer();
    assert_eq!(rig.producer().try_push(Ask::Gate, 0), Pushed::Done);
    assert_eq!(consumer.try_pop(), Some(0));
    for position in 1..=CAPACITY {
        // Release P1: what a producer that gives up `position` stores.
        let word = word::skip(position);
        rig.slots.at(position).store(word, Release);
    }
    let producer = rig.producer();
    assert_eq!(producer.tail.next(), CAPACITY + 1);
    (rig, consumer, producer)
}

/// The words of a ring. Whoever reaches for one that says `SKIP` is about to release it, and stores nothing before:
/// of each such moment this notes the ring as the consumer would leave it, killed right after that release.
struct Deaths<'a> {
    rig: &'a Rig,
    /// The first position not released, and what the ring's gate said.
    noted: RefCell<Vec<(u64, u64)>>,
}

impl Words for Deaths<'_> {
    fn at(&self, position: u64) -> &AtomicU64 {
        let word = self.rig.slots.at(position);
        // Relaxed: one thread.
        if word.load(Relaxed) == word::skip(position) {
            let gate = self.rig.control.gate.0.load(Relaxed);
            self.noted.borrow_mut().push((position + 1, gate));
        }
        word
    }
}

/// One thread. A consumer passes eight given-up slots behind one message and is killed after any of the releases.
/// Its successor resumes exactly behind what it released, and the producer goes on for laps.
pub fn a_consumer_killed_while_it_passes_given_up_slots_is_succeeded() {
    exhaustive(|| {
        let (rig, mut consumer, _) = given_up();
        let deaths = Deaths {
            rig: &rig,
            noted: RefCell::default(),
        };
        assert_eq!(consumer.head.look(&deaths, &rig.control), Look::Empty);
        let noted = deaths.noted.into_inner();
        assert_eq!(noted.first().map(|(head, _)| *head), Some(2));
        assert_eq!(noted.last().map(|(head, _)| *head), Some(CAPACITY + 1));
        for (head, gate) in noted {
            let (rig, ..) = given_up();
            // Relaxed, both: one thread.
            for position in 1..head {
                let word = word::free(position + CAPACITY);
                rig.slots.at(position).store(word, Relaxed);
            }
            rig.control.gate.0.store(gate, Relaxed);
            go_on(&rig, head);
        }
    });
}

/// What follows the death of a consumer that has released everything below `head`.
fn go_on(rig: &Arc<Rig>, head: u64) {
    let mut producer = rig.producer();
    assert_eq!(producer.tail.next(), CAPACITY + 1);
    let mut consumer = rig.consumer();
    assert_eq!(consumer.head.next(), head, "exactly behind the dead one");
    for value in 0..3 * CAPACITY {
        assert_eq!(producer.try_push(Ask::Slot, value), Pushed::Done);
        assert_eq!(consumer.try_pop(), Some(value));
    }
    let _ = producer.notify(&NoBell, Fences::Full);
}

/// At most 2 preemptions. A producer that asks the slots follows at the heels of a consumer that passes eight
/// given-up ones in one look: it goes as far as they were handed back, and never finds the gate a lie.
pub fn a_producer_follows_a_consumer_past_given_up_slots() {
    bounded(2, || {
        let (_rig, mut consumer, mut producer) = given_up();
        let passing = loom::thread::spawn(move || {
            let look = consumer.look();
            assert_ne!(look, Look::Closed);
            consumer
        });
        let mut pushed = 0;
        while pushed <= CAPACITY && producer.try_push(Ask::Slot, pushed) == Pushed::Done {
            pushed += 1;
        }
        let mut consumer = passing.join().expect("the consumer ends");
        for value in 0..pushed {
            assert_eq!(consumer.try_pop(), Some(value));
        }
        assert_eq!(consumer.try_pop(), None);
        assert_eq!(producer.room(Ask::Slot), Pushed::Done);
    });
}
