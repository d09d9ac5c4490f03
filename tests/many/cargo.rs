//! Messages of two sorts, bytes and a typed value, behind one face, so that a test is written once.

use annulus::{
    Broadcast, Consumer, Element, Producer, Reader, SharedConsumer, SharedProducer, SoleProducer,
    TryPopError, TryPushError, TryReadError, Untrusted,
};

/// A message type. Tests speak of messages as bytes.
pub trait Cargo: Element {
    /// Options that are for this type only.
    const SIZE: Option<usize>;
    /// Calls `f` with the message that `bytes` are.
    fn with<R>(bytes: &[u8], f: impl FnOnce(&Self) -> R) -> R;
    /// Calls `f` with a message to be overwritten, and gives the bytes it is then.
    fn receive<R>(size: usize, f: impl FnOnce(&mut Self) -> R) -> (R, Vec<u8>);
    /// As many as go in at one go, where the type can do that.
    fn push_many(tx: &mut SharedProducer<Self>, all: &[Vec<u8>]) -> Result<usize, TryPushError>;
    /// The same for the only producer.
    fn push_many_alone<K: SoleProducer<Item = Self>>(
        tx: &mut Producer<Self, Untrusted, K>,
        all: &[Vec<u8>],
    ) -> Result<usize, TryPushError>;
    /// Takes a message by value, where the type can do that.
    fn pop(rx: &mut SharedConsumer<Self>) -> Result<Vec<u8>, TryPopError>;
    /// The same for the only consumer.
    fn pop_alone(rx: &mut Consumer<Self>) -> Result<Vec<u8>, TryPopError>;
    /// The same for a reader.
    fn read(rx: &mut Reader<Self>) -> Result<Vec<u8>, TryReadError>;
    /// The newest message, likewise.
    fn latest(rx: &mut Reader<Self>) -> Result<Vec<u8>, TryReadError>;
    /// Takes what a drain of `n` gives, but no more than `most`.
    fn drain(rx: &mut SharedConsumer<Self>, n: usize, most: usize) -> Vec<Vec<u8>>;
}

/// The typed message: 20 bytes, aligned to 4.
pub type Typed = [u32; 5];

impl Cargo for [u8] {
    const SIZE: Option<usize> = None;

    fn with<R>(bytes: &[u8], f: impl FnOnce(&Self) -> R) -> R {
        f(bytes)
    }

    fn receive<R>(size: usize, f: impl FnOnce(&mut Self) -> R) -> (R, Vec<u8>) {
        let mut out = vec![0xcc; size];
        (f(&mut out), out)
    }

    fn push_many(tx: &mut SharedProducer<Self>, all: &[Vec<u8>]) -> Result<usize, TryPushError> {
        let Some(first) = all.first() else {
            return Ok(0);
        };
        tx.try_push(first).map(|()| 1)
    }

    fn push_many_alone<K: SoleProducer<Item = Self>>(
        tx: &mut Producer<Self, Untrusted, K>,
        all: &[Vec<u8>],
    ) -> Result<usize, TryPushError> {
        let Some(first) = all.first() else {
            return Ok(0);
        };
        tx.try_push(first).map(|()| 1)
    }

    fn pop(rx: &mut SharedConsumer<Self>) -> Result<Vec<u8>, TryPopError> {
        let sample = rx.try_sample()?;
        let mut out = vec![0; sample.slot_size()];
        sample.read_at(0, &mut out);
        Ok(out)
    }

    fn pop_alone(rx: &mut Consumer<Self>) -> Result<Vec<u8>, TryPopError> {
        let sample = rx.try_sample()?;
        let mut out = vec![0; sample.slot_size()];
        sample.read_at(0, &mut out);
        Ok(out)
    }

    fn read(rx: &mut Reader<Self>) -> Result<Vec<u8>, TryReadError> {
        let (got, out) = Self::receive(rx.slot_size(), |out| rx.try_read_into(out));
        got.map(|()| out)
    }

    fn latest(rx: &mut Reader<Self>) -> Result<Vec<u8>, TryReadError> {
        let (got, out) = Self::receive(rx.slot_size(), |out| rx.try_latest_into(out));
        got.map(|()| out)
    }

    fn drain(rx: &mut SharedConsumer<Self>, n: usize, most: usize) -> Vec<Vec<u8>> {
        let size = rx.slot_size();
        let mut drain = rx.drain(n);
        let mut all = Vec::new();
        let mut next = || {
            let (got, out) = Self::receive(size, |out| drain.next_into(out));
            got.then_some(out)
        };
        while all.len() < most
            && let Some(message) = next()
        {
            all.push(message);
        }
        all
    }
}

fn typed(bytes: &[u8]) -> Typed {
    let word = |i: usize| u32::from_ne_bytes(bytes[4 * i..][..4].try_into().expect("4 bytes"));
    assert_eq!(bytes.len(), 20);
    std::array::from_fn(word)
}

fn bytes(message: &Typed) -> Vec<u8> {
    message.iter().flat_map(|word| word.to_ne_bytes()).collect()
}

impl Cargo for Typed {
    const SIZE: Option<usize> = Some(20);

    fn with<R>(bytes: &[u8], f: impl FnOnce(&Self) -> R) -> R {
        f(&typed(bytes))
    }

    fn receive<R>(_: usize, f: impl FnOnce(&mut Self) -> R) -> (R, Vec<u8>) {
        let mut out = [0xcccc; 5];
        (f(&mut out), bytes(&out))
    }

    fn push_many(tx: &mut SharedProducer<Self>, all: &[Vec<u8>]) -> Result<usize, TryPushError> {
        let all: Vec<Self> = all.iter().map(|bytes| typed(bytes)).collect();
        tx.try_push_many(&all)
    }

    fn push_many_alone<K: SoleProducer<Item = Self>>(
        tx: &mut Producer<Self, Untrusted, K>,
        all: &[Vec<u8>],
    ) -> Result<usize, TryPushError> {
        let all: Vec<Self> = all.iter().map(|bytes| typed(bytes)).collect();
        tx.try_push_many(&all)
    }

    fn pop(rx: &mut SharedConsumer<Self>) -> Result<Vec<u8>, TryPopError> {
        rx.try_pop().map(|message| bytes(&message))
    }

    fn pop_alone(rx: &mut Consumer<Self>) -> Result<Vec<u8>, TryPopError> {
        rx.try_pop().map(|message| bytes(&message))
    }

    fn read(rx: &mut Reader<Self>) -> Result<Vec<u8>, TryReadError> {
        rx.try_read().map(|message| bytes(&message))
    }

    fn latest(rx: &mut Reader<Self>) -> Result<Vec<u8>, TryReadError> {
        rx.try_latest().map(|message| bytes(&message))
    }

    fn drain(rx: &mut SharedConsumer<Self>, n: usize, most: usize) -> Vec<Vec<u8>> {
        let drain = rx.drain(n).take(most);
        drain.map(|message| bytes(&message)).collect()
    }
}

/// The producing end of a broadcast of slots.
pub type Publisher<T> = Producer<T, Untrusted, Broadcast<T>>;
