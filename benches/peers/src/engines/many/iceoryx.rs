//! iceoryx2 publish/subscribe to several subscribers that all get every message, across processes.
//!
//! The settings are those of ../iceoryx.rs but one: a publisher that found one of several buffers full could not give the message
//! to that subscriber alone again, so it retries within its own call until all have it.

use iceoryx2::port::publisher::Publisher;
use iceoryx2::port::subscriber::Subscriber;
use iceoryx2::port::update_connections::UpdateConnections;
use iceoryx2::prelude::*;
use iceoryx2::service::port_factory::publish_subscribe::PortFactory;

use super::super::fresh_name;
use super::super::iceoryx::{Service, config, node, text};
use super::traits;
use crate::scenario::engine::{Across, Traits, Wait, WrittenIn};
use crate::scenario::harness::CAPACITY;
use crate::scenario::many::content::Slot;
use crate::scenario::many::harness::Channel;
use crate::scenario::many::loops::{Rx, Tx};
use crate::scenario::many::work::{Many, Sharing};

/// The name under which all parties find each other.
pub struct Topic {
    config: Config,
    name: String,
    subscribers: usize,
}

/// A publisher; fields are dropped in this order, the node last.
pub struct Sending {
    publisher: Publisher<Service, Slot, ()>,
    subscribers: usize,
    _node: Node<Service>,
}

/// A subscriber; fields are dropped in this order, the node last.
pub struct Receiving {
    subscriber: Subscriber<Service, Slot, ()>,
    _node: Node<Service>,
}

impl Channel for Topic {
    const TRAITS: Traits = traits("iceoryx2", Across::Processes, WrittenIn::Rust, Wait::Spin);
    type Tx = Sending;
    type Rx = Receiving;

    fn carries(many: Many) -> bool {
        many.sharing == Sharing::Broadcast && many.batch == 1
    }

    fn create(many: Many) -> Result<Self, String> {
        set_log_level(LogLevel::Error);
        Ok(Topic {
            config: config()?,
            name: fresh_name("topic"),
            subscribers: many.consumers as usize,
        })
    }

    fn sender(&self) -> Result<Sending, String> {
        let node = node(&self.config)?;
        let publisher = self
            .service(&node)?
            .publisher_builder()
            .max_loaned_samples(1)
            .backpressure_strategy(BackpressureStrategy::RetryUntilDelivered)
            .create()
            .map_err(text)?;
        Ok(Sending {
            publisher,
            subscribers: self.subscribers,
            _node: node,
        })
    }

    fn receiver(&self) -> Result<Receiving, String> {
        let node = node(&self.config)?;
        let subscriber = self
            .service(&node)?
            .subscriber_builder()
            .buffer_size(CAPACITY)
            .create()
            .map_err(text)?;
        Ok(Receiving {
            subscriber,
            _node: node,
        })
    }
}

impl Topic {
    fn service(&self, node: &Node<Service>) -> Result<PortFactory<Service, Slot, ()>, String> {
        node.service_builder(&ServiceName::new(&self.name).map_err(text)?)
            .publish_subscribe::<Slot>()
            .enable_safe_overflow(false)
            .history_size(0)
            .subscriber_max_buffer_size(CAPACITY)
            .subscriber_max_borrowed_samples(1)
            .max_publishers(1)
            .max_subscribers(self.subscribers)
            .max_nodes(self.subscribers + 3)
            .open_or_create()
            .map_err(text)
    }
}

impl Tx for Sending {
    /// A publisher whose subscriber has not connected yet drops what finds no room, and says nothing.
    fn settle(&mut self) {
        if let Err(error) = self.publisher.update_connections() {
            panic!("iceoryx2 update: {error:?}");
        }
    }

    #[inline(always)]
    fn try_send(&mut self, message: &Slot) -> bool {
        let sample = match self.publisher.loan_uninit() {
            Ok(sample) => sample.write_payload(*message),
            Err(error) => panic!("iceoryx2 loan: {error:?}"),
        };
        match sample.send() {
            Ok(delivered) if delivered == self.subscribers => true,
            Ok(delivered) => panic!("iceoryx2 delivered to {delivered} of {}", self.subscribers),
            Err(error) => panic!("iceoryx2 send: {error:?}"),
        }
    }
}

impl Rx for Receiving {
    fn settle(&mut self) {
        if let Err(error) = self.subscriber.update_connections() {
            panic!("iceoryx2 update: {error:?}");
        }
    }

    #[inline(always)]
    fn try_receive(&mut self, take: &mut impl FnMut(&Slot)) -> bool {
        match self.subscriber.receive() {
            Ok(Some(sample)) => {
                let copy = *sample;
                drop(sample);
                take(&copy);
                true
            }
            Ok(None) => false,
            Err(error) => panic!("iceoryx2 receive: {error:?}"),
        }
    }
}
