//! Positions wrap: at 2^62 in the words, at 2^64 in the endpoints.

use crate::rig::{Ask, Outcomes, Pushed, Rig, bounded};
use crate::ring::spsc::Look;

/// Where the counting begins: at nought, just before and at 2^62, just before 2^64.
const STARTS: [u64; 6] = [
    0,
    (1 << 62) - 2,
    (1 << 62) - 1,
    1 << 62,
    u64::MAX - 1,
    u64::MAX,
];

/// At most 2 preemptions, for each start. Three messages through two slots across the wrap.
pub fn a_ring_works_across_every_wrap() {
    for start in STARTS {
        let outcomes = Outcomes::new();
        let seen = outcomes.clone();
        bounded(2, move || {
            let rig = Rig::new(2, start);
            let mut consumer = rig.consumer();
            let mut producer = rig.producer_with_credit();
            let writer = loom::thread::spawn(move || {
                for value in 10..13 {
                    assert_eq!(producer.push(Ask::Slot, value), Pushed::Done);
                }
            });
            seen.saw(consumer.look() == Look::Ready);
            for value in 10..13 {
                assert_eq!(consumer.pop(), Some(value));
            }
            writer.join().expect("the producer ends");
            assert_eq!(consumer.head.next(), start.wrapping_add(3));
        });
        outcomes.are([false, true]);
    }
}

/// One thread, for each start. Successors on both sides find their place across the wrap, with nothing, some and
/// all of the ring committed, and with the gate behind.
pub fn successors_find_their_place_across_every_wrap() {
    for start in STARTS {
        for committed in 0..=4 {
            for released in 0..=committed {
                bounded(0, move || find_places(start, committed, released));
            }
        }
    }
}

fn find_places(start: u64, committed: u64, released: u64) {
    let rig = Rig::new(4, start);
    let mut producer = rig.producer();
    for value in 0..committed {
        assert_eq!(producer.try_push(Ask::Gate, value), Pushed::Done);
    }
    let mut consumer = rig.consumer();
    for value in 0..released {
        assert_eq!(consumer.look(), Look::Ready);
        assert_eq!(consumer.read(), value);
        consumer.release();
    }
    // Both die here; the gate still says `start`.
    let mut producer = rig.producer();
    assert_eq!(producer.tail.next(), start.wrapping_add(committed));
    let mut consumer = rig.consumer();
    assert_eq!(consumer.head.next(), start.wrapping_add(released));
    assert_eq!(
        producer.try_push(Ask::Slot, committed),
        if committed - released == 4 {
            Pushed::Full
        } else {
            Pushed::Done
        }
    );
    for value in released..=committed {
        let there = value < committed || committed - released < 4;
        assert_eq!(consumer.try_pop(), there.then_some(value));
    }
}
