//! Errors: one small type per operation.
//!
//! Three kinds of wrong. *Expected* outcomes (full, empty, closed) are variants one matches on. *Environment*
//! is an [`OsError`]: the call, the object, the errno, and what to do about it. *Corruption* says whose word
//! was wrong ([`Corrupt`]).

mod outcome;
mod watch;

pub use crate::ring::corrupt::{Corrupt, CorruptWord};
pub use outcome::{
    PopError, PushError, ReadError, TooLong, TryPopError, TryPushError, TryReadError,
};
use std::fmt;
use std::io;
pub use watch::WatchError;

/// A kernel call that failed.
#[derive(Debug)]
pub struct OsError {
    /// The call, by its manual page's name.
    pub op: &'static str,
    /// What it was applied to: a path, a key, a name.
    pub object: String,
    /// The errno.
    pub source: io::Error,
}

impl OsError {
    pub(crate) fn new(op: &'static str, object: impl Into<String>, source: io::Error) -> Self {
        Self {
            op,
            object: object.into(),
            source,
        }
    }

    /// What a person can do about it, where that is known.
    fn advice(&self) -> Option<&'static str> {
        use io::ErrorKind as K;
        Some(match (self.op, self.source.kind()) {
            (_, K::PermissionDenied) => {
                "check the owner and the mode of the ring (--mode at creation), or run as its owner"
            }
            ("mlock", K::OutOfMemory) => "raise the limit on locked memory (ulimit -l)",
            ("shmget (create)", K::OutOfMemory) => "raise kernel.shmall, or ask for a smaller ring",
            ("shmget" | "semget", K::InvalidInput) => {
                "raise kernel.shmmax, or ask for a smaller ring"
            }
            (_, K::StorageFull | K::QuotaExceeded) => {
                "free space there, or ask for a smaller capacity or slot size"
            }
            _ => return None,
        })
    }
}

impl fmt::Display for OsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.op, self.object, self.source)?;
        match self.advice() {
            Some(advice) => write!(f, "; {advice}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for OsError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}

impl fmt::Display for Corrupt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (word, writer) = match self.word {
            CorruptWord::Ready => ("ready word", "a peer"),
            CorruptWord::Record => ("record header", "a peer"),
            CorruptWord::Gate => ("gate", "the consumer's side"),
            CorruptWord::Head => ("head", "the consumer's side"),
            CorruptWord::Tail => ("tail", "the producing side"),
        };
        write!(
            f,
            "the {word} at position {} holds {:#x}, which no honest peer stores; {writer} damaged it",
            self.position, self.found
        )
    }
}

impl std::error::Error for Corrupt {}

/// What a thing is that was expected to be a ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NotARing {
    /// A named pipe.
    Fifo,
    /// A directory.
    Directory,
    /// A symbolic link. Links are never followed.
    Symlink,
    /// A socket.
    Socket,
    /// A device node.
    Device,
    /// Something else that is not a regular file.
    Other,
    /// Shorter than the smallest ring. The number is its size in bytes.
    TooShort(u64),
    /// It does not begin with the magic number.
    NoMagic,
    /// A memfd that its sender can still shrink or grow.
    NotSealed,
}

impl fmt::Display for NotARing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fifo => f.write_str("a FIFO"),
            Self::Directory => f.write_str("a directory"),
            Self::Symlink => f.write_str("a symbolic link, and links are not followed"),
            Self::Socket => f.write_str("a socket"),
            Self::Device => f.write_str("a device"),
            Self::Other => f.write_str("not a regular file"),
            Self::TooShort(bytes) => write!(f, "too short ({bytes} bytes)"),
            Self::NoMagic => f.write_str("without a ring's magic number"),
            Self::NotSealed => f.write_str("a memfd that is not sealed against shrinking"),
        }
    }
}

/// Why a ring was not created.
#[derive(Debug)]
#[non_exhaustive]
pub enum CreateError {
    /// Something of that name exists already.
    Exists {
        /// The name, path or key.
        name: String,
    },
    /// There is not enough memory or disk for the whole ring. Nothing was left behind.
    NoSpace {
        /// What the ring needs, in bytes.
        wanted_bytes: u64,
        /// The call that found out.
        cause: OsError,
    },
    /// An option, or a combination of options, that cannot be.
    InvalidOption {
        /// Which.
        option: &'static str,
        /// The rule it breaks.
        rule: String,
    },
    /// The kernel refused.
    Os(OsError),
}

/// Why a ring was not opened.
#[derive(Debug)]
#[non_exhaustive]
pub enum OpenError {
    /// Nothing has that name.
    NotFound {
        /// The name, path or key.
        name: String,
    },
    /// Something has that name, but it is not a ring.
    NotARing {
        /// The name, path or key.
        name: String,
        /// What it is.
        found: NotARing,
    },
    /// A ring whose creator has not finished, or died before it did.
    Unfinished {
        /// The name, path or key.
        name: String,
    },
    /// A ring, but another one than asked for, or a damaged one.
    Mismatch {
        /// The field that differs.
        field: &'static str,
        /// What was asked for, or the rule.
        expected: String,
        /// What the ring says.
        found: String,
    },
    /// An option that cannot be.
    InvalidOption {
        /// Which.
        option: &'static str,
        /// The rule it breaks.
        rule: String,
    },
    /// The kernel refused.
    Os(OsError),
}

/// Why [`Options::open_or_create`](crate::Options::open_or_create) gave no ring.
#[derive(Debug)]
#[non_exhaustive]
pub enum OpenOrCreateError {
    /// There was one, and opening it failed.
    Open(OpenError),
    /// There was none, and creating it failed.
    Create(CreateError),
}

/// Why an endpoint was not given out.
#[derive(Debug)]
#[non_exhaustive]
pub enum EndpointError {
    /// A living process holds this end.
    Occupied {
        /// The process that says it does; for people only.
        pid: u32,
    },
    /// Every one of the ring's places on that side is held by a living process, or by a dead one whose last claim
    /// nobody has cleared away yet.
    NoPlace {
        /// How many there are.
        places: u32,
    },
    /// This end was closed for good.
    Closed,
    /// The words in the ring make no sense.
    Corrupt(Corrupt),
    /// The kernel refused.
    Os(OsError),
}

/// Why a ring was not repaired, or not altogether. What was done until then is done for good.
#[derive(Debug)]
#[non_exhaustive]
pub enum RepairError {
    /// There is no such ring.
    Open(OpenError),
    /// The words in the ring make no sense.
    Corrupt(Corrupt),
    /// The kernel refused, or did not say who is alive.
    Os(OsError),
}

impl fmt::Display for CreateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exists { name } => {
                write!(
                    f,
                    "{name} exists already; open it, remove it, or take another name"
                )
            }
            Self::NoSpace {
                wanted_bytes,
                cause,
            } => {
                write!(f, "no space for a ring of {wanted_bytes} bytes: {cause}")
            }
            Self::InvalidOption { option, rule } => write!(f, "{option}: must be {rule}"),
            Self::Os(e) => e.fmt(f),
        }
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFound { name } => write!(f, "no ring is named {name}"),
            Self::NotARing { name, found } => write!(f, "{name} is not a ring: it is {found}"),
            Self::Unfinished { name } => {
                write!(
                    f,
                    "{name} is unfinished: its creator is still at work, or died; remove it"
                )
            }
            Self::Mismatch {
                field,
                expected,
                found,
            } => write!(
                f,
                "another ring than asked for: {field} is {found}, not {expected}"
            ),
            Self::InvalidOption { option, rule } => write!(f, "{option}: must be {rule}"),
            Self::Os(e) => e.fmt(f),
        }
    }
}

impl fmt::Display for OpenOrCreateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open(e) => e.fmt(f),
            Self::Create(e) => e.fmt(f),
        }
    }
}

impl fmt::Display for EndpointError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Occupied { pid } => write!(f, "process {pid} holds this end of the ring"),
            Self::NoPlace { places } => {
                write!(
                    f,
                    "all {places} places on this side are taken, or something their dead owners left was not cleared away yet"
                )
            }
            Self::Closed => {
                f.write_str("the ring was closed for good; unlink it to begin a new one")
            }
            Self::Corrupt(e) => e.fmt(f),
            Self::Os(e) => e.fmt(f),
        }
    }
}

impl fmt::Display for RepairError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open(e) => e.fmt(f),
            Self::Corrupt(e) => e.fmt(f),
            Self::Os(e) => e.fmt(f),
        }
    }
}

impl std::error::Error for CreateError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::NoSpace { cause, .. } => cause.source(),
            Self::Os(e) => e.source(),
            _ => None,
        }
    }
}

impl std::error::Error for OpenError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Os(e) => e.source(),
            _ => None,
        }
    }
}

impl std::error::Error for OpenOrCreateError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Open(e) => e.source(),
            Self::Create(e) => e.source(),
        }
    }
}

impl std::error::Error for EndpointError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Os(e) => e.source(),
            _ => None,
        }
    }
}

impl std::error::Error for RepairError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Open(e) => e.source(),
            Self::Corrupt(_) => None,
            Self::Os(e) => e.source(),
        }
    }
}

impl From<OsError> for CreateError {
    fn from(e: OsError) -> Self {
        Self::Os(e)
    }
}
impl From<OsError> for OpenError {
    fn from(e: OsError) -> Self {
        Self::Os(e)
    }
}
impl From<OsError> for EndpointError {
    fn from(e: OsError) -> Self {
        Self::Os(e)
    }
}
impl From<Corrupt> for EndpointError {
    fn from(e: Corrupt) -> Self {
        Self::Corrupt(e)
    }
}
impl From<OpenError> for RepairError {
    fn from(e: OpenError) -> Self {
        Self::Open(e)
    }
}
impl From<Corrupt> for RepairError {
    fn from(e: Corrupt) -> Self {
        Self::Corrupt(e)
    }
}
impl From<OsError> for RepairError {
    fn from(e: OsError) -> Self {
        Self::Os(e)
    }
}
impl From<OpenError> for OpenOrCreateError {
    fn from(e: OpenError) -> Self {
        Self::Open(e)
    }
}
impl From<CreateError> for OpenOrCreateError {
    fn from(e: CreateError) -> Self {
        Self::Create(e)
    }
}
