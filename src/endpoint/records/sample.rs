//! A record in the hands of the consumer, read in place.

use super::super::typed::{Trust, Trusted, Untrusted};
use super::consumer::RecordConsumer;
use super::message::Message;
use crate::layout::record::Record;
use std::ops::Deref;
use zerocopy::FromBytes;

/// The oldest record of the ring. Its bytes go back to the producers when this is dropped; a consumer that
/// dies or panics with it leaves it to its successor.
#[derive(Debug)]
pub struct RecordSample<'a, M: Trust = Untrusted> {
    consumer: &'a mut RecordConsumer<M>,
    record: Record,
    /// Whether dropping it takes the record out of the ring.
    takes: bool,
    /// Whether this thread was unwinding already when it was made.
    panicking: bool,
}

impl<'a, M: Trust> RecordSample<'a, M> {
    #[inline(always)]
    pub(super) fn new(consumer: &'a mut RecordConsumer<M>, record: Record, takes: bool) -> Self {
        Self {
            consumer,
            record,
            takes,
            panicking: std::thread::panicking(),
        }
    }

    /// Gives the bytes back. The same as dropping a sample that was not peeked at.
    pub fn release(mut self) {
        self.takes = true;
    }

    /// Leaves the record in the ring, to be found again.
    pub fn keep(mut self) {
        self.takes = false;
    }

    /// Length in bytes.
    #[inline]
    #[allow(clippy::len_without_is_empty)] // There is one, below.
    pub fn len(&self) -> usize {
        self.record.len as usize
    }

    /// Whether the record is of no bytes.
    pub fn is_empty(&self) -> bool {
        self.record.len == 0
    }

    /// The tag that the producer gave it.
    #[inline]
    pub fn tag(&self) -> u16 {
        self.record.tag
    }

    /// Copies the first bytes of the record into `out`, as many as it has room for and the record has, and
    /// says how many.
    #[inline]
    pub fn copy_to(&self, out: &mut [u8]) -> usize {
        let n = out.len().min(self.len());
        self.consumer
            .view
            .strip()
            .read_into(self.consumer.payload(), &mut out[..n]);
        n
    }

    /// Copies the record.
    pub fn to_vec(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.consumer
            .view
            .strip()
            .read_vec(self.consumer.payload(), self.len(), &mut out);
        out
    }

    /// Copies `bytes.len()` bytes from `offset` within the record.
    ///
    /// # Panics
    /// If that many are not there.
    pub fn read_at(&self, offset: usize, bytes: &mut [u8]) {
        let end = offset.saturating_add(bytes.len());
        assert!(end <= self.len(), "read past the end of a record");
        self.consumer
            .view
            .strip()
            .read_at(self.consumer.payload(), offset, bytes);
    }

    /// The record as a value. `None` if it has not exactly the size of a `T`.
    #[inline]
    pub fn read<T: FromBytes>(&self) -> Option<T> {
        (self.len() == size_of::<T>())
            .then(|| self.consumer.view.strip().read(self.consumer.payload()))
    }

    /// The record as a message of type `T`. `None` if it has another tag, or another size.
    #[inline]
    pub fn message<T: Message>(&self) -> Option<T> {
        if self.tag() == T::TAG {
            self.read()
        } else {
            None
        }
    }
}

impl<M: Trust> Drop for RecordSample<'_, M> {
    #[inline]
    fn drop(&mut self) {
        // A record that somebody panicked over was not dealt with: it stays for the successor.
        if self.takes && std::thread::panicking() == self.panicking {
            self.consumer.release(self.record);
        }
    }
}

impl Deref for RecordSample<'_, Trusted> {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        let at = self
            .consumer
            .view
            .strip()
            .payload(self.consumer.payload(), self.len());
        // SAFETY: `len` bytes are inside the ring (checked when the record was found), nobody writes them before
        // they are released, and peers keep to that (trust_peers).
        unsafe { std::slice::from_raw_parts(at, self.len()) }
    }
}
