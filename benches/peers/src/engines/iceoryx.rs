//! iceoryx2 publish/subscribe with messages of fixed size, across two processes.
//!
//! One publisher and one subscriber per direction, no overflow, no history, a buffer of 4096 samples. A message is written
//! in place into a loaned sample and copied out of the received one. A full buffer is polled, not slept on.
//! Invariant: all files carry the prefix of the run, or lie in a directory that does.

use std::fs;

use iceoryx2::port::publisher::Publisher;
use iceoryx2::port::subscriber::Subscriber;
use iceoryx2::prelude::*;

use super::{Family, fresh_name, name_prefix};
use crate::scenario::engine::{Across, Traits, Wait, WrittenIn};
use crate::scenario::harness::{CAPACITY, Link, over_processes};
use crate::scenario::loops::{Duplex, Rx, Tx};
use crate::scenario::message::Message;
use crate::scenario::pin::Cpus;
use crate::scenario::slices::Party;

/// iceoryx2 publish/subscribe.
pub struct Iceoryx2;

impl Family for Iceoryx2 {
    const TRAITS: Traits = Traits {
        name: "iceoryx2",
        across: Across::Processes,
        written_in: WrittenIn::Rust,
        wait: Wait::Spin,
    };
    type Link<const WORDS: usize> = IceoryxLink<WORDS>;
}

/// The names under which both sides find each other.
pub struct IceoryxLink<const WORDS: usize> {
    config: Config,
    to_near: String,
    to_far: String,
}

/// Ports between processes, each used by one thread.
pub type Service = ipc::Service;
type Side<const WORDS: usize> = Duplex<Sending<WORDS>, Receiving<WORDS>, WORDS>;

/// A publisher; fields are dropped in this order, the node last.
pub struct Sending<const WORDS: usize> {
    publisher: Publisher<Service, Message<WORDS>, ()>,
    _node: Node<Service>,
}

/// A subscriber; fields are dropped in this order, the node last.
pub struct Receiving<const WORDS: usize> {
    subscriber: Subscriber<Service, Message<WORDS>, ()>,
    _node: Node<Service>,
}

impl<const WORDS: usize> Link for IceoryxLink<WORDS> {
    type Near = Side<WORDS>;
    type Far = Side<WORDS>;

    fn create() -> Result<Self, String> {
        set_log_level(LogLevel::Error);
        Ok(IceoryxLink {
            config: config()?,
            to_near: fresh_name("near"),
            to_far: fresh_name("far"),
        })
    }

    fn near(&mut self) -> Result<Self::Near, String> {
        let rx = subscribe(&self.config, &self.to_near)?;
        Ok(Duplex::new(publish(&self.config, &self.to_far)?, rx))
    }

    fn far(&mut self) -> Result<Self::Far, String> {
        let rx = subscribe(&self.config, &self.to_far)?;
        Ok(Duplex::new(publish(&self.config, &self.to_near)?, rx))
    }

    fn run<R>(
        self,
        cpus: Cpus,
        near: impl FnOnce(&mut Self::Near, &mut Party<'_>) -> Result<R, String>,
        far: impl FnOnce(&mut Self::Far, &mut Party<'_>) -> Result<(), String> + Send,
    ) -> Result<R, String> {
        over_processes(self, cpus, near, far)
    }
}

fn root() -> String {
    format!("/tmp/{}iceoryx2", name_prefix())
}

/// Where the engine keeps its files in this run.
pub fn config() -> Result<Config, String> {
    let mut config = Config::default();
    let root = Path::new(root().as_bytes()).map_err(text)?;
    config.global.set_root_path(&root);
    config.global.prefix = FileName::new(name_prefix().as_bytes()).map_err(text)?;
    Ok(config)
}

/// Removes the directory that the engine made in this run.
pub fn remove_directory() {
    // What is not there needs no removal; nothing else can be done about a failure.
    let _ = fs::remove_dir_all(root());
}

fn publish<const WORDS: usize>(config: &Config, name: &str) -> Result<Sending<WORDS>, String> {
    let node = node(config)?;
    let publisher = service(&node, name)?
        .publisher_builder()
        .max_loaned_samples(1)
        .backpressure_strategy(BackpressureStrategy::DiscardData)
        .create()
        .map_err(text)?;
    Ok(Sending {
        publisher,
        _node: node,
    })
}

fn subscribe<const WORDS: usize>(config: &Config, name: &str) -> Result<Receiving<WORDS>, String> {
    let node = node(config)?;
    let subscriber = service(&node, name)?
        .subscriber_builder()
        .buffer_size(CAPACITY)
        .create()
        .map_err(text)?;
    Ok(Receiving {
        subscriber,
        _node: node,
    })
}

/// A participant.
pub fn node(config: &Config) -> Result<Node<Service>, String> {
    NodeBuilder::new()
        .config(config)
        .signal_handling_mode(SignalHandlingMode::Disabled)
        .create::<Service>()
        .map_err(text)
}

type Topic<const WORDS: usize> =
    iceoryx2::service::port_factory::publish_subscribe::PortFactory<Service, Message<WORDS>, ()>;

fn service<const WORDS: usize>(node: &Node<Service>, name: &str) -> Result<Topic<WORDS>, String> {
    node.service_builder(&ServiceName::new(name).map_err(text)?)
        .publish_subscribe::<Message<WORDS>>()
        .enable_safe_overflow(false)
        .history_size(0)
        .subscriber_max_buffer_size(CAPACITY)
        .subscriber_max_borrowed_samples(1)
        .max_publishers(1)
        .max_subscribers(1)
        .max_nodes(4)
        .open_or_create()
        .map_err(text)
}

/// An error as the harness reports it.
pub fn text(error: impl std::fmt::Debug) -> String {
    format!("iceoryx2: {error:?}")
}

impl<const WORDS: usize> Tx<WORDS> for Sending<WORDS> {
    #[inline(always)]
    fn try_send(&mut self, message: &Message<WORDS>) -> bool {
        let sample = match self.publisher.loan_uninit() {
            Ok(sample) => sample.write_payload(*message),
            Err(error) => panic!("iceoryx2 loan: {error:?}"),
        };
        // With DiscardData a full buffer is told by a delivery to nobody.
        match sample.send() {
            Ok(subscribers) => subscribers == 1,
            Err(error) => panic!("iceoryx2 send: {error:?}"),
        }
    }
}

impl<const WORDS: usize> Rx<WORDS> for Receiving<WORDS> {
    #[inline(always)]
    fn try_receive(&mut self, take: &mut impl FnMut(&Message<WORDS>)) -> bool {
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
