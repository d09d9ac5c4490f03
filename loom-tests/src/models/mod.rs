//! The models, one file per question. Each function is one model; its test is in `tests/models.rs`.
//!
//! A model that lists outcomes asserts that each was seen and no other. A model says at its head whether it
//! is exhaustive; loom then tries every interleaving and every value a load may see.

pub mod batch;
pub mod close;
pub mod crash;
pub mod full;
pub mod header;
pub mod lies;
pub mod park;
pub mod publish;
pub mod skip;
pub mod wrap;
