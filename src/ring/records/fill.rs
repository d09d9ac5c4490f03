//! What an onlooker sees of a ring of records. For people: nothing is read or written on the strength of it.

use super::super::words::Words;
use super::{Producers, mpsc};
use crate::layout::control::Control;
use crate::layout::record::{self, Shape};
use crate::sync::Ordering::Relaxed;

/// The position of the oldest record not yet taken, and how many bytes were committed from it on; with many
/// producers claimed, not committed. Exact while everybody stands still.
pub(crate) fn fill(
    words: &impl Words,
    control: &Control,
    shape: Shape,
    producers: Producers,
) -> (u64, u64) {
    // Relaxed: see above.
    let taken = control.head.0.taken.load(Relaxed);
    let mut end = match producers {
        Producers::Many => mpsc::tail(control),
        Producers::One => taken,
    };
    while producers == Producers::One && end.wrapping_sub(taken) < shape.capacity {
        // Relaxed: see above.
        let word = words.at(end).load(Relaxed);
        if !record::is_header(word) {
            break;
        }
        end = end.wrapping_add(shape.total(record::len(word)));
    }
    (taken, end.wrapping_sub(taken).min(shape.capacity))
}
