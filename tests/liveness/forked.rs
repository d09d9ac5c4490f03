//! Owners that fork: whoever they made lives on, and changes nothing about who is seen alive.

use crate::common::child::{self, Args};
use crate::common::clean::Cleanup;
use crate::common::page::Page;
use crate::common::spec::{Spec, Via};
use crate::common::{eventually, take};
use crate::scene::{Scene, Stray, VIAS, fork, idle, in_time, open, options, told_of_a_death};
use annulus::{Backing, Peer, TryPopError};

/// Takes the producing end and forks as it is told.
pub fn forks(args: &Args) {
    let ring = open(args);
    let mut tx = ring.producer().expect("a free end");
    tx.try_push(&7).expect("room");
    let page = Page::open(args.get("page"));
    let pid = match args.get("how") {
        "once" => fork(|| ()),
        "twice" => {
            // Its child is an orphan at once, as those of daemons are.
            child::fork(|| page.set(0, fork(|| ()) as u64)).finish();
            page.get(0) as i32
        }
        "and drops" => {
            let copy = &raw const tx;
            let pid = fork(|| {
                // SAFETY: a forked child's own copy, dropped once; the original is not touched again there.
                drop(unsafe { copy.read() });
                page.set(0, 1);
            });
            eventually("the child has dropped its copy", || page.get(0) == 1);
            pid
        }
        other => panic!("no such way to fork: {other}"),
    };
    child::report(&pid.to_string());
    idle();
}

/// Kills an owner whose child lives on; says how long it took until that was known.
fn death_of_one_that_forks(via: Via, how: &str) -> std::time::Duration {
    let scene = Scene::new(via);
    let mut rx = scene.ring.consumer().expect("a free end");
    let page = Page::new(1);
    let path = page.path().to_str().expect("text").to_owned();
    let mut owner = scene.start("forks", &[("how", how), ("page", &path)]);
    let stray = Stray::of(&mut owner);
    assert_eq!(rx.pop(annulus::Wait::park()), Ok(7));
    assert_eq!(scene.producer(), Peer::Alive);
    owner.kill();
    let took = told_of_a_death(&mut rx);
    assert!(stray.lives(), "{via:?} {how}: the child is still there");
    assert_eq!(scene.producer(), Peer::Died);
    let successor = scene.ring.producer().expect("the end is free");
    assert_eq!(successor.predecessor(), Peer::Died);
    assert!(stray.lives());
    took
}

#[test]
fn the_death_of_an_owner_is_known_in_time_although_its_forked_child_lives() {
    for via in VIAS {
        in_time("one child", || death_of_one_that_forks(via, "once"));
    }
}

#[test]
fn a_grandchild_whose_parent_has_gone_keeps_nobody_alive() {
    for via in VIAS {
        in_time("a grandchild", || death_of_one_that_forks(via, "twice"));
    }
}

#[test]
fn a_child_that_has_dropped_what_it_inherited_and_lives_on_keeps_nobody_alive() {
    for via in VIAS {
        in_time("dropped", || death_of_one_that_forks(via, "and drops"));
    }
}

/// Holds the producing end; its child inherits that and takes the consuming end.
pub fn heir(args: &Args) {
    let spec = Spec::from_args(args);
    let ring = options(&spec).create().expect("a new ring");
    let mut tx = ring.producer().expect("a free end");
    tx.try_push(&7).expect("room");
    let copy = &raw const tx;
    let page = Page::new(2);
    let pid = fork(|| {
        // Memory that has a name is not inherited.
        let own = match spec.backing() {
            Backing::Anon => ring.clone(),
            _ => options(&spec).open().expect("the same ring"),
        };
        let mut rx = own.consumer().expect("a free end");
        // SAFETY: a forked child's own copy, dropped once. It has the same descriptor number as `rx`.
        drop(unsafe { copy.read() });
        let seen = || own.status().expect("status");
        let states = || (seen().producers[0].state, seen().consumers[0].state);
        assert_eq!(states(), (Peer::Alive, Peer::Alive));
        assert_eq!(rx.try_pop(), Ok(7));
        assert_eq!(rx.try_pop(), Err(TryPopError::Empty));
        page.set(0, 1);
        eventually("the parent has looked", || page.get(1) == 1);
        drop(rx);
        assert_eq!(states(), (Peer::Alive, Peer::Left));
        let again = own.consumer().expect("a free end");
        page.set(0, 2);
        // Held until it is killed.
        std::mem::forget(again);
    });
    let stray = Stray(pid);
    let state = || ring.status().expect("status").consumers[0].state;
    eventually("the child has its end", || {
        page.get(0) == 1 || !stray.lives()
    });
    assert_eq!(state(), Peer::Alive);
    let occupied = ring.consumer().expect_err("the child has it");
    assert!(
        occupied.to_string().contains(&pid.to_string()),
        "{occupied}"
    );
    page.set(1, 1);
    eventually("it has it again", || page.get(0) == 2 || !stray.lives());
    assert_eq!(state(), Peer::Alive);
    drop(stray);
    eventually("its death is seen", || state() == Peer::Died);
    assert_eq!(
        ring.status().expect("status").producers[0].state,
        Peer::Alive
    );
    assert_eq!(take(|| ring.consumer()).predecessor(), Peer::Died);
    child::report("well");
}

#[test]
fn a_child_that_inherited_an_end_takes_one_of_its_own_and_each_is_seen_for_itself() {
    for via in [Via::Anon, Via::Shm, Via::File, Via::SysvName] {
        let spec = Spec::new(via);
        let _gone = Cleanup(|| spec.remove());
        let mut host = child::Child::start("heir", spec.args());
        host.expect("well");
        host.finish();
    }
}

/// Leaves in order while its child lives on.
pub fn leaver(args: &Args) {
    let ring = open(args);
    let tx = ring.producer().expect("a free end");
    let pid = fork(|| ());
    drop(tx);
    child::report(&pid.to_string());
    idle();
}

#[test]
fn an_owner_that_leaves_in_order_has_left_whatever_becomes_of_it_and_its_child() {
    for via in VIAS {
        let scene = Scene::new(via);
        let mut owner = scene.start("leaver", &[]);
        let stray = Stray::of(&mut owner);
        assert_eq!(scene.producer(), Peer::Left);
        owner.kill();
        assert!(stray.lives());
        assert_eq!(scene.producer(), Peer::Left);
        assert_eq!(
            take(|| scene.ring.producer()).predecessor(),
            Peer::Left,
            "{via:?}"
        );
    }
}

/// Makes a child that the C library does not know of.
pub fn clones(args: &Args) {
    let ring = open(args);
    let _tx = ring.producer().expect("a free end");
    // SAFETY: no stack is given and no memory is shared, so this is a fork that calls no handlers; the child makes
    // system calls only.
    let pid = unsafe { libc::syscall(libc::SYS_clone, libc::SIGCHLD, 0, 0, 0, 0) as i32 };
    assert!(pid >= 0, "clone");
    if pid == 0 {
        idle();
    }
    child::report(&pid.to_string());
    idle();
}

#[test]
fn a_child_of_a_raw_clone_keeps_its_parent_s_end_until_it_ends_as_documented() {
    for via in [Via::Shm, Via::SysvName] {
        let scene = Scene::new(via);
        let mut owner = scene.start("raw clone", &[]);
        let stray = Stray::of(&mut owner);
        owner.kill();
        // Semaphores are not inherited, whoever forks.
        let kept = match via {
            Via::Shm => Peer::Alive,
            _ => Peer::Died,
        };
        assert_eq!(scene.producer(), kept, "{via:?}");
        drop(stray);
        eventually("the last copy goes", || scene.producer() == Peer::Died);
    }
}
