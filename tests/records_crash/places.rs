//! Producers that die give their places back.

use crate::common::alone;
use crate::common::child::{self, Args, Child};
use crate::common::spec::Via;
use crate::image::Image;
use crate::ring::{self, Records, now_ns};
use annulus::{MpscRecords, PopError, RecordConsumer, Wait};
use std::time::{Duration, Instant};

const CYCLES: u64 = 200;
/// For how long a place may be taken after its owner's death.
const LIMIT: Duration = Duration::from_millis(100);

/// A role, and a consumer: forks a producer that dies with a claim in hand, again and again. Reports the
/// longest that one had to wait for a place, in nanoseconds.
pub fn cycle(args: &Args) {
    let records = Records::from_args(args);
    let made = records.open::<MpscRecords>("");
    let mut rx = made.consumer().expect("a free end");
    let (mut worst, mut bytes) = (0, Vec::new());
    for life in 0..CYCLES {
        let began = now_ns();
        let producer = child::fork(|| {
            // A mapping is not inherited; the child has its own.
            let (mut tx, took) = ring::producer(&records.open::<MpscRecords>(""));
            let took = took.as_nanos() as u64;
            let record = [began.to_le_bytes(), took.to_le_bytes()].concat();
            tx.push(&record, Wait::park()).expect("room");
            let mut loan = tx
                .claim_for(100 + life as usize, Wait::park())
                .expect("room");
            loan.write_at(50, b"never finished");
            child::kill_myself();
        });
        // The consumer is at it before the claim is made, and after its owner's death.
        let took = loop {
            let patience = Instant::now() + Duration::from_secs(20);
            rx.pop_into_until(&mut bytes, Wait::park(), patience)
                .expect("a record");
            if bytes.starts_with(&began.to_le_bytes()) {
                break u64::from_le_bytes(bytes[8..].try_into().expect("eight bytes"));
            }
        };
        worst = worst.max(took);
        producer.until_killed();
    }
    child::report(&worst.to_string());
}

fn pop_in_vain(rx: &mut RecordConsumer) {
    let until = Instant::now() + Duration::from_millis(5);
    let got = rx.pop_into_until(&mut Vec::new(), Wait::park(), until);
    assert!(matches!(got, Err(PopError::TimedOut | PopError::PeerDied)));
}

#[test]
fn two_hundred_producers_that_die_one_after_the_other_use_up_no_places() {
    let _quiet = alone();
    for via in [Via::Shm, Via::SysvName, Via::File] {
        let ring = Records::new(via);
        let _gone = ring.cleanup();
        let made = ring.create::<MpscRecords>();
        // Of four places three are in use all the time.
        let idle: Vec<_> = (0..3).map(|_| made.producer().expect("a place")).collect();
        let mut child = Child::start("cycle", ring.args());
        let worst: u64 = child.hear().parse().expect("a number");
        child.finish();
        let worst = Duration::from_nanos(worst);
        println!("{via:?}: a place was free again after {worst:?} at most");
        assert!(worst < LIMIT, "{via:?}: {worst:?}");
        drop(idle);
        ring.unlink(&made);
    }
}

#[test]
fn the_place_of_a_producer_that_died_before_it_claimed_what_it_announced_is_free() {
    let _quiet = alone();
    let mut ring = Records::new(Via::Shm);
    ring.places = 1;
    let _gone = ring.cleanup();
    let made = ring.create::<MpscRecords>();
    let image = Image::of(&ring).expect("a file");
    let mut rx = made.consumer().expect("a free end");
    let args = ring.args().with("step", "attached").with("who", 0);
    let args = args.with("makes", "no").with("end", "stands");
    let mut child = Child::start("mpsc producer at", args);
    child.until_stopped();
    child.kill();
    (0..3).for_each(|_| drop(rx.try_sample().expect("a record")));
    // Where it stood an instruction before it claimed 64 bytes.
    image.announce(child.pid(), (image.tail(), 64));
    pop_in_vain(&mut rx);
    let mut tx = made.producer().expect("nothing hangs on that place");
    tx.push(b"goes on", Wait::park()).expect("room");
    assert_eq!(rx.try_sample().expect("a record").to_vec(), b"goes on");
    ring.unlink(&made);
}

#[test]
fn the_place_of_a_producer_that_lost_the_race_for_what_it_announced_is_free_once_all_is_taken() {
    let _quiet = alone();
    let mut ring = Records::new(Via::Shm);
    ring.places = 2;
    let _gone = ring.cleanup();
    let made = ring.create::<MpscRecords>();
    let image = Image::of(&ring).expect("a file");
    let mut rx = made.consumer().expect("a free end");
    let mut winner = made.producer().expect("a place");
    let args = ring.args().with("step", "attached").with("who", 0);
    let args = args.with("makes", "no").with("end", "stands");
    let mut child = Child::start("mpsc producer at", args);
    child.until_stopped();
    // It announced 512 bytes, and somebody else claimed fewer there.
    image.announce(child.pid(), (image.tail(), 512));
    winner.try_push(b"short").expect("room");
    child.kill();
    (0..4).for_each(|_| drop(rx.try_sample().expect("a record")));
    pop_in_vain(&mut rx);
    let mut tx = made.producer().expect("nothing hangs on that place");
    tx.push(b"goes on", Wait::park()).expect("room");
    assert_eq!(rx.try_sample().expect("a record").to_vec(), b"goes on");
    ring.unlink(&made);
}
