//! The ends of a ring of slots: one producer, one consumer.

mod batch;
mod consumer;
mod loan;
mod producer;
mod sample;

pub use batch::{Drain, LoanRun};
pub use consumer::Consumer;
pub use loan::Loan;
pub use producer::Producer;
pub use sample::Sample;
