//! Slots that many share, one situation at a time: who is in whose way, and who gets what somebody else left.

use annulus::{
    Backing, EndpointError, Mpmc, Mpsc, Peer, PopError, Ring, SharedConsumer, Spmc, TryPopError,
    TryPushError, Wait, mpmc, mpsc, spmc,
};
use std::time::{Duration, Instant};

fn between(producers: u32, consumers: u32, capacity: u64) -> Ring<Mpmc<u64>> {
    let options = mpmc("shared").backing(Backing::Memfd).capacity(capacity);
    let ring = options.producers(producers).consumers(consumers).create();
    ring.expect("a new ring")
}

fn to_one(producers: u32, capacity: u64) -> Ring<Mpsc<u64>> {
    let options = mpsc("shared").backing(Backing::Memfd).capacity(capacity);
    options.producers(producers).create().expect("a new ring")
}

fn from_one(consumers: u32, capacity: u64) -> Ring<Spmc<u64>> {
    let options = spmc("shared").backing(Backing::Memfd).capacity(capacity);
    options.consumers(consumers).create().expect("a new ring")
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(20)
}

/// All there is for `rx` now.
fn all(rx: &mut SharedConsumer<u64>) -> Vec<u64> {
    std::iter::from_fn(|| rx.try_pop().ok()).collect()
}

#[test]
fn loans_of_several_producers_come_out_in_the_order_of_their_claims() {
    let ring = between(4, 1, 8);
    let mut txs: Vec<_> = (0..4).map(|_| ring.producer().expect("a place")).collect();
    let mut rx = ring.consumer().expect("a place");
    let [a, b, c, d] = &mut txs[..] else {
        unreachable!("four were made")
    };
    let (mut first, mut second) = (a.try_claim().expect("room"), b.try_claim().expect("room"));
    let third = c.try_claim().expect("room");
    let at = first.position();
    assert_eq!((second.position(), third.position()), (at + 1, at + 2));
    d.try_push(&4).expect("room");
    assert_eq!(rx.try_pop(), Err(TryPopError::Empty));
    assert_eq!(d.len(), 4, "what is being written counts");
    second.write(&2);
    second.commit();
    assert_eq!(
        rx.try_pop(),
        Err(TryPopError::Empty),
        "the first is unfinished"
    );
    first.write(&1);
    first.commit();
    assert_eq!(all(&mut rx), [1, 2]);
    // Given up: the one behind it is seen.
    third.abort();
    assert_eq!(all(&mut rx), [4]);
    assert!(rx.is_empty() && txs[0].is_empty());
}

#[test]
fn samples_of_several_consumers_free_their_slots_one_by_one() {
    let ring = between(1, 3, 4);
    let mut tx = ring.producer().expect("a place");
    let mut rxs: Vec<_> = (0..3).map(|_| ring.consumer().expect("a place")).collect();
    assert_eq!(tx.try_push_many(&[0, 1, 2, 3, 4]), Ok(4));
    let [a, b, c] = &mut rxs[..] else {
        unreachable!("three were made")
    };
    let first = a.try_sample().expect("a message");
    let second = b.try_sample().expect("a message");
    assert_eq!((first.read(), second.read(), c.try_pop()), (0, 1, Ok(2)));
    assert_eq!((second.position(), second.redelivered()), (1, false));
    // The slot of the tail is the first one's, whatever else is free.
    assert_eq!(tx.try_push(&4), Err(TryPushError::Full));
    second.release();
    assert_eq!(tx.try_push(&4), Err(TryPushError::Full));
    drop(first);
    assert_eq!(tx.try_push_many(&[4, 5, 6, 7]), Ok(3));
    assert_eq!(all(c), [3, 4, 5, 6]);
}

#[test]
fn what_a_drain_leaves_is_its_owners_and_nobody_elses() {
    let ring = between(1, 2, 8);
    let mut tx = ring.producer().expect("a place");
    let (mut a, mut b) = (
        ring.consumer().expect("a place"),
        ring.consumer().expect("a place"),
    );
    assert_eq!(tx.try_push_many(&[0, 1, 2, 3, 4, 5]), Ok(6));
    let mut drain = a.drain(4);
    assert_eq!(
        (drain.at_most(), drain.next(), drain.at_most()),
        (4, Some(0), 3)
    );
    drop(drain);
    assert_eq!(all(&mut b), [4, 5]);
    // What is in hand comes first, and no more is claimed before it is gone.
    tx.try_push(&6).expect("room");
    assert!(!a.is_empty());
    assert_eq!(a.drain(8).collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!(a.drain(8).collect::<Vec<_>>(), [6]);
    assert!(a.is_empty());
    assert_eq!(a.drain(8).count(), 0);
}

#[test]
fn tombstones_are_passed_over_and_their_slots_come_back() {
    let ring = between(2, 1, 4);
    let (mut a, mut b) = (
        ring.producer().expect("a place"),
        ring.producer().expect("a place"),
    );
    let mut rx = ring.consumer().expect("a place");
    for lap in 0..20 {
        let mut run = a.try_claim_many(3).expect("room");
        run.write(0, &lap);
        run.commit_first(1);
        b.try_push(&(lap + 100)).expect("room");
        assert_eq!(b.try_push(&0), Err(TryPushError::Full));
        assert_eq!(all(&mut rx), [lap, lap + 100]);
        a.try_claim_many(9).expect("room").abort();
        assert_eq!(b.try_push(&0), Err(TryPushError::Full));
        assert_eq!(rx.try_pop(), Err(TryPopError::Empty));
    }
}

#[test]
fn one_consumer_passes_over_a_whole_ring_of_tombstones_to_the_end() {
    for capacity in [2, 4, 64] {
        let ring = to_one(2, capacity);
        let mut tx = ring.producer().expect("a place");
        let mut rx = ring.consumer().expect("a free end");
        let run = tx.try_claim_many(usize::MAX).expect("room");
        assert_eq!(run.len() as u64, capacity);
        run.abort();
        tx.close();
        assert!(rx.is_empty());
        assert_eq!(rx.try_pop(), Err(TryPopError::Closed));
    }
}

#[test]
fn unfinished_claims_are_no_messages() {
    let ring = to_one(2, 8);
    let (mut a, mut b) = (
        ring.producer().expect("a place"),
        ring.producer().expect("a place"),
    );
    let mut rx = ring.consumer().expect("a free end");
    std::mem::forget(a.try_claim().expect("room"));
    assert_eq!(b.try_push_many(&[1, 2, 3, 4, 5]), Ok(5));
    assert_eq!(
        (rx.len(), rx.is_empty(), rx.try_pop()),
        (0, true, Err(TryPopError::Empty))
    );
    drop(a);
    assert_eq!((rx.len(), rx.is_empty(), rx.try_pop()), (5, false, Ok(1)));
    assert_eq!(rx.drain(9).collect::<Vec<_>>(), [2, 3, 4, 5]);
    b.try_claim().expect("room").abort();
    assert_eq!(
        (rx.len(), rx.is_empty(), rx.try_pop()),
        (0, true, Err(TryPopError::Empty))
    );
}

/// Leaves a consumer of `ring` in such a way that `messages` are in its hands.
fn abandon(ring: &Ring<Mpmc<u64>>, messages: u64) {
    let mut gone = ring.consumer().expect("a place");
    let mut drain = gone.drain(messages as usize + 1);
    assert_eq!(drain.at_most() as u64, messages + 1);
    assert!(drain.next().is_some());
}

#[test]
fn what_a_consumer_leaves_in_its_hands_goes_to_another_which_is_told() {
    let ring = between(1, 3, 16);
    let mut tx = ring.producer().expect("a place");
    let mut rx = ring.consumer().expect("a place");
    assert_eq!(tx.try_push_many(&[0, 1, 2, 3, 4, 5]), Ok(6));
    abandon(&ring, 3);
    let mut got = Vec::new();
    while got.len() < 5 {
        let message = rx.pop_until(Wait::park(), soon()).expect("nothing is lost");
        got.push((message, rx.redelivered()));
    }
    let wanted = [(4, false), (5, false), (1, true), (2, true), (3, true)];
    assert_eq!(got, wanted);
    assert_eq!(rx.try_pop(), Err(TryPopError::Empty));
    tx.try_push(&6).expect("room");
    assert_eq!((rx.try_pop(), rx.redelivered()), (Ok(6), false));
    let status = ring.status().expect("the kernel answers");
    assert!(status.consumers.iter().all(|end| end.state != Peer::Died));
}

#[test]
fn what_was_left_in_hands_comes_before_the_end() {
    for by_consumer in [false, true] {
        let ring = between(1, 3, 16);
        let mut tx = ring.producer().expect("a place");
        let mut rx = ring.consumer().expect("a place");
        assert_eq!(tx.try_push_many(&[0, 1, 2]), Ok(3));
        abandon(&ring, 2);
        match by_consumer {
            true => ring.consumer().expect("a place").close(),
            false => tx.close(),
        }
        let mut got = Vec::new();
        let end = loop {
            match rx.pop_until(Wait::park(), soon()) {
                Ok(message) => got.push((message, rx.redelivered())),
                Err(e) => break e,
            }
        };
        assert_eq!((got, end), (vec![(1, true), (2, true)], PopError::Closed));
        assert_eq!(rx.try_pop(), Err(TryPopError::Closed));
    }
}

#[test]
fn the_only_consumer_s_place_is_inherited_with_what_was_in_its_hands() {
    let ring = between(1, 1, 4);
    let mut tx = ring.producer().expect("a place");
    for lap in 0..20 {
        assert_eq!(tx.try_push_many(&[lap, lap + 1, lap + 2, 0]), Ok(4));
        abandon(&ring, 2);
        assert_eq!(
            tx.try_push_many(&[7, 7]),
            Ok(1),
            "three slots are not released"
        );
        let mut rx = ring.consumer().expect("it left");
        assert_eq!(rx.predecessor(), Peer::Died);
        let mut got = Vec::new();
        while got.len() < 4 {
            let message = rx.pop_until(Wait::spin(), soon()).expect("nothing is lost");
            got.push((message, rx.redelivered()));
        }
        got.sort_unstable_by_key(|(_, again)| !again);
        let wanted = [(lap + 1, true), (lap + 2, true), (0, false), (7, false)];
        assert_eq!(got, wanted);
    }
}

#[test]
fn a_consumer_that_has_taken_all_messages_of_a_run_leaves_in_order() {
    let ring = between(1, 1, 8);
    let mut tx = ring.producer().expect("a place");
    let mut rx = ring.consumer().expect("a place");
    let mut run = tx.try_claim_many(4).expect("room");
    run.write(0, &7);
    run.commit_first(1);
    assert_eq!(rx.drain(4).next(), Some(7));
    assert!(rx.is_empty());
    drop(rx);
    assert_eq!(
        ring.status().expect("the kernel answers").consumers[0].state,
        Peer::Left
    );
    assert_eq!(
        tx.try_push_many(&[0; 9]),
        Ok(8),
        "the tombstones were released"
    );
}

#[test]
fn places_run_out_and_come_back() {
    let ring = between(2, 3, 8);
    let txs: Vec<_> = (0..2).map(|_| ring.producer().expect("a place")).collect();
    let mut rxs: Vec<_> = (0..3).map(|_| ring.consumer().expect("a place")).collect();
    assert!(matches!(
        ring.producer(),
        Err(EndpointError::NoPlace { places: 2 })
    ));
    match ring.consumer() {
        Err(e @ EndpointError::NoPlace { places: 3 }) => assert!(e.to_string().contains('3')),
        other => panic!("{other:?}"),
    }
    rxs.pop();
    let rx = ring.consumer().expect("a place came back");
    assert_eq!(rx.predecessor(), Peer::Left);
    drop(txs);
    assert_eq!(rx.producer_state(), Peer::Left);
    assert!(ring.producer().is_ok());
    let ring = from_one(1, 8);
    let _tx = ring.producer().expect("a free end");
    let _rx = ring.consumer().expect("a place");
    assert!(matches!(
        ring.producer(),
        Err(EndpointError::Occupied { .. })
    ));
    assert!(matches!(
        ring.consumer(),
        Err(EndpointError::NoPlace { places: 1 })
    ));
}

#[test]
fn another_producer_of_many_consumers_goes_on_where_the_last_one_stopped() {
    let ring = from_one(2, 4);
    let (mut a, mut b) = (
        ring.consumer().expect("a place"),
        ring.consumer().expect("a place"),
    );
    for n in 0..100 {
        let mut tx = ring.producer().expect("left in order");
        assert_eq!(tx.position(), 2 * n);
        tx.try_push(&(2 * n)).expect("room");
        tx.try_claim().expect("room").abort();
        tx.try_push(&(2 * n + 1)).expect("room");
        drop(tx);
        // One holds a slot back while the next producer looks for its place.
        let sample = a.try_sample().expect("a message");
        assert_eq!((sample.read(), b.try_pop()), (2 * n, Ok(2 * n + 1)));
        let tx = ring.producer().expect("left in order");
        assert_eq!(tx.position(), 2 * n + 2);
        drop(sample);
    }
}

#[test]
fn after_the_close_of_one_consumer_the_others_drain_what_is_there() {
    let ring = from_one(3, 8);
    let mut tx = ring.producer().expect("a free end");
    let (rx, mut other) = (
        ring.consumer().expect("a place"),
        ring.consumer().expect("a place"),
    );
    assert_eq!(tx.try_push_many(&[0, 1, 2, 3]), Ok(4));
    rx.close();
    let mut late = ring.consumer().expect("a place, and messages for it");
    assert_eq!((late.try_pop(), other.try_pop()), (Ok(0), Ok(1)));
    // As documented, one more push may succeed.
    let sent = (4..20).take_while(|n| tx.try_push(n).is_ok()).count() as u64;
    assert!(sent <= 1, "{sent} went in");
    assert_eq!(tx.try_push(&99), Err(TryPushError::Closed));
    assert_eq!(all(&mut late), (2..4 + sent).collect::<Vec<_>>());
    assert_eq!(
        (late.try_pop(), other.try_pop()),
        (Err(TryPopError::Closed), Err(TryPopError::Closed))
    );
    drop(tx);
    assert!(matches!(ring.producer(), Err(EndpointError::Closed)));
}

/// Also while a third one has a message in hand, which would come again if it died.
#[test]
fn what_is_closed_stays_closed_for_consumers_that_look_at_the_same_time() {
    let ring = between(1, 3, 8);
    let mut tx = ring.producer().expect("a place");
    let mut slow = ring.consumer().expect("a place");
    tx.try_push(&1).expect("room");
    let sample = slow.try_sample().expect("a message");
    tx.close();
    std::thread::scope(|scope| {
        for _ in 0..2 {
            let mut rx = ring.consumer().expect("a place");
            scope.spawn(move || {
                // Until it is sure that nothing of a dead one comes again, while the other one looks as well.
                let told = rx.pop_until(Wait::spin(), soon());
                assert_eq!(told, Err(PopError::Closed));
                for _ in 0..20_000 {
                    assert_eq!(rx.try_pop(), Err(TryPopError::Closed));
                }
            });
        }
    });
    assert_eq!(sample.read(), 1);
}

#[test]
fn no_claim_comes_after_a_close_and_those_before_it_are_drained() {
    let ring = between(3, 2, 8);
    let mut txs: Vec<_> = (0..3).map(|_| ring.producer().expect("a place")).collect();
    let mut rx = ring.consumer().expect("a place");
    let last = txs.pop().expect("three were made");
    let [a, b] = &mut txs[..] else {
        unreachable!("two are left")
    };
    let mut loan = a.try_claim().expect("room");
    last.close();
    assert_eq!(b.try_push(&1), Err(TryPushError::Closed));
    assert_eq!(b.try_claim_many(2).err(), Some(TryPushError::Closed));
    // It was claimed before the close, so it may still come.
    assert_eq!(rx.try_pop(), Err(TryPopError::Empty));
    loan.write(&5);
    loan.commit();
    assert_eq!(rx.try_pop(), Ok(5));
    assert_eq!(rx.try_pop(), Err(TryPopError::Closed));
    assert_eq!(a.try_push(&1), Err(TryPushError::Closed));
}

#[test]
fn deadlines_end_waits_for_room_and_for_messages() {
    let ring = between(1, 1, 2);
    let mut tx = ring.producer().expect("a place");
    let mut rx = ring.consumer().expect("a place");
    for wait in [Wait::park(), Wait::spin(), Wait::spin_then_yield()] {
        let begun = Instant::now();
        let deadline = begun + Duration::from_millis(15);
        assert_eq!(rx.pop_until(wait, deadline), Err(PopError::TimedOut));
        assert!(rx.sample_until(wait, deadline).is_err());
        assert_eq!(tx.try_push_many(&[1, 2]), Ok(2));
        let deadline = Instant::now() + Duration::from_millis(15);
        assert!(tx.push_until(&3, wait, deadline).is_err());
        assert!(tx.claim_until(wait, deadline).is_err());
        assert!(Instant::now() >= deadline && begun.elapsed() < Duration::from_secs(5));
        assert_eq!(all(&mut rx), [1, 2]);
    }
}
