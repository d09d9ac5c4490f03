//! A second mapping of a ring's memory: what another process with write access has in hand.
//!
//! Offsets are those of `docs/WIRE.md`. All access is through atomics, so nothing here is undefined.

use crate::kinds::{Kind, Shape};
use annulus::Ring;
use memmap2::{MmapOptions, MmapRaw};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

pub const CONTROL: usize = 4096;
pub const TABLE: usize = 5120;
/// Bytes of a table entry.
pub const ENTRY: usize = 128;
/// Words of the control block.
pub const GATE: usize = CONTROL;
pub const TAIL: usize = CONTROL + 512;
pub const TAKEN: usize = CONTROL + 640;
pub const WIPED: usize = CONTROL + 648;
/// Fields of a table entry.
pub const ANNOUNCE: usize = 32;
pub const ANNOUNCE_LEN: usize = 40;

/// The state of a record that can be read, of padding, of a record being written.
pub const READY: u64 = 1;
pub const PAD: u64 = 2;
pub const BUSY: u64 = 3;

/// A header word.
pub fn word(state: u64, tag: u16, len: u32) -> u64 {
    u64::from(len) << 32 | u64::from(tag) << 16 | state
}

/// Memory that a ring lies in.
pub struct Memory {
    map: MmapRaw,
    /// Offset of the first record.
    pub data: usize,
    pub capacity: usize,
}

impl Memory {
    /// Maps the memory of `ring`.
    pub fn of<K: Kind>(ring: &Ring<K>, shape: Shape) -> Self {
        let descriptor = ring.descriptor().expect("a descriptor");
        let map = MmapOptions::new().map_raw(&descriptor).expect("map");
        Self::new(map, shape)
    }

    /// A mapping of a ring of this shape.
    pub fn new(map: MmapRaw, shape: Shape) -> Self {
        Self {
            map,
            data: (TABLE + (shape.producers + 1) * ENTRY).next_multiple_of(4096),
            capacity: shape.capacity as usize,
        }
    }

    pub fn word(&self, at: usize) -> &AtomicU64 {
        assert!(at.is_multiple_of(8) && at + 8 <= self.map.len());
        // SAFETY: aligned and inside the mapping, which lives as long as `self`.
        unsafe { AtomicU64::from_ptr(self.map.as_mut_ptr().add(at).cast()) }
    }

    /// Where the word of `position` lies.
    pub fn at(&self, position: u64) -> usize {
        self.data + (position % self.capacity as u64) as usize
    }

    /// The word at `position`.
    pub fn header(&self, position: u64) -> &AtomicU64 {
        self.word(self.at(position))
    }

    /// The shared tail of many producers.
    pub fn tail(&self) -> u64 {
        self.word(TAIL).load(Relaxed) & !3
    }

    /// Has entry `i` announce a run.
    pub fn announce(&self, i: usize, (from, len): (u64, u64)) {
        let entry = TABLE + i * ENTRY;
        self.word(entry + ANNOUNCE).store(from, Relaxed);
        self.word(entry + ANNOUNCE_LEN).store(len, Relaxed);
    }
}
