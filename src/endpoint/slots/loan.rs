//! A slot on loan from the ring, to be written in place.

use super::super::kind::{SoleProducer, Spsc};
use super::super::typed::{Element, Trust, Trusted, Untrusted};
use super::producer::Producer;
use std::ops::{Deref, DerefMut};

/// A free slot in the hands of the producer. Nobody sees it before [`commit`](Loan::commit); dropping it, or
/// dying with it, gives it back untouched by the stream. (In a broadcast the oldest message, which it overwrites, is gone.)
///
/// What was not written holds bytes of an earlier lap.
#[derive(Debug)]
#[must_use = "dropping a loan gives the slot back without sending anything"]
pub struct Loan<'a, T: Element + ?Sized, M: Trust = Untrusted, K: SoleProducer = Spsc<T>> {
    producer: &'a mut Producer<T, M, K>,
}

impl<'a, T: Element + ?Sized, M: Trust, K: SoleProducer> Loan<'a, T, M, K> {
    #[inline(always)]
    pub(super) fn new(producer: &'a mut Producer<T, M, K>) -> Self {
        producer.begin(1);
        Self { producer }
    }

    /// Sends the message.
    #[inline]
    pub fn commit(self) {
        self.producer.publish();
    }

    /// Gives the slot back. The same as dropping the loan.
    pub fn abort(self) {}

    /// Copies `value` into the slot.
    ///
    /// # Panics
    /// On a ring of bytes, if the length is not the slot size.
    #[inline]
    pub fn write(&mut self, value: &T) {
        self.producer
            .view
            .lane()
            .write(self.producer.claimed(0), value.as_bytes());
    }

    /// The position the message will have.
    pub fn position(&self) -> u64 {
        self.producer.claimed(0)
    }
}

impl<M: Trust, K: SoleProducer> Loan<'_, [u8], M, K> {
    /// Copies `bytes` to `offset` within the slot.
    ///
    /// # Panics
    /// If they do not fit.
    #[inline]
    pub fn write_at(&mut self, offset: usize, bytes: &[u8]) {
        self.producer
            .view
            .lane()
            .write_bytes(self.producer.claimed(0), offset, bytes);
    }

    /// Size of the slot in bytes.
    pub fn slot_size(&self) -> usize {
        self.producer.slot_size()
    }
}

impl<T: Element, K: SoleProducer> Deref for Loan<'_, T, Trusted, K> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        let payload = self
            .producer
            .view
            .lane()
            .payload(self.producer.claimed(0))
            .cast::<T>();
        // SAFETY: a T fits and is aligned there (checked at attach); all bit patterns are valid (FromBytes);
        // the slot belongs to this producer until it commits, and peers keep to that (trust_peers); readers of a
        // broadcast may copy it meanwhile, outside the language's memory model, and throw the copy away.
        unsafe { &*payload }
    }
}

impl<T: Element, K: SoleProducer> DerefMut for Loan<'_, T, Trusted, K> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        let payload = self
            .producer
            .view
            .lane()
            .payload(self.producer.claimed(0))
            .cast::<T>();
        // SAFETY: as in `deref`; `&mut self` makes the reference unique.
        unsafe { &mut *payload }
    }
}

impl<K: SoleProducer> Deref for Loan<'_, [u8], Trusted, K> {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        let payload = self.producer.view.lane().payload(self.producer.claimed(0));
        // SAFETY: `slot_size` bytes are inside the slot, which belongs to this producer until it commits,
        // and peers keep to that (trust_peers).
        unsafe { std::slice::from_raw_parts(payload, self.producer.slot_size()) }
    }
}

impl<K: SoleProducer> DerefMut for Loan<'_, [u8], Trusted, K> {
    #[inline]
    fn deref_mut(&mut self) -> &mut [u8] {
        let payload = self.producer.view.lane().payload(self.producer.claimed(0));
        // SAFETY: as in `deref`; `&mut self` makes the reference unique.
        unsafe { std::slice::from_raw_parts_mut(payload, self.producer.slot_size()) }
    }
}
