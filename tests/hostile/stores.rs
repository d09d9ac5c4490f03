//! An attacker in the same process stores between and within calls, or takes the memory away.

use crate::attacker::{CONTROL, Target};
use crate::fight::{bytes_fight, typed_fight};
use crate::victim::{OPERATIONS, Victim};
use annulus::{Parking, TryPushError};
use std::os::fd::{AsFd, AsRawFd};
use std::time::Instant;

#[test]
fn every_boundary_value_in_every_word_gives_typed_errors_or_wrong_values() {
    let begun = Instant::now();
    let mut fight = typed_fight(0, Parking::Auto, 11);
    fight.every_value_in_every_word();
    println!("{} mutations in {:?}", fight.finish(), begun.elapsed());
}

#[test]
fn random_stores_between_and_within_operations_give_typed_errors_or_wrong_values() {
    let begun = Instant::now();
    let mut total = 0;
    for (seed, start) in [(1, 0), (2, 5), (3, (1 << 62) - 3), (4, (1 << 61) + 1)] {
        for parking in [Parking::Auto, Parking::Fenced, Parking::Never] {
            let mut fight = typed_fight(start, parking, seed + 100);
            fight.random_rounds(15_000);
            total += fight.finish();
        }
    }
    println!("{total} mutations in {:?}", begun.elapsed());
    assert!(total >= 180_000);
}

#[test]
fn random_stores_into_rings_of_bytes_stay_inside_the_payload() {
    let mut total = 0;
    for (size, stride) in [(1, 16), (7, 16), (56, 64), (61, 128), (1000, 1024)] {
        let mut fight = bytes_fight(size, stride, 40 + size as u64);
        fight.random_rounds(8_000);
        total += fight.finish();
    }
    assert!(total >= 40_000);
}

#[test]
fn a_lying_gate_never_buys_room_beyond_a_lap() {
    let mut fight = typed_fight(0, Parking::Fenced, 5);
    for _ in 0..8 {
        fight
            .victim
            .tx
            .as_mut()
            .expect("attached")
            .try_push(&1)
            .expect("room");
    }
    let ahead = [9, 10, 16, 17, 1 << 40, 1 << 63];
    // A gate that lags is honest up to a lap and harmless beyond.
    let behind = [u64::MAX, u64::MAX - 7];
    for lie in ahead.into_iter().chain(behind) {
        let gate = Target {
            at: CONTROL,
            bytes: 8,
        };
        fight.enemy.store(gate, lie);
        let tx = fight.victim.tx.as_mut().expect("attached");
        match tx.try_push(&2) {
            Err(TryPushError::Corrupt(e)) => assert_eq!((e.position, e.found), (8, lie)),
            Err(TryPushError::Full) => assert!(behind.contains(&lie), "gate {lie}"),
            other => panic!("gate {lie}: {other:?}"),
        }
        assert_eq!(tx.position(), 8);
    }
    fight.enemy.store(
        Target {
            at: CONTROL,
            bytes: 8,
        },
        0,
    );
    assert_eq!(
        fight.victim.tx.as_mut().expect("attached").try_push(&2),
        Err(TryPushError::Full)
    );
}

#[test]
fn a_sealed_ring_with_holes_punched_into_it_reads_as_zeros_and_kills_nobody() {
    let mut fight = typed_fight(3, Parking::Auto, 6);
    let fd = fight
        .victim
        .ring
        .descriptor()
        .expect("a memfd")
        .as_fd()
        .try_clone_to_owned()
        .expect("dup");
    for op in (0..OPERATIONS).cycle().take(200) {
        let bytes = fight.enemy.map.len() as libc::off_t;
        let punch = libc::FALLOC_FL_PUNCH_HOLE | libc::FALLOC_FL_KEEP_SIZE;
        // SAFETY: a live descriptor and integers.
        assert_eq!(0, unsafe {
            libc::fallocate(fd.as_raw_fd(), punch, 0, bytes)
        });
        let _ = fight.operate(op);
        if op % 5 == 4 {
            fight.enemy.heal();
            let _ = fight.victim.attach();
        }
    }
    fight.finish();
}
