//! Several records at a time.

use super::super::kind::RecordKind;
use super::super::typed::{Trust, Untrusted};
use super::consumer::RecordConsumer;
use super::producer::RecordProducer;
use super::sample::RecordSample;
use super::tail::Tail;
use crate::error::TryPushError;
use crate::ring::records::Exactly;

impl<K: RecordKind, M: Trust> RecordProducer<K, M> {
    /// Pushes copies of as many of `records`, from the first, as fit at one go, at least one, with tag 0, and
    /// says how many. They are claimed together where producers share the ring, and the consumer is notified
    /// once. More may fit on the next call.
    ///
    /// # Errors
    /// As [`try_push`](RecordProducer::try_push), if not even the first was pushed.
    pub fn try_push_many(&mut self, records: &[&[u8]]) -> Result<usize, TryPushError> {
        let Some(first) = records.first() else {
            return Ok(0);
        };
        let first = self.check(first.len(), 0)?;
        let (n, total) = self.run(records);
        let (mut claim, n) = match self.claim(first, total, Exactly::Yes) {
            Ok(claim) => (claim, n),
            Err(_) => (self.claim_now(first)?, 1),
        };
        let shape = self.tail.shape();
        for (i, bytes) in records[..n].iter().enumerate() {
            let (strip, record) = (self.view.strip(), shape.record(bytes.len() as u32, 0));
            if i > 0 {
                self.tail.begin(strip, &claim, record.len);
            }
            strip.write_record(self.tail.next(&claim), bytes);
            self.tail.commit(strip, &mut claim, record);
        }
        self.notify();
        Ok(n)
    }

    /// How many of `records` to claim together, and how many bytes they take: at most a quarter of the ring,
    /// or one record.
    fn run(&self, records: &[&[u8]]) -> (usize, u64) {
        let most = self.tail.shape().capacity / 4;
        let (mut n, mut total) = (0, 0);
        for record in records {
            let Ok(record) = self.check(record.len(), 0) else {
                break;
            };
            let more = total + record.total;
            if n > 0 && more > most {
                break;
            }
            (n, total) = (n + 1, more);
        }
        (n, total)
    }
}

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
