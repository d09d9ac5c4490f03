//! The one producer of a ring of records.
//!
//! It keeps its tail and its credit to itself. The word at the tail is never that of a record or of padding:
//! before a record is published the place of the next header is cleared if it looks like one, which is also
//! what ends a successor's search for the tail. So what an aborted or dead claim left behind needs no care.
//!
//! For onlookers it says in `control.tail` how far it may write, a quarter of the ring at a time.

use super::super::corrupt::{Corrupt, CorruptWord};
use super::super::words::Words;
use super::{Exactly, Room};
use crate::layout::control::Control;
use crate::layout::record::{self, Record, Shape};
use crate::sync::Ordering::{Acquire, Relaxed, Release};
use crate::sync::fence;

/// Where the consumer is.
fn first(control: &Control, shape: Shape) -> Result<u64, Corrupt> {
    // Acquire C1: pairs with the Release in `Head::release`.
    let taken = control.head.0.taken.load(Acquire);
    if shape.is_aligned(taken) {
        return Ok(taken);
    }
    Err(bad_head(taken))
}

fn bad_head(found: u64) -> Corrupt {
    Corrupt {
        word: CorruptWord::Head,
        position: found,
        found,
    }
}

/// A place so far behind the record is not worth a look: its line is not here yet, and a store need not wait
/// for it.
const ASKED_AHEAD: u64 = 512;

/// The producer's private half.
#[derive(Debug)]
pub(crate) struct Tail {
    next: u64,
    /// A record may end here at the latest, the place of the next header is behind it: where credit ends, or the ring,
    /// whichever comes first.
    limit: u64,
    /// Where credit ends.
    credit: u64,
    /// What onlookers were told.
    told: u64,
    shape: Shape,
}

impl Tail {
    /// Finds where the last producer stopped. For the holder of the producer's token only.
    ///
    /// Goes from header to header from where the consumer is; the first place without one is the tail, unless
    /// the consumer has come there meanwhile and marked it.
    pub(crate) fn resume(
        words: &impl Words,
        control: &Control,
        shape: Shape,
    ) -> Result<Self, Corrupt> {
        let mut next = first(control, shape)?;
        // A lap of records, and what the consumer takes meanwhile; a lying consumer cannot prolong it.
        let mut left = 2 * shape.capacity;
        loop {
            // Relaxed: the predecessor's words are ordered by the kernel lock that changed hands, the consumer's
            // marks by the fence.
            let word = words.at(next).load(Relaxed);
            if !record::is_header(word) {
                // Acquire Z2: pairs with the fence in `Head::release`: if the consumer has marked this header,
                // it is seen to have passed it.
                fence(Acquire);
                let taken = first(control, shape)?;
                let passed = taken.wrapping_sub(next);
                if passed as i64 <= 0 {
                    break;
                }
                if passed > left {
                    return Err(bad_head(taken));
                }
                (next, left) = (taken, left - passed);
                continue;
            }
            let total = shape.total(record::len(word));
            if total > shape.room(next) || total > left {
                return Err(Corrupt {
                    word: CorruptWord::Record,
                    position: next,
                    found: word,
                });
            }
            (next, left) = (next.wrapping_add(total), left - total);
        }
        Ok(Self {
            next,
            // No credit: the first push asks for it.
            limit: next,
            credit: next,
            // Relaxed: the predecessor's; as above.
            told: control.tail.0.load(Relaxed),
            shape,
        })
    }

    /// The position the next record will have, unless padding comes first.
    #[inline(always)]
    pub(crate) fn next(&self) -> u64 {
        self.next
    }

    /// How records lie in this ring.
    pub(crate) fn shape(&self) -> Shape {
        self.shape
    }

    /// Whether `total` bytes of records are known to fit at [`Tail::next`], from private knowledge alone.
    #[inline(always)]
    pub(crate) fn has_room(&self, total: u64) -> bool {
        total <= self.limit.wrapping_sub(self.next)
    }

    /// Makes room for `total` bytes of records, at most half of the ring, at [`Tail::next`]. Pads to the end
    /// of the ring if they do not fit before it.
    #[cold]
    #[inline(never)]
    pub(crate) fn make_room(
        &mut self,
        words: &impl Words,
        control: &Control,
        total: u64,
        exactly: Exactly,
    ) -> Room {
        let room = self.shape.room(self.next);
        let need = if total <= room { total } else { room + total };
        if need > self.credit.wrapping_sub(self.next) {
            match self.refill(control, need, exactly) {
                Room::Free => {}
                none => return none,
            }
            if need > self.credit.wrapping_sub(self.next) {
                return Room::Full;
            }
        }
        if total > room {
            self.publish(words, record::pad(room), room);
        }
        let credit = self.credit.wrapping_sub(self.next);
        let room = self.shape.room(self.next);
        self.limit = self.next.wrapping_add(credit.min(room));
        Room::Free
    }

    /// Learns how far the consumer has come, and takes credit for `need` bytes or a quarter of the ring.
    fn refill(&mut self, control: &Control, need: u64, exactly: Exactly) -> Room {
        // Acquire X1: pairs with the Release in `close_*`.
        if control.closed.0.load(Acquire) != 0 {
            self.forget_credit();
            return Room::Closed;
        }
        let (word, free) = match exactly {
            // Acquire G1: pairs with the Release in `Head::publish_gate`: what the consumer read is read
            // before the producer writes over it.
            Exactly::No => (CorruptWord::Gate, control.gate.0.load(Acquire)),
            // Acquire Z1: pairs with the Release in `Head::release`: the same, of what was not yet announced.
            Exactly::Yes => (CorruptWord::Head, control.head.0.wiped.load(Acquire)),
        };
        let limit = free.wrapping_add(self.shape.capacity - self.shape.align());
        // The gate may lag behind what an exact look has shown, but never by a lap; what is outside that cannot
        // be honest, and must not buy room.
        if self.next.wrapping_sub(free) > 2 * self.shape.capacity {
            return Room::Corrupt(Corrupt {
                word,
                position: self.next,
                found: free,
            });
        }
        let free = limit.wrapping_sub(self.next);
        if free as i64 > 0 {
            let step = need.max(self.shape.capacity / 4);
            self.grant(control, self.next.wrapping_add(free.min(step)));
        }
        Room::Free
    }

    /// Takes credit up to `limit`, and tells onlookers before anything is written there.
    fn grant(&mut self, control: &Control, limit: u64) {
        if limit.wrapping_sub(self.credit) as i64 <= 0 {
            return;
        }
        self.credit = limit;
        if limit.wrapping_sub(self.told) as i64 > 0 {
            self.told = limit;
            // Release O1: whoever sees this limit sees how far the consumer was when it was given.
            control.tail.0.store(limit, Release);
            // Release O1: whoever reads what is written from here on, and then looks, finds this limit.
            fence(Release);
        }
    }

    /// Publishes the next record, whose payload was written. There must be room for it.
    #[inline(always)]
    pub(crate) fn commit(&mut self, words: &impl Words, record: Record) {
        self.publish(words, record.word(), record.total);
    }

    #[inline(always)]
    fn publish(&mut self, words: &impl Words, word: u64, total: u64) {
        let header = words.at(self.next);
        let next = self.next.wrapping_add(total);
        let behind = words.at(next);
        self.next = next;
        // Relaxed, both: the consumer has done with that place; published by the next store. Where there is no
        // header the line stays where it is.
        if total > ASKED_AHEAD || record::is_header(behind.load(Relaxed)) {
            behind.store(0, Relaxed);
        }
        // Release P1: the payload, and the cleared place behind it, are visible to whoever acquires this
        // word in `Head::find_at`.
        header.store(word, Release);
    }

    /// Sends the next push the slow way, where it will notice a close.
    pub(crate) fn forget_credit(&mut self) {
        self.limit = self.next;
        self.credit = self.next;
    }

    /// Bytes committed and not yet taken, headers and padding included. Never less than it is.
    pub(crate) fn lag_bytes(&self, control: &Control) -> u64 {
        // Relaxed: a hint for people.
        self.next.wrapping_sub(control.head.0.taken.load(Relaxed))
    }
}
