//! What the models need around the protocols: slots, payload, two ends, and outcome tables.
//!
//! The two ends do what the endpoints do, in the same order, without bytes, kernel and time. Payload is one
//! plain `u64` per slot that loom watches: two unordered accesses of which one is a write end the model.

use crate::layout::control::Control;
use crate::layout::word;
use crate::ring::corrupt::Corrupt;
use crate::ring::sides::Producers;
use crate::ring::spsc::{Head, Look, Room, Tail};
use crate::ring::words::Words;
use crate::sync::Ordering::Relaxed;
use crate::sync::{AtomicU64, spin_hint};
use crate::wait::park::{self, Bell, Fences, Notified, Sleepers};
use loom::cell::UnsafeCell;
use std::collections::BTreeSet;
use std::fmt::Debug;
use std::sync::Arc;

/// Runs `model` for every interleaving and every value a load may see.
pub(crate) fn exhaustive(model: impl Fn() + Sync + Send + 'static) {
    explore(None, model);
}

/// Runs `model` for every value a load may see and all interleavings with at most `preemptions` switches away
/// from a thread that could go on.
pub(crate) fn bounded(preemptions: usize, model: impl Fn() + Sync + Send + 'static) {
    explore(Some(preemptions), model);
}

fn explore(preemption_bound: Option<usize>, model: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.max_branches = 30_000;
    builder.preemption_bound = preemption_bound;
    builder.check(model);
}

/// What was seen, over all executions of a model.
#[derive(Debug)]
pub(crate) struct Outcomes<T>(Arc<std::sync::Mutex<BTreeSet<T>>>);

impl<T> Clone for Outcomes<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T: Ord + Debug> Outcomes<T> {
    pub(crate) fn new() -> Self {
        Self(Arc::default())
    }

    /// Notes the outcome of one execution.
    pub(crate) fn saw(&self, outcome: T) {
        self.0
            .lock()
            .expect("no model holds this while it panics")
            .insert(outcome);
    }

    /// Every outcome of the table was seen, and no other.
    pub(crate) fn are(&self, table: impl IntoIterator<Item = T>) {
        let table: BTreeSet<T> = table.into_iter().collect();
        let seen = self.0.lock().expect("no model holds this while it panics");
        assert_eq!(*seen, table, "seen on the left, listed on the right");
    }
}

/// The ready words of the models.
///
/// Reaching for a word is a crossing: a place where loom must try every order of the two sides. Without it
/// loom misses some, because it compares a store with the last access to the same word only; where that was a
/// load by the storing thread itself, an earlier load by the other thread is forgotten, and the order in which
/// the store comes first is never run. Both sides of a ring load the words they store. The crossing is a relaxed
/// exchange on a word of its own. It orders nothing by itself, but beside SeqCst fences it would, so models with
/// sleepers go without it.
#[derive(Debug)]
pub(crate) struct Slots {
    words: Vec<AtomicU64>,
    crossing: Option<AtomicU64>,
}

impl Words for Slots {
    fn at(&self, position: u64) -> &AtomicU64 {
        if let Some(crossing) = &self.crossing {
            // Relaxed: orders nothing; see above.
            crossing.fetch_add(1, Relaxed);
        }
        &self.words[(position % self.words.len() as u64) as usize]
    }
}

/// One slot's payload.
#[derive(Debug)]
struct Payload(UnsafeCell<u64>);

// SAFETY: loom runs one thread at a time and reports every pair of accesses that the protocol has not ordered.
unsafe impl Sync for Payload {}

/// One ring, as both sides share it.
#[derive(Debug)]
pub(crate) struct Rig {
    pub(crate) slots: Slots,
    pub(crate) control: Control,
    pub(crate) capacity: u64,
    payload: Vec<Payload>,
}

impl Rig {
    /// A new ring whose first message has position `start`. The capacity is a power of two.
    pub(crate) fn new(capacity: u64, start: u64) -> Arc<Self> {
        Self::with_crossing(capacity, start, Some(AtomicU64::new(0)))
    }

    /// The same without crossings, for models in which somebody sleeps.
    pub(crate) fn with_sleepers(capacity: u64, start: u64) -> Arc<Self> {
        Self::with_crossing(capacity, start, None)
    }

    fn with_crossing(capacity: u64, start: u64, crossing: Option<AtomicU64>) -> Arc<Self> {
        let mut words = vec![0; capacity as usize];
        for position in (0..capacity).map(|i| start.wrapping_add(i)) {
            words[(position % capacity) as usize] = word::free(position);
        }
        Arc::new(Self {
            slots: Slots {
                words: words.into_iter().map(AtomicU64::new).collect(),
                crossing,
            },
            control: Control::new(start),
            capacity,
            payload: (0..capacity).map(|_| Payload(UnsafeCell::new(0))).collect(),
        })
    }

    fn payload(&self, position: u64) -> &UnsafeCell<u64> {
        &self.payload[(position % self.capacity) as usize].0
    }

    /// Writes the payload of `position`.
    pub(crate) fn write(&self, position: u64, value: u64) {
        // SAFETY: the pointer is to a live cell; loom ends the model if the access is not exclusive.
        self.payload(position).with_mut(|p| unsafe { *p = value });
    }

    /// Reads the payload of `position`.
    pub(crate) fn read(&self, position: u64) -> u64 {
        // SAFETY: the pointer is to a live cell; loom ends the model if a write is not ordered before.
        self.payload(position).with(|p| unsafe { *p })
    }

    /// A producer, new or the successor of one.
    pub(crate) fn producer(self: &Arc<Self>) -> Producer {
        let tail = Tail::resume(&self.slots, &self.control, self.capacity);
        Producer {
            rig: Arc::clone(self),
            tail: tail.expect("no honest peer corrupts the ring"),
        }
    }

    /// A new producer that knows of its credit: it looks at neither the gate nor the closed word again before
    /// that is spent.
    pub(crate) fn producer_with_credit(self: &Arc<Self>) -> Producer {
        let mut producer = self.producer();
        assert_eq!(producer.room(Ask::Gate), Pushed::Done);
        producer
    }

    /// A consumer, new or the successor of one.
    pub(crate) fn consumer(self: &Arc<Self>) -> Consumer {
        let head = Head::resume(&self.slots, &self.control, self.capacity, Producers::One);
        Consumer {
            rig: Arc::clone(self),
            head: head.expect("no honest peer corrupts the ring"),
        }
    }
}

/// How the producer looks for room when its credit is spent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ask {
    /// The gate only.
    Gate,
    /// The gate, then the one slot in question.
    Slot,
}

/// What became of a message that was offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Pushed {
    Done,
    Full,
    Closed,
}

/// The producer's end.
#[derive(Debug)]
pub(crate) struct Producer {
    pub(crate) rig: Arc<Rig>,
    pub(crate) tail: Tail,
}

fn honest(corrupt: Corrupt) -> ! {
    panic!("an honest peer was called corrupt: {corrupt:?}")
}

impl Producer {
    /// Looks for room for one message if there is no credit.
    pub(crate) fn room(&mut self, ask: Ask) -> Pushed {
        if self.tail.has_credit() {
            return Pushed::Done;
        }
        let room = match ask {
            Ask::Gate => self.tail.refill(&self.rig.control),
            Ask::Slot => self.tail.refill_exact(&self.rig.slots, &self.rig.control),
        };
        match room {
            Room::Free(n) => {
                assert!(n >= 1 && n <= self.rig.capacity, "room for {n}");
                Pushed::Done
            }
            Room::Full => Pushed::Full,
            Room::Closed => Pushed::Closed,
            Room::Corrupt(corrupt) => honest(corrupt),
        }
    }

    /// Writes the payload of the next position, as through a loan.
    pub(crate) fn write(&self, value: u64) {
        self.rig.write(self.tail.next(), value);
    }

    /// Commits the loan.
    pub(crate) fn publish(&mut self) {
        self.tail.put(&self.rig.slots, |_| ());
    }

    /// Pushes as an endpoint does that copies.
    pub(crate) fn try_push(&mut self, ask: Ask, value: u64) -> Pushed {
        let room = self.room(ask);
        if room == Pushed::Done {
            let rig = &self.rig;
            self.tail
                .put(&rig.slots, |position| rig.write(position, value));
        }
        room
    }

    /// Polls until there is room; `Closed` is the only other end.
    pub(crate) fn push(&mut self, ask: Ask, value: u64) -> Pushed {
        loop {
            match self.try_push(ask, value) {
                Pushed::Full => spin_hint(),
                end => return end,
            }
        }
    }

    /// Wakes the consumer if it sleeps.
    pub(crate) fn notify(&mut self, bell: &impl Bell, fences: Fences) -> Notified {
        let notified = park::notify(&self.rig.control.consumer_sleep.0, bell, fences);
        if notified == Notified::Gone {
            self.tail.forget_credit();
        }
        notified
    }

    /// Like [`Producer::push`], sleeping instead of polling. Does not wake the consumer.
    pub(crate) fn push_parked(&mut self, value: u64, bell: &impl Bell, fences: Fences) -> Pushed {
        loop {
            match self.try_push(Ask::Slot, value) {
                Pushed::Full => {
                    let rig = Arc::clone(&self.rig);
                    let word = &rig.control.producer_sleep.0;
                    park::nap(word, Sleepers::One, bell, fences, u64::MAX, || {
                        (self.room(Ask::Slot) == Pushed::Full).then_some(u64::MAX)
                    });
                }
                end => return end,
            }
        }
    }
}

/// The consumer's end.
#[derive(Debug)]
pub(crate) struct Consumer {
    pub(crate) rig: Arc<Rig>,
    pub(crate) head: Head,
}

impl Consumer {
    pub(crate) fn look(&mut self) -> Look {
        match self.head.look(&self.rig.slots, &self.rig.control) {
            Look::Corrupt(corrupt) => honest(corrupt),
            look => look,
        }
    }

    /// Reads the payload of the next position, as through a sample.
    pub(crate) fn read(&self) -> u64 {
        self.rig.read(self.head.next())
    }

    /// Drops the sample.
    pub(crate) fn release(&mut self) {
        self.head.release(&self.rig.slots);
    }

    /// Publishes the gate if it is due.
    pub(crate) fn tell(&mut self) -> bool {
        self.head.gate_is_due() && self.head.publish_gate(&self.rig.control)
    }

    /// Takes the next message if the first look finds it, and leaves the gate alone.
    pub(crate) fn take(&mut self) -> Option<u64> {
        let rig = &self.rig;
        self.head.take(&rig.slots, |position| rig.read(position))
    }

    /// Takes the next message if it is there, and publishes the gate if it is due: an endpoint's fast path.
    pub(crate) fn take_and_tell(&mut self) -> Option<u64> {
        let value = self.take()?;
        self.tell();
        Some(value)
    }

    /// Takes the next message if it is there.
    pub(crate) fn try_pop(&mut self) -> Option<u64> {
        if let Some(value) = self.take_and_tell() {
            return Some(value);
        }
        match self.look() {
            Look::Ready => self.take_seen(),
            _ => None,
        }
    }

    /// Takes the message that a look has found.
    fn take_seen(&mut self) -> Option<u64> {
        let value = self.take_and_tell();
        assert!(value.is_some(), "what was seen stays there");
        value
    }

    /// Polls for the next message, as an endpoint whose first take failed; `None` when the ring is closed and drained.
    pub(crate) fn pop(&mut self) -> Option<u64> {
        loop {
            match self.look() {
                Look::Closed => return None,
                Look::Ready => return self.take_seen(),
                _ => spin_hint(),
            }
        }
    }

    /// Everything up to the close.
    pub(crate) fn drain(&mut self) -> Vec<u64> {
        std::iter::from_fn(|| self.pop()).collect()
    }

    /// Wakes the producer if it sleeps.
    pub(crate) fn notify(&self, bell: &impl Bell, fences: Fences) -> Notified {
        park::notify(&self.rig.control.producer_sleep.0, bell, fences)
    }

    /// Like [`Consumer::pop`], sleeping instead of polling. Does not wake the producer.
    pub(crate) fn pop_parked(&mut self, bell: &impl Bell, fences: Fences) -> Option<u64> {
        loop {
            match self.look() {
                Look::Closed => return None,
                Look::Ready => return self.take_seen(),
                _ => {
                    let rig = Arc::clone(&self.rig);
                    let word = &rig.control.consumer_sleep.0;
                    park::nap(word, Sleepers::One, bell, fences, u64::MAX, || {
                        (self.look() == Look::Empty).then_some(u64::MAX)
                    });
                }
            }
        }
    }
}
