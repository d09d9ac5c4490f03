//! Slots that many claim: producers share the tail, consumers share the head, or both.
//!
//! A side that many share moves its position by one compare-exchange for a run of slots, announced before
//! ([`super::announce`]). Whether a slot may be claimed is what its own word says, or of free ones the [`gate`]; nobody
//! reads the position of the other side. A side of one end keeps its position to itself: [`super::spsc::Head`],
//! [`alone::Tail`].
//!
//! | word of the slot of `p` | a producer whose tail is `p` | a consumer whose head is `p` |
//! |---|---|---|
//! | `FREE(p)` | may claim it | finds nothing; if `p` was claimed, its owner is writing, or died |
//! | `READY(p)`, `SKIP(p)` | its tail is stale | may claim it; of `SKIP` only to hand it on |
//! | anything of the lap before | full | (its head is stale, or corrupt) |
//! | anything of a lap behind | its tail is stale | its head is stale |
//!
//! Invariants, with `c` the capacity: `tail - c <= head <= tail`, but for claims unfinished; positions below `head`
//! are owned by a consumer until released, positions from `head` to `tail` by a producer until committed.

pub(crate) mod alone;
pub(crate) mod fill;
pub(crate) mod gate;
pub(crate) mod head;
pub(crate) mod repair;
pub(crate) mod tail;

use super::words::Words;
use crate::layout::word::{self, distance};
use crate::sync::Ordering::{Acquire, Release};

/// Positions, one behind the other, that belong to one participant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Run {
    /// The next one to deal with.
    pub(crate) next: u64,
    /// Behind the last one.
    pub(crate) end: u64,
}

impl Run {
    /// No position.
    pub(crate) const NONE: Self = Self { next: 0, end: 0 };

    /// Positions left.
    #[inline(always)]
    pub(crate) fn len(&self) -> u64 {
        self.end.wrapping_sub(self.next)
    }

    /// Whether none is left.
    #[inline(always)]
    pub(crate) fn is_empty(&self) -> bool {
        self.next == self.end
    }

    /// Publishes the next position's message, which was written.
    #[inline(always)]
    pub(crate) fn commit(&mut self, words: &impl Words) {
        // Release P1: the payload is visible to whoever acquires this word in `head::take`.
        words.at(self.next).store(word::ready(self.next), Release);
        self.next = self.next.wrapping_add(1);
    }

    /// Gives up the positions that are left: they become tombstones.
    pub(crate) fn abort(&mut self, words: &impl Words) {
        while !self.is_empty() {
            // Release P1: like any other word that consumers wait for.
            words.at(self.next).store(word::skip(self.next), Release);
            self.next = self.next.wrapping_add(1);
        }
    }

    /// Whether a message is left; the rest may be tombstones.
    pub(crate) fn has_message(&self, words: &impl Words) -> bool {
        let mut rest = *self;
        while !rest.is_empty() {
            if !rest.is_skipped(words) {
                return true;
            }
            rest.next = rest.next.wrapping_add(1);
        }
        false
    }

    /// Whether the next position, which a consumer has claimed, was given up by its producer.
    #[inline(always)]
    pub(crate) fn is_skipped(&self, words: &impl Words) -> bool {
        // Acquire P1: the claim has acquired it already; a redelivered one is acquired here.
        words.at(self.next).load(Acquire) == word::skip(self.next)
    }

    /// Hands the slot of the next position, which was read, back to the producers of a ring of `capacity`.
    #[inline(always)]
    pub(crate) fn release(&mut self, words: &impl Words, capacity: u64) {
        let free = word::free(self.next.wrapping_add(capacity));
        // Release C1: the payload was read before whoever acquires this word writes over it.
        words.at(self.next).store(free, Release);
        self.next = self.next.wrapping_add(1);
    }
}
