//! Our own rings that several parties share, through their public safe API, across processes that open them by name.
//!
//! The ends are those of ../../../../scenario/many/ours.rs. Where the shape fits, the kinds with one producer or one
//! consumer take part beside the one for any number, under names of their own.
//! Invariant: the name is removed when the channel is dropped in the process that made it; `sweep` covers a killed one.

use annulus::{
    Broadcast, Consumer, Join, Mpmc, Mpsc, Options, Producer, Reader, Ring, SharedConsumer,
    SharedProducer, Spmc, Untrusted,
};

use super::super::fresh_name;
use super::traits;
use crate::scenario::engine::{Across, Traits, Wait, WrittenIn};
use crate::scenario::harness::CAPACITY;
use crate::scenario::many::content::Slot;
use crate::scenario::many::harness::Channel;
use crate::scenario::many::loops::{Rx, Tx};
use crate::scenario::many::ours::Taking;
use crate::scenario::many::work::{Many, Sharing};

/// A kind of ring, what it is called in tables, and its ends.
pub trait Kind: annulus::Kind + Sized + 'static {
    /// Its name.
    const NAME: &'static str;
    /// A producer's end.
    type Tx: Tx;
    /// A consumer's end.
    type Rx: Rx;

    /// Whether it is measured with such traffic.
    fn carries(many: Many) -> bool;
    /// The ring of that name, with places for so many.
    fn named(name: &str, many: Many) -> Options<Self>;
    /// Attaches a producer.
    fn sender(ring: &Ring<Self>) -> Result<Self::Tx, String>;
    /// Attaches a consumer.
    fn receiver(ring: &Ring<Self>) -> Result<Self::Rx, String>;
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

impl Kind for Mpmc<Slot> {
    const NAME: &'static str = "annulus";
    type Tx = SharedProducer<Slot>;
    type Rx = Taking<SharedConsumer<Slot>>;

    fn carries(many: Many) -> bool {
        many.sharing == Sharing::Competing
    }

    fn named(name: &str, many: Many) -> Options<Self> {
        annulus::mpmc(name)
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
    const NAME: &'static str = "annulus-mpsc";
    type Tx = SharedProducer<Slot>;
    type Rx = Taking<Consumer<Slot>>;

    fn carries(many: Many) -> bool {
        many.sharing == Sharing::Competing && many.consumers == 1
    }

    fn named(name: &str, many: Many) -> Options<Self> {
        annulus::mpsc(name)
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
    const NAME: &'static str = "annulus-spmc";
    type Tx = Producer<Slot, Untrusted, Spmc<Slot>>;
    type Rx = Taking<SharedConsumer<Slot>>;

    fn carries(many: Many) -> bool {
        many.sharing == Sharing::Competing && many.producers == 1
    }

    fn named(name: &str, many: Many) -> Options<Self> {
        annulus::spmc(name)
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
    const NAME: &'static str = "annulus";
    type Tx = Producer<Slot, Untrusted, Broadcast<Slot>>;
    type Rx = Taking<Reader<Slot>>;

    fn carries(many: Many) -> bool {
        many.sharing == Sharing::Broadcast
    }

    fn named(name: &str, many: Many) -> Options<Self> {
        annulus::broadcast(name)
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

/// A named ring of that kind.
pub struct Named<K: Kind> {
    name: String,
    many: Many,
    ring: Ring<K>,
}

impl<K: Kind> Channel for Named<K>
where
    Ring<K>: Sync,
{
    const TRAITS: Traits = traits(K::NAME, Across::Processes, WrittenIn::Rust, Wait::Spin);
    type Tx = K::Tx;
    type Rx = K::Rx;

    fn carries(many: Many) -> bool {
        K::carries(many)
    }

    fn create(many: Many) -> Result<Self, String> {
        let name = fresh_name("many");
        let ring = K::named(&name, many).create().map_err(text)?;
        Ok(Named { name, many, ring })
    }

    fn sender(&self) -> Result<Self::Tx, String> {
        K::sender(&self.open()?)
    }

    fn receiver(&self) -> Result<Self::Rx, String> {
        K::receiver(&self.open()?)
    }
}

impl<K: Kind> Named<K> {
    /// The ring as any process finds it: a mapping does not survive a fork.
    fn open(&self) -> Result<Ring<K>, String> {
        K::named(&self.name, self.many).open().map_err(text)
    }
}

impl<K: Kind> Drop for Named<K> {
    fn drop(&mut self) {
        // A name that stays is swept at the end of the run.
        let _ = self.ring.unlink();
    }
}
