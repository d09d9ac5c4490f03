//! Slots of a broadcast.
//!
//! The producer stores `WRITING(p)`, writes, stores `READY(p)`. A reader copies what `READY(p)` promises and looks at the
//! word again: if it is still the same, so was the payload.
//!
//! Invariant: of the positions from the frontier less a ring to the frontier, those below the tail are `READY` in their
//! slots (or older than the ring), those from the tail on are not. So the tail is found by bisection and stored
//! nowhere.

use super::super::corrupt::{Corrupt, CorruptWord};
use super::super::words::{Words, was_committed};
use super::frontier::{self, Credit, Cursors, frontier};
use super::{Gone, Place, Room, Seen};
use crate::layout::control::{CLOSED_BY_PRODUCER, Control};
use crate::layout::participant::Participant;
use crate::layout::word::{self, distance};
use crate::sync::Ordering::{Acquire, Relaxed, Release};
use crate::sync::fence;

/// The next position to be published; exact while the producer stands still.
pub(crate) fn tail(words: &impl Words, control: &Control, capacity: u64) -> u64 {
    let first = frontier(control).wrapping_sub(capacity);
    let published =
        super::super::spsc::prefix(capacity, |i| was_committed(words, first.wrapping_add(i)));
    first.wrapping_add(published)
}

/// The oldest position that the producer will not overwrite with the credit it has. `start` is that of the first
/// message ever.
fn oldest(control: &Control, capacity: u64, start: u64) -> u64 {
    let oldest = frontier(control).wrapping_sub(capacity);
    if oldest.wrapping_sub(start) as i64 > 0 {
        oldest
    } else {
        start
    }
}

/// The producer's private half.
#[derive(Debug)]
pub(crate) struct Tail {
    next: u64,
    credit: Credit,
    capacity: u64,
}

impl Tail {
    /// Finds where the last producer stopped. For the holder of the producer's token only. Whatever the predecessor
    /// had not committed is gone.
    pub(crate) fn resume(words: &impl Words, control: &Control, capacity: u64) -> Self {
        let next = tail(words, control, capacity);
        Self {
            next,
            credit: Credit::new(control, next, capacity, 0),
            capacity,
        }
    }

    /// The position the next message will have.
    #[inline(always)]
    pub(crate) fn next(&self) -> u64 {
        self.next
    }

    /// How many positions are known to be writable.
    #[inline(always)]
    pub(crate) fn credit(&self) -> u64 {
        self.credit.limit().wrapping_sub(self.next)
    }

    /// Looks for room for `need` messages, at most a ring of them. Exact.
    pub(crate) fn refill(&mut self, control: &Control, readers: &impl Cursors, need: u64) -> Room {
        self.credit
            .refill(control, readers, self.next, need, |_| ())
    }

    /// The readers that are in the way of one more message.
    pub(crate) fn in_the_way<'a>(
        &'a self,
        control: &'a Control,
        readers: &'a impl Cursors,
    ) -> impl Iterator<Item = u32> + 'a {
        self.credit.in_the_way(control, readers, self.next, 1)
    }

    /// Says that the slot of `position`, for which there is credit, is being written. Only then may it be.
    #[inline(always)]
    pub(crate) fn begin(&self, words: &impl Words, position: u64) {
        // Relaxed: ordered by the fence.
        words.at(position).store(word::writing(position), Relaxed);
        // Release B3: whoever copies a byte of what is written from here on, and then looks, finds this word.
        fence(Release);
    }

    /// Has the next message written by `write`, which is given its position, and publishes it.
    #[inline(always)]
    pub(crate) fn put(&mut self, words: &impl Words, write: impl FnOnce(u64)) {
        let position = self.next;
        self.begin(words, position);
        write(position);
        // Release P1: the payload is visible to whoever acquires this word in `Reader::take`.
        words.at(position).store(word::ready(position), Release);
        self.next = position.wrapping_add(1);
    }

    /// Slots of the ring.
    pub(crate) fn capacity(&self) -> u64 {
        self.capacity
    }

    /// Sends the next push the slow way, where it will notice a close.
    pub(crate) fn forget_credit(&mut self) {
        self.credit.forget(self.next);
    }
}

/// A reader's private half.
#[derive(Debug)]
pub(crate) struct Reader {
    next: u64,
    /// What was published of it.
    told: u64,
    /// Where `next` must be for it to be published again: a quarter of the ring on.
    due: u64,
    capacity: u64,
    start: u64,
}

impl Reader {
    /// Begins at `position`, in a ring of `capacity` slots whose first message ever had the position `start`.
    pub(crate) fn new(position: u64, capacity: u64, start: u64) -> Self {
        Self {
            next: position,
            told: position,
            due: position.wrapping_add(frontier::step(capacity)),
            capacity,
            start,
        }
    }

    /// Where `place` is now.
    pub(crate) fn position_of(
        words: &impl Words,
        control: &Control,
        capacity: u64,
        start: u64,
        place: Place,
    ) -> u64 {
        match place {
            Place::Newest => tail(words, control, capacity),
            Place::Oldest => oldest(control, capacity, start),
        }
    }

    /// `position`, if a reader can begin there.
    pub(crate) fn check(
        words: &impl Words,
        control: &Control,
        capacity: u64,
        start: u64,
        position: u64,
    ) -> Result<u64, Gone> {
        // In this order: the frontier may move in between, and the newest is not before the oldest then.
        let oldest = oldest(control, capacity, start);
        let newest = tail(words, control, capacity);
        let there = newest.wrapping_sub(oldest);
        // A peer that lies may have them the wrong way round.
        if there as i64 >= 0 && position.wrapping_sub(oldest) <= there {
            Ok(position)
        } else {
            Err(Gone { oldest, newest })
        }
    }

    /// The position of the message that comes next.
    #[inline(always)]
    pub(crate) fn next(&self) -> u64 {
        self.next
    }

    /// Slots of the ring.
    pub(crate) fn capacity(&self) -> u64 {
        self.capacity
    }

    /// Has the next message copied by `copy`, which is given its position. `None` if it is not there, or was
    /// overwritten meanwhile.
    ///
    /// The loads are relaxed, with fences: the words may lie in memory that this process cannot write, where the
    /// language promises no other.
    #[inline(always)]
    pub(crate) fn take<R>(&mut self, words: &impl Words, copy: impl FnOnce(u64) -> R) -> Option<R> {
        let position = self.next;
        let word = words.at(position);
        // Relaxed: ordered by the fence.
        if word.load(Relaxed) != word::ready(position) {
            return None;
        }
        // Acquire P1: pairs with the Release in `Tail::put`: the payload is there.
        fence(Acquire);
        let message = copy(position);
        // Acquire B3: pairs with the fence in `Tail::begin`: if anything was copied that was written for a later
        // message, its word is seen below.
        fence(Acquire);
        // Relaxed: ordered by the fence.
        if word.load(Relaxed) != word::ready(position) {
            return None;
        }
        self.next = position.wrapping_add(1);
        Some(message)
    }

    /// Whether the next message is there. A hint: it may be overwritten before it is copied.
    #[inline(always)]
    pub(crate) fn is_ready(&self, words: &impl Words) -> bool {
        // Relaxed: see above.
        words.at(self.next).load(Relaxed) == word::ready(self.next)
    }

    /// What is at the next position. After a loss the reader is at `resume`.
    pub(crate) fn look(
        &mut self,
        words: &impl Words,
        control: &Control,
        resume: Place,
    ) -> Seen<()> {
        // Acquire X1: pairs with the Release in `close_producer`. Loaded before the word, so that a message committed
        // before the close is seen below.
        let closed = control.closed.0.load(Acquire) & CLOSED_BY_PRODUCER != 0;
        // Relaxed: ordered by the fence.
        let found = words.at(self.next).load(Relaxed);
        // Acquire P1: as in `take`. Acquire B3: a word of a later lap shows the frontier that allowed it.
        fence(Acquire);
        let distance = distance(found, self.next);
        if found == word::ready(self.next) {
            return Seen::Message(());
        }
        if distance <= 0 && found != word::skip(self.next) {
            return if closed { Seen::Closed } else { Seen::Empty };
        }
        let there = Self::position_of(words, control, self.capacity, self.start, resume);
        let lost = there.wrapping_sub(self.next);
        // Nobody overwrites without having said so.
        if lost as i64 <= 0 {
            return Seen::Corrupt(Corrupt {
                word: CorruptWord::Ready,
                position: self.next,
                found,
            });
        }
        self.next = there;
        Seen::Lost(lost)
    }

    /// Goes to the newest message, if there is one that was not read. Gives how many it has passed over.
    pub(crate) fn skip_to_newest(&mut self, words: &impl Words, control: &Control) -> u64 {
        let newest = tail(words, control, self.capacity).wrapping_sub(1);
        let skipped = newest.wrapping_sub(self.next);
        if skipped as i64 <= 0 {
            return 0;
        }
        self.next = newest;
        skipped
    }

    /// Messages published and not yet read. More than a ring if some are lost already.
    pub(crate) fn lag(&self, words: &impl Words, control: &Control) -> u64 {
        let lag = tail(words, control, self.capacity).wrapping_sub(self.next);
        (lag as i64).max(0).cast_unsigned()
    }

    /// Whether enough was read for the producer to be told: a quarter of the ring.
    #[inline(always)]
    pub(crate) fn is_due(&self) -> bool {
        self.next.wrapping_sub(self.due) as i64 >= 0
    }

    /// Says in `mine` what was read. `true` when there was something new to say.
    pub(crate) fn publish(&mut self, mine: &Participant) -> bool {
        if self.told == self.next {
            return false;
        }
        self.told = self.next;
        self.due = self.next.wrapping_add(frontier::step(self.capacity));
        frontier::publish(mine, self.next);
        true
    }
}
