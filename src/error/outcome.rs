//! What comes of pushing, popping and reading: the expected outcomes beside success.

use super::Corrupt;
use std::fmt;

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
