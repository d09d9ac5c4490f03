//! The readers of a broadcast as its producer sees them: whom it waits for, and for how long.

use super::records::Tail;
use super::seat::{Seat, Side};
use super::slots::SoleTail;
use super::waiting::Care;
use crate::layout::control::Control;
use crate::layout::record::{Record, Shape};
use crate::os::clock;
use crate::ring::broadcast::frontier::{self, Cursors};
use crate::ring::broadcast::{Room, records, slots};
use crate::ring::corrupt::Corrupt;
use crate::ring::records::{self as queue, Exactly};
use crate::ring::spsc;
use crate::segment::{Lane, Strip};

/// How often a producer that waits for a reader asks the kernel whether it is alive.
const ASK_NS: u64 = 1_000_000;

/// What the producer of a broadcast does about a lossless reader that is a whole ring behind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Laggards {
    /// A push that may wait waits for it; `try_push` says `Full`. The default.
    #[default]
    Wait,
    /// After so many calls of `try_push` or `try_claim` in a row that were refused, whoever is in the way becomes a
    /// lossy reader, and the push succeeds. 0 refuses none. A push that may wait still waits. A reader that takes the
    /// place of a laggard at this very moment may be hit instead; it can ask
    /// [`is_lossless`](crate::Reader::is_lossless).
    Demote {
        /// Refusals in a row that are borne.
        patience: u64,
    },
}

/// The producer's means to look at its readers.
#[derive(Debug)]
pub(crate) struct Readers {
    side: Side,
    laggards: Laggards,
    /// Refusals in a row, all at the same position.
    refusals: u64,
    refused_at: u64,
    ask_at_ns: u64,
}

impl Cursors for Side {
    fn count(&self) -> u32 {
        self.places()
    }

    fn cursor(&self, i: u32) -> u64 {
        frontier::cursor(self.entry(i))
    }
}

impl Readers {
    fn new(seat: &Seat) -> Self {
        Self {
            side: seat.consumer_side(),
            laggards: Laggards::default(),
            refusals: 0,
            refused_at: 0,
            ask_at_ns: 0,
        }
    }

    /// Whether it is time to ask the kernel who lives.
    fn may_ask(&mut self) -> bool {
        let now = clock::monotonic_ns();
        if now < self.ask_at_ns {
            return false;
        }
        self.ask_at_ns = now.saturating_add(ASK_NS);
        true
    }

    /// Stops waiting for those of the readers `in_the_way` that died. `true` if there was one.
    fn bury(&self, control: &Control, in_the_way: impl Iterator<Item = u32>) -> bool {
        let side = &self.side;
        in_the_way.fold(false, |buried, i| {
            buried | side.if_vacant(i, || frontier::ungate(control, i))
        })
    }

    /// Counts a refusal at the position `next`. Whether those in the way are to be waited for no longer.
    fn is_out_of_patience(&mut self, next: u64) -> bool {
        if self.refused_at != next {
            (self.refused_at, self.refusals) = (next, 0);
        }
        self.refusals += 1;
        matches!(self.laggards, Laggards::Demote { patience } if self.refusals > patience)
    }
}

/// The only producer of a broadcast of slots.
#[derive(Debug)]
pub(crate) struct BroadcastTail {
    tail: slots::Tail,
    readers: Readers,
}

impl BroadcastTail {
    /// Changes what is done about laggards.
    pub(super) fn set_laggards(&mut self, laggards: Laggards) {
        self.readers.laggards = laggards;
    }

    fn look(&mut self, control: &Control, more: u64) -> Room {
        // More than a quarter of the ring at a time would leave readers little that is safe to read.
        let most = (self.tail.capacity() / 4).max(1);
        match self
            .tail
            .refill(control, &self.readers.side, more.clamp(1, most))
        {
            Room::Full if more > 1 => self.tail.refill(control, &self.readers.side, 1),
            room => room,
        }
    }
}

impl SoleTail for BroadcastTail {
    const NEEDS_CONSUMERS: bool = false;

    fn attach(
        lane: Lane<'_>,
        control: &Control,
        seat: &Seat,
        capacity: u64,
    ) -> Result<Self, Corrupt> {
        Ok(Self {
            tail: slots::Tail::resume(&lane, control, capacity),
            readers: Readers::new(seat),
        })
    }

    #[inline(always)]
    fn next(&self) -> u64 {
        self.tail.next()
    }

    #[inline(always)]
    fn credit(&self) -> u64 {
        self.tail.credit()
    }

    fn refill(&mut self, _: Lane<'_>, control: &Control, more: u64, care: Care) -> spsc::Room {
        let mut room = self.look(control, more);
        if room == Room::Full && care == Care::Thorough && self.readers.may_ask() {
            let in_the_way = self.tail.in_the_way(control, &self.readers.side);
            if self.readers.bury(control, in_the_way) {
                room = self.look(control, more);
            }
        }
        match room {
            Room::Free => spsc::Room::Free(self.tail.credit()),
            Room::Full => spsc::Room::Full,
            Room::Closed => spsc::Room::Closed,
        }
    }

    fn refused(&mut self, control: &Control) -> bool {
        if !self.readers.is_out_of_patience(self.tail.next()) {
            return false;
        }
        for i in self.tail.in_the_way(control, &self.readers.side) {
            frontier::ungate(control, i);
        }
        self.look(control, 1) == Room::Free
    }

    #[inline(always)]
    fn begin(&self, lane: Lane<'_>, n: u64) {
        for i in 0..n {
            self.tail.begin(&lane, self.tail.next().wrapping_add(i));
        }
    }

    #[inline(always)]
    fn put(&mut self, lane: Lane<'_>, write: impl FnOnce(u64)) {
        self.tail.put(&lane, write);
    }

    fn capacity(&self) -> u64 {
        self.tail.capacity()
    }

    fn forget_credit(&mut self) {
        self.tail.forget_credit();
    }

    fn len(&self, _: Lane<'_>, control: &Control) -> u64 {
        let lag = frontier::lag(control, &self.readers.side, self.tail.next());
        // A cursor that says more cannot be honest.
        lag.min(self.tail.capacity())
    }
}

/// The only producer of a broadcast of records.
#[derive(Debug)]
pub(crate) struct BroadcastRecordTail {
    tail: records::Tail,
    readers: Readers,
}

impl BroadcastRecordTail {
    /// Changes what is done about laggards.
    pub(super) fn set_laggards(&mut self, laggards: Laggards) {
        self.readers.laggards = laggards;
    }

    /// Records published since creation.
    pub(super) fn sequence(&self) -> u64 {
        self.tail.sequence()
    }

    /// Bytes not yet read by the slowest reader that is waited for.
    pub(super) fn lag_bytes(&self, control: &Control) -> u64 {
        let lag = frontier::lag(control, &self.readers.side, self.tail.next());
        lag.min(self.tail.capacity())
    }

    #[cold]
    #[inline(never)]
    fn make_room(
        &mut self,
        strip: Strip<'_>,
        control: &Control,
        total: u64,
        exactly: Exactly,
    ) -> Result<(), queue::Room> {
        let Self { tail, readers } = self;
        let mut room = tail.make_room(&strip, control, &readers.side, total);
        if room == Room::Full && exactly == Exactly::Yes && readers.may_ask() {
            let in_the_way = tail.in_the_way(control, &readers.side, total);
            if readers.bury(control, in_the_way) {
                room = tail.make_room(&strip, control, &readers.side, total);
            }
        }
        match room {
            Room::Free => Ok(()),
            Room::Full => Err(queue::Room::Full),
            Room::Closed => Err(queue::Room::Closed),
        }
    }
}

/// The only producer owns what it may overwrite: a claim is its tail, and giving up is doing nothing.
impl Tail for BroadcastRecordTail {
    type Claim = ();
    const NEEDS_CONSUMERS: bool = false;

    fn attach(
        strip: Strip<'_>,
        control: &Control,
        seat: &Seat,
        shape: Shape,
    ) -> Result<Self, Corrupt> {
        Ok(Self {
            tail: records::Tail::resume(&strip, control, shape)?,
            readers: Readers::new(seat),
        })
    }

    #[inline(always)]
    fn shape(&self) -> Shape {
        self.tail.shape()
    }

    #[inline(always)]
    fn claim_at_once(&mut self, total: u64) -> Option<()> {
        self.tail.has_room(total).then_some(())
    }

    fn claim(
        &mut self,
        strip: Strip<'_>,
        control: &Control,
        _: &Seat,
        total: u64,
        exactly: Exactly,
    ) -> Result<(), queue::Room> {
        if self.tail.has_room(total) {
            return Ok(());
        }
        self.make_room(strip, control, total, exactly)
    }

    fn refused(&mut self, control: &Control, total: u64) -> bool {
        if !self.readers.is_out_of_patience(self.tail.next()) {
            return false;
        }
        for i in self.tail.in_the_way(control, &self.readers.side, total) {
            frontier::ungate(control, i);
        }
        true
    }

    #[inline(always)]
    fn next(&self, (): &()) -> u64 {
        self.tail.next()
    }

    #[inline(always)]
    fn begin(&self, _: Strip<'_>, (): &(), _: u32) {}

    #[inline(always)]
    fn commit(&mut self, strip: Strip<'_>, (): &mut (), record: Record) {
        self.tail.commit(&strip, record);
    }

    #[inline(always)]
    fn commit_last(&mut self, strip: Strip<'_>, (): (), record: Record) {
        self.tail.commit(&strip, record);
    }

    fn abort(&self, _: Strip<'_>, (): ()) {}

    fn forget_credit(&mut self) {
        self.tail.forget_credit();
    }
}
