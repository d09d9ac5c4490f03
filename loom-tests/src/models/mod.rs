//! The models, one file per question. Each function is one model; its test is in `tests/models.rs`.
//!
//! A model that lists outcomes asserts that each was seen and no other. A model says at its head whether it
//! is exhaustive; loom then tries every interleaving and every value a load may see.

pub mod batch;
pub mod broadcast_lies;
pub mod broadcast_records;
pub mod broadcast_slots;
pub mod close;
pub mod crash;
pub mod full;
pub mod header;
pub mod lies;
pub mod mpsc_claim;
pub mod mpsc_close;
pub mod mpsc_park;
pub mod mpsc_repair;
pub mod mpsc_settle;
pub mod mpsc_walk;
pub mod mpsc_wipe;
pub mod park;
pub mod publish;
pub mod records_crash;
pub mod records_full;
pub mod records_lies;
pub mod records_observe;
pub mod records_publish;
pub mod records_wrap;
pub mod shared;
pub mod shared_alone;
pub mod shared_drop;
pub mod shared_gate;
pub mod shared_lies;
pub mod shared_orphans;
pub mod shared_repair;
pub mod skip;
pub mod wrap;
