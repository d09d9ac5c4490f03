//! The two kinds of ring that carry streams to one receiver, behind one face.

use super::format::PREFIX;
use annulus::{MpscRecords, Options, OsError, RecordProducer, RecordQueue, Ring, SpscRecords};

/// A kind of ring that carries streams to one receiver.
pub trait Streaming: RecordQueue + Sized {
    /// Whether several may send.
    const MANY: bool;
    /// Bytes before the piece in every record.
    const PREFIX: usize = if Self::MANY { PREFIX } else { 0 };

    /// Options for a ring of that name, with places for `senders`.
    fn named(name: &str, senders: u32) -> Options<Self>;

    /// Where what was sent until now ends, by whomever. Needed only where many send.
    fn mark(ring: &Ring<Self>) -> Result<u64, OsError>;

    /// Whether everything was taken: what this sender has sent, or, where many send, what ends before `mark`.
    fn is_taken(tx: &RecordProducer<Self>, ring: &Ring<Self>, mark: u64) -> Result<bool, OsError>;

    /// A sender has said everything: ends the stream if it was the only one.
    fn finish(tx: RecordProducer<Self>);
}

impl Streaming for SpscRecords {
    const MANY: bool = false;

    fn named(name: &str, _: u32) -> Options<Self> {
        annulus::spsc_records(name)
    }

    fn mark(_: &Ring<Self>) -> Result<u64, OsError> {
        Ok(0)
    }

    fn is_taken(tx: &RecordProducer<Self>, _: &Ring<Self>, _: u64) -> Result<bool, OsError> {
        Ok(tx.is_empty())
    }

    fn finish(tx: RecordProducer<Self>) {
        // Wakes a receiver that waits. This gives the producer's end away, but nobody takes it in a closed ring.
        tx.close();
    }
}

impl Streaming for MpscRecords {
    const MANY: bool = true;

    fn named(name: &str, senders: u32) -> Options<Self> {
        annulus::mpsc_records(name).producers(senders)
    }

    fn mark(ring: &Ring<Self>) -> Result<u64, OsError> {
        let status = ring.status()?;
        Ok(status.taken.wrapping_add(status.len))
    }

    fn is_taken(_: &RecordProducer<Self>, ring: &Ring<Self>, mark: u64) -> Result<bool, OsError> {
        let passed = ring.status()?.taken.wrapping_sub(mark);
        Ok(passed.cast_signed() >= 0)
    }

    fn finish(tx: RecordProducer<Self>) {
        // Closing would end the stream for the others.
        drop(tx);
    }
}
