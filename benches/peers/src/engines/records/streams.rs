//! Rust rings of bytes on the heap of one process: rtrb and ringbuf with a length before every record, bbqueue with its own
//! frames. Two threads use them.
//!
//! A record and its length are written into the free part of the ring in place and published by one store of the index.

use std::mem::MaybeUninit;

use bbqueue::BBQueue;
use bbqueue::prod_cons::framed::{FramedConsumer, FramedProducer};
use bbqueue::traits::bbqhdl::BbqHandle;
use bbqueue::traits::coordination::cas::AtomicCoord;
use bbqueue::traits::notifier::polling::Polling;
use bbqueue::traits::storage::BoxedSlice;
use ringbuf::traits::{Consumer as _, Observer as _, Producer as _, Split as _};

use super::{Once, traits};
use crate::scenario::engine::{Across, Traits, Wait, WrittenIn};
use crate::scenario::records::harness::Channel;
use crate::scenario::records::loops::{Rx, Tx};
use crate::scenario::records::work::Records;

/// The length before a record.
type Prefix = [u8; 4];
const PREFIX: usize = size_of::<Prefix>();

const fn rust_threads(name: &'static str) -> Traits {
    traits(name, Across::Threads, WrittenIn::Rust, Wait::Spin)
}

/// Both ends of a ring until they are attached.
pub struct Ends<T, R> {
    tx: Once<T>,
    rx: Once<R>,
}

/// Declares a channel made of two ends.
macro_rules! channel {
    ($(#[$doc:meta])* $channel:ident, $name:literal, $tx:ty, $rx:ty, $pair:expr) => {
        $(#[$doc])*
        pub struct $channel(Ends<$tx, $rx>);

        impl Channel for $channel {
            const TRAITS: Traits = rust_threads($name);
            type Tx = $tx;
            type Rx = $rx;

            fn carries(records: Records) -> bool {
                records.producers == 1
            }

            fn create(records: Records) -> Result<Self, String> {
                let (tx, rx) = $pair(records.lengths.ring_bytes());
                Ok($channel(Ends {
                    tx: Once::new(tx),
                    rx: Once::new(rx),
                }))
            }

            fn sender(&self) -> Result<$tx, String> {
                self.0.tx.take()
            }

            fn receiver(&self) -> Result<$rx, String> {
                self.0.rx.take()
            }
        }
    };
}

channel! {
    /// rtrb with a chunk per record.
    Rtrb, "rtrb", rtrb::Producer<u8>, rtrb::Consumer<u8>, rtrb::RingBuffer::new
}

impl Tx for rtrb::Producer<u8> {
    #[inline(always)]
    fn try_send(&mut self, record: &[u8]) -> bool {
        let Ok(mut chunk) = self.write_chunk_uninit(PREFIX + record.len()) else {
            return false;
        };
        let (front, back) = chunk.as_mut_slices();
        put(front, back, record);
        // SAFETY: the chunk has room for prefix and record and no more, and `put` wrote both.
        unsafe { chunk.commit_all() };
        true
    }
}

impl Rx for rtrb::Consumer<u8> {
    #[inline(always)]
    fn try_receive(&mut self, into: &mut Vec<u8>) -> bool {
        let Ok(prefix) = self.read_chunk(PREFIX) else {
            return false;
        };
        let (front, back) = prefix.as_slices();
        let length = length(front, back);
        let Ok(chunk) = self.read_chunk(PREFIX + length) else {
            return false;
        };
        let (front, back) = chunk.as_slices();
        get(front, back, length, into);
        chunk.commit_all();
        true
    }
}

channel! {
    /// ringbuf with its slices of free and of filled memory.
    Ringbuf, "ringbuf", ringbuf::HeapProd<u8>, ringbuf::HeapCons<u8>, |bytes| {
        ringbuf::HeapRb::new(bytes).split()
    }
}

impl Tx for ringbuf::HeapProd<u8> {
    #[inline(always)]
    fn try_send(&mut self, record: &[u8]) -> bool {
        let need = PREFIX + record.len();
        let (front, back) = self.vacant_slices_mut();
        if front.len() + back.len() < need {
            return false;
        }
        put(front, back, record);
        // SAFETY: `put` wrote the first `need` vacant bytes.
        unsafe { ringbuf::traits::Raw::advance_write_index(self, need) };
        true
    }
}

impl Rx for ringbuf::HeapCons<u8> {
    #[inline(always)]
    fn try_receive(&mut self, into: &mut Vec<u8>) -> bool {
        if self.is_empty() {
            return false;
        }
        let (front, back) = self.as_slices();
        let length = length(front, back);
        get(front, back, length, into);
        // SAFETY: prefix and record were filled, and bytes have no destructor.
        unsafe { ringbuf::traits::Raw::advance_read_index(self, PREFIX + length) };
        true
    }
}

/// Writes the length of `record` and `record` across two pieces of free memory, which have room for both.
#[inline(always)]
fn put(front: &mut [MaybeUninit<u8>], back: &mut [MaybeUninit<u8>], record: &[u8]) {
    let prefix = (record.len() as u32).to_ne_bytes();
    put_at(front, back, 0, &prefix);
    put_at(front, back, PREFIX, record);
}

#[inline(always)]
fn put_at(front: &mut [MaybeUninit<u8>], back: &mut [MaybeUninit<u8>], at: usize, bytes: &[u8]) {
    let end = at + bytes.len();
    if end <= front.len() {
        front[at..end].write_copy_of_slice(bytes);
    } else if at >= front.len() {
        back[at - front.len()..end - front.len()].write_copy_of_slice(bytes);
    } else {
        let (first, second) = bytes.split_at(front.len() - at);
        front[at..].write_copy_of_slice(first);
        back[..second.len()].write_copy_of_slice(second);
    }
}

#[inline(always)]
fn length(front: &[u8], back: &[u8]) -> usize {
    let prefix: Prefix = match front.first_chunk() {
        Some(&prefix) => prefix,
        None => std::array::from_fn(|at| match at < front.len() {
            true => front[at],
            false => back[at - front.len()],
        }),
    };
    u32::from_ne_bytes(prefix) as usize
}

/// Copies the record of `length` bytes that lies behind its prefix in two pieces of memory.
#[inline(always)]
fn get(front: &[u8], back: &[u8], length: usize, into: &mut Vec<u8>) {
    let end = PREFIX + length;
    into.clear();
    if end <= front.len() {
        into.extend_from_slice(&front[PREFIX..end]);
    } else if PREFIX >= front.len() {
        into.extend_from_slice(&back[PREFIX - front.len()..end - front.len()]);
    } else {
        into.extend_from_slice(&front[PREFIX..]);
        into.extend_from_slice(&back[..end - front.len()]);
    }
}

/// A borrowed queue, so that a grant does not count references. Its ring lives as long as the process, which serves one
/// measurement.
type Frames = &'static BBQueue<BoxedSlice, AtomicCoord, Polling>;

channel! {
    /// bbqueue's framed interface. A frame's length has 8 bytes: with 2 it could not hold 64 KiB.
    Bbqueue, "bbqueue", FramedProducer<Frames, usize>, FramedConsumer<Frames, usize>, |bytes| {
        let queue: Frames = Box::leak(Box::new(BBQueue::new_with_storage(BoxedSlice::new(bytes))));
        (BbqHandle::framed_producer(&queue), BbqHandle::framed_consumer(&queue))
    }
}

impl Tx for FramedProducer<Frames, usize> {
    #[inline(always)]
    fn try_send(&mut self, record: &[u8]) -> bool {
        let Ok(mut grant) = self.grant(record.len()) else {
            return false;
        };
        grant.copy_from_slice(record);
        grant.commit(record.len());
        true
    }
}

impl Rx for FramedConsumer<Frames, usize> {
    #[inline(always)]
    fn try_receive(&mut self, into: &mut Vec<u8>) -> bool {
        let Ok(grant) = self.read() else {
            return false;
        };
        into.clear();
        into.extend_from_slice(&grant);
        grant.release();
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_the_same_wherever_the_ring_ends_within_it() {
        let record: Vec<u8> = (1..=9).collect();
        let total = PREFIX + record.len();
        for cut in 0..=total {
            let mut front = vec![MaybeUninit::new(0); cut];
            let mut back = vec![MaybeUninit::new(0); total - cut + 3];
            put(&mut front, &mut back, &record);
            let plain = |piece: &[MaybeUninit<u8>]| -> Vec<u8> {
                // SAFETY: all bytes were initialised when the vector was made.
                piece
                    .iter()
                    .map(|byte| unsafe { byte.assume_init() })
                    .collect()
            };
            let (front, back) = (plain(&front), plain(&back));
            assert_eq!(length(&front, &back), record.len());
            let mut copy = vec![7; 3];
            get(&front, &back, record.len(), &mut copy);
            assert_eq!(copy, record, "cut at {cut}");
        }
    }
}
