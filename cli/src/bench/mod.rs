//! `bench`: rings between two processes on two pinned cores, beside the floor of the hardware.
//!
//! The same way of measuring as benches/peers (both hand their engines to benches/scenario), with our own rings alone.

mod ours;

use crate::args::{BenchArgs, KindName};
use crate::exit::{Failure, Kind, stdout_failed};
use crate::scenario::ours::{Parking, Spinning};
use crate::scenario::pin::{Cpus, pin_to};
use crate::scenario::rounds::{Pace, Session};
use crate::scenario::{summary, table};
use crate::words;
use ours::{Ours, PAYLOADS};
use std::path::Path;

/// Runs the command.
pub fn run(args: &BenchArgs) -> Result<(), Failure> {
    let KindName::Spsc = args.kind;
    if let Some(odd) = args.payload.iter().find(|bytes| !PAYLOADS.contains(bytes)) {
        let known = PAYLOADS.map(|bytes| bytes.to_string()).join(", ");
        let message = format!("--payload {odd}: the loops are compiled for {known} bytes");
        return Err(Failure::new(Kind::Usage, message));
    }
    let failed = |message: String| Failure::new(Kind::Failed, message);
    let cpus = Cpus::choose().map_err(|e| failed(e.to_string()))?;
    pin_to(cpus.near).map_err(|e| failed(format!("pinning to a core: {e}")))?;
    let (pace, rounds) = match args.quick {
        true => (Pace::QUICK, 2),
        false => (Pace::FULL, 11),
    };
    let engines = [Ours::<Spinning>::engine(), Ours::<Parking>::engine()];
    let outcome = Session::new(&engines, cpus, pace)
        .run(&args.payload, rounds)
        .map_err(failed)?;
    if !outcome.failures.is_empty() {
        return Err(failed(outcome.failures.join("\n")));
    }
    // The tree this program was built from; without it the commit is null.
    let tree = Path::new(env!("CARGO_MANIFEST_DIR"));
    let report = summary::report(&outcome, &engines, tree);
    table::print(&report, args.json).map_err(stdout_failed)?;
    if let Some(sentence) = outcome.thrown_away() {
        words::tell(&sentence);
    }
    Ok(())
}
