//! What a stranger's bytes, and a stranger's stores, can do to whoever opens a ring and takes part in it.
//!
//! Each target is a function of bytes here, so that seeds can be run without a fuzzing engine (`tests/corpus.rs`); the
//! files in `fuzz_targets/` hand them to one. Only the public interface of the library is used. Rings are sealed memory
//! files, so nothing is left behind and nothing can be truncated under the library's hands.

pub mod attach;
pub mod ends;
pub mod exercise;
pub mod header;
pub mod image;
pub mod participants;
pub mod play;
pub mod queues;
pub mod records;
pub mod seeds;

/// The targets by name. Each says as how many kinds the ring of its input could be opened.
pub const TARGETS: [(&str, fn(&[u8]) -> usize); 5] = [
    ("attach", attach::run),
    ("header", header::run),
    ("records", records::run),
    ("queues", queues::run),
    ("participants", participants::run),
];
