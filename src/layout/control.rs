//! The control block of an spsc ring: the few words both sides share beside the slots.
//!
//! Every field has a 128-byte line of its own, because each has another writer or another reader.
//! Nothing here is touched per message except `consumer_sleep`, which the producer only reads.

use crate::sync::{AtomicU32, AtomicU64};

/// One value on a line of its own.
#[repr(C, align(128))]
#[derive(Debug)]
pub(crate) struct Line<T>(pub(crate) T);

/// Sleep word: nobody sleeps.
pub(crate) const AWAKE: u32 = 0;
/// Sleep word: the owner sleeps or is about to. Whoever wakes it swaps this to [`AWAKE`].
pub(crate) const ASLEEP: u32 = 1;
/// Sleep word: the owner has closed its side and will never sleep again.
pub(crate) const GONE: u32 = 2;

/// Bit of [`SpscControl::closed`]: the producer will commit nothing more.
pub(crate) const CLOSED_BY_PRODUCER: u32 = 1;
/// Bit of [`SpscControl::closed`]: the consumer will take nothing more.
pub(crate) const CLOSED_BY_CONSUMER: u32 = 2;

/// Shared words of an spsc ring of slots.
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
pub(crate) struct SpscControl {
    /// Written by the consumer: every position below it is released. Published every quarter of the
    /// ring and before the consumer waits, so it may lag behind the slots' own words.
    pub(crate) gate: Line<AtomicU64>,
    /// The consumer's sleep word.
    pub(crate) consumer_sleep: Line<AtomicU32>,
    /// The producer's sleep word.
    pub(crate) producer_sleep: Line<AtomicU32>,
    /// Which sides have closed. Bits are only ever added.
    pub(crate) closed: Line<AtomicU32>,
}

impl SpscControl {
    /// The control block of a new ring whose first message has `position`.
    #[allow(dead_code)] // In the shipped crate the block is written in place; models and tests build one.
    pub(crate) fn new(position: u64) -> Self {
        Self {
            gate: Line(AtomicU64::new(position)),
            consumer_sleep: Line(AtomicU32::new(AWAKE)),
            producer_sleep: Line(AtomicU32::new(AWAKE)),
            closed: Line(AtomicU32::new(0)),
        }
    }
}
