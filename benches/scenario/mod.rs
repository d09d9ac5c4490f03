//! What every benchmark of Annulus shares: two pinned cores, a forked partner, the floor, figures and their report.
//!
//! Included by `#[path]` from several programs; depends on libc, serde and serde_json, and in `ours` and `many::ours` alone on annulus.
//! It measures the machine and whatever engines the program hands it, in turns, and describes the results.
//!
//! Invariants: time is CLOCK_MONOTONIC; a figure that was not measured is `None` (JSON null), never 0.

pub mod child;
pub mod clock;
pub mod copying;
pub mod engine;
pub mod floor;
pub mod handoff;
pub mod harness;
pub mod load;
pub mod loops;
pub mod machine;
pub mod many;
pub mod message;
pub mod opaque;
pub mod ours;
pub mod pin;
pub mod records;
pub mod report;
pub mod rounds;
pub mod shared;
pub mod slices;
pub mod stats;
pub mod summary;
pub mod table;
pub mod traffic;
