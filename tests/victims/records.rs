//! The ends of rings of records, used in every way while they are lied to.

use super::enemy::Enemy;
use super::{Outcome, Shape, Sides, Victim, deadline, had, some_wait};
use annulus::{
    Backing, MpscRecords, Options, RecordConsumer, RecordProducer, RecordQueue, Ring, SpscRecords,
};

/// A kind of records with one consumer.
pub trait Queue: RecordQueue + Sized {
    /// How many ends produce. There is room for one more where there may be many.
    const PRODUCERS: usize;
    fn options() -> Options<Self>;
}

impl Queue for SpscRecords {
    const PRODUCERS: usize = 1;

    fn options() -> Options<Self> {
        annulus::spsc_records("lies")
    }
}

impl Queue for MpscRecords {
    const PRODUCERS: usize = 3;

    fn options() -> Options<Self> {
        annulus::mpsc_records("lies").producers(4)
    }
}

/// The ends of a ring of records.
pub struct OfRecordQueue<K: Queue> {
    sides: Sides,
    txs: Vec<RecordProducer<K>>,
    rx: Option<RecordConsumer>,
    /// What is pushed, or parts of it: one byte more than a record can have.
    bytes: Vec<u8>,
    out: Vec<u8>,
}

impl<K: Queue> OfRecordQueue<K> {
    fn produce(&mut self, i: usize, op: u64, enemy: &mut Enemy) {
        let most = self.bytes.len() as u64 - 2;
        let rng = &mut enemy.rng;
        let len = match rng.below(4) {
            0 => rng.below(most + 2),
            1 => rng.pick(&[0, 1, 8, most - 7, most]),
            _ => rng.below(64),
        } as usize;
        let wait = some_wait(enemy);
        let (tx, bytes) = (&mut self.txs[i], &self.bytes[..len]);
        let half = len / 2;
        match op {
            0 | 1 => drop(tx.try_push_tagged(op as u16, bytes)),
            2 => drop(tx.push_until(bytes, wait, deadline())),
            3 => drop(tx.try_push_many(&[bytes, &bytes[half..], b"", &bytes[..half]])),
            4 => drop(tx.try_push_vectored(7, &[&bytes[half..], b"", &bytes[..half]])),
            _ => drop(tx.try_claim(len).map(|mut loan| {
                enemy.strike();
                loan.write_at(half, &bytes[half..]);
                enemy.strike();
                loan.write_at(0, &bytes[..half]);
                match op {
                    5 => loan.commit(),
                    6 => loan.commit_len(half),
                    _ => loan.abort(),
                }
            })),
        }
    }

    fn consume(&mut self, op: u64, enemy: &mut Enemy) {
        let wait = some_wait(enemy);
        let n = enemy.rng.below(9) as usize;
        let (rx, out) = (self.rx.as_mut().expect("checked"), &mut self.out);
        let capacity = rx.capacity_bytes() as usize;
        match op {
            8 | 9 => drop(rx.try_pop_into(out)),
            10 => drop(rx.pop_into_until(out, wait, deadline())),
            11 => drop(rx.try_sample().map(|sample| {
                assert!(sample.len() + 8 <= capacity);
                enemy.strike();
                let _ = (sample.tag(), sample.read::<u64>(), sample.read::<[u8; 0]>());
                assert_eq!(sample.to_vec().len(), sample.len());
                enemy.strike();
                let some = n.min(sample.len());
                sample.read_at(sample.len() - some, &mut out_of(out, some)[..]);
                assert_eq!(sample.copy_to(out_of(out, n)), some);
            })),
            12 => drop(
                rx.sample_until(wait, deadline())
                    .map(|sample| sample.keep()),
            ),
            13 => drop(rx.try_peek().map(|sample| {
                enemy.strike();
                if n > 3 {
                    sample.release()
                } else {
                    drop(sample)
                }
            })),
            _ => {
                let mut drain = rx.drain(n);
                let mut got = 0;
                while drain.next_into(out).is_some() {
                    enemy.strike();
                    got += 1;
                }
                assert!(got <= n && rx.capacity_bytes() as usize == capacity);
            }
        }
    }

    /// Somebody goes with a claim in hand.
    fn abandon(&mut self, ring: &Ring<K>, i: usize) {
        if self.txs[i].try_claim(30).map(std::mem::forget).is_ok() {
            drop(self.txs.swap_remove(i));
            self.txs.extend(had(ring.producer()));
        }
    }

    fn look(&mut self, ring: &Ring<K>, i: usize, produce: bool) {
        if produce {
            let tx = &self.txs[i];
            let _ = (tx.consumer_state(), tx.predecessor());
        } else {
            let rx = self.rx.as_mut().expect("checked");
            let _ = (rx.producer_state(), rx.predecessor(), rx.position());
            let _ = rx.is_empty();
        }
        let status = ring.status().expect("the kernel answers");
        assert!(status.len <= status.capacity, "{status:?}");
    }
}

impl<K: Queue> Victim for OfRecordQueue<K> {
    type Kind = K;

    fn options(shape: &Shape) -> Options<K> {
        let options = K::options().backing(Backing::Memfd);
        let options = options
            .capacity_bytes(shape.capacity)
            .parking(shape.parking);
        options
            .record_align(shape.align)
            .start_position(shape.start)
    }

    fn attach(ring: &Ring<K>, sides: Sides) -> Option<Self> {
        let mut ends = Self {
            sides,
            txs: Vec::new(),
            rx: None,
            bytes: (0..ring.max_record() + 2).map(|i| i as u8).collect(),
            out: Vec::new(),
        };
        for _ in 0..if sides.produce() { K::PRODUCERS } else { 0 } {
            ends.txs.push(had(ring.producer())?);
        }
        if sides.consume() {
            ends.rx = Some(had(ring.consumer())?);
        }
        Some(ends)
    }

    fn operate(&mut self, ring: &Ring<K>, enemy: &mut Enemy) -> Outcome {
        let produce = self.sides.turn(enemy);
        let ends = if produce {
            self.txs.len()
        } else {
            usize::from(self.rx.is_some())
        };
        if ends == 0 {
            return Outcome::Over;
        }
        let i = enemy.rng.below(ends as u64) as usize;
        match enemy.rng.below(64) {
            0..=51 if produce => {
                let op = enemy.rng.below(8);
                self.produce(i, op, enemy);
            }
            0..=51 => {
                let op = 8 + enemy.rng.below(7);
                self.consume(op, enemy);
            }
            52..=55 => self.look(ring, i, produce),
            56..=59 if produce => {
                drop(self.txs.swap_remove(i));
                self.txs.extend(had(ring.producer()));
            }
            60..=62 if produce => {
                self.abandon(ring, i);
            }
            56..=62 => {
                self.rx = None;
                self.rx = had(ring.consumer());
            }
            _ if enemy.rng.below(8) == 0 => {
                match produce {
                    true => self.txs.swap_remove(i).close(),
                    false => self.rx.take().expect("checked").close(),
                }
                return Outcome::Over;
            }
            _ => {}
        }
        Outcome::Done
    }
}

/// The first `n` bytes of `out`, made long enough.
fn out_of(out: &mut Vec<u8>, n: usize) -> &mut [u8] {
    out.resize(n, 0);
    out
}
