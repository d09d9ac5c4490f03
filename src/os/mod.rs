//! The kernel, one file per facility. The only place in this crate that names `libc`.
//!
//! What this layer is: thin, typed wrappers. Each function makes one kernel call (or the one call
//! and its one documented fallback), keeps the errno, and says in plain types what came back.
//!
//! What it never does: it knows no protocol and no wire format, it takes no policy decision (which
//! owner, which mode, which wait), it starts no thread, installs no signal handler (but for `sigbus`, when
//! the program asks for it), writes no log, and it never retries in a loop, except after `EINTR` and around
//! forks (`unshared`).
//!
//! Invariants: every descriptor is close-on-exec; every deadline is absolute `CLOCK_MONOTONIC`
//! nanoseconds; every error is an [`OsError`](crate::error::OsError) that names the operation and
//! the object; nothing here makes a Rust reference to memory that another process can write,
//! other than the atomics that callers pass in.

pub(crate) mod clock;
pub(crate) mod file;
pub(crate) mod futex;
pub(crate) mod locks;
pub(crate) mod membarrier;
pub(crate) mod memfd;
pub(crate) mod mmap;
pub(crate) mod pause;
pub(crate) mod pidfd;
pub(crate) mod posix_sem;
pub(crate) mod process;
pub(crate) mod random;
pub(crate) mod ranges;
mod register;
pub(crate) mod sigbus;
pub(crate) mod sysv_sem;
pub(crate) mod sysv_shm;
pub(crate) mod unshared;

#[cfg(test)]
pub(crate) mod testing;

use std::ffi::{CStr, CString};
use std::io;
use std::path::Path;

/// The errno of an object that was removed while it was in use.
pub(crate) const EIDRM: i32 = libc::EIDRM;

/// Runs one call that reports failure as -1 with errno, again after each `EINTR`.
///
/// The errno is read at once, before anything else can disturb it.
fn retry<T: PartialEq + From<i8>>(mut call: impl FnMut() -> T) -> io::Result<T> {
    loop {
        let result = call();
        if result != T::from(-1) {
            return Ok(result);
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
}

/// The error value for an errno that this layer found out by itself.
fn errno(code: i32) -> io::Error {
    io::Error::from_raw_os_error(code)
}

/// A path as the kernel wants it. `EINVAL` if it contains a zero byte.
fn c_path(path: &Path) -> io::Result<CString> {
    use std::os::unix::ffi::OsStrExt;
    CString::new(path.as_os_str().as_bytes()).map_err(|_| errno(libc::EINVAL))
}

/// A name as the kernel wants it. `EINVAL` if it contains a zero byte.
fn c_name(name: &str) -> io::Result<CString> {
    CString::new(name).map_err(|_| errno(libc::EINVAL))
}

/// Opens `path` with exactly these flags. `O_CLOEXEC` is added. `mode` counts when a file is made.
fn open(path: &CStr, flags: i32, mode: u32) -> io::Result<std::os::fd::OwnedFd> {
    use std::os::fd::FromRawFd;
    // SAFETY: `path` is a live zero-terminated string; the kernel only reads it.
    let fd = retry(|| unsafe { libc::open(path.as_ptr(), flags | libc::O_CLOEXEC, mode) })?;
    // SAFETY: `open` has just returned this descriptor, so nobody else owns it.
    Ok(unsafe { std::os::fd::OwnedFd::from_raw_fd(fd) })
}
