//! Rings of records against a `VecDeque` that cannot be wrong: random operations, and after each the same
//! answer.
//!
//! One thread holds all ends, so every answer is exact and is compared exactly: a push is refused exactly when
//! the record, with the padding in front of it, does not fit into what the consumer has left free. Where
//! there is one producer, the place of the next header is kept free too. The number of operations is fixed;
//! the seed is not, and is printed when a case fails (`ANNULUS_SEED` repeats it).

mod push;
mod take;

use crate::common::rng::{self, Rng, SeedOnFailure};
use crate::kinds::{Hands, Kind, Shape};
use annulus::{
    EndpointError, MpscRecords, Parking, RecordConsumer, RecordProducer, Ring, SpscRecords,
    TooLong, Trusted, TryPopError, TryPushError, Untrusted,
};
use std::collections::VecDeque;

/// A record: its tag and its bytes.
type Record = (u16, Vec<u8>);

/// The ring, its ends, and what must be in it.
struct Model<K: Kind, M: Hands> {
    shape: Shape,
    ring: Ring<K>,
    txs: Vec<Option<RecordProducer<K, M>>>,
    rx: Option<RecordConsumer<M>>,
    oracle: VecDeque<Record>,
    /// Where the next claim begins.
    tail: u64,
    rng: Rng,
    /// Where records get their bytes from.
    pool: Vec<u8>,
}

impl<K: Kind, M: Hands> Model<K, M> {
    fn new(shape: Shape, seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        let ring = shape.create::<K>();
        assert_eq!(ring.max_record(), shape.max_record());
        assert_eq!(ring.capacity_bytes(), shape.capacity);
        assert_eq!(ring.record_align(), shape.align);
        Self {
            txs: (0..shape.producers).map(|_| None).collect(),
            rx: Some(M::consumer(ring.consumer().expect("a free end"))),
            ring,
            oracle: VecDeque::new(),
            tail: shape.start,
            pool: (0..shape.capacity * 2).map(|_| rng.next() as u8).collect(),
            rng,
            shape,
        }
    }

    // ---- what the ring must answer ------------------------------------------------------------------

    /// Bytes that a claim may take now.
    fn free(&self) -> u64 {
        let taken = self.rx.as_ref().expect("held").position();
        let reserve = if K::MANY { 0 } else { self.shape.align };
        taken + self.shape.capacity - reserve - self.tail
    }

    /// What a claim of `total` bytes takes, if it may; `None` if the ring must say that it is full.
    fn admitted(&self, total: u64) -> Option<u64> {
        let need = self.shape.padding(self.tail, total) + total;
        (need <= self.free()).then_some(need)
    }

    fn too_long(&self, len: usize) -> Option<TooLong> {
        let max = self.shape.max_record();
        (len > max).then_some(TooLong { len, max })
    }

    /// What pushing `len` bytes must give, and how many bytes of the ring it takes.
    fn verdict(&self, len: usize) -> Result<u64, TryPushError> {
        match self.too_long(len) {
            Some(e) => Err(TryPushError::TooLong(e)),
            None => self
                .admitted(self.shape.total(len))
                .ok_or(TryPushError::Full),
        }
    }

    // ---- who takes part -----------------------------------------------------------------------------

    fn check(&mut self) {
        let rx = self.rx.as_mut().expect("held");
        assert_eq!(rx.is_empty(), self.oracle.is_empty());
        let left = self.tail - rx.position();
        let status = self.ring.status().expect("the kernel answers");
        assert_eq!((status.taken, status.len), (rx.position(), left));
        for tx in self.txs.iter().flatten() {
            assert_eq!(K::lag(tx).unwrap_or(left), left);
            assert_eq!(tx.max_record(), self.shape.max_record());
        }
    }

    /// An end is left and taken again: nothing is lost, nothing comes twice.
    fn retake(&mut self) {
        if self.rng.below(2) == 0 {
            let i = self.tx();
            self.txs[i] = None;
            // Some stay away for a while.
            if self.rng.below(2) == 0 {
                self.tx();
            }
        } else {
            self.rx = None;
            self.rx = Some(M::consumer(self.ring.consumer().expect("left in order")));
        }
        self.check();
    }

    fn step(&mut self) {
        match self.rng.below(1000) {
            0..=299 => self.push(),
            300..=349 => self.push_many(),
            350..=499 => self.claim(),
            500..=529 if K::MANY => self.claims_at_once(),
            500..=699 => self.pop(),
            700..=849 => self.sample(),
            850..=929 => self.drain(),
            930..=979 => self.check(),
            _ => self.retake(),
        }
    }

    /// The end of the stream, by one side or the other.
    fn close(mut self) {
        self.check();
        let i = self.tx();
        let tx = self.txs[i].take().expect("attached");
        let mut rx = self.rx.take().expect("held");
        if self.rng.below(2) == 0 {
            tx.close();
            assert!(matches!(self.ring.producer(), Err(EndpointError::Closed)));
            for tx in self.txs.iter_mut().flatten() {
                assert_eq!(tx.try_push(b"late"), Err(TryPushError::Closed));
            }
            let mut bytes = Vec::new();
            while let Some((tag, wanted)) = self.oracle.pop_front() {
                assert_eq!(rx.try_pop_into(&mut bytes), Ok(tag));
                assert_eq!(bytes, wanted);
            }
            assert_eq!(rx.try_pop_into(&mut bytes), Err(TryPopError::Closed));
            assert!(matches!(rx.try_sample(), Err(TryPopError::Closed)));
        } else {
            self.txs[i] = Some(tx);
            rx.close();
            assert!(matches!(self.ring.consumer(), Err(EndpointError::Closed)));
            for tx in self.txs.iter_mut().flatten() {
                let most = match (K::MANY, self.shape.parking) {
                    (true, _) => 0,
                    // Noticed when its known room is used up.
                    (false, Parking::Never) => self.shape.capacity / 8,
                    (false, _) => 1,
                };
                let sent = (0..=most).take_while(|_| tx.try_push(b"").is_ok()).count() as u64;
                assert!(sent <= most, "{sent} went into a closed ring");
                assert_eq!(tx.try_push(b""), Err(TryPushError::Closed));
            }
        }
    }
}

/// Operations on each ring.
const OPERATIONS: usize = 6_000;

/// Every capacity and alignment, and three start positions: 324,000 operations.
fn case<K: Kind, M: Hands>(number: u64) {
    let seed = rng::seed();
    let _told = SeedOnFailure(seed);
    let mut seeds = Rng::new(seed ^ number);
    for capacity in (8..=16).map(|k| 1 << k) {
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
                    producers: if K::MANY {
                        1 + seeds.below(4) as usize
                    } else {
                        1
                    },
                    parking: seeds.pick(&[Parking::Auto, Parking::Never, Parking::Fenced]),
                };
                let mut model = Model::<K, M>::new(shape, seeds.next());
                (0..OPERATIONS).for_each(|_| model.step());
                model.close();
            }
        }
    }
}

#[test]
fn a_ring_of_one_producer_behaves_like_a_queue_of_its_bytes() {
    case::<SpscRecords, Untrusted>(1);
}

#[test]
fn a_ring_of_many_producers_behaves_like_a_queue_of_its_bytes() {
    case::<MpscRecords, Untrusted>(2);
}

#[test]
fn trusting_ends_of_one_producer_s_ring_read_and_write_the_same_records_in_place() {
    case::<SpscRecords, Trusted>(3);
}

#[test]
fn trusting_ends_of_many_producers_ring_read_and_write_the_same_records_in_place() {
    case::<MpscRecords, Trusted>(4);
}
