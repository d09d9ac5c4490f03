//! The shipped files of `src/layout` that hold shared words, under the names the protocols use. The header and its
//! checks are bytes, not atomics, and stay out.

/// The numbers of the kinds, by which a control block begins.
pub(crate) mod header {
    pub(crate) const KIND_SPSC: u32 = 1;
    pub(crate) const KIND_MPSC: u32 = 2;
    pub(crate) const KIND_SPMC: u32 = 3;
    pub(crate) const KIND_MPMC: u32 = 4;
    pub(crate) const KIND_BROADCAST: u32 = 5;
}

#[path = "../../src/layout/control.rs"]
pub(crate) mod control;
#[path = "../../src/layout/participant.rs"]
pub(crate) mod participant;
#[path = "../../src/layout/record.rs"]
pub(crate) mod record;
#[path = "../../src/layout/word.rs"]
pub(crate) mod word;
