//! The producing end of a ring of records.

use super::super::kind::{BroadcastRecords, RecordKind, SpscRecords};
use super::super::readers::Laggards;
use super::super::seat::{Peer, Seat};
use super::super::signal::{self, End, Signal};
use super::super::typed::{Trust, Trusted, Untrusted};
use super::super::waiting::{self, Care, Poll};
use super::loan::RecordLoan;
use super::message::Message;
use super::tail::{Producing, Tail};
use crate::error::{EndpointError, PushError, TooLong, TryPushError};
use crate::layout::control::CLOSED_BY_PRODUCER;
use crate::layout::participant::PRODUCER;
use crate::layout::record::{HEADER, Record};
use crate::ring::close;
use crate::ring::records::{Exactly, Room, mpsc};
use crate::segment::{Bytes, Segment, Strip, View};
use crate::wait::park::{self, Notified};
use crate::wait::strategy::Wait;
use crossbeam_utils::CachePadded;
use std::marker::PhantomData;
use std::time::Instant;

/// A claim in the terms of the kind `K`.
pub(super) type Claim<K> = <<K as Producing>::Tail as Tail>::Claim;

/// A producing end of a ring of records. It may move between threads.
///
/// Dropping it leaves in order, so that another producer can go on; [`RecordProducer::close`] ends the stream.
///
/// What *never waits* waits for nobody. But where many produce, of those who claim at the same moment one goes first, and each of
/// the others stays away for 0.3 to 2.6 us before it tries again.
#[derive(Debug)]
pub struct RecordProducer<K: RecordKind, M = Untrusted> {
    /// On lines of its own: the other end may live in a neighbouring object of this process.
    pub(super) tail: CachePadded<K::Tail>,
    pub(super) view: View<Bytes>,
    signal: Signal,
    seat: Seat,
    /// The longest payload.
    max_len: u32,
    trust: PhantomData<M>,
}

impl<K: RecordKind> RecordProducer<K, Untrusted> {
    pub(crate) fn attach(segment: &Segment, view: View<Bytes>) -> Result<Self, EndpointError> {
        let geometry = &segment.checked.geometry;
        let control = view.control();
        let mut seat = if K::Tail::SHARED {
            let (strip, shape) = (view.strip(), geometry.shape());
            let settled = |_, entry: &_| mpsc::is_settled(&strip, control, shape, entry);
            Seat::take_any(segment, &view, view.producer_seats(), PRODUCER, settled)?
        } else {
            Seat::take(segment, &view, 0, PRODUCER)?
        };
        if close::producer_closed(control) || close::consumer_closed(control) {
            return Err(EndpointError::Closed);
        }
        let tail = K::Tail::attach(view.strip(), control, &seat, geometry.shape())?;
        seat.settle();
        if !K::Tail::SHARED {
            signal::wake_up(&control.producer_sleep.0);
        }
        Ok(Self {
            tail: CachePadded::new(tail),
            signal: Signal::new(segment, &view, End::Producer),
            view,
            seat,
            max_len: geometry.shape().max_len(),
            trust: PhantomData,
        })
    }

    /// Turns into an endpoint whose loans are `&mut [u8]` into the ring.
    ///
    /// # Safety
    /// While this endpoint exists, every process that has the ring mapped
    /// * writes to it through this library, or by the rules of `docs/WIRE.md`, only;
    /// * does not truncate it.
    pub unsafe fn trust_peers(self) -> RecordProducer<K, Trusted> {
        RecordProducer {
            tail: self.tail,
            view: self.view,
            signal: self.signal,
            seat: self.seat,
            max_len: self.max_len,
            trust: PhantomData,
        }
    }
}

impl<K: RecordKind, M: Trust> RecordProducer<K, M> {
    /// Pushes a copy of `record`, with tag 0, or says why not. Never waits, never allocates; enters the kernel
    /// only to wake a sleeping consumer.
    ///
    /// # Errors
    /// [`TryPushError::Full`] if there is no room; [`TryPushError::TooLong`] if there can never be. Nothing
    /// was pushed.
    #[inline(always)]
    pub fn try_push(&mut self, record: &[u8]) -> Result<(), TryPushError> {
        self.try_push_tagged(0, record)
    }

    /// Pushes a copy of `record`, waiting for room as `wait` says.
    ///
    /// # Errors
    /// [`PushError::PeerDied`] if there is no room and the consumer has died. Call again to wait for a
    /// successor; each call reports the death anew, at the latest after 100 ms.
    #[inline(always)]
    pub fn push(&mut self, record: &[u8], wait: Wait) -> Result<(), PushError> {
        self.push_tagged(0, record, wait)
    }

    /// Like [`push`](RecordProducer::push), but waits no longer than until `deadline`.
    ///
    /// # Errors
    /// Also [`PushError::TimedOut`].
    #[inline]
    pub fn push_until(
        &mut self,
        record: &[u8],
        wait: Wait,
        deadline: Instant,
    ) -> Result<(), PushError> {
        self.push_tagged_until(0, record, wait, deadline)
    }

    /// Pushes a copy of `record` with a tag of the caller's own, or says why not.
    ///
    /// # Errors
    /// As [`try_push`](RecordProducer::try_push).
    #[inline(always)]
    pub fn try_push_tagged(&mut self, tag: u16, record: &[u8]) -> Result<(), TryPushError> {
        let wanted = self.check(record.len(), tag)?;
        let claim = self.claim_now(wanted)?;
        self.put(claim, wanted, |strip, at| strip.write_record(at, record));
        Ok(())
    }

    /// Pushes a copy of `record` with a tag of the caller's own, waiting for room as `wait` says.
    ///
    /// # Errors
    /// As [`push`](RecordProducer::push).
    #[inline(always)]
    pub fn push_tagged(&mut self, tag: u16, record: &[u8], wait: Wait) -> Result<(), PushError> {
        let wanted = self.check(record.len(), tag)?;
        let claim = self.claim_wait(wanted, wait, None)?;
        self.put(claim, wanted, |strip, at| strip.write_record(at, record));
        Ok(())
    }

    /// Like [`push_tagged`](RecordProducer::push_tagged), but waits no longer than until `deadline`.
    ///
    /// # Errors
    /// Also [`PushError::TimedOut`].
    #[inline]
    pub fn push_tagged_until(
        &mut self,
        tag: u16,
        record: &[u8],
        wait: Wait,
        deadline: Instant,
    ) -> Result<(), PushError> {
        let wanted = self.check(record.len(), tag)?;
        let claim = self.claim_wait(wanted, wait, Some(deadline))?;
        self.put(claim, wanted, |strip, at| strip.write_record(at, record));
        Ok(())
    }

    /// Pushes `parts`, one behind the other, as one record.
    ///
    /// # Errors
    /// As [`try_push`](RecordProducer::try_push).
    pub fn try_push_vectored(&mut self, tag: u16, parts: &[&[u8]]) -> Result<(), TryPushError> {
        let wanted = self.check(length_of(parts), tag)?;
        let claim = self.claim_now(wanted)?;
        self.put(claim, wanted, |strip, at| {
            gather(strip, at.wrapping_add(HEADER), parts)
        });
        Ok(())
    }

    /// Pushes `parts`, one behind the other, as one record, waiting for room as `wait` says.
    ///
    /// # Errors
    /// As [`push`](RecordProducer::push).
    pub fn push_vectored(
        &mut self,
        tag: u16,
        parts: &[&[u8]],
        wait: Wait,
    ) -> Result<(), PushError> {
        let wanted = self.check(length_of(parts), tag)?;
        let claim = self.claim_wait(wanted, wait, None)?;
        self.put(claim, wanted, |strip, at| {
            gather(strip, at.wrapping_add(HEADER), parts)
        });
        Ok(())
    }

    /// Pushes a copy of `message` with its type's tag.
    ///
    /// # Errors
    /// As [`try_push`](RecordProducer::try_push).
    #[inline]
    pub fn try_push_message<T: Message>(&mut self, message: &T) -> Result<(), TryPushError> {
        self.try_push_tagged(T::TAG, message.as_bytes())
    }

    /// Pushes a copy of `message` with its type's tag, waiting for room as `wait` says.
    ///
    /// # Errors
    /// As [`push`](RecordProducer::push).
    #[inline]
    pub fn push_message<T: Message>(&mut self, message: &T, wait: Wait) -> Result<(), PushError> {
        self.push_tagged(T::TAG, message.as_bytes(), wait)
    }

    /// Borrows room for a record of `len` bytes to write in place. Dropping the loan without committing gives
    /// it back.
    ///
    /// # Errors
    /// As [`try_push`](RecordProducer::try_push).
    #[inline]
    pub fn try_claim(&mut self, len: usize) -> Result<RecordLoan<'_, K, M>, TryPushError> {
        let wanted = self.check(len, 0)?;
        let claim = self.claim_now(wanted)?;
        Ok(RecordLoan::new(self, claim, wanted.len))
    }

    /// Borrows room for a record of `len` bytes, waiting for it as `wait` says.
    ///
    /// # Errors
    /// As [`push`](RecordProducer::push).
    #[inline]
    pub fn claim_for(&mut self, len: usize, wait: Wait) -> Result<RecordLoan<'_, K, M>, PushError> {
        let wanted = self.check(len, 0)?;
        let claim = self.claim_wait(wanted, wait, None)?;
        Ok(RecordLoan::new(self, claim, wanted.len))
    }

    /// Like [`claim_for`](RecordProducer::claim_for), but waits no longer than until `deadline`.
    ///
    /// # Errors
    /// Also [`PushError::TimedOut`].
    #[inline]
    pub fn claim_until(
        &mut self,
        len: usize,
        wait: Wait,
        deadline: Instant,
    ) -> Result<RecordLoan<'_, K, M>, PushError> {
        let wanted = self.check(len, 0)?;
        let claim = self.claim_wait(wanted, wait, Some(deadline))?;
        Ok(RecordLoan::new(self, claim, wanted.len))
    }

    /// Ends the stream for all producers: the consumer drains what was committed and then sees `Closed`. For
    /// ever. What others have claimed by then they may still commit.
    pub fn close(self) {
        let control = self.view.control();
        if K::Tail::SHARED {
            close::close_shared(control, CLOSED_BY_PRODUCER);
            self.signal.rouse_own_side();
        } else {
            close::close_producer(control);
            park::leave(&control.producer_sleep.0);
        }
        self.signal.rouse();
    }

    /// The longest record in bytes.
    pub fn max_record(&self) -> usize {
        self.max_len as usize
    }

    /// Size of the ring in bytes.
    pub fn capacity_bytes(&self) -> u64 {
        self.tail.shape().capacity
    }

    /// How the last owner of this end went, if there was one.
    pub fn predecessor(&self) -> Peer {
        self.seat.predecessor()
    }

    /// Whether the consumer is there. Asks the kernel, a fraction of a microsecond.
    pub fn consumer_state(&self) -> Peer {
        self.seat.consumer()
    }

    /// Publishes the one record of `claim`, of `len` bytes by now, and wakes the consumer if it sleeps.
    #[inline]
    pub(super) fn commit_last(&mut self, claim: Claim<K>, len: u32, tag: u16) {
        let record = self.tail.shape().record(len, tag);
        self.tail.commit_last(self.view.strip(), claim, record);
        self.notify();
    }

    /// Gives `claim` up.
    pub(super) fn abort(&mut self, claim: Claim<K>) {
        if !self.seat.is_ours() {
            // In a forked child: the claim is the parent's.
            return;
        }
        self.tail.abort(self.view.strip(), claim);
        if K::Tail::SHARED {
            // The consumer may be asleep before it, with records of others behind it.
            self.notify();
        }
    }

    /// Where the payload of the next record of `claim` begins.
    #[inline(always)]
    pub(super) fn payload_at(&self, claim: &Claim<K>) -> u64 {
        self.tail.next(claim).wrapping_add(HEADER)
    }

    /// The record of `len` payload bytes, if the ring takes it.
    #[inline(always)]
    pub(super) fn check(&self, len: usize, tag: u16) -> Result<Record, TooLong> {
        let max = self.max_len as usize;
        if len > max {
            return Err(TooLong { len, max });
        }
        Ok(self.tail.shape().record(len as u32, tag))
    }

    /// Has the one record of `claim` written by `write`, which is given its position, and publishes it.
    #[inline(always)]
    fn put(&mut self, mut claim: Claim<K>, record: Record, write: impl FnOnce(Strip<'_>, u64)) {
        let (strip, at) = (self.view.strip(), self.tail.next(&claim));
        write(strip, at);
        self.tail.commit(strip, &mut claim, record);
        if !K::Tail::SHARED {
            strip.prefetch_ahead(at.wrapping_add(record.total), record.total);
        }
        self.notify();
    }

    /// Wakes the consumer if it sleeps.
    #[inline(always)]
    pub(super) fn notify(&mut self) {
        if self.signal.notify() == Notified::Gone {
            self.tail.forget_credit();
        }
    }

    /// Takes `total` bytes for records of which the first is `first`.
    #[inline(always)]
    pub(super) fn claim(
        &mut self,
        first: Record,
        total: u64,
        exactly: Exactly,
    ) -> Result<Claim<K>, Room> {
        let (strip, control) = (self.view.strip(), self.view.control());
        let claim = self
            .tail
            .claim(strip, control, &self.seat, total, exactly)?;
        self.tail.begin(strip, &claim, first.len);
        Ok(claim)
    }

    #[inline(always)]
    pub(super) fn claim_now(&mut self, record: Record) -> Result<Claim<K>, TryPushError> {
        if let Some(claim) = self.tail.claim_at_once(record.total) {
            return Ok(claim);
        }
        let mut claim = self.claim(record, record.total, Exactly::Yes);
        let is_full = matches!(claim, Err(Room::Full));
        if is_full && self.tail.refused(self.view.control(), record.total) {
            claim = self.claim(record, record.total, Exactly::Yes);
        }
        claim.map_err(|room| match room {
            Room::Closed => TryPushError::Closed,
            Room::Corrupt(e) => TryPushError::Corrupt(e),
            Room::Full | Room::Free => TryPushError::Full,
        })
    }

    #[inline(always)]
    fn claim_wait(
        &mut self,
        record: Record,
        wait: Wait,
        deadline: Option<Instant>,
    ) -> Result<Claim<K>, PushError> {
        if K::Tail::SHARED {
            return match self.claim(record, record.total, Exactly::No) {
                Ok(claim) => Ok(claim),
                Err(_) => self.claim_slow(record, wait, deadline),
            };
        }
        // Whoever is alone makes room and claims again, so that the fast path is entered at one place only.
        loop {
            if let Some(claim) = self.tail.claim_at_once(record.total) {
                return Ok(claim);
            }
            self.claim_slow(record, wait, deadline)?;
        }
    }

    #[cold]
    #[inline(never)]
    fn claim_slow(
        &mut self,
        record: Record,
        wait: Wait,
        deadline: Option<Instant>,
    ) -> Result<Claim<K>, PushError> {
        let Self {
            tail,
            view,
            signal,
            seat,
            ..
        } = self;
        let (strip, control) = (view.strip(), view.control());
        // Until a poll finds room.
        let mut claimed = Err(PushError::TimedOut);
        let poll = |care, _: &Signal| {
            let exactly = match care {
                Care::Quick => Exactly::No,
                Care::Thorough => Exactly::Yes,
            };
            claimed = match tail.claim(strip, control, seat, record.total, exactly) {
                Ok(claim) => Ok(claim),
                Err(Room::Closed) => Err(PushError::Closed),
                Err(Room::Corrupt(e)) => Err(PushError::Corrupt(e)),
                Err(Room::Full | Room::Free) => return Poll::Nothing,
            };
            Poll::Found
        };
        let died = || K::Tail::NEEDS_CONSUMERS && seat.consumer() == Peer::Died;
        waiting::wait_for(wait, deadline, signal, died, poll)?;
        let claim = claimed?;
        self.tail.begin(strip, &claim, record.len);
        Ok(claim)
    }
}

impl<M: Trust> RecordProducer<SpscRecords, M> {
    /// Bytes committed and not yet taken, headers and padding included: how far the consumer lags behind.
    /// Never less than it is. Reads one of the consumer's lines.
    pub fn lag_bytes(&self) -> u64 {
        self.tail.lag_bytes(self.view.control())
    }

    /// Whether the consumer has taken everything. `true` stays true until the next commit.
    pub fn is_empty(&self) -> bool {
        self.lag_bytes() == 0
    }
}

impl<M: Trust> RecordProducer<BroadcastRecords, M> {
    /// Changes what is done about lossless readers that are a whole ring behind.
    pub fn laggards(&mut self, laggards: Laggards) {
        self.tail.set_laggards(laggards);
    }

    /// Records published since creation, by all producers.
    pub fn sequence(&self) -> u64 {
        self.tail.sequence()
    }

    /// Bytes not yet read by the slowest lossless reader, as far as it has said.
    pub fn reader_lag_bytes(&self) -> u64 {
        self.tail.lag_bytes(self.view.control())
    }
}

/// Bytes of all `parts` together.
fn length_of(parts: &[&[u8]]) -> usize {
    parts
        .iter()
        .fold(0, |sum: usize, part| sum.saturating_add(part.len()))
}

/// Copies `parts` one behind the other.
fn gather(strip: Strip<'_>, at: u64, parts: &[&[u8]]) {
    let mut offset = 0;
    for part in parts {
        strip.write_at(at, offset, part);
        offset += part.len();
    }
}
