//! `annulus recv`: from the ring to a file or stdout, and not done before the checksum is right.

use super::frame::{self, Header, Reason, Total};
use super::meet::{self, Met, Side};
use super::output::Output;
use super::progress::Progress;
use super::{Stop, Watch};
use crate::args::StreamArgs;
use crate::exit::Failure;
use crate::{sys, words};
use annulus::{Consumer, PopError, Ring, Sample, Wait};
use std::hash::Hasher;
use twox_hash::XxHash3_64;

/// A receiver with a living sender.
struct Receiver {
    ring: Ring<annulus::Spsc<[u8]>>,
    rx: Consumer<[u8]>,
    wait: Wait,
    watch: Watch,
}

/// What one frame brought.
enum Got {
    /// So many bytes, now at the beginning of the buffer.
    Data(usize),
    /// The sender's last word, which was right; its slot is released.
    End,
}

/// What has come so far.
struct Tally {
    hash: XxHash3_64,
    bytes: u64,
}

impl Tally {
    fn total(&self) -> Total {
        Total {
            bytes: self.bytes,
            checksum: self.hash.clone().finish(),
        }
    }
}

/// Runs the command.
pub fn run(args: &StreamArgs) -> Result<(), Failure> {
    sys::catch_stop_signals();
    let mut output = Output::open(args.file.as_deref())?;
    let Met { ring, end } = meet::meet::<Consumer<[u8]>>(args)?;
    let mut receiver = Receiver {
        ring,
        rx: end,
        wait: args.wait_strategy.strategy(),
        watch: Watch::new(),
    };
    let mut progress = Progress::begin(args.quiet, None);
    let received = receiver.stream(&mut output, &mut progress);
    progress.clear();
    if !args.keep {
        // This end is still held, so the sender leaves the removing to us. Nothing to do about a failure: the sender tries
        // when we are gone, and whoever comes next is told.
        let _ = receiver.ring.unlink();
    }
    receiver.rx.close();
    match received {
        Ok(total) => {
            progress.done("received", total, "verified");
            Ok(())
        }
        Err(stop) => Err(stop.failure(Consumer::<[u8]>::OTHER, progress.bytes())),
    }
}

impl Receiver {
    /// Writes out everything up to the end frame.
    fn stream(&mut self, output: &mut Output, progress: &mut Progress) -> Result<Total, Stop> {
        let mut buffer = vec![0; self.rx.slot_size() - frame::HEADER];
        let mut tally = Tally {
            hash: XxHash3_64::new(),
            bytes: 0,
        };
        output.begin()?;
        loop {
            match self.next(&mut buffer, &tally)? {
                Got::Data(n) => {
                    let piece = &buffer[..n];
                    tally.hash.write(piece);
                    tally.bytes += n as u64;
                    output.write(piece)?;
                    progress.add(n);
                }
                Got::End => return Ok(tally.total()),
            }
            if let Some(signal) = sys::stop_signal() {
                return Err(Stop::Signal(signal));
            }
        }
    }

    /// Takes the next frame.
    fn next(&mut self, buffer: &mut [u8], tally: &Tally) -> Result<Got, Stop> {
        loop {
            let slot_size = self.rx.slot_size();
            let why = match self.rx.sample_until(self.wait, self.watch.deadline()) {
                Ok(sample) => return open(sample, slot_size, buffer, tally),
                Err(why) => why,
            };
            match why {
                PopError::TimedOut => {
                    let peer = self.rx.producer_state();
                    self.watch.tick(self.rx.position(), peer, &self.ring)?;
                    // It may have sent its last frames and left since the deadline.
                    if self.rx.is_empty()
                        && let Some(stop) = super::gone(peer, Consumer::<[u8]>::OTHER)
                    {
                        return Err(stop);
                    }
                }
                PopError::Closed => {
                    return Err(Stop::PeerStopped("the sender stopped".to_owned()));
                }
                PopError::PeerDied => return Err(Stop::PeerDied),
                PopError::Corrupt(e) => return Err(e.into()),
            }
        }
    }
}

/// Reads one frame and releases its slot, except an end frame that is wrong: an end frame that is released tells the
/// sender that all is well.
fn open(
    sample: Sample<'_, [u8]>,
    slot_size: usize,
    buffer: &mut [u8],
    tally: &Tally,
) -> Result<Got, Stop> {
    let mut header = [0; frame::HEADER];
    sample.read_at(0, &mut header);
    let Some(header) = Header::parse(header, slot_size) else {
        let what = format!(
            "the frame at position {} has a header that no sender of this version writes",
            sample.position()
        );
        // Not released: the sender must not take its end frame for accepted.
        std::mem::forget(sample);
        return Err(Stop::Damaged(what));
    };
    match header.kind {
        frame::Kind::Data => {
            sample.read_at(frame::HEADER, &mut buffer[..header.len]);
            Ok(Got::Data(header.len))
        }
        frame::Kind::End => {
            let mut body = [0; frame::END];
            sample.read_at(frame::HEADER, &mut body);
            let (said, got) = (Total::from_bytes(body), tally.total());
            if said != got {
                std::mem::forget(sample);
                return Err(Stop::Damaged(differs(said, got)));
            }
            Ok(Got::End)
        }
        frame::Kind::Abort => {
            let mut body = [0; frame::ABORT];
            sample.read_at(frame::HEADER, &mut body);
            Err(Stop::PeerStopped(Reason::describe(body).to_owned()))
        }
    }
}

fn differs(said: Total, got: Total) -> String {
    if said.bytes != got.bytes {
        return format!(
            "the sender sent {} bytes, but {} came",
            words::grouped(said.bytes),
            words::grouped(got.bytes)
        );
    }
    format!(
        "the checksum is wrong: sent {:016x}, received {:016x}",
        said.checksum, got.checksum
    )
}
