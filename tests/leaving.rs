//! The ways an endpoint can go other than being killed: dropped, panicking, unlinked under its hands. In one
//! process, with real rings.

use annulus::{Backing, Consumer, Peer, PopError, Producer, Ring, Wait, spsc};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

fn ring() -> Ring<annulus::Spsc<u64>> {
    spsc("leaving")
        .backing(Backing::Anon)
        .capacity(4)
        .create()
        .expect("an anonymous ring")
}

fn ends(ring: &Ring<annulus::Spsc<u64>>) -> (Producer<u64>, Consumer<u64>) {
    let ends = (ring.producer(), ring.consumer());
    (ends.0.expect("a free end"), ends.1.expect("a free end"))
}

/// Drops `endpoint` while a panic unwinds.
fn panic_with<E>(endpoint: E) {
    let panicked = catch_unwind(AssertUnwindSafe(move || {
        let _held = endpoint;
        panic!("on purpose");
    }));
    assert!(panicked.is_err());
}

#[test]
fn an_owner_that_panics_is_seen_to_have_died_and_not_to_have_left() {
    let ring = ring();
    let (mut tx, mut rx) = ends(&ring);
    tx.try_push(&7).expect("room");
    panic_with(tx);
    assert_eq!(rx.producer_state(), Peer::Died);
    assert_eq!(rx.pop(Wait::park()), Ok(7));
    assert_eq!(rx.pop(Wait::park()), Err(PopError::PeerDied));
    let successor = ring.producer().expect("the end is free again");
    assert_eq!(successor.predecessor(), Peer::Died);
}

#[test]
fn a_message_that_a_consumer_panicked_over_is_delivered_again() {
    let ring = ring();
    let (mut tx, mut rx) = ends(&ring);
    tx.try_push(&7).expect("room");
    let panicked = catch_unwind(AssertUnwindSafe(move || {
        let sample = rx.try_sample().expect("a message");
        assert_eq!(sample.read(), 8, "on purpose");
    }));
    assert!(panicked.is_err());
    let mut rx = ring.consumer().expect("the end is free again");
    assert_eq!(rx.predecessor(), Peer::Died);
    assert_eq!(rx.try_pop(), Ok(7));
}

#[test]
fn waits_that_are_all_short_report_a_death_as_soon_as_a_long_one() {
    let ring = ring();
    let (tx, mut rx) = ends(&ring);
    panic_with(tx);
    let begun = Instant::now();
    loop {
        let soon = Instant::now() + Duration::from_millis(5);
        match rx.pop_until(Wait::park(), soon) {
            Err(PopError::TimedOut) => assert!(begun.elapsed() < Duration::from_secs(1)),
            other => break assert_eq!(other, Err(PopError::PeerDied)),
        }
    }
}

#[test]
fn peers_of_a_system_v_ring_that_was_unlinked_under_their_hands_are_seen_alive() {
    let name = format!("annulus-leaving-{}", std::process::id());
    let ring = spsc::<u64>(&name)
        .backing(Backing::SysV { key: None })
        .capacity(4)
        .create()
        .expect("a System V ring");
    let (mut tx, mut rx) = ends(&ring);
    ring.unlink().expect("unlink");
    assert_eq!(rx.producer_state(), Peer::Alive);
    tx.try_push(&7).expect("room");
    assert_eq!(rx.pop(Wait::park()), Ok(7));
    let soon = Instant::now() + Duration::from_millis(100);
    assert_eq!(rx.pop_until(Wait::park(), soon), Err(PopError::TimedOut));
    drop(tx);
    assert_eq!(rx.producer_state(), Peer::Left);
}

#[test]
fn a_run_learns_of_all_the_room_that_was_announced() {
    let ring = spsc::<u64>("leaving")
        .backing(Backing::Anon)
        .capacity(64)
        .create()
        .expect("an anonymous ring");
    let (mut tx, mut rx) = ends(&ring);
    assert_eq!(tx.try_push_many(&[1; 64]), Ok(64));
    assert_eq!(rx.drain(64).count(), 64);
    tx.try_push(&2).expect("room");
    assert_eq!(tx.claim_run(64, Wait::park()).expect("room").len(), 63);
    assert_eq!(tx.try_claim_run(64).expect("room").len(), 63);
}
