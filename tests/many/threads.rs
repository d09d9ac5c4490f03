//! Real concurrency: for a second or two each, every message accounted for by its producer and its number.
//!
//! Who waits does so in every way in turn. Nobody is killed; an end leaves and comes back now and then.

use crate::common::alone;
use annulus::{
    Backing, Broadcast, BroadcastRecords, Join, Parking, PopError, ReadError, Resume, Ring, Wait,
    broadcast, broadcast_records, mpmc, mpsc, spmc,
};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// Producer and number, twice, so that a torn one shows.
type Parcel = [u64; 4];

fn parcel(producer: u64, number: u64) -> Parcel {
    [producer, number, !producer, !number]
}

fn check([producer, number, a, b]: Parcel) -> (usize, u64) {
    assert_eq!((a, b), (!producer, !number), "torn");
    (producer as usize, number)
}

/// How the `i`th endpoint waits.
fn wait(i: usize) -> Wait {
    match i % 3 {
        0 => Wait::park(),
        1 => Wait::spin_then_yield(),
        _ => Wait::park().spin_for(Duration::from_micros(1)),
    }
}

/// Nobody waits longer.
fn late() -> Instant {
    Instant::now() + Duration::from_secs(30)
}

const RUN: Duration = Duration::from_millis(1200);

/// What came out, by consumer: each producer's numbers in the order of arrival.
struct Books {
    producers: usize,
    got: Vec<Vec<Vec<u64>>>,
}

impl Books {
    /// Every number of each producer came out once, and those that one consumer got in order.
    fn audit(self, sent: &[u64]) {
        for (producer, sent) in sent.iter().enumerate() {
            assert!(*sent > 0, "producer {producer} sent nothing");
            let mut all: Vec<u64> = Vec::new();
            for consumer in &self.got {
                let of = &consumer[producer];
                assert!(of.is_sorted_by(|a, b| a < b), "out of order");
                all.extend(of);
            }
            all.sort_unstable();
            let once = all.iter().copied().eq(0..*sent);
            assert!(
                once,
                "{} of {sent} from {producer} of {}",
                all.len(),
                self.producers
            );
        }
    }
}

/// What a producer of a ring of many sends: one by one, in loans of which some are given up, in runs.
macro_rules! produce {
    ($tx:ident, $id:expr, $until:expr, $many:ident, $claim:ident) => {{
        let (id, mut number) = ($id as u64, 0_u64);
        let wait = wait($id);
        while Instant::now() < $until {
            match number % 7 {
                0..=3 => {
                    $tx.push_until(&parcel(id, number), wait, late())
                        .expect("room in time");
                    number += 1;
                }
                4 => {
                    $tx.claim_until(wait, late()).expect("room in time").abort();
                    let mut loan = $tx.claim_until(wait, late()).expect("room in time");
                    loan.write(&parcel(id, number));
                    loan.commit();
                    number += 1;
                }
                5 => {
                    let mut run = $tx.$claim(5, wait).expect("room");
                    let n = run.len().div_ceil(2);
                    (0..n).for_each(|i| run.write(i, &parcel(id, number + i as u64)));
                    run.commit_first(n);
                    number += n as u64;
                }
                _ => {
                    let all: [Parcel; 4] = std::array::from_fn(|i| parcel(id, number + i as u64));
                    match $tx.$many(&all) {
                        Ok(n) => number += n as u64,
                        Err(_) => {
                            $tx.push(&all[0], wait).expect("room");
                            number += 1;
                        }
                    }
                }
            }
        }
        number
    }};
}

/// What a consumer gets: by pops, samples and drains, until it is told that it is over.
macro_rules! consume {
    ($rx:ident, $id:expr, $producers:expr) => {{
        let mut got = vec![Vec::new(); $producers];
        let mut keep = |message: Parcel| {
            let (producer, number) = check(message);
            got[producer].push(number);
        };
        let mut turn = 0_usize;
        loop {
            turn += 1;
            match turn % 5 {
                0 => $rx.drain(7).for_each(&mut keep),
                1 => match $rx.sample_until(wait($id), late()) {
                    Ok(sample) => keep(sample.read()),
                    Err(e) => break assert_eq!(e, PopError::Closed),
                },
                2 if turn % 3 == 0 => {
                    if let Some(message) = $rx.drain(4).next() {
                        keep(message);
                    }
                }
                _ => match $rx.pop_until(wait($id), late()) {
                    Ok(message) => keep(message),
                    Err(e) => break assert_eq!(e, PopError::Closed),
                },
            }
        }
        got
    }};
}

/// Waits until all who produce are done, closes, and has the consumers' books.
fn join<'s>(
    producers: Vec<std::thread::ScopedJoinHandle<'s, u64>>,
    close: impl FnOnce(),
    consumers: Vec<std::thread::ScopedJoinHandle<'s, Vec<Vec<u64>>>>,
) {
    let sent: Vec<u64> = producers
        .into_iter()
        .map(|t| t.join().expect("it went well"))
        .collect();
    close();
    let got = consumers
        .into_iter()
        .map(|t| t.join().expect("it went well"));
    let books = Books {
        producers: sent.len(),
        got: got.collect(),
    };
    books.audit(&sent);
}

#[test]
fn three_producers_and_three_consumers_lose_nothing() {
    let _alone = alone();
    for (capacity, parking) in [
        (4, Parking::Auto),
        (64, Parking::Fenced),
        (64, Parking::Never),
    ] {
        let options = mpmc::<Parcel>("threads")
            .backing(Backing::Memfd)
            .parking(parking);
        let options = options.capacity(capacity).start_position((1 << 62) - 1000);
        let ring = options
            .producers(4)
            .consumers(3)
            .create()
            .expect("a new ring");
        let until = Instant::now() + RUN / 2;
        std::thread::scope(|s| {
            let ring = &ring;
            let consumers = (0..3).map(|id| {
                let mut rx = ring.consumer().expect("a place");
                s.spawn(move || consume!(rx, id, 3))
            });
            let consumers = consumers.collect();
            let producers = (0..3).map(|id| {
                let mut tx = ring.producer().expect("a place");
                s.spawn(move || produce!(tx, id, until, try_push_many, claim_many))
            });
            let last = ring.producer().expect("a place");
            join(producers.collect(), || last.close(), consumers);
        });
    }
}

#[test]
fn four_producers_and_one_consumer_lose_nothing() {
    let _alone = alone();
    for capacity in [2, 128] {
        let options = mpsc::<Parcel>("threads").backing(Backing::Memfd);
        let options = options.capacity(capacity).start_position((1 << 62) - 1000);
        let ring = options.producers(5).create().expect("a new ring");
        let until = Instant::now() + RUN / 2;
        std::thread::scope(|s| {
            let ring = &ring;
            let mut rx = ring.consumer().expect("a free end");
            let consumers = vec![s.spawn(move || consume!(rx, 0, 4))];
            let producers = (0..4).map(|id| {
                let mut tx = ring.producer().expect("a place");
                s.spawn(move || produce!(tx, id, until, try_push_many, claim_many))
            });
            let last = ring.producer().expect("a place");
            join(producers.collect(), || last.close(), consumers);
        });
    }
}

#[test]
fn one_producer_and_four_consumers_lose_nothing() {
    let _alone = alone();
    for capacity in [4, 128] {
        let options = spmc::<Parcel>("threads").backing(Backing::Memfd);
        let ring = options
            .capacity(capacity)
            .consumers(4)
            .create()
            .expect("a new ring");
        let until = Instant::now() + RUN / 2;
        std::thread::scope(|s| {
            let ring = &ring;
            let consumers = (0..4).map(|id| {
                let mut rx = ring.consumer().expect("a place");
                s.spawn(move || consume!(rx, id, 1))
            });
            let consumers = consumers.collect();
            let mut tx = ring.producer().expect("a free end");
            let producers = vec![s.spawn(move || produce!(tx, 0, until, try_push_many, claim_run))];
            join(
                producers,
                || ring.producer().expect("it left").close(),
                consumers,
            );
        });
    }
}

#[test]
fn consumers_that_leave_and_come_back_lose_nothing() {
    let _alone = alone();
    let options = mpmc::<Parcel>("threads")
        .backing(Backing::Memfd)
        .capacity(16);
    let ring = options
        .producers(3)
        .consumers(4)
        .create()
        .expect("a new ring");
    let until = Instant::now() + RUN;
    let again = AtomicU64::new(0);
    std::thread::scope(|s| {
        let (ring, again) = (&ring, &again);
        let come_and_go = |id: usize| {
            let mut got = vec![Vec::new(); 2];
            'stay: loop {
                let mut rx = ring.consumer().expect("a place");
                for _ in 0..50 {
                    match rx.pop_until(wait(id), late()) {
                        Ok(message) => {
                            let (producer, number) = check(message);
                            again.fetch_add(u64::from(rx.redelivered()), Relaxed);
                            got[producer].push(number);
                        }
                        Err(e) => break 'stay assert_eq!(e, PopError::Closed),
                    }
                }
                // It leaves with something in hand; others get that, or whoever takes its place.
                let _ = rx.drain(3).next().map(|message| {
                    let (producer, number) = check(message);
                    got[producer].push(number);
                });
            }
            got
        };
        let sort = |mut got: Vec<Vec<u64>>| {
            got.iter_mut().for_each(|numbers| numbers.sort_unstable());
            got
        };
        // What comes again comes late: order is not promised then.
        let consumers = (0..3)
            .map(|id| s.spawn(move || sort(come_and_go(id))))
            .collect();
        let producers = (0..2).map(|id| {
            let mut tx = ring.producer().expect("a place");
            s.spawn(move || produce!(tx, id, until, try_push_many, claim_many))
        });
        let last = ring.producer().expect("a place");
        join(producers.collect(), || last.close(), consumers);
    });
    assert!(again.load(Relaxed) > 0, "nobody left anything behind");
}

/// A reader of slots until the end: how many it got and lost.
fn listen(ring: &Ring<Broadcast<Parcel>>, id: usize, lossless: bool) -> (u64, u64, u64) {
    let mut rx = match lossless {
        true => ring.lossless_reader(Join::At(0)),
        false => ring.reader(Join::At(0)),
    }
    .expect("nothing was published");
    if id % 2 == 1 {
        rx.resume_at(Resume::Newest);
    }
    let mut next = 0;
    let mut turn = 0_u64;
    loop {
        turn += 1;
        let got = match turn % 64 {
            0 if !lossless => match rx.try_latest() {
                Ok(message) => {
                    next = check(message).1 + 1;
                    continue;
                }
                Err(_) => continue,
            },
            _ => rx.read_until(wait(id), late()),
        };
        match got {
            Ok(message) => {
                assert_eq!(check(message), (0, rx.position() - 1));
                assert!(check(message).1 >= next, "backwards");
                next = check(message).1 + 1;
            }
            Err(ReadError::Lost(lost)) => {
                assert!(lost > 0 && !lossless);
                next += lost;
            }
            Err(e) => break assert_eq!(e, ReadError::Closed),
        }
        if !lossless && turn.is_multiple_of(5000) {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
    assert_eq!(rx.received() + rx.lost() + rx.skipped(), rx.position());
    assert_eq!((rx.lag(), rx.is_lossless()), (0, lossless));
    (rx.received(), rx.lost() + rx.skipped(), rx.position())
}

#[test]
fn every_reader_of_slots_gets_everything_or_is_told_what_not() {
    let _alone = alone();
    for (capacity, parking) in [(4, Parking::Auto), (256, Parking::Fenced)] {
        let options = broadcast::<Parcel>("threads").backing(Backing::Memfd);
        let options = options.capacity(capacity).parking(parking);
        let ring = options.readers(4).create().expect("a new ring");
        let joined = AtomicU64::new(0);
        std::thread::scope(|s| {
            let (ring, joined) = (&ring, &joined);
            let readers: Vec<_> = (0..4)
                .map(|id| {
                    s.spawn(move || {
                        joined.fetch_add(1, Relaxed);
                        listen(ring, id, id >= 2)
                    })
                })
                .collect();
            let everybody = || {
                let status = ring.status().expect("the kernel answers");
                let there = status.consumers.iter().filter(|end| end.reading.is_some());
                let gating = there
                    .clone()
                    .filter(|end| end.reading.is_some_and(|r| r.lossless));
                there.count() == 4 && gating.count() == 2
            };
            crate::common::eventually("everybody has joined", everybody);
            std::thread::sleep(Duration::from_millis(20));
            let until = Instant::now() + RUN / 2;
            let mut tx = ring.producer().expect("a free end");
            let sent = produce!(tx, 0, until, try_push_many, claim_run);
            tx.close();
            for (id, reader) in readers.into_iter().enumerate() {
                let (received, missed, end) = reader.join().expect("it went well");
                assert_eq!((received + missed, end), (sent, sent), "reader {id}");
                assert!(id < 2 || missed == 0);
            }
        });
    }
}

/// A reader of records until the end: how many it got and lost.
fn listen_to_records(ring: &Ring<BroadcastRecords>, id: usize, lossless: bool) -> u64 {
    let mut rx = match lossless {
        true => ring.lossless_reader(Join::At(0)),
        false => ring.reader(Join::At(0)),
    }
    .expect("nothing was published");
    let mut out = Vec::new();
    loop {
        match rx.read_into_until(&mut out, wait(id), late()) {
            Ok(tag) => {
                let number = rx.received() + rx.lost() - 1;
                assert_eq!((tag, &out), (number as u16, &record(number)), "torn");
            }
            Err(ReadError::Lost(lost)) => assert!(lost > 0 && !lossless),
            Err(e) => break assert_eq!(e, ReadError::Closed),
        }
    }
    assert_eq!(
        (rx.lag_bytes(), rx.is_lossless(), rx.skipped()),
        (0, lossless, 0)
    );
    rx.received() + rx.lost()
}

/// Record `number`: of any length, and every byte of it.
fn record(number: u64) -> Vec<u8> {
    let scrambled = crate::common::rng::mix(number);
    vec![scrambled as u8; (scrambled >> 8) as usize % 120]
}

#[test]
fn every_reader_of_records_gets_everything_or_is_told_what_not() {
    let _alone = alone();
    for (capacity, align) in [(256, 8), (4096, 64)] {
        let options = broadcast_records("threads").backing(Backing::Memfd);
        let options = options.capacity_bytes(capacity).record_align(align);
        let ring = options.readers(4).create().expect("a new ring");
        std::thread::scope(|s| {
            let ring = &ring;
            let readers = (0..4).map(|id| s.spawn(move || listen_to_records(ring, id, id >= 2)));
            let readers: Vec<_> = readers.collect();
            let gating = || {
                let status = ring.status().expect("the kernel answers");
                let reading = |end: &annulus::End| end.reading.is_some_and(|r| r.lossless);
                status.consumers.len() == 4
                    && status.consumers.iter().filter(|e| reading(e)).count() == 2
            };
            crate::common::eventually("everybody has joined", gating);
            std::thread::sleep(Duration::from_millis(20));
            let until = Instant::now() + RUN / 2;
            let mut tx = ring.producer().expect("a free end");
            let mut sent = 0;
            while Instant::now() < until {
                let bytes = record(sent);
                if sent % 16 == 7 {
                    // Given up: nobody sees it.
                    drop(tx.claim_for(bytes.len(), Wait::park()));
                }
                tx.push_tagged_until(sent as u16, &bytes, wait(0), late())
                    .expect("room in time");
                sent += 1;
            }
            tx.close();
            for reader in readers {
                assert_eq!(reader.join().expect("it went well"), sent);
            }
        });
    }
}
