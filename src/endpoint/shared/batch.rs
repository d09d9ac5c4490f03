//! Several messages at a time, claimed with one exchange.

use super::super::typed::{Element, Trust, Untrusted};
use super::consumer::SharedConsumer;

/// Messages that were claimed together, one by one. Each slot goes back as its message is taken. What is not taken stays
/// in the hands of the consumer, whose next pop goes on with it.
#[derive(Debug)]
#[must_use = "a drain does nothing until messages are taken from it"]
pub struct SharedDrain<'a, T: Element + ?Sized, M: Trust = Untrusted> {
    consumer: &'a mut SharedConsumer<T, M>,
    left: usize,
}

impl<'a, T: Element + ?Sized, M: Trust> SharedDrain<'a, T, M> {
    pub(super) fn new(consumer: &'a mut SharedConsumer<T, M>, n: usize) -> Self {
        Self { consumer, left: n }
    }

    /// Messages in hand at most: some may turn out to be tombstones.
    pub fn at_most(&self) -> usize {
        self.left
            .min(self.consumer.deliveries.hands.run.len() as usize)
    }

    /// Copies the next message into `out`. `false` when there is none in hand, or as many were taken as were asked for.
    ///
    /// # Panics
    /// On a ring of bytes, if the length is not the slot size.
    #[inline(always)]
    pub fn next_into(&mut self, out: &mut T) -> bool {
        if self.left == 0 || !self.consumer.deliveries.has_message() {
            return false;
        }
        self.left -= 1;
        self.consumer.take_into(out);
        true
    }
}

impl<T: Element, M: Trust> Iterator for SharedDrain<'_, T, M> {
    type Item = T;

    #[inline]
    fn next(&mut self) -> Option<T> {
        if self.left == 0 || !self.consumer.deliveries.has_message() {
            return None;
        }
        self.left -= 1;
        Some(self.consumer.take())
    }
}
