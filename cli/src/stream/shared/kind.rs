//! The two kinds of ring that share a stream out, behind one face.

use super::super::meet::PLACES;
use annulus::{
    EndpointError, Mpmc, Options, Peer, Producer, PushError, Ring, SharedConsumer, SharedProducer,
    SlotKind, Spmc, Untrusted, Wait,
};
use std::time::Instant;

/// A kind of ring that shares a stream out.
pub trait Shared: SlotKind<Item = [u8]> + Sized {
    /// Whether several may send.
    const MANY: bool;
    /// A sender's end.
    type Tx;

    /// Options for a ring of that name, with places for so many senders and for as many receivers as usual.
    fn named(name: &str, senders: u32) -> Options<Self>;
    /// Takes a sender's end.
    fn producer(ring: &Ring<Self>) -> Result<Self::Tx, EndpointError>;
    /// Takes a receiver's end.
    fn consumer(ring: &Ring<Self>) -> Result<SharedConsumer<[u8]>, EndpointError>;
    /// Pushes one message of two parts, which begins the slot.
    fn push(
        tx: &mut Self::Tx,
        parts: [&[u8]; 2],
        wait: Wait,
        deadline: Instant,
    ) -> Result<(), PushError>;
    /// How the last owner of this end went.
    fn predecessor(tx: &Self::Tx) -> Peer;
    /// Ends the stream for all.
    fn close(tx: Self::Tx);
}

impl Shared for Spmc<[u8]> {
    const MANY: bool = false;
    type Tx = Producer<[u8], Untrusted, Self>;

    fn named(name: &str, _: u32) -> Options<Self> {
        annulus::spmc(name)
    }

    fn producer(ring: &Ring<Self>) -> Result<Self::Tx, EndpointError> {
        ring.producer()
    }

    fn consumer(ring: &Ring<Self>) -> Result<SharedConsumer<[u8]>, EndpointError> {
        ring.consumer()
    }

    fn push(
        tx: &mut Self::Tx,
        [head, body]: [&[u8]; 2],
        wait: Wait,
        deadline: Instant,
    ) -> Result<(), PushError> {
        let mut loan = tx.claim_until(wait, deadline)?;
        loan.write_at(0, head);
        loan.write_at(head.len(), body);
        loan.commit();
        Ok(())
    }

    fn predecessor(tx: &Self::Tx) -> Peer {
        tx.predecessor()
    }

    fn close(tx: Self::Tx) {
        tx.close();
    }
}

impl Shared for Mpmc<[u8]> {
    const MANY: bool = true;
    type Tx = SharedProducer<[u8]>;

    fn named(name: &str, senders: u32) -> Options<Self> {
        annulus::mpmc(name).producers(senders.max(PLACES))
    }

    fn producer(ring: &Ring<Self>) -> Result<Self::Tx, EndpointError> {
        ring.producer()
    }

    fn consumer(ring: &Ring<Self>) -> Result<SharedConsumer<[u8]>, EndpointError> {
        ring.consumer()
    }

    fn push(
        tx: &mut Self::Tx,
        [head, body]: [&[u8]; 2],
        wait: Wait,
        deadline: Instant,
    ) -> Result<(), PushError> {
        let mut loan = tx.claim_until(wait, deadline)?;
        loan.write_at(0, head);
        loan.write_at(head.len(), body);
        loan.commit();
        Ok(())
    }

    fn predecessor(tx: &Self::Tx) -> Peer {
        tx.predecessor()
    }

    fn close(tx: Self::Tx) {
        tx.close();
    }
}
