//! Kills at every instruction: every kind of ring, both sides, everything that can be done.
//!
//! A process that does something with a ring is led from its first mark by so many system calls and instructions of
//! user mode, and killed (SIGKILL). Then the survivors must do their work within seconds (what they find after
//! milliseconds, and are only given because the machine may have other work), all messages must be accounted for, and
//! newcomers must be able to attach and exchange messages. The next victim is led one instruction further.
//!
//! Kinds of rings take turns on the processors there are.
//!
//! | variable | meaning | unless set |
//! |---|---|---|
//! | `ANNULUS_POINTS` | how many instructions of each operation somebody is killed at, or `all` | 2 |
//! | `ANNULUS_RECORD` | a file that the numbers of kills and failures are written to | none |
//! | `ANNULUS_SEED` | repeats which instructions those are | another each time |
//!
//! A failure does not stop the others: it is printed and counted, and the test fails at the end.
//!
//! For x86-64, because `trace.rs` looks for the instruction that enters the kernel.

#![cfg(target_arch = "x86_64")]

#[path = "../common/mod.rs"]
mod common;

mod broadcasts;
mod operations;
mod points;
mod queues;
mod record;
mod trace;

use annulus::{
    Broadcast, BroadcastRecords, Mpmc, Mpsc, MpscRecords, Spmc, Spsc, SpscRecords, WaitBackend,
};
use common::child::{self, Child};
use common::kinds::{Place, Sort, role};
use common::number_from_env;
use common::page::Page;
use common::payload::Note;
use common::rng::{self, SeedOnFailure};
use common::spec::Via;

#[test]
fn a_child_plays_the_role_it_was_given() {
    child::play(&[
        ("spsc lead", queues::lead::<Spsc<Note>>),
        ("mpsc lead", queues::lead::<Mpsc<Note>>),
        ("spmc lead", queues::lead::<Spmc<Note>>),
        ("mpmc lead", queues::lead::<Mpmc<Note>>),
        ("spsc_records lead", queues::lead::<SpscRecords>),
        ("mpsc_records lead", queues::lead::<MpscRecords>),
        ("slots lead", broadcasts::lead::<Broadcast<Note>>),
        ("records lead", broadcasts::lead::<BroadcastRecords>),
    ]);
}

/// Where the rings are, and how their ends sleep.
const PLACES: [(&str, Via, WaitBackend); 3] = [
    ("posix_shm", Via::Shm, WaitBackend::Futex),
    ("system_v", Via::SysvName, WaitBackend::Futex),
    ("posix_shm_semaphores", Via::Shm, WaitBackend::Semaphore),
];

/// Kills ends of rings of the kind `K` in each place, and keeps the record.
fn killed_everywhere<K: Sort>(kind: &str, capacity: u64) {
    let (processor, _taken) = points::processor();
    let seed = rng::seed();
    let _told = SeedOnFailure(seed);
    let points = match std::env::var("ANNULUS_POINTS").as_deref() {
        Ok("all") => 0,
        _ => number_from_env("ANNULUS_POINTS", 2).max(1),
    };
    let mut failed = Vec::new();
    for (name, via, back_end) in PLACES {
        let mut place = Place::new(via, capacity);
        place.spec.back_end = back_end;
        let _gone = place.cleanup();
        let page = Page::new(4);
        let args = place.args().with("seed", seed).with("points", points);
        let args = args.with("processor", processor);
        let args = args.with("page", page.path().to_str().expect("text"));
        let mut child = Child::start(&role::<K>("lead"), args);
        loop {
            let told = child.hear();
            let words: Vec<&str> = told.split('|').collect();
            match words[..] {
                ["row", operation, side, points, failures, ms] => {
                    println!("{kind} {name}: {operation}: {points} kills in {ms} ms");
                    let row = format!(
                        "{kind},{name},\"{operation}\",{},{points},{failures}",
                        side.to_lowercase()
                    );
                    record::add(row, number(points), number(failures));
                }
                ["failed", what] => failed.push(format!("{kind} {name}: {what}")),
                _ => break,
            }
        }
        child.finish();
    }
    record::write();
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

fn number(text: &str) -> u64 {
    text.parse().expect("a number")
}

#[test]
fn an_end_of_an_spsc_ring_killed_at_any_instruction_stops_nobody() {
    killed_everywhere::<Spsc<Note>>("spsc", 16);
}

#[test]
fn an_end_of_an_mpsc_ring_killed_at_any_instruction_stops_nobody() {
    killed_everywhere::<Mpsc<Note>>("mpsc", 16);
}

#[test]
fn an_end_of_an_spmc_ring_killed_at_any_instruction_stops_nobody() {
    killed_everywhere::<Spmc<Note>>("spmc", 16);
}

#[test]
fn an_end_of_an_mpmc_ring_killed_at_any_instruction_stops_nobody() {
    killed_everywhere::<Mpmc<Note>>("mpmc", 16);
}

#[test]
fn an_end_of_an_spsc_ring_of_records_killed_at_any_instruction_stops_nobody() {
    killed_everywhere::<SpscRecords>("spsc_records", 1024);
}

#[test]
fn an_end_of_an_mpsc_ring_of_records_killed_at_any_instruction_stops_nobody() {
    killed_everywhere::<MpscRecords>("mpsc_records", 1024);
}

#[test]
fn an_end_of_a_broadcast_of_slots_killed_at_any_instruction_stops_nobody() {
    killed_everywhere::<Broadcast<Note>>("broadcast", 16);
}

#[test]
fn an_end_of_a_broadcast_of_records_killed_at_any_instruction_stops_nobody() {
    killed_everywhere::<BroadcastRecords>("broadcast_records", 1 << 12);
}
