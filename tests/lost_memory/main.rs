//! The segment under attack: a peer that truncates it, makes holes in it, or puts something else under its name, while
//! others work or wait.
//!
//! Every victim is a process of its own. What becomes of it is written down in `docs/TRUST.md`, for each place that a ring
//! can be in, with and without the guard.

#[path = "../common/mod.rs"]
mod common;

mod guarded;
mod names;
mod strangers;
mod unguarded;
mod victim;

use crate::common::child;

/// Not a test by itself: what the other processes of these tests do.
#[test]
fn a_child_plays_the_role_it_was_given() {
    child::play(&[
        ("victim", victim::role_victim),
        ("bystander", victim::role_bystander),
        ("many threads", guarded::role_threads),
        ("stranger's fault", strangers::role_fault),
        ("signal", strangers::role_signal),
    ]);
}
