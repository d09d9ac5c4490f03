//! Our own rings that several parties share as engines: anonymous memory inherited by fork, so that nothing is left behind
//! however this ends.
//!
//! Every end is polled through its call that does not wait, as in benches/peers, whose ends of ours these are.

use super::SEVERAL;
use crate::args::{BenchArgs, KindName};
use crate::exit::{Failure, Kind as Class};
use crate::scenario::engine::{Across, Engine, Traits, Wait, WrittenIn};
use crate::scenario::harness::CAPACITY;
use crate::scenario::many::content::{Slot, message};
use crate::scenario::many::harness::{self, Channel};
use crate::scenario::many::loops::{Rx, Tx};
use crate::scenario::many::work::{Many, Sharing};
use crate::scenario::pin::Cpus;
use crate::scenario::traffic::{Description, Traffic};
use annulus::{
    Backing, Broadcast, Consumer, Join, Mpmc, Mpsc, Options, Producer, Reader, Ring,
    SharedConsumer, SharedProducer, SoleProducer, Spmc, TryPopError, TryPushError, TryReadError,
    Untrusted,
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

    fn throughput(&self, cpus: Cpus, work: Work, count: u64) -> Result<u64, String> {
        harness::stream::<Inherited<K>>(cpus, work.many, count)
    }

    fn rtt(&self, cpus: Cpus, work: Work, count: u64) -> Result<u64, String> {
        harness::round_trips::<Inherited<K>>(cpus, work.many, count)
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

/// A consumer's end, and where it takes messages to.
struct Taking<R> {
    end: R,
    message: Slot,
}

impl<R> Taking<R> {
    fn new(end: R) -> Self {
        let message = message(0, 0);
        Taking { end, message }
    }
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

/// How many were pushed; a ring that is not merely full ends the measurement.
#[inline(always)]
fn pushed(count: Result<usize, TryPushError>) -> usize {
    match count {
        Ok(count) => count,
        Err(TryPushError::Full) => 0,
        Err(error) => panic!("annulus push: {error}"),
    }
}

/// Whether a message was taken; a ring that is not merely empty ends the measurement.
#[inline(always)]
fn popped(taken: Result<(), TryPopError>) -> bool {
    match taken {
        Ok(()) => true,
        Err(TryPopError::Empty) => false,
        Err(error) => panic!("annulus pop: {error}"),
    }
}

impl Tx for SharedProducer<Slot> {
    #[inline(always)]
    fn try_send(&mut self, message: &Slot) -> bool {
        pushed(self.try_push(message).map(|()| 1)) == 1
    }

    #[inline(always)]
    fn try_send_many(&mut self, messages: &[Slot]) -> usize {
        pushed(self.try_push_many(messages))
    }

    #[inline(always)]
    fn send(&mut self, message: &Slot) {
        if let Err(error) = self.push(message, annulus::Wait::spin()) {
            panic!("annulus push: {error}");
        }
    }

    #[inline(always)]
    fn send_many(&mut self, messages: &[Slot]) -> usize {
        match self.push_many(messages, annulus::Wait::spin()) {
            Ok(count) => count,
            Err(error) => panic!("annulus push: {error}"),
        }
    }
}

impl<K: SoleProducer<Item = Slot>> Tx for Producer<Slot, Untrusted, K> {
    #[inline(always)]
    fn try_send(&mut self, message: &Slot) -> bool {
        pushed(self.try_push(message).map(|()| 1)) == 1
    }

    #[inline(always)]
    fn try_send_many(&mut self, messages: &[Slot]) -> usize {
        pushed(self.try_push_many(messages))
    }

    #[inline(always)]
    fn send(&mut self, message: &Slot) {
        if let Err(error) = self.push(message, annulus::Wait::spin()) {
            panic!("annulus push: {error}");
        }
    }

    #[inline(always)]
    fn send_many(&mut self, messages: &[Slot]) -> usize {
        match self.push_many(messages, annulus::Wait::spin()) {
            Ok(count) => count,
            Err(error) => panic!("annulus push: {error}"),
        }
    }
}

impl Rx for Taking<SharedConsumer<Slot>> {
    #[inline(always)]
    fn try_receive(&mut self, take: &mut impl FnMut(&Slot)) -> bool {
        let taken = popped(self.end.try_pop_into(&mut self.message));
        if taken {
            take(&self.message);
        }
        taken
    }

    #[inline(always)]
    fn try_receive_many(&mut self, most: usize, take: &mut impl FnMut(&Slot)) -> usize {
        let mut drain = self.end.drain(most);
        let mut taken = 0;
        while drain.next_into(&mut self.message) {
            take(&self.message);
            taken += 1;
        }
        taken
    }

    #[inline(always)]
    fn receive(&mut self, take: &mut impl FnMut(&Slot)) {
        if let Err(error) = self.end.pop_into(&mut self.message, annulus::Wait::spin()) {
            panic!("annulus pop: {error}");
        }
        take(&self.message);
    }

    #[inline(always)]
    fn receive_many(&mut self, most: usize, take: &mut impl FnMut(&Slot)) -> usize {
        let mut drain = match self.end.drain_wait(most, annulus::Wait::spin()) {
            Ok(drain) => drain,
            Err(error) => panic!("annulus pop: {error}"),
        };
        let mut taken = 0;
        while drain.next_into(&mut self.message) {
            take(&self.message);
            taken += 1;
        }
        taken
    }
}

impl Rx for Taking<Consumer<Slot>> {
    #[inline(always)]
    fn try_receive(&mut self, take: &mut impl FnMut(&Slot)) -> bool {
        let taken = popped(self.end.try_pop_into(&mut self.message));
        if taken {
            take(&self.message);
        }
        taken
    }

    #[inline(always)]
    fn try_receive_many(&mut self, most: usize, take: &mut impl FnMut(&Slot)) -> usize {
        let mut drain = self.end.drain(most);
        let mut taken = 0;
        while drain.next_into(&mut self.message) {
            take(&self.message);
            taken += 1;
        }
        taken
    }

    #[inline(always)]
    fn receive(&mut self, take: &mut impl FnMut(&Slot)) {
        if let Err(error) = self.end.pop_into(&mut self.message, annulus::Wait::spin()) {
            panic!("annulus pop: {error}");
        }
        take(&self.message);
    }

    #[inline(always)]
    fn receive_many(&mut self, most: usize, take: &mut impl FnMut(&Slot)) -> usize {
        let mut drain = match self.end.drain_wait(most, annulus::Wait::spin()) {
            Ok(drain) => drain,
            Err(error) => panic!("annulus pop: {error}"),
        };
        let mut taken = 0;
        while drain.next_into(&mut self.message) {
            take(&self.message);
            taken += 1;
        }
        taken
    }
}

/// A reader has no call for several messages.
impl Rx for Taking<Reader<Slot>> {
    #[inline(always)]
    fn try_receive(&mut self, take: &mut impl FnMut(&Slot)) -> bool {
        match self.end.try_read_into(&mut self.message) {
            Ok(()) => {
                take(&self.message);
                true
            }
            Err(TryReadError::Empty) => false,
            Err(error) => panic!("annulus read: {error}"),
        }
    }

    #[inline(always)]
    fn receive(&mut self, take: &mut impl FnMut(&Slot)) {
        if let Err(error) = self.end.read_into(&mut self.message, annulus::Wait::spin()) {
            panic!("annulus read: {error}");
        }
        take(&self.message);
    }
}
