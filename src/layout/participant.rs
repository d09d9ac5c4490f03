//! A participant's line in the table: an endpoint as others see it.
//!
//! Written by its owner only, read by anybody. It says who somebody claims to be; whether that somebody
//! is alive is the kernel's word (the liveness token), never this table's.
//!
//! | state | token held | meaning |
//! |---|---|---|
//! | `FREE` | no | never used |
//! | `ACTIVE` | yes | in use |
//! | `ACTIVE` | no | the owner died: its successor resumes |
//! | `LEFT` | no | the owner left in order: a successor may attach |
//! | `FREE`, `LEFT` | yes | the owner is attaching or leaving |

use crate::sync::{AtomicU32, AtomicU64};

/// Never used.
pub(crate) const FREE: u32 = 0;
/// An endpoint holds this entry, or died holding it.
pub(crate) const ACTIVE: u32 = 1;
/// The endpoint left in order.
pub(crate) const LEFT: u32 = 2;

/// Role number of a producer in the table.
pub(crate) const PRODUCER: u32 = 1;
/// Role number of a consumer in the table.
pub(crate) const CONSUMER: u32 = 2;
/// Role number of a reader of a broadcast in the table.
pub(crate) const READER: u32 = 3;

/// One 128-byte entry of the participant table.
#[repr(C, align(128))]
#[derive(Debug)]
pub(crate) struct Participant {
    /// `FREE`, `ACTIVE` or `LEFT`.
    pub(crate) state: AtomicU32,
    /// `PRODUCER`, `CONSUMER` or `READER`.
    pub(crate) role: AtomicU32,
    /// Counts the endpoints that have held this entry.
    pub(crate) generation: AtomicU64,
    /// For people, never for decisions.
    pub(crate) pid: AtomicU32,
    /// Zero.
    pub(crate) reserved: AtomicU32,
    /// In clock ticks since boot; for people, never for decisions.
    pub(crate) start_time: AtomicU64,
    /// First position of the run this participant claims; of a reader, below which it has read everything. A side with
    /// one participant leaves it 0.
    pub(crate) announce: AtomicU64,
    /// Length of that run; of a reader, how many messages it has lost. A side with one participant leaves it 0.
    pub(crate) announce_len: AtomicU64,
}
