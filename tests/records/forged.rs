//! Payload that looks like headers: whatever an earlier lap left in the ring, no record is ever invented.
//!
//! Every payload here consists of header words: of records, of padding, of records being written. Some of it
//! is committed, some given up, some cut short, some left behind by a producer that is gone. What comes out
//! must be what was committed, whatever lies where the next header will be, and whoever looks there: the
//! consumer, its successor, or a producer that searches for its place.

use crate::common::rng::{self, Rng, SeedOnFailure};
use crate::kinds::{Kind, Shape};
use crate::peer::{BUSY, PAD, READY, word};
use annulus::{
    MpscRecords, Parking, PopError, RecordConsumer, RecordProducer, Ring, SpscRecords, TryPopError,
    TryPushError, Wait,
};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// `len` bytes of header words.
fn forge(len: usize, mut next: impl FnMut() -> u64) -> Vec<u8> {
    let words = (0..len.div_ceil(8)).flat_map(|_| next().to_ne_bytes());
    let mut bytes: Vec<u8> = words.collect();
    bytes.truncate(len);
    bytes
}

/// A ring, its ends, and what was committed and not yet taken.
struct Flow<K: Kind> {
    shape: Shape,
    ring: Ring<K>,
    txs: Vec<Option<RecordProducer<K>>>,
    rx: Option<RecordConsumer>,
    oracle: VecDeque<(u16, Vec<u8>)>,
    /// Behind everything that was claimed.
    tail: u64,
    /// Whether somebody left a claim unfinished since the ring was last seen empty.
    left_behind: bool,
}

impl<K: Kind> Flow<K> {
    fn new(shape: Shape) -> Self {
        let ring = shape.create::<K>();
        Self {
            txs: (0..shape.producers).map(|_| None).collect(),
            rx: Some(ring.consumer().expect("a free end")),
            ring,
            oracle: VecDeque::new(),
            tail: shape.start,
            left_behind: false,
            shape,
        }
    }

    fn tx(&mut self, i: usize) -> &mut RecordProducer<K> {
        let ring = &self.ring;
        self.txs[i].get_or_insert_with(|| ring.producer().expect("a free place"))
    }

    fn rx(&mut self) -> &mut RecordConsumer {
        self.rx.as_mut().expect("held")
    }

    /// What a claim of a record of `len` takes, padding included.
    fn need(&self, len: usize) -> u64 {
        let total = self.shape.total(len);
        self.shape.padding(self.tail, total) + total
    }

    fn push(&mut self, i: usize, tag: u16, bytes: Vec<u8>) {
        match self.tx(i).try_push_tagged(tag, &bytes) {
            Ok(()) => {
                self.tail += self.need(bytes.len());
                self.oracle.push_back((tag, bytes));
            }
            Err(e) => assert_eq!(e, TryPushError::Full),
        }
    }

    /// Claims, writes all of `bytes`, and then sends so many of them, or none.
    fn claim(&mut self, i: usize, tag: u16, mut bytes: Vec<u8>, sent: Option<usize>) {
        let need = self.need(bytes.len());
        let Ok(mut loan) = self.tx(i).try_claim(bytes.len()) else {
            return;
        };
        loan.write_at(0, &bytes);
        loan.set_tag(tag);
        match sent {
            Some(sent) => loan.commit_len(sent),
            None => loan.abort(),
        }
        let unused = self.shape.total(bytes.len()) - sent.map_or(0, |n| self.shape.total(n));
        self.tail += if K::MANY { need } else { need - unused };
        if let Some(sent) = sent {
            bytes.truncate(sent);
            self.oracle.push_back((tag, bytes));
        }
    }

    /// Claims, writes all of `bytes`, and never comes back to it. Goes away, or on with something else.
    fn forget(&mut self, i: usize, bytes: &[u8], leave: bool) {
        let need = self.need(bytes.len());
        let Ok(mut loan) = self.tx(i).try_claim(bytes.len()) else {
            return;
        };
        loan.write_at(0, bytes);
        std::mem::forget(loan);
        let total = self.shape.total(bytes.len());
        self.tail += if K::MANY { need } else { need - total };
        self.left_behind = true;
        if leave {
            self.txs[i] = None;
        } else {
            // Until it claims again, or goes, the consumer waits for it: it is alive.
            let before = self.tail;
            self.push(i, 99, vec![0x5a; 5]);
            if self.tail == before {
                self.txs[i] = None;
            }
        }
    }

    /// Takes a record. If there is none, none may be found.
    fn pop(&mut self) {
        let mut bytes = Vec::new();
        let wanted = self.oracle.pop_front();
        let got = match (&wanted, self.left_behind) {
            // What was left behind is passed over in a while.
            (Some(_), true) => {
                let deadline = Instant::now() + Duration::from_secs(20);
                let tag = self.rx().pop_into_until(&mut bytes, Wait::spin(), deadline);
                Some(tag.expect("what was committed comes out"))
            }
            (Some(_), false) => Some(self.rx().try_pop_into(&mut bytes).expect("a record")),
            (None, true) => {
                let tag = self
                    .rx()
                    .pop_into_until(&mut bytes, Wait::spin(), Instant::now());
                assert_eq!(tag, Err(PopError::TimedOut));
                None
            }
            (None, false) => {
                assert_eq!(self.rx().try_pop_into(&mut bytes), Err(TryPopError::Empty));
                None
            }
        };
        assert_eq!(got.map(|tag| (tag, bytes)), wanted);
    }

    /// Takes everything. Then the consumer stands where the producers do, and finds nothing there.
    fn drain(&mut self) {
        while !self.oracle.is_empty() {
            self.pop();
        }
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            assert!(self.rx().is_empty(), "a record was invented");
            if self.rx().position() == self.tail {
                break;
            }
            assert!(Instant::now() < deadline, "something stays in the way");
        }
        self.left_behind = false;
        let status = self.ring.status().expect("the kernel answers");
        assert_eq!((status.taken, status.len), (self.tail, 0));
    }

    fn retake_consumer(&mut self) {
        self.rx = None;
        self.rx = Some(self.ring.consumer().expect("left in order"));
        if !self.left_behind {
            assert_eq!(self.rx().is_empty(), self.oracle.is_empty());
        }
    }

    fn retake_producer(&mut self, i: usize) {
        self.txs[i] = None;
        self.tx(i);
    }
}

/// A header word of a random state and length, now and then with bits that no header has.
fn any_word(rng: &mut Rng, capacity: u64) -> u64 {
    let len = match rng.below(8) {
        0..=3 => rng.below(capacity / 2),
        4 => rng.below(capacity / 8) * 8,
        5 => rng.below(16),
        6 => capacity - 8 * rng.below(capacity / 8),
        _ => rng.next() & 0xffff_ffff,
    };
    let state = rng.pick(&[READY, READY, READY, PAD, PAD, BUSY, READY | 4, PAD | 4]);
    let tag = rng.pick(&[0, 0, 1, 0xffff]);
    let odd = if rng.below(16) == 0 { rng.next() } else { 0 };
    word(state, tag, len as u32) ^ odd
}

fn random_flow<K: Kind>(shape: Shape, operations: u32, seed: u64) {
    let mut rng = Rng::new(seed);
    let mut flow = Flow::<K>::new(shape);
    let pool = forge(2 * shape.capacity as usize, || {
        any_word(&mut rng, shape.capacity)
    });
    for _ in 0..operations {
        let len = match rng.below(4) {
            0 => rng.below(shape.max_record() as u64 + 1),
            1 => shape.max_record() as u64 & !7,
            _ => rng.below(shape.capacity / 8),
        } as usize;
        let from = rng.below(shape.capacity / 8) as usize * 8;
        let bytes = pool[from..from + len].to_vec();
        let (i, tag) = (
            rng.below(shape.producers as u64) as usize,
            rng.next() as u16,
        );
        match rng.below(100) {
            0..=34 => flow.push(i, tag, bytes),
            35..=44 => flow.claim(i, tag, bytes, None),
            45..=54 => {
                let sent = rng.below(len as u64 + 1) as usize;
                flow.claim(i, tag, bytes, Some(sent));
            }
            55..=57 => flow.forget(i, &bytes, true),
            58..=59 => flow.forget(i, &bytes, false),
            60..=89 => flow.pop(),
            90..=93 => flow.drain(),
            94..=96 => flow.retake_consumer(),
            _ => flow.retake_producer(i),
        }
    }
    flow.drain();
}

/// Random flows in rings of every size, with both alignments.
fn random_flows<K: Kind>(producers: usize) {
    let seed = rng::seed();
    let _told = SeedOnFailure(seed);
    let mut seeds = Rng::new(seed ^ producers as u64);
    for capacity in [256, 512, 1024, 4096, 65536] {
        for align in [8, 64] {
            for start in [0, seeds.below(1 << 20) * 64, (1 << 62) - 64] {
                let shape = Shape {
                    capacity,
                    align,
                    start,
                    producers,
                    parking: seeds.pick(&[Parking::Never, Parking::Fenced]),
                };
                random_flow::<K>(shape, 4_000, seeds.next());
            }
        }
    }
}

/// Every state, every length up to one that is too long, with and without a tag: the word fills all payload,
/// so that it comes to lie on every 8th byte of the ring, and records begin and end everywhere.
fn every_word_everywhere<K: Kind>(align: u64) {
    let shape = Shape {
        capacity: 256,
        align,
        start: 0,
        producers: if K::MANY { 2 } else { 1 },
        parking: Parking::Never,
    };
    let mut flow = Flow::<K>::new(shape);
    let mut steps = 0;
    for state in [READY, PAD, BUSY, 4, READY | 4, PAD | 4, 0xffff] {
        for len in 0..=shape.capacity as u32 {
            for tag in [0, 7] {
                let forged = || word(state, tag, len);
                // Lengths that are no multiples of each other move the records around the ring.
                for size in [120, 104, 72, 43, 24, 16, 8, 0] {
                    steps += 1;
                    let i = steps % shape.producers;
                    match steps % 5 {
                        0 => flow.claim(i, 1, forge(size, forged), None),
                        1 => flow.claim(i, 2, forge(size, forged), Some(size / 3)),
                        _ => flow.push(i, 3, forge(size, forged)),
                    }
                    match steps % 7 {
                        0 => flow.drain(),
                        1 => flow.retake_producer(i),
                        2 => flow.retake_consumer(),
                        3 => {}
                        _ => flow.pop(),
                    }
                }
                flow.drain();
            }
        }
    }
}

#[test]
fn one_producer_s_old_payload_of_any_header_words_invents_no_record() {
    random_flows::<SpscRecords>(1);
}

#[test]
fn many_producers_old_payload_of_any_header_words_invents_no_record() {
    random_flows::<MpscRecords>(1);
    random_flows::<MpscRecords>(3);
}

#[test]
fn every_header_word_on_every_byte_of_a_ring_of_one_producer_invents_no_record() {
    every_word_everywhere::<SpscRecords>(8);
    every_word_everywhere::<SpscRecords>(64);
}

#[test]
fn every_header_word_on_every_byte_of_a_ring_of_many_producers_invents_no_record() {
    every_word_everywhere::<MpscRecords>(8);
    every_word_everywhere::<MpscRecords>(64);
}
