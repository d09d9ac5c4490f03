//! Takes turns: floor, engine A, engine B ... floor, again and again, and files every round under its placement class.
//!
//! Invariants: a round whose floors before and after disagree on the class is thrown away and taken again (within
//! limits); the number of messages follows the engine's last speed, so that a timed loop lasts about as long for everybody.

use std::collections::{BTreeMap, BTreeSet};

use super::engine::{Engine, Traits};
use super::harness::{capacity, contained};
use super::load::Load;
use super::pin::Cpus;
use super::stats::Class;
use super::traffic::Traffic;
use super::{copying, floor, handoff};

/// Rounds that may be thrown away even in a short run.
const SPARE_ROUNDS: u32 = 8;

/// How long things are timed.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Nanoseconds of a timed loop.
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
    /// Messages per second.
    pub throughput: Vec<f64>,
    /// Messages per timed stream.
    pub messages: Vec<f64>,
    /// Round trips, ns; empty where the traffic has none.
    pub rtt_ns: Vec<f64>,
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
    /// Rounds thrown away because the placement changed within them.
    pub mixed: u32,
    /// What went wrong, one sentence each; empty after a good run.
    pub failures: Vec<String>,
    /// Traffic and place of the engines that failed; what they had measured before is worth nothing.
    pub failed: BTreeSet<(W, usize)>,
}

/// What is timed next: how many messages, how many trips.
#[derive(Clone, Copy)]
struct Counts {
    stream: u64,
    trips: u64,
}

/// One engine's part of one round.
#[derive(Clone, Copy)]
struct Turn {
    messages: u64,
    stream_ns: u64,
    trips: u64,
    /// `None` where the traffic has no round trips.
    trips_ns: Option<u64>,
}

/// The measurement in progress.
pub struct Session<'a, W> {
    engines: &'a [Box<dyn Engine<W>>],
    cpus: Cpus,
    pace: Pace,
    counts: BTreeMap<(W, usize), Counts>,
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

    /// A sentence about rounds that were thrown away, if there were any.
    pub fn thrown_away(&self) -> Option<String> {
        let mixed = self.mixed;
        (mixed > 0).then(|| {
            format!(
                "{mixed} rounds were thrown away: the placement of the cores changed within them"
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
            counts: BTreeMap::new(),
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

    /// Finds counts that last about `loop_ns`. An engine that fails is reported once and sits out this traffic.
    fn calibrate(&mut self, traffic: W) {
        for place in 0..self.engines.len() {
            if !self.engines[place].carries(traffic) {
                continue;
            }
            let mut counts = Counts {
                stream: traffic.shortest_stream(),
                trips: 256,
            };
            for _ in 0..4 {
                let Some(turn) = self.turn(place, traffic, counts) else {
                    break;
                };
                let next = self.following(traffic, turn, 64);
                let shortest_ns = turn
                    .trips_ns
                    .map_or(turn.stream_ns, |ns| ns.min(turn.stream_ns));
                let settled = 2 * shortest_ns > self.pace.loop_ns * traffic.stretch();
                self.counts.insert((traffic, place), next);
                counts = next;
                if settled {
                    break;
                }
            }
        }
    }

    /// One round of one workload; false when the placement changed within it and it was thrown away.
    fn round(&mut self, traffic: W) -> Result<bool, String> {
        let load = Load::now(self.cpus);
        let before = floor::measure(self.cpus, self.pace.floor_trips)?;
        let lines = handoff::lines_per_s(self.cpus, self.pace.reference_ns)?;
        let copies = copying::gb_per_s(1024, capacity(1024), self.pace.reference_ns);
        let mut turns = Vec::new();
        for place in 0..self.engines.len() {
            let Some(&counts) = self.counts.get(&(traffic, place)) else {
                continue;
            };
            if let Some(turn) = self.turn(place, traffic, counts) {
                self.counts
                    .insert((traffic, place), self.following(traffic, turn, 4));
                turns.push((place, turn));
            }
        }
        let after = floor::measure(self.cpus, self.pace.floor_trips)?;
        let others = Load::others_share(load, Load::now(self.cpus));
        let class = Class::of(before.one_line_rtt_ns);
        if class != Class::of(after.one_line_rtt_ns) {
            self.outcome.mixed += 1;
            return Ok(false);
        }
        let filed = self.outcome.by_class.entry(class).or_default();
        let references = &mut filed.references;
        for floor in [before, after] {
            references.one_line_rtt_ns.push(floor.one_line_rtt_ns);
            references.two_line_rtt_ns.push(floor.two_line_rtt_ns);
        }
        references.handoff_lines_per_s.push(lines);
        references.memcpy_1024_gb_per_s.push(copies);
        references.others_share.extend(others);
        *filed.rounds.entry(traffic).or_default() += 1;
        for (place, turn) in turns {
            let figures = filed.figures.entry((traffic, place)).or_default();
            let rate = turn.messages as f64 * 1e9 / turn.stream_ns as f64;
            figures.throughput.push(rate);
            figures.messages.push(turn.messages as f64);
            let trip_ns = turn.trips_ns.map(|ns| ns as f64 / turn.trips as f64);
            figures.rtt_ns.extend(trip_ns);
        }
        Ok(true)
    }

    /// Measures one engine once; `None` (and a failure noted, and the engine out of this traffic) when that failed.
    fn turn(&mut self, place: usize, traffic: W, counts: Counts) -> Option<Turn> {
        let engine = &self.engines[place];
        let Traits { name, wait, .. } = engine.traits();
        let cpus = self.cpus;
        let stream = contained(|| engine.throughput(cpus, traffic, counts.stream));
        let measured = stream.and_then(|stream_ns| {
            let trips_ns = match traffic.has_round_trips() {
                true => Some(contained(|| engine.rtt(cpus, traffic, counts.trips))?.max(1)),
                false => None,
            };
            Ok(Turn {
                messages: counts.stream,
                stream_ns: stream_ns.max(1),
                trips: counts.trips,
                trips_ns,
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
                self.counts.remove(&(traffic, place));
                None
            }
        }
    }

    /// Counts that would have lasted `loop_ns` and its stretch, at most `leap` times more or fewer, and never less than two laps.
    fn following(&self, traffic: W, turn: Turn, leap: u64) -> Counts {
        let loop_ns = (self.pace.loop_ns * traffic.stretch()) as f64;
        let scale = |count: u64, took: u64| {
            let ideal = (count as f64 * loop_ns / took as f64) as u64;
            ideal.clamp(count / leap, count * leap)
        };
        Counts {
            stream: scale(turn.messages, turn.stream_ns).max(traffic.shortest_stream()),
            trips: turn
                .trips_ns
                .map_or(turn.trips, |ns| scale(turn.trips, ns).max(64)),
        }
    }
}
