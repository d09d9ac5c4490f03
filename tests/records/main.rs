//! Rings of records: against a model, against forged headers, against a hostile peer, and their options.
//!
//! Each file is one idea. What runs in several processes, and what is killed, is tested elsewhere.

#[path = "../common/mod.rs"]
mod common;
#[path = "../victims/mod.rs"]
mod victims;

mod allegations;
mod close;
mod dead;
mod forged;
mod hostile;
mod kinds;
mod model;
mod observed;
mod options;
mod peer;
mod places;
mod wait;
