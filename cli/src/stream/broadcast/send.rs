//! `annulus send --kind broadcast`: publishes the input, and waits for the readers that are lossless.

use super::super::choose::Choice;
use super::super::format::{Cut, Hello, Kind, Reason, Total};
use super::super::meet::{self, QUIET};
use super::super::open::{PAUSE, RACES};
use super::super::output::Input;
use super::super::pieces::Pieces;
use super::super::progress::Progress;
use super::super::send::{self as one, cut, too_long, unseen};
use super::super::{Stop, TICK, Watch};
use super::count::{Counted, Roll};
use super::{Size, end_of, leftover, readers_alive, readers_at};
use crate::args::SendArgs;
use crate::exit::{self, Failure};
use crate::{sys, words};
use annulus::{BroadcastRecords, EndpointError, Peer, PushError, RecordProducer, Ring, Wait};
use std::time::Instant;

/// Who is on the other end.
const OTHER: &str = "receiver";

/// A sender that has begun, or may.
struct Publisher {
    ring: Ring<BroadcastRecords>,
    tx: RecordProducer<BroadcastRecords>,
    /// How many readers to begin with; 0: nobody is missed.
    readers: u32,
    wait: Wait,
    watch: Watch,
    roll: Roll,
    looked: Instant,
}

/// Runs the command. `false`: there is a ring of another kind, which may be used as well.
pub fn send(args: &SendArgs, choice: Choice, input: &mut Input) -> Result<bool, Failure> {
    let stream = &args.stream;
    let readers = args.wait_readers.unwrap_or(1);
    let Some(mut publisher) = Publisher::meet(args, choice, readers)? else {
        return Ok(false);
    };
    let (cut, longest) = cut(args, publisher.tx.max_record());
    let mut pieces = Pieces::new(cut, &[], longest, "--capacity");
    let mut progress = Progress::begin(stream.quiet, input.size());
    let sent = publisher.stream(cut, &mut pieces, input, &mut progress);
    progress.clear();
    if let Err(stop) = &sent {
        publisher.say_why(stop);
    }
    if !stream.keep {
        // Nobody else comes. Nothing to do about a failure: whoever comes next is told what is left.
        let _ = publisher.ring.unlink();
    }
    publisher.tx.close();
    match sent {
        Ok((total, counted)) => {
            let Counted { done, lost, .. } = counted;
            if lost > 0 {
                let all = done + lost;
                let message =
                    format!("{lost} of {all} lossless receivers went before they had everything");
                return Err(Failure::new(exit::Kind::Failed, message));
            }
            let by = match done {
                0 => "by no lossless receiver".to_owned(),
                1 => "by the receiver".to_owned(),
                n => format!("by {n} receivers"),
            };
            progress.done("sent", total, &format!("verified {by}"));
            Ok(true)
        }
        Err(stop) => Err(stop.failure(OTHER, progress.bytes())),
    }
}

impl Publisher {
    /// Finds or makes the ring and waits for readers.
    fn meet(args: &SendArgs, choice: Choice, readers: u32) -> Result<Option<Self>, Failure> {
        let stream = &args.stream;
        let name = &stream.name;
        let nobody = || {
            let message = format!(
                "fewer than {readers} receivers wait on {name}; start annulus recv {name} --kind broadcast first, or leave \
                 --no-wait out"
            );
            Failure::new(exit::Kind::Ring, message)
        };
        let give_up = Instant::now() + RACES;
        let (begun, mut told) = (Instant::now(), stream.quiet);
        'again: loop {
            meet::stop_if_told(name)?;
            let size = Size {
                readers,
                chunk: args.chunk,
            };
            let may_make = !stream.no_wait || readers == 0;
            let Some(ring) = super::ring(stream, choice, size, may_make, nobody)? else {
                return Ok(None);
            };
            let tx = match ring.producer() {
                Ok(tx) => tx,
                Err(_) if !ring.is_current() && Instant::now() < give_up => continue,
                Err(EndpointError::Occupied { pid }) => {
                    let message = format!(
                        "{name} has a sender already (process {pid}); wait until it is done, or take another name"
                    );
                    return Err(Failure::new(exit::Kind::Busy, message));
                }
                Err(EndpointError::Closed) => return Err(leftover(stream)),
                Err(e) => return Err(e.into()),
            };
            if tx.sequence() > 0 {
                return Err(leftover(stream));
            }
            loop {
                if !ring.is_current() {
                    continue 'again;
                }
                let there = readers_alive(&ring.status()?);
                if there >= readers {
                    return Ok(Some(Self {
                        ring,
                        tx,
                        readers,
                        wait: stream.wait_strategy.strategy(),
                        watch: Watch::new(),
                        roll: Roll::default(),
                        looked: Instant::now(),
                    }));
                }
                if stream.no_wait {
                    return Err(nobody());
                }
                if sys::stop_signal().is_some() {
                    if there == 0 && !stream.keep {
                        // Nobody is there to use it. Nothing to do about a failure.
                        let _ = ring.unlink();
                    }
                    meet::stop_if_told(name)?;
                }
                if !told && begun.elapsed() > QUIET {
                    told = true;
                    words::tell(&format!(
                        "waiting for {readers} receivers ({there} there): annulus recv {name} --kind broadcast"
                    ));
                }
                std::thread::sleep(PAUSE);
            }
        }
    }

    /// Publishes everything and waits until every lossless reader has accepted it.
    fn stream(
        &mut self,
        cut: Cut,
        pieces: &mut Pieces,
        input: &mut Input,
        progress: &mut Progress,
    ) -> Result<(Total, Counted), Stop> {
        let pid = std::process::id();
        self.look(true)?;
        self.push(Kind::Begin, &Hello { cut, pid }.to_bytes())?;
        self.wait_until_ready()?;
        loop {
            let next = pieces.next(input, || {
                self.watch.rest();
                self.look(true)
            })?;
            let Some(piece) = next else {
                break;
            };
            self.push(cut.piece(piece.kind), piece.record)?;
            progress.add(piece.input_bytes);
            if let Some(signal) = sys::stop_signal() {
                return Err(Stop::Signal(signal));
            }
            self.look(false)?;
        }
        let total = pieces.total();
        // Whoever is there now is waited for.
        self.look(true)?;
        self.push(Kind::End, &total.to_bytes())?;
        self.push(Kind::Last, &[])?;
        Ok((total, self.wait_for_readers()?))
    }

    /// Waits until as many readers as are to be there have read the first word. One whose place is taken may not have got
    /// as far as to hold the sender up yet, and would miss what is overwritten now.
    fn wait_until_ready(&mut self) -> Result<(), Stop> {
        let end = end_of(&self.ring.status().map_err(unseen)?);
        loop {
            let status = self.ring.status().map_err(unseen)?;
            self.roll.call(&status);
            if readers_at(&status, end) >= self.readers {
                return Ok(());
            }
            if Instant::now() >= self.watch.deadline() {
                self.watch.rest();
                self.look(true)?;
            }
            std::thread::sleep(one::PAUSE);
        }
    }

    /// Publishes one record.
    fn push(&mut self, kind: Kind, record: &[u8]) -> Result<(), Stop> {
        loop {
            let deadline = self.watch.deadline();
            match self
                .tx
                .push_tagged_until(kind.tag(), record, self.wait, deadline)
            {
                Ok(()) => return Ok(()),
                Err(PushError::TimedOut) => self.look(true)?,
                // No reader of this version closes.
                Err(PushError::Closed) => {
                    return Err(Stop::PeerStopped("the ring was closed".to_owned()));
                }
                Err(PushError::PeerDied) => return Err(Stop::PeerDied),
                Err(PushError::Corrupt(e)) => return Err(e.into()),
                Err(PushError::TooLong(e)) => return Err(too_long(e)),
            }
        }
    }

    /// Looks at the readers, if it is `due` or a while ago.
    fn look(&mut self, due: bool) -> Result<(), Stop> {
        if !due && self.looked.elapsed() < TICK {
            return Ok(());
        }
        self.looked = Instant::now();
        let status = self.ring.status().map_err(unseen)?;
        self.roll.call(&status);
        self.watch.tick(status.taken, Peer::Alive, &self.ring)?;
        if self.readers > 0 && readers_alive(&status) == 0 {
            return Err(Stop::PeerStopped("no receiver is left".to_owned()));
        }
        Ok(())
    }

    /// Waits until no lossless reader is still at it.
    fn wait_for_readers(&mut self) -> Result<Counted, Stop> {
        let end = end_of(&self.ring.status().map_err(unseen)?);
        loop {
            let status = self.ring.status().map_err(unseen)?;
            self.roll.call(&status);
            let counted = self.roll.count(end);
            if counted.reading == 0 {
                return Ok(counted);
            }
            if Instant::now() >= self.watch.deadline() {
                self.watch.tick(status.taken, Peer::Alive, &self.ring)?;
            }
            std::thread::sleep(one::PAUSE);
        }
    }

    /// Tells the readers why there will be no end, if there is room to say it.
    fn say_why(&mut self, stop: &Stop) {
        let reason = match stop {
            Stop::Signal(_) => Reason::Interrupted,
            Stop::Input(_) => Reason::Unreadable,
            Stop::Malformed(_) => Reason::Malformed,
            _ => return,
        };
        let (tag, deadline) = (Kind::Abort.tag(), Instant::now() + TICK);
        // Readers find a ring closed without an end, which says less but enough.
        let _ = self
            .tx
            .push_tagged_until(tag, &reason.to_bytes(), self.wait, deadline);
    }
}
