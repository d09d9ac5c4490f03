//! One producer, many readers, and every message is for all of them.
//!
//! The producer overwrites the oldest messages. It says how far it may write before it does ([`frontier`]), a quarter of
//! the ring at a time, and waits for those readers who asked it to. A reader takes nothing from anybody: it copies,
//! then looks whether what it copied was overwritten meanwhile. So a reader that is slow, stopped or dead costs the
//! producer nothing, unless the producer waits for it.
//!
//! Slots ([`slots`]) say themselves what they hold. Records ([`records`]) are good while they are not below the
//! frontier less a ring.

pub(crate) mod frontier;
mod marks;
pub(crate) mod records;
pub(crate) mod slots;

use super::corrupt::Corrupt;

/// Whether the producer may write.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Room {
    Free,
    /// A reader that it waits for is a whole ring behind.
    Full,
    /// The producing side has closed.
    Closed,
}

/// What a reader finds at its position.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Seen<M> {
    /// A message that was copied whole.
    Message(M),
    /// So many messages were overwritten before they were read. The reader goes on behind them.
    Lost(u64),
    Empty,
    /// Everything was read, and the producer has closed.
    Closed,
    Corrupt(Corrupt),
}

/// Where a reader begins, or goes on after a loss.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Behind everything that was published.
    Newest,
    /// At the oldest message that the producer will not overwrite with the credit it has.
    Oldest,
}

/// A position that is not there to begin at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Gone {
    /// The oldest that is.
    pub(crate) oldest: u64,
    /// The next one to be published.
    pub(crate) newest: u64,
}
