//! What need not be looked at.
//!
//! The gate says below which position every slot was released. So a producer that has a run of slots in sight of it claims
//! them without asking their words, and the line of a message crosses once each way: the producer only writes it. Where the
//! gate does not reach, the words say what is free; the gate only ever lags.
//!
//! One consumer knows what it has released ([`super::super::spsc::Head`]). Many release in any order, so now and then one of
//! them works it out ([`publish`]), from what all of them announce.

use super::super::announce::Announcements;
use super::super::words::Words;
use super::{head, repair};
use crate::layout::control::Control;
use crate::layout::word;
use crate::sync::Ordering::{Acquire, Relaxed, Release};

/// How closely a producer looks for room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    /// At the gate only, if there is one: it lags.
    Gate,
    /// Where that shows too little, at the slots as well, whose lines it takes from whoever is about to release them.
    Slots,
    /// And at slots further on, whoever has waited for the gate in vain: else it would wait again for each of them.
    SlotsAhead,
}

/// Slots that who has waited in vain looks at.
const SLOTS_AHEAD: u64 = 64;

/// Messages for each entry of a consumer that is read to publish the gate, at least.
const MESSAGES_AN_ENTRY: u64 = 4;

/// What one of many producers knows to be free without looking at it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Credit {
    /// The first position that it does not know about.
    limit: u64,
    capacity: u64,
    /// Whether there are gates to wait for.
    gates: bool,
}

impl Credit {
    /// What the gate of a ring of `capacity` slots with places for so many consumers says now.
    pub(crate) fn new(control: &Control, capacity: u64, consumers: u32) -> Self {
        Self {
            limit: limit(control, capacity),
            capacity,
            gates: is_published(capacity, consumers),
        }
    }

    /// Whether who looks like this looks at the gate only.
    #[inline(always)]
    pub(crate) fn waits_for_gate(&self, look: Look) -> bool {
        look == Look::Gate && self.gates
    }

    /// How many slots are free from `from` on, the tail's position, for all this knows.
    #[inline(always)]
    pub(crate) fn left(&self, from: u64) -> u64 {
        left(self.limit, from, self.capacity)
    }

    /// How many slots to look at for who wants `most`, at most a lap.
    #[inline(always)]
    pub(super) fn reach(&self, look: Look, most: u64) -> u64 {
        match look {
            Look::Gate | Look::Slots => most,
            Look::SlotsAhead => most.max(SLOTS_AHEAD).min(self.capacity),
        }
    }

    /// Learns that `n` slots from `from` on are free, which is no more than a lap.
    #[inline(always)]
    pub(super) fn learn(&mut self, from: u64, n: u64) {
        self.limit = from.wrapping_add(n);
    }

    /// The same as [`Credit::left`], after a look at the gate.
    #[inline(always)]
    pub(crate) fn left_now(&mut self, control: &Control, from: u64) -> u64 {
        let told = limit(control, self.capacity);
        // What was learned from the slots may reach further.
        if left(told, from, self.capacity) > self.left(from) {
            self.limit = told;
        }
        self.left(from)
    }
}

/// The position at which the gate's say ends, in a ring of `capacity` slots.
#[inline(always)]
fn limit(control: &Control, capacity: u64) -> u64 {
    // Acquire G1: pairs with the Releases in `publish` and `spsc::Head::publish_gate`: what the slots held was read.
    control.gate.0.load(Acquire).wrapping_add(capacity)
}

/// Positions from `from` on up to `limit`. More than a lap is nothing that an honest gate says.
#[inline(always)]
fn left(limit: u64, from: u64, capacity: u64) -> u64 {
    // Positions of the shared tail have 62 bits.
    let left = limit.wrapping_sub(from) % word::POSITION_LIMIT;
    if left <= capacity { left } else { 0 }
}

/// How many slots of a ring of `capacity` the gate says to be free from `next` on, the position of the only producer.
pub(super) fn left_of(control: &Control, next: u64, capacity: u64) -> u64 {
    left(limit(control, capacity), next, capacity)
}

/// Whether a ring of `capacity` slots with places for so many consumers has gates, one for each quarter of it: a small one
/// is not worth reading all those entries.
pub(crate) fn is_published(capacity: u64, consumers: u32) -> bool {
    capacity / 4 >= MESSAGES_AN_ENTRY * u64::from(consumers)
}

/// What was published last. A hint.
pub(crate) fn told(control: &Control) -> u64 {
    // Relaxed: see above.
    control.gate.0.load(Relaxed)
}

/// Publishes below which position every slot was released, as far as `consumers` announce it. Any of them may do it, at
/// any time; it has nothing in hand itself.
///
/// Of each claim of which something is not released, some entry announces a run that begins no later than that and ends
/// with the claim: that of who claimed it (A1, A2), or of who took the last of it over. Slots of a claim are released in
/// order, whoever does it, so where the last slot of an announced run is no longer in hand, that entry does not hold the gate.
/// First the head, then the announcements. Between the two looks at `moved` nobody has taken over what a dead one had in
/// hand, which would have gone from an entry not yet read to one that was (A3).
pub(crate) fn publish(words: &impl Words, control: &Control, consumers: &impl Announcements) {
    // Acquire A3: pairs with the Release in `repair::take_over`: the announcement made before is seen below.
    let moved = control.head.0.moved.load(Acquire);
    let head = head::head(control);
    let oldest = |oldest: u64, i| {
        let run = consumers.run(i);
        let older = oldest.wrapping_sub(run.0) as i64 > 0;
        if older && repair::is_unfinished(words, control, run) {
            run.0
        } else {
            oldest
        }
    };
    let gate = (0..consumers.count()).fold(head, oldest);
    // Acquire A3: not before the announcements, which were acquired. Whoever took one of them over had counted before; who
    // withdrew its own had nothing in hand.
    if control.head.0.moved.load(Acquire) == moved {
        // Release G1: pairs with the Acquire in `limit`. Never back.
        control.gate.0.fetch_max(gate, Release);
    }
}
