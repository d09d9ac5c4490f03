//! The consumer of a ring of records.
//!
//! It keeps its position to itself, stores it after every record for a successor (`taken`), and tells the
//! producers every quarter of the ring (`gate`). With many producers it also wipes every
//! place in it at which another record may begin.
//!
//! Invariants, with `c` the capacity in bytes:
//! * `gate <= wiped <= taken <= tail <= wiped + c`.
//! * With many producers every word outside `wiped .. tail` at which a record may begin is 0, and of
//!   `wiped .. taken` the successor of a consumer that died wiping wipes all.

use super::super::corrupt::{Corrupt, CorruptWord};
use super::super::words::Cells;
use super::Producers;
use crate::layout::control::{CLOSED_BY_CONSUMER, CLOSED_BY_PRODUCER, Control};
use crate::layout::record::{self, HEADER, Record, Shape};
use crate::sync::Ordering::{Acquire, Relaxed, Release};
use crate::sync::fence;

/// What the consumer finds at its position.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    /// This record, which ends before the ring does.
    Record(Record),
    /// Nothing that can be read. With many producers somebody may be writing, or have died writing.
    Empty,
    /// Drained, and the producing side has closed; or this side has.
    Closed,
    Corrupt(Corrupt),
}

/// The consumer's private half.
#[derive(Debug)]
pub(crate) struct Head {
    next: u64,
    /// What the shared gate says.
    gate: u64,
    /// Where `next` must be for the gate to be published again: a quarter of the ring on.
    gate_due: u64,
    shape: Shape,
    producers: Producers,
}

fn bad_head(position: u64, found: u64) -> Corrupt {
    Corrupt {
        word: CorruptWord::Head,
        position,
        found,
    }
}

impl Head {
    /// Finds where the last consumer stopped. For the holder of the consumer's token only.
    ///
    /// The record that was in the predecessor's hands is found again; none that it released is.
    pub(crate) fn resume(
        cells: &impl Cells,
        control: &Control,
        shape: Shape,
        producers: Producers,
    ) -> Result<Self, Corrupt> {
        // Acquire C1: the predecessor stored it; the kernel lock that changed hands orders it too.
        let taken = control.head.0.taken.load(Acquire);
        if !shape.is_aligned(taken) {
            return Err(bad_head(taken, taken));
        }
        // Acquire Z1: as above.
        let wiped = control.head.0.wiped.load(Acquire);
        let unwiped = taken.wrapping_sub(wiped);
        if unwiped > shape.capacity || !shape.is_aligned(wiped) {
            return Err(bad_head(taken, wiped));
        }
        if producers == Producers::Many {
            // The predecessor may have died in the middle of it.
            let first = unwiped.min(shape.room(wiped));
            cells.wipe(wiped, first, shape.align());
            cells.wipe(wiped.wrapping_add(first), unwiped - first, shape.align());
        }
        // Release Z1: zeroes before a producer that acquires this claims them.
        control.head.0.wiped.store(taken, Release);
        let mut head = Self {
            next: taken,
            gate: taken.wrapping_sub(1),
            gate_due: taken,
            shape,
            producers,
        };
        head.publish_gate(control);
        Ok(head)
    }

    /// The position of the record that comes next.
    #[inline(always)]
    pub(crate) fn next(&self) -> u64 {
        self.next
    }

    /// What producers were told was released.
    pub(crate) fn gate(&self) -> u64 {
        self.gate
    }

    /// How records lie in this ring.
    pub(crate) fn shape(&self) -> Shape {
        self.shape
    }

    /// The record that comes next, if it is there: one load of its own line.
    #[inline(always)]
    pub(crate) fn find(&self, cells: &impl Cells) -> Option<Record> {
        self.find_at(cells, self.next)
    }

    #[inline(always)]
    fn find_at(&self, cells: &impl Cells, position: u64) -> Option<Record> {
        // Acquire P1: pairs with the Release of the producer that commits: the payload is there.
        let word = cells.at(position).load(Acquire);
        self.readable(cells, position, word)
    }

    /// Has the record that comes next read by `read`, which is given its position, and hands its bytes back. `None` if
    /// it is not there.
    #[inline(always)]
    pub(crate) fn take<R>(
        &mut self,
        cells: &impl Cells,
        control: &Control,
        read: impl FnOnce(u64, Record) -> R,
    ) -> Option<R> {
        let position = self.next;
        let record = self.find_at(cells, position)?;
        let what = read(position, record);
        self.pass(cells, control, position, record.word(), record.total);
        Some(what)
    }

    /// The record whose header is `word`, if it is one that can be read at `position`.
    #[inline(always)]
    fn readable(&self, cells: &impl Cells, position: u64, word: u64) -> Option<Record> {
        let record = self.shape.record(record::len(word), record::tag(word));
        // Then all that it takes is, for records begin at multiples of the alignment, and the ring ends at one.
        let is_whole = u64::from(record.len) + HEADER <= cells.room(position);
        (record::is_ready(word) && is_whole).then_some(record)
    }

    /// Hands the bytes of `record`, which was the next one, back and steps on.
    #[inline(always)]
    pub(crate) fn release(&mut self, cells: &impl Cells, control: &Control, record: Record) {
        self.pass(cells, control, self.next, record.word(), record.total);
    }

    /// Steps over the record or padding at `from`, which comes next and has the header `word`: `total` bytes, not past the
    /// end of the ring.
    #[inline(always)]
    fn pass(&mut self, cells: &impl Cells, control: &Control, from: u64, word: u64, total: u64) {
        let next = from.wrapping_add(total);
        self.next = next;
        // Release C1: the payload was read before whoever acquires this takes it for read. A successor begins
        // here: what comes before is never read again, so it may be wiped now.
        control.head.0.taken.store(next, Release);
        match self.producers {
            Producers::One => {
                // Release Z2: whoever finds the mark, and then looks, finds the record taken.
                fence(Release);
                // Relaxed: ordered by the fence. Not needed for any decision of the producer, but a place that
                // holds no header it need not take from this cache to clear it, and a line that the consumer has
                // written travels back faster on some machines.
                cells.at(from).store(record::taken(word), Relaxed);
                cells.dirty(from, total);
            }
            Producers::Many => cells.wipe(from, total, self.shape.align()),
        }
        // Release Z1: the payload was read and wiped before a producer that acquires this writes over it.
        control.head.0.wiped.store(next, Release);
    }

    /// Looks for the next record, passing over padding.
    pub(crate) fn look(&mut self, cells: &impl Cells, control: &Control) -> Look {
        // Acquire X1: pairs with the Release in `close_*`. Loaded before the words, so that a record
        // committed before the close is seen below.
        let closed = control.closed.0.load(Acquire);
        if closed & CLOSED_BY_CONSUMER != 0 {
            return Look::Closed;
        }
        // Bounded: lying producers can make this lap the ring once, not for ever.
        let mut passed = 0;
        while passed <= self.shape.capacity {
            // Acquire P1: pairs with the Release of the producer that commits or pads.
            let word = cells.at(self.next).load(Acquire);
            let nothing = match self.producers {
                Producers::One => !record::is_header(word),
                Producers::Many => word == 0 || record::is_busy(word),
            };
            if nothing {
                self.publish_gate(control);
                let last = closed & CLOSED_BY_PRODUCER != 0 && !self.is_claimed(control);
                return if last { Look::Closed } else { Look::Empty };
            }
            if let Some(record) = self.readable(cells, self.next, word) {
                return Look::Record(record);
            }
            let total = self.shape.total(record::len(word));
            if record::is_pad(word) && total <= self.shape.room(self.next) {
                self.pass(cells, control, self.next, word, total);
                passed += total;
                self.publish_gate_if_due(control);
                continue;
            }
            return Look::Corrupt(Corrupt {
                word: CorruptWord::Record,
                position: self.next,
                found: word,
            });
        }
        self.publish_gate(control);
        Look::Empty
    }

    /// Whether somebody has claimed the next position. With one producer there are no claims.
    pub(crate) fn is_claimed(&self, control: &Control) -> bool {
        self.producers == Producers::Many && super::mpsc::tail(control) != self.next
    }

    /// Publishes the gate if enough was released for producers to be told. `true` when it did.
    #[inline(always)]
    pub(crate) fn publish_gate_if_due(&mut self, control: &Control) -> bool {
        self.next.wrapping_sub(self.gate_due) as i64 >= 0 && self.publish_gate(control)
    }

    /// Tells producers what is released. `true` when there was something new to tell.
    pub(crate) fn publish_gate(&mut self, control: &Control) -> bool {
        if self.gate == self.next {
            return false;
        }
        self.gate = self.next;
        self.gate_due = self.gate.wrapping_add(self.shape.capacity / 4);
        // Release G1: all payloads below were read, and with many producers wiped, before a producer that
        // acquires this writes over them.
        control.gate.0.store(self.gate, Release);
        true
    }
}
