//! One of many producing ends of a ring of slots.

use super::super::seat::Peer;
use super::super::typed::{Element, Trust, Trusted, Untrusted};
use super::claims::Claims;
use super::loan::{SharedLoan, SharedLoanRun};
use crate::error::{EndpointError, PushError, TryPushError};
use crate::segment::{Segment, Slots, View};
use crate::wait::strategy::Wait;
use std::marker::PhantomData;
use std::time::Instant;

/// One of many producing ends of a ring of slots, of kind [`Mpsc`](crate::Mpsc) or [`Mpmc`](crate::Mpmc). It may move
/// between threads.
///
/// Messages of one producer are taken in its order. Dropping it leaves in order; [`SharedProducer::close`] ends the
/// stream for all.
///
/// What *never waits* waits for nobody: not for a message, nor for room, nor for what another one has in hand. But of those who
/// claim at the same moment one goes first, and each of the others stays away for 0.3 to 2.6 us before it tries again.
#[derive(Debug)]
pub struct SharedProducer<T: Element + ?Sized, M = Untrusted> {
    pub(super) claims: Claims<T>,
    trust: PhantomData<M>,
}

impl<T: Element + ?Sized> SharedProducer<T, Untrusted> {
    pub(crate) fn attach(segment: &Segment, view: View<Slots>) -> Result<Self, EndpointError> {
        Ok(Self {
            claims: Claims::attach(segment, view)?,
            trust: PhantomData,
        })
    }

    /// Turns into an endpoint whose loans are `&mut T` into the ring.
    ///
    /// # Safety
    /// While this endpoint exists, every process that has the ring mapped
    /// * writes to it through this library, or by the rules of `docs/WIRE.md`, only;
    /// * does not truncate it.
    pub unsafe fn trust_peers(self) -> SharedProducer<T, Trusted> {
        SharedProducer {
            claims: self.claims,
            trust: PhantomData,
        }
    }
}

impl<T: Element, M: Trust> SharedProducer<T, M> {
    /// Pushes copies of as many of `values`, from the first, as fit at one go, at least one, and says how many. They are
    /// claimed together, lie one behind the other, and the consumers are notified once.
    ///
    /// # Errors
    /// If there is room for none.
    pub fn try_push_many(&mut self, values: &[T]) -> Result<usize, TryPushError> {
        if values.is_empty() {
            return Ok(0);
        }
        self.claims.claim_now(values.len() as u64)?;
        Ok(self.put_many(values))
    }

    /// Like [`try_push_many`](SharedProducer::try_push_many), but waits for room for the first of `values` as `wait` says.
    ///
    /// # Errors
    /// As [`push`](SharedProducer::push).
    pub fn push_many(&mut self, values: &[T], wait: Wait) -> Result<usize, PushError> {
        if values.is_empty() {
            return Ok(0);
        }
        self.claims.claim_wait(values.len() as u64, wait, None)?;
        Ok(self.put_many(values))
    }

    /// Writes the first of `values` into the slots that were claimed, and publishes them.
    fn put_many(&mut self, values: &[T]) -> usize {
        let n = self.claims.run.len();
        let lane = self.claims.view.lane();
        for (i, value) in (0..n).zip(values) {
            lane.write(self.claims.run.next.wrapping_add(i), value.as_bytes());
        }
        self.claims.commit(n);
        n as usize
    }
}

impl<T: Element + ?Sized, M: Trust> SharedProducer<T, M> {
    /// Pushes a copy of `value`, or says why not. Never waits, never allocates; enters the kernel only to wake a
    /// sleeping consumer.
    ///
    /// # Errors
    /// [`TryPushError::Full`]: the next slot holds a message that was not yet released. Nothing was pushed.
    ///
    /// # Panics
    /// On a ring of bytes, if the length is not the slot size.
    #[inline(always)]
    pub fn try_push(&mut self, value: &T) -> Result<(), TryPushError> {
        let lane = self.claims.view.lane();
        lane.check(value.as_bytes());
        self.claims.claim_now(1)?;
        self.claims.put(value);
        Ok(())
    }

    /// Pushes a copy of `value`, waiting for room as `wait` says.
    ///
    /// # Errors
    /// [`PushError::PeerDied`] if there is no room, no consumer is alive, and one has died. Call again to wait for a
    /// successor; each call reports the death anew, at the latest after 100 ms.
    ///
    /// # Panics
    /// On a ring of bytes, if the length is not the slot size.
    #[inline(always)]
    pub fn push(&mut self, value: &T, wait: Wait) -> Result<(), PushError> {
        let lane = self.claims.view.lane();
        lane.check(value.as_bytes());
        self.claims.claim_wait(1, wait, None)?;
        self.claims.put(value);
        Ok(())
    }

    /// Like [`push`](SharedProducer::push), but waits no longer than until `deadline`.
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
        let lane = self.claims.view.lane();
        lane.check(value.as_bytes());
        self.claims.claim_wait(1, wait, Some(deadline))?;
        self.claims.put(value);
        Ok(())
    }

    /// Claims the next free slot to write in place. Dropping the loan without committing gives it up: consumers pass
    /// over it. Until then they wait for it, and for nobody else's message behind it.
    ///
    /// # Errors
    /// [`TryPushError::Full`]: the next slot holds a message that was not yet released.
    #[inline]
    pub fn try_claim(&mut self) -> Result<SharedLoan<'_, T, M>, TryPushError> {
        self.claims.claim_now(1)?;
        Ok(SharedLoan::new(self))
    }

    /// Claims the next slot, waiting for room as `wait` says.
    ///
    /// # Errors
    /// As [`push`](SharedProducer::push).
    #[inline]
    pub fn claim(&mut self, wait: Wait) -> Result<SharedLoan<'_, T, M>, PushError> {
        self.claims.claim_wait(1, wait, None)?;
        Ok(SharedLoan::new(self))
    }

    /// Like [`claim`](SharedProducer::claim), but waits no longer than until `deadline`.
    ///
    /// # Errors
    /// Also [`PushError::TimedOut`].
    #[inline]
    pub fn claim_until(
        &mut self,
        wait: Wait,
        deadline: Instant,
    ) -> Result<SharedLoan<'_, T, M>, PushError> {
        self.claims.claim_wait(1, wait, Some(deadline))?;
        Ok(SharedLoan::new(self))
    }

    /// Claims a run of up to `n` slots, at least one, with one exchange. It is shorter if fewer are free in a row.
    ///
    /// # Errors
    /// As [`try_push`](SharedProducer::try_push), if not even one is free.
    ///
    /// # Panics
    /// If `n` is 0.
    pub fn try_claim_many(&mut self, n: usize) -> Result<SharedLoanRun<'_, T, M>, TryPushError> {
        assert!(n > 0, "a run has at least one slot");
        self.claims.claim_now(n as u64)?;
        Ok(SharedLoanRun::new(self))
    }

    /// Claims a run of up to `n` slots, at least one, waiting for the first as `wait` says.
    ///
    /// # Errors
    /// As [`push`](SharedProducer::push).
    ///
    /// # Panics
    /// If `n` is 0.
    pub fn claim_many(
        &mut self,
        n: usize,
        wait: Wait,
    ) -> Result<SharedLoanRun<'_, T, M>, PushError> {
        assert!(n > 0, "a run has at least one slot");
        self.claims.claim_wait(n as u64, wait, None)?;
        Ok(SharedLoanRun::new(self))
    }

    /// Ends the stream for all producers: consumers drain what was committed and then see `Closed`. For ever. What
    /// others have claimed by then they may still commit.
    pub fn close(self) {
        self.claims.close();
    }

    /// Messages committed or being written, and not yet claimed by a consumer; with one consumer not yet released, as
    /// far as it has said. A moment's picture.
    pub fn len(&self) -> u64 {
        self.claims.len()
    }

    /// Whether [`len`](SharedProducer::len) is 0.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Slots of the ring.
    pub fn capacity(&self) -> u64 {
        self.claims.capacity
    }

    /// Size of a message in bytes.
    pub fn slot_size(&self) -> usize {
        self.claims.view.lane().payload_bytes()
    }

    /// How the last owner of this end went, if there was one.
    pub fn predecessor(&self) -> Peer {
        self.claims.seat.predecessor()
    }

    /// Whether a consumer is there. Asks the kernel, a fraction of a microsecond for each place.
    pub fn consumer_state(&self) -> Peer {
        self.claims.seat.consumer()
    }
}
