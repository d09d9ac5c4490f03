//! A list of entries of this process that grows and is never locked, moved or freed.
//!
//! So a signal handler and a forked child may walk it whatever other threads are, or were, about. What an entry means,
//! and how it is taken and given back, is up to who keeps the register.

use crate::sync::Ordering::{Acquire, Release};
use crate::sync::{AtomicPtr, AtomicU64};
use std::ptr;

/// Entries of one block: more than most processes have rings.
pub(super) const BLOCK: usize = 64;

/// What a new entry is.
pub(super) trait Vacant {
    const VACANT: Self;
}

impl Vacant for AtomicU64 {
    const VACANT: Self = Self::new(0);
}

/// The first block of a register, or a later one.
#[derive(Debug)]
pub(super) struct Register<E: 'static> {
    entries: [E; BLOCK],
    next: AtomicPtr<Register<E>>,
}

impl<E: Vacant> Register<E> {
    pub(super) const fn new() -> Self {
        Self {
            entries: [const { E::VACANT }; BLOCK],
            next: AtomicPtr::new(ptr::null_mut()),
        }
    }

    /// All entries that there are.
    pub(super) fn entries(&'static self) -> impl Iterator<Item = &'static E> {
        std::iter::successors(Some(self), |block| block.next()).flat_map(|block| &block.entries)
    }

    /// All entries, and then new ones without end.
    pub(super) fn endless(&'static self) -> impl Iterator<Item = &'static E> {
        let mut last: Option<&'static Self> = None;
        let blocks = std::iter::from_fn(move || {
            last = Some(last.map_or(self, |last| last.grown()));
            last
        });
        blocks.flat_map(|block| &block.entries)
    }

    fn next(&self) -> Option<&'static Self> {
        // SAFETY: null, or a block that was leaked by `grown` and is never freed. Acquire: its contents; pairs with the
        // Release in `grown`.
        unsafe { self.next.load(Acquire).as_ref() }
    }

    /// The next block, made if there is none. Nobody waits for another thread that makes one: a child that is forked
    /// meanwhile would wait for ever.
    fn grown(&self) -> &'static Self {
        if let Some(next) = self.next() {
            return next;
        }
        let new = Box::into_raw(Box::new(Self::new()));
        // Release: the block's contents; pairs with the Acquires in `next` and, of whoever comes second, here.
        match (self.next).compare_exchange(ptr::null_mut(), new, Release, Acquire) {
            // SAFETY: just made, leaked from here on.
            Ok(_) => unsafe { &*new },
            Err(theirs) => {
                // SAFETY: just made, and nobody else has seen it; the other one was leaked by another thread.
                unsafe {
                    drop(Box::from_raw(new));
                    &*theirs
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sync::Ordering::Relaxed;

    #[test]
    fn threads_that_let_it_grow_at_once_find_the_same_entries() {
        static COUNTS: Register<AtomicU64> = Register::new();
        let count = || {
            for entry in COUNTS.endless().take(5 * BLOCK) {
                entry.fetch_add(1, Relaxed);
            }
        };
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(count);
            }
        });
        let counts: Vec<u64> = COUNTS.entries().map(|n| n.load(Relaxed)).collect();
        assert_eq!(counts, [4; 5 * BLOCK]);
    }
}
