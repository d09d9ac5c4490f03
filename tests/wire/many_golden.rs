//! Golden images of slots that many claim, and of broadcasts.

use crate::exchange::message;
use crate::golden::Golden;
use annulus::{
    Backing, Broadcast, BroadcastRecords, EndpointError, Join, JoinError, Mpmc, Mpsc, Options,
    Parking, Peer, PopError, Spmc, TryPopError, TryPushError, TryReadError, Wait, broadcast,
    broadcast_records, mpmc, mpsc, spmc,
};
use std::time::{Duration, Instant};

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(20)
}

/// What `pop` gives, which may say first that all producers have died.
fn pop_through<R>(mut pop: impl FnMut() -> Result<R, PopError>) -> R {
    loop {
        match pop() {
            Err(PopError::PeerDied) => {}
            popped => return popped.expect("a message"),
        }
    }
}

fn many_to_one(path: &str) -> Options<Mpsc<u64>> {
    mpsc::<u64>(path)
        .backing(Backing::File)
        .parking(Parking::Fenced)
}

fn one_to_many(path: &str) -> Options<Spmc<[u64; 3]>> {
    spmc::<[u64; 3]>(path)
        .backing(Backing::File)
        .parking(Parking::Fenced)
}

fn many_to_many(path: &str) -> Options<Mpmc<[u8]>> {
    mpmc::<[u8]>(path)
        .backing(Backing::File)
        .parking(Parking::Fenced)
        .slot_size(56)
}

fn to_all(path: &str) -> Options<Broadcast<u64>> {
    broadcast::<u64>(path)
        .backing(Backing::File)
        .parking(Parking::Fenced)
}

fn records_to_all(path: &str) -> Options<BroadcastRecords> {
    broadcast_records(path)
        .backing(Backing::File)
        .parking(Parking::Fenced)
}

fn make_mpsc(path: &str) {
    let ring = many_to_one(path)
        .capacity(16)
        .producers(3)
        .start_position((1 << 62) - 10)
        .create()
        .expect("create");
    let mut tx: Vec<_> = (0..3).map(|_| ring.producer().expect("producer")).collect();
    let mut rx = ring.consumer().expect("consumer");
    for i in 0..8 {
        tx[i % 3].try_push(&(i as u64)).expect("room");
    }
    for i in 0..6 {
        assert_eq!(rx.try_pop(), Ok(i));
    }
    // Given up, sent in a run, and in the hands of one that dies.
    drop(tx[0].try_claim().expect("room"));
    assert_eq!(tx[1].try_push_many(&[8, 9]), Ok(2));
    std::mem::forget(tx[2].try_claim_many(2).expect("room"));
    tx[0].try_push(&10).expect("room");
    std::mem::forget((tx, rx));
}

fn look_mpsc(path: &str) {
    let ring = many_to_one(path).open().expect("open");
    let status = ring.status().expect("status");
    assert_eq!((status.taken, status.producer_places), ((1 << 62) - 4, 3));
    let mut rx = ring.consumer().expect("consumer");
    assert_eq!(rx.predecessor(), Peer::Died);
    for i in 6..11 {
        let popped = pop_through(|| rx.pop_until(Wait::park(), soon()));
        assert_eq!(popped, i);
    }
    assert_eq!(rx.try_pop(), Err(TryPopError::Empty));
    let mut tx: Vec<_> = (0..3).map(|_| ring.producer().expect("a place")).collect();
    assert!(matches!(
        ring.producer(),
        Err(EndpointError::NoPlace { places: 3 })
    ));
    for i in 0..16 {
        tx[i % 3].try_push(&(i as u64)).expect("room");
    }
    assert_eq!(tx[0].try_push(&16), Err(TryPushError::Full));
    assert_eq!(
        rx.drain(99).collect::<Vec<_>>(),
        (0..16).collect::<Vec<_>>()
    );
}

fn make_spmc(path: &str) {
    let ring = one_to_many(path)
        .capacity(8)
        .consumers(2)
        .schema(77)
        .create()
        .expect("create");
    let mut tx = ring.producer().expect("producer");
    let mut a = ring.consumer().expect("consumer");
    let mut b = ring.consumer().expect("consumer");
    for i in 0..11 {
        tx.try_push(&[i; 3]).expect("room");
        if i < 4 {
            assert_eq!(a.try_pop(), Ok([i; 3]));
        }
    }
    // The second dies with three of four in its hands.
    assert_eq!(b.drain(4).next(), Some([4; 3]));
    assert_eq!(a.try_pop(), Ok([8; 3]));
    tx.close();
    drop((a, b));
}

fn look_spmc(path: &str) {
    let ring = one_to_many(path).schema(77).open().expect("open");
    assert!(matches!(ring.producer(), Err(EndpointError::Closed)));
    let ends = ring.status().expect("status").consumers;
    let ends: Vec<_> = ends.iter().map(|end| end.state).collect();
    assert_eq!(ends, [Peer::Left, Peer::Died]);
    let mut rx = ring.consumer().expect("consumer");
    for (i, again) in [(9, false), (10, false), (5, true), (6, true), (7, true)] {
        assert_eq!(rx.try_pop(), Ok([i; 3]));
        assert_eq!(rx.redelivered(), again, "{i}");
    }
    assert_eq!(rx.try_pop(), Err(TryPopError::Closed));
}

fn make_mpmc(path: &str) {
    let ring = many_to_many(path)
        .capacity(8)
        .producers(2)
        .consumers(2)
        .start_position((1 << 62) - 3)
        .create()
        .expect("create");
    let mut a = ring.producer().expect("producer");
    let mut b = ring.producer().expect("producer");
    let mut rx = ring.consumer().expect("consumer");
    let mut other = ring.consumer().expect("consumer");
    let mut out = [0; 56];
    for i in 0..7 {
        let tx = if i % 2 == 0 { &mut a } else { &mut b };
        tx.try_push(&message(i, 56)).expect("room");
    }
    rx.try_pop_into(&mut out).expect("a message");
    other.try_pop_into(&mut out).expect("a message");
    // Both consumers die with a message in hand, both producers while they write.
    std::mem::forget(rx.try_sample().expect("a message"));
    let mut drain = other.drain(2);
    assert!(drain.next_into(&mut out));
    drop(drain);
    let mut run = a.try_claim_many(2).expect("room");
    run.write(0, &[0xee; 56]);
    std::mem::forget(run);
    std::mem::forget(b.try_claim().expect("room"));
    std::mem::forget((a, b, rx, other));
}

fn look_mpmc(path: &str) {
    let ring = many_to_many(path).open().expect("open");
    let mut rx = ring.consumer().expect("a place that is inherited");
    let mut out = [0; 56];
    let mut seen = Vec::new();
    while let Ok(()) = rx.try_pop_into(&mut out) {
        let i = (0..7)
            .find(|i| out[..] == message(*i, 56)[..])
            .expect("one of them");
        seen.push((i, rx.redelivered()));
    }
    // The rest comes when the dead are asked about.
    while seen.len() < 4 {
        pop_through(|| rx.pop_into_until(&mut out, Wait::park(), soon()));
        let i = (0..7)
            .find(|i| out[..] == message(*i, 56)[..])
            .expect("one of them");
        seen.push((i, rx.redelivered()));
    }
    seen.sort_unstable();
    assert_eq!(seen, [(2, true), (4, true), (5, false), (6, false)]);
    let mut tx = ring.producer().expect("a place");
    for i in 0..5 {
        tx.try_push(&message(i, 56)).expect("room");
        rx.pop_into_until(&mut out, Wait::park(), soon())
            .expect("behind tombstones");
        assert_eq!(out[..], message(i, 56)[..]);
    }
}

fn make_broadcast(path: &str) {
    let ring = to_all(path)
        .capacity(8)
        .readers(66)
        .start_position((1 << 62) - 5)
        .create()
        .expect("create");
    let mut tx = ring.producer().expect("producer");
    let mut lossy = ring.reader(Join::Newest).expect("reader");
    for i in 0..20 {
        tx.try_push(&i).expect("room");
    }
    assert_eq!(lossy.try_read(), Err(TryReadError::Lost(12)));
    assert_eq!(lossy.try_read(), Ok(12));
    // A lossless one dies half a ring behind, and its place is the 66th.
    let many: Vec<_> = (0..64)
        .map(|_| ring.reader(Join::Newest).expect("reader"))
        .collect();
    let mut slow = ring.lossless_reader(Join::Oldest).expect("reader");
    drop(many);
    for i in 12..17 {
        assert_eq!(slow.try_read(), Ok(i));
    }
    tx.try_push(&20).expect("room");
    // Begun, not finished.
    let mut loan = tx.try_claim().expect("room");
    loan.write(&99);
    std::mem::forget((tx, lossy, slow));
}

fn look_broadcast(path: &str) {
    let ring = to_all(path).open().expect("open");
    let status = ring.status().expect("status");
    let (first, last) = (&status.consumers[0], &status.consumers[65]);
    assert_eq!((first.state, last.state), (Peer::Died, Peer::Died));
    let readings = [first, last].map(|end| {
        let reading = end.reading.as_ref().expect("a reader");
        (reading.lost, reading.lossless)
    });
    assert_eq!(readings, [(12, false), (0, true)]);
    let start = (1 << 62) - 5;
    match ring.reader(Join::At(start + 11)) {
        Err(JoinError::Gone { oldest, newest }) => {
            assert_eq!((oldest, newest), (start + 14, start + 21));
        }
        other => panic!("{other:?}"),
    }
    let mut rx = ring.reader(Join::Oldest).expect("reader");
    for i in 14..21 {
        assert_eq!(rx.try_read(), Ok(i));
    }
    assert_eq!(rx.try_read(), Err(TryReadError::Empty));
    let mut tx = ring.producer().expect("producer");
    assert_eq!((tx.predecessor(), tx.position()), (Peer::Died, start + 21));
    for i in 21..40 {
        tx.push_until(&i, Wait::park(), soon())
            .expect("the dead are not waited for");
        assert_eq!(rx.try_read(), Ok(i));
    }
}

/// Lengths that meet every remainder of 8 and of 64, and 0.
const LENGTHS: [u64; 10] = [0, 1, 7, 8, 9, 40, 55, 56, 57, 100];

fn make_records(path: &str) {
    let ring = records_to_all(path)
        .capacity_bytes(1024)
        .readers(2)
        .start_position(1 << 40)
        .create()
        .expect("create");
    let mut tx = ring.producer().expect("producer");
    let mut rx = ring.reader(Join::Newest).expect("reader");
    let mut out = Vec::new();
    for i in 0..60u64 {
        let len = LENGTHS[i as usize % 10];
        tx.try_push_tagged(i as u16, &message(i, len))
            .expect("room");
        if i < 3 {
            assert_eq!(rx.try_read_into(&mut out), Ok(i as u16));
        }
    }
    // Begun and given up: its bytes are behind the last record.
    let mut loan = tx.try_claim(32).expect("room");
    loan.write_at(0, &[1, 0, 0, 0, 8, 0, 0, 0].repeat(4));
    drop(loan);
    std::mem::forget((tx, rx));
}

fn look_records(path: &str) {
    let ring = records_to_all(path).open().expect("open");
    let mut rx = ring.reader(Join::Oldest).expect("reader");
    let mut tx = ring.producer().expect("producer");
    assert_eq!(tx.predecessor(), Peer::Died);
    let (mut out, mut seen) = (Vec::new(), Vec::new());
    while let Ok(tag) = rx.try_read_into(&mut out) {
        let len = LENGTHS[usize::from(tag) % 10];
        assert_eq!(out, message(tag.into(), len));
        seen.push(tag);
    }
    assert!(seen.len() >= 10 && seen.is_sorted(), "{seen:?}");
    assert_eq!((seen.last(), rx.lag_bytes()), (Some(&59), 0));
    for i in 60..200u64 {
        let len = LENGTHS[i as usize % 10];
        tx.try_push_tagged(i as u16, &message(i, len))
            .expect("room");
    }
    // The count goes on where the dead producer's ended.
    let Err(TryReadError::Lost(lost)) = rx.try_read_into(&mut out) else {
        panic!("it was overtaken");
    };
    for i in 60 + lost..200 {
        assert_eq!(rx.try_read_into(&mut out), Ok(i as u16));
    }
    assert_eq!(rx.try_read_into(&mut out), Err(TryReadError::Empty));
}

pub const GOLDEN: [Golden; 5] = [
    Golden {
        name: "mpsc-16x8",
        about: "16 slots of u64 of 3 producers, from position 2^62 - 10. A run, a tombstone; all were killed, one with two slots claimed.",
        make: make_mpsc,
        look: look_mpsc,
    },
    Golden {
        name: "spmc-8x24",
        about: "8 slots of [u64; 3] for 2 consumers, schema 77. Closed; one consumer left 3 messages in hand.",
        make: make_spmc,
        look: look_spmc,
    },
    Golden {
        name: "mpmc-8x56",
        about: "8 slots of 56 bytes, 2 producers, 2 consumers, from position 2^62 - 3. All were killed with something in hand.",
        make: make_mpmc,
        look: look_mpmc,
    },
    Golden {
        name: "broadcast-8x8",
        about: "A broadcast of 8 slots of u64 with places for 66 readers, from position 2^62 - 5. 21 sent, one begun; all were killed.",
        make: make_broadcast,
        look: look_broadcast,
    },
    Golden {
        name: "broadcast-1024x8",
        about: "A broadcast of records, 1024 bytes, aligned to 8, from position 2^40. 60 sent, one given up; all were killed.",
        make: make_records,
        look: look_records,
    },
];
