//! An end belongs to its process, not to the thread that took it.

use crate::common::child::{self, Args};
use crate::common::clean::Cleanup;
use crate::common::spec::{Spec, Via};
use crate::common::{eventually, take};
use crate::scene::{Scene, VIAS, idle, open, options, told_of_a_death};
use annulus::{Peer, Wait, Watch};
use std::io::{Read, Write};

#[test]
fn an_end_outlives_the_thread_that_took_it_and_is_left_by_another_one() {
    for via in VIAS {
        let spec = Spec::new(via);
        let _gone = Cleanup(|| spec.remove());
        let ring = options(&spec).create().expect("a new ring");
        let state = || ring.status().expect("status").producers[0].state;
        let mut rx = ring.consumer().expect("a free end");
        let taking = || ring.producer().expect("a free end");
        let mut tx = std::thread::scope(|scope| scope.spawn(taking).join().expect("taken"));
        assert_eq!(state(), Peer::Alive);
        tx.try_push(&7).expect("room");
        assert_eq!(rx.pop(Wait::park()), Ok(7));
        std::thread::scope(|scope| {
            scope.spawn(move || drop(tx));
        });
        assert_eq!(state(), Peer::Left, "{via:?}");
        assert!(ring.producer().is_ok());
    }
}

/// Takes the end on a thread that exits, and keeps it.
pub fn gone(args: &Args) {
    let ring = open(args);
    let taking = || ring.producer().expect("a free end");
    let _tx = std::thread::scope(|scope| scope.spawn(taking).join().expect("taken"));
    child::report("taken");
    idle();
}

#[test]
fn the_death_of_an_owner_is_known_although_the_thread_that_took_its_end_went_before() {
    for via in VIAS {
        let scene = Scene::new(via);
        let mut rx = scene.ring.consumer().expect("a free end");
        let mut owner = scene.start("gone thread", &[]);
        owner.expect("taken");
        assert_eq!(scene.producer(), Peer::Alive);
        assert!(scene.ring.producer().is_err());
        owner.kill();
        told_of_a_death(&mut rx);
        assert_eq!(take(|| scene.ring.producer()).predecessor(), Peer::Died);
    }
}

/// Takes the end on another thread than the first of a process, which then exits alone.
pub fn gone_leader(args: &Args) {
    let spec = Spec::from_args(args);
    let (mut heard, mut telling) = std::io::pipe().expect("a pipe");
    let process = child::fork(move || {
        let (tell, told) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let tx = options(&spec).open().expect("a ring").producer();
            tell.send(tx.expect("a free end")).expect("it listens");
            idle();
        });
        std::mem::forget(told.recv().expect("taken"));
        telling.write_all(&[1]).expect("told");
        // SAFETY: ends this thread alone; nothing of its stack is used by another.
        unsafe { libc::syscall(libc::SYS_exit, 0) };
    });
    let mut byte = [0];
    heard.read_exact(&mut byte).expect("taken");
    let stat = format!("/proc/{}/stat", process.pid());
    eventually("the first thread is gone", || {
        std::fs::read_to_string(&stat).is_ok_and(|stat| stat.contains(") Z "))
    });
    child::report(&process.pid().to_string());
    assert_eq!(child::listen(), "kill");
    drop(process);
    child::report("killed");
    child::listen();
}

#[test]
fn an_owner_whose_first_thread_has_exited_lives_as_long_as_any_of_it() {
    for via in [Via::Shm, Via::File, Via::SysvName] {
        let scene = Scene::new(via);
        let mut host = scene.start("gone leader", &[]);
        let pid: u32 = host.hear().parse().expect("a number");
        let watch = Watch::process(pid).expect("it is there");
        assert_eq!(scene.producer(), Peer::Alive, "{via:?}");
        assert!(!watch.has_died().expect("the kernel tells"));
        host.say("kill");
        host.expect("killed");
        assert!(watch.has_died().expect("the kernel tells"));
        assert_eq!(scene.producer(), Peer::Died);
        assert!(scene.ring.producer().is_ok());
    }
}
