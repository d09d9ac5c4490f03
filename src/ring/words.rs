//! How a protocol reaches the ready words.

use crate::sync::AtomicU64;

/// The ready words of a ring, one per slot.
///
/// In production it is a base pointer and a stride; in the models a `Vec` of the checker's atomics, which
/// are not laid out like memory.
pub(crate) trait Words {
    /// The word of the slot that `position` falls on. Any position is allowed: it is reduced modulo the
    /// capacity.
    fn at(&self, position: u64) -> &AtomicU64;
}
