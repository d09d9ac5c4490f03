//! From rounds to the report's placements and workloads.

use super::rounds::{Figures, Filed, Outcome, WAITS};
use crate::scenario::report::{EngineFigures, OURS, Placement, Workload, quartiles};
use crate::scenario::stats::{Class, Summary};

/// One entry per placement class that occurred.
pub fn placements(outcome: &Outcome) -> Vec<Placement> {
    outcome
        .by_class
        .iter()
        .map(|(&class, filed)| placement(class, filed))
        .collect()
}

fn placement(class: Class, filed: &Filed) -> Placement {
    let references = &filed.references;
    let median = |values: &[f64]| Summary::of(values).map(|s| s.median);
    let floor = Summary::of(&references.one_line_rtt_ns);
    let floor_rtt_ns = floor.map(|s| s.median);
    let workloads = filed.figures.iter().map(|(&(payload, wait), figures)| {
        let mut workload = workload(payload, wait, figures);
        workload.compare(floor_rtt_ns);
        workload
    });
    Placement {
        class,
        floor_rtt_ns,
        floor_rtt_quartiles_ns: quartiles(floor),
        floor_two_line_rtt_ns: median(&references.two_line_rtt_ns),
        handoff_lines_per_s: median(&references.handoff_lines_per_s),
        memcpy_1024_gb_per_s: median(&references.memcpy_1024_gb_per_s),
        others_share: median(&references.others_share),
        rounds: filed.rounds.values().copied().min().unwrap_or(0),
        workloads: workloads.collect(),
    }
}

fn workload(payload: usize, wait: usize, figures: &Figures) -> Workload {
    let throughput = Summary::of(&figures.throughput);
    let rtt = Summary::of(&figures.rtt_ns);
    Workload {
        kind: "spsc".to_owned(),
        element: "slots".to_owned(),
        payload_bytes: payload as u64,
        batch: 1,
        wait: WAITS[wait].0.to_owned(),
        producers: 1,
        consumers: 1,
        engines: vec![EngineFigures {
            name: OURS.to_owned(),
            across: "processes".to_owned(),
            written_in: "rust".to_owned(),
            throughput_msgs_per_s: throughput.map(|s| s.median),
            throughput_quartiles_msgs_per_s: quartiles(throughput),
            messages_per_round: Summary::of(&figures.messages).map(|s| s.median),
            rtt_ns: rtt.map(|s| s.median),
            rtt_quartiles_ns: quartiles(rtt),
            p50_ns: None,
            p99_ns: None,
        }],
        ours_over_best_peer_throughput: None,
        ours_over_best_rust_peer_throughput: None,
        ours_over_floor_rtt: None,
        best_peer_over_ours_rtt: None,
    }
}
