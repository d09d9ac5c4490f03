//! Readers written from the page see what the library's producer of a broadcast sends.

use crate::exchange::message;
use crate::page_map::TAIL;
use crate::page_reader::{Not, Place, RecordReader, SlotReader};
use crate::scratch::Scratch;
use annulus::{
    Backing, Broadcast, BroadcastRecords, Join, Laggards, Options, Parking, TryPushError, Wait,
    broadcast, broadcast_records,
};
use std::sync::atomic::Ordering::Acquire;
use std::time::{Duration, Instant};

fn slots(scratch: &Scratch, len: u64) -> Options<Broadcast<[u8]>> {
    broadcast::<[u8]>(scratch.name())
        .backing(Backing::File)
        .parking(Parking::Fenced)
        .slot_size(len as usize)
        .readers(3)
}

fn records(scratch: &Scratch) -> Options<BroadcastRecords> {
    broadcast_records(scratch.name())
        .backing(Backing::File)
        .parking(Parking::Fenced)
        .readers(3)
}

/// The length of record `i`.
fn length(i: u64) -> u64 {
    i * 37 % 91
}

#[test]
fn a_reader_of_slots_written_from_the_page_sees_every_message_or_is_told_how_many_it_lost() {
    for (capacity, len, start) in [
        (2, 1, 0),
        (8, 9, 5),
        (16, 57, (1 << 62) - 40),
        (64, 24, 1 << 61),
    ] {
        for (place, resume) in [
            (Place::Oldest, Place::Oldest),
            (Place::Newest, Place::Newest),
        ] {
            let scratch = Scratch::new();
            let made = slots(&scratch, len)
                .capacity(capacity)
                .start_position(start);
            let ring = made.create().expect("create");
            let mut tx = ring.producer().expect("producer");
            let mut rx = SlotReader::join(&scratch, place, false, resume);
            assert_eq!(rx.next, start);
            assert_eq!(rx.read(), Err(Not::Nothing));
            let (mut sent, mut read, mut lost) = (0, 0, 0);
            for round in 0..40 {
                for _ in 0..round * capacity / 8 + 1 {
                    tx.try_push(&message(sent, len))
                        .expect("no reader is waited for");
                    sent += 1;
                }
                loop {
                    match rx.read() {
                        Ok(seen) => {
                            assert_eq!(seen, message(read + lost, len));
                            read += 1;
                        }
                        Err(Not::Lost(n)) => lost += n,
                        Err(Not::Nothing) => break,
                        Err(Not::Closed) => panic!("closed"),
                    }
                }
                assert_eq!(read + lost, sent, "round {round}");
                assert_eq!(rx.next, start + sent);
            }
            assert!(lost > 0 && read > 0);
            let told = ring.status().expect("status");
            let reading = told.consumers[0].reading.as_ref().expect("a reader");
            assert_eq!(reading.lost, lost);
            tx.try_push(&message(sent, len)).expect("room");
            tx.close();
            assert_eq!(rx.read(), Ok(message(sent, len)));
            assert_eq!(rx.read(), Err(Not::Closed));
        }
    }
}

#[test]
fn a_lossless_reader_written_from_the_page_is_waited_for_as_long_as_it_lives() {
    let scratch = Scratch::new();
    let ring = slots(&scratch, 8).capacity(8).create().expect("create");
    let mut tx = ring.producer().expect("producer");
    tx.try_push(&message(0, 8)).expect("room");
    let mut rx = SlotReader::join(&scratch, Place::Newest, true, Place::Oldest);
    assert!(rx.seat.is_gating());
    let (mut sent, mut read) = (1, 1);
    for _ in 0..50 {
        while tx.try_push(&message(sent, 8)).is_ok() {
            sent += 1;
        }
        assert!(
            sent - read > 8 - 2 && sent - read <= 8,
            "a quarter is not yet published"
        );
        for _ in 0..3 {
            assert_eq!(rx.read(), Ok(message(read, 8)));
            read += 1;
        }
    }
    while tx.try_push(&message(sent, 8)).is_ok() {
        sent += 1;
    }
    // It dies: after a moment nobody is waited for.
    drop(rx);
    let deadline = Instant::now() + Duration::from_secs(20);
    tx.push_until(&message(sent, 8), Wait::park(), deadline)
        .expect("nobody is waited for");
    // One that leaves in order opens the ring at once, one that is demoted is told what it lost.
    let rx = SlotReader::join(&scratch, Place::Newest, true, Place::Oldest);
    for i in 0..8 {
        tx.try_push(&message(i, 8)).expect("room");
    }
    assert_eq!(tx.try_push(&message(8, 8)), Err(TryPushError::Full));
    rx.seat.leave();
    tx.try_push(&message(8, 8)).expect("it has left");
    let mut rx = SlotReader::join(&scratch, Place::Newest, true, Place::Oldest);
    tx.laggards(Laggards::Demote { patience: 3 });
    let pushed = (0..100)
        .filter(|i| tx.try_push(&message(*i, 8)).is_ok())
        .count() as u64;
    assert_eq!(pushed, 97);
    assert!(!rx.seat.is_gating());
    let Err(Not::Lost(lost)) = rx.read() else {
        panic!("it was overtaken");
    };
    let read = std::iter::from_fn(|| rx.read().ok()).count() as u64;
    assert_eq!(lost + read, pushed);
}

#[test]
fn a_lossless_reader_of_records_written_from_the_page_is_waited_for() {
    for align in [8, 64] {
        let scratch = Scratch::new();
        let made = records(&scratch).capacity_bytes(1024).record_align(align);
        let ring = made.create().expect("create");
        let mut tx = ring.producer().expect("producer");
        let mut rx = RecordReader::join(&scratch, Place::Oldest, true, Place::Oldest);
        let mut theirs = ring.lossless_reader(Join::Oldest).expect("a place");
        let (mut sent, mut read, mut out) = (0, 0, Vec::new());
        for _ in 0..60 {
            while tx
                .try_push_tagged(sent as u16, &message(sent, length(sent)))
                .is_ok()
            {
                sent += 1;
            }
            assert!(sent > read);
            let n = sent - read;
            for _ in 0..n.div_ceil(2) {
                let expected = message(read, length(read));
                assert_eq!(rx.read(), Ok((read as u16, expected.clone())));
                assert_eq!(theirs.try_read_into(&mut out), Ok(read as u16));
                assert_eq!(out, expected);
                read += 1;
            }
        }
        assert!(sent > 100);
        rx.seat.leave();
        drop(theirs);
        for i in 0..100 {
            tx.try_push(&message(i, 60)).expect("nobody is waited for");
        }
    }
}

#[test]
fn a_reader_of_records_written_from_the_page_sees_every_record_or_is_told_how_many_it_lost() {
    for (capacity, align, start) in [(256, 8, 0), (1024, 64, (1 << 62) - 256), (4096, 8, 1 << 40)] {
        for resume in [Place::Oldest, Place::Newest] {
            let scratch = Scratch::new();
            let made = records(&scratch)
                .capacity_bytes(capacity)
                .record_align(align);
            let ring = made.start_position(start).create().expect("create");
            let mut tx = ring.producer().expect("producer");
            let mut rx = RecordReader::join(&scratch, Place::Newest, false, resume);
            assert_eq!(rx.read(), Err(Not::Nothing));
            let (mut sent, mut read, mut lost) = (0, 0, 0);
            for round in 0..60 {
                for _ in 0..round * capacity / 2048 + 1 {
                    let message = message(sent, length(sent));
                    tx.try_push_tagged(sent as u16, &message)
                        .expect("nobody is waited for");
                    sent += 1;
                }
                loop {
                    match rx.read() {
                        Ok((tag, seen)) => {
                            let i = read + lost;
                            assert_eq!((tag, seen), (i as u16, message(i, length(i))));
                            read += 1;
                        }
                        Err(Not::Lost(n)) => lost += n,
                        Err(Not::Nothing) => break,
                        Err(Not::Closed) => panic!("closed"),
                    }
                }
                assert_eq!(read + lost, sent, "round {round}");
            }
            assert!(lost > 0 && read > 0, "{lost} {read}");
            // Whoever joins late begins where a record does.
            for place in [Place::Oldest, Place::Newest] {
                let mut late = RecordReader::join(&scratch, place, false, resume);
                let from = late.at.sequence;
                let there = std::iter::from_fn(|| late.read().ok()).enumerate();
                let there =
                    there.inspect(|(i, (tag, _))| assert_eq!(*tag, (from + *i as u64) as u16));
                assert_eq!(there.count() as u64, sent - from);
                assert_eq!(place == Place::Newest, from == sent);
            }
            tx.close();
            assert_eq!(rx.read(), Err(Not::Closed));
        }
    }
}

#[test]
fn readers_written_from_the_page_stand_a_producer_that_runs_around_them() {
    const N: u64 = 60_000;
    let scratch = Scratch::new();
    let ring = slots(&scratch, 40).capacity(16).create().expect("create");
    let mut tx = ring.producer().expect("producer");
    let mut lossy = SlotReader::join(&scratch, Place::Newest, false, Place::Oldest);
    let mut all = SlotReader::join(&scratch, Place::Newest, true, Place::Oldest);
    let count = |rx: &mut SlotReader, rest: u64| {
        let (mut read, mut lost) = (0, 0);
        loop {
            if read % rest == rest - 1 {
                std::thread::yield_now();
            }
            match rx.read() {
                Ok(seen) => {
                    assert_eq!(seen, message(read + lost, 40), "torn");
                    read += 1;
                }
                Err(Not::Lost(n)) => lost += n,
                Err(Not::Nothing) => std::thread::yield_now(),
                Err(Not::Closed) => return (read, lost),
            }
        }
    };
    std::thread::scope(|scope| {
        let lossy = scope.spawn(|| count(&mut lossy, 5));
        let all = scope.spawn(|| count(&mut all, u64::MAX));
        for i in 0..N {
            tx.push(&message(i, 40), Wait::spin_then_yield())
                .expect("room");
        }
        tx.close();
        let (read, lost) = lossy.join().expect("no panic");
        assert_eq!(read + lost, N);
        assert_eq!(all.join().expect("no panic"), (N, 0));
    });
    let scratch = Scratch::new();
    let ring = records(&scratch)
        .capacity_bytes(1024)
        .create()
        .expect("create");
    let mut tx = ring.producer().expect("producer");
    let mut rx = RecordReader::join(&scratch, Place::Newest, false, Place::Oldest);
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let (mut read, mut lost) = (0, 0);
            loop {
                match rx.read() {
                    Ok((tag, seen)) => {
                        let i = read + lost;
                        assert_eq!((tag, seen), (i as u16, message(i, length(i))), "torn");
                        read += 1;
                    }
                    Err(Not::Lost(n)) => lost += n,
                    Err(Not::Nothing) => std::thread::yield_now(),
                    Err(Not::Closed) => return read + lost,
                }
            }
        });
        for i in 0..N {
            tx.try_push_tagged(i as u16, &message(i, length(i)))
                .expect("room");
        }
        tx.close();
        assert_eq!(reader.join().expect("no panic"), N);
    });
}

#[test]
fn the_frontier_is_ahead_of_what_was_written_and_no_more_than_a_ring() {
    let scratch = Scratch::new();
    let ring = slots(&scratch, 8).capacity(64).create().expect("create");
    let mut tx = ring.producer().expect("producer");
    let rx = SlotReader::join(&scratch, Place::Newest, false, Place::Oldest);
    for i in 0..500 {
        tx.try_push(&message(i, 8)).expect("room");
        let frontier = rx.seat.ring.long(TAIL).load(Acquire);
        assert_eq!(
            frontier,
            (i + 1).next_multiple_of(16),
            "a quarter at a time"
        );
    }
    rx.seat.leave();
}
