//! An endpoint's entry in the participant table, and the token that proves its owner alive.

use crate::error::{EndpointError, OsError};
use crate::layout::participant::{self, ACTIVE, LEFT, Participant};
use crate::os::process::{self, Stamp};
use crate::ring::announce;
use crate::segment::{Regions, Segment, Shared, Token, Tokens};
use crate::sync::Ordering::{Acquire, Relaxed, Release};
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

/// How often and at what distance somebody looks for a place.
const TAKE_TRIES: u32 = 3;
const TAKE_PAUSE: Duration = Duration::from_micros(500);

/// What is known about the endpoint at the other end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// Nobody has attached there yet.
    Never,
    /// A living endpoint holds that end.
    Alive,
    /// The last one there was dropped in order. Another may attach.
    Left,
    /// The last one there died. Another may attach and resume.
    Died,
}

/// One occupied table entry. Dropping it leaves in order.
#[derive(Debug)]
pub(crate) struct Seat {
    regions: Regions,
    tokens: Arc<Tokens>,
    index: u32,
    entry: Shared<Participant>,
    /// `PRODUCER`, `CONSUMER` or `READER`.
    role: u32,
    predecessor: Peer,
    /// Taken out when dropped.
    token: Option<Token>,
    /// Whether the table says so: from [`Seat::settle`] on.
    settled: bool,
    /// Whose it is: a forked child inherits the struct but not the seat.
    process: Stamp,
}

/// What the table and the kernel together say about entry `index`.
pub(crate) fn state_of(regions: &Regions, tokens: &Tokens, index: u32) -> Result<Peer, OsError> {
    let entry = regions.participant(index);
    // Acquire T1, here and below: pairs with the Releases in `Seat::settle` and `Seat::drop`.
    let owner = || (entry.state.load(Acquire), entry.generation.load(Acquire));
    let before = owner();
    if tokens.is_held(index)? {
        return Ok(Peer::Alive);
    }
    // An owner that leaves stores LEFT before it lets go. So one that was ACTIVE before the kernel said that
    // nobody holds the token, and is so still, died; otherwise another one came in between.
    let after = owner();
    Ok(match after.0 {
        participant::FREE => Peer::Never,
        ACTIVE if before == after => Peer::Died,
        ACTIVE => Peer::Alive,
        _ => Peer::Left,
    })
}

/// What the table says about the last owner of an entry whose token was just taken.
fn predecessor_in(entry: &Participant) -> Peer {
    // Acquire T1: pairs with the Release of the predecessor; the token orders it too.
    match entry.state.load(Acquire) {
        participant::FREE => Peer::Never,
        ACTIVE => Peer::Died,
        _ => Peer::Left,
    }
}

/// The entries of one side of a ring.
#[derive(Clone, Debug)]
pub(crate) struct Side {
    regions: Regions,
    tokens: Arc<Tokens>,
    first: u32,
    places: u32,
}

/// Frees `entry`, whose owner died. For the holder of its token.
fn clear(entry: &Participant) {
    announce::withdraw(entry);
    // Release T1: as in `Seat::drop`.
    entry.state.store(LEFT, Release);
}

impl Side {
    /// The entries `seats`.
    pub(crate) fn new(segment: &Segment, regions: &Regions, seats: Range<u32>) -> Self {
        Self {
            regions: regions.clone(),
            tokens: Arc::clone(&segment.tokens),
            first: seats.start,
            places: seats.len() as u32,
        }
    }

    /// Entries of this side.
    pub(crate) fn places(&self) -> u32 {
        self.places
    }

    /// Entry `i` of this side.
    pub(crate) fn entry(&self, i: u32) -> &Participant {
        assert!(i < self.places);
        self.regions.participant(self.first + i)
    }

    /// Whether a living endpoint holds entry `i`. Should the kernel fail to answer, one does: nobody is declared
    /// dead on a guess.
    pub(crate) fn is_held(&self, i: u32) -> bool {
        self.tokens.is_held(self.first + i).unwrap_or(true)
    }

    /// Whether the owner of entry `i` died and was not buried.
    pub(crate) fn is_dead_active(&self, i: u32) -> bool {
        // Acquire T1: as in `state_of`.
        self.entry(i).state.load(Acquire) == ACTIVE && !self.is_held(i)
    }

    /// What the table and the kernel together say about entry `i`.
    pub(crate) fn state_of(&self, i: u32) -> Result<Peer, OsError> {
        state_of(&self.regions, &self.tokens, self.first + i)
    }

    /// Calls `act` with the token of entry `i` in hand, if its owner died: no owner can come meanwhile. `None` if it was not
    /// called.
    pub(crate) fn with_dead<R>(&self, i: u32, act: impl FnOnce(&Participant) -> R) -> Option<R> {
        if !self.is_dead_active(i) {
            return None;
        }
        let Ok(Some(token)) = self.tokens.try_hold(self.first + i) else {
            return None;
        };
        let entry = self.entry(i);
        let done = (predecessor_in(entry) == Peer::Died).then(|| act(entry));
        token.release();
        done
    }

    /// If the owner of entry `i` died, has `settle` clear away what it left, and if that was all, frees the entry.
    /// Nobody can take the entry meanwhile. `true` if it was freed.
    pub(crate) fn bury(&self, i: u32, settle: impl FnOnce(&Participant) -> bool) -> bool {
        let bury = |entry: &Participant| {
            let settled = settle(entry);
            if settled {
                clear(entry);
            }
            settled
        };
        self.with_dead(i, bury).unwrap_or(false)
    }

    /// Calls `heal` with the token of entry `i` in hand, if nobody else has it: no owner can come meanwhile. `true` if it
    /// was called.
    pub(crate) fn if_vacant(&self, i: u32, heal: impl FnOnce()) -> bool {
        if self.is_held(i) {
            return false;
        }
        let Ok(Some(token)) = self.tokens.try_hold(self.first + i) else {
            return false;
        };
        heal();
        token.release();
        true
    }

    /// Takes the token that only one repairer at a time holds, if nobody has it.
    pub(crate) fn admin(&self) -> Result<Option<Token>, OsError> {
        self.tokens.try_hold(self.regions.participants())
    }

    /// All of this side together: alive if one is, else died if one did, else left if one did.
    pub(crate) fn state(&self) -> Peer {
        let mut all = Peer::Never;
        for index in self.first..self.first + self.places {
            // Should the kernel fail to answer, it counts as alive.
            let one = state_of(&self.regions, &self.tokens, index).unwrap_or(Peer::Alive);
            match (one, all) {
                (Peer::Alive, _) => return Peer::Alive,
                (Peer::Died, _) | (_, Peer::Died) => all = Peer::Died,
                (Peer::Left, _) => all = Peer::Left,
                (Peer::Never, _) => {}
            }
        }
        all
    }
}

impl Seat {
    /// Takes entry `index`, that of the consumer or of the only producer, if no living endpoint holds it.
    pub(crate) fn take(
        segment: &Segment,
        regions: &Regions,
        index: u32,
        role: u32,
    ) -> Result<Self, EndpointError> {
        for turn in 0..TAKE_TRIES {
            if turn > 0 {
                // Somebody may have the token in hand for a moment, to repair the ring.
                std::thread::sleep(TAKE_PAUSE);
            }
            if let Some(token) = segment.tokens.try_hold(index)? {
                return Ok(Self::held(segment, regions, index, role, token));
            }
        }
        // Relaxed: for people.
        let pid = regions.participant(index).pid.load(Relaxed);
        Err(EndpointError::Occupied { pid })
    }

    /// Takes any of the entries `places`. That of a dead owner is taken only if `settled`, which is given the entry's
    /// number, has seen to it that nothing hangs on it any more; others of that sort are cleared on the way, so that
    /// nobody is told of old deaths.
    pub(crate) fn take_any(
        segment: &Segment,
        regions: &Regions,
        places: Range<u32>,
        role: u32,
        settled: impl Fn(u32, &Participant) -> bool,
    ) -> Result<Self, EndpointError> {
        for _ in 1..TAKE_TRIES {
            match Self::try_take_any(segment, regions, places.clone(), role, &settled) {
                // Somebody may have had a free entry's token in hand for a moment, to clear up.
                Err(EndpointError::NoPlace { .. }) => std::thread::sleep(TAKE_PAUSE),
                other => return other,
            }
        }
        Self::try_take_any(segment, regions, places, role, &settled)
    }

    fn try_take_any(
        segment: &Segment,
        regions: &Regions,
        places: Range<u32>,
        role: u32,
        settled: &impl Fn(u32, &Participant) -> bool,
    ) -> Result<Self, EndpointError> {
        let mut taken = None;
        for index in places.clone() {
            let entry = regions.participant(index);
            // Acquire T1: a first glance, to be repeated with the token in hand.
            let active = entry.state.load(Acquire) == ACTIVE;
            let wanted = active || taken.is_none();
            if !wanted || segment.tokens.is_held(index)? {
                continue;
            }
            let Some(token) = segment.tokens.try_hold(index)? else {
                continue;
            };
            let died = predecessor_in(entry) == Peer::Died;
            if died && !settled(index, entry) {
                token.release();
            } else if taken.is_none() {
                taken = Some(Self::held(segment, regions, index, role, token));
            } else {
                if died {
                    clear(entry);
                }
                token.release();
            }
        }
        taken.ok_or(EndpointError::NoPlace {
            places: places.len() as u32,
        })
    }

    /// Takes the entry of a dead owner together with what it left, if `inherit` says that it can be.
    pub(crate) fn take_over(
        segment: &Segment,
        regions: &Regions,
        places: Range<u32>,
        role: u32,
        mut inherit: impl FnMut(&Participant) -> bool,
    ) -> Result<Self, EndpointError> {
        for index in places.clone() {
            let Some(token) = segment.tokens.try_hold(index)? else {
                continue;
            };
            let entry = regions.participant(index);
            if predecessor_in(entry) == Peer::Died && inherit(entry) {
                return Ok(Self::held(segment, regions, index, role, token));
            }
            token.release();
        }
        Err(EndpointError::NoPlace {
            places: places.len() as u32,
        })
    }

    fn held(segment: &Segment, regions: &Regions, index: u32, role: u32, token: Token) -> Self {
        Self {
            regions: regions.clone(),
            tokens: Arc::clone(&segment.tokens),
            index,
            entry: regions.shared_participant(index),
            role,
            predecessor: predecessor_in(regions.participant(index)),
            token: Some(token),
            settled: false,
            process: process::stamp(),
        }
    }

    /// Enters the new owner into the table, once it has found its place in the ring. Until then the table
    /// speaks of its predecessor, so that a failure on the way changes nothing.
    pub(crate) fn settle(&mut self) {
        let entry = self.entry();
        let start_time = process::start_time().unwrap_or(0);
        // Relaxed, all four: for people; published by the state below.
        entry.role.store(self.role, Relaxed);
        entry.pid.store(process::pid(), Relaxed);
        entry.start_time.store(start_time, Relaxed);
        entry.generation.fetch_add(1, Relaxed);
        // Release T1: the fields above are visible to whoever acquires the state.
        entry.state.store(ACTIVE, Release);
        self.settled = true;
    }

    /// Whether this process took the entry, and is not a forked child of the one that did.
    pub(crate) fn is_ours(&self) -> bool {
        self.process == process::stamp()
    }

    /// How the last endpoint at this end went.
    pub(crate) fn predecessor(&self) -> Peer {
        self.predecessor
    }

    /// The entry.
    #[inline(always)]
    pub(crate) fn entry(&self) -> &Participant {
        &self.entry
    }

    /// The number of the entry on its side.
    pub(crate) fn place(&self, first: u32) -> u32 {
        self.index - first
    }

    fn side(&self, places: Range<u32>) -> Side {
        Side {
            regions: self.regions.clone(),
            tokens: Arc::clone(&self.tokens),
            first: places.start,
            places: places.len() as u32,
        }
    }

    /// All who produce.
    pub(crate) fn producer_side(&self) -> Side {
        self.side(self.regions.producer_seats())
    }

    /// All who consume, or read.
    pub(crate) fn consumer_side(&self) -> Side {
        self.side(self.regions.consumer_seats())
    }

    /// Those who consume, together.
    pub(crate) fn consumer(&self) -> Peer {
        self.consumer_side().state()
    }

    /// Those who produce, together.
    pub(crate) fn producers(&self) -> Peer {
        self.producer_side().state()
    }

    /// Leaves at once, so that others find a death: something is still in this endpoint's hands.
    pub(crate) fn abandon(&mut self) {
        self.settled = false;
        if let Some(token) = self.token.take() {
            token.release();
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        if !self.is_ours() {
            // In a forked child: the seat is the parent's.
            return;
        }
        // An owner that panics has not left in order: its peer shall see a death.
        if self.settled && !std::thread::panicking() {
            // Release T1: pairs with the Acquire of the successor and of `state_of`.
            self.entry().state.store(LEFT, Release);
        }
        if let Some(token) = self.token.take() {
            token.release();
        }
    }
}
