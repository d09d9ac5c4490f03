//! The reading end of a broadcast of records.

use super::super::seat::Peer;
use super::super::signal::Signal;
use super::join::{Join, JoinError, Resume};
use super::standing::{LATEST_TRIES, Standing};
use crate::error::{EndpointError, ReadError, TryReadError};
use crate::layout::participant::Participant;
use crate::ring::broadcast::records::{Copied, Reader as Place};
use crate::ring::broadcast::{Seen, frontier};
use crate::segment::{Bytes, Segment, Strip, View};
use crate::wait::strategy::Wait;
use std::time::Instant;

/// A reading end of a broadcast of records: it sees every record, or is told exactly how many it did not. It may move
/// between threads.
///
/// A *lossy* reader costs the producer nothing, however slow it is. A *lossless* one is waited for. Positions are bytes,
/// headers and padding included.
#[derive(Debug)]
pub struct RecordReader {
    place: Place,
    view: View<Bytes>,
    standing: Standing,
    capacity: u64,
}

impl RecordReader {
    pub(crate) fn attach(
        segment: &Segment,
        view: View<Bytes>,
        join: Join,
        lossless: bool,
    ) -> Result<Self, JoinError> {
        let standing = Standing::take(segment, &view)?;
        let (strip, control) = (view.strip(), view.control());
        let shape = segment.checked.geometry.shape();
        let mut place = None;
        let mut choose = || -> Result<u64, JoinError> {
            let found = match join {
                Join::Newest => Place::new(&strip, control, shape, Resume::Newest.place()),
                Join::Oldest => Place::new(&strip, control, shape, Resume::Oldest.place()),
                Join::At(position) => Some(Place::at(&strip, control, shape, position)?),
            };
            let found = found.ok_or_else(|| EndpointError::from(frontier::corrupt(control)))?;
            let position = found.next();
            place = Some(found);
            Ok(position)
        };
        if lossless {
            let reach = shape.capacity - shape.align();
            let gated = frontier::gate(control, standing.gate(), reach, choose);
            standing.rouse_producer();
            gated?.ok_or_else(|| EndpointError::from(frontier::corrupt(control)))?;
            place = place.map(|place| place.waited_for(standing.gate().0));
        } else {
            frontier::publish(standing.entry(), choose()?);
        }
        Ok(Self {
            place: place.expect("a position was chosen"),
            view,
            standing,
            capacity: shape.capacity,
        })
    }

    /// Copies the next record into `out`, replacing what is in it, and gives its tag; or says why not. If it fails, `out`
    /// holds anything. Never waits; allocates only to make `out` longer; enters the kernel only to wake a producer
    /// that waits for this reader.
    ///
    /// # Errors
    /// [`TryReadError::Lost`] tells how many records were overwritten before they were read; the next call goes on
    /// behind them. [`TryReadError::Closed`] once the producer has closed and everything was read.
    #[inline]
    pub fn try_read_into(&mut self, out: &mut Vec<u8>) -> Result<u16, TryReadError> {
        let (strip, control) = (self.view.strip(), self.view.control());
        let resume = self.standing.resume.place();
        let seen = self.place.look(&strip, control, resume, copy(strip, out));
        if let Seen::Message(Copied { tag, .. }) = seen {
            self.after_read();
            return Ok(tag);
        }
        self.nothing(seen)
    }

    /// Copies the next record into `out`, waiting for one as `wait` says.
    ///
    /// # Errors
    /// As [`try_read_into`](RecordReader::try_read_into), and [`ReadError::PeerDied`] if there is none and the producer
    /// has died, also if that was before this reader came. Call again to wait for a successor; each call reports the
    /// death anew, at the latest after 100 ms.
    #[inline]
    pub fn read_into(&mut self, out: &mut Vec<u8>, wait: Wait) -> Result<u16, ReadError> {
        self.read_by(out, wait, None)
    }

    /// Like [`read_into`](RecordReader::read_into), but waits no longer than until `deadline`.
    ///
    /// # Errors
    /// Also [`ReadError::TimedOut`].
    #[inline]
    pub fn read_into_until(
        &mut self,
        out: &mut Vec<u8>,
        wait: Wait,
        deadline: Instant,
    ) -> Result<u16, ReadError> {
        self.read_by(out, wait, Some(deadline))
    }

    /// Copies the newest record into `out` if it was not read yet, passing over those before it
    /// ([`RecordReader::skipped`]).
    ///
    /// # Errors
    /// [`TryReadError::Empty`] if the newest was read, or is overwritten again and again before it is copied. Never [`TryReadError::Lost`]: what was overwritten is passed
    /// over as well.
    pub fn try_latest_into(&mut self, out: &mut Vec<u8>) -> Result<u16, TryReadError> {
        for _ in 0..LATEST_TRIES {
            let (strip, control) = (self.view.strip(), self.view.control());
            let skipped = self.place.skip_to_newest(&strip, control);
            self.standing.skip(skipped);
            match self.try_read_into(out) {
                Err(TryReadError::Lost(lost)) => {
                    self.standing.was_to_be_skipped(lost);
                }
                other => return other,
            }
        }
        Err(TryReadError::Empty)
    }

    /// Where to go on after a loss, from now on. Default: [`Resume::Oldest`].
    pub fn resume_at(&mut self, resume: Resume) {
        self.standing.resume = resume;
    }

    /// The position of the next record in bytes.
    pub fn position(&self) -> u64 {
        self.place.next()
    }

    /// Bytes published and not yet read, headers and padding included. More than
    /// [`capacity_bytes`](RecordReader::capacity_bytes) if some are overwritten already.
    pub fn lag_bytes(&self) -> u64 {
        self.place
            .lag_bytes(&self.view.strip(), self.view.control())
    }

    /// Records read by this reader.
    pub fn received(&self) -> u64 {
        self.standing.received
    }

    /// Records that were overwritten before this reader read them, as far as it was told.
    pub fn lost(&self) -> u64 {
        self.standing.lost
    }

    /// Records passed over by [`try_latest_into`](RecordReader::try_latest_into).
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

    /// Size of the ring in bytes.
    pub fn capacity_bytes(&self) -> u64 {
        self.capacity
    }

    /// Whether the producer is there. Asks the kernel, a fraction of a microsecond.
    pub fn producer_state(&self) -> Peer {
        self.standing.producer()
    }

    #[inline]
    fn read_by(
        &mut self,
        out: &mut Vec<u8>,
        wait: Wait,
        deadline: Option<Instant>,
    ) -> Result<u16, ReadError> {
        let at = self.place.next();
        let tag = loop {
            let (strip, control) = (self.view.strip(), self.view.control());
            let resume = self.standing.resume.place();
            let seen = self.place.look(&strip, control, resume, copy(strip, out));
            match seen {
                Seen::Message(Copied { tag, .. }) => break tag,
                Seen::Lost(lost) => {
                    self.standing.lose(lost);
                    return Err(ReadError::Lost(lost));
                }
                _ if self.standing.signal.glances.again(at) => continue,
                _ => {}
            }
            if let Some(tag) = self.wait_on_slow(at, out, wait, deadline)? {
                break tag;
            }
        };
        self.after_read();
        Ok(tag)
    }

    /// After a glance in vain, in a wait that began at position `at`. `None` means that another one is worth while, no more.
    #[cold]
    #[inline(never)]
    fn wait_on_slow(
        &mut self,
        at: u64,
        out: &mut Vec<u8>,
        wait: Wait,
        deadline: Option<Instant>,
    ) -> Result<Option<u16>, ReadError> {
        let Self {
            place,
            view,
            standing,
            ..
        } = self;
        let (strip, control) = (view.strip(), view.control());
        let resume = standing.resume.place();
        let copied = standing.wait_on(at, wait, deadline, |mine, signal| {
            let seen = place.look(&strip, control, resume, copy(strip, out));
            if !matches!(seen, Seen::Message(_)) {
                tell(place, mine, signal);
            }
            seen
        })?;
        Ok(copied.map(|copied| copied.tag))
    }

    #[inline(always)]
    fn after_read(&mut self) {
        self.standing.received += 1;
        if self.place.is_due() {
            self.publish();
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

    #[cold]
    #[inline(never)]
    fn nothing(&mut self, seen: Seen<Copied>) -> Result<u16, TryReadError> {
        self.publish();
        match seen {
            Seen::Message(Copied { tag, .. }) => Ok(tag),
            Seen::Lost(lost) => {
                self.standing.lose(lost);
                Err(TryReadError::Lost(lost))
            }
            Seen::Empty => Err(TryReadError::Empty),
            Seen::Closed => Err(TryReadError::Closed),
            Seen::Corrupt(e) => Err(TryReadError::Corrupt(e)),
        }
    }
}

/// Copies payload into `out`.
fn copy<'a>(strip: Strip<'a>, out: &'a mut Vec<u8>) -> impl FnMut(u64, u32) + 'a {
    move |position, len| strip.read_vec(position, len as usize, out)
}

/// Says in `mine` how far the reader has come, and wakes a producer that waits for that.
fn tell(place: &mut Place, mine: &Participant, signal: &Signal) {
    if place.publish(mine) {
        let _ = signal.notify();
    }
}

impl Drop for RecordReader {
    fn drop(&mut self) {
        self.standing.leave(self.view.control());
    }
}
