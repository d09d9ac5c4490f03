//! The guard against rings that lose their memory.
//!
//! A ring in a file or in `/dev/shm` can be truncated by whoever may write it. Touching what is missing is then a
//! SIGBUS, which ends the process. A sealed memfd cannot be truncated, and a System V segment has no size that could be
//! changed: where they will do, use them, and no guard is needed.
//!
//! Nothing of this happens unless [`install`] is called.

use crate::error::OsError;
use crate::os::sigbus;

/// Installs a handler for SIGBUS that keeps this process alive when memory of one of its rings is gone.
///
/// If the address of a fault lies in a mapping of a ring, the handler puts a page of zeros in its place, private to
/// this process, and the access goes on. What then reads the zeros takes them for what a peer has stored: it finds the
/// ring empty or corrupt, or itself in the wrong place. [`Ring::is_damaged`](crate::Ring::is_damaged) says so from then
/// on, and every wait on that ring ends with `PeerDied`, at the pace at which the peer's life is asked about (100 ms at
/// most), if it did not find something else before. Nothing that is pushed into such a ring reaches anybody: let go of
/// it and make another one.
///
/// Any other SIGBUS goes to the handler that was there before, or is the end of the process if there was none.
///
/// # What it does to the process
/// * It replaces the action for SIGBUS, for all threads, for good. Whoever installs a handler later, and does not call
///   this one for what is not its own, has taken the guard out.
/// * The handler runs on the alternate stack of its thread if it has one. The signals that were blocked while the old
///   handler ran are blocked while it runs.
/// * It calls no function of the C library but for errno and system calls, takes no lock and allocates nothing.
/// * It covers rings that were opened before and after it was installed, in this process and in children that inherit
///   them ([`Backing::Anon`](crate::Backing::Anon)), and also those of trusting endpoints; but those have a contract that
///   forbids truncation, because references into the ring would see it.
///
/// # Limits
/// * A thread that has blocked SIGBUS is killed by the fault.
/// * Named semaphores ([`WaitBackend::Semaphore`](crate::WaitBackend::Semaphore)) are mapped by the C library and not
///   covered. System V segments are not covered: they cannot be truncated.
/// * What the kernel finds missing inside a system call is an error of that call and no signal.
/// * Each lost page is one signal and one mapping; `vm.max_map_count` bounds them.
///
/// # Errors
/// When the kernel refuses. Calling it again does nothing.
///
/// ```
/// # fn main() -> Result<(), annulus::OsError> {
/// annulus::guard::install()?;
/// assert!(annulus::guard::is_installed());
/// # Ok(()) }
/// ```
pub fn install() -> Result<(), OsError> {
    sigbus::install()
}

/// Whether [`install`] was called in this process, or before the fork that made it.
pub fn is_installed() -> bool {
    sigbus::is_installed()
}
