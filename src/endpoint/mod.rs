//! What users hold: rings, producers, consumers, loans, samples.
//!
//! Here the two legs meet: positions come from `ring`, bytes from `segment`, waiting from `wait`.

mod ahead;
mod broadcast;
mod constructors;
pub(crate) mod kind;
mod mender;
mod options;
mod readers;
pub(crate) mod records;
pub(crate) mod repair;
mod ring;
pub(crate) mod seat;
mod shared;
mod signal;
mod slots;
mod slots_of;
mod split;
mod table;
mod typed;
mod waiting;

pub use broadcast::{Join, JoinError, Reader, ReaderDrain, RecordReader, Resume};
pub use constructors::{
    broadcast, broadcast_records, mpmc, mpsc, mpsc_records, spmc, spsc, spsc_records,
};
pub use kind::{
    Broadcast, BroadcastKind, BroadcastRecords, Kind, ManyConsumers, ManyProducers, Mpmc, Mpsc,
    MpscRecords, RecordKind, RecordQueue, SlotKind, SoleProducer, Spmc, Spsc, SpscRecords,
};
pub use options::{Options, Orphans, Parking, WaitBackend};
pub use readers::Laggards;
pub use repair::{Obstacle, Repaired, SideRepaired, Unsettled};
pub use ring::Ring;
pub use seat::Peer;
pub use shared::{
    SharedConsumer, SharedDrain, SharedLoan, SharedLoanRun, SharedProducer, SharedSample,
};
pub use slots::{Consumer, Drain, Loan, LoanRun, Producer, Sample};
pub use typed::{Element, Trust, Trusted, Untrusted};
