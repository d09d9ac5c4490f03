//! The models' door to atomics: the names of `src/sync.rs`, made of loom.
//!
//! Differences from the shipped door, all towards what loom can express:
//! * [`heavy_fence`] and [`light_fence`] are both full fences. The kernel's part of the asymmetric pair (every
//!   running thread executes a fence while the sleeper is inside membarrier) has no counterpart in loom; what
//!   is checked is that the fences stand at the right places, not that membarrier does what its manual says.
//! * [`spin_hint`] and [`rest`] yield: loom wants to be told that a loop waits for another thread.
//! * A thread may have a life of so many steps, see [`mortal`]. Each access to a word of 64 bits is one.
//! * Words made by [`crossed`] bring their own crossings.

pub(crate) use loom::sync::atomic::{AtomicU32, Ordering, fence};

use Ordering::Relaxed;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

/// Tells loom that this is a polling loop.
pub(crate) fn spin_hint() {
    loom::thread::yield_now();
}

/// Tells loom that others go on now. It knows no time.
pub(crate) fn rest(_ns: u64) {
    loom::thread::yield_now();
}

/// The waiter's half of the asymmetric pair: a full fence that never fails.
pub(crate) fn heavy_fence() -> bool {
    fence(Ordering::SeqCst);
    true
}

/// The publisher's half of the asymmetric pair: a full fence as well.
pub(crate) fn light_fence() {
    fence(Ordering::SeqCst);
}

/// For ever.
const IMMORTAL: u32 = u32::MAX;

loom::thread_local! {
    /// Steps that this thread of the model may still do.
    static LIFE: Cell<u32> = Cell::new(IMMORTAL);
}

thread_local! {
    /// Whether words made now bring crossings. All threads of a model run on one thread of the system.
    static CROSSED: Cell<bool> = const { Cell::new(false) };
}

/// What a death unwinds with.
struct Death;

/// Does `life`, unless it takes more than `steps` steps: then it ends before the next one, for good. A step is
/// one access to an [`AtomicU64`].
pub(crate) fn mortal<T>(steps: u32, life: impl FnOnce() -> T) -> Option<T> {
    LIFE.with(|left| left.set(steps));
    let end = catch_unwind(AssertUnwindSafe(life));
    LIFE.with(|left| left.set(IMMORTAL));
    match end {
        Ok(done) => Some(done),
        Err(why) if why.is::<Death>() => None,
        Err(why) => resume_unwind(why),
    }
}

fn step() {
    LIFE.with(|left| match left.get() {
        IMMORTAL => {}
        0 => resume_unwind(Box::new(Death)),
        n => left.set(n - 1),
    });
}

/// Words that `make` makes bring a crossing each: a place, before every access, where loom must try every order
/// of the threads. Without it loom misses some orders of words that one thread loads and then stores; see
/// `rig.rs`. A crossing is a relaxed exchange on a word of its own, and models with SeqCst fences go without.
pub(crate) fn crossed<T>(make: impl FnOnce() -> T) -> T {
    CROSSED.set(true);
    let made = make();
    CROSSED.set(false);
    made
}

/// A word of 64 bits.
#[derive(Debug)]
pub(crate) struct AtomicU64 {
    word: loom::sync::atomic::AtomicU64,
    crossing: Option<loom::sync::atomic::AtomicU32>,
}

impl AtomicU64 {
    #[track_caller]
    pub(crate) fn new(value: u64) -> Self {
        Self {
            word: loom::sync::atomic::AtomicU64::new(value),
            crossing: CROSSED.get().then(|| AtomicU32::new(0)),
        }
    }

    /// What precedes each access.
    #[track_caller]
    fn reach(&self) -> &loom::sync::atomic::AtomicU64 {
        step();
        if let Some(crossing) = &self.crossing {
            // Relaxed: orders nothing; see `crossed`.
            crossing.fetch_add(1, Relaxed);
        }
        &self.word
    }

    #[track_caller]
    pub(crate) fn load(&self, order: Ordering) -> u64 {
        self.reach().load(order)
    }

    #[track_caller]
    pub(crate) fn store(&self, value: u64, order: Ordering) {
        self.reach().store(value, order);
    }

    #[track_caller]
    pub(crate) fn fetch_add(&self, value: u64, order: Ordering) -> u64 {
        self.reach().fetch_add(value, order)
    }

    #[track_caller]
    pub(crate) fn fetch_and(&self, value: u64, order: Ordering) -> u64 {
        self.reach().fetch_and(value, order)
    }

    #[track_caller]
    pub(crate) fn fetch_or(&self, value: u64, order: Ordering) -> u64 {
        self.reach().fetch_or(value, order)
    }

    #[track_caller]
    pub(crate) fn fetch_max(&self, value: u64, order: Ordering) -> u64 {
        self.reach().fetch_max(value, order)
    }

    #[track_caller]
    pub(crate) fn compare_exchange(
        &self,
        current: u64,
        new: u64,
        success: Ordering,
        failure: Ordering,
    ) -> Result<u64, u64> {
        self.reach()
            .compare_exchange(current, new, success, failure)
    }

    /// The word, where every store to it is ordered before; loom ends the model where one is not. No step.
    #[track_caller]
    pub(crate) fn settled(&self) -> u64 {
        // SAFETY: loom reports it if a store is not ordered before this.
        unsafe { self.word.unsync_load() }
    }
}
