//! `annulus send --kind spmc` and `mpmc`: each line or frame to one of the receivers.

use super::super::choose::Choice;
use super::super::format::{Cut, SLOT_HEAD, SlotHead, Total};
use super::super::meet::{self, QUIET};
use super::super::open::{PAUSE, RACES};
use super::super::output::Input;
use super::super::pieces::Pieces;
use super::super::progress::Progress;
use super::super::send::{self as one, cut, stopped, too_long, unseen};
use super::super::{Stop, TICK, Watch};
use super::{Shared, has_receiver, is_over, leftover};
use crate::args::{SendArgs, StreamArgs};
use crate::exit::{self, Failure};
use crate::{sys, words};
use annulus::{EndpointError, Peer, PushError, Ring, Status, TryPopError, Wait};
use std::time::Instant;
use twox_hash::XxHash3_64;

/// Who is on the other end.
const OTHER: &str = "receiver";

/// A sender that has begun, or may.
struct Sender<K: Shared> {
    ring: Ring<K>,
    /// `None`: it has left, or closed.
    tx: Option<K::Tx>,
    /// How many senders there are in all.
    senders: u32,
    wait: Wait,
    watch: Watch,
    looked: Instant,
}

/// How far everything has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// Receivers have it in hand; others still send.
    Taken,
    /// Written by the receivers, and the stream has ended.
    Written,
}

/// Runs the command with a ring of kind `K`. `false`: there is one of another kind, which may be used as well.
pub fn send<K: Shared>(
    args: &SendArgs,
    choice: Choice,
    input: &mut Input,
) -> Result<bool, Failure> {
    let stream = &args.stream;
    let Some(mut sender) = meet::<K>(args, choice)? else {
        return Ok(false);
    };
    let (cut, longest) = cut(args, sender.ring.slot_size() - SLOT_HEAD);
    let mut pieces = Pieces::new(cut, &[], longest, "--slot-size");
    let mut progress = Progress::begin(stream.quiet, input.size());
    let sent = sender.stream(cut, &mut pieces, input, &mut progress);
    progress.clear();
    if sent.is_err() {
        sender.give_up();
    }
    let others_go_on = matches!(sent, Ok((_, Fate::Taken)));
    if !stream.keep && !others_go_on {
        // Nothing to do about a failure: whoever comes next is told what is left.
        let _ = sender.ring.unlink();
    }
    match sent {
        Ok((total, Fate::Written)) => {
            progress.done("sent", total, "written by the receivers");
            Ok(true)
        }
        Ok((total, Fate::Taken)) => {
            progress.done("sent", total, "taken by the receivers");
            Ok(true)
        }
        Err(stop) => Err(stop.failure(OTHER, progress.bytes())),
    }
}

/// Finds or makes the ring and waits for a receiver.
fn meet<K: Shared>(args: &SendArgs, choice: Choice) -> Result<Option<Sender<K>>, Failure> {
    let stream = &args.stream;
    let name = &stream.name;
    let senders = args.senders.unwrap_or(1);
    let kind = choice.kind.name();
    let nobody = || {
        let message = format!(
            "no receiver waits on {name}; start annulus recv {name} --kind {kind} first, or leave --no-wait out"
        );
        Failure::new(exit::Kind::Ring, message)
    };
    let busy = |message: String| Failure::new(exit::Kind::Busy, message);
    let give_up = Instant::now() + RACES;
    let (begun, mut told) = (Instant::now(), stream.quiet);
    'again: loop {
        meet::stop_if_told(name)?;
        let Some(ring) = super::ring::<K>(stream, choice, senders, nobody)? else {
            return Ok(None);
        };
        let taken = K::producer(&ring);
        // Before this sender adds to it. A death here is the stream's.
        let before = ring.status()?;
        let tx = match taken {
            Ok(tx) if is_over(&before) || K::predecessor(&tx) == Peer::Died && K::MANY => {
                if !ring.is_current() && Instant::now() < give_up {
                    continue;
                }
                return Err(leftover(stream));
            }
            Ok(tx) => tx,
            Err(_) if !ring.is_current() && Instant::now() < give_up => continue,
            Err(EndpointError::Occupied { pid }) => {
                return Err(busy(format!(
                    "{name} has a sender already (process {pid}); wait until it is done, or take another name"
                )));
            }
            Err(EndpointError::NoPlace { places }) => {
                return Err(busy(format!(
                    "{name} has as many senders as it has places, {places}; wait until one is done"
                )));
            }
            Err(EndpointError::Closed) => return Err(leftover(stream)),
            Err(e) => return Err(e.into()),
        };
        loop {
            if !ring.is_current() {
                continue 'again;
            }
            let status = ring.status()?;
            if is_over(&status) {
                // Another sender died or gave up while this one came.
                drop(tx);
                remove_unused(stream, &ring);
                let message = format!("the stream on {name} failed before this sender began");
                return Err(Failure::new(exit::Kind::Failed, message));
            }
            if has_receiver(&status) {
                return Ok(Some(Sender {
                    ring,
                    tx: Some(tx),
                    senders,
                    wait: stream.wait_strategy.strategy(),
                    watch: Watch::new(),
                    looked: Instant::now(),
                }));
            }
            if stream.no_wait {
                return Err(nobody());
            }
            if sys::stop_signal().is_some() {
                drop(tx);
                remove_unused(stream, &ring);
                meet::stop_if_told(name)?;
                continue 'again;
            }
            if !told && begun.elapsed() > QUIET {
                told = true;
                words::tell(&format!(
                    "waiting for a receiver: annulus recv {name} --kind {kind}"
                ));
            }
            std::thread::sleep(PAUSE);
        }
    }
}

/// Removes a ring in which nobody is left. Nothing to do about a failure: whoever comes next is told.
fn remove_unused<K: Shared>(args: &StreamArgs, ring: &Ring<K>) {
    let is_used = |status: Status| has_receiver(&status) || super::has_sender(&status);
    if !args.keep && !ring.status().is_ok_and(is_used) {
        let _ = ring.unlink();
    }
}

impl<K: Shared> Sender<K> {
    /// Sends everything and sees it taken, or written if this sender is the last.
    fn stream(
        &mut self,
        cut: Cut,
        pieces: &mut Pieces,
        input: &mut Input,
        progress: &mut Progress,
    ) -> Result<(Total, Fate), Stop> {
        loop {
            let next = pieces.next(input, || {
                self.watch.rest();
                self.look(true)
            })?;
            let Some(piece) = next else {
                break;
            };
            let head = SlotHead {
                kind: cut.piece(piece.kind),
                len: piece.record.len(),
                checksum: XxHash3_64::oneshot(piece.record),
            };
            self.push([&head.to_bytes(), piece.record])?;
            progress.add(piece.input_bytes);
            if let Some(signal) = sys::stop_signal() {
                return Err(Stop::Signal(signal));
            }
            self.look(false)?;
        }
        let total = pieces.total();
        self.wait_until_taken()?;
        let fate = match self.is_last()? {
            true => {
                self.wait_until_written()?;
                Fate::Written
            }
            false => Fate::Taken,
        };
        Ok((total, fate))
    }

    /// Pushes one piece.
    fn push(&mut self, parts: [&[u8]; 2]) -> Result<(), Stop> {
        loop {
            let Some(tx) = &mut self.tx else {
                return Err(stopped());
            };
            match K::push(tx, parts, self.wait, self.watch.deadline()) {
                Ok(()) => return Ok(()),
                Err(PushError::TimedOut) => self.look(true)?,
                Err(PushError::Closed) => return Err(given_up()),
                Err(PushError::PeerDied) => return Err(Stop::PeerDied),
                Err(PushError::Corrupt(e)) => return Err(e.into()),
                Err(PushError::TooLong(e)) => return Err(too_long(e)),
            }
        }
    }

    /// Looks at the receivers, if it is `due` or a while ago.
    fn look(&mut self, due: bool) -> Result<(), Stop> {
        if !due && self.looked.elapsed() < TICK {
            return Ok(());
        }
        self.looked = Instant::now();
        let status = self.ring.status().map_err(unseen)?;
        self.tick(&status)
    }

    /// Whether there is still a reason to go on.
    fn tick(&mut self, status: &Status) -> Result<(), Stop> {
        self.watch.tick(status.taken, Peer::Alive, &self.ring)?;
        if status.consumers.iter().any(|end| end.closed) {
            return Err(given_up());
        }
        match has_receiver(status) {
            true => Ok(()),
            false => Err(Stop::PeerStopped("no receiver is left".to_owned())),
        }
    }

    /// Waits until receivers have claimed everything that was sent until now.
    fn wait_until_taken(&mut self) -> Result<(), Stop> {
        let status = self.ring.status().map_err(unseen)?;
        let mark = status.taken.wrapping_add(status.len);
        loop {
            let status = self.ring.status().map_err(unseen)?;
            if status.taken.wrapping_sub(mark).cast_signed() >= 0 {
                return Ok(());
            }
            if Instant::now() >= self.watch.deadline() {
                self.tick(&status)?;
            }
            std::thread::sleep(one::PAUSE);
        }
    }

    /// Ends this sender's part. Whether it was the last of all, which ends the stream.
    fn is_last(&mut self) -> Result<bool, Stop> {
        match self.tx.take() {
            Some(tx) if !K::MANY => {
                K::close(tx);
                return Ok(true);
            }
            tx => drop(tx),
        }
        let status = self.ring.status().map_err(unseen)?;
        let come: u64 = status.producers.iter().map(|end| end.generation).sum();
        if come < u64::from(self.senders) || super::has_sender(&status) {
            return Ok(false);
        }
        // Two may find themselves last, and closing twice is closing. It needs an end.
        match K::producer(&self.ring) {
            Ok(tx) => K::close(tx),
            Err(EndpointError::Closed) => {}
            Err(e) => return Err(Stop::Damaged(e.to_string())),
        }
        Ok(true)
    }

    /// Waits until all receivers have gone, and sees whether one of them died with something in hand.
    fn wait_until_written(&mut self) -> Result<(), Stop> {
        loop {
            let status = self.ring.status().map_err(unseen)?;
            if status.consumers.iter().any(|end| end.closed) {
                return Err(given_up());
            }
            if !has_receiver(&status) {
                break;
            }
            if Instant::now() >= self.watch.deadline() {
                self.watch.tick(status.taken, Peer::Alive, &self.ring)?;
            }
            std::thread::sleep(one::PAUSE);
        }
        let mut left = match K::consumer(&self.ring) {
            Ok(rx) => rx,
            Err(e) => return Err(Stop::Damaged(e.to_string())),
        };
        let mut piece = vec![0; left.slot_size()];
        match left.try_pop_into(&mut piece) {
            Err(TryPopError::Closed) => Ok(()),
            Err(TryPopError::Corrupt(e)) => Err(e.into()),
            Ok(()) | Err(TryPopError::Empty) => Err(Stop::PeerStopped(
                "the last receiver went with something in hand".to_owned(),
            )),
        }
    }

    /// Lets receivers and other senders know that the stream will not be complete.
    fn give_up(&mut self) {
        if let Ok(end) = K::consumer(&self.ring) {
            end.close();
        }
        self.tx = None;
    }
}

fn given_up() -> Stop {
    Stop::PeerStopped("another sender gave up".to_owned())
}
