//! The models' door to atomics: the names of `src/sync.rs`, made of loom.
//!
//! Differences from the shipped door, all towards what loom can express:
//! * [`heavy_fence`] and [`light_fence`] are both full fences. The kernel's part of the asymmetric pair (every
//!   running thread executes a fence while the sleeper is inside membarrier) has no counterpart in loom; what
//!   is checked is that the fences stand at the right places, not that membarrier does what its manual says.
//! * [`spin_hint`] yields: loom wants to be told that a loop waits for another thread.

pub(crate) use loom::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};

/// Tells loom that this is a polling loop.
pub(crate) fn spin_hint() {
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
