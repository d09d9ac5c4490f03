//! One producer, one consumer, fixed slots. The consumer's half also serves a ring with many producers, whose half is
//! [`super::shared::tail`].
//!
//! The producer keeps its tail and its credit to itself and never reads a slot's word on the fast path; the
//! consumer keeps its head to itself and hands each slot back by storing the next lap's `FREE` into the line
//! it has just read. A message costs one cache line each way.
//!
//! Invariants, with `c` the capacity:
//! * `gate <= head <= tail <= head + c`, where `head` and `tail` are private, and `head - gate <= c`.
//! * Seen from `gate` upwards, a slot's word is that of a released position (`FREE(p + c)`, or already the
//!   next lap's `READY(p + c)`), then of a committed one (`READY(p)` or `SKIP(p)`), then of an untouched one
//!   (`FREE(p)`). That order is what lets a successor find where its predecessor stopped.
//! * Positions are compared for equality and distance only, so they may wrap.
//!
//! The edges (P1, G1, C1) are listed in `docs/ORDERINGS.md`.

use super::corrupt::{Corrupt, CorruptWord};
use super::shared::tail;
use super::sides::Producers;
use super::words::Words;
use crate::layout::control::{CLOSED_BY_CONSUMER, CLOSED_BY_PRODUCER, Control};
use crate::layout::word;
use crate::sync::AtomicU64;
use crate::sync::Ordering::{Acquire, Relaxed, Release};

/// Whether the producer may write its next position.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Room {
    /// This many positions, at least one, from [`Tail::next`] on.
    Free(u64),
    /// None.
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
}

/// How far a slot's word has come, seen from position `p` that falls on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// `p` was not written: its slot is free, or still holds the message of the lap before.
    Untouched,
    /// `p` holds a message, or was given up.
    Committed,
    /// `p` was released; the slot may have been written again since.
    Released,
}

/// Sorts the word `found` at position `p`; `None` if no honest peer can have stored it.
fn stage(found: u64, p: u64, capacity: u64) -> Option<Stage> {
    let (before, after) = (p.wrapping_sub(capacity), p.wrapping_add(capacity));
    let is = |words: &[u64]| words.contains(&found);
    if is(&[word::free(p), word::ready(before), word::skip(before)]) {
        Some(Stage::Untouched)
    } else if is(&[word::ready(p), word::skip(p)]) {
        Some(Stage::Committed)
    } else if is(&[
        word::free(after),
        word::ready(after),
        word::skip(after),
        // Released once more, by a consumer that ran on while a successor of the producer looks for its place.
        word::free(after.wrapping_add(capacity)),
    ]) {
        Some(Stage::Released)
    } else {
        None
    }
}

/// The first of the `n` positions from `from` whose stage is not one of those in `passed`. For the holder of
/// a token that looks for its predecessor's place.
fn first_not(
    words: &impl Words,
    (from, n): (u64, u64),
    capacity: u64,
    passed: impl Fn(Stage) -> bool,
) -> Result<u64, Corrupt> {
    for i in 0..n {
        let position = from.wrapping_add(i);
        // Acquire P1, C1: pairs with the Releases in `Tail::put` and `Head::release`: the peer's words
        // may be acted on. The predecessor's are ordered by the kernel lock that changed hands.
        let found = words.at(position).load(Acquire);
        match stage(found, position, capacity) {
            Some(stage) if passed(stage) => {}
            Some(_) => return Ok(position),
            None => {
                return Err(Corrupt {
                    word: CorruptWord::Ready,
                    position,
                    found,
                });
            }
        }
    }
    Ok(from.wrapping_add(n))
}

impl Tail {
    /// Finds where the last producer stopped. For the holder of the producer's token only.
    ///
    /// Scans words from the gate on: what is released or committed was written, the first untouched slot is
    /// the tail. Whatever the predecessor had not committed is gone. The head may be up to a lap ahead of the
    /// gate and the tail up to a lap ahead of the head.
    pub(crate) fn resume(
        words: &impl Words,
        control: &Control,
        capacity: u64,
    ) -> Result<Self, Corrupt> {
        // Acquire G1: pairs with the Release in `Head::publish_gate`.
        let gate = control.gate.0.load(Acquire);
        let span = (gate, 2 * capacity);
        let next = first_not(words, span, capacity, |stage| stage != Stage::Untouched)?;
        Ok(Self {
            next,
            // No credit: the first push asks for it.
            limit: next,
            capacity,
        })
    }

    /// The position the next message will have.
    #[inline(always)]
    pub(crate) fn next(&self) -> u64 {
        self.next
    }

    /// Whether the next position is known to be writable, from private knowledge alone.
    #[inline(always)]
    pub(crate) fn has_credit(&self) -> bool {
        self.next != self.limit
    }

    /// How many positions are known to be writable.
    #[inline(always)]
    pub(crate) fn credit(&self) -> u64 {
        self.limit.wrapping_sub(self.next)
    }

    /// Looks for room in what the consumer has published. Leaves the consumer's lines alone but for the gate.
    pub(crate) fn refill(&mut self, control: &Control) -> Room {
        // Acquire X1: pairs with the Release in `close_producer`/`close_consumer`.
        if control.closed.0.load(Acquire) != 0 {
            self.limit = self.next;
            return Room::Closed;
        }
        // Acquire G1: pairs with the Release in `Head::publish_gate`: what the consumer read is read
        // before the producer writes over it.
        let gate = control.gate.0.load(Acquire);
        // The gate may lag behind slots that `refill_exact` was told of, but never by more than a lap; a
        // value outside that cannot be honest, and must not buy room.
        let unreleased = self.next.wrapping_sub(gate);
        if unreleased > 2 * self.capacity {
            return Room::Corrupt(Corrupt {
                word: CorruptWord::Gate,
                position: self.next,
                found: gate,
            });
        }
        if unreleased >= self.capacity {
            return Room::Full;
        }
        self.limit = gate.wrapping_add(self.capacity);
        Room::Free(self.credit())
    }

    /// Like [`Tail::refill`], and when the gate shows nothing also asks the one slot in question. The answer
    /// is exact; the price is a line taken from the consumer.
    pub(crate) fn refill_exact(&mut self, words: &impl Words, control: &Control) -> Room {
        let room = self.refill(control);
        if room != Room::Full {
            return room;
        }
        // Acquire C1: pairs with the Release in `Head::release`.
        if words.at(self.next).load(Acquire) == word::free(self.next) {
            self.limit = self.next.wrapping_add(1);
            return Room::Free(1);
        }
        Room::Full
    }

    /// Has the next message written by `write`, which is given its position, and publishes it.
    #[inline(always)]
    pub(crate) fn put(&mut self, words: &impl Words, write: impl FnOnce(u64)) {
        let position = self.next;
        let word = words.at(position);
        write(position);
        // Release P1: the payload is visible to whoever acquires this word in `Head::take`.
        word.store(word::ready(position), Release);
        self.next = position.wrapping_add(1);
    }

    /// Slots of the ring.
    pub(crate) fn capacity(&self) -> u64 {
        self.capacity
    }

    /// Sends the next push the slow way, where it will notice a close.
    pub(crate) fn forget_credit(&mut self) {
        self.limit = self.next;
    }

    /// Messages committed and not yet released by the consumer; exact when the consumer stands still, and
    /// never less than what is left. Reads O(log capacity) slots.
    pub(crate) fn len(&self, words: &impl Words) -> u64 {
        // The released slots are a prefix of the last lap's positions.
        let oldest = self.next.wrapping_sub(self.capacity);
        let released = prefix(self.capacity, |i| {
            let p = oldest.wrapping_add(i);
            // Relaxed: a hint for people; nothing is read or written on the strength of it.
            words.at(p).load(Relaxed) == word::free(p.wrapping_add(self.capacity))
        });
        self.capacity - released
    }
}

/// What the consumer finds at its head.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    /// A message at [`Head::next`].
    Ready,
    Empty,
    /// Drained, and the producer has closed; or this side has.
    Closed,
    Corrupt(Corrupt),
}

/// The consumer's private half.
#[derive(Debug)]
pub(crate) struct Head {
    next: u64,
    /// What the shared gate says.
    gate: u64,
    /// The gate is published at positions with none of these bits: each quarter of the ring.
    gate_mask: u64,
    capacity: u64,
    /// What makes a word that was read one that was handed back, see [`word::hand_back`].
    hand_back: u64,
    producers: Producers,
}

impl Head {
    /// Finds where the last consumer stopped. For the holder of the consumer's token only.
    ///
    /// Scans at most a lap from the gate for the first position that is not released. The message that was
    /// in the predecessor's hands is found again; none that it released is.
    pub(crate) fn resume(
        words: &impl Words,
        control: &Control,
        capacity: u64,
        producers: Producers,
    ) -> Result<Self, Corrupt> {
        // Acquire G1: the predecessor published it; the kernel lock that changed hands orders it too.
        let gate = control.gate.0.load(Acquire);
        let span = (gate, capacity);
        let next = first_not(words, span, capacity, |stage| stage == Stage::Released)?;
        let mut head = Self {
            next,
            gate,
            gate_mask: (capacity / 4).max(1) - 1,
            capacity,
            hand_back: word::hand_back(capacity),
            producers,
        };
        head.publish_gate(control);
        Ok(head)
    }

    /// The position of the message that [`Head::look`] speaks of.
    #[inline(always)]
    pub(crate) fn next(&self) -> u64 {
        self.next
    }

    /// Has the next message read by `read`, which is given its position, and hands its slot back. `None` if
    /// it is not there: one load of the slot's own line.
    #[inline(always)]
    pub(crate) fn take<R>(&mut self, words: &impl Words, read: impl FnOnce(u64) -> R) -> Option<R> {
        let position = self.next;
        let word = words.at(position);
        // Acquire P1: pairs with the Release in `Tail::put`: the payload is there.
        if word.load(Acquire) != word::ready(position) {
            return None;
        }
        let message = read(position);
        self.release_at(word, position);
        Some(message)
    }

    /// Whether the next message is there.
    #[inline(always)]
    pub(crate) fn is_ready(&self, words: &impl Words) -> bool {
        // Acquire P1: pairs with the Release in `Tail::put`: the payload is there.
        words.at(self.next).load(Acquire) == word::ready(self.next)
    }

    /// Looks for the next message, passing over positions that were given up.
    #[inline]
    pub(crate) fn look(&mut self, words: &impl Words, control: &Control) -> Look {
        if self.is_ready(words) {
            return Look::Ready;
        }
        self.look_slow(words, control)
    }

    #[cold]
    #[inline(never)]
    fn look_slow(&mut self, words: &impl Words, control: &Control) -> Look {
        // Acquire X1: pairs with the Release in `close_*`. Loaded before the words, so that a message
        // committed before the close is seen below.
        let closed = control.closed.0.load(Acquire);
        if closed & CLOSED_BY_CONSUMER != 0 {
            return Look::Closed;
        }
        // Bounded: a lying producer can make this lap the ring once, not for ever.
        for _ in 0..=self.capacity {
            // Acquire P1: pairs with the Release in `Tail::put`.
            let found = words.at(self.next).load(Acquire);
            if found == word::ready(self.next) {
                return Look::Ready;
            }
            if found == word::free(self.next) {
                self.publish_gate(control);
                let last = closed & CLOSED_BY_PRODUCER != 0 && !self.is_claimed(control);
                return if last { Look::Closed } else { Look::Empty };
            }
            if found != word::skip(self.next) {
                return Look::Corrupt(Corrupt {
                    word: CorruptWord::Ready,
                    position: self.next,
                    found,
                });
            }
            self.release(words);
            if self.gate_is_due() {
                self.publish_gate(control);
            }
        }
        self.publish_gate(control);
        Look::Empty
    }

    /// Whether one of many producers has claimed the next position. With one producer there are no claims.
    pub(crate) fn is_claimed(&self, control: &Control) -> bool {
        self.producers == Producers::Many && tail::is_claimed(control, self.next)
    }

    /// Hands the slot of the next position back and steps on.
    #[inline(always)]
    pub(crate) fn release(&mut self, words: &impl Words) {
        self.release_at(words.at(self.next), self.next);
    }

    #[inline(always)]
    fn release_at(&mut self, word: &AtomicU64, position: u64) {
        // Release C1: the payload was read before whoever acquires this word writes over it (a successor's
        // scan, `Tail::refill_exact`). Storing into the line just read also makes it move whole to the
        // producer; see "The consumer writes into the slot" in ARCHITECTURE.md.
        word.store(word::ready(position).wrapping_add(self.hand_back), Release);
        self.next = position.wrapping_add(1);
    }

    /// Slots of the ring.
    pub(crate) fn capacity(&self) -> u64 {
        self.capacity
    }

    /// Whether the producer is to be told what is released: at each quarter of the ring.
    #[inline(always)]
    pub(crate) fn gate_is_due(&self) -> bool {
        self.next & self.gate_mask == 0
    }

    /// The gate is due at positions that have none of these bits.
    pub(crate) fn gate_mask(&self) -> u64 {
        self.gate_mask
    }

    /// Tells the producer what is released. `true` when there was something new to tell.
    pub(crate) fn publish_gate(&mut self, control: &Control) -> bool {
        if self.gate == self.next {
            return false;
        }
        self.gate = self.next;
        // Release G1: all payloads below were read before a producer acquires this in `Tail::refill` or
        // `shared::gate`.
        control.gate.0.store(self.gate, Release);
        true
    }

    /// Committed messages not yet taken; exact when the producer stands still, and never more than are
    /// there. Reads O(log capacity) slots; with many producers all those that are committed, up to one that is not.
    pub(crate) fn len(&self, words: &impl Words) -> u64 {
        // Relaxed: a hint for people; nothing is read or written on the strength of it.
        let found = |i| words.at(self.next.wrapping_add(i)).load(Relaxed);
        let is = |i, word: fn(u64) -> u64| found(i) == word(self.next.wrapping_add(i));
        match self.producers {
            Producers::One => prefix(self.capacity, |i| is(i, word::ready) || is(i, word::skip)),
            Producers::Many => {
                let there =
                    (0..self.capacity).take_while(|i| is(*i, word::ready) || is(*i, word::skip));
                there.filter(|i| is(*i, word::ready)).count() as u64
            }
        }
    }
}

/// What an onlooker sees: the position of the oldest message not yet taken, and how many there are from it
/// on. Exact while both sides stand still.
pub(crate) fn fill(words: &impl Words, control: &Control, capacity: u64) -> (u64, u64) {
    // Relaxed, here and below: for people; nothing is read or written on the strength of it.
    let gate = control.gate.0.load(Relaxed);
    let stage_at = |i: u64| {
        let p = gate.wrapping_add(i);
        stage(words.at(p).load(Relaxed), p, capacity)
    };
    let released = prefix(capacity, |i| stage_at(i) == Some(Stage::Released));
    let written = prefix(2 * capacity, |i| {
        matches!(stage_at(i), Some(Stage::Released | Stage::Committed))
    });
    (
        gate.wrapping_add(released),
        // Words that move, or lie, meanwhile can say more than there is room for.
        written.saturating_sub(released).min(capacity),
    )
}

/// The length of the prefix of `0..n` for which `holds` is true, given that it is a prefix.
pub(super) fn prefix(n: u64, holds: impl Fn(u64) -> bool) -> u64 {
    let (mut low, mut high) = (0, n);
    while low < high {
        let middle = low + (high - low) / 2;
        if holds(middle) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    low
}
