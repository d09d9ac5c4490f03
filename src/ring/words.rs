//! How a protocol reaches the ready words.

use crate::layout::word::{self, distance};
use crate::sync::AtomicU64;
use crate::sync::Ordering::Relaxed;

/// The ready words of a ring, one per slot; or the header words of its records.
///
/// In production it is a base pointer and a stride; in the models a `Vec` of the checker's atomics, which
/// are not laid out like memory.
pub(crate) trait Words {
    /// The word of the slot or record that `position` falls on. Any position is allowed: it is reduced
    /// modulo the capacity.
    fn at(&self, position: u64) -> &AtomicU64;
}

/// Whether the message at `position` of a ring of slots was committed, if it was not even taken, or overwritten, since. A hint.
pub(crate) fn was_committed(words: &impl Words, position: u64) -> bool {
    // Relaxed: whoever acts on it looks again.
    let found = words.at(position).load(Relaxed);
    match distance(found, position) {
        0 => found == word::ready(position),
        further => further > 0,
    }
}

/// The words of a ring of records: every 8 bytes of it. Positions are in bytes and multiples of 8.
pub(crate) trait Cells: Words {
    /// Stores 0 to every `step`th byte's word among the `bytes` bytes from `position`: to every word at which a
    /// record may begin. `step` is 8 or 64, the others are multiples of it; they do not pass the end of the
    /// ring.
    fn wipe(&self, position: u64, bytes: u64, step: u64);

    /// May write the lines without a header among the `bytes` bytes from `position`, where they were read or are padding. Changes
    /// no byte. They are the caller's, which is about to give them away; they do not pass the end of the ring.
    fn dirty(&self, position: u64, bytes: u64);

    /// Bytes from `position` to the end of the ring.
    fn room(&self, position: u64) -> u64;
}
