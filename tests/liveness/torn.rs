//! Forks at any moment: a process forks all the time while other threads of it take ends and drop them. It is killed,
//! and all its children live on. Whatever moment each fork hit, no end may still seem to have an owner.

use crate::common::child::{self, Args, Child};
use crate::common::clean::Cleanup;
use crate::common::page::Page;
use crate::common::spec::{Spec, Via};
use crate::common::{alone, eventually, number_from_env};
use annulus::{Mpmc, Options, Peer, Ring};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
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

/// With room for all children of [`first`].
fn many(spec: &Spec) -> Options<Mpmc<u64>> {
    options(spec).consumers(16)
}

/// Forks and forks. Its first child is made while its first ends are taken.
pub fn role(args: &Args) {
    let ring = options(&Spec::from_args(args)).open().expect("a ring");
    let page = Page::open(args.get("page"));
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
            // SAFETY: the child stores one number and makes system calls.
            match unsafe { libc::fork() } {
                0 => {
                    page.word(0).fetch_add(1, Ordering::SeqCst);
                    crate::scene::idle()
                }
                pid => assert!(pid > 0, "fork"),
            }
        }
        // A child that was never given the processor has not come as far as to close anything.
        let all = u64::from(CHILDREN);
        eventually("all children have run", || page.get(0) == all);
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
    let page = Page::new(1);
    let mut owner = Child::start("torn", spec.args().with("page", page.path().display()));
    let group = -i32::try_from(owner.pid()).expect("a number");
    // SAFETY: integers; the group is that of our own child, until the last of it is gone.
    let end_all = || unsafe { libc::kill(group, libc::SIGKILL) };
    let _all = Cleanup(|| {
        end_all();
    });
    owner.expect("forked");
    owner.kill();
    eventually("nobody seems alive", || alive(&ring) == 0);
    // SAFETY: as above; signal 0 only asks.
    assert_eq!(unsafe { libc::kill(group, 0) }, 0, "the children live");
    let all: Vec<_> = (0..PLACES)
        .map(|_| (ring.producer(), ring.consumer()))
        .collect();
    assert!(all.iter().all(|(tx, rx)| tx.is_ok() && rx.is_ok()));
}

/// Whether some descriptor of this process has a lock.
fn has_a_lock() -> bool {
    let all = std::fs::read_dir("/proc/self/fdinfo").expect("this process");
    all.filter_map(|entry| std::fs::read_to_string(entry.ok()?.path()).ok())
        .any(|told| told.contains("lock:"))
}

/// Forks while other threads take ends, and has each child look for what it must not have.
pub fn looks(args: &Args) {
    let ring = options(&Spec::from_args(args)).open().expect("a ring");
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                while !over.load(Ordering::SeqCst) {
                    let _ends = (ring.producer(), ring.consumer());
                    // Long enough for a child to find the lock, had it a copy.
                    std::thread::sleep(Duration::from_millis(3));
                }
            });
        }
        let mut children = VecDeque::new();
        let limit = Instant::now() + Duration::from_millis(args.number("ms"));
        while Instant::now() < limit {
            children.push_back(child::fork(|| {
                for _ in 0..20 {
                    assert!(!has_a_lock(), "a copy of its parent's token");
                    std::thread::sleep(Duration::from_micros(100));
                }
            }));
            if children.len() > 3 {
                children.pop_front().expect("some").finish();
            }
        }
        over.store(true, Ordering::SeqCst);
        children.into_iter().for_each(child::Forked::finish);
    });
    child::report("looked");
}

#[test]
fn no_child_has_a_descriptor_with_a_lock_whatever_its_parent_was_taking() {
    let _quiet = alone();
    let spec = Spec::new(Via::Shm);
    let _gone = Cleanup(|| spec.remove());
    let ring = options(&spec).create().expect("a new ring");
    let ms = number_from_env("ANNULUS_FORK_MS", 2000);
    let mut owner = Child::start("looks", spec.args().with("ms", ms));
    owner.expect("looked");
    assert_eq!(alive(&ring), 0);
    owner.finish();
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

/// Forks while its first end is taken. Its children take one each.
pub fn first(args: &Args) {
    let spec = Spec::from_args(args);
    let ring = many(&spec).open().expect("a ring");
    let start = std::sync::Barrier::new(2);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            start.wait();
            drop(ring.producer().expect("a place"));
        });
        start.wait();
        let children: Vec<_> = (0..8)
            .map(|_| {
                // SAFETY: an integer. The kernel ends a child that waits for what will never come.
                child::fork(|| unsafe {
                    libc::alarm(10);
                    let ring = many(&spec).open().expect("the same ring");
                    drop(ring.consumer().expect("a place"));
                })
            })
            .collect();
        children.into_iter().for_each(child::Forked::finish);
    });
    child::report("all");
}

#[test]
fn a_child_that_is_forked_while_its_parent_takes_its_first_end_can_take_one_too() {
    let _quiet = alone();
    for _ in 0..10 {
        let spec = Spec::new(Via::Shm);
        let _gone = Cleanup(|| spec.remove());
        let _ring = many(&spec).create().expect("a new ring");
        let mut parent = Child::start("first", spec.args());
        parent.expect("all");
        parent.finish();
    }
}
