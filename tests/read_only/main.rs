//! Broadcasts whose readers are kept from writing messages by the kernel: what they try, and what becomes of it.
//!
//! Every attempt is made by a process of its own, on real memory. Attempts that need another user print why they
//! are skipped where privileges are missing.

#[path = "../common/mod.rs"]
mod common;

mod attempts;
mod beside;
mod handed_over;
mod options;
mod strangers;

use crate::common::child;

/// Not a test by itself: what the other processes of these tests do.
#[test]
fn a_child_plays_the_role_it_was_given() {
    child::play(&[
        ("reader of a file", beside::role_reader),
        ("producer of a file", beside::role_producer),
        ("reader of records", beside::role_record_reader),
        ("everybody's reader", beside::role_every_way),
        ("reader by descriptor", handed_over::role_reader),
        ("producer by descriptor", handed_over::role_producer),
        ("stranger", strangers::role_stranger),
    ]);
}
