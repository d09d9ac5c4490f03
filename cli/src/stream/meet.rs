//! How two ends find each other, in whatever order they come.
//!
//! Whoever comes first makes the ring, takes its own end and waits until a living process holds the other. An end that
//! finds a ring takes it only if nothing was ever sent through it; then it does not matter who was there before. If the
//! ring's name is gone while it waits (the other end gave up, or somebody removed it), it begins again.

use super::frame::{LEAST_SLOT, SCHEMA};
use crate::args::StreamArgs;
use crate::exit::{Failure, Kind};
use crate::{place, sys, words};
use annulus::{
    Backing, Consumer, CreateError, EndpointError, OpenError, Options, Peer, Producer, Ring,
    Status, spsc,
};
use std::time::{Duration, Instant};

/// Slots of a new ring, unless said otherwise.
const CAPACITY: u64 = 64;
/// Bytes of a slot of a new ring, unless said otherwise.
const SLOT_SIZE: usize = 65_536;
/// How long to keep quiet about waiting.
const QUIET: Duration = Duration::from_millis(300);
/// How long a ring may change hands under us before we stop trying.
const RACES: Duration = Duration::from_secs(2);
/// Pause between two looks at a ring that is changing.
const PAUSE: Duration = Duration::from_millis(5);

/// One of the two ends.
pub trait Side: Sized {
    /// What it is called.
    const ME: &'static str;
    /// What the other is called.
    const OTHER: &'static str;
    /// The command that starts the other.
    const OTHER_COMMAND: &'static str;

    /// Takes this end.
    fn attach(ring: &Ring<annulus::Spsc<[u8]>>) -> Result<Self, EndpointError>;
    /// Whether nothing was ever sent, as seen from this end.
    fn is_unused(&self, status: &Status) -> bool;
    /// The other end.
    fn other(status: &Status) -> &annulus::End;
}

impl Side for Producer<[u8]> {
    const ME: &'static str = "sender";
    const OTHER: &'static str = "receiver";
    const OTHER_COMMAND: &'static str = "recv";

    fn attach(ring: &Ring<annulus::Spsc<[u8]>>) -> Result<Self, EndpointError> {
        ring.producer()
    }

    fn is_unused(&self, _status: &Status) -> bool {
        self.position() == 0
    }

    fn other(status: &Status) -> &annulus::End {
        &status.consumer
    }
}

impl Side for Consumer<[u8]> {
    const ME: &'static str = "receiver";
    const OTHER: &'static str = "sender";
    const OTHER_COMMAND: &'static str = "send";

    fn attach(ring: &Ring<annulus::Spsc<[u8]>>) -> Result<Self, EndpointError> {
        ring.consumer()
    }

    fn is_unused(&self, status: &Status) -> bool {
        // Messages of a living sender are the beginning of its stream, and all of it is there.
        self.position() == 0 && (self.is_empty() || status.producers[0].state == Peer::Alive)
    }

    fn other(status: &Status) -> &annulus::End {
        &status.producers[0]
    }
}

/// A ring with both ends held by living processes.
#[derive(Debug)]
pub struct Met<E> {
    /// The ring.
    pub ring: Ring<annulus::Spsc<[u8]>>,
    /// This process's end.
    pub end: E,
}

/// Where the ring is and how it is made.
struct Meeting<'a> {
    args: &'a StreamArgs,
    backing: Backing,
}

/// Finds or makes the ring and waits for the other end.
pub fn meet<E: Side>(args: &StreamArgs) -> Result<Met<E>, Failure> {
    if args.slot_size.is_some_and(|bytes| bytes < LEAST_SLOT) {
        let rule = format!("--slot-size: must be at least {LEAST_SLOT}, the size of an end frame");
        return Err(Failure::new(Kind::Usage, rule));
    }
    let backing = place::shared_backing(args.backing, &args.name)?;
    let meeting = Meeting { args, backing };
    let give_up = Instant::now() + RACES;
    loop {
        let ring = meeting.ring::<E>()?;
        meeting.compare(&ring)?;
        match meeting.take::<E>(&ring) {
            Ok((end, status)) => {
                if meeting.wait_for_other::<E>(&ring, &status)? {
                    return Ok(Met { ring, end });
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

fn stop_if_told(name: &str) -> Result<(), Failure> {
    match sys::stop_signal() {
        Some(signal) => {
            let message = format!("interrupted while waiting on {name}");
            Err(Failure::new(Kind::Signal(signal), message))
        }
        None => Ok(()),
    }
}

impl Meeting<'_> {
    /// The options of a stream's ring, less its geometry.
    fn options(&self) -> Options<annulus::Spsc<[u8]>> {
        spsc::<[u8]>(&self.args.name)
            .backing(self.backing)
            .schema(SCHEMA)
            .mode(self.args.mode)
    }

    /// Opens the ring, or makes it.
    fn ring<E: Side>(&self) -> Result<Ring<annulus::Spsc<[u8]>>, Failure> {
        let open = match self.args.slot_size {
            Some(bytes) => self.options().slot_size(bytes),
            None => self.options(),
        };
        let mut create = self
            .options()
            .capacity(self.args.capacity.unwrap_or(CAPACITY))
            .slot_size(self.args.slot_size.unwrap_or(SLOT_SIZE));
        if let Some(backend) = self.args.wait_backend {
            create = create.wait_backend(backend.backend());
        }
        let give_up = Instant::now() + RACES;
        loop {
            let unfinished = match open.open() {
                Ok(ring) => return Ok(ring),
                Err(OpenError::NotFound { .. } | OpenError::Unfinished { .. })
                    if self.args.no_wait =>
                {
                    return Err(self.nobody::<E>());
                }
                Err(OpenError::NotFound { .. }) => None,
                Err(e @ OpenError::Unfinished { .. }) => Some(e),
                Err(e) => return Err(self.refused(e)),
            };
            match create.create() {
                Ok(ring) => return Ok(ring),
                Err(CreateError::Exists { .. }) if Instant::now() < give_up => {}
                Err(e) => return Err(unfinished.map_or_else(|| e.into(), Failure::from)),
            }
            std::thread::sleep(PAUSE);
        }
    }

    /// The failure of a ring that is not the one asked for.
    fn refused(&self, e: OpenError) -> Failure {
        let name = &self.args.name;
        match &e {
            OpenError::Mismatch {
                field: "schema version" | "message type",
                ..
            } => Failure::new(
                Kind::Ring,
                format!(
                    "{name} is a ring of another program, not one of annulus send and recv; \
                     take another name (annulus stat {name} shows it)"
                ),
            ),
            OpenError::Mismatch {
                field: "slot size",
                expected,
                found,
            } => Failure::new(
                Kind::Ring,
                format!(
                    "{name} has slots of {found} bytes, not {expected}; leave --slot-size out to use it \
                     as it is, or take another name"
                ),
            ),
            OpenError::Mismatch { .. } | OpenError::NotARing { .. } => {
                Failure::new(Kind::Ring, format!("{e}; take another name"))
            }
            _ => e.into(),
        }
    }

    /// What the library does not compare: capacity, and what to sleep on.
    fn compare(&self, ring: &Ring<annulus::Spsc<[u8]>>) -> Result<(), Failure> {
        let name = &self.args.name;
        let other = |what: String, option: &str| {
            let message = format!(
                "{name} {what}; leave {option} out to use it as it is, or take another name"
            );
            Err(Failure::new(Kind::Ring, message))
        };
        if let Some(slots) = self.args.capacity
            && slots != ring.capacity()
        {
            let has = ring.capacity();
            return other(format!("has {has} slots, not {slots}"), "--capacity");
        }
        if let Some(backend) = self.args.wait_backend
            && backend.backend() != ring.status()?.wait_backend
        {
            return other("has the other wait back end".to_owned(), "--wait-backend");
        }
        if ring.slot_size() < LEAST_SLOT {
            let has = ring.slot_size();
            let message = format!("{name} has slots of {has} bytes, too small for a stream");
            return Err(Failure::new(Kind::Ring, message));
        }
        Ok(())
    }

    /// Takes this process's end of a ring through which nothing was ever sent.
    fn take<E: Side>(&self, ring: &Ring<annulus::Spsc<[u8]>>) -> Result<(E, Status), Failure> {
        let name = &self.args.name;
        let end = match E::attach(ring) {
            Ok(end) => end,
            Err(EndpointError::Occupied { pid }) => {
                let me = E::ME;
                let message = format!(
                    "{name} has a {me} already (process {pid}); wait until it is done, or take another name"
                );
                return Err(Failure::new(Kind::Busy, message));
            }
            Err(EndpointError::Closed) => return Err(self.leftover(ring)),
            Err(e) => return Err(e.into()),
        };
        let status = ring.status()?;
        if !end.is_unused(&status) || E::other(&status).closed {
            return Err(self.leftover(ring));
        }
        if self.args.no_wait && E::other(&status).state != Peer::Alive {
            return Err(self.nobody::<E>());
        }
        Ok((end, status))
    }

    /// Waits until a living process holds the other end. `false`: the ring's name is gone, begin again.
    fn wait_for_other<E: Side>(
        &self,
        ring: &Ring<annulus::Spsc<[u8]>>,
        at_first: &Status,
    ) -> Result<bool, Failure> {
        let name = &self.args.name;
        let begun = Instant::now();
        let mut told = self.args.quiet;
        let before = E::other(at_first).generation;
        loop {
            // Asked for with its errors: nobody is taken for alive because the kernel cannot say.
            let status = match ring.status() {
                Ok(status) => status,
                Err(_) if !ring.is_current() => return Ok(false),
                Err(e) => return Err(e.into()),
            };
            let other = E::other(&status);
            if other.state == Peer::Alive {
                return Ok(true);
            }
            if !ring.is_current() {
                return Ok(false);
            }
            if other.closed || other.generation > before {
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
    fn remove(&self, ring: &Ring<annulus::Spsc<[u8]>>) {
        if !self.args.keep {
            let _ = ring.unlink();
        }
    }

    fn nobody<E: Side>(&self) -> Failure {
        let (name, other, command) = (&self.args.name, E::OTHER, E::OTHER_COMMAND);
        let message = format!(
            "no {other} waits on {name}; start annulus {command} {name} first, or leave --no-wait out"
        );
        Failure::new(Kind::Ring, message)
    }

    /// The failure of a ring that an earlier stream has used.
    fn leftover(&self, ring: &Ring<annulus::Spsc<[u8]>>) -> Failure {
        let name = &self.args.name;
        let backing = match self.backing {
            Backing::PosixShm => String::new(),
            other => format!(" --backing {}", place::backing_name(other)),
        };
        let remove = format!("annulus rm {name}{backing}");
        let message = match ring.status() {
            Ok(status) if status.producers[0].closed && status.len == 0 => {
                format!("{name} is what is left of a stream that has ended; remove it: {remove}")
            }
            Ok(status) => {
                let of = |end: &annulus::End| match end.state {
                    Peer::Never => "was never there".to_owned(),
                    Peer::Alive => format!("is alive (process {})", end.pid),
                    Peer::Left => "has left".to_owned(),
                    Peer::Died => format!("died (process {})", end.pid),
                };
                format!(
                    "{name} is what is left of an interrupted stream: {} frames taken, {} not; its sender {}, \
                     its receiver {}; remove it: {remove}",
                    status.taken,
                    status.len,
                    of(&status.producers[0]),
                    of(&status.consumer)
                )
            }
            Err(e) => e.to_string(),
        };
        Failure::new(Kind::Ring, message)
    }
}
