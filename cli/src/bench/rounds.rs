//! Takes turns: floor, spinning, parking, floor, again and again, and files every round under its placement class.
//!
//! Invariants: a round whose two floors disagree on the class is thrown away and taken again (within limits); the number
//! of messages follows the last speed, so that every timed loop lasts about as long.

use super::harness::{self, Task, capacity};
use crate::scenario::load::Load;
use crate::scenario::pin::Cpus;
use crate::scenario::stats::Class;
use crate::scenario::{copying, floor, handoff};
use annulus::Wait;
use std::collections::BTreeMap;

/// Rounds that may be thrown away even in a short run.
const SPARE_ROUNDS: u32 = 8;
/// The two ways of waiting, as the report calls them.
pub const WAITS: [(&str, Wait); 2] = [("spin", Wait::spin()), ("park", Wait::park())];

/// How much is measured.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    rounds: u32,
    /// Nanoseconds of a timed loop.
    loop_ns: u64,
    /// Round trips per chunk of the floor.
    floor_trips: u64,
    /// Nanoseconds of each variant of the line hand-off, and of memcpy.
    reference_ns: u64,
}

impl Pace {
    /// For figures.
    pub const FULL: Pace = Pace {
        rounds: 11,
        loop_ns: 20_000_000,
        floor_trips: 2_000,
        reference_ns: 5_000_000,
    };
    /// For a check.
    pub const QUICK: Pace = Pace {
        rounds: 2,
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
    /// Share of the two cores that others used, 0 to 1.
    pub others_share: Vec<f64>,
}

/// What a ring did, round by round.
#[derive(Clone, Debug, Default)]
pub struct Figures {
    /// Messages per second.
    pub throughput: Vec<f64>,
    /// Messages per timed stream.
    pub messages: Vec<f64>,
    /// Round trips, ns.
    pub rtt_ns: Vec<f64>,
}

/// All rounds of one class.
#[derive(Clone, Debug, Default)]
pub struct Filed {
    /// The machine.
    pub references: References,
    /// Rounds per payload.
    pub rounds: BTreeMap<usize, u32>,
    /// Figures by payload and by index into [`WAITS`].
    pub figures: BTreeMap<(usize, usize), Figures>,
}

/// Everything that was measured.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// By placement class.
    pub by_class: BTreeMap<Class, Filed>,
    /// Rounds thrown away because the placement changed within them.
    pub mixed: u32,
}

/// How many messages and trips a turn has, and what they took.
#[derive(Clone, Copy, Debug)]
struct Turn {
    messages: u64,
    trips: u64,
    stream_ns: u64,
    trips_ns: u64,
}

/// The measurement in progress.
pub struct Session {
    cpus: Cpus,
    pace: Pace,
    /// The last turn of each, from which the next one's counts follow.
    last: BTreeMap<(usize, usize), Turn>,
    outcome: Outcome,
}

impl Session {
    /// Nothing measured yet. The calling thread must be pinned to `cpus.near`, and be the only one.
    pub fn new(cpus: Cpus, pace: Pace) -> Self {
        Self {
            cpus,
            pace,
            last: BTreeMap::new(),
            outcome: Outcome::default(),
        }
    }

    /// Runs all rounds over all payloads. An error says that a message was lost or damaged, or that the floor could not
    /// be measured.
    pub fn run(mut self, payloads: &[usize]) -> Result<Outcome, String> {
        for &payload in payloads {
            for wait in 0..WAITS.len() {
                self.calibrate(payload, wait)?;
            }
        }
        let mut spare = SPARE_ROUNDS.max(self.pace.rounds * payloads.len() as u32);
        for _ in 0..self.pace.rounds {
            for &payload in payloads {
                while !self.round(payload)? && spare > 0 {
                    spare -= 1;
                }
            }
        }
        Ok(self.outcome)
    }

    /// Finds counts that last about `loop_ns`.
    fn calibrate(&mut self, payload: usize, wait: usize) -> Result<(), String> {
        let (mut messages, mut trips) = (2 * capacity(payload), 64);
        for _ in 0..4 {
            let turn = self.turn(payload, wait, messages, trips)?;
            self.last.insert((payload, wait), turn);
            if 2 * turn.stream_ns.min(turn.trips_ns) > self.pace.loop_ns {
                break;
            }
            (messages, trips) = self.following(payload, turn, 64);
        }
        Ok(())
    }

    /// One round of one payload; `false` when the placement changed within it and it was thrown away.
    fn round(&mut self, payload: usize) -> Result<bool, String> {
        let load = Load::now(self.cpus);
        let before = floor::measure(self.cpus, self.pace.floor_trips)?;
        let lines = handoff::lines_per_s(self.cpus, self.pace.reference_ns)?;
        let copies = copying::gb_per_s(1024, capacity(1024) as usize, self.pace.reference_ns);
        let mut turns = Vec::new();
        for wait in 0..WAITS.len() {
            let (messages, trips) = self.following(payload, self.last[&(payload, wait)], 4);
            let turn = self.turn(payload, wait, messages, trips)?;
            self.last.insert((payload, wait), turn);
            turns.push((wait, turn));
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
        *filed.rounds.entry(payload).or_default() += 1;
        for (wait, turn) in turns {
            let figures = filed.figures.entry((payload, wait)).or_default();
            figures
                .throughput
                .push(turn.messages as f64 * 1e9 / turn.stream_ns as f64);
            figures.messages.push(turn.messages as f64);
            figures
                .rtt_ns
                .push(turn.trips_ns as f64 / turn.trips as f64);
        }
        Ok(true)
    }

    fn turn(&self, payload: usize, wait: usize, messages: u64, trips: u64) -> Result<Turn, String> {
        let (name, strategy) = WAITS[wait];
        let task = |count| Task {
            cpus: self.cpus,
            wait: strategy,
            count,
        };
        let failed = |e: String| format!("{payload} bytes, {name}: {e}");
        Ok(Turn {
            messages,
            trips,
            stream_ns: harness::stream(payload, task(messages)).map_err(failed)?,
            trips_ns: harness::round_trips(payload, task(trips)).map_err(failed)?,
        })
    }

    /// Counts that would have lasted `loop_ns`: at most `leap` times more or fewer, and never less than two laps.
    fn following(&self, payload: usize, turn: Turn, leap: u64) -> (u64, u64) {
        let scale = |count: u64, took_ns: u64| {
            let ideal = (count as f64 * self.pace.loop_ns as f64 / took_ns as f64) as u64;
            ideal.clamp(count / leap, count * leap)
        };
        let messages = scale(turn.messages, turn.stream_ns).max(2 * capacity(payload));
        (messages, scale(turn.trips, turn.trips_ns).max(64))
    }
}
