//! `annulus recv --kind spmc` and `mpmc`: a share of what is sent.

use super::super::choose::Choice;
use super::super::format::{Kind, SLOT_HEAD, SlotHead};
use super::super::meet::{self, QUIET};
use super::super::open::{PAUSE, RACES};
use super::super::output::Output;
use super::super::progress::Progress;
use super::super::send::unseen;
use super::super::{Stop, TICK, Watch};
use super::{Shared, has_begun, has_receiver, has_sender, is_over, leftover};
use crate::args::{RecvArgs, StreamArgs};
use crate::exit::{self, Failure};
use crate::{sys, words};
use annulus::{EndpointError, Peer, PopError, Ring, SharedConsumer, SharedSample, Wait};
use std::time::Instant;
use twox_hash::XxHash3_64;

/// A receiver at its place.
struct Receiver<'a, K: Shared> {
    args: &'a StreamArgs,
    kind: &'static str,
    ring: Ring<K>,
    rx: SharedConsumer<[u8]>,
    wait: Wait,
    watch: Watch,
    looked: Instant,
    output: &'a mut Output,
    tally: Tally,
    begun: Instant,
    told: bool,
}

/// What came.
#[derive(Default)]
struct Tally {
    pieces: u64,
    /// Of these, had been in the hands of a receiver that died.
    again: u64,
    bytes: u64,
}

/// Runs the command with a ring of kind `K`. `false`: there is one of another kind, which may be used as well.
pub fn recv<K: Shared>(
    args: &RecvArgs,
    choice: Choice,
    output: &mut Output,
) -> Result<bool, Failure> {
    let stream = &args.stream;
    let Some((ring, rx)) = join::<K>(stream, choice)? else {
        return Ok(false);
    };
    let mut receiver = Receiver {
        args: stream,
        kind: choice.kind.name(),
        ring,
        rx,
        wait: stream.wait_strategy.strategy(),
        watch: Watch::new(),
        looked: Instant::now(),
        output,
        tally: Tally::default(),
        begun: Instant::now(),
        told: stream.quiet,
    };
    let mut progress = Progress::begin(stream.quiet, None);
    let received = receiver.stream(&mut progress);
    progress.clear();
    let tally = receiver.part();
    let again = match tally.again {
        0 => String::new(),
        n => format!(
            "; {n} of them had been in the hands of a receiver that died, and may have been written before"
        ),
    };
    match received {
        Ok(()) if stream.quiet => Ok(true),
        Ok(()) => {
            let [pieces, bytes] = [tally.pieces, tally.bytes].map(words::grouped);
            words::tell(&format!(
                "received {pieces} pieces, {bytes} bytes, each verified{again}"
            ));
            Ok(true)
        }
        Err(stop) => Err(stop.failure("sender", tally.bytes)),
    }
}

/// A ring, and a receiver's place there.
type Joined<K> = (Ring<K>, SharedConsumer<[u8]>);

/// Finds or makes the ring and takes a receiver's place.
fn join<K: Shared>(stream: &StreamArgs, choice: Choice) -> Result<Option<Joined<K>>, Failure> {
    let name = &stream.name;
    let kind = choice.kind.name();
    let nobody = || {
        let message = format!(
            "no sender waits on {name}; start annulus send {name} --kind {kind} first, or leave --no-wait out"
        );
        Failure::new(exit::Kind::Ring, message)
    };
    let give_up = Instant::now() + RACES;
    loop {
        meet::stop_if_told(name)?;
        let Some(ring) = super::ring::<K>(stream, choice, 1, nobody)? else {
            return Ok(None);
        };
        let joined = K::consumer(&ring);
        let status = ring.status()?;
        let may_race = !ring.is_current() && Instant::now() < give_up;
        match joined {
            _ if may_race => {}
            Ok(_) if is_over(&status) => return Err(leftover(stream)),
            Ok(_) if stream.no_wait && !has_sender(&status) => return Err(nobody()),
            Ok(rx) => return Ok(Some((ring, rx))),
            Err(EndpointError::NoPlace { places }) => {
                let message = format!(
                    "{name} has as many receivers as it has places, {places}; wait until one is done"
                );
                return Err(Failure::new(exit::Kind::Busy, message));
            }
            Err(EndpointError::Closed) => return Err(leftover(stream)),
            Err(e) => return Err(e.into()),
        }
        std::thread::sleep(PAUSE);
    }
}

impl<K: Shared> Receiver<'_, K> {
    /// Writes out what it gets until the stream ends.
    fn stream(&mut self, progress: &mut Progress) -> Result<(), Stop> {
        let mut piece = Vec::new();
        self.output.begin()?;
        loop {
            if let Some(signal) = sys::stop_signal() {
                return Err(Stop::Signal(signal));
            }
            if self.looked.elapsed() >= TICK {
                self.look_around()?;
            }
            let why = match self.rx.sample_until(self.wait, self.watch.deadline()) {
                Ok(sample) => {
                    let again = sample.redelivered();
                    let dealt = deal(&sample, &mut piece, self.output);
                    if dealt.is_err() {
                        // Not released: another receiver shall have it.
                        std::mem::forget(sample);
                    }
                    dealt?;
                    self.tally.pieces += 1;
                    self.tally.again += u64::from(again);
                    self.tally.bytes += piece.len() as u64;
                    progress.add(piece.len());
                    continue;
                }
                Err(why) => why,
            };
            match why {
                PopError::TimedOut | PopError::PeerDied => self.look_around()?,
                PopError::Closed => return self.end(),
                PopError::Corrupt(e) => return Err(e.into()),
            }
        }
    }

    /// Whether the end of the stream is a good one.
    fn end(&self) -> Result<(), Stop> {
        let status = self.ring.status().map_err(unseen)?;
        match status.consumers.iter().any(|end| end.closed) {
            true => Err(Stop::PeerStopped("a sender gave up".to_owned())),
            false => Ok(()),
        }
    }

    /// What a receiver does every tick.
    fn look_around(&mut self) -> Result<(), Stop> {
        self.looked = Instant::now();
        let status = self.ring.status().map_err(unseen)?;
        self.watch.tick(status.taken, Peer::Alive, &self.ring)?;
        let died = status.producers.iter().any(|end| end.state == Peer::Died);
        let closed = status.producers.iter().any(|end| end.closed);
        if has_begun(&status) && !closed {
            if died {
                return Err(Stop::PeerDied);
            }
            // Of several, others may be still to come.
            if !K::MANY && !has_sender(&status) {
                return Err(Stop::PeerStopped("the sender left".to_owned()));
            }
        }
        if !has_sender(&status) && !self.told && self.begun.elapsed() > QUIET {
            self.told = true;
            let (name, kind) = (&self.args.name, self.kind);
            words::tell(&format!(
                "waiting for a sender: annulus send {name} --kind {kind}"
            ));
        }
        Ok(())
    }

    /// Leaves, and removes the ring if no sender is there to do it and nobody to wait for one.
    fn part(self) -> Tally {
        let Self {
            args,
            ring,
            rx,
            tally,
            ..
        } = self;
        drop(rx);
        // After a good end a sender waits for this one to go.
        let is_wanted = ring.status().map_or(true, |status| {
            let closed = status.producers.iter().any(|end| end.closed);
            let given_up = status.consumers.iter().any(|end| end.closed);
            has_sender(&status) || closed && !given_up || !is_over(&status) && has_receiver(&status)
        });
        if !args.keep && !is_wanted {
            // Nothing to do about a failure: whoever comes next is told what is left.
            let _ = ring.unlink();
        }
        tally
    }
}

/// Writes what is in a slot, as it was in the input; leaves it in `piece`.
fn deal(
    sample: &SharedSample<'_, [u8]>,
    piece: &mut Vec<u8>,
    output: &mut Output,
) -> Result<(), Stop> {
    let senseless =
        || Stop::Damaged("a slot came that no sender of this version fills so".to_owned());
    let mut head = [0; SLOT_HEAD];
    sample.read_at(0, &mut head);
    let head = SlotHead::parse(head, sample.slot_size()).ok_or_else(senseless)?;
    piece.clear();
    if head.kind == Kind::Frame {
        // A slot's size has 32 bits.
        piece.extend_from_slice(&(head.len as u32).to_le_bytes());
    }
    let begin = piece.len();
    piece.resize(begin + head.len, 0);
    sample.read_at(SLOT_HEAD, &mut piece[begin..]);
    if XxHash3_64::oneshot(&piece[begin..]) != head.checksum {
        return Err(Stop::Damaged("the checksum of a piece is wrong".to_owned()));
    }
    if head.kind != Kind::Frame {
        // Also behind a last line without one: another sender's may follow.
        piece.push(b'\n');
    }
    output.write(piece)
}
