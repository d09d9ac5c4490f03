//! The rules of the house as a test: layers, doors, the address of `unsafe`, ordering comments, sizes,
//! leftovers, links. The sources are read as text, which is enough because they are formatted by rustfmt.
//!
//! Every rule collects all its violations before it fails. A rule that is wrong for a case is changed here,
//! with its reason, and not worked around.

mod can_fail;
mod documents;
mod layers;
mod leftovers;
mod orderings;
mod reading;
mod sizes;
