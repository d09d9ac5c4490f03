//! Being told of a death by a pidfd.

use crate::common::child::{self, Args, Child};
use crate::common::pass;
use crate::scene::{Scene, VIAS, idle, open};
use annulus::{Peer, Watch, WatchError};
use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

/// Holds the producing end.
pub fn holder(args: &Args) {
    let ring = open(args);
    let _tx = ring.producer().expect("a free end");
    child::report("taken");
    idle();
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(20)
}

#[test]
fn when_a_watch_tells_of_a_death_the_end_is_free_already() {
    for via in VIAS {
        for _ in 0..10 {
            let scene = Scene::new(via);
            let mut owner = scene.start("holder", &[]);
            owner.expect("taken");
            let watch = Watch::process(owner.pid()).expect("it lives");
            assert!(!watch.has_died().expect("the kernel tells"));
            owner.signal(libc::SIGKILL);
            assert!(watch.wait_until(soon()).expect("the kernel tells"));
            // Nothing is waited for here, and nobody has waited for the process.
            assert_eq!(scene.producer(), Peer::Died, "{via:?}");
            assert!(scene.ring.producer().is_ok());
            assert!(watch.has_died().expect("the kernel tells"));
        }
    }
}

fn sleeper() -> std::process::Child {
    let mut command = std::process::Command::new("sleep");
    command.arg("60").spawn().expect("sleep can be run")
}

/// Killed and waited for.
fn end(mut process: std::process::Child) -> u32 {
    process.kill().expect("kill");
    process.wait().expect("wait");
    process.id()
}

#[test]
fn a_watch_waits_until_its_deadline_and_no_longer() {
    let process = sleeper();
    let watch = Watch::process(process.id()).expect("it lives");
    let begun = Instant::now();
    let wait = |until| watch.wait_until(until).expect("the kernel tells");
    assert!(!wait(begun + Duration::from_millis(30)));
    assert!(begun.elapsed() >= Duration::from_millis(30));
    let begun = Instant::now();
    assert!(!wait(begun));
    assert!(begun.elapsed() < Duration::from_secs(10));
    end(process);
    assert!(wait(begun), "a deadline that has passed is a look");
}

#[test]
fn a_pidfd_that_was_handed_over_is_watched_and_can_be_polled_with_others() {
    let process = sleeper();
    let first = Watch::process(process.id()).expect("it lives");
    let (here, there) = UnixStream::pair().expect("a pair");
    pass::send(&here, first.as_fd());
    drop(first);
    let watch = Watch::from_pidfd(pass::receive(&there)).expect("a pidfd");
    let (quiet, _open) = std::io::pipe().expect("a pipe");
    let poll = |limit_ms| {
        let mut entries = [quiet.as_raw_fd(), watch.as_fd().as_raw_fd()].map(|fd| libc::pollfd {
            fd,
            events: libc::POLLIN,
            revents: 0,
        });
        // SAFETY: two live entries.
        let ready = unsafe { libc::poll(entries.as_mut_ptr(), 2, limit_ms) };
        (ready, entries[0].revents, entries[1].revents & libc::POLLIN)
    };
    assert_eq!(poll(10), (0, 0, 0));
    end(process);
    assert_eq!(poll(20_000), (1, 0, libc::POLLIN));
    assert!(watch.has_died().expect("the kernel tells"));
    // Also one that is received after the death.
    pass::send(&here, watch.as_fd());
    let late = Watch::from_pidfd(pass::receive(&there)).expect("a pidfd");
    assert!(late.has_died().expect("the kernel tells"));
}

#[test]
fn what_is_no_pidfd_and_who_is_no_process_is_refused() {
    let (read, _write) = std::io::pipe().expect("a pipe");
    let file = |path| OwnedFd::from(File::open(path).expect("it is there"));
    for fd in [read.into(), file("/proc/self"), file("/dev/null")] {
        match Watch::from_pidfd(fd) {
            Err(WatchError::NotAPidfd) => {}
            other => panic!("{other:?}"),
        }
    }
    let gone = end(sleeper());
    for pid in [0, gone, u32::MAX, i32::MAX as u32] {
        match Watch::process(pid) {
            Err(e @ WatchError::NoSuchProcess { pid: named }) => {
                assert_eq!(named, pid);
                assert!(e.to_string().contains(&pid.to_string()));
            }
            other => panic!("{pid}: {other:?}"),
        }
    }
}

#[test]
fn a_watch_is_closed_by_exec_and_does_not_reap() {
    let scene = Scene::new(VIAS[0]);
    let mut owner: Child = scene.start("holder", &[]);
    owner.expect("taken");
    let watch = Watch::process(owner.pid()).expect("it lives");
    // SAFETY: asks for the flags of a live descriptor.
    let flags = unsafe { libc::fcntl(watch.as_fd().as_raw_fd(), libc::F_GETFD) };
    assert_eq!(flags, libc::FD_CLOEXEC);
    owner.signal(libc::SIGKILL);
    assert!(watch.wait_until(soon()).expect("the kernel tells"));
    // Waits for it, and panics if somebody did so before.
    owner.kill();
}
