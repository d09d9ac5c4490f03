//! `bench` and `demo`.

mod common;

use common::{Running, annulus, run, stderr_of};
use serde_json::Value;
use std::fs;
use std::io::Read;
use std::process::{Output, Stdio};
use std::time::{Duration, Instant};

fn text(output: &Output) -> String {
    assert!(output.status.success(), "{}", stderr_of(output));
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn json(output: &Output) -> Value {
    serde_json::from_str(&text(output)).unwrap()
}

/// A class may have been seen during the stream or the round trips of an engine alone.
fn assert_measured(engine: &Value) {
    let figures = ["throughput_msgs_per_s", "rtt_ns"].map(|key| engine[key].as_f64());
    assert!(figures.iter().flatten().all(|&figure| figure > 0.0));
    assert_ne!(figures, [None, None]);
    assert_eq!(figures[0].is_some(), engine["slices"].as_u64() > Some(0));
}

#[test]
fn the_quick_bench_prints_one_json_object_of_the_agreed_shape() {
    let output = run(annulus().args(["bench", "--quick", "--json", "--payload", "8,56,1024"]));
    let report = json(&output);
    assert!(report["machine"]["cores"].as_u64().unwrap() >= 1);
    for key in ["cpu", "kernel", "commit"] {
        assert!(report["machine"].get(key).is_some());
    }
    let placements = report["placements"].as_array().unwrap();
    // On a busy machine every round can be thrown away.
    for placement in placements {
        assert!(["near", "far"].contains(&placement["class"].as_str().unwrap()));
        assert!(placement["floor_rtt_ns"].as_f64().unwrap() > 0.0);
        assert!(placement["rounds"].as_u64().unwrap() > 0);
        for workload in placement["workloads"].as_array().unwrap() {
            assert_eq!(workload["kind"], "spsc");
            assert_eq!(workload["batch"], 1);
            assert!([8, 56, 1024].contains(&workload["payload_bytes"].as_u64().unwrap()));
            assert!(["spin", "park"].contains(&workload["wait"].as_str().unwrap()));
            let engine = &workload["engines"][0];
            assert_eq!(engine["name"], "annulus");
            assert_eq!(engine["across"], "processes");
            assert_measured(engine);
            assert!(engine["p50_ns"].is_null(), "what was not measured is null");
            let over_floor = workload["ours_over_floor_rtt"].as_f64();
            assert_eq!(over_floor.is_some(), engine["rtt_ns"].is_number());
            assert!(over_floor.is_none_or(|ratio| ratio > 0.0));
            assert!(workload["ours_over_best_peer_throughput"].is_null());
        }
    }
    assert!(
        stderr_of(&output).contains("kernel"),
        "the table goes to stderr"
    );
}

#[test]
fn the_quick_bench_of_records_has_the_same_shape() {
    let options = ["--quick", "--json", "--element", "records"];
    let report = json(&run(annulus().arg("bench").args(options)));
    for placement in report["placements"].as_array().unwrap() {
        for workload in placement["workloads"].as_array().unwrap() {
            assert_eq!(workload["kind"], "spsc");
            assert_eq!(workload["element"], "records");
            let class = workload["payload"].as_str().unwrap();
            let mean = workload["payload_bytes"].as_u64().unwrap();
            assert!([("24-200", 112), ("48", 48)].contains(&(class, mean)));
            let engines = workload["engines"].as_array().unwrap();
            assert!(!engines.is_empty());
            for engine in engines {
                assert_measured(engine);
            }
        }
    }
}

#[test]
fn a_payload_that_the_bench_was_not_compiled_for_is_wrong_usage() {
    let refused = run(annulus().args(["bench", "--payload", "57"]));
    assert_eq!(refused.status.code(), Some(2));
    assert!(stderr_of(&refused).contains("56"));
    let options = ["--element", "records", "--payload", "24-201"];
    let refused = run(annulus().arg("bench").args(options));
    assert_eq!(refused.status.code(), Some(2));
    assert!(stderr_of(&refused).contains("24-200"));
}

#[test]
fn the_quick_bench_measures_every_kind() {
    for (kind, options, parties) in [
        ("mpsc", &["--producers", "2"][..], (2, 1)),
        (
            "mpsc",
            &["--element", "records", "--producers", "3"],
            (3, 1),
        ),
        ("spmc", &["--consumers", "2"], (1, 2)),
        ("mpmc", &[], (2, 2)),
        ("broadcast", &["--readers", "2"], (1, 2)),
    ] {
        let mut bench = annulus();
        bench.args(["bench", "--quick", "--json", "--kind", kind]);
        let report = json(&run(bench.args(options)));
        for placement in report["placements"].as_array().unwrap() {
            for workload in placement["workloads"].as_array().unwrap() {
                assert_eq!(workload["kind"], kind);
                assert_eq!(workload["producers"], parties.0);
                assert_eq!(workload["consumers"], parties.1);
                let engine = &workload["engines"][0];
                assert_eq!(engine["name"], "annulus");
                assert!(engine["throughput_msgs_per_s"].as_f64().unwrap() > 0.0);
            }
        }
    }
}

#[test]
fn options_of_the_bench_that_say_nothing_about_the_kind_are_wrong_usage() {
    for options in [
        &["--kind", "spsc", "--producers", "2"][..],
        &["--kind", "mpsc", "--consumers", "2"],
        &["--kind", "mpmc", "--readers", "2"],
        &["--kind", "broadcast", "--element", "records"],
        &["--kind", "mpmc", "--payload", "8"],
        &["--kind", "mpmc", "--producers", "9"],
        &["--kind", "ring"],
    ] {
        let refused = run(annulus().arg("bench").args(options));
        assert_eq!(refused.status.code(), Some(2), "{options:?}");
    }
}

/// The rings of the demo that is process `pid`.
fn demo_rings(pid: i32) -> [String; 2] {
    ["feed", "orders"].map(|what| format!("annulus-demo-{pid}-{what}"))
}

fn assert_no_rings(pid: i32) {
    for name in demo_rings(pid) {
        assert!(!fs::exists(format!("/dev/shm/{name}")).unwrap(), "{name}");
    }
}

/// Runs a demo to its end and gives the rows of its table.
fn demo(options: &[&str]) -> Vec<Vec<String>> {
    let mut demo = annulus();
    demo.args(["demo", "--seconds", "2"]).args(options);
    let mut demo = Running::start(demo.stdout(Stdio::piped()));
    let pid = demo.pid();
    let mut shown = String::new();
    demo.0
        .stdout
        .take()
        .unwrap()
        .read_to_string(&mut shown)
        .unwrap();
    let (status, said) = demo.end();
    assert!(status.success(), "{said}");
    assert!(!shown.contains('\x1b'), "no terminal, no escape sequences");
    assert!(
        shown.contains("p99.9") && shown.contains("most lag"),
        "{shown}"
    );
    assert_no_rings(pid);
    let rows = shown.lines().filter(|line| {
        let names = ["publisher ", "strategy, ", "gateway "];
        names.iter().any(|name| line.starts_with(name))
    });
    let cells = |line: &str| {
        let cells = line.split("  ").map(str::trim);
        cells
            .filter(|cell| !cell.is_empty())
            .map(str::to_owned)
            .collect()
    };
    rows.map(cells).collect()
}

/// The row of that name: messages in all and lost.
fn figures(rows: &[Vec<String>], name: &str) -> (u64, u64) {
    let row = rows.iter().find(|row| row[0] == name);
    let row = row.unwrap_or_else(|| panic!("no {name} in {rows:?}"));
    let number = |cell: &str| cell.replace(',', "").parse::<u64>().unwrap();
    (number(&row[2]), number(&row[3]))
}

#[test]
fn the_demo_accounts_for_every_record() {
    let rows = demo(&["--rate", "10000"]);
    let (published, _) = figures(&rows, "publisher");
    assert!(published > 0);
    assert_eq!(figures(&rows, "strategy, lossless"), (published, 0));
    for name in ["strategy, lossy", "strategy, slow, lossy"] {
        let (read, lost) = figures(&rows, name);
        assert_eq!(read + lost, published, "{name}");
    }
    // Every strategy orders at every fiftieth record, if it reads it; the lossless one reads all.
    let orders = figures(&rows, "gateway").0;
    let most = published.div_ceil(50);
    assert!((most..=3 * most).contains(&orders), "{orders} of {most}");
}

#[test]
fn the_demo_goes_on_when_a_strategy_is_killed() {
    let rows = demo(&["--rate", "5000", "--kill"]);
    let (published, _) = figures(&rows, "publisher");
    let (read, lost) = figures(&rows, "strategy, lossy");
    assert_eq!(read + lost, published);
    let (successor, lost) = figures(&rows, "strategy, successor");
    assert!(lost == 0 && successor > 0 && successor < published);
    assert!(
        rows.iter()
            .any(|row| row[0] == "strategy, lossless (killed)")
    );
}

#[test]
fn an_interrupted_demo_leaves_no_ring_and_no_process() {
    let mut demo = annulus();
    let demo = demo.args(["demo", "--seconds", "60"]).stdout(Stdio::null());
    let demo = Running::start(demo);
    let pid = demo.pid();
    let [feed, _] = demo_rings(pid);
    let give_up = Instant::now() + common::LIMIT;
    let status = loop {
        match annulus::inspect(annulus::Backing::PosixShm, &feed) {
            Ok(status) if status.taken > 10_000 => break status,
            _ => std::thread::sleep(Duration::from_millis(5)),
        }
        assert!(Instant::now() < give_up, "nothing was published");
    };
    demo.signal(libc::SIGTERM);
    let (ended, said) = demo.end_within(Duration::from_secs(5));
    assert_eq!(ended.code(), Some(128 + libc::SIGTERM), "{said}");
    assert_no_rings(pid);
    for end in status.producers.iter().chain(&status.consumers) {
        assert!(!fs::exists(format!("/proc/{}", end.pid)).unwrap());
    }
}
