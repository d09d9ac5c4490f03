//! Looking at rings from outside: what is there, and in what state.

#![forbid(unsafe_code)]

pub(crate) mod directory;
pub(crate) mod leftovers;
pub(crate) mod observe;
pub(crate) mod snapshot;
pub(crate) mod watch;
