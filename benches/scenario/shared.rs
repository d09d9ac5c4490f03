//! Memory that a process and its forked children share, and the barrier they start at.
//!
//! An anonymous MAP_SHARED mapping, zeroed and populated. It has no name and leaves nothing behind.
//! Invariant: what lies in it is valid when all its bytes are zero, and is changed only through atomics or cells.

use std::io;
use std::ops::Deref;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// Types that may lie in a `Shared`.
///
/// # Safety
/// All-zero bytes are a valid value, the type holds no pointers, and changing it through `&Self` from several
/// processes is sound (atomics, or cells guarded by atomics).
pub unsafe trait Zeroed: Sync {}

/// A zero-initialised `T` in memory that forked children share.
pub struct Shared<T: Zeroed> {
    base: NonNull<T>,
}

// SAFETY: the mapping belongs to the process, not to a thread, and `T: Sync`.
unsafe impl<T: Zeroed> Send for Shared<T> {}
// SAFETY: only `&T` is handed out, and `T: Sync`.
unsafe impl<T: Zeroed> Sync for Shared<T> {}

impl<T: Zeroed> Shared<T> {
    /// Maps and populates the memory.
    pub fn new() -> io::Result<Shared<T>> {
        // mmap aligns to pages, which covers every alignment used here.
        assert!(align_of::<T>() <= 4096 && size_of::<T>() > 0);
        // SAFETY: a fresh anonymous mapping of non-zero length at an address of the kernel's choice.
        let address = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                size_of::<T>(),
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED | libc::MAP_ANONYMOUS | libc::MAP_POPULATE,
                -1,
                0,
            )
        };
        if address == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let base = NonNull::new(address.cast::<T>())
            .ok_or_else(|| io::Error::other("mmap returned address 0"))?;
        Ok(Shared { base })
    }
}

impl<T: Zeroed> Deref for Shared<T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: the mapping is live until drop, aligned to a page, at least size_of::<T>() long, and zero bytes are a
        // valid `T` (`Zeroed`); nobody holds `&mut T`.
        unsafe { self.base.as_ref() }
    }
}

impl<T: Zeroed> Drop for Shared<T> {
    fn drop(&mut self) {
        // SAFETY: this is the mapping made in `new`; no reference to it outlives `self`.
        unsafe { libc::munmap(self.base.as_ptr().cast(), size_of::<T>()) };
    }
}

/// A word alone on its pair of cache lines.
#[repr(C, align(128))]
pub struct Line {
    /// The word.
    pub word: AtomicU64,
}

// SAFETY: one atomic; zero is a valid value.
unsafe impl Zeroed for Line {}

/// How a wait at the barrier ended when the partner will never come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartnerGone;

impl std::fmt::Display for PartnerGone {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("the partner gave up before the measurement")
    }
}

/// Where parties meet, phase after phase.
#[repr(C, align(128))]
pub struct Barrier {
    arrived: AtomicU32,
    abandoned: AtomicU32,
}

// SAFETY: two atomics; zero is a valid value (nobody arrived).
unsafe impl Zeroed for Barrier {}

impl Barrier {
    /// `meet_all` of two parties.
    pub fn meet(&self, phase: u32) -> Result<(), PartnerGone> {
        self.meet_all(phase, 2)
    }

    /// Arrives at `phase` (1, 2, 3 ... in order, each once per party) and spins until all `parties` have arrived.
    pub fn meet_all(&self, phase: u32, parties: u32) -> Result<(), PartnerGone> {
        self.arrived.fetch_add(1, Ordering::AcqRel);
        // More parties than the two cores must let each other run.
        let yield_every = if parties > 2 { 1 << 7 } else { 1 << 14 };
        let mut polls = 0u32;
        while self.arrived.load(Ordering::Acquire) < parties * phase {
            if self.abandoned.load(Ordering::Acquire) != 0 {
                return Err(PartnerGone);
            }
            polls = polls.wrapping_add(1);
            if polls.is_multiple_of(yield_every) {
                // Both parties may sit on one core for the moment (before they are pinned).
                std::thread::yield_now();
            } else {
                std::hint::spin_loop();
            }
        }
        Ok(())
    }

    /// Tells the other parties that this one will not come.
    pub fn abandon(&self) {
        self.abandoned.store(1, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::super::child;
    use super::*;

    #[test]
    fn parent_and_child_meet_and_see_each_others_words() {
        struct Page {
            barrier: Barrier,
            line: Line,
        }
        // SAFETY: made of Zeroed parts.
        unsafe impl Zeroed for Page {}
        let page = Shared::<Page>::new().unwrap();
        let child = child::spawn(|| {
            page.line.word.store(7, Ordering::Release);
            page.barrier.meet(1).map_err(|gone| gone.to_string())
        })
        .unwrap();
        assert_eq!(page.barrier.meet(1), Ok(()));
        assert_eq!(page.line.word.load(Ordering::Acquire), 7);
        assert_eq!(child.join(), Ok(()));
    }

    #[test]
    fn a_party_that_gives_up_releases_the_other() {
        let barrier = Shared::<Barrier>::new().unwrap();
        barrier.abandon();
        assert_eq!(barrier.meet(1), Err(PartnerGone));
    }
}
