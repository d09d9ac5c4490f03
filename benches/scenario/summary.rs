//! From rounds to the report.
//!
//! Spinning and sleeping engines are separate workloads: they are not compared with each other.

use std::path::Path;

use super::engine::{Across, Engine, Traits, Wait, WrittenIn};
use super::machine::Machine;
use super::report::{EngineFigures, Placement, Report, Workload, quartiles};
use super::rounds::{Figures, Filed, Outcome};
use super::stats::{Class, Summary};
use super::traffic::Traffic;

/// Builds the report; `tree` is a directory inside the source tree.
pub fn report<W: Traffic>(
    outcome: &Outcome<W>,
    engines: &[Box<dyn Engine<W>>],
    tree: &Path,
) -> Report {
    Report {
        machine: Machine::describe(tree),
        placements: outcome
            .by_class
            .iter()
            .filter(|(_, filed)| !filed.rounds.is_empty())
            .map(|(&class, filed)| placement(class, filed, outcome, engines))
            .collect(),
    }
}

fn placement<W: Traffic>(
    class: Class,
    filed: &Filed<W>,
    outcome: &Outcome<W>,
    engines: &[Box<dyn Engine<W>>],
) -> Placement {
    let references = &filed.references;
    let median = |values: &[f64]| Summary::of(values).map(|s| s.median);
    let floor = Summary::of(&references.one_line_rtt_ns);
    let floor_rtt_ns = floor.map(|s| s.median);
    let mut workloads = Vec::new();
    for &traffic in filed.rounds.keys() {
        for wait in [Wait::Spin, Wait::Park] {
            let mut workload = workload(traffic, wait, filed, outcome, engines);
            if !workload.engines.is_empty() {
                workload.compare(floor_rtt_ns);
                workloads.push(workload);
            }
        }
    }
    Placement {
        class,
        floor_rtt_ns,
        floor_rtt_quartiles_ns: quartiles(floor),
        floor_two_line_rtt_ns: median(&references.two_line_rtt_ns),
        handoff_lines_per_s: median(&references.handoff_lines_per_s),
        memcpy_1024_gb_per_s: median(&references.memcpy_1024_gb_per_s),
        others_share: median(&references.others_share),
        rounds: filed.rounds.values().copied().min().unwrap_or(0),
        workloads,
    }
}

fn workload<W: Traffic>(
    traffic: W,
    wait: Wait,
    filed: &Filed<W>,
    outcome: &Outcome<W>,
    engines: &[Box<dyn Engine<W>>],
) -> Workload {
    let described = traffic.described();
    let places = (0..engines.len()).filter(|&place| engines[place].traits().wait == wait);
    Workload {
        kind: String::from(described.kind),
        element: String::from(described.element),
        payload_bytes: described.payload_bytes,
        payload: described.payload,
        batch: described.batch,
        wait: String::from(wait.name()),
        producers: described.producers,
        consumers: described.consumers,
        oversubscribed: traffic.is_oversubscribed(),
        note: described.note,
        engines: places
            .filter_map(|place| {
                // An engine that failed is listed without figures.
                let figures = match outcome.failed.contains(&(traffic, place)) {
                    true => Figures::default(),
                    false => filed.figures.get(&(traffic, place))?.clone(),
                };
                Some(engine_figures(&engines[place].traits(), &figures))
            })
            .collect(),
        ours_over_best_peer_throughput: None,
        ours_over_best_rust_peer_throughput: None,
        ours_over_floor_rtt: None,
        best_peer_over_ours_rtt: None,
    }
}

fn engine_figures(traits: &Traits, figures: &Figures) -> EngineFigures {
    let throughput = Summary::of(&figures.throughput);
    let rtt = Summary::of(&figures.rtt_ns);
    EngineFigures {
        name: traits.name.to_string(),
        across: String::from(match traits.across {
            Across::Processes => "processes",
            Across::Threads => "threads",
        }),
        written_in: String::from(match traits.written_in {
            WrittenIn::Rust => "rust",
            WrittenIn::C => "c",
            WrittenIn::Cpp => "c++",
            WrittenIn::Kernel => "kernel",
        }),
        throughput_msgs_per_s: throughput.map(|s| s.median),
        throughput_quartiles_msgs_per_s: quartiles(throughput),
        slices: throughput.map(|_| figures.throughput.len() as u32),
        messages_per_round: Summary::of(&figures.messages).map(|s| s.median),
        rtt_ns: rtt.map(|s| s.median),
        rtt_quartiles_ns: quartiles(rtt),
        rtt_over_floor: Summary::of(&figures.rtt_over_floor).map(|s| s.median),
        p50_ns: None,
        p99_ns: None,
        ours: None,
    }
}
