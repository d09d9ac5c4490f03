//! A message in the hands of one of many consumers, read in place.

use super::super::typed::{Element, Trust, Trusted, Untrusted};
use super::consumer::SharedConsumer;
use crate::layout::word::POSITION_LIMIT;
use std::ops::Deref;

/// A message that was claimed. Its slot goes back to the producers when this is dropped; a consumer that dies with it
/// leaves it to another. If the owner panics over it, it stays in hand.
#[derive(Debug)]
pub struct SharedSample<'a, T: Element + ?Sized, M: Trust = Untrusted> {
    consumer: &'a mut SharedConsumer<T, M>,
    /// Whether this thread was unwinding already when it was made.
    panicking: bool,
}

impl<'a, T: Element + ?Sized, M: Trust> SharedSample<'a, T, M> {
    #[inline(always)]
    pub(super) fn new(consumer: &'a mut SharedConsumer<T, M>) -> Self {
        Self {
            consumer,
            panicking: std::thread::panicking(),
        }
    }

    /// Gives the slot back. The same as dropping the sample.
    pub fn release(self) {}

    /// Copies the message into `out`.
    ///
    /// # Panics
    /// On a ring of bytes, if the length is not the slot size.
    #[inline]
    pub fn read_into(&self, out: &mut T) {
        let hands = &self.consumer.deliveries.hands;
        let lane = hands.view.lane();
        lane.read_into(hands.run.next, out.as_mut_bytes());
    }

    /// The message's position: below 2^62, where it begins again at 0. Positions of one producer's messages grow.
    pub fn position(&self) -> u64 {
        self.consumer.deliveries.hands.run.next % POSITION_LIMIT
    }

    /// Whether the message was in the hands of a consumer that died, which may have dealt with it.
    pub fn redelivered(&self) -> bool {
        self.consumer.deliveries.hands.redelivered
    }

    #[inline(always)]
    fn payload(&self) -> *const u8 {
        let hands = &self.consumer.deliveries.hands;
        hands.view.lane().payload(hands.run.next)
    }
}

impl<T: Element + ?Sized, M: Trust> Drop for SharedSample<'_, T, M> {
    #[inline]
    fn drop(&mut self) {
        // A message that somebody panicked over was not dealt with.
        if std::thread::panicking() == self.panicking {
            self.consumer.deliveries.release();
        }
    }
}

impl<T: Element, M: Trust> SharedSample<'_, T, M> {
    /// Copies the message out.
    #[inline]
    pub fn read(&self) -> T {
        let hands = &self.consumer.deliveries.hands;
        hands.view.lane().read(hands.run.next)
    }
}

impl<M: Trust> SharedSample<'_, [u8], M> {
    /// Copies `bytes.len()` bytes from `offset` within the message.
    ///
    /// # Panics
    /// If that many are not there.
    #[inline]
    pub fn read_at(&self, offset: usize, bytes: &mut [u8]) {
        let hands = &self.consumer.deliveries.hands;
        let lane = hands.view.lane();
        lane.read_bytes(hands.run.next, offset, bytes);
    }

    /// Size of the message in bytes.
    pub fn slot_size(&self) -> usize {
        self.consumer.slot_size()
    }
}

impl<T: Element> Deref for SharedSample<'_, T, Trusted> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        let payload = self.payload().cast::<T>();
        // SAFETY: a T fits and is aligned there (checked at attach); all bit patterns are valid (FromBytes);
        // nobody writes the slot before it is released, and peers keep to that (trust_peers).
        unsafe { &*payload }
    }
}

impl Deref for SharedSample<'_, [u8], Trusted> {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        let payload = self.payload();
        // SAFETY: `slot_size` bytes are inside the slot, which nobody writes before it is released, and peers
        // keep to that (trust_peers).
        unsafe { std::slice::from_raw_parts(payload, self.consumer.slot_size()) }
    }
}
