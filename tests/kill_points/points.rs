//! Where along an operation somebody is killed, and what came of it.

use crate::common::child::{self, Args};
use crate::common::rng::Rng;
use crate::trace::{END, Reached, Stretch, Traced, Way};
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, MutexGuard, TryLockError};
use std::time::{Duration, Instant};

/// No operation has so many.
const LONGEST: u64 = 200_000;
/// Where a small sample is killed, instructions are looked at up to here; from then on it goes from system call to system
/// call.
const LONG: u64 = 2_000;
/// A small sample is one of at most so many.
const FEW: u64 = 10;
/// How far behind a system call a sample is taken where nobody has counted.
const BEHIND: u64 = 1_500;
/// Nothing takes longer than this, in seconds, unless somebody waits for somebody.
const PATIENCE_S: u32 = 120;

/// The side of a ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Producer,
    Consumer,
}

/// A ring, those who survive, and something that can be done with it.
pub trait Stage {
    type Operation;
    /// What is done, and on which side.
    fn name(operation: &Self::Operation) -> (&'static str, Side);
    /// Begins with a new ring for `operation`.
    fn renew(&mut self, operation: &Self::Operation);
    /// Gets the ring ready and starts a victim, which stands at its first mark.
    fn start(&mut self, operation: &Self::Operation) -> Traced;
    /// The victim is about to sleep or to wake somebody.
    fn at_futex(&mut self, operation: &Self::Operation);
    /// The survivors go on, and find what the victim left. Panics if that is not what it should be.
    fn check(&mut self, operation: &Self::Operation, reached: Reached);
}

/// How often there was a kill, and how often something was wrong then.
struct Tally {
    points: u64,
    failures: u64,
}

/// Starts a victim, leads it, kills it, and sees that the others go on.
fn kill_at<S: Stage, R>(
    stage: &mut S,
    operation: &S::Operation,
    tally: &mut Tally,
    what: &str,
    lead: impl FnOnce(&Traced, &mut dyn FnMut()) -> (Reached, R),
) -> Option<R> {
    // SAFETY: takes an integer. Whoever hangs is killed, and found missing.
    unsafe { libc::alarm(PATIENCE_S) };
    tally.points += 1;
    let done = catch_unwind(AssertUnwindSafe(|| {
        let victim = stage.start(operation);
        let (reached, result) = lead(&victim, &mut || stage.at_futex(operation));
        victim.kill();
        stage.check(operation, reached);
        result
    }));
    if done.is_err() {
        tally.failures += 1;
        child::report(&format!("failed|{}: {what}", S::name(operation).0));
        stage.renew(operation);
    }
    done.ok()
}

/// As many instructions one by one take as long as coming to one of them once.
const TURN: u64 = 3;

/// The ways to all instructions of an operation, the quickest to each: until the victim has come there for so many times
/// since a system call, or on from the last such place.
fn all(stretches: &[Stretch]) -> Vec<Way> {
    let mut ways = Vec::new();
    for (calls, stretch) in (0..).zip(stretches) {
        let addresses = stretch.as_ref().expect("no operation is so long");
        let (mut seen, mut address, mut steps) = (HashMap::new(), None, 0);
        for (i, &next) in addresses.iter().enumerate() {
            let times = seen.entry(next).or_insert(0);
            *times += 1;
            let already = address.map_or(0, |(_, times)| TURN * times);
            if i > 0 && TURN * *times <= already + steps {
                (address, steps) = (Some((next, *times)), 0);
            }
            ways.push(Way {
                calls,
                address,
                steps,
            });
            steps += 1;
        }
    }
    ways
}

/// About `n` places along an operation.
fn sample(stretches: &[Stretch], n: u64, rng: &mut Rng) -> Vec<Way> {
    let length = |stretch: &Stretch| stretch.as_ref().map_or(BEHIND, |s| s.len() as u64);
    let total: u64 = stretches.iter().map(length).sum();
    let part = (total / n).max(1);
    let places = (0..n).map(|i| i * part + rng.below(part));
    let way = |mut place: u64| {
        for (calls, stretch) in (0..).zip(stretches) {
            if place < length(stretch) {
                let (address, steps) = (None, place);
                return Way {
                    calls,
                    address,
                    steps,
                };
            }
            place -= length(stretch);
        }
        END
    };
    places.map(way).collect()
}

/// In a role: kills somebody at each place of each operation, or at some, and reports what came of it.
pub fn kill_everywhere<S: Stage>(args: &Args, stage: &mut S, operations: &[S::Operation]) {
    stay_on(args.number("processor") as usize);
    let (points, mut rng) = (args.number("points"), Rng::new(args.number("seed")));
    for operation in operations {
        let began = Instant::now();
        let mut tally = Tally {
            points: 0,
            failures: 0,
        };
        stage.renew(operation);
        let most = if points == 0 || points > FEW {
            LONGEST
        } else {
            LONG
        };
        let stretches = kill_at(stage, operation, &mut tally, "looked at", |victim, acts| {
            (Reached::End, victim.look(most, acts))
        });
        let stretches = stretches.unwrap_or_default();
        let ways = match points {
            0 => all(&stretches),
            n if n > FEW => {
                let ways = all(&stretches);
                let part = ways.len().div_ceil(n as usize).max(1);
                let first = rng.below(part as u64) as usize;
                ways.into_iter().skip(first).step_by(part).collect()
            }
            n => sample(&stretches, n, &mut rng),
        };
        for way in ways.into_iter().chain([END]) {
            kill_at(
                stage,
                operation,
                &mut tally,
                &format!("{way:?}"),
                |victim, acts| (victim.lead(way, acts), ()),
            );
        }
        let (name, side) = S::name(operation);
        let some = if points == 0 { "" } else { " (a sample)" };
        child::report(&format!(
            "row|{name}{some}|{side:?}|{}|{}|{}",
            tally.points,
            tally.failures,
            began.elapsed().as_millis()
        ));
    }
    child::report("done");
}

/// Whether an operation is to be tried in this place: with semaphores only what sleeps or wakes differs.
pub fn is_wanted(args: &Args, name: &str) -> bool {
    args.get("back_end") == "Futex" || name.contains("sleep")
}

/// Keeps this process and those it starts on one processor: whoever leads and whoever is led take turns.
fn stay_on(processor: usize) {
    // SAFETY: plain integers, for which zero is a value.
    let mut here: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    // SAFETY: a live set, and the number of a processor there is.
    unsafe {
        libc::CPU_SET(processor, &mut here);
        libc::sched_setaffinity(0, size_of_val(&here), &here);
    }
}

/// A processor that nobody else of this binary leads a victim on, until what is returned with it is dropped.
pub fn processor() -> (usize, MutexGuard<'static, ()>) {
    static TAKEN: [Mutex<()>; libc::CPU_SETSIZE as usize] =
        [const { Mutex::new(()) }; libc::CPU_SETSIZE as usize];
    // SAFETY: plain integers, for which zero is a value.
    let mut ours: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    // SAFETY: a live set of the size given.
    let got = unsafe { libc::sched_getaffinity(0, size_of_val(&ours), &mut ours) };
    assert_eq!(got, 0, "the kernel knows where this may run");
    loop {
        for (processor, taken) in TAKEN.iter().enumerate() {
            // SAFETY: a live set, and a number below its size.
            if unsafe { !libc::CPU_ISSET(processor, &ours) } {
                continue;
            }
            match taken.try_lock() {
                Ok(free) => return (processor, free),
                // A test that failed has said so itself.
                Err(TryLockError::Poisoned(free)) => return (processor, free.into_inner()),
                Err(TryLockError::WouldBlock) => {}
            }
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}
