//! What may lie at a ring's name, and what the library says about it.
//!
//! Every case ends in a typed error that names what is wrong, leaves a stranger's object as it was, and
//! never hangs. Also: creation is all or nothing, when it is killed, raced, or runs out of space. Cases that
//! need privileges print why they are skipped where those are missing.

mod access;
mod creators;
mod descriptors;
mod header;
mod kinds;
mod options;
mod owners;
mod refused;
mod scratch;
mod space;
mod system_v;
mod taken;
mod time;

use crate::access::{role_nobody, role_umask};
use crate::creators::{role_churn, role_race};
use crate::owners::{
    role_giver, role_heir, role_set_maker, role_squatter, role_turned_away, role_visitor,
};
use crate::space::role_small_tmpfs;
use std::process::Command;

/// Runs a role of these tests in a process of its own.
pub fn child(role: &str, args: &[&str]) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("own path"));
    command
        .args([
            "--exact",
            "a_child_process_plays_its_role",
            "--nocapture",
            "--quiet",
        ])
        .env("ANNULUS_NAMES_ROLE", role)
        .env("ANNULUS_NAMES_ARGS", args.join("\n"));
    command
}

/// Runs a role to its end and panics with what it said if it failed.
pub fn run_child(role: &str, args: &[&str]) {
    let output = child(role, args).output().expect("start");
    let said = String::from_utf8_lossy(&output.stdout);
    for line in said.lines().filter(|l| l.contains("skipped")) {
        println!("{line}");
    }
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{role}: {said}\n{error}");
    assert!(said.contains("1 passed"), "{role} was not found: {said}");
}

/// Not a test by itself: what the other processes of these tests do.
#[test]
fn a_child_process_plays_its_role() {
    let Ok(role) = std::env::var("ANNULUS_NAMES_ROLE") else {
        return;
    };
    // SAFETY: an integer; should the test die, this process ends too.
    unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
    let args = std::env::var("ANNULUS_NAMES_ARGS").unwrap_or_default();
    let args: Vec<&str> = args.lines().collect();
    match role.as_str() {
        "umask" => role_umask(&args),
        "nobody" => role_nobody(&args),
        "churn" => role_churn(&args),
        "race" => role_race(&args),
        "squatter" => role_squatter(&args),
        "visitor" => role_visitor(&args),
        "turned away" => role_turned_away(&args),
        "heir" => role_heir(&args),
        "giver" => role_giver(&args),
        "set maker" => role_set_maker(&args),
        "small tmpfs" => role_small_tmpfs(&args),
        other => panic!("no role {other}"),
    }
}
