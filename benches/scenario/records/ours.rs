//! Our own rings of records as programs measure them: their ends through the public safe API, and their way of waiting.
//!
//! One record per `push` and `pop_into`, copied in and out; peers are not trusted. How the rings are made and found is the
//! program's. Invariant: a ring that breaks in a timed loop panics, which ends that measurement's process and no other.

use std::marker::PhantomData;

use super::super::engine::Wait;
use super::loops::{Rx, Tx};

/// How the ends wait.
pub trait Waiting: 'static {
    /// What the report calls it.
    const NAME: Wait;
    /// The strategy handed to every push and pop.
    const WAIT: annulus::Wait;
}

/// Ends that poll, each on a core of its own.
pub struct Spinning;
/// Ends that poll and, as they share cores, yield after a moment.
pub struct Yielding;
/// Ends that sleep after a moment of polling.
pub struct Parking;

impl Waiting for Spinning {
    const NAME: Wait = Wait::Spin;
    const WAIT: annulus::Wait = annulus::Wait::spin();
}

impl Waiting for Yielding {
    const NAME: Wait = Wait::Spin;
    const WAIT: annulus::Wait = annulus::Wait::spin_then_yield();
}

impl Waiting for Parking {
    const NAME: Wait = Wait::Park;
    const WAIT: annulus::Wait = annulus::Wait::park();
}

/// A producer's end.
pub struct Sending<K: annulus::RecordKind, W>(annulus::RecordProducer<K>, PhantomData<W>);
/// The consumer's end.
pub struct Receiving<W>(annulus::RecordConsumer, PhantomData<W>);

impl<K: annulus::RecordKind, W> Sending<K, W> {
    /// Waits as `W` says.
    pub fn new(end: annulus::RecordProducer<K>) -> Self {
        Sending(end, PhantomData)
    }
}

impl<W> Receiving<W> {
    /// Waits as `W` says.
    pub fn new(end: annulus::RecordConsumer) -> Self {
        Receiving(end, PhantomData)
    }
}

impl<K: annulus::RecordKind, W: Waiting> Tx for Sending<K, W> {
    #[inline(always)]
    fn try_send(&mut self, record: &[u8]) -> bool {
        match self.0.push(record, W::WAIT) {
            Ok(()) => true,
            Err(error) => panic!("annulus push: {error}"),
        }
    }
}

impl<W: Waiting> Rx for Receiving<W> {
    #[inline(always)]
    fn try_receive(&mut self, into: &mut Vec<u8>) -> bool {
        match self.0.pop_into(into, W::WAIT) {
            Ok(_tag) => true,
            Err(error) => panic!("annulus pop: {error}"),
        }
    }
}
