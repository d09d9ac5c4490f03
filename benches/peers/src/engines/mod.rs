//! The engines: ours and its peers, behind one face.
//!
//! An engine for slots is a family of links, one per message size; engines for records are in `records`,
//! those for rings that several parties share in `many`. None keeps figures.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::scenario::engine::{Across, Engine, Traits, Wait, WrittenIn};
use crate::scenario::harness::{self, Link};
use crate::scenario::many::work::Many;
use crate::scenario::ours::{Parking, Spinning};
use crate::scenario::pin::Cpus;
use crate::scenario::records::work::Records;
use crate::scenario::slices::{Plan, Slice};
use crate::scenario::traffic::{Description, Traffic};

mod annulus;
pub mod attached;
#[cfg(any(have_boost, have_moodycamel))]
mod cpp;
mod iceoryx;
mod kernel;
mod many;
mod records;
mod shaq;
mod thread_rings;

/// Payload sizes the engines are compiled for, in bytes.
pub const PAYLOADS: [usize; 3] = [8, 56, 1024];

/// What the engines are measured with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Work {
    /// Slots of so many bytes, out of `PAYLOADS`.
    Slots(usize),
    /// Records.
    Records(Records),
    /// Slots of 56 bytes through a ring that several parties share.
    Many(Many),
    /// A broadcast to readers that do not read, or to one that does.
    Attached(attached::Readers),
}

impl Traffic for Work {
    fn shortest_stream(self) -> u64 {
        match self {
            Work::Slots(payload) => payload.shortest_stream(),
            Work::Records(records) => records.shortest_stream(),
            Work::Many(many) => many.shortest_stream(),
            Work::Attached(readers) => readers.shortest_stream(),
        }
    }

    fn stretch(self) -> u64 {
        match self {
            Work::Slots(payload) => payload.stretch(),
            Work::Records(records) => records.stretch(),
            Work::Many(many) => many.stretch(),
            Work::Attached(readers) => readers.stretch(),
        }
    }

    fn is_between_two(self) -> bool {
        match self {
            Work::Slots(payload) => payload.is_between_two(),
            Work::Records(records) => records.is_between_two(),
            Work::Many(many) => many.is_between_two(),
            Work::Attached(readers) => readers.is_between_two(),
        }
    }

    fn is_oversubscribed(self) -> bool {
        match self {
            Work::Slots(payload) => payload.is_oversubscribed(),
            Work::Records(records) => records.is_oversubscribed(),
            Work::Many(many) => many.is_oversubscribed(),
            Work::Attached(readers) => readers.is_oversubscribed(),
        }
    }

    fn has_round_trips(self) -> bool {
        match self {
            Work::Slots(payload) => payload.has_round_trips(),
            Work::Records(records) => records.has_round_trips(),
            Work::Many(many) => many.has_round_trips(),
            Work::Attached(readers) => readers.has_round_trips(),
        }
    }

    fn described(self) -> Description {
        match self {
            Work::Slots(payload) => payload.described(),
            Work::Records(records) => records.described(),
            Work::Many(many) => many.described(),
            Work::Attached(readers) => readers.described(),
        }
    }
}

/// An engine's link for every message size.
trait Family {
    /// What it is.
    const TRAITS: Traits;
    /// Its pair of rings for messages of `WORDS` words.
    type Link<const WORDS: usize>: Link;
}

/// The one way from a family to an engine.
struct Entry<F>(std::marker::PhantomData<F>);

impl<F: Family> Engine<Work> for Entry<F> {
    fn traits(&self) -> Traits {
        F::TRAITS
    }

    fn carries(&self, work: Work) -> bool {
        matches!(work, Work::Slots(_))
    }

    fn throughput(&self, cpus: Cpus, work: Work, plan: Plan) -> Result<Vec<Slice>, String> {
        match work {
            Work::Slots(8) => harness::stream::<F::Link<1>>(cpus, plan),
            Work::Slots(56) => harness::stream::<F::Link<7>>(cpus, plan),
            Work::Slots(1024) => harness::stream::<F::Link<128>>(cpus, plan),
            _ => Err(format!("not compiled for {}", work.described().size())),
        }
    }

    fn rtt(&self, cpus: Cpus, work: Work, plan: Plan) -> Result<Vec<Slice>, String> {
        match work {
            Work::Slots(8) => harness::round_trips::<F::Link<1>>(cpus, plan),
            Work::Slots(56) => harness::round_trips::<F::Link<7>>(cpus, plan),
            Work::Slots(1024) => harness::round_trips::<F::Link<128>>(cpus, plan),
            _ => Err(format!("not compiled for {}", work.described().size())),
        }
    }
}

fn engine<F: Family + 'static>() -> Box<dyn Engine<Work>> {
    Box::new(Entry::<F>(std::marker::PhantomData))
}

/// The number of this run, which every name it makes outside its memory carries: the pid of the first process.
static RUN: OnceLock<u32> = OnceLock::new();

/// Names the run after this process. Called once, before any engine is used and before the first fork.
pub fn begin_run() {
    RUN.get_or_init(std::process::id);
    records::sysv::begin_run();
}

/// How every name in /dev/shm begins that is made by this run.
fn name_prefix() -> String {
    format!("annulus_peers_{}_", RUN.get_or_init(std::process::id))
}

/// A name that no other process of the run and no earlier call in this process has got.
fn fresh_name(way: &str) -> String {
    static NAMES: AtomicU64 = AtomicU64::new(0);
    let number = NAMES.fetch_add(1, Ordering::Relaxed);
    format!("{}{}_{number}_{way}", name_prefix(), std::process::id())
}

/// Removes every file that engines made in this run, however its processes ended.
pub fn sweep() {
    iceoryx::remove_directory();
    records::sysv::sweep();
    let Ok(entries) = std::fs::read_dir("/dev/shm") else {
        return;
    };
    for entry in entries.flatten() {
        let name = entry.file_name();
        if name.to_string_lossy().starts_with(&name_prefix()) {
            // Nothing else can be done about a failure.
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

/// Every engine this program was built with, in the order they take turns.
pub fn all() -> Vec<Box<dyn Engine<Work>>> {
    let mut all = slots();
    all.extend(records::all());
    all.extend(many::all());
    all.push(Box::new(attached::Publisher));
    all
}

const fn traits(name: &'static str, across: Across, written_in: WrittenIn, wait: Wait) -> Traits {
    Traits {
        name,
        across,
        written_in,
        wait,
    }
}

fn slots() -> Vec<Box<dyn Engine<Work>>> {
    vec![
        engine::<Spinning>(),
        engine::<thread_rings::Rtrb>(),
        engine::<thread_rings::Ringbuf>(),
        engine::<thread_rings::Gil>(),
        engine::<thread_rings::Nexus>(),
        engine::<shaq::Shaq>(),
        engine::<thread_rings::Crossbeam>(),
        engine::<iceoryx::Iceoryx2>(),
        #[cfg(have_boost)]
        engine::<cpp::Boost>(),
        #[cfg(have_moodycamel)]
        engine::<cpp::Moodycamel>(),
        engine::<Parking>(),
        engine::<kernel::Pipe>(),
        engine::<kernel::Seqpacket>(),
    ]
}
