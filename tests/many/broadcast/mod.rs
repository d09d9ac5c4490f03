//! Broadcasts against a list of everything that was ever published, and where each reader must be in it.
//!
//! One thread holds all ends, so every answer is compared exactly. The only thing taken from the ring itself is how far
//! its producer says that it may write (the frontier), which must keep within its bounds: what lies a ring below
//! it is lost to those who have not read it, nothing else is.

mod records;
mod slots;
