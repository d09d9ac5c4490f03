//! Waiting: it costs nothing, keeps its deadlines, and ends when there is a reason.
//!
//! Times are bounded generously, because the machine may be busy; what must never happen (waking early,
//! losing a wake-up) is asked for strictly. Every sleep of the library is cut into slices of 40 ms, so a
//! lost wake-up shows as a wait of a whole slice: that is what the last tests count.

mod common;

use annulus::{Backing, Parking, PopError, PushError, Wait, WaitBackend};
use common::child::{self, Args, Child};
use common::clean::Cleanup;
use common::page::Page;
use common::rng::Rng;
use common::spec::{Spec, Via};
use common::{alone, eventually};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

#[test]
fn a_child_plays_the_role_it_was_given() {
    child::play(&[("block", block), ("wake", wake)]);
}

/// The combinations in which anybody sleeps.
const SLEEPS: [(Parking, WaitBackend); 4] = [
    (Parking::Fenced, WaitBackend::Futex),
    (Parking::Asymmetric, WaitBackend::Futex),
    (Parking::Fenced, WaitBackend::Semaphore),
    (Parking::Asymmetric, WaitBackend::Semaphore),
];
const ENDS: [&str; 2] = ["producer", "consumer"];

fn ring_with((parking, back_end): (Parking, WaitBackend)) -> Spec {
    let mut spec = Spec::new(Via::Shm);
    (spec.capacity, spec.parking, spec.back_end) = (2, parking, back_end);
    spec
}

// ---- what waiting costs -------------------------------------------------------------------------------

/// What the kernel has counted for `who`: processor time, and how often it went to sleep.
fn usage(who: i32) -> (Duration, u64) {
    // SAFETY: plain integers, for which zero is a value.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: a live buffer of the right type.
    assert_eq!(unsafe { libc::getrusage(who, &mut usage) }, 0);
    let time = |t: libc::timeval| Duration::new(t.tv_sec as u64, t.tv_usec as u32 * 1000);
    (
        time(usage.ru_utime) + time(usage.ru_stime),
        usage.ru_nvcsw as u64,
    )
}

/// Waits in vain for a second and reports the processor time of that in microseconds.
fn block(args: &Args) {
    let spec = Spec::from_args(args);
    let ring = spec.open(None);
    let (before, outcome);
    if args.get("end") == "producer" {
        let mut tx = ring.producer().expect("a free end");
        before = usage(libc::RUSAGE_SELF).0;
        let deadline = Instant::now() + Duration::from_secs(1);
        outcome = tx
            .push_until(9, Wait::park(), deadline)
            .map_err(|e| e == PushError::TimedOut);
    } else {
        let mut rx = ring.consumer().expect("a free end");
        before = usage(libc::RUSAGE_SELF).0;
        let deadline = Instant::now() + Duration::from_secs(1);
        outcome = rx
            .pop_until(Wait::park(), deadline)
            .map(|_| ())
            .map_err(|e| e == PopError::TimedOut);
    }
    let spent = usage(libc::RUSAGE_SELF).0 - before;
    assert_eq!(outcome, Err(true), "timed out");
    child::report(&spent.as_micros().to_string());
}

#[test]
fn a_side_that_waits_for_a_second_uses_next_to_no_processor_time() {
    let _quiet = alone();
    let mut children = Vec::new();
    for sleeps in SLEEPS {
        for end in ENDS {
            let spec = ring_with(sleeps);
            let ring = spec.create();
            let gone = Cleanup(move || ring.unlink());
            let ring = spec.open(None);
            // The other end is there, or there would be nobody to wait for.
            let (mut tx, mut rx) = (None, None);
            if end == "producer" {
                rx = Some(ring.consumer().expect("a free end"));
                let mut filler = ring.producer().expect("a free end");
                (0..spec.capacity).for_each(|i| filler.try_push(i).expect("room"));
                drop(filler);
                eventually("its end is free for the child", || {
                    ring.status().producers[0].state == annulus::Peer::Left
                });
            } else {
                tx = Some(ring.producer().expect("a free end"));
            }
            let child = Child::start("block", spec.args().with("end", end));
            children.push((child, sleeps, end, (tx, rx), gone));
        }
    }
    for (child, sleeps, end, _, _) in &mut children {
        let spent: u64 = child.hear().parse().expect("a number");
        assert!(spent < 20_000, "{sleeps:?} {end}: {spent} us in a second");
    }
}

// ---- deadlines ----------------------------------------------------------------------------------------

const ALL_WAITS: [Wait; 4] = [
    Wait::spin(),
    Wait::spin_then_yield(),
    Wait::park(),
    Wait::park().spin_for(Duration::ZERO),
];

/// How late the best of three waits ends, each in vain and until `after` from now.
fn lateness(after: Duration, mut wait_in_vain: impl FnMut(Instant)) -> Duration {
    let one = |_| {
        let deadline = Instant::now() + after;
        wait_in_vain(deadline);
        let now = Instant::now();
        assert!(now >= deadline, "early by {:?}", deadline - now);
        now - deadline
    };
    (0..3).map(one).min().expect("three")
}

#[test]
fn a_deadline_is_never_kept_early_and_not_much_late() {
    let _quiet = alone();
    for sleeps in SLEEPS {
        let ring = ring_with(sleeps).create();
        let _gone = Cleanup(|| ring.unlink());
        let mut tx = ring.producer().expect("a free end");
        let mut rx = ring.consumer().expect("a free end");
        let both = |what: &str, late: &mut dyn FnMut(Wait, Duration) -> Duration| {
            for wait in ALL_WAITS {
                for ms in [0, 1, 5, 45] {
                    let late = late(wait, Duration::from_millis(ms));
                    let most = Duration::from_millis(50);
                    assert!(
                        late < most,
                        "{sleeps:?} {what} {wait:?} {ms} ms: {late:?} late"
                    );
                }
            }
        };
        both("empty", &mut |wait, after| {
            lateness(after, |at| {
                assert_eq!(rx.pop_until(wait, at), Err(PopError::TimedOut))
            })
        });
        (0..2).for_each(|i| tx.try_push(i).expect("room"));
        both("full", &mut |wait, after| {
            lateness(after, |at| {
                assert_eq!(tx.push_until(7, wait, at), Err(PushError::TimedOut))
            })
        });
    }
}

#[test]
fn not_even_the_shortest_deadline_is_kept_early() {
    let _quiet = alone();
    let ring = ring_with(SLEEPS[0]).create();
    let _gone = Cleanup(|| ring.unlink());
    let mut rx = ring.consumer().expect("a free end");
    let early = (0..100_000u64)
        .filter(|i| {
            let deadline = Instant::now() + Duration::from_nanos(1000 + i % 4000);
            let outcome = rx.pop_until(Wait::spin(), deadline);
            let now = Instant::now();
            assert_eq!(outcome, Err(PopError::TimedOut));
            now < deadline
        })
        .count();
    assert_eq!(early, 0, "waits of 100,000 ended before their deadline");
}

#[test]
fn a_message_that_came_is_returned_whatever_the_deadline() {
    let _quiet = alone();
    for sleeps in SLEEPS {
        let ring = ring_with(sleeps).create();
        let _gone = Cleanup(|| ring.unlink());
        let mut tx = ring.producer().expect("a free end");
        let mut rx = ring.consumer().expect("a free end");
        for (i, wait) in (0..).zip(ALL_WAITS) {
            tx.try_push(i).expect("room");
            let past = Instant::now();
            assert_eq!(
                rx.pop_until(wait, past),
                Ok(i),
                "there before, deadline over"
            );
        }
        // It comes in the middle of the wait, and about when the deadline is over.
        for (i, ms) in (4..).zip([2, 2, 2, 2, 1000]) {
            let deadline = Instant::now() + Duration::from_millis(ms);
            let got = std::thread::scope(|scope| {
                scope.spawn(|| {
                    std::thread::sleep(Duration::from_millis(2));
                    tx.try_push(i).expect("room");
                });
                rx.pop_until(Wait::park(), deadline)
            });
            match got {
                Err(PopError::TimedOut) if ms == 2 => assert_eq!(rx.try_pop(), Ok(i)),
                got => assert_eq!(got, Ok(i)),
            }
        }
    }
}

/// `wait` returns in time although `claim` keeps giving claims up, which a wait comes on past.
fn times_out(wait: impl FnOnce() -> PopError + Send, mut claim: impl FnMut() + Send) {
    let stop = AtomicBool::new(false);
    let (told, outcome) = std::sync::mpsc::channel();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                claim();
                // Not so fast that the consumer finds the ring full each time.
                (0..20).for_each(|_| std::hint::spin_loop());
            }
        });
        scope.spawn(move || told.send(wait()));
        let outcome = outcome.recv_timeout(Duration::from_secs(20));
        stop.store(true, Ordering::Relaxed);
        assert_eq!(outcome, Ok(PopError::TimedOut));
    });
}

/// Both ends of a ring without a name.
macro_rules! ends {
    ($options:expr) => {{
        let ring = $options.backing(Backing::Memfd).create().expect("create");
        let tx = ring.producer().expect("a seat");
        (tx, ring.consumer().expect("a seat"))
    }};
}

#[test]
fn claims_that_are_only_given_up_hold_up_no_deadline() {
    let soon = || Instant::now() + Duration::from_millis(30);
    for wait in [Wait::spin(), Wait::spin_then_yield(), Wait::park()] {
        let (mut tx, mut rx) = ends!(annulus::mpsc::<u64>("given-up").capacity(256));
        let pop = || rx.pop_until(wait, soon()).expect_err("nothing committed");
        times_out(pop, || drop(tx.try_claim()));

        let (mut tx, mut rx) = ends!(annulus::mpmc::<u64>("given-up").capacity(256));
        let pop = || rx.pop_until(wait, soon()).expect_err("nothing committed");
        times_out(pop, || drop(tx.try_claim()));

        let (mut tx, mut rx) = ends!(annulus::mpsc_records("given-up").capacity_bytes(4096));
        let mut out = Vec::new();
        let mut pop = || rx.pop_into_until(&mut out, wait, soon());
        times_out(
            || pop().expect_err("nothing committed"),
            || drop(tx.try_claim(8)),
        );
    }
}

// ---- waking -------------------------------------------------------------------------------------------

/// Nanoseconds of the clock that all processes share.
fn now_ns() -> u64 {
    let mut now = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: a live timespec; the clock exists.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut now) };
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}

/// Wakes the other side fifty times, each time when it has been asleep for a moment, and notes when.
fn wake(args: &Args) {
    let spec = Spec::from_args(args);
    let page = Page::open(args.get("page"));
    let ring = spec.open(None);
    let wakes_consumer = args.get("end") == "consumer";
    let (mut tx, mut rx) = match wakes_consumer {
        true => (Some(ring.producer().expect("a free end")), None),
        false => (None, Some(ring.consumer().expect("a free end"))),
    };
    child::report("ready");
    for i in 0..PARKS {
        eventually("the other side sleeps, and is where we think it is", || {
            let status = ring.status();
            let asleep = if wakes_consumer {
                status.consumers[0].asleep
            } else {
                status.producers[0].asleep
            };
            asleep && page.get(1) == i
        });
        std::thread::sleep(Duration::from_millis(1));
        page.set(0, now_ns());
        if let Some(tx) = &mut tx {
            tx.try_push(i).expect("room");
        }
        if let Some(rx) = &mut rx {
            assert_eq!(rx.try_pop(), Ok(i));
        }
    }
    child::listen();
}

const PARKS: u64 = 50;

/// The median time from a push (or a release) to the end of the sleep that it ends.
fn median_wake(sleeps: (Parking, WaitBackend), end: &str) -> Duration {
    let spec = ring_with(sleeps);
    let ring = spec.create();
    let _gone = Cleanup(|| ring.unlink());
    let page = Page::new(2);
    let path = page.path().to_str().expect("temporary paths are text");
    let args = spec.args().with("page", path).with("end", end);
    let mut tx = (end == "producer").then(|| ring.producer().expect("a free end"));
    let mut rx = (end == "consumer").then(|| ring.consumer().expect("a free end"));
    if let Some(tx) = &mut tx {
        (0..2).for_each(|i| tx.try_push(i).expect("room"));
    }
    let mut waker = Child::start("wake", args);
    waker.expect("ready");
    let mut times: Vec<u64> = (0..PARKS)
        .map(|i| {
            if let Some(tx) = &mut tx {
                tx.push(i + 2, Wait::park()).expect("room will come");
            }
            if let Some(rx) = &mut rx {
                assert_eq!(rx.pop(Wait::park()), Ok(i));
            }
            let woke = now_ns();
            let took = woke.saturating_sub(page.get(0));
            page.set(1, i + 1);
            took
        })
        .collect();
    times.sort_unstable();
    Duration::from_nanos(times[times.len() / 2])
}

#[test]
fn a_sleeper_is_woken_and_does_not_merely_look_again_when_its_slice_is_over() {
    let _quiet = alone();
    for sleeps in SLEEPS {
        for end in ENDS {
            let median = median_wake(sleeps, end);
            assert!(
                median < Duration::from_millis(10),
                "{sleeps:?} {end}: {median:?}"
            );
        }
    }
}

// ---- no wake-up is lost -------------------------------------------------------------------------------

/// How long a wait takes whose wake-up was lost: one slice. A thread that merely did not get a processor
/// seldom comes out just there.
const SLICE_NS: std::ops::Range<u64> = 39_000_000..45_000_000;

/// Keeps the calling thread on the `n`th of the processors it may use, if there are so many.
fn keep_to_processor(n: usize) {
    let bytes = size_of::<libc::cpu_set_t>();
    // SAFETY: plain bits, for which zero is a value; the calls get live sets of the size they are told, and
    // the indices are below the number of bits.
    unsafe {
        let mut allowed: libc::cpu_set_t = std::mem::zeroed();
        assert_eq!(libc::sched_getaffinity(0, bytes, &mut allowed), 0);
        let chosen = (0..bytes * 8)
            .filter(|&cpu| libc::CPU_ISSET(cpu, &allowed))
            .nth(n);
        if let Some(cpu) = chosen {
            let mut one: libc::cpu_set_t = std::mem::zeroed();
            libc::CPU_SET(cpu, &mut one);
            libc::sched_setaffinity(0, bytes, &one);
        }
    }
}

/// What a run of the litmus came to.
#[derive(Debug, Default)]
struct Litmus {
    /// Sleeps that lasted a slice although the reason to wake was there.
    lost: u64,
    /// Times the sleeping side really went to sleep.
    slept: u64,
}

/// Hands over `n` times around the moment at which the other side falls asleep.
///
/// `act(i)` publishes, on one thread; `sleep(i)` waits for it on another. Published while the other side is
/// between saying that it sleeps and looking once more, a wake-up is lost unless both sides fence. To meet
/// that moment, the publisher comes a little earlier when the other side had fallen asleep and a little
/// later when it had not.
fn litmus(n: u64, mut act: impl FnMut(u64) + Send, mut sleep: impl FnMut(u64) + Send) -> Litmus {
    let (begun, acted_at, delay) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(3000));
    let mut rng = Rng::new(7);
    let mut found = Litmus::default();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            keep_to_processor(0);
            for i in 0..n {
                while begun.load(Ordering::Acquire) != i + 1 {
                    std::hint::spin_loop();
                }
                let jitter = rng.below(1500);
                let until = now_ns() + delay.load(Ordering::Relaxed) + jitter;
                while now_ns() < until {}
                acted_at.store(now_ns(), Ordering::Relaxed);
                act(i);
            }
        });
        scope.spawn(|| {
            keep_to_processor(1);
            let mut slept = usage(libc::RUSAGE_THREAD).1;
            for i in 0..n {
                begun.store(i + 1, Ordering::Release);
                sleep(i);
                let took = now_ns().saturating_sub(acted_at.load(Ordering::Relaxed));
                found.lost += u64::from(SLICE_NS.contains(&took));
                let now_slept = usage(libc::RUSAGE_THREAD).1;
                let towards = match now_slept == slept {
                    true => delay.load(Ordering::Relaxed) + 20,
                    false => delay.load(Ordering::Relaxed).saturating_sub(20),
                };
                delay.store(towards, Ordering::Relaxed);
                found.slept += u64::from(now_slept != slept);
                slept = now_slept;
            }
        });
    });
    found
}

/// Runs the litmus with `end` as the sleeping side.
fn handovers(sleeps: (Parking, WaitBackend), end: &str, n: u64) -> Litmus {
    let ring = ring_with(sleeps).create();
    let _gone = Cleanup(|| ring.unlink());
    let mut tx = ring.producer().expect("a free end");
    let mut rx = ring.consumer().expect("a free end");
    let at_once = Wait::park().spin_for(Duration::ZERO);
    if end == "consumer" {
        litmus(
            n,
            |i| tx.try_push(i).expect("room"),
            |i| assert_eq!(rx.pop(at_once), Ok(i)),
        )
    } else {
        (0..2).for_each(|i| tx.try_push(i).expect("room"));
        litmus(
            n,
            |i| assert_eq!(rx.try_pop(), Ok(i)),
            |i| tx.push(i + 2, at_once).expect("room will come"),
        )
    }
}

/// Loses no wake-up in `n` handovers. Two more runs tell whether what looked lost was: a missing fence loses
/// some in nearly every run, a busy machine looks like it once in a while.
///
/// A build without optimisation leaves so much time between publishing and looking that even a missing fence
/// loses nothing: only a release build puts this to the test.
fn loses_none(sleeps: (Parking, WaitBackend), n: u64) {
    let _quiet = alone();
    for end in ENDS {
        let mut runs = vec![handovers(sleeps, end, n)];
        if runs[0].lost > 0 {
            runs.extend((0..2).map(|_| handovers(sleeps, end, n)));
        }
        println!("{sleeps:?} {end}: {runs:?}");
        let lost: u64 = runs.iter().map(|run| run.lost).sum();
        assert!(lost <= 2, "{sleeps:?} {end}: lost wake-ups: {runs:?}");
        assert!(
            runs[0].slept > n / 50,
            "{sleeps:?} {end}: hardly ever asleep: {runs:?}"
        );
    }
}

#[test]
fn no_wake_up_is_lost_with_fences_on_both_sides() {
    loses_none(SLEEPS[0], 20_000);
}

#[test]
fn no_wake_up_is_lost_with_the_sleeper_fencing_for_both() {
    loses_none(SLEEPS[1], 20_000);
}

#[test]
fn no_wake_up_is_lost_through_semaphores() {
    loses_none(SLEEPS[2], 5_000);
    loses_none(SLEEPS[3], 5_000);
}
