//! The control block: the few words that all sides share beside the messages themselves.
//!
//! Every line of 128 bytes has one writer, or is written seldom. A ring of slots touches nothing here per
//! message except `consumer_sleep`, which the producer only reads. The consumer of a ring of records also
//! writes `head`, which nobody reads while there is room; many producers share `tail`.

use super::{header, word};
use crate::sync::Ordering::Relaxed;
use crate::sync::{AtomicU32, AtomicU64};

/// One value on a line of its own.
#[repr(C, align(128))]
#[derive(Debug)]
pub(crate) struct Line<T>(pub(crate) T);

/// The bits of a sleep word that are its state, one of the following. What is above them counts wakes.
pub(crate) const SLEEP_STATE: u32 = 3;
/// Sleep word: nobody sleeps.
pub(crate) const AWAKE: u32 = 0;
/// Sleep word: the owner sleeps or is about to. Whoever wakes it swaps this to [`AWAKE`].
pub(crate) const ASLEEP: u32 = 1;
/// Sleep word: the owner has closed its side and will never sleep again.
pub(crate) const GONE: u32 = 2;

/// Bit of [`Control::closed`]: the producing side will commit nothing more. Where many share the tail, its
/// lowest bits are the same two bits, so that no claim comes after a close.
pub(crate) const CLOSED_BY_PRODUCER: u32 = 1;
/// Bit of [`Control::closed`]: the consumer will take nothing more.
pub(crate) const CLOSED_BY_CONSUMER: u32 = 2;

/// How far the consumer of a ring of records has come. On one line: both are its own. Where many consume slots, the
/// head that they share.
#[repr(C)]
#[derive(Debug)]
pub(crate) struct Taken {
    /// Every record below it was read. Stored after each record.
    pub(crate) taken: AtomicU64,
    /// Everything below it was wiped, as far as it is to be, and may be written again. Stored after `taken`.
    pub(crate) wiped: AtomicU64,
    /// Where many consume: how many messages were dropped that consumers had in hand when they died. Written seldom, so it
    /// may lie on the line that consumers share.
    pub(crate) dropped: AtomicU64,
    /// Where many consume: how often one has taken over what another had in hand when it died. As seldom.
    pub(crate) moved: AtomicU64,
}

/// Where a record of a broadcast begins, and how many came before it since creation.
#[repr(C)]
#[derive(Debug)]
pub(crate) struct Mark {
    pub(crate) position: AtomicU64,
    pub(crate) sequence: AtomicU64,
}

/// Marks that a broadcast of records keeps: more than one for each quarter of the ring.
pub(crate) const MARKS: usize = 8;
/// Words that say which readers the producer of a broadcast waits for: one bit for each place.
pub(crate) const GATING_WORDS: usize = 16;

/// Shared words of a ring.
///
/// | closed | what `push` does | what `pop` does |
/// |---|---|---|
/// | 0 | as usual | as usual |
/// | producer | `Closed` | drains what was committed, then `Closed` |
/// | consumer | `Closed` at the latest one message later (parking never: a lap later) | (its owner is gone) |
/// | both | `Closed` | (its owner is gone) |
///
/// A loan outstanding when the consumer closes may still be committed: nobody will read it. A sample
/// outstanding when the producer closes stays valid.
#[repr(C)]
#[derive(Debug)]
pub(crate) struct Control {
    /// Written by the consumer: every position below it is released. Published every quarter of the
    /// ring and before the consumer waits, so it may lag behind the slots' own words, or behind `head`. Where many
    /// consume, one of them publishes it now and then.
    pub(crate) gate: Line<AtomicU64>,
    /// The consumer's sleep word.
    pub(crate) consumer_sleep: Line<AtomicU32>,
    /// The producer's sleep word.
    pub(crate) producer_sleep: Line<AtomicU32>,
    /// Which sides have closed. Bits are only ever added.
    pub(crate) closed: Line<AtomicU32>,
    /// Where many producers claim: the next position to claim, and the closed bits (of slots: the position times
    /// four, plus those bits). Of a broadcast, and of records with one producer: how far it may write, stored before
    /// it does. Elsewhere 0.
    pub(crate) tail: Line<AtomicU64>,
    /// Of records with one consumer, how far it has come. Where many consume slots, `taken` is the next position to
    /// claim. Elsewhere 0.
    pub(crate) head: Line<Taken>,
    /// Broadcast only: bit `i` is set while the producer waits for the reader at place `i`.
    pub(crate) gating: Line<[AtomicU64; GATING_WORDS]>,
    /// Broadcast of records only: where records begin, one for each time the producer took more credit, in turns.
    pub(crate) marks: Line<[Mark; MARKS]>,
}

impl Control {
    /// The control block of a new ring of slots whose first message has `position`.
    #[allow(dead_code)] // In the shipped crate the block is written in place; models and tests build one.
    pub(crate) fn new(position: u64) -> Self {
        Self {
            gate: Line(AtomicU64::new(position)),
            consumer_sleep: Line(AtomicU32::new(AWAKE)),
            producer_sleep: Line(AtomicU32::new(AWAKE)),
            closed: Line(AtomicU32::new(0)),
            tail: Line(AtomicU64::new(0)),
            head: Line(Taken {
                taken: AtomicU64::new(0),
                wiped: AtomicU64::new(0),
                dropped: AtomicU64::new(0),
                moved: AtomicU64::new(0),
            }),
            gating: Line(core::array::from_fn(|_| AtomicU64::new(0))),
            marks: Line(core::array::from_fn(|_| Mark {
                position: AtomicU64::new(0),
                sequence: AtomicU64::new(0),
            })),
        }
    }

    /// Makes this the block of a new ring of slots of `kind` whose first message has `position`.
    pub(crate) fn begin_slots(&self, kind: u32, position: u64) {
        // Relaxed, all: published by the header's ready word (R1).
        self.gate.0.store(position, Relaxed);
        match kind {
            header::KIND_SPSC => {}
            header::KIND_BROADCAST => self.tail.0.store(position, Relaxed),
            header::KIND_SPMC => self.head.0.taken.store(position, Relaxed),
            _ => {
                // Relaxed, both: as above.
                self.tail.0.store(word::free(position), Relaxed);
                self.head.0.taken.store(position, Relaxed);
            }
        }
    }

    /// Makes this the block of a new ring of records whose first one has `position`.
    pub(crate) fn begin_records(&self, position: u64) {
        // Relaxed, all: published by the header's ready word (R1).
        self.gate.0.store(position, Relaxed);
        self.head.0.taken.store(position, Relaxed);
        self.head.0.wiped.store(position, Relaxed);
        self.tail.0.store(position, Relaxed);
        for mark in &self.marks.0 {
            // Relaxed: as above.
            mark.position.store(position, Relaxed);
        }
    }
}
