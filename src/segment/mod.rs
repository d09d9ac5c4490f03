//! Named, sized, mapped memory.
//!
//! A [`Segment`] is a ring's bytes together with the kernel objects that belong to them: the mapping, what
//! the liveness tokens hang on, and the semaphores of rings that use them. This layer knows where a ring is
//! and whether its header can be believed; it knows nothing about how messages move.

mod backing;
mod copy;
mod create;
mod keyed;
mod lane;
mod memory;
mod name;
mod open;
mod strip;
mod token;
mod view;

pub use backing::{Backing, HugePages, Pages};
pub(crate) use create::{Plan, create};
pub(crate) use lane::Slots;
pub(crate) use memory::Memory;
pub(crate) use name::{Place, SHM_DIR, fnv1a};
pub(crate) use open::{Expect, is_current, open, open_descriptor, unlink};
pub(crate) use strip::{Bytes, Strip};
pub(crate) use token::{Token, Tokens};
pub(crate) use view::{Data, Regions, View};

use crate::layout::alleged::Checked;
use crate::os::posix_sem::NamedSem;
use std::sync::Arc;

/// One mapped ring.
#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) place: Place,
    pub(crate) checked: Checked,
    pub(crate) memory: Arc<Memory>,
    pub(crate) tokens: Arc<Tokens>,
    pub(crate) sems: Option<Sems>,
    pub(crate) pages: Pages,
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
