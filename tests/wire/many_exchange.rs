//! Producers and consumers written from the page share rings of slots with the library's.

use crate::exchange::message;
use crate::page_map::{MOVED, PageRing, TAIL, TAKEN};
use crate::page_records::No;
use crate::page_slots::{Found, SlotConsumer, SlotProducer};
use crate::scratch::Scratch;
use annulus::{
    Backing, EndpointError, Mpmc, Options, Parking, Peer, TryPopError, TryPushError, Wait, mpmc,
    mpsc, spmc,
};
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{Acquire, SeqCst};
use std::time::{Duration, Instant};

/// Shapes of rings: capacity, message size, first position.
const SHAPES: [(u64, u64, u64); 6] = [
    (2, 1, 0),
    (4, 9, 5),
    (8, 56, (1 << 62) - 3),
    (16, 57, 3),
    (4, 200, (1 << 61) - 2),
    (64, 24, 63),
];

fn options(scratch: &Scratch, len: u64) -> Options<Mpmc<[u8]>> {
    mpmc::<[u8]>(scratch.name())
        .backing(Backing::File)
        .parking(Parking::Fenced)
        .slot_size(len as usize)
        .producers(3)
        .consumers(3)
}

/// Calls `step` until it is true.
fn until(what: &str, mut step: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !step() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::yield_now();
    }
}

#[test]
fn producers_and_consumers_written_from_the_page_take_turns_with_the_librarys() {
    for (capacity, len, start) in SHAPES {
        let scratch = Scratch::new();
        let made = options(&scratch, len)
            .capacity(capacity)
            .start_position(start);
        let ring = made.create().expect("create");
        let mut tx = ring.producer().expect("producer");
        let mut their_tx = SlotProducer::attach(&scratch);
        let mut rx = ring.consumer().expect("consumer");
        let mut their_rx = SlotConsumer::attach(&scratch, 4);
        let (mut sent, mut taken, mut out) = (0, 0, vec![0; len as usize]);
        for round in 0..6 * capacity {
            while sent - taken < capacity {
                let message = message(sent, len);
                match sent % 3 {
                    0 => tx.try_push(&message).expect("room"),
                    _ => their_tx.push(&message).expect("room"),
                }
                sent += 1;
            }
            assert_eq!(tx.try_push(&message(sent, len)), Err(TryPushError::Full));
            assert_eq!(their_tx.push(&message(sent, len)), Err(No::Full));
            for _ in 0..round % capacity + 1 {
                if taken % 2 == 0 {
                    rx.try_pop_into(&mut out).expect("a message");
                } else {
                    out = their_rx.pop().expect("a message");
                }
                assert_eq!(out, message(taken, len), "{taken}");
                taken += 1;
            }
            if round % 3 == 0 {
                // The library's producers go by it from now on, until it is used up.
                their_rx.publish();
            }
        }
        their_tx.close();
        assert_eq!(tx.try_push(&message(sent, len)), Err(TryPushError::Closed));
        while taken < sent {
            assert_eq!(their_rx.pop(), Ok(message(taken, len)));
            taken += 1;
        }
        assert_eq!(their_rx.pop(), Err(No::Closed));
        assert_eq!(rx.try_pop_into(&mut out), Err(TryPopError::Closed));
    }
}

#[test]
fn runs_and_tombstones_pass_between_the_page_and_the_library() {
    for (capacity, len, start) in SHAPES.into_iter().filter(|shape| shape.0 >= 4) {
        let scratch = Scratch::new();
        let made = options(&scratch, len)
            .capacity(capacity)
            .start_position(start);
        let ring = made.create().expect("create");
        let mut tx = ring.producer().expect("producer");
        let mut their_tx = SlotProducer::attach(&scratch);
        let mut rx = ring.consumer().expect("consumer");
        let mut their_rx = SlotConsumer::attach(&scratch, 4);
        let mut out = vec![0; len as usize];
        for round in 0..3 * capacity {
            // Four positions each, of which the second and the third are given up, or only the last.
            let claimed = their_tx.claim(4).expect("room");
            assert_eq!(claimed.len(), 4);
            their_tx.commit(claimed[3], &message(round + 1, len));
            their_tx.skip(claimed[2]);
            their_tx.skip(claimed[1]);
            their_tx.commit(claimed[0], &message(round, len));
            assert_eq!(rx.drain(9).at_most(), 4);
            let mut drain = rx.drain(9);
            for i in [round, round + 1] {
                assert!(drain.next_into(&mut out));
                assert_eq!(out, message(i, len));
            }
            assert!(!drain.next_into(&mut out));
            let mut run = tx.try_claim_many(4).expect("room");
            assert_eq!(run.len(), 4);
            for i in 0..4 {
                run.write(i, &message(round + i as u64, len));
            }
            run.commit_first(3);
            drop(tx.try_claim());
            their_rx.claim(4).expect("messages");
            assert_eq!(their_rx.hand.len(), 4);
            for i in round..round + 3 {
                assert_eq!(their_rx.take(), Some(message(i, len)));
            }
            assert_eq!(their_rx.take(), None);
            let _ = their_rx.pop();
        }
        assert_eq!(rx.try_pop_into(&mut out), Err(TryPopError::Empty));
    }
}

#[test]
fn a_producer_written_from_the_page_that_dies_anywhere_leaves_tombstones() {
    for len in [8, 100] {
        let scratch = Scratch::new();
        let ring = options(&scratch, len).capacity(8).create().expect("create");
        let mut tx = ring.producer().expect("producer");
        let mut rx = ring.consumer().expect("consumer");
        let mut their_rx = SlotConsumer::attach(&scratch, 4);
        let mut out = vec![0; len as usize];
        let deadline = || Instant::now() + Duration::from_secs(20);
        for step in 0..4 * 5 {
            let mut victim = SlotProducer::attach(&scratch);
            let mut committed = 0;
            match step % 5 {
                // After the announcement: of a run that it does not have.
                0 => victim.announce_only(3),
                // After the exchange.
                1 => drop(victim.claim(3).expect("room")),
                // In the middle of a run, its first message committed.
                2 => {
                    let claimed = victim.claim(3).expect("room");
                    victim.commit(claimed[0], &message(7, len));
                    committed = 1;
                }
                // In the middle of a run, its last message committed.
                3 => {
                    let claimed = victim.claim(3).expect("room");
                    victim.commit(claimed[2], &message(7, len));
                    committed = 1;
                }
                // With all done.
                _ => {
                    victim.push(&message(7, len)).expect("room");
                    committed = 1;
                }
            }
            // Alive, it is waited for.
            let h = victim.ring.long(TAKEN).load(Acquire);
            if step % 5 == 1 {
                assert_eq!(their_rx.mend(), Found::Wait);
                assert_eq!(their_rx.pop(), Err(No::Empty));
                assert_eq!(rx.try_pop_into(&mut out), Err(TryPopError::Empty));
            }
            drop(victim);
            tx.try_push(&message(8, len)).expect("room");
            let expected = [vec![7; committed], vec![8]].concat();
            for i in expected {
                if step < 10 {
                    rx.pop_into_until(&mut out, Wait::park(), deadline())
                        .expect("a message");
                } else {
                    until("a message", || match their_rx.pop() {
                        Ok(message) => {
                            out = message;
                            true
                        }
                        Err(_) => {
                            assert_ne!(their_rx.mend(), Found::Orphan);
                            false
                        }
                    });
                }
                assert_eq!(out, message(i, len), "step {step} from {h}");
            }
            assert_eq!(rx.try_pop_into(&mut out), Err(TryPopError::Empty));
        }
        // Twenty have died in two places.
        let status = ring.status().expect("status");
        assert!(status.producers.len() <= 3);
    }
}

#[test]
fn what_a_consumer_written_from_the_page_dies_with_is_delivered_again_by_the_library() {
    let scratch = Scratch::new();
    let ring = options(&scratch, 24).capacity(8).create().expect("create");
    let mut tx = ring.producer().expect("producer");
    let mut rx = ring.consumer().expect("consumer");
    let mut out = vec![0; 24];
    for round in 0..6 {
        for i in 0..6 {
            tx.try_push(&message(i, 24)).expect("room");
        }
        let mut victim = SlotConsumer::attach(&scratch, 4);
        assert_eq!(victim.ring.long(MOVED).load(Acquire), round);
        victim.claim(4).expect("messages");
        for i in 0..round % 4 {
            assert_eq!(victim.take(), Some(message(i, 24)));
        }
        // As long as it lives nobody robs it.
        rx.try_pop_into(&mut out).expect("a message");
        assert_eq!(out, message(4, 24));
        drop(victim);
        let mut seen = Vec::new();
        for _ in 0..6 - 1 - round % 4 {
            let deadline = Instant::now() + Duration::from_secs(20);
            rx.pop_into_until(&mut out, Wait::park(), deadline)
                .expect("a message");
            let i = (0..6)
                .find(|i| out == message(*i, 24))
                .expect("one of them");
            assert_eq!(rx.redelivered(), i < 4, "{i}");
            seen.push(i);
        }
        seen.sort_unstable();
        let expected: Vec<_> = (round % 4..4).chain([5]).collect();
        assert_eq!(seen, expected);
        assert_eq!(rx.try_pop_into(&mut out), Err(TryPopError::Empty));
    }
}

#[test]
fn what_a_consumer_of_the_librarys_leaves_in_hand_is_delivered_again_by_the_page() {
    let scratch = Scratch::new();
    let ring = options(&scratch, 24).capacity(8).create().expect("create");
    let mut tx = ring.producer().expect("producer");
    let mut their_rx = SlotConsumer::attach(&scratch, 4);
    let mut out = vec![0; 24];
    for round in 0..6 {
        for i in 0..6 {
            tx.try_push(&message(i, 24)).expect("room");
        }
        let mut victim = ring.consumer().expect("a place");
        let mut drain = victim.drain(5);
        for i in 0..round % 5 {
            assert!(drain.next_into(&mut out));
            assert_eq!(out, message(i, 24));
        }
        assert!(!their_rx.search(), "it is alive");
        // With messages in hand it cannot leave in order.
        drop(victim);
        assert!(their_rx.search());
        assert!(their_rx.redelivered);
        for i in round % 5..5 {
            assert_eq!(their_rx.take(), Some(message(i, 24)));
        }
        assert_eq!(their_rx.take(), None);
        assert!(!their_rx.search());
        assert_eq!(their_rx.pop(), Ok(message(5, 24)));
        assert_eq!(their_rx.pop(), Err(No::Empty));
    }
    let seen = ring.status().expect("status").consumers;
    assert!(seen.iter().all(|end| end.state != Peer::Died), "{seen:?}");
}

#[test]
fn the_admin_token_of_the_page_keeps_the_library_from_taking_over() {
    let scratch = Scratch::new();
    let ring = options(&scratch, 8).capacity(8).create().expect("create");
    let mut tx = ring.producer().expect("producer");
    let mut rx = ring.consumer().expect("consumer");
    tx.try_push(&message(1, 8)).expect("room");
    let mut victim = SlotConsumer::attach(&scratch, 4);
    victim.claim(1).expect("a message");
    drop(victim);
    let page = PageRing::map(&scratch);
    assert!(page.try_hold(6), "3 producers and 3 consumers have 0 to 5");
    let mut out = vec![0; 8];
    let soon = Instant::now() + Duration::from_millis(60);
    rx.pop_into_until(&mut out, Wait::park(), soon)
        .expect_err("held");
    drop(page);
    let deadline = Instant::now() + Duration::from_secs(20);
    rx.pop_into_until(&mut out, Wait::park(), deadline)
        .expect("let go");
    assert_eq!(out, message(1, 8));
    assert!(rx.redelivered());
}

#[test]
fn a_producer_written_from_the_page_feeds_the_only_consumer() {
    let scratch = Scratch::new();
    let options = mpsc::<[u8]>(scratch.name())
        .backing(Backing::File)
        .parking(Parking::Fenced)
        .slot_size(20)
        .start_position((1 << 62) - 5);
    let ring = options.capacity(8).producers(2).create().expect("create");
    let mut their_tx = SlotProducer::attach(&scratch);
    let mut tx = ring.producer().expect("producer");
    assert!(matches!(
        ring.producer(),
        Err(EndpointError::NoPlace { places: 2 })
    ));
    let mut rx = ring.consumer().expect("consumer");
    let mut out = vec![0; 20];
    for i in 0..40 {
        their_tx.push(&message(i, 20)).expect("room");
        tx.try_push(&message(i + 1, 20)).expect("room");
        for i in [i, i + 1] {
            rx.try_pop_into(&mut out).expect("a message");
            assert_eq!(out, message(i, 20));
        }
    }
    drop(their_tx.claim(3).expect("room"));
    drop(their_tx);
    tx.try_push(&message(50, 20)).expect("room");
    let deadline = Instant::now() + Duration::from_secs(20);
    rx.pop_into_until(&mut out, Wait::park(), deadline)
        .expect("behind tombstones");
    assert_eq!(out, message(50, 20));
}

#[test]
fn a_consumer_written_from_the_page_shares_what_the_only_producer_sends() {
    let scratch = Scratch::new();
    let options = spmc::<[u8]>(scratch.name())
        .backing(Backing::File)
        .parking(Parking::Fenced)
        .slot_size(20)
        .start_position((1 << 61) + 5);
    let ring = options.capacity(8).consumers(2).create().expect("create");
    let mut tx = ring.producer().expect("producer");
    let mut their_rx = SlotConsumer::attach(&scratch, 3);
    let mut rx = ring.consumer().expect("consumer");
    let mut out = vec![0; 20];
    for i in 0..40 {
        while tx.try_push(&message(i, 20)).is_ok() {}
        rx.try_pop_into(&mut out).expect("a message");
        assert_eq!(their_rx.claim(3), Ok(()));
        while their_rx.take().is_some() {}
        while rx.drain(9).next_into(&mut out) {}
        assert_eq!(their_rx.pop(), Err(No::Empty));
    }
    tx.try_push(&message(77, 20)).expect("room");
    tx.close();
    assert_eq!(their_rx.pop(), Ok(message(77, 20)));
    assert_eq!(their_rx.pop(), Err(No::Closed));
    their_rx.leave();
    assert_eq!(rx.try_pop_into(&mut out), Err(TryPopError::Closed));
}

#[test]
fn many_written_from_the_page_and_many_of_the_librarys_lose_and_double_nothing() {
    const EACH: u64 = 4000;
    let scratch = Scratch::new();
    let ring = mpmc::<[u8]>(scratch.name())
        .backing(Backing::File)
        .parking(Parking::Fenced)
        .slot_size(24)
        .producers(4)
        .consumers(4)
        .capacity(16)
        .create()
        .expect("create");
    let seen: Vec<AtomicU64> = (0..4 * EACH).map(|_| AtomicU64::new(0)).collect();
    let left = AtomicU64::new(4 * EACH);
    // Number, and its complement, so that a torn message shows.
    let made = |n: u64| {
        [n, !n, n.wrapping_mul(0x9e37_79b9)]
            .map(u64::to_le_bytes)
            .concat()
    };
    let got = |bytes: &[u8]| {
        let n = u64::from_le_bytes(bytes[..8].try_into().expect("eight"));
        assert_eq!(bytes, made(n), "torn");
        seen[n as usize].fetch_add(1, SeqCst);
        left.fetch_sub(1, SeqCst);
        n
    };
    let ordered = |last: &mut [Option<u64>; 4], n: u64| {
        let of = &mut last[(n / EACH) as usize];
        assert!(of.is_none_or(|before| before < n), "order of one producer");
        *of = Some(n);
    };
    std::thread::scope(|scope| {
        for who in 0..2 {
            let mut tx = ring.producer().expect("producer");
            scope.spawn(move || {
                for i in 0..EACH {
                    tx.push(&made(who * EACH + i), Wait::spin_then_yield())
                        .expect("room");
                }
            });
            let mut their_tx = SlotProducer::attach(&scratch);
            scope.spawn(move || {
                for i in 0..EACH {
                    until("room", || {
                        their_tx.push(&made((2 + who) * EACH + i)).is_ok()
                    });
                }
                their_tx.leave();
            });
            let (left, got, ordered) = (&left, &got, &ordered);
            let mut rx = ring.consumer().expect("consumer");
            scope.spawn(move || {
                let (mut out, mut last) = ([0; 24], [None; 4]);
                while left.load(SeqCst) > 0 {
                    let soon = Instant::now() + Duration::from_millis(5);
                    if rx.pop_into_until(&mut out, Wait::park(), soon).is_ok() {
                        ordered(&mut last, got(&out));
                    }
                }
            });
            let mut their_rx = SlotConsumer::attach(&scratch, 4);
            scope.spawn(move || {
                let mut last = [None; 4];
                while left.load(SeqCst) > 0 {
                    if their_rx.claim(5).is_err() {
                        std::thread::yield_now();
                    }
                    while let Some(message) = their_rx.take() {
                        ordered(&mut last, got(&message));
                    }
                }
                their_rx.leave();
            });
        }
    });
    assert!(
        seen.iter().all(|n| n.load(SeqCst) == 1),
        "each exactly once"
    );
    let page = PageRing::map(&scratch);
    let (tail, head) = (
        page.long(TAIL).load(Acquire),
        page.long(TAKEN).load(Acquire),
    );
    assert_eq!((tail, head), ((4 * EACH) << 2, 4 * EACH));
}
