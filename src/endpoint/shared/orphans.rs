//! Messages that were in the hands of consumers that died, and are to be delivered again, or dropped.

use super::super::seat::{Seat, Side};
use super::super::table::Others;
use crate::error::EndpointError;
use crate::layout::control::Control;
use crate::layout::participant::{CONSUMER, Participant};
use crate::os::clock;
use crate::ring::announce;
use crate::ring::shared::Run;
use crate::ring::shared::repair::{self, Estate};
use crate::segment::{Lane, Regions, Segment};
use std::time::Duration;

/// How often a consumer without work looks whether another one died. The kernel is asked about each of them.
const PAUSE_NS: u64 = 10_000_000;
/// How often and how long a new consumer that needs the admin token waits for it. Nobody holds it for long.
const ADMIN_TRIES: u32 = 200;
const ADMIN_PAUSE: Duration = Duration::from_micros(500);
/// How long it looks for a place: less than it waits for the admin token, so that it does that once.
const SEAT_NS: u64 = 50_000_000;

/// A consumer's memory of looking for orphans.
#[derive(Debug)]
pub(super) struct Orphans {
    consumers: Side,
    next_ns: u64,
    /// Whether something was seen that could not be taken over yet.
    waiting: bool,
    capacity: u64,
    /// Whether the ring drops them.
    drops: bool,
}

/// What the dead owner of `entry` has left. The tokens of `entry` and of `mine` are the caller's.
pub(crate) fn estate_of(
    lane: &Lane<'_>,
    control: &Control,
    capacity: u64,
    consumers: &Side,
    entry: &Participant,
    mine: &Participant,
) -> Estate {
    let others = Others {
        side: consumers,
        except: [entry, mine],
    };
    repair::estate(lane, control, capacity, announce::run(entry), &others)
}

/// Takes a seat among the consumers, and if there is none but those of the dead, one with what its owner had in hand.
pub(super) fn take_seat(
    segment: &Segment,
    regions: &Regions,
    lane: &Lane<'_>,
) -> Result<(Seat, Run), EndpointError> {
    let until = clock::monotonic_ns().saturating_add(SEAT_NS);
    loop {
        match try_take_seat(segment, regions, lane) {
            // Somebody may have had the token of a dead one's place in hand for a moment, to clear up.
            Err(EndpointError::NoPlace { .. }) if clock::monotonic_ns() < until => {
                std::thread::sleep(ADMIN_PAUSE);
            }
            other => return other,
        }
    }
}

fn try_take_seat(
    segment: &Segment,
    regions: &Regions,
    lane: &Lane<'_>,
) -> Result<(Seat, Run), EndpointError> {
    let (control, seats) = (regions.control(), regions.consumer_seats());
    let capacity = segment.checked.geometry.capacity;
    let consumers = Side::new(segment, regions, seats.clone());
    let look = |entry: &Participant| estate_of(lane, control, capacity, &consumers, entry, entry);
    let settled = |_, entry: &Participant| {
        let estate = look(entry);
        estate.settled && estate.run.is_empty()
    };
    match Seat::take_any(segment, regions, seats.clone(), CONSUMER, settled) {
        Err(EndpointError::NoPlace { .. }) => {}
        Err(e) => return Err(e),
        Ok(mut seat) => {
            // What the entry's last owner announced is settled; nobody shall wait for it.
            announce::withdraw(seat.entry());
            seat.settle();
            return Ok((seat, Run::NONE));
        }
    }
    let admin = loop_for_admin(&consumers)?;
    let drops = segment.checked.drops;
    let mut run = Run::NONE;
    let inherit = |entry: &Participant| {
        let estate = look(entry);
        if drops {
            repair::give_up(lane, control, capacity, estate.run);
        } else if estate.settled {
            run = estate.run;
        }
        if estate.settled {
            repair::inherit(entry, run);
        }
        estate.settled
    };
    let seat = Seat::take_over(segment, regions, seats, CONSUMER, inherit).map(|mut seat| {
        // With the admin token in hand: from here on everybody sees that what it announces is a living one's.
        seat.settle();
        seat
    });
    if let Some(admin) = admin {
        admin.release();
    }
    Ok((seat?, run))
}

/// The admin token. `None` if it did not come in time: then there is nothing to inherit.
fn loop_for_admin(consumers: &Side) -> Result<Option<crate::segment::Token>, EndpointError> {
    for _ in 0..ADMIN_TRIES {
        if let Some(admin) = consumers.admin()? {
            return Ok(Some(admin));
        }
        std::thread::sleep(ADMIN_PAUSE);
    }
    Err(EndpointError::NoPlace {
        places: consumers.places(),
    })
}

impl Orphans {
    /// For the owner of `seat` in `segment`.
    pub(super) fn new(seat: &Seat, segment: &Segment) -> Self {
        Self {
            consumers: seat.consumer_side(),
            next_ns: 0,
            waiting: false,
            capacity: segment.checked.geometry.capacity,
            drops: segment.checked.drops,
        }
    }

    /// The places of all who consume.
    pub(super) fn consumers(&self) -> &Side {
        &self.consumers
    }

    /// Whether something may come that could not be taken over at the last look.
    pub(super) fn may_come(&self) -> bool {
        self.waiting
    }

    /// Takes over what one of those who died had in hand; nothing where that is dropped, which this does. Looks now and
    /// then, unless it is to be `now`. `mine` is the entry of this consumer, which has nothing in hand.
    pub(super) fn adopt(
        &mut self,
        lane: &Lane<'_>,
        control: &Control,
        mine: &Participant,
        now: bool,
    ) -> Run {
        let clock = clock::monotonic_ns();
        if !now && clock < self.next_ns {
            return Run::NONE;
        }
        self.next_ns = clock.saturating_add(PAUSE_NS);
        self.waiting = false;
        // Whoever repairs holds a dead one's token for a moment, so that it looks alive: only with the admin token in hand
        // can they be told apart.
        let unfinished = |i| self.is_unfinished(lane, control, i, mine);
        if !(0..self.consumers.places()).any(unfinished) {
            return Run::NONE;
        }
        // Of several who would take over the same message, one at a time.
        let admin = match self.consumers.admin() {
            Ok(Some(admin)) => admin,
            Ok(None) => {
                self.waiting = true;
                return Run::NONE;
            }
            // The ring was removed: nobody can be told alive from dead any more.
            Err(_) => return Run::NONE,
        };
        let run = self.search(lane, control, mine);
        admin.release();
        run
    }

    /// Whether the owner of entry `i`, which is not `mine`, has something in hand, or had when it died.
    fn is_unfinished(
        &self,
        lane: &Lane<'_>,
        control: &Control,
        i: u32,
        mine: &Participant,
    ) -> bool {
        let entry = self.consumers.entry(i);
        !std::ptr::eq(entry, mine) && repair::is_unfinished(lane, control, announce::run(entry))
    }

    /// Looks through the entries of those who died.
    fn search(&mut self, lane: &Lane<'_>, control: &Control, mine: &Participant) -> Run {
        for i in 0..self.consumers.places() {
            if !self.is_unfinished(lane, control, i, mine) {
                continue;
            }
            let mut run = Run::NONE;
            let take = |entry: &Participant| {
                let estate = estate_of(lane, control, self.capacity, &self.consumers, entry, mine);
                if self.drops {
                    repair::give_up(lane, control, self.capacity, estate.run);
                } else if !estate.run.is_empty() {
                    run = estate.run;
                    repair::take_over(control, mine, run);
                }
                self.waiting |= !estate.settled;
                estate.settled
            };
            self.consumers.bury(i, take);
            if !run.is_empty() {
                // There may be more.
                self.next_ns = 0;
                return run;
            }
        }
        Run::NONE
    }
}
