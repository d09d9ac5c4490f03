//! `bench`: rings between two processes on two pinned cores, beside the floor of the hardware.
//!
//! The same way of measuring as benches/peers (it shares benches/scenario with it), but nothing except our own rings.

mod harness;
mod rounds;
mod summary;

use crate::args::{BenchArgs, KindName};
use crate::exit::{Failure, Kind, stdout_failed};
use crate::scenario::machine::Machine;
use crate::scenario::pin::{Cpus, pin_to};
use crate::scenario::report::Report;
use crate::scenario::table;
use crate::words;
use rounds::{Pace, Session};
use std::path::Path;

/// Message sizes the loops are compiled for, in bytes.
const PAYLOADS: [usize; 7] = [8, 56, 120, 256, 1024, 4096, 65536];

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
    let pace = if args.quick { Pace::QUICK } else { Pace::FULL };
    let outcome = Session::new(cpus, pace)
        .run(&args.payload)
        .map_err(failed)?;
    let report = Report {
        // The tree this program was built from; without it the commit is null.
        machine: Machine::describe(Path::new(env!("CARGO_MANIFEST_DIR"))),
        placements: summary::placements(&outcome),
    };
    table::print(&report, args.json).map_err(stdout_failed)?;
    if outcome.mixed > 0 {
        words::tell(&format!(
            "{} rounds were thrown away: the placement of the cores changed within them",
            outcome.mixed
        ));
    }
    Ok(())
}
