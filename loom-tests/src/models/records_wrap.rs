//! Records at the end of the ring, and positions at the end of their numbers.

use crate::rig::{Outcomes, bounded};
use crate::rig_records::{Popped, Pushed, Rig};
use crate::ring::records::Exactly;

/// Where the counting begins: at nought, and where the ring's or the numbers' end falls before, into, or behind the
/// first record.
const STARTS: [u64; 5] = [
    0,
    24,
    0u64.wrapping_sub(8),
    0u64.wrapping_sub(16),
    0u64.wrapping_sub(40),
];

/// At most 2 preemptions, for each start. Five records through 32 bytes, with padding where one does not fit before
/// the end.
pub fn records_cross_every_wrap() {
    for start in STARTS {
        let outcomes = Outcomes::new();
        let seen = outcomes.clone();
        bounded(2, move || {
            let rig = Rig::with_old_payload(32, start);
            let mut consumer = rig.consumer();
            let mut producer = rig.producer();
            let writer = loom::thread::spawn(move || {
                for (tag, len) in [8, 0, 8, 0].into_iter().enumerate() {
                    let end = producer.push(Exactly::Yes, len, tag as u16);
                    assert_eq!(end, Pushed::Done);
                }
            });
            let first = consumer.try_pop();
            seen.saw(first != Popped::Empty);
            for tag in u16::from(first != Popped::Empty)..4 {
                assert_eq!(consumer.pop(), Some(tag));
            }
            writer.join().expect("the producer ends");
            assert_eq!(consumer.try_pop(), Popped::Empty);
        });
        outcomes.are([false, true]);
    }
}

/// One thread, for each start. Successors on both sides find their place with nothing, some and all of the ring
/// committed, padding included, and with the gate behind.
pub fn successors_find_their_place_among_records() {
    for start in STARTS {
        for committed in 0..=4 {
            for released in 0..=committed {
                bounded(0, move || find_places(start, committed, released));
            }
        }
    }
}

fn find_places(start: u64, committed: u16, released: u16) {
    let rig = Rig::with_old_payload(64, start);
    let len = |tag: u16| u32::from(tag % 2) * 8;
    let mut producer = rig.producer();
    for tag in 0..committed {
        assert_eq!(producer.try_push(Exactly::No, len(tag), tag), Pushed::Done);
    }
    let (next, mut consumer) = (producer.tail.next(), rig.consumer());
    for tag in 0..released {
        // Padding is passed by the slow look only.
        let _ = consumer.look();
        assert_eq!(consumer.take(), Some(tag));
    }
    let head = consumer.head.next();
    // Both die here; the producer had given up a loan, which may have been longer than what comes.
    if producer.tail.has_room(16) {
        producer.write(8, 99);
    }
    let mut producer = rig.producer();
    assert_eq!(producer.tail.next(), next);
    let mut consumer = rig.consumer();
    assert_eq!(consumer.head.next(), head, "exactly behind the dead one");
    let pushed = producer.try_push(Exactly::Yes, 0, committed);
    let left = next.wrapping_sub(head);
    let full = left + 8 > 64 - 8;
    assert_eq!(pushed == Pushed::Full, full, "{left} bytes are taken");
    for tag in released..committed + u16::from(!full) {
        assert_eq!(consumer.try_pop(), Popped::Tag(tag));
    }
    assert_eq!(consumer.try_pop(), Popped::Empty);
}
