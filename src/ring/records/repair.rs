//! What becomes of a claim whose owner died.
//!
//! Done by the consumer, who alone holds the consumer's token. It is met with a claimed position `h` whose
//! header is 0 or `BUSY`, and turns it into padding if nobody alive can own it. Whoever owns `h` has
//! announced a run that contains it before the tail `T > h` was seen, so:
//!
//! * A living participant announces a run with `h` in it: it owns `h`, or will announce another run. Wait.
//! * The header is `BUSY`: it tells its own length.
//! * The header is 0: then nothing behind it was touched, up to the end of the claim. Each dead announcement
//!   with `h` in it names a candidate for that end. Several may have announced the same position with
//!   different lengths, of whom one won. A candidate `E` is *real* if `E = T`, or somebody announces exactly
//!   `E`, or the header at `E` is not 0. The smallest real one is the right one: a loser's shorter end lies
//!   in the winner's untouched zeroes and was never a tail; its longer one lies behind the winner's.
//!
//! Announcements are read before headers. Whoever claimed at the true end `E < T` announces it still, or has
//! announced another run since, and then (A2) its header at `E` is seen. So the true end is always found real.

use super::super::corrupt::{Corrupt, CorruptWord};
use super::super::words::Words;
use super::head::Head;
use crate::layout::control::Control;
use crate::layout::record::{self, HEADER, Shape};
use crate::sync::Ordering::{Acquire, Relaxed, Release};

/// What all participants announce, and whether they live.
pub(crate) trait Announcements {
    /// Entries of the table.
    fn count(&self) -> u32;
    /// Position and length in bytes that entry `i` announces, each read with Acquire (A2).
    fn run(&self, i: u32) -> (u64, u64);
    /// Whether the kernel says that nobody holds entry `i`.
    fn is_dead(&self, i: u32) -> bool;
}

/// What came of looking at the consumer's position.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Repair {
    /// Nobody has claimed it.
    Unclaimed,
    /// Somebody alive has it in hand, or it has changed meanwhile. Look again.
    Wait,
    /// It is padding now.
    Done,
    Corrupt(Corrupt),
}

/// Whether the run `(from, len)` contains `h`.
fn contains((from, len): (u64, u64), h: u64) -> bool {
    h.wrapping_sub(from) < len
}

impl Head {
    /// Turns the next position into padding if it was claimed and its owner died.
    pub(crate) fn repair(
        &self,
        words: &impl Words,
        control: &Control,
        table: &impl Announcements,
    ) -> Repair {
        let (h, shape) = (self.next(), self.shape());
        // First of all: every claim below it was announced.
        let tail = super::mpsc::tail(control);
        if tail == h {
            return Repair::Unclaimed;
        }
        if tail.wrapping_sub(h) > shape.capacity || !shape.is_aligned(tail) {
            return Repair::Corrupt(Corrupt {
                word: CorruptWord::Tail,
                position: h,
                found: tail,
            });
        }
        let mut end = None;
        for i in 0..table.count() {
            if !contains(table.run(i), h) {
                continue;
            }
            if !table.is_dead(i) {
                return Repair::Wait;
            }
            // Read again: it was alive a moment ago, perhaps. Now it is final.
            let (from, len) = table.run(i);
            let candidate = from.wrapping_add(len);
            if contains((from, len), h) && is_real(words, table, shape, tail, candidate) {
                let distance = candidate.wrapping_sub(h);
                end = Some(end.map_or(distance, |least: u64| least.min(distance)));
            }
        }
        // Acquire P1: whoever has published meanwhile is not robbed.
        let word = words.at(h).load(Acquire);
        let total = match (word, end) {
            (0, Some(distance)) => distance,
            (busy, _) if record::is_busy(busy) => shape.total(record::len(busy)),
            _ => return Repair::Wait,
        };
        if total < HEADER || total > tail.wrapping_sub(h) {
            return Repair::Corrupt(Corrupt {
                word: CorruptWord::Record,
                position: h,
                found: word,
            });
        }
        // A claim may pass the end of the ring; padding may not. The rest is met again there.
        let pad = record::pad(total.min(shape.room(h)));
        // Release P1: padding like any other. Relaxed: whoever was quicker is seen by the next look.
        match words.at(h).compare_exchange(word, pad, Release, Relaxed) {
            Ok(_) => Repair::Done,
            Err(_) => Repair::Wait,
        }
    }
}

/// Whether a claim ends, and another begins or may begin, at `end`.
fn is_real(
    words: &impl Words,
    table: &impl Announcements,
    shape: Shape,
    tail: u64,
    end: u64,
) -> bool {
    if end == tail {
        return true;
    }
    // Ends are in order: one that is not below the tail was never reached.
    if tail.wrapping_sub(end) > shape.capacity || !shape.is_aligned(end) {
        return false;
    }
    let announced = (0..table.count()).any(|i| {
        let (from, len) = table.run(i);
        from == end && len > 0
    });
    // Acquire A2: after the announcements, whose Acquire makes the header of whoever has moved on visible.
    announced || words.at(end).load(Acquire) != 0
}
