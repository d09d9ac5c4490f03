//! `annulus send`: from a file or stdin into the ring, and not done before the receiver is.

use super::frame::{self, Header, Reason, Total};
use super::meet::{self, Met, Side};
use super::output::Input;
use super::progress::Progress;
use super::{PARTING, Stop, TICK, Watch};
use crate::args::StreamArgs;
use crate::exit::Failure;
use crate::sys;
use annulus::{Peer, Producer, PushError, Ring, TryPushError, Wait};
use std::hash::Hasher;
use std::time::{Duration, Instant};
use twox_hash::XxHash3_64;

/// Pause between two looks at a receiver that is finishing.
const PAUSE: Duration = Duration::from_micros(200);

/// A sender with a living receiver.
struct Sender {
    ring: Ring<annulus::Spsc<[u8]>>,
    tx: Producer<[u8]>,
    wait: Wait,
    watch: Watch,
}

/// Runs the command.
pub fn run(args: &StreamArgs) -> Result<(), Failure> {
    sys::catch_stop_signals();
    let mut input = Input::open(args.file.as_deref())?;
    let Met { ring, end } = meet::meet::<Producer<[u8]>>(args)?;
    let mut sender = Sender {
        ring,
        tx: end,
        wait: args.wait_strategy.strategy(),
        watch: Watch::new(),
    };
    let mut progress = Progress::begin(args.quiet, input.size());
    let sent = sender.stream(&mut input, &mut progress);
    progress.clear();
    let outcome = match sent {
        Ok(total) => {
            progress.done("sent", total, "verified by the receiver");
            Ok(())
        }
        Err(stop) => {
            sender.say_why(&stop);
            Err(stop.failure(Producer::<[u8]>::OTHER, progress.bytes()))
        }
    };
    sender.part(args.keep);
    outcome
}

impl Sender {
    /// Sends everything and waits until the receiver has accepted it.
    fn stream(&mut self, input: &mut Input, progress: &mut Progress) -> Result<Total, Stop> {
        let mut buffer = vec![0; self.tx.slot_size() - frame::HEADER];
        let mut hash = XxHash3_64::new();
        let mut bytes = 0;
        loop {
            let n = {
                let (tx, ring, watch) = (&mut self.tx, &self.ring, &mut self.watch);
                input.read(&mut buffer, || {
                    watch.rest();
                    look_around(tx, ring, watch)
                })?
            };
            if n == 0 {
                break;
            }
            hash.write(&buffer[..n]);
            self.push(frame::Kind::Data, &buffer[..n])?;
            bytes += n as u64;
            progress.add(n);
            if let Some(signal) = sys::stop_signal() {
                return Err(Stop::Signal(signal));
            }
        }
        let total = Total {
            bytes,
            checksum: hash.finish(),
        };
        self.push(frame::Kind::End, &total.to_bytes())?;
        self.wait_for_acceptance()?;
        Ok(total)
    }

    /// Puts one frame into the next slot.
    fn push(&mut self, kind: frame::Kind, body: &[u8]) -> Result<(), Stop> {
        let header = Header {
            kind,
            len: body.len(),
        };
        loop {
            match self.tx.claim_until(self.wait, self.watch.deadline()) {
                Ok(mut loan) => {
                    loan.write_at(0, &header.to_bytes());
                    loan.write_at(frame::HEADER, body);
                    loan.commit();
                    return Ok(());
                }
                Err(PushError::TimedOut) => {
                    look_around(&mut self.tx, &self.ring, &mut self.watch)?;
                }
                Err(PushError::Closed) => return Err(stopped()),
                Err(PushError::PeerDied) => return Err(Stop::PeerDied),
                Err(PushError::Corrupt(e)) => return Err(e.into()),
                Err(PushError::TooLong(_)) => unreachable!("slots have one length"),
            }
        }
    }

    /// Waits until the receiver has released the end frame.
    fn wait_for_acceptance(&mut self) -> Result<(), Stop> {
        loop {
            // Its state before its slots: it releases before it goes.
            let closed = is_closed(&mut self.tx);
            let peer = self.tx.consumer_state();
            if self.tx.is_empty() {
                return Ok(());
            }
            if closed {
                return Err(stopped());
            }
            if let Some(stop) = super::gone(peer, Producer::<[u8]>::OTHER) {
                return Err(stop);
            }
            if Instant::now() >= self.watch.deadline() {
                self.watch.tick(self.tx.len(), peer, &self.ring)?;
            }
            std::thread::sleep(PAUSE);
        }
    }

    /// Tells a living receiver why there will be no end, if there is room to say it.
    fn say_why(&mut self, stop: &Stop) {
        let reason = match stop {
            Stop::Signal(_) => Reason::Interrupted,
            Stop::Input(_) => Reason::Input,
            _ => return,
        };
        let header = Header {
            kind: frame::Kind::Abort,
            len: frame::ABORT,
        };
        // Without room the receiver finds a closed ring without an end frame, which says less but enough.
        if let Ok(mut loan) = self.tx.claim_until(self.wait, Instant::now() + TICK) {
            loan.write_at(0, &header.to_bytes());
            loan.write_at(frame::HEADER, &reason.to_bytes());
            loan.commit();
        }
    }

    /// Leaves, and removes the ring if the receiver is not there to do it.
    fn part(self, keep: bool) {
        let Self { ring, tx, .. } = self;
        let patience = Instant::now() + PARTING;
        // Wakes a receiver that waits. This gives the producer's end away, but nobody takes it in a closed ring.
        tx.close();
        let receiver_lives = || {
            ring.status()
                .map_or(true, |status| status.consumer.state == Peer::Alive)
        };
        while !keep && ring.is_current() && Instant::now() < patience {
            if !receiver_lives() {
                // Nothing to do about a failure: whoever comes next is told what is left.
                let _ = ring.unlink();
                return;
            }
            std::thread::sleep(PAUSE);
        }
    }
}

/// What a sender does every [`TICK`] it waits for the receiver, or for its own input.
fn look_around(
    tx: &mut Producer<[u8]>,
    ring: &Ring<annulus::Spsc<[u8]>>,
    watch: &mut Watch,
) -> Result<(), Stop> {
    let peer = tx.consumer_state();
    watch.tick(tx.position().wrapping_sub(tx.len()), peer, ring)?;
    if is_closed(tx) {
        return Err(stopped());
    }
    super::gone(peer, Producer::<[u8]>::OTHER).map_or(Ok(()), Err)
}

/// Whether the receiver has closed the ring.
fn is_closed(tx: &mut Producer<[u8]>) -> bool {
    // More than there ever is: looks at what the receiver has published, and takes nothing.
    matches!(tx.try_claim_run(usize::MAX), Err(TryPushError::Closed))
}

fn stopped() -> Stop {
    Stop::PeerStopped("the receiver stopped".to_owned())
}
