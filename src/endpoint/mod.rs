//! What users hold: rings, producers, consumers, loans, samples.
//!
//! Here the two legs meet: positions come from `ring`, bytes from `segment`, waiting from `wait`.

mod batch;
mod consumer;
mod loan;
mod options;
mod producer;
mod ring;
mod sample;
pub(crate) mod seat;
mod signal;
mod typed;
mod waiting;

pub use batch::{Drain, LoanRun};
pub use consumer::Consumer;
pub use loan::Loan;
pub use options::{Options, Parking, WaitBackend, spsc};
pub use producer::Producer;
pub use ring::Ring;
pub use sample::Sample;
pub use seat::Peer;
pub use typed::{Element, Trust, Trusted, Untrusted};
