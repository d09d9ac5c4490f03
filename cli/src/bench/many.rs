//! Our own rings that several parties share as engines: anonymous memory inherited by fork, so that nothing is left behind
//! however this ends.
//!
//! Every end is polled through its call that does not wait, as in benches/peers, whose ends of ours these are.

use super::SEVERAL;
use crate::args::{BenchArgs, KindName};
use crate::exit::{Failure, Kind as Class};
use crate::scenario::engine::{Across, Engine, Traits, Wait, WrittenIn};
use crate::scenario::harness::CAPACITY;
use crate::scenario::many::content::Slot;
use crate::scenario::many::harness::{self, Channel};
use crate::scenario::many::loops::{Rx, Tx};
use crate::scenario::many::ours::Taking;
use crate::scenario::many::work::{Many, Sharing};
use crate::scenario::pin::Cpus;
use crate::scenario::slices::{Plan, Slice};
use crate::scenario::traffic::{Description, Traffic};
use annulus::{
    Backing, Broadcast, Consumer, Join, Mpmc, Mpsc, Options, Producer, Reader, Ring,
    SharedConsumer, SharedProducer, Spmc, Untrusted,
};
use std::marker::PhantomData;

/// Messages a call.
const BATCHES: [u32; 2] = [1, 16];

/// Traffic of a kind of ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Work {
    kind: &'static str,
    many: Many,
}

impl Traffic for Work {
    fn shortest_stream(self) -> u64 {
        self.many.shortest_stream()
    }

    fn stretch(self) -> u64 {
        self.many.stretch()
    }

    fn is_between_two(self) -> bool {
        self.many.is_between_two()
    }

    fn is_oversubscribed(self) -> bool {
        self.many.is_oversubscribed()
    }

    fn has_round_trips(self) -> bool {
        self.many.has_round_trips()
    }

    fn described(self) -> Description {
        Description {
            kind: self.kind,
            ..self.many.described()
        }
    }
}

/// What is measured of the kind that was asked for.
pub fn workloads(args: &BenchArgs) -> Result<Vec<Work>, Failure> {
    let cpus = Cpus::choose().map_err(|e| Failure::new(Class::Failed, e))?;
    let several = |said: Option<u32>| said.unwrap_or(SEVERAL);
    let competing = Sharing::Competing;
    let (kind, sharing, producers, consumers) = match args.kind {
        KindName::Spsc => ("spsc", competing, 1, 1),
        KindName::Mpsc => ("mpsc", competing, several(args.producers), 1),
        KindName::Spmc => ("spmc", competing, 1, several(args.consumers)),
        KindName::Mpmc => {
            let (producers, consumers) = (several(args.producers), several(args.consumers));
            ("mpmc", competing, producers, consumers)
        }
        KindName::Broadcast => ("broadcast", Sharing::Broadcast, 1, several(args.readers)),
    };
    let work = |batch| Work {
        kind,
        many: Many {
            sharing,
            producers,
            consumers,
            batch,
            cores: cpus.cores(),
        },
    };
    Ok(BATCHES.map(work).to_vec())
}

/// The engine of a kind.
pub fn engines(kind: KindName) -> Vec<Box<dyn Engine<Work>>> {
    vec![match kind {
        KindName::Spsc | KindName::Mpmc => Box::new(Entry::<Mpmc<Slot>>(PhantomData)),
        KindName::Mpsc => Box::new(Entry::<Mpsc<Slot>>(PhantomData)),
        KindName::Spmc => Box::new(Entry::<Spmc<Slot>>(PhantomData)),
        KindName::Broadcast => Box::new(Entry::<Broadcast<Slot>>(PhantomData)),
    }]
}

/// From a kind to an engine.
struct Entry<K>(PhantomData<K>);

impl<K: Kind> Engine<Work> for Entry<K> {
    fn traits(&self) -> Traits {
        Inherited::<K>::TRAITS
    }

    fn throughput(&self, cpus: Cpus, work: Work, plan: Plan) -> Result<Vec<Slice>, String> {
        harness::stream::<Inherited<K>>(cpus, work.many, plan)
    }

    fn rtt(&self, cpus: Cpus, work: Work, plan: Plan) -> Result<Vec<Slice>, String> {
        harness::round_trips::<Inherited<K>>(cpus, work.many, plan)
    }
}

/// A ring of that kind.
struct Inherited<K> {
    ring: Ring<K>,
}

impl<K: Kind> Channel for Inherited<K> {
    const TRAITS: Traits = Traits {
        name: "annulus",
        across: Across::Processes,
        written_in: WrittenIn::Rust,
        wait: Wait::Spin,
    };
    type Tx = K::Tx;
    type Rx = K::Rx;

    fn carries(_: Many) -> bool {
        true
    }

    fn create(many: Many) -> Result<Self, String> {
        let ring = K::named(many)
            .backing(Backing::Anon)
            .create()
            .map_err(text)?;
        Ok(Inherited { ring })
    }

    fn sender(&self) -> Result<Self::Tx, String> {
        K::sender(&self.ring)
    }

    fn receiver(&self) -> Result<Self::Rx, String> {
        K::receiver(&self.ring)
    }
}

/// A kind of ring and its ends.
trait Kind: annulus::Kind + Sized + 'static {
    /// A producer's end.
    type Tx: Tx;
    /// A consumer's end.
    type Rx: Rx;

    /// A ring with places for so many.
    fn named(many: Many) -> Options<Self>;
    /// Attaches a producer.
    fn sender(ring: &Ring<Self>) -> Result<Self::Tx, String>;
    /// Attaches a consumer.
    fn receiver(ring: &Ring<Self>) -> Result<Self::Rx, String>;
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

impl Kind for Mpmc<Slot> {
    type Tx = SharedProducer<Slot>;
    type Rx = Taking<SharedConsumer<Slot>>;

    fn named(many: Many) -> Options<Self> {
        annulus::mpmc("bench")
            .capacity(CAPACITY as u64)
            .producers(many.producers)
            .consumers(many.consumers)
    }

    fn sender(ring: &Ring<Self>) -> Result<Self::Tx, String> {
        ring.producer().map_err(text)
    }

    fn receiver(ring: &Ring<Self>) -> Result<Self::Rx, String> {
        ring.consumer().map(Taking::new).map_err(text)
    }
}

impl Kind for Mpsc<Slot> {
    type Tx = SharedProducer<Slot>;
    type Rx = Taking<Consumer<Slot>>;

    fn named(many: Many) -> Options<Self> {
        annulus::mpsc("bench")
            .capacity(CAPACITY as u64)
            .producers(many.producers)
    }

    fn sender(ring: &Ring<Self>) -> Result<Self::Tx, String> {
        ring.producer().map_err(text)
    }

    fn receiver(ring: &Ring<Self>) -> Result<Self::Rx, String> {
        ring.consumer().map(Taking::new).map_err(text)
    }
}

impl Kind for Spmc<Slot> {
    type Tx = Producer<Slot, Untrusted, Spmc<Slot>>;
    type Rx = Taking<SharedConsumer<Slot>>;

    fn named(many: Many) -> Options<Self> {
        annulus::spmc("bench")
            .capacity(CAPACITY as u64)
            .consumers(many.consumers)
    }

    fn sender(ring: &Ring<Self>) -> Result<Self::Tx, String> {
        ring.producer().map_err(text)
    }

    fn receiver(ring: &Ring<Self>) -> Result<Self::Rx, String> {
        ring.consumer().map(Taking::new).map_err(text)
    }
}

impl Kind for Broadcast<Slot> {
    type Tx = Producer<Slot, Untrusted, Broadcast<Slot>>;
    type Rx = Taking<Reader<Slot>>;

    fn named(many: Many) -> Options<Self> {
        annulus::broadcast("bench")
            .capacity(CAPACITY as u64)
            .readers(many.consumers)
    }

    fn sender(ring: &Ring<Self>) -> Result<Self::Tx, String> {
        ring.producer().map_err(text)
    }

    fn receiver(ring: &Ring<Self>) -> Result<Self::Rx, String> {
        let reader = ring.lossless_reader(Join::Newest);
        reader.map(Taking::new).map_err(text)
    }
}
