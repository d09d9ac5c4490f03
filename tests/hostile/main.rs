//! A peer with write access to a ring stores anything, anywhere, at any time.
//!
//! The victim uses the library in its default, safe mode. Whatever it finds, it must answer with a typed
//! error or a wrong value: never a panic, never a wait beyond its deadline, never a byte touched that does
//! not belong to the ring's words and payloads. Bytes between and behind the ring's regions hold a pattern
//! that is compared at the end of every round. Nothing here is undefined behaviour on the test's side: all
//! access to shared memory is through atomics, so these tests also run under AddressSanitizer.

#[path = "../common/mod.rs"]
mod common;
#[path = "../victims/mod.rs"]
mod victims;

mod attacker;
mod fight;
mod live;
mod stores;
mod system_v;
mod victim;

/// Not a test by itself: what the other processes of these tests do.
#[test]
fn a_child_plays_the_role_it_was_given() {
    common::child::play(&[("enemy", live::role_enemy), ("victim", live::role_victim)]);
}
