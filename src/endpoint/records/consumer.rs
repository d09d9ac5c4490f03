//! The consuming end of a ring of records.

use super::super::mender::Mender;
use super::super::seat::{Peer, Seat};
use super::super::signal::{self, End, Signal};
use super::super::typed::{Trust, Trusted, Untrusted};
use super::super::waiting::{self, Care, Poll};
use super::batch::RecordDrain;
use super::sample::RecordSample;
use crate::error::{EndpointError, PopError, TryPopError};
use crate::layout::control::CLOSED_BY_CONSUMER;
use crate::layout::header;
use crate::layout::participant::CONSUMER;
use crate::layout::record::{HEADER, Record};
use crate::ring::close;
use crate::ring::corrupt::Corrupt;
use crate::ring::records::head::{Head, Look};
use crate::ring::records::{Producers, mpsc};
use crate::segment::{Bytes, Segment, View};
use crate::wait::park;
use crate::wait::strategy::Wait;
use crossbeam_utils::CachePadded;
use std::marker::PhantomData;
use std::time::Instant;

/// The consuming end of a ring of records. There is one at a time; it may move between threads.
///
/// Dropping it leaves in order, so that another consumer can go on; [`RecordConsumer::close`] ends the stream.
#[derive(Debug)]
pub struct RecordConsumer<M = Untrusted> {
    /// On lines of its own: the other end may live in a neighbouring object of this process.
    head: CachePadded<Head>,
    pub(super) view: View<Bytes>,
    signal: Signal,
    seat: Seat,
    /// Where many produce: clears away what the dead among them left.
    mender: Option<Mender>,
    trust: PhantomData<M>,
}

impl RecordConsumer<Untrusted> {
    pub(crate) fn attach(segment: &Segment, view: View<Bytes>) -> Result<Self, EndpointError> {
        let geometry = &segment.checked.geometry;
        let mut seat = Seat::take(segment, &view, geometry.consumer_seat(), CONSUMER)?;
        let control = view.control();
        if close::consumer_closed(control) {
            return Err(EndpointError::Closed);
        }
        let many = geometry.kind == header::KIND_MPSC;
        let producers = if many {
            Producers::Many
        } else {
            Producers::One
        };
        let head = Head::resume(&view.strip(), control, geometry.shape(), producers)?;
        seat.settle();
        signal::wake_up(&control.consumer_sleep.0);
        let signal = Signal::new(segment, &view, End::Consumer);
        // Producers may sleep for want of what the predecessor released last.
        signal.rouse();
        Ok(Self {
            head: CachePadded::new(head),
            mender: many.then(|| Mender::new(&seat)),
            signal,
            view,
            seat,
            trust: PhantomData,
        })
    }

    /// Turns into an endpoint whose samples are `&[u8]` into the ring.
    ///
    /// # Safety
    /// While this endpoint exists, every process that has the ring mapped
    /// * writes to it through this library, or by the rules of `docs/WIRE.md`, only;
    /// * does not truncate it.
    pub unsafe fn trust_peers(self) -> RecordConsumer<Trusted> {
        RecordConsumer {
            head: self.head,
            view: self.view,
            signal: self.signal,
            seat: self.seat,
            mender: self.mender,
            trust: PhantomData,
        }
    }
}

impl<M: Trust> RecordConsumer<M> {
    /// Takes the oldest record into `out`, replacing what is in it, and gives its tag; or says why not. Never
    /// waits; allocates only to make `out` longer; enters the kernel only to wake a sleeping producer, or to
    /// ask whether one that has been writing for long is alive.
    ///
    /// # Errors
    /// [`TryPopError::Closed`] once the ring was closed by a producer and everything was taken.
    #[inline(always)]
    pub fn try_pop_into(&mut self, out: &mut Vec<u8>) -> Result<u16, TryPopError> {
        if let Some(tag) = self.take(out) {
            return Ok(tag);
        }
        self.find_slow()?;
        self.take(out).ok_or(TryPopError::Empty)
    }

    /// Takes the oldest record into `out`, waiting for one as `wait` says.
    ///
    /// A producer that was dropped without closing ends no wait: another may come.
    ///
    /// # Errors
    /// [`PopError::Closed`] once the ring was closed by a producer and everything was taken.
    /// [`PopError::PeerDied`] if there is none, no producer is alive, and one has died, also if that was
    /// before this consumer came. Call again to wait for a successor; each call reports the death anew, at the
    /// latest after 100 ms.
    #[inline(always)]
    pub fn pop_into(&mut self, out: &mut Vec<u8>, wait: Wait) -> Result<u16, PopError> {
        let at = self.head.next();
        loop {
            if let Some(tag) = self.take(out) {
                return Ok(tag);
            }
            self.wait_on(at, wait, None)?;
        }
    }

    /// Like [`pop_into`](RecordConsumer::pop_into), but waits no longer than until `deadline`.
    ///
    /// # Errors
    /// Also [`PopError::TimedOut`].
    #[inline]
    pub fn pop_into_until(
        &mut self,
        out: &mut Vec<u8>,
        wait: Wait,
        deadline: Instant,
    ) -> Result<u16, PopError> {
        let at = self.head.next();
        loop {
            if let Some(tag) = self.take(out) {
                return Ok(tag);
            }
            self.wait_on(at, wait, Some(deadline))?;
        }
    }

    /// Borrows the oldest record to read in place. Its bytes go back when the sample is dropped.
    ///
    /// # Errors
    /// [`TryPopError::Closed`] once the ring was closed by a producer and everything was taken.
    #[inline]
    pub fn try_sample(&mut self) -> Result<RecordSample<'_, M>, TryPopError> {
        let record = self.find_now()?;
        Ok(RecordSample::new(self, record, true))
    }

    /// Looks at the oldest record without taking it: dropping this sample leaves it in the ring.
    ///
    /// # Errors
    /// As [`try_sample`](RecordConsumer::try_sample).
    #[inline]
    pub fn try_peek(&mut self) -> Result<RecordSample<'_, M>, TryPopError> {
        let record = self.find_now()?;
        Ok(RecordSample::new(self, record, false))
    }

    /// Borrows the oldest record, waiting for one as `wait` says.
    ///
    /// # Errors
    /// As [`pop_into`](RecordConsumer::pop_into).
    #[inline]
    pub fn sample(&mut self, wait: Wait) -> Result<RecordSample<'_, M>, PopError> {
        let record = self.find_wait(wait, None)?;
        Ok(RecordSample::new(self, record, true))
    }

    /// Like [`sample`](RecordConsumer::sample), but waits no longer than until `deadline`.
    ///
    /// # Errors
    /// Also [`PopError::TimedOut`].
    #[inline]
    pub fn sample_until(
        &mut self,
        wait: Wait,
        deadline: Instant,
    ) -> Result<RecordSample<'_, M>, PopError> {
        let record = self.find_wait(wait, Some(deadline))?;
        Ok(RecordSample::new(self, record, true))
    }

    /// Takes up to `n` records that are there now. Never waits. It ends early when there are no more; whether
    /// the ring is empty, closed or corrupt is what the next [`try_sample`](RecordConsumer::try_sample) says.
    #[inline]
    pub fn drain(&mut self, n: usize) -> RecordDrain<'_, M> {
        RecordDrain::new(self, n)
    }

    /// Says that nothing more will be taken: pushes fail from now on, at the latest one record later (with
    /// [`Parking::Never`](crate::Parking::Never) and one producer: when its known room is used up). For ever;
    /// records not yet taken are lost.
    pub fn close(self) {
        let control = self.view.control();
        if self.mender.is_some() {
            close::close_shared(control, CLOSED_BY_CONSUMER);
        } else {
            close::close_consumer(control);
        }
        park::leave(&control.consumer_sleep.0);
        self.signal.rouse();
    }

    /// Whether no record is there to be read. `false` stays false until one is taken.
    pub fn is_empty(&mut self) -> bool {
        self.find_now().is_err()
    }

    /// Size of the ring in bytes.
    pub fn capacity_bytes(&self) -> u64 {
        self.head.shape().capacity
    }

    /// The position of the next record: how many bytes were taken since creation, by all consumers, headers and
    /// padding included.
    pub fn position(&self) -> u64 {
        self.head.next()
    }

    /// How the last consumer of this ring went. After [`Peer::Died`] the first record may be one that it had
    /// already seen.
    pub fn predecessor(&self) -> Peer {
        self.seat.predecessor()
    }

    /// Whether a producer is there. Asks the kernel, a fraction of a microsecond for each place.
    pub fn producer_state(&self) -> Peer {
        self.seat.producers()
    }

    /// Where the payload of the next record begins.
    #[inline(always)]
    pub(super) fn payload(&self) -> u64 {
        self.head.next().wrapping_add(HEADER)
    }

    /// Takes the next record into `out` if it is there, and gives its tag.
    #[inline(always)]
    fn take(&mut self, out: &mut Vec<u8>) -> Option<u16> {
        let (strip, control) = (self.view.strip(), self.view.control());
        let tag = self.head.take(&strip, control, |position, record| {
            strip.take_record(position, record, out);
            record.tag
        })?;
        self.tell_if_due();
        Some(tag)
    }

    /// Gives the bytes of `record`, which is the next one, back.
    #[inline(always)]
    pub(super) fn release(&mut self, record: Record) {
        let control = self.view.control();
        self.head.release(&self.view.strip(), control, record);
        self.tell_if_due();
    }

    /// Tells producers what was released, if it is enough, and wakes those who sleep for want of it.
    #[inline(always)]
    fn tell_if_due(&mut self) {
        if self.head.publish_gate_if_due(self.view.control()) {
            let _ = self.signal.notify();
        }
    }

    #[inline(always)]
    fn find_now(&mut self) -> Result<Record, TryPopError> {
        match self.head.find(&self.view.strip()) {
            Some(record) => Ok(record),
            None => self.find_slow(),
        }
    }

    #[inline(always)]
    fn find_wait(&mut self, wait: Wait, deadline: Option<Instant>) -> Result<Record, PopError> {
        let at = self.head.next();
        loop {
            if let Some(record) = self.head.find(&self.view.strip()) {
                return Ok(record);
            }
            self.wait_on(at, wait, deadline)?;
        }
    }

    #[cold]
    #[inline(never)]
    fn find_slow(&mut self) -> Result<Record, TryPopError> {
        let (strip, control) = (self.view.strip(), self.view.control());
        let told = self.head.gate();
        let mut look = self.head.look(&strip, control);
        if let (Look::Empty, Some(mender)) = (look, &mut self.mender)
            && mender.now_and_then()
        {
            look = match mend(mender, &self.view, &self.head) {
                Ok(false) => look,
                Ok(true) => self.head.look(&strip, control),
                Err(e) => Look::Corrupt(e),
            };
        }
        if self.head.gate() != told {
            let _ = self.signal.notify();
        }
        match look {
            Look::Record(record) => Ok(record),
            Look::Empty => Err(TryPopError::Empty),
            Look::Closed => Err(TryPopError::Closed),
            Look::Corrupt(e) => Err(TryPopError::Corrupt(e)),
        }
    }

    /// After a glance in vain, in a wait that began at position `at`. `Ok` means that another one is worth while, no more: a lying producer may take back what was
    /// seen.
    #[inline(always)]
    fn wait_on(&mut self, at: u64, wait: Wait, deadline: Option<Instant>) -> Result<(), PopError> {
        match self.signal.glances.again(at) {
            true => Ok(()),
            false => self.wait_on_slow(at, wait, deadline),
        }
    }

    #[cold]
    #[inline(never)]
    fn wait_on_slow(
        &mut self,
        at: u64,
        wait: Wait,
        deadline: Option<Instant>,
    ) -> Result<(), PopError> {
        let Self {
            head,
            view,
            signal,
            seat,
            mender,
            ..
        } = self;
        let (strip, control) = (view.strip(), view.control());
        let many = mender.is_some();
        let mut verdict = Ok(());
        let mut end = |error| {
            verdict = Err(error);
            Poll::Ended
        };
        let poll = |care, signal: &Signal| loop {
            // First what the fast path will look at: what is seen there needs no more.
            if head.find(&strip).is_some() {
                break Poll::Found;
            }
            let told = head.gate();
            let look = head.look(&strip, control);
            if head.gate() != told {
                let _ = signal.notify();
            }
            match look {
                Look::Record(_) => break Poll::Found,
                Look::Closed => break end(PopError::Closed),
                Look::Corrupt(e) => break end(PopError::Corrupt(e)),
                Look::Empty => {}
            }
            let Some(mender) = mender.as_mut().filter(|_| care == Care::Thorough) else {
                break Poll::Nothing;
            };
            match mend(mender, view, head) {
                Ok(true) => {}
                Ok(false) if head.is_claimed(control) => break Poll::Soon,
                Ok(false) => break Poll::Nothing,
                Err(e) => break end(PopError::Corrupt(e)),
            }
        };
        // What the dead have claimed is padded first, so that nothing committed behind it is missed.
        let drained = || !many || mpsc::is_drained(control);
        let died = || seat.producers() == Peer::Died && drained();
        waiting::poll_or_wait(at, wait, deadline, signal, died, poll)?;
        verdict
    }
}

/// Pads what a dead producer has claimed at the consumer's position.
fn mend(mender: &mut Mender, view: &View<Bytes>, head: &Head) -> Result<bool, Corrupt> {
    let control = view.control();
    mender.mend(
        control,
        head.next(),
        || head.is_claimed(control),
        |producers| head.repair(&view.strip(), control, producers),
    )
}
