//! Messages that were in the hands of consumers that died, and are to be delivered again.

use super::super::seat::{Seat, Side};
use super::super::table::Others;
use crate::layout::control::Control;
use crate::layout::participant::Participant;
use crate::os::clock;
use crate::ring::announce;
use crate::ring::shared::repair;
use crate::segment::Lane;

/// How often a consumer without work looks whether another one died. The kernel is asked about each of them.
const PAUSE_NS: u64 = 10_000_000;

/// What came of looking for orphans.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Orphan {
    /// The message at this position is this consumer's now.
    At(u64),
    /// There is none, but something that was in the way is no more.
    Settled,
    None,
}

/// A consumer's memory of looking for orphans.
#[derive(Debug)]
pub(super) struct Orphans {
    consumers: Side,
    /// What the last owner of this consumer's entry announced, while some of it is not settled. It stands in this
    /// consumer's announcement meanwhile.
    inherited: Option<(u64, u64)>,
    next_ns: u64,
    /// Whether an orphan was seen that could not be taken over yet.
    waiting: bool,
    capacity: u64,
}

impl Orphans {
    /// For the new owner of `seat`. What its last owner announced is inherited if any of it may be an orphan.
    pub(super) fn new(seat: &Seat, lane: &Lane<'_>, control: &Control, capacity: u64) -> Self {
        let consumers = seat.consumer_side();
        let mine = seat.entry();
        let run = announce::run(mine);
        let others = Others {
            side: &consumers,
            except: [mine, mine],
        };
        // Without the admin token: this is only a look. Whatever is to be taken over is an orphan until it is.
        let settled = repair::first_orphan(lane, control, capacity, run, &others) == Err(true);
        if settled {
            announce::withdraw(mine);
        }
        Self {
            inherited: (!settled).then_some(run),
            consumers,
            next_ns: 0,
            waiting: false,
            capacity,
        }
    }

    /// Whether the announcement still is that of the entry's last owner.
    #[inline(always)]
    pub(super) fn has_inherited(&self) -> bool {
        self.inherited.is_some()
    }

    /// Whether an orphan may come that could not be taken over at the last look.
    pub(super) fn may_come(&self) -> bool {
        self.waiting || self.has_inherited()
    }

    /// Takes over a message if there is one. Looks now and then, unless it is to be `now`. `mine` is the entry of this
    /// consumer, which has nothing in hand.
    pub(super) fn adopt(
        &mut self,
        lane: &Lane<'_>,
        control: &Control,
        mine: &Participant,
        now: bool,
    ) -> Orphan {
        let clock = clock::monotonic_ns();
        if !now && !self.has_inherited() && clock < self.next_ns {
            return Orphan::None;
        }
        self.next_ns = clock.saturating_add(PAUSE_NS);
        // Of several who would take over the same message, one at a time.
        let Some(admin) = self.consumers.admin() else {
            self.waiting = true;
            return Orphan::None;
        };
        self.waiting = false;
        let found = match self.inherited {
            Some(run) => self.inherit(lane, control, mine, run),
            None => self.search(lane, control, mine),
        };
        admin.release();
        found
    }

    /// Goes on with what the last owner of `mine` left.
    fn inherit(
        &mut self,
        lane: &Lane<'_>,
        control: &Control,
        mine: &Participant,
        run: (u64, u64),
    ) -> Orphan {
        let others = Others {
            side: &self.consumers,
            except: [mine, mine],
        };
        match repair::first_orphan(lane, control, self.capacity, run, &others) {
            Ok(position) => Orphan::At(position),
            Err(false) => Orphan::None,
            Err(true) => {
                self.inherited = None;
                announce::withdraw(mine);
                Orphan::Settled
            }
        }
    }

    /// Looks through the entries of those who died.
    fn search(&mut self, lane: &Lane<'_>, control: &Control, mine: &Participant) -> Orphan {
        let capacity = self.capacity;
        for i in 0..self.consumers.places() {
            if !self.consumers.is_dead_active(i) {
                continue;
            }
            let mut found = Err(false);
            let look = |entry: &Participant| {
                let run = announce::run(entry);
                let others = Others {
                    side: &self.consumers,
                    except: [mine, entry],
                };
                found = repair::first_orphan(lane, control, capacity, run, &others);
                found == Err(true)
            };
            self.consumers.bury(i, look);
            match found {
                Ok(position) => {
                    announce::announce(mine, position, 1);
                    return Orphan::At(position);
                }
                Err(settled) => self.waiting |= !settled,
            }
        }
        Orphan::None
    }
}
