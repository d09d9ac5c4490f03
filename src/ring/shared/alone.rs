//! The only producer of slots whose consumers are many.
//!
//! It keeps its tail to itself, as [`super::super::spsc::Tail`] does. But consumers release in any order: where the gate
//! lags, it looks at the words of the slots ahead, a few at a time.

use super::super::corrupt::{Corrupt, CorruptWord};
use super::super::words::Words;
use super::gate::{self, Look};
use super::{distance, head};
use crate::layout::control::Control;
use crate::layout::word;
use crate::sync::Ordering::{Acquire, Relaxed, Release};

/// How many slots ahead it looks at once.
const LOOK_AHEAD: u64 = 8;

/// Whether the producer may write its next position.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Room {
    Free,
    Full,
    /// A side has closed.
    Closed,
    Corrupt(Corrupt),
}

/// The producer's private half.
#[derive(Debug)]
pub(crate) struct Tail {
    next: u64,
    /// First position that may not be written yet. `limit == next` sends the next push the slow way.
    limit: u64,
    capacity: u64,
    /// Whether there are gates to wait for.
    gates: bool,
}

impl Tail {
    /// Finds where the last producer stopped: behind what is committed from the head on. For the holder of the
    /// producer's token only. Whatever the predecessor had not committed is gone.
    pub(crate) fn resume(
        words: &impl Words,
        control: &Control,
        capacity: u64,
        consumers: u32,
    ) -> Self {
        let mut next = head::head(control);
        for _ in 0..capacity {
            // Acquire P1, C1: pairs with the Releases in `put` and `Run::release`. The predecessor's words are
            // ordered by the kernel lock that changed hands.
            let found = words.at(next).load(Acquire);
            // A slot of the lap before is not yet released; one of a lap behind was taken since the head was read.
            let free = distance(found, next) < 0 || found == word::free(next);
            if free {
                break;
            }
            next = next.wrapping_add(1);
        }
        Self {
            next,
            limit: next,
            capacity,
            gates: gate::is_published(capacity, consumers),
        }
    }

    /// The position the next message will have.
    #[inline(always)]
    pub(crate) fn next(&self) -> u64 {
        self.next
    }

    /// How many positions are known to be writable.
    #[inline(always)]
    pub(crate) fn credit(&self) -> u64 {
        self.limit.wrapping_sub(self.next)
    }

    /// Looks at the gate, and if that shows too little, and `look` says so, at the slots ahead, `more` of them at most and no
    /// fewer than a few. Then the answer is exact.
    #[inline]
    pub(crate) fn refill(
        &mut self,
        words: &impl Words,
        control: &Control,
        more: u64,
        look: Look,
    ) -> Room {
        // Acquire X1: pairs with the Release in `close_producer`/`close_consumer`.
        if control.closed.0.load(Acquire) != 0 {
            self.limit = self.next;
            return Room::Closed;
        }
        let left = gate::left_of(control, self.next, self.capacity);
        if left > self.credit() {
            self.limit = self.next.wrapping_add(left);
        }
        if look == Look::Gate && self.gates {
            return if self.credit() > 0 {
                Room::Free
            } else {
                Room::Full
            };
        }
        let most = self
            .next
            .wrapping_add(more.max(LOOK_AHEAD).min(self.capacity));
        while most.wrapping_sub(self.limit) as i64 > 0 {
            // Acquire C1: pairs with the Release in `Run::release`: what the slot held was read.
            let found = words.at(self.limit).load(Acquire);
            if found != word::free(self.limit) {
                if self.limit == self.next && distance(found, self.next) >= 0 {
                    return Room::Corrupt(Corrupt {
                        word: CorruptWord::Ready,
                        position: self.next,
                        found,
                    });
                }
                break;
            }
            self.limit = self.limit.wrapping_add(1);
        }
        if self.limit == self.next {
            Room::Full
        } else {
            Room::Free
        }
    }

    /// Has the next message written by `write`, which is given its position, and publishes it.
    #[inline(always)]
    pub(crate) fn put(&mut self, words: &impl Words, write: impl FnOnce(u64)) {
        let position = self.next;
        let word = words.at(position);
        write(position);
        // Release P1: the payload is visible to whoever acquires this word in `head::take`.
        word.store(word::ready(position), Release);
        self.next = position.wrapping_add(1);
    }

    /// Slots of the ring.
    pub(crate) fn capacity(&self) -> u64 {
        self.capacity
    }

    /// Whether a side has closed, as far as is seen here. The sleep word of many consumers does not tell: some may go on
    /// draining, and sleep.
    #[inline(always)]
    pub(crate) fn is_closed(&self, control: &Control) -> bool {
        // Relaxed: the next refill looks again.
        control.closed.0.load(Relaxed) != 0
    }

    /// Sends the next push the slow way, where it will notice a close.
    pub(crate) fn forget_credit(&mut self) {
        self.limit = self.next;
    }

    /// Messages that no consumer has claimed yet.
    pub(crate) fn len(&self, control: &Control) -> u64 {
        // Relaxed: a hint for people.
        let head = control.head.0.taken.load(Relaxed);
        self.next.wrapping_sub(head).min(self.capacity)
    }
}
