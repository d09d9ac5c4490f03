//! Closing: for ever, for all, and after everything that was committed.

use crate::kinds::Kind;
use annulus::{
    Backing, EndpointError, MpscRecords, PopError, PushError, RecordConsumer, RecordProducer, Ring,
    SpscRecords, TryPopError, TryPushError, Wait,
};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::{Duration, Instant};

fn ring<K: Kind>() -> Ring<K> {
    let options = K::options("close", 3).backing(Backing::Memfd);
    options.capacity_bytes(4096).create().expect("create")
}

fn producer(ring: &Ring<MpscRecords>) -> RecordProducer<MpscRecords> {
    ring.producer().expect("a free place")
}

/// The ring holds `wanted` and is closed behind it.
fn drains(rx: &mut RecordConsumer, wanted: &[&[u8]]) {
    let mut bytes = Vec::new();
    for record in wanted {
        let deadline = Instant::now() + Duration::from_secs(20);
        rx.pop_into_until(&mut bytes, Wait::park(), deadline)
            .expect("committed before the close");
        assert_eq!(bytes, *record);
    }
    for _ in 0..3 {
        assert_eq!(rx.try_pop_into(&mut bytes), Err(TryPopError::Closed));
        assert_eq!(rx.pop_into(&mut bytes, Wait::park()), Err(PopError::Closed));
        assert!(matches!(rx.sample(Wait::spin()), Err(PopError::Closed)));
        assert!(rx.is_empty() && rx.drain(5).next_sample().is_none());
    }
}

fn refuses(tx: &mut RecordProducer<MpscRecords>) {
    assert_eq!(tx.try_push(b"late"), Err(TryPushError::Closed));
    assert_eq!(tx.try_push_many(&[b"late"]), Err(TryPushError::Closed));
    assert_eq!(tx.push(b"late", Wait::park()), Err(PushError::Closed));
    assert!(matches!(tx.try_claim(5), Err(TryPushError::Closed)));
    assert!(matches!(
        tx.claim_for(5, Wait::park()),
        Err(PushError::Closed)
    ));
}

fn closed_by_the_producer<K: Kind>() {
    let ring = ring::<K>();
    let mut tx = ring.producer().expect("a free end");
    let mut rx = ring.consumer().expect("a free end");
    tx.try_push(b"one").expect("room");
    tx.try_push(b"").expect("room");
    tx.close();
    let status = ring.status().expect("the kernel answers");
    assert!(status.producers.iter().all(|end| end.closed) && !status.consumers[0].closed);
    assert!(matches!(ring.producer(), Err(EndpointError::Closed)));
    // The consumer may come and go before it has drained.
    assert_eq!(rx.try_sample().expect("a record").to_vec(), b"one");
    drop(rx);
    rx = ring.consumer().expect("left in order");
    drains(&mut rx, &[b""]);
    drop(rx);
    drains(&mut ring.consumer().expect("left in order"), &[]);
}

#[test]
fn what_was_committed_before_the_producer_closed_is_drained_first() {
    closed_by_the_producer::<SpscRecords>();
    closed_by_the_producer::<MpscRecords>();
}

#[test]
fn one_of_many_producers_closes_for_all_of_them() {
    let ring = ring::<MpscRecords>();
    let (mut a, mut b, mut c) = (producer(&ring), producer(&ring), producer(&ring));
    let mut rx = ring.consumer().expect("a free end");
    a.try_push(b"a").expect("room");
    b.try_push(b"b").expect("room");
    c.try_push(b"c").expect("room");
    b.close();
    refuses(&mut a);
    refuses(&mut c);
    drains(&mut rx, &[b"a", b"b", b"c"]);
}

#[test]
fn what_was_claimed_before_the_close_may_be_committed_after_it() {
    let ring = ring::<MpscRecords>();
    let (mut a, mut b, mut c) = (producer(&ring), producer(&ring), producer(&ring));
    let mut rx = ring.consumer().expect("a free end");
    let mut bytes = Vec::new();
    let mut first = a.try_claim(5).expect("room");
    let mut second = b.try_claim(300).expect("room");
    c.try_push(b"third").expect("room");
    c.close();
    assert_eq!(rx.try_pop_into(&mut bytes), Err(TryPopError::Empty));
    first.write_at(0, b"first");
    first.commit();
    assert_eq!(rx.try_pop_into(&mut bytes), Ok(0));
    assert_eq!(bytes, b"first");
    // Not closed: something is still to come.
    assert_eq!(rx.try_pop_into(&mut bytes), Err(TryPopError::Empty));
    let soon = Instant::now() + Duration::from_millis(5);
    assert_eq!(
        rx.pop_into_until(&mut bytes, Wait::park(), soon),
        Err(PopError::TimedOut)
    );
    second.write_at(0, b"second");
    second.commit_len(6);
    drains(&mut rx, &[b"second", b"third"]);
    refuses(&mut a);
    refuses(&mut b);
}

#[test]
fn what_was_claimed_before_the_close_and_given_up_is_no_obstacle() {
    let ring = ring::<MpscRecords>();
    let (mut a, mut b, c) = (producer(&ring), producer(&ring), producer(&ring));
    let mut rx = ring.consumer().expect("a free end");
    let loan = a.try_claim(100).expect("room");
    let dying = catch_unwind(AssertUnwindSafe(move || {
        std::mem::forget(b.try_claim(200).expect("room"));
        // Dies with it, without a message: this is no failure.
        resume_unwind(Box::new(()));
    }));
    assert!(dying.is_err());
    c.close();
    let mut bytes = Vec::new();
    assert_eq!(rx.try_pop_into(&mut bytes), Err(TryPopError::Empty));
    loan.abort();
    // The dead one's claim is passed over; then it is the close that is told, not the death.
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        match rx.pop_into_until(&mut bytes, Wait::park(), deadline) {
            Err(PopError::Closed) => break,
            // A death may be told first, while its claim is in the way.
            Err(PopError::PeerDied) => {}
            other => panic!("{other:?}"),
        }
    }
    drains(&mut rx, &[]);
}

#[test]
fn a_consumer_that_closes_closes_for_all_producers() {
    let ring = ring::<MpscRecords>();
    let (mut a, mut b) = (producer(&ring), producer(&ring));
    let rx = ring.consumer().expect("a free end");
    a.try_push(b"unread").expect("room");
    let mut loan = b.try_claim(10).expect("room");
    rx.close();
    loan.write_at(0, b"nobody reads this"[..10].as_ref());
    loan.commit();
    refuses(&mut a);
    refuses(&mut b);
    assert!(matches!(ring.producer(), Err(EndpointError::Closed)));
    assert!(matches!(ring.consumer(), Err(EndpointError::Closed)));
    let status = ring.status().expect("the kernel answers");
    assert!(status.consumers[0].closed && status.producers.iter().all(|end| !end.closed));
}

#[test]
fn a_record_that_somebody_panicked_over_comes_again() {
    let ring = ring::<SpscRecords>();
    let mut tx = ring.producer().expect("a free end");
    let mut rx = ring.consumer().expect("a free end");
    tx.try_push(b"first").expect("room");
    tx.try_push(b"second").expect("room");
    drop(rx.try_sample().expect("a record"));
    let died = catch_unwind(AssertUnwindSafe(move || {
        let _held = rx.try_sample().expect("a record");
        resume_unwind(Box::new(()));
    }));
    assert!(died.is_err());
    assert_eq!(tx.consumer_state(), annulus::Peer::Died);
    let mut heir = ring.consumer().expect("the dead one's place");
    assert_eq!(heir.predecessor(), annulus::Peer::Died);
    tx.close();
    drains(&mut heir, &[b"second"]);
}
