//! `annulus recv`: from the ring to a file or stdout, and not done before the checksums are right.

use super::choose::{self, Choice};
use super::desk::{Desk, Filed};
use super::format::{Hello, Total};
use super::kind::Streaming;
use super::meet::{self, Met, Wanted};
use super::output::Output;
use super::progress::Progress;
use super::side::Side;
use super::{Stop, Watch, broadcast, shared};
use crate::args::{RecvArgs, StreamKind};
use crate::exit::Failure;
use crate::sys;
use annulus::{Mpmc, MpscRecords, Peer, PopError, RecordConsumer, Ring, Spmc, SpscRecords};
use annulus::{TryPopError, Wait};

/// A receiver with a living sender.
struct Receiver<'a, K: Streaming> {
    ring: Ring<K>,
    rx: RecordConsumer,
    /// How many senders are to end.
    senders: u32,
    wait: Wait,
    watch: Watch,
    desk: Desk<'a>,
}

/// Runs the command.
pub fn run(args: &RecvArgs) -> Result<(), Failure> {
    sys::catch_stop_signals();
    choose::for_recv(args)?;
    let mut output = Output::open(args.stream.file.as_deref())?;
    loop {
        let choice = choose::for_recv(args)?;
        let done = match choice.kind {
            StreamKind::Spsc => run_in::<SpscRecords>(args, choice, &mut output)?,
            StreamKind::Mpsc => run_in::<MpscRecords>(args, choice, &mut output)?,
            StreamKind::Spmc => shared::recv::<Spmc<[u8]>>(args, choice, &mut output)?,
            StreamKind::Mpmc => shared::recv::<Mpmc<[u8]>>(args, choice, &mut output)?,
            StreamKind::Broadcast => broadcast::recv(args, choice, &mut output)?,
        };
        if done {
            return Ok(());
        }
    }
}

/// Runs the command with a ring of kind `K`. `false`: there is one of another kind.
fn run_in<K: Streaming>(
    args: &RecvArgs,
    choice: Choice,
    output: &mut Output,
) -> Result<bool, Failure> {
    let stream = &args.stream;
    let senders = args.senders.unwrap_or(1);
    let wanted = Wanted {
        choice,
        senders,
        chunk: None,
    };
    let Some(Met { ring, end }) = meet::meet::<K, RecordConsumer>(stream, wanted)? else {
        return Ok(false);
    };
    // A liar's record may be as long as the ring.
    let longest = usize::try_from(end.capacity_bytes()).unwrap_or(usize::MAX);
    let mut receiver = Receiver {
        ring,
        rx: end,
        senders,
        wait: stream.wait_strategy.strategy(),
        watch: Watch::new(),
        desk: Desk::new(output, senders > 1, longest),
    };
    let mut progress = Progress::begin(stream.quiet, None);
    let received = receiver.stream(&mut progress);
    progress.clear();
    if !matches!(received, Ok(_) | Err(Stop::Output(_))) {
        // What had come until then. Should that fail, there is a failure to tell of already.
        let _ = receiver.desk.flush();
    }
    if !stream.keep {
        // This end is still held, so senders leave the removing to us. Nothing to do about a failure: a sender tries
        // when we are gone, and whoever comes next is told.
        let _ = receiver.ring.unlink();
    }
    receiver.rx.close();
    match received {
        Ok(ended) => {
            progress.received(&ended);
            Ok(true)
        }
        Err(stop) => {
            let other = <RecordConsumer as Side<K>>::OTHER;
            Err(stop.failure(other, progress.bytes()))
        }
    }
}

impl<K: Streaming> Receiver<'_, K> {
    /// Writes out everything up to the last sender's end record. Gives what they said and sent.
    fn stream(&mut self, progress: &mut Progress) -> Result<Vec<(Hello, Total)>, Stop> {
        let mut ended = Vec::new();
        self.desk.begin()?;
        while (ended.len() as u64) < u64::from(self.senders) {
            match self.next()? {
                Filed::Piece(n) => progress.add(n),
                Filed::Begun => {}
                Filed::Ended(hello, total) => ended.push((hello, total)),
            }
            if let Some(signal) = sys::stop_signal() {
                return Err(Stop::Signal(signal));
            }
        }
        match self.desk.unfinished().next() {
            None => Ok(ended),
            Some(pid) => Err(Stop::PeerStopped(format!(
                "process {pid} had sent a part and not ended when as many senders as --senders says had"
            ))),
        }
    }

    /// Takes the next record.
    fn next(&mut self) -> Result<Filed, Stop> {
        loop {
            match self.rx.try_sample() {
                Ok(sample) => return self.desk.file::<K>(sample),
                Err(TryPopError::Empty) => self.desk.flush()?,
                Err(TryPopError::Closed) => return Err(closed()),
                Err(TryPopError::Corrupt(e)) => return Err(e.into()),
            }
            let why = match self.rx.sample_until(self.wait, self.watch.deadline()) {
                Ok(sample) => return self.desk.file::<K>(sample),
                Err(why) => why,
            };
            match why {
                PopError::TimedOut => self.look_around()?,
                // Of several senders, one that had sent nothing may have died; the others may be still to come.
                PopError::PeerDied if K::MANY => self.look_around()?,
                PopError::PeerDied => return Err(Stop::PeerDied),
                PopError::Closed => return Err(closed()),
                PopError::Corrupt(e) => return Err(e.into()),
            }
        }
    }

    /// What a receiver does every tick it waits for a sender.
    fn look_around(&mut self) -> Result<(), Stop> {
        let (peer, missing) = match K::MANY {
            false => {
                let peer = self.rx.producer_state();
                (peer, super::gone(peer, <RecordConsumer as Side<K>>::OTHER))
            }
            true => (Peer::Alive, self.missing_sender()),
        };
        self.watch.tick(self.rx.position(), peer, &self.ring)?;
        match missing {
            // It may have sent its last records and left since it was seen alive.
            Some(stop) if self.rx.is_empty() => Err(stop),
            _ => Ok(()),
        }
    }

    /// A sender that has begun, has not ended, and is not there any more.
    fn missing_sender(&self) -> Option<Stop> {
        // Nobody is taken for dead because the kernel cannot say.
        let producers = self.ring.status().ok()?.producers;
        let states_of = |pid| producers.iter().filter(move |end| end.pid == pid);
        let gone = |&pid: &u32| states_of(pid).all(|end| end.state != Peer::Alive);
        let pid = self.desk.unfinished().find(gone)?;
        let left = states_of(pid).any(|end| end.state == Peer::Left);
        Some(match left {
            true => Stop::PeerStopped(format!("the sender with process {pid} left")),
            false => Stop::PeerDied,
        })
    }
}

fn closed() -> Stop {
    Stop::PeerStopped("the sender stopped".to_owned())
}
