//! The reading ends of a broadcast. Its producing end is [`crate::Producer`] or [`crate::RecordProducer`].

mod batch;
mod join;
mod reader;
mod record_reader;
mod standing;

pub use batch::ReaderDrain;
pub use join::{Join, JoinError, Resume};
pub use reader::Reader;
pub use record_reader::RecordReader;
