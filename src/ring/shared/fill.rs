//! What an onlooker sees of slots that many claim. For people: nothing is read or written on the strength of it.

use super::super::spsc::{self, prefix};
use super::super::words::Words;
use super::{head, tail};
use crate::layout::control::Control;
use crate::layout::header::{KIND_MPSC, KIND_SPMC};
use crate::layout::word;
use crate::sync::Ordering::Relaxed;

/// The position of the oldest message that no consumer has claimed, and how many there are from it on, including those
/// being written. Exact while everybody stands still. `kind` is one of `header::KIND_*`.
pub(crate) fn fill(words: &impl Words, control: &Control, capacity: u64, kind: u32) -> (u64, u64) {
    match kind {
        KIND_MPSC => {
            let (taken, _) = spsc::fill(words, control, capacity);
            (taken, tail::ahead_of(control, taken).min(capacity))
        }
        KIND_SPMC => {
            let taken = head::head(control);
            let len = prefix(capacity, |i| {
                let position = taken.wrapping_add(i);
                // Relaxed: see above.
                let found = words.at(position).load(Relaxed);
                found == word::ready(position)
            });
            (taken, len)
        }
        _ => {
            let taken = head::head(control);
            (taken, tail::ahead_of(control, taken).min(capacity))
        }
    }
}
