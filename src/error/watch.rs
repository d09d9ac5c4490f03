//! Why a process is not watched.

use super::OsError;
use std::fmt;

/// Why there is no [`Watch`](crate::Watch).
#[derive(Debug)]
#[non_exhaustive]
pub enum WatchError {
    /// The descriptor is of something else than a process.
    NotAPidfd,
    /// No process has this number, as this process's pid namespace counts.
    NoSuchProcess {
        /// The number that was asked for.
        pid: u32,
    },
    /// This kernel has no pidfds.
    Unsupported,
    /// The kernel refused.
    Os(OsError),
}

impl fmt::Display for WatchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAPidfd => f.write_str("the descriptor is not one of a process"),
            Self::NoSuchProcess { pid } => write!(f, "there is no process {pid}"),
            Self::Unsupported => f.write_str("this kernel cannot watch processes (no pidfd_open)"),
            Self::Os(e) => e.fmt(f),
        }
    }
}

impl std::error::Error for WatchError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Os(e) => e.source(),
            _ => None,
        }
    }
}
