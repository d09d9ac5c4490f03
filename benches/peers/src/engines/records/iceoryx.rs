//! iceoryx2 publish/subscribe with slices of bytes, across processes.
//!
//! The settings are those of ../iceoryx.rs. Every publisher has a buffer of its own at the subscriber; several share what
//! the ring of one would hold.

use std::mem::MaybeUninit;

use iceoryx2::port::publisher::Publisher;
use iceoryx2::port::subscriber::Subscriber;
use iceoryx2::prelude::*;
use iceoryx2::service::port_factory::publish_subscribe::PortFactory;

use super::super::fresh_name;
use super::super::iceoryx::{Service, config, node, text};
use super::traits;
use crate::scenario::engine::{Across, Traits, Wait, WrittenIn};
use crate::scenario::records::harness::Channel;
use crate::scenario::records::loops::{Rx, Tx};
use crate::scenario::records::work::Records;

/// The name under which all parties find each other.
pub struct Slices {
    config: Config,
    name: String,
    records: Records,
}

/// A publisher; fields are dropped in this order, the node last.
pub struct Sending {
    publisher: Publisher<Service, [u8], ()>,
    _node: Node<Service>,
}

/// A subscriber; fields are dropped in this order, the node last.
pub struct Receiving {
    subscriber: Subscriber<Service, [u8], ()>,
    _node: Node<Service>,
}

impl Channel for Slices {
    const TRAITS: Traits = traits("iceoryx2", Across::Processes, WrittenIn::Rust, Wait::Spin);
    type Tx = Sending;
    type Rx = Receiving;

    fn create(records: Records) -> Result<Self, String> {
        set_log_level(LogLevel::Error);
        Ok(Slices {
            config: config()?,
            name: fresh_name("slices"),
            records,
        })
    }

    fn sender(&self) -> Result<Sending, String> {
        let node = node(&self.config)?;
        let publisher = self
            .service(&node)?
            .publisher_builder()
            .initial_max_slice_len(self.records.lengths.most)
            .max_loaned_samples(1)
            .backpressure_strategy(BackpressureStrategy::DiscardData)
            .create()
            .map_err(text)?;
        Ok(Sending {
            publisher,
            _node: node,
        })
    }

    fn receiver(&self) -> Result<Receiving, String> {
        let node = node(&self.config)?;
        let subscriber = self
            .service(&node)?
            .subscriber_builder()
            .buffer_size(self.buffer())
            .create()
            .map_err(text)?;
        Ok(Receiving {
            subscriber,
            _node: node,
        })
    }
}

impl Slices {
    fn buffer(&self) -> usize {
        self.records.lengths.cells() / self.records.producers as usize
    }

    fn service(&self, node: &Node<Service>) -> Result<PortFactory<Service, [u8], ()>, String> {
        let producers = self.records.producers as usize;
        node.service_builder(&ServiceName::new(&self.name).map_err(text)?)
            .publish_subscribe::<[u8]>()
            .enable_safe_overflow(false)
            .history_size(0)
            .subscriber_max_buffer_size(self.buffer())
            .subscriber_max_borrowed_samples(1)
            .max_publishers(producers)
            .max_subscribers(1)
            .max_nodes(producers + 3)
            .open_or_create()
            .map_err(text)
    }
}

impl Tx for Sending {
    #[inline(always)]
    fn try_send(&mut self, record: &[u8]) -> bool {
        let sample = match self.publisher.loan_slice_uninit(record.len()) {
            Ok(mut sample) => {
                let room: &mut [MaybeUninit<u8>] = sample.payload_mut();
                room.write_copy_of_slice(record);
                // SAFETY: the slice has the record's length, all of which was just written.
                unsafe { sample.assume_init() }
            }
            Err(error) => panic!("iceoryx2 loan: {error:?}"),
        };
        // With DiscardData a full buffer is told by a delivery to nobody.
        match sample.send() {
            Ok(subscribers) => subscribers == 1,
            Err(error) => panic!("iceoryx2 send: {error:?}"),
        }
    }
}

impl Rx for Receiving {
    #[inline(always)]
    fn try_receive(&mut self, into: &mut Vec<u8>) -> bool {
        match self.subscriber.receive() {
            Ok(Some(sample)) => {
                into.clear();
                into.extend_from_slice(&sample);
                true
            }
            Ok(None) => false,
            Err(error) => panic!("iceoryx2 receive: {error:?}"),
        }
    }
}
