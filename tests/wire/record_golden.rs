//! Golden images of rings of records.

use crate::exchange::message;
use crate::golden::Golden;
use annulus::{
    Backing, EndpointError, MpscRecords, Options, Parking, Peer, SpscRecords, TryPopError,
    TryPushError, Wait, mpsc_records, spsc_records,
};
use std::time::{Duration, Instant};

fn one(path: &str) -> Options<SpscRecords> {
    spsc_records(path)
        .backing(Backing::File)
        .parking(Parking::Fenced)
}

fn many(path: &str) -> Options<MpscRecords> {
    mpsc_records(path)
        .backing(Backing::File)
        .parking(Parking::Fenced)
}

/// Lengths that meet every remainder of 8 and of 64, and 0.
const LENGTHS: [u64; 10] = [0, 1, 7, 8, 9, 40, 55, 56, 57, 100];

fn dense(path: &str) {
    let ring = one(path)
        .capacity_bytes(512)
        .schema(9)
        .create()
        .expect("create");
    let mut tx = ring.producer().expect("producer");
    let mut rx = ring.consumer().expect("consumer");
    let mut out = Vec::new();
    for (i, len) in LENGTHS.into_iter().chain(LENGTHS).enumerate() {
        let (i, payload) = (i as u64, message(i as u64, len));
        while tx.try_push_tagged(i as u16, &payload).is_err() {
            rx.try_pop_into(&mut out).expect("a record");
        }
    }
    rx.try_pop_into(&mut out).expect("a record");
    // Begun and given up: its bytes stay in free space, and look like records.
    let mut loan = tx.try_claim(32).expect("room");
    loan.write_at(0, &[1, 0, 0, 0, 8, 0, 0, 0].repeat(4));
}

fn look_dense(path: &str) {
    let ring = one(path).schema(9).record_align(8).open().expect("open");
    assert_eq!((ring.capacity_bytes(), ring.max_record()), (512, 248));
    let status = ring.status().expect("status");
    let ends = (status.producers[0].state, status.consumers[0].state);
    assert_eq!(ends, (Peer::Left, Peer::Left));
    let mut rx = ring.consumer().expect("consumer");
    let (mut out, mut seen) = (Vec::new(), Vec::new());
    while let Ok(tag) = rx.try_pop_into(&mut out) {
        let len = LENGTHS[usize::from(tag) % LENGTHS.len()];
        assert_eq!(out, message(tag.into(), len));
        seen.push(tag);
    }
    assert!(seen.len() >= 4 && seen.is_sorted(), "{seen:?}");
    assert_eq!(seen.last(), Some(&19));
    assert_eq!(rx.position(), status.taken + status.len);
    let mut tx = ring.producer().expect("producer");
    tx.try_push(b"more").expect("room");
    rx.try_pop_into(&mut out).expect("a record");
    assert_eq!(out, b"more");
}

fn lines(path: &str) {
    let ring = one(path)
        .capacity_bytes(1024)
        .record_align(64)
        .start_position((1 << 62) - 256)
        .create()
        .expect("create");
    let mut tx = ring.producer().expect("producer");
    let mut rx = ring.consumer().expect("consumer");
    let mut out = Vec::new();
    for i in 0..12 {
        tx.try_push_tagged(0xff00 + i, &message(i.into(), 10 * u64::from(i)))
            .expect("room");
        if i < 7 {
            rx.try_pop_into(&mut out).expect("a record");
        }
    }
    // Killed, both: the image shows them attached.
    std::mem::forget((tx, rx));
}

fn look_lines(path: &str) {
    let ring = one(path).record_align(64).open().expect("open");
    let mut rx = ring.consumer().expect("consumer");
    let mut tx = ring.producer().expect("producer");
    let died = (Peer::Died, Peer::Died);
    assert_eq!((tx.predecessor(), rx.predecessor()), died);
    let mut out = Vec::new();
    for i in 7..12 {
        assert_eq!(rx.try_pop_into(&mut out), Ok(0xff00 + i));
        assert_eq!(out, message(i.into(), 10 * u64::from(i)));
    }
    assert_eq!(rx.try_pop_into(&mut out), Err(TryPopError::Empty));
    for i in 0..50 {
        tx.try_push(&message(i, 3 * i)).expect("room");
        rx.try_pop_into(&mut out).expect("a record");
        assert_eq!(out, message(i, 3 * i));
    }
}

fn closed(path: &str) {
    let ring = many(path)
        .capacity_bytes(512)
        .producers(3)
        .create()
        .expect("create");
    let mut tx: Vec<_> = (0..3).map(|_| ring.producer().expect("producer")).collect();
    let mut rx = ring.consumer().expect("consumer");
    let mut out = Vec::new();
    // To byte 440 of the ring.
    for i in 0..8u16 {
        let tx = &mut tx[usize::from(i) % 3];
        tx.try_push_tagged(i, &message(i.into(), 47)).expect("room");
    }
    for _ in 0..6 {
        rx.try_pop_into(&mut out).expect("a record");
    }
    // 72 bytes are left before the end: the second of these begins a lap, behind padding.
    tx[0].try_push_tagged(8, &message(8, 20)).expect("room");
    tx[1].try_push_tagged(9, &message(9, 60)).expect("room");
    // Given up, given up in part, and several at once.
    let mut loan = tx[2].try_claim(40).expect("room");
    loan.write_at(0, &[0xee; 40]);
    loan.abort();
    let mut loan = tx[0].try_claim(50).expect("room");
    loan.write_at(0, &[0xdd; 50]);
    loan.write_at(0, &message(10, 11));
    loan.set_tag(10);
    loan.commit_len(11);
    let run: [&[u8]; 2] = [&message(0, 5), &message(1, 0)];
    assert_eq!(tx[1].try_push_many(&run), Ok(2));
    tx.pop().expect("the third").close();
}

fn look_closed(path: &str) {
    let ring = many(path).open().expect("open");
    let closed = matches!(ring.producer(), Err(EndpointError::Closed));
    assert!(closed);
    let status = ring.status().expect("status");
    let ends: Vec<_> = status.producers.iter().map(|end| end.state).collect();
    assert_eq!((ends, status.producer_places), (vec![Peer::Left; 3], 3));
    let mut rx = ring.consumer().expect("consumer");
    let mut out = Vec::new();
    let expected = [(6, 47), (7, 47), (8, 20), (9, 60), (10, 11)];
    for (tag, len) in expected {
        assert_eq!(rx.try_pop_into(&mut out), Ok(tag));
        assert_eq!(out, message(tag.into(), len));
    }
    for (i, len) in [(0, 5), (1, 0)] {
        assert_eq!(rx.try_pop_into(&mut out), Ok(0));
        assert_eq!(out, message(i, len));
    }
    assert_eq!(rx.try_pop_into(&mut out), Err(TryPopError::Closed));
}

fn killed(path: &str) {
    let ring = many(path)
        .capacity_bytes(1024)
        .record_align(64)
        .producers(4)
        .start_position(1 << 40)
        .create()
        .expect("create");
    let mut tx: Vec<_> = (0..3).map(|_| ring.producer().expect("producer")).collect();
    let mut rx = ring.consumer().expect("consumer");
    for tx in &mut tx {
        tx.try_push_tagged(1, &message(1, 120)).expect("room");
    }
    rx.try_sample().expect("a record").release();
    rx.try_sample().expect("a record").release();
    tx[0].try_push_tagged(2, &message(2, 300)).expect("room");
    // Two die while they write; the second has passed the end of the ring. One goes on behind them.
    for (i, len) in [(1, 60), (2, 200)] {
        let mut loan = tx[i].try_claim(len).expect("room");
        loan.write_at(0, &[0xcc; 60]);
        std::mem::forget(loan);
    }
    rx.try_sample().expect("a record").release();
    tx[0].try_push_tagged(3, &message(3, 10)).expect("room");
    std::mem::forget((tx, rx));
}

fn look_killed(path: &str) {
    let ring = many(path).open().expect("open");
    let mut tx = ring
        .producer()
        .expect("the place of the dead one that had committed all it claimed");
    let mut rx = ring.consumer().expect("consumer");
    assert_eq!(
        (tx.predecessor(), rx.predecessor()),
        (Peer::Died, Peer::Died)
    );
    let deadline = Instant::now() + Duration::from_secs(10);
    let mut out = Vec::new();
    for (tag, len) in [(2, 300), (3, 10)] {
        assert_eq!(rx.pop_into_until(&mut out, Wait::park(), deadline), Ok(tag));
        assert_eq!(out, message(tag.into(), len));
    }
    assert_eq!(rx.try_pop_into(&mut out), Err(TryPopError::Empty));
    // Now that nothing hangs on them the places of the dead can be taken. Whoever comes first clears the other.
    let more: Vec<_> = (0..3).map(|_| ring.producer().expect("a place")).collect();
    let before: Vec<_> = more.iter().map(|tx| tx.predecessor()).collect();
    assert_eq!(before, [Peer::Died, Peer::Left, Peer::Never]);
    while tx.try_push(&[1; 56]) != Err(TryPushError::Full) {}
    let mut n = 0;
    while rx.try_pop_into(&mut out).is_ok() {
        assert_eq!(out, [1; 56]);
        n += 1;
    }
    assert_eq!(n, 16);
}

pub const GOLDEN: [Golden; 4] = [
    Golden {
        name: "records-512x8",
        about: "Records of one producer, 512 bytes, aligned to 8, schema 9. 20 sent, some taken, one given up.",
        make: dense,
        look: look_dense,
    },
    Golden {
        name: "records-1024x64",
        about: "Records of one producer, 1024 bytes, aligned to 64, from position 2^62 - 256. Both ends were killed.",
        make: lines,
        look: look_lines,
    },
    Golden {
        name: "mpsc-512x8",
        about: "Records of 3 producers, 512 bytes, aligned to 8: padding, a claim given up, one shortened, a run. Closed.",
        make: closed,
        look: look_closed,
    },
    Golden {
        name: "mpsc-1024x64",
        about: "Records of 4 producers, 1024 bytes, aligned to 64. All were killed, two while they wrote.",
        make: killed,
        look: look_killed,
    },
];
