//! What the bytes mean: the wire format as Rust types.
//!
//! Pure data. Nothing here touches memory it was not handed, calls the kernel or waits. The normative text
//! is `docs/WIRE.md`; `src/frozen.rs` proves at compile time that the two agree.

pub(crate) mod alleged;
pub(crate) mod control;
pub(crate) mod geometry;
pub(crate) mod header;
pub(crate) mod participant;
pub(crate) mod record;
pub(crate) mod word;

/// Lines with different writers are this far apart. A constant of the format, not of the target: two
/// 64-byte lines, because adjacent-line prefetchers move lines in pairs.
pub(crate) const LINE: usize = 128;

/// The wire version this source speaks.
pub(crate) const WIRE_VERSION: u32 = 1;
