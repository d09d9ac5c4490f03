//! The loops that are timed, and the loops that check every byte: one source for all engines.
//!
//! Invariants: a waiting side polls with one `spin_loop` per failure and, where there are more parties than cores, gives
//! its core away after `YIELD_AFTER` failures in a row; the same for every engine.

use std::hint::spin_loop;

use super::super::loops::{Damaged, verdict};
use super::super::message::in_turn;
use super::super::opaque::opaque;
use super::content::{Table, differs, producer_of, table, write_numbered};
use super::lengths::Lengths;
use super::work::Records;

/// Failures in a row after which a crowded party yields.
const YIELD_AFTER: u32 = 256;

/// The sending end of a ring.
pub trait Tx {
    /// Copies the record in; false when the ring is full. An end that waits in the kernel returns true always.
    fn try_send(&mut self, record: &[u8]) -> bool;
}

/// The receiving end of a ring.
pub trait Rx {
    /// Copies one record into `into` in place of what is there; false when the ring is empty, and `into` is then as it was.
    /// There is room for the longest record of the class already.
    fn try_receive(&mut self, into: &mut Vec<u8>) -> bool;
}

/// One producer and what it sends.
pub struct Sender<T> {
    tx: T,
    producer: u32,
    lengths: Lengths,
    table: Table,
    crowded: bool,
}

impl<T: Tx> Sender<T> {
    /// Producer `producer` of such records.
    pub fn new(tx: T, producer: u32, records: Records) -> Self {
        Sender {
            tx,
            producer,
            lengths: records.lengths,
            table: table(records.lengths, producer),
            crowded: records.is_crowded(),
        }
    }

    /// Sends, timed.
    pub fn send(&mut self, count: u64) {
        in_turn(&self.table, count, |record| {
            send_one(&mut self.tx, opaque(record), self.crowded)
        });
    }

    /// Sends records that are all different, untimed.
    pub fn send_numbered(&mut self, count: u64) {
        let mut record = Vec::new();
        for number in 0..count {
            write_numbered(&mut record, self.lengths, self.producer, number);
            send_one(&mut self.tx, &record, self.crowded);
        }
    }
}

/// The consumer, what it expects of every producer, and where it takes records to.
pub struct Receiver<R> {
    rx: R,
    lengths: Lengths,
    tables: Box<[Table]>,
    into: Vec<u8>,
    crowded: bool,
}

impl<R: Rx> Receiver<R> {
    /// The consumer of such records.
    pub fn new(rx: R, records: Records) -> Self {
        let lengths = records.lengths;
        Receiver {
            rx,
            lengths,
            tables: (0..records.producers)
                .map(|of| table(lengths, of))
                .collect(),
            into: Vec::with_capacity(lengths.most),
            crowded: records.is_crowded(),
        }
    }

    /// Receives, timed; lengths and first and last words are compared, and the order of each producer with them.
    pub fn receive(&mut self, count: u64) -> Result<(), Damaged> {
        match &*self.tables {
            [_] => self.receive_from_one(count),
            _ => self.receive_from_many(count),
        }
    }

    fn receive_from_one(&mut self, count: u64) -> Result<(), Damaged> {
        let Receiver {
            rx, tables, into, ..
        } = self;
        let mut wrong = 0;
        in_turn(&tables[0], count, |expected| {
            receive_one(rx, into, self.crowded);
            // Shown as a vector: as a slice its address and length would be loaded in one, right after the length was stored
            // alone, which is a store-forwarding stall.
            wrong |= differs(opaque(into), expected);
        });
        verdict(wrong)
    }

    fn receive_from_many(&mut self, count: u64) -> Result<(), Damaged> {
        let Receiver {
            rx, tables, into, ..
        } = self;
        let mut at = vec![0; tables.len()];
        let mut wrong = 0;
        for _ in 0..count {
            receive_one(rx, into, self.crowded);
            let record = opaque(into);
            let producer = producer_of(record);
            let Some(table) = tables.get(producer) else {
                return Err(Damaged);
            };
            wrong |= differs(record, &table[at[producer]]);
            at[producer] = following(at[producer], table.len());
        }
        verdict(wrong)
    }

    /// Receives what `send_numbered` of every producer sent, `count` in all, and compares every byte.
    pub fn receive_numbered(&mut self, count: u64) -> Result<(), Damaged> {
        let mut next = vec![0; self.tables.len()];
        let mut expected = Vec::new();
        let mut wrong = false;
        for _ in 0..count {
            receive_one(&mut self.rx, &mut self.into, self.crowded);
            let producer = producer_of(&self.into);
            let number = next.get_mut(producer).ok_or(Damaged)?;
            write_numbered(&mut expected, self.lengths, producer as u32, *number);
            *number += 1;
            wrong |= self.into != expected;
        }
        verdict(u64::from(wrong))
    }
}

/// Sends and waits for the answer, which is the same record, timed; lengths and first and last words are compared.
pub fn ping<T: Tx, R: Rx>(
    out: &mut Sender<T>,
    back: &mut Receiver<R>,
    count: u64,
) -> Result<(), Damaged> {
    let mut wrong = 0;
    in_turn(&out.table, count, |expected| {
        send_one(&mut out.tx, opaque(expected), false);
        receive_one(&mut back.rx, &mut back.into, false);
        wrong |= differs(opaque(&back.into), expected);
    });
    verdict(wrong)
}

/// The other half of `ping`: compares what arrives and answers it with the same record out of this side's own table.
///
/// Sending the copy that was just made would measure something else: its bytes are still on their way to the first-level cache,
/// and a load that no single store covers waits until all earlier stores are there, those to the ring's lines included.
pub fn echo<T: Tx, R: Rx>(
    out: &mut Sender<T>,
    back: &mut Receiver<R>,
    count: u64,
) -> Result<(), Damaged> {
    let mut wrong = 0;
    in_turn(&out.table, count, |expected| {
        receive_one(&mut back.rx, &mut back.into, false);
        wrong |= differs(opaque(&back.into), expected);
        send_one(&mut out.tx, opaque(expected), false);
    });
    verdict(wrong)
}

#[inline(always)]
fn send_one(tx: &mut impl Tx, record: &[u8], crowded: bool) {
    let mut failures = 0;
    while !tx.try_send(record) {
        relax(&mut failures, crowded);
    }
}

/// Takes the next record.
#[inline(always)]
fn receive_one(rx: &mut impl Rx, into: &mut Vec<u8>, crowded: bool) {
    let mut failures = 0;
    while !rx.try_receive(into) {
        relax(&mut failures, crowded);
    }
}

#[inline(always)]
fn relax(failures: &mut u32, crowded: bool) {
    *failures += 1;
    if crowded && *failures >= YIELD_AFTER {
        *failures = 0;
        std::thread::yield_now();
    } else {
        spin_loop();
    }
}

#[inline(always)]
fn following(at: usize, len: usize) -> usize {
    if at + 1 == len { 0 } else { at + 1 }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::collections::VecDeque;
    use std::rc::Rc;

    use super::super::lengths::SHORT;
    use super::*;

    #[derive(Clone, Default)]
    struct Queue(Rc<RefCell<VecDeque<Vec<u8>>>>);

    impl Tx for Queue {
        fn try_send(&mut self, record: &[u8]) -> bool {
            self.0.borrow_mut().push_back(record.to_vec());
            true
        }
    }

    impl Rx for Queue {
        fn try_receive(&mut self, into: &mut Vec<u8>) -> bool {
            let record = self.0.borrow_mut().pop_front();
            let found = record.is_some();
            into.clear();
            into.extend(record.unwrap_or_default());
            found
        }
    }

    fn ends(queue: &Queue, producers: u32) -> (Vec<Sender<Queue>>, Receiver<Queue>) {
        let records = Records {
            lengths: SHORT,
            producers,
        };
        let senders = (0..producers).map(|of| Sender::new(queue.clone(), of, records));
        (senders.collect(), Receiver::new(queue.clone(), records))
    }

    #[test]
    fn what_was_sent_is_accepted() {
        let queue = Queue::default();
        let (mut senders, mut receiver) = ends(&queue, 1);
        senders[0].send_numbered(100);
        assert_eq!(receiver.receive_numbered(100), Ok(()));
        senders[0].send(5000);
        assert_eq!(receiver.receive(5000), Ok(()));
        assert_eq!(ping(&mut senders[0], &mut receiver, 200), Ok(()));
        assert!(queue.0.borrow().is_empty());
    }

    #[test]
    fn records_of_several_producers_are_accepted_in_any_mixture_that_keeps_each_ones_order() {
        let queue = Queue::default();
        let (mut senders, mut receiver) = ends(&queue, 3);
        senders[2].send_numbered(10);
        senders[0].send_numbered(10);
        senders[1].send_numbered(10);
        assert_eq!(receiver.receive_numbered(30), Ok(()));
        senders[1].send(300);
        senders[0].send(300);
        senders[2].send(300);
        assert_eq!(receiver.receive(900), Ok(()));
    }

    #[test]
    fn two_records_of_one_producer_in_the_wrong_order_are_found() {
        for timed in [false, true] {
            let queue = Queue::default();
            let (mut senders, mut receiver) = ends(&queue, 2);
            for sender in &mut senders {
                if timed {
                    sender.send(10);
                } else {
                    sender.send_numbered(10);
                }
            }
            queue.0.borrow_mut().swap(12, 13);
            let found = match timed {
                true => receiver.receive(20),
                false => receiver.receive_numbered(20),
            };
            assert_eq!(found, Err(Damaged));
        }
    }

    #[test]
    fn a_record_of_a_producer_that_does_not_exist_is_found() {
        let queue = Queue::default();
        let (mut senders, mut receiver) = ends(&queue, 2);
        senders[0].send(10);
        queue.0.borrow_mut()[4][0] = 2;
        assert_eq!(receiver.receive(10), Err(Damaged));
    }

    #[test]
    fn one_wrong_bit_in_the_middle_of_a_record_is_found_by_the_checking_pass() {
        let queue = Queue::default();
        let (mut senders, mut receiver) = ends(&queue, 1);
        senders[0].send_numbered(100);
        queue.0.borrow_mut()[50][11] ^= 1;
        assert_eq!(receiver.receive_numbered(100), Err(Damaged));
    }

    #[test]
    fn a_lost_lap_is_found_by_the_timed_loop() {
        let queue = Queue::default();
        let (mut senders, mut receiver) = ends(&queue, 1);
        senders[0].send(5000);
        queue.0.borrow_mut().drain(100..100 + SHORT.cells());
        let rest = 5000 - SHORT.cells() as u64;
        assert_eq!(receiver.receive(rest), Err(Damaged));
    }
}
