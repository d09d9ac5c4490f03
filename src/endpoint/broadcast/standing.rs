//! What a reader is beside its position: a seat, whether it is waited for, and what it has counted.

use super::super::seat::{Peer, Seat, Side};
use super::super::signal::{End, Signal};
use super::super::waiting::{self, Poll};
use super::join::Resume;
use crate::error::{EndpointError, ReadError};
use crate::layout::control::Control;
use crate::layout::participant::{Participant, READER};
use crate::ring::broadcast::{Seen, frontier};
use crate::segment::{Regions, Segment};
use crate::sync::Ordering::Relaxed;
use crate::wait::strategy::Wait;
use std::time::Instant;

/// How often the newest message is looked for again that was overwritten before it was copied.
pub(super) const LATEST_TRIES: u32 = 64;

/// A seat among the readers.
#[derive(Debug)]
pub(super) struct Standing {
    seat: Seat,
    place: u32,
    pub(super) signal: Signal,
    producers: Side,
    pub(super) resume: Resume,
    pub(super) received: u64,
    pub(super) lost: u64,
    pub(super) skipped: u64,
}

impl Standing {
    /// Takes a place. The producer does not wait for its owner.
    pub(super) fn take(segment: &Segment, regions: &Regions) -> Result<Self, EndpointError> {
        let seats = regions.consumer_seats();
        let first = seats.start;
        // What a dead reader leaves is a bit.
        let settled = |index, _: &Participant| {
            frontier::ungate(regions.control(), index - first);
            true
        };
        let mut seat = Seat::take_any(segment, regions, seats, READER, settled)?;
        let place = seat.place(first);
        frontier::ungate(regions.control(), place);
        // Relaxed: for people.
        seat.entry().announce_len.store(0, Relaxed);
        seat.settle();
        Ok(Self {
            producers: seat.producer_side(),
            seat,
            place,
            signal: Signal::new(segment, regions, End::Consumer),
            resume: Resume::default(),
            received: 0,
            lost: 0,
            skipped: 0,
        })
    }

    /// The place, and the entry in which the position is published.
    pub(super) fn gate(&self) -> (u32, &Participant) {
        (self.place, self.seat.entry())
    }

    /// The entry in which the position is published.
    #[inline(always)]
    pub(super) fn entry(&self) -> &Participant {
        self.seat.entry()
    }

    /// Whether the producer waits for this reader.
    pub(super) fn is_waited_for(&self, control: &Control) -> bool {
        frontier::is_gating(control, self.place)
    }

    /// Stops the producer from waiting.
    pub(super) fn ungate(&self, control: &Control) {
        frontier::ungate(control, self.place);
        self.rouse_producer();
    }

    /// Wakes a producer that may have waited for this reader more than is necessary.
    pub(super) fn rouse_producer(&self) {
        self.signal.rouse();
    }

    /// Counts `lost` messages.
    pub(super) fn lose(&mut self, lost: u64) {
        self.lost = self.lost.saturating_add(lost);
        // Relaxed: for people.
        self.entry().announce_len.store(self.lost, Relaxed);
    }

    /// Counts messages that were passed over. A lying peer can make them many.
    pub(super) fn skip(&mut self, skipped: u64) {
        self.skipped = self.skipped.saturating_add(skipped);
    }

    /// Counts as passed over what was counted as lost.
    pub(super) fn was_to_be_skipped(&mut self, lost: u64) {
        self.lost = self.lost.saturating_sub(lost);
        self.lose(0);
        self.skip(lost);
    }

    /// The producer.
    pub(super) fn producer(&self) -> Peer {
        self.producers.state()
    }

    /// Waits at position `at` until `look` sees something; while the wait is young, only until the caller shall glance again: `None`.
    pub(super) fn wait_on<M>(
        &mut self,
        at: u64,
        wait: Wait,
        deadline: Option<Instant>,
        mut look: impl FnMut(&Participant, &Signal) -> Seen<M>,
    ) -> Result<Option<M>, ReadError> {
        let Self {
            seat,
            signal,
            producers,
            ..
        } = self;
        let mut found = Ok(None);
        let poll = |_, signal: &Signal| {
            found = match look(seat.entry(), signal) {
                Seen::Message(message) => Ok(Some(message)),
                Seen::Lost(lost) => Err(ReadError::Lost(lost)),
                Seen::Closed => Err(ReadError::Closed),
                Seen::Corrupt(e) => Err(ReadError::Corrupt(e)),
                Seen::Empty => return Poll::Nothing,
            };
            match found {
                Ok(_) => Poll::Found,
                Err(_) => Poll::Ended,
            }
        };
        let died = || producers.state() == Peer::Died;
        waiting::poll_or_wait(at, wait, deadline, signal, died, poll)?;
        if let Err(ReadError::Lost(lost)) = found {
            self.lose(lost);
        }
        found
    }

    /// Leaves the producer alone. To be called when the reader goes, unless it is a forked child's copy.
    pub(super) fn leave(&self, control: &Control) {
        if self.seat.is_ours() && self.is_waited_for(control) {
            self.ungate(control);
        }
    }
}
