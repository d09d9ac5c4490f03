//! Rust rings that live on the heap of one process: rtrb, ringbuf, gil, nexus-queue, crossbeam ArrayQueue.
//!
//! Each is used through its own push and pop of one message. They cannot cross processes, so two threads use them.

use std::num::NonZeroUsize;
use std::sync::Arc;

use crossbeam_queue::ArrayQueue;
use ringbuf::traits::{Consumer as _, Producer as _, Split as _};

use super::Family;
use crate::scenario::engine::{Across, Traits, Wait, WrittenIn};
use crate::scenario::harness::{CAPACITY, Link, over_threads};
use crate::scenario::loops::{Duplex, Rx, Tx};
use crate::scenario::message::Message;
use crate::scenario::pin::Cpus;
use crate::scenario::slices::Party;

const fn rust_threads(name: &'static str) -> Traits {
    Traits {
        name,
        across: Across::Threads,
        written_in: WrittenIn::Rust,
        wait: Wait::Spin,
    }
}

/// A ring that is made as a pair of ends.
pub trait Pair<const WORDS: usize>: Sized {
    /// Sending end.
    type Tx: Tx<WORDS> + Send;
    /// Receiving end.
    type Rx: Rx<WORDS> + Send;
    /// Makes a ring of `CAPACITY` slots.
    fn pair() -> (Self::Tx, Self::Rx);
}

/// Both sides of two such rings, each until it is attached.
pub struct ThreadLink<P: Pair<WORDS>, const WORDS: usize> {
    near: Option<Duplex<P::Tx, P::Rx, WORDS>>,
    far: Option<Duplex<P::Tx, P::Rx, WORDS>>,
}

impl<P: Pair<WORDS>, const WORDS: usize> Link for ThreadLink<P, WORDS> {
    type Near = Duplex<P::Tx, P::Rx, WORDS>;
    type Far = Duplex<P::Tx, P::Rx, WORDS>;

    fn create() -> Result<Self, String> {
        let (to_near, from_far) = P::pair();
        let (to_far, from_near) = P::pair();
        Ok(ThreadLink {
            near: Some(Duplex::new(to_far, from_far)),
            far: Some(Duplex::new(to_near, from_near)),
        })
    }

    fn near(&mut self) -> Result<Self::Near, String> {
        self.near
            .take()
            .ok_or_else(|| String::from("attached twice"))
    }

    fn far(&mut self) -> Result<Self::Far, String> {
        self.far
            .take()
            .ok_or_else(|| String::from("attached twice"))
    }

    fn run<R>(
        self,
        cpus: Cpus,
        near: impl FnOnce(&mut Self::Near, &mut Party<'_>) -> Result<R, String>,
        far: impl FnOnce(&mut Self::Far, &mut Party<'_>) -> Result<(), String> + Send,
    ) -> Result<R, String> {
        over_threads(self, cpus, near, far)
    }
}

/// rtrb: indices with a private copy of the other side's.
pub struct Rtrb;

impl Family for Rtrb {
    const TRAITS: Traits = rust_threads("rtrb");
    type Link<const WORDS: usize> = ThreadLink<Rtrb, WORDS>;
}

impl<const WORDS: usize> Pair<WORDS> for Rtrb {
    type Tx = rtrb::Producer<Message<WORDS>>;
    type Rx = rtrb::Consumer<Message<WORDS>>;

    fn pair() -> (Self::Tx, Self::Rx) {
        rtrb::RingBuffer::new(CAPACITY)
    }
}

impl<const WORDS: usize> Tx<WORDS> for rtrb::Producer<Message<WORDS>> {
    #[inline(always)]
    fn try_send(&mut self, message: &Message<WORDS>) -> bool {
        self.push(*message).is_ok()
    }
}

impl<const WORDS: usize> Rx<WORDS> for rtrb::Consumer<Message<WORDS>> {
    #[inline(always)]
    fn try_receive(&mut self, take: &mut impl FnMut(&Message<WORDS>)) -> bool {
        self.pop().as_ref().map(take).is_ok()
    }
}

/// ringbuf: its default, caching ends of a shared heap ring.
pub struct Ringbuf;

impl Family for Ringbuf {
    const TRAITS: Traits = rust_threads("ringbuf");
    type Link<const WORDS: usize> = ThreadLink<Ringbuf, WORDS>;
}

impl<const WORDS: usize> Pair<WORDS> for Ringbuf {
    type Tx = ringbuf::HeapProd<Message<WORDS>>;
    type Rx = ringbuf::HeapCons<Message<WORDS>>;

    fn pair() -> (Self::Tx, Self::Rx) {
        ringbuf::HeapRb::new(CAPACITY).split()
    }
}

impl<const WORDS: usize> Tx<WORDS> for ringbuf::HeapProd<Message<WORDS>> {
    #[inline(always)]
    fn try_send(&mut self, message: &Message<WORDS>) -> bool {
        self.try_push(*message).is_ok()
    }
}

impl<const WORDS: usize> Rx<WORDS> for ringbuf::HeapCons<Message<WORDS>> {
    #[inline(always)]
    fn try_receive(&mut self, take: &mut impl FnMut(&Message<WORDS>)) -> bool {
        self.try_pop().as_ref().map(take).is_some()
    }
}

/// gil: its spin-only spsc channel.
pub struct Gil;

impl Family for Gil {
    const TRAITS: Traits = rust_threads("gil");
    type Link<const WORDS: usize> = ThreadLink<Gil, WORDS>;
}

impl<const WORDS: usize> Pair<WORDS> for Gil {
    type Tx = gil::spsc::Sender<Message<WORDS>>;
    type Rx = gil::spsc::Receiver<Message<WORDS>>;

    fn pair() -> (Self::Tx, Self::Rx) {
        gil::spsc::channel(const { NonZeroUsize::new(CAPACITY).unwrap() })
    }
}

impl<const WORDS: usize> Tx<WORDS> for gil::spsc::Sender<Message<WORDS>> {
    #[inline(always)]
    fn try_send(&mut self, message: &Message<WORDS>) -> bool {
        gil::spsc::Sender::try_send(self, *message).is_ok()
    }
}

impl<const WORDS: usize> Rx<WORDS> for gil::spsc::Receiver<Message<WORDS>> {
    #[inline(always)]
    fn try_receive(&mut self, take: &mut impl FnMut(&Message<WORDS>)) -> bool {
        self.try_recv().as_ref().map(take).is_some()
    }
}

/// nexus-queue: its spsc ring.
pub struct Nexus;

impl Family for Nexus {
    const TRAITS: Traits = rust_threads("nexus-queue");
    type Link<const WORDS: usize> = ThreadLink<Nexus, WORDS>;
}

impl<const WORDS: usize> Pair<WORDS> for Nexus {
    type Tx = nexus_queue::spsc::Producer<Message<WORDS>>;
    type Rx = nexus_queue::spsc::Consumer<Message<WORDS>>;

    fn pair() -> (Self::Tx, Self::Rx) {
        nexus_queue::spsc::ring_buffer(CAPACITY)
    }
}

impl<const WORDS: usize> Tx<WORDS> for nexus_queue::spsc::Producer<Message<WORDS>> {
    #[inline(always)]
    fn try_send(&mut self, message: &Message<WORDS>) -> bool {
        self.push(*message).is_ok()
    }
}

impl<const WORDS: usize> Rx<WORDS> for nexus_queue::spsc::Consumer<Message<WORDS>> {
    #[inline(always)]
    fn try_receive(&mut self, take: &mut impl FnMut(&Message<WORDS>)) -> bool {
        self.pop().as_ref().map(take).is_some()
    }
}

/// crossbeam ArrayQueue: many producers and many consumers, used here with one of each.
pub struct Crossbeam;

impl Family for Crossbeam {
    const TRAITS: Traits = rust_threads("crossbeam");
    type Link<const WORDS: usize> = ThreadLink<Crossbeam, WORDS>;
}

impl<const WORDS: usize> Pair<WORDS> for Crossbeam {
    type Tx = Arc<ArrayQueue<Message<WORDS>>>;
    type Rx = Arc<ArrayQueue<Message<WORDS>>>;

    fn pair() -> (Self::Tx, Self::Rx) {
        let queue = Arc::new(ArrayQueue::new(CAPACITY));
        (Arc::clone(&queue), queue)
    }
}

impl<const WORDS: usize> Tx<WORDS> for Arc<ArrayQueue<Message<WORDS>>> {
    #[inline(always)]
    fn try_send(&mut self, message: &Message<WORDS>) -> bool {
        self.push(*message).is_ok()
    }
}

impl<const WORDS: usize> Rx<WORDS> for Arc<ArrayQueue<Message<WORDS>>> {
    #[inline(always)]
    fn try_receive(&mut self, take: &mut impl FnMut(&Message<WORDS>)) -> bool {
        self.pop().as_ref().map(take).is_some()
    }
}
