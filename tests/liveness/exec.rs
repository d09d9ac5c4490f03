//! Programs that owners start, and programs that they become.

use crate::common::child::{self, Args};
use crate::common::spec::Via;
use crate::common::{eventually, take};
use crate::scene::{Scene, Stray, VIAS, in_time, open, told_of_a_death};
use annulus::Peer;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::Duration;

fn sleeper() -> Command {
    let mut command = Command::new("sleep");
    command.arg("60");
    command
}

/// Holds the producing end and starts a program.
pub fn spawns(args: &Args) {
    let ring = open(args);
    let _tx = ring.producer().expect("a free end");
    let mut command = sleeper();
    if args.get("how") == "fork and exec" {
        // SAFETY: does nothing. It makes the standard library fork instead of calling posix_spawn.
        unsafe { command.pre_exec(|| Ok(())) };
    }
    let mut program = command.spawn().expect("sleep can be run");
    child::report(&program.id().to_string());
    // This process is killed long before that.
    let _ = program.wait();
}

fn death_of_one_that_spawns(via: Via, how: &str) -> Duration {
    let scene = Scene::new(via);
    let mut rx = scene.ring.consumer().expect("a free end");
    let mut owner = scene.start("spawns", &[("how", how)]);
    let program = Stray::of(&mut owner);
    assert_eq!(scene.producer(), Peer::Alive);
    owner.kill();
    let took = told_of_a_death(&mut rx);
    assert!(program.lives(), "{via:?} {how}");
    assert!(scene.ring.producer().is_ok());
    took
}

#[test]
fn programs_that_an_owner_started_do_not_keep_its_end() {
    for via in VIAS {
        for how in ["posix_spawn", "fork and exec"] {
            in_time(how, || death_of_one_that_spawns(via, how));
        }
    }
}

/// Holds the producing end and becomes another program.
pub fn execs(args: &Args) {
    let ring = open(args);
    let tx = ring.producer().expect("a free end");
    child::report("taken");
    child::listen();
    let failed = sleeper().exec();
    drop(tx);
    panic!("exec: {failed}");
}

#[test]
fn an_owner_that_execs_has_died_where_its_token_is_a_lock_and_lives_on_where_it_is_a_semaphore() {
    for via in VIAS {
        let scene = Scene::new(via);
        let mut rx = scene.ring.consumer().expect("a free end");
        let mut owner = scene.start("execs", &[]);
        owner.expect("taken");
        assert_eq!(scene.producer(), Peer::Alive);
        owner.say("go");
        let name = format!("/proc/{}/comm", owner.pid());
        eventually("it is another program", || {
            std::fs::read_to_string(&name).is_ok_and(|name| name.trim() == "sleep")
        });
        if via == Via::SysvName {
            assert_eq!(scene.producer(), Peer::Alive, "no exec is an end");
            assert!(scene.ring.producer().is_err());
            owner.kill();
        }
        assert!(told_of_a_death(&mut rx) < Duration::from_secs(2), "{via:?}");
        assert_eq!(take(|| scene.ring.producer()).predecessor(), Peer::Died);
    }
}
