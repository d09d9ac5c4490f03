//! `annulus send`: from a file or stdin into the ring, and not done before the receiver is.

use super::choose::{self, Choice};
use super::format::{Cut, Hello, Kind, Reason, Total};
use super::kind::Streaming;
use super::meet::{self, Met, Wanted};
use super::output::Input;
use super::pieces::Pieces;
use super::progress::Progress;
use super::side::Side;
use super::{PARTING, Stop, TICK, Watch, broadcast, shared};
use crate::args::{SendArgs, StreamKind};
use crate::exit::Failure;
use crate::sys;
use annulus::{End, Mpmc, MpscRecords, Peer, PushError, RecordProducer, Ring, Spmc, SpscRecords};
use annulus::{TooLong, TryPushError, Wait};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::{Duration, Instant};

/// Pause between two looks at a receiver that is finishing, or at a ring that is full where that is rare.
pub const PAUSE: Duration = Duration::from_micros(200);
/// Bytes of input in one record, unless said otherwise or the ring is too small.
const CHUNK: usize = 65_536;

/// A sender with a living receiver.
struct Sender<K: Streaming> {
    ring: Ring<K>,
    tx: RecordProducer<K>,
    /// What every record of it begins with, if the ring's kind wants it.
    prefix: Vec<u8>,
    wait: Wait,
    watch: Watch,
}

/// Runs the command.
pub fn run(args: &SendArgs) -> Result<(), Failure> {
    sys::catch_stop_signals();
    let mut input = Input::open(args.stream.file.as_deref())?;
    loop {
        let choice = choose::for_send(args)?;
        let done = match choice.kind {
            StreamKind::Spsc => run_in::<SpscRecords>(args, choice, &mut input)?,
            StreamKind::Mpsc => run_in::<MpscRecords>(args, choice, &mut input)?,
            StreamKind::Spmc => shared::send::<Spmc<[u8]>>(args, choice, &mut input)?,
            StreamKind::Mpmc => shared::send::<Mpmc<[u8]>>(args, choice, &mut input)?,
            StreamKind::Broadcast => broadcast::send(args, choice, &mut input)?,
        };
        if done {
            return Ok(());
        }
    }
}

/// Runs the command with a ring of kind `K`. `false`: there is one of another kind.
fn run_in<K: Streaming>(
    args: &SendArgs,
    choice: Choice,
    input: &mut Input,
) -> Result<bool, Failure> {
    let stream = &args.stream;
    let wanted = Wanted {
        choice,
        senders: 1,
        chunk: args.chunk,
    };
    let Some(Met { ring, end }) = meet::meet::<K, RecordProducer<K>>(stream, wanted)? else {
        return Ok(false);
    };
    let number = number().to_le_bytes();
    let prefix = &number[..K::PREFIX];
    let longest = end.max_record() - K::PREFIX;
    let (cut, longest_piece) = cut(args, longest);
    let mut pieces = Pieces::new(cut, prefix, longest_piece, "--capacity");
    let mut sender = Sender {
        ring,
        tx: end,
        prefix: prefix.to_owned(),
        wait: stream.wait_strategy.strategy(),
        watch: Watch::new(),
    };
    let mut progress = Progress::begin(stream.quiet, input.size());
    let sent = sender.stream(cut, &mut pieces, input, &mut progress);
    progress.clear();
    let outcome = match sent {
        Ok(total) => {
            progress.done("sent", total, "verified by the receiver");
            Ok(true)
        }
        Err(stop) => {
            if sender.say_why(&stop) {
                sender.wait_for_removal();
            }
            let other = <RecordProducer<K> as Side<K>>::OTHER;
            Err(stop.failure(other, progress.bytes()))
        }
    };
    sender.part(stream.keep);
    outcome
}

/// How the input is cut, and the longest piece, if a record holds `longest` bytes.
pub fn cut(args: &SendArgs, longest: usize) -> (Cut, usize) {
    match args {
        SendArgs { lines: true, .. } => (Cut::Lines, longest),
        SendArgs { frames: true, .. } => (Cut::Frames, longest),
        _ => (Cut::Chunks, args.chunk.unwrap_or(CHUNK.min(longest))),
    }
}

/// A number that no other sender has: this process and chance.
fn number() -> u64 {
    let chance = RandomState::new().build_hasher().finish();
    chance << 32 | u64::from(std::process::id())
}

impl<K: Streaming> Sender<K> {
    /// Sends everything and waits until the receiver has accepted it.
    fn stream(
        &mut self,
        cut: Cut,
        pieces: &mut Pieces,
        input: &mut Input,
        progress: &mut Progress,
    ) -> Result<Total, Stop> {
        let pid = std::process::id();
        self.say(Kind::Begin, &Hello { cut, pid }.to_bytes())?;
        loop {
            let (tx, ring, watch) = (&self.tx, &self.ring, &mut self.watch);
            let next = pieces.next(input, || {
                watch.rest();
                look_around(tx, ring, watch)
            })?;
            let Some(piece) = next else {
                break;
            };
            match piece.kind {
                Kind::Data => self.push(piece.record)?,
                other => self.push_tagged(other, piece.record)?,
            }
            progress.add(piece.input_bytes);
            if let Some(signal) = sys::stop_signal() {
                return Err(Stop::Signal(signal));
            }
        }
        let total = pieces.total();
        let before = K::mark(&self.ring).map_err(unseen)?;
        self.say(Kind::End, &total.to_bytes())?;
        let after = K::mark(&self.ring).map_err(unseen)?;
        self.wait_for_acceptance(before, after)?;
        Ok(total)
    }

    /// Pushes one record of data.
    fn push(&mut self, record: &[u8]) -> Result<(), Stop> {
        const { assert!(Kind::Data as u16 == 0, "what push_until gives") };
        loop {
            match self.tx.push_until(record, self.wait, self.watch.deadline()) {
                Ok(()) => return Ok(()),
                Err(PushError::TimedOut) => look_around(&self.tx, &self.ring, &mut self.watch)?,
                Err(PushError::Closed) => return Err(stopped()),
                Err(PushError::PeerDied) => return Err(Stop::PeerDied),
                Err(PushError::Corrupt(e)) => return Err(e.into()),
                Err(PushError::TooLong(e)) => return Err(too_long(e)),
            }
        }
    }

    /// Pushes one of the few records that are not data.
    fn push_tagged(&mut self, kind: Kind, record: &[u8]) -> Result<(), Stop> {
        loop {
            match self.tx.try_push_tagged(kind.tag(), record) {
                Ok(()) => return Ok(()),
                Err(TryPushError::Full) if Instant::now() < self.watch.deadline() => {
                    std::thread::sleep(PAUSE);
                }
                Err(TryPushError::Full) => look_around(&self.tx, &self.ring, &mut self.watch)?,
                Err(TryPushError::Closed) => return Err(stopped()),
                Err(TryPushError::Corrupt(e)) => return Err(e.into()),
                Err(TryPushError::TooLong(e)) => return Err(too_long(e)),
            }
        }
    }

    /// Pushes a record of this kind that says `body`.
    fn say(&mut self, kind: Kind, body: &[u8]) -> Result<(), Stop> {
        self.push_tagged(kind, &[&self.prefix, body].concat())
    }

    /// Waits until the receiver has released the end record. What was in the ring just before it ended at `before`, and
    /// just after it at `after`.
    fn wait_for_acceptance(&mut self, before: u64, after: u64) -> Result<(), Stop> {
        loop {
            if K::is_taken(&self.tx, &self.ring, after).map_err(unseen)? {
                return Ok(());
            }
            if Instant::now() >= self.watch.deadline() {
                let looked = look_around(&self.tx, &self.ring, &mut self.watch);
                // It may have taken the last record and left since it was asked.
                if K::is_taken(&self.tx, &self.ring, after).map_err(unseen)? {
                    return Ok(());
                }
                looked.map_err(|stop| self.perhaps_accepted(stop, before))?;
            }
            std::thread::sleep(PAUSE);
        }
    }

    /// The receiver is gone. If it has taken records that others sent beside the end record, it cannot be told whether
    /// it has taken that.
    fn perhaps_accepted(&self, stop: Stop, before: u64) -> Stop {
        let passed = |status: annulus::Status| status.taken.wrapping_sub(before).cast_signed() > 0;
        match stop {
            Stop::PeerStopped(_) if K::MANY && self.ring.status().is_ok_and(passed) => {
                Stop::PeerStopped(
                    "the receiver ended while several senders were at their end, so it may have all of this one \
                     or not (recv --senders says for how many it waits)"
                        .to_owned(),
                )
            }
            stop => stop,
        }
    }

    /// Tells a living receiver why there will be no end, if there is room to say it. Says whether it did.
    fn say_why(&mut self, stop: &Stop) -> bool {
        let reason = match stop {
            Stop::Signal(_) => Reason::Interrupted,
            Stop::Input(_) => Reason::Unreadable,
            Stop::Malformed(_) => Reason::Malformed,
            _ => return false,
        };
        let record = [&self.prefix[..], &reason.to_bytes()].concat();
        let patience = Instant::now() + TICK;
        loop {
            match self.tx.try_push_tagged(Kind::Abort.tag(), &record) {
                Ok(()) => return true,
                Err(TryPushError::Full) if Instant::now() < patience => {
                    std::thread::sleep(PAUSE);
                }
                // The receiver finds a sender gone without an end record, which says less but enough.
                Err(_) => return false,
            }
        }
    }

    /// Gives the receiver a moment to read why there will be no end. It removes the ring when it has. A receiver that has
    /// only just come believes nothing that a sender has left.
    fn wait_for_removal(&self) {
        let patience = Instant::now() + PARTING;
        while Instant::now() < patience
            && self.tx.consumer_state() == Peer::Alive
            && self.ring.is_current()
        {
            std::thread::sleep(PAUSE);
        }
    }

    /// Leaves, and removes the ring if nobody is there any more to do it.
    fn part(self, keep: bool) {
        let Self { ring, tx, .. } = self;
        // Where others may go on nothing is waited for.
        let patience = Instant::now() + if K::MANY { Duration::ZERO } else { PARTING };
        K::finish(tx);
        // Another sender that goes on would not learn of the receiver's death in a System V ring without a name. The last one
        // to leave finds nobody.
        let somebody_lives = || {
            let alive = |end: &End| end.state == Peer::Alive;
            ring.status().map_or(true, |status| {
                alive(&status.consumers[0]) || status.producers.iter().any(alive)
            })
        };
        while !keep && ring.is_current() {
            if !somebody_lives() {
                // Nothing to do about a failure: whoever comes next is told what is left.
                let _ = ring.unlink();
                return;
            }
            if Instant::now() >= patience {
                return;
            }
            std::thread::sleep(PAUSE);
        }
    }
}

/// What a sender does every [`TICK`] it waits for the receiver, or for its own input.
fn look_around<K: Streaming>(
    tx: &RecordProducer<K>,
    ring: &Ring<K>,
    watch: &mut Watch,
) -> Result<(), Stop> {
    let peer = tx.consumer_state();
    let status = ring.status().ok();
    let taken = status.as_ref().map_or(0, |status| status.taken);
    watch.tick(taken, peer, ring)?;
    if status.is_some_and(|status| status.consumers[0].closed) {
        return Err(stopped());
    }
    super::gone(peer, <RecordProducer<K> as Side<K>>::OTHER).map_or(Ok(()), Err)
}

pub fn stopped() -> Stop {
    Stop::PeerStopped("the receiver stopped".to_owned())
}

/// No piece is cut longer than the ring says it takes.
pub fn too_long(e: TooLong) -> Stop {
    Stop::Damaged(e.to_string())
}

/// The ring could not be looked at.
pub fn unseen(e: annulus::OsError) -> Stop {
    Stop::Damaged(format!("the ring cannot be looked at: {e}"))
}
