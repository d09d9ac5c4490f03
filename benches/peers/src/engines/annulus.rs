//! Our own engine, through its public safe API, across two processes that open the rings by name.
//!
//! One message per `push` and `pop`, copied in and out; peers are not trusted. It takes part twice under one name: spinning
//! beside the spinning peers, and parking beside the kernel's own channels.
//! Invariant: the names are removed when the link is dropped in the process that made it; `sweep` covers a killed one.

use std::marker::PhantomData;

use super::{Across, Family, Traits, Wait, WrittenIn, fresh_name};
use crate::harness::{CAPACITY, Link, over_processes};
use crate::loops::{Duplex, Rx, Tx};
use crate::message::Message;
use crate::scenario::pin::Cpus;
use crate::scenario::report::OURS;
use crate::scenario::shared::Barrier;

const fn ours(wait: Wait) -> Traits {
    Traits {
        name: OURS,
        across: Across::Processes,
        written_in: WrittenIn::Rust,
        wait,
    }
}

/// How the ends wait.
pub trait Waiting: 'static {
    /// The strategy handed to every push and pop.
    const WAIT: annulus::Wait;
}

/// An spsc ring of slots whose ends poll.
pub struct Spinning;

impl Waiting for Spinning {
    const WAIT: annulus::Wait = annulus::Wait::spin();
}

impl Family for Spinning {
    const TRAITS: Traits = ours(Wait::Spin);
    type Link<const WORDS: usize> = AnnulusLink<Spinning, WORDS>;
}

/// An spsc ring of slots whose ends sleep after a moment of polling.
pub struct Parking;

impl Waiting for Parking {
    const WAIT: annulus::Wait = annulus::Wait::park();
}

impl Family for Parking {
    const TRAITS: Traits = ours(Wait::Park);
    type Link<const WORDS: usize> = AnnulusLink<Parking, WORDS>;
}

/// Two named rings.
pub struct AnnulusLink<W, const WORDS: usize> {
    to_near: Named<WORDS>,
    to_far: Named<WORDS>,
    wait: PhantomData<W>,
}

/// A ring and the name under which the other process finds it.
struct Named<const WORDS: usize> {
    name: String,
    ring: annulus::Ring<Message<WORDS>>,
}

impl<const WORDS: usize> Named<WORDS> {
    fn create(way: &str) -> Result<Self, String> {
        let name = fresh_name(way);
        let ring = annulus::spsc::<Message<WORDS>>(&name)
            .capacity(CAPACITY as u64)
            .create()
            .map_err(|error| error.to_string())?;
        Ok(Named { name, ring })
    }

    fn open(&self) -> Result<annulus::Ring<Message<WORDS>>, String> {
        annulus::spsc::<Message<WORDS>>(&self.name)
            .open()
            .map_err(|error| error.to_string())
    }
}

impl<const WORDS: usize> Drop for Named<WORDS> {
    fn drop(&mut self) {
        // A name that stays is swept at the end of the run.
        let _ = self.ring.unlink();
    }
}

/// A sending end.
pub struct Sending<W, const WORDS: usize>(annulus::Producer<Message<WORDS>>, PhantomData<W>);
/// A receiving end, and where it takes messages to.
pub struct Receiving<W, const WORDS: usize> {
    end: annulus::Consumer<Message<WORDS>>,
    message: Message<WORDS>,
    wait: PhantomData<W>,
}

type Side<W, const WORDS: usize> = Duplex<Sending<W, WORDS>, Receiving<W, WORDS>, WORDS>;

fn side<W, const WORDS: usize>(
    out: &annulus::Ring<Message<WORDS>>,
    back: &annulus::Ring<Message<WORDS>>,
) -> Result<Side<W, WORDS>, String> {
    let tx = out.producer().map_err(|error| error.to_string())?;
    let rx = back.consumer().map_err(|error| error.to_string())?;
    Ok(Duplex::new(
        Sending(tx, PhantomData),
        Receiving {
            end: rx,
            message: Message::numbered(0),
            wait: PhantomData,
        },
    ))
}

impl<W: Waiting, const WORDS: usize> Link for AnnulusLink<W, WORDS> {
    type Near = Side<W, WORDS>;
    type Far = Side<W, WORDS>;

    fn create() -> Result<Self, String> {
        Ok(AnnulusLink {
            to_near: Named::create("near")?,
            to_far: Named::create("far")?,
            wait: PhantomData,
        })
    }

    fn near(&mut self) -> Result<Self::Near, String> {
        side(&self.to_far.ring, &self.to_near.ring)
    }

    fn far(&mut self) -> Result<Self::Far, String> {
        side(&self.to_near.open()?, &self.to_far.open()?)
    }

    fn run<R>(
        self,
        cpus: Cpus,
        near: impl FnOnce(&mut Self::Near, &Barrier) -> Result<R, String>,
        far: impl FnOnce(&mut Self::Far, &Barrier) -> Result<(), String> + Send,
    ) -> Result<R, String> {
        over_processes(self, cpus, near, far)
    }
}

impl<W: Waiting, const WORDS: usize> Tx<WORDS> for Sending<W, WORDS> {
    #[inline(always)]
    fn try_send(&mut self, message: &Message<WORDS>) -> bool {
        match self.0.push(message, W::WAIT) {
            Ok(()) => true,
            Err(error) => panic!("annulus push: {error}"),
        }
    }
}

impl<W: Waiting, const WORDS: usize> Rx<WORDS> for Receiving<W, WORDS> {
    #[inline(always)]
    fn try_receive(&mut self, take: &mut impl FnMut(&Message<WORDS>)) -> bool {
        match self.end.pop_into(&mut self.message, W::WAIT) {
            Ok(()) => take(&self.message),
            Err(error) => panic!("annulus pop: {error}"),
        }
        true
    }
}
