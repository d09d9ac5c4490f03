//! The producing end.

use super::super::kind::{Broadcast, SoleProducer, Spsc};
use super::super::readers::Laggards;
use super::super::seat::{Peer, Seat};
use super::super::signal::{self, End, Signal};
use super::super::slots_of::SlotsOf;
use super::super::typed::{Element, Trust, Trusted, Untrusted};
use super::super::waiting::{self, Care, Poll};
use super::batch::LoanRun;
use super::loan::Loan;
use super::tail::SoleTail;
use crate::error::{EndpointError, PushError, TryPushError};
use crate::layout::participant::PRODUCER;
use crate::ring::close;
use crate::ring::spsc::Room;
use crate::segment::{Segment, Slots, View};
use crate::wait::park::{self, Notified};
use crate::wait::strategy::Wait;
use crossbeam_utils::CachePadded;
use std::marker::PhantomData;
use std::time::Instant;

/// The producing end of a ring of kind `K` that has one: [`Spsc`], [`Spmc`](crate::Spmc),
/// [`Broadcast`](crate::Broadcast). There is one at a time; it may move between threads.
///
/// Dropping it leaves in order, so that another producer can go on; [`Producer::close`] ends the stream.
#[derive(Debug)]
pub struct Producer<T: Element + ?Sized, M = Untrusted, K: SoleProducer = Spsc<T>> {
    /// On lines of its own: the other end may live in a neighbouring object of this process.
    pub(super) tail: CachePadded<K::Tail>,
    pub(super) view: SlotsOf<T>,
    signal: Signal,
    seat: Seat,
    trust: PhantomData<M>,
}

impl<T: Element + ?Sized, K: SoleProducer> Producer<T, Untrusted, K> {
    pub(crate) fn attach(segment: &Segment, view: View<Slots>) -> Result<Self, EndpointError> {
        let view = SlotsOf::new(view);
        let mut seat = Seat::take(segment, &view, 0, PRODUCER)?;
        let control = view.control();
        if close::producer_closed(control) || close::consumer_closed(control) {
            return Err(EndpointError::Closed);
        }
        let capacity = segment.checked.geometry.capacity;
        let tail = K::Tail::attach(view.lane(), control, &seat, capacity)?;
        seat.settle();
        signal::wake_up(&control.producer_sleep.0);
        Ok(Self {
            tail: CachePadded::new(tail),
            signal: Signal::new(segment, &view, End::Producer),
            view,
            seat,
            trust: PhantomData,
        })
    }

    /// Turns into an endpoint whose loans are `&mut T` into the ring.
    ///
    /// # Safety
    /// While this endpoint exists, every process that has the ring mapped
    /// * writes to it through this library, or by the rules of `docs/WIRE.md`, only;
    /// * does not truncate it.
    pub unsafe fn trust_peers(self) -> Producer<T, Trusted, K> {
        Producer {
            tail: self.tail,
            view: self.view,
            signal: self.signal,
            seat: self.seat,
            trust: PhantomData,
        }
    }
}

impl<T: Element, M: Trust, K: SoleProducer> Producer<T, M, K> {
    /// Pushes copies of as many of `values`, from the first, as are known to fit, at least one, and says how
    /// many. Each is there as soon as it is written; a consumer that sleeps is woken once, at the end. The consumer
    /// announces freed slots a quarter of the ring at a time, so more may fit on the next call.
    ///
    /// # Errors
    /// If there is room for none.
    pub fn try_push_many(&mut self, values: &[T]) -> Result<usize, TryPushError> {
        if values.is_empty() {
            return Ok(0);
        }
        if !self.know_more_room(values.len())? {
            self.room_now()?;
        }
        Ok(self.put_many(values))
    }

    /// Like [`try_push_many`](Producer::try_push_many), but waits for room for the first of `values` as `wait` says.
    ///
    /// # Errors
    /// As [`push`](Producer::push).
    pub fn push_many(&mut self, values: &[T], wait: Wait) -> Result<usize, PushError> {
        if values.is_empty() {
            return Ok(0);
        }
        if !self.tail.has_credit() {
            self.wait_for_room(wait, None)?;
        }
        Ok(self.put_many(values))
    }

    /// Pushes as many of `values` as there is room for, and says how many.
    fn put_many(&mut self, values: &[T]) -> usize {
        let n = values.len().min(self.credit() as usize);
        for value in &values[..n] {
            self.write(value);
        }
        self.notify();
        n
    }
}

impl<T: Element + ?Sized, M: Trust, K: SoleProducer> Producer<T, M, K> {
    /// Pushes a copy of `value`, or says why not. Never waits, never allocates; enters the kernel only to
    /// wake a sleeping consumer, or, at most once in a millisecond, to ask whether a lossless reader that is in the way
    /// is alive.
    ///
    /// # Errors
    /// [`TryPushError::Full`]: every slot holds a message that was not yet released. Nothing was pushed.
    ///
    /// # Panics
    /// On a ring of bytes, if the length is not the slot size.
    #[inline(always)]
    pub fn try_push(&mut self, value: &T) -> Result<(), TryPushError> {
        // At most once, here and below. With `if` both ways would meet behind it, and the tail be read again.
        while !self.tail.has_credit() {
            self.room_now()?;
        }
        self.put(value);
        Ok(())
    }

    /// Pushes a copy of `value`, waiting for room as `wait` says.
    ///
    /// Waiting here leaves the consumer's cache lines in peace, which polling
    /// [`try_push`](Producer::try_push) does not.
    ///
    /// # Errors
    /// [`PushError::PeerDied`] if there is no room and the consumer has died. Call again to wait for a
    /// successor; each call reports the death anew, at the latest after 100 ms.
    ///
    /// # Panics
    /// On a ring of bytes, if the length is not the slot size.
    #[inline(always)]
    pub fn push(&mut self, value: &T, wait: Wait) -> Result<(), PushError> {
        while !self.tail.has_credit() {
            self.wait_for_room(wait, None)?;
        }
        self.put(value);
        Ok(())
    }

    /// Like [`push`](Producer::push), but waits no longer than until `deadline`.
    ///
    /// # Errors
    /// Also [`PushError::TimedOut`].
    ///
    /// # Panics
    /// On a ring of bytes, if the length is not the slot size.
    #[inline(always)]
    pub fn push_until(
        &mut self,
        value: &T,
        wait: Wait,
        deadline: Instant,
    ) -> Result<(), PushError> {
        while !self.tail.has_credit() {
            self.wait_for_room(wait, Some(deadline))?;
        }
        self.put(value);
        Ok(())
    }

    #[inline(always)]
    fn put(&mut self, value: &T) {
        self.write(value);
        self.notify();
    }

    /// Writes the next message, for which there is room, and publishes it. Wakes nobody.
    #[inline(always)]
    fn write(&mut self, value: &T) {
        let lane = self.view.lane();
        self.tail
            .put(lane, |position| lane.write(position, value.as_bytes()));
        // Of a lane taken now, or numbers for seldom use would be loaded before the message is written.
        self.view.lane().prefetch_ahead(self.tail.next());
    }

    /// Borrows the next free slot to write in place. Dropping the loan without committing gives it back.
    ///
    /// # Errors
    /// [`TryPushError::Full`]: every slot holds a message that was not yet released.
    #[inline]
    pub fn try_claim(&mut self) -> Result<Loan<'_, T, M, K>, TryPushError> {
        if !self.tail.has_credit() {
            self.room_now()?;
        }
        Ok(Loan::new(self))
    }

    /// Borrows the next slot, waiting for room as `wait` says.
    ///
    /// # Errors
    /// [`PushError::PeerDied`] if there is no room and the consumer has died.
    #[inline]
    pub fn claim(&mut self, wait: Wait) -> Result<Loan<'_, T, M, K>, PushError> {
        if !self.tail.has_credit() {
            self.wait_for_room(wait, None)?;
        }
        Ok(Loan::new(self))
    }

    /// Like [`claim`](Producer::claim), but waits no longer than until `deadline`.
    ///
    /// # Errors
    /// Also [`PushError::TimedOut`].
    #[inline]
    pub fn claim_until(
        &mut self,
        wait: Wait,
        deadline: Instant,
    ) -> Result<Loan<'_, T, M, K>, PushError> {
        if !self.tail.has_credit() {
            self.wait_for_room(wait, Some(deadline))?;
        }
        Ok(Loan::new(self))
    }

    /// Borrows a run of up to `n` slots, at least one, to be committed together. It may be shorter than the
    /// room there is: the consumer announces freed slots a quarter of the ring at a time.
    ///
    /// # Errors
    /// [`TryPushError::Full`] if there is room for none.
    ///
    /// # Panics
    /// If `n` is 0.
    pub fn try_claim_run(&mut self, n: usize) -> Result<LoanRun<'_, T, M, K>, TryPushError> {
        if !self.know_more_room(n)? {
            self.room_now()?;
        }
        Ok(LoanRun::new(self, n))
    }

    /// Borrows a run of up to `n` slots, at least one, waiting for the first as `wait` says.
    ///
    /// # Errors
    /// [`PushError::PeerDied`] if there is no room and the consumer has died.
    ///
    /// # Panics
    /// If `n` is 0.
    pub fn claim_run(&mut self, n: usize, wait: Wait) -> Result<LoanRun<'_, T, M, K>, PushError> {
        // What is wrong with the ring, if anything, is what waiting finds out as well.
        if self.know_more_room(n) != Ok(true) {
            self.wait_for_room(wait, None)?;
        }
        Ok(LoanRun::new(self, n))
    }

    /// Ends the stream: the consumer drains what was committed and then sees `Closed`. For ever.
    pub fn close(self) {
        let control = self.view.control();
        close::close_producer(control);
        park::leave(&control.producer_sleep.0);
        self.signal.rouse();
    }

    /// Messages committed and not yet released: how far the consumer lags behind. Never less than it is.
    /// Reads a few of the consumer's lines. Where many consume: not yet claimed. Of a broadcast: not yet read by the
    /// slowest lossless reader, as far as it has said.
    pub fn len(&self) -> u64 {
        self.tail.len(self.view.lane(), self.view.control())
    }

    /// Whether the consumer has released everything. `true` stays true until the next commit.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Slots of the ring.
    pub fn capacity(&self) -> u64 {
        self.tail.capacity()
    }

    /// Size of a message in bytes.
    pub fn slot_size(&self) -> usize {
        self.view.lane().payload_bytes()
    }

    /// The position the next message will have: how many were committed since creation, by all producers.
    pub fn position(&self) -> u64 {
        self.tail.next()
    }

    /// How the last producer of this ring went, if there was one.
    pub fn predecessor(&self) -> Peer {
        self.seat.predecessor()
    }

    /// Whether the consumer is there. Asks the kernel, a fraction of a microsecond.
    pub fn consumer_state(&self) -> Peer {
        self.seat.consumer()
    }

    /// The next free slot's position, `at` slots on.
    #[inline(always)]
    pub(super) fn claimed(&self, at: u64) -> u64 {
        self.tail.next().wrapping_add(at)
    }

    /// Positions known to be writable.
    pub(super) fn credit(&self) -> u64 {
        self.tail.credit()
    }

    /// Publishes the next position's message and wakes the consumer if it sleeps.
    #[inline(always)]
    pub(super) fn publish(&mut self) {
        self.publish_run(1);
    }

    /// Publishes `n` messages and wakes the consumer once.
    #[inline]
    pub(super) fn publish_run(&mut self, n: u64) {
        let lane = self.view.lane();
        for _ in 0..n {
            self.tail.put(lane, |_| ());
            lane.prefetch_ahead(self.tail.next());
        }
        self.notify();
    }

    #[inline(always)]
    fn notify(&mut self) {
        let gone = self.signal.notify() == Notified::Gone;
        if gone || self.tail.is_told_off(self.view.control()) {
            self.tail.forget_credit();
        }
    }

    /// Says that the next `n` slots are being written.
    #[inline(always)]
    pub(super) fn begin(&self, n: u64) {
        self.tail.begin(self.view.lane(), n);
    }

    /// Asks for more if less than a run of `n` is known to be free. `false` if nothing is.
    fn know_more_room(&mut self, n: usize) -> Result<bool, TryPushError> {
        if self.tail.credit() >= n as u64 {
            return Ok(true);
        }
        let (lane, control) = (self.view.lane(), self.view.control());
        match self.tail.refill(lane, control, n as u64, Care::Quick) {
            Room::Free(_) => Ok(true),
            Room::Full => Ok(self.tail.has_credit()),
            Room::Closed => Err(TryPushError::Closed),
            Room::Corrupt(e) => Err(TryPushError::Corrupt(e)),
        }
    }

    /// Whether there is room, exactly, at this moment.
    #[cold]
    #[inline(never)]
    fn room_now(&mut self) -> Result<(), TryPushError> {
        let (lane, control) = (self.view.lane(), self.view.control());
        match self.tail.refill(lane, control, 1, Care::Thorough) {
            Room::Free(_) => Ok(()),
            Room::Full if self.tail.refused(control) => Ok(()),
            Room::Full => Err(TryPushError::Full),
            Room::Closed => Err(TryPushError::Closed),
            Room::Corrupt(e) => Err(TryPushError::Corrupt(e)),
        }
    }

    #[cold]
    #[inline(never)]
    fn wait_for_room(&mut self, wait: Wait, deadline: Option<Instant>) -> Result<(), PushError> {
        let Self {
            tail,
            view,
            signal,
            seat,
            ..
        } = self;
        let (lane, control) = (view.lane(), view.control());
        let mut verdict = Ok(());
        let mut end = |error| {
            verdict = Err(error);
            Poll::Ended
        };
        let poll = |care, _: &Signal| match tail.refill(lane, control, 1, care) {
            Room::Free(_) => Poll::Found,
            Room::Full => Poll::Nothing,
            Room::Closed => end(PushError::Closed),
            Room::Corrupt(e) => end(PushError::Corrupt(e)),
        };
        let died = || K::Tail::NEEDS_CONSUMERS && seat.consumer() == Peer::Died;
        waiting::wait_for(wait, deadline, signal, died, poll)?;
        verdict
    }
}

impl<T: Element + ?Sized, M: Trust> Producer<T, M, Broadcast<T>> {
    /// Changes what is done about lossless readers that are a whole ring behind.
    pub fn laggards(&mut self, laggards: Laggards) {
        self.tail.set_laggards(laggards);
    }
}
