//! What is measured, behind one face.
//!
//! An engine says what it is and measures one stream or one series of round trips; it keeps no figures.

use super::pin::Cpus;
use super::slices::{Plan, Slice};

/// What the two sides are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Across {
    /// Two processes that share memory or a descriptor.
    Processes,
    /// Two threads of one process, because the engine cannot cross processes.
    Threads,
}

/// What the engine is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WrittenIn {
    /// A Rust crate.
    Rust,
    /// A C header.
    C,
    /// A C++ header.
    Cpp,
    /// A facility of the kernel.
    Kernel,
}

/// How a side waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// Polls.
    Spin,
    /// Sleeps in the kernel.
    Park,
}

impl Wait {
    /// The way of waiting as the report calls it.
    pub const fn name(self) -> &'static str {
        match self {
            Wait::Spin => "spin",
            Wait::Park => "park",
        }
    }
}

/// What an engine is.
#[derive(Clone, Copy, Debug)]
pub struct Traits {
    /// Its name in tables and in `--only`.
    pub name: &'static str,
    /// Threads or processes.
    pub across: Across,
    /// Language.
    pub written_in: WrittenIn,
    /// Way of waiting.
    pub wait: Wait,
}

/// One ring implementation that can be measured with traffic of kind `W`; a `usize` is slots of so many bytes.
pub trait Engine<W = usize> {
    /// What it is.
    fn traits(&self) -> Traits;
    /// Whether it can carry such traffic at all; what it cannot carry it is not asked to.
    fn carries(&self, _traffic: W) -> bool {
        true
    }
    /// The slices of a stream of messages. The calling thread must be pinned to `cpus.near`.
    /// An error says what went wrong, a size the engine is not compiled for included.
    fn throughput(&self, cpus: Cpus, traffic: W, plan: Plan) -> Result<Vec<Slice>, String>;
    /// The slices of a series of round trips, through one ring per direction. Otherwise as `throughput`.
    fn rtt(&self, cpus: Cpus, traffic: W, plan: Plan) -> Result<Vec<Slice>, String>;
}
