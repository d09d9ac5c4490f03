//! Room for a record on loan from the ring, to be written in place.

use super::super::kind::RecordKind;
use super::super::typed::{Trust, Trusted, Untrusted};
use super::producer::{Claim, RecordProducer};
use std::ops::{Deref, DerefMut};

/// Room for one record in the hands of a producer. Nobody sees it before [`commit`](RecordLoan::commit);
/// dropping it, or dying with it, sends nothing.
///
/// What was not written holds bytes of an earlier lap.
///
/// Where producers share the ring, the consumer comes to a stop before a loan: commit or drop it soon. One that
/// is forgotten (`mem::forget`) holds everybody up until its producer claims again or is gone.
#[derive(Debug)]
#[must_use = "dropping a loan gives the room back without sending anything"]
pub struct RecordLoan<'a, K: RecordKind, M: Trust = Untrusted> {
    producer: &'a mut RecordProducer<K, M>,
    /// Taken out when it is committed.
    claim: Option<Claim<K>>,
    len: u32,
    tag: u16,
}

impl<'a, K: RecordKind, M: Trust> RecordLoan<'a, K, M> {
    #[inline(always)]
    pub(super) fn new(producer: &'a mut RecordProducer<K, M>, claim: Claim<K>, len: u32) -> Self {
        Self {
            producer,
            claim: Some(claim),
            len,
            tag: 0,
        }
    }

    /// Sends the record.
    #[inline]
    pub fn commit(self) {
        let len = self.len;
        self.commit_len(len as usize);
    }

    /// Sends the first `len` bytes as the record and gives the rest back.
    ///
    /// # Panics
    /// If the loan is shorter.
    #[inline]
    pub fn commit_len(mut self, len: usize) {
        assert!(len <= self.len as usize, "commit past the end of a loan");
        if let Some(claim) = self.claim.take() {
            self.producer.commit_last(claim, len as u32, self.tag);
        }
    }

    /// Gives the room back. The same as dropping the loan.
    pub fn abort(self) {}

    /// Gives the record a tag of the caller's own. 0 if this is never called.
    pub fn set_tag(&mut self, tag: u16) {
        self.tag = tag;
    }

    /// Length of the loan in bytes.
    pub fn len(&self) -> usize {
        self.len as usize
    }

    /// Whether the record is of no bytes.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Copies `bytes` to `offset` within the record.
    ///
    /// # Panics
    /// If they do not fit.
    #[inline]
    pub fn write_at(&mut self, offset: usize, bytes: &[u8]) {
        let end = offset.saturating_add(bytes.len());
        assert!(end <= self.len(), "write past the end of a loan");
        let at = self.payload();
        self.producer.view.strip().write_at(at, offset, bytes);
    }

    /// Where the payload begins.
    fn payload(&self) -> u64 {
        let claim = self
            .claim
            .as_ref()
            .expect("taken out by commit only, which ends the loan");
        self.producer.payload_at(claim)
    }
}

impl<K: RecordKind, M: Trust> Drop for RecordLoan<'_, K, M> {
    fn drop(&mut self) {
        if let Some(claim) = self.claim.take() {
            self.producer.abort(claim);
        }
    }
}

impl<K: RecordKind> Deref for RecordLoan<'_, K, Trusted> {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        let at = self
            .producer
            .view
            .strip()
            .payload(self.payload(), self.len());
        // SAFETY: `len` bytes are inside the claim, which belongs to this producer until it commits, and peers
        // keep to that (trust_peers).
        unsafe { std::slice::from_raw_parts(at, self.len()) }
    }
}

impl<K: RecordKind> DerefMut for RecordLoan<'_, K, Trusted> {
    #[inline]
    fn deref_mut(&mut self) -> &mut [u8] {
        let at = self
            .producer
            .view
            .strip()
            .payload(self.payload(), self.len());
        // SAFETY: as in `deref`; `&mut self` makes the reference unique.
        unsafe { std::slice::from_raw_parts_mut(at, self.len()) }
    }
}
