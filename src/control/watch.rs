//! Being told of a process's death at once.

use crate::error::{OsError, WatchError};
use crate::os::{clock, pidfd};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Instant;

/// A process that is watched: for supervisors, and for peers that were handed a pidfd.
///
/// It never decides who holds an end of a ring: the kernel's locks and semaphores do, and endpoints ask for them by
/// themselves. It is for whoever wants to know *at once*, without waiting in a ring, and then does what is to be done:
/// looks at [`Ring::status`](crate::Ring::status), takes the end that has become free, starts a successor. When a
/// watch says that a process has died, the kernel has already taken back everything that the process held, unless
/// somebody has a copy of it (see the crate's page on [forks](crate#forks)).
///
/// Closing a watch changes nothing for the process. Any number of watches may look at one process, from any process.
///
/// ```
/// use annulus::Watch;
/// use std::time::{Duration, Instant};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let mut worker = std::process::Command::new("sleep").arg("60").spawn()?;
/// let watch = Watch::process(worker.id())?;
/// assert!(!watch.has_died()?);
/// worker.kill()?;
/// assert!(watch.wait_until(Instant::now() + Duration::from_secs(10))?);
/// # worker.wait()?;
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct Watch {
    pidfd: OwnedFd,
}

impl Watch {
    /// Watches the process `pid`, as this process's pid namespace counts.
    ///
    /// Numbers are given out again: unless `pid` is a child that was not waited for yet, it may be another process by
    /// now. Where that matters, have the pidfd handed over instead ([`from_pidfd`](Watch::from_pidfd)).
    ///
    /// # Errors
    /// [`WatchError::NoSuchProcess`], also for 0 and for numbers beyond 2^31; [`WatchError::Unsupported`] where the
    /// kernel has no pidfds (Linux before 5.3) or a filter hides them.
    pub fn process(pid: u32) -> Result<Self, WatchError> {
        match pidfd::open(pid) {
            Ok(pidfd) => Ok(Self { pidfd }),
            Err(e) => Err(match e.source.raw_os_error() {
                Some(pidfd::ESRCH | pidfd::EINVAL) => WatchError::NoSuchProcess { pid },
                Some(pidfd::ENOSYS) => WatchError::Unsupported,
                _ => WatchError::Os(e),
            }),
        }
    }

    /// Watches the process of a pidfd, as it comes from `pidfd_open`, from `clone3`, or over a Unix socket (`SCM_RIGHTS`,
    /// `SO_PEERPIDFD`).
    ///
    /// # Errors
    /// [`WatchError::NotAPidfd`] for any other descriptor, which is closed; [`WatchError::Os`] if the kernel does not
    /// tell (Linux before 5.4).
    pub fn from_pidfd(pidfd: OwnedFd) -> Result<Self, WatchError> {
        match pidfd::is_one(pidfd.as_fd()) {
            Ok(true) => Ok(Self { pidfd }),
            Ok(false) => Err(WatchError::NotAPidfd),
            Err(e) => Err(WatchError::Os(e)),
        }
    }

    /// Whether the process has died: all of its threads have ended, and what it held was taken back. Whether its
    /// parent has waited for it does not matter. Never waits.
    ///
    /// # Errors
    /// When the kernel does not answer.
    pub fn has_died(&self) -> Result<bool, OsError> {
        pidfd::has_ended_by(self.pidfd.as_fd(), 0)
    }

    /// Sleeps until the process has died, `true`, or until `deadline`, `false`. A deadline that has passed is a look.
    ///
    /// # Errors
    /// When the kernel does not answer.
    pub fn wait_until(&self, deadline: Instant) -> Result<bool, OsError> {
        let left = deadline
            .saturating_duration_since(Instant::now())
            .as_nanos();
        let left_ns = u64::try_from(left).unwrap_or(u64::MAX);
        let at_ns = clock::monotonic_ns().saturating_add(left_ns);
        pidfd::has_ended_by(self.pidfd.as_fd(), at_ns)
    }
}

/// To be polled together with other descriptors: it becomes readable (`POLLIN`) when the process has died, and stays so.
/// There is nothing to be read from it.
impl AsFd for Watch {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }
}
