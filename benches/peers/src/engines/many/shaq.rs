//! shaq's queues for many producers and consumers, and its broadcast, across processes: each maps the same memfd.
//!
//! The newest version that this toolchain builds; ../shaq.rs measures an older one. Messages go through its calls by value, batches through its
//! guards for several. A batch is taken as a whole or not at all on the sending side.

use std::fs::File;
use std::num::NonZeroUsize;

use shaq4::broadcast::{self, Broadcast, BroadcastConfig, ProducerId};
use shaq4::mpmc;

use super::super::shaq::memfd;
use super::traits;
use crate::scenario::engine::{Across, Traits, Wait, WrittenIn};
use crate::scenario::harness::CAPACITY;
use crate::scenario::many::content::Slot;
use crate::scenario::many::harness::Channel;
use crate::scenario::many::loops::{Rx, Tx};
use crate::scenario::many::work::{Many, Sharing};

const TRAITS: Traits = traits("shaq", Across::Processes, WrittenIn::Rust, Wait::Spin);

fn text(error: impl std::fmt::Debug) -> String {
    format!("shaq: {error:?}")
}

/// The queue for many producers and consumers.
pub struct Competing(File);
/// A producer of it.
pub struct Sending(mpmc::Producer<Slot>);
/// A consumer of it.
pub struct Receiving(mpmc::Consumer<Slot>);

impl Channel for Competing {
    const TRAITS: Traits = TRAITS;
    type Tx = Sending;
    type Rx = Receiving;

    fn carries(many: Many) -> bool {
        // Guards are published in the order of their reservations: a call waits for earlier ones of others.
        many.sharing == Sharing::Competing && !many.rivals_share_a_core()
    }

    fn create(_many: Many) -> Result<Self, String> {
        let file = memfd()?;
        let size = mpmc::minimum_file_size::<Slot>(CAPACITY);
        // SAFETY: the file is fresh and this call alone initialises it; messages are plain words.
        unsafe { mpmc::Producer::<Slot>::create(&file, size) }.map_err(text)?;
        Ok(Competing(file))
    }

    fn sender(&self) -> Result<Sending, String> {
        // SAFETY: `create` initialised the file for the same type; messages are plain words.
        unsafe { mpmc::Producer::join(&self.0) }
            .map(Sending)
            .map_err(text)
    }

    fn receiver(&self) -> Result<Receiving, String> {
        // SAFETY: `create` initialised the file for the same type; messages are plain words.
        unsafe { mpmc::Consumer::join(&self.0) }
            .map(Receiving)
            .map_err(text)
    }
}

impl Tx for Sending {
    #[inline(always)]
    fn try_send(&mut self, message: &Slot) -> bool {
        self.0.try_write(*message).is_ok()
    }

    #[inline(always)]
    fn try_send_many(&mut self, messages: &[Slot]) -> usize {
        match self.0.try_write_slice(messages) {
            true => messages.len(),
            false => 0,
        }
    }
}

impl Rx for Receiving {
    #[inline(always)]
    fn try_receive(&mut self, take: &mut impl FnMut(&Slot)) -> bool {
        self.0.try_read().as_ref().map(take).is_some()
    }

    #[inline(always)]
    fn try_receive_many(&mut self, most: usize, take: &mut impl FnMut(&Slot)) -> usize {
        let Some(batch) =
            NonZeroUsize::new(most).and_then(|most| self.0.try_reserve_read_batch(most))
        else {
            return 0;
        };
        let taken = batch.len();
        for message in batch {
            take(&message);
        }
        taken
    }
}

/// The broadcast.
pub struct Broadcasting(File);
/// Its producer.
pub struct Publishing(broadcast::Producer<Slot>);
/// A reader.
pub struct Reading(broadcast::Consumer<Slot>);

impl Channel for Broadcasting {
    const TRAITS: Traits = TRAITS;
    type Tx = Publishing;
    type Rx = Reading;

    fn carries(many: Many) -> bool {
        many.sharing == Sharing::Broadcast
    }

    fn create(many: Many) -> Result<Self, String> {
        let file = memfd()?;
        let config = BroadcastConfig {
            capacity: CAPACITY,
            producer_slots: 1,
            consumer_slots: many.consumers as usize,
        };
        // SAFETY: the file is fresh and this call alone initialises it; messages are plain words.
        unsafe { Broadcast::<Slot>::create(&file, config) }.map_err(text)?;
        Ok(Broadcasting(file))
    }

    fn sender(&self) -> Result<Publishing, String> {
        // SAFETY: `create` initialised the file for the same type; messages are plain words.
        unsafe { broadcast::Producer::join(&self.0, ProducerId::new(0)) }
            .map(Publishing)
            .map_err(text)
    }

    fn receiver(&self) -> Result<Reading, String> {
        // SAFETY: `create` initialised the file for the same type; messages are plain words.
        unsafe { broadcast::Consumer::join(&self.0) }
            .map(Reading)
            .map_err(text)
    }
}

impl Tx for Publishing {
    #[inline(always)]
    fn try_send(&mut self, message: &Slot) -> bool {
        self.0.try_write(*message).is_ok()
    }

    #[inline(always)]
    fn try_send_many(&mut self, messages: &[Slot]) -> usize {
        match self.0.try_write_slice(messages) {
            true => messages.len(),
            false => 0,
        }
    }
}

impl Rx for Reading {
    #[inline(always)]
    fn try_receive(&mut self, take: &mut impl FnMut(&Slot)) -> bool {
        self.0.try_read().as_ref().map(take).is_some()
    }

    #[inline(always)]
    fn try_receive_many(&mut self, most: usize, take: &mut impl FnMut(&Slot)) -> usize {
        let Some(batch) =
            NonZeroUsize::new(most).and_then(|most| self.0.try_reserve_read_batch(most))
        else {
            return 0;
        };
        for index in 0..batch.len() {
            // SAFETY: the index is within the batch.
            let message = unsafe { batch.read(index) };
            take(&message);
        }
        batch.len()
    }
}
