//! What becomes of a claim whose owner died.
//!
//! Done by the consumer, or by whoever holds the consumer's token while there is none ([`Head::repair_all`]). It is met
//! with a claimed position `h` whose header is 0 or `BUSY`, and turns it into padding if nobody alive can own it. Whoever owns `h` has
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
use crate::layout::record::{self, Shape};
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

/// How far [`Head::repair_all`] came.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Walk {
    /// Everything below this position, which was the shared tail, is a record or padding.
    Finished(u64),
    /// Somebody alive has this position in hand, or may have.
    Waits(u64),
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
        pad(words, control, self.shape(), self.next(), table)
    }

    /// Turns whatever the dead have claimed from the next position on, up to the first claim of somebody alive, into
    /// padding, and takes nothing. What makes the rule right at the consumer's position makes it right at any that is
    /// reached from there over records and padding: nobody but the consumer changes those, and that is the caller.
    pub(crate) fn repair_all(
        &self,
        words: &impl Words,
        control: &Control,
        table: &impl Announcements,
    ) -> Walk {
        let shape = self.shape();
        let (mut at, mut left) = (self.next(), shape.capacity);
        // Each turn passes a record or padding, makes some, or is the last. Bounded for peers that lie.
        for _ in 0..=2 * (shape.capacity / shape.align()) {
            if left == 0 {
                return Walk::Finished(at);
            }
            // Acquire P1: what lies behind it belongs to a later claim.
            let word = words.at(at).load(Acquire);
            if record::is_header(word) {
                let total = shape.total(record::len(word));
                if total > shape.room(at) || total > left {
                    return Walk::Corrupt(bad_record(at, word));
                }
                (at, left) = (at.wrapping_add(total), left - total);
                continue;
            }
            match pad(words, control, shape, at, table) {
                Repair::Done => {}
                Repair::Unclaimed => return Walk::Finished(at),
                Repair::Wait => return Walk::Waits(at),
                Repair::Corrupt(e) => return Walk::Corrupt(e),
            }
        }
        Walk::Waits(at)
    }
}

fn bad_record(position: u64, found: u64) -> Corrupt {
    Corrupt {
        word: CorruptWord::Record,
        position,
        found,
    }
}

/// Turns the position `h`, at which a record begins if it was claimed, into padding if its owner died.
fn pad(
    words: &impl Words,
    control: &Control,
    shape: Shape,
    h: u64,
    table: &impl Announcements,
) -> Repair {
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
        return Repair::Corrupt(bad_record(h, word));
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
