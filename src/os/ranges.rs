//! Where rings are mapped in this process, in a form that a signal handler can read.
//!
//! Whoever maps a ring's memory enters it here before the first access and takes it out after the last one. Looking
//! up takes no lock, allocates nothing and waits for nobody, so it may happen in the middle of anything.
//!
//! Entries are reused and never freed. One that changes while somebody looks is passed over: the mapping that a thread is
//! just accessing is entered all the while, so it is not that one.

use super::register::{Register, Vacant};
use crate::sync::{AtomicU64, Ordering, fence};

/// What the two lowest bits of a version say. Above them it counts.
const STATE: u64 = 3;
const VACANT: u64 = 0;
const ENTERED: u64 = 2;
/// Bits of [`Entry::kind`]; the process is above them.
const WRITABLE: u64 = 1;
const INHERITED: u64 = 2;

/// Pages that were put in the place of lost ones, in all rings.
static LOST: AtomicU64 = AtomicU64::new(0);
/// Numbers for rings.
static RINGS: AtomicU64 = AtomicU64::new(1);
static MAPPED: Register<Entry> = Register::new();

/// One mapping. All words are written by whoever moved the version on.
#[derive(Debug)]
struct Entry {
    version: AtomicU64,
    start: AtomicU64,
    len: AtomicU64,
    kind: AtomicU64,
    /// A number that all mappings of one ring have in common.
    ring: AtomicU64,
    /// Pages lost in that ring since this was entered.
    lost: AtomicU64,
}

impl Vacant for Entry {
    const VACANT: Self = Self {
        version: AtomicU64::new(VACANT),
        start: AtomicU64::new(0),
        len: AtomicU64::new(0),
        kind: AtomicU64::new(0),
        ring: AtomicU64::new(0),
        lost: AtomicU64::new(0),
    };
}

/// A mapping that is entered. Dropping it takes it out.
#[derive(Debug)]
pub(crate) struct Range(&'static Entry);

/// Enters the mapping of `len` bytes at `start`, as that of a ring of its own.
pub(crate) fn enter(start: *mut u8, len: usize, writable: bool) -> Range {
    let process = u64::from(super::process::pid()) << 32;
    let kind = process | if writable { WRITABLE } else { 0 };
    for entry in MAPPED.endless() {
        // Relaxed: the exchange decides.
        let version = entry.version.load(Ordering::Relaxed);
        let vacant = version & STATE == VACANT;
        // Acquire: after what the last user of this entry wrote.
        let (from, to) = (Ordering::Acquire, Ordering::Relaxed);
        if !vacant
            || entry
                .version
                .compare_exchange(version, version + 1, from, to)
                .is_err()
        {
            continue;
        }
        // Release: who sees a word below sees that the version has changed. Pairs with the fence in `find`.
        fence(Ordering::Release);
        // Relaxed, all: published by the version.
        entry.start.store(start as u64, Ordering::Relaxed);
        entry.len.store(len as u64, Ordering::Relaxed);
        entry.kind.store(kind, Ordering::Relaxed);
        entry.lost.store(0, Ordering::Relaxed);
        let ring = RINGS.fetch_add(1, Ordering::Relaxed);
        entry.ring.store(ring, Ordering::Relaxed);
        // Release: the words above go with it. Pairs with the Acquire in `find`.
        entry.version.store(version + 2, Ordering::Release);
        return Range(entry);
    }
    unreachable!("a register has no end")
}

impl Range {
    /// The number of the ring that this is a mapping of.
    pub(crate) fn ring(&self) -> u64 {
        // Relaxed: a number.
        self.0.ring.load(Ordering::Relaxed)
    }

    /// From now on this is another mapping of the ring `ring`.
    pub(crate) fn belongs_to(&self, ring: u64) {
        // Relaxed: a number.
        self.0.ring.store(ring, Ordering::Relaxed);
    }

    /// Children made by fork have this mapping as well.
    pub(crate) fn is_inherited(&self) {
        // Relaxed: a note to this process.
        self.0.kind.fetch_or(INHERITED, Ordering::Relaxed);
    }
}

impl Drop for Range {
    fn drop(&mut self) {
        // Relaxed: only the owner moves it on from here.
        let version = self.0.version.load(Ordering::Relaxed);
        // Release: what the owner did with the mapping was before.
        self.0.version.store(version + 2, Ordering::Release);
    }
}

/// What a lookup found.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found {
    pub(super) start: usize,
    pub(super) len: usize,
    pub(super) writable: bool,
    ring: u64,
}

/// The mapping of this process that `address` lies in. For signal handlers.
pub(super) fn find(address: usize) -> Option<Found> {
    let process = u64::from(super::process::pid());
    MAPPED.entries().find_map(|entry| {
        // Acquire: pairs with the Release in `enter`.
        let version = entry.version.load(Ordering::Acquire);
        if version & STATE != ENTERED {
            return None;
        }
        // Relaxed, all: the version tells whether they belong together.
        let start = entry.start.load(Ordering::Relaxed) as usize;
        let len = entry.len.load(Ordering::Relaxed) as usize;
        let kind = entry.kind.load(Ordering::Relaxed);
        let ring = entry.ring.load(Ordering::Relaxed);
        // Acquire: pairs with the fence in `enter`.
        fence(Ordering::Acquire);
        // Relaxed: ordered by the fence.
        let same = entry.version.load(Ordering::Relaxed) == version;
        // A forked child has the entries of its parent's mappings, but not the mappings.
        let here = kind >> 32 == process || kind & INHERITED != 0;
        let inside = address.wrapping_sub(start) < len;
        (same && here && inside).then_some(Found {
            start,
            len,
            writable: kind & WRITABLE != 0,
            ring,
        })
    })
}

/// Notes that a page of the ring of `found` was lost. For signal handlers.
pub(super) fn note_loss(found: &Found) {
    for entry in MAPPED.entries() {
        // Relaxed, all: counts, for whoever asks later. One that is just given up may count for its successor, who
        // begins at 0 and then says too early that it is damaged: only if its number is the same, which it is not.
        if entry.ring.load(Ordering::Relaxed) == found.ring {
            entry.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
    LOST.fetch_add(1, Ordering::Relaxed);
}

/// Whether a page of the ring with this number was lost.
pub(crate) fn is_damaged(ring: u64) -> bool {
    // Relaxed, all: counts that only grow. Most processes never lose a page.
    LOST.load(Ordering::Relaxed) > 0
        && MAPPED.entries().any(|entry| {
            entry.version.load(Ordering::Relaxed) & STATE == ENTERED
                && entry.ring.load(Ordering::Relaxed) == ring
                && entry.lost.load(Ordering::Relaxed) > 0
        })
}

#[cfg(test)]
mod tests {
    use super::super::register::BLOCK;
    use super::*;

    fn at(address: usize) -> *mut u8 {
        std::ptr::without_provenance_mut(address)
    }

    #[test]
    fn what_is_entered_is_found_and_what_is_taken_out_is_not() {
        let one = enter(at(1 << 60), 8192, true);
        let two = enter(at((1 << 60) + 8192), 100, false);
        let found = find((1 << 60) + 8191).expect("entered");
        assert_eq!(
            (found.start, found.len, found.writable),
            (1 << 60, 8192, true)
        );
        assert!(!find((1 << 60) + 8192).expect("entered").writable);
        assert!(find((1 << 60) + 8292).is_none() && find((1 << 60) - 1).is_none());
        drop(one);
        assert!(find(1 << 60).is_none());
        drop(two);
    }

    #[test]
    fn more_mappings_than_a_block_holds_are_all_found() {
        let base = 1 << 59;
        let all: Vec<Range> = (0..3 * BLOCK)
            .map(|i| enter(at(base + i * 4096), 4096, true))
            .collect();
        for i in 0..3 * BLOCK {
            assert_eq!(
                find(base + i * 4096 + 5).expect("entered").start,
                base + i * 4096
            );
        }
        drop(all);
        assert!(find(base).is_none());
    }

    #[test]
    fn a_loss_is_that_of_all_mappings_of_one_ring_and_of_no_other() {
        let base = 1 << 58;
        let (one, other) = (enter(at(base), 64, true), enter(at(base + 64), 64, true));
        let second = enter(at(base + 128), 64, false);
        second.belongs_to(one.ring());
        assert!(!is_damaged(one.ring()));
        note_loss(&find(base + 130).expect("entered"));
        assert!(is_damaged(one.ring()) && is_damaged(second.ring()));
        assert!(!is_damaged(other.ring()));
    }

    #[test]
    fn lookups_beside_changes_never_mix_two_mappings() {
        let over = AtomicU64::new(0);
        std::thread::scope(|scope| {
            for i in 1..3_usize {
                let over = &over;
                scope.spawn(move || {
                    while over.load(Ordering::Relaxed) == 0 {
                        drop(enter(at(i << 55), i << 20, i == 1));
                    }
                });
            }
            for _ in 0..200_000 {
                for i in 1..3_usize {
                    if let Some(found) = find((i << 55) + 7) {
                        assert_eq!(
                            (found.start, found.len, found.writable),
                            (i << 55, i << 20, i == 1)
                        );
                    }
                }
            }
            over.store(1, Ordering::Relaxed);
        });
    }
}
