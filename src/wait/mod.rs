//! How to wait: which step comes next, and how to fall asleep without missing a wake-up.
//!
//! Pure: time is a number handed in, sleeping is a [`park::Bell`]. The loop that puts the pieces together is
//! `endpoint/waiting.rs`.

#![forbid(unsafe_code)]

pub(crate) mod distance;
pub(crate) mod pace;
pub(crate) mod park;
pub(crate) mod strategy;
