//! One of many consumers of slots.
//!
//! It claims a run of committed slots: announces it, moves the shared head by one compare-exchange, reads, releases
//! each. So each message goes to one consumer, and a consumer that dies has announced what was in its hands.

use super::super::announce::{announce, withdraw};
use super::super::back_off::BackOff;
use super::super::close;
use super::super::corrupt::{Corrupt, CorruptWord};
use super::super::sides::Producers;
use super::super::words::Words;
use super::{Run, distance, tail};
use crate::layout::control::Control;
use crate::layout::participant::Participant;
use crate::layout::word;
use crate::sync::Ordering::{Acquire, Relaxed, Release};

/// Why nothing was claimed.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Nothing {
    /// Nothing is committed at the head. `claimed`: a producer has claimed it and not finished.
    Empty {
        claimed: bool,
    },
    /// Closed, and every message was claimed. What a dead consumer had in its hands may come again.
    Drained,
    Corrupt(Corrupt),
}

/// The shared head's position.
pub(crate) fn head(control: &Control) -> u64 {
    // Acquire A1: pairs with the Release in `take_there`: whoever claimed below it has announced so.
    control.head.0.taken.load(Acquire)
}

/// Claims up to `most` messages that are there, at least one; some of them may be tombstones. `mine` is this
/// consumer's entry, whose last claim is finished. Else says why not.
#[inline]
pub(crate) fn take(
    words: &impl Words,
    control: &Control,
    mine: &Participant,
    most: u64,
    producers: Producers,
) -> Result<Run, Nothing> {
    loop {
        if let Some(run) = take_there(words, control, mine, most) {
            return Ok(run);
        }
        if let Some(nothing) = nothing(words, control, producers) {
            return Err(nothing);
        }
    }
}

/// The same, and does not say why not: who looks for that takes the tail's line from the producer that is about to exchange it.
#[inline(always)]
pub(crate) fn take_there(
    words: &impl Words,
    control: &Control,
    mine: &Participant,
    most: u64,
) -> Option<Run> {
    // Relaxed: the exchange below decides; what is read on the strength of this is compared with it.
    let mut seen = control.head.0.taken.load(Relaxed);
    let mut back_off = BackOff::new();
    loop {
        let there = committed_from(words, seen, most);
        if there == 0 {
            // Relaxed: compared for equality; begins anew with it.
            let now = control.head.0.taken.load(Relaxed);
            if now == seen {
                return None;
            }
            seen = now;
            continue;
        }
        announce(mine, seen, there);
        let end = seen.wrapping_add(there);
        // Release A1: the announcement is visible to whoever acquires this head, or a later one.
        // Relaxed: a head that others have moved is only tried again.
        match control
            .head
            .0
            .taken
            .compare_exchange(seen, end, Release, Relaxed)
        {
            Ok(_) => return Some(Run { next: seen, end }),
            Err(_) => {
                // Nobody is to wait for what somebody has in hand who rests, or found nothing.
                withdraw(mine);
                back_off.lost();
            }
        }
        // Relaxed: as above.
        seen = control.head.0.taken.load(Relaxed);
    }
}

/// How many messages from `from` on are there, tombstones included, at most `most`.
#[inline(always)]
fn committed_from(words: &impl Words, from: u64, most: u64) -> u64 {
    let mut n = 0;
    while n < most {
        let position = from.wrapping_add(n);
        // Acquire P1: pairs with the Release in `Run::commit`, `alone::Tail::put`: the payload is there.
        let found = words.at(position).load(Acquire);
        if found != word::ready(position) && found != word::skip(position) {
            break;
        }
        n += 1;
    }
    n
}

/// Why there is nothing at the head; `None` if there may be something by now.
#[inline]
fn nothing(words: &impl Words, control: &Control, producers: Producers) -> Option<Nothing> {
    // Relaxed: compared for equality below.
    let seen = control.head.0.taken.load(Relaxed);
    // Acquire X1: pairs with the Release in `close_*`. Loaded before the word, so that a message committed before
    // the close is seen below.
    let closed = control.closed.0.load(Acquire);
    // Before the word as well: what is claimed later may still be committed.
    let (tail, tail_closed) = tail::tail(control);
    // Acquire P1: as in `committed_from`.
    let found = words.at(seen).load(Acquire);
    // Relaxed: compared for equality.
    let now = control.head.0.taken.load(Relaxed);
    let is_there = found == word::ready(seen) || found == word::skip(seen);
    if now != seen || is_there {
        return None;
    }
    if distance(found, seen) > 0 || (found & word::STATE != 0 && distance(found, seen) == 0) {
        // Nobody releases what nobody has taken.
        return Some(Nothing::Corrupt(Corrupt {
            word: CorruptWord::Ready,
            position: seen,
            found,
        }));
    }
    let (claimed, drained) = match producers {
        Producers::One => (false, closed != 0),
        Producers::Many => {
            let claimed = tail != word::free(seen);
            (claimed, tail_closed && !claimed)
        }
    };
    if drained {
        if producers == Producers::Many {
            // Whoever closed may have died before it said so to those who come.
            close::finish_shared(control);
        }
        return Some(Nothing::Drained);
    }
    Some(Nothing::Empty { claimed })
}

/// Whether a message is there to be claimed. A hint: another consumer may be quicker.
pub(crate) fn is_ready(words: &impl Words, control: &Control) -> bool {
    // Relaxed: see above.
    committed_from(words, control.head.0.taken.load(Relaxed), 1) == 1
}
