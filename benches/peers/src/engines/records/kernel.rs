//! A pipe with a length before every record, and a Unix seqpacket socket, blocking, across processes.
//!
//! They hold what the kernel lets them. Several producers write to the same descriptor: a seqpacket socket keeps records
//! apart, and a pipe does so up to PIPE_BUF bytes per write.

use std::io::Error;
use std::os::fd::{AsRawFd, OwnedFd};

use super::super::kernel::{interrupted, pipe, seqpacket};
use super::{Once, traits};
use crate::scenario::engine::{Across, Traits, Wait, WrittenIn};
use crate::scenario::records::harness::Channel;
use crate::scenario::records::loops::{Rx, Tx};
use crate::scenario::records::work::Records;

/// The length before a record in a pipe.
type Prefix = [u8; 4];
const PREFIX: usize = size_of::<Prefix>();
/// Bytes the reader of a pipe asks for at least.
const READ_AHEAD: usize = 64 << 10;

/// Descriptors to send to and to receive from. Each process takes its copy of both and closes what it does not use.
struct Descriptors(Once<(OwnedFd, OwnedFd)>);

impl Descriptors {
    fn new(made: Result<(OwnedFd, OwnedFd), Error>) -> Result<Self, String> {
        let ends = made.map_err(|error| error.to_string())?;
        Ok(Descriptors(Once::new(ends)))
    }

    fn tx(&self) -> Result<OwnedFd, String> {
        self.0.take().map(|(tx, _)| tx)
    }

    fn rx(&self) -> Result<OwnedFd, String> {
        self.0.take().map(|(_, rx)| rx)
    }
}

/// A pipe.
pub struct Pipe {
    ends: Descriptors,
    longest: usize,
}

/// The end of a pipe that is written to.
pub struct Writing(OwnedFd);

/// The end of a pipe that is read from, and what was read but not yet taken.
pub struct Reading {
    pipe: OwnedFd,
    ahead: Box<[u8]>,
    start: usize,
    end: usize,
}

impl Channel for Pipe {
    const TRAITS: Traits = traits("pipe", Across::Processes, WrittenIn::Kernel, Wait::Park);
    type Tx = Writing;
    type Rx = Reading;

    fn carries(records: Records) -> bool {
        records.producers == 1 || PREFIX + records.lengths.most <= libc::PIPE_BUF
    }

    fn create(records: Records) -> Result<Self, String> {
        Ok(Pipe {
            ends: Descriptors::new(pipe(records.lengths.ring_bytes()))?,
            longest: PREFIX + records.lengths.most,
        })
    }

    fn sender(&self) -> Result<Writing, String> {
        self.ends.tx().map(Writing)
    }

    fn receiver(&self) -> Result<Reading, String> {
        Ok(Reading {
            pipe: self.ends.rx()?,
            ahead: vec![0; READ_AHEAD.max(2 * self.longest)].into_boxed_slice(),
            start: 0,
            end: 0,
        })
    }
}

impl Tx for Writing {
    fn try_send(&mut self, record: &[u8]) -> bool {
        let prefix = (record.len() as u32).to_ne_bytes();
        let (total, mut done) = (PREFIX + record.len(), 0);
        while done < total {
            let head = &prefix[done.min(PREFIX)..];
            let body = &record[done.saturating_sub(PREFIX)..];
            let parts = [head, body].map(|part| libc::iovec {
                iov_base: part.as_ptr().cast_mut().cast(),
                iov_len: part.len(),
            });
            // SAFETY: both parts are live and readable; writev does not write to them.
            let sent = unsafe { libc::writev(self.0.as_raw_fd(), parts.as_ptr(), 2) };
            if sent > 0 {
                done += sent as usize;
            } else if !interrupted("writev", sent) && done == 0 {
                return false;
            }
        }
        true
    }
}

impl Rx for Reading {
    fn try_receive(&mut self, into: &mut Vec<u8>) -> bool {
        self.have(PREFIX);
        let mut prefix: Prefix = [0; PREFIX];
        prefix.copy_from_slice(&self.ahead[self.start..self.start + PREFIX]);
        let length = u32::from_ne_bytes(prefix) as usize;
        self.have(PREFIX + length);
        let from = self.start + PREFIX;
        into.clear();
        into.extend_from_slice(&self.ahead[from..from + length]);
        self.start = from + length;
        true
    }
}

impl Reading {
    /// Reads until `need` bytes are there, as many at once as there are.
    fn have(&mut self, need: usize) {
        assert!(need <= self.ahead.len(), "no record has {need} bytes");
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        } else if self.start + need > self.ahead.len() {
            self.ahead.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        while self.end - self.start < need {
            let room = &mut self.ahead[self.end..];
            // SAFETY: `room` is live, writable and as long as stated; any bytes are valid.
            let got =
                unsafe { libc::read(self.pipe.as_raw_fd(), room.as_mut_ptr().cast(), room.len()) };
            if got > 0 {
                self.end += got as usize;
            } else {
                interrupted("read", got);
            }
        }
    }
}

/// A pair of Unix seqpacket sockets, used in one direction.
pub struct Seqpacket(Descriptors);

/// The socket that is sent to.
pub struct Into(OwnedFd);
/// The socket that is received from.
pub struct OutOf(OwnedFd);

impl Channel for Seqpacket {
    const TRAITS: Traits = traits(
        "unix-seqpacket",
        Across::Processes,
        WrittenIn::Kernel,
        Wait::Park,
    );
    type Tx = Into;
    type Rx = OutOf;

    fn create(records: Records) -> Result<Self, String> {
        Descriptors::new(seqpacket(records.lengths.ring_bytes())).map(Seqpacket)
    }

    fn sender(&self) -> Result<Into, String> {
        self.0.tx().map(Into)
    }

    fn receiver(&self) -> Result<OutOf, String> {
        self.0.rx().map(OutOf)
    }
}

impl Tx for Into {
    fn try_send(&mut self, record: &[u8]) -> bool {
        // SAFETY: the record is live and as long as stated.
        let sent =
            unsafe { libc::send(self.0.as_raw_fd(), record.as_ptr().cast(), record.len(), 0) };
        sent == record.len() as isize || interrupted("send", sent)
    }
}

impl Rx for OutOf {
    fn try_receive(&mut self, into: &mut Vec<u8>) -> bool {
        // SAFETY: `into` has as much room as stated, and the kernel alone writes there.
        let got = unsafe {
            libc::recv(
                self.0.as_raw_fd(),
                into.as_mut_ptr().cast(),
                into.capacity(),
                0,
            )
        };
        // No record is empty: 0 is the end of the stream.
        let received = got > 0 || interrupted("recv", got);
        if received {
            // SAFETY: so many bytes were written just now.
            unsafe { into.set_len(got as usize) };
        }
        received
    }
}
