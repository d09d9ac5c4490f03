//! Takes turns: floor, engine A, engine B ... floor, again and again, and files what was measured under its placement class.
//!
//! Between two parties every slice of an engine's turn has a class of its own (see `slices`). What more parties did is filed
//! under the class of the round.
//! Invariants: a slice, or a round of more parties, whose floors before and after disagree on the class is thrown away, and such
//! a round is taken again (within limits); the number of messages follows the engine's last speed, so that a turn and its
//! slices last about as long for everybody.

use std::collections::{BTreeMap, BTreeSet};

use super::engine::{Engine, Traits};
use super::harness::{capacity, contained};
use super::load::Load;
use super::pin::Cpus;
use super::slices::{MOST_SLICES, Placed, Plan, Slice};
use super::stats::{Class, Summary};
use super::traffic::Traffic;
use super::{copying, floor, handoff};

/// Rounds that may be thrown away even in a short run.
const SPARE_ROUNDS: u32 = 8;
/// Nanoseconds of a slice: long beside what a ring needs to settle, short beside how long two cores stay where they are.
const SLICE_NS: u64 = 500_000;

/// How long things are timed.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Nanoseconds of a turn: a stream, or a series of round trips.
    pub loop_ns: u64,
    /// Round trips per chunk of the floor.
    pub floor_trips: u64,
    /// Nanoseconds of each variant of the line hand-off, and of memcpy.
    pub reference_ns: u64,
}

impl Pace {
    /// For figures.
    pub const FULL: Pace = Pace {
        loop_ns: 20_000_000,
        floor_trips: 2_000,
        reference_ns: 5_000_000,
    };
    /// For a quick check.
    pub const QUICK: Pace = Pace {
        loop_ns: 3_000_000,
        floor_trips: 500,
        reference_ns: 1_000_000,
    };
}

/// What the machine itself can do, round by round.
#[derive(Clone, Debug, Default)]
pub struct References {
    /// Floor round trips, ns.
    pub one_line_rtt_ns: Vec<f64>,
    /// Two-line floor round trips, ns.
    pub two_line_rtt_ns: Vec<f64>,
    /// Line hand-offs per second.
    pub handoff_lines_per_s: Vec<f64>,
    /// memcpy of 1024 bytes, 1e9 bytes per second.
    pub memcpy_1024_gb_per_s: Vec<f64>,
    /// Share of the two cores that others used, 0 to 1; empty where the kernel does not say.
    pub others_share: Vec<f64>,
}

/// What one engine did, round by round.
#[derive(Clone, Debug, Default)]
pub struct Figures {
    /// Messages per second, slice by slice.
    pub throughput: Vec<f64>,
    /// Messages per slice.
    pub messages: Vec<f64>,
    /// Round trips, ns, slice by slice; empty where the traffic has none.
    pub rtt_ns: Vec<f64>,
    /// The same over the floor around the slice.
    pub rtt_over_floor: Vec<f64>,
}

/// All rounds of one class.
#[derive(Clone, Debug)]
pub struct Filed<W> {
    /// The machine.
    pub references: References,
    /// Rounds per traffic.
    pub rounds: BTreeMap<W, u32>,
    /// Figures by traffic and place of the engine.
    pub figures: BTreeMap<(W, usize), Figures>,
}

impl<W> Default for Filed<W> {
    fn default() -> Self {
        Filed {
            references: References::default(),
            rounds: BTreeMap::new(),
            figures: BTreeMap::new(),
        }
    }
}

/// Everything that was measured.
#[derive(Clone, Debug)]
pub struct Outcome<W> {
    /// By placement class.
    pub by_class: BTreeMap<Class, Filed<W>>,
    /// Slices, and rounds of more than two parties, thrown away because the placement changed within them.
    pub mixed: u32,
    /// What went wrong, one sentence each; empty after a good run.
    pub failures: Vec<String>,
    /// Traffic and place of the engines that failed; what they had measured before is worth nothing.
    pub failed: BTreeSet<(W, usize)>,
}

/// What is timed next.
#[derive(Clone, Copy)]
struct Plans {
    stream: Plan,
    trips: Plan,
}

/// One engine's part of one round.
struct Turn {
    plans: Plans,
    stream: Vec<Slice>,
    /// Empty where the traffic has no round trips.
    trips: Vec<Slice>,
}

/// The measurement in progress.
pub struct Session<'a, W> {
    engines: &'a [Box<dyn Engine<W>>],
    cpus: Cpus,
    pace: Pace,
    plans: BTreeMap<(W, usize), Plans>,
    outcome: Outcome<W>,
}

impl<W> Outcome<W> {
    fn nothing_yet() -> Self {
        Outcome {
            by_class: BTreeMap::new(),
            mixed: 0,
            failures: Vec::new(),
            failed: BTreeSet::new(),
        }
    }

    /// A sentence about what was thrown away, if anything was.
    pub fn thrown_away(&self) -> Option<String> {
        let mixed = self.mixed;
        (mixed > 0).then(|| {
            format!(
                "{mixed} slices were thrown away: the placement of the cores changed within them"
            )
        })
    }
}

impl<'a, W: Traffic> Session<'a, W> {
    /// Nothing measured yet. The calling thread must be pinned to `cpus.near`.
    pub fn new(engines: &'a [Box<dyn Engine<W>>], cpus: Cpus, pace: Pace) -> Self {
        Session {
            engines,
            cpus,
            pace,
            plans: BTreeMap::new(),
            outcome: Outcome::nothing_yet(),
        }
    }

    /// Runs `rounds` rounds over all workloads. An error ends everything: the floor could not be measured.
    pub fn run(mut self, workloads: &[W], rounds: u32) -> Result<Outcome<W>, String> {
        for &traffic in workloads {
            self.calibrate(traffic);
        }
        let mut spare = SPARE_ROUNDS.max(rounds * workloads.len() as u32);
        for _ in 0..rounds {
            for &traffic in workloads {
                while !self.round(traffic)? && spare > 0 {
                    spare -= 1;
                }
            }
        }
        Ok(self.outcome)
    }

    /// Finds counts that last about as long as they should. An engine that fails is reported once and sits out this traffic.
    fn calibrate(&mut self, traffic: W) {
        let looks = traffic.is_between_two();
        let once = |count| Plan {
            count,
            slices: 1,
            looks,
        };
        for place in 0..self.engines.len() {
            if !self.engines[place].carries(traffic) {
                continue;
            }
            let mut plans = Plans {
                stream: once(traffic.shortest_stream()),
                trips: once(256),
            };
            for _ in 0..4 {
                let Some(turn) = self.turn(place, traffic, plans) else {
                    break;
                };
                let next = self.following(traffic, &turn, 64);
                self.plans.insert((traffic, place), next);
                let settled = |now: Plan, then: Plan| then.count < 2 * now.count;
                if settled(plans.stream, next.stream) && settled(plans.trips, next.trips) {
                    break;
                }
                plans = Plans {
                    stream: once(next.stream.count),
                    trips: once(next.trips.count),
                };
            }
        }
    }

    /// One round of one workload; false when it was thrown away in part, because the placement changed within it.
    fn round(&mut self, traffic: W) -> Result<bool, String> {
        let load = Load::now(self.cpus);
        let before = floor::measure(self.cpus, self.pace.floor_trips)?;
        let lines = handoff::lines_per_s(self.cpus, self.pace.reference_ns)?;
        let copies = copying::gb_per_s(1024, capacity(1024), self.pace.reference_ns);
        let mut turns = Vec::new();
        for place in 0..self.engines.len() {
            let Some(&plans) = self.plans.get(&(traffic, place)) else {
                continue;
            };
            if let Some(turn) = self.turn(place, traffic, plans) {
                self.plans
                    .insert((traffic, place), self.following(traffic, &turn, 4));
                turns.push((place, turn));
            }
        }
        let after = floor::measure(self.cpus, self.pace.floor_trips)?;
        let others = Load::others_share(load, Load::now(self.cpus));
        let classes = [before, after].map(|floor| Class::of(floor.one_line_rtt_ns));
        let class = (classes[0] == classes[1]).then_some(classes[0]);
        let mut touched = BTreeSet::new();
        if let Some(class) = class {
            let references = &mut self.filed(class).references;
            for floor in [before, after] {
                references.one_line_rtt_ns.push(floor.one_line_rtt_ns);
                references.two_line_rtt_ns.push(floor.two_line_rtt_ns);
            }
            references.handoff_lines_per_s.push(lines);
            references.memcpy_1024_gb_per_s.push(copies);
            references.others_share.extend(others);
        }
        let mut whole = true;
        for (place, turn) in turns {
            whole &= class.is_some() || traffic.is_between_two();
            for slice in turn.stream {
                let count = turn.plans.stream.count as f64;
                if let Some(class) = self.class_of(slice, class) {
                    touched.insert(class);
                    let figures = self.figures(class, traffic, place);
                    figures.throughput.push(count * 1e9 / slice.ns as f64);
                    figures.messages.push(count);
                }
            }
            for slice in turn.trips {
                let count = turn.plans.trips.count as f64;
                if let Some(class) = self.class_of(slice, class) {
                    touched.insert(class);
                    let rtt_ns = slice.ns as f64 / count;
                    let figures = self.figures(class, traffic, place);
                    figures.rtt_ns.push(rtt_ns);
                    let floor = slice
                        .floors_ns
                        .map(|[before, after]| (before + after) / 2.0);
                    figures
                        .rtt_over_floor
                        .extend(floor.map(|floor| rtt_ns / floor));
                }
            }
        }
        for class in touched {
            *self.filed(class).rounds.entry(traffic).or_default() += 1;
        }
        self.outcome.mixed += u32::from(!whole);
        Ok(whole)
    }

    /// Under which class a slice is filed, if under any, in a round of class `round`; notes its floors, or that it is lost.
    fn class_of(&mut self, slice: Slice, round: Option<Class>) -> Option<Class> {
        match slice.placed() {
            Placed::AsTheRound => round,
            Placed::In(class) => {
                let floors = slice.floors_ns.into_iter().flatten();
                self.filed(class).references.one_line_rtt_ns.extend(floors);
                Some(class)
            }
            Placed::Mixed => {
                self.outcome.mixed += 1;
                None
            }
        }
    }

    fn filed(&mut self, class: Class) -> &mut Filed<W> {
        self.outcome.by_class.entry(class).or_default()
    }

    fn figures(&mut self, class: Class, traffic: W, place: usize) -> &mut Figures {
        let figures = &mut self.filed(class).figures;
        figures.entry((traffic, place)).or_default()
    }

    /// Measures one engine once; `None` (and a failure noted, and the engine out of this traffic) when that failed.
    fn turn(&mut self, place: usize, traffic: W, plans: Plans) -> Option<Turn> {
        let engine = &self.engines[place];
        let Traits { name, wait, .. } = engine.traits();
        let cpus = self.cpus;
        let stream = contained(|| engine.throughput(cpus, traffic, plans.stream));
        let measured = stream.and_then(|stream| {
            let trips = match traffic.has_round_trips() {
                true => contained(|| engine.rtt(cpus, traffic, plans.trips))?,
                false => Vec::new(),
            };
            Ok(Turn {
                plans,
                stream,
                trips,
            })
        });
        match measured {
            Ok(turn) => Some(turn),
            Err(message) => {
                let described = traffic.described();
                let failure = format!(
                    "{name}, {} {}, {}, batch {}, {}, {}: {message}; its own words stand above",
                    described.kind,
                    described.element,
                    described.size(),
                    described.batch,
                    wait.name(),
                    described.parties(),
                );
                self.outcome.failed.insert((traffic, place));
                self.outcome.failures.push(failure);
                self.plans.remove(&(traffic, place));
                None
            }
        }
    }

    /// Plans that would have lasted as long as they should, with counts at most `leap` times more or fewer, and never less
    /// than two laps a slice.
    fn following(&self, traffic: W, turn: &Turn, leap: u64) -> Plans {
        let turn_ns = self.pace.loop_ns * traffic.stretch();
        let slice_ns = match traffic.is_between_two() {
            true => SLICE_NS.min(turn_ns),
            false => turn_ns,
        };
        let next = |plan: Plan, slices: &[Slice], least: u64| {
            let took: Vec<f64> = slices.iter().map(|slice| slice.ns as f64).collect();
            let Some(Summary { median, .. }) = Summary::of(&took) else {
                return plan;
            };
            let ideal = (plan.count as f64 * slice_ns as f64 / median) as u64;
            let count = ideal.clamp(plan.count / leap, plan.count * leap).max(least);
            let expected_ns = median * count as f64 / plan.count as f64;
            Plan {
                count,
                slices: ((turn_ns as f64 / expected_ns) as u32).clamp(1, MOST_SLICES as u32),
                ..plan
            }
        };
        Plans {
            stream: next(turn.plans.stream, &turn.stream, traffic.shortest_stream()),
            trips: next(turn.plans.trips, &turn.trips, 64),
        }
    }
}
