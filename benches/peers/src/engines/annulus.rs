//! Our own engine, through its public safe API, across two processes that open the rings by name.
//!
//! It takes part twice under one name: spinning
//! beside the spinning peers, and parking beside the kernel's own channels.
//! Invariant: the names are removed when the link is dropped in the process that made it; `sweep` covers a killed one.

use std::marker::PhantomData;

use super::{Family, fresh_name};
use crate::scenario::engine::Traits;
use crate::scenario::harness::{CAPACITY, Link, over_processes};
use crate::scenario::message::Message;
use crate::scenario::ours::{Side, Waiting, side};
use crate::scenario::pin::Cpus;
use crate::scenario::slices::Party;

impl<W: Waiting> Family for W {
    const TRAITS: Traits = W::TRAITS;
    type Link<const WORDS: usize> = AnnulusLink<W, WORDS>;
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
    ring: annulus::Ring<annulus::Spsc<Message<WORDS>>>,
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

    fn open(&self) -> Result<annulus::Ring<annulus::Spsc<Message<WORDS>>>, String> {
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
        near: impl FnOnce(&mut Self::Near, &mut Party<'_>) -> Result<R, String>,
        far: impl FnOnce(&mut Self::Far, &mut Party<'_>) -> Result<(), String> + Send,
    ) -> Result<R, String> {
        over_processes(self, cpus, near, far)
    }
}
