//! The one door to atomics, fences and the kernel's fence.
//!
//! Everything else in the crate says `crate::sync`. The model checker puts its own module of the same
//! name and surface in this place (`loom-tests/src/sync.rs`), so the protocols it checks are the files
//! that ship. This file never holds protocol logic.

pub(crate) use core::sync::atomic::{
    AtomicPtr, AtomicU32, AtomicU64, Ordering, compiler_fence, fence,
};

/// Tells the processor that this is a polling loop (`pause` on x86-64).
#[inline(always)]
pub(crate) fn spin_hint() {
    core::hint::spin_loop();
}

/// Lets about `ns` nanoseconds pass without a look at what others write.
pub(crate) fn rest(ns: u64) {
    crate::os::pause::rest(ns);
}

/// The waiter's half of the asymmetric fence: after it returns, every other running thread that has
/// registered has executed a full fence. `false` when the kernel refuses.
pub(crate) fn heavy_fence() -> bool {
    crate::os::membarrier::global_expedited()
}

/// The publisher's half of the asymmetric fence: free at run time, it only holds the compiler back.
/// The processor's part is done by the waiter's [`heavy_fence`].
#[inline(always)]
pub(crate) fn light_fence() {
    compiler_fence(Ordering::SeqCst);
}
