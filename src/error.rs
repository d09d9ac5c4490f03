//! Errors: one small type per operation.
//!
//! Three kinds of wrong. *Expected* outcomes (full, empty, closed) are variants one matches on. *Environment*
//! is an [`OsError`]: the call, the object, the errno, and what to do about it. *Corruption* says whose word
//! was wrong ([`Corrupt`]).

pub use crate::ring::corrupt::{Corrupt, CorruptWord};
use std::fmt;
use std::io;

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

/// A record longer than its ring takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLong {
    /// Its length in bytes.
    pub len: usize,
    /// The longest that the ring takes, in bytes.
    pub max: usize,
}

/// Why [`try_push`](crate::Producer::try_push) or [`try_claim`](crate::Producer::try_claim) gave nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TryPushError {
    /// There is no room.
    Full,
    /// The record can never fit. Rings of records only.
    TooLong(TooLong),
    /// The consumer has closed.
    Closed,
    /// The words in the ring make no sense.
    Corrupt(Corrupt),
}

/// Why [`push`](crate::Producer::push) or [`claim`](crate::Producer::claim) gave up waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PushError {
    /// The consumer has closed.
    Closed,
    /// The consumer died and the ring is full. A successor may still come.
    PeerDied,
    /// The deadline passed.
    TimedOut,
    /// The record can never fit. Rings of records only.
    TooLong(TooLong),
    /// The words in the ring make no sense.
    Corrupt(Corrupt),
}

/// Why [`try_pop`](crate::Consumer::try_pop) or [`try_sample`](crate::Consumer::try_sample) gave nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TryPopError {
    /// No message is there.
    Empty,
    /// The producer has closed and everything was drained.
    Closed,
    /// The words in the ring make no sense.
    Corrupt(Corrupt),
}

/// Why [`pop`](crate::Consumer::pop) or [`sample`](crate::Consumer::sample) gave up waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PopError {
    /// The producer has closed and everything was drained.
    Closed,
    /// The producer died and everything it committed was drained. A successor may still come.
    PeerDied,
    /// The deadline passed.
    TimedOut,
    /// The words in the ring make no sense.
    Corrupt(Corrupt),
}

/// Why [`try_read`](crate::Reader::try_read) gave nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TryReadError {
    /// Every message that was published was read.
    Empty,
    /// Exactly so many messages were overwritten before they were read. The next call goes on behind them.
    Lost(u64),
    /// The producer has closed and everything was read.
    Closed,
    /// The words in the ring make no sense.
    Corrupt(Corrupt),
}

/// Why [`read`](crate::Reader::read) gave no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadError {
    /// Exactly so many messages were overwritten before they were read. The next call goes on behind them.
    Lost(u64),
    /// The producer has closed and everything was read.
    Closed,
    /// The producer died and everything it published was read. A successor may still come.
    PeerDied,
    /// The deadline passed.
    TimedOut,
    /// The words in the ring make no sense.
    Corrupt(Corrupt),
}

impl fmt::Display for TooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { len, max } = self;
        write!(
            f,
            "a record of {len} bytes is longer than the {max} that this ring takes"
        )
    }
}

impl std::error::Error for TooLong {}

impl From<TooLong> for TryPushError {
    fn from(e: TooLong) -> Self {
        Self::TooLong(e)
    }
}
impl From<TooLong> for PushError {
    fn from(e: TooLong) -> Self {
        Self::TooLong(e)
    }
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
                    "all {places} places for producers are taken, or wait for the consumer to pass what their dead owners left"
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

/// `Display` and `Error` for the enums of plain outcomes.
macro_rules! outcome {
    ($name:ident { $($variant:ident => $text:literal),* } $($more:ident)? $(, $lost:ident)?) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self {
                    $(Self::$variant => f.write_str($text),)*
                    $(Self::$more(e) => e.fmt(f),)?
                    $(Self::$lost(n) => write!(f, "{n} messages were overwritten before they were read"),)?
                    Self::Corrupt(e) => e.fmt(f),
                }
            }
        }
        impl std::error::Error for $name {}
        impl From<Corrupt> for $name {
            fn from(e: Corrupt) -> Self {
                Self::Corrupt(e)
            }
        }
    };
}

outcome!(TryPushError { Full => "the ring is full", Closed => "the consumer has closed" } TooLong);
outcome!(PushError {
    Closed => "the consumer has closed",
    PeerDied => "the ring is full and the consumer died",
    TimedOut => "the ring stayed full until the deadline"
} TooLong);
outcome!(TryPopError { Empty => "the ring is empty", Closed => "the producer has closed" });
outcome!(PopError {
    Closed => "the producer has closed",
    PeerDied => "the ring is empty and the producer died",
    TimedOut => "the ring stayed empty until the deadline"
});
outcome!(TryReadError { Empty => "everything was read", Closed => "the producer has closed" }, Lost);
outcome!(ReadError {
    Closed => "the producer has closed",
    PeerDied => "everything was read and the producer died",
    TimedOut => "nothing came until the deadline"
}, Lost);

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
