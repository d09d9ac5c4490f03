//! How far the producer of a broadcast may write, and which readers it waits for.
//!
//! The frontier (`control.tail`) is a promise made before it is used: nothing at or behind it is written. So what
//! lies less than a ring below it was not overwritten, and a reader that wants to be waited for may begin there.
//!
//! A reader that is to be waited for stores its position, sets its bit in `control.gating`, fences, and only then
//! looks at the frontier. The producer stores a new frontier, fences, and only then looks who is to be waited for.
//! Written as a case split; fences are totally ordered:
//! * F(reader) first: the producer sees the bit and the position, and writes no further than they allow.
//! * F(producer) first: the reader sees the frontier; if its position lies too far below, it chooses another.
//!
//! The bits may be cleared by the reader that leaves, by the producer for a reader that died, and by the producer for
//! a laggard that it no longer waits for. Readers check everything they copy, so a reader that lost its bit is told
//! what it lost like any other.

use super::super::corrupt::{Corrupt, CorruptWord};
use super::Room;
use crate::layout::control::{CLOSED_BY_PRODUCER, Control};
use crate::layout::participant::Participant;
use crate::sync::Ordering::{Acquire, Relaxed, Release, SeqCst};
use crate::sync::fence;

/// The readers that a producer may have to wait for.
pub(crate) trait Cursors {
    /// Places for readers.
    fn count(&self) -> u32;
    /// What the reader at place `i` has published, by [`cursor`].
    fn cursor(&self, i: u32) -> u64;
}

/// Below which the owner of `entry` has read everything.
pub(crate) fn cursor(entry: &Participant) -> u64 {
    // Acquire G2: pairs with the Release in `publish`: what lies below was read before it is written over.
    entry.announce.load(Acquire)
}

/// Says in `mine` that everything below `position` was read.
pub(crate) fn publish(mine: &Participant, position: u64) {
    // Release G2: everything below was read before a producer that acquires this writes over it.
    mine.announce.store(position, Release);
}

/// The frontier.
#[inline(always)]
pub(crate) fn frontier(control: &Control) -> u64 {
    // Acquire B2: pairs with the Release in `Credit::refill`: the marks stored before it are seen.
    control.tail.0.load(Acquire)
}

/// What to say of a frontier that makes no sense.
pub(crate) fn corrupt(control: &Control) -> Corrupt {
    let found = frontier(control);
    Corrupt {
        word: CorruptWord::Tail,
        position: found,
        found,
    }
}

/// How much further the frontier moves at a time, at least.
pub(crate) fn step(capacity: u64) -> u64 {
    (capacity / 4).max(1)
}

/// The word and the bit of place `i`.
fn gate_of(control: &Control, i: u32) -> (&crate::sync::AtomicU64, u64) {
    (&control.gating.0[i as usize / 64], 1 << (i % 64))
}

/// Whether the producer waits for the reader at place `i`.
pub(crate) fn is_gating(control: &Control, i: u32) -> bool {
    let (word, bit) = gate_of(control, i);
    // Relaxed: for people, and for a reader that asks about itself, after a fence (B3).
    word.load(Relaxed) & bit != 0
}

/// Makes the producer no longer wait for the reader at place `i`.
pub(crate) fn ungate(control: &Control, i: u32) {
    let (word, bit) = gate_of(control, i);
    // Relaxed: whoever clears it late only waits in vain; what the reader has read is published by its cursor.
    word.fetch_and(!bit, Relaxed);
    // Release B3: whoever reads what is written from here on, and then looks, finds the bit cleared; there may be no
    // new frontier to tell it.
    fence(Release);
}

/// Makes the producer wait for the reader at place `i`, whose entry is `mine`, from a position on that `choose` gives
/// for a frontier no further than `reach` ahead of it. Gives the position; or what `choose` says against it, or `None` if
/// the frontier behaves as no honest one does; then the producer does not wait.
pub(crate) fn gate<E>(
    control: &Control,
    (i, mine): (u32, &Participant),
    reach: u64,
    mut choose: impl FnMut() -> Result<u64, E>,
) -> Result<Option<u64>, E> {
    let (word, bit) = gate_of(control, i);
    for _ in 0..GATE_TRIES {
        let position = match choose() {
            Ok(position) => position,
            Err(e) => {
                ungate(control, i);
                return Err(e);
            }
        };
        publish(mine, position);
        // Release G3: whoever sees the bit sees the position.
        word.fetch_or(bit, Release);
        // SeqCst B1: F(reader) of the case split above; its partner is in `Credit::refill`.
        fence(SeqCst);
        // Relaxed: ordered by the fence. From the second round on the producer is held by the round before.
        let limit = control.tail.0.load(Relaxed);
        if limit.wrapping_sub(position) as i64 <= reach.cast_signed() {
            return Ok(Some(position));
        }
    }
    ungate(control, i);
    Ok(None)
}

/// How often a joining reader tries; honest producers let it in at the third time.
const GATE_TRIES: u32 = 8;

/// The producer's credit.
#[derive(Debug)]
pub(crate) struct Credit {
    /// First position that may not be written.
    limit: u64,
    /// The frontier.
    told: u64,
    /// How far the limit may be ahead of the slowest reader.
    reach: u64,
    step: u64,
}

impl Credit {
    /// None, for a producer that begins at `next` in a ring of `capacity` with the last `margin` positions of a lap
    /// never used. For the holder of its token.
    pub(crate) fn new(control: &Control, next: u64, capacity: u64, margin: u64) -> Self {
        // Relaxed: the predecessor's; the kernel lock that changed hands orders it.
        let told = control.tail.0.load(Relaxed);
        // SeqCst B1: F(producer) of a predecessor that died before its own. Release B3: the same.
        fence(SeqCst);
        Self {
            limit: next,
            told,
            reach: capacity - margin,
            step: step(capacity),
        }
    }

    /// First position that may not be written.
    #[inline(always)]
    pub(crate) fn limit(&self) -> u64 {
        self.limit
    }

    /// Takes credit for `need` positions from `next` on, at most a ring, and for more if there is some. `mark` is
    /// called with a new frontier before it is published.
    pub(crate) fn refill(
        &mut self,
        control: &Control,
        readers: &impl Cursors,
        next: u64,
        need: u64,
        mark: impl FnOnce(u64),
    ) -> Room {
        // Acquire X1: pairs with the Release in `close_producer`, by a forerunner.
        if control.closed.0.load(Acquire) & CLOSED_BY_PRODUCER != 0 {
            self.limit = next;
            return Room::Closed;
        }
        let wanted = need.max(self.step).min(self.reach);
        let goal = wanted.min(self.free(control, readers, next));
        if goal < need {
            return Room::Full;
        }
        let mut limit = next.wrapping_add(goal);
        if limit.wrapping_sub(self.told) as i64 > 0 {
            mark(limit);
            self.told = limit;
            // Release B2: whoever sees this frontier sees the mark.
            control.tail.0.store(limit, Release);
            // SeqCst B1: F(producer) of the case split above; its partner is in `gate`. Also Release B3: whoever
            // reads what is written from here on, and then looks, finds this frontier.
            fence(SeqCst);
            let free = self.free(control, readers, next);
            if free < need {
                return Room::Full;
            }
            limit = next.wrapping_add(goal.min(free));
        }
        self.limit = limit;
        Room::Free
    }

    /// How many positions from `next` on the readers that are waited for leave free.
    fn free(&self, control: &Control, readers: &impl Cursors, next: u64) -> u64 {
        self.reach.saturating_sub(lag(control, readers, next))
    }

    /// The readers that leave less than `need` positions from `next` on free.
    pub(crate) fn in_the_way<'a>(
        &'a self,
        control: &'a Control,
        readers: &'a impl Cursors,
        next: u64,
        need: u64,
    ) -> impl Iterator<Item = u32> + 'a {
        laggards(control, readers, next)
            .filter(move |(_, behind)| self.reach.saturating_sub(*behind) < need)
            .map(|(i, _)| i)
    }

    /// Sends the next push the slow way, where it will notice a close.
    pub(crate) fn forget(&mut self, next: u64) {
        self.limit = next;
    }
}

/// How far the slowest reader that is waited for is behind `next`; 0 without any.
pub(crate) fn lag(control: &Control, readers: &impl Cursors, next: u64) -> u64 {
    let behind = laggards(control, readers, next).map(|(_, behind)| behind);
    behind.max().unwrap_or(0)
}

/// The readers that are waited for, and how far each is behind `next`.
fn laggards<'a>(
    control: &'a Control,
    readers: &'a impl Cursors,
    next: u64,
) -> impl Iterator<Item = (u32, u64)> + 'a {
    let used = readers.count().div_ceil(64) as usize;
    let words = control.gating.0.iter().take(used).enumerate();
    words.flat_map(move |(w, word)| {
        // Acquire G3: pairs with the Release in `gate`.
        let mut bits = word.load(Acquire);
        core::iter::from_fn(move || {
            while bits != 0 {
                let i = w as u32 * 64 + bits.trailing_zeros();
                bits &= bits - 1;
                if i < readers.count() {
                    // A cursor ahead of the producer cannot be honest, and must not buy room.
                    let behind = next.wrapping_sub(readers.cursor(i)) as i64;
                    return Some((i, behind.max(0).cast_unsigned()));
                }
            }
            None
        })
    })
}
