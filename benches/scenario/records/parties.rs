//! The parties of one measurement: this thread, which consumes and keeps the clock, and producers beside it.
//!
//! Each producer is a forked process or a thread. With several of them they share both cores, every second one beside the
//! consumer, the same for every engine. Invariant: whoever fails ends all of them; nobody is left spinning.

use super::super::child;
use super::super::engine::Across;
use super::super::harness::or_abandon;
use super::super::pin::{Cpus, pin_to};
use super::super::shared::Barrier;

/// Runs `near` here and `far(0)` ... `far(count - 1)` beside it, pinned. `barrier` is where they meet, `count + 1` of them.
pub fn run<R>(
    across: Across,
    cpus: Cpus,
    count: u32,
    barrier: &Barrier,
    near: impl FnOnce() -> Result<R, String>,
    far: impl Fn(u32) -> Result<(), String> + Sync,
) -> Result<R, String> {
    run_at(across, |which| home(cpus, which), count, barrier, near, far)
}

/// `run` with the CPU of each party beside this one chosen by `home`.
pub fn run_at<R>(
    across: Across,
    home: impl Fn(u32) -> usize + Sync,
    count: u32,
    barrier: &Barrier,
    near: impl FnOnce() -> Result<R, String>,
    far: impl Fn(u32) -> Result<(), String> + Sync,
) -> Result<R, String> {
    let far = |which: u32| {
        pin_to(home(which)).map_err(|error| format!("pinning: {error}"))?;
        far(which)
    };
    match across {
        Across::Processes => over_processes(count, barrier, near, far),
        Across::Threads => over_threads(count, barrier, near, far),
    }
}

/// The core of a producer: the first has one to itself when it is alone.
const fn home(cpus: Cpus, which: u32) -> usize {
    if which.is_multiple_of(2) {
        cpus.far
    } else {
        cpus.near
    }
}

fn over_processes<R>(
    count: u32,
    barrier: &Barrier,
    near: impl FnOnce() -> Result<R, String>,
    far: impl Fn(u32) -> Result<(), String>,
) -> Result<R, String> {
    let near_pid = std::process::id();
    let mut children = Vec::new();
    for which in 0..count {
        let child = child::spawn(|| {
            or_abandon(
                barrier,
                || far(which),
                |_| {
                    // SAFETY: the near process is our parent and waits for us, so the pid is still its.
                    unsafe { libc::kill(near_pid.cast_signed(), libc::SIGTERM) };
                },
            )
        })
        .map_err(|error| format!("fork: {error}"))?;
        children.push(child);
    }
    // After an error the children may spin for ever: they are killed when they are dropped.
    let result = or_abandon(barrier, near, |_| ())?;
    for child in children {
        child.join()?;
    }
    Ok(result)
}

fn over_threads<R>(
    count: u32,
    barrier: &Barrier,
    near: impl FnOnce() -> Result<R, String>,
    far: impl Fn(u32) -> Result<(), String> + Sync,
) -> Result<R, String> {
    // A thread cannot be stopped; the process can, and it serves one measurement.
    let end_process = |message: &str| {
        eprintln!("{message}");
        // SAFETY: `_exit` has no preconditions.
        unsafe { libc::_exit(1) }
    };
    std::thread::scope(|scope| {
        let far = &far;
        for which in 0..count {
            scope.spawn(move || or_abandon(barrier, || far(which), end_process));
        }
        or_abandon(barrier, near, end_process)
    })
}

#[cfg(test)]
mod tests {
    use super::super::super::harness::contained;
    use super::super::super::shared::Shared;
    use super::super::super::slices::Slice;
    use super::*;

    /// `run` without pinning.
    fn unpinned(
        across: Across,
        count: u32,
        barrier: &Barrier,
        near: impl FnOnce() -> Result<Vec<Slice>, String>,
        far: impl Fn(u32) -> Result<(), String> + Sync,
    ) -> Result<Vec<Slice>, String> {
        match across {
            Across::Processes => over_processes(count, barrier, near, far),
            Across::Threads => over_threads(count, barrier, near, far),
        }
    }

    #[test]
    fn every_party_runs_once_and_all_meet() {
        for across in [Across::Processes, Across::Threads] {
            let measured = contained(|| {
                let barrier = Shared::<Barrier>::new().map_err(|e| e.to_string())?;
                let meet = || barrier.meet_all(1, 4).map_err(|gone| gone.to_string());
                unpinned(
                    across,
                    3,
                    &barrier,
                    || meet().map(|()| vec![Slice::of(7)]),
                    |_| meet(),
                )
            });
            assert_eq!(measured, Ok(vec![Slice::of(7)]));
        }
    }

    #[test]
    fn a_producer_that_fails_ends_the_measurement() {
        for across in [Across::Processes, Across::Threads] {
            let measured = contained(|| {
                let barrier = Shared::<Barrier>::new().map_err(|e| e.to_string())?;
                let near = || barrier.meet_all(1, 3).map_err(|gone| gone.to_string());
                let far = |which| match which {
                    0 => barrier.meet_all(1, 3).map_err(|gone| gone.to_string()),
                    _ => Err(String::from("expected by this test")),
                };
                unpinned(
                    across,
                    2,
                    &barrier,
                    || near().map(|()| vec![Slice::of(7)]),
                    far,
                )
            });
            assert!(measured.is_err());
        }
    }
}
