//! The data region of a ring of records: its words, and copies of payload.
//!
//! Every position is masked with the private geometry, and no copy passes the end of the ring, so no value
//! found in shared memory can lead outside the mapping. Header words are reached as atomics, payload is only
//! copied (or handed out as a raw pointer to the trusting endpoints); no reference to payload is made here.

use super::copy;
use super::processor::{MOST_DIRTIED_BYTES, habits};
use super::view::{Data, View, prefetch, prefetch_for_write};
use crate::layout::geometry::Geometry;
use crate::layout::header;
use crate::layout::record::{HEADER, Record};
use crate::ring::words::{Cells, Words};
use crate::sync::AtomicU64;
use crate::sync::Ordering::Relaxed;
use std::mem::{MaybeUninit, size_of};
use std::ptr::NonNull;
use zerocopy::FromBytes;

/// How far ahead of its tail the producer asks for lines, in bytes; see "Prefetch" in ARCHITECTURE.md.
const PREFETCH_BYTES: u64 = 1024;
/// How far ahead the consumer asks for lines, in bytes, where records begin at multiples of `align`. Where each has lines of its
/// own it follows more closely, and would take those that are being written. Measured, not derived; see there as well.
const fn awaited(align: u64) -> u64 {
    match align {
        LINE => 128,
        _ => 320,
    }
}

/// Bytes of a line.
const LINE: u64 = 64;

/// What no peer can bring about, and no caller should.
const PAST_THE_END: &str = "payload past the end of the ring";

/// Where the records are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bytes {
    first: NonNull<u8>,
    /// Turns a position into the offset of its word.
    mask: u64,
    /// How many there are.
    capacity: u64,
    /// How far ahead lines are asked for; 0 in rings too small for it.
    ahead: u64,
    /// How far ahead the consumer asks for lines; 0 if it does not.
    awaited: u64,
    /// The consumer dirties records of 65 bytes, and of up to so many more, when it hands them back.
    dirtied: u64,
    /// Whether copies are best made by moves of 32 bytes.
    wide: bool,
}

/// The bytes of a [`View`]. What is known of them is read where it is used: copies by assembly leave no registers over in
/// which to keep it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Strip<'a> {
    bytes: &'a Bytes,
}

impl Data for Bytes {
    fn new(first: NonNull<u8>, geometry: &Geometry) -> Self {
        let habits = habits();
        // Small rings do without.
        let large = geometry.capacity >= 8 * PREFETCH_BYTES;
        Self {
            first,
            mask: (geometry.capacity - 1) & !7,
            capacity: geometry.capacity,
            ahead: if large { PREFETCH_BYTES } else { 0 },
            awaited: match large && habits.eager && geometry.kind == header::KIND_SPSC {
                true => awaited(geometry.stride),
                false => 0,
            },
            // Where many produce, the consumer wipes.
            dirtied: match habits.dirties && geometry.kind != header::KIND_MPSC {
                true => MOST_DIRTIED_BYTES - LINE,
                false => 0,
            },
            wide: habits.wide,
        }
    }
}

impl View<Bytes> {
    /// The bytes.
    #[inline(always)]
    pub(crate) fn strip(&self) -> Strip<'_> {
        Strip { bytes: self.data() }
    }
}

impl Strip<'_> {
    /// Size of the ring in bytes.
    #[inline(always)]
    pub(crate) fn capacity_bytes(self) -> u64 {
        self.bytes.capacity
    }

    /// The first byte of the word of `position`.
    #[inline(always)]
    fn byte(self, position: u64) -> *mut u8 {
        // SAFETY: the masked index is below the capacity, so the byte is inside the mapping.
        unsafe {
            self.bytes
                .first
                .as_ptr()
                .add((position & self.bytes.mask) as usize)
        }
    }

    /// The first of `len` bytes from `position`, a multiple of 8. They are inside the mapping, and so is `len`
    /// rounded up to 8, because the capacity is a multiple of 8.
    ///
    /// # Panics
    /// If they pass the end of the ring.
    #[inline(always)]
    pub(crate) fn payload(self, position: u64, len: usize) -> *mut u8 {
        let index = position & self.bytes.mask;
        assert!(
            len as u64 <= self.capacity_bytes() - index,
            "{PAST_THE_END}"
        );
        // SAFETY: the masked index is below the capacity, so the byte is inside the mapping.
        unsafe { self.bytes.first.as_ptr().add(index as usize) }
    }

    /// Asks for lines to be written ahead of `next`, as many as begin in the `total` bytes of the record that ends there:
    /// each line, but for as many as padding has passed over, and nothing has to be remembered. In rings too small for it
    /// for the one just written at most.
    #[inline(always)]
    pub(crate) fn prefetch_ahead(self, next: u64, total: u64) {
        let end = next.wrapping_add(self.bytes.ahead);
        if total <= LINE {
            // If one begins there it is this one; to ask for another one again costs less than to find out.
            prefetch_for_write(self.byte(end.wrapping_sub(1)));
            return;
        }
        let first = end.wrapping_sub(total.min(self.bytes.ahead));
        let mut at = first.wrapping_add(LINE - 1) & !(LINE - 1);
        while (end.wrapping_sub(at) as i64) > 0 {
            prefetch_for_write(self.byte(at));
            at = at.wrapping_add(LINE);
        }
    }

    /// Copies `bytes` behind the header that will be at `position`, a multiple of 8.
    ///
    /// # Panics
    /// If header and bytes pass the end of the ring.
    #[inline(always)]
    pub(crate) fn write_record(self, position: u64, bytes: &[u8]) {
        assert!(
            bytes.len() as u64 + HEADER <= self.room(position),
            "{PAST_THE_END}"
        );
        // SAFETY: the masked index is inside the mapping, and so are header and payload behind it.
        let at = unsafe { self.byte(position).add(HEADER as usize) };
        // SAFETY: `at` is 8-aligned, and so many bytes rounded up to 8 are inside the mapping, because what is left of
        // the ring is a multiple of 8.
        unsafe { copy::copy_in_any(at, bytes.as_ptr(), bytes.len(), self.bytes.wide) };
    }

    /// Copies `bytes` to `offset` bytes behind `position`, a multiple of 8.
    ///
    /// # Panics
    /// If they pass the end of the ring.
    pub(crate) fn write_at(self, position: u64, offset: usize, bytes: &[u8]) {
        let at = self.payload(position, offset.saturating_add(bytes.len()));
        // SAFETY: `at` is 8-aligned, and offset and bytes rounded up to 8 are inside the mapping.
        unsafe { copy::copy_in_at(at, offset, bytes) };
    }

    /// Fills `bytes` from `position`, a multiple of 8.
    ///
    /// # Panics
    /// If so many pass the end of the ring.
    #[inline(always)]
    pub(crate) fn read_into(self, position: u64, bytes: &mut [u8]) {
        let at = self.payload(position, bytes.len());
        // SAFETY: `at` is 8-aligned, and so many bytes rounded up to 8 are inside the mapping.
        unsafe { copy::copy_out_any(bytes.as_mut_ptr(), at, bytes.len(), self.bytes.wide, false) };
    }

    /// Replaces what is in `out` by the payload of `record`, whose header is at `position`, a multiple of 8, for the consumer that
    /// has it in hand.
    ///
    /// # Panics
    /// If header and payload pass the end of the ring.
    #[inline(always)]
    pub(crate) fn take_record(self, position: u64, record: Record, out: &mut Vec<u8>) {
        // This record tells where the next one begins: nobody but this consumer can ask for the lines to come.
        if self.bytes.awaited != 0 {
            prefetch(self.byte(position.wrapping_add(self.bytes.awaited)));
        }
        // Whoever has found the record has made the same comparison.
        assert!(
            u64::from(record.len) + HEADER <= self.room(position),
            "{PAST_THE_END}"
        );
        // SAFETY: the masked index is inside the mapping, and so are header and payload behind it.
        let at = unsafe { self.byte(position).add(HEADER as usize) };
        // SAFETY: `at` is 8-aligned, and so many bytes rounded up to 8 are inside the mapping, because what is left of
        // the ring is a multiple of 8; it is writable to a consumer, and its own.
        unsafe { self.fill(at, record.len as usize, out, self.bytes.dirtied > 0) };
    }

    /// Replaces what is in `out` by `len` bytes from `position`, a multiple of 8.
    ///
    /// # Panics
    /// If so many pass the end of the ring.
    #[inline(always)]
    pub(crate) fn read_vec(self, position: u64, len: usize, out: &mut Vec<u8>) {
        let at = self.payload(position, len);
        // SAFETY: `at` is 8-aligned, and `len` rounded up to 8 bytes are inside the mapping.
        unsafe { self.fill(at, len, out, false) };
    }

    /// Replaces what is in `out` by the `len` bytes at `at`.
    ///
    /// # Safety
    /// `at` is 8-aligned, and `len` rounded up to 8 bytes from it are inside the mapping; in a writable one, and the caller's, if
    /// they are `owned`.
    #[inline(always)]
    unsafe fn fill(self, at: *mut u8, len: usize, out: &mut Vec<u8>, owned: bool) {
        if out.capacity() < len {
            out.clear();
            out.reserve(len);
        }
        // SAFETY: by this function's contract; `out` has room for so many.
        unsafe { copy::copy_out_any(out.as_mut_ptr(), at, len, self.bytes.wide, owned) };
        // SAFETY: so many bytes were written just now.
        unsafe { out.set_len(len) };
    }

    /// Copies a `T` out of `position`, a multiple of 8.
    ///
    /// # Panics
    /// If it passes the end of the ring.
    #[inline(always)]
    pub(crate) fn read<T: FromBytes>(self, position: u64) -> T {
        let at = self.payload(position, size_of::<T>());
        let mut value = MaybeUninit::<T>::uninit();
        // SAFETY: `at` is 8-aligned, and a T's size rounded up to 8 is inside the mapping; `value` is valid for
        // writes of its size.
        unsafe { copy::copy_out(value.as_mut_ptr().cast(), at, size_of::<T>(), false) };
        // SAFETY: every byte was written, and T is valid for all bit patterns (FromBytes).
        unsafe { value.assume_init() }
    }

    /// Copies from `offset` bytes behind `position`, a multiple of 8, into `bytes`.
    ///
    /// # Panics
    /// If so many pass the end of the ring.
    pub(crate) fn read_at(self, position: u64, offset: usize, bytes: &mut [u8]) {
        let at = self.payload(position, offset.saturating_add(bytes.len()));
        // SAFETY: `at` is 8-aligned, and offset and bytes rounded up to 8 are inside the mapping.
        unsafe { copy::copy_out_at(bytes, at, offset) };
    }
}

impl Words for Strip<'_> {
    #[inline(always)]
    fn at(&self, position: u64) -> &AtomicU64 {
        // SAFETY: the masked index is a multiple of 8 below the capacity, which is one too, so the word is 8-aligned
        // and inside the view's mapping, which is alive while it is borrowed; header words are only ever accessed
        // as 64-bit atomics, or moved by copies that are outside the memory model.
        unsafe { AtomicU64::from_ptr(self.byte(position).cast()) }
    }
}

impl Cells for Strip<'_> {
    #[inline(always)]
    fn dirty(&self, position: u64, bytes: u64) {
        // One comparison, in which up to a line is very much.
        if bytes.wrapping_sub(LINE + 1) >= self.bytes.dirtied {
            return;
        }
        let at = self.payload(position, bytes as usize);
        let before = LINE - position % LINE;
        // SAFETY: `bytes` are inside the mapping, more than 64 and so than `before`.
        let first = unsafe { at.add(before as usize) };
        // SAFETY: so many whole lines are left of `bytes`, which are this endpoint's until it gives them back.
        unsafe { copy::dirty(first, ((bytes - before) / LINE) as usize) };
    }

    #[inline(always)]
    fn room(&self, position: u64) -> u64 {
        self.capacity_bytes() - (position & self.bytes.mask)
    }

    #[inline(always)]
    fn wipe(&self, position: u64, bytes: u64, step: u64) {
        let at = self.payload(position, bytes as usize);
        if step == 8 {
            // SAFETY: `at` is 8-aligned, and so many bytes rounded up to 8 are inside the mapping.
            unsafe { copy::wipe(at, bytes as usize) };
            return;
        }
        let mut done = 0;
        while done < bytes {
            // Relaxed: published by what the caller stores next.
            self.at(position.wrapping_add(done)).store(0, Relaxed);
            done += step;
        }
    }
}
