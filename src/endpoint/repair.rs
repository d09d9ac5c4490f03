//! Repair by somebody who takes no part: what becomes of what the dead have left while nobody alive comes to it.
//!
//! Each step is one that a participant would do, under the same token: the dead one's own, so that nobody takes its entry
//! meanwhile; the admin token for what consumers had in hand; the consumer's, where that is vacant, for records. The kernel
//! frees all of them should the repairer die, and whoever repairs next does what is left.
//!
//! The states in the table stay as they are: a survivor that was not told of a death yet finds it afterwards.

use super::seat::{Peer, Side};
use super::shared::orphans;
use super::signal::{End, Signal};
use super::table::Others;
use crate::error::{OsError, RepairError};
use crate::layout::control::{ASLEEP, Control, SLEEP_STATE};
use crate::layout::header::{self, ELEMENT_SLOTS};
use crate::layout::participant::Participant;
use crate::layout::record::Shape;
use crate::ring::broadcast::frontier;
use crate::ring::corrupt::Corrupt;
use crate::ring::records::head::{Head, Look};
use crate::ring::records::repair::Walk;
use crate::ring::records::{Producers, mpsc};
use crate::ring::shared::{Run, repair};
use crate::ring::{announce, close};
use crate::segment::{Bytes, Lane, Regions, Segment, Slots, Strip};
use crate::sync::AtomicU32;
use crate::sync::Ordering::Relaxed;
use std::cell::Cell;
use std::time::Duration;

/// How often and at what distance to look again where somebody alive is in the way, who mostly is on the move.
const TRIES: u32 = 20;
const PAUSE: Duration = Duration::from_micros(500);

/// What a repair has done, and what still waits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Repaired {
    /// The producing side.
    pub producers: SideRepaired,
    /// The consuming or reading side.
    pub consumers: SideRepaired,
    /// Whether a close was finished that its maker may have died in.
    pub close_finished: bool,
    /// Messages that consumers had in hand when they died, and that were dropped now.
    pub dropped: u64,
}

/// What a repair has done on one side of a ring.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SideRepaired {
    /// Ends whose owner died and that nobody has taken since. They stay so.
    pub died: u32,
    /// Of these, how many had left something that is settled now: of readers, those that the producer was waiting for.
    pub settled: u32,
    /// Those that have left something that could not be settled now.
    pub waiting: Vec<Unsettled>,
    /// Whether somebody was woken who had said that it sleeps, and may be among the dead.
    pub woken: bool,
}

/// Something that a dead participant has left, and why it could not be settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Unsettled {
    /// The number of the end on its side, from 0 on.
    pub place: u32,
    /// The process that held it. For people.
    pub pid: u32,
    /// How much there is: slots, messages, or bytes of records.
    pub holds: u64,
    /// What it waits for.
    pub why: Obstacle,
}

/// What the remains of a dead participant wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Obstacle {
    /// The living consumer of a ring of records: it clears up as soon as it comes to that.
    Consumer,
    /// Any consumer without work, or a new one: messages that are to be delivered again.
    Delivery,
    /// A living participant that has something in hand before it, or has announced the same. It goes on, leaves, or dies.
    Living,
    /// Somebody else who is clearing up, or taking the dead one's place.
    Busy,
}

impl Repaired {
    /// Whether nothing is left that has to wait for somebody.
    pub fn is_complete(&self) -> bool {
        self.producers.waiting.is_empty() && self.consumers.waiting.is_empty()
    }
}

/// A ring under repair.
struct Bench<'a> {
    regions: &'a Regions,
    producers: Side,
    consumers: Side,
    done: Repaired,
}

/// Does everything that can be done to the ring in `segment`.
pub(crate) fn repair(segment: &Segment) -> Result<Repaired, RepairError> {
    let geometry = &segment.checked.geometry;
    if geometry.element == ELEMENT_SLOTS {
        let view = segment.view::<Slots>();
        let mut bench = Bench::new(segment, &view);
        let (lane, capacity) = (view.lane(), geometry.capacity);
        if let header::KIND_MPSC | header::KIND_MPMC = geometry.kind {
            bench.claims(&lane, capacity)?;
        }
        if let header::KIND_SPMC | header::KIND_MPMC = geometry.kind {
            bench.deliveries(&lane, capacity, segment.checked.drops)?;
        }
        return bench.finish(segment);
    }
    let view = segment.view::<Bytes>();
    let mut bench = Bench::new(segment, &view);
    if geometry.kind == header::KIND_MPSC {
        bench.record_claims(&view.strip(), geometry.shape())?;
    }
    bench.finish(segment)
}

impl<'a> Bench<'a> {
    fn new(segment: &Segment, regions: &'a Regions) -> Self {
        Self {
            regions,
            producers: Side::new(segment, regions, regions.producer_seats()),
            consumers: Side::new(segment, regions, regions.consumer_seats()),
            done: Repaired::default(),
        }
    }

    /// What is done to rings of every kind.
    fn finish(mut self, segment: &Segment) -> Result<Repaired, RepairError> {
        let (control, done) = (self.regions.control(), &mut self.done);
        match segment.checked.geometry.kind {
            header::KIND_MPSC | header::KIND_MPMC => {
                done.close_finished = close::finish_shared(control);
            }
            header::KIND_BROADCAST => done.consumers.settled = ungate(control, &self.consumers),
            _ => {}
        }
        done.producers.died = dead(&self.producers)?.len() as u32;
        done.consumers.died = dead(&self.consumers)?.len() as u32;
        self.wake(segment);
        Ok(self.done)
    }

    /// Wakes those who say that they sleep, where something was settled, and on a side that has dead ones, for it may be one
    /// of them who said so. Whoever repairs again and again shall not keep the others from their sleep. Comes last: who
    /// is woken finds everything done.
    fn wake(&mut self, segment: &Segment) {
        let (control, done) = (self.regions.control(), &mut self.done);
        let settled = done.producers.settled + done.consumers.settled > 0;
        let changed = settled || done.close_finished || done.dropped > 0;
        let signal = Signal::new(segment, self.regions, End::Consumer);
        let wanted = |side: &SideRepaired, word| {
            signal.may_sleep() && says_asleep(word) && (changed || side.died > 0)
        };
        let (producers, consumers) = (&control.producer_sleep.0, &control.consumer_sleep.0);
        done.producers.woken = wanted(&done.producers, producers);
        done.consumers.woken = wanted(&done.consumers, consumers);
        if done.producers.woken {
            signal.rouse();
        }
        if done.consumers.woken {
            signal.rouse_own_side();
        }
    }

    /// Slots that producers of many have claimed become tombstones.
    fn claims(&mut self, lane: &Lane<'_>, capacity: u64) -> Result<(), OsError> {
        let (control, side) = (self.regions.control(), &self.producers);
        let left = |i| {
            let announced = announce::run(side.entry(i));
            repair::unfinished(lane, control, capacity, announced)
        };
        let settle = |entry: &Participant| {
            let others = Others {
                side,
                except: [entry, entry],
            };
            let run = announce::run(entry);
            let settled = repair::settle_claims(lane, control, capacity, run, &others);
            if settled {
                announce::withdraw(entry);
            }
            settled
        };
        let turns = in_turns(side, left, || (), |i| side.with_dead(i, settle))?;
        self.done.producers.note(side, turns)
    }

    /// What consumers of many had in hand is dropped, or left alone, as the ring says.
    fn deliveries(&mut self, lane: &Lane<'_>, capacity: u64, drops: bool) -> Result<(), OsError> {
        let (control, side) = (self.regions.control(), &self.consumers);
        let left = |i| {
            let announced = announce::run(side.entry(i));
            repair::in_hand(lane, control, capacity, announced)
        };
        let mut dropped = 0;
        let mut settle = |entry: &Participant| {
            let mut estate = orphans::estate_of(lane, control, capacity, side, entry, entry);
            if drops {
                dropped += repair::give_up(lane, control, capacity, estate.run);
                estate.run = Run::NONE;
            }
            if estate.settled && estate.run.is_empty() {
                announce::withdraw(entry);
            }
            // What is to be delivered again is left where it is: another look changes nothing.
            estate.settled || !estate.run.is_empty()
        };
        let take = |i| {
            // Of several who would take over the same message, one at a time. Not for long: consumers want to, too.
            let admin = side.admin().ok().flatten()?;
            let settled = side.with_dead(i, &mut settle);
            admin.release();
            settled
        };
        let turns = in_turns(side, left, || (), take)?;
        self.done.dropped = dropped;
        self.done.consumers.note(side, turns)
    }

    /// Records that producers of many have claimed become padding, if there is no consumer who does that itself.
    fn record_claims(&mut self, strip: &Strip<'_>, shape: Shape) -> Result<(), RepairError> {
        let (control, side) = (self.regions.control(), &self.producers);
        if close::consumer_closed(control) {
            // Nobody will produce or consume here again.
            return Ok(());
        }
        let left = |i| {
            let announced = announce::run(side.entry(i));
            mpsc::unfinished(strip, control, shape, announced)
        };
        let (mut walked, mut vacant, finished) = (Ok(None), false, Cell::new(None));
        let begin = || {
            if let Ok(None | Some(Walk::Waits(_))) = walked {
                // Not for longer than a walk takes: a new consumer may want to come.
                let walk = || walked = walk(strip, control, shape, side).map(Some);
                vacant = self.consumers.if_vacant(0, walk);
            }
            if let Ok(Some(Walk::Finished(at) | Walk::Waits(at))) = walked {
                finished.set(Some(at));
            }
        };
        let is_settled = |entry: &Participant| {
            let below = |end| mpsc::is_settled_below(control, end, entry);
            mpsc::is_settled(strip, control, shape, entry) || finished.get().is_some_and(below)
        };
        let settle = |entry: &Participant| {
            let settled = is_settled(entry);
            if settled {
                announce::withdraw(entry);
            }
            settled
        };
        let turns = in_turns(side, left, begin, |i| side.with_dead(i, settle))?;
        walked?;
        let done = &mut self.done.producers;
        done.note(side, turns)?;
        if !vacant {
            let living = |left: &&mut Unsettled| left.why == Obstacle::Living;
            let waiting = done.waiting.iter_mut().filter(living);
            waiting.for_each(|left| left.why = Obstacle::Consumer);
        }
        Ok(())
    }
}

/// What became of what one dead participant had left.
struct Turn {
    place: u32,
    /// How much there was, and how much there is.
    before: u64,
    holds: u64,
    /// Whether no further look is needed; `None` if somebody else has the entry, or the token that is needed.
    outcome: Option<bool>,
}

/// Has `settle` deal with what each of the dead of `side` has left, and again with what was not settled, until nobody
/// moves. `left` says how much it is; each turn begins with `begin`.
fn in_turns(
    side: &Side,
    left: impl Fn(u32) -> u64,
    mut begin: impl FnMut(),
    mut settle: impl FnMut(u32) -> Option<bool>,
) -> Result<Vec<Turn>, OsError> {
    let unsettled = |place| Turn {
        place,
        before: left(place),
        holds: 0,
        outcome: None,
    };
    let mut turns: Vec<Turn> = dead(side)?.into_iter().map(unsettled).collect();
    for again in 0..TRIES {
        if again > 0 {
            std::thread::sleep(PAUSE);
        }
        begin();
        let rest = turns.iter_mut().filter(|turn| turn.outcome != Some(true));
        let mut concluded = true;
        for turn in rest {
            turn.outcome = settle(turn.place).or(turn.outcome);
            concluded &= turn.outcome == Some(true);
        }
        if concluded {
            break;
        }
    }
    for turn in &mut turns {
        turn.holds = left(turn.place);
    }
    Ok(turns)
}

impl SideRepaired {
    /// Notes what became of what the dead of `side` had left.
    fn note(&mut self, side: &Side, turns: Vec<Turn>) -> Result<(), OsError> {
        for turn in turns {
            let Turn { place, holds, .. } = turn;
            let waits = match turn.outcome {
                Some(true) => holds > 0,
                Some(false) => true,
                None => holds > 0 && side.state_of(place)? == Peer::Died,
            };
            self.settled += u32::from(turn.outcome == Some(true) && !waits && turn.before > 0);
            if waits {
                self.waiting.push(Unsettled {
                    place,
                    // Relaxed: for people.
                    pid: side.entry(place).pid.load(Relaxed),
                    holds,
                    why: match turn.outcome {
                        Some(true) => Obstacle::Delivery,
                        Some(false) => Obstacle::Living,
                        None => Obstacle::Busy,
                    },
                });
            }
        }
        Ok(())
    }
}

/// The ends of `side` whose owners died.
fn dead(side: &Side) -> Result<Vec<u32>, OsError> {
    let mut dead = Vec::new();
    for i in 0..side.places() {
        if side.state_of(i)? == Peer::Died {
            dead.push(i);
        }
    }
    Ok(dead)
}

/// Has the producer of a broadcast stop waiting for readers that died, and says how many they were.
fn ungate(control: &Control, readers: &Side) -> u32 {
    let dead = |i: &u32| {
        frontier::is_gating(control, *i) && readers.if_vacant(*i, || frontier::ungate(control, *i))
    };
    (0..readers.places()).filter(dead).count() as u32
}

/// Does what a new consumer would do who takes nothing: wipes what the last one has read, makes padding of what the dead
/// have claimed, and passes over padding. For the holder of the consumer's token. Below the position that it gives
/// everything is finished.
fn walk(
    strip: &Strip<'_>,
    control: &Control,
    shape: Shape,
    producers: &Side,
) -> Result<Walk, Corrupt> {
    let mut head = Head::resume(strip, control, shape, Producers::Many)?;
    let walked = head.repair_all(strip, control, producers);
    if let Walk::Corrupt(e) = walked {
        return Err(e);
    }
    match head.look(strip, control) {
        Look::Corrupt(e) => Err(e),
        _ => Ok(walked),
    }
}

/// Whether somebody said in the sleep word `word` that it sleeps.
fn says_asleep(word: &AtomicU32) -> bool {
    // Relaxed: for people.
    word.load(Relaxed) & SLEEP_STATE == ASLEEP
}
