//! What a receiver does with records once it has them: it puts the senders' inputs together again, counts and checks them,
//! and writes them out.
//!
//! What is written is collected while more records are there, so that short records do not cost a system call each.
//!
//! Invariants: an end record is released only when everything before it was written and its checksum was right, and a record
//! that no sender writes is not released at all. A piece is written whole, never in the middle of another sender's.

use super::Stop;
use super::format::{Cut, FRAME_LENGTH, Hello, Kind, PREFIX, Reason, Total};
use super::kind::Streaming;
use super::output::Output;
use crate::words;
use annulus::RecordSample;
use std::hash::Hasher;
use twox_hash::XxHash3_64;

/// Bytes that are collected before they are written.
const ENOUGH: usize = 48 << 10;
/// What the longest piece may grow by: its length before it, or a newline behind it.
const RESTORED: usize = FRAME_LENGTH;

/// What has come of one sender's input.
struct Tally {
    /// Its number; 0 where there is one sender only.
    sender: u64,
    hello: Hello,
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

/// What a record was.
#[derive(Clone, Copy, Debug)]
pub enum Filed {
    /// A piece that stands for so many bytes.
    Piece(usize),
    /// A sender began.
    Begun,
    /// A sender ended, and all was right.
    Ended(Hello, Total),
}

/// The receiver's desk.
pub struct Desk<'a> {
    output: &'a mut Output,
    /// Whether pieces of several senders may follow each other.
    several: bool,
    /// Senders that have begun and not ended.
    open: Vec<Tally>,
    /// What is to be written is the first `used` bytes.
    buffer: Vec<u8>,
    used: usize,
}

impl<'a> Desk<'a> {
    /// A desk for records of up to `longest` bytes.
    pub fn new(output: &'a mut Output, several: bool, longest: usize) -> Self {
        Self {
            output,
            several,
            open: Vec::new(),
            buffer: vec![0; ENOUGH + longest + RESTORED],
            used: 0,
        }
    }

    /// To be called once, when there is a stream.
    pub fn begin(&mut self) -> Result<(), Stop> {
        self.output.begin()
    }

    /// Processes of the senders that have begun and not ended.
    pub fn unfinished(&self) -> impl Iterator<Item = u32> {
        self.open.iter().map(|tally| tally.hello.pid)
    }

    /// Writes what was collected.
    pub fn flush(&mut self) -> Result<(), Stop> {
        let used = std::mem::take(&mut self.used);
        self.output.write(&self.buffer[..used])
    }

    /// Deals with one record.
    pub fn file<K: Streaming>(&mut self, sample: RecordSample<'_>) -> Result<Filed, Stop> {
        let sender = number_of::<K>(&sample);
        let tally = self.open.iter_mut().find(|t| Some(t.sender) == sender);
        match (Kind::of_tag(sample.tag()), sender, tally) {
            (Some(Kind::Data), _, Some(tally)) => {
                let newline = tally.hello.cut == Cut::Lines;
                let (buffer, used) = (&mut self.buffer, &mut self.used);
                let n = restore::<K>(tally, sample, buffer, used, newline);
                self.piece(n)
            }
            (Some(Kind::LastLine), _, Some(tally)) if tally.hello.cut == Cut::Lines => {
                let (buffer, used) = (&mut self.buffer, &mut self.used);
                let n = restore::<K>(tally, sample, buffer, used, false);
                if self.several {
                    self.buffer[self.used] = b'\n';
                    self.used += 1;
                }
                self.piece(n)
            }
            (Some(Kind::Begin), Some(sender), None) => {
                let Some(hello) = Hello::parse(&body::<K>(&sample)) else {
                    return Err(senseless(sample));
                };
                self.open.push(Tally {
                    sender,
                    hello,
                    hash: XxHash3_64::new(),
                    bytes: 0,
                });
                Ok(Filed::Begun)
            }
            (Some(Kind::End), Some(sender), Some(tally)) => {
                let (hello, got) = (tally.hello, tally.total());
                let Some(said) = Total::parse(&body::<K>(&sample)) else {
                    return Err(senseless(sample));
                };
                let written = match said == got {
                    true => self.flush(),
                    false => Err(Stop::Damaged(differs(said, got))),
                };
                if let Err(stop) = written {
                    // Not released: the sender must not take it for accepted.
                    sample.keep();
                    return Err(stop);
                }
                sample.release();
                self.open.retain(|tally| tally.sender != sender);
                Ok(Filed::Ended(hello, got))
            }
            (Some(Kind::Abort), _, Some(_)) => {
                let why = Reason::describe(&body::<K>(&sample));
                Err(Stop::PeerStopped(why.to_owned()))
            }
            _ => Err(senseless(sample)),
        }
    }

    /// A piece of `n` bytes was collected.
    fn piece(&mut self, n: usize) -> Result<Filed, Stop> {
        if self.used >= ENOUGH {
            self.flush()?;
        }
        Ok(Filed::Piece(n))
    }
}

/// The sender's number. `None`: the record is too short to have one.
fn number_of<K: Streaming>(sample: &RecordSample<'_>) -> Option<u64> {
    if K::PREFIX == 0 {
        return Some(0);
    }
    let mut number = [0; PREFIX];
    (sample.copy_to(&mut number) == PREFIX).then(|| u64::from_le_bytes(number))
}

/// What a record says behind the sender's number. For the short ones; those of data are read in place.
fn body<K: Streaming>(sample: &RecordSample<'_>) -> Vec<u8> {
    let mut all = sample.to_vec();
    all.split_off(K::PREFIX.min(all.len()))
}

/// Copies the piece in `sample` behind the first `used` bytes of `buffer`, with what the cut took off it, counts it, and
/// releases the record. Says how many bytes of the input that were.
fn restore<K: Streaming>(
    tally: &mut Tally,
    sample: RecordSample<'_>,
    buffer: &mut [u8],
    used: &mut usize,
    newline: bool,
) -> usize {
    let len = sample.len() - K::PREFIX;
    let mut end = *used;
    if tally.hello.cut == Cut::Frames {
        // A record's length has 32 bits.
        buffer[end..end + FRAME_LENGTH].copy_from_slice(&(len as u32).to_le_bytes());
        end += FRAME_LENGTH;
    }
    sample.read_at(K::PREFIX, &mut buffer[end..end + len]);
    end += len;
    if newline {
        buffer[end] = b'\n';
        end += 1;
    }
    let piece = &buffer[*used..end];
    tally.hash.write(piece);
    tally.bytes += piece.len() as u64;
    *used = end;
    piece.len()
}

/// The failure of a record that no sender of this version writes.
fn senseless(sample: RecordSample<'_>) -> Stop {
    let what = format!(
        "a record with tag {} and of {} bytes came that no sender of this version sends there",
        sample.tag(),
        words::grouped(sample.len() as u64)
    );
    // Not released: the sender must not take its end record for accepted.
    sample.keep();
    Stop::Damaged(what)
}

/// How what came differs from what was sent.
pub fn differs(said: Total, got: Total) -> String {
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
