//! What a consumer or a reader knows of the messages ahead.
//!
//! Asking for their lines in time makes a stream up to twice as quick, where the processor is one that gains by it; asking for a
//! line that the producer is still writing takes it from under its pen, and makes the stream several times slower. So only what
//! is known to be written is asked for. See ARCHITECTURE.md for the measurements.

use crate::ring::words::was_committed;
use crate::segment::{Lane, Slots, View};

/// Up to where that is known.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ahead {
    /// Lines are asked for as long as the next position is below this one.
    until: u64,
    /// When to find out again.
    look_at: u64,
    /// The line that tells was asked for.
    asked: bool,
}

impl Ahead {
    /// Nothing, at position `next`.
    pub(super) fn new(next: u64) -> Self {
        Self {
            until: next,
            look_at: next,
            asked: false,
        }
    }

    /// Asks for the line of a message some way behind `next`, if there is something in it. `true` when it is time to
    /// [`look`](Ahead::look), which is a call and so takes no lane: that would be put into memory for each message.
    #[inline(always)]
    pub(super) fn ask(&self, next: u64, lane: Lane<'_>) -> bool {
        if self.knows(next) {
            lane.prefetch_sought(next);
        }
        next >= self.look_at
    }

    /// Whether there are many messages behind `next`: then nobody who writes is near.
    pub(super) fn knows(&self, next: u64) -> bool {
        next < self.until
    }

    /// Finds out whether lines may be asked for during the next messages. The line that tells is asked for a little earlier, so
    /// that nobody waits for it.
    #[inline(never)]
    pub(super) fn look(&mut self, next: u64, view: &View<Slots>) {
        let lane = view.lane();
        let n = lane.sought();
        if !self.asked {
            lane.prefetch_sought(next.wrapping_add(n));
            self.look_at = next.wrapping_add(n / 4);
        } else {
            self.look_at = next.wrapping_add(n - n / 4);
            if was_committed(&lane, next.wrapping_add(2 * n - n / 4)) {
                self.until = next.wrapping_add(n);
            }
        }
        self.asked = !self.asked;
    }
}
