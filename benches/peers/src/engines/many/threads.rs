//! Rust queues between threads: crossbeam's ArrayQueue and channel, kanal, nexus-queue.
//!
//! Each is polled through its call that does not wait. kanal alone has a call for several messages, and that takes all there are.

use std::sync::Arc;

use crossbeam_queue::ArrayQueue;

use super::{Ends, traits};
use crate::scenario::engine::{Across, Traits, Wait, WrittenIn};
use crate::scenario::harness::CAPACITY;
use crate::scenario::many::content::Slot;
use crate::scenario::many::harness::Channel;
use crate::scenario::many::loops::{Rx, Tx};
use crate::scenario::many::work::{Many, Sharing};

const fn threads(name: &'static str) -> Traits {
    traits(name, Across::Threads, WrittenIn::Rust, Wait::Spin)
}

fn competes(many: Many) -> bool {
    many.sharing == Sharing::Competing
}

/// crossbeam's ArrayQueue.
pub struct Array(Arc<ArrayQueue<Slot>>);

impl Channel for Array {
    const TRAITS: Traits = threads("crossbeam-array");
    type Tx = Arc<ArrayQueue<Slot>>;
    type Rx = Arc<ArrayQueue<Slot>>;

    fn carries(many: Many) -> bool {
        competes(many)
    }

    fn create(_many: Many) -> Result<Self, String> {
        Ok(Array(Arc::new(ArrayQueue::new(CAPACITY))))
    }

    fn sender(&self) -> Result<Self::Tx, String> {
        Ok(Arc::clone(&self.0))
    }

    fn receiver(&self) -> Result<Self::Rx, String> {
        Ok(Arc::clone(&self.0))
    }
}

impl Tx for Arc<ArrayQueue<Slot>> {
    #[inline(always)]
    fn try_send(&mut self, message: &Slot) -> bool {
        self.push(*message).is_ok()
    }
}

impl Rx for Arc<ArrayQueue<Slot>> {
    #[inline(always)]
    fn try_receive(&mut self, take: &mut impl FnMut(&Slot)) -> bool {
        self.pop().as_ref().map(take).is_some()
    }
}

/// crossbeam's bounded channel.
pub struct Crossbeam {
    tx: crossbeam_channel::Sender<Slot>,
    rx: crossbeam_channel::Receiver<Slot>,
}

impl Channel for Crossbeam {
    const TRAITS: Traits = threads("crossbeam-channel");
    type Tx = crossbeam_channel::Sender<Slot>;
    type Rx = crossbeam_channel::Receiver<Slot>;

    fn carries(many: Many) -> bool {
        competes(many)
    }

    fn create(_many: Many) -> Result<Self, String> {
        let (tx, rx) = crossbeam_channel::bounded(CAPACITY);
        Ok(Crossbeam { tx, rx })
    }

    fn sender(&self) -> Result<Self::Tx, String> {
        Ok(self.tx.clone())
    }

    fn receiver(&self) -> Result<Self::Rx, String> {
        Ok(self.rx.clone())
    }
}

impl Tx for crossbeam_channel::Sender<Slot> {
    #[inline(always)]
    fn try_send(&mut self, message: &Slot) -> bool {
        crossbeam_channel::Sender::try_send(self, *message).is_ok()
    }
}

impl Rx for crossbeam_channel::Receiver<Slot> {
    #[inline(always)]
    fn try_receive(&mut self, take: &mut impl FnMut(&Slot)) -> bool {
        self.try_recv().as_ref().map(take).is_ok()
    }
}

/// kanal's bounded channel.
pub struct Kanal {
    tx: kanal::Sender<Slot>,
    rx: kanal::Receiver<Slot>,
}

/// A receiver, and where it takes several messages to.
pub struct KanalRx {
    end: kanal::Receiver<Slot>,
    taken: Vec<Slot>,
}

impl Channel for Kanal {
    const TRAITS: Traits = threads("kanal");
    type Tx = kanal::Sender<Slot>;
    type Rx = KanalRx;

    fn carries(many: Many) -> bool {
        competes(many)
    }

    fn create(_many: Many) -> Result<Self, String> {
        let (tx, rx) = kanal::bounded(CAPACITY);
        Ok(Kanal { tx, rx })
    }

    fn sender(&self) -> Result<Self::Tx, String> {
        Ok(self.tx.clone())
    }

    fn receiver(&self) -> Result<Self::Rx, String> {
        Ok(KanalRx {
            end: self.rx.clone(),
            taken: Vec::with_capacity(CAPACITY),
        })
    }
}

impl Tx for kanal::Sender<Slot> {
    #[inline(always)]
    fn try_send(&mut self, message: &Slot) -> bool {
        matches!(kanal::Sender::try_send(self, *message), Ok(true))
    }
}

impl Rx for KanalRx {
    #[inline(always)]
    fn try_receive(&mut self, take: &mut impl FnMut(&Slot)) -> bool {
        match self.end.try_recv() {
            Ok(Some(message)) => {
                take(&message);
                true
            }
            _ => false,
        }
    }

    #[inline(always)]
    fn try_receive_many(&mut self, _most: usize, take: &mut impl FnMut(&Slot)) -> usize {
        self.taken.clear();
        // An error says that all senders are gone, and then there is nothing to take.
        let _ = self.end.drain_into(&mut self.taken);
        self.taken.iter().for_each(take);
        self.taken.len()
    }
}

/// nexus-queue for many producers and one consumer.
pub struct NexusMpsc {
    tx: Ends<nexus_queue::mpsc::Producer<Slot>>,
    rx: Ends<nexus_queue::mpsc::Consumer<Slot>>,
}

impl Channel for NexusMpsc {
    const TRAITS: Traits = threads("nexus-mpsc");
    type Tx = nexus_queue::mpsc::Producer<Slot>;
    type Rx = nexus_queue::mpsc::Consumer<Slot>;

    fn carries(many: Many) -> bool {
        competes(many) && many.consumers == 1
    }

    fn create(many: Many) -> Result<Self, String> {
        let (tx, rx) = nexus_queue::mpsc::ring_buffer(CAPACITY);
        Ok(NexusMpsc {
            tx: Ends::new((0..many.producers).map(|_| tx.clone())),
            rx: Ends::new([rx]),
        })
    }

    fn sender(&self) -> Result<Self::Tx, String> {
        self.tx.take()
    }

    fn receiver(&self) -> Result<Self::Rx, String> {
        self.rx.take()
    }
}

impl Tx for nexus_queue::mpsc::Producer<Slot> {
    #[inline(always)]
    fn try_send(&mut self, message: &Slot) -> bool {
        self.push(*message).is_ok()
    }
}

impl Rx for nexus_queue::mpsc::Consumer<Slot> {
    #[inline(always)]
    fn try_receive(&mut self, take: &mut impl FnMut(&Slot)) -> bool {
        self.pop().as_ref().map(take).is_some()
    }
}

/// nexus-queue for one producer and many consumers.
pub struct NexusSpmc {
    tx: Ends<nexus_queue::spmc::Producer<Slot>>,
    rx: Ends<nexus_queue::spmc::Consumer<Slot>>,
}

impl Channel for NexusSpmc {
    const TRAITS: Traits = threads("nexus-spmc");
    type Tx = nexus_queue::spmc::Producer<Slot>;
    type Rx = nexus_queue::spmc::Consumer<Slot>;

    fn carries(many: Many) -> bool {
        competes(many) && many.producers == 1
    }

    fn create(many: Many) -> Result<Self, String> {
        let (tx, rx) = nexus_queue::spmc::ring_buffer(CAPACITY);
        Ok(NexusSpmc {
            tx: Ends::new([tx]),
            rx: Ends::new((0..many.consumers).map(|_| rx.clone())),
        })
    }

    fn sender(&self) -> Result<Self::Tx, String> {
        self.tx.take()
    }

    fn receiver(&self) -> Result<Self::Rx, String> {
        self.rx.take()
    }
}

impl Tx for nexus_queue::spmc::Producer<Slot> {
    #[inline(always)]
    fn try_send(&mut self, message: &Slot) -> bool {
        self.push(*message).is_ok()
    }
}

impl Rx for nexus_queue::spmc::Consumer<Slot> {
    #[inline(always)]
    fn try_receive(&mut self, take: &mut impl FnMut(&Slot)) -> bool {
        self.pop().as_ref().map(take).is_some()
    }
}
