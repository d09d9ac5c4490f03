//! The places of producers: each is one living producer's, and free again when that is gone.

use annulus::{
    Backing, EndpointError, MpscRecords, Peer, RecordProducer, Ring, TryPopError, mpsc_records,
};
use std::collections::VecDeque;

fn ring(producers: u32) -> Ring<MpscRecords> {
    let options = mpsc_records("places").backing(Backing::Memfd);
    options
        .producers(producers)
        .capacity_bytes(1 << 18)
        .create()
        .expect("create")
}

#[test]
fn every_place_can_be_had_and_not_one_more() {
    for places in [1, 2, 3, 64, 1024] {
        let ring = ring(places);
        let mut rx = ring.consumer().expect("a free end");
        assert_eq!(rx.producer_state(), Peer::Never);
        let mut held: VecDeque<_> = (0..places)
            .map(|_| ring.producer().expect("a place"))
            .collect();
        match ring.producer() {
            Err(e @ EndpointError::NoPlace { places: found }) => {
                assert_eq!(found, places);
                assert!(e.to_string().contains(&places.to_string()), "{e}");
            }
            other => panic!("{other:?}"),
        }
        for (i, tx) in held.iter_mut().enumerate() {
            tx.try_push(&i.to_ne_bytes()).expect("room");
        }
        for i in 0..places as usize {
            let sample = rx.try_sample().expect("a record");
            assert_eq!(sample.read::<usize>(), Some(i));
        }
        assert!(matches!(rx.try_sample(), Err(TryPopError::Empty)));
        // Whoever leaves makes room for one.
        for _ in 0..places.min(8) {
            drop(held.pop_front());
            held.push_back(ring.producer().expect("the place of the one that left"));
            assert!(matches!(
                ring.producer(),
                Err(EndpointError::NoPlace { .. })
            ));
        }
        assert_eq!(rx.producer_state(), Peer::Alive);
        held.clear();
        assert_eq!(rx.producer_state(), Peer::Left);
        let status = ring.status().expect("the kernel answers");
        assert_eq!(
            (status.producer_places, status.producers.len()),
            (places, places as usize)
        );
        assert!(status.producers.iter().all(|end| end.state == Peer::Left));
    }
}

#[test]
fn a_producer_that_left_with_a_claim_forgotten_leaves_its_place_and_no_obstacle() {
    let ring = ring(1);
    let mut rx = ring.consumer().expect("a free end");
    let mut bytes = Vec::new();
    for round in 0..50u8 {
        let mut tx = ring.producer().expect("a free place");
        assert_eq!(
            tx.predecessor(),
            if round == 0 { Peer::Never } else { Peer::Left }
        );
        std::mem::forget(tx.try_claim(40).expect("room"));
        drop(tx);
        let mut heir = ring.producer().expect("the same place");
        heir.try_push(&[round]).expect("room");
        drop(heir);
        let wait = annulus::Wait::park();
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
        assert_eq!(rx.pop_into_until(&mut bytes, wait, deadline), Ok(0));
        assert_eq!(bytes, [round]);
    }
}

#[test]
fn producers_in_threads_come_and_go_and_every_record_arrives_in_its_producer_s_order() {
    const EACH: u64 = 20_000;
    let ring = ring(4);
    let mut rx = ring.consumer().expect("a free end");
    std::thread::scope(|scope| {
        for who in 0..4u64 {
            let ring = &ring;
            scope.spawn(move || produce(ring, who, EACH));
        }
        let mut next = [0; 4];
        let mut bytes = Vec::new();
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
        while next.iter().sum::<u64>() < 4 * EACH {
            let got = rx.pop_into_until(&mut bytes, annulus::Wait::spin_then_yield(), deadline);
            let who = usize::from(got.expect("all of them arrive"));
            let number = u64::from_ne_bytes(bytes[..8].try_into().expect("eight"));
            assert_eq!(number, next[who], "of producer {who}");
            assert!(bytes[8..].iter().all(|b| *b == number as u8), "torn");
            assert_eq!(bytes.len() as u64, 8 + number % 200);
            next[who] += 1;
        }
        assert!(matches!(rx.try_sample(), Err(TryPopError::Empty)));
    });
}

/// Pushes `each` numbered records, and leaves and comes again now and then.
fn produce(ring: &Ring<MpscRecords>, who: u64, each: u64) {
    let mut tx: Option<RecordProducer<MpscRecords>> = None;
    for number in 0..each {
        let tx_now = tx.get_or_insert_with(|| ring.producer().expect("a place for each"));
        let mut record = number.to_ne_bytes().to_vec();
        record.resize(8 + (number % 200) as usize, number as u8);
        tx_now
            .push_tagged(who as u16, &record, annulus::Wait::spin_then_yield())
            .expect("the consumer is there");
        if number % 1000 == 999 {
            tx = None;
        }
    }
}
