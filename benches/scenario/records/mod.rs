//! Variable-length records: their lengths, their bytes, the loops that move them and the parties that run the loops.
//!
//! One ring carries records in one direction, from one or several producers to one consumer; a round trip takes two.
//! Invariants: every engine copies a record in full out of memory the compiler knows nothing about and in full into the
//! consumer's own memory; before the clock two laps of numbered records have passed with every byte compared.

pub mod content;
pub mod harness;
pub mod lengths;
pub mod loops;
pub mod ours;
pub mod parties;
pub mod work;
