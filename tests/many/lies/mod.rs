//! A peer with write access to a ring that many share stores anything, anywhere, at any time.
//!
//! The victim uses the library in its default, safe mode. Whatever it finds, it must answer with a typed error or a
//! wrong value: never a panic, never a wait beyond its deadline, never a byte touched that does not belong to the
//! ring. Bytes between and behind the ring's regions hold a pattern that is compared at the end of every round.

mod still;

use crate::common::alone;
use crate::victims::fight::{fight, storm};
use crate::victims::{Shape, Victim, broadcasts, queues};
use std::time::Duration;

/// A kind's rings of some sizes and places.
fn all<V: Victim>(capacities: &[u64]) {
    let _alone = alone();
    for capacity in capacities {
        for start in [0, (1 << 62) - 128] {
            let shape = Shape {
                start,
                ..Shape::of(*capacity)
            };
            fight::<V>(shape, 6_000);
        }
        storm::<V>(Shape::of(*capacity), Duration::from_millis(300));
    }
}

#[test]
fn lies_to_many_producers_and_one_consumer_give_typed_errors_or_wrong_values() {
    all::<queues::Between<annulus::Mpsc<[u8]>>>(&[2, 16]);
}

#[test]
fn lies_to_one_producer_and_many_consumers_give_typed_errors_or_wrong_values() {
    all::<queues::Between<annulus::Spmc<[u8]>>>(&[2, 16]);
}

#[test]
fn lies_to_many_producers_and_many_consumers_give_typed_errors_or_wrong_values() {
    all::<queues::Between<annulus::Mpmc<[u8]>>>(&[2, 16]);
}

#[test]
fn lies_to_readers_of_slots_and_their_producer_give_typed_errors_or_wrong_values() {
    all::<broadcasts::OfSlots>(&[2, 16]);
}

#[test]
fn lies_to_readers_of_records_and_their_producer_give_typed_errors_or_wrong_values() {
    all::<broadcasts::OfRecords>(&[256, 4096]);
}
