//! The C ABI of annulus.
//!
//! Every function does one thing of the Rust API behind an opaque handle. Nothing here starts a thread,
//! installs a signal handler or writes a log.
//!
//! # Invariants
//! * Nothing unwinds into C: every body runs inside `failure::guard`, but for those that only read constants
//!   and what the thread has kept.
//! * No enum crosses the boundary: numbers are `int32_t` and are checked before they become enums.
//! * A pointer is checked for NULL before it is used. What else it must be is listed under `# Safety`.
//! * Numbers and structs are only ever appended to. Anything else is a new `ANNULUS_C_ABI`, which is a new
//!   SONAME (`build.rs`).
//!
//! `include/annulus.h` is generated from these files; `tests/run.rs` checks that it is up to date.

// In the order of the header.
pub mod version;

pub mod code;

pub mod failure;

pub mod waiting;

pub mod options;

pub mod ring;

pub mod producer;

pub mod consumer;

pub mod pointer;
