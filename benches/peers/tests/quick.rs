//! Runs the built program: every engine delivers every message intact, and the JSON has the shape tools rely on.

use std::process::{Command, Output};

use serde_json::Value;

fn peers(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_annulus-peers"))
        .args(arguments)
        .output()
        .expect("the program starts")
}

/// The names of the engines that carry such work, and the report of one quick round of it.
fn names_and_report(work: &[&str]) -> (Vec<String>, Value) {
    let list = peers(&[&["--list"], work].concat());
    let names = String::from_utf8(list.stdout).unwrap();
    let names = names.lines().map(String::from).collect();
    let output = peers(&[&["--quick", "--json", "--rounds", "1"], work].concat());
    let table = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{table}");
    let report: Value = serde_json::from_slice(&output.stdout).expect("one JSON object on stdout");
    assert!(report["machine"]["cores"].as_u64() >= Some(2));
    assert!(!placements(&report).is_empty(), "{table}");
    (names, report)
}

fn placements(report: &Value) -> &Vec<Value> {
    report["placements"].as_array().unwrap()
}

fn engines(workload: &Value) -> &Vec<Value> {
    workload["engines"].as_array().unwrap()
}

/// The spinning and the sleeping engines that carried records of one class from so many producers.
fn records<'a>(placement: &'a Value, class: &str, producers: u64) -> Vec<&'a Value> {
    let workloads = placement["workloads"].as_array().unwrap();
    let of_class = |w: &&Value| w["payload"] == class && w["producers"] == producers;
    workloads
        .iter()
        .filter(of_class)
        .flat_map(engines)
        .collect()
}

#[test]
fn every_engine_passes_its_checks_and_the_json_is_one_object_with_null_for_what_was_not_measured() {
    let (names, report) = names_and_report(&["--element", "slots", "--payload", "56"]);
    all_measured(&names, &report);
    for placement in placements(&report) {
        assert!(placement["floor_rtt_ns"].as_f64() > Some(0.0));
    }
    for workload in workloads(&report) {
        assert!(workload["payload"].is_null());
        assert_eq!(workload["element"], "slots");
        for engine in engines(workload) {
            assert!(engine["p50_ns"].is_null());
        }
    }
    for name in &names {
        let answered = |e: &Value| e["name"] == **name && e["rtt_ns"].as_f64() > Some(0.0);
        assert!(workloads(&report).flat_map(engines).any(answered), "{name}");
    }
}

#[test]
fn every_engine_for_records_passes_its_checks_from_one_producer_and_from_four() {
    let (names, report) = names_and_report(&["--element", "records", "--lengths", "24-200"]);
    // A change of placement may leave one class with part of the workloads; no figure is worse than none.
    let all: Vec<_> = placements(&report).iter().collect();
    for name in &names {
        for producers in [1, 4] {
            let mut engines = all
                .iter()
                .flat_map(|placement| records(placement, "24-200", producers))
                .filter(|e| e["name"] == **name)
                .peekable();
            let only_one = ["rtrb", "ringbuf", "bbqueue"].contains(&&**name);
            let only_several = ["crossbeam", "moodycamel-cq"].contains(&&**name);
            let expected = !(only_one && producers == 4 || only_several && producers == 1);
            assert_eq!(engines.peek().is_some(), expected, "{name}, {producers}");
            for engine in engines {
                assert!(engine["rtt_ns"].is_null() || producers == 1);
            }
        }
    }
    all_measured(&names, &report);
    let workload = &all[0]["workloads"][0];
    assert_eq!(workload["element"], "records");
    assert_eq!(workload["payload_bytes"], 112);
}

/// The workloads of all placements.
fn workloads(report: &Value) -> impl Iterator<Item = &Value> {
    placements(report)
        .iter()
        .flat_map(|placement| placement["workloads"].as_array().unwrap())
}

/// Every engine measured something wherever it is listed, and its rate somewhere: a class may have been seen during its
/// round trips alone.
fn all_measured(names: &[String], report: &Value) {
    let rate = |engine: &Value| engine["throughput_msgs_per_s"].as_f64() > Some(0.0);
    for engine in workloads(report).flat_map(engines) {
        let answers = engine["rtt_ns"].as_f64() > Some(0.0);
        assert!(rate(engine) || answers, "{engine}");
    }
    for name in names {
        let measured = |e: &Value| e["name"] == **name && rate(e);
        assert!(
            workloads(report).flat_map(engines).any(measured),
            "{name} has no rate"
        );
    }
}

#[test]
fn every_engine_with_competing_consumers_delivers_every_message_exactly_once() {
    let (names, report) = names_and_report(&["--kind", "mpmc"]);
    all_measured(&names, &report);
    let shape =
        |w: &Value| ["producers", "consumers", "batch"].map(|count| w[count].as_u64().unwrap());
    let four = workloads(&report).find(|w| shape(w) == [4, 4, 16]).unwrap();
    assert_eq!(four["kind"], "mpmc");
    let cores = report["machine"]["cores"].as_u64();
    assert!(four["oversubscribed"] == true || cores > Some(4));
}

#[test]
fn every_engine_for_broadcasts_delivers_every_message_to_every_reader() {
    let (names, report) = names_and_report(&["--kind", "broadcast"]);
    all_measured(&names, &report);
    for workload in workloads(&report) {
        let pair = workload["consumers"] == 1 && workload["batch"] == 1;
        for engine in engines(workload) {
            assert!(engine["rtt_ns"].is_null() || pair);
        }
    }
}

#[test]
fn readers_that_do_not_read_are_told_exactly_what_they_lost() {
    let (names, report) = names_and_report(&["--kind", "attached"]);
    assert_eq!(names, ["annulus"]);
    all_measured(&names, &report);
    let notes: Vec<_> = workloads(&report)
        .filter_map(|w| w["note"].as_str())
        .collect();
    assert!(notes.contains(&"200 lossy attached and asleep"));
    assert!(notes.contains(&"1 lossy attached and stopped"));
}

#[test]
fn an_unknown_engine_is_refused_with_the_names_of_the_known_ones() {
    let output = peers(&["--only", "nobody"]);
    assert_eq!(output.status.code(), Some(2));
    let message = String::from_utf8_lossy(&output.stderr);
    assert!(message.contains("nobody") && message.contains("rtrb"));
    assert!(output.stdout.is_empty());
}
