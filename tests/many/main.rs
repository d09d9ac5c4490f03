//! Rings that many share, and broadcasts: against models, exactly, in threads, with wrong options, and in memory that
//! lies.
//!
//! Each file is one idea. What runs in several processes, and what is killed, is tested elsewhere.

#[path = "../common/mod.rs"]
mod common;
#[path = "../victims/mod.rs"]
mod victims;

mod broadcast;
mod cargo;
mod drains;
mod lies;
mod news;
mod options;
mod queue;
mod repair;
mod runs;
mod shared;
mod threads;

use victims::memory;
