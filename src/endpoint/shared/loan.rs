//! Slots on loan to one of many producers, to be written in place.

use super::super::typed::{Element, Trust, Trusted, Untrusted};
use super::producer::SharedProducer;
use std::ops::{Deref, DerefMut};

/// A claimed slot. Consumers wait for it until it is committed or dropped; dropping it makes it a tombstone, which they
/// pass over.
///
/// What was not written holds bytes of an earlier lap.
#[derive(Debug)]
#[must_use = "dropping a loan gives the slot up without sending anything"]
pub struct SharedLoan<'a, T: Element + ?Sized, M: Trust = Untrusted> {
    producer: &'a mut SharedProducer<T, M>,
}

impl<'a, T: Element + ?Sized, M: Trust> SharedLoan<'a, T, M> {
    #[inline(always)]
    pub(super) fn new(producer: &'a mut SharedProducer<T, M>) -> Self {
        Self { producer }
    }

    /// Sends the message.
    #[inline]
    pub fn commit(self) {
        self.producer.claims.commit(1);
    }

    /// Gives the slot up. The same as dropping the loan.
    pub fn abort(self) {}

    /// Copies `value` into the slot.
    ///
    /// # Panics
    /// On a ring of bytes, if the length is not the slot size.
    #[inline]
    pub fn write(&mut self, value: &T) {
        let claims = &self.producer.claims;
        claims.view.lane().write(claims.run.next, value.as_bytes());
    }

    /// The position the message will have.
    pub fn position(&self) -> u64 {
        self.producer.claims.run.next
    }

    #[inline(always)]
    fn payload(&self) -> *mut u8 {
        let claims = &self.producer.claims;
        claims.view.lane().payload(claims.run.next)
    }
}

impl<T: Element + ?Sized, M: Trust> Drop for SharedLoan<'_, T, M> {
    #[inline]
    fn drop(&mut self) {
        // Nothing is left of a loan that was committed.
        self.producer.claims.abort();
    }
}

impl<M: Trust> SharedLoan<'_, [u8], M> {
    /// Copies `bytes` to `offset` within the slot.
    ///
    /// # Panics
    /// If they do not fit.
    #[inline]
    pub fn write_at(&mut self, offset: usize, bytes: &[u8]) {
        let claims = &self.producer.claims;
        let lane = claims.view.lane();
        lane.write_bytes(claims.run.next, offset, bytes);
    }

    /// Size of the slot in bytes.
    pub fn slot_size(&self) -> usize {
        self.producer.slot_size()
    }
}

impl<T: Element> Deref for SharedLoan<'_, T, Trusted> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        let payload = self.payload().cast::<T>();
        // SAFETY: a T fits and is aligned there (checked at attach); all bit patterns are valid (FromBytes);
        // the slot belongs to this producer until it commits, and peers keep to that (trust_peers).
        unsafe { &*payload }
    }
}

impl<T: Element> DerefMut for SharedLoan<'_, T, Trusted> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        let payload = self.payload().cast::<T>();
        // SAFETY: as in `deref`; `&mut self` makes the reference unique.
        unsafe { &mut *payload }
    }
}

impl Deref for SharedLoan<'_, [u8], Trusted> {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        let payload = self.payload();
        // SAFETY: `slot_size` bytes are inside the slot, which belongs to this producer until it commits,
        // and peers keep to that (trust_peers).
        unsafe { std::slice::from_raw_parts(payload, self.producer.slot_size()) }
    }
}

impl DerefMut for SharedLoan<'_, [u8], Trusted> {
    #[inline]
    fn deref_mut(&mut self) -> &mut [u8] {
        let payload = self.payload();
        // SAFETY: as in `deref`; `&mut self` makes the reference unique.
        unsafe { std::slice::from_raw_parts_mut(payload, self.producer.slot_size()) }
    }
}

/// A run of claimed slots, to be sent together. Dropping it gives them all up.
#[derive(Debug)]
#[must_use = "dropping a run gives the slots up without sending anything"]
pub struct SharedLoanRun<'a, T: Element + ?Sized, M: Trust = Untrusted> {
    producer: &'a mut SharedProducer<T, M>,
}

impl<'a, T: Element + ?Sized, M: Trust> SharedLoanRun<'a, T, M> {
    pub(super) fn new(producer: &'a mut SharedProducer<T, M>) -> Self {
        Self { producer }
    }

    /// Slots in the run: at least one, at most as many as were asked for.
    #[allow(clippy::len_without_is_empty)] // A run is never empty.
    pub fn len(&self) -> usize {
        self.producer.claims.run.len() as usize
    }

    /// Sends all messages of the run.
    pub fn commit(self) {
        let n = self.producer.claims.run.len();
        self.producer.claims.commit(n);
    }

    /// Sends the first `n` messages and gives the other slots up.
    ///
    /// # Panics
    /// If the run has fewer.
    pub fn commit_first(self, n: usize) {
        assert!(n <= self.len(), "commit past the end of a run");
        self.producer.claims.commit(n as u64);
    }

    /// Gives all slots up. The same as dropping the run.
    pub fn abort(self) {}

    /// Copies `value` into slot `i` of the run.
    ///
    /// # Panics
    /// If the run has no slot `i`; on a ring of bytes, if the length is not the slot size.
    #[inline]
    pub fn write(&mut self, i: usize, value: &T) {
        let position = self.position(i);
        let lane = self.producer.claims.view.lane();
        lane.write(position, value.as_bytes());
    }

    fn position(&self, i: usize) -> u64 {
        assert!(i < self.len(), "slot index past the end of a run");
        self.producer.claims.run.next.wrapping_add(i as u64)
    }
}

impl<T: Element + ?Sized, M: Trust> Drop for SharedLoanRun<'_, T, M> {
    fn drop(&mut self) {
        // Nothing is left of a run that was committed.
        self.producer.claims.abort();
    }
}

impl<T: Element> SharedLoanRun<'_, T, Trusted> {
    /// Slot `i` of the run, to be written in place.
    ///
    /// # Panics
    /// If the run has no slot `i`.
    #[inline]
    pub fn slot_mut(&mut self, i: usize) -> &mut T {
        let position = self.position(i);
        let payload = self
            .producer
            .claims
            .view
            .lane()
            .payload(position)
            .cast::<T>();
        // SAFETY: a T fits and is aligned there (checked at attach); all bit patterns are valid (FromBytes);
        // the slot belongs to this producer until it commits, and peers keep to that (trust_peers).
        unsafe { &mut *payload }
    }
}

impl<M: Trust> SharedLoanRun<'_, [u8], M> {
    /// Copies `bytes` to `offset` within slot `i` of the run.
    ///
    /// # Panics
    /// If the run has no slot `i`, or they do not fit.
    #[inline]
    pub fn write_at(&mut self, i: usize, offset: usize, bytes: &[u8]) {
        let position = self.position(i);
        let lane = self.producer.claims.view.lane();
        lane.write_bytes(position, offset, bytes);
    }
}
