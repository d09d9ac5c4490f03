//! Where a reader begins, and where it goes on after a loss.

use crate::error::EndpointError;
use crate::ring::broadcast::{Gone, Place};
use std::fmt;

/// Where a reader of a broadcast begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Join {
    /// With the next message to be published.
    #[default]
    Newest,
    /// With the oldest message that will not be overwritten at once: at least half of the ring is there.
    Oldest,
    /// With the message of this position, if it is still there or is the next one to be published.
    At(u64),
}

/// Where a lossy reader goes on when messages were overwritten before it read them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Resume {
    /// With the oldest message that will not be overwritten at once. Loses least.
    #[default]
    Oldest,
    /// With the next message to be published. Catches up at once.
    Newest,
}

impl Resume {
    pub(super) fn place(self) -> Place {
        match self {
            Self::Oldest => Place::Oldest,
            Self::Newest => Place::Newest,
        }
    }
}

/// Why a reader could not be attached.
#[derive(Debug)]
#[non_exhaustive]
pub enum JoinError {
    /// Nothing begins at the position asked for, or not any more.
    Gone {
        /// The oldest position there is.
        oldest: u64,
        /// The next one to be published.
        newest: u64,
    },
    /// No place is left, or the ring makes no sense.
    Endpoint(EndpointError),
}

impl fmt::Display for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gone { oldest, newest } => write!(
                f,
                "no message begins at that position: the oldest is at {oldest}, the next will be at {newest}"
            ),
            Self::Endpoint(e) => e.fmt(f),
        }
    }
}

impl std::error::Error for JoinError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Gone { .. } => None,
            Self::Endpoint(e) => e.source(),
        }
    }
}

impl From<EndpointError> for JoinError {
    fn from(e: EndpointError) -> Self {
        Self::Endpoint(e)
    }
}

impl From<Gone> for JoinError {
    fn from(gone: Gone) -> Self {
        Self::Gone {
            oldest: gone.oldest,
            newest: gone.newest,
        }
    }
}
