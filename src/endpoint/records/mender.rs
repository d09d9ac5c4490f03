//! What a consumer does about a claim that stays unfinished: asks the kernel whether its owner lives.

use super::super::seat::Seat;
use crate::layout::participant::Participant;
use crate::os::clock;
use crate::ring::close;
use crate::ring::corrupt::Corrupt;
use crate::ring::records::head::Head;
use crate::ring::announce::{self, Announcements};
use crate::ring::records::repair::Repair;
use crate::segment::{Bytes, Segment, View};
use crate::sync::Ordering::Acquire;

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
    /// Entries of the table that may have claimed something.
    producers: u32,
    /// The position of the unfinished claim, if there is one.
    at: Option<u64>,
    /// When to ask next, and how long to pause after that.
    next_ns: u64,
    pause_ns: u64,
    looks: u32,
}

/// The participant table, with the kernel's word on who lives.
struct Table<'a> {
    view: &'a View<Bytes>,
    seat: &'a Seat,
    producers: u32,
}

impl Table<'_> {
    fn entry(&self, i: u32) -> &Participant {
        self.view.participant(i)
    }
}

impl Announcements for Table<'_> {
    fn count(&self) -> u32 {
        self.producers
    }

    fn run(&self, i: u32) -> (u64, u64) {
        let entry = self.entry(i);
        // Acquire A2, both: pairs with the Release in `mpsc::Tail::claim`: whoever announces another run by now
        // has finished the one before.
        (
            entry.announce.load(Acquire),
            entry.announce_len.load(Acquire),
        )
    }

    fn is_dead(&self, i: u32) -> bool {
        !self.seat.is_held(i)
    }
}

impl Mender {
    /// For a consumer of the ring `segment`.
    pub(super) fn new(segment: &Segment) -> Self {
        Self {
            producers: segment.checked.geometry.places.producers,
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

    /// Looks after the next position, at which nothing was found. `true` if it is worth another look at once.
    pub(super) fn mend(
        &mut self,
        view: &View<Bytes>,
        seat: &Seat,
        head: &Head,
    ) -> Result<bool, Corrupt> {
        let now = clock::monotonic_ns();
        if now < self.next_ns {
            return Ok(false);
        }
        // The next look sees it. Not another one at once: a hostile peer could undo it for ever.
        close::finish_shared(view.control());
        if !head.is_claimed(view.control()) {
            self.at = None;
            self.next_ns = now.saturating_add(LOOK_NS);
            return Ok(false);
        }
        if self.at != Some(head.next()) {
            self.at = Some(head.next());
            self.pause_ns = FIRST_NS;
            self.next_ns = now.saturating_add(FIRST_NS);
            return Ok(false);
        }
        self.next_ns = now.saturating_add(self.pause_ns);
        self.pause_ns = (self.pause_ns * 2).min(LONGEST_NS);
        let table = Table {
            view,
            seat,
            producers: self.producers,
        };
        match head.repair(&view.strip(), view.control(), &table) {
            Repair::Done => Ok(true),
            Repair::Unclaimed | Repair::Wait => Ok(false),
            Repair::Corrupt(e) => Err(e),
        }
    }
}
