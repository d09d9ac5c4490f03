//! The producing half of both kinds behind one face: the only producer, or one of many.

use super::super::kind::{MpscRecords, SpscRecords};
use super::super::seat::Seat;
use crate::layout::control::Control;
use crate::layout::record::{Record, Shape};
use crate::ring::corrupt::Corrupt;
use crate::ring::records::mpsc::{self, Claim};
use crate::ring::records::{Exactly, Room, spsc};
use crate::segment::Strip;
use std::fmt::Debug;

/// A producer's private half.
pub(crate) trait Tail: Sized + Debug {
    /// Whether it makes sense to go on producing when the consumer has died.
    const NEEDS_CONSUMERS: bool = true;
    /// Whether others produce into the same ring.
    const SHARED: bool = false;

    /// Bytes of the ring, in one piece, that are this producer's to write records into, one behind the other.
    type Claim: Debug;

    /// Finds the place to begin. `seat` is this producer's.
    fn attach(
        strip: Strip<'_>,
        control: &Control,
        seat: &Seat,
        shape: Shape,
    ) -> Result<Self, Corrupt>;

    /// How records lie in the ring.
    fn shape(&self) -> Shape;

    /// Takes `total` bytes of those that this producer knows to be its own; who shares the ring knows of none.
    fn claim_at_once(&mut self, total: u64) -> Option<Self::Claim>;

    /// Takes `total` bytes, at most half of the ring.
    fn claim(
        &mut self,
        strip: Strip<'_>,
        control: &Control,
        seat: &Seat,
        total: u64,
        exactly: Exactly,
    ) -> Result<Self::Claim, Room>;

    /// Told that a claim of `total` bytes was refused because the ring is full. Whether it is worth another try.
    fn refused(&mut self, _: &Control, _total: u64) -> bool {
        false
    }

    /// Where the next record of `claim` begins.
    fn next(&self, claim: &Self::Claim) -> u64;

    /// To be called before a record of `len` payload bytes is written there.
    fn begin(&self, strip: Strip<'_>, claim: &Self::Claim, len: u32);

    /// Publishes the next record of `claim`, whose payload was written.
    fn commit(&mut self, strip: Strip<'_>, claim: &mut Self::Claim, record: Record);

    /// Publishes the next record of `claim`, which may be shorter than it began, and gives up the rest.
    fn commit_last(&mut self, strip: Strip<'_>, claim: Self::Claim, record: Record);

    /// Gives up the rest of `claim`.
    fn abort(&self, strip: Strip<'_>, claim: Self::Claim);

    /// Has the next claim notice a close.
    fn forget_credit(&mut self);
}

/// Which tail the producers of a kind have.
pub(crate) trait Producing {
    type Tail: Tail;
}

impl Producing for SpscRecords {
    type Tail = spsc::Tail;
}

impl Producing for MpscRecords {
    type Tail = mpsc::Tail;
}

/// The only producer owns all free space: a claim is its tail, and giving up is doing nothing.
impl Tail for spsc::Tail {
    type Claim = ();

    fn attach(
        strip: Strip<'_>,
        control: &Control,
        _: &Seat,
        shape: Shape,
    ) -> Result<Self, Corrupt> {
        Self::resume(&strip, control, shape)
    }

    #[inline(always)]
    fn shape(&self) -> Shape {
        self.shape()
    }

    #[inline(always)]
    fn claim_at_once(&mut self, total: u64) -> Option<()> {
        self.has_room(total).then_some(())
    }

    fn claim(
        &mut self,
        strip: Strip<'_>,
        control: &Control,
        _: &Seat,
        total: u64,
        exactly: Exactly,
    ) -> Result<(), Room> {
        if self.has_room(total) {
            return Ok(());
        }
        match self.make_room(&strip, control, total, exactly) {
            Room::Free => Ok(()),
            none => Err(none),
        }
    }

    #[inline(always)]
    fn next(&self, (): &()) -> u64 {
        self.next()
    }

    #[inline(always)]
    fn begin(&self, _: Strip<'_>, (): &(), _: u32) {}

    #[inline(always)]
    fn commit(&mut self, strip: Strip<'_>, (): &mut (), record: Record) {
        self.commit(&strip, record);
    }

    #[inline(always)]
    fn commit_last(&mut self, strip: Strip<'_>, (): (), record: Record) {
        self.commit(&strip, record);
    }

    fn abort(&self, _: Strip<'_>, (): ()) {}

    fn forget_credit(&mut self) {
        self.forget_credit();
    }
}

impl Tail for mpsc::Tail {
    const SHARED: bool = true;
    type Claim = Claim;

    fn attach(_: Strip<'_>, control: &Control, seat: &Seat, shape: Shape) -> Result<Self, Corrupt> {
        // What the entry's last owner announced is settled; nobody shall wait for it.
        crate::ring::announce::withdraw(seat.entry());
        Self::new(control, shape)
    }

    #[inline(always)]
    fn shape(&self) -> Shape {
        self.shape()
    }

    #[inline(always)]
    fn claim_at_once(&mut self, _: u64) -> Option<Claim> {
        None
    }

    #[inline(always)]
    fn claim(
        &mut self,
        strip: Strip<'_>,
        control: &Control,
        seat: &Seat,
        total: u64,
        exactly: Exactly,
    ) -> Result<Claim, Room> {
        self.claim(&strip, control, seat.entry(), total, exactly)
    }

    #[inline(always)]
    fn next(&self, claim: &Claim) -> u64 {
        claim.next
    }

    #[inline(always)]
    fn begin(&self, strip: Strip<'_>, claim: &Claim, len: u32) {
        claim.begin(&strip, len);
    }

    #[inline(always)]
    fn commit(&mut self, strip: Strip<'_>, claim: &mut Claim, record: Record) {
        claim.commit(&strip, record);
    }

    #[inline(always)]
    fn commit_last(&mut self, strip: Strip<'_>, claim: Claim, record: Record) {
        claim.commit_last(&strip, record);
    }

    fn abort(&self, strip: Strip<'_>, claim: Claim) {
        claim.abort(&strip);
    }

    /// The shared tail tells of a close by itself.
    fn forget_credit(&mut self) {}
}
