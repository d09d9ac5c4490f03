//! Forks at any moment: a process forks all the time while other threads of it take ends and drop them. It is killed,
//! and all its children live on. Whatever moment each fork hit, no end may still seem to have an owner.

use crate::common::child::{self, Args, Child};
use crate::common::clean::Cleanup;
use crate::common::spec::{Spec, Via};
use crate::common::{alone, number_from_env};
use crate::scene::PROMPT;
use annulus::{Mpmc, Options, Peer, Ring};
use std::time::{Duration, Instant};

/// Threads that take and drop, and for how many ends of each side there is room.
const THREADS: u32 = 3;
const PLACES: u32 = 4;
/// Children of each owner.
const CHILDREN: u32 = 40;

fn options(spec: &Spec) -> Options<Mpmc<u64>> {
    spec.placed(annulus::mpmc::<u64>(&spec.name))
        .capacity(16)
        .producers(PLACES)
        .consumers(PLACES)
}

/// Forks and forks. Its first child is made while its first ends are taken.
pub fn role(args: &Args) {
    let ring = options(&Spec::from_args(args)).open().expect("a ring");
    // SAFETY: integers. Children stay in this group, by which the test ends them.
    assert_eq!(unsafe { libc::setpgid(0, 0) }, 0);
    let start = std::sync::Barrier::new(THREADS as usize + 1);
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                start.wait();
                churn(&ring);
            });
        }
        start.wait();
        for _ in 0..CHILDREN {
            // SAFETY: the child makes system calls only.
            match unsafe { libc::fork() } {
                0 => crate::scene::idle(),
                pid => assert!(pid > 0, "fork"),
            }
        }
        child::report("forked");
    });
}

/// Takes ends and drops them, until this process is killed.
fn churn(ring: &Ring<Mpmc<u64>>) {
    loop {
        let tx = ring.producer().expect("a place");
        let rx = ring.consumer().expect("a place");
        drop(tx);
        drop(rx);
    }
}

/// All ends that seem to have an owner.
fn alive(ring: &Ring<Mpmc<u64>>) -> usize {
    let status = ring.status().expect("status");
    let ends = status.producers.iter().chain(&status.consumers);
    ends.filter(|end| end.state == Peer::Alive).count()
}

fn one_round(via: Via) {
    let spec = Spec::new(via);
    let _gone = Cleanup(|| spec.remove());
    let ring = options(&spec).create().expect("a new ring");
    let mut owner = Child::start("torn", spec.args());
    let group = -i32::try_from(owner.pid()).expect("a number");
    // SAFETY: integers; the group is that of our own child, until the last of it is gone.
    let end_all = || unsafe { libc::kill(group, libc::SIGKILL) };
    let _all = Cleanup(|| {
        end_all();
    });
    owner.expect("forked");
    owner.kill();
    let limit = Instant::now() + PROMPT + Duration::from_millis(400);
    while alive(&ring) > 0 {
        assert!(Instant::now() < limit, "{via:?}: {} seem alive", alive(&ring));
        std::thread::sleep(Duration::from_millis(1));
    }
    // SAFETY: as above; signal 0 only asks.
    assert_eq!(unsafe { libc::kill(group, 0) }, 0, "the children live");
    let all: Vec<_> = (0..PLACES)
        .map(|_| (ring.producer(), ring.consumer()))
        .collect();
    assert!(all.iter().all(|(tx, rx)| tx.is_ok() && rx.is_ok()));
}

#[test]
fn whatever_moment_a_fork_hits_no_child_keeps_an_end() {
    let _quiet = alone();
    for round in 0..number_from_env("ANNULUS_FORK_ROUNDS", 12) {
        one_round(match round % 3 {
            0 => Via::SysvName,
            1 => Via::File,
            _ => Via::Shm,
        });
    }
}
