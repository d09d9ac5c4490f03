//! A peer with write access to a ring of records stores anything, anywhere, at any time: see `victims`.

use crate::victims::fight::{fight, storm};
use crate::victims::records::{OfRecordQueue, Queue};
use crate::victims::{Shape, Victim};
use annulus::{MpscRecords, Parking, SpscRecords};
use std::time::Duration;

/// Rings of every sort, each struck so many times.
fn fights<V: Victim>(mutations: u64) {
    for capacity in [256, 1024, 16384] {
        for align in [8, 64] {
            for (parking, start) in [(Parking::Auto, 0), (Parking::Fenced, (1 << 62) - 128)] {
                let shape = Shape {
                    capacity,
                    align,
                    start,
                    parking,
                };
                fight::<V>(shape, mutations);
            }
        }
    }
}

#[test]
fn random_stores_into_a_ring_of_one_producer_give_typed_errors_or_wrong_values() {
    fights::<OfRecordQueue<SpscRecords>>(5_000);
}

#[test]
fn random_stores_into_a_ring_of_many_producers_give_typed_errors_or_wrong_values() {
    fights::<OfRecordQueue<MpscRecords>>(5_000);
}

/// Strikes from another thread, so also in the middle of every call.
fn storms<K: Queue>() {
    storm::<OfRecordQueue<K>>(Shape::of(1024), Duration::from_millis(1500));
}

#[test]
fn a_storm_of_stores_during_the_calls_of_one_producer_s_ring_gives_typed_errors_or_wrong_values() {
    storms::<SpscRecords>();
}

#[test]
fn a_storm_of_stores_during_the_calls_of_many_producers_ring_gives_typed_errors_or_wrong_values() {
    storms::<MpscRecords>();
}
