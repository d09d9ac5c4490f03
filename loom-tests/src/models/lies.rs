//! Words that no honest peer stores: they are reported, and buy nothing. One thread each.

use crate::layout::word;
use crate::rig::{Ask, Pushed, Rig, exhaustive};
use crate::ring::corrupt::{Corrupt, CorruptWord};
use crate::ring::sides::Producers;
use crate::ring::spsc::{Head, Look, Room, Tail};
use crate::ring::words::Words;
use crate::sync::Ordering::Relaxed;

/// The gate of a full ring of four at position 9 is set to anything near and far: at most a ring's worth of
/// room is granted, and what no consumer can have stored is called corrupt.
pub fn a_lying_gate_buys_no_more_than_the_ring() {
    exhaustive(|| {
        let near = (0..40u64).map(|d| 20u64.wrapping_sub(d));
        for gate in near.chain([1 << 62, 1 << 63, u64::MAX]) {
            let rig = Rig::new(4, 5);
            let mut producer = rig.producer();
            for value in 0..4 {
                assert_eq!(producer.try_push(Ask::Gate, value), Pushed::Done);
            }
            // Relaxed: one thread.
            rig.control.gate.0.store(gate, Relaxed);
            match producer.tail.refill(&rig.control) {
                Room::Free(n) => {
                    assert!((6..=9).contains(&gate) && n == gate - 5, "gate {gate}: {n}")
                }
                Room::Full => assert!((1..=5).contains(&gate), "gate {gate}"),
                Room::Corrupt(corrupt) => {
                    assert!(!(1..=9).contains(&gate), "gate {gate}");
                    let (word, position) = (CorruptWord::Gate, 9);
                    assert_eq!(
                        corrupt,
                        Corrupt {
                            word,
                            position,
                            found: gate
                        }
                    );
                }
                Room::Closed => panic!("nobody closed"),
            }
            assert!(producer.tail.credit() <= 4);
        }
    });
}

/// Every word within two laps and some far ones, at the consumer's head.
pub fn a_lying_word_is_reported_with_its_position() {
    exhaustive(|| {
        for lie in (0..80).chain([u64::MAX, 1 << 63]) {
            let rig = Rig::new(4, 5);
            let mut consumer = rig.consumer();
            // Relaxed: one thread.
            rig.slots.at(5).store(lie, Relaxed);
            let look = consumer.head.look(&rig.slots, &rig.control);
            match lie {
                _ if lie == word::ready(5) => assert_eq!(look, Look::Ready),
                _ if lie == word::free(5) || lie == word::skip(5) => assert_eq!(look, Look::Empty),
                _ => {
                    let word = CorruptWord::Ready;
                    assert_eq!(
                        look,
                        Look::Corrupt(Corrupt {
                            word,
                            position: 5,
                            found: lie
                        })
                    );
                }
            }
        }
    });
}

/// A producer that keeps giving up slots cannot hold the consumer in its loop.
pub fn a_ring_of_given_up_slots_is_passed_once() {
    exhaustive(|| {
        let rig = Rig::new(4, 5);
        let mut consumer = rig.consumer();
        for position in 5..9 {
            // Relaxed: one thread.
            rig.slots.at(position).store(word::skip(position), Relaxed);
        }
        assert_eq!(consumer.head.look(&rig.slots, &rig.control), Look::Empty);
        assert_eq!(consumer.head.next(), 9);
    });
}

/// Successors meet any word in any slot: they answer or report, and never leave the ring's own positions.
pub fn successors_survive_any_word() {
    exhaustive(|| {
        for at in 5..9 {
            for lie in (0..80).chain([u64::MAX, 1 << 63]) {
                let rig = Rig::new(4, 5);
                // Relaxed: one thread.
                rig.slots.at(at).store(lie, Relaxed);
                match Tail::resume(&rig.slots, &rig.control, 4) {
                    Ok(tail) => assert!((5..=13).contains(&tail.next()) && tail.credit() <= 4),
                    Err(corrupt) => assert_eq!(corrupt.found, lie),
                }
                if let Ok(head) = Head::resume(&rig.slots, &rig.control, 4, Producers::One) {
                    assert!((5..=9).contains(&head.next()));
                }
            }
        }
    });
}
