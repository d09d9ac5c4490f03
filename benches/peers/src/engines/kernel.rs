//! The kernel's own: a pipe and a Unix seqpacket socket, blocking, one message per call, across two processes.
//!
//! They hold what the kernel lets them, not 4096 slots: a pipe is grown as far as an unprivileged process may, a socket
//! buffer likewise. A side that waits sleeps in the kernel.

use std::io::{Error, ErrorKind};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use super::Family;
use crate::scenario::engine::{Across, Traits, Wait, WrittenIn};
use crate::scenario::harness::{CAPACITY, Link, over_processes};
use crate::scenario::loops::{Duplex, Rx, Tx};
use crate::scenario::message::Message;
use crate::scenario::pin::Cpus;
use crate::scenario::slices::Party;

/// Largest pipe an unprivileged process gets without a change of the machine's settings.
const LARGEST_PIPE: usize = 1 << 20;

const fn kernel(name: &'static str) -> Traits {
    Traits {
        name,
        across: Across::Processes,
        written_in: WrittenIn::Kernel,
        wait: Wait::Park,
    }
}

/// How a channel of the kernel is made: descriptors to send to and to receive from.
pub trait Channel {
    /// Makes one for messages of `bytes` bytes.
    fn create(bytes: usize) -> Result<(OwnedFd, OwnedFd), Error>;
}

/// A pipe.
pub struct Pipe;

impl Family for Pipe {
    const TRAITS: Traits = kernel("pipe");
    type Link<const WORDS: usize> = KernelLink<Pipe, WORDS>;
}

impl Channel for Pipe {
    fn create(bytes: usize) -> Result<(OwnedFd, OwnedFd), Error> {
        pipe(CAPACITY * bytes)
    }
}

/// A pipe that holds `capacity` bytes if the kernel grants that: the end to write to and the one to read from.
pub fn pipe(capacity: usize) -> Result<(OwnedFd, OwnedFd), Error> {
    let mut ends = [0; 2];
    // SAFETY: `ends` is live and has room for two descriptors.
    check(unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC) })?;
    // SAFETY: fresh descriptors that nobody else owns.
    let (rx, tx) = unsafe { (OwnedFd::from_raw_fd(ends[0]), OwnedFd::from_raw_fd(ends[1])) };
    let size = capacity.min(LARGEST_PIPE) as libc::c_int;
    // SAFETY: F_SETPIPE_SZ takes a number; the descriptor is live. A refusal leaves the default size, which works.
    unsafe { libc::fcntl(tx.as_raw_fd(), libc::F_SETPIPE_SZ, size) };
    Ok((tx, rx))
}

/// A pair of Unix seqpacket sockets, used in one direction.
pub struct Seqpacket;

impl Family for Seqpacket {
    const TRAITS: Traits = kernel("unix-seqpacket");
    type Link<const WORDS: usize> = KernelLink<Seqpacket, WORDS>;
}

impl Channel for Seqpacket {
    fn create(bytes: usize) -> Result<(OwnedFd, OwnedFd), Error> {
        seqpacket(CAPACITY * bytes)
    }
}

/// A pair of sockets, used in one direction, that holds `capacity` bytes if the kernel grants that: the one to send to and
/// the one to receive from.
pub fn seqpacket(capacity: usize) -> Result<(OwnedFd, OwnedFd), Error> {
    let mut ends = [0; 2];
    let kind = libc::SOCK_SEQPACKET | libc::SOCK_CLOEXEC;
    // SAFETY: `ends` is live and has room for two descriptors.
    check(unsafe { libc::socketpair(libc::AF_UNIX, kind, 0, ends.as_mut_ptr()) })?;
    // SAFETY: fresh descriptors that nobody else owns.
    let (tx, rx) = unsafe { (OwnedFd::from_raw_fd(ends[0]), OwnedFd::from_raw_fd(ends[1])) };
    let size = capacity as libc::c_int;
    // SAFETY: the value is a live c_int whose size is passed along; the kernel caps it.
    check(unsafe {
        libc::setsockopt(
            tx.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_SNDBUF,
            (&raw const size).cast(),
            size_of::<libc::c_int>() as libc::socklen_t,
        )
    })?;
    Ok((tx, rx))
}

/// Two channels, one per direction; each side closes what it does not use.
pub struct KernelLink<C, const WORDS: usize> {
    to_near: Option<(OwnedFd, OwnedFd)>,
    to_far: Option<(OwnedFd, OwnedFd)>,
    channel: std::marker::PhantomData<C>,
}

/// The descriptor a side sends to.
pub struct Into(OwnedFd);
/// The descriptor a side receives from.
pub struct OutOf(OwnedFd);

impl<C: Channel, const WORDS: usize> Link for KernelLink<C, WORDS> {
    type Near = Duplex<Into, OutOf, WORDS>;
    type Far = Duplex<Into, OutOf, WORDS>;

    fn create() -> Result<Self, String> {
        let channel = || C::create(8 * WORDS).map_err(|error| error.to_string());
        Ok(KernelLink {
            to_near: Some(channel()?),
            to_far: Some(channel()?),
            channel: std::marker::PhantomData,
        })
    }

    fn near(&mut self) -> Result<Self::Near, String> {
        let (_, rx) = self.to_near.take().ok_or("attached twice")?;
        let (tx, _) = self.to_far.take().ok_or("attached twice")?;
        Ok(Duplex::new(Into(tx), OutOf(rx)))
    }

    fn far(&mut self) -> Result<Self::Far, String> {
        let (tx, _) = self.to_near.take().ok_or("attached twice")?;
        let (_, rx) = self.to_far.take().ok_or("attached twice")?;
        Ok(Duplex::new(Into(tx), OutOf(rx)))
    }

    fn run<R>(
        self,
        cpus: Cpus,
        near: impl FnOnce(&mut Self::Near, &mut Party<'_>) -> Result<R, String>,
        far: impl FnOnce(&mut Self::Far, &mut Party<'_>) -> Result<(), String> + Send,
    ) -> Result<R, String> {
        over_processes(self, cpus, near, far)
    }
}

impl<const WORDS: usize> Tx<WORDS> for Into {
    #[inline(always)]
    fn try_send(&mut self, message: &Message<WORDS>) -> bool {
        let bytes = size_of::<Message<WORDS>>();
        let from: *const Message<WORDS> = message;
        // SAFETY: `from` is a live message of `bytes` bytes without padding.
        let sent = unsafe { libc::write(self.0.as_raw_fd(), from.cast(), bytes) };
        // A message is at most PIPE_BUF bytes: it is written whole or not at all.
        sent == bytes as isize || interrupted("write", sent)
    }
}

impl<const WORDS: usize> Rx<WORDS> for OutOf {
    #[inline(always)]
    fn try_receive(&mut self, take: &mut impl FnMut(&Message<WORDS>)) -> bool {
        let bytes = size_of::<Message<WORDS>>();
        let mut message = [0; WORDS];
        let into: *mut Message<WORDS> = &mut message;
        let mut done = 0;
        while done < bytes {
            // SAFETY: `into` points to a live message of `bytes` bytes, of which those after `done` are still to fill; any
            // bytes make valid words.
            let got = unsafe {
                let rest = into.cast::<u8>().add(done);
                libc::read(self.0.as_raw_fd(), rest.cast(), bytes - done)
            };
            if got > 0 {
                done += got as usize;
            } else if !interrupted("read", got) && done == 0 {
                return false;
            }
        }
        take(&message);
        true
    }
}

/// False after EINTR; anything else ends the measurement.
#[cold]
pub fn interrupted(call: &str, result: isize) -> bool {
    let error = Error::last_os_error();
    assert!(
        result == -1 && error.kind() == ErrorKind::Interrupted,
        "{call} returned {result}: {error}"
    );
    false
}

fn check(status: libc::c_int) -> Result<(), Error> {
    if status == 0 {
        Ok(())
    } else {
        Err(Error::last_os_error())
    }
}
