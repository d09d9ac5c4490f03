//! What a consumer does about a claim that stays unfinished: asks the kernel whether its owner lives.

use super::seat::{Seat, Side};
use crate::layout::control::Control;
use crate::os::clock;
use crate::ring::close;
use crate::ring::corrupt::Corrupt;
use crate::ring::records::repair::Repair;
use crate::ring::shared::repair::{self, Verdict};
use crate::ring::shared::tail;
use crate::segment::Lane;

/// How many vain looks of a consumer that never waits pass between two of the clock. Few, because they may be far
/// apart.
const LOOKS: u32 = 4;
/// How long to leave the producers' tail alone after a look at it.
const LOOK_NS: u64 = 5_000;
/// How long a claim may stay unfinished before its owner is asked about. Most take less.
const FIRST_NS: u64 = 20_000;
/// The longest pause between two questions.
const LONGEST_NS: u64 = 1_000_000;

/// A consumer's memory of the claim it waits for.
#[derive(Debug)]
pub(super) struct Mender {
    /// Those who may have claimed something.
    producers: Side,
    /// The position of the unfinished claim, if there is one.
    at: Option<u64>,
    /// When to ask next, and how long to pause after that.
    next_ns: u64,
    pause_ns: u64,
    looks: u32,
}

impl Mender {
    /// For a consumer that sits on `seat`.
    pub(super) fn new(seat: &Seat) -> Self {
        Self {
            producers: seat.producer_side(),
            at: None,
            next_ns: 0,
            pause_ns: FIRST_NS,
            looks: 0,
        }
    }

    /// Whether a consumer that found nothing shall look after it: once in many calls, and always while it waits
    /// for a claim.
    pub(super) fn now_and_then(&mut self) -> bool {
        self.looks = self.looks.wrapping_add(1);
        self.is_waiting() || self.looks.is_multiple_of(LOOKS)
    }

    /// Whether somebody has claimed the next position and not finished.
    pub(super) fn is_waiting(&self) -> bool {
        self.at.is_some()
    }

    /// As [`Mender::mend`], where the messages are slots: what a dead producer has claimed at `next` becomes a
    /// tombstone.
    pub(super) fn mend_slot(
        &mut self,
        lane: &Lane<'_>,
        control: &Control,
        next: u64,
    ) -> Result<bool, Corrupt> {
        let is_claimed = || tail::is_claimed(control, next);
        self.mend(
            control,
            next,
            is_claimed,
            |producers| match repair::tombstone(lane, control, next, producers) {
                Verdict::Settled => Repair::Done,
                Verdict::Wait | Verdict::Orphan => Repair::Wait,
            },
        )
    }

    /// Looks after the position `next`, at which nothing was found. `is_claimed` says whether somebody has claimed it,
    /// `repair` what may be done about it. `true` if it is worth another look at once.
    pub(super) fn mend(
        &mut self,
        control: &Control,
        next: u64,
        is_claimed: impl FnOnce() -> bool,
        repair: impl FnOnce(&Side) -> Repair,
    ) -> Result<bool, Corrupt> {
        let now = clock::monotonic_ns();
        if now < self.next_ns {
            return Ok(false);
        }
        // The next look sees it. Not another one at once: a hostile peer could undo it for ever.
        close::finish_shared(control);
        if !is_claimed() {
            self.at = None;
            self.next_ns = now.saturating_add(LOOK_NS);
            return Ok(false);
        }
        if self.at != Some(next) {
            self.at = Some(next);
            self.pause_ns = FIRST_NS;
            self.next_ns = now.saturating_add(FIRST_NS);
            return Ok(false);
        }
        self.next_ns = now.saturating_add(self.pause_ns);
        self.pause_ns = (self.pause_ns * 2).min(LONGEST_NS);
        match repair(&self.producers) {
            Repair::Done => Ok(true),
            Repair::Unclaimed | Repair::Wait => Ok(false),
            Repair::Corrupt(e) => Err(e),
        }
    }
}
