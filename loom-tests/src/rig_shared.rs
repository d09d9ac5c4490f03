//! What the models of slots that many share need: slots, ends, ledgers, and the two sides' tables.
//!
//! Payload is one plain cell per slot that loom watches: two unordered accesses of which one is a write end the model.
//! The ends do what the endpoints do, in the same order, without bytes, kernel and time.

use crate::layout::control::Control;
use crate::layout::header::{KIND_MPMC, KIND_SPMC};
use crate::layout::word;
use crate::ring::announce::{self, Announcements};
use crate::ring::shared::gate::{self, Credit, Look};
use crate::ring::shared::head::{self, Nothing};
use crate::ring::shared::repair::{self, Estate, Verdict};
use crate::ring::shared::tail::{self, Refusal};
use crate::ring::shared::{Run, alone};
use crate::ring::sides::Producers;
use crate::ring::spsc::{self, Head};
use crate::ring::words::Words;
use crate::sync::Ordering::{Acquire, Relaxed, Release};
use crate::sync::{AtomicU32, AtomicU64, crossed, spin_hint};
use crate::table::Table;
use loom::cell::UnsafeCell;
use std::cell::Cell;
use std::sync::Arc;

/// Places for consumers, as far as it matters for gates: small as these rings are, they have some.
const SMALL_BUT_GATED: u32 = 0;

/// One slot's payload.
#[derive(Debug)]
struct Payload(UnsafeCell<u64>);

// SAFETY: loom runs one thread at a time and reports every pair of accesses that the protocol has not ordered.
unsafe impl Sync for Payload {}

/// The ready words.
#[derive(Debug)]
pub(crate) struct Slots(Vec<AtomicU64>);

impl Words for Slots {
    fn at(&self, position: u64) -> &AtomicU64 {
        &self.0[(position % self.0.len() as u64) as usize]
    }
}

/// One ring, as all sides share it.
#[derive(Debug)]
pub(crate) struct Rig {
    pub(crate) slots: Slots,
    pub(crate) control: Control,
    pub(crate) capacity: u64,
    pub(crate) producers: Table,
    pub(crate) consumers: Table,
    /// Whether the producers share the tail.
    many: Producers,
    payload: Vec<Payload>,
    /// Whether somebody has the admin token.
    admin: AtomicU32,
}

/// The admin token. The kernel takes it back from whoever dies with it.
struct Admin<'a>(&'a AtomicU32);

impl Drop for Admin<'_> {
    fn drop(&mut self) {
        // Release: whoever has the kernel lock next sees what was done with it.
        self.0.store(0, Release);
    }
}

impl Rig {
    /// A new ring whose first message has position `start`, for so many producers and consumers. With 0 producers the
    /// only one keeps its tail to itself, with 0 consumers the only one its head.
    pub(crate) fn new(capacity: u64, start: u64, producers: u32, consumers: u32) -> Arc<Self> {
        let (kind, many) = match producers {
            0 => (KIND_SPMC, Producers::One),
            _ => (KIND_MPMC, Producers::Many),
        };
        let mut words = vec![0; capacity as usize];
        for position in (0..capacity).map(|i| start.wrapping_add(i)) {
            words[(position % capacity) as usize] = word::free(position);
        }
        let mut control = Control::new(start);
        // Those words that a thread loads before it stores them.
        control.tail.0 = crossed(|| AtomicU64::new(0));
        control.head.0.taken = crossed(|| AtomicU64::new(0));
        control.begin_slots(kind, start);
        Arc::new(Self {
            slots: Slots(crossed(|| words.into_iter().map(AtomicU64::new).collect())),
            control,
            capacity,
            producers: Table::new(producers),
            consumers: Table::new(consumers),
            many,
            payload: (0..capacity).map(|_| Payload(UnsafeCell::new(0))).collect(),
            admin: AtomicU32::new(0),
        })
    }

    fn payload(&self, position: u64) -> &UnsafeCell<u64> {
        &self.payload[(position % self.capacity) as usize].0
    }

    fn write(&self, position: u64, value: u64) {
        // SAFETY: the pointer is to a live cell; loom ends the model if the access is not exclusive.
        self.payload(position).with_mut(|p| unsafe { *p = value });
    }

    fn read(&self, position: u64) -> u64 {
        // SAFETY: the pointer is to a live cell; loom ends the model if a write is not ordered before.
        self.payload(position).with(|p| unsafe { *p })
    }

    /// The admin token, if nobody has it.
    fn admin(&self) -> Option<Admin<'_>> {
        // Acquire: as the kernel lock does.
        let held = self.admin.compare_exchange(0, 1, Acquire, Relaxed);
        held.is_ok().then_some(Admin(&self.admin))
    }

    /// Producer `i` of many.
    pub(crate) fn member(self: &Arc<Self>, i: u32) -> Member {
        Member {
            rig: Arc::clone(self),
            i,
            credit: Cell::new(Credit::new(&self.control, self.capacity, SMALL_BUT_GATED)),
        }
    }

    /// The only producer, new or the successor of one.
    pub(crate) fn producer(self: &Arc<Self>) -> Producer {
        Producer {
            rig: Arc::clone(self),
            tail: alone::Tail::resume(&self.slots, &self.control, self.capacity, SMALL_BUT_GATED),
        }
    }

    /// Consumer `i` of many.
    pub(crate) fn worker(self: &Arc<Self>, i: u32) -> Worker {
        Worker {
            rig: Arc::clone(self),
            i,
        }
    }

    /// The only consumer, new or the successor of one.
    pub(crate) fn consumer(self: &Arc<Self>) -> Consumer {
        let head = Head::resume(&self.slots, &self.control, self.capacity, self.many);
        Consumer {
            rig: Arc::clone(self),
            head: head.expect("no honest peer corrupts the ring"),
        }
    }

    /// Puts the gate of a new ring that begins at `start` back by a lap, so that producers have to ask the slots.
    pub(crate) fn forget_gate(&self, start: u64) {
        let gate = start.wrapping_sub(self.capacity);
        // Relaxed: nobody else is there yet.
        self.control.gate.0.store(gate, Relaxed);
    }

    /// Makes a tombstone at `position` if its owner died.
    pub(crate) fn tombstone(&self, position: u64) -> Verdict {
        repair::tombstone(&self.slots, &self.control, position, &self.producers)
    }

    /// Whether all slots are free from the position `head` on, and nobody can be storing there.
    pub(crate) fn is_clean(&self, head: u64) -> bool {
        let positions = (0..self.capacity).map(|i| head.wrapping_add(i));
        positions
            .into_iter()
            .all(|p| self.slots.at(p).settled() == word::free(p))
    }
}

/// What became of a message that was offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Pushed {
    Done,
    Full,
    Closed,
}

/// Message `n` of producer `i`.
pub(crate) fn value(i: u32, n: u64) -> u64 {
    (u64::from(i) + 1) * 16 + n
}

/// One of many producers.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) rig: Arc<Rig>,
    pub(crate) i: u32,
    credit: Cell<Credit>,
}

impl Member {
    /// Claims up to `most` slots.
    pub(crate) fn claim(&self, most: u64) -> Result<Run, Pushed> {
        self.claim_by(Look::Slots, most)
    }

    /// The same, by the gate alone or by the slots as well.
    pub(crate) fn claim_by(&self, look: Look, most: u64) -> Result<Run, Pushed> {
        let rig = &self.rig;
        let mine = rig.producers.line(self.i);
        let mut credit = self.credit.get();
        let claimed = tail::claim(&rig.slots, &rig.control, mine, &mut credit, most, look);
        self.credit.set(credit);
        match claimed {
            Ok(run) => {
                assert!((1..=most).contains(&run.len()), "{run:?}");
                Ok(run)
            }
            Err(Refusal::Full) => Err(Pushed::Full),
            Err(Refusal::Closed) => Err(Pushed::Closed),
            Err(Refusal::Corrupt(corrupt)) => {
                panic!("an honest peer was called corrupt: {corrupt:?}")
            }
        }
    }

    /// Writes the next message of `run` and publishes it.
    pub(crate) fn commit(&self, run: &mut Run, value: u64) {
        self.rig.write(run.next, value);
        run.commit(&self.rig.slots);
    }

    /// Pushes one message.
    pub(crate) fn try_push(&self, value: u64) -> Pushed {
        match self.claim(1) {
            Ok(mut run) => {
                self.commit(&mut run, value);
                Pushed::Done
            }
            Err(refusal) => refusal,
        }
    }

    /// Pushes message `n`, and notes it in `done` if it was committed.
    pub(crate) fn push_noted(&self, n: u64, done: &mut Vec<u64>) -> Pushed {
        let pushed = self.try_push(value(self.i, n));
        if pushed == Pushed::Done {
            done.push(value(self.i, n));
        }
        pushed
    }

    /// Pushes the messages from 0 on until one is refused, at most `n`, in claims of up to `most`.
    pub(crate) fn push_runs(&self, n: u64, most: u64, done: &mut Vec<u64>) {
        while (done.len() as u64) < n {
            let Ok(mut run) = self.claim(most.min(n - done.len() as u64)) else {
                return;
            };
            while !run.is_empty() {
                let value = value(self.i, done.len() as u64);
                self.commit(&mut run, value);
                done.push(value);
            }
        }
    }
}

/// The only producer, where many consume.
#[derive(Debug)]
pub(crate) struct Producer {
    pub(crate) rig: Arc<Rig>,
    pub(crate) tail: alone::Tail,
}

impl Producer {
    /// Pushes one message.
    pub(crate) fn try_push(&mut self, value: u64) -> Pushed {
        let rig = &self.rig;
        if self.tail.credit() == 0 {
            match self.tail.refill(&rig.slots, &rig.control, 1, Look::Slots) {
                alone::Room::Free => {}
                alone::Room::Full => return Pushed::Full,
                alone::Room::Closed => return Pushed::Closed,
                alone::Room::Corrupt(corrupt) => {
                    panic!("an honest peer was called corrupt: {corrupt:?}")
                }
            }
        }
        self.tail
            .put(&rig.slots, |position| rig.write(position, value));
        Pushed::Done
    }

    /// Polls until there is room; `Closed` is the only other end.
    pub(crate) fn push(&mut self, value: u64) -> Pushed {
        loop {
            match self.try_push(value) {
                Pushed::Full => spin_hint(),
                end => return end,
            }
        }
    }
}

/// A message that was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Delivery {
    pub(crate) value: u64,
    /// Whether it was marked as one that had been in the hands of somebody who died.
    pub(crate) again: bool,
}

/// What a consumer has read, in order.
pub(crate) type Ledger = Vec<Delivery>;

/// The values of a ledger.
pub(crate) fn values(ledger: &Ledger) -> Vec<u64> {
    ledger.iter().map(|delivery| delivery.value).collect()
}

/// Each message that was committed was delivered, once but for deliveries that are marked, none else was, and each
/// consumer has got each producer's messages in order.
pub(crate) fn settle(ledgers: &[Ledger], committed: &[Vec<u64>]) {
    for value in committed.iter().flatten() {
        let all = ledgers.iter().flatten().filter(|d| d.value == *value);
        let (again, first): (Vec<&Delivery>, Vec<&Delivery>) = all.partition(|d| d.again);
        assert!(first.len() <= 1, "{value} was delivered twice");
        assert!(!first.is_empty() || !again.is_empty(), "{value} was lost");
    }
    for delivery in ledgers.iter().flatten() {
        let known = committed.iter().flatten().any(|v| *v == delivery.value);
        assert!(known, "{} is invented", delivery.value);
    }
    for ledger in ledgers {
        for done in committed {
            let first = ledger.iter().filter(|delivery| !delivery.again);
            let theirs: Vec<_> = first.filter(|d| done.contains(&d.value)).collect();
            assert!(theirs.is_sorted(), "out of order: {theirs:?}");
        }
    }
}

/// All consumers but one.
struct Others<'a>(&'a Table, u32);

impl Announcements for Others<'_> {
    fn count(&self) -> u32 {
        self.0.count()
    }

    fn run(&self, i: u32) -> (u64, u64) {
        if i == self.1 { (0, 0) } else { self.0.run(i) }
    }

    fn is_dead(&self, i: u32) -> bool {
        self.0.is_dead(i)
    }
}

/// One of many consumers.
#[derive(Debug)]
pub(crate) struct Worker {
    pub(crate) rig: Arc<Rig>,
    pub(crate) i: u32,
}

impl Worker {
    /// Claims up to `most` messages.
    pub(crate) fn take(&self, most: u64) -> Result<Run, Nothing> {
        let rig = &self.rig;
        let mine = rig.consumers.line(self.i);
        let taken = head::take(&rig.slots, &rig.control, mine, most, rig.many);
        match &taken {
            Ok(run) => assert!((1..=most).contains(&run.len()), "{run:?}"),
            Err(Nothing::Corrupt(corrupt)) => {
                panic!("an honest peer was called corrupt: {corrupt:?}")
            }
            Err(_) => {}
        }
        taken
    }

    /// Reads the next message of `run` unless it is a tombstone, and hands its slot back.
    pub(crate) fn next(&self, run: &mut Run, again: bool, ledger: &mut Ledger) {
        let rig = &self.rig;
        if !run.is_skipped(&rig.slots) {
            let value = rig.read(run.next);
            ledger.push(Delivery { value, again });
        }
        run.release(&rig.slots, rig.capacity);
    }

    /// Reads the messages of `run`, which was in the hands of a dead one.
    pub(crate) fn again(&self, mut run: Run, ledger: &mut Ledger) {
        while !run.is_empty() {
            self.next(&mut run, true, ledger);
        }
    }

    /// Claims up to `most` messages and reads them. Why there was none.
    pub(crate) fn pop(&self, most: u64, ledger: &mut Ledger) -> Result<(), Nothing> {
        let mut run = self.take(most)?;
        while !run.is_empty() {
            self.next(&mut run, false, ledger);
        }
        Ok(())
    }

    /// Tells the producers what was released. It has nothing in hand.
    pub(crate) fn publish_gate(&self) {
        let rig = &self.rig;
        gate::publish(&rig.slots, &rig.control, &rig.consumers);
    }

    /// The same `looks` times; makes a tombstone where somebody has claimed and not written.
    pub(crate) fn work(&self, looks: u32, most: u64, ledger: &mut Ledger) {
        for _ in 0..looks {
            if self.pop(most, ledger) == Err(Nothing::Empty { claimed: true }) {
                let _ = self.rig.tombstone(head::head(&self.rig.control));
            }
        }
    }

    /// Takes over what one of the consumers that died had in hand. Whether there was something; else whether nothing is left
    /// that cannot be taken over yet.
    pub(crate) fn adopt(&self, ledger: &mut Ledger) -> Result<(), bool> {
        let rig = &self.rig;
        let Some(admin) = rig.admin() else {
            return Err(false);
        };
        let mut settled = true;
        for i in (0..rig.consumers.count()).filter(|i| rig.consumers.is_dead(*i)) {
            if !repair::is_unfinished(&rig.slots, &rig.control, rig.consumers.run(i)) {
                continue;
            }
            let estate = self.estate(i);
            if !estate.run.is_empty() {
                let mine = rig.consumers.line(self.i);
                repair::take_over(&rig.control, mine, estate.run);
            }
            settled &= estate.settled;
            if estate.settled {
                // The dead one's entry is free now.
                announce::withdraw(rig.consumers.line(i));
            }
            if !estate.run.is_empty() {
                drop(admin);
                self.again(estate.run, ledger);
                return Ok(());
            }
        }
        Err(settled)
    }

    /// Drops what the consumers that died had in hand. How many messages that were, and whether nothing is left that has to
    /// wait; `None` if somebody else has the admin token.
    pub(crate) fn drop_orphans(&self) -> Option<(u64, bool)> {
        let rig = &self.rig;
        let _admin = rig.admin()?;
        let (mut dropped, mut settled) = (0, true);
        for i in (0..rig.consumers.count()).filter(|i| rig.consumers.is_dead(*i)) {
            let estate = self.estate(i);
            dropped += repair::give_up(&rig.slots, &rig.control, rig.capacity, estate.run);
            settled &= estate.settled;
            if estate.settled {
                // The dead one's entry is free now.
                announce::withdraw(rig.consumers.line(i));
            }
        }
        Some((dropped, settled))
    }

    /// What the dead `i` has left.
    fn estate(&self, i: u32) -> Estate {
        let rig = &self.rig;
        let others = Others(&rig.consumers, self.i);
        let announced = rig.consumers.run(i);
        repair::estate(&rig.slots, &rig.control, rig.capacity, announced, &others)
    }

    /// Takes its own place, which a dead one had, with what hangs on that, if none of it has to wait. Gives how much that
    /// was.
    pub(crate) fn inherit(&self, ledger: &mut Ledger) -> Option<u64> {
        let rig = &self.rig;
        let admin = rig.admin()?;
        let estate = self.estate(self.i);
        if !estate.settled {
            return None;
        }
        let mine = rig.consumers.line(self.i);
        repair::inherit(mine, estate.run);
        rig.consumers.revive(self.i);
        drop(admin);
        self.again(estate.run, ledger);
        Some(estate.run.len())
    }

    /// Takes over what it can, twice, and takes what there is, once.
    pub(crate) fn go_on(&self, ledger: &mut Ledger) {
        for _ in 0..2 {
            let _ = self.adopt(ledger);
        }
        self.work(1, 1, ledger);
    }

    /// Takes what is left when nobody else does anything any more. Every repair must conclude now.
    pub(crate) fn clear_up(&self, ledger: &mut Ledger) {
        loop {
            while self.adopt(ledger) == Ok(()) {}
            assert_eq!(self.adopt(ledger), Err(true), "stuck at an orphan");
            match self.pop(1, ledger) {
                Ok(()) => {}
                Err(Nothing::Empty { claimed: true }) => {
                    let position = head::head(&self.rig.control);
                    assert_eq!(self.rig.tombstone(position), Verdict::Settled, "stuck");
                }
                Err(_) => return,
            }
        }
    }
}

/// The only consumer, where many produce.
#[derive(Debug)]
pub(crate) struct Consumer {
    pub(crate) rig: Arc<Rig>,
    pub(crate) head: Head,
}

impl Consumer {
    /// Looks once, and takes what is there.
    pub(crate) fn pop(&mut self, ledger: &mut Ledger) -> spsc::Look {
        let look = self.head.look(&self.rig.slots, &self.rig.control);
        match look {
            spsc::Look::Ready => {
                let rig = &self.rig;
                let value = self.head.take(&rig.slots, |position| rig.read(position));
                ledger.push(Delivery {
                    value: value.expect("what was seen stays there"),
                    again: false,
                });
                if self.head.gate_is_due() {
                    self.head.publish_gate(&rig.control);
                }
            }
            spsc::Look::Corrupt(corrupt) => {
                panic!("an honest peer was called corrupt: {corrupt:?}")
            }
            spsc::Look::Empty | spsc::Look::Closed => {}
        }
        look
    }

    /// Looks `looks` times, and makes a tombstone where there is nothing.
    pub(crate) fn work(&mut self, looks: u32, ledger: &mut Ledger) {
        for _ in 0..looks {
            if self.pop(ledger) == spsc::Look::Empty {
                let _ = self.rig.tombstone(self.head.next());
            }
        }
    }

    /// Takes what is left when nobody else does anything any more. Every repair must conclude now.
    pub(crate) fn clear_up(&mut self, ledger: &mut Ledger) {
        loop {
            match self.pop(ledger) {
                spsc::Look::Ready => {}
                spsc::Look::Empty if self.head.is_claimed(&self.rig.control) => {
                    assert_eq!(
                        self.rig.tombstone(self.head.next()),
                        Verdict::Settled,
                        "stuck"
                    );
                }
                _ => return,
            }
        }
    }
}
