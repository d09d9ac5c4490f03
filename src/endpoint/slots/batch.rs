//! Several messages at a time: a run of slots to write, a run of messages to read.

use super::super::kind::{SoleProducer, Spsc};
use super::super::typed::{Element, Trust, Trusted, Untrusted};
use super::consumer::Consumer;
use super::producer::Producer;
use crate::error::PopError;
use crate::wait::strategy::Wait;
use std::time::Instant;

/// A run of free slots in the hands of the producer, to be sent together with one look at the consumer.
/// Dropping it gives them all back.
#[derive(Debug)]
#[must_use = "dropping a run gives the slots back without sending anything"]
pub struct LoanRun<'a, T: Element + ?Sized, M: Trust = Untrusted, K: SoleProducer = Spsc<T>> {
    producer: &'a mut Producer<T, M, K>,
    len: usize,
}

impl<'a, T: Element + ?Sized, M: Trust, K: SoleProducer> LoanRun<'a, T, M, K> {
    /// Up to `n` slots of the producer's credit, which is not empty.
    pub(super) fn new(producer: &'a mut Producer<T, M, K>, n: usize) -> Self {
        assert!(n > 0, "a run has at least one slot");
        let len = producer.credit().min(n as u64) as usize;
        producer.begin(len as u64);
        Self { producer, len }
    }

    /// Slots in the run: at least one, at most as many as were asked for.
    #[allow(clippy::len_without_is_empty)] // A run is never empty.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Sends all messages of the run.
    pub fn commit(self) {
        self.producer.publish_run(self.len as u64);
    }

    /// Sends the first `n` messages and gives the other slots back.
    ///
    /// # Panics
    /// If the run has fewer.
    pub fn commit_first(self, n: usize) {
        assert!(n <= self.len, "commit past the end of a run");
        self.producer.publish_run(n as u64);
    }

    /// Gives all slots back. The same as dropping the run.
    pub fn abort(self) {}

    /// Copies `value` into slot `i` of the run.
    ///
    /// # Panics
    /// If the run has no slot `i`; on a ring of bytes, if the length is not the slot size.
    #[inline]
    pub fn write(&mut self, i: usize, value: &T) {
        self.producer
            .view
            .lane()
            .write(self.position(i), value.as_bytes());
    }

    fn position(&self, i: usize) -> u64 {
        assert!(i < self.len, "slot index past the end of a run");
        self.producer.claimed(i as u64)
    }
}

impl<T: Element, K: SoleProducer> LoanRun<'_, T, Trusted, K> {
    /// Slot `i` of the run, to be written in place.
    ///
    /// # Panics
    /// If the run has no slot `i`.
    #[inline]
    pub fn slot_mut(&mut self, i: usize) -> &mut T {
        let payload = self
            .producer
            .view
            .lane()
            .payload(self.position(i))
            .cast::<T>();
        // SAFETY: a T fits and is aligned there (checked at attach); all bit patterns are valid (FromBytes);
        // the slot belongs to this producer until it commits, and peers keep to that (trust_peers).
        unsafe { &mut *payload }
    }
}

impl<M: Trust, K: SoleProducer> LoanRun<'_, [u8], M, K> {
    /// Copies `bytes` to `offset` within slot `i` of the run.
    ///
    /// # Panics
    /// If the run has no slot `i`, or they do not fit.
    #[inline]
    pub fn write_at(&mut self, i: usize, offset: usize, bytes: &[u8]) {
        self.producer
            .view
            .lane()
            .write_bytes(self.position(i), offset, bytes);
    }
}

/// Up to so many messages that are there already, one by one. Each slot goes back as its message is taken, so
/// a consumer that dies in the middle leaves at most one message to be delivered again.
#[derive(Debug)]
#[must_use = "a drain does nothing until messages are taken from it"]
pub struct Drain<'a, T: Element + ?Sized, M: Trust = Untrusted> {
    consumer: &'a mut Consumer<T, M>,
    left: usize,
}

impl<'a, T: Element + ?Sized, M: Trust> Drain<'a, T, M> {
    pub(super) fn new(consumer: &'a mut Consumer<T, M>, n: usize) -> Self {
        Self { consumer, left: n }
    }

    /// Copies the next message into `out`. `false` when there is none, or as many were taken as were asked
    /// for.
    ///
    /// # Panics
    /// On a ring of bytes, if the length is not the slot size.
    #[inline(always)]
    pub fn next_into(&mut self, out: &mut T) -> bool {
        if self.left == 0 {
            return false;
        }
        if self.consumer.try_pop_into(out).is_err() {
            self.consumer.ran_short();
            return false;
        }
        self.left -= 1;
        true
    }
}

impl<T: Element + ?Sized, M: Trust> Consumer<T, M> {
    /// Takes up to `n` messages that are there now. Never waits. It ends early when there are no more; whether
    /// the ring is empty, closed or corrupt is what the next [`try_pop`](Consumer::try_pop) says.
    #[inline]
    pub fn drain(&mut self, n: usize) -> Drain<'_, T, M> {
        Drain::new(self, n)
    }

    /// Takes up to `n` messages that are there, waiting for the first as `wait` says. In full flow it may rest for up to
    /// 0.4 us first, so that there are more.
    ///
    /// # Errors
    /// As [`pop`](Consumer::pop).
    ///
    /// # Panics
    /// If `n` is 0.
    #[inline]
    pub fn drain_wait(&mut self, n: usize, wait: Wait) -> Result<Drain<'_, T, M>, PopError> {
        self.wait_for_run(n, wait, None)?;
        Ok(Drain::new(self, n))
    }

    /// Like [`drain_wait`](Consumer::drain_wait), but waits no longer than until `deadline`.
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
    ) -> Result<Drain<'_, T, M>, PopError> {
        self.wait_for_run(n, wait, Some(deadline))?;
        Ok(Drain::new(self, n))
    }
}

impl<T: Element, M: Trust> Iterator for Drain<'_, T, M> {
    type Item = T;

    #[inline]
    fn next(&mut self) -> Option<T> {
        if self.left == 0 {
            return None;
        }
        let Ok(message) = self.consumer.try_pop() else {
            self.consumer.ran_short();
            return None;
        };
        self.left -= 1;
        Some(message)
    }
}
