//! The protocols of annulus under a model checker.
//!
//! The modules `layout`, `ring` and `wait` are the files that ship, taken in by path. Beside them stands
//! another [`sync`], made of loom's atomics. Nothing in the shipped files knows about this crate, and the
//! shipped crate never names loom.
//!
//! [`models`] holds the models, as plain functions; `tests/models.rs` runs them. `tests/mutants.rs` runs them
//! again on copies of the shipped files that were each spoilt in one place, and wants them to fail: a model
//! that cannot fail proves nothing. `docs/ORDERINGS.md` says which edge is checked by which model.
//!
//! What loom cannot see is written at the end of `docs/ORDERINGS.md`.

// The models use the parts of the shipped modules that their questions need; the rest is used elsewhere.
#![allow(dead_code)]

mod bells;
mod layout;
mod rig;
mod rig_broadcast;
mod rig_records;
mod rig_shared;
mod sync;
mod table;

pub mod models;

#[path = "../../src/ring/mod.rs"]
mod ring;

#[path = "../../src/wait/mod.rs"]
mod wait;
