//! The table for people.
//!
//! Shows what the report holds and nothing else; a figure that was not measured is a dash.

use std::fmt::Write;
use std::io;

use super::report::{EngineFigures, OURS, Placement, Ratios, Report, Workload};

/// When others use more of the two cores than this, the table says that the machine was not quiet.
const QUIET: f64 = 0.05;

/// Prints the table to stdout; with `json` the table goes to stderr and the one JSON object to stdout.
pub fn print(report: &Report, json: bool) -> io::Result<()> {
    use std::io::Write;
    let text = render(report);
    if json {
        io::stderr().write_all(text.as_bytes())?;
        let mut out = io::stdout().lock();
        serde_json::to_writer(&mut out, report)?;
        writeln!(out)?;
        out.flush()
    } else {
        let mut out = io::stdout().lock();
        out.write_all(text.as_bytes())?;
        out.flush()
    }
}

/// The table as text.
pub fn render(report: &Report) -> String {
    let mut out = String::new();
    let machine = &report.machine;
    let unknown = |text: &Option<String>| text.clone().unwrap_or_else(|| String::from("unknown"));
    let cores = machine
        .cores
        .map_or_else(|| String::from("?"), |n| n.to_string());
    line(
        &mut out,
        &format!(
            "{}, {cores} cores, kernel {}, commit {}",
            unknown(&machine.cpu),
            unknown(&machine.kernel),
            unknown(&machine.commit)
        ),
    );
    for placement in &report.placements {
        placement_header(&mut out, placement);
        if let Some(share) = placement.others_share
            && share > QUIET
        {
            let percent = share * 100.0;
            line(
                &mut out,
                &format!(
                    "  disturbed: others used {percent:.0} % of the two cores; these figures are no record"
                ),
            );
        }
        for workload in &placement.workloads {
            workload_table(&mut out, workload, placement.floor_rtt_ns);
        }
    }
    out
}

fn placement_header(out: &mut String, placement: &Placement) {
    line(
        out,
        &format!(
            "\n{}: {} rounds; floor round trip {} ns {}, two lines {} ns; line hand-off {} M/s; memcpy 1024 B {} GB/s",
            placement.class,
            placement.rounds,
            figure(placement.floor_rtt_ns, 1.0),
            pair(placement.floor_rtt_quartiles_ns, 1.0),
            figure(placement.floor_two_line_rtt_ns, 1.0),
            figure(placement.handoff_lines_per_s, 1e6),
            figure(placement.memcpy_1024_gb_per_s, 1.0),
        ),
    );
}

fn workload_table(out: &mut String, workload: &Workload, floor: Option<f64>) {
    line(out, &title(workload));
    line(
        out,
        &format!(
            "    {:<18} {:<9} {:>9} {:>19} {:>6} {:>10} {:>19} {:>9}",
            "engine",
            "across",
            "M msg/s",
            "quartiles",
            "slices",
            "RTT ns",
            "quartiles",
            "RTT/floor"
        ),
    );
    for engine in &workload.engines {
        engine_line(out, engine, floor);
    }
    for engine in &workload.engines {
        match &engine.ours {
            _ if workload.consumers == 0 || workload.note.is_some() => cost_line(out, engine),
            Some(ratios) => ratios_line(out, &engine.name, ratios),
            None => (),
        }
    }
}

/// What the workload is, in one line.
fn title(workload: &Workload) -> String {
    let several = |count: u32| if count == 1 { "" } else { "s" };
    let size = match &workload.payload {
        Some(class) => class.clone(),
        None => workload.payload_bytes.to_string(),
    };
    let mut title = format!(
        "\n  {} {}, {size} bytes, batch {}, {}, {} producer{}, {} consumer{}",
        workload.kind,
        workload.element,
        workload.batch,
        workload.wait,
        workload.producers,
        several(workload.producers),
        workload.consumers,
        several(workload.consumers),
    );
    if let Some(note) = &workload.note {
        title.push_str(", ");
        title.push_str(note);
    }
    if workload.oversubscribed {
        title.push_str(", oversubscribed");
    }
    title
}

/// The time of one message beside its rate, for workloads in which nobody has to receive.
fn cost_line(out: &mut String, engine: &EngineFigures) {
    let ns = engine.throughput_msgs_per_s.map(|rate| 1e9 / rate);
    line(
        out,
        &format!("    {}: {} ns per message", engine.name, figure(ns, 1.0)),
    );
}

fn ratios_line(out: &mut String, name: &str, ratios: &Ratios) {
    let ours = if name == OURS { "ours" } else { name };
    line(
        out,
        &format!(
            "    {ours}/best peer {}, {ours}/best Rust peer {}, {ours}/floor RTT {}, best peer/{ours} RTT {}",
            ratio(ratios.over_best_peer_throughput),
            ratio(ratios.over_best_rust_peer_throughput),
            ratio(ratios.over_floor_rtt),
            ratio(ratios.best_peer_over_rtt),
        ),
    );
}

fn engine_line(out: &mut String, engine: &EngineFigures, floor: Option<f64>) {
    let over_floor = engine.rtt_over_floor(floor);
    line(
        out,
        &format!(
            "    {:<18} {:<9} {:>9} {:>19} {:>6} {:>10} {:>19} {:>9}",
            engine.name,
            engine.across,
            figure(engine.throughput_msgs_per_s, 1e6),
            pair(engine.throughput_quartiles_msgs_per_s, 1e6),
            count(engine.slices),
            figure(engine.rtt_ns, 1.0),
            pair(engine.rtt_quartiles_ns, 1.0),
            ratio(over_floor),
        ),
    );
}

fn line(out: &mut String, text: &str) {
    // Writing to a String cannot fail.
    let _ = writeln!(out, "{text}");
}

/// Three digits where it is small, none behind the point where it is large.
fn figure(value: Option<f64>, unit: f64) -> String {
    match value.map(|v| v / unit) {
        None => String::from("-"),
        Some(v) if v < 10.0 => format!("{v:.2}"),
        Some(v) if v < 1000.0 => format!("{v:.1}"),
        Some(v) => format!("{v:.0}"),
    }
}

fn pair(values: Option<[f64; 2]>, unit: f64) -> String {
    match values {
        None => String::from("-"),
        Some([low, high]) => format!("[{} {}]", figure(Some(low), unit), figure(Some(high), unit)),
    }
}

fn count(value: Option<u32>) -> String {
    value.map_or_else(|| String::from("-"), |n| n.to_string())
}

fn ratio(value: Option<f64>) -> String {
    value.map_or_else(|| String::from("-"), |v| format!("{v:.2}"))
}
