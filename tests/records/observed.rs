//! Whoever reads the records of one producer in passing sees what was committed, in order, and nothing else.
//!
//! The payload consists of header words, as in `forged.rs`. What is overwritten before it was read is told as
//! missed, and the reading goes on where the consumer is. A ring full of lies is read as well: then as nonsense,
//! but inside the ring and for a bounded time.

use crate::common::clean::{Cleanup, unique};
use crate::common::rng::{self, Rng, SeedOnFailure};
use crate::kinds::{Kind, Shape};
use crate::peer::{PAD, READY, word};
use crate::victims::{self, enemy::Enemy};
use annulus::{
    Backing, Observer, OpenError, Parking, RecordConsumer, RecordProducer, Ring, Seen, SpscRecords,
    TryPopError, observe,
};
use std::time::{Duration, Instant};

fn shape(capacity: u64, align: u64, start: u64) -> Shape {
    Shape {
        capacity,
        align,
        start,
        producers: 1,
        parking: Parking::Never,
    }
}

/// Makes a ring under a name, with somebody who reads it in passing, and removes it in the end.
fn observed(shape: Shape, test: impl FnOnce(&Ring<SpscRecords>, Observer)) {
    let name = unique("records-observed");
    let options = SpscRecords::options(&name, 1)
        .capacity_bytes(shape.capacity)
        .record_align(shape.align)
        .start_position(shape.start);
    let ring = options.create().expect("create");
    let _clean = Cleanup(|| {
        // Not by the library: what is there may have been made no ring.
        let _ = std::fs::remove_file(format!("/dev/shm/{name}"));
    });
    let observer = observe(Backing::PosixShm, &name).expect("it is there");
    test(&ring, observer);
}

/// What passes, and what was seen of it.
struct Passing {
    shape: Shape,
    tx: RecordProducer<SpscRecords>,
    rx: RecordConsumer,
    observer: Observer,
    /// Every record ever committed: its position, tag and bytes.
    committed: Vec<(u64, u16, Vec<u8>)>,
    /// Which of them the observer comes to next.
    next: usize,
    tail: u64,
    missed: u32,
}

impl Passing {
    /// Claims, writes forged headers, and sends them or not.
    fn produce(&mut self, rng: &mut Rng) {
        let capacity = self.shape.capacity;
        let len = rng.below(capacity / 4) as usize;
        let forged = |rng: &mut Rng| {
            let state = rng.pick(&[READY, READY, PAD, READY | 4, PAD | 4]);
            word(state, rng.pick(&[0, 9]), rng.below(capacity / 2) as u32)
        };
        let words = (0..len.div_ceil(8)).flat_map(|_| forged(rng).to_ne_bytes());
        let mut bytes: Vec<u8> = words.collect();
        bytes.truncate(len);
        let Ok(mut loan) = self.tx.try_claim(len) else {
            return;
        };
        let tag = rng.next() as u16;
        loan.write_at(0, &bytes);
        loan.set_tag(tag);
        self.tail += self.shape.padding(self.tail, self.shape.total(len));
        if rng.below(4) > 0 {
            bytes.truncate(rng.below(2 * len as u64 + 1) as usize);
            loan.commit_len(bytes.len());
            let total = self.shape.total(bytes.len());
            self.committed.push((self.tail, tag, bytes));
            self.tail += total;
        }
    }

    fn look(&mut self) {
        let mut out = Vec::new();
        match self.observer.try_next_into(&mut out) {
            Ok(Seen::Record { tag, position }) => {
                let wanted = self.committed.get(self.next).expect("nothing was sent");
                assert_eq!((position, tag, out), *wanted);
                self.next += 1;
            }
            Ok(Seen::Missed { bytes }) => {
                // A lap at the most is what it could have read.
                assert!(bytes > 0);
                let goes_on = self.rx.position();
                self.missed += 1;
                self.next = self.committed.partition_point(|(at, ..)| *at < goes_on);
            }
            Err(TryPopError::Empty) => assert_eq!(self.next, self.committed.len()),
            Err(e) => panic!("{e}"),
        }
    }
}

#[test]
fn whoever_reads_in_passing_sees_what_was_committed_and_nothing_else() {
    let seed = rng::seed();
    let _told = SeedOnFailure(seed);
    let mut rng = Rng::new(seed);
    let mut missed = 0;
    for capacity in [256, 1024, 8192] {
        for align in [8, 64] {
            for start in [0, (1 << 62) - 128] {
                let shape = shape(capacity, align, start);
                observed(shape, |ring, observer| {
                    let mut passing = Passing {
                        shape,
                        tx: ring.producer().expect("a free end"),
                        rx: ring.consumer().expect("a free end"),
                        observer,
                        committed: Vec::new(),
                        next: 0,
                        tail: start,
                        missed: 0,
                    };
                    for _ in 0..6_000 {
                        match rng.below(20) {
                            0..=7 => passing.produce(&mut rng),
                            8..=13 => drop(passing.rx.try_sample()),
                            14 if rng.below(40) == 0 => {
                                passing.observer.skip_to_newest();
                                passing.next = passing.committed.len();
                            }
                            _ => passing.look(),
                        }
                    }
                    missed += passing.missed;
                    passing.tx.close();
                });
            }
        }
    }
    assert!(missed > 0, "nobody was ever lapped");
}

#[test]
fn whoever_reads_lies_in_passing_stays_inside_the_ring_and_comes_back() {
    for (capacity, align) in [(256, 8), (1024, 64), (16384, 8)] {
        let shape = shape(capacity, align, 0);
        observed(shape, |ring, mut observer| {
            let mut enemy = Enemy::of(victims::memory::Memory::of(ring), capacity);
            let mut out = Vec::new();
            for i in 0..20_000 {
                enemy.strike();
                let begun = Instant::now();
                if let Ok(Seen::Record { .. }) = observer.try_next_into(&mut out) {
                    assert!(out.len() as u64 + 8 <= capacity);
                }
                if i % 16 == 0 {
                    observer.skip_to_newest();
                }
                assert!(begun.elapsed() < Duration::from_secs(2));
            }
        });
    }
}

#[test]
fn a_ring_that_cannot_be_read_in_passing_says_so() {
    let names = [unique("slots"), unique("many")];
    let _clean = Cleanup(|| {
        for name in &names {
            let _ = annulus::unlink(Backing::PosixShm, name);
        }
    });
    let _slots = annulus::spsc::<u64>(&names[0]).create().expect("create");
    let _many = annulus::mpsc_records(&names[1]).create().expect("create");
    for name in &names {
        let refused = observe(Backing::PosixShm, name);
        assert!(
            matches!(refused, Err(OpenError::Mismatch { .. })),
            "{refused:?}"
        );
    }
    let nothing = observe(Backing::PosixShm, &unique("nothing"));
    assert!(matches!(nothing, Err(OpenError::NotFound { .. })));
}
