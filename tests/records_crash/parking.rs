//! What waiting costs, and that nobody sleeps on while there is work.

use crate::common::child::{self, Args, Child};
use crate::common::spec::{BACK_ENDS, Via};
use crate::common::{alone, eventually};
use crate::ring::{Records, now_ns};
use annulus::{MpscRecords, Parking, PopError, TryPushError, Wait};
use std::time::{Duration, Instant};

/// How often everybody is put to sleep and woken.
const ROUNDS: usize = 15;
/// For how long, the first few times and then.
const LONG_NAP: Duration = Duration::from_millis(300);
const NAP: Duration = Duration::from_millis(5);
/// Processor time that a long nap may take, the best of a few: a heavy fence waits, awake, for the other processors, of which
/// a host may have taken one away. Whoever polls takes all there is, every time.
const NEXT_TO_NOTHING: Duration = Duration::from_millis(15);
const TRIES: usize = 3;

/// Processor time of this process so far.
fn used() -> Duration {
    // SAFETY: plain integers, for which zero is a value.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: a live buffer of the right type.
    assert_eq!(0, unsafe { libc::getrusage(libc::RUSAGE_SELF, &mut usage) });
    let time = |t: libc::timeval| Duration::new(t.tv_sec as u64, t.tv_usec as u32 * 1000);
    time(usage.ru_utime) + time(usage.ru_stime)
}

/// A role: waits in vain for a record for [`LONG_NAP`] and reports the processor time of that in microseconds.
pub fn wait_for_a_record(args: &Args) {
    let ring = Records::from_args(args).open::<MpscRecords>("");
    let mut rx = ring.consumer().expect("a free end");
    let before = used();
    let until = Instant::now() + LONG_NAP;
    let got = rx.pop_into_until(&mut Vec::new(), Wait::park(), until);
    let spent = used() - before;
    assert_eq!(got, Err(PopError::TimedOut));
    child::report(&spent.as_micros().to_string());
}

/// A role: whenever it is told to, waits for room for one record, and reports when it had it and the processor
/// time that it took.
pub fn wait_for_room(args: &Args) {
    let ring = Records::from_args(args).open::<MpscRecords>("");
    let mut tx = ring.producer().expect("a place");
    child::report("ready");
    while child::listen() == "push" {
        let before = used();
        tx.push(&[1; 1000], Wait::park()).expect("room");
        let (now, spent) = (now_ns(), used() - before);
        child::report(&format!("{now} {}", spent.as_micros()));
    }
}

/// The combinations in which anybody sleeps.
fn sleeps(test: impl Fn(&Records)) {
    for back_end in BACK_ENDS {
        for parking in [Parking::Fenced, Parking::Asymmetric] {
            let mut ring = Records::new(Via::Shm);
            (ring.spec.back_end, ring.spec.parking) = (back_end, parking);
            ring.spec.capacity = 1 << 13;
            let _gone = ring.cleanup();
            test(&ring);
        }
    }
}

#[test]
fn a_consumer_of_many_producers_that_waits_uses_next_to_no_processor_time() {
    let _quiet = alone();
    sleeps(|ring| {
        let made = ring.create::<MpscRecords>();
        let idle: Vec<_> = (0..3).map(|_| made.producer().expect("a place")).collect();
        let spent = |_| {
            let mut child = Child::start("wait for a record", ring.args());
            let spent = Duration::from_micros(child.hear().parse().expect("a number"));
            child.finish();
            spent
        };
        let calm = (0..TRIES).map(spent).any(|spent| spent < NEXT_TO_NOTHING);
        assert!(
            calm,
            "{ring:?}: {NEXT_TO_NOTHING:?} and more in {LONG_NAP:?}"
        );
        drop(idle);
        ring.unlink(&made);
    });
}

#[test]
fn three_producers_that_sleep_for_want_of_room_all_wake_when_the_consumer_drains() {
    let _quiet = alone();
    sleeps(|ring| {
        let made = ring.create::<MpscRecords>();
        let mut rx = made.consumer().expect("a free end");
        let mut filler = made.producer().expect("a place");
        let mut children: Vec<Child> = (0..3)
            .map(|_| Child::start("wait for room", ring.args()))
            .collect();
        children.iter_mut().for_each(|child| child.expect("ready"));
        // Of each round, what the child spent that spent most.
        let mut spent = vec![Duration::ZERO; ROUNDS];
        let mut times: Vec<u64> = (0..ROUNDS)
            .map(|round| {
                while filler.try_push(&[0; 1000]) != Err(TryPushError::Full) {}
                children.iter_mut().for_each(|child| child.say("push"));
                eventually("somebody sleeps", || {
                    let status = made.status().expect("the kernel answers");
                    status.producers.iter().any(|end| end.asleep)
                });
                // All three are asleep after a while; a few times they are left alone for longer.
                std::thread::sleep(if round < TRIES { LONG_NAP } else { NAP });
                let began = now_ns();
                while let Some(sample) = rx.drain(64).next_sample() {
                    sample.release();
                }
                let woken = children.iter_mut().map(|child| {
                    let told = child.hear();
                    let (at, used) = told.split_once(' ').expect("two numbers");
                    let used = Duration::from_micros(used.parse().expect("a number"));
                    spent[round] = spent[round].max(used);
                    at.parse::<u64>().expect("a number").saturating_sub(began)
                });
                woken.max().expect("three")
            })
            .collect();
        let (long, short) = spent.split_at_mut(TRIES);
        let calm = long.iter().any(|&used| used < NEXT_TO_NOTHING);
        assert!(calm, "{ring:?}: {long:?} in {LONG_NAP:?}");
        short.sort_unstable();
        let used = short[short.len() / 2];
        assert!(used < NAP / 2, "{ring:?}: {used:?} in {NAP:?}");
        times.sort_unstable();
        let [median, worst] = [times[ROUNDS / 2], times[ROUNDS - 1]].map(Duration::from_nanos);
        println!(
            "{:?} {:?}: the last of three producers woke after {median:?}, at most {worst:?}",
            ring.spec.back_end, ring.spec.parking
        );
        // Whoever only looks again when its nap is over does so after up to 40 ms.
        assert!(median < Duration::from_millis(10), "{ring:?}: {median:?}");
        children.iter_mut().for_each(|child| child.say("leave"));
        children.into_iter().for_each(Child::finish);
        ring.unlink(&made);
    });
}
