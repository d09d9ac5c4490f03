//! The kernel where std has nothing: stop signals that a stream can clean up after, and waiting for a descriptor.
//!
//! Invariant: signal handlers touch one atomic and call `alarm` and `_exit` only.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::Duration;

/// The first stop signal that came; 0 for none.
static STOP: AtomicI32 = AtomicI32::new(0);

extern "C" fn on_stop(signal: libc::c_int) {
    // Relaxed: one word, nothing is published with it.
    if STOP.swap(signal, Ordering::Relaxed) != 0 {
        // SAFETY: `_exit` is async-signal-safe. The second signal means now.
        unsafe { libc::_exit(128 + signal) };
    }
    // SAFETY: `alarm` is async-signal-safe and touches no memory of ours.
    unsafe { libc::alarm(1) };
}

/// A stop signal may come between the last look at `STOP` and a blocking call. The alarm interrupts that call.
extern "C" fn on_alarm(_signal: libc::c_int) {
    // SAFETY: as in `on_stop`.
    unsafe { libc::alarm(1) };
}

fn handle(signal: libc::c_int, handler: extern "C" fn(libc::c_int)) {
    // SAFETY: sigaction is plain numbers and pointers; all-zero is valid: no flags (so no SA_RESTART), empty mask.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = handler as libc::sighandler_t;
    // SAFETY: as above.
    let mut before: libc::sigaction = unsafe { std::mem::zeroed() };
    // SAFETY: both structs are live; the handler has the signature that no SA_SIGINFO asks for.
    unsafe { libc::sigaction(signal, &action, &mut before) };
    if before.sa_sigaction == libc::SIG_IGN {
        // Started by nohup, or in the background of a plain shell: stays ignored.
        // SAFETY: `before` is what the kernel has just written.
        unsafe { libc::sigaction(signal, &before, std::ptr::null_mut()) };
    }
}

/// From now on SIGINT, SIGTERM and SIGHUP are noted instead of ending the process, and interrupt blocking calls. A
/// second one ends it at once.
pub fn catch_stop_signals() {
    for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP] {
        handle(signal, on_stop);
    }
    handle(libc::SIGALRM, on_alarm);
}

/// The stop signal that came, if one did.
pub fn stop_signal() -> Option<i32> {
    // Relaxed: as in `on_stop`.
    Some(STOP.load(Ordering::Relaxed)).filter(|&signal| signal != 0)
}

/// What to wait for on a descriptor.
#[derive(Clone, Copy, Debug)]
pub enum Wish {
    /// Reading would not block.
    Read,
    /// Writing something would not block.
    Write,
}

/// Whether `fd` is ready, or becomes so within `limit`. Errors and hang-ups count as ready: the read or write says what
/// they are. A signal counts as not ready.
pub fn is_ready(fd: BorrowedFd<'_>, wish: Wish, limit: Duration) -> io::Result<bool> {
    let mut entry = libc::pollfd {
        fd: fd.as_raw_fd(),
        events: match wish {
            Wish::Read => libc::POLLIN,
            Wish::Write => libc::POLLOUT,
        },
        revents: 0,
    };
    let limit_ms = libc::c_int::try_from(limit.as_millis()).unwrap_or(libc::c_int::MAX);
    // SAFETY: `entry` is one live, writable pollfd.
    match unsafe { libc::poll(&mut entry, 1, limit_ms) } {
        -1 => match io::Error::last_os_error() {
            e if e.kind() == io::ErrorKind::Interrupted => Ok(false),
            e => Err(e),
        },
        ready => Ok(ready > 0),
    }
}
