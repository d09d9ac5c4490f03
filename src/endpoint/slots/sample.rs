//! A message in the hands of the consumer, read in place.

use super::super::typed::{Element, Trust, Trusted, Untrusted};
use super::consumer::Consumer;
use std::ops::Deref;

/// The oldest message of the ring. Its slot goes back to the producer when this is dropped; a consumer that
/// dies or panics with it leaves it to its successor.
#[derive(Debug)]
pub struct Sample<'a, T: Element + ?Sized, M: Trust = Untrusted> {
    consumer: &'a mut Consumer<T, M>,
    /// Whether this thread was unwinding already when it was made.
    panicking: bool,
}

impl<'a, T: Element + ?Sized, M: Trust> Sample<'a, T, M> {
    #[inline(always)]
    pub(super) fn new(consumer: &'a mut Consumer<T, M>) -> Self {
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
        self.consumer
            .view
            .lane()
            .read_into(self.consumer.position(), out.as_mut_bytes());
    }

    /// The message's position: how many were committed before it.
    pub fn position(&self) -> u64 {
        self.consumer.position()
    }
}

impl<T: Element + ?Sized, M: Trust> Drop for Sample<'_, T, M> {
    #[inline]
    fn drop(&mut self) {
        // A message that somebody panicked over was not dealt with: it stays for the successor.
        if std::thread::panicking() == self.panicking {
            self.consumer.release();
        }
    }
}

impl<T: Element, M: Trust> Sample<'_, T, M> {
    /// Copies the message out.
    #[inline]
    pub fn read(&self) -> T {
        self.consumer.view.lane().read(self.consumer.position())
    }
}

impl<M: Trust> Sample<'_, [u8], M> {
    /// Copies `bytes.len()` bytes from `offset` within the message.
    ///
    /// # Panics
    /// If that many are not there.
    #[inline]
    pub fn read_at(&self, offset: usize, bytes: &mut [u8]) {
        self.consumer
            .view
            .lane()
            .read_bytes(self.consumer.position(), offset, bytes);
    }

    /// Size of the message in bytes.
    pub fn slot_size(&self) -> usize {
        self.consumer.slot_size()
    }
}

impl<T: Element> Deref for Sample<'_, T, Trusted> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        let payload = self
            .consumer
            .view
            .lane()
            .payload(self.consumer.position())
            .cast::<T>();
        // SAFETY: a T fits and is aligned there (checked at attach); all bit patterns are valid (FromBytes);
        // nobody writes the slot before it is released, and peers keep to that (trust_peers).
        unsafe { &*payload }
    }
}

impl Deref for Sample<'_, [u8], Trusted> {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        let payload = self.consumer.view.lane().payload(self.consumer.position());
        // SAFETY: `slot_size` bytes are inside the slot, which nobody writes before it is released, and peers
        // keep to that (trust_peers).
        unsafe { std::slice::from_raw_parts(payload, self.consumer.slot_size()) }
    }
}
