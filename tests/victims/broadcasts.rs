//! The ends of broadcasts, used in every way while they are lied to.

use super::enemy::Enemy;
use super::{Outcome, Shape, Sides, Victim, deadline, had, joined, some_wait};
use annulus::{
    Backing, Broadcast, BroadcastRecords, Join, Laggards, Options, Producer, Reader,
    RecordProducer, RecordReader, Resume, Ring, Untrusted,
};

const SIZE: usize = 20;

fn some_join(enemy: &mut Enemy, position: u64) -> Join {
    let off = enemy.rng.below(64);
    match enemy.rng.below(6) {
        0 => Join::Newest,
        1 => Join::Oldest,
        2 => Join::At(enemy.rng.next()),
        3 => Join::At(position.wrapping_sub(8 * off)),
        _ => Join::At(position.wrapping_sub(off)),
    }
}

fn some_laggards(enemy: &mut Enemy) -> Laggards {
    match enemy.rng.below(4) {
        0 => Laggards::Wait,
        patience => Laggards::Demote { patience },
    }
}

/// A broadcast of slots.
pub struct OfSlots {
    sides: Sides,
    tx: Option<Producer<[u8], Untrusted, Broadcast<[u8]>>>,
    readers: Vec<Reader<[u8]>>,
    out: [u8; SIZE],
}

impl OfSlots {
    fn produce(&mut self, enemy: &mut Enemy) {
        let wait = some_wait(enemy);
        let n = enemy.rng.pick(&[1, 2, 3, 9, 100, usize::MAX]);
        let bytes: [u8; SIZE] = std::array::from_fn(|_| enemy.rng.next() as u8);
        let tx = self.tx.as_mut().expect("checked");
        match enemy.rng.below(6) {
            0 | 1 => drop(tx.try_push(&bytes)),
            2 => drop(tx.push_until(&bytes, wait, deadline())),
            3 => drop(tx.try_claim().map(|mut loan| {
                enemy.strike();
                loan.write_at(3, &bytes[..9]);
                enemy.strike();
                if n.is_multiple_of(2) {
                    loan.abort()
                } else {
                    loan.commit()
                }
            })),
            4 => drop(tx.try_claim_run(n).map(|mut run| {
                let len = run.len();
                assert!((1..=n).contains(&len));
                enemy.strike();
                (0..len).for_each(|i| run.write(i, &bytes));
                run.commit_first(len / 2);
            })),
            _ => tx.laggards(some_laggards(enemy)),
        }
        let _ = (tx.len(), tx.is_empty(), tx.consumer_state());
    }

    fn consume(&mut self, i: usize, enemy: &mut Enemy) {
        let wait = some_wait(enemy);
        let (rx, out) = (&mut self.readers[i], &mut self.out[..]);
        match enemy.rng.below(7) {
            0..=2 => drop(rx.try_read_into(out)),
            3 => drop(rx.read_into_until(out, wait, deadline())),
            4 => drop(rx.try_latest_into(out)),
            5 => rx.resume_at(enemy.rng.pick(&[Resume::Oldest, Resume::Newest])),
            _ if enemy.rng.below(8) == 0 => rx.become_lossy(),
            _ => {}
        }
        let _ = (
            rx.lag(),
            rx.lost(),
            rx.skipped(),
            rx.is_lossless(),
            rx.producer_state(),
        );
    }
}

impl Victim for OfSlots {
    type Kind = Broadcast<[u8]>;

    fn options(shape: &Shape) -> Options<Self::Kind> {
        let options = annulus::broadcast("lies").slot_size(SIZE).readers(4);
        let options = options.capacity(shape.capacity).parking(shape.parking);
        options.backing(Backing::Memfd).start_position(shape.start)
    }

    fn attach(ring: &Ring<Self::Kind>, sides: Sides) -> Option<Self> {
        let tx = match sides.produce() {
            true => Some(had(ring.producer())?),
            false => None,
        };
        let mut readers = Vec::new();
        if sides.consume() {
            readers.push(joined(ring.reader(Join::Newest))?);
            readers.push(joined(ring.lossless_reader(Join::Oldest))?);
        }
        Some(Self {
            sides,
            tx,
            readers,
            out: [0; SIZE],
        })
    }

    fn operate(&mut self, ring: &Ring<Self::Kind>, enemy: &mut Enemy) -> Outcome {
        let produce = self.sides.turn(enemy);
        let ends = if produce {
            usize::from(self.tx.is_some())
        } else {
            self.readers.len()
        };
        if ends == 0 {
            return Outcome::Over;
        }
        let i = enemy.rng.below(ends as u64) as usize;
        match enemy.rng.below(64) {
            0..=55 if produce => self.produce(enemy),
            0..=55 => self.consume(i, enemy),
            56 => drop(ring.status().expect("the kernel answers")),
            57..=62 if produce => {
                self.tx = None;
                self.tx = had(ring.producer());
            }
            57..=62 => {
                let position = self.readers.swap_remove(i).position();
                let join = some_join(enemy, position);
                self.readers.extend(joined(match enemy.rng.below(2) {
                    0 => ring.reader(join),
                    _ => ring.lossless_reader(join),
                }));
            }
            _ if produce && enemy.rng.below(8) == 0 => self.tx.take().expect("checked").close(),
            _ => {}
        }
        Outcome::Done
    }
}

/// A broadcast of records.
pub struct OfRecords {
    sides: Sides,
    tx: Option<RecordProducer<BroadcastRecords>>,
    readers: Vec<RecordReader>,
    bytes: Vec<u8>,
    out: Vec<u8>,
}

impl OfRecords {
    fn produce(&mut self, enemy: &mut Enemy) {
        let wait = some_wait(enemy);
        let tx = self.tx.as_mut().expect("checked");
        let max = tx.max_record() as u64;
        let len = match enemy.rng.below(4) {
            0 => enemy.rng.below(max + 2),
            1 => enemy.rng.pick(&[0, 1, 8, max - 7, max]),
            _ => enemy.rng.below(64),
        } as usize;
        let bytes = &self.bytes[..len];
        let half = len / 2;
        match enemy.rng.below(7) {
            0 | 1 => drop(tx.try_push_tagged(7, bytes)),
            2 => drop(tx.push_until(bytes, wait, deadline())),
            3 => drop(tx.try_push_many(&[bytes, &bytes[half..], b"", &bytes[..half]])),
            4 => drop(tx.try_push_vectored(7, &[&bytes[half..], b"", &bytes[..half]])),
            5 => drop(tx.try_claim(len).map(|mut loan| {
                enemy.strike();
                loan.write_at(half, &bytes[half..]);
                enemy.strike();
                match enemy.rng.below(3) {
                    0 => loan.abort(),
                    1 => loan.commit_len(half),
                    _ => loan.commit(),
                }
            })),
            _ => tx.laggards(some_laggards(enemy)),
        }
        let _ = (tx.sequence(), tx.reader_lag_bytes(), tx.consumer_state());
    }

    fn consume(&mut self, i: usize, enemy: &mut Enemy) {
        let wait = some_wait(enemy);
        let (rx, out) = (&mut self.readers[i], &mut self.out);
        match enemy.rng.below(7) {
            0..=2 => drop(rx.try_read_into(out)),
            3 => drop(rx.read_into_until(out, wait, deadline())),
            4 => drop(rx.try_latest_into(out)),
            5 => rx.resume_at(enemy.rng.pick(&[Resume::Oldest, Resume::Newest])),
            _ if enemy.rng.below(8) == 0 => rx.become_lossy(),
            _ => {}
        }
        assert!(out.len() as u64 <= rx.capacity_bytes());
        let _ = (rx.lag_bytes(), rx.lost(), rx.skipped(), rx.is_lossless());
    }
}

impl Victim for OfRecords {
    type Kind = BroadcastRecords;

    fn options(shape: &Shape) -> Options<Self::Kind> {
        let options = annulus::broadcast_records("lies").readers(4);
        let options = options
            .capacity_bytes(shape.capacity)
            .parking(shape.parking);
        let options = options.record_align(shape.align).backing(Backing::Memfd);
        options.start_position(shape.start)
    }

    fn attach(ring: &Ring<Self::Kind>, sides: Sides) -> Option<Self> {
        let tx = match sides.produce() {
            true => Some(had(ring.producer())?),
            false => None,
        };
        let mut readers = Vec::new();
        if sides.consume() {
            readers.push(joined(ring.reader(Join::Newest))?);
            readers.push(joined(ring.lossless_reader(Join::Oldest))?);
        }
        Some(Self {
            sides,
            tx,
            readers,
            bytes: (0..=ring.max_record() + 1).map(|i| i as u8).collect(),
            out: Vec::new(),
        })
    }

    fn operate(&mut self, ring: &Ring<Self::Kind>, enemy: &mut Enemy) -> Outcome {
        let produce = self.sides.turn(enemy);
        let ends = if produce {
            usize::from(self.tx.is_some())
        } else {
            self.readers.len()
        };
        if ends == 0 {
            return Outcome::Over;
        }
        let i = enemy.rng.below(ends as u64) as usize;
        match enemy.rng.below(64) {
            0..=55 if produce => self.produce(enemy),
            0..=55 => self.consume(i, enemy),
            56 => drop(ring.status().expect("the kernel answers")),
            57..=62 if produce => {
                self.tx = None;
                self.tx = had(ring.producer());
            }
            57..=62 => {
                let position = self.readers.swap_remove(i).position();
                let join = some_join(enemy, position);
                self.readers.extend(joined(match enemy.rng.below(2) {
                    0 => ring.reader(join),
                    _ => ring.lossless_reader(join),
                }));
            }
            _ if produce && enemy.rng.below(8) == 0 => self.tx.take().expect("checked").close(),
            _ => {}
        }
        Outcome::Done
    }
}
