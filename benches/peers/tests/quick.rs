//! Runs the built program: every engine delivers every message intact, and the JSON has the shape tools rely on.

use std::process::{Command, Output};

use serde_json::Value;

fn peers(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_annulus-peers"))
        .args(arguments)
        .output()
        .expect("the program starts")
}

#[test]
fn every_engine_passes_its_checks_and_the_json_is_one_object_with_null_for_what_was_not_measured() {
    let list = peers(&["--list"]);
    let names = String::from_utf8(list.stdout).unwrap();
    let output = peers(&["--quick", "--json", "--rounds", "1", "--payload", "56"]);
    let table = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{table}");
    let report: Value = serde_json::from_slice(&output.stdout).expect("one JSON object on stdout");
    assert!(report["machine"]["cores"].as_u64() >= Some(2));
    let placements = report["placements"].as_array().unwrap();
    assert!(!placements.is_empty(), "{table}");
    for placement in placements {
        assert!(placement["floor_rtt_ns"].as_f64() > Some(0.0));
        let workloads = placement["workloads"].as_array().unwrap();
        let engines = || {
            workloads
                .iter()
                .flat_map(|w| w["engines"].as_array().unwrap())
        };
        for name in names.lines() {
            let engine = engines()
                .find(|e| e["name"] == name)
                .expect("every engine is reported");
            assert!(engine["throughput_msgs_per_s"].as_f64() > Some(0.0));
            assert!(engine["rtt_ns"].as_f64() > Some(0.0));
            assert!(engine["p50_ns"].is_null());
        }
    }
}

#[test]
fn an_unknown_engine_is_refused_with_the_names_of_the_known_ones() {
    let output = peers(&["--only", "nobody"]);
    assert_eq!(output.status.code(), Some(2));
    let message = String::from_utf8_lossy(&output.stderr);
    assert!(message.contains("nobody") && message.contains("rtrb"));
    assert!(output.stdout.is_empty());
}
