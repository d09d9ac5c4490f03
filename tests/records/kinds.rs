//! The two kinds of ring, and safe and trusting ends, behind one face each, so that a test is written once.
//!
//! Never looks into a ring: everything here goes through the public interface.

use annulus::{
    Backing, MpscRecords, Options, Parking, RecordConsumer, RecordKind, RecordLoan, RecordProducer,
    RecordQueue, RecordSample, Ring, SpscRecords, Trust, Trusted, Untrusted,
};

/// A kind of ring.
pub trait Kind: RecordQueue + Sized + std::fmt::Debug {
    /// Whether many may produce.
    const MANY: bool;
    /// Options for a ring with room for `producers` at a time.
    fn options(name: &str, producers: usize) -> Options<Self>;
    /// How far the consumer lags behind, where the producer can tell.
    fn lag<M: Trust>(tx: &RecordProducer<Self, M>) -> Option<u64>;
}

impl Kind for SpscRecords {
    const MANY: bool = false;

    fn options(name: &str, _: usize) -> Options<Self> {
        annulus::spsc_records(name)
    }

    fn lag<M: Trust>(tx: &RecordProducer<Self, M>) -> Option<u64> {
        assert_eq!(tx.is_empty(), tx.lag_bytes() == 0);
        Some(tx.lag_bytes())
    }
}

impl Kind for MpscRecords {
    const MANY: bool = true;

    fn options(name: &str, producers: usize) -> Options<Self> {
        annulus::mpsc_records(name).producers(producers as u32)
    }

    fn lag<M: Trust>(_: &RecordProducer<Self, M>) -> Option<u64> {
        None
    }
}

/// How ends hold the ring's bytes: by copy, or by reference.
pub trait Hands: Trust + Sized {
    /// This sort of producing end.
    fn producer<K: RecordKind>(tx: RecordProducer<K>) -> RecordProducer<K, Self>;
    /// This sort of consuming end.
    fn consumer(rx: RecordConsumer) -> RecordConsumer<Self>;
    /// Copies `bytes` to `offset` within the loan.
    fn write<K: RecordKind>(loan: &mut RecordLoan<'_, K, Self>, offset: usize, bytes: &[u8]);
    /// What the record holds.
    fn read(sample: &RecordSample<'_, Self>) -> Vec<u8>;
}

impl Hands for Untrusted {
    fn producer<K: RecordKind>(tx: RecordProducer<K>) -> RecordProducer<K> {
        tx
    }

    fn consumer(rx: RecordConsumer) -> RecordConsumer {
        rx
    }

    fn write<K: RecordKind>(loan: &mut RecordLoan<'_, K>, offset: usize, bytes: &[u8]) {
        loan.write_at(offset, bytes);
    }

    fn read(sample: &RecordSample<'_>) -> Vec<u8> {
        sample.to_vec()
    }
}

impl Hands for Trusted {
    fn producer<K: RecordKind>(tx: RecordProducer<K>) -> RecordProducer<K, Self> {
        // SAFETY: all ends are in this process, which uses the library only and truncates nothing.
        unsafe { tx.trust_peers() }
    }

    fn consumer(rx: RecordConsumer) -> RecordConsumer<Self> {
        // SAFETY: as above.
        unsafe { rx.trust_peers() }
    }

    fn write<K: RecordKind>(loan: &mut RecordLoan<'_, K, Self>, offset: usize, bytes: &[u8]) {
        loan[offset..offset + bytes.len()].copy_from_slice(bytes);
        assert_eq!(&loan[offset..offset + bytes.len()], bytes);
    }

    fn read(sample: &RecordSample<'_, Self>) -> Vec<u8> {
        let in_place: &[u8] = sample;
        assert_eq!(in_place, sample.to_vec());
        in_place.to_vec()
    }
}

/// How a test's ring is made.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// Bytes.
    pub capacity: u64,
    /// 8 or 64.
    pub align: u64,
    /// A multiple of 64.
    pub start: u64,
    /// How many may produce at a time.
    pub producers: usize,
    pub parking: Parking,
}

impl Shape {
    /// A ring of this shape, in a sealed memory file.
    pub fn create<K: Kind>(self) -> Ring<K> {
        K::options("records", self.producers)
            .backing(Backing::Memfd)
            .capacity_bytes(self.capacity)
            .record_align(self.align)
            .start_position(self.start)
            .parking(self.parking)
            .create()
            .expect("a new ring")
    }

    /// Bytes that a record of `len` takes.
    pub fn total(self, len: usize) -> u64 {
        (len as u64 + 8).next_multiple_of(self.align)
    }

    /// The longest record.
    pub fn max_record(self) -> usize {
        (self.capacity / 2 - 8) as usize
    }

    /// Bytes of padding in front of a record of `total` bytes at `position`.
    pub fn padding(self, position: u64, total: u64) -> u64 {
        let room = self.capacity - position % self.capacity;
        if total <= room { 0 } else { room }
    }
}
