//! The ends of rings of slots of which there are many: producers that share the tail, consumers that share the head.

mod batch;
mod claims;
mod consumer;
mod deliveries;
mod loan;
pub(super) mod orphans;
mod producer;
mod sample;

pub use batch::SharedDrain;
pub use consumer::SharedConsumer;
pub use loan::{SharedLoan, SharedLoanRun};
pub use producer::SharedProducer;
pub use sample::SharedSample;
