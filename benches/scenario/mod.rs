//! What every benchmark of Annulus shares: two pinned cores, a forked partner, the floor, figures and their report.
//!
//! Included by `#[path]` from several programs; depends on libc, serde and serde_json, never on annulus.
//! It measures the machine and describes results. It never measures an engine.
//!
//! Invariants: time is CLOCK_MONOTONIC; a figure that was not measured is `None` (JSON null), never 0.

pub mod child;
pub mod clock;
pub mod copying;
pub mod floor;
pub mod handoff;
pub mod load;
pub mod machine;
pub mod pin;
pub mod report;
pub mod shared;
pub mod stats;
pub mod table;
