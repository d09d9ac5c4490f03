//! The ends of rings that many share, behind one face each.

use crate::cargo::Cargo;
use annulus::{
    Consumer, EndpointError, Mpmc, Mpsc, Options, PopError, Producer, PushError, Ring,
    SharedConsumer, SharedProducer, SlotKind, Spmc, TryPopError, TryPushError, Untrusted, Wait,
};
use std::time::Instant;

/// What becomes of a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// The first so many are sent, the others given up.
    Commit(usize),
    Abort,
    Drop,
    /// Its owner never comes back to it.
    Forget,
}

/// A producing end.
pub trait Tx: Sized {
    fn push(&mut self, bytes: &[u8]) -> Result<(), TryPushError>;
    /// With a deadline that has passed.
    fn push_now(&mut self, bytes: &[u8]) -> Result<(), PushError>;
    fn push_many(&mut self, all: &[Vec<u8>]) -> Result<usize, TryPushError>;
    /// Claims up to `all.len()` slots, writes into each, and does with them what `fate` says for so many. Gives how many
    /// they were.
    fn claim_many(
        &mut self,
        all: &[Vec<u8>],
        fate: impl FnOnce(usize) -> Fate,
    ) -> Result<usize, TryPushError>;
    /// The same with one slot.
    fn claim(&mut self, bytes: &[u8], fate: Fate) -> Result<u64, TryPushError>;
    fn len(&self) -> u64;
    fn close(self);
}

/// A consuming end.
pub trait Rx: Sized {
    fn pop(&mut self) -> Result<Vec<u8>, TryPopError>;
    /// Waits until then.
    fn pop_until(&mut self, size: usize, until: Instant) -> Result<Vec<u8>, PopError>;
    fn pop_into(&mut self, size: usize) -> Result<Vec<u8>, TryPopError>;
    /// Reads in place. Kept, the message stays where it is.
    fn sample(&mut self, size: usize, keep: bool) -> Result<(u64, Vec<u8>), TryPopError>;
    /// What a drain of `n` gives, but no more than `most`.
    fn drain(&mut self, n: usize, most: usize) -> Vec<Vec<u8>>;
    fn is_empty(&self) -> bool;
    /// How many messages are there for it, where it can tell.
    fn len(&self) -> Option<u64>;
    fn redelivered(&self) -> bool;
    fn close(self);
}

/// A kind of ring that is shared.
pub trait Shared: SlotKind + Sized {
    type Cargo: Cargo + ?Sized;
    type Tx: Tx;
    type Rx: Rx;
    /// Whether the tail is shared, and whether the head is.
    const MANY: (bool, bool);
    fn options(name: &str, producers: u32, consumers: u32, size: usize) -> Options<Self>;
    fn tx(ring: &Ring<Self>) -> Result<Self::Tx, EndpointError>;
    fn rx(ring: &Ring<Self>) -> Result<Self::Rx, EndpointError>;
}

impl<T: Cargo + ?Sized> Tx for SharedProducer<T> {
    fn push(&mut self, bytes: &[u8]) -> Result<(), TryPushError> {
        T::with(bytes, |message| self.try_push(message))
    }

    fn push_now(&mut self, bytes: &[u8]) -> Result<(), PushError> {
        T::with(bytes, |message| {
            self.push_until(message, Wait::spin(), Instant::now())
        })
    }

    fn push_many(&mut self, all: &[Vec<u8>]) -> Result<usize, TryPushError> {
        T::push_many(self, all)
    }

    fn claim_many(
        &mut self,
        all: &[Vec<u8>],
        fate: impl FnOnce(usize) -> Fate,
    ) -> Result<usize, TryPushError> {
        let mut run = self.try_claim_many(all.len())?;
        let n = run.len();
        for (i, bytes) in all[..n].iter().enumerate().rev() {
            T::with(bytes, |message| run.write(i, message));
        }
        match fate(n) {
            Fate::Commit(sent) if sent == n => run.commit(),
            Fate::Commit(sent) => run.commit_first(sent),
            Fate::Abort => run.abort(),
            Fate::Drop => drop(run),
            Fate::Forget => std::mem::forget(run),
        }
        Ok(n)
    }

    fn claim(&mut self, bytes: &[u8], fate: Fate) -> Result<u64, TryPushError> {
        let mut loan = self.try_claim()?;
        let position = loan.position();
        T::with(bytes, |message| loan.write(message));
        match fate {
            Fate::Commit(_) => loan.commit(),
            Fate::Abort => loan.abort(),
            Fate::Drop => drop(loan),
            Fate::Forget => std::mem::forget(loan),
        }
        Ok(position)
    }

    fn len(&self) -> u64 {
        assert_eq!(self.is_empty(), SharedProducer::len(self) == 0);
        SharedProducer::len(self)
    }

    fn close(self) {
        SharedProducer::close(self);
    }
}

impl<T: Cargo + ?Sized> Tx for Producer<T, Untrusted, Spmc<T>> {
    fn push(&mut self, bytes: &[u8]) -> Result<(), TryPushError> {
        T::with(bytes, |message| self.try_push(message))
    }

    fn push_now(&mut self, bytes: &[u8]) -> Result<(), PushError> {
        T::with(bytes, |message| {
            self.push_until(message, Wait::spin(), Instant::now())
        })
    }

    fn push_many(&mut self, all: &[Vec<u8>]) -> Result<usize, TryPushError> {
        T::push_many_alone(self, all)
    }

    fn claim_many(
        &mut self,
        all: &[Vec<u8>],
        fate: impl FnOnce(usize) -> Fate,
    ) -> Result<usize, TryPushError> {
        let mut run = self.try_claim_run(all.len())?;
        let n = run.len();
        for (i, bytes) in all[..n].iter().enumerate().rev() {
            T::with(bytes, |message| run.write(i, message));
        }
        match fate(n) {
            Fate::Commit(sent) if sent == n => run.commit(),
            Fate::Commit(sent) => run.commit_first(sent),
            Fate::Abort => run.abort(),
            // It has claimed nothing that could be forgotten.
            Fate::Drop | Fate::Forget => drop(run),
        }
        Ok(n)
    }

    fn claim(&mut self, bytes: &[u8], fate: Fate) -> Result<u64, TryPushError> {
        let mut loan = self.try_claim()?;
        let position = loan.position();
        T::with(bytes, |message| loan.write(message));
        match fate {
            Fate::Commit(_) => loan.commit(),
            Fate::Abort => loan.abort(),
            Fate::Drop | Fate::Forget => drop(loan),
        }
        Ok(position)
    }

    fn len(&self) -> u64 {
        assert_eq!(self.is_empty(), Producer::len(self) == 0);
        Producer::len(self)
    }

    fn close(self) {
        Producer::close(self);
    }
}

impl<T: Cargo + ?Sized> Rx for SharedConsumer<T> {
    fn pop(&mut self) -> Result<Vec<u8>, TryPopError> {
        T::pop(self)
    }

    fn pop_until(&mut self, size: usize, until: Instant) -> Result<Vec<u8>, PopError> {
        let (got, out) = T::receive(size, |out| self.pop_into_until(out, Wait::park(), until));
        got.map(|()| out)
    }

    fn pop_into(&mut self, size: usize) -> Result<Vec<u8>, TryPopError> {
        let (got, out) = T::receive(size, |out| self.try_pop_into(out));
        got.map(|()| out)
    }

    fn sample(&mut self, size: usize, keep: bool) -> Result<(u64, Vec<u8>), TryPopError> {
        let sample = self.try_sample()?;
        let ((), out) = T::receive(size, |out| sample.read_into(out));
        let position = sample.position();
        match keep {
            true => std::mem::forget(sample),
            false if position % 2 == 0 => sample.release(),
            false => drop(sample),
        }
        Ok((position, out))
    }

    fn drain(&mut self, n: usize, most: usize) -> Vec<Vec<u8>> {
        assert!(SharedConsumer::drain(self, 0).at_most() == 0);
        T::drain(self, n, most)
    }

    fn is_empty(&self) -> bool {
        SharedConsumer::is_empty(self)
    }

    fn len(&self) -> Option<u64> {
        None
    }

    fn redelivered(&self) -> bool {
        SharedConsumer::redelivered(self)
    }

    fn close(self) {
        SharedConsumer::close(self);
    }
}

impl<T: Cargo + ?Sized> Rx for Consumer<T> {
    fn pop(&mut self) -> Result<Vec<u8>, TryPopError> {
        T::pop_alone(self)
    }

    fn pop_until(&mut self, size: usize, until: Instant) -> Result<Vec<u8>, PopError> {
        let (got, out) = T::receive(size, |out| self.pop_into_until(out, Wait::park(), until));
        got.map(|()| out)
    }

    fn pop_into(&mut self, size: usize) -> Result<Vec<u8>, TryPopError> {
        let (got, out) = T::receive(size, |out| self.try_pop_into(out));
        got.map(|()| out)
    }

    fn sample(&mut self, size: usize, keep: bool) -> Result<(u64, Vec<u8>), TryPopError> {
        let sample = self.try_sample()?;
        let ((), out) = T::receive(size, |out| sample.read_into(out));
        let position = sample.position();
        if keep {
            std::mem::forget(sample);
        }
        Ok((position, out))
    }

    fn drain(&mut self, n: usize, most: usize) -> Vec<Vec<u8>> {
        let size = self.slot_size();
        let mut drain = Consumer::drain(self, n);
        let next = || {
            let (got, out) = T::receive(size, |out| drain.next_into(out));
            got.then_some(out)
        };
        std::iter::from_fn(next).take(most).collect()
    }

    fn is_empty(&self) -> bool {
        Consumer::is_empty(self)
    }

    fn len(&self) -> Option<u64> {
        Some(Consumer::len(self))
    }

    fn redelivered(&self) -> bool {
        false
    }

    fn close(self) {
        Consumer::close(self);
    }
}

/// Which options a kind has, and how its ends are taken.
macro_rules! shared {
    ($kind:ident, $many:expr, $make:ident $(.$places:ident)*) => {
        impl Shared for $kind<[u8]> {
            type Cargo = [u8];
            shared!(@rest $kind, [u8], $many);

            fn options(name: &str, producers: u32, consumers: u32, size: usize) -> Options<Self> {
                let options = annulus::$make::<[u8]>(name).slot_size(size);
                shared!(@places options producers consumers $(.$places)*)
            }
        }

        impl Shared for $kind<crate::cargo::Typed> {
            type Cargo = crate::cargo::Typed;
            shared!(@rest $kind, crate::cargo::Typed, $many);

            fn options(name: &str, producers: u32, consumers: u32, _: usize) -> Options<Self> {
                let options = annulus::$make::<crate::cargo::Typed>(name);
                shared!(@places options producers consumers $(.$places)*)
            }
        }
    };
    (@rest $kind:ident, $cargo:ty, $many:expr) => {
        type Tx = <Self as Ends>::Tx;
        type Rx = <Self as Ends>::Rx;
        const MANY: (bool, bool) = $many;

        fn tx(ring: &Ring<Self>) -> Result<Self::Tx, EndpointError> {
            ring.producer()
        }

        fn rx(ring: &Ring<Self>) -> Result<Self::Rx, EndpointError> {
            ring.consumer()
        }
    };
    (@places $options:ident $producers:ident $consumers:ident .producers .consumers) => {
        $options.producers($producers).consumers($consumers)
    };
    (@places $options:ident $producers:ident $consumers:ident .producers) => {{
        assert_eq!($consumers, 1);
        $options.producers($producers)
    }};
    (@places $options:ident $producers:ident $consumers:ident .consumers) => {{
        assert_eq!($producers, 1);
        $options.consumers($consumers)
    }};
}

/// The types of a kind's ends.
pub trait Ends {
    type Tx;
    type Rx;
}

impl<T: Cargo + ?Sized> Ends for Mpsc<T> {
    type Tx = SharedProducer<T>;
    type Rx = Consumer<T>;
}

impl<T: Cargo + ?Sized> Ends for Spmc<T> {
    type Tx = Producer<T, Untrusted, Spmc<T>>;
    type Rx = SharedConsumer<T>;
}

impl<T: Cargo + ?Sized> Ends for Mpmc<T> {
    type Tx = SharedProducer<T>;
    type Rx = SharedConsumer<T>;
}

shared!(Mpsc, (true, false), mpsc.producers);
shared!(Spmc, (false, true), spmc.consumers);
shared!(Mpmc, (true, true), mpmc.producers.consumers);
