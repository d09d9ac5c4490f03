//! How the ends find each other, in whatever order they come.
//!
//! Whoever comes first makes the ring, takes its own end and waits until a living process holds the other. An end that
//! finds a ring takes it only if nothing was ever sent through it; then it does not matter who was there before. Only a
//! sender that shares the ring with others may come later, while the receiver is there. If the ring's name is gone while it
//! waits (the other end gave up, or somebody removed it), it begins again.

use super::choose::Choice;
use super::format::SCHEMA;
use super::kind::Streaming;
use super::open::{Opening, PAUSE, RACES};
use super::side::Side;
use crate::args::StreamArgs;
use crate::exit::{Failure, Kind};
use crate::{place, sys, words};
use annulus::{Backing, EndpointError, Options, Peer, Ring, Status};
use std::time::{Duration, Instant};

/// Bytes of a new ring, unless said otherwise.
pub const CAPACITY: u64 = 4 << 20;
/// Places for senders in a new ring that they share; more if the receiver waits for more.
pub const PLACES: u32 = 64;
/// How long to keep quiet about waiting.
pub const QUIET: Duration = Duration::from_millis(300);

/// A ring with both ends held by living processes.
#[derive(Debug)]
pub struct Met<K, E> {
    /// The ring.
    pub ring: Ring<K>,
    /// This process's end.
    pub end: E,
}

/// What an end wants of the ring.
#[derive(Clone, Copy, Debug)]
pub struct Wanted {
    /// The kind of ring.
    pub choice: Choice,
    /// How many are to send, as far as this end knows.
    pub senders: u32,
    /// The longest piece of a stream, in bytes, if that was said.
    pub chunk: Option<usize>,
}

/// Where the ring is and how it is made.
struct Meeting<'a> {
    args: &'a StreamArgs,
    wanted: Wanted,
    backing: Backing,
}

/// Finds or makes the ring and waits for the other end. `None`: there is a ring of another kind, and this end takes
/// whichever is there.
pub fn meet<K: Streaming, E: Side<K>>(
    args: &StreamArgs,
    wanted: Wanted,
) -> Result<Option<Met<K, E>>, Failure> {
    let backing = place::shared_backing(args.backing, &args.name)?;
    let meeting = Meeting {
        args,
        wanted,
        backing,
    };
    let give_up = Instant::now() + RACES;
    loop {
        let Some(ring) = meeting.ring::<K, E>()? else {
            return Ok(None);
        };
        match meeting.take::<K, E>(&ring) {
            Ok((end, status)) => {
                if meeting.wait_for_other::<K, E>(&ring, &status)? {
                    return Ok(Some(Met { ring, end }));
                }
            }
            // Its name was removed after it was found: look again.
            Err(_) if !ring.is_current() && Instant::now() < give_up => {}
            Err(failure) => return Err(failure),
        }
        stop_if_told(&args.name)?;
        std::thread::sleep(PAUSE);
    }
}

/// Fails if this process was told to stop while it waited.
pub fn stop_if_told(name: &str) -> Result<(), Failure> {
    match sys::stop_signal() {
        Some(signal) => {
            let message = format!("interrupted while waiting on {name}");
            Err(Failure::new(Kind::Signal(signal), message))
        }
        None => Ok(()),
    }
}

impl Meeting<'_> {
    /// The options of a stream's ring, less its size.
    fn options<K: Streaming>(&self) -> Options<K> {
        K::named(&self.args.name, self.wanted.senders.max(PLACES))
            .backing(self.backing)
            .schema(SCHEMA)
            .mode(self.args.mode)
    }

    /// Opens the ring, or makes it. `None` as for [`meet`].
    fn ring<K: Streaming, E: Side<K>>(&self) -> Result<Option<Ring<K>>, Failure> {
        let capacity = self.args.capacity.unwrap_or(CAPACITY);
        let opening = Opening {
            args: self.args,
            choice: self.wanted.choice,
            may_make: !self.args.no_wait,
        };
        let ring = opening.ring(
            &self.options::<K>(),
            &self.options::<K>().capacity_bytes(capacity),
            // Not made for nothing. This is the ring's own rule for its longest record.
            || self.check_chunk::<K>(capacity / 2 - 8),
            || self.nobody::<K, E>(),
        )?;
        let Some(ring) = ring else {
            return Ok(None);
        };
        if let Some(bytes) = self.args.capacity
            && bytes != ring.capacity_bytes()
        {
            let [has, bytes] = [ring.capacity_bytes(), bytes].map(words::grouped);
            return Err(opening.other(&format!("has {has} bytes, not {bytes}"), "--capacity"));
        }
        self.check_chunk::<K>(ring.max_record() as u64)?;
        Ok(Some(ring))
    }

    /// Whether the chunk that was asked for fits into a record of up to `longest` bytes.
    fn check_chunk<K: Streaming>(&self, longest: u64) -> Result<(), Failure> {
        let longest = longest - K::PREFIX as u64;
        match self.wanted.chunk {
            Some(chunk) if chunk as u64 > longest => {
                let [chunk, longest] = [chunk as u64, longest].map(words::grouped);
                let message = format!(
                    "--chunk: {chunk} bytes are more than the {longest} that a record of this ring holds; \
                     say less, or have the ring made with a larger --capacity"
                );
                Err(Failure::new(Kind::Usage, message))
            }
            _ => Ok(()),
        }
    }

    /// Takes this process's end of a ring through which nothing was ever sent.
    fn take<K: Streaming, E: Side<K>>(&self, ring: &Ring<K>) -> Result<(E, Status), Failure> {
        let name = &self.args.name;
        let mut end = match E::attach(ring) {
            Ok(end) => end,
            Err(EndpointError::Occupied { pid }) => {
                let me = E::ME;
                let message = format!(
                    "{name} has a {me} already (process {pid}); wait until it is done, or take another name"
                );
                return Err(Failure::new(Kind::Busy, message));
            }
            Err(EndpointError::NoPlace { places }) => {
                let message = format!(
                    "{name} has as many senders as it has places, {places}; wait until one is done"
                );
                return Err(Failure::new(Kind::Busy, message));
            }
            Err(EndpointError::Closed) => return Err(self.leftover(ring)),
            Err(e) => return Err(e.into()),
        };
        // In this order: a sender begins as soon as it sees this end taken.
        let empty = end.is_empty();
        let status = ring.status()?;
        if !end.may_begin(empty, &status) || E::others(&status).closed {
            return Err(self.leftover(ring));
        }
        if self.args.no_wait && !E::others(&status).alive {
            return Err(self.nobody::<K, E>());
        }
        Ok((end, status))
    }

    /// Waits until a living process holds the other end, or has sent something there. `false`: the ring's name is gone, begin again.
    fn wait_for_other<K: Streaming, E: Side<K>>(
        &self,
        ring: &Ring<K>,
        at_first: &Status,
    ) -> Result<bool, Failure> {
        let name = &self.args.name;
        let begun = Instant::now();
        let mut told = self.args.quiet;
        let before = E::others(at_first).comings;
        loop {
            // Asked for with its errors: nobody is taken for alive because the kernel cannot say.
            let status = match ring.status() {
                Ok(status) => status,
                Err(_) if !ring.is_current() => return Ok(false),
                Err(e) => return Err(e.into()),
            };
            let other = E::others(&status);
            // One that came, sent and left between two looks has said how it ended.
            if other.alive || other.has_sent {
                return Ok(true);
            }
            if !ring.is_current() {
                return Ok(false);
            }
            if other.closed || other.comings > before {
                // Between two looks.
                self.remove(ring);
                let message = format!("a {} came to {name} and left before it began", E::OTHER);
                return Err(Failure::new(Kind::Failed, message));
            }
            if sys::stop_signal().is_some() {
                self.remove(ring);
                stop_if_told(name)?;
            }
            if !told && begun.elapsed() > QUIET {
                told = true;
                let (other, command) = (E::OTHER, E::OTHER_COMMAND);
                words::tell(&format!("waiting for a {other}: annulus {command} {name}"));
            }
            let soon = begun.elapsed() < QUIET;
            std::thread::sleep(if soon { PAUSE / 5 } else { PAUSE });
        }
    }

    /// Removes a ring whose end this process holds. Nothing to do about a failure: whoever comes next is told.
    fn remove<K: Streaming>(&self, ring: &Ring<K>) {
        if !self.args.keep {
            let _ = ring.unlink();
        }
    }

    fn nobody<K: Streaming, E: Side<K>>(&self) -> Failure {
        let (name, other, command) = (&self.args.name, E::OTHER, E::OTHER_COMMAND);
        let message = format!(
            "no {other} waits on {name}; start annulus {command} {name} first, or leave --no-wait out"
        );
        Failure::new(Kind::Ring, message)
    }

    /// The failure of a ring that an earlier stream has used.
    fn leftover<K: Streaming>(&self, ring: &Ring<K>) -> Failure {
        let name = &self.args.name;
        let backing = match self.backing {
            Backing::PosixShm => String::new(),
            other => format!(" --backing {}", place::backing_name(other)),
        };
        let remove = format!("annulus rm {name}{backing}");
        let message = match ring.status() {
            Ok(status) if status.consumers[0].closed && status.len == 0 => {
                format!("{name} is what is left of a stream that has ended; remove it: {remove}")
            }
            Ok(status) => {
                let of = |end: &annulus::End| match end.state {
                    Peer::Never => "was never there".to_owned(),
                    Peer::Alive => format!("is alive (process {})", end.pid),
                    Peer::Left => "has left".to_owned(),
                    Peer::Died => format!("died (process {})", end.pid),
                };
                let senders = match status.producers.as_slice() {
                    [one] => format!("its sender {}", of(one)),
                    several => format!("it had {} senders", several.len()),
                };
                let [taken, len] = [status.taken, status.len].map(words::grouped);
                format!(
                    "{name} is what is left of an interrupted stream: {taken} bytes taken, {len} not; {senders}, \
                     its receiver {}; remove it: {remove}",
                    of(&status.consumers[0])
                )
            }
            Err(e) => e.to_string(),
        };
        Failure::new(Kind::Ring, message)
    }
}
