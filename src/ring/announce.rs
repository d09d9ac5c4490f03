//! Announcements: what participants say they are about to claim, in their own lines of the table.
//!
//! Whoever claims a run of positions by a compare-exchange announces it first. The exchange's release makes the
//! announcement visible to whoever sees the position claimed, so the owner of a position is always among those who
//! announce it, unless it has finished with it (edges A1 and A2). It costs two stores into a line of one's own.
//!
//! An announcement needs no clearing once its claim is finished. Whoever loses the exchange withdraws
//! it: nobody may wait for the claim of somebody who waits.

use crate::layout::participant::Participant;
use crate::layout::word::POSITION_LIMIT;
use crate::sync::Ordering::{Acquire, Release};

/// What all participants of one side announce, and whether they live.
pub(crate) trait Announcements {
    /// Participants of that side.
    fn count(&self) -> u32;
    /// Position and length that participant `i` announces, by [`run`].
    fn run(&self, i: u32) -> (u64, u64);
    /// Whether the kernel says that nobody holds entry `i`.
    fn is_dead(&self, i: u32) -> bool;
}

/// Says in `mine` that `len` positions from `from` on are about to be claimed.
#[inline(always)]
pub(crate) fn announce(mine: &Participant, from: u64, len: u64) {
    // Release A2, both: what this participant claimed before is finished, before its next announcement is seen
    // by a repairer.
    mine.announce.store(from, Release);
    mine.announce_len.store(len, Release);
}

/// Takes back an announcement that no claim followed.
pub(crate) fn withdraw(mine: &Participant) {
    // Release A2: as in `announce`.
    mine.announce_len.store(0, Release);
}

/// What `entry` announces.
pub(crate) fn run(entry: &Participant) -> (u64, u64) {
    // Acquire A2, both: pairs with the Releases in `announce`: whoever announces another run by now has finished
    // the one before.
    (
        entry.announce.load(Acquire),
        entry.announce_len.load(Acquire),
    )
}

/// Whether the run `(from, len)` contains `position`.
pub(crate) fn contains((from, len): (u64, u64), position: u64) -> bool {
    position.wrapping_sub(from) < len
}

/// Whether somebody alive announces a run of slots with `position` in it: its owner, or somebody who will announce
/// another.
pub(crate) fn is_announced_alive(table: &impl Announcements, position: u64) -> bool {
    // Producers take their positions from the shared tail, where they have 62 bits.
    let is_in = |(from, len): (u64, u64)| position.wrapping_sub(from) % POSITION_LIMIT < len;
    (0..table.count()).any(|i| is_in(table.run(i)) && !table.is_dead(i))
}
