//! The consuming end.

use super::super::ahead::Ahead;
use super::super::mender::Mender;
use super::super::seat::{Peer, Seat};
use super::super::signal::{self, End, Signal};
use super::super::slots_of::SlotsOf;
use super::super::typed::{Element, Trust, Trusted, Untrusted};
use super::super::waiting::{self, Care, Poll, Rest};
use super::sample::Sample;
use crate::error::{EndpointError, PopError, TryPopError};
use crate::layout::control::CLOSED_BY_CONSUMER;
use crate::layout::participant::CONSUMER;
use crate::ring::close;
use crate::ring::sides::Producers;
use crate::ring::spsc::{Head, Look};
use crate::segment::{Segment, Slots, View};
use crate::wait::distance::Distance;
use crate::wait::park;
use crate::wait::strategy::Wait;
use crossbeam_utils::CachePadded;
use std::cell::Cell;
use std::marker::PhantomData;
use std::time::Instant;

/// The consuming end of a ring that has one, whether one produces or many. There is one at a time; it may move between
/// threads.
///
/// Dropping it leaves in order, so that another consumer can go on; [`Consumer::close`] ends the stream.
#[derive(Debug)]
pub struct Consumer<T: ?Sized, M = Untrusted> {
    /// On lines of its own: the other end may live in a neighbouring object of this process.
    head: CachePadded<Head>,
    ahead: Ahead,
    /// There is more to do than to release at positions with none of these bits only: see `after_release`.
    attend_mask: u64,
    /// The same for what a call is made for.
    seldom_mask: u64,
    distance: Distance,
    pub(super) view: SlotsOf<T>,
    signal: Signal,
    seat: Seat,
    /// Where many produce: clears away what the dead among them left.
    mender: Option<Mender>,
    trust: PhantomData<M>,
}

impl<T: Element + ?Sized> Consumer<T, Untrusted> {
    pub(crate) fn attach(segment: &Segment, view: View<Slots>) -> Result<Self, EndpointError> {
        let view = SlotsOf::new(view);
        let geometry = &segment.checked.geometry;
        let mut seat = Seat::take(segment, &view, geometry.consumer_seat(), CONSUMER)?;
        let producers = Producers::of(geometry.kind);
        let control = view.control();
        if close::consumer_closed(control) {
            return Err(EndpointError::Closed);
        }
        let head = Head::resume(&view.lane(), control, geometry.capacity, producers)?;
        seat.settle();
        signal::wake_up(&control.consumer_sleep.0);
        let signal = Signal::new(segment, &view, End::Consumer);
        let distance = Distance::new(geometry.kind, geometry.stride, geometry.capacity);
        // A producer may sleep for want of what the predecessor released last.
        signal.rouse();
        Ok(Self {
            ahead: Ahead::new(head.next()),
            attend_mask: head.gate_mask() & view.lane().sought_mask() & distance.mask(),
            seldom_mask: head.gate_mask() & distance.mask(),
            distance,
            head: CachePadded::new(head),
            signal,
            view,
            mender: (producers == Producers::Many).then(|| Mender::new(&seat)),
            seat,
            trust: PhantomData,
        })
    }

    /// Turns into an endpoint whose samples are `&T` into the ring.
    ///
    /// # Safety
    /// While this endpoint exists, every process that has the ring mapped
    /// * writes to it through this library, or by the rules of `docs/WIRE.md`, only;
    /// * does not truncate it.
    pub unsafe fn trust_peers(self) -> Consumer<T, Trusted> {
        Consumer {
            head: self.head,
            ahead: self.ahead,
            attend_mask: self.attend_mask,
            seldom_mask: self.seldom_mask,
            distance: self.distance,
            view: self.view,
            signal: self.signal,
            seat: self.seat,
            mender: self.mender,
            trust: PhantomData,
        }
    }
}

impl<T: Element, M: Trust> Consumer<T, M> {
    /// Takes the oldest message, or says why not. Never waits, never allocates; enters the kernel only to
    /// wake a sleeping producer.
    ///
    /// # Errors
    /// [`TryPopError::Closed`] once the producer has closed and everything was taken.
    #[inline(always)]
    pub fn try_pop(&mut self) -> Result<T, TryPopError> {
        if let Some(message) = self.take(Rest::Never) {
            return Ok(message);
        }
        self.look()?;
        self.take(Rest::Never).ok_or(TryPopError::Empty)
    }

    /// Takes the oldest message, waiting for one as `wait` says.
    ///
    /// A producer that was dropped without closing ends no wait: another may come.
    ///
    /// # Errors
    /// [`PopError::Closed`] once the producer has closed and everything was taken. [`PopError::PeerDied`] if
    /// there is none and the producer has died, also if that was before this consumer came. Call again to
    /// wait for a successor; each call reports the death anew, at the latest after 100 ms.
    #[inline(always)]
    pub fn pop(&mut self, wait: Wait) -> Result<T, PopError> {
        let at = self.head.next();
        loop {
            if let Some(message) = self.take(Rest::May) {
                return Ok(message);
            }
            self.wait_on(at, wait, None)?;
        }
    }

    /// Like [`pop`](Consumer::pop), but waits no longer than until `deadline`.
    ///
    /// # Errors
    /// Also [`PopError::TimedOut`].
    #[inline(always)]
    pub fn pop_until(&mut self, wait: Wait, deadline: Instant) -> Result<T, PopError> {
        let at = self.head.next();
        loop {
            if let Some(message) = self.take(Rest::May) {
                return Ok(message);
            }
            self.wait_on(at, wait, Some(deadline))?;
        }
    }

    /// Takes the next message if it is there.
    #[inline(always)]
    pub(super) fn take(&mut self, rest: Rest) -> Option<T> {
        let lane = self.view.lane();
        let message = self.head.take(&lane, |position| {
            let message = lane.read(position);
            lane.dirty(position);
            message
        })?;
        self.after_release(rest);
        Some(message)
    }
}

impl<T: Element + ?Sized, M: Trust> Consumer<T, M> {
    /// Copies the oldest message into `out`; for bytes, and for values too large to move about.
    ///
    /// # Errors
    /// [`TryPopError::Closed`] once the producer has closed and everything was taken.
    ///
    /// # Panics
    /// On a ring of bytes, if the length is not the slot size.
    #[inline(always)]
    pub fn try_pop_into(&mut self, out: &mut T) -> Result<(), TryPopError> {
        if self.take_into(out, Rest::Never) {
            return Ok(());
        }
        self.look()?;
        self.take_into(out, Rest::Never)
            .then_some(())
            .ok_or(TryPopError::Empty)
    }

    /// Copies the oldest message into `out`, waiting for one as `wait` says.
    ///
    /// # Errors
    /// [`PopError::PeerDied`] if there is none and the producer has died.
    ///
    /// # Panics
    /// On a ring of bytes, if the length is not the slot size.
    #[inline(always)]
    pub fn pop_into(&mut self, out: &mut T, wait: Wait) -> Result<(), PopError> {
        let at = self.head.next();
        while !self.take_into(out, Rest::May) {
            self.wait_on(at, wait, None)?;
        }
        Ok(())
    }

    /// Like [`pop_into`](Consumer::pop_into), but waits no longer than until `deadline`.
    ///
    /// # Errors
    /// Also [`PopError::TimedOut`].
    ///
    /// # Panics
    /// On a ring of bytes, if the length is not the slot size.
    #[inline(always)]
    pub fn pop_into_until(
        &mut self,
        out: &mut T,
        wait: Wait,
        deadline: Instant,
    ) -> Result<(), PopError> {
        let at = self.head.next();
        while !self.take_into(out, Rest::May) {
            self.wait_on(at, wait, Some(deadline))?;
        }
        Ok(())
    }

    /// Takes the next message into `out` if it is there.
    #[inline(always)]
    pub(super) fn take_into(&mut self, out: &mut T, rest: Rest) -> bool {
        let lane = self.view.lane();
        let read = |position| {
            lane.take_into(position, out.as_mut_bytes());
            lane.dirty(position);
        };
        if self.head.take(&lane, read).is_none() {
            return false;
        }
        self.after_release(rest);
        true
    }

    /// Size of a message in bytes.
    pub fn slot_size(&self) -> usize {
        self.view.lane().payload_bytes()
    }

    /// Borrows the oldest message to read in place. Its slot goes back when the sample is dropped.
    ///
    /// # Errors
    /// [`TryPopError::Closed`] once the producer has closed and everything was taken.
    #[inline]
    pub fn try_sample(&mut self) -> Result<Sample<'_, T, M>, TryPopError> {
        if !self.next_is_ready() {
            self.look()?;
        }
        Ok(Sample::new(self))
    }

    /// Borrows the oldest message, waiting for one as `wait` says.
    ///
    /// # Errors
    /// [`PopError::PeerDied`] if there is none and the producer has died.
    #[inline]
    pub fn sample(&mut self, wait: Wait) -> Result<Sample<'_, T, M>, PopError> {
        self.wait_until_ready(wait, None)?;
        Ok(Sample::new(self))
    }

    /// Like [`sample`](Consumer::sample), but waits no longer than until `deadline`.
    ///
    /// # Errors
    /// Also [`PopError::TimedOut`].
    #[inline]
    pub fn sample_until(
        &mut self,
        wait: Wait,
        deadline: Instant,
    ) -> Result<Sample<'_, T, M>, PopError> {
        self.wait_until_ready(wait, Some(deadline))?;
        Ok(Sample::new(self))
    }

    /// Says that nothing more will be taken: the producer's next push but one at the latest fails (with
    /// [`Parking::Never`](crate::Parking::Never): when its known room is used up). For ever; messages not
    /// yet taken are lost.
    pub fn close(self) {
        let control = self.view.control();
        match self.mender {
            None => close::close_consumer(control),
            Some(_) => close::close_shared(control, CLOSED_BY_CONSUMER),
        }
        park::leave(&control.consumer_sleep.0);
        self.signal.rouse();
    }

    /// Messages committed and not yet taken. Never more than there are. Reads a few of the producer's lines.
    pub fn len(&self) -> u64 {
        self.head.len(&self.view.lane())
    }

    /// Whether no message is there. `false` stays false until one is taken.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Slots of the ring.
    pub fn capacity(&self) -> u64 {
        self.head.capacity()
    }

    /// The position of the next message: how many were taken since creation, by all consumers.
    #[inline(always)]
    pub fn position(&self) -> u64 {
        self.head.next()
    }

    /// How the last consumer of this ring went. After [`Peer::Died`] the first message may be one that it had
    /// already seen.
    pub fn predecessor(&self) -> Peer {
        self.seat.predecessor()
    }

    /// Whether the producer is there. Asks the kernel, a fraction of a microsecond.
    pub fn producer_state(&self) -> Peer {
        self.seat.producers()
    }

    #[inline(always)]
    pub(super) fn next_is_ready(&self) -> bool {
        self.head.is_ready(&self.view.lane())
    }

    /// Gives the oldest message's slot back.
    #[inline(always)]
    pub(super) fn release(&mut self) {
        let lane = self.view.lane();
        lane.dirty(self.head.next());
        self.head.release(&lane);
        self.after_release(Rest::Never);
    }

    #[inline(always)]
    fn after_release(&mut self, rest: Rest) {
        // All masks are of low bits alone, so one of them is the intersection.
        if self.head.next() & self.attend_mask != 0 {
            return;
        }
        if self.head.next() & self.seldom_mask == 0 {
            self.now_and_then(rest);
        }
        let (lane, next) = (self.view.lane(), self.head.next());
        if lane.seeks_at(next) && self.ahead.ask(next, lane) {
            self.ahead.look(next, &self.view);
        }
    }

    /// Tells the producer what was released, and lets it get ahead if this consumer is too close behind.
    #[inline(never)]
    fn now_and_then(&mut self, rest: Rest) {
        if self.head.gate_is_due() {
            self.tell_producer();
        }
        let (lane, next) = (self.view.lane(), self.head.next());
        if rest == Rest::May && self.distance.is_due(next) && !self.ahead.knows(next) {
            self.signal.keep(self.distance, &lane, next);
        }
    }

    /// Publishes what was released and wakes a producer that sleeps for want of it.
    #[inline(never)]
    fn tell_producer(&mut self) {
        let control = self.view.control();
        self.head.publish_gate(control);
        let _ = self.signal.notify();
    }

    #[cold]
    #[inline(never)]
    fn look(&mut self) -> Result<(), TryPopError> {
        let (lane, control) = (self.view.lane(), self.view.control());
        let mut look = self.head.look(&lane, control);
        if let (Look::Empty, Some(mender)) = (look, &mut self.mender)
            && mender.now_and_then()
        {
            look = match mender.mend_slot(&lane, control, self.head.next()) {
                Ok(false) => look,
                Ok(true) => self.head.look(&lane, control),
                Err(e) => Look::Corrupt(e),
            };
        }
        match look {
            Look::Ready => Ok(()),
            Look::Empty => Err(TryPopError::Empty),
            Look::Closed => Err(TryPopError::Closed),
            Look::Corrupt(e) => Err(TryPopError::Corrupt(e)),
        }
    }

    /// A drain has found fewer messages than it was asked for.
    #[cold]
    #[inline(never)]
    pub(super) fn ran_short(&mut self) {
        self.signal.ran_short_at(self.head.next());
    }

    /// Waits for the first message of a run, and rests first where the last run was shorter than it might have been.
    #[inline]
    pub(super) fn wait_for_run(
        &mut self,
        n: usize,
        wait: Wait,
        deadline: Option<Instant>,
    ) -> Result<(), PopError> {
        assert!(n > 0, "a drain is of at least one message");
        self.signal.rest();
        self.wait_until_ready(wait, deadline)
    }

    #[inline(always)]
    fn wait_until_ready(&mut self, wait: Wait, deadline: Option<Instant>) -> Result<(), PopError> {
        let at = self.head.next();
        while !self.next_is_ready() {
            self.wait_on(at, wait, deadline)?;
        }
        Ok(())
    }

    /// After a glance in vain, in a wait that began at position `at`. `Ok` means that another one is worth while, no more.
    #[inline(always)]
    fn wait_on(&mut self, at: u64, wait: Wait, deadline: Option<Instant>) -> Result<(), PopError> {
        match self.signal.glances.again(at) {
            true => Ok(()),
            false => self.wait_on_slow(at, wait, deadline),
        }
    }

    #[cold]
    #[inline(never)]
    fn wait_on_slow(
        &mut self,
        at: u64,
        wait: Wait,
        deadline: Option<Instant>,
    ) -> Result<(), PopError> {
        let Self {
            head,
            view,
            signal,
            seat,
            mender,
            ..
        } = self;
        let control = view.control();
        let claimed = Cell::new(false);
        let mut verdict = Ok(());
        let mut end = |error| {
            verdict = Err(error);
            Poll::Ended
        };
        let poll = |care, _: &Signal| loop {
            let look = head.look(&view.lane(), control);
            if care == Care::Thorough {
                claimed.set(head.is_claimed(control));
            }
            match look {
                Look::Ready => break Poll::Found,
                Look::Closed => break end(PopError::Closed),
                Look::Corrupt(e) => break end(PopError::Corrupt(e)),
                Look::Empty => {}
            }
            let Some(mender) = mender.as_mut().filter(|_| care == Care::Thorough) else {
                break Poll::Nothing;
            };
            match mender.mend_slot(&view.lane(), control, head.next()) {
                Ok(true) => {}
                Ok(false) if head.is_claimed(control) => break Poll::Soon,
                Ok(false) => break Poll::Nothing,
                Err(e) => break end(PopError::Corrupt(e)),
            }
        };
        // What the dead have claimed becomes tombstones first, so that nothing committed behind it is missed.
        let died = || seat.producers() == Peer::Died && !claimed.get();
        waiting::poll_or_wait(at, wait, deadline, signal, died, poll)?;
        verdict
    }
}
