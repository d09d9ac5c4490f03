//! The pointer cast: from bytes that a header was checked against to the words and payloads of a ring.
//!
//! Nobody else turns an offset into a pointer. Every index is masked with the private geometry, so no value
//! found in shared memory can lead outside the mapping. Shared words are reached as atomics, payload is only
//! copied (or handed out as a raw pointer to the trusting endpoints); no `&T` to payload is made here.

use super::{Memory, copy};
use crate::layout::control::SpscControl;
use crate::layout::geometry::Geometry;
use crate::layout::header::{HEADER_BYTES, Header};
use crate::layout::participant::Participant;
use crate::layout::word;
use crate::ring::words::Words;
use crate::sync::{AtomicU64, Ordering};
use std::marker::PhantomData;
use std::mem::{MaybeUninit, offset_of, size_of};
use std::ptr::NonNull;
use std::sync::Arc;
use zerocopy::{FromBytes, IntoBytes};

/// Words of the header.
const HEADER_WORDS: usize = HEADER_BYTES / 8;
/// The header's ready word, counted in words.
const READY_WORD: usize = offset_of!(Header, ready) / 8;
/// How far ahead of its tail the producer asks for lines, in bytes, but at least one slot, and how much of a
/// large slot it asks for. Sixteen transfers between cores overlap; see "Prefetch" in ARCHITECTURE.md for the measurements.
const PREFETCH_BYTES: u64 = 1024;

/// What a caller did wrong who brings bytes of another size.
const WRONG_SIZE: &str = "a message has exactly the ring's slot size";

/// A ring's regions as pointers, with the mapping they point into.
#[derive(Clone, Debug)]
pub(crate) struct View {
    slots: Slots,
    control: NonNull<SpscControl>,
    table: NonNull<Participant>,
    participants: u32,
    /// Keeps the pointers above valid.
    _memory: Arc<Memory>,
}

/// Where the slots are and how to count them.
#[derive(Clone, Copy, Debug)]
struct Slots {
    first: NonNull<u8>,
    mask: u64,
    stride: u64,
    payload_offset: u64,
    payload_bytes: usize,
    /// Slots to prefetch ahead.
    ahead: u64,
    /// A position prefetches if it has none of these bits: the first slot of each line, or next to none for
    /// rings too small for it.
    ahead_mask: u64,
    /// The same for the consumer, which does so only where slots share lines.
    shared_mask: u64,
    /// Bytes of that slot to prefetch beyond its first line.
    ahead_bytes: usize,
}

/// The slots of a [`View`], as a value. The fast paths take one at their start: numbers in registers need not
/// be loaded again after every atomic operation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lane<'a> {
    slots: Slots,
    view: PhantomData<&'a View>,
}

// SAFETY: the pointers lead into `_memory`, which any thread may use and which lives as long as the view;
// shared words are atomics, and payload is copied by atomics or assembly.
unsafe impl Send for View {}
// SAFETY: as for Send; `&View` gives access to atomics and to copies only.
unsafe impl Sync for View {}

/// Copies the header of `memory`, its ready word first. `None` if the memory is shorter than a header.
pub(super) fn read_header(memory: &Memory) -> Option<Header> {
    if memory.len() < HEADER_BYTES {
        return None;
    }
    // Acquire R1: pairs with the Release in `write_header`: the other fields are complete.
    let ready = header_word(memory, READY_WORD).load(Ordering::Acquire);
    let mut words = [0u64; HEADER_WORDS];
    for (i, word) in words.iter_mut().enumerate() {
        // Relaxed: ordered by R1.
        *word = header_word(memory, i).load(Ordering::Relaxed);
    }
    words[READY_WORD] = ready;
    Header::read_from_bytes(words.as_bytes()).ok()
}

/// Stores `header`, its ready word last.
pub(super) fn write_header(memory: &Memory, header: &Header) {
    for (i, bytes) in header.as_bytes().chunks_exact(8).enumerate() {
        let word = u64::from_ne_bytes(bytes.try_into().expect("chunks of eight"));
        if i != READY_WORD {
            // Relaxed: ordered by R1 below.
            header_word(memory, i).store(word, Ordering::Relaxed);
        }
    }
    // Release R1: the whole ring is visible to whoever acquires this word in `read_header`.
    header_word(memory, READY_WORD).store(header.ready, Ordering::Release);
}

/// Word `i` of the header.
fn header_word(memory: &Memory, i: usize) -> &AtomicU64 {
    assert!(i < HEADER_WORDS && memory.len() >= HEADER_BYTES);
    // SAFETY: inside the mapping by the assertion, aligned because mappings are page-aligned, alive as long
    // as `memory` is borrowed; header words are only ever accessed as 64-bit atomics.
    unsafe { AtomicU64::from_ptr(memory.as_ptr().cast::<u64>().add(i)) }
}

impl View {
    /// The regions of a ring of `geometry` in `memory`. `None` if the memory is too short for it.
    pub(crate) fn new(memory: Arc<Memory>, geometry: &Geometry) -> Option<Self> {
        if (memory.len() as u64) < geometry.used_bytes {
            return None;
        }
        let base = memory.as_ptr();
        // SAFETY: all offsets of a geometry are below `used_bytes` and so inside the mapping.
        let at = |offset: u64| unsafe { NonNull::new(base.add(offset as usize)) };
        let ahead = (PREFETCH_BYTES / geometry.stride).max(1);
        // The positions that begin a line, or next to none.
        let mask = |wanted| match wanted {
            true => (64 / geometry.stride).max(1) - 1,
            false => u64::MAX,
        };
        Some(Self {
            slots: Slots {
                first: at(geometry.data_offset)?,
                mask: geometry.capacity - 1,
                stride: geometry.stride,
                payload_offset: u64::from(geometry.payload_offset),
                payload_bytes: geometry.payload_bytes as usize,
                ahead,
                ahead_mask: mask(ahead * 4 <= geometry.capacity),
                shared_mask: mask(ahead * 4 <= geometry.capacity && geometry.stride < 64),
                ahead_bytes: geometry.stride.clamp(64, PREFETCH_BYTES + 64) as usize - 64,
            },
            // The geometry puts both on 128-byte boundaries of page-aligned memory.
            control: at(geometry.control_offset)?.cast(),
            table: at(geometry.participants_offset)?.cast(),
            participants: geometry.participants,
            _memory: memory,
        })
    }

    /// Fills a new ring: every slot waits for its first message, which has position `start`.
    pub(super) fn initialise(&self, start: u64) {
        let lane = self.lane();
        for i in 0..=self.slots.mask {
            let position = start.wrapping_add(i);
            // Relaxed: published by the header's ready word (R1).
            lane.at(position)
                .store(word::free(position), Ordering::Relaxed);
        }
        self.control().gate.0.store(start, Ordering::Relaxed);
    }

    /// The control block.
    #[inline(always)]
    pub(crate) fn control(&self) -> &SpscControl {
        // SAFETY: points to a whole control block inside `self._memory`; all its fields are atomics, for
        // which every bit pattern is valid, and they are never accessed in any other way.
        unsafe { self.control.as_ref() }
    }

    /// Entry `index` of the participant table.
    pub(crate) fn participant(&self, index: u32) -> &Participant {
        assert!(index < self.participants);
        // SAFETY: the table has `participants` entries inside `self._memory`; all fields are atomics.
        unsafe { self.table.add(index as usize).as_ref() }
    }

    /// The slots.
    #[inline(always)]
    pub(crate) fn lane(&self) -> Lane<'_> {
        Lane {
            slots: self.slots,
            view: PhantomData,
        }
    }
}

impl Lane<'_> {
    /// Size of a message in bytes.
    #[inline(always)]
    pub(crate) fn payload_bytes(self) -> usize {
        self.slots.payload_bytes
    }

    /// Whether `position` is the first of several that share a line, in a ring large enough to look ahead.
    #[inline(always)]
    pub(crate) fn begins_shared_line(self, position: u64) -> bool {
        position & self.slots.shared_mask == 0
    }

    /// How many slots ahead lines are asked for.
    pub(crate) fn ahead(self) -> u64 {
        self.slots.ahead
    }

    /// The first byte of the slot of `position`.
    #[inline(always)]
    fn slot(self, position: u64) -> *mut u8 {
        let offset = (position & self.slots.mask) * self.slots.stride;
        // SAFETY: the masked index is below the capacity, so the slot is inside the mapping.
        unsafe { self.slots.first.as_ptr().add(offset as usize) }
    }

    /// The first byte of the payload of `position`: 8-aligned, `payload_bytes` rounded up to 8 are inside.
    #[inline(always)]
    pub(crate) fn payload(self, position: u64) -> *mut u8 {
        // SAFETY: the payload begins inside its slot.
        unsafe { self.slot(position).add(self.slots.payload_offset as usize) }
    }

    /// Asks for the lines of a slot some messages after `position`, to be written.
    #[inline(always)]
    pub(crate) fn prefetch_ahead(self, position: u64) {
        if position & self.slots.ahead_mask != 0 {
            return;
        }
        let slot = self.slot(position.wrapping_add(self.slots.ahead));
        prefetch_for_write(slot);
        let mut more = self.slots.ahead_bytes;
        while more > 0 {
            prefetch_for_write(slot.wrapping_add(more));
            more -= 64;
        }
    }

    /// Copies a whole message into the slot of `position`.
    ///
    /// # Panics
    /// If `bytes` has not exactly the size of a message.
    #[inline(always)]
    pub(crate) fn write(self, position: u64, bytes: &[u8]) {
        assert!(bytes.len() == self.slots.payload_bytes, "{WRONG_SIZE}");
        // SAFETY: the payload is 8-aligned and has room for `payload_bytes` rounded up to 8.
        unsafe { copy::copy_in(self.payload(position), bytes.as_ptr(), bytes.len()) };
    }

    /// Copies a whole message out of the slot of `position`.
    ///
    /// # Panics
    /// If `bytes` has not exactly the size of a message.
    #[inline(always)]
    pub(crate) fn read_into(self, position: u64, bytes: &mut [u8]) {
        assert!(bytes.len() == self.slots.payload_bytes, "{WRONG_SIZE}");
        // SAFETY: the payload is 8-aligned and `payload_bytes` rounded up to 8 are inside.
        unsafe { copy::copy_out(bytes.as_mut_ptr(), self.payload(position), bytes.len()) };
    }

    /// Copies a whole message out of the slot of `position`, as a value.
    ///
    /// # Panics
    /// If a `T` has not exactly the size of a message.
    #[inline(always)]
    pub(crate) fn read<T: FromBytes>(self, position: u64) -> T {
        assert!(size_of::<T>() == self.slots.payload_bytes, "{WRONG_SIZE}");
        let mut value = MaybeUninit::<T>::uninit();
        let bytes = value.as_mut_ptr().cast::<u8>();
        // SAFETY: the payload is 8-aligned and `payload_bytes` rounded up to 8 are inside; `value` is valid
        // for writes of its size.
        unsafe { copy::copy_out(bytes, self.payload(position), size_of::<T>()) };
        // SAFETY: every byte was written, and T is valid for all bit patterns (FromBytes).
        unsafe { value.assume_init() }
    }

    /// Copies `bytes` to `offset` within the payload of `position`.
    ///
    /// # Panics
    /// If they do not fit.
    #[inline]
    pub(crate) fn write_bytes(self, position: u64, offset: usize, bytes: &[u8]) {
        assert!(
            fits(offset, bytes.len(), self.slots.payload_bytes),
            "write past the end of a slot"
        );
        // SAFETY: inside the payload by the assertion; the payload is 8-aligned and padded to 8.
        unsafe { copy::copy_in_at(self.payload(position), offset, bytes) };
    }

    /// Copies from `offset` within the payload of `position` into `bytes`.
    ///
    /// # Panics
    /// If that many are not there.
    #[inline]
    pub(crate) fn read_bytes(self, position: u64, offset: usize, bytes: &mut [u8]) {
        assert!(
            fits(offset, bytes.len(), self.slots.payload_bytes),
            "read past the end of a slot"
        );
        // SAFETY: inside the payload by the assertion; the payload is 8-aligned and padded to 8.
        unsafe { copy::copy_out_at(bytes, self.payload(position), offset) };
    }
}

/// Asks for the line of `at`, to be written. A hint: it has no effect that a program can see.
#[inline(always)]
fn prefetch_for_write(at: *mut u8) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a prefetch changes neither memory nor registers and never faults, whatever the address.
    unsafe {
        core::arch::asm!("prefetchw [{}]", in(reg) at, options(nostack, preserves_flags, readonly))
    };
    #[cfg(not(target_arch = "x86_64"))]
    let _ = at;
}

/// Whether `len` bytes at `offset` are inside `size` bytes.
fn fits(offset: usize, len: usize, size: usize) -> bool {
    offset.checked_add(len).is_some_and(|end| end <= size)
}

impl Words for Lane<'_> {
    #[inline(always)]
    fn at(&self, position: u64) -> &AtomicU64 {
        // SAFETY: a slot begins with its word, is 16-aligned and inside the view's mapping, which is alive while it is borrowed; ready words are only
        // ever accessed as 64-bit atomics.
        unsafe { AtomicU64::from_ptr(self.slot(position).cast()) }
    }
}
