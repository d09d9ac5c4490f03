//! What a consumer knows of the messages ahead, where several slots share a line.
//!
//! Asking for their lines in time nearly doubles the rate of a stream; asking for a line that the producer is still writing
//! halves it. So it asks only for what it knows to be written.

use crate::ring::spsc::Head;
use crate::segment::Lane;

/// Up to where that is known.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ahead {
    /// Lines are asked for as long as the next position is below this one.
    until: u64,
    /// When to find out again.
    probe_at: u64,
}

impl Ahead {
    /// Nothing, at position `next`.
    pub(super) fn new(next: u64) -> Self {
        Self {
            until: next,
            probe_at: next,
        }
    }

    /// Asks for a line ahead, if there is something in it.
    #[inline]
    pub(super) fn ask(&mut self, head: &Head, lane: Lane<'_>) {
        let next = head.next();
        if next < self.until {
            lane.prefetch_ahead(next);
        } else if next >= self.probe_at {
            self.probe(head, lane);
        }
    }

    /// Finds out whether lines may be asked for during the next messages.
    #[inline(never)]
    fn probe(&mut self, head: &Head, lane: Lane<'_>) {
        let n = lane.ahead();
        self.probe_at = head.next().wrapping_add(n);
        if head.is_committed(&lane, 2 * n) {
            self.until = self.probe_at;
        }
    }
}
