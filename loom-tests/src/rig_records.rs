//! What the models of records need: the bytes of a ring, the ends, and a table of announcements.
//!
//! A ring is a word for every 8 bytes. Payload is written into the same words that headers lie in, and looks like
//! a header that must never be read as one ([`FORGED`]). Beside each word lies a plain cell that loom watches: who
//! writes or wipes bytes touches it, so two unordered uses of the same bytes end the model.

use crate::layout::control::Control;
use crate::layout::participant::Participant;
use crate::layout::record::{self, Shape};
use crate::ring::announce::Announcements;
use crate::ring::corrupt::Corrupt;
use crate::ring::records::head::{Head, Look};
use crate::ring::records::mpsc::{self, Claim};
use crate::ring::records::repair::{Repair, Walk};
use crate::ring::records::{Exactly, Producers, Room, spsc};
use crate::ring::words::{Cells, Words};
use crate::sync::Ordering::Relaxed;
use crate::sync::{AtomicU64, crossed, spin_hint};
use crate::table::Table;
use loom::cell::UnsafeCell;
use std::sync::Arc;

/// Every word of every payload: the header of an empty record that nobody ever committed.
pub(crate) const FORGED: u64 = record::ready(0, FORGED_TAG);
/// The tag that would show it.
const FORGED_TAG: u16 = 0xBAD;

/// A plain cell beside a word.
#[derive(Debug)]
struct Watched(UnsafeCell<u16>);

// SAFETY: loom runs one thread at a time and reports every pair of accesses that the protocol has not ordered.
unsafe impl Sync for Watched {}

/// The bytes of a ring.
#[derive(Debug)]
pub(crate) struct Bytes {
    words: Vec<AtomicU64>,
    watched: Vec<Watched>,
    /// Whether the consumer dirties what it has read. No byte changes, so most models do without.
    dirties: bool,
}

impl Bytes {
    fn new(capacity: u64) -> Self {
        Self {
            words: (0..capacity / 8).map(|_| AtomicU64::new(0)).collect(),
            watched: (0..capacity / 8)
                .map(|_| Watched(UnsafeCell::new(0)))
                .collect(),
            dirties: false,
        }
    }

    fn index(&self, position: u64) -> usize {
        assert_eq!(position % 8, 0, "a word's position");
        (position / 8 % self.words.len() as u64) as usize
    }

    /// Uses the bytes of the word at `position` for something new.
    fn mark(&self, position: u64, tag: u16) {
        let cell = &self.watched[self.index(position)].0;
        // SAFETY: the pointer is to a live cell; loom ends the model if the access is not exclusive.
        cell.with_mut(|p| unsafe { *p = tag });
    }

    /// What the bytes of the word at `position` were last used for.
    fn marked(&self, position: u64) -> u16 {
        let cell = &self.watched[self.index(position)].0;
        // SAFETY: the pointer is to a live cell; loom ends the model if a write is not ordered before.
        cell.with(|p| unsafe { *p })
    }

    /// Whether every `step`th byte's word from `from` to `to` is zero and nobody can be storing there.
    fn are_zero(&self, from: u64, to: u64, step: u64) -> bool {
        let words = to.wrapping_sub(from) / step;
        (0..words).all(|i| self.at(from.wrapping_add(step * i)).settled() == 0)
    }
}

impl Words for Bytes {
    fn at(&self, position: u64) -> &AtomicU64 {
        &self.words[self.index(position)]
    }
}

impl Cells for Bytes {
    fn dirty(&self, position: u64, bytes: u64) {
        let words = if self.dirties { bytes / 8 } else { 0 };
        for i in 1..words {
            let at = position.wrapping_add(8 * i);
            // Relaxed, both: nothing is told by it.
            let word = self.at(at).load(Relaxed);
            let tag = self.marked(at);
            self.mark(at, tag);
            self.at(at).store(word, Relaxed);
        }
    }

    fn wipe(&self, position: u64, bytes: u64, step: u64) {
        let words = self.index(position) as u64 + bytes / 8;
        assert!(words <= self.words.len() as u64, "inside");
        for i in 0..bytes / step {
            let at = position.wrapping_add(step * i);
            self.mark(at, 0);
            // Relaxed: published by whoever called this.
            self.at(at).store(0, Relaxed);
        }
    }

    fn room(&self, position: u64) -> u64 {
        8 * (self.words.len() - self.index(position)) as u64
    }
}

/// One ring, as all sides share it.
#[derive(Debug)]
pub(crate) struct Rig {
    pub(crate) bytes: Bytes,
    pub(crate) control: Control,
    pub(crate) shape: Shape,
    pub(crate) table: Table,
}

impl Rig {
    /// A new ring of `capacity` bytes for one producer, whose first record has position `start`.
    pub(crate) fn spsc(capacity: u64, start: u64) -> Arc<Self> {
        crossed(|| Self::make(Self::dense(capacity), start, 0))
    }

    /// The same, but all bytes except the first word are those of old payload.
    pub(crate) fn with_old_payload(capacity: u64, start: u64) -> Arc<Self> {
        let rig = Self::spsc(capacity, start);
        for i in 1..capacity / 8 {
            // Relaxed: published by the header's ready word (R1).
            rig.bytes
                .at(start.wrapping_add(8 * i))
                .store(FORGED, Relaxed);
        }
        rig
    }

    /// The same, and the consumer dirties what it has read.
    pub(crate) fn with_dirt(capacity: u64, start: u64) -> Arc<Self> {
        let mut rig = Self::spsc(capacity, start);
        let own = Arc::get_mut(&mut rig).expect("nobody else has it yet");
        own.bytes.dirties = true;
        rig
    }

    /// A new ring of `capacity` bytes for `producers`, whose first record has position `start`.
    pub(crate) fn mpsc(capacity: u64, start: u64, producers: u32) -> Arc<Self> {
        crossed(|| Self::make(Self::dense(capacity), start, producers))
    }

    /// The same without crossings, for models in which somebody sleeps.
    pub(crate) fn with_sleepers(capacity: u64, start: u64, producers: u32) -> Arc<Self> {
        Self::make(Self::dense(capacity), start, producers)
    }

    /// A new ring for `producers` whose first record has position `start`. All words except those where a record may
    /// begin are those of old payload.
    pub(crate) fn shaped(shape: Shape, start: u64, producers: u32) -> Arc<Self> {
        let rig = crossed(|| Self::make(shape, start, producers));
        for at in (0..shape.capacity).step_by(8) {
            if !shape.is_aligned(at) {
                // Relaxed: published by the header's ready word (R1).
                rig.bytes.at(at).store(FORGED, Relaxed);
            }
        }
        rig
    }

    /// Records begin at every 8th byte.
    fn dense(capacity: u64) -> Shape {
        Shape::new(capacity, 8)
    }

    fn make(shape: Shape, start: u64, producers: u32) -> Arc<Self> {
        let control = Control::new(0);
        control.begin_records(start);
        Arc::new(Self {
            bytes: Bytes::new(shape.capacity),
            control,
            shape,
            table: Table::new(producers),
        })
    }

    /// Writes a payload of `len` bytes, multiples of 8, into the record at `position`.
    pub(crate) fn write(&self, position: u64, len: u32, tag: u16) {
        self.bytes.mark(position, tag);
        for i in 1..=u64::from(len / 8) {
            let at = position.wrapping_add(8 * i);
            self.bytes.mark(at, tag);
            // Relaxed: published by the header.
            self.bytes.at(at).store(FORGED, Relaxed);
        }
    }

    /// Reads the payload of the record at `position` and checks that it is the one that `tag` tells.
    pub(crate) fn read(&self, position: u64, len: u32, tag: u16) {
        assert_eq!(self.bytes.marked(position), tag, "another record's bytes");
        for i in 1..=u64::from(len / 8) {
            let at = position.wrapping_add(8 * i);
            assert_eq!(self.bytes.marked(at), tag, "another record's bytes");
            assert_eq!(self.bytes.at(at).settled(), FORGED, "torn");
        }
    }

    /// The one producer, new or the successor of one.
    pub(crate) fn producer(self: &Arc<Self>) -> Producer {
        let tail = spsc::Tail::resume(&self.bytes, &self.control, self.shape);
        Producer {
            rig: Arc::clone(self),
            tail: tail.expect("no honest peer corrupts the ring"),
        }
    }

    /// The one producer, with room for `len` bytes at its tail that it knows of.
    pub(crate) fn producer_with_credit(self: &Arc<Self>, len: u32) -> Producer {
        let mut producer = self.producer();
        assert_eq!(producer.room(len, Exactly::No), Pushed::Done);
        producer
    }

    /// Producer `i` of many.
    pub(crate) fn member(self: &Arc<Self>, i: u32) -> Member {
        let tail = mpsc::Tail::new(&self.control, self.shape);
        Member {
            rig: Arc::clone(self),
            i,
            tail: tail.expect("no honest peer corrupts the ring"),
        }
    }

    /// A new producer in the place of the dead one `i`.
    pub(crate) fn revived(self: &Arc<Self>, i: u32) -> Member {
        self.table.revive(i);
        self.member(i)
    }

    /// A consumer, new or the successor of one.
    pub(crate) fn consumer(self: &Arc<Self>) -> Consumer {
        let producers = match self.table.count() {
            0 => Producers::One,
            _ => Producers::Many,
        };
        let head = Head::resume(&self.bytes, &self.control, self.shape, producers);
        Consumer {
            rig: Arc::clone(self),
            head: head.expect("no honest peer corrupts the ring"),
        }
    }

    /// Makes padding of what the dead have claimed, as somebody does who takes nothing.
    pub(crate) fn walk(self: &Arc<Self>) -> Walk {
        let consumer = self.consumer();
        let walked = consumer
            .head
            .repair_all(&self.bytes, &self.control, &self.table);
        match walked {
            Walk::Corrupt(corrupt) => honest(corrupt),
            walked => walked,
        }
    }

    /// Producer `i`'s line of the table.
    pub(crate) fn line(&self, i: u32) -> &Participant {
        self.table.line(i)
    }

    /// Producer `i` does `life`, or dies after `steps` steps of it, which the kernel then tells.
    pub(crate) fn mortal<T>(&self, i: u32, steps: u32, life: impl FnOnce() -> T) -> Option<T> {
        self.table.mortal(i, steps, life)
    }

    /// Of what a dead consumer has read, in `ledger`: the tags of what it has released, and of what was in its hands.
    pub(crate) fn released_of(&self, ledger: &Ledger) -> (Vec<u16>, Option<u16>) {
        // Relaxed: for the holder of the consumer's token.
        let taken = self.control.head.0.taken.load(Relaxed);
        let is_released = |end: u64| taken.wrapping_sub(end) as i64 >= 0;
        let of = |released| {
            let kept = ledger.iter().filter(move |r| is_released(r.0) == released);
            kept.map(|r| r.1)
        };
        (of(true).collect(), of(false).next())
    }

    /// In a drained ring of many producers the word at every place where a record may begin is zero.
    pub(crate) fn is_zero(&self) -> bool {
        self.bytes
            .are_zero(0, self.shape.capacity, self.shape.align())
    }
}

/// What became of a record that was offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Pushed {
    Done,
    Full,
    Closed,
}

fn honest(corrupt: Corrupt) -> ! {
    panic!("an honest peer was called corrupt: {corrupt:?}")
}

fn pushed(room: Room) -> Pushed {
    match room {
        Room::Free => Pushed::Done,
        Room::Full => Pushed::Full,
        Room::Closed => Pushed::Closed,
        Room::Corrupt(corrupt) => honest(corrupt),
    }
}

/// The one producer's end.
#[derive(Debug)]
pub(crate) struct Producer {
    pub(crate) rig: Arc<Rig>,
    pub(crate) tail: spsc::Tail,
}

impl Producer {
    /// Makes room for a record of `len` bytes at the tail.
    pub(crate) fn room(&mut self, len: u32, exactly: Exactly) -> Pushed {
        let (rig, total) = (&self.rig, self.rig.shape.total(len));
        if self.tail.has_room(total) {
            return Pushed::Done;
        }
        pushed(
            self.tail
                .make_room(&rig.bytes, &rig.control, total, exactly),
        )
    }

    /// Writes the payload of the next record, as through a loan.
    pub(crate) fn write(&self, len: u32, tag: u16) {
        self.rig.write(self.tail.next(), len, tag);
    }

    /// Commits the loan, perhaps shorter than it was written.
    pub(crate) fn commit(&mut self, len: u32, tag: u16) {
        let record = self.rig.shape.record(len, tag);
        self.tail.commit(&self.rig.bytes, record);
    }

    /// Pushes as an endpoint does that copies.
    pub(crate) fn try_push(&mut self, exactly: Exactly, len: u32, tag: u16) -> Pushed {
        let room = self.room(len, exactly);
        if room == Pushed::Done {
            self.write(len, tag);
            self.commit(len, tag);
        }
        room
    }

    /// Polls until there is room; `Closed` is the only other end.
    pub(crate) fn push(&mut self, exactly: Exactly, len: u32, tag: u16) -> Pushed {
        loop {
            match self.try_push(exactly, len, tag) {
                Pushed::Full => spin_hint(),
                end => return end,
            }
        }
    }
}

/// One of many producers.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) rig: Arc<Rig>,
    pub(crate) i: u32,
    pub(crate) tail: mpsc::Tail,
}

impl Member {
    /// Claims room for records of `lens` bytes in one piece. All of it is zero.
    pub(crate) fn claim(&mut self, exactly: Exactly, lens: &[u32]) -> Result<Claim, Pushed> {
        let rig = &self.rig;
        let total = lens.iter().map(|len| rig.shape.total(*len)).sum();
        let mine = rig.line(self.i);
        let claim = self
            .tail
            .claim(&rig.bytes, &rig.control, mine, total, exactly)
            .map_err(pushed)?;
        assert_eq!(claim.end.wrapping_sub(claim.next), total);
        assert!(total <= rig.shape.room(claim.next));
        assert!(
            rig.bytes.are_zero(claim.next, claim.end, rig.shape.align()),
            "free space is zero"
        );
        Ok(claim)
    }

    /// Says that the next record of `claim` is being written, and writes it.
    pub(crate) fn write(&self, claim: &Claim, len: u32, tag: u16) {
        claim.begin(&self.rig.bytes, len);
        self.rig.write(claim.next, len, tag);
    }

    /// Commits the next record of `claim`.
    pub(crate) fn commit(&self, claim: &mut Claim, len: u32, tag: u16) {
        claim.commit(&self.rig.bytes, self.rig.shape.record(len, tag));
    }

    /// Commits the next record of `claim` and gives up the rest.
    pub(crate) fn commit_last(&self, claim: Claim, len: u32, tag: u16) {
        claim.commit_last(&self.rig.bytes, self.rig.shape.record(len, tag));
    }

    /// Pushes one record.
    pub(crate) fn try_push(&mut self, exactly: Exactly, len: u32, tag: u16) -> Pushed {
        match self.claim(exactly, &[len]) {
            Ok(mut claim) => {
                self.write(&claim, len, tag);
                self.commit(&mut claim, len, tag);
                Pushed::Done
            }
            Err(refusal) => refusal,
        }
    }

    /// Pushes record `n` of `len` bytes, and notes it in `done` if it was committed.
    pub(crate) fn push_noted(&mut self, len: u32, n: u16, done: &mut Vec<u16>) {
        let tag = tag(self.i, n);
        if self.try_push(Exactly::Yes, len, tag) == Pushed::Done {
            done.push(tag);
        }
    }
}

/// The consumer's end.
#[derive(Debug)]
pub(crate) struct Consumer {
    pub(crate) rig: Arc<Rig>,
    pub(crate) head: Head,
}

/// Where each record ended that was read, and its tag.
pub(crate) type Ledger = Vec<(u64, u16)>;

/// The tags of a ledger.
pub(crate) fn tags(ledger: &Ledger) -> Vec<u16> {
    ledger.iter().map(|(_, tag)| *tag).collect()
}

/// The tag of record `n` of producer `i`.
pub(crate) fn tag(i: u32, n: u16) -> u16 {
    (i as u16 + 1) * 16 + n
}

/// What was taken is what was committed, each once, in each producer's order.
pub(crate) fn settle(got: &[u16], committed: &[Vec<u16>]) {
    for (i, done) in committed.iter().enumerate() {
        let is_theirs = |t: &u16| t / 16 == i as u16 + 1;
        let theirs: Vec<u16> = got.iter().copied().filter(is_theirs).collect();
        assert_eq!(theirs, *done, "of producer {i}");
    }
    let all: usize = committed.iter().map(Vec::len).sum();
    assert_eq!(got.len(), all, "nothing is invented");
}

/// What one look has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Popped {
    /// The tag of the record taken.
    Tag(u16),
    Empty,
    Closed,
}

impl Consumer {
    pub(crate) fn look(&mut self) -> Look {
        match self.head.look(&self.rig.bytes, &self.rig.control) {
            Look::Corrupt(corrupt) => honest(corrupt),
            look => look,
        }
    }

    /// Takes the next record if the first look finds it, and leaves the gate alone.
    pub(crate) fn take(&mut self) -> Option<u16> {
        let rig = &self.rig;
        self.head.take(&rig.bytes, &rig.control, |at, record| {
            rig.read(at, record.len, record.tag);
            record.tag
        })
    }

    /// Looks once, and takes what is there; publishes the gate if it is due.
    pub(crate) fn try_pop(&mut self) -> Popped {
        match self.take_into(&mut Vec::new()) {
            Look::Record(record) => Popped::Tag(record.tag),
            Look::Closed => Popped::Closed,
            _ => Popped::Empty,
        }
    }

    /// Polls for the next record; `None` when the ring is closed and drained.
    pub(crate) fn pop(&mut self) -> Option<u16> {
        loop {
            match self.try_pop() {
                Popped::Tag(tag) => return Some(tag),
                Popped::Closed => return None,
                Popped::Empty => spin_hint(),
            }
        }
    }

    /// Looks once, and takes what is there; notes in `ledger` where the record ended, and its tag, when it was read.
    pub(crate) fn take_into(&mut self, ledger: &mut Ledger) -> Look {
        let look = self.look();
        if let Look::Record(record) = look {
            assert_ne!(record.tag, FORGED_TAG, "invented");
            self.rig.read(self.head.next(), record.len, record.tag);
            let end = self.rig.shape.total(record.len);
            ledger.push((self.head.next().wrapping_add(end), record.tag));
            self.head
                .release(&self.rig.bytes, &self.rig.control, record);
            self.head.publish_gate_if_due(&self.rig.control);
        }
        look
    }

    /// Takes everything up to the close, as [`Consumer::take_into`].
    pub(crate) fn drain_into(&mut self, ledger: &mut Ledger) {
        loop {
            match self.take_into(ledger) {
                Look::Record(_) => {}
                Look::Closed => return,
                _ => spin_hint(),
            }
        }
    }

    /// Everything up to the close.
    pub(crate) fn drain(&mut self) -> Vec<u16> {
        std::iter::from_fn(|| self.pop()).collect()
    }
}

impl Consumer {
    pub(crate) fn repair(&self) -> Repair {
        let rig = &self.rig;
        match self.head.repair(&rig.bytes, &rig.control, &rig.table) {
            Repair::Corrupt(corrupt) => honest(corrupt),
            repair => repair,
        }
    }

    /// Looks, and repairs if there is nothing, `looks` times. Notes in `ledger` what was read, as
    /// [`Consumer::drain_into`] does.
    pub(crate) fn work(&mut self, looks: u32, ledger: &mut Ledger) {
        for _ in 0..looks {
            match self.take_into(ledger) {
                Look::Record(_) => {}
                Look::Closed => return,
                _ => {
                    let _ = self.repair();
                }
            }
        }
    }

    /// Takes what is left when nobody does anything any more. Every repair must conclude now.
    pub(crate) fn clear_up(&mut self, ledger: &mut Ledger) {
        loop {
            match self.take_into(ledger) {
                Look::Record(_) => {}
                Look::Closed => return,
                _ => match self.repair() {
                    Repair::Unclaimed => return,
                    Repair::Done => {}
                    stuck => panic!("stuck at {}: {stuck:?}", self.head.next()),
                },
            }
        }
    }
}
