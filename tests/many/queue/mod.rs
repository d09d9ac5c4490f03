//! Slots that many share against a map of positions that cannot be wrong: random operations, and after each the same
//! answer.
//!
//! One thread holds all ends, so every answer is exact and is compared exactly: a push is refused exactly when the slot
//! of the tail was not released, a consumer gets exactly what is at the head, in runs as long as what is there. Loans
//! and samples that were forgotten stay in the way exactly until their owners go on. The number of operations is
//! fixed; the seed is not, and is printed when a case fails (`ANNULUS_SEED` repeats it).

mod ends;
mod leave;
mod push;
mod take;

use crate::cargo::{Cargo, Typed};
use crate::common::rng::{self, Rng, SeedOnFailure};
use annulus::{Backing, Mpmc, Mpsc, Options, Orphans, Parking, Peer, Ring, Spmc};
use ends::{Rx, Shared, Tx};
use std::collections::{BTreeMap, VecDeque};

/// What is at a position that was claimed and not yet released.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Slot {
    /// Producer so and so has not finished.
    Claimed(usize),
    Ready(Vec<u8>),
    Skip,
}

/// A ring's size and place.
#[derive(Clone, Copy, Debug)]
struct Shape {
    capacity: u64,
    start: u64,
    producers: usize,
    consumers: usize,
    size: usize,
    parking: Parking,
}

/// The ring, its ends, and what must be in it. Positions here begin at 0.
struct Model<K: Shared> {
    shape: Shape,
    ring: Ring<K>,
    txs: Vec<Option<K::Tx>>,
    rxs: Vec<Option<K::Rx>>,
    /// What each consumer has claimed and not released.
    hands: Vec<VecDeque<u64>>,
    slots: BTreeMap<u64, Slot>,
    tail: u64,
    head: u64,
    closed: bool,
    /// Whether what is left in hands is dropped, and how many messages were.
    drops: bool,
    dropped: u64,
    /// Number of the next message.
    serial: u64,
    rng: Rng,
}

/// What is done to the options of a ring.
type With<K> = fn(Options<K>) -> Options<K>;

impl<K: Shared> Model<K> {
    fn new(shape: Shape, with: With<K>, seed: u64) -> Self {
        // One place more, so that the place of one that is taken for dead is not needed.
        let more = u32::from(K::MANY.1);
        let options = K::options(
            "many",
            shape.producers as u32,
            shape.consumers as u32 + more,
            shape.size,
        );
        let ring = with(options)
            .backing(Backing::Memfd)
            .capacity(shape.capacity)
            .start_position(shape.start)
            .parking(shape.parking)
            .create()
            .expect("a new ring");
        assert_eq!(ring.capacity(), shape.capacity);
        assert_eq!(ring.slot_size(), shape.size);
        Self {
            txs: (0..shape.producers).map(|_| None).collect(),
            rxs: (0..shape.consumers).map(|_| None).collect(),
            hands: vec![VecDeque::new(); shape.consumers],
            slots: BTreeMap::new(),
            tail: 0,
            head: 0,
            closed: false,
            drops: ring.status().expect("the kernel answers").orphans == Orphans::Drop,
            dropped: 0,
            serial: 0,
            rng: Rng::new(seed),
            ring,
            shape,
        }
    }

    /// A message that was not there before, as far as so few bytes allow.
    fn message(&mut self) -> Vec<u8> {
        self.serial += 1;
        let mut bytes = Rng::new(self.serial);
        (0..self.shape.size).map(|_| bytes.next() as u8).collect()
    }

    /// Any producer, attached if need be.
    fn tx(&mut self) -> usize {
        let i = self.rng.below(self.txs.len() as u64) as usize;
        if self.txs[i].is_none() {
            self.txs[i] = Some(K::tx(&self.ring).expect("a free place"));
        }
        i
    }

    /// Any consumer, attached if need be.
    fn rx(&mut self) -> usize {
        let i = self.rng.below(self.rxs.len() as u64) as usize;
        if self.rxs[i].is_none() {
            self.rxs[i] = Some(K::rx(&self.ring).expect("a free place"));
        }
        i
    }

    // ---- what the ring must answer ------------------------------------------------------------------

    /// How many slots from the tail on are free, at most `n`.
    fn free(&self, n: u64) -> u64 {
        let is_free = |i: &u64| {
            let before = (self.tail + i).checked_sub(self.shape.capacity);
            before.is_none_or(|p| !self.slots.contains_key(&p))
        };
        (0..n.min(self.shape.capacity)).take_while(is_free).count() as u64
    }

    /// How many messages and tombstones from the head on are there, at most `n`.
    fn committed(&self, n: u64) -> u64 {
        let is_there = |i: &u64| {
            let slot = self.slots.get(&(self.head + i));
            matches!(slot, Some(Slot::Ready(_) | Slot::Skip))
        };
        (0..n).take_while(is_there).count() as u64
    }

    /// What producer `i` has forgotten becomes tombstones.
    fn give_up(&mut self, i: usize) {
        for slot in self.slots.values_mut() {
            if *slot == Slot::Claimed(i) {
                *slot = Slot::Skip;
            }
        }
    }

    /// Releases what consumer `c` has first in hand, and gives it.
    fn release(&mut self, c: usize) -> Slot {
        let position = self.hands[c].pop_front().expect("in hand");
        self.slots.remove(&position).expect("not released")
    }

    /// Has consumer `c` pass over tombstones in hand.
    fn pass(&mut self, c: usize) {
        while self.front(c) == Some(&Slot::Skip) {
            self.release(c);
        }
    }

    fn front(&self, c: usize) -> Option<&Slot> {
        self.slots.get(self.hands[c].front()?)
    }

    /// Has consumer `c` claim up to `most` messages if it has none in hand. The one it has then.
    fn find(&mut self, c: usize, most: u64) -> Option<Vec<u8>> {
        loop {
            self.pass(c);
            match self.front(c) {
                Some(Slot::Ready(bytes)) => return Some(bytes.clone()),
                Some(_) => unreachable!("nobody claims what is unfinished"),
                None => {}
            }
            let n = self.committed(most);
            if n == 0 {
                return None;
            }
            self.hands[c].extend(self.head..self.head + n);
            self.head += n;
        }
    }

    // ---- who takes part -----------------------------------------------------------------------------

    /// The head as others see it: one consumer alone says so only when it releases.
    fn taken(&self) -> u64 {
        match K::MANY.1 {
            true => self.head,
            false => self.head - self.hands[0].len() as u64,
        }
    }

    fn check(&mut self) {
        let left = self.tail - self.taken();
        let status = self.ring.status().expect("the kernel answers");
        let taken = self.shape.start + self.taken();
        // Positions of slots have 62 bits.
        let same = |position: u64| position % (1 << 62);
        assert_eq!((same(status.taken), status.len), (same(taken), left));
        // Where one consumes, its producers do not see how far it is.
        if K::MANY.1 {
            for tx in self.txs.iter().flatten() {
                assert_eq!(tx.len(), left);
            }
        }
        let simple = self
            .slots
            .values()
            .all(|slot| matches!(slot, Slot::Ready(_)));
        for (rx, hands) in self.rxs.iter().zip(&self.hands) {
            let Some(rx) = rx else {
                continue;
            };
            let is_there = |p: &u64| matches!(self.slots[p], Slot::Ready(_));
            let at_head = (self.head..self.tail).find(|p| self.slots[p] != Slot::Skip);
            let something = hands.iter().any(is_there) || at_head.is_some_and(|p| is_there(&p));
            assert!(!rx.is_empty() || !something, "it is not empty");
            assert!(!simple || rx.is_empty() != something, "it is empty");
            if let Some(len) = rx.len() {
                let from = self.taken();
                let slots = (from..self.tail).map(|p| &self.slots[&p]);
                let there = slots.take_while(|slot| !matches!(slot, Slot::Claimed(_)));
                assert_eq!(
                    there.filter(|slot| **slot != Slot::Skip).count() as u64,
                    len
                );
            }
            assert!(!rx.redelivered(), "nobody died");
        }
        assert_eq!(status.dropped, self.dropped);
        let died = |end: &&annulus::End| end.state == Peer::Died;
        assert_eq!(status.consumers.iter().find(died), None);
        assert_eq!(status.producers.iter().find(died), None);
    }

    fn step(&mut self) {
        match self.rng.below(1000) {
            0..=249 => self.push(),
            250..=299 => self.push_many(),
            300..=359 => self.claim(),
            360..=429 => self.claim_many(),
            430..=649 => self.pop(),
            650..=729 => self.sample(),
            730..=879 => self.drain(),
            880..=929 => self.check(),
            930..=964 => self.leave_tx(),
            965..=998 => self.leave_rx(),
            _ if K::MANY.1 && self.rng.below(8) == 0 => self.abandon(),
            _ => self.check(),
        }
    }
}

/// Operations on each ring.
const OPERATIONS: usize = 4_000;

/// Every capacity, three start positions, three sizes: 216,000 operations on bytes, 72,000 on typed messages.
fn case<K: Shared>(number: u64) {
    case_with::<K>(number, |options| options);
}

fn case_with<K: Shared>(number: u64, with: With<K>) {
    let seed = rng::seed();
    let _told = SeedOnFailure(seed);
    let mut seeds = Rng::new(seed ^ number);
    let sizes: &[usize] = match K::Cargo::SIZE {
        Some(20) => &[20],
        _ => &[1, 13, 100],
    };
    for size in sizes {
        for capacity in [2, 4, 8, 16, 32, 64] {
            for start in [
                0,
                seeds.below(1 << 40),
                // They wrap at 62 bits.
                (1 << 62) - 1 - seeds.below(200),
            ] {
                let parking = [Parking::Auto, Parking::Never, Parking::Fenced];
                let (producers, consumers) = K::MANY;
                let shape = Shape {
                    capacity,
                    start,
                    producers: if producers {
                        1 + seeds.below(4) as usize
                    } else {
                        1
                    },
                    consumers: if consumers {
                        1 + seeds.below(4) as usize
                    } else {
                        1
                    },
                    size: *size,
                    parking: seeds.pick(&parking),
                };
                let mut model = Model::<K>::new(shape, with, seeds.next());
                (0..OPERATIONS).for_each(|_| model.step());
                model.close();
            }
        }
    }
}

#[test]
fn many_producers_and_one_consumer_share_a_queue_of_bytes() {
    case::<Mpsc<[u8]>>(1);
}

#[test]
fn one_producer_and_many_consumers_share_a_queue_of_bytes() {
    case::<Spmc<[u8]>>(2);
}

#[test]
fn many_producers_and_many_consumers_share_a_queue_of_bytes() {
    case::<Mpmc<[u8]>>(3);
}

#[test]
fn what_is_left_in_hands_is_dropped_where_the_ring_says_so_and_nothing_else() {
    case_with::<Spmc<[u8]>>(7, |options| options.orphans(Orphans::Drop));
    case_with::<Mpmc<Typed>>(8, |options| options.orphans(Orphans::Drop));
}

#[test]
fn typed_messages_of_many_producers_come_out_as_they_went_in() {
    case::<Mpsc<Typed>>(4);
}

#[test]
fn typed_messages_for_many_consumers_come_out_as_they_went_in() {
    case::<Spmc<Typed>>(5);
}

#[test]
fn typed_messages_between_many_come_out_as_they_went_in() {
    case::<Mpmc<Typed>>(6);
}
