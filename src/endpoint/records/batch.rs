//! Several records at a time.

use super::super::typed::{Trust, Untrusted};
use super::consumer::RecordConsumer;
use super::sample::RecordSample;

/// Up to so many records that are there already, one by one. Each goes back as it is dropped, so a consumer
/// that dies in the middle leaves at most one record to be delivered again.
#[derive(Debug)]
#[must_use = "a drain does nothing until records are taken from it"]
pub struct RecordDrain<'a, M: Trust = Untrusted> {
    consumer: &'a mut RecordConsumer<M>,
    left: usize,
}

impl<'a, M: Trust> RecordDrain<'a, M> {
    pub(super) fn new(consumer: &'a mut RecordConsumer<M>, n: usize) -> Self {
        Self { consumer, left: n }
    }

    /// The next record. `None` when there is none, or as many were taken as were asked for.
    #[inline]
    pub fn next_sample(&mut self) -> Option<RecordSample<'_, M>> {
        self.left = self.left.checked_sub(1)?;
        self.consumer.try_sample().ok()
    }

    /// Copies the next record into `out`, replacing what is in it, and gives its tag. `None` as
    /// [`next_sample`](RecordDrain::next_sample).
    #[inline]
    pub fn next_into(&mut self, out: &mut Vec<u8>) -> Option<u16> {
        self.left = self.left.checked_sub(1)?;
        self.consumer.try_pop_into(out).ok()
    }
}
