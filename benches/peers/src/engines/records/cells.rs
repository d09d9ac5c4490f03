//! crossbeam's ArrayQueue with cells that have room for the longest record, between threads.
//!
//! It takes part where several producers meet, because Rust programs use it there; a cell moves as a whole, 204 bytes
//! however short the record.

use std::mem::MaybeUninit;
use std::sync::Arc;

use crossbeam_queue::ArrayQueue;

use super::traits;
use crate::scenario::engine::{Across, Traits, Wait, WrittenIn};
use crate::scenario::records::harness::Channel;
use crate::scenario::records::lengths::SHORT;
use crate::scenario::records::loops::{Rx, Tx};
use crate::scenario::records::work::Records;

/// A record with the room around it.
#[derive(Clone, Copy)]
pub struct Cell {
    length: u32,
    bytes: [MaybeUninit<u8>; SHORT.most],
}

/// ArrayQueue.
pub struct Crossbeam(Arc<ArrayQueue<Cell>>);

impl Channel for Crossbeam {
    const TRAITS: Traits = traits("crossbeam", Across::Threads, WrittenIn::Rust, Wait::Spin);
    type Tx = Arc<ArrayQueue<Cell>>;
    type Rx = Arc<ArrayQueue<Cell>>;

    fn carries(records: Records) -> bool {
        records.producers > 1 && records.lengths.most <= SHORT.most
    }

    fn create(records: Records) -> Result<Self, String> {
        let cells = records.lengths.ring_bytes() / size_of::<Cell>();
        Ok(Crossbeam(Arc::new(ArrayQueue::new(cells))))
    }

    fn sender(&self) -> Result<Self::Tx, String> {
        Ok(Arc::clone(&self.0))
    }

    fn receiver(&self) -> Result<Self::Rx, String> {
        Ok(Arc::clone(&self.0))
    }
}

impl Tx for Arc<ArrayQueue<Cell>> {
    #[inline(always)]
    fn try_send(&mut self, record: &[u8]) -> bool {
        let mut cell = Cell {
            length: record.len() as u32,
            bytes: [MaybeUninit::uninit(); SHORT.most],
        };
        cell.bytes[..record.len()].write_copy_of_slice(record);
        self.push(cell).is_ok()
    }
}

impl Rx for Arc<ArrayQueue<Cell>> {
    #[inline(always)]
    fn try_receive(&mut self, into: &mut Vec<u8>) -> bool {
        let Some(cell) = self.pop() else {
            return false;
        };
        into.clear();
        // SAFETY: `try_send` wrote as many bytes as it stated.
        into.extend_from_slice(unsafe { cell.bytes[..cell.length as usize].assume_init_ref() });
        true
    }
}
