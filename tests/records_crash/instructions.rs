//! Producers that die between two instructions, where no child can be stopped: the state is made from that of the
//! next step by taking back what was written in between.

use crate::common::alone;
use crate::common::spec::Via;
use crate::image::Image;
use crate::steps::{BEFORE, HERE, LIMIT, LONG, expect, expect_soon, goes_on, ring_at, send, stand};
use annulus::{MpscRecords, Wait};
use std::time::Instant;

/// Bytes of a header.
const HEADER: u64 = 8;

/// Takes back what a dead producer wrote between its claim and its step: of what it claimed before the end of
/// the ring, of what it claimed behind it, or both.
fn unwrite(image: &Image, pid: u32, pad: bool) {
    let (from, bytes) = image.announced(pid);
    let capacity = 4096;
    let room = capacity - from % capacity;
    let record = if bytes > room { from + room } else { from };
    assert_eq!(image.header(record) as u16, 3, "BUSY");
    image.unwrite(record);
    if pad && record != from {
        assert_eq!(image.header(from) as u16, 2, "PAD");
        image.unwrite(from);
    }
}

#[test]
fn a_producer_killed_between_its_claim_and_its_first_header_stops_nobody() {
    let _quiet = alone();
    for (name, pad) in [
        ("claimed", false),
        ("claimed to wrap", false),
        ("claimed to wrap", true),
    ] {
        for via in [Via::Shm, Via::File] {
            for align in [8, 64] {
                let ring = ring_at(via, align, name);
                let _gone = ring.cleanup();
                let made = ring.create::<MpscRecords>();
                let image = Image::of(&ring).expect("a file");
                let mut rx = made.consumer().expect("a free end");
                let mut survivor = made.producer().expect("a place");
                let mut child = stand::<MpscRecords>(&ring, name, 0);
                send(&mut survivor, HERE, 0);
                (0..BEFORE).for_each(|i| expect(&mut rx, 0, i));
                child.kill();
                unwrite(&image, child.pid(), pad);
                expect_soon(&mut rx, Wait::park(), 0, name);
                goes_on(&mut survivor, &mut rx, &made, &ring);
            }
        }
    }
}

#[test]
fn two_producers_that_die_with_claims_back_to_back_stop_nobody() {
    let _quiet = alone();
    // Which headers were written, and who dies first.
    for turn in 0..8 {
        let (first, second, order) = (turn & 1, turn >> 1 & 1, turn >> 2 & 1);
        for align in [8, 64] {
            let ring = ring_at(Via::Shm, align, "claimed");
            let _gone = ring.cleanup();
            let made = ring.create::<MpscRecords>();
            let image = Image::of(&ring).expect("a file");
            let mut rx = made.consumer().expect("a free end");
            let mut survivor = made.producer().expect("a place");
            let mut a = stand::<MpscRecords>(&ring, "claimed", 0);
            let mut b = stand::<MpscRecords>(&ring, "claimed", 1);
            send(&mut survivor, HERE, 0);
            (0..BEFORE).for_each(|i| expect(&mut rx, 0, i));
            let (one, other) = match order {
                0 => (&mut a, &mut b),
                _ => (&mut b, &mut a),
            };
            one.kill();
            other.kill();
            for (child, unwritten) in [(&a, first), (&b, second)] {
                if unwritten == 1 {
                    unwrite(&image, child.pid(), false);
                }
            }
            // What the second sent before its claim is behind that of the first.
            let began = Instant::now();
            (0..BEFORE).for_each(|i| expect(&mut rx, 1, i));
            expect(&mut rx, HERE, 0);
            assert!(began.elapsed() < LIMIT, "{turn}: {:?}", began.elapsed());
            goes_on(&mut survivor, &mut rx, &made, &ring);
        }
    }
}

#[test]
fn of_two_dead_producers_that_announced_the_same_position_the_one_that_claimed_it_counts() {
    let _quiet = alone();
    // What the other one had announced: shorter, as long, up to a header of the survivor, longer than that,
    // beyond the tail.
    let other = |align: u64, long: u64| {
        let short = (48_u64).next_multiple_of(align);
        [64, long, long + short, long + short / 2, 2000]
    };
    for align in [8, 64] {
        let long = (HEADER + LONG as u64).next_multiple_of(align);
        for announced in other(align, long) {
            let ring = ring_at(Via::Shm, align, "claimed");
            let _gone = ring.cleanup();
            let made = ring.create::<MpscRecords>();
            let image = Image::of(&ring).expect("a file");
            let mut rx = made.consumer().expect("a free end");
            let mut survivor = made.producer().expect("a place");
            let mut loser = stand::<MpscRecords>(&ring, "attached", 1);
            let mut winner = stand::<MpscRecords>(&ring, "claimed", 0);
            (0..2).for_each(|i| send(&mut survivor, HERE, i));
            (0..BEFORE).for_each(|i| expect(&mut rx, 1, i));
            (0..BEFORE).for_each(|i| expect(&mut rx, 0, i));
            loser.kill();
            winner.kill();
            let (from, bytes) = image.announced(winner.pid());
            assert_eq!(bytes, long);
            image.announce(loser.pid(), (from, announced));
            unwrite(&image, winner.pid(), false);
            expect_soon(&mut rx, Wait::park(), 0, "the first behind it");
            expect(&mut rx, HERE, 1);
            goes_on(&mut survivor, &mut rx, &made, &ring);
        }
    }
}
