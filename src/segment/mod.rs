//! Named, sized, mapped memory.
//!
//! A [`Segment`] is a ring's bytes together with the kernel objects that belong to them: the mapping, what
//! the liveness tokens hang on, and the semaphores of rings that use them. This layer knows where a ring is
//! and whether its header can be believed; it knows nothing about how messages move.

mod backing;
#[cfg(target_arch = "x86_64")]
mod blocks;
#[cfg(target_arch = "x86_64")]
mod bulk;
mod copy;
mod create;
mod data;
mod keyed;
mod lane;
mod memory;
mod name;
mod open;
mod owner;
mod plan;
mod processor;
mod remove;
mod strip;
mod token;
mod view;

pub use backing::{Backing, HugePages, Pages};
pub(crate) use create::create;
pub(crate) use data::DataObject;
pub(crate) use keyed::is_abandoned;
pub(crate) use lane::{Lane, Slots};
pub(crate) use memory::Memory;
pub(crate) use name::{Place, SHM_DIR, fnv1a};
pub(crate) use open::{Expect, is_current, open, open_descriptor, open_descriptors};
pub(crate) use plan::Plan;
pub(crate) use remove::unlink;
pub(crate) use strip::{Bytes, Strip};
pub(crate) use token::{Token, Tokens};
pub(crate) use view::{Data, Regions, Shared, SharedWord, View};

use crate::error::OsError;
use crate::layout::alleged::Checked;
use crate::os::posix_sem::NamedSem;
use std::sync::Arc;

/// One mapped ring.
#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) place: Place,
    pub(crate) checked: Checked,
    /// All of it, or all but the data.
    memory: Arc<Memory>,
    /// The data of a ring that is made of two objects.
    pub(crate) data: Option<DataObject>,
    pub(crate) tokens: Arc<Tokens>,
    pub(crate) sems: Option<Sems>,
    pub(crate) pages: Pages,
}

/// Why a view of a segment never fails.
const FITS: &str = "a checked header fits its memory";

impl Segment {
    /// The ring's words and its data. Where the data is an object of its own, it may be mapped for reading alone:
    /// whoever stores through this view dies of it.
    pub(crate) fn view<D: Data>(&self) -> View<D> {
        let data = self.data.as_ref().map(DataObject::memory);
        View::new(Arc::clone(&self.memory), data, &self.checked.geometry).expect(FITS)
    }

    /// The ring's words and its data, to be written.
    ///
    /// # Errors
    /// Where the data is an object of its own, when the kernel does not let this process write it: `EACCES` for
    /// the mode of a file, `EPERM` for a sealed memfd, which nobody but its creator can write.
    pub(crate) fn view_for_writing<D: Data>(&self) -> Result<View<D>, OsError> {
        let data = match &self.data {
            Some(object) => Some(object.for_writing()?),
            None => None,
        };
        Ok(View::new(Arc::clone(&self.memory), data, &self.checked.geometry).expect(FITS))
    }

    /// The number by which the guard knows this ring ([`ranges`](crate::os::ranges)).
    pub(crate) fn ring(&self) -> u64 {
        self.memory.ring()
    }

    /// Size in bytes, of both objects where there are two.
    pub(crate) fn bytes(&self) -> u64 {
        self.checked.segment_bytes + self.data.as_ref().map_or(0, DataObject::bytes)
    }
}

/// The two semaphores of a ring whose wait back end is semaphores.
#[derive(Clone, Debug)]
pub(crate) struct Sems {
    /// The consumer sleeps on this one.
    pub(crate) consumer: Arc<NamedSem>,
    /// The producer sleeps on this one.
    pub(crate) producer: Arc<NamedSem>,
}

/// The names of the two semaphores of the ring `instance`: consumer's, producer's.
fn sem_names(instance: u64) -> [String; 2] {
    ["c", "p"].map(|side| format!("/annulus.{instance:016x}.{side}"))
}
