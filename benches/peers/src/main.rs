//! Annulus beside its peers, on the same two pinned cores in the same second.
//!
//! The measuring happens in one forked worker; this process waits for it and removes what a killed worker left behind.
//! Exit status: 0 when every engine delivered every message intact, 1 when one did not, 2 for a wrong command line.

#[allow(dead_code, reason = "every program that includes it uses a part")]
#[path = "../../scenario/mod.rs"]
mod scenario;

mod args;
mod engines;

use std::path::Path;
use std::process::ExitCode;

use args::{Args, USAGE};
use engines::Work;
use scenario::engine::Engine;
use scenario::pin::{Cpus, pin_to};
use scenario::rounds::{Pace, Session};
use scenario::{child, summary, table};

fn main() -> ExitCode {
    let args = match Args::parse(std::env::args().skip(1)) {
        Ok(args) => args,
        Err(message) => {
            eprintln!("{message}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    let cpus = match Cpus::choose() {
        Ok(cpus) => cpus,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::FAILURE;
        }
    };
    let workloads = args.workloads(cpus.cores());
    let engines = match chosen(&args, &workloads) {
        Ok(engines) => engines,
        Err(message) => {
            eprintln!("{message}");
            return ExitCode::from(2);
        }
    };
    if args.list {
        // One name may stand for two ways of waiting.
        let mut names: Vec<_> = engines.iter().map(|engine| engine.traits().name).collect();
        names.sort_unstable();
        names.dedup();
        println!("{}", names.join("\n"));
        return ExitCode::SUCCESS;
    }
    engines::begin_run();
    match supervised(|| measure(&args, cpus, &workloads, &engines)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}

/// The engines that carry any of the workloads and are not left out by name.
fn chosen(args: &Args, workloads: &[Work]) -> Result<Vec<Box<dyn Engine<Work>>>, String> {
    let mut all = engines::all();
    all.retain(|engine| workloads.iter().any(|&work| engine.carries(work)));
    let Some(only) = &args.only else {
        return Ok(all);
    };
    let known: Vec<_> = all.iter().map(|engine| engine.traits().name).collect();
    if let Some(name) = only.iter().find(|name| !known.contains(&name.as_str())) {
        let known = known.join(", ");
        return Err(format!(
            "--only {name}: built with {known} for what is to be measured"
        ));
    }
    all.retain(|engine| only.iter().any(|name| name == engine.traits().name));
    Ok(all)
}

/// Runs `work` in a child and cleans up after it, however it ended.
fn supervised(work: impl FnOnce() -> Result<(), String>) -> Result<(), String> {
    // SAFETY: ignoring a signal has no preconditions. The worker, in the same process group, gets its own copy.
    let before = unsafe { libc::signal(libc::SIGINT, libc::SIG_IGN) };
    let worker = child::spawn(|| {
        // SAFETY: `before` is the disposition this process had a moment ago.
        unsafe { libc::signal(libc::SIGINT, before) };
        work()
    })
    .map_err(|error| format!("fork: {error}"))?;
    let ended = worker.join();
    engines::sweep();
    ended
}

fn measure(
    args: &Args,
    cpus: Cpus,
    workloads: &[Work],
    engines: &[Box<dyn Engine<Work>>],
) -> Result<(), String> {
    pin_to(cpus.near).map_err(|error| format!("pinning: {error}"))?;
    let pace = if args.quick { Pace::QUICK } else { Pace::FULL };
    let outcome = Session::new(engines, cpus, pace).run(workloads, args.rounds)?;
    let tree = Path::new(env!("CARGO_MANIFEST_DIR"));
    let report = summary::report(&outcome, engines, tree);
    table::print(&report, args.json).map_err(|error| format!("output: {error}"))?;
    if let Some(sentence) = outcome.thrown_away() {
        eprintln!("{sentence}");
    }
    if outcome.failures.is_empty() {
        Ok(())
    } else {
        Err(outcome.failures.join("\n"))
    }
}
