//! Our own engine as both programs measure it: its ends through the public safe API, and its way of waiting.
//!
//! One message per `push` and `pop`, copied in and out; peers are not trusted. How the rings are made and found is the
//! program's. Invariant: a ring that breaks in a timed loop panics, which ends that measurement's process and no other.

use std::marker::PhantomData;

use super::engine::{Across, Traits, Wait, WrittenIn};
use super::loops::{Duplex, Rx, Tx};
use super::message::{Message, Place, numbered};
use super::report::OURS;

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
    /// What the engine is.
    const TRAITS: Traits;
    /// The strategy handed to every push and pop.
    const WAIT: annulus::Wait;
}

/// An spsc ring of slots whose ends poll.
pub struct Spinning;

impl Waiting for Spinning {
    const TRAITS: Traits = ours(Wait::Spin);
    const WAIT: annulus::Wait = annulus::Wait::spin();
}

/// An spsc ring of slots whose ends sleep after a moment of polling.
pub struct Parking;

impl Waiting for Parking {
    const TRAITS: Traits = ours(Wait::Park);
    const WAIT: annulus::Wait = annulus::Wait::park();
}

/// A sending end.
pub struct Sending<W, const WORDS: usize>(annulus::Producer<Message<WORDS>>, PhantomData<W>);
/// A receiving end, and where it takes messages to.
pub struct Receiving<W, const WORDS: usize> {
    end: annulus::Consumer<Message<WORDS>>,
    place: Place<WORDS>,
    wait: PhantomData<W>,
}

/// One side.
pub type Side<W, const WORDS: usize> = Duplex<Sending<W, WORDS>, Receiving<W, WORDS>, WORDS>;

/// Takes the sending end of `out` and the receiving end of `back`.
pub fn side<W, const WORDS: usize>(
    out: &annulus::Ring<annulus::Spsc<Message<WORDS>>>,
    back: &annulus::Ring<annulus::Spsc<Message<WORDS>>>,
) -> Result<Side<W, WORDS>, String> {
    let tx = out.producer().map_err(|error| error.to_string())?;
    let rx = back.consumer().map_err(|error| error.to_string())?;
    Ok(Duplex::new(
        Sending(tx, PhantomData),
        Receiving {
            end: rx,
            place: Place(numbered(0)),
            wait: PhantomData,
        },
    ))
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
        match self.end.pop_into(&mut self.place.0, W::WAIT) {
            Ok(()) => take(&self.place.0),
            Err(error) => panic!("annulus pop: {error}"),
        }
        true
    }
}
