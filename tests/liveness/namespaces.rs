//! Process ids decide nothing: owners and peers in pid namespaces of their own, where each is number 1, and owners whose
//! number another process has by now.

use crate::common::child::{self, Args, Child, Forked};
use crate::common::clean::Cleanup;
use crate::common::eventually;
use crate::common::spec::{Spec, Via};
use crate::scene::{PROMPT, Scene, VIAS, idle, in_time, open, options, told_of_a_death};
use annulus::{EndpointError, Peer, PopError, Wait, Watch};
use std::io::{PipeReader, Read, Write};
use std::time::{Duration, Instant};

/// What a role says when the kernel gives it no namespace.
const REFUSED: &str = "refused";

/// In a role: the children of this process will be in a new pid namespace. `false` if that is refused, and reported.
fn unshare() -> bool {
    // SAFETY: an integer.
    if unsafe { libc::unshare(libc::CLONE_NEWPID) } == 0 {
        return true;
    }
    child::report(REFUSED);
    false
}

/// In a role, after [`unshare`]: forks process 1 of the new namespace. It ends when this one does.
fn first_process(work: impl FnOnce()) -> Forked {
    child::fork(|| {
        // SAFETY: integers.
        unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
        assert_eq!(std::process::id(), 1);
        work();
    })
}

/// The next byte of `pipe`.
fn byte(pipe: &mut PipeReader) -> u8 {
    let mut byte = [0];
    pipe.read_exact(&mut byte).expect("it says something");
    byte[0]
}

/// The next report, unless it says that there are no namespaces here.
fn hear(child: &mut Child) -> Option<String> {
    let said = child.hear();
    if said == REFUSED {
        println!("skipped: a pid namespace needs privileges");
        return None;
    }
    Some(said)
}

/// Process 1 of a namespace holds the producing end until this role is told to kill it.
pub fn owner(args: &Args) {
    if !unshare() {
        return;
    }
    let (mut heard, mut telling) = std::io::pipe().expect("a pipe");
    let process = first_process(|| {
        let ring = open(args);
        let mut tx = ring.producer().expect("a free end");
        tx.try_push(&7).expect("room");
        telling.write_all(&[1]).expect("told");
        idle();
    });
    assert_eq!(byte(&mut heard), 1);
    child::report("taken");
    assert_eq!(child::listen(), "kill");
    drop(process);
    child::report("killed");
    child::listen();
}

/// Process 1 of another namespace consumes, and is told of the death of a process of its own number.
pub fn peer(args: &Args) {
    if !unshare() {
        return;
    }
    first_process(|| {
        let ring = open(args);
        let mut rx = ring.consumer().expect("a free end");
        assert_eq!(rx.pop(Wait::park()), Ok(7));
        match ring.producer() {
            Err(EndpointError::Occupied { pid: 1 }) => {}
            other => panic!("{other:?}"),
        }
        let soon = Instant::now() + Duration::from_millis(200);
        assert_eq!(rx.pop_until(Wait::park(), soon), Err(PopError::TimedOut));
        child::report("waiting");
        told_of_a_death(&mut rx);
        child::report("told");
        let successor = ring.producer().expect("the end is free");
        assert_eq!(successor.predecessor(), Peer::Died);
        child::report("taken over");
        idle();
    })
    .until_killed();
}

/// How long the peer needed to be told.
fn death_across_namespaces(via: Via) -> Option<Duration> {
    let scene = Scene::new(via);
    let mut owner = scene.start("unshared owner", &[]);
    hear(&mut owner)?;
    let mut peer = scene.start("unshared peer", &[]);
    assert_eq!(hear(&mut peer)?, "waiting");
    let status = scene.ring.status().expect("status");
    for end in [&status.producers[0], &status.consumers[0]] {
        assert_eq!((end.state, end.pid), (Peer::Alive, 1));
    }
    owner.say("kill");
    owner.expect("killed");
    let begun = Instant::now();
    peer.expect("told");
    let took = begun.elapsed();
    peer.expect("taken over");
    assert_eq!(scene.producer(), Peer::Alive);
    drop(peer);
    eventually("the second death", || {
        (scene.producer(), scene.consumer()) == (Peer::Died, Peer::Died)
    });
    Some(took)
}

#[test]
fn a_death_is_known_in_time_in_another_pid_namespace_where_the_peer_has_the_same_number() {
    for via in VIAS {
        in_time("across namespaces", || {
            death_across_namespaces(via).unwrap_or(PROMPT / 2)
        });
    }
}

/// In process 1 of a namespace: another process gets the number `pid`, which must be free.
fn take_number(mut pid: libc::pid_t) -> bool {
    // SAFETY: integers, for which zero is a value.
    let mut args: libc::clone_args = unsafe { std::mem::zeroed() };
    args.exit_signal = libc::SIGCHLD as u64;
    args.set_tid = &raw mut pid as u64;
    args.set_tid_size = 1;
    let size = size_of::<libc::clone_args>();
    // SAFETY: live arguments; no stack is given and no memory is shared, so this is a fork. The child makes system
    // calls only.
    match unsafe { libc::syscall(libc::SYS_clone3, &raw mut args, size) } {
        0 => idle(),
        made => made == i64::from(pid),
    }
}

/// An owner is killed, and its number given to another process, which lives.
pub fn same_number(args: &Args) {
    if !unshare() {
        return;
    }
    let (mut heard, mut telling) = std::io::pipe().expect("a pipe");
    let process = first_process(|| {
        let (mut from_owner, mut to_us) = std::io::pipe().expect("a pipe");
        let owner = child::fork(|| {
            let tx = open(args).producer().expect("a free end");
            to_us.write_all(&[1]).expect("told");
            std::mem::forget(tx);
            idle();
        });
        assert_eq!(byte(&mut from_owner), 1);
        let number = owner.pid();
        let watch = Watch::process(number as u32).expect("it lives");
        drop(owner);
        if !take_number(number) {
            telling.write_all(&[0]).expect("told");
            idle();
        }
        // SAFETY: integers; signal 0 only asks.
        assert_eq!(unsafe { libc::kill(number, 0) }, 0, "the number is in use");
        assert!(watch.has_died().expect("the kernel tells"));
        telling.write_all(&[number as u8]).expect("told");
        idle();
    });
    match byte(&mut heard) {
        0 => child::report(REFUSED),
        number => child::report(&number.to_string()),
    }
    child::listen();
    drop(process);
}

#[test]
fn a_dead_owner_is_seen_dead_although_another_process_has_its_number_now() {
    for via in [Via::Shm, Via::File, Via::SysvName] {
        let scene = Scene::new(via);
        let mut rx = scene.ring.consumer().expect("a free end");
        let mut host = scene.start("same number", &[]);
        let Some(number) = hear(&mut host) else {
            return;
        };
        assert_eq!(scene.producer_pid().to_string(), number);
        assert_eq!(scene.producer(), Peer::Died, "{via:?}");
        told_of_a_death(&mut rx);
        let successor = scene.ring.producer().expect("the end is free");
        assert_eq!(successor.predecessor(), Peer::Died);
        host.say("end");
        host.finish();
    }
}

/// Process 1 of a namespace holds both ends, and forks process 1 of another, which drops its copies of them.
pub fn nested(args: &Args) {
    if !unshare() {
        return;
    }
    first_process(|| {
        let ring = options(&Spec::from_args(args)).create().expect("a ring");
        let mut tx = ring.producer().expect("a free end");
        let mut rx = ring.consumer().expect("a free end");
        tx.try_push(&7).expect("room");
        // SAFETY: an integer.
        assert_eq!(unsafe { libc::unshare(libc::CLONE_NEWPID) }, 0);
        let copies = (&raw const tx, &raw const rx);
        first_process(|| {
            // SAFETY: a forked child's own copy of both, dropped once; its process ends right after.
            drop(unsafe { (copies.0.read(), copies.1.read()) });
        })
        .finish();
        let status = ring.status().expect("status");
        assert_eq!(status.producers[0].state, Peer::Alive);
        assert_eq!(status.consumers[0].state, Peer::Alive);
        assert!(ring.producer().is_err());
        assert_eq!(rx.try_pop(), Ok(7));
        ring.unlink().expect("unlink");
    })
    .finish();
    child::report("undisturbed");
}

#[test]
fn a_child_of_its_parent_s_number_that_drops_inherited_ends_does_not_disturb_its_parent() {
    for via in [Via::Anon, Via::Shm, Via::SysvName] {
        let spec = Spec::new(via);
        let _gone = Cleanup(|| spec.remove());
        let mut host = Child::start("nested", spec.args());
        match hear(&mut host) {
            None => return,
            Some(said) => assert_eq!(said, "undisturbed"),
        }
        host.finish();
    }
}
