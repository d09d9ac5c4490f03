//! Repair of rings of records by somebody who takes no part, when nobody is left who would do it.

use crate::common::child::{self, Args, Child};
use crate::common::rng::{self, Rng, SeedOnFailure};
use crate::common::spec::{PARKINGS, Via};
use crate::common::{alone, take};
use crate::ring::Records;
use annulus::{EndpointError, MpscRecords, Obstacle, Peer, PopError, Ring, Wait};
use std::time::{Duration, Instant};

/// Producers that die together.
const CROWD: u32 = 64;

/// What producer `i` commits before it claims what it never commits.
fn record(i: u32) -> Vec<u8> {
    i.to_le_bytes().repeat(1 + i as usize % 5)
}

/// A role: takes every place, commits a record from each, and claims something with each that is never committed, in all
/// the ways there are. Stands still then.
pub fn crowd(args: &Args) {
    let made = Records::from_args(args).open::<MpscRecords>("");
    let wait = Wait::park();
    let crowd = (0..args.number("crowd") as u32).map(|i| {
        let mut tx = take(|| made.producer());
        tx.push_tagged(i as u16, &record(i), wait).expect("room");
        let mut loan = tx.claim_for(10 + 7 * i as usize, wait).expect("room");
        match i % 3 {
            0 => loan.write_at(5, b"never"),
            1 => loan.write_at(0, &[0xff; 10]),
            _ => {}
        }
        std::mem::forget(loan);
        tx
    });
    let crowd: Vec<_> = crowd.collect();
    child::report("all are writing");
    child::stand_still();
    drop(crowd);
}

/// A role: repairs without end.
pub fn repair_for_ever(args: &Args) {
    let records = Records::from_args(args);
    child::report("begins");
    loop {
        annulus::repair(records.spec.backing(), &records.spec.name).expect("repaired");
        // Others may need the processor.
        std::thread::yield_now();
    }
}

/// A ring of `crowd` dead producers in whose hands something is, and no consumer.
fn left_alone(records: &Records, crowd: u32) -> Ring<MpscRecords> {
    let made = records.create::<MpscRecords>();
    let mut child = Child::start("crowd", records.args().with("crowd", crowd));
    child.expect("all are writing");
    child.until_stopped();
    child.kill();
    assert!(
        matches!(made.producer(), Err(EndpointError::NoPlace { places }) if places == crowd),
        "what each has claimed hangs on its place"
    );
    made
}

/// What the crowd has committed comes, in order, and what others sent behind it.
fn comes_whole(made: &Ring<MpscRecords>, crowd: u32, behind: u32) {
    let mut rx = made.consumer().expect("a free end");
    let soon = || Instant::now() + Duration::from_secs(20);
    let mut got = Vec::new();
    for i in (0..crowd).chain(1000..1000 + behind) {
        let tag = rx.pop_into_until(&mut got, Wait::park(), soon());
        assert_eq!((tag, &got), (Ok(i as u16), &record(i)));
    }
    let until = Instant::now() + Duration::from_millis(5);
    let end = rx.pop_into_until(&mut got, Wait::park(), until);
    assert!(matches!(end, Err(PopError::TimedOut | PopError::PeerDied)));
}

#[test]
fn places_of_sixty_four_dead_producers_are_free_after_a_repair_though_nobody_consumes() {
    let _quiet = alone();
    for (turn, via) in [Via::Shm, Via::SysvName, Via::File].into_iter().enumerate() {
        for align in [8, 64] {
            let mut records = Records::new(via);
            (records.places, records.align) = (CROWD, align);
            records.spec.parking = PARKINGS[turn];
            // What is claimed passes the end of the ring.
            records.spec.start = [0, (1 << 61) + (1 << 16) - 4096][turn % 2];
            let _gone = records.cleanup();
            let made = left_alone(&records, CROWD);
            let before = made.status().expect("the kernel answers");
            assert!(before.producers.iter().all(|end| end.holds > 0));
            let began = Instant::now();
            let done = annulus::repair(records.spec.backing(), &records.spec.name);
            let (done, took) = (done.expect("repaired"), began.elapsed());
            println!("{via:?}, {align}: {took:?}");
            assert!(done.is_complete(), "{done:?}");
            assert_eq!(
                (done.producers.died, done.producers.settled),
                (CROWD, CROWD)
            );
            let after = made.status().expect("the kernel answers");
            let as_they_were = |end: &annulus::End| end.state == Peer::Died && end.holds == 0;
            assert!(after.producers.iter().all(as_they_were));
            let crowd: Vec<_> = (0..CROWD)
                .map(|_| made.producer().expect("its place is free"))
                .collect();
            for (i, mut tx) in crowd.into_iter().enumerate() {
                let i = 1000 + i as u32;
                tx.push_tagged(i as u16, &record(i), Wait::park())
                    .expect("room");
            }
            comes_whole(&made, CROWD, CROWD);
            records.unlink(&made);
        }
    }
}

#[test]
fn a_living_consumer_clears_up_itself_and_a_repair_says_so() {
    let _quiet = alone();
    let mut records = Records::new(Via::Shm);
    records.places = 4;
    let _gone = records.cleanup();
    let made = records.create::<MpscRecords>();
    let rx = made.consumer().expect("a free end");
    let mut child = Child::start("crowd", records.args().with("crowd", 4));
    child.expect("all are writing");
    child.until_stopped();
    child.kill();
    let done = made.repair().expect("repaired");
    let waiting: Vec<_> = done.producers.waiting.iter().map(|left| left.why).collect();
    assert_eq!(waiting, [Obstacle::Consumer; 4]);
    assert!(matches!(
        made.producer(),
        Err(EndpointError::NoPlace { .. })
    ));
    drop(rx);
    assert!(made.repair().expect("repaired").is_complete());
    drop(made.producer().expect("a place"));
    comes_whole(&made, 4, 0);
    records.unlink(&made);
}

#[test]
fn one_who_is_alive_holds_up_a_repair_behind_it_and_loses_nothing() {
    let _quiet = alone();
    let mut records = Records::new(Via::Shm);
    records.places = 5;
    let _gone = records.cleanup();
    let made = records.create::<MpscRecords>();
    let mut first = made.producer().expect("a place");
    let mut loan = first.try_claim(record(0).len()).expect("room");
    let mut child = Child::start("crowd", records.args().with("crowd", 4));
    child.expect("all are writing");
    child.until_stopped();
    child.kill();
    let done = made.repair().expect("repaired");
    assert!(
        done.producers
            .waiting
            .iter()
            .all(|left| left.why == Obstacle::Living)
    );
    assert_eq!(done.producers.waiting.len(), 4);
    loan.write_at(0, &record(0));
    loan.commit();
    assert!(made.repair().expect("repaired").is_complete());
    let mut rx = made.consumer().expect("a free end");
    assert_eq!(rx.try_sample().expect("a record").to_vec(), record(0));
    drop(rx);
    comes_whole(&made, 4, 0);
    records.unlink(&made);
}

#[test]
fn a_repairer_that_is_killed_at_any_moment_leaves_the_rest_to_the_next() {
    let _quiet = alone();
    let seed = rng::seed();
    let _told = SeedOnFailure(seed);
    let mut rng = Rng::new(seed);
    for turn in 0..24 {
        let mut records = Records::new([Via::Shm, Via::SysvName, Via::File][turn % 3]);
        (records.places, records.align) = (16, [8, 64][turn % 2]);
        records.spec.start = (1 << 61) + (1 << 16) - 64 * rng.below(64);
        let _gone = records.cleanup();
        let made = left_alone(&records, 16);
        for _ in 0..2 {
            let mut child = Child::start("repair for ever", records.args());
            child.expect("begins");
            let until = Instant::now() + Duration::from_micros(rng.below(600));
            while Instant::now() < until {
                std::hint::spin_loop();
            }
            child.kill();
        }
        let done = made.repair().expect("repaired");
        assert!(done.is_complete(), "{done:?}");
        let crowd: Vec<_> = (0..16).map(|_| made.producer().expect("a place")).collect();
        drop(crowd);
        comes_whole(&made, 16, 0);
        records.unlink(&made);
    }
}
