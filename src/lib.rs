//! Ring buffers in shared memory, for messages between processes on one Linux machine.
//!
//! A producer writes a message into a slot, a consumer in another process reads it there; one of many consumers, or
//! every reader of a broadcast, as the kind of ring says ([`spsc`], [`mpsc`], [`spmc`], [`mpmc`], [`broadcast`]). A message costs
//! one cache line; the kernel is entered only to sleep or to wake. See `README.md` for when to use it and
//! when not.
//!
//! ```
//! use annulus::Wait;
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let name = &format!("doc-lib-{}", std::process::id());
//! // One process makes the ring and produces...
//! let ring = annulus::spsc::<u64>(name).capacity(4096).create()?;
//! let mut tx = ring.producer()?;
//! tx.push(&42, Wait::park())?;
//!
//! // ...another opens it and consumes.
//! let mut rx = annulus::spsc::<u64>(name).open()?.consumer()?;
//! assert_eq!(rx.pop(Wait::park())?, 42);
//! # ring.unlink()?;
//! # Ok(()) }
//! ```
//!
//! # What is promised
//! * `kill -9` of anybody at any instruction leaves the others working. A successor resumes: nothing that
//!   was committed is lost, and at most what was in a dead consumer's hands is delivered again.
//! * A reader of a broadcast sees every message, or is told exactly how many it missed.
//! * A hostile peer can feed wrong values and can stop the flow; it cannot cause undefined behaviour, access
//!   outside the ring, or an endless loop. (A ring in a plain file or in `/dev/shm` can be truncated by
//!   whoever may write it, and touching it is then a SIGBUS, which [`guard`] survives; a sealed memfd cannot.)
//! * Pushing and popping allocate nothing and make no system call while nobody sleeps.
//!
//! # Forks
//! An end belongs to the process that took it, whichever thread uses it and whoever is forked meanwhile. A child of
//! `fork` neither holds nor keeps the ends of its parent: if the parent dies its end is free, although the child lives.
//! An inherited end is of no use in the child, and dropping it there does nothing. Take ends after the fork.
//!
//! For this, the first call of a process that takes an end (`producer`, `consumer`, `reader`, `lossless_reader` of a
//! [`Ring`]) or repairs a ring installs handlers with `pthread_atfork`; a process that only opens or looks at rings has
//! none. In the child they close descriptors and do nothing else. There are no signal handlers and no threads.
//!
//! | how a child is made | what it has of its parent's ends |
//! |---|---|
//! | `fork` | nothing, from the moment on that it first runs |
//! | `posix_spawn`, [`std::process::Command`], `fork` and exec | nothing once it has exec'd, which is at once |
//! | a raw `clone` system call, `_Fork`, or `vfork`, each without exec | a copy: should the parent die, it looks alive until the child exits. System V rings are not affected |
//! | exec of the owner itself | nothing: the owner has died. On System V rings it holds its end on until it exits |

#![warn(missing_docs)]

mod control;
mod endpoint;
mod error;
mod frozen;
pub mod guard;
mod layout;
mod os;
mod ring;
mod segment;
mod sync;
mod wait;

pub use control::directory::{Listed, inspect, list, repair, unlink};
pub use control::leftovers::{Leftover, LeftoverKind, leftovers};
pub use control::observe::{Observer, Seen, observe};
pub use control::snapshot::{End, Messages, Parties, Reading, Status};
pub use control::watch::Watch;
pub use endpoint::records::{
    Message, RecordConsumer, RecordDrain, RecordLoan, RecordProducer, RecordSample,
};
pub use endpoint::{
    Broadcast, BroadcastKind, BroadcastRecords, Consumer, Drain, Element, Join, JoinError, Kind,
    Laggards, Loan, LoanRun, ManyConsumers, ManyProducers, Mpmc, Mpsc, MpscRecords, Obstacle,
    Options, Orphans, Parking, Peer, Producer, Reader, ReaderDrain, RecordKind, RecordQueue,
    RecordReader, Repaired, Resume, Ring, Sample, SharedConsumer, SharedDrain, SharedLoan,
    SharedLoanRun, SharedProducer, SharedSample, SideRepaired, SlotKind, SoleProducer, Spmc, Spsc,
    SpscRecords, Trust, Trusted, Unsettled, Untrusted, WaitBackend, broadcast, broadcast_records,
    mpmc, mpsc, mpsc_records, spmc, spsc, spsc_records,
};
pub use error::{
    Corrupt, CorruptWord, CreateError, EndpointError, NotARing, OpenError, OpenOrCreateError,
    OsError, PopError, PushError, ReadError, RepairError, TooLong, TryPopError, TryPushError,
    TryReadError, WatchError,
};
pub use segment::{Backing, HugePages, Pages};
pub use wait::strategy::Wait;

/// The wire version this build reads and writes.
pub const WIRE_VERSION: u32 = layout::WIRE_VERSION;
