//! An endpoint's entry in the participant table, and the token that proves its owner alive.

use crate::error::{EndpointError, OsError};
use crate::layout::participant::{self, ACTIVE, LEFT, Participant};
use crate::os::process;
use crate::segment::{Regions, Segment, Token, Tokens};
use crate::sync::Ordering::{Acquire, Relaxed, Release};
use std::sync::Arc;

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
    /// `PRODUCER` or `CONSUMER`.
    role: u32,
    predecessor: Peer,
    /// Taken out when dropped.
    token: Option<Token>,
    /// Whether the table says so: from [`Seat::settle`] on.
    settled: bool,
    /// A forked child inherits the struct but not the seat.
    pid: u32,
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

impl Seat {
    /// Takes entry `index`, that of the consumer or of the only producer, if no living endpoint holds it.
    pub(crate) fn take(
        segment: &Segment,
        regions: &Regions,
        index: u32,
        role: u32,
    ) -> Result<Self, EndpointError> {
        let Some(token) = segment.tokens.try_hold(index)? else {
            // Relaxed: for people.
            let pid = regions.participant(index).pid.load(Relaxed);
            return Err(EndpointError::Occupied { pid });
        };
        Ok(Self::held(segment, regions, index, role, token))
    }

    /// Takes any of the first `places` entries for a producer. That of a dead owner is taken only if `settled`
    /// says that nothing hangs on it any more; others of that sort are cleared on the way, so that nobody is told
    /// of old deaths.
    pub(crate) fn take_any(
        segment: &Segment,
        regions: &Regions,
        places: u32,
        settled: impl Fn(&Participant) -> bool,
    ) -> Result<Self, EndpointError> {
        let mut taken = None;
        for index in 0..places {
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
            if died && !settled(entry) {
                token.release();
            } else if taken.is_none() {
                let role = participant::PRODUCER;
                taken = Some(Self::held(segment, regions, index, role, token));
            } else {
                if died {
                    // Release T1: as in `Seat::drop`.
                    entry.state.store(LEFT, Release);
                }
                token.release();
            }
        }
        taken.ok_or(EndpointError::NoPlace { places })
    }

    fn held(segment: &Segment, regions: &Regions, index: u32, role: u32, token: Token) -> Self {
        Self {
            regions: regions.clone(),
            tokens: Arc::clone(&segment.tokens),
            index,
            role,
            predecessor: predecessor_in(regions.participant(index)),
            token: Some(token),
            settled: false,
            pid: process::pid(),
        }
    }

    /// Enters the new owner into the table, once it has found its place in the ring. Until then the table
    /// speaks of its predecessor, so that a failure on the way changes nothing.
    pub(crate) fn settle(&mut self) {
        let entry = self.entry();
        let start_time = process::start_time(self.pid).unwrap_or(0);
        // Relaxed, all four: for people; published by the state below.
        entry.role.store(self.role, Relaxed);
        entry.pid.store(self.pid, Relaxed);
        entry.start_time.store(start_time, Relaxed);
        entry.generation.fetch_add(1, Relaxed);
        // Release T1: the fields above are visible to whoever acquires the state.
        entry.state.store(ACTIVE, Release);
        self.settled = true;
    }

    /// Whether this process took the entry, and is not a forked child of the one that did.
    pub(crate) fn is_ours(&self) -> bool {
        self.pid == process::pid()
    }

    /// How the last endpoint at this end went.
    pub(crate) fn predecessor(&self) -> Peer {
        self.predecessor
    }

    /// The entry.
    #[inline(always)]
    pub(crate) fn entry(&self) -> &Participant {
        self.regions.participant(self.index)
    }

    /// The endpoint at entry `index`. Should the kernel fail to answer, it counts as alive: nobody is
    /// declared dead on a guess.
    pub(crate) fn state_of(&self, index: u32) -> Peer {
        state_of(&self.regions, &self.tokens, index).unwrap_or(Peer::Alive)
    }

    /// Whether a living endpoint holds entry `index`. As for [`Seat::state_of`], in doubt it does.
    pub(crate) fn is_held(&self, index: u32) -> bool {
        self.tokens.is_held(index).unwrap_or(true)
    }

    /// The consumer. Its entry is the last.
    pub(crate) fn consumer(&self) -> Peer {
        self.state_of(self.regions.participants() - 1)
    }

    /// The producers together: alive if one is, else died if one did, else left if one did.
    pub(crate) fn producers(&self) -> Peer {
        let mut all = Peer::Never;
        for index in 0..self.regions.participants() - 1 {
            match (self.state_of(index), all) {
                (Peer::Alive, _) => return Peer::Alive,
                (Peer::Died, _) | (_, Peer::Died) => all = Peer::Died,
                (Peer::Left, _) => all = Peer::Left,
                (Peer::Never, _) => {}
            }
        }
        all
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
