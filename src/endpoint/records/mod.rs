//! The ends of a ring of records: one producer or many, one consumer. Those who read a broadcast are
//! elsewhere.

mod batch;
mod consumer;
mod loan;
mod message;
mod producer;
mod sample;
mod tail;

pub use batch::RecordDrain;
pub use consumer::RecordConsumer;
pub use loan::RecordLoan;
pub use message::Message;
pub use producer::RecordProducer;
pub use sample::RecordSample;
pub(super) use tail::{Producing, Tail};
