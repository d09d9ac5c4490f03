//! Rings that several parties share: many producers and competing consumers, or one producer and readers that all see
//! everything.
//!
//! Messages have 56 bytes and say who sent them. Invariants: every engine copies a message in full out of memory the
//! compiler knows nothing about and in full into the consumer's own memory; before the clock two laps have passed in which
//! every message was accounted for and every byte compared; the parties sit on the same cores and wait in the same way for every
//! engine.

pub mod books;
pub mod content;
pub mod harness;
pub mod loops;
pub mod ours;
pub mod work;
