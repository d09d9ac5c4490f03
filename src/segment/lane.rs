//! The slots of a ring: where they are, and copies of their payload.
//!
//! Every index is masked with the private geometry, so no value found in shared memory can lead outside the
//! mapping. Ready words are reached as atomics, payload is only copied (or handed out as a raw pointer to the
//! trusting endpoints); no `&T` to payload is made here.

use super::copy;
use super::processor::{MOST_DIRTIED_BYTES, habits};
use super::view::{Data, View, prefetch, prefetch_for_write};
use crate::layout::geometry::{Geometry, SlotShape};
use crate::layout::header;
use crate::layout::word;
use crate::ring::words::Words;
use crate::sync::{AtomicU64, Ordering};
use std::marker::PhantomData;
use std::mem::{MaybeUninit, size_of};
use std::ptr::NonNull;
use zerocopy::FromBytes;

/// How far ahead of its tail the only producer asks for lines, in bytes, but at least one slot, and how much of a
/// large slot it asks for. Sixteen transfers between cores overlap; see "Prefetch" in ARCHITECTURE.md for the measurements.
const PREFETCH_BYTES: u64 = 1024;

/// How far ahead producers ask for lines where others exchange: in lines of a cache. Each exchange waits for all stores
/// before it, so lines that are late cost all. Measured, not derived; see there as well.
const fn lines_ahead(kind: u32) -> u64 {
    match kind {
        header::KIND_MPSC => 4,
        header::KIND_SPMC => 2,
        header::KIND_MPMC => 16,
        _ => PREFETCH_BYTES / LINE_BYTES,
    }
}

/// No producer asks for more than this part of the ring ahead. Farther on, in a ring that is full, are messages that the consumer
/// has yet to read.
const NEARBY: u64 = 16;
/// Nor for a run that is more than this part of it.
const NEARBY_RUNS: u64 = 8;
/// In smaller rings producers do not ask at all.
const LEAST_SLOTS: u64 = 4;

/// How far ahead consumers and readers ask for the lines that they will read, in lines: at most, and at least, or not at
/// all. They know that those are written, so that far costs nothing; but the farther, the seldomer they have to find out.
const SOUGHT_LINES: u64 = 128;
const LEAST_SOUGHT_LINES: u64 = 16;
/// Lines of a longer message the processor fetches ahead itself.
const LONGEST_SOUGHT: u64 = 128;

/// Bytes of a line.
const LINE_BYTES: u64 = 64;
/// Lines to ask for at a time, at most.
const MOST_AT_ONCE: u64 = 32;

/// What a caller did wrong who brings bytes of another size.
const WRONG_SIZE: &str = "a message has exactly the ring's slot size";

/// Where the slots are and how to count them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Slots {
    first: NonNull<u8>,
    mask: u64,
    shape: SlotShape,
    /// Slots to prefetch ahead.
    ahead: u64,
    /// A position prefetches if it has none of these bits: the first slot of each line, or next to none where
    /// nobody does.
    ahead_mask: u64,
    /// Whether consumers dirty the lines they have read.
    dirties: bool,
    /// Slots ahead that consumers and readers ask for, and the mask for that.
    sought: u64,
    sought_mask: u64,
}

/// The slots of a [`View`], as a value. The fast paths take one at their start: numbers in registers need not
/// be loaded again after every atomic operation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lane<'a> {
    slots: Slots,
    view: PhantomData<&'a View<Slots>>,
}

impl Data for Slots {
    fn new(first: NonNull<u8>, geometry: &Geometry) -> Self {
        let slots = |lines: u64| (lines * LINE_BYTES / geometry.stride).max(1);
        let eager = habits().eager;
        let asks = eager || matches!(geometry.kind, header::KIND_MPSC | header::KIND_BROADCAST);
        let sought = slots(SOUGHT_LINES).min(geometry.capacity / 8);
        let seeks = geometry.stride <= LONGEST_SOUGHT && sought >= slots(LEAST_SOUGHT_LINES);
        // The positions that begin a line, or next to none.
        let mask = |wanted| match wanted {
            true => (64 / geometry.stride).max(1) - 1,
            false => u64::MAX,
        };
        let shape = SlotShape {
            payload_bytes: geometry.payload_bytes,
            payload_offset: geometry.payload_offset,
            stride: geometry.stride,
        };
        Self {
            first,
            mask: geometry.capacity - 1,
            shape,
            ahead: slots(lines_ahead(geometry.kind)).min((geometry.capacity / NEARBY).max(1)),
            ahead_mask: mask(asks && geometry.capacity >= LEAST_SLOTS),
            sought,
            sought_mask: mask(eager && seeks),
            dirties: habits().dirties,
        }
    }
}

impl View<Slots> {
    /// The slots.
    #[inline(always)]
    pub(crate) fn lane(&self) -> Lane<'_> {
        Lane {
            slots: *self.data(),
            view: PhantomData,
        }
    }

    /// Fills a new ring: every slot waits for its first message, which has position `start`.
    pub(crate) fn initialise(&self, kind: u32, start: u64) {
        let lane = self.lane();
        for i in 0..=self.data().mask {
            let position = start.wrapping_add(i);
            // Relaxed: published by the header's ready word (R1).
            lane.at(position)
                .store(word::free(position), Ordering::Relaxed);
        }
        self.control().begin_slots(kind, start);
    }
}

impl Lane<'_> {
    /// The shape of the slots.
    pub(crate) fn shape(self) -> SlotShape {
        self.slots.shape
    }

    /// The same slots, seen by who knows their shape when it is compiled: nothing of it is loaded any more.
    ///
    /// # Safety
    /// They have that shape.
    #[inline(always)]
    pub(crate) unsafe fn shaped(self, shape: SlotShape) -> Self {
        let slots = Slots {
            shape,
            ..self.slots
        };
        Self { slots, ..self }
    }

    /// Size of a message in bytes.
    #[inline(always)]
    pub(crate) fn payload_bytes(self) -> usize {
        self.slots.shape.payload_bytes as usize
    }

    /// Whether at `position` a line ahead is to be asked for by who reads.
    #[inline(always)]
    pub(crate) fn seeks_at(self, position: u64) -> bool {
        position & self.sought_mask() == 0
    }

    /// The bits that such a position has not.
    #[inline(always)]
    pub(crate) fn sought_mask(self) -> u64 {
        self.slots.sought_mask
    }

    /// How many slots ahead that line is.
    pub(crate) fn sought(self) -> u64 {
        self.slots.sought
    }

    /// Asks for the line of a slot some messages after `position`, to be read.
    #[inline(always)]
    pub(crate) fn prefetch_sought(self, position: u64) {
        prefetch(self.slot(position.wrapping_add(self.slots.sought)));
    }

    /// The first byte of the slot of `position`.
    #[inline(always)]
    fn slot(self, position: u64) -> *mut u8 {
        let offset = (position & self.slots.mask) * self.slots.shape.stride;
        // SAFETY: the masked index is below the capacity, so the slot is inside the mapping.
        unsafe { self.slots.first.as_ptr().add(offset as usize) }
    }

    /// The first byte of the payload of `position`: 8-aligned, `payload_bytes` rounded up to 8 are inside.
    #[inline(always)]
    pub(crate) fn payload(self, position: u64) -> *mut u8 {
        // SAFETY: the payload begins inside its slot.
        unsafe {
            self.slot(position)
                .add(self.slots.shape.payload_offset as usize)
        }
    }

    /// Asks for the lines of a slot some messages after `position`, to be written.
    #[inline(always)]
    pub(crate) fn prefetch_ahead(self, position: u64) {
        if position & self.slots.ahead_mask != 0 {
            return;
        }
        let slot = self.slot(position.wrapping_add(self.slots.ahead));
        prefetch_for_write(slot);
        // Of a large slot not all. Where the shape is known, so is that there are no more lines.
        let stride = self.slots.shape.stride;
        let mut more = stride.clamp(LINE_BYTES, PREFETCH_BYTES + LINE_BYTES) - LINE_BYTES;
        while more > 0 {
            prefetch_for_write(slot.wrapping_add(more as usize));
            more -= LINE_BYTES;
        }
    }

    /// Asks for the lines of the run of `n` slots that comes after the next one, to be written, seen from the end of a
    /// run. The next one is too late, or somebody else's.
    #[inline]
    pub(crate) fn prefetch_run(self, end: u64, n: u64) {
        if n > (self.slots.mask + 1) / NEARBY_RUNS {
            return;
        }
        for i in 0..n.min(MOST_AT_ONCE) {
            let position = end.wrapping_add(n).wrapping_add(i);
            if position & self.slots.ahead_mask == 0 {
                prefetch_for_write(self.slot(position));
            }
        }
    }

    /// Dirties the lines of the slot of `position` which its word is not in, for the consumer that has it in hand and is about to
    /// hand it back, unless they are too many.
    #[inline(always)]
    pub(crate) fn dirty(self, position: u64) {
        let stride = self.slots.shape.stride;
        if stride > LINE_BYTES && stride <= MOST_DIRTIED_BYTES && self.slots.dirties {
            let lines = (stride / LINE_BYTES - 1) as usize;
            // SAFETY: a slot longer than a line is of whole lines, all of them inside the mapping, and all of the slot is this
            // endpoint's until it hands it back.
            unsafe { copy::dirty(self.slot(position).add(LINE_BYTES as usize), lines) };
        }
    }

    /// Panics if `bytes` is not of the size of a message. To be called before anything is claimed for it.
    #[inline(always)]
    pub(crate) fn check(self, bytes: &[u8]) {
        assert!(bytes.len() == self.payload_bytes(), "{WRONG_SIZE}");
    }

    /// Copies a whole message into the slot of `position`.
    ///
    /// # Panics
    /// If `bytes` has not exactly the size of a message.
    #[inline(always)]
    pub(crate) fn write(self, position: u64, bytes: &[u8]) {
        assert!(bytes.len() == self.payload_bytes(), "{WRONG_SIZE}");
        // SAFETY: the payload is 8-aligned and has room for `payload_bytes` rounded up to 8.
        unsafe { copy::copy_in(self.payload(position), bytes.as_ptr(), bytes.len()) };
    }

    /// Copies a whole message out of the slot of `position`.
    ///
    /// # Panics
    /// If `bytes` has not exactly the size of a message.
    #[inline(always)]
    pub(crate) fn read_into(self, position: u64, bytes: &mut [u8]) {
        self.copy_into(position, bytes, false);
    }

    /// The same for the consumer that has the slot in hand: of long messages the lines are dirtied on the way.
    ///
    /// # Panics
    /// If `bytes` has not exactly the size of a message.
    #[inline(always)]
    pub(crate) fn take_into(self, position: u64, bytes: &mut [u8]) {
        self.copy_into(position, bytes, true);
    }

    /// One or the other; only what is the caller's, in a mapping that it may write, is `owned`.
    #[inline(always)]
    fn copy_into(self, position: u64, bytes: &mut [u8], owned: bool) {
        assert!(bytes.len() == self.payload_bytes(), "{WRONG_SIZE}");
        let (to, from) = (bytes.as_mut_ptr(), self.payload(position));
        // SAFETY: the payload is 8-aligned and `payload_bytes` rounded up to 8 are inside; what is owned may be written.
        unsafe { copy::copy_out(to, from, bytes.len(), owned) };
    }

    /// Copies a whole message out of the slot of `position`, as a value.
    ///
    /// # Panics
    /// If a `T` has not exactly the size of a message.
    #[inline(always)]
    pub(crate) fn read<T: FromBytes>(self, position: u64) -> T {
        assert!(size_of::<T>() == self.payload_bytes(), "{WRONG_SIZE}");
        let mut value = MaybeUninit::<T>::uninit();
        let bytes = value.as_mut_ptr().cast::<u8>();
        // SAFETY: the payload is 8-aligned and `payload_bytes` rounded up to 8 are inside; `value` is valid
        // for writes of its size.
        unsafe { copy::copy_out(bytes, self.payload(position), size_of::<T>(), false) };
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
            fits(offset, bytes.len(), self.payload_bytes()),
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
            fits(offset, bytes.len(), self.payload_bytes()),
            "read past the end of a slot"
        );
        // SAFETY: inside the payload by the assertion; the payload is 8-aligned and padded to 8.
        unsafe { copy::copy_out_at(bytes, self.payload(position), offset) };
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::geometry::Places;

    #[test]
    fn nobody_asks_for_what_a_full_ring_has_not_handed_over_yet() {
        let places = Places {
            producers: 1,
            consumers: 1,
        };
        let of = |capacity, bytes| {
            let geometry = Geometry::slots(header::KIND_SPSC, capacity, bytes, 8, places).unwrap();
            Slots::new(NonNull::dangling(), &geometry)
        };
        for bytes in [8, 56, 120, 1024, 65536] {
            for capacity in (1..17).map(|power| 1 << power) {
                let slots = of(capacity, bytes);
                assert!((1..=(capacity / 16).max(1)).contains(&slots.ahead));
                // The word that tells is twice as far.
                assert!(slots.sought_mask == u64::MAX || slots.sought * 8 <= capacity);
            }
        }
        assert_eq!(
            [64, 256, 4096].map(|slots| of(slots, 56).ahead),
            [4, 16, 16]
        );
        assert_eq!(
            [128, 512, 4096].map(|slots| of(slots, 56).sought),
            [16, 64, 128]
        );
    }
}
