//! Descriptors of processes: what becomes readable when a process ends.
//!
//! A pidfd means one process for ever, also after its number has been given to another. `poll` says that it is
//! readable once all threads of the process have ended; by then the kernel has taken back its locks and semaphores.
//!
//! Nothing here decides who holds an end of a ring.

use super::{clock, retry};
use crate::error::OsError;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

/// No process has that number.
pub(crate) const ESRCH: i32 = libc::ESRCH;
/// The kernel does not have the call (Linux before 5.3), or a filter forbids it as if it did not.
pub(crate) const ENOSYS: i32 = libc::ENOSYS;
/// Not a number of a process.
pub(crate) const EINVAL: i32 = libc::EINVAL;

/// A descriptor of the process `pid`, as this process's pid namespace counts. `ESRCH` if there is none; a process
/// that has ended and was not waited for yet is one. `EINVAL` for 0, and beyond `i32::MAX`.
pub(crate) fn open(pid: u32) -> Result<OwnedFd, OsError> {
    // The kernel makes it close-on-exec. SAFETY: two integers.
    let call = || unsafe { libc::syscall(libc::SYS_pidfd_open, pid as libc::pid_t, 0) };
    let fd = retry(call).map_err(|e| OsError::new("pidfd_open", format!("process {pid}"), e))?;
    // SAFETY: just returned by the kernel, so nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) })
}

/// Whether `fd` is of a process. Changes nothing, and reaps nobody.
pub(crate) fn is_one(fd: BorrowedFd<'_>) -> Result<bool, OsError> {
    let id = fd.as_raw_fd() as libc::id_t;
    let only_look = libc::WEXITED | libc::WNOHANG | libc::WNOWAIT;
    // SAFETY: integers, and zero is a value of this struct, which the kernel only writes to.
    let asked = retry(|| unsafe {
        let mut info: libc::siginfo_t = core::mem::zeroed();
        libc::waitid(libc::P_PIDFD, id, &mut info, only_look)
    });
    match asked {
        Ok(_) => Ok(true),
        Err(e) => match e.raw_os_error() {
            // A process, but not a child of ours.
            Some(libc::ECHILD) => Ok(true),
            Some(libc::EBADF) => Ok(false),
            _ => Err(OsError::new(
                "waitid (P_PIDFD)",
                super::file::shown_fd(fd),
                e,
            )),
        },
    }
}

/// Whether the process of the pidfd has ended, or does so before `deadline_ns` (`CLOCK_MONOTONIC`).
pub(crate) fn has_ended_by(fd: BorrowedFd<'_>, deadline_ns: u64) -> Result<bool, OsError> {
    let mut entry = libc::pollfd {
        fd: fd.as_raw_fd(),
        events: libc::POLLIN,
        revents: 0,
    };
    let polled = retry(|| {
        let left = clock::timespec(deadline_ns.saturating_sub(clock::monotonic_ns()));
        // SAFETY: one live entry, a live span, and no signal mask.
        unsafe { libc::ppoll(&mut entry, 1, &left, core::ptr::null()) }
    });
    polled
        .map(|ready| ready > 0)
        .map_err(|e| OsError::new("ppoll", super::file::shown_fd(fd), e))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::os::memfd;
    use crate::os::testing::{Child, in_ms};
    use std::os::fd::AsFd;

    #[test]
    fn a_pidfd_is_told_from_other_descriptors() {
        let own = open(std::process::id()).unwrap();
        assert!(is_one(own.as_fd()).unwrap());
        assert!(!has_ended_by(own.as_fd(), 0).unwrap());
        let parent = open(std::os::unix::process::parent_id().max(1)).unwrap();
        assert!(is_one(parent.as_fd()).unwrap(), "not a child");
        let (read, _write) = std::io::pipe().unwrap();
        assert!(!is_one(read.as_fd()).unwrap());
        let memory = memfd::create("annulus-test", false).unwrap();
        assert!(!is_one(memory.as_fd()).unwrap());
    }

    #[test]
    fn looking_does_not_reap_and_an_end_is_seen_with_and_without_waiting() {
        let child = Child::that(|| true);
        let fd = open(child.pid()).unwrap();
        assert!(is_one(fd.as_fd()).unwrap());
        let begun = clock::monotonic_ns();
        assert!(!has_ended_by(fd.as_fd(), in_ms(20)).unwrap());
        assert!(clock::monotonic_ns() - begun >= 20_000_000);
        // SAFETY: our own child, not reaped yet.
        assert_eq!(unsafe { libc::kill(child.pid() as i32, libc::SIGKILL) }, 0);
        assert!(has_ended_by(fd.as_fd(), in_ms(10_000)).unwrap());
        assert!(is_one(fd.as_fd()).unwrap());
        // Still there to be waited for.
        child.kill();
        assert!(has_ended_by(fd.as_fd(), 0).unwrap());
        assert!(is_one(fd.as_fd()).unwrap(), "reaped, and still a pidfd");
    }

    #[test]
    fn numbers_of_no_process_keep_their_errno() {
        let code = |pid| open(pid).unwrap_err().source.raw_os_error();
        assert_eq!(code(0), Some(EINVAL));
        assert_eq!(code(u32::MAX), Some(EINVAL));
        assert_eq!(code(i32::MAX as u32), Some(ESRCH));
    }
}
