//! What users hold: rings, producers, consumers, loans, samples.
//!
//! Here the two legs meet: positions come from `ring`, bytes from `segment`, waiting from `wait`.

pub(crate) mod kind;
mod options;
pub(crate) mod records;
mod ring;
pub(crate) mod seat;
mod signal;
mod slots;
mod typed;
mod waiting;

pub use kind::{Kind, MpscRecords, RecordKind, Spsc, SpscRecords};
pub use options::{Options, Parking, WaitBackend, mpsc_records, spsc, spsc_records};
pub use ring::Ring;
pub use seat::Peer;
pub use slots::{Consumer, Drain, Loan, LoanRun, Producer, Sample};
pub use typed::{Element, Trust, Trusted, Untrusted};
