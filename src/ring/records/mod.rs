//! Records of variable length: one consumer, and one producer or many.
//!
//! A record's header word lies in its own first bytes and is stored last. The consumer is the same for one
//! producer ([`spsc`]) and for many ([`mpsc`]), but for one thing: an old payload can look like a header, and
//! there are two ways to make sure that nobody ever reads it as one.
//! * One producer clears the place of the next header before it publishes a record.
//! * Many producers do not know each other's next header. There the consumer wipes what it has read, so
//!   that all free space is zero.
//!
//! Positions are in bytes and count from creation.

pub(crate) mod fill;
pub(crate) mod head;
pub(crate) mod mpsc;
pub(crate) mod observe;
pub(crate) mod repair;
pub(crate) mod spsc;

use super::corrupt::Corrupt;
pub(crate) use super::sides::Producers;

/// Whether a producer may write a record.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Room {
    /// Yes.
    Free,
    /// Not before the consumer has taken more.
    Full,
    /// A side has closed.
    Closed,
    Corrupt(Corrupt),
}

/// How closely to look for room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exactly {
    /// At the gate, which the consumer publishes for this purpose.
    No,
    /// At how far the consumer has come. The answer is exact; the price is a line taken from the consumer.
    Yes,
}
