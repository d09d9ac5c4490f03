//! Broadcasts of records: what each reader gets, what it is told that it lost, and when the producer must wait.

mod publish;
mod read;

use crate::common::rng::{self, Rng, SeedOnFailure};
use crate::memory::{Memory, TAIL};
use annulus::{
    Backing, BroadcastRecords, EndpointError, Join, JoinError, Laggards, Parking, Peer,
    RecordProducer, RecordReader, Resume, Ring,
};
use std::collections::BTreeMap;

#[derive(Clone, Copy, Debug)]
struct Shape {
    capacity: u64,
    align: u64,
    start: u64,
    readers: usize,
    parking: Parking,
}

impl Shape {
    /// Bytes that a record of `len` takes.
    fn total(self, len: usize) -> u64 {
        (len as u64 + 8).next_multiple_of(self.align)
    }

    /// The longest record.
    fn max(self) -> usize {
        (self.capacity / 2 - 8) as usize
    }
}

/// A record: its position, its tag and its bytes.
#[derive(Clone, Debug)]
struct Record {
    position: u64,
    tag: u16,
    bytes: Vec<u8>,
}

/// A reader, and where it must be.
struct Reading {
    rx: RecordReader,
    /// How many records were published before its next one.
    next: usize,
    /// The position that it has said last.
    told: u64,
    joined: usize,
    lossless: bool,
    resume: Resume,
    received: usize,
    lost: usize,
    skipped: usize,
}

/// The ring, its ends, and all that was published.
struct Model {
    shape: Shape,
    ring: Ring<BroadcastRecords>,
    memory: Memory,
    tx: Option<RecordProducer<BroadcastRecords>>,
    readers: Vec<Option<Reading>>,
    records: Vec<Record>,
    /// Where a record or padding begins, and how many records came before.
    begins: BTreeMap<u64, usize>,
    end: u64,
    /// Below it a record may be lost sight of, for a large one was on its way.
    large: u64,
    laggards: Laggards,
    refusals: u64,
    closed: bool,
    rng: Rng,
    /// Where records get their bytes from.
    pool: Vec<u8>,
}

impl Model {
    fn new(shape: Shape, seed: u64) -> Self {
        let ring = annulus::broadcast_records("news")
            .backing(Backing::Memfd)
            .readers(shape.readers as u32)
            .capacity_bytes(shape.capacity)
            .record_align(shape.align)
            .start_position(shape.start)
            .parking(shape.parking)
            .create()
            .expect("a new ring");
        assert_eq!(
            (ring.max_record(), ring.record_align()),
            (shape.max(), shape.align)
        );
        assert_eq!(ring.capacity_bytes(), shape.capacity);
        let mut rng = Rng::new(seed);
        Self {
            memory: Memory::of(&ring),
            tx: None,
            readers: (0..shape.readers).map(|_| None).collect(),
            records: Vec::new(),
            begins: BTreeMap::from([(shape.start, 0)]),
            end: shape.start,
            large: shape.start,
            laggards: Laggards::Wait,
            refusals: 0,
            closed: false,
            pool: (0..shape.capacity * 2).map(|_| rng.next() as u8).collect(),
            rng,
            ring,
            shape,
        }
    }

    /// How far the producer has said that it may write.
    fn frontier(&self) -> u64 {
        let frontier = self.memory.get(TAIL);
        assert!((self.end..self.end + self.shape.capacity).contains(&frontier));
        frontier
    }

    /// Whether what begins at `position` may have been written over.
    fn is_overtaken(&self, position: u64) -> bool {
        self.frontier() - position >= self.shape.capacity
    }

    /// How far the slowest reader that is waited for is behind.
    fn behind(&self) -> u64 {
        let readers = self
            .readers
            .iter()
            .flatten()
            .filter(|reader| reader.lossless);
        readers
            .map(|reader| self.end - reader.told)
            .max()
            .unwrap_or(0)
    }

    /// How far such a reader may be behind: the place of the next header is kept free.
    fn reach(&self) -> u64 {
        self.shape.capacity - self.shape.align
    }

    fn check(&mut self) {
        for reader in self.readers.iter().flatten() {
            let rx = &reader.rx;
            let counted = (rx.received(), rx.lost(), rx.skipped());
            let wanted = (reader.received, reader.lost, reader.skipped);
            assert_eq!(counted, (wanted.0 as u64, wanted.1 as u64, wanted.2 as u64));
            let passed = reader.received + reader.lost + reader.skipped;
            assert_eq!(
                passed,
                reader.next - reader.joined,
                "every record is one of these"
            );
            assert_eq!(self.begins[&rx.position()], reader.next);
            assert_eq!(rx.lag_bytes(), self.end - rx.position());
            assert_eq!(rx.is_lossless(), reader.lossless);
            assert_eq!(rx.capacity_bytes(), self.shape.capacity);
            assert!(!reader.lossless || !self.is_overtaken(rx.position()));
        }
        let behind = self.behind();
        assert!(behind <= self.reach());
        if let Some(tx) = &self.tx {
            assert_eq!(tx.sequence(), self.records.len() as u64);
            assert_eq!(tx.reader_lag_bytes(), behind);
            assert_eq!(tx.max_record(), self.shape.max());
        }
        let status = self.ring.status().expect("the kernel answers");
        assert_eq!((status.taken, status.len), (self.end - behind, behind));
        let alive = status
            .consumers
            .iter()
            .filter(|end| end.state == Peer::Alive);
        let said: Vec<_> = alive.map(|end| end.reading.expect("a reader")).collect();
        assert_eq!(said.len(), self.readers.iter().flatten().count());
        for reader in self.readers.iter().flatten() {
            // It matters to others only while they wait for it.
            let is_it = |said: &&annulus::Reading| {
                let behind = !reader.lossless && said.position <= reader.rx.position();
                (said.position == reader.told || behind)
                    && (said.lost, said.lossless) == (reader.lost as u64, reader.lossless)
                    && said.lag == self.end - said.position
            };
            assert!(said.iter().any(|said| is_it(&said)), "{said:?}");
        }
        // Seldom: a refusal takes its time.
        if self.readers.iter().all(Option::is_some) && self.rng.below(32) == 0 {
            match self.ring.lossless_reader(Join::Newest) {
                Err(JoinError::Endpoint(EndpointError::NoPlace { places })) => {
                    assert_eq!(places as usize, self.readers.len());
                }
                other => panic!("{other:?}"),
            }
        }
    }

    fn step(&mut self) {
        match self.rng.below(1000) {
            0..=249 => self.push(),
            250..=299 => self.push_many(),
            300..=419 => self.claim(),
            420..=899 => self.read(),
            900..=949 => self.check(),
            950..=979 => self.change_reader(),
            _ => self.change_producer(),
        }
    }

    /// The end of the stream: everybody reads what is left.
    fn close(mut self) {
        self.attach();
        self.tx.take().expect("attached").close();
        self.closed = true;
        assert!(matches!(self.ring.producer(), Err(EndpointError::Closed)));
        for i in 0..self.readers.len() {
            if self.readers[i].is_none() {
                self.join(i);
            }
            while self.readers[i].as_ref().expect("joined").next < self.records.len() {
                self.read_by(i);
            }
            self.read_by(i);
        }
        self.check();
    }
}

/// Operations on each ring.
const OPERATIONS: usize = 5_000;

/// Every capacity and alignment, and three start positions: 240,000 operations.
#[test]
fn every_reader_gets_every_record_or_is_told_how_many_not() {
    let seed = rng::seed();
    let _told = SeedOnFailure(seed);
    let mut seeds = Rng::new(seed);
    for capacity in (8..=15).map(|k| 1 << k) {
        for align in [8, 64] {
            for start in [
                0,
                seeds.below(1 << 20) * 64,
                (1 << 62) - 64 * (1 + seeds.below(200)),
            ] {
                let shape = Shape {
                    capacity,
                    align,
                    start,
                    readers: 1 + seeds.below(5) as usize,
                    parking: seeds.pick(&[Parking::Auto, Parking::Never, Parking::Fenced]),
                };
                let mut model = Model::new(shape, seeds.next());
                (0..OPERATIONS).for_each(|_| model.step());
                model.close();
            }
        }
    }
}
