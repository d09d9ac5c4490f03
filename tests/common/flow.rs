//! Messages that prove themselves: message `i` carries `i` and bytes that follow from it, so that a lost,
//! repeated, torn or invented one is seen at once. The same face for rings of a type and rings of bytes.

use super::rng::mix;
use annulus::{
    Consumer, EndpointError, Peer, PopError, Producer, PushError, Ring, Status, TryPopError,
    TryPushError, Wait,
};
use std::time::Instant;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// The typed message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Msg {
    number: u64,
    check: [u64; 4],
}

impl Msg {
    /// Message number `i`.
    pub fn new(i: u64) -> Self {
        Self {
            number: i,
            check: std::array::from_fn(|k| mix(i.wrapping_add(k as u64 + 1))),
        }
    }

    /// The number, if the whole message is what it should be.
    pub fn number(&self) -> Option<u64> {
        (*self == Self::new(self.number)).then_some(self.number)
    }
}

/// Writes message `i` into `bytes`, of which there are at least eight.
pub fn fill(i: u64, bytes: &mut [u8]) {
    bytes[..8].copy_from_slice(&i.to_le_bytes());
    for (k, part) in bytes[8..].chunks_mut(8).enumerate() {
        let word = mix(i.wrapping_add(k as u64 + 1)).to_le_bytes();
        part.copy_from_slice(&word[..part.len()]);
    }
}

/// The number of the message in `bytes`, if it is whole.
pub fn number(bytes: &[u8]) -> Option<u64> {
    let i = u64::from_le_bytes(bytes[..8].try_into().expect("eight bytes"));
    let mut wanted = [0; 256];
    let wanted = &mut wanted[..bytes.len()];
    fill(i, wanted);
    (bytes == wanted).then_some(i)
}

/// A ring of one of the two sorts.
#[derive(Clone, Debug)]
pub enum AnyRing {
    Typed(Ring<annulus::Spsc<Msg>>),
    Bytes(Ring<annulus::Spsc<[u8]>>),
}

/// Does the same with either sort.
macro_rules! either {
    ($enum:ident, $any:expr, $it:ident => $do:expr) => {
        match $any {
            $enum::Typed($it) => $do,
            $enum::Bytes($it) => $do,
        }
    };
}

impl AnyRing {
    pub fn producer(&self) -> Result<Tx, EndpointError> {
        Ok(match self {
            Self::Typed(ring) => Tx::Typed(ring.producer()?),
            Self::Bytes(ring) => Tx::Bytes(ring.producer()?),
        })
    }

    pub fn consumer(&self) -> Result<Rx, EndpointError> {
        Ok(match self {
            Self::Typed(ring) => Rx::Typed(ring.consumer()?),
            Self::Bytes(ring) => Rx::Bytes(ring.consumer()?),
        })
    }

    pub fn status(&self) -> Status {
        either!(AnyRing, self, ring => ring.status()).expect("the kernel answers")
    }

    pub fn instance(&self) -> u64 {
        either!(AnyRing, self, ring => ring.instance())
    }

    pub fn backing(&self) -> annulus::Backing {
        either!(AnyRing, self, ring => ring.backing())
    }

    pub fn descriptor(&self) -> Option<std::os::fd::BorrowedFd<'_>> {
        either!(AnyRing, self, ring => ring.descriptor())
    }

    pub fn unlink(&self) {
        either!(AnyRing, self, ring => ring.unlink()).expect("a ring can be removed");
    }
}

/// A producer of either sort; `push(i)` sends message `i`.
#[derive(Debug)]
pub enum Tx {
    Typed(Producer<Msg>),
    Bytes(Producer<[u8]>),
}

/// What a producer writes of message `i` into a slot of `bytes`.
fn content(i: u64, buffer: &mut [u8; 256], bytes: usize) -> &[u8] {
    fill(i, &mut buffer[..bytes]);
    &buffer[..bytes]
}

impl Tx {
    pub fn try_push(&mut self, i: u64) -> Result<(), TryPushError> {
        match self {
            Self::Typed(tx) => tx.try_push(&Msg::new(i)),
            Self::Bytes(tx) => tx.try_push(content(i, &mut [0; 256], tx.slot_size())),
        }
    }

    pub fn push(&mut self, i: u64, wait: Wait) -> Result<(), PushError> {
        match self {
            Self::Typed(tx) => tx.push(&Msg::new(i), wait),
            Self::Bytes(tx) => tx.push(content(i, &mut [0; 256], tx.slot_size()), wait),
        }
    }

    pub fn push_until(&mut self, i: u64, wait: Wait, at: Instant) -> Result<(), PushError> {
        match self {
            Self::Typed(tx) => tx.push_until(&Msg::new(i), wait, at),
            Self::Bytes(tx) => tx.push_until(content(i, &mut [0; 256], tx.slot_size()), wait, at),
        }
    }

    /// Claims the next slot, writes message `i`, calls `then`, commits if it says so.
    pub fn claim(
        &mut self,
        i: u64,
        wait: Wait,
        then: impl FnOnce() -> bool,
    ) -> Result<(), PushError> {
        match self {
            Self::Typed(tx) => {
                let mut loan = tx.claim(wait)?;
                loan.write(&Msg::new(i));
                if then() {
                    loan.commit();
                }
            }
            Self::Bytes(tx) => {
                let mut loan = tx.claim(wait)?;
                let bytes = loan.slot_size();
                loan.write_at(0, content(i, &mut [0; 256], bytes));
                if then() {
                    loan.commit();
                }
            }
        }
        Ok(())
    }

    /// Claims up to `n` slots, writes messages from `i` on, asks `then` how many of them to commit. Says
    /// how many that were.
    pub fn claim_run(
        &mut self,
        (i, n): (u64, usize),
        wait: Wait,
        then: impl FnOnce(usize) -> usize,
    ) -> Result<usize, PushError> {
        match self {
            Self::Typed(tx) => {
                let mut run = tx.claim_run(n, wait)?;
                (0..run.len()).for_each(|k| run.write(k, &Msg::new(i + k as u64)));
                let sent = then(run.len());
                run.commit_first(sent);
                Ok(sent)
            }
            Self::Bytes(tx) => {
                let bytes = tx.slot_size();
                let mut run = tx.claim_run(n, wait)?;
                for k in 0..run.len() {
                    run.write_at(k, 0, content(i + k as u64, &mut [0; 256], bytes));
                }
                let sent = then(run.len());
                run.commit_first(sent);
                Ok(sent)
            }
        }
    }

    pub fn close(self) {
        either!(Tx, self, tx => tx.close());
    }

    pub fn position(&self) -> u64 {
        either!(Tx, self, tx => tx.position())
    }

    pub fn predecessor(&self) -> Peer {
        either!(Tx, self, tx => tx.predecessor())
    }

    pub fn consumer_state(&self) -> Peer {
        either!(Tx, self, tx => tx.consumer_state())
    }
}

/// A consumer of either sort, which gives message numbers and panics when a message is not whole.
#[derive(Debug)]
pub enum Rx {
    Typed(Consumer<Msg>),
    Bytes(Consumer<[u8]>),
}

fn whole(number: Option<u64>, position: u64) -> u64 {
    number.unwrap_or_else(|| panic!("the message at position {position} is torn"))
}

impl Rx {
    pub fn try_pop(&mut self) -> Result<u64, TryPopError> {
        let at = self.position();
        match self {
            Self::Typed(rx) => rx.try_pop().map(|m| whole(m.number(), at)),
            Self::Bytes(rx) => {
                let mut buffer = [0; 256];
                let bytes = &mut buffer[..rx.slot_size()];
                rx.try_pop_into(bytes).map(|()| whole(number(bytes), at))
            }
        }
    }

    pub fn pop(&mut self, wait: Wait) -> Result<u64, PopError> {
        let at = self.position();
        match self {
            Self::Typed(rx) => rx.pop(wait).map(|m| whole(m.number(), at)),
            Self::Bytes(rx) => {
                let mut buffer = [0; 256];
                let bytes = &mut buffer[..rx.slot_size()];
                rx.pop_into(bytes, wait).map(|()| whole(number(bytes), at))
            }
        }
    }

    pub fn pop_until(&mut self, wait: Wait, deadline: Instant) -> Result<u64, PopError> {
        let at = self.position();
        match self {
            Self::Typed(rx) => rx.pop_until(wait, deadline).map(|m| whole(m.number(), at)),
            Self::Bytes(rx) => {
                let mut buffer = [0; 256];
                let bytes = &mut buffer[..rx.slot_size()];
                rx.pop_into_until(bytes, wait, deadline)
                    .map(|()| whole(number(bytes), at))
            }
        }
    }

    /// Takes the next message in hand, calls `then` with its position and its number (`None` if it is not
    /// whole), and only then gives the slot back.
    pub fn sample(
        &mut self,
        wait: Wait,
        then: impl FnOnce(u64, Option<u64>),
    ) -> Result<(), PopError> {
        match self {
            Self::Typed(rx) => {
                let sample = rx.sample(wait)?;
                then(sample.position(), sample.read().number());
            }
            Self::Bytes(rx) => {
                let sample = rx.sample(wait)?;
                let mut buffer = [0; 256];
                let bytes = &mut buffer[..sample.slot_size()];
                sample.read_at(0, bytes);
                then(sample.position(), number(bytes));
            }
        }
        Ok(())
    }

    pub fn close(self) {
        either!(Rx, self, rx => rx.close());
    }

    pub fn position(&self) -> u64 {
        either!(Rx, self, rx => rx.position())
    }

    pub fn predecessor(&self) -> Peer {
        either!(Rx, self, rx => rx.predecessor())
    }

    pub fn producer_state(&self) -> Peer {
        either!(Rx, self, rx => rx.producer_state())
    }
}
