//! An endpoint's entry in the participant table, and the token that proves its owner alive.

use crate::error::{EndpointError, OsError};
use crate::layout::participant::{self, ACTIVE, CONSUMER, LEFT, PRODUCER};
use crate::os::process;
use crate::segment::{Segment, Token, Tokens, View};
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
    view: View,
    tokens: Arc<Tokens>,
    index: u32,
    predecessor: Peer,
    /// Taken out when dropped.
    token: Option<Token>,
    /// Whether the table says so: from [`Seat::settle`] on.
    settled: bool,
    /// A forked child inherits the struct but not the seat.
    pid: u32,
}

/// Table entries of an spsc ring.
pub(crate) const PRODUCER_SEAT: u32 = 0;
pub(crate) const CONSUMER_SEAT: u32 = 1;

/// What the table and the kernel together say about entry `index`.
pub(crate) fn state_of(view: &View, tokens: &Tokens, index: u32) -> Result<Peer, OsError> {
    let entry = view.participant(index);
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

impl Seat {
    /// Takes entry `index` if no living endpoint holds it.
    pub(crate) fn take(segment: &Segment, view: View, index: u32) -> Result<Self, EndpointError> {
        let tokens = Arc::clone(&segment.tokens);
        let Some(token) = tokens.try_hold(index)? else {
            // Relaxed: for people.
            let pid = view.participant(index).pid.load(Relaxed);
            return Err(EndpointError::Occupied { pid });
        };
        // Acquire T1: pairs with the Release of the predecessor; the token orders it too.
        let predecessor = match view.participant(index).state.load(Acquire) {
            participant::FREE => Peer::Never,
            ACTIVE => Peer::Died,
            _ => Peer::Left,
        };
        Ok(Self {
            view,
            tokens,
            index,
            predecessor,
            token: Some(token),
            settled: false,
            pid: process::pid(),
        })
    }

    /// Enters the new owner into the table, once it has found its place in the ring. Until then the table
    /// speaks of its predecessor, so that a failure on the way changes nothing.
    pub(crate) fn settle(&mut self) {
        let entry = self.view.participant(self.index);
        let role = match self.index {
            PRODUCER_SEAT => PRODUCER,
            _ => CONSUMER,
        };
        let start_time = process::start_time(self.pid).unwrap_or(0);
        // Relaxed, all four: for people; published by the state below.
        entry.role.store(role, Relaxed);
        entry.pid.store(self.pid, Relaxed);
        entry.start_time.store(start_time, Relaxed);
        entry.generation.fetch_add(1, Relaxed);
        // Release T1: the fields above are visible to whoever acquires the state.
        entry.state.store(ACTIVE, Release);
        self.settled = true;
    }

    /// How the last endpoint at this end went.
    pub(crate) fn predecessor(&self) -> Peer {
        self.predecessor
    }

    /// The other end. Should the kernel fail to answer, the peer counts as alive: nobody is declared dead
    /// on a guess.
    pub(crate) fn peer(&self) -> Peer {
        state_of(&self.view, &self.tokens, 1 - self.index).unwrap_or(Peer::Alive)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        if self.pid != process::pid() {
            // In a forked child: the seat is the parent's.
            return;
        }
        // An owner that panics has not left in order: its peer shall see a death.
        if self.settled && !std::thread::panicking() {
            // Release T1: pairs with the Acquire of the successor and of `state_of`.
            self.view.participant(self.index).state.store(LEFT, Release);
        }
        if let Some(token) = self.token.take() {
            token.release();
        }
    }
}
