//! The shape of a benchmark's results, as JSON tools rely on it.
//!
//! Exactly one JSON object. A figure that was not measured is null, never 0. Fields are only ever added.

use serde::{Deserialize, Serialize};

use super::machine::Machine;
use super::stats::{Class, Summary};

/// The name under which our own engine appears. Its variants carry the same name and a suffix after a dash; the ratios of
/// a workload are those of the plain name.
pub const OURS: &str = "annulus";

/// Whether the name is that of our own engine or of one of its variants.
pub fn is_ours(name: &str) -> bool {
    name.strip_prefix(OURS)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
}

/// Everything one run found out.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Report {
    /// Where it ran.
    pub machine: Machine,
    /// One entry per placement class that occurred.
    pub placements: Vec<Placement>,
}

/// What was measured of one placement class.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Placement {
    /// Near or far.
    pub class: Class,
    /// Median round trip of the one-line ping-pong, as measured around slices and around rounds.
    pub floor_rtt_ns: Option<f64>,
    /// Lower and upper quartile of the above.
    pub floor_rtt_quartiles_ns: Option<[f64; 2]>,
    /// Median round trip of the ping-pong with one line per direction.
    pub floor_two_line_rtt_ns: Option<f64>,
    /// Median of the best raw hand-off of 64-byte lines.
    pub handoff_lines_per_s: Option<f64>,
    /// Median memcpy bandwidth for payloads of 1024 bytes, 1e9 bytes per second.
    pub memcpy_1024_gb_per_s: Option<f64>,
    /// Median share of the two cores, 0 to 1, that others used during a round (other processes, and time the hypervisor
    /// stole); near 0 on a quiet machine.
    pub others_share: Option<f64>,
    /// Rounds of the workload that has the fewest, in which the class occurred.
    pub rounds: u32,
    /// What was measured.
    pub workloads: Vec<Workload>,
}

/// One kind of traffic and every engine that carried it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Workload {
    /// Ring kind: "spsc", "mpsc", "mpmc", "broadcast".
    pub kind: String,
    /// "slots" or "records".
    pub element: String,
    /// Bytes per message; their mean where lengths vary.
    pub payload_bytes: u64,
    /// The length class of records, such as "24-200"; null for slots.
    pub payload: Option<String>,
    /// Messages per call.
    pub batch: u32,
    /// "spin", or "park" when a waiter sleeps in the kernel.
    pub wait: String,
    /// Producers.
    pub producers: u32,
    /// Consumers.
    pub consumers: u32,
    /// Whether the parties were more than the cores they ran on.
    #[serde(default)]
    pub oversubscribed: bool,
    /// What else tells this workload from others; null where the fields above say everything.
    pub note: Option<String>,
    /// Figures, one entry per engine.
    pub engines: Vec<EngineFigures>,
    /// Our throughput over the best peer's.
    pub ours_over_best_peer_throughput: Option<f64>,
    /// Our throughput over the best Rust peer's.
    pub ours_over_best_rust_peer_throughput: Option<f64>,
    /// Our round trip over the floor.
    pub ours_over_floor_rtt: Option<f64>,
    /// The best peer's round trip over ours.
    pub best_peer_over_ours_rtt: Option<f64>,
}

/// What one engine did in one workload.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct EngineFigures {
    /// Engine name.
    pub name: String,
    /// "processes" or "threads".
    pub across: String,
    /// Language of the implementation: "rust", "c++" or "kernel".
    pub written_in: String,
    /// Median messages per second.
    pub throughput_msgs_per_s: Option<f64>,
    /// Lower and upper quartile of the above.
    pub throughput_quartiles_msgs_per_s: Option<[f64; 2]>,
    /// Slices that the rate is the median of.
    #[serde(default)]
    pub slices: Option<u32>,
    /// Median messages per slice.
    pub messages_per_round: Option<f64>,
    /// Median closed-loop round trip.
    pub rtt_ns: Option<f64>,
    /// Lower and upper quartile of the above.
    pub rtt_quartiles_ns: Option<[f64; 2]>,
    /// Median round trip over the floor around the same slice. Two cores that are near can be so in more than one way, so this
    /// is not the quotient of the medians.
    #[serde(default)]
    pub rtt_over_floor: Option<f64>,
    /// Median one-way time of an open loop.
    pub p50_ns: Option<f64>,
    /// 99th percentile of the one-way time of an open loop.
    pub p99_ns: Option<f64>,
    /// How it compares; null for peers.
    pub ours: Option<Ratios>,
}

/// One of our engines beside the peers of its workload.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Ratios {
    /// Throughput over the best peer's.
    pub over_best_peer_throughput: Option<f64>,
    /// Throughput over the best Rust peer's.
    pub over_best_rust_peer_throughput: Option<f64>,
    /// Round trip over the floor.
    pub over_floor_rtt: Option<f64>,
    /// The best peer's round trip over this one.
    pub best_peer_over_rtt: Option<f64>,
}

/// The quartiles of a summary as the report writes them.
pub fn quartiles(summary: Option<Summary>) -> Option<[f64; 2]> {
    summary.map(|s| [s.q1, s.q3])
}

impl EngineFigures {
    /// The round trip over the floor: that around the same slices, or else `floor_rtt_ns`.
    pub fn rtt_over_floor(&self, floor_rtt_ns: Option<f64>) -> Option<f64> {
        let quotient = self.rtt_ns.zip(floor_rtt_ns);
        self.rtt_over_floor
            .or(quotient.map(|(rtt, floor)| rtt / floor))
    }
}

impl Workload {
    /// Fills in the ratios from the engines' medians and the floor. A ratio that lacks a side stays `None`.
    pub fn compare(&mut self, floor_rtt_ns: Option<f64>) {
        let peers = || self.engines.iter().filter(|e| !is_ours(&e.name));
        let best_rate = peers()
            .filter_map(|e| e.throughput_msgs_per_s)
            .reduce(f64::max);
        let best_rust_rate = peers()
            .filter(|e| e.written_in == "rust")
            .filter_map(|e| e.throughput_msgs_per_s)
            .reduce(f64::max);
        let best_rtt = peers().filter_map(|e| e.rtt_ns).reduce(f64::min);
        let over = |a: Option<f64>, b: Option<f64>| Some(a? / b?);
        for engine in self.engines.iter_mut().filter(|e| is_ours(&e.name)) {
            engine.ours = Some(Ratios {
                over_best_peer_throughput: over(engine.throughput_msgs_per_s, best_rate),
                over_best_rust_peer_throughput: over(engine.throughput_msgs_per_s, best_rust_rate),
                over_floor_rtt: engine.rtt_over_floor(floor_rtt_ns),
                best_peer_over_rtt: over(best_rtt, engine.rtt_ns),
            });
        }
        let plain = self.engines.iter().find(|e| e.name == OURS);
        if let Some(ratios) = plain.and_then(|e| e.ours) {
            self.ours_over_best_peer_throughput = ratios.over_best_peer_throughput;
            self.ours_over_best_rust_peer_throughput = ratios.over_best_rust_peer_throughput;
            self.ours_over_floor_rtt = ratios.over_floor_rtt;
            self.best_peer_over_ours_rtt = ratios.best_peer_over_rtt;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(name: &str, written_in: &str, rate: Option<f64>, rtt: Option<f64>) -> EngineFigures {
        EngineFigures {
            name: name.to_string(),
            across: String::from("threads"),
            written_in: written_in.to_string(),
            throughput_msgs_per_s: rate,
            throughput_quartiles_msgs_per_s: None,
            slices: None,
            messages_per_round: None,
            rtt_ns: rtt,
            rtt_quartiles_ns: None,
            rtt_over_floor: None,
            p50_ns: None,
            p99_ns: None,
            ours: None,
        }
    }

    fn workload(engines: Vec<EngineFigures>) -> Workload {
        Workload {
            kind: String::from("spsc"),
            element: String::from("slots"),
            payload_bytes: 56,
            payload: None,
            batch: 1,
            wait: String::from("spin"),
            producers: 1,
            consumers: 1,
            oversubscribed: false,
            note: None,
            engines,
            ours_over_best_peer_throughput: None,
            ours_over_best_rust_peer_throughput: None,
            ours_over_floor_rtt: None,
            best_peer_over_ours_rtt: None,
        }
    }

    #[test]
    fn ratios_compare_ours_with_the_best_of_the_others() {
        let mut one = workload(vec![
            figures(OURS, "rust", Some(600.0), Some(80.0)),
            figures("a", "rust", Some(100.0), Some(120.0)),
            figures("b", "c++", Some(200.0), Some(160.0)),
        ]);
        one.compare(Some(40.0));
        assert_eq!(one.ours_over_best_peer_throughput, Some(3.0));
        assert_eq!(one.ours_over_best_rust_peer_throughput, Some(6.0));
        assert_eq!(one.ours_over_floor_rtt, Some(2.0));
        assert_eq!(one.best_peer_over_ours_rtt, Some(1.5));
    }

    #[test]
    fn a_variant_of_ours_has_ratios_of_its_own_and_is_nobodys_peer() {
        let mut one = workload(vec![
            figures("annulus-64", "rust", Some(900.0), Some(60.0)),
            figures(OURS, "rust", Some(600.0), Some(80.0)),
            figures("annulusish", "rust", Some(300.0), Some(120.0)),
        ]);
        one.compare(Some(40.0));
        assert_eq!(one.ours_over_best_peer_throughput, Some(2.0));
        let variant = one.engines[0].ours.unwrap();
        assert_eq!(variant.over_best_peer_throughput, Some(3.0));
        assert_eq!(variant.over_floor_rtt, Some(1.5));
        assert_eq!(variant.best_peer_over_rtt, Some(2.0));
        assert!(one.engines[2].ours.is_none());
    }

    #[test]
    fn what_was_not_measured_is_null() {
        let mut one = workload(vec![figures("a", "rust", Some(100.0), None)]);
        one.compare(Some(40.0));
        let json = serde_json::to_value(&one).unwrap();
        assert!(json["ours_over_floor_rtt"].is_null());
        assert!(json["engines"][0]["rtt_ns"].is_null());
        assert!(json["engines"][0]["p99_ns"].is_null());
    }
}
