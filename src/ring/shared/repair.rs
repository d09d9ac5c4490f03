//! What becomes of the claims of participants that died.
//!
//! A position below the shared tail whose word is still `FREE` belongs to a producer: to somebody who announces it.
//! If nobody alive does, it becomes a tombstone. A position below the shared head whose word is still `READY` or
//! `SKIP` belongs to a consumer. If nobody alive announces it, another consumer may take it over: it announces the
//! position as its own, and then owns it.
//!
//! The order is what makes it right: first the shared position, then the announcements, then the word. Whoever
//! claimed the position announced it before the shared position passed it (A1). If that announcement is gone by the
//! time it is looked for, its owner has finished with the position, and the word read last shows it (A2).
//!
//! Making a tombstone is one compare-exchange that only one repairer wins, so it needs no lock. Taking over does:
//! two may not announce the same position at a time, each finding nobody else. Both survive the repairer's death at
//! any instruction: nothing is half done, and what it had taken over is announced.
//!
//! A ring may be made so that what dead consumers had in hand is dropped instead: it is released where it would have
//! been taken over, under the same lock ([`give_up`]).

use super::super::announce::{self, Announcements, is_announced_alive};
use super::super::words::Words;
use super::{Run, distance, head, tail};
use crate::layout::control::Control;
use crate::layout::participant::Participant;
use crate::layout::word;
use crate::sync::Ordering::{Acquire, Relaxed, Release};

/// What came of looking at one position.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Nobody's death holds it up.
    Settled,
    /// Somebody alive has it in hand, or will announce another run. Look again.
    Wait,
    /// It belonged to a consumer that died: whoever holds the admin token may take it over.
    Orphan,
}

/// Makes a tombstone of `position` if it was claimed by a producer that died.
pub(crate) fn tombstone(
    words: &impl Words,
    control: &Control,
    position: u64,
    producers: &impl Announcements,
) -> Verdict {
    if distance(tail::tail(control).0, position) <= 0 {
        return Verdict::Settled;
    }
    // Acquire P1: what is claimed and no longer free is settled for good.
    let is_free = || words.at(position).load(Acquire) == word::free(position);
    if !is_free() {
        return Verdict::Settled;
    }
    if is_announced_alive(producers, position) {
        return if is_free() {
            Verdict::Wait
        } else {
            Verdict::Settled
        };
    }
    // Release P1: a word like any other that consumers wait for.
    // Relaxed: whoever was quicker has settled it.
    let _ = words.at(position).compare_exchange(
        word::free(position),
        word::skip(position),
        Release,
        Relaxed,
    );
    Verdict::Settled
}

/// Whether `position`, which was seen below the head, belonged to a consumer that died. For the holder of the admin token.
pub(crate) fn orphan(words: &impl Words, position: u64, consumers: &impl Announcements) -> Verdict {
    // What was claimed and released is settled for good.
    if !is_in_hand(words, position) {
        return Verdict::Settled;
    }
    let alive = is_announced_alive(consumers, position);
    // Only now: see above.
    if !is_in_hand(words, position) {
        return Verdict::Settled;
    }
    if alive {
        Verdict::Wait
    } else {
        Verdict::Orphan
    }
}

/// Whether `position`, which a consumer has claimed, was not yet released.
fn is_in_hand(words: &impl Words, position: u64) -> bool {
    // Acquire P1: pairs with the Release of the producer: the payload is there for a new owner. Acquire C1: pairs with that
    // in `Run::release`: what is found released was read before a gate says so.
    let found = words.at(position).load(Acquire);
    found == word::ready(position) || found == word::skip(position)
}

/// Announces `run` in `mine` that a consumer which died had in hand and has announced in another entry. For the holder of
/// the admin token, who frees that entry only now.
pub(crate) fn take_over(control: &Control, mine: &Participant, run: Run) {
    announce::announce(mine, run.next, run.len());
    // Release A3: pairs with the Acquires in `gate::publish`. Who sees the count sees the announcement above. Who
    // does not, and finds the other entry freed, sees it afterwards.
    control.head.0.moved.fetch_add(1, Release);
}

/// Leaves of what the dead owner of `mine` has announced no more than `run`, which its next owner has inherited, and what
/// before that was released. For the holder of the admin token.
///
/// It is one store, because whoever reads an announcement that is replaced may find half of it: of a run that is
/// finished that does not matter, of one that is in hand it would look finished.
pub(crate) fn inherit(mine: &Participant, run: Run) {
    let (from, _) = announce::run(mine);
    let len = if run.is_empty() {
        0
    } else {
        run.end.wrapping_sub(from)
    };
    // Release A2: as in `announce`.
    mine.announce_len.store(len, Release);
}

/// Releases `run`, which consumers that died had in hand, undelivered, and gives how many messages that were. For the
/// holder of the admin token, who found it by [`estate`]: nobody else stores to these words.
pub(crate) fn give_up(words: &impl Words, control: &Control, capacity: u64, mut run: Run) -> u64 {
    let mut dropped = 0;
    while !run.is_empty() {
        let is_message = !run.is_skipped(words);
        run.release(words, capacity);
        if is_message {
            // Relaxed: for people. Behind the release: whoever dies in between has counted one too few.
            control.head.0.dropped.fetch_add(1, Relaxed);
            dropped += 1;
        }
    }
    dropped
}

/// How many messages were dropped since creation.
pub(crate) fn dropped(control: &Control) -> u64 {
    // Relaxed: for people.
    control.head.0.dropped.load(Relaxed)
}

/// How many slots of `announced` its producer has claimed and not committed. For people.
pub(crate) fn unfinished(
    words: &impl Words,
    control: &Control,
    capacity: u64,
    announced: (u64, u64),
) -> u64 {
    let tail = tail::tail(control).0;
    let is_unfinished = |position: &u64| {
        // Relaxed: see above.
        let found = words.at(*position).load(Relaxed);
        distance(tail, *position) > 0 && found == word::free(*position)
    };
    positions(announced, capacity).filter(is_unfinished).count() as u64
}

/// How many messages of `announced` are in its consumer's hands. For people.
pub(crate) fn in_hand(
    words: &impl Words,
    control: &Control,
    capacity: u64,
    announced: (u64, u64),
) -> u64 {
    let head = head::head(control);
    let is_in_hand = |position: &u64| {
        // Relaxed: see above.
        let found = words.at(*position).load(Relaxed);
        head.wrapping_sub(*position) as i64 > 0 && found == word::ready(*position)
    };
    positions(announced, capacity).filter(is_in_hand).count() as u64
}

/// Whether something of `announced`, if it was claimed by who announced it, is in its hands, or was when it died: as it is
/// released in order, the last. Both of `announced` were acquired, so if not, all of it was released.
pub(crate) fn is_unfinished(words: &impl Words, control: &Control, announced: (u64, u64)) -> bool {
    let (from, len) = announced;
    let last = from.wrapping_add(len).wrapping_sub(1);
    len > 0 && head::head(control).wrapping_sub(last) as i64 > 0 && is_in_hand(words, last)
}

/// The positions of a run that somebody announced; no more than a ring has.
pub(crate) fn positions((from, len): (u64, u64), capacity: u64) -> impl Iterator<Item = u64> {
    (0..len.min(capacity)).map(move |i| from.wrapping_add(i))
}

/// Settles everything that the dead owner of a producer's entry announced last. `false` if that has to wait.
pub(crate) fn settle_claims(
    words: &impl Words,
    control: &Control,
    capacity: u64,
    run: (u64, u64),
    producers: &impl Announcements,
) -> bool {
    positions(run, capacity).fold(true, |settled, position| {
        settled & (tombstone(words, control, position, producers) == Verdict::Settled)
    })
}

/// What a consumer that died has left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Estate {
    /// What can be taken over: one behind the other, because a consumer claims and releases in order.
    pub(crate) run: Run,
    /// Whether nothing else is left that has to wait.
    pub(crate) settled: bool,
}

/// What is left of `announced`, which a consumer that died had announced. For the holder of the admin token; for others
/// only whether there is something.
pub(crate) fn estate(
    words: &impl Words,
    control: &Control,
    capacity: u64,
    announced: (u64, u64),
    consumers: &impl Announcements,
) -> Estate {
    let (mut run, mut settled) = (Run::NONE, true);
    // Once, and before all else. What was not claimed by then, its dead owner has not claimed. Asked for each position, the
    // end of another one's later claim would look like what is left of this one.
    let head = head::head(control);
    for position in positions(announced, capacity) {
        if head.wrapping_sub(position) as i64 <= 0 {
            break;
        }
        match orphan(words, position, consumers) {
            Verdict::Settled => {}
            Verdict::Wait => {
                settled = false;
                if run.is_empty() {
                    // Nothing is taken from behind it: of what one has claimed, the last is released last, whoever does it.
                    // That is how others tell that all of it is.
                    break;
                }
            }
            Verdict::Orphan if run.is_empty() => {
                run = Run {
                    next: position,
                    end: position.wrapping_add(1),
                };
            }
            Verdict::Orphan if run.end == position => run.end = position.wrapping_add(1),
            // Behind a gap: it was another one's who died, and who has announced it too. Or behind one that waits: it stays
            // where it is, because this is not settled.
            Verdict::Orphan => {}
        }
    }
    Estate { run, settled }
}
