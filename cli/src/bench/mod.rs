//! `bench`: rings between two processes on two pinned cores, beside the floor of the hardware.
//!
//! The same way of measuring as benches/peers (both hand their engines to benches/scenario), with our own rings alone.

mod many;
mod records;
mod slots;

use crate::args::{BenchArgs, ElementName, KindName};
use crate::exit::{Failure, Kind, stdout_failed};
use crate::scenario::engine::Engine;
use crate::scenario::many::content::BYTES;
use crate::scenario::pin::{Cpus, pin_to};
use crate::scenario::records::lengths::{CLASSES, Lengths};
use crate::scenario::records::work::Records;
use crate::scenario::rounds::{Pace, Session};
use crate::scenario::traffic::Traffic;
use crate::scenario::{summary, table};
use crate::words;
use slots::PAYLOADS;
use std::path::Path;

/// What is measured unless said otherwise.
const SLOTS: [&str; 3] = ["8", "56", "1024"];
const RECORDS: [&str; 2] = ["24-200", "48"];
/// Producers, consumers or readers where there can be many.
const SEVERAL: u32 = 2;

/// Runs the command.
pub fn run(args: &BenchArgs) -> Result<(), Failure> {
    refuse_contradictions(args)?;
    match (args.kind, args.element) {
        (KindName::Spsc, ElementName::Slots) => {
            let known = PAYLOADS.map(|bytes| bytes.to_string());
            let find = |text: &str| PAYLOADS.into_iter().find(|n| n.to_string() == text);
            let payloads = chosen(args, &SLOTS, &known, find)?;
            measure(args, &payloads, &slots::engines())
        }
        (KindName::Spsc | KindName::Mpsc, ElementName::Records) => {
            let known = CLASSES.map(Lengths::name);
            let producers = match args.kind {
                KindName::Spsc => 1,
                _ => args.producers.unwrap_or(SEVERAL),
            };
            let find = |text: &str| {
                let lengths = Lengths::named(text)?;
                Some(Records { lengths, producers })
            };
            let payloads = chosen(args, &RECORDS, &known, find)?;
            let engines = match args.kind {
                KindName::Spsc => records::of_one(),
                _ => records::of_many(),
            };
            measure(args, &payloads, &engines)
        }
        _ => {
            let known = [BYTES.to_string()];
            let payload = chosen(args, &["56"], &known, |text| {
                (text == known[0]).then_some(())
            })?;
            let work = many::workloads(args)?;
            debug_assert!(!payload.is_empty());
            measure(args, &work, &many::engines(args.kind))
        }
    }
}

/// A choice that says nothing about what is measured would be ignored.
fn refuse_contradictions(args: &BenchArgs) -> Result<(), Failure> {
    use KindName::{Broadcast, Mpmc, Mpsc, Spmc, Spsc};
    let usage = |message: String| Err(Failure::new(Kind::Usage, message));
    for (option, said, kinds) in [
        ("--producers", args.producers.is_some(), &[Mpsc, Mpmc][..]),
        ("--consumers", args.consumers.is_some(), &[Spmc, Mpmc]),
        ("--readers", args.readers.is_some(), &[Broadcast]),
    ] {
        if said && !kinds.contains(&args.kind) {
            return usage(format!("{option} says nothing about this --kind"));
        }
    }
    if args.element == ElementName::Records && ![Spsc, Mpsc].contains(&args.kind) {
        return usage("--element records is measured with --kind spsc and mpsc".to_owned());
    }
    Ok(())
}

/// The payloads of the command line, or the usual ones.
fn chosen<W>(
    args: &BenchArgs,
    usual: &[&str],
    known: &[String],
    find: impl Fn(&str) -> Option<W>,
) -> Result<Vec<W>, Failure> {
    let said = args.payload.iter().map(String::as_str);
    let wanted: Vec<&str> = match args.payload.is_empty() {
        true => usual.to_vec(),
        false => said.collect(),
    };
    let one = |text: &str| {
        find(text).ok_or_else(|| {
            let known = known.join(", ");
            let message = format!("--payload {text}: the loops are made for {known} bytes");
            Failure::new(Kind::Usage, message)
        })
    };
    wanted.into_iter().map(one).collect()
}

/// Measures `engines` with each of `payloads` and prints what came out.
fn measure<W: Traffic>(
    args: &BenchArgs,
    payloads: &[W],
    engines: &[Box<dyn Engine<W>>],
) -> Result<(), Failure> {
    let failed = |message: String| Failure::new(Kind::Failed, message);
    let cpus = Cpus::choose().map_err(|e| failed(e.to_string()))?;
    pin_to(cpus.near).map_err(|e| failed(format!("pinning to a core: {e}")))?;
    let (pace, rounds) = match args.quick {
        true => (Pace::QUICK, 2),
        false => (Pace::FULL, 11),
    };
    let outcome = Session::new(engines, cpus, pace)
        .run(payloads, rounds)
        .map_err(failed)?;
    if !outcome.failures.is_empty() {
        return Err(failed(outcome.failures.join("\n")));
    }
    // The tree this program was built from; without it the commit is null.
    let tree = Path::new(env!("CARGO_MANIFEST_DIR"));
    let report = summary::report(&outcome, engines, tree);
    table::print(&report, args.json).map_err(stdout_failed)?;
    if let Some(sentence) = outcome.thrown_away() {
        words::tell(&sentence);
    }
    Ok(())
}
