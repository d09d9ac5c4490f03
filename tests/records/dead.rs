//! Claims whose owner died: they turn into padding, whatever they hold, and the rest flows on.
//!
//! A producer dies here as the library sees it: its token is free and the table says that it did not leave.
//! That is what unwinding does, with a claim that is never dropped. What it had not yet stored at that instant
//! is taken back through a second mapping: the `BUSY` of its header, the padding in front of it.

use crate::common::rng::{self, Rng, SeedOnFailure};
use crate::kinds::Shape;
use crate::peer::{Memory, READY, word};
use annulus::{
    EndpointError, MpscRecords, Parking, Peer, PopError, RecordConsumer, RecordProducer, Ring,
    TryPopError, Wait,
};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

/// Lets `tx` die with a claim of `len` bytes, of which it has written `bytes`.
fn die(mut tx: RecordProducer<MpscRecords>, len: usize, bytes: &[u8]) {
    let died = catch_unwind(AssertUnwindSafe(move || {
        let mut loan = tx.try_claim(len).expect("room");
        loan.write_at(0, bytes);
        std::mem::forget(loan);
        // Unwinds without a message: this is no failure.
        resume_unwind(Box::new(()));
    }));
    assert!(died.is_err());
}

/// Takes a record within twenty seconds, although there may be dead claims before it.
fn next(rx: &mut RecordConsumer) -> Vec<u8> {
    let deadline = Instant::now() + Duration::from_secs(20);
    let mut bytes = Vec::new();
    loop {
        match rx.pop_into_until(&mut bytes, Wait::spin(), deadline) {
            Ok(_) => return bytes,
            // Nobody is left; what they committed is delivered all the same.
            Err(PopError::PeerDied) => {}
            Err(e) => panic!("{e}"),
        }
    }
}

/// Has the consumer pass everything up to `tail`, in which there is no record.
fn pass(rx: &mut RecordConsumer, tail: u64) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while rx.position() != tail {
        assert!(matches!(rx.try_sample(), Err(TryPopError::Empty)));
        assert!(Instant::now() < deadline, "something stays in the way");
    }
}

fn shape(producers: usize) -> Shape {
    Shape {
        capacity: 1024,
        align: 8,
        start: 0,
        producers,
        parking: Parking::Fenced,
    }
}

fn producer(ring: &Ring<MpscRecords>) -> RecordProducer<MpscRecords> {
    ring.producer().expect("a free place")
}

#[test]
fn a_claim_whose_owner_died_writing_is_passed_over() {
    let seed = rng::seed();
    let _told = SeedOnFailure(seed);
    let mut rng = Rng::new(seed);
    let ring = shape(3).create::<MpscRecords>();
    let (mut tx, mut rx) = (producer(&ring), ring.consumer().expect("a free end"));
    let mut dead = 0;
    for i in 0..2_000u32 {
        let len = rng.below(300) as usize;
        let forged = word(READY, 1, rng.below(64) as u32)
            .to_ne_bytes()
            .repeat(40);
        die(producer(&ring), len, &forged[..len.min(320)]);
        let more = rng.below(3);
        for k in 0..more {
            tx.try_push(&[i.to_ne_bytes(), [k as u8; 4]].concat())
                .expect("room");
        }
        for k in 0..more {
            assert_eq!(next(&mut rx), [i.to_ne_bytes(), [k as u8; 4]].concat());
        }
        // With nothing behind it a claim may stay for a while: as long as there is a place left.
        dead = if more > 0 { 0 } else { dead + 1 };
        if dead == 2 {
            let status = ring.status().expect("the kernel answers");
            pass(&mut rx, status.taken + status.len);
            dead = 0;
        }
    }
}

#[test]
fn a_living_owner_is_waited_for_however_long_it_takes() {
    let ring = shape(3).create::<MpscRecords>();
    let (mut slow, mut tx) = (producer(&ring), producer(&ring));
    let mut rx = ring.consumer().expect("a free end");
    for round in 0..20 {
        let mut loan = slow.try_claim(100).expect("room");
        loan.write_at(0, &[1; 100]);
        tx.try_push(&[2]).expect("room");
        let until = Instant::now() + Duration::from_millis(5);
        let mut bytes = Vec::new();
        while Instant::now() < until {
            assert_eq!(rx.try_pop_into(&mut bytes), Err(TryPopError::Empty));
        }
        let late = rx.pop_into_until(&mut bytes, Wait::park(), until + Duration::from_millis(5));
        assert_eq!(late, Err(PopError::TimedOut));
        if round % 2 == 0 {
            loan.commit();
            assert_eq!(next(&mut rx), [1; 100]);
        } else {
            loan.abort();
        }
        assert_eq!(next(&mut rx), [2]);
    }
}

#[test]
fn the_place_of_a_dead_producer_is_free_again_once_its_claim_was_passed() {
    let ring = shape(2).create::<MpscRecords>();
    let mut rx = ring.consumer().expect("a free end");
    for _ in 0..100 {
        let mut tx = producer(&ring);
        tx.try_push(b"before").expect("room");
        die(producer(&ring), 50, b"");
        assert!(matches!(
            ring.producer(),
            Err(EndpointError::NoPlace { places: 2 })
        ));
        tx.try_push(b"behind").expect("room");
        assert_eq!(next(&mut rx), b"before");
        assert_eq!(next(&mut rx), b"behind");
        let heir = producer(&ring);
        assert_eq!(heir.predecessor(), Peer::Died);
    }
}

#[test]
fn a_consumer_alone_with_the_dead_is_told_so_after_all_that_they_committed() {
    let ring = shape(2).create::<MpscRecords>();
    let mut rx = ring.consumer().expect("a free end");
    let mut tx = producer(&ring);
    tx.try_push(b"last").expect("room");
    die(tx, 500, b"never");
    let mut bytes = Vec::new();
    assert_eq!(rx.pop_into(&mut bytes, Wait::park()), Ok(0));
    assert_eq!(bytes, b"last");
    assert_eq!(rx.producer_state(), Peer::Died);
    let begun = Instant::now();
    assert_eq!(
        rx.pop_into(&mut bytes, Wait::park()),
        Err(PopError::PeerDied)
    );
    assert!(begun.elapsed() < Duration::from_secs(2));
}

/// Announcements of up to two producers that died without a claim: each had seen the tail at `seen`.
fn losers(rng: &mut Rng, shape: Shape, seen: u64) -> Vec<(u64, u64)> {
    let n = rng.below(3);
    let announced = (0..n).map(|_| {
        let total = shape.total(rng.below(shape.max_record() as u64 / 2) as usize);
        (seen, shape.padding(seen, total) + total)
    });
    announced.collect()
}

#[test]
fn a_claim_whose_owner_died_before_its_header_is_passed_over_also_among_losers_and_across_the_wrap()
{
    let seed = rng::seed();
    let _told = SeedOnFailure(seed);
    let mut rng = Rng::new(seed);
    let mut wrapped = 0;
    for align in [8, 64] {
        let shape = Shape {
            align,
            capacity: 2048,
            ..shape(16)
        };
        let ring = shape.create::<MpscRecords>();
        let memory = Memory::of(&ring, shape);
        let mut rx = ring.consumer().expect("a free end");
        for i in 0..3_000u64 {
            let mut tx = producer(&ring);
            let mut announced = Vec::new();
            let mut unwritten = Vec::new();
            for dead in 1..=1 + rng.below(2) as usize {
                let seen = memory.tail();
                let len = rng.below(200) as usize;
                let total = shape.total(len);
                let padding = shape.padding(seen, total);
                let victim = producer(&ring);
                die(victim, len, b"");
                assert_eq!(memory.tail(), seen + padding + total);
                // Before its header; of a claim that wraps, perhaps before the padding in front too.
                unwritten.push(seen + padding);
                if padding > 0 && rng.below(2) == 0 {
                    unwritten.push(seen);
                }
                wrapped += u32::from(padding > 0);
                // Place 0 is the survivor's, who left it last. All others are dead, whoever they were.
                announced.push((3 * dead, (seen, padding + total)));
                // As those who lost the race for this tail, and then died.
                let lost = losers(&mut rng, shape, seen);
                announced.extend((3 * dead + 1..).zip(lost));
                if rng.below(2) == 0 {
                    tx.try_push(&i.to_ne_bytes()).expect("room");
                }
            }
            for position in unwritten {
                memory.header(position).store(0, Relaxed);
            }
            for (place, run) in announced {
                memory.announce(place, run);
            }
            tx.try_push(b"behind").expect("room");
            loop {
                let bytes = next(&mut rx);
                if bytes == b"behind" {
                    break;
                }
                assert_eq!(bytes, i.to_ne_bytes());
            }
            pass(&mut rx, memory.tail());
        }
    }
    assert!(wrapped > 100, "{wrapped}");
}
