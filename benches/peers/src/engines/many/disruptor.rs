//! The disruptor crate between threads, through its pollers: it starts no thread and waits nowhere itself.
//!
//! Every poller sees every message, so among competing consumers it takes part where there is one. A poller takes all there is:
//! to look how much that is costs as much as there is. A batch is one call on the producer's side.

use disruptor::{
    BusySpin, EventPoller, MultiConsumerBarrier, MultiProducer, MultiProducerBarrier, Polling,
    Producer, SingleConsumerBarrier, SingleProducer, SingleProducerBarrier, build_multi_producer,
    build_single_producer,
};

use super::{Ends, traits};
use crate::scenario::engine::{Across, Traits, Wait, WrittenIn};
use crate::scenario::harness::CAPACITY;
use crate::scenario::many::content::Slot;
use crate::scenario::many::harness::Channel;
use crate::scenario::many::loops::{Rx, Tx};
use crate::scenario::many::work::{Many, Sharing};

const TRAITS: Traits = traits("disruptor", Across::Threads, WrittenIn::Rust, Wait::Spin);
const EMPTY: Slot = [0; 7];

/// A producer; which type it has depends on how many there are and how many read.
pub struct Publisher<P>(P);
/// A poller.
pub struct Poller<B>(EventPoller<Slot, B>);

impl<P: Producer<Slot>> Tx for Publisher<P> {
    #[inline(always)]
    fn try_send(&mut self, message: &Slot) -> bool {
        self.0.try_publish(|slot| *slot = *message).is_ok()
    }

    #[inline(always)]
    fn try_send_many(&mut self, messages: &[Slot]) -> usize {
        let published = self.0.try_batch_publish(messages.len(), |slots| {
            for (slot, message) in slots.zip(messages) {
                *slot = *message;
            }
        });
        match published {
            Ok(_) => messages.len(),
            Err(_) => 0,
        }
    }
}

/// Polls up to `most` events.
macro_rules! polls {
    ($barrier:ty) => {
        impl Rx for Poller<$barrier> {
            const ALL_AT_ONCE: bool = true;

            #[inline(always)]
            fn try_receive(&mut self, take: &mut impl FnMut(&Slot)) -> bool {
                self.try_receive_many(1, take) == 1
            }

            #[inline(always)]
            fn try_receive_many(&mut self, most: usize, take: &mut impl FnMut(&Slot)) -> usize {
                let mut taken = 0;
                match self.0.take(most as u64) {
                    Ok(mut events) => {
                        for event in &mut events {
                            let copy = *event;
                            take(&copy);
                            taken += 1;
                        }
                    }
                    Err(Polling::NoEvents | Polling::Shutdown) => (),
                }
                taken
            }
        }
    };
}

// The trait of barriers has no public name.
polls!(SingleProducerBarrier);
polls!(MultiProducerBarrier);

/// Any number of producers and one poller.
pub struct Competing {
    tx: Ends<MultiProducer<Slot, SingleConsumerBarrier>>,
    rx: Ends<EventPoller<Slot, MultiProducerBarrier>>,
}

impl Channel for Competing {
    const TRAITS: Traits = TRAITS;
    type Tx = Publisher<MultiProducer<Slot, SingleConsumerBarrier>>;
    type Rx = Poller<MultiProducerBarrier>;

    fn carries(many: Many) -> bool {
        many.sharing == Sharing::Competing && many.consumers == 1
    }

    fn create(many: Many) -> Result<Self, String> {
        let builder = build_multi_producer(CAPACITY, || EMPTY, BusySpin);
        let (rx, builder) = builder.new_event_poller();
        let tx = builder.build();
        Ok(Competing {
            tx: Ends::new((0..many.producers).map(|_| tx.clone())),
            rx: Ends::new([rx]),
        })
    }

    fn sender(&self) -> Result<Self::Tx, String> {
        self.tx.take().map(Publisher)
    }

    fn receiver(&self) -> Result<Self::Rx, String> {
        self.rx.take().map(Poller)
    }
}

/// One producer and one poller.
pub struct ToOne {
    tx: Ends<SingleProducer<Slot, SingleConsumerBarrier>>,
    rx: Ends<EventPoller<Slot, SingleProducerBarrier>>,
}

impl Channel for ToOne {
    const TRAITS: Traits = TRAITS;
    type Tx = Publisher<SingleProducer<Slot, SingleConsumerBarrier>>;
    type Rx = Poller<SingleProducerBarrier>;

    fn carries(many: Many) -> bool {
        many.sharing == Sharing::Broadcast && many.consumers == 1
    }

    fn create(_many: Many) -> Result<Self, String> {
        let builder = build_single_producer(CAPACITY, || EMPTY, BusySpin);
        let (rx, builder) = builder.new_event_poller();
        Ok(ToOne {
            tx: Ends::new([builder.build()]),
            rx: Ends::new([rx]),
        })
    }

    fn sender(&self) -> Result<Self::Tx, String> {
        self.tx.take().map(Publisher)
    }

    fn receiver(&self) -> Result<Self::Rx, String> {
        self.rx.take().map(Poller)
    }
}

/// One producer and several pollers.
pub struct ToSeveral {
    tx: Ends<SingleProducer<Slot, MultiConsumerBarrier>>,
    rx: Ends<EventPoller<Slot, SingleProducerBarrier>>,
}

impl Channel for ToSeveral {
    const TRAITS: Traits = TRAITS;
    type Tx = Publisher<SingleProducer<Slot, MultiConsumerBarrier>>;
    type Rx = Poller<SingleProducerBarrier>;

    fn carries(many: Many) -> bool {
        many.sharing == Sharing::Broadcast && many.consumers > 1
    }

    fn create(many: Many) -> Result<Self, String> {
        let mut builder = build_single_producer(CAPACITY, || EMPTY, BusySpin).with_multi_consumer();
        let mut pollers = Vec::new();
        for _ in 0..many.consumers {
            let (poller, next) = builder.new_event_poller();
            pollers.push(poller);
            builder = next;
        }
        Ok(ToSeveral {
            tx: Ends::new([builder.build()]),
            rx: Ends::new(pollers),
        })
    }

    fn sender(&self) -> Result<Self::Tx, String> {
        self.tx.take().map(Publisher)
    }

    fn receiver(&self) -> Result<Self::Rx, String> {
        self.rx.take().map(Poller)
    }
}
