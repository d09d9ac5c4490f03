//! How many there are on a side of a ring.

use crate::layout::header::{KIND_MPMC, KIND_MPSC};

/// How many may produce into a ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Producers {
    One,
    Many,
}

impl Producers {
    /// Into a ring of `kind`, one of `header::KIND_*`.
    pub(crate) fn of(kind: u32) -> Self {
        match kind {
            KIND_MPSC | KIND_MPMC => Self::Many,
            _ => Self::One,
        }
    }
}
