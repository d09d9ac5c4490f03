//! The ends of a ring of slots of which there is one: the only producer, the only consumer.

mod batch;
mod consumer;
mod loan;
mod producer;
mod sample;
mod tail;

pub use batch::{Drain, LoanRun};
pub use consumer::Consumer;
pub use loan::Loan;
pub use producer::Producer;
pub use sample::Sample;
pub(super) use tail::SoleTail;
