//! The producing half of an endpoint that shares the tail, whatever it carries.

use super::super::seat::{Peer, Seat, Side};
use super::super::signal::{End, Signal};
use super::super::slots_of::SlotsOf;
use super::super::table::Others;
use super::super::typed::Element;
use super::super::waiting::{self, Care, Poll};
use crate::error::{EndpointError, PushError, TryPushError};
use crate::layout::control::CLOSED_BY_PRODUCER;
use crate::layout::header::KIND_MPSC;
use crate::layout::participant::{PRODUCER, Participant};
use crate::ring::shared::gate::{Credit, Look};
use crate::ring::shared::tail::{self, Refusal};
use crate::ring::shared::{Run, head, repair};
use crate::ring::{announce, close};
use crate::segment::{Segment, Slots, View};
use crate::sync::Ordering::Relaxed;
use crate::wait::strategy::Wait;
use std::time::Instant;

/// A seat among the producers, and what its owner has claimed.
#[derive(Debug)]
pub(super) struct Claims<T: Element + ?Sized> {
    pub(super) view: SlotsOf<T>,
    /// What was claimed and not committed: of a loan, or of one that was forgotten.
    pub(super) run: Run,
    credit: Credit,
    pub(super) signal: Signal,
    pub(super) seat: Seat,
    pub(super) capacity: u64,
    /// Whether the one consumer keeps its position to itself.
    sole_consumer: bool,
}

impl<T: Element + ?Sized> Claims<T> {
    pub(super) fn attach(segment: &Segment, view: View<Slots>) -> Result<Self, EndpointError> {
        let view = SlotsOf::new(view);
        let capacity = segment.checked.geometry.capacity;
        let (lane, control) = (view.lane(), view.control());
        let producers = Side::new(segment, &view, view.producer_seats());
        let settled = |_, entry: &Participant| {
            let others = Others {
                side: &producers,
                except: [entry, entry],
            };
            repair::settle_claims(&lane, control, capacity, announce::run(entry), &others)
        };
        let mut seat = Seat::take_any(segment, &view, view.producer_seats(), PRODUCER, settled)?;
        if close::producer_closed(control) || close::consumer_closed(control) {
            return Err(EndpointError::Closed);
        }
        // What the entry's last owner announced is settled; nobody shall wait for it.
        announce::withdraw(seat.entry());
        seat.settle();
        Ok(Self {
            run: Run::NONE,
            credit: Credit::new(view.control(), capacity, seat.consumer_side().places()),
            signal: Signal::new(segment, &view, End::Producer),
            view,
            seat,
            capacity,
            sole_consumer: segment.checked.geometry.kind == KIND_MPSC,
        })
    }

    /// Claims up to `most` slots, at least one.
    #[inline(always)]
    pub(super) fn claim_now(&mut self, most: u64) -> Result<(), TryPushError> {
        self.claim_by(Look::Slots, most)
    }

    #[inline(always)]
    fn claim_by(&mut self, look: Look, most: u64) -> Result<(), TryPushError> {
        if !self.run.is_empty() {
            // Of a loan that was forgotten.
            self.abort();
        }
        let lane = self.view.lane();
        let control = self.view.control();
        let most = most.min(self.capacity);
        let mine = self.seat.entry();
        match tail::claim(&lane, control, mine, &mut self.credit, most, look) {
            Ok(run) => {
                self.run = run;
                Ok(())
            }
            Err(Refusal::Full) => Err(TryPushError::Full),
            Err(Refusal::Closed) => Err(TryPushError::Closed),
            Err(Refusal::Corrupt(e)) => Err(TryPushError::Corrupt(e)),
        }
    }

    /// Claims up to `most` slots, at least one, waiting for the first as `wait` says.
    #[inline(always)]
    pub(super) fn claim_wait(
        &mut self,
        most: u64,
        wait: Wait,
        deadline: Option<Instant>,
    ) -> Result<(), PushError> {
        match self.claim_by(Look::Gate, most) {
            Ok(()) => Ok(()),
            Err(_) => self.claim_slow(most, wait, deadline),
        }
    }

    #[cold]
    #[inline(never)]
    fn claim_slow(
        &mut self,
        most: u64,
        wait: Wait,
        deadline: Option<Instant>,
    ) -> Result<(), PushError> {
        let Self {
            run,
            credit,
            view,
            signal,
            seat,
            capacity,
            ..
        } = self;
        let (lane, control) = (view.lane(), view.control());
        let (mine, most) = (seat.entry(), most.min(*capacity));
        let mut verdict = Ok(());
        let mut end = |error| {
            verdict = Err(error);
            Poll::Ended
        };
        let poll = |care: Care, _: &Signal| match tail::claim(
            &lane,
            control,
            mine,
            credit,
            most,
            care.into(),
        ) {
            Ok(claimed) => {
                *run = claimed;
                Poll::Found
            }
            Err(Refusal::Full) => Poll::Nothing,
            Err(Refusal::Closed) => end(PushError::Closed),
            Err(Refusal::Corrupt(e)) => end(PushError::Corrupt(e)),
        };
        let died = || seat.consumer() == Peer::Died;
        waiting::wait_for(wait, deadline, signal, died, poll)?;
        verdict
    }

    /// Writes `value` as the one message of the claim, and publishes it.
    #[inline(always)]
    pub(super) fn put(&mut self, value: &T) {
        let lane = self.view.lane();
        let position = self.run.next;
        lane.write(position, value.as_bytes());
        self.run.commit(&lane);
        lane.prefetch_ahead(position);
        self.notify();
    }

    /// Publishes the first `n` messages of the claim, which were written, and gives up the others.
    #[inline]
    pub(super) fn commit(&mut self, n: u64) {
        let lane = self.view.lane();
        for _ in 0..n {
            self.run.commit(&lane);
        }
        self.run.abort(&lane);
        if n > 1 {
            lane.prefetch_run(self.run.end, n);
        } else {
            lane.prefetch_ahead(self.run.end);
        }
        self.notify();
    }

    /// Gives up what is left of the claim.
    pub(super) fn abort(&mut self) {
        // In a forked child the claim is the parent's.
        if !self.run.is_empty() && self.seat.is_ours() {
            self.commit(0);
        }
    }

    #[inline(always)]
    pub(super) fn notify(&mut self) {
        // Whether the consumer is gone is what the next claim finds out.
        let _ = self.signal.notify();
    }

    /// Messages ahead of the consumers.
    pub(super) fn len(&self) -> u64 {
        let control = self.view.control();
        let head = if self.sole_consumer {
            // Relaxed: a hint for people.
            control.gate.0.load(Relaxed)
        } else {
            head::head(control)
        };
        tail::ahead_of(control, head).min(self.capacity)
    }

    pub(super) fn close(self) {
        let control = self.view.control();
        close::close_shared(control, CLOSED_BY_PRODUCER);
        self.signal.rouse_own_side();
        self.signal.rouse();
    }
}

impl<T: Element + ?Sized> Drop for Claims<T> {
    fn drop(&mut self) {
        // Of a loan that was forgotten.
        self.abort();
    }
}
