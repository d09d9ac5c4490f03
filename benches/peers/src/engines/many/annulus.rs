//! Our own rings that several parties share, through their public safe API, across processes that open them by name.
//!
//! Every end is polled through its call that does not wait, as the peers' are. Where the shape fits, the kinds with one producer or one
//! consumer take part beside the one for any number, under names of their own.
//! Invariant: the name is removed when the channel is dropped in the process that made it; `sweep` covers a killed one.

use annulus::{
    Broadcast, Consumer, Join, Mpmc, Mpsc, Options, Producer, Reader, Ring, SharedConsumer,
    SharedProducer, SoleProducer, Spmc, TryPopError, TryPushError, TryReadError, Untrusted,
};

use super::super::fresh_name;
use super::traits;
use crate::scenario::engine::{Across, Traits, Wait, WrittenIn};
use crate::scenario::harness::CAPACITY;
use crate::scenario::many::content::{Slot, message};
use crate::scenario::many::harness::Channel;
use crate::scenario::many::loops::{Rx, Tx};
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

/// A consumer's end, and where it takes messages to.
pub struct Taking<R> {
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
