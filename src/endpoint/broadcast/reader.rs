//! The reading end of a broadcast of slots.

use super::super::ahead::Ahead;
use super::super::seat::Peer;
use super::super::signal::Signal;
use super::super::slots_of::SlotsOf;
use super::super::typed::Element;
use super::super::waiting::Rest;
use super::join::{Join, JoinError, Resume};
use super::standing::{LATEST_TRIES, Standing};
use crate::error::{EndpointError, ReadError, TryReadError};
use crate::layout::participant::Participant;
use crate::ring::broadcast::slots::Reader as Place;
use crate::ring::broadcast::{Gone, Seen, frontier};
use crate::segment::{Segment, Slots, View};
use crate::wait::distance::Distance;
use crate::wait::strategy::Wait;
use std::time::Instant;

/// A reading end of a broadcast of slots: it sees every message, or is told exactly how many it did not. It may move
/// between threads.
///
/// A *lossy* reader costs the producer nothing, however slow it is. A *lossless* one is waited for.
#[derive(Debug)]
pub struct Reader<T: Element + ?Sized> {
    place: Place,
    ahead: Ahead,
    view: SlotsOf<T>,
    distance: Distance,
    standing: Standing,
}

impl<T: Element + ?Sized> Reader<T> {
    pub(crate) fn attach(
        segment: &Segment,
        view: View<Slots>,
        join: Join,
        lossless: bool,
    ) -> Result<Self, JoinError> {
        let view = SlotsOf::new(view);
        let standing = Standing::take(segment, &view)?;
        let (lane, control) = (view.lane(), view.control());
        let geometry = &segment.checked.geometry;
        let (capacity, start) = (geometry.capacity, segment.checked.start_position);
        let of = |place| Place::position_of(&lane, control, capacity, start, place);
        let choose = || -> Result<u64, Gone> {
            match join {
                Join::Newest => Ok(of(Resume::Newest.place())),
                Join::Oldest => Ok(of(Resume::Oldest.place())),
                Join::At(position) => Place::check(&lane, control, capacity, start, position),
            }
        };
        let position = if lossless {
            let gated = frontier::gate(control, standing.gate(), capacity, choose);
            standing.rouse_producer();
            gated?.ok_or_else(|| EndpointError::from(frontier::corrupt(control)))?
        } else {
            let position = choose()?;
            frontier::publish(standing.entry(), position);
            position
        };
        Ok(Self {
            place: Place::new(position, capacity, start),
            ahead: Ahead::new(position),
            distance: Distance::new(geometry.kind, geometry.stride, capacity),
            view,
            standing,
        })
    }

    /// Copies the next message into `out`; for bytes, and for values too large to move about. If it fails, `out` holds
    /// anything.
    ///
    /// # Errors
    /// As [`try_read`](Reader::try_read).
    ///
    /// # Panics
    /// On a ring of bytes, if the length is not the slot size.
    #[inline(always)]
    pub fn try_read_into(&mut self, out: &mut T) -> Result<(), TryReadError> {
        loop {
            if self.take_into(out, Rest::Never) {
                return Ok(());
            }
            self.look()?;
        }
    }

    /// Copies the next message into `out`, waiting for one as `wait` says.
    ///
    /// # Errors
    /// As [`read`](Reader::read).
    ///
    /// # Panics
    /// On a ring of bytes, if the length is not the slot size.
    #[inline(always)]
    pub fn read_into(&mut self, out: &mut T, wait: Wait) -> Result<(), ReadError> {
        let at = self.place.next();
        loop {
            if self.take_into(out, Rest::May) {
                return Ok(());
            }
            self.wait_on(at, wait, None)?;
        }
    }

    /// Like [`read_into`](Reader::read_into), but waits no longer than until `deadline`.
    ///
    /// # Errors
    /// Also [`ReadError::TimedOut`].
    ///
    /// # Panics
    /// On a ring of bytes, if the length is not the slot size.
    #[inline(always)]
    pub fn read_into_until(
        &mut self,
        out: &mut T,
        wait: Wait,
        deadline: Instant,
    ) -> Result<(), ReadError> {
        let at = self.place.next();
        loop {
            if self.take_into(out, Rest::May) {
                return Ok(());
            }
            self.wait_on(at, wait, Some(deadline))?;
        }
    }

    /// Copies the newest message into `out` if it was not read yet, passing over those before it
    /// ([`Reader::skipped`]).
    ///
    /// # Errors
    /// [`TryReadError::Empty`] if the newest was read, or is overwritten again and again before it is copied. Never [`TryReadError::Lost`]: what was overwritten is passed
    /// over as well.
    ///
    /// # Panics
    /// On a ring of bytes, if the length is not the slot size.
    pub fn try_latest_into(&mut self, out: &mut T) -> Result<(), TryReadError> {
        for _ in 0..LATEST_TRIES {
            self.skip_to_newest();
            match self.try_read_into(out) {
                Err(TryReadError::Lost(lost)) => self.standing.was_to_be_skipped(lost),
                other => return other,
            }
        }
        Err(TryReadError::Empty)
    }

    /// Where to go on after a loss, from now on. Default: [`Resume::Oldest`].
    pub fn resume_at(&mut self, resume: Resume) {
        self.standing.resume = resume;
    }

    /// The position of the next message: how many were published before it since creation.
    pub fn position(&self) -> u64 {
        self.place.next()
    }

    /// Messages published and not yet read. More than [`capacity`](Reader::capacity) if some are overwritten already.
    pub fn lag(&self) -> u64 {
        self.place.lag(&self.view.lane(), self.view.control())
    }

    /// Messages read by this reader.
    pub fn received(&self) -> u64 {
        self.standing.received
    }

    /// Messages that were overwritten before this reader read them, as far as it was told.
    pub fn lost(&self) -> u64 {
        self.standing.lost
    }

    /// Messages passed over by [`try_latest`](Reader::try_latest).
    pub fn skipped(&self) -> u64 {
        self.standing.skipped
    }

    /// Whether the producer waits for this reader. One that was lossless is not any more once the producer has
    /// lost patience ([`Laggards::Demote`](crate::Laggards::Demote)).
    pub fn is_lossless(&self) -> bool {
        self.standing.is_waited_for(self.view.control())
    }

    /// Becomes a lossy reader.
    pub fn become_lossy(&mut self) {
        self.standing.ungate(self.view.control());
    }

    /// Slots of the ring.
    pub fn capacity(&self) -> u64 {
        self.place.capacity()
    }

    /// Size of a message in bytes.
    pub fn slot_size(&self) -> usize {
        self.view.lane().payload_bytes()
    }

    /// Whether the producer is there. Asks the kernel, a fraction of a microsecond.
    pub fn producer_state(&self) -> Peer {
        self.standing.producer()
    }

    /// Copies the next message into `out` if it is there.
    #[inline(always)]
    pub(super) fn take_into(&mut self, out: &mut T, rest: Rest) -> bool {
        let lane = self.view.lane();
        let copy = |position| lane.read_into(position, out.as_mut_bytes());
        if self.place.take(&lane, copy).is_none() {
            return false;
        }
        self.after_read(rest);
        true
    }

    #[inline(always)]
    fn after_read(&mut self, rest: Rest) {
        self.standing.received += 1;
        let (lane, next) = (self.view.lane(), self.place.next());
        if lane.seeks_at(next) && self.ahead.ask(next, lane) {
            self.ahead.look(next, &self.view);
        }
        if self.place.is_due() {
            self.publish();
        }
        if rest == Rest::May && self.distance.is_due(next) {
            self.keep_distance();
        }
    }

    /// Lets the producer get ahead, if this reader may be too close behind.
    #[inline(never)]
    fn keep_distance(&mut self) {
        let (lane, next) = (self.view.lane(), self.place.next());
        if !self.ahead.knows(next) {
            self.standing.signal.keep(self.distance, &lane, next);
        }
    }

    /// Says how far it has come, and wakes a producer that waits for that.
    #[inline(never)]
    fn publish(&mut self) {
        tell(
            &mut self.place,
            self.standing.entry(),
            &self.standing.signal,
        );
    }

    /// A drain has found fewer messages than it was asked for: the producer is told, as by a read in vain.
    #[cold]
    #[inline(never)]
    pub(super) fn ran_short(&mut self) {
        self.publish();
        self.standing.signal.ran_short_at(self.place.next());
    }

    /// Waits for the first message of a run, and rests first where the last run was shorter than it might have been.
    #[inline]
    pub(super) fn wait_for_run(
        &mut self,
        n: usize,
        wait: Wait,
        deadline: Option<Instant>,
    ) -> Result<(), ReadError> {
        assert!(n > 0, "a drain is of at least one message");
        self.standing.signal.rest();
        let at = self.place.next();
        while !self.place.is_ready(&self.view.lane()) {
            self.wait_on(at, wait, deadline)?;
        }
        Ok(())
    }

    fn skip_to_newest(&mut self) {
        let (lane, control) = (self.view.lane(), self.view.control());
        let skipped = self.place.skip_to_newest(&lane, control);
        self.standing.skip(skipped);
    }

    #[cold]
    #[inline(never)]
    fn look(&mut self) -> Result<(), TryReadError> {
        let (lane, control) = (self.view.lane(), self.view.control());
        let resume = self.standing.resume.place();
        let seen = self.place.look(&lane, control, resume);
        if seen != Seen::Message(()) {
            self.publish();
        }
        match seen {
            Seen::Message(()) => Ok(()),
            Seen::Lost(lost) => {
                self.standing.lose(lost);
                Err(TryReadError::Lost(lost))
            }
            Seen::Empty => Err(TryReadError::Empty),
            Seen::Closed => Err(TryReadError::Closed),
            Seen::Corrupt(e) => Err(TryReadError::Corrupt(e)),
        }
    }

    /// After a glance in vain, in a wait that began at position `at`. `Ok` means that another one is worth while, no more.
    #[inline(always)]
    fn wait_on(&mut self, at: u64, wait: Wait, deadline: Option<Instant>) -> Result<(), ReadError> {
        match self.standing.signal.glances.again(at) {
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
    ) -> Result<(), ReadError> {
        let Self {
            place,
            view,
            standing,
            ..
        } = self;
        let (lane, control) = (view.lane(), view.control());
        let resume = standing.resume.place();
        standing.wait_on(at, wait, deadline, |mine, signal| {
            let seen = place.look(&lane, control, resume);
            if seen != Seen::Message(()) {
                tell(place, mine, signal);
            }
            seen
        })?;
        Ok(())
    }
}

impl<T: Element> Reader<T> {
    /// Copies the next message, or says why not. Never waits, never allocates; enters the kernel only to wake a
    /// producer that waits for this reader.
    ///
    /// # Errors
    /// [`TryReadError::Lost`] tells how many messages were overwritten before they were read; the next call goes on
    /// behind them. [`TryReadError::Closed`] once the producer has closed and everything was read.
    #[inline(always)]
    pub fn try_read(&mut self) -> Result<T, TryReadError> {
        loop {
            if let Some(message) = self.take(Rest::Never) {
                return Ok(message);
            }
            self.look()?;
        }
    }

    /// Copies the next message, waiting for one as `wait` says.
    ///
    /// A producer that was dropped without closing ends no wait: another may come.
    ///
    /// # Errors
    /// As [`try_read`](Reader::try_read), and [`ReadError::PeerDied`] if there is none and the producer has died, also
    /// if that was before this reader came. Call again to wait for a successor; each call reports the death anew, at
    /// the latest after 100 ms.
    #[inline(always)]
    pub fn read(&mut self, wait: Wait) -> Result<T, ReadError> {
        let at = self.place.next();
        loop {
            if let Some(message) = self.take(Rest::May) {
                return Ok(message);
            }
            self.wait_on(at, wait, None)?;
        }
    }

    /// Like [`read`](Reader::read), but waits no longer than until `deadline`.
    ///
    /// # Errors
    /// Also [`ReadError::TimedOut`].
    #[inline(always)]
    pub fn read_until(&mut self, wait: Wait, deadline: Instant) -> Result<T, ReadError> {
        let at = self.place.next();
        loop {
            if let Some(message) = self.take(Rest::May) {
                return Ok(message);
            }
            self.wait_on(at, wait, Some(deadline))?;
        }
    }

    /// Copies the newest message if it was not read yet, passing over those before it ([`Reader::skipped`]).
    ///
    /// # Errors
    /// As [`try_latest_into`](Reader::try_latest_into).
    pub fn try_latest(&mut self) -> Result<T, TryReadError> {
        for _ in 0..LATEST_TRIES {
            self.skip_to_newest();
            match self.try_read() {
                Err(TryReadError::Lost(lost)) => self.standing.was_to_be_skipped(lost),
                other => return other,
            }
        }
        Err(TryReadError::Empty)
    }

    /// Copies the next message if it is there.
    #[inline(always)]
    pub(super) fn take(&mut self, rest: Rest) -> Option<T> {
        let lane = self.view.lane();
        let message = self.place.take(&lane, |position| lane.read(position))?;
        self.after_read(rest);
        Some(message)
    }
}

/// Says in `mine` how far the reader has come, and wakes a producer that waits for that.
fn tell(place: &mut Place, mine: &Participant, signal: &Signal) {
    if place.publish(mine) {
        let _ = signal.notify();
    }
}

impl<T: Element + ?Sized> Drop for Reader<T> {
    fn drop(&mut self) {
        self.standing.leave(self.view.control());
    }
}
