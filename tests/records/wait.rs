//! Waiting on rings of records: several producers asleep at once, deadlines, deaths, closes.

use crate::common::clean::{Cleanup, unique};
use crate::common::eventually;
use crate::kinds::Kind;
use annulus::{
    Backing, MpscRecords, Parking, PopError, PushError, RecordProducer, Ring, SpscRecords, Wait,
    WaitBackend,
};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::{Duration, Instant};

/// The combinations in which anybody sleeps.
const SLEEPS: [(Parking, WaitBackend); 4] = [
    (Parking::Fenced, WaitBackend::Futex),
    (Parking::Asymmetric, WaitBackend::Futex),
    (Parking::Fenced, WaitBackend::Semaphore),
    (Parking::Asymmetric, WaitBackend::Semaphore),
];
/// How long a wake-up may take on a busy machine.
const LONG: Duration = Duration::from_secs(20);

/// Makes a ring of 1 KiB under a name, and removes it in the end.
fn with_ring<K: Kind, R>(
    (parking, back_end): (Parking, WaitBackend),
    test: impl FnOnce(&Ring<K>) -> R,
) -> R {
    let name = unique("records-wait");
    let options = K::options(&name, 4).capacity_bytes(1024);
    let options = options.parking(parking).wait_backend(back_end);
    let ring = options.create().expect("create");
    let _clean = Cleanup(|| {
        let _ = annulus::unlink(Backing::PosixShm, &name);
    });
    test(&ring)
}

/// Fills a ring to the last byte that a record of 8 bytes can take.
fn fill<K: Kind>(tx: &mut RecordProducer<K>) -> u64 {
    let mut n = 0;
    while tx.try_push(b"the last").is_ok() {
        n += 1;
    }
    assert!(n > 0);
    n
}

/// Waits until a producer says that it sleeps.
fn until_producers_sleep<K: Kind>(ring: &Ring<K>) {
    eventually("a producer asleep", || {
        let status = ring.status().expect("the kernel answers");
        status.producers.iter().any(|end| end.asleep)
    });
}

#[test]
fn three_blocked_producers_each_wake_and_finish() {
    for sleep in SLEEPS {
        with_ring(sleep, |ring: &Ring<MpscRecords>| {
            const EACH: u64 = 300;
            let filled = fill(&mut ring.producer().expect("a place"));
            let mut rx = ring.consumer().expect("a free end");
            let finished = AtomicU64::new(0);
            std::thread::scope(|scope| {
                for who in 0..3u64 {
                    let (ring, finished) = (ring, &finished);
                    scope.spawn(move || {
                        let mut tx = ring.producer().expect("a place");
                        for number in 0..EACH {
                            // Longer ones starve most easily.
                            let mut record = [who, number].map(u64::to_ne_bytes).concat();
                            record.resize(16 + 100 * who as usize, 1);
                            let wait = Wait::park().spin_for(Duration::ZERO);
                            tx.push_until(&record, wait, Instant::now() + LONG)
                                .expect("woken");
                        }
                        finished.fetch_add(1, SeqCst);
                    });
                }
                until_producers_sleep(ring);
                let mut bytes = Vec::new();
                for _ in 0..filled {
                    rx.try_pop_into(&mut bytes).expect("a record");
                    assert_eq!(bytes, b"the last");
                }
                let mut next = [0; 3];
                while next.iter().sum::<u64>() < 3 * EACH {
                    let wait = Wait::park().spin_for(Duration::ZERO);
                    rx.pop_into_until(&mut bytes, wait, Instant::now() + LONG)
                        .expect("one of them");
                    let word = |at: usize| {
                        u64::from_ne_bytes(bytes[at..at + 8].try_into().expect("eight"))
                    };
                    let who = word(0) as usize;
                    assert_eq!((bytes.len(), word(8)), (16 + 100 * who, next[who]));
                    next[who] += 1;
                }
                eventually("all three finished", || finished.load(SeqCst) == 3);
            });
        });
    }
}

/// The quickest of some tries. A lost wake-up costs each of them the rest of a sleep of 40 ms.
fn promptly(mut attempt: impl FnMut() -> Duration) {
    let best = (0..5).map(|_| attempt()).min().expect("five");
    assert!(
        best < Duration::from_millis(15),
        "woken after {best:?} at best"
    );
}

/// Three producers sleep; then `end` happens; each must hear at once that the ring is closed.
fn asleep_until_closed(end: impl Fn(RecordProducer<MpscRecords>, annulus::RecordConsumer)) {
    let attempt = |ring: &Ring<MpscRecords>| {
        let mut fourth = ring.producer().expect("a place");
        fill(&mut fourth);
        let rx = ring.consumer().expect("a free end");
        std::thread::scope(|scope| {
            let blocked: Vec<_> = (0..3)
                .map(|_| {
                    let mut tx = ring.producer().expect("a place");
                    scope.spawn(move || {
                        let deadline = Instant::now() + LONG;
                        tx.push_until(b"too much", Wait::park(), deadline)
                    })
                })
                .collect();
            until_producers_sleep(ring);
            // The other two as well.
            std::thread::sleep(Duration::from_millis(5));
            let begun = Instant::now();
            end(fourth, rx);
            for thread in blocked {
                let outcome = thread.join().expect("no panic");
                assert_eq!(outcome, Err(PushError::Closed));
            }
            begun.elapsed()
        })
    };
    for sleep in SLEEPS {
        promptly(|| with_ring(sleep, attempt));
    }
}

#[test]
fn three_sleeping_producers_hear_at_once_that_a_fourth_has_closed() {
    asleep_until_closed(|tx, _rx| tx.close());
}

#[test]
fn three_sleeping_producers_hear_at_once_that_the_consumer_has_closed() {
    asleep_until_closed(|_tx, rx| rx.close());
}

#[test]
fn a_producer_that_gives_up_waiting_takes_no_wake_up_from_another() {
    let attempt = |ring: &Ring<MpscRecords>| {
        let (mut patient, mut hasty) = (
            ring.producer().expect("a place"),
            ring.producer().expect("a place"),
        );
        let filled = fill(&mut patient);
        let mut rx = ring.consumer().expect("a free end");
        std::thread::scope(|scope| {
            let thread = scope.spawn(move || {
                let deadline = Instant::now() + LONG;
                patient.push_until(b"the last", Wait::park(), deadline)
            });
            until_producers_sleep(ring);
            let soon = Instant::now() + Duration::from_millis(5);
            let outcome = hasty.push_until(b"too much", Wait::park(), soon);
            assert_eq!(outcome, Err(PushError::TimedOut));
            let begun = Instant::now();
            let mut drain = rx.drain(filled as usize);
            while drain.next_sample().is_some() {}
            assert_eq!(thread.join().expect("no panic"), Ok(()));
            begun.elapsed()
        })
    };
    for sleep in SLEEPS {
        promptly(|| with_ring(sleep, attempt));
    }
}

/// Waits of every sort end at their deadline: not before, and not much later.
fn deadlines<K: Kind>(sleep: (Parking, WaitBackend)) {
    with_ring(sleep, |ring: &Ring<K>| {
        let mut tx = ring.producer().expect("a free end");
        let mut rx = ring.consumer().expect("a free end");
        let mut bytes = Vec::new();
        let span = Duration::from_millis(30);
        for wait in [Wait::spin(), Wait::spin_then_yield(), Wait::park()] {
            let timed = |what: &mut dyn FnMut(Instant)| {
                let begun = Instant::now();
                what(begun + span);
                let took = begun.elapsed();
                assert!(took >= span, "{wait:?}: back after {took:?}");
                assert!(
                    took < Duration::from_secs(5),
                    "{wait:?}: back after {took:?}"
                );
            };
            timed(&mut |deadline| {
                let outcome = rx.pop_into_until(&mut bytes, wait, deadline);
                assert_eq!(outcome, Err(PopError::TimedOut));
            });
            timed(&mut |deadline| {
                let outcome = rx.sample_until(wait, deadline).map(|_| ());
                assert_eq!(outcome, Err(PopError::TimedOut));
            });
            fill(&mut tx);
            timed(&mut |deadline| {
                let outcome = tx.push_until(b"too much", wait, deadline);
                assert_eq!(outcome, Err(PushError::TimedOut));
            });
            // A deadline that is over is no wait at all, and what is there is given all the same.
            let past = Instant::now();
            assert_eq!(
                tx.push_until(b"too much", wait, past),
                Err(PushError::TimedOut)
            );
            assert_eq!(rx.pop_into_until(&mut bytes, wait, past), Ok(0));
            assert_eq!(tx.push_until(b"the last", wait, past), Ok(()));
            while rx.try_sample().is_ok() {}
        }
    });
}

#[test]
fn every_wait_ends_at_its_deadline() {
    for sleep in SLEEPS {
        deadlines::<SpscRecords>(sleep);
        deadlines::<MpscRecords>(sleep);
    }
    deadlines::<SpscRecords>((Parking::Never, WaitBackend::Futex));
    deadlines::<MpscRecords>((Parking::Never, WaitBackend::Futex));
}

/// A waiting producer hears that the consumer died, and is served by the next one.
fn dead_consumer<K: Kind>() {
    with_ring((Parking::Fenced, WaitBackend::Futex), |ring: &Ring<K>| {
        let mut tx = ring.producer().expect("a free end");
        fill(&mut tx);
        let mut rx = ring.consumer().expect("a free end");
        let died = catch_unwind(AssertUnwindSafe(move || {
            let _held = rx.try_sample().expect("a record");
            resume_unwind(Box::new(()));
        }));
        assert!(died.is_err());
        for wait in [Wait::park(), Wait::spin()] {
            let begun = Instant::now();
            assert_eq!(tx.push(b"too much", wait), Err(PushError::PeerDied));
            assert!(begun.elapsed() < Duration::from_secs(5));
        }
        let mut heir = ring.consumer().expect("the dead one's place");
        let sample = heir.try_sample().expect("what the dead one held");
        assert_eq!(sample.to_vec(), b"the last");
        drop(sample);
        tx.push_until(b"the last", Wait::park(), Instant::now() + LONG)
            .expect("room again");
    });
}

#[test]
fn a_producer_that_waits_for_a_dead_consumer_is_told_and_served_by_the_next() {
    dead_consumer::<SpscRecords>();
    dead_consumer::<MpscRecords>();
}

#[test]
fn a_sleeping_consumer_is_woken_by_any_of_three_producers() {
    for sleep in SLEEPS {
        with_ring(sleep, |ring: &Ring<MpscRecords>| {
            let mut txs: Vec<_> = (0..3).map(|_| ring.producer().expect("a place")).collect();
            let taken = AtomicU64::new(0);
            let mut rx = ring.consumer().expect("a free end");
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    let mut bytes = Vec::new();
                    for i in 0..60u64 {
                        let wait = Wait::park().spin_for(Duration::ZERO);
                        let got = rx.pop_into_until(&mut bytes, wait, Instant::now() + LONG);
                        assert_eq!(got, Ok(i as u16));
                        taken.store(i + 1, SeqCst);
                    }
                });
                for i in 0..60u64 {
                    eventually("the consumer asleep", || {
                        let status = ring.status().expect("the kernel answers");
                        status.consumers[0].asleep
                    });
                    let tx = &mut txs[i as usize % 3];
                    match i % 4 {
                        0 => {
                            // An abort wakes nobody who would find nothing.
                            tx.try_claim(50).expect("room").abort();
                            tx.try_push_tagged(i as u16, b"").expect("room");
                        }
                        1 => {
                            let mut loan = tx.try_claim(50).expect("room");
                            loan.set_tag(i as u16);
                            loan.commit_len(1);
                        }
                        _ => tx.try_push_tagged(i as u16, &[0; 100]).expect("room"),
                    }
                    eventually("the record taken", || taken.load(SeqCst) > i);
                }
            });
        });
    }
}
