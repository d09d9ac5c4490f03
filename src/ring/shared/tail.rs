//! One of many producers of slots.
//!
//! It claims a run of free slots: announces it, moves the shared tail by one compare-exchange, writes, stores `READY`
//! in each. It never claims what is not free, so nothing has to be given back when the ring is full. What is free the
//! gate says ([`super::gate`]), and where that does not reach, the slots' words.

use super::super::announce::{announce, withdraw};
use super::super::back_off::BackOff;
use super::super::corrupt::{Corrupt, CorruptWord};
use super::super::words::Words;
use super::gate::{Credit, Look};
use super::{Run, distance};
use crate::layout::control::{CLOSED_BY_CONSUMER, CLOSED_BY_PRODUCER, Control};
use crate::layout::participant::Participant;
use crate::layout::word;
use crate::sync::Ordering::{Acquire, Relaxed, Release};

/// The bits of the shared tail that are no position.
const CLOSED: u64 = (CLOSED_BY_PRODUCER | CLOSED_BY_CONSUMER) as u64;

/// Why nothing was claimed.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The slot at the tail holds a message that was not yet released, as far as was looked.
    Full,
    /// A side has closed.
    Closed,
    Corrupt(Corrupt),
}

/// The shared tail's position as the word of a free slot there, and whether a side has closed.
pub(crate) fn tail(control: &Control) -> (u64, bool) {
    // Acquire A1: pairs with the Release in `claim`: whoever claimed below it has announced so.
    let tail = control.tail.0.load(Acquire);
    (tail & !CLOSED, tail & CLOSED != 0)
}

/// Whether `position` was claimed, seen from a head that is not further than the tail.
pub(crate) fn is_claimed(control: &Control, position: u64) -> bool {
    distance(tail(control).0, position) > 0
}

/// How many messages are there from `head` on, committed or being written.
pub(crate) fn ahead_of(control: &Control, head: u64) -> u64 {
    (distance(tail(control).0, head) / 4).max(0).cast_unsigned()
}

/// Claims up to `most` free slots, at least one. `mine` is this producer's entry, whose last claim is finished, `credit`
/// what it knows.
#[inline(always)]
pub(crate) fn claim(
    words: &impl Words,
    control: &Control,
    mine: &Participant,
    credit: &mut Credit,
    most: u64,
    look: Look,
) -> Result<Run, Refusal> {
    // Relaxed: the exchange below decides; what is read on the strength of this is compared with it.
    let mut seen = control.tail.0.load(Relaxed);
    let mut back_off = BackOff::new();
    loop {
        let from = word::position(seen);
        let mut free = 0;
        if seen & CLOSED == 0 {
            free = credit.left(from).min(most);
            if free < most {
                free = look_for_room(words, control, credit, from, most, look);
            }
        }
        if free == 0 {
            match refusal(words, control, seen, credit.waits_for_gate(look)) {
                Ok(now) => seen = now,
                Err(refusal) => return Err(refusal),
            }
            continue;
        }
        announce(mine, from, free);
        let end = from.wrapping_add(free);
        // Release A1: the announcement is visible to whoever acquires this tail, or a later one.
        // Relaxed: a tail that others have moved is only tried again.
        match control
            .tail
            .0
            .compare_exchange(seen, word::free(end), Release, Relaxed)
        {
            Ok(_) => return Ok(Run { next: from, end }),
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

/// How many slots from `from` on are free, at most `most`, where fewer were known.
#[inline(always)]
fn look_for_room(
    words: &impl Words,
    control: &Control,
    credit: &mut Credit,
    from: u64,
    most: u64,
    look: Look,
) -> u64 {
    let left = credit.left_now(control, from);
    if left >= most || credit.waits_for_gate(look) {
        return left.min(most);
    }
    let reach = credit.reach(look, most);
    let free = left + free_from(words, from.wrapping_add(left), reach - left);
    credit.learn(from, free);
    free.min(most)
}

/// How many slots from `from` on are free, at most `most`, by their words.
#[inline(always)]
fn free_from(words: &impl Words, from: u64, most: u64) -> u64 {
    let mut n = 0;
    while n < most {
        let position = from.wrapping_add(n);
        // Acquire C1: pairs with the Release in `Run::release`: what the slot held was read.
        if words.at(position).load(Acquire) != word::free(position) {
            break;
        }
        n += 1;
    }
    n
}

/// Why nothing can be claimed at the tail that was `seen`, by the gate or by the slot's word; or the tail as it is by now.
///
/// Never a call, as [`super::head`] says of its like.
#[inline(always)]
fn refusal(
    words: &impl Words,
    control: &Control,
    seen: u64,
    by_gate: bool,
) -> Result<u64, Refusal> {
    if seen & CLOSED != 0 {
        return Err(Refusal::Closed);
    }
    if by_gate {
        return Err(Refusal::Full);
    }
    let position = word::position(seen);
    // Acquire C1: before the tail is looked at again below.
    let found = words.at(position).load(Acquire);
    // Relaxed: compared for equality; the caller begins anew with it.
    let now = control.tail.0.load(Relaxed);
    // A slot that was released by now, or a tail that others have moved.
    if now != seen || found == word::free(position) {
        return Ok(now);
    }
    if distance(found, position) < 0 {
        return Err(Refusal::Full);
    }
    // Nobody commits or releases what nobody has claimed.
    Err(Refusal::Corrupt(Corrupt {
        word: CorruptWord::Ready,
        position,
        found,
    }))
}
