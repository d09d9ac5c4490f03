//! Runs each mutant of `mutants.rs` and compares its fate with the one listed: a model that cannot fail proves nothing.
//!
//! Each runs in a process of its own (this test binary, asked for one mutant), because a model that fails may
//! leave loom in no state to go on. Mutants listed as survivors must pass; they also show that the copies work.

#[allow(dead_code)] // The edits matter to the build script only.
#[path = "../mutants.rs"]
mod table;

include!(concat!(env!("OUT_DIR"), "/mutants.rs"));

use std::process::Command;
use std::sync::{Mutex, OnceLock};
use std::thread;
use table::{Fate, Mutant};

/// Names the one mutant a child process is to run.
const ONE: &str = "ANNULUS_MUTANT";

/// Whether `mutant` is the one to run; asked by the copies that several share.
fn is_chosen(mutant: &str) -> bool {
    static CHOSEN: OnceLock<String> = OnceLock::new();
    CHOSEN.get_or_init(|| std::env::var(ONE).unwrap_or_default()) == mutant
}

/// Not a test by itself: what the child processes run. Without a name it has nothing to do.
#[test]
fn the_mutant_named_in_the_environment_runs() {
    if let Ok(name) = std::env::var(ONE) {
        run(&name);
    }
}

/// What became of `mutant`: `Ok` is the fate listed.
fn fate_of(mutant: &Mutant) -> Result<String, String> {
    let child = Command::new(std::env::current_exe().expect("the test binary has a path"))
        .args([
            "--exact",
            "the_mutant_named_in_the_environment_runs",
            "--nocapture",
        ])
        .env(ONE, mutant.name)
        .env("RUST_BACKTRACE", "0")
        .output()
        .expect("the test binary can run itself");
    let said = String::from_utf8_lossy(&child.stderr);
    match (child.status.success(), mutant.fate) {
        (false, Fate::Caught(sign)) if said.contains(sign) => Ok(format!("caught: {sign}")),
        (false, Fate::Caught(sign)) => Err(format!("failed without saying `{sign}`: {said}")),
        (true, Fate::Survives(why)) => Ok(format!("survives: {why}")),
        (true, Fate::Caught(_)) => Err("was not noticed".into()),
        (false, Fate::Survives(_)) => Err(format!("is listed as a survivor, yet: {said}")),
    }
}

#[test]
fn every_spoilt_edge_is_noticed_by_the_model_that_names_it() {
    assert!(
        STALE.is_empty(),
        "mutants that no longer fit the sources: {STALE:#?}"
    );
    let waiting = Mutex::new(table::all());
    let wrong = Mutex::new(Vec::new());
    let workers = thread::available_parallelism().map_or(2, |n| n.get().min(8));
    thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                loop {
                    let next = waiting.lock().expect("no worker panics with it").next();
                    let Some(mutant) = next else { return };
                    let fate = fate_of(mutant);
                    println!("{:6} {:40} {fate:?}", mutant.edge, mutant.name);
                    if let Err(why) = fate {
                        let mut wrong = wrong.lock().expect("no worker panics with it");
                        wrong.push(format!("{}: {why}", mutant.name));
                    }
                }
            });
        }
    });
    let wrong = wrong.into_inner().expect("no worker panics with it");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
