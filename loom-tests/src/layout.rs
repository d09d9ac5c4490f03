//! The shipped files of `src/layout` that hold shared words, under the names the protocols use. The header and its
//! checks are bytes, not atomics, and stay out.

#[path = "../../src/layout/control.rs"]
pub(crate) mod control;
#[path = "../../src/layout/participant.rs"]
pub(crate) mod participant;
#[path = "../../src/layout/record.rs"]
pub(crate) mod record;
#[path = "../../src/layout/word.rs"]
pub(crate) mod word;
