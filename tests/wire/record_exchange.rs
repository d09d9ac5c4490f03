//! Ends of rings of records written from the page and the library talk to each other, in both directions.

use crate::exchange::message;
use crate::page_records::{No, OneOfMany, OnlyProducer, Stop};
use crate::page_taker::RecordTaker;
use crate::scratch::Scratch;
use annulus::{
    Backing, MpscRecords, Options, Parking, Peer, Seen, SpscRecords, TryPopError, TryPushError,
    Wait, mpsc_records, observe, spsc_records,
};
use std::time::{Duration, Instant};

/// Shapes of rings: capacity, alignment, first position.
const SHAPES: [(u64, u64, u64); 6] = [
    (256, 8, 0),
    (256, 64, 128),
    (1024, 8, (1 << 62) - 64),
    (1024, 64, (1 << 61) + 64),
    (4096, 8, 4096 - 64),
    (1 << 16, 64, 0),
];

fn one(scratch: &Scratch, (capacity, align, start): (u64, u64, u64)) -> Options<SpscRecords> {
    spsc_records(scratch.name())
        .backing(Backing::File)
        .parking(Parking::Fenced)
        .capacity_bytes(capacity)
        .record_align(align)
        .start_position(start)
}

fn many(scratch: &Scratch, (capacity, align, start): (u64, u64, u64)) -> Options<MpscRecords> {
    mpsc_records(scratch.name())
        .backing(Backing::File)
        .parking(Parking::Fenced)
        .capacity_bytes(capacity)
        .record_align(align)
        .start_position(start)
}

/// Record `i`: 0 to the longest, more often short ones. Every third looks like a header in every word.
fn record(i: u64, capacity: u64) -> Vec<u8> {
    let dice = i.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 33;
    let longest = capacity / 2 - 8;
    let len = match dice % 7 {
        0 => 0,
        1 => longest,
        2 => dice / 7 % longest,
        _ => dice / 7 % longest.min(80),
    };
    if i.is_multiple_of(3) {
        let forged = ((8u64 << 32) | (1 + i % 2)).to_le_bytes();
        return forged.into_iter().cycle().take(len as usize).collect();
    }
    message(i, len)
}

#[test]
fn a_producer_of_records_written_from_the_page_feeds_the_librarys_consumer() {
    for shape in SHAPES {
        let scratch = Scratch::new();
        let ring = one(&scratch, shape).create().expect("create");
        let mut theirs = OnlyProducer::attach(&scratch);
        assert!(ring.producer().is_err(), "the seat is taken");
        let mut rx = ring.consumer().expect("consumer");
        let (mut sent, mut taken, mut out) = (0, 0, Vec::new());
        while taken < 600 {
            while theirs.push(sent as u16, &record(sent, shape.0), sent % 2 == 0) == Ok(()) {
                sent += 1;
                if sent % 5 == 0 {
                    let _ = theirs.abort(&record(sent, shape.0));
                }
            }
            // The gate may say no where the exact look says yes; never the other way round.
            for _ in 0..1 + taken % 4 {
                match rx.try_pop_into(&mut out) {
                    Ok(tag) => assert_eq!((tag, &out), (taken as u16, &record(taken, shape.0))),
                    Err(e) => {
                        assert_eq!((e, taken), (TryPopError::Empty, sent));
                        break;
                    }
                }
                taken += 1;
            }
        }
        // It dies; a successor of the library's goes on where it stopped, and knows as well what fits.
        let no = theirs.push(0, &record(1, shape.0), true);
        let lag = theirs.next - rx.position();
        drop(theirs);
        assert_eq!(rx.producer_state(), Peer::Died);
        let mut tx = ring.producer().expect("producer");
        assert_eq!((tx.predecessor(), tx.lag_bytes()), (Peer::Died, lag));
        if no == Err(No::Full) {
            assert_eq!(tx.try_push(&record(1, shape.0)), Err(TryPushError::Full));
        } else {
            sent += 1;
        }
        drop(tx);
        let theirs = OnlyProducer::attach(&scratch);
        theirs.close();
        while taken < sent {
            rx.try_pop_into(&mut out).expect("a record");
            taken += 1;
        }
        assert_eq!(rx.try_pop_into(&mut out), Err(TryPopError::Closed));
    }
}

#[test]
fn a_consumer_of_records_written_from_the_page_takes_what_the_librarys_producer_sends() {
    for shape in SHAPES {
        let scratch = Scratch::new();
        let ring = one(&scratch, shape).create().expect("create");
        let mut tx = ring.producer().expect("producer");
        let mut theirs = RecordTaker::attach(&scratch, false);
        assert!(ring.consumer().is_err(), "the seat is taken");
        let (mut sent, mut taken) = (0, 0);
        while taken < 600 {
            while tx
                .try_push_tagged(sent as u16, &record(sent, shape.0))
                .is_ok()
            {
                sent += 1;
                if sent % 5 == 0
                    && let Ok(mut loan) = tx.try_claim(40)
                {
                    loan.write_at(0, &record(3, 256)[..1]);
                }
            }
            for _ in 0..1 + taken % 4 {
                match theirs.pop() {
                    Ok(got) => assert_eq!(got, (taken as u16, record(taken, shape.0))),
                    Err(no) => {
                        assert_eq!((no, taken), (No::Empty, sent));
                        break;
                    }
                }
                taken += 1;
            }
            // Whatever was taken, the next one begins there.
            if taken % 97 == 0 {
                let at = theirs.next;
                drop(theirs);
                theirs = RecordTaker::attach(&scratch, false);
                assert_eq!(theirs.next, at);
            }
        }
        drop(theirs);
        assert_eq!(tx.consumer_state(), Peer::Died);
        let mut rx = ring.consumer().expect("consumer");
        let mut out = Vec::new();
        while taken < sent {
            rx.try_pop_into(&mut out).expect("a record");
            assert_eq!(out, record(taken, shape.0));
            taken += 1;
        }
        drop(rx);
        RecordTaker::attach(&scratch, false).close();
        // One more may go unnoticed, if there was room for it by what the producer knew.
        let _ = tx.try_push(b"late");
        assert_eq!(tx.try_push(b"too late"), Err(TryPushError::Closed));
    }
}

#[test]
fn an_onlooker_of_the_library_follows_a_producer_written_from_the_page() {
    for shape in SHAPES {
        let scratch = Scratch::new();
        let ring = one(&scratch, shape).create().expect("create");
        let mut theirs = OnlyProducer::attach(&scratch);
        let mut seer = observe(Backing::File, scratch.name()).expect("observe");
        let mut rx = ring.consumer().expect("consumer");
        let (mut seen, mut missed, mut out, mut taken) = (0, 0, Vec::new(), Vec::new());
        let mut look = |out: &mut Vec<u8>, sent: u64| match seer.try_next_into(out) {
            Ok(Seen::Record { tag, .. }) => {
                assert!(u64::from(tag) < sent, "not of the future");
                assert_eq!(*out, record(u64::from(tag), shape.0), "whole");
                seen += 1;
                true
            }
            Ok(Seen::Missed { bytes }) => {
                assert!(bytes > 0);
                missed += 1;
                true
            }
            Err(e) => {
                assert_eq!(e, TryPopError::Empty);
                false
            }
        };
        for sent in 0..2000 {
            while theirs
                .push(sent as u16, &record(sent, shape.0), true)
                .is_err()
            {
                rx.try_pop_into(&mut taken).expect("a record");
            }
            if sent % 500 < 300 {
                while look(&mut out, sent + 1) {}
            } else if sent % 2 == 0 {
                look(&mut out, sent + 1);
            }
        }
        assert!(
            seen > 1000 && (missed > 0 || shape.0 > 4096),
            "{seen} {missed}"
        );
    }
}

#[test]
fn producers_written_from_the_page_and_the_librarys_share_a_ring() {
    for shape in SHAPES {
        let scratch = Scratch::new();
        let ring = many(&scratch, shape).producers(3).create().expect("create");
        let mut theirs = OneOfMany::attach(&scratch, 1);
        let mut tx = ring.producer().expect("entry 0");
        let _third = ring.producer().expect("entry 2");
        assert!(ring.producer().is_err(), "no place left");
        let mut rx = ring.consumer().expect("consumer");
        let (mut sent, mut taken, mut out) = (0, 0, Vec::new());
        while taken < 600 {
            loop {
                let payload = record(sent, shape.0);
                let pushed = match sent % 4 {
                    0 => tx.try_push_tagged(sent as u16, &payload).is_ok(),
                    1 => {
                        // Claims more than it needs.
                        let more = (payload.len() as u64 + 100).min(shape.0 / 2 - 8);
                        match theirs.begin(more) {
                            Ok(run) => {
                                theirs.commit(run, sent as u16, &payload);
                                true
                            }
                            Err(no) => no != No::Full,
                        }
                    }
                    _ => theirs.push(sent as u16, &payload).is_ok(),
                };
                if !pushed {
                    break;
                }
                sent += 1;
                if sent % 6 == 0
                    && let Ok(run) = theirs.begin(30)
                {
                    theirs
                        .ring
                        .write(run.next, &record(3, 256)[..8.min(record(3, 256).len())]);
                    theirs.abort(run);
                }
            }
            for _ in 0..1 + taken % 4 {
                match rx.try_pop_into(&mut out) {
                    Ok(tag) => assert_eq!((tag, &out), (taken as u16, &record(taken, shape.0))),
                    Err(e) => {
                        assert_eq!((e, taken), (TryPopError::Empty, sent));
                        break;
                    }
                }
                taken += 1;
            }
        }
        theirs.close(1);
        assert_eq!(tx.try_push(b"late"), Err(TryPushError::Closed));
        while taken < sent {
            rx.try_pop_into(&mut out).expect("a record");
            taken += 1;
        }
        assert_eq!(rx.try_pop_into(&mut out), Err(TryPopError::Closed));
    }
}

/// A producer's name and a count, and a body that both decide.
fn signed(who: u64, i: u64, capacity: u64) -> Vec<u8> {
    let body = record(i * 4 + who, capacity / 4);
    [&who.to_le_bytes()[..], &i.to_le_bytes(), &body].concat()
}

#[test]
fn four_producers_at_once_two_of_them_from_the_page_lose_and_tear_nothing() {
    const EACH: u64 = 4000;
    for shape in [(1024, 8, 0), (4096, 64, 1 << 40)] {
        let scratch = Scratch::new();
        let ring = many(&scratch, shape).producers(4).create().expect("create");
        let mut rx = ring.consumer().expect("consumer");
        std::thread::scope(|scope| {
            for who in 0..2 {
                let scratch = &scratch;
                scope.spawn(move || {
                    let mut theirs = OneOfMany::attach(scratch, 2 + who);
                    let mut i = 0;
                    while i < EACH {
                        let run: Vec<_> = (i..EACH.min(i + 1 + i % 3))
                            .map(|i| signed(who, i, shape.0))
                            .filter(|r| r.len() as u64 <= shape.0 / 8)
                            .collect();
                        let sent = if run.len() > 1 && run.len() as u64 == 1 + i % 3 {
                            theirs.push_run(&run).map(|()| run.len() as u64)
                        } else {
                            theirs.push(0, &signed(who, i, shape.0)).map(|()| 1)
                        };
                        match sent {
                            Ok(n) => i += n,
                            Err(_) => std::thread::yield_now(),
                        }
                    }
                    theirs.ring.leave(2 + who);
                });
                let mut tx = ring.producer().expect("producer");
                scope.spawn(move || {
                    for i in 0..EACH {
                        tx.push(&signed(2 + who, i, shape.0), Wait::park())
                            .expect("room in the end");
                    }
                });
            }
            let (mut next, mut out) = ([0; 4], Vec::new());
            let deadline = Instant::now() + Duration::from_secs(60);
            for _ in 0..4 * EACH {
                rx.pop_into_until(&mut out, Wait::park(), deadline)
                    .expect("a record");
                let who = u64::from_le_bytes(out[..8].try_into().expect("eight"));
                assert_eq!(out, signed(who, next[who as usize], shape.0));
                next[who as usize] += 1;
            }
            assert_eq!(rx.try_pop_into(&mut out), Err(TryPopError::Empty));
        });
    }
}

const STOPS: [Stop; 5] = [
    Stop::Announced,
    Stop::Claimed,
    Stop::Padded,
    Stop::Busy,
    Stop::Written,
];

#[test]
fn a_producer_written_from_the_page_that_dies_anywhere_holds_the_librarys_consumer_up_for_a_moment()
{
    for shape in [(256, 8, 0), (1024, 64, 64)] {
        for stop in STOPS {
            // From every place of the ring, so that some claims pass its end.
            for place in 0..shape.0 / shape.1 {
                let scratch = Scratch::new();
                let start = shape.2 + place * shape.1 / 64 * 64;
                let ring = many(&scratch, (shape.0, shape.1, start))
                    .producers(4)
                    .create()
                    .expect("create");
                let mut rx = ring.consumer().expect("consumer");
                let mut tx = ring.producer().expect("producer");
                for _ in 0..place * shape.1 % 64 / 8 {
                    tx.try_push(b"").expect("room");
                    rx.try_sample().expect("a record").release();
                }
                tx.try_push(b"before").expect("room");
                // Two die having announced the same position, of whom one may have won.
                let loser = OneOfMany::attach(&scratch, 2);
                let longer = vec![1; (shape.0 / 4) as usize];
                loser.die(&longer, Stop::Announced).expect("room");
                let dead = OneOfMany::attach(&scratch, 3);
                dead.die(b"never sent, and not seen", stop).expect("room");
                tx.try_push(b"behind").expect("room");
                let mut out = Vec::new();
                let deadline = Instant::now() + Duration::from_secs(5);
                for expected in [&b"before"[..], b"behind"] {
                    rx.pop_into_until(&mut out, Wait::park(), deadline)
                        .unwrap_or_else(|e| panic!("{e:?}: {shape:?} {stop:?} {place}"));
                    assert_eq!(out, expected, "{shape:?} {stop:?} {place}");
                }
                assert_eq!(rx.try_pop_into(&mut out), Err(TryPopError::Empty));
            }
        }
    }
}

#[test]
fn the_repair_of_the_page_finds_the_same() {
    for stop in STOPS {
        for place in 0..32 {
            let scratch = Scratch::new();
            let ring = many(&scratch, (256, 8, 0))
                .producers(3)
                .create()
                .expect("create");
            let mut tx = ring.producer().expect("producer");
            let mut theirs = RecordTaker::attach(&scratch, true);
            for i in 0..place {
                tx.try_push_tagged(i, b"").expect("room");
                assert_eq!(theirs.pop(), Ok((i, Vec::new())));
            }
            let loser = OneOfMany::attach(&scratch, 1);
            loser.die(&[2; 9], Stop::Announced).expect("room");
            let dead = OneOfMany::attach(&scratch, 2);
            dead.die(&[3; 60], stop).expect("room");
            tx.try_push_tagged(900, b"behind").expect("room");
            let mut looks = 0;
            let got = loop {
                match theirs.pop() {
                    Ok(got) => break got,
                    Err(No::Empty) => assert!(theirs.repair(), "{stop:?} {place}"),
                    Err(no) => panic!("{no:?}"),
                }
                looks += 1;
                assert!(looks < 4);
            };
            assert_eq!(got, (900, b"behind".to_vec()));
            assert_eq!(looks > 0, stop != Stop::Announced);
            theirs.close();
            assert_eq!(tx.try_push(b"late"), Err(TryPushError::Closed));
        }
    }
}

#[test]
fn the_places_of_dead_producers_can_be_taken_again() {
    for stop in STOPS {
        let scratch = Scratch::new();
        let ring = many(&scratch, (256, 8, 0))
            .producers(1)
            .create()
            .expect("create");
        let mut rx = ring.consumer().expect("consumer");
        for round in 0..5 {
            let mut theirs = OneOfMany::attach(&scratch, 0);
            theirs.push(round, b"committed").expect("room");
            theirs.die(b"not committed", stop).expect("room");
            let deadline = Instant::now() + Duration::from_secs(5);
            let mut out = Vec::new();
            let tag = rx.pop_into_until(&mut out, Wait::park(), deadline);
            assert_eq!(tag, Ok(round));
            // Its place is free once the consumer has passed what it had claimed.
            let mut tx = loop {
                let nothing = rx.try_pop_into(&mut out);
                assert_eq!(nothing, Err(TryPopError::Empty), "{stop:?}");
                match ring.producer() {
                    Ok(tx) => break tx,
                    Err(e) => assert!(Instant::now() < deadline, "{e}, {stop:?}"),
                }
            };
            assert_eq!(tx.predecessor(), Peer::Died);
            tx.try_push(b"of a successor").expect("room");
            rx.try_pop_into(&mut out).expect("a record");
        }
    }
}

#[test]
fn a_claim_that_is_forgotten_holds_the_ring_up_until_its_owner_claims_again() {
    let scratch = Scratch::new();
    let ring = many(&scratch, (256, 8, 0)).create().expect("create");
    let mut rx = ring.consumer().expect("consumer");
    let mut tx = ring.producer().expect("producer");
    let mut theirs = OneOfMany::attach(&scratch, 1);
    let _forgotten = theirs.begin(40).expect("room");
    tx.try_push(b"behind").expect("room");
    let mut out = Vec::new();
    let soon = Instant::now() + Duration::from_millis(50);
    let waited = rx.pop_into_until(&mut out, Wait::park(), soon);
    assert_eq!(waited, Err(annulus::PopError::TimedOut));
    theirs.push(7, b"again").expect("room");
    let deadline = Instant::now() + Duration::from_secs(5);
    for expected in [&b"behind"[..], b"again"] {
        rx.pop_into_until(&mut out, Wait::park(), deadline)
            .expect("a record");
        assert_eq!(out, expected);
    }
}
