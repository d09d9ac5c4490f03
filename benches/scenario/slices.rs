//! A measurement in slices: timed loops of some tenths of a millisecond, each between two short looks at the floor.
//!
//! Two virtual cores may be near in one millisecond and far in the next. So the two parties of a stream play a short raw
//! ping-pong, as `floor` does, before and after each slice, and each slice is filed under the class that it says. With more than two
//! parties there is one slice and no such look: the class is that of the round.
//! Invariant: all parties meet before and after each slice, in the same order.

use std::sync::atomic::{AtomicU64, Ordering};

use super::clock::now_ns;
use super::floor;
use super::shared::{Barrier, Line, Zeroed};
use super::stats::Class;

/// Most slices of one measurement.
pub const MOST_SLICES: usize = 64;
/// Round trips of a look at the floor, in each of its two ways to poll, and how many go before them untimed.
const TRIPS: u64 = 32;
const WARMING_TRIPS: u64 = 8;

/// What one measurement times.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Messages, or round trips, per slice.
    pub count: u64,
    /// Slices, 1 to `MOST_SLICES`.
    pub slices: u32,
    /// Whether the clock keeper and its one partner look at the floor around each.
    pub looks: bool,
}

/// One timed slice.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Slice {
    /// How long it took, at least 1.
    pub ns: u64,
    /// Floor round trips before and after it, ns, where the plan says so.
    pub floors_ns: Option<[f64; 2]>,
}

/// How a slice is to be filed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placed {
    /// Under this class.
    In(Class),
    /// Not at all: the placement changed within it.
    Mixed,
    /// As the round.
    AsTheRound,
}

impl Slice {
    /// A slice nobody looked at the floor for.
    pub fn of(ns: u64) -> Slice {
        Slice {
            ns: ns.max(1),
            floors_ns: None,
        }
    }

    /// Its class.
    pub fn placed(self) -> Placed {
        match self.floors_ns.map(|floors| floors.map(Class::of)) {
            None => Placed::AsTheRound,
            Some([before, after]) if before == after => Placed::In(before),
            Some(_) => Placed::Mixed,
        }
    }
}

/// Where the parties of a measurement meet, and the line of their ping-pong.
#[repr(C)]
pub struct Court {
    /// The barrier, for whoever has to tell others that it gives up.
    pub barrier: Barrier,
    ball: Line,
}

// SAFETY: made of Zeroed parts.
unsafe impl Zeroed for Court {}

impl Court {
    /// One of `parties` on its way through the meetings.
    pub fn party(&self, parties: u32) -> Party<'_> {
        Party {
            court: self,
            parties,
            phase: 0,
            trips: 0,
        }
    }
}

/// One party of a measurement.
pub struct Party<'a> {
    court: &'a Court,
    parties: u32,
    /// Meetings so far.
    phase: u32,
    /// Ping-pong trips so far.
    trips: u64,
}

impl Party<'_> {
    /// Waits until all parties have come as far.
    pub fn meet(&mut self) -> Result<(), String> {
        self.phase += 1;
        let met = self.court.barrier.meet_all(self.phase, self.parties);
        met.map_err(|gone| gone.to_string())
    }

    /// All slices, on the side that keeps the clock; `slice` says how many nanoseconds it took. It may meet the others.
    pub fn timed(
        &mut self,
        plan: Plan,
        mut slice: impl FnMut(&mut Self) -> Result<u64, String>,
    ) -> Result<Vec<Slice>, String> {
        let mut slices = Vec::new();
        for _ in 0..plan.slices {
            let before = self.look(plan)?;
            let ns = slice(self)?;
            let after = self.look(plan)?;
            slices.push(Slice {
                floors_ns: before.zip(after).map(<[f64; 2]>::from),
                ..Slice::of(ns)
            });
        }
        Ok(slices)
    }

    /// All slices, on any other side.
    pub fn beside(
        &mut self,
        plan: Plan,
        mut slice: impl FnMut(&mut Self) -> Result<(), String>,
    ) -> Result<(), String> {
        for _ in 0..plan.slices {
            self.answer(plan)?;
            slice(self)?;
            self.answer(plan)?;
        }
        Ok(())
    }

    /// Meets, and measures the floor if that is the plan.
    fn look(&mut self, plan: Plan) -> Result<Option<f64>, String> {
        self.meet()?;
        if !plan.looks {
            return Ok(None);
        }
        let ball = &self.court.ball.word;
        let mut best = f64::INFINITY;
        for pause in [true, false] {
            floor::ask((ball, ball), self.next(WARMING_TRIPS), WARMING_TRIPS, pause);
            let start = now_ns();
            floor::ask((ball, ball), self.next(TRIPS), TRIPS, pause);
            best = best.min((now_ns() - start) as f64 / TRIPS as f64);
        }
        Ok(Some(best))
    }

    /// The other half of `look`.
    fn answer(&mut self, plan: Plan) -> Result<(), String> {
        self.meet()?;
        if plan.looks {
            let ball = &self.court.ball.word;
            for pause in [true, false] {
                for trips in [WARMING_TRIPS, TRIPS] {
                    floor::answer((ball, ball), self.next(trips), trips, pause);
                }
            }
        }
        Ok(())
    }

    /// The first of the ball's next values: they rise for ever.
    fn next(&mut self, trips: u64) -> u64 {
        let first = 2 * self.trips + 1;
        self.trips += trips;
        first
    }
}

/// Nanoseconds that `work` takes.
pub fn clocked<R, E>(work: impl FnOnce() -> Result<R, E>) -> Result<u64, E> {
    let start = now_ns();
    let worked = work();
    let elapsed = now_ns() - start;
    worked.map(|_| elapsed)
}

/// Slices on their way from the process that measured them.
#[repr(C)]
pub struct Tally {
    len: AtomicU64,
    /// Nanoseconds, and the bits of the floors; floors of 0 are none.
    slices: [[AtomicU64; 3]; MOST_SLICES],
}

// SAFETY: atomics alone; zero is a valid value (no slices).
unsafe impl Zeroed for Tally {}

impl Tally {
    /// Writes them down.
    pub fn put(&self, slices: &[Slice]) {
        for (place, slice) in self.slices.iter().zip(slices) {
            let [before, after] = slice.floors_ns.unwrap_or_default();
            let words = [slice.ns, before.to_bits(), after.to_bits()];
            for (word, value) in place.iter().zip(words) {
                word.store(value, Ordering::Relaxed);
            }
        }
        let len = slices.len().min(MOST_SLICES);
        self.len.store(len as u64, Ordering::Release);
    }

    /// What was written down.
    pub fn get(&self) -> Vec<Slice> {
        let len = self.len.load(Ordering::Acquire) as usize;
        let read = |place: &[AtomicU64; 3]| {
            let [ns, before, after] = [0, 1, 2].map(|which| place[which].load(Ordering::Relaxed));
            let floors = [before, after].map(f64::from_bits);
            Slice {
                ns,
                floors_ns: (floors != [0.0; 2]).then_some(floors),
            }
        };
        self.slices.iter().take(len).map(read).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::shared::Shared;
    use super::*;

    #[test]
    fn a_slice_belongs_to_the_class_that_both_looks_agree_on() {
        let placed = |floors_ns| Slice { ns: 1, floors_ns }.placed();
        assert_eq!(placed(Some([70.0, 72.0])), Placed::In(Class::Near));
        assert_eq!(placed(Some([430.0, 400.0])), Placed::In(Class::Far));
        assert_eq!(placed(Some([70.0, 430.0])), Placed::Mixed);
        assert_eq!(placed(None), Placed::AsTheRound);
    }

    #[test]
    fn what_was_tallied_is_read_back() {
        let tally = Shared::<Tally>::new().unwrap();
        assert_eq!(tally.get(), []);
        let looked = Slice {
            ns: 5,
            floors_ns: Some([70.5, 430.25]),
        };
        tally.put(&[looked, Slice::of(0)]);
        assert_eq!(tally.get(), [looked, Slice::of(1)]);
    }

    #[test]
    fn two_parties_take_every_slice_together_and_look_around_each() {
        let court = Shared::<Court>::new().unwrap();
        let plan = Plan {
            count: 1,
            slices: 5,
            looks: true,
        };
        let beside = AtomicU64::new(0);
        let slices = std::thread::scope(|scope| {
            scope.spawn(|| {
                court.party(2).beside(plan, |_| {
                    beside.fetch_add(1, Ordering::Relaxed);
                    Ok(())
                })
            });
            court.party(2).timed(plan, |_| Ok(7)).unwrap()
        });
        assert_eq!(beside.into_inner(), 5);
        assert_eq!(slices.len(), 5);
        for slice in slices {
            assert_eq!(slice.ns, 7);
            assert!(slice.floors_ns.unwrap().iter().all(|&ns| ns > 0.0));
        }
    }

    #[test]
    fn a_slice_that_fails_ends_the_measurement() {
        let court = Shared::<Court>::new().unwrap();
        let plan = Plan {
            count: 1,
            slices: 2,
            looks: false,
        };
        let failed = court
            .party(1)
            .timed(plan, |_| Err(String::from("expected by this test")));
        assert_eq!(failed, Err(String::from("expected by this test")));
    }
}
