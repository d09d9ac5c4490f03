//! The producing half of the kinds with one producer behind one face.

use super::super::seat::Seat;
use super::super::waiting::Care;
use crate::layout::control::Control;
use crate::ring::corrupt::Corrupt;
use crate::ring::shared::alone;
use crate::ring::shared::gate::Look;
use crate::ring::spsc::{self, Room};
use crate::segment::Lane;
use std::fmt::Debug;

/// The private half of the only producer of a ring of slots.
pub(crate) trait SoleTail: Sized + Debug {
    /// Whether it makes sense to go on producing when all who consume have died.
    const NEEDS_CONSUMERS: bool = true;

    /// Finds the place to begin.
    fn attach(
        lane: Lane<'_>,
        control: &Control,
        seat: &Seat,
        capacity: u64,
    ) -> Result<Self, Corrupt>;

    /// The position the next message will have.
    fn next(&self) -> u64;

    /// How many positions are known to be writable.
    fn credit(&self) -> u64;

    /// Whether the next position is known to be writable.
    #[inline(always)]
    fn has_credit(&self) -> bool {
        self.credit() != 0
    }

    /// Looks for room for one message, and for `more` if that costs nothing.
    fn refill(&mut self, lane: Lane<'_>, control: &Control, more: u64, care: Care) -> Room;

    /// Told that a push was refused because the ring is full. Whether there is room now.
    fn refused(&mut self, _: &Control) -> bool {
        false
    }

    /// Whether a consumer has closed, seen without waiting for a sleep word that says so.
    #[inline(always)]
    fn is_told_off(&self, _: &Control) -> bool {
        false
    }

    /// To be called before the next `n` positions, for which there is credit, are written in place.
    #[inline(always)]
    fn begin(&self, _: Lane<'_>, _n: u64) {}

    /// Has the next message written by `write`, which is given its position, and publishes it.
    fn put(&mut self, lane: Lane<'_>, write: impl FnOnce(u64));

    /// Slots of the ring.
    fn capacity(&self) -> u64;

    /// Has the next push notice a close.
    fn forget_credit(&mut self);

    /// Messages committed and not yet taken; of a broadcast, not yet read by the slowest reader that is waited for.
    fn len(&self, lane: Lane<'_>, control: &Control) -> u64;
}

impl SoleTail for spsc::Tail {
    fn attach(lane: Lane<'_>, control: &Control, _: &Seat, capacity: u64) -> Result<Self, Corrupt> {
        Self::resume(&lane, control, capacity)
    }

    #[inline(always)]
    fn next(&self) -> u64 {
        self.next()
    }

    #[inline(always)]
    fn credit(&self) -> u64 {
        self.credit()
    }

    #[inline(always)]
    fn has_credit(&self) -> bool {
        self.has_credit()
    }

    fn refill(&mut self, lane: Lane<'_>, control: &Control, _: u64, care: Care) -> Room {
        match care {
            Care::Quick => self.refill(control),
            Care::Thorough => self.refill_exact(&lane, control),
        }
    }

    #[inline(always)]
    fn put(&mut self, lane: Lane<'_>, write: impl FnOnce(u64)) {
        self.put(&lane, write);
    }

    fn capacity(&self) -> u64 {
        self.capacity()
    }

    fn forget_credit(&mut self) {
        self.forget_credit();
    }

    fn len(&self, lane: Lane<'_>, _: &Control) -> u64 {
        self.len(&lane)
    }
}

impl SoleTail for alone::Tail {
    fn attach(
        lane: Lane<'_>,
        control: &Control,
        seat: &Seat,
        capacity: u64,
    ) -> Result<Self, Corrupt> {
        let consumers = seat.consumer_side().places();
        Ok(Self::resume(&lane, control, capacity, consumers))
    }

    #[inline(always)]
    fn next(&self) -> u64 {
        self.next()
    }

    #[inline(always)]
    fn credit(&self) -> u64 {
        self.credit()
    }

    #[inline(always)]
    fn is_told_off(&self, control: &Control) -> bool {
        self.is_closed(control)
    }

    fn refill(&mut self, lane: Lane<'_>, control: &Control, more: u64, care: Care) -> Room {
        // Who asks for one waits, or asks for the slots.
        let look = if more > 1 { Look::Slots } else { care.into() };
        match self.refill(&lane, control, more, look) {
            alone::Room::Free => Room::Free(self.credit()),
            alone::Room::Full => Room::Full,
            alone::Room::Closed => Room::Closed,
            alone::Room::Corrupt(e) => Room::Corrupt(e),
        }
    }

    #[inline(always)]
    fn put(&mut self, lane: Lane<'_>, write: impl FnOnce(u64)) {
        self.put(&lane, write);
    }

    fn capacity(&self) -> u64 {
        self.capacity()
    }

    fn forget_credit(&mut self) {
        self.forget_credit();
    }

    fn len(&self, _: Lane<'_>, control: &Control) -> u64 {
        self.len(control)
    }
}
