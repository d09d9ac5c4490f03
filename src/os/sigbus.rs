//! SIGBUS on a ring's lost pages, survived: zero pages are put in their place. Only if the program asked for it.
//!
//! The handler does what may be done in the middle of anything: it reads atomics, makes system calls and calls the
//! handler that was there before it. A fault that is not in a ring of this process is passed on.

use super::{ranges, retry};
use crate::error::OsError;
use crate::sync::{AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

/// Pages of the other size that shared memory can have.
const HUGE: usize = 2 << 20;

/// What was to be done about SIGBUS before. Set before the handler can run.
static BEFORE: OnceLock<libc::sigaction> = OnceLock::new();
/// Size of a page. Set before the handler can run.
static PAGE: AtomicU64 = AtomicU64::new(4096);

/// Installs the handler, once; the first call in a process decides.
pub(crate) fn install() -> Result<(), OsError> {
    static ONE: Mutex<()> = Mutex::new(());
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    if is_installed() {
        return Ok(());
    }
    let failed = |e| OsError::new("sigaction", "SIGBUS", e);
    // SAFETY: takes an integer.
    let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    // Relaxed: the handler is installed by a system call after this.
    PAGE.store(u64::try_from(page).unwrap_or(4096), Ordering::Relaxed);
    let before = exchange(None).map_err(failed)?;
    let before = BEFORE.get_or_init(|| before);
    let mut ours = *before;
    ours.sa_sigaction = on_sigbus as *const () as usize;
    // What was blocked while the old handler ran is so while it runs on our behalf.
    ours.sa_flags = before.sa_flags & (libc::SA_NODEFER | libc::SA_RESTART);
    ours.sa_flags |= libc::SA_SIGINFO | libc::SA_ONSTACK;
    exchange(Some(&ours)).map(|_| ()).map_err(failed)
}

/// Whether [`install`] was called, and did it.
pub(crate) fn is_installed() -> bool {
    BEFORE.get().is_some()
}

/// Says what is to be done about SIGBUS, if anything new; gives what was to be done.
fn exchange(new: Option<&libc::sigaction>) -> std::io::Result<libc::sigaction> {
    // SAFETY: integers, a set of bits and an optional function, for all of which zero is a value.
    let mut old: libc::sigaction = unsafe { std::mem::zeroed() };
    let new = new.map_or(std::ptr::null(), std::ptr::from_ref);
    // SAFETY: both are live or null; a handler that is given stays valid for ever.
    retry(|| unsafe { libc::sigaction(libc::SIGBUS, new, &mut old) })?;
    Ok(old)
}

/// The handler.
extern "C" fn on_sigbus(signal: i32, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    // SAFETY: this thread's errno, which is there as long as the thread is.
    let errno = unsafe { *libc::__errno_location() };
    // SAFETY: the kernel gives a handler with SA_SIGINFO a filled structure; of SIGBUS it has an address.
    let (code, address) = unsafe { ((*info).si_code, (*info).si_addr() as usize) };
    // The only reason that is ours: no memory behind a mapped address. One that was sent has no address.
    if code != libc::BUS_ADRERR || !is_mended(address) {
        pass_on(signal, code, info, context);
    }
    // SAFETY: as above.
    unsafe { *libc::__errno_location() = errno };
}

/// Puts zeros where `address` is, if that is in a ring. Another thread may do the same at once: then what the first has
/// stored there meanwhile is lost, as it may be at any time to a peer that stores zeros.
fn is_mended(address: usize) -> bool {
    let Some(ring) = ranges::find(address) else {
        return false;
    };
    // Relaxed: stored before this handler was installed.
    let page = PAGE.load(Ordering::Relaxed) as usize;
    let mended = [page, HUGE].into_iter().any(|size| {
        let first = address & !(size - 1);
        // The mapping ends with its last page, and nothing of another mapping is on that.
        let end = ring.start + ring.len.next_multiple_of(size);
        first >= ring.start && first + size <= end && is_zeroed(first, size, ring.writable)
    });
    if mended {
        ranges::note_loss(&ring);
    }
    mended
}

/// Maps zeros at `first`, which is in a mapping of this process.
fn is_zeroed(first: usize, len: usize, writable: bool) -> bool {
    let prot = if writable {
        libc::PROT_READ | libc::PROT_WRITE
    } else {
        libc::PROT_READ
    };
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED;
    // SAFETY: replaces whole pages of a ring's mapping, which its owner keeps while somebody accesses it, and the thread
    // that faulted does. No references to its bytes exist but atomics, and it stays readable and writable as it was.
    let at = unsafe { libc::syscall(libc::SYS_mmap, first, len, prot, flags, -1, 0) };
    at == first as libc::c_long
}

/// Does what would have been done without this handler.
fn pass_on(signal: i32, code: i32, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    let before = BEFORE
        .get()
        .filter(|before| before.sa_sigaction != libc::SIG_DFL);
    // Sent by a process, and not the fault of an instruction, which would come again.
    let sent = code <= 0;
    let Some(before) = before else {
        return by_default(signal);
    };
    if before.sa_sigaction == libc::SIG_IGN {
        // Faults cannot be ignored.
        if !sent {
            by_default(signal);
        }
        return;
    }
    if before.sa_flags & libc::SA_SIGINFO != 0 {
        // SAFETY: with this flag the number is the address of a function of this signature, which the program gave.
        let handler: extern "C" fn(i32, *mut libc::siginfo_t, *mut libc::c_void) =
            unsafe { std::mem::transmute(before.sa_sigaction) };
        handler(signal, info, context);
    } else {
        // SAFETY: without the flag the number is the address of a function of this signature, which the program gave.
        let handler: extern "C" fn(i32) = unsafe { std::mem::transmute(before.sa_sigaction) };
        handler(signal);
    }
    // The handler of Rust's runtime leaves the rest to the default action, which follows a fault by itself.
    if sent && exchange(None).is_ok_and(|now| now.sa_sigaction == libc::SIG_DFL) {
        by_default(signal);
    }
}

/// Ends the process, as soon as the handler returns.
fn by_default(signal: i32) {
    // SAFETY: integers, a set of bits and an optional function, for all of which zero is a value: the default.
    let default: libc::sigaction = unsafe { std::mem::zeroed() };
    let _ = exchange(Some(&default));
    // SAFETY: an integer. The signal is blocked until the handler returns.
    unsafe { libc::raise(signal) };
}
