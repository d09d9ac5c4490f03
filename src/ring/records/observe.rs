//! Reading the records of one producer in passing, without taking part.
//!
//! An onlooker goes from header to header on its own. What it has read is good if the producer was not yet
//! allowed to write there: it says how far it may write before it does (`control.tail`, edge O1). An onlooker
//! that was lapped goes on where the consumer is, and knows how many bytes it missed.

use super::super::words::Words;
use crate::layout::control::{CLOSED_BY_PRODUCER, Control};
use crate::layout::record::{self, HEADER, Shape};
use crate::sync::Ordering::Acquire;
use crate::sync::fence;

/// What an onlooker finds at its position.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    /// A record that was copied whole; its tag, and the position of its header.
    Record {
        tag: u16,
        position: u64,
    },
    /// So many bytes were overwritten before they were read. It goes on where the consumer is.
    Missed {
        bytes: u64,
    },
    Empty,
    /// The end of what a producer that has closed has sent.
    Closed,
}

/// An onlooker's place.
#[derive(Debug)]
pub(crate) struct Onlooker {
    next: u64,
    shape: Shape,
}

impl Onlooker {
    /// Begins with the oldest record that the consumer has not taken.
    pub(crate) fn new(control: &Control, shape: Shape) -> Self {
        Self {
            next: taken(control, shape),
            shape,
        }
    }

    /// Where it looks next.
    pub(crate) fn position(&self) -> u64 {
        self.next
    }

    /// The next record, copied by `copy`, which is given the position and the length of its payload. Those are
    /// inside the ring in any case; the copy is worth something only if a record is returned.
    pub(crate) fn look(
        &mut self,
        words: &impl Words,
        control: &Control,
        mut copy: impl FnMut(u64, u32),
    ) -> Seen {
        // Acquire X1: before the words, as in `Head::look`.
        let closed = control.closed.0.load(Acquire) & CLOSED_BY_PRODUCER != 0;
        let mut passed = 0;
        while passed <= self.shape.capacity {
            // Before the word: a mark of the lap before, seen first, could not be told from one of this lap by a
            // consumer that has come on since.
            let untaken = self.is_untaken(control);
            // Acquire P1: pairs with the Release of the producer that commits or pads.
            let found = words.at(self.next).load(Acquire);
            let word = record::untaken(found);
            // What looks taken is a record of this lap only if the consumer has passed it.
            let stale = found != word && untaken;
            if stale && !self.is_untaken(control) {
                // The mark is of this lap after all: the consumer has come by. (Z2 shows it as passed by now.)
                passed += self.shape.align();
                continue;
            }
            let total = self.shape.total(record::len(word));
            let is_there = !stale && record::is_header(word) && total <= self.shape.room(self.next);
            if is_there && record::is_ready(word) {
                copy(self.next.wrapping_add(HEADER), record::len(word));
            }
            // Acquire O1: pairs with the Release in `spsc::Tail::grant`: if anything of the above was read while
            // the producer wrote there, its limit is seen below.
            fence(Acquire);
            if let Some(bytes) = self.missed(control) {
                return Seen::Missed { bytes };
            }
            if !is_there {
                break;
            }
            let position = self.next;
            self.next = position.wrapping_add(total);
            if record::is_ready(word) {
                let tag = record::tag(word);
                return Seen::Record { tag, position };
            }
            passed += total;
        }
        if closed { Seen::Closed } else { Seen::Empty }
    }

    /// Whether the consumer has not passed the next position.
    fn is_untaken(&self, control: &Control) -> bool {
        taken(control, self.shape).wrapping_sub(self.next) as i64 <= 0
    }

    /// How many bytes were missed, if the producer may have come round to the next position. Then the place is
    /// where the consumer is.
    fn missed(&mut self, control: &Control) -> Option<u64> {
        // Acquire O1: after the fence before it, and so that where the consumer was when this limit was given is
        // seen below.
        let limit = control.tail.0.load(Acquire);
        // At the limit itself it may have cleared the place of a header.
        if (limit.wrapping_sub(self.next) as i64) < self.shape.capacity as i64 {
            return None;
        }
        let taken = taken(control, self.shape);
        let bytes = taken.wrapping_sub(self.next);
        self.next = taken;
        Some(bytes)
    }
}

/// Where the consumer is; rounded down if a peer lies.
fn taken(control: &Control, shape: Shape) -> u64 {
    // Acquire C1: pairs with the Release in `Head::release`.
    control.head.0.taken.load(Acquire) & !(shape.align() - 1)
}
