//! Locks on single bytes of a file that die with their holder.
//!
//! Open-file-description locks: owned by a description (what `open` makes), not by a process or
//! a thread. They are released when the last copy of the descriptor is closed, also by SIGKILL.
//! Copies, from dup, from fork or passed over a socket, share the lock and keep it alive: take it
//! on a private, close-on-exec description ([`file::reopen`]) that forked children do not keep
//! (`unshared`), and hand that to nobody.
//!
//! The bytes need not exist: any offset up to `i64::MAX` will do. Locks do not touch the contents.
//! Locking needs a descriptor open for writing (`EBADF` otherwise). Two handles of one process
//! exclude each other like strangers do; the same description never excludes itself.
//!
//! POSIX record locks are never used: they vanish when any descriptor of the file is closed.

use super::{errno, file, retry};
use crate::error::OsError;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

/// Takes the byte if nobody else has it. False: another description has it.
/// True also if this description has it already.
pub(crate) fn try_lock(fd: BorrowedFd<'_>, offset: u64) -> Result<bool, OsError> {
    let locked = one_byte(offset).and_then(|lock| {
        // SAFETY: a borrowed descriptor and a live flock, which the kernel only reads.
        retry(|| unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_OFD_SETLK, &lock) })
    });
    match locked {
        Ok(_) => Ok(true),
        Err(e) if matches!(e.raw_os_error(), Some(libc::EAGAIN | libc::EACCES)) => Ok(false),
        Err(e) => Err(OsError::new("fcntl (F_OFD_SETLK)", file::shown_fd(fd), e)),
    }
}

/// Gives the byte back, also while copies of the descriptor are still open somewhere. Success also if this
/// description did not have it.
pub(crate) fn unlock(fd: BorrowedFd<'_>, offset: u64) -> Result<(), OsError> {
    let unlocked = one_byte(offset).and_then(|mut lock| {
        lock.l_type = libc::F_UNLCK as libc::c_short;
        // SAFETY: a borrowed descriptor and a live flock, which the kernel only reads.
        retry(|| unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_OFD_SETLK, &lock) })
    });
    unlocked
        .map(|_| ())
        .map_err(|e| OsError::new("fcntl (F_OFD_SETLK)", file::shown_fd(fd), e))
}

/// True if another description, of any process, has the byte now. The own lock does not count.
pub(crate) fn locked_by_other(fd: BorrowedFd<'_>, offset: u64) -> Result<bool, OsError> {
    let asked = one_byte(offset).and_then(|mut lock| {
        // SAFETY: a borrowed descriptor and a live flock, which the kernel overwrites.
        retry(|| unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_OFD_GETLK, &mut lock) })?;
        Ok(lock.l_type != libc::F_UNLCK as libc::c_short)
    });
    asked.map_err(|e| OsError::new("fcntl (F_OFD_GETLK)", file::shown_fd(fd), e))
}

/// The request for one byte, for oneself alone. `EINVAL` beyond `i64::MAX`.
fn one_byte(offset: u64) -> io::Result<libc::flock> {
    // SAFETY: a flock is plain integers, for which zero is a value. `l_pid` has to be zero.
    let mut lock: libc::flock = unsafe { core::mem::zeroed() };
    lock.l_type = libc::F_WRLCK as libc::c_short;
    lock.l_whence = libc::SEEK_SET as libc::c_short;
    lock.l_start = libc::off_t::try_from(offset).map_err(|_| errno(libc::EINVAL))?;
    lock.l_len = 1;
    Ok(lock)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::os::memfd;
    use crate::os::testing::{Child, eventually};
    use std::os::fd::{AsFd, OwnedFd};

    const FAR: u64 = 1 << 62;

    fn file_and_private() -> (OwnedFd, OwnedFd) {
        let fd = memfd::create("annulus-lock-test", false).unwrap();
        let private = file::reopen(fd.as_fd()).unwrap();
        (fd, private)
    }

    #[test]
    fn a_lock_is_seen_through_another_description_and_not_through_its_own() {
        let (a, b) = file_and_private();
        assert!(try_lock(a.as_fd(), FAR).unwrap());
        assert!(try_lock(a.as_fd(), FAR).unwrap(), "one's own lock again");
        assert!(locked_by_other(b.as_fd(), FAR).unwrap());
        assert!(!locked_by_other(a.as_fd(), FAR).unwrap());
        assert!(!try_lock(b.as_fd(), FAR).unwrap());
        for neighbour in [FAR - 1, FAR + 1] {
            assert!(!locked_by_other(b.as_fd(), neighbour).unwrap());
            assert!(try_lock(b.as_fd(), neighbour).unwrap());
        }
    }

    #[test]
    fn closing_the_description_releases_the_byte() {
        let (a, b) = file_and_private();
        assert!(try_lock(a.as_fd(), FAR).unwrap());
        assert!(!try_lock(b.as_fd(), FAR).unwrap());
        drop(a);
        eventually("closing releases", || {
            !locked_by_other(b.as_fd(), FAR).unwrap()
        });
        assert!(try_lock(b.as_fd(), FAR).unwrap());
    }

    #[test]
    fn closing_an_unrelated_descriptor_of_the_file_keeps_the_lock() {
        let (a, b) = file_and_private();
        assert!(try_lock(a.as_fd(), FAR).unwrap());
        drop(file::reopen(a.as_fd()).unwrap());
        assert!(locked_by_other(b.as_fd(), FAR).unwrap());
    }

    #[test]
    fn unlocking_releases_the_byte_while_copies_of_the_descriptor_live_on() {
        let (a, b) = file_and_private();
        assert!(try_lock(a.as_fd(), FAR).unwrap());
        let copy = a.try_clone().unwrap();
        unlock(a.as_fd(), FAR).unwrap();
        drop(a);
        assert!(!locked_by_other(b.as_fd(), FAR).unwrap());
        drop(copy);
    }

    #[test]
    fn a_killed_process_releases_its_lock() {
        let dir = crate::os::testing::TempDir::new("ofd");
        let path = dir.path().join("ring");
        std::fs::write(&path, b"").unwrap();
        let child = Child::that(|| {
            let Ok(own) = file::open_existing(&path, true) else {
                return false;
            };
            let locked = try_lock(own.as_fd(), FAR).unwrap_or(false);
            core::mem::forget(own);
            locked
        });
        let fd = file::open_existing(&path, true).unwrap();
        assert!(locked_by_other(fd.as_fd(), FAR).unwrap());
        assert!(!try_lock(fd.as_fd(), FAR).unwrap());
        child.kill();
        eventually("death releases", || {
            !locked_by_other(fd.as_fd(), FAR).unwrap()
        });
        assert!(try_lock(fd.as_fd(), FAR).unwrap());
    }

    #[test]
    fn a_read_only_descriptor_may_ask_but_not_lock() {
        let (a, _) = file_and_private();
        let path = std::path::PathBuf::from(format!("/proc/self/fd/{}", a.as_raw_fd()));
        let reader = OwnedFd::from(std::fs::File::open(path).unwrap());
        assert!(!locked_by_other(reader.as_fd(), FAR).unwrap());
        assert!(try_lock(a.as_fd(), FAR).unwrap());
        assert!(locked_by_other(reader.as_fd(), FAR).unwrap());
        let refused = try_lock(reader.as_fd(), FAR).unwrap_err();
        assert_eq!(refused.source.raw_os_error(), Some(libc::EBADF));
        let refused = try_lock(a.as_fd(), u64::MAX).unwrap_err();
        assert_eq!(refused.source.raw_os_error(), Some(libc::EINVAL));
    }
}
