//! What becomes of a claim whose owner died.
//!
//! Done by the consumer, who alone holds the consumer's token. It is met with a claimed position `h` whose
//! header is 0 or `BUSY`, and turns it into padding if nobody alive can own it. Whoever owns `h` has
//! announced a run that contains it before the tail `T > h` was seen, so:
//!
//! * A living participant announces a run with `h` in it: it owns `h`, or will announce another run. Wait.
//! * The header is `BUSY`: it tells its own length.
//! * The header is 0: then nothing behind it was touched, up to the end of the claim, and the dead owner's
//!   announcement ends there. Others who are dead may have announced the same position with another length, and
//!   lost. Padding up to the *nearest* end of any dead announcement with `h` in it is right in any case: it does
//!   not pass the end of the claim. If that was a loser's, the rest of the claim is met again behind it, still
//!   untouched and still announced.

use super::super::announce::{Announcements, contains};
use super::super::corrupt::{Corrupt, CorruptWord};
use super::super::words::Words;
use super::head::Head;
use crate::layout::control::Control;
use crate::layout::record;
use crate::sync::Ordering::{Acquire, Relaxed, Release};

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
        let mut nearest = None;
        for i in 0..table.count() {
            if !contains(table.run(i), h) {
                continue;
            }
            if !table.is_dead(i) {
                return Repair::Wait;
            }
            // Read again: it was alive a moment ago, perhaps. Now it is final.
            let (from, len) = table.run(i);
            if contains((from, len), h) {
                let distance = from.wrapping_add(len).wrapping_sub(h);
                nearest = Some(nearest.map_or(distance, |least: u64| least.min(distance)));
            }
        }
        // Acquire P1: whoever has published meanwhile is not robbed.
        let word = words.at(h).load(Acquire);
        let total = match (word, nearest) {
            (0, Some(distance)) => distance,
            (busy, _) if record::is_busy(busy) => shape.total(record::len(busy)),
            _ => return Repair::Wait,
        };
        if !shape.is_aligned(total) || total > tail.wrapping_sub(h) {
            return Repair::Corrupt(Corrupt {
                word: CorruptWord::Record,
                position: h,
                found: word,
            });
        }
        // A claim may pass the end of the ring; padding may not. The rest is met again there.
        let pad = record::pad(total.min(shape.room(h)));
        // Release P1: padding like any other.
        // Relaxed: whoever was quicker is seen by the next look.
        match words.at(h).compare_exchange(word, pad, Release, Relaxed) {
            Ok(_) => Repair::Done,
            Err(_) => Repair::Wait,
        }
    }
}
