//! The consuming half of an endpoint that shares the head, whatever it carries.
//!
//! What it has claimed is announced until it was released, so that another consumer can take it over should this one die.

use super::super::ahead::Ahead;
use super::super::mender::Mender;
use super::super::seat::{Peer, Seat};
use super::super::signal::{End, Signal};
use super::super::slots_of::SlotsOf;
use super::super::typed::Element;
use super::super::waiting::{self, Care, Poll};
use super::orphans::{self, Orphans};
use crate::error::{EndpointError, PopError, TryPopError};
use crate::layout::control::CLOSED_BY_CONSUMER;
use crate::layout::word::POSITION_LIMIT;
use crate::ring::close;
use crate::ring::corrupt::Corrupt;
use crate::ring::shared::head::{self, Nothing};
use crate::ring::shared::{Run, gate, repair, tail};
use crate::ring::sides::Producers;
use crate::segment::{Segment, Slots, View};
use crate::wait::distance::Distance;
use crate::wait::strategy::Wait;
use std::cell::{Cell, RefCell};
use std::time::Instant;

/// A seat among the consumers, and what its owner has claimed.
#[derive(Debug)]
pub(super) struct Deliveries<T: Element + ?Sized> {
    pub(super) hands: Hands<T>,
    signal: Signal,
    distance: Distance,
}

/// The same without the means to wake others.
#[derive(Debug)]
pub(super) struct Hands<T: Element + ?Sized> {
    pub(super) view: SlotsOf<T>,
    /// What was claimed and not yet released.
    pub(super) run: Run,
    pub(super) capacity: u64,
    ahead: Ahead,
    /// From which position on the gate may be due.
    gate_due: u64,
    /// How far apart gates are.
    gates_apart: u64,
    producers: Producers,
    /// Whether the run was in the hands of a consumer that died.
    pub(super) redelivered: bool,
    mender: Mender,
    orphans: Orphans,
    /// Whether its owner was told that the ring is closed and drained.
    told_closed: bool,
    pub(super) seat: Seat,
}

/// How thoroughly to clear up after the dead where nothing is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Clearing {
    /// Once in a few calls.
    NowAndThen,
    /// What the clock allows.
    InTurn,
    /// All there is.
    AtOnce,
}

/// What came of looking for a message.
enum Found {
    /// There is one at the run's next position.
    Message,
    Nothing(Nothing),
}

impl<T: Element + ?Sized> Hands<T> {
    /// Claims up to `most` messages if none is in hand, and makes sure that the next one is no tombstone. Only with care does
    /// it say why there is none.
    #[inline(always)]
    fn find(&mut self, most: u64, care: Care, signal: &Signal) -> Found {
        // Bounded: lying producers can make this lap the ring once, not for ever.
        for _ in 0..=self.capacity {
            if self.run.is_empty() && self.gate_is_due() {
                self.publish_gate();
            }
            let lane = self.view.lane();
            let control = self.view.control();
            if self.run.is_empty() {
                let mine = self.seat.entry();
                let taken = match care {
                    Care::Quick => head::take_there(&lane, control, mine, most)
                        .ok_or(Nothing::Empty { claimed: false }),
                    Care::Thorough => head::take(&lane, control, mine, most, self.producers),
                };
                match taken {
                    Ok(run) => {
                        self.run = run;
                        self.redelivered = false;
                    }
                    Err(nothing) => return Found::Nothing(nothing),
                }
            }
            if !self.run.is_skipped(&lane) {
                return Found::Message;
            }
            self.release(signal);
        }
        Found::Nothing(Nothing::Empty { claimed: true })
    }

    /// Whether the producers are to be told what is released.
    #[inline(always)]
    fn gate_is_due(&self) -> bool {
        self.run.end.wrapping_sub(self.gate_due) as i64 >= 0
    }

    /// Tells the producers what is released, unless another consumer has just done so.
    #[cold]
    #[inline(never)]
    fn publish_gate(&mut self) {
        let (lane, control) = (self.view.lane(), self.view.control());
        let here = self.run.end;
        self.gate_due = gate::told(control).wrapping_add(self.gates_apart);
        if self.gate_is_due() {
            gate::publish(&lane, control, self.orphans.consumers());
            self.gate_due = here.wrapping_add(self.gates_apart);
        }
    }

    /// Hands the slot of the message in hand back.
    #[inline(always)]
    fn release(&mut self, signal: &Signal) {
        let lane = self.view.lane();
        let at = self.run.next;
        let looks = lane.seeks_at(at) && self.ahead.ask(at, lane);
        lane.dirty(at);
        self.run.release(&lane, self.capacity);
        if looks {
            self.ahead.look(at, &self.view);
        }
        let _ = signal.notify();
    }

    /// What [`Hands::find`] did not find, after clearing up after the dead.
    fn find_slow(&mut self, most: u64, care: Clearing, signal: &Signal) -> Found {
        loop {
            let nothing = match self.find(most, Care::Thorough, signal) {
                Found::Nothing(nothing) => nothing,
                found => return found,
            };
            let again = match nothing {
                // Tombstones without end: the next call goes on with what is in hand.
                _ if !self.run.is_empty() => false,
                Nothing::Corrupt(_) => false,
                Nothing::Drained => self.adopt(true, signal),
                Nothing::Empty { .. }
                    if care != Clearing::NowAndThen || self.mender.now_and_then() =>
                {
                    match self.mend() {
                        Ok(mended) => mended || self.adopt(care == Clearing::AtOnce, signal),
                        Err(e) => return Found::Nothing(Nothing::Corrupt(e)),
                    }
                }
                Nothing::Empty { .. } => false,
            };
            if again {
                continue;
            }
            return Found::Nothing(match nothing {
                // Somebody is taking care of what may come again. But closed stays closed.
                Nothing::Drained if !self.told_closed && self.orphans.may_come() => {
                    Nothing::Empty { claimed: true }
                }
                nothing => {
                    self.told_closed |= nothing == Nothing::Drained;
                    nothing
                }
            });
        }
    }

    /// Makes a tombstone of what a dead producer has claimed at the head. `true` if it is worth another look.
    fn mend(&mut self) -> Result<bool, Corrupt> {
        if self.producers == Producers::One {
            return Ok(false);
        }
        let (lane, control) = (self.view.lane(), self.view.control());
        self.mender.mend_slot(&lane, control, head::head(control))
    }

    /// Takes over what a consumer that died had in hand, if there is something; looked for now and then only, unless
    /// it is to be `now`.
    fn adopt(&mut self, now: bool, signal: &Signal) -> bool {
        let (lane, control) = (self.view.lane(), self.view.control());
        let dropped = repair::dropped(control);
        let run = self.orphans.adopt(&lane, control, self.seat.entry(), now);
        if !run.is_empty() {
            self.run = run;
            self.redelivered = true;
        }
        if repair::dropped(control) != dropped {
            // There is room where dropped messages were.
            let _ = signal.notify();
        }
        !self.run.is_empty()
    }
}

impl<T: Element + ?Sized> Deliveries<T> {
    pub(super) fn attach(segment: &Segment, view: View<Slots>) -> Result<Self, EndpointError> {
        let view = SlotsOf::new(view);
        let geometry = &segment.checked.geometry;
        let (seat, run) = orphans::take_seat(segment, &view, &view.lane())?;
        let signal = Signal::new(segment, &view, End::Consumer);
        // Producers may sleep for want of what the predecessor released last.
        signal.rouse();
        let consumers = geometry.places.consumers;
        Ok(Self {
            hands: Hands {
                capacity: geometry.capacity,
                ahead: Ahead::new(0),
                gate_due: 0,
                gates_apart: match gate::is_published(geometry.capacity, consumers) {
                    true => geometry.capacity / 4,
                    // Further than anybody comes.
                    false => POSITION_LIMIT,
                },
                producers: Producers::of(geometry.kind),
                redelivered: !run.is_empty(),
                run,
                mender: Mender::new(&seat),
                orphans: Orphans::new(&seat, segment),
                told_closed: false,
                view,
                seat,
            },
            signal,
            distance: Distance::new(geometry.kind, geometry.stride, geometry.capacity),
        })
    }

    /// Makes sure that a message is in hand, claiming up to `most`.
    #[inline(always)]
    pub(super) fn find_now(&mut self, most: u64) -> Result<(), TryPopError> {
        let most = most.min(self.hands.capacity);
        match self.hands.find(most, Care::Quick, &self.signal) {
            Found::Message => Ok(()),
            Found::Nothing(_) => self.find_now_slow(most),
        }
    }

    #[cold]
    #[inline(never)]
    fn find_now_slow(&mut self, most: u64) -> Result<(), TryPopError> {
        match self
            .hands
            .find_slow(most, Clearing::NowAndThen, &self.signal)
        {
            Found::Message => Ok(()),
            Found::Nothing(Nothing::Empty { .. }) => Err(TryPopError::Empty),
            Found::Nothing(Nothing::Drained) => Err(TryPopError::Closed),
            Found::Nothing(Nothing::Corrupt(e)) => Err(TryPopError::Corrupt(e)),
        }
    }

    /// Makes sure that a message is in hand, claiming up to `most`, waiting for the first as `wait` says.
    #[inline(always)]
    pub(super) fn find_wait(
        &mut self,
        most: u64,
        wait: Wait,
        deadline: Option<Instant>,
    ) -> Result<(), PopError> {
        let at = self.hands.run.next;
        if self.distance.is_due(at) && self.hands.run.is_empty() {
            self.keep_distance(at);
        }
        self.find_until(most, wait, deadline)
    }

    /// The same without a rest.
    #[inline(always)]
    fn find_until(
        &mut self,
        most: u64,
        wait: Wait,
        deadline: Option<Instant>,
    ) -> Result<(), PopError> {
        let most = most.min(self.hands.capacity);
        let at = self.hands.run.next;
        while let Found::Nothing(_) = self.hands.find(most, Care::Quick, &self.signal) {
            if !self.signal.glances.again(at) {
                self.wait_on_slow(at, most, wait, deadline)?;
            }
        }
        Ok(())
    }

    /// Lets the producers get ahead, if this consumer may be too close behind.
    #[inline(never)]
    fn keep_distance(&mut self, at: u64) {
        if !self.hands.ahead.knows(at) {
            let lane = self.hands.view.lane();
            self.signal.keep(self.distance, &lane, at);
        }
    }

    /// The same, and rests where the last run was shorter than it might have been, so that this one is longer.
    #[inline]
    pub(super) fn find_run(
        &mut self,
        most: u64,
        wait: Wait,
        deadline: Option<Instant>,
    ) -> Result<(), PopError> {
        if !self.hands.run.is_empty() {
            return self.find_until(most, wait, deadline);
        }
        self.signal.rest();
        self.find_until(most, wait, deadline)?;
        let run = self.hands.run;
        if run.len() < most.min(self.hands.capacity) {
            self.signal.ran_short_at(run.end);
        }
        Ok(())
    }

    /// After a glance in vain, in a wait that began at position `at`. `Ok` means that another one is worth while, no more.
    #[cold]
    #[inline(never)]
    fn wait_on_slow(
        &mut self,
        at: u64,
        most: u64,
        wait: Wait,
        deadline: Option<Instant>,
    ) -> Result<(), PopError> {
        let Self { hands, signal, .. } = self;
        // Polls and questions about the peer come in turns.
        let hands = RefCell::new(hands);
        // Before a death is told, everything is looked for that the dead have left.
        let nobody_produces = Cell::new(false);
        let mut verdict = Ok(());
        let mut end = |error| {
            verdict = Err(error);
            Poll::Ended
        };
        let poll = |care, signal: &Signal| {
            let mut hands = hands.borrow_mut();
            let found = match care {
                Care::Quick => hands.find(most, care, signal),
                Care::Thorough if nobody_produces.take() => {
                    hands.find_slow(most, Clearing::AtOnce, signal)
                }
                Care::Thorough => hands.find_slow(most, Clearing::InTurn, signal),
            };
            match (found, care) {
                (Found::Message, _) => Poll::Found,
                (Found::Nothing(Nothing::Corrupt(e)), _) => end(PopError::Corrupt(e)),
                (Found::Nothing(Nothing::Drained), Care::Thorough) => end(PopError::Closed),
                (Found::Nothing(Nothing::Empty { claimed: true }), _) => Poll::Soon,
                (Found::Nothing(_), _) => Poll::Nothing,
            }
        };
        let died = || {
            let hands = hands.borrow();
            let control = hands.view.control();
            // What the dead have claimed becomes tombstones first, so that nothing committed behind it is missed.
            let claimed = hands.producers == Producers::Many
                && tail::is_claimed(control, head::head(control));
            nobody_produces.set(!claimed && hands.seat.producers() == Peer::Died);
            nobody_produces.get()
        };
        waiting::poll_or_wait(at, wait, deadline, signal, died, poll)?;
        verdict
    }

    /// Hands the slot of the message in hand back.
    #[inline(always)]
    pub(super) fn release(&mut self) {
        self.hands.release(&self.signal);
    }

    /// Passes over tombstones in hand. Whether a message is left.
    #[inline(always)]
    pub(super) fn has_message(&mut self) -> bool {
        while !self.hands.run.is_empty() {
            let lane = self.hands.view.lane();
            if !self.hands.run.is_skipped(&lane) {
                return true;
            }
            self.release();
        }
        false
    }

    pub(super) fn close(self) {
        let control = self.hands.view.control();
        match self.hands.producers {
            Producers::One => close::close_consumer(control),
            Producers::Many => close::close_shared(control, CLOSED_BY_CONSUMER),
        }
        self.signal.rouse_own_side();
        self.signal.rouse();
    }
}

impl<T: Element + ?Sized> Drop for Deliveries<T> {
    fn drop(&mut self) {
        let Self { hands, signal, .. } = self;
        if !hands.seat.is_ours() {
            // In a forked child: what is in hand is the parent's.
            return;
        }
        while !hands.run.is_empty() && hands.run.is_skipped(&hands.view.lane()) {
            hands.release(signal);
        }
        if !hands.run.is_empty() {
            // Somebody else shall take over what is in hand: to them it looks like a death.
            hands.seat.abandon();
            signal.rouse_own_side();
        }
    }
}
