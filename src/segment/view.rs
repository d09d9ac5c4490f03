//! The pointer cast: from bytes that a header was checked against to the regions of a ring.
//!
//! Nobody else turns an offset of a geometry into a pointer. What lies in the data region is the business of
//! `lane` (slots) and `strip` (records), which mask every index. Shared words are reached as atomics only.

use super::Memory;
use crate::layout::control::{Control, Line};
use crate::layout::geometry::{Geometry, Places};
use crate::layout::header::{DataHeader, HEADER_BYTES, Header};
use crate::layout::participant::Participant;
use crate::sync::{AtomicU32, AtomicU64, Ordering};
use std::mem::offset_of;
use std::ops::{Deref, Range};
use std::ptr::NonNull;
use std::sync::Arc;
use zerocopy::{FromBytes, IntoBytes};

/// Words of the header.
const HEADER_WORDS: usize = HEADER_BYTES / 8;
/// The header's ready word, counted in words.
const READY_WORD: usize = offset_of!(Header, ready) / 8;
/// How the data region of a ring is used: its first byte and the numbers of a geometry.
pub(crate) trait Data: Copy {
    /// The data region of a ring of `geometry`, which begins at `first`.
    fn new(first: NonNull<u8>, geometry: &Geometry) -> Self;
}

/// A ring's shared words as pointers, with the mapping they point into.
#[derive(Clone, Debug)]
pub(crate) struct Regions {
    control: NonNull<Control>,
    table: NonNull<Participant>,
    places: Places,
    /// Keeps the pointers above valid.
    memory: Arc<Memory>,
}

// SAFETY: the pointers lead into `memory`, which any thread may use and which lives as long as the regions;
// shared words are atomics.
unsafe impl Send for Regions {}
// SAFETY: as for Send; `&Regions` gives access to atomics only.
unsafe impl Sync for Regions {}

/// One word or entry of a ring together with what keeps it, or one of this process alone.
#[derive(Debug)]
pub(crate) struct Shared<T> {
    at: NonNull<T>,
    /// Keeps the pointer above valid where it leads into a ring.
    _memory: Option<Arc<Memory>>,
}

/// A word on which somebody may sleep.
pub(crate) type SharedWord = Shared<AtomicU32>;

// SAFETY: what it points to is in `_memory`, or lives for ever, and any thread may share it (T: Sync).
unsafe impl<T: Sync> Send for Shared<T> {}
// SAFETY: as for Send.
unsafe impl<T: Sync> Sync for Shared<T> {}

impl From<&'static Line<AtomicU32>> for SharedWord {
    fn from(line: &'static Line<AtomicU32>) -> Self {
        Self {
            at: NonNull::from(&line.0),
            _memory: None,
        }
    }
}

impl<T> Clone for Shared<T> {
    fn clone(&self) -> Self {
        Self {
            at: self.at,
            _memory: self._memory.clone(),
        }
    }
}

impl<T> Deref for Shared<T> {
    type Target = T;

    #[inline(always)]
    fn deref(&self) -> &T {
        // SAFETY: made from a reference into `self._memory`, or to what lives for ever.
        unsafe { self.at.as_ref() }
    }
}

/// A ring's regions and its data.
#[derive(Clone, Debug)]
pub(crate) struct View<D> {
    data: D,
    regions: Regions,
    /// Keeps `data` valid where it is an object of its own.
    _data: Option<Arc<Memory>>,
}

// SAFETY: the pointers in `data` lead into a mapping that `regions` or `_data` keeps, which any thread may use;
// ready words are atomics, and payload is copied by atomics or assembly.
unsafe impl<D: Data> Send for View<D> {}
// SAFETY: as for Send; `&View` gives access to atomics and to copies only.
unsafe impl<D: Data> Sync for View<D> {}

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

/// Stores the header of the data object in `memory`, which nobody else can see yet.
pub(super) fn write_data_header(memory: &Memory, header: &DataHeader) {
    for (i, bytes) in header.as_bytes().chunks_exact(8).enumerate() {
        let word = u64::from_ne_bytes(bytes.try_into().expect("chunks of eight"));
        // Relaxed: others find the object by its name or by a descriptor, which the kernel gives them later.
        header_word(memory, i).store(word, Ordering::Relaxed);
    }
}

/// Word `i` of the header.
fn header_word(memory: &Memory, i: usize) -> &AtomicU64 {
    assert!(i < HEADER_WORDS && memory.len() >= HEADER_BYTES);
    // SAFETY: inside the mapping by the assertion, aligned because mappings are page-aligned, alive as long
    // as `memory` is borrowed; header words are only ever accessed as 64-bit atomics.
    unsafe { AtomicU64::from_ptr(memory.as_ptr().cast::<u64>().add(i)) }
}

impl<D: Data> View<D> {
    /// The regions of a ring of `geometry` in `memory`, with its data in the object `data` where it has one. `None`
    /// if there is not the object that there should be, or one is too short.
    pub(super) fn new(
        memory: Arc<Memory>,
        data: Option<Arc<Memory>>,
        geometry: &Geometry,
    ) -> Option<Self> {
        let short = (memory.len() as u64) < geometry.used_bytes;
        if short || data.is_some() != geometry.split {
            return None;
        }
        let base = memory.as_ptr();
        // SAFETY: all offsets of a geometry but that of a data object are below `used_bytes` and so inside the
        // mapping.
        let at = |offset: u64| unsafe { NonNull::new(base.add(offset as usize)) };
        let first = match &data {
            None => at(geometry.data_offset)?,
            Some(data) if (data.len() as u64) < geometry.data_object_bytes() => return None,
            // SAFETY: the data's offset is below the size of its object, which was compared just now.
            Some(data) => unsafe {
                NonNull::new(data.as_ptr().add(geometry.data_offset as usize))?
            },
        };
        Some(Self {
            data: D::new(first, geometry),
            regions: Regions {
                // The geometry puts both on 128-byte boundaries of page-aligned memory.
                control: at(geometry.control_offset)?.cast(),
                table: at(geometry.participants_offset)?.cast(),
                places: geometry.places,
                memory,
            },
            _data: data,
        })
    }

    /// The data region.
    #[inline(always)]
    pub(super) fn data(&self) -> &D {
        &self.data
    }
}

impl<D> Deref for View<D> {
    type Target = Regions;

    #[inline(always)]
    fn deref(&self) -> &Regions {
        &self.regions
    }
}

impl Regions {
    /// The control block.
    #[inline(always)]
    pub(crate) fn control(&self) -> &Control {
        // SAFETY: points to a whole control block inside `self.memory`; all its fields are atomics, for
        // which every bit pattern is valid, and they are never accessed in any other way.
        unsafe { self.control.as_ref() }
    }

    /// The word of the control block that `pick` picks.
    pub(crate) fn shared_word(&self, pick: fn(&Control) -> &Line<AtomicU32>) -> SharedWord {
        // SAFETY: a word of these regions' control block.
        unsafe { self.shared(&pick(self.control()).0) }
    }

    /// Entry `index` of the participant table.
    pub(crate) fn shared_participant(&self, index: u32) -> Shared<Participant> {
        // SAFETY: an entry of these regions' table.
        unsafe { self.shared(self.participant(index)) }
    }

    /// `part` with what keeps it.
    ///
    /// # Safety
    /// It lies in `self.memory`, or lives for ever.
    unsafe fn shared<T>(&self, part: &T) -> Shared<T> {
        Shared {
            at: NonNull::from(part),
            _memory: Some(Arc::clone(&self.memory)),
        }
    }

    /// Entries of the participant table.
    pub(crate) fn participants(&self) -> u32 {
        self.places.producers + self.places.consumers
    }

    /// The entries of those who produce.
    pub(crate) fn producer_seats(&self) -> Range<u32> {
        0..self.places.producers
    }

    /// The entries of those who consume or read.
    pub(crate) fn consumer_seats(&self) -> Range<u32> {
        self.places.producers..self.participants()
    }

    /// Entry `index` of the participant table.
    #[inline]
    pub(crate) fn participant(&self, index: u32) -> &Participant {
        assert!(index < self.participants());
        // SAFETY: the table has that many entries inside `self.memory`; all fields are atomics.
        unsafe { self.table.add(index as usize).as_ref() }
    }
}

/// Asks for the line of `at`, to be read. A hint: it has no effect that a program can see.
#[inline(always)]
pub(super) fn prefetch(at: *const u8) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a prefetch changes neither memory nor registers and never faults, whatever the address.
    unsafe {
        core::arch::asm!("prefetcht0 [{}]", in(reg) at, options(nostack, preserves_flags, readonly))
    };
    #[cfg(not(target_arch = "x86_64"))]
    let _ = at;
}

/// Asks for the line of `at`, to be written. A hint: it has no effect that a program can see.
#[inline(always)]
pub(super) fn prefetch_for_write(at: *mut u8) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a prefetch changes neither memory nor registers and never faults, whatever the address.
    unsafe {
        core::arch::asm!("prefetchw [{}]", in(reg) at, options(nostack, preserves_flags, readonly))
    };
    #[cfg(not(target_arch = "x86_64"))]
    let _ = at;
}
