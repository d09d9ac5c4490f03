//! The producers of a ring of records that many share.
//!
//! A producer announces what it is about to claim in its own line of the participant table, claims it by one
//! compare-exchange on the shared tail, says `BUSY` in the header, writes, says `READY`. All free space is
//! zero (see [`super::head`]), so a claim whose owner died before `BUSY` is all zeroes, and its announcement
//! tells how long it is ([`super::repair`]).
//!
//! A claim may hold a run of records. They are begun and committed in order, so what is behind the first
//! header that is 0 was not touched.
//!
//! An announcement needs no clearing once its claim is written. A producer that loses the
//! exchange withdraws it: nobody may wait for the claim of somebody who waits for room.

use super::super::announce::{announce, withdraw};
use super::super::back_off::BackOff;
use super::super::corrupt::{Corrupt, CorruptWord};
use super::super::words::Words;
use super::{Exactly, Room};
use crate::layout::control::{CLOSED_BY_CONSUMER, CLOSED_BY_PRODUCER, Control};
use crate::layout::participant::Participant;
use crate::layout::record::{self, Record, Shape};
use crate::sync::Ordering::{Acquire, Relaxed, Release};
use crate::sync::fence;

/// The bits of the shared tail that are no position.
const CLOSED: u64 = (CLOSED_BY_PRODUCER | CLOSED_BY_CONSUMER) as u64;

/// The shared tail's position.
pub(crate) fn tail(control: &Control) -> u64 {
    // Acquire A1: pairs with the Release in `Tail::claim`: whoever claimed below it has announced so.
    control.tail.0.load(Acquire) & !CLOSED
}

/// Whether the consumer has passed everything that was ever claimed.
pub(crate) fn is_drained(control: &Control) -> bool {
    let tail = tail(control);
    // Relaxed: the consumer asks, whose own word it is.
    control.head.0.taken.load(Relaxed) == tail
}

/// Whether nothing hangs any more on what the dead owner of `entry` announced last. For the holder of its token.
pub(crate) fn is_settled(
    words: &impl Words,
    control: &Control,
    shape: Shape,
    entry: &Participant,
) -> bool {
    // The tail first: all that the dead owner has ever claimed is below it.
    let tail = tail(control);
    // Acquire C1: pairs with the Release in `Head::release`.
    let taken = || control.head.0.taken.load(Acquire);
    // Relaxed, both: the token orders the owner's words.
    let from = entry.announce.load(Relaxed);
    let len = entry.announce_len.load(Relaxed);
    let end = from.wrapping_add(len);
    let not_behind = |a: u64, b: u64| a.wrapping_sub(b) as i64 >= 0;
    let begin = taken();
    // It was never claimed, or it was passed, or nobody's claim is unfinished.
    if len == 0 || not_behind(from, tail) || not_behind(begin, end) || not_behind(begin, tail) {
        return true;
    }
    // Or all that is left of it was committed.
    let begin = if not_behind(begin, from) { begin } else { from };
    let mut left = end.wrapping_sub(begin);
    while left > 0 {
        let at = end.wrapping_sub(left);
        // Acquire P1: before the second look at `taken` below.
        let word = words.at(at).load(Acquire);
        let total = shape.total(record::len(word));
        if !record::is_header(word) || total > shape.room(at) || left > shape.capacity {
            return false;
        }
        left = left.saturating_sub(total);
    }
    // If the consumer has passed the beginning meanwhile, those may have been headers of another lap.
    not_behind(begin, taken()) || not_behind(taken(), end)
}

/// The same, where everything below the position `finished` is known to be a record or padding.
pub(crate) fn is_settled_below(control: &Control, finished: u64, entry: &Participant) -> bool {
    // Relaxed, both: the token orders the owner's words.
    let from = entry.announce.load(Relaxed);
    let len = entry.announce_len.load(Relaxed);
    // What the dead owner has claimed lies below the tail, and in what it has announced.
    let not_behind = |end: u64| finished.wrapping_sub(end) as i64 >= 0;
    not_behind(tail(control)) || not_behind(from.wrapping_add(len))
}

/// How many bytes of what was `announced` are claimed and unfinished. For people.
pub(crate) fn unfinished(
    words: &impl Words,
    control: &Control,
    shape: Shape,
    announced: (u64, u64),
) -> u64 {
    let (from, len) = announced;
    // Relaxed: see above.
    let taken = control.head.0.taken.load(Relaxed);
    // As distances from what was taken: at most a ring, if nobody lies.
    let claimed = tail(control).wrapping_sub(taken).min(shape.capacity);
    let end = (from.wrapping_add(len).wrapping_sub(taken) as i64).clamp(0, claimed as i64) as u64;
    let mut at = (from.wrapping_sub(taken) as i64).clamp(0, claimed as i64) as u64;
    while len > 0 && at < end {
        // Relaxed: see above.
        let word = words.at(taken.wrapping_add(at)).load(Relaxed);
        if !record::is_header(word) {
            return end - at;
        }
        at += shape.total(record::len(word));
    }
    0
}

/// Bytes of the ring that belong to one producer until it commits them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Claim {
    /// Where the next record of the claim begins.
    pub(crate) next: u64,
    /// Behind the last one.
    pub(crate) end: u64,
}

/// One producer's private half.
#[derive(Debug)]
pub(crate) struct Tail {
    /// No claim may end behind this, as far as is known here.
    limit: u64,
    shape: Shape,
}

impl Tail {
    /// Begins without credit. For the holder of a producer's token whose entry is free of old claims.
    pub(crate) fn new(control: &Control, shape: Shape) -> Result<Self, Corrupt> {
        let tail = tail(control);
        if !shape.is_aligned(tail) {
            return Err(bad_tail(tail));
        }
        Ok(Self { limit: tail, shape })
    }

    /// How records lie in this ring.
    pub(crate) fn shape(&self) -> Shape {
        self.shape
    }

    /// Claims `total` bytes in one piece, at most half of the ring. Pads to the end of the ring if they do
    /// not fit before it. `mine` is this producer's entry.
    pub(crate) fn claim(
        &mut self,
        words: &impl Words,
        control: &Control,
        mine: &Participant,
        total: u64,
        exactly: Exactly,
    ) -> Result<Claim, Room> {
        // Relaxed: the exchange below decides; nothing is read on the strength of this.
        let mut seen = control.tail.0.load(Relaxed);
        let mut back_off = BackOff::new();
        loop {
            let room = self.shape.room(seen);
            let pad = if total <= room { 0 } else { room };
            match self.admits(control, seen, pad + total, exactly) {
                Room::Free => {}
                refusal => return Err(refusal),
            }
            announce(mine, seen, pad + total);
            let end = seen.wrapping_add(pad + total);
            // Release A1: the announcement is visible to whoever acquires this tail, or a later one.
            // Relaxed: a tail that others have moved is only tried again.
            match control.tail.0.compare_exchange(seen, end, Release, Relaxed) {
                Ok(_) => {
                    if pad > 0 {
                        // Release P1: like any other record's header. Before BUSY: what lies behind a header
                        // that is 0 was not touched.
                        words.at(seen).store(record::pad(pad), Release);
                    }
                    return Ok(Claim {
                        next: seen.wrapping_add(pad),
                        end,
                    });
                }
                Err(_) => {
                    // Nobody is to wait for the claim of somebody who rests, or waits for room.
                    withdraw(mine);
                    back_off.lost();
                }
            }
            // Relaxed: as above.
            seen = control.tail.0.load(Relaxed);
        }
    }

    /// Whether `need` bytes from the tail `seen` on are free.
    #[inline]
    fn admits(&mut self, control: &Control, seen: u64, need: u64, exactly: Exactly) -> Room {
        // The closed bits are below every alignment: one test for both.
        if !self.shape.is_aligned(seen) {
            return match seen & CLOSED {
                0 => Room::Corrupt(bad_tail(seen)),
                _ => Room::Closed,
            };
        }
        if fits(self.limit, seen, need) {
            return Room::Free;
        }
        let (word, free) = match exactly {
            // Acquire G1: pairs with the Release in `Head::publish_gate`: what lies below is read and wiped.
            Exactly::No => (CorruptWord::Gate, control.gate.0.load(Acquire)),
            // Acquire Z1: pairs with the Release in `Head::release`: the same, of what was not yet announced.
            Exactly::Yes => (CorruptWord::Head, control.head.0.wiped.load(Acquire)),
        };
        // Negative if others have moved the tail meanwhile, and the consumer has come further than `seen`; or if
        // it lies, which buys no more room than an empty ring has.
        let used = seen.wrapping_sub(free) as i64;
        if used > 2 * self.shape.capacity as i64 {
            return Room::Corrupt(Corrupt {
                word,
                position: seen,
                found: free,
            });
        }
        let limit = seen
            .wrapping_sub(used.max(0) as u64)
            .wrapping_add(self.shape.capacity);
        if limit.wrapping_sub(self.limit) as i64 > 0 {
            self.limit = limit;
        }
        if fits(self.limit, seen, need) {
            Room::Free
        } else {
            Room::Full
        }
    }
}

fn bad_tail(found: u64) -> Corrupt {
    Corrupt {
        word: CorruptWord::Tail,
        position: found,
        found,
    }
}

/// Whether `need` bytes from `at` on end at `limit` at the latest.
#[inline(always)]
fn fits(limit: u64, at: u64, need: u64) -> bool {
    limit.wrapping_sub(at) as i64 >= need as i64
}

impl Claim {
    /// Says that a record of `len` payload bytes is being written at [`Claim::next`]. Only then may it be.
    #[inline(always)]
    pub(crate) fn begin(&self, words: &impl Words, len: u32) {
        // Relaxed: for repairers, who read it after the owner's death (ordered by the kernel lock), or after
        // its next announcement (A2).
        words.at(self.next).store(record::busy(len), Relaxed);
        // Release A2: no byte of the payload comes before it, also where nothing but the compiler would move it.
        fence(Release);
    }

    /// Publishes the record at [`Claim::next`], whose payload was written, and steps behind it.
    #[inline(always)]
    pub(crate) fn commit(&mut self, words: &impl Words, record: Record) {
        // Release P1: the payload is visible to whoever acquires this word in `Head::find_at`.
        words.at(self.next).store(record.word(), Release);
        self.next = self.next.wrapping_add(record.total);
    }

    /// Publishes the record at [`Claim::next`] and gives up the rest of the claim.
    pub(crate) fn commit_last(mut self, words: &impl Words, record: Record) {
        let at = self.next;
        self.next = at.wrapping_add(record.total);
        // The padding first: no record's end may be followed by what was written into it.
        self.abort(words);
        self.next = at;
        self.commit(words, record);
    }

    /// Gives up what is left of the claim: it becomes padding.
    pub(crate) fn abort(&self, words: &impl Words) {
        let left = self.end.wrapping_sub(self.next);
        if left > 0 {
            // Release P1: as in `commit`.
            words.at(self.next).store(record::pad(left), Release);
        }
    }
}
