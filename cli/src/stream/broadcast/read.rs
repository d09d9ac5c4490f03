//! `annulus recv --kind broadcast`: everything that one sender sends, together with whoever else receives it.

use super::super::choose::Choice;
use super::super::format::{FRAME_LENGTH, Hello, Kind, Reason, Total};
use super::super::meet::{self, QUIET};
use super::super::open::{PAUSE, RACES};
use super::super::output::Output;
use super::super::progress::Progress;
use super::super::{Stop, Watch};
use super::{Size, has_sender, leftover, readers_alive};
use crate::args::{Begin, RecvArgs, StreamArgs};
use crate::exit::{self, Failure};
use crate::{sys, words};
use annulus::{BroadcastRecords, EndpointError, Join, JoinError, Peer, ReadError, RecordReader};
use annulus::{Ring, TryReadError, Wait};
use std::hash::Hasher;
use std::time::Instant;
use twox_hash::XxHash3_64;

/// Bytes that are collected before they are written.
const ENOUGH: usize = 48 << 10;

/// A reader at its place.
struct Receiver<'a> {
    args: &'a StreamArgs,
    ring: Ring<BroadcastRecords>,
    rx: RecordReader,
    wait: Wait,
    watch: Watch,
    output: &'a mut Output,
    /// What was received and not yet written.
    collected: Vec<u8>,
    /// The sender's first word has come, so nothing was before what came.
    whole: bool,
    hash: XxHash3_64,
    bytes: u64,
    begun: Instant,
    told: bool,
}

/// Runs the command. `false`: there is a ring of another kind, which may be used as well.
pub fn recv(args: &RecvArgs, choice: Choice, output: &mut Output) -> Result<bool, Failure> {
    let stream = &args.stream;
    let Some((ring, rx)) = join(args, choice)? else {
        return Ok(false);
    };
    let mut receiver = Receiver {
        args: stream,
        ring,
        rx,
        wait: stream.wait_strategy.strategy(),
        watch: Watch::new(),
        output,
        collected: Vec::with_capacity(2 * ENOUGH),
        whole: false,
        hash: XxHash3_64::new(),
        bytes: 0,
        begun: Instant::now(),
        told: stream.quiet,
    };
    let mut progress = Progress::begin(stream.quiet, None);
    let received = receiver.stream(&mut progress);
    progress.clear();
    if !matches!(received, Ok(_) | Err(Stop::Output(_))) {
        // What had come until then. Should that fail, there is a failure to tell of already.
        let _ = receiver.flush();
    }
    let (whole, lost) = (receiver.whole, receiver.rx.lost());
    receiver.part();
    match received {
        Ok(said) => verdict(args, &progress, said, whole, lost).map(|()| true),
        Err(stop) => {
            if lost > 0 {
                words::tell(&losses(lost));
            }
            Err(stop.failure("sender", progress.bytes()))
        }
    }
}

/// What is said of `lost` records.
fn losses(lost: u64) -> String {
    format!(
        "lost {} records: the sender overwrote them before they were received",
        words::grouped(lost)
    )
}

/// How a stream that has ended as `said` was received.
fn verdict(
    args: &RecvArgs,
    progress: &Progress,
    said: Total,
    whole: bool,
    lost: u64,
) -> Result<(), Failure> {
    if whole && lost == 0 {
        progress.done("received", said, "verified");
        return Ok(());
    }
    let [got, all] = [progress.bytes(), said.bytes].map(words::grouped);
    let missed = words::grouped(said.bytes.saturating_sub(progress.bytes()));
    if lost == 0 && args.from == Some(Begin::Newest) {
        if !args.stream.quiet {
            words::tell(&format!(
                "received {got} bytes, from the middle of a stream of {all} on; nothing was lost since"
            ));
        }
        return Ok(());
    }
    let why = match (lost, whole) {
        (0, _) => format!("came after the beginning and missed {missed} bytes"),
        (_, true) => format!("{} ({missed} bytes)", losses(lost)),
        (_, false) => format!("{}; with what came before, {missed} bytes", losses(lost)),
    };
    let message = format!("{why}; received {got} of {all} bytes");
    Err(Failure::new(exit::Kind::Gaps, message))
}

/// Finds or makes the ring and takes a reader's place.
fn join(
    args: &RecvArgs,
    choice: Choice,
) -> Result<Option<(Ring<BroadcastRecords>, RecordReader)>, Failure> {
    let stream = &args.stream;
    let name = &stream.name;
    let nobody = || {
        let message = format!(
            "no sender waits on {name}; start annulus send {name} --kind broadcast first, or leave --no-wait out"
        );
        Failure::new(exit::Kind::Ring, message)
    };
    let begin = match args.from {
        Some(Begin::Newest) => Join::Newest,
        _ => Join::Oldest,
    };
    let give_up = Instant::now() + RACES;
    loop {
        meet::stop_if_told(name)?;
        let Some(ring) = super::ring(stream, choice, Size::default(), !stream.no_wait, nobody)?
        else {
            return Ok(None);
        };
        let joined = if args.lossy {
            ring.reader(begin)
        } else {
            ring.lossless_reader(begin)
        };
        let status = ring.status()?;
        let sender = &status.producers[0];
        let has_begun = super::end_of(&status) > 0;
        let is_over = sender.closed || (has_begun && sender.state != Peer::Alive);
        match joined {
            Ok(_) if is_over && !ring.is_current() && Instant::now() < give_up => {}
            Ok(_) if is_over => return Err(leftover(stream)),
            Ok(_) if stream.no_wait && sender.state != Peer::Alive => return Err(nobody()),
            Ok(rx) if ring.is_current() => return Ok(Some((ring, rx))),
            Ok(_) => {}
            Err(JoinError::Endpoint(EndpointError::NoPlace { places })) => {
                let message = format!(
                    "{name} has as many receivers as it has places, {places}; wait until one is done"
                );
                return Err(Failure::new(exit::Kind::Busy, message));
            }
            Err(JoinError::Endpoint(e)) => return Err(e.into()),
            Err(e) => return Err(Failure::new(exit::Kind::Ring, e)),
        }
        std::thread::sleep(PAUSE);
    }
}

impl Receiver<'_> {
    /// Writes out everything up to the sender's end. Gives what it said there.
    fn stream(&mut self, progress: &mut Progress) -> Result<Total, Stop> {
        let mut record = Vec::new();
        self.output.begin()?;
        let said = loop {
            match self.next(&mut record)? {
                Kind::Begin if Hello::parse(&record).is_some() => self.whole = self.bytes == 0,
                kind @ (Kind::Data | Kind::Line | Kind::LastLine | Kind::Frame) => {
                    let n = self.restore(kind, &record);
                    progress.add(n);
                    if self.collected.len() >= ENOUGH {
                        self.flush()?;
                    }
                }
                Kind::End => break Total::parse(&record).ok_or_else(senseless)?,
                Kind::Abort => return Err(Stop::PeerStopped(Reason::describe(&record).to_owned())),
                Kind::Begin | Kind::Last => return Err(senseless()),
            }
            if let Some(signal) = sys::stop_signal() {
                return Err(Stop::Signal(signal));
            }
        };
        let got = Total {
            bytes: self.bytes,
            checksum: self.hash.finish(),
        };
        if self.whole && self.rx.lost() == 0 && said != got {
            return Err(Stop::Damaged(super::super::desk::differs(said, got)));
        }
        self.flush()?;
        // To be read only now: it tells the sender that all was well.
        match self.next(&mut record)? {
            Kind::Last => {}
            _ => return Err(senseless()),
        }
        // Finding nothing more is what publishes how far this reader has come.
        let _ = self.rx.try_read_into(&mut record);
        Ok(said)
    }

    /// Puts a piece behind what was collected, with what the cut took off it. Says how many bytes of the input that were.
    fn restore(&mut self, kind: Kind, piece: &[u8]) -> usize {
        let before = self.collected.len();
        if kind == Kind::Frame {
            const { assert!(FRAME_LENGTH == size_of::<u32>()) };
            // A record's length has 32 bits.
            self.collected
                .extend_from_slice(&(piece.len() as u32).to_le_bytes());
        }
        self.collected.extend_from_slice(piece);
        if kind == Kind::Line {
            self.collected.push(b'\n');
        }
        let restored = &self.collected[before..];
        self.hash.write(restored);
        self.bytes += restored.len() as u64;
        restored.len()
    }

    /// Writes what was collected.
    fn flush(&mut self) -> Result<(), Stop> {
        let written = self.output.write(&self.collected);
        self.collected.clear();
        written
    }

    /// Reads the next record. Losses are counted by the reader itself.
    fn next(&mut self, record: &mut Vec<u8>) -> Result<Kind, Stop> {
        loop {
            let found = match self.rx.try_read_into(record) {
                Err(TryReadError::Empty) => {
                    self.flush()?;
                    let deadline = self.watch.deadline();
                    self.rx.read_into_until(record, self.wait, deadline)
                }
                Err(TryReadError::Lost(n)) => Err(ReadError::Lost(n)),
                Err(TryReadError::Closed) => Err(ReadError::Closed),
                Err(TryReadError::Corrupt(e)) => Err(ReadError::Corrupt(e)),
                Ok(tag) => Ok(tag),
            };
            match found {
                Ok(tag) => return Kind::of_tag(tag).ok_or_else(senseless),
                Err(ReadError::Lost(_)) => {}
                Err(ReadError::TimedOut) => self.look_around()?,
                Err(ReadError::PeerDied) if self.has_begun() => return Err(Stop::PeerDied),
                // One that died before it sent anything is not missed.
                Err(ReadError::PeerDied) => self.look_around()?,
                Err(ReadError::Closed) => return Err(gone()),
                Err(ReadError::Corrupt(e)) => return Err(e.into()),
            }
        }
    }

    /// Whether there is a stream.
    fn has_begun(&self) -> bool {
        self.rx.position() > 0
    }

    /// What a reader does every tick it waits for the sender.
    fn look_around(&mut self) -> Result<(), Stop> {
        let peer = self.rx.producer_state();
        let missed = match self.has_begun() {
            true => peer,
            false => Peer::Alive,
        };
        self.watch.tick(self.rx.position(), missed, &self.ring)?;
        if missed == Peer::Left {
            return Err(gone());
        }
        if peer != Peer::Alive && !self.told && self.begun.elapsed() > QUIET {
            self.told = true;
            let name = &self.args.name;
            words::tell(&format!(
                "waiting for a sender: annulus send {name} --kind broadcast"
            ));
        }
        Ok(())
    }

    /// Leaves, and removes the ring if no sender is there to do it and no reader to wait for one.
    fn part(self) {
        let Self { args, ring, rx, .. } = self;
        drop(rx);
        let is_wanted = ring.status().map_or(true, |status| {
            let is_over = super::end_of(&status) > 0;
            has_sender(&status) || (!is_over && readers_alive(&status) > 0)
        });
        if !args.keep && !is_wanted {
            // Nothing to do about a failure: whoever comes next is told what is left.
            let _ = ring.unlink();
        }
    }
}

fn gone() -> Stop {
    Stop::PeerStopped("the sender stopped".to_owned())
}

/// The failure of a record that no sender of this version writes.
fn senseless() -> Stop {
    Stop::Damaged("a record came that no sender of this version sends there".to_owned())
}
