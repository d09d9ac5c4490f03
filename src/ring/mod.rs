//! Protocols: they move positions, not bytes.
//!
//! A protocol answers "which position may I write, what have I published, what may I read, what have I
//! released" over a borrowed control block and the ready words. Payload, pointers, system calls and waiting
//! are elsewhere, so nothing here needs `unsafe` and all of it runs unchanged under the model checker.

#![forbid(unsafe_code)]

pub(crate) mod announce;
mod back_off;
pub(crate) mod broadcast;
pub(crate) mod close;
pub(crate) mod corrupt;
pub(crate) mod records;
pub(crate) mod shared;
pub(crate) mod sides;
pub(crate) mod spsc;
pub(crate) mod words;
