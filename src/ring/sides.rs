//! How many there are on a side of a ring.

/// How many may produce into a ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Producers {
    One,
    Many,
}
