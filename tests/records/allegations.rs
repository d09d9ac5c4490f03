//! Single lies in header words and control words, and exactly what is answered to each.
//!
//! The random fights of `hostile.rs` ask that nothing breaks. Here each error is asked for by its name.

use crate::kinds::{Kind, Shape};
use crate::peer::{BUSY, GATE, Memory, PAD, READY, TAIL, TAKEN, WIPED, word};
use annulus::{
    Corrupt, CorruptWord, EndpointError, MpscRecords, Parking, PopError, PushError, Ring,
    SpscRecords, TryPopError, TryPushError, Wait,
};
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

const CAPACITY: u64 = 1024;

fn ring<K: Kind>(align: u64) -> (Ring<K>, Memory) {
    let shape = Shape {
        capacity: CAPACITY,
        align,
        start: 0,
        producers: if K::MANY { 3 } else { 1 },
        parking: Parking::Fenced,
    };
    let ring = shape.create::<K>();
    let memory = Memory::of(&ring, shape);
    (ring, memory)
}

fn soon() -> Instant {
    Instant::now() + Duration::from_millis(3)
}

/// Header words that no honest peer stores, `room` bytes before the end of the ring.
fn header_lies(room: u32) -> Vec<u64> {
    let mut lies = Vec::new();
    for len in [
        room - 7,
        room,
        CAPACITY as u32,
        1 << 31,
        u32::MAX - 8,
        u32::MAX,
    ] {
        lies.extend([word(READY, 0, len), word(READY, 9, len), word(PAD, 0, len)]);
        lies.push(word(BUSY, 1, len));
    }
    lies.extend([
        word(PAD, 1, 0),
        word(4, 0, 8),
        word(0, 1, 8),
        word(0, 0, 8),
        word(5, 0, 100),
    ]);
    lies.extend([0xffff, u64::MAX, READY << 32, word(READY, 0, 8) | 8]);
    lies
}

/// A header that no honest peer stores is corruption by name and position; when it is whole again, so is the
/// flow.
fn headers<K: Kind>(align: u64) {
    let (ring, memory) = ring::<K>(align);
    let (mut tx, mut rx) = (
        ring.producer().expect("a free end"),
        ring.consumer().expect("a free end"),
    );
    let mut bytes = Vec::new();
    for round in 0..100 {
        let at = rx.position();
        tx.try_push(&[round; 100]).expect("room");
        let good = memory.header(at).load(Relaxed);
        let room = (CAPACITY - at % CAPACITY) as u32;
        for lie in header_lies(room) {
            memory.header(at).store(lie, Relaxed);
            let corrupt = Corrupt {
                word: CorruptWord::Record,
                position: at,
                found: lie,
            };
            // Where there is one producer, what is neither a record nor padding is what an earlier lap left.
            let is_left = !K::MANY && ![READY, PAD].contains(&(lie & 0xffff));
            let (now, waited) = if is_left {
                (TryPopError::Empty, PopError::TimedOut)
            } else {
                (TryPopError::Corrupt(corrupt), PopError::Corrupt(corrupt))
            };
            assert_eq!(rx.try_pop_into(&mut bytes), Err(now));
            assert_eq!(rx.try_sample().err(), Some(now));
            assert_eq!(rx.try_peek().err(), Some(now));
            let deadline = Instant::now() + Duration::from_micros(50);
            let outcome = rx.pop_into_until(&mut bytes, Wait::spin(), deadline);
            assert_eq!(outcome, Err(waited));
            assert!(rx.drain(3).next_sample().is_none());
            assert_eq!(rx.position(), at, "nothing was taken");
        }
        memory.header(at).store(good, Relaxed);
        assert_eq!(rx.try_pop_into(&mut bytes), Ok(0));
        assert_eq!(bytes, [round; 100]);
        // So that the next one begins at the position known here.
        assert!(rx.is_empty());
    }
}

#[test]
fn a_header_that_no_honest_peer_stores_is_corruption_by_name() {
    for align in [8, 64] {
        headers::<SpscRecords>(align);
        headers::<MpscRecords>(align);
    }
}

#[test]
fn a_claim_that_says_it_is_longer_than_all_claims_is_corruption() {
    let (ring, memory) = ring::<MpscRecords>(8);
    let (mut tx, mut rx) = (
        ring.producer().expect("a free end"),
        ring.consumer().expect("a free end"),
    );
    tx.try_push(&[1; 50]).expect("room");
    let good = memory.header(0).load(Relaxed);
    let mut bytes = Vec::new();
    // Its owner has gone, so the consumer looks after it.
    drop(tx);
    for len in [51 + 7, 100, CAPACITY as u32, u32::MAX] {
        memory.header(0).store(word(BUSY, 0, len), Relaxed);
        match rx.pop_into_until(&mut bytes, Wait::spin(), soon()) {
            Err(PopError::Corrupt(e)) => {
                assert_eq!((e.word, e.position), (CorruptWord::Record, 0));
            }
            other => panic!("{len}: {other:?}"),
        }
    }
    memory.header(0).store(good, Relaxed);
    assert_eq!(rx.try_pop_into(&mut bytes), Ok(0));
}

#[test]
fn a_tail_where_no_record_can_begin_is_corruption_and_never_a_panic() {
    for align in [8, 64] {
        let (ring, memory) = ring::<MpscRecords>(align);
        let mut tx = ring.producer().expect("a free end");
        // So that the producer knows of room, and asks nobody.
        tx.try_push(b"good").expect("room");
        let good = memory.word(TAIL).load(Relaxed);
        for lie in [
            good + 4,
            CAPACITY - 4,
            CAPACITY - 12,
            2 * CAPACITY - 4,
            u64::MAX - 3,
        ] {
            memory.word(TAIL).store(lie, Relaxed);
            let records: [&[u8]; 2] = [&[1; 40], &[2; 40]];
            let wanted = |e: &TryPushError| match e {
                TryPushError::Corrupt(e) => e.word == CorruptWord::Tail,
                _ => false,
            };
            let outcome = tx.try_push(&[7; 100]);
            assert!(outcome.as_ref().is_err_and(wanted), "{lie:#x}: {outcome:?}");
            let outcome = tx.try_push_many(&records);
            assert!(outcome.as_ref().is_err_and(wanted), "{lie:#x}: {outcome:?}");
            assert!(matches!(
                tx.push_until(&[7; 100], Wait::spin(), soon()),
                Err(PushError::Corrupt(_))
            ));
            assert!(matches!(ring.producer(), Err(EndpointError::Corrupt(_))));
        }
        memory.word(TAIL).store(good, Relaxed);
        tx.try_push(b"good").expect("room");
    }
}

#[test]
fn a_consumer_that_lies_about_where_it_is_buys_no_lap() {
    let (ring, memory) = ring::<SpscRecords>(8);
    let mut tx = ring.producer().expect("a free end");
    while tx.try_push(&[3; 24]).is_ok() {}
    let filled = tx.lag_bytes();
    for lie in [
        8,
        CAPACITY,
        filled + 8,
        1 << 40,
        1 << 63,
        u64::MAX - 4 * CAPACITY,
    ] {
        let honest = lie <= filled;
        memory.word(WIPED).store(lie, Relaxed);
        let outcome = tx.try_push(&[4; 400]);
        let corrupt = matches!(
            outcome,
            Err(TryPushError::Corrupt(Corrupt { word: CorruptWord::Head, found, .. })) if found == lie
        );
        assert!(
            corrupt || honest && outcome == Err(TryPushError::Full),
            "{lie:#x}: {outcome:?}"
        );
        memory.word(GATE).store(lie, Relaxed);
        memory.word(WIPED).store(0, Relaxed);
        let outcome = tx.push_until(&[4; 400], Wait::spin(), soon());
        let corrupt = matches!(
            outcome,
            Err(PushError::Corrupt(Corrupt { word: CorruptWord::Gate, found, .. })) if found == lie
        );
        assert!(
            corrupt || honest && outcome == Err(PushError::TimedOut),
            "{lie:#x}: {outcome:?}"
        );
        memory.word(GATE).store(0, Relaxed);
    }
    assert_eq!(tx.lag_bytes(), filled);
}

/// Both ends attach to a ring whose control words are lies.
fn attaching<K: Kind>() {
    let (ring, memory) = ring::<K>(64);
    let control = [GATE, TAIL, TAKEN, WIPED];
    let mut lies = vec![
        1,
        4,
        8,
        63,
        64,
        CAPACITY - 64,
        CAPACITY,
        CAPACITY + 64,
        u64::MAX,
    ];
    lies.extend((0..64).map(|k| 1 << k));
    lies.extend((6..64).map(|k| (1u64 << k) - 64));
    for at in control {
        for other in control {
            for lie in &lies {
                for more in [*lie, 0, lie.wrapping_add(CAPACITY), lie.wrapping_sub(64)] {
                    memory.word(at).store(*lie, Relaxed);
                    memory.word(other).store(more, Relaxed);
                    let begun = Instant::now();
                    if let Err(e) = ring.consumer() {
                        assert!(matches!(e, EndpointError::Corrupt(_)), "{e}");
                    }
                    if let Err(e) = ring.producer() {
                        assert!(matches!(e, EndpointError::Corrupt(_)), "{e}");
                    }
                    let _ = ring.status().expect("the kernel answers");
                    assert!(begun.elapsed() < Duration::from_secs(2));
                    for at in control {
                        memory.word(at).store(0, Relaxed);
                    }
                }
            }
        }
    }
}

#[test]
fn whoever_attaches_to_lies_in_the_control_words_is_told_or_comes_to_sit_somewhere() {
    attaching::<SpscRecords>();
    attaching::<MpscRecords>();
}

#[test]
fn a_producer_that_attaches_does_not_walk_for_ever() {
    let shape = Shape {
        capacity: 1 << 18,
        align: 8,
        start: 0,
        producers: 1,
        parking: Parking::Fenced,
    };
    let ring = shape.create::<SpscRecords>();
    let memory = Memory::of(&ring, shape);
    for state in [READY, PAD] {
        for position in (0..shape.capacity).step_by(8) {
            memory.header(position).store(word(state, 0, 0), Relaxed);
        }
        for taken in [0, 8, shape.capacity - 8, 1 << 40, u64::MAX - 7] {
            memory.word(TAKEN).store(taken, Relaxed);
            let begun = Instant::now();
            let refused = ring.producer();
            assert!(matches!(
                refused,
                Err(EndpointError::Corrupt(Corrupt {
                    word: CorruptWord::Record,
                    ..
                }))
            ));
            assert!(begun.elapsed() < Duration::from_secs(2));
            assert!(ring.status().expect("the kernel answers").len <= shape.capacity);
        }
    }
}

#[test]
fn a_consumer_passes_padding_for_one_lap_at_a_time() {
    let (ring, memory) = ring::<SpscRecords>(8);
    let mut rx = ring.consumer().expect("a free end");
    for position in (0..CAPACITY).step_by(8) {
        memory.header(position).store(word(PAD, 0, 0), Relaxed);
    }
    assert!(matches!(rx.try_sample(), Err(TryPopError::Empty)));
    assert!(rx.position() <= 2 * CAPACITY);
}

#[test]
fn announcements_that_lie_delay_a_consumer_and_do_no_more() {
    let (ring, memory) = ring::<MpscRecords>(8);
    let mut rx = ring.consumer().expect("a free end");
    let alive = ring.producer().expect("a free end");
    let mut bytes = Vec::new();
    let runs = [
        (0, 0),
        (0, 8),
        (0, u64::MAX),
        (u64::MAX, u64::MAX),
        (8, u64::MAX - 8),
        (0, 4),
        (u64::MAX - 63, 72),
        (0, 1 << 40),
        (0, CAPACITY + 8),
    ];
    // Somebody has claimed 64 bytes and written no header: so it seems.
    for (i, run) in runs.into_iter().enumerate() {
        for living in [true, false] {
            memory.word(TAIL).store(64, Relaxed);
            // Place 0 is the living one's.
            memory.announce(0, if living { run } else { (0, 0) });
            memory.announce(1, run);
            memory.announce(2, runs[(i + 1) % runs.len()]);
            let begun = Instant::now();
            let outcome = rx.pop_into_until(&mut bytes, Wait::park(), soon());
            assert!(
                matches!(outcome, Err(PopError::TimedOut | PopError::Corrupt(_))),
                "{run:?}: {outcome:?}"
            );
            assert!(begun.elapsed() < Duration::from_secs(2));
            // Back to an empty ring.
            drop(rx);
            for at in [TAIL, TAKEN, WIPED, GATE] {
                memory.word(at).store(0, Relaxed);
            }
            for position in (0..CAPACITY).step_by(8) {
                memory.header(position).store(0, Relaxed);
            }
            rx = ring.consumer().expect("healed");
        }
    }
    drop(alive);
}
