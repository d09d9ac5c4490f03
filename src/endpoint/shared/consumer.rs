//! One of many consuming ends of a ring of slots.

use super::super::seat::Peer;
use super::super::typed::{Element, Trust, Trusted, Untrusted};
use super::batch::SharedDrain;
use super::deliveries::Deliveries;
use super::sample::SharedSample;
use crate::error::{EndpointError, PopError, TryPopError};
use crate::ring::shared::{head, repair};
use crate::segment::{Segment, Slots, View};
use crate::wait::strategy::Wait;
use std::marker::PhantomData;
use std::time::Instant;

/// One of many consuming ends of a ring of slots, of kind [`Spmc`](crate::Spmc) or [`Mpmc`](crate::Mpmc). It may move
/// between threads.
///
/// Each message goes to one consumer. A message in the hands of a consumer that dies goes to another one, which can ask
/// whether it did ([`SharedConsumer::redelivered`]). Dropping it leaves in order; [`SharedConsumer::close`] ends the
/// stream for all.
///
/// What *never waits* waits for nobody: not for a message, nor for room, nor for what another one has in hand. But of those who
/// claim at the same moment one goes first, and each of the others stays away for 0.3 to 2.6 us before it tries again.
#[derive(Debug)]
pub struct SharedConsumer<T: Element + ?Sized, M = Untrusted> {
    pub(super) deliveries: Deliveries<T>,
    trust: PhantomData<M>,
}

impl<T: Element + ?Sized> SharedConsumer<T, Untrusted> {
    pub(crate) fn attach(segment: &Segment, view: View<Slots>) -> Result<Self, EndpointError> {
        Ok(Self {
            deliveries: Deliveries::attach(segment, view)?,
            trust: PhantomData,
        })
    }

    /// Turns into an endpoint whose samples are `&T` into the ring.
    ///
    /// # Safety
    /// While this endpoint exists, every process that has the ring mapped
    /// * writes to it through this library, or by the rules of `docs/WIRE.md`, only;
    /// * does not truncate it.
    pub unsafe fn trust_peers(self) -> SharedConsumer<T, Trusted> {
        SharedConsumer {
            deliveries: self.deliveries,
            trust: PhantomData,
        }
    }
}

impl<T: Element, M: Trust> SharedConsumer<T, M> {
    /// Takes the oldest message that no consumer has claimed, or says why not. Never waits, never allocates; enters the
    /// kernel only to wake a sleeping producer, or to ask whether another participant is alive that has something in
    /// hand for long.
    ///
    /// # Errors
    /// [`TryPopError::Closed`] once the ring was closed and everything was claimed. Should another consumer die after
    /// that, a new one finds what was in its hands.
    #[inline(always)]
    pub fn try_pop(&mut self) -> Result<T, TryPopError> {
        self.deliveries.find_now(1)?;
        Ok(self.take())
    }

    /// Takes the oldest message, waiting for one as `wait` says.
    ///
    /// # Errors
    /// [`PopError::Closed`] once the ring was closed and everything was claimed. [`PopError::PeerDied`] if there is
    /// none, no producer is alive, and one has died. Call again to wait for a successor; each call reports the death
    /// anew, at the latest after 100 ms.
    #[inline(always)]
    pub fn pop(&mut self, wait: Wait) -> Result<T, PopError> {
        self.deliveries.find_wait(1, wait, None)?;
        Ok(self.take())
    }

    /// Like [`pop`](SharedConsumer::pop), but waits no longer than until `deadline`.
    ///
    /// # Errors
    /// Also [`PopError::TimedOut`].
    #[inline(always)]
    pub fn pop_until(&mut self, wait: Wait, deadline: Instant) -> Result<T, PopError> {
        self.deliveries.find_wait(1, wait, Some(deadline))?;
        Ok(self.take())
    }

    /// Takes the message in hand.
    #[inline(always)]
    pub(super) fn take(&mut self) -> T {
        let hands = &self.deliveries.hands;
        let lane = hands.view.lane();
        let message = lane.read(hands.run.next);
        self.deliveries.release();
        message
    }
}

impl<T: Element + ?Sized, M: Trust> SharedConsumer<T, M> {
    /// Copies the oldest message into `out`; for bytes, and for values too large to move about.
    ///
    /// # Errors
    /// As [`try_pop`](SharedConsumer::try_pop).
    ///
    /// # Panics
    /// On a ring of bytes, if the length is not the slot size.
    #[inline(always)]
    pub fn try_pop_into(&mut self, out: &mut T) -> Result<(), TryPopError> {
        self.deliveries.find_now(1)?;
        self.take_into(out);
        Ok(())
    }

    /// Copies the oldest message into `out`, waiting for one as `wait` says.
    ///
    /// # Errors
    /// As [`pop`](SharedConsumer::pop).
    ///
    /// # Panics
    /// On a ring of bytes, if the length is not the slot size.
    #[inline(always)]
    pub fn pop_into(&mut self, out: &mut T, wait: Wait) -> Result<(), PopError> {
        self.deliveries.find_wait(1, wait, None)?;
        self.take_into(out);
        Ok(())
    }

    /// Like [`pop_into`](SharedConsumer::pop_into), but waits no longer than until `deadline`.
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
        self.deliveries.find_wait(1, wait, Some(deadline))?;
        self.take_into(out);
        Ok(())
    }

    /// Claims the oldest message to read in place. Its slot goes back when the sample is dropped.
    ///
    /// # Errors
    /// As [`try_pop`](SharedConsumer::try_pop).
    #[inline]
    pub fn try_sample(&mut self) -> Result<SharedSample<'_, T, M>, TryPopError> {
        self.deliveries.find_now(1)?;
        Ok(SharedSample::new(self))
    }

    /// Claims the oldest message, waiting for one as `wait` says.
    ///
    /// # Errors
    /// As [`pop`](SharedConsumer::pop).
    #[inline]
    pub fn sample(&mut self, wait: Wait) -> Result<SharedSample<'_, T, M>, PopError> {
        self.deliveries.find_wait(1, wait, None)?;
        Ok(SharedSample::new(self))
    }

    /// Like [`sample`](SharedConsumer::sample), but waits no longer than until `deadline`.
    ///
    /// # Errors
    /// Also [`PopError::TimedOut`].
    #[inline]
    pub fn sample_until(
        &mut self,
        wait: Wait,
        deadline: Instant,
    ) -> Result<SharedSample<'_, T, M>, PopError> {
        self.deliveries.find_wait(1, wait, Some(deadline))?;
        Ok(SharedSample::new(self))
    }

    /// Claims up to `n` messages that are there now, with one exchange. Never waits. If there are none, whether the
    /// ring is empty, closed or corrupt is what the next [`try_pop`](SharedConsumer::try_pop) says.
    #[inline]
    pub fn drain(&mut self, n: usize) -> SharedDrain<'_, T, M> {
        // Why there is nothing is what the next pop says.
        if n > 0 {
            let _ = self.deliveries.find_now(n as u64);
        }
        SharedDrain::new(self, n)
    }

    /// Claims up to `n` messages with one exchange, at least one, waiting for that as `wait` says. In full flow it may rest
    /// for up to 0.4 us first, so that there are more.
    ///
    /// # Errors
    /// As [`pop`](SharedConsumer::pop).
    ///
    /// # Panics
    /// If `n` is 0.
    #[inline]
    pub fn drain_wait(&mut self, n: usize, wait: Wait) -> Result<SharedDrain<'_, T, M>, PopError> {
        assert!(n > 0, "a drain is of at least one message");
        self.deliveries.find_run(n as u64, wait, None)?;
        Ok(SharedDrain::new(self, n))
    }

    /// Like [`drain_wait`](SharedConsumer::drain_wait), but waits no longer than until `deadline`.
    ///
    /// # Errors
    /// Also [`PopError::TimedOut`].
    ///
    /// # Panics
    /// If `n` is 0.
    #[inline]
    pub fn drain_until(
        &mut self,
        n: usize,
        wait: Wait,
        deadline: Instant,
    ) -> Result<SharedDrain<'_, T, M>, PopError> {
        assert!(n > 0, "a drain is of at least one message");
        self.deliveries.find_run(n as u64, wait, Some(deadline))?;
        Ok(SharedDrain::new(self, n))
    }

    /// Says that nothing more is wanted: pushes fail from now on, and consumers drain what is there. For ever. With one
    /// producer its next push may still succeed, and that message is lost if nobody drains any more.
    pub fn close(self) {
        self.deliveries.close();
    }

    /// Whether no message is there to be claimed, and none is in hand. A moment's picture.
    pub fn is_empty(&self) -> bool {
        let hands = &self.deliveries.hands;
        let lane = hands.view.lane();
        !hands.run.has_message(&lane) && !head::is_ready(&lane, hands.view.control())
    }

    /// Whether the message taken last had been in the hands of a consumer that died, which may have dealt with it.
    pub fn redelivered(&self) -> bool {
        self.deliveries.hands.redelivered
    }

    /// How many messages were dropped since the ring was made, by everybody: they were in the hands of consumers that
    /// died, and the ring is one that does not deliver those again ([`Orphans::Drop`](crate::Orphans::Drop)). If who drops
    /// is killed as well, one of them may not be counted.
    pub fn dropped(&self) -> u64 {
        repair::dropped(self.deliveries.hands.view.control())
    }

    /// Slots of the ring.
    pub fn capacity(&self) -> u64 {
        self.deliveries.hands.capacity
    }

    /// Size of a message in bytes.
    pub fn slot_size(&self) -> usize {
        self.deliveries.hands.view.lane().payload_bytes()
    }

    /// How the last owner of this end went, if there was one.
    pub fn predecessor(&self) -> Peer {
        self.deliveries.hands.seat.predecessor()
    }

    /// Whether a producer is there. Asks the kernel, a fraction of a microsecond for each place.
    pub fn producer_state(&self) -> Peer {
        self.deliveries.hands.seat.producers()
    }

    /// Takes the message in hand into `out`.
    #[inline(always)]
    pub(super) fn take_into(&mut self, out: &mut T) {
        let hands = &self.deliveries.hands;
        let lane = hands.view.lane();
        lane.take_into(hands.run.next, out.as_mut_bytes());
        self.deliveries.release();
    }
}
