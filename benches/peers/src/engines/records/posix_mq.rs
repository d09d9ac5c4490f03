//! A POSIX message queue, blocking, across processes that inherit its descriptor.
//!
//! It has as many cells as the kernel grants, at most those of the ring: 10 for a process without privileges. The name is
//! gone before the queue is used.

use std::ffi::CString;
use std::io::Error;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use super::super::fresh_name;
use super::super::kernel::interrupted;
use super::traits;
use crate::scenario::engine::{Across, Traits, Wait, WrittenIn};
use crate::scenario::records::harness::Channel;
use crate::scenario::records::loops::{Rx, Tx};
use crate::scenario::records::work::Records;

/// Longest message without a change of the machine's settings.
const LONGEST: usize = 8192;
/// Messages that every process may have in a queue.
const GRANTED: usize = 10;

/// A queue, which on Linux is a descriptor.
pub struct Queue(OwnedFd);

/// An end of a queue.
pub struct End(OwnedFd);

impl Channel for Queue {
    const TRAITS: Traits = traits("posix-mq", Across::Processes, WrittenIn::Kernel, Wait::Park);
    type Tx = End;
    type Rx = End;

    fn carries(records: Records) -> bool {
        records.lengths.most <= LONGEST
    }

    fn create(records: Records) -> Result<Self, String> {
        let mut cells = records.lengths.cells().max(GRANTED);
        loop {
            match open(cells, records.lengths.most) {
                Ok(queue) => return Ok(Queue(queue)),
                Err(_) if cells > GRANTED => cells = (cells / 2).max(GRANTED),
                Err(error) => return Err(format!("mq_open: {error}")),
            }
        }
    }

    fn sender(&self) -> Result<End, String> {
        self.receiver()
    }

    fn receiver(&self) -> Result<End, String> {
        self.0
            .try_clone()
            .map(End)
            .map_err(|error| error.to_string())
    }
}

fn open(cells: usize, longest: usize) -> Result<OwnedFd, Error> {
    let name = CString::new(format!("/{}", fresh_name("mq")))?;
    // SAFETY: mq_attr is plain numbers; all-zero is valid.
    let mut attributes: libc::mq_attr = unsafe { std::mem::zeroed() };
    attributes.mq_maxmsg = cells as _;
    attributes.mq_msgsize = longest as _;
    let flags = libc::O_CREAT | libc::O_EXCL | libc::O_RDWR | libc::O_CLOEXEC;
    let mode: libc::mode_t = 0o600;
    // SAFETY: the name is a NUL-terminated string and the attributes are live.
    let queue = unsafe { libc::mq_open(name.as_ptr(), flags, mode, &raw const attributes) };
    if queue < 0 {
        return Err(Error::last_os_error());
    }
    // SAFETY: the name is a NUL-terminated string.
    unsafe { libc::mq_unlink(name.as_ptr()) };
    // SAFETY: a fresh descriptor that nobody else owns.
    Ok(unsafe { OwnedFd::from_raw_fd(queue) })
}

impl Tx for End {
    fn try_send(&mut self, record: &[u8]) -> bool {
        // SAFETY: the record is live and as long as stated.
        let sent =
            unsafe { libc::mq_send(self.0.as_raw_fd(), record.as_ptr().cast(), record.len(), 0) };
        sent == 0 || interrupted("mq_send", sent as isize)
    }
}

impl Rx for End {
    fn try_receive(&mut self, into: &mut Vec<u8>) -> bool {
        // SAFETY: `into` has as much room as stated, and the kernel alone writes there; no priority is asked for.
        let got = unsafe {
            libc::mq_receive(
                self.0.as_raw_fd(),
                into.as_mut_ptr().cast(),
                into.capacity(),
                std::ptr::null_mut(),
            )
        };
        let received = got >= 0 || interrupted("mq_receive", got);
        if received {
            // SAFETY: so many bytes were written just now.
            unsafe { into.set_len(got as usize) };
        }
        received
    }
}
