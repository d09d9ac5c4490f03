//! A second mapping of a ring's memory: what another process with write access has in hand.
//!
//! Offsets are those of `docs/WIRE.md`. All access is through atomics, so nothing here is undefined.

use annulus::{Kind, Ring};
use memmap2::{MmapOptions, MmapRaw};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

pub const HEADER_BYTES: usize = 256;
pub const CONTROL: usize = 4096;
pub const TABLE: usize = 5120;
/// Bytes of a table entry.
pub const ENTRY: usize = 128;
/// Words of the control block.
pub const GATE: usize = CONTROL;
pub const CONSUMER_SLEEP: usize = CONTROL + 128;
pub const PRODUCER_SLEEP: usize = CONTROL + 256;
pub const CLOSED: usize = CONTROL + 384;
pub const TAIL: usize = CONTROL + 512;
pub const TAKEN: usize = CONTROL + 640;
pub const WIPED: usize = CONTROL + 648;
pub const MOVED: usize = CONTROL + 664;
pub const GATING: usize = CONTROL + 768;
pub const MARKS: usize = CONTROL + 896;
/// Fields of a table entry.
pub const STATE: usize = 0;
pub const ANNOUNCE: usize = 32;
pub const ANNOUNCE_LEN: usize = 40;
/// State of an entry whose owner is there, or died.
pub const ACTIVE: u32 = 1;

/// States in the word of a slot.
pub const READY: u64 = 1;
pub const SKIP: u64 = 2;

/// Memory that a ring lies in.
pub struct Memory {
    map: MmapRaw,
    /// Entries of the table.
    pub participants: usize,
    /// Offset of the first slot or record.
    pub data: usize,
    /// Bytes of all slots or records.
    pub data_bytes: usize,
    /// Bytes from slot to slot, or what records are aligned to.
    pub stride: usize,
}

impl Memory {
    /// Maps the memory of `ring`.
    pub fn of<K: Kind>(ring: &Ring<K>) -> Self {
        let descriptor = ring.descriptor().expect("a descriptor");
        Self::new(MmapOptions::new().map_raw(&descriptor).expect("map"))
    }

    /// A mapping of a ring whose header is still good.
    pub fn new(map: MmapRaw) -> Self {
        let mut memory = Self {
            map,
            participants: 0,
            data: 0,
            data_bytes: 0,
            stride: 0,
        };
        let number = |at: usize| memory.get(at) as usize;
        let (capacity, stride, data) = (number(24), number(32), number(104));
        let half = |at: usize| memory.half(at).load(Relaxed);
        let (slots, participants) = (half(20) == 1, half(96) as usize);
        memory.participants = participants;
        memory.data = data;
        memory.stride = stride;
        memory.data_bytes = if slots { capacity * stride } else { capacity };
        memory
    }

    /// Size of the mapping.
    pub fn len(&self) -> usize {
        self.map.len()
    }

    pub fn word(&self, at: usize) -> &AtomicU64 {
        assert!(at.is_multiple_of(8) && at + 8 <= self.map.len());
        // SAFETY: aligned and inside the mapping, which lives as long as `self`.
        unsafe { AtomicU64::from_ptr(self.map.as_mut_ptr().add(at).cast()) }
    }

    pub fn half(&self, at: usize) -> &AtomicU32 {
        assert!(at.is_multiple_of(4) && at + 4 <= self.map.len());
        // SAFETY: aligned and inside the mapping, which lives as long as `self`.
        unsafe { AtomicU32::from_ptr(self.map.as_mut_ptr().add(at).cast()) }
    }

    pub fn get(&self, at: usize) -> u64 {
        self.word(at).load(Relaxed)
    }

    pub fn set(&self, at: usize, value: u64) {
        self.word(at).store(value, Relaxed);
    }

    /// Where the word of the slot of `position` lies.
    pub fn slot(&self, position: u64) -> usize {
        self.data + position as usize % (self.data_bytes / self.stride) * self.stride
    }

    /// Where the header of a record at `position` lies.
    pub fn record(&self, position: u64) -> usize {
        self.data + position as usize % self.data_bytes
    }

    /// Where entry `i` of the table lies.
    pub fn entry(&self, i: usize) -> usize {
        assert!(i < self.participants);
        TABLE + i * ENTRY
    }
}
