//! An attacker in a process of its own, which never stops.

use crate::attacker::Attacker;
use crate::fight::{Fight, Watchdog};
use crate::victim::{Outcome, Typed, Victim};
use annulus::{EndpointError, OpenError, spsc};
use memmap2::MmapOptions;
use std::fs;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

/// A process of its own that runs the role below, ended when dropped.
struct Enemy(Child);

impl Enemy {
    fn start(path: &str) -> Self {
        let child = Command::new(std::env::current_exe().expect("own path"))
            .args([
                "--exact",
                "process::a_hostile_process_flips_words_when_it_is_told_to",
                "--nocapture",
            ])
            .env("ANNULUS_HOSTILE_PATH", path)
            .stdout(std::process::Stdio::null())
            .spawn()
            .expect("start");
        let enemy = Self(child);
        // Whoever strikes before that damages the picture.
        let ready = Scratch(ready(path));
        let patience = Instant::now() + Duration::from_secs(20);
        while !fs::exists(&ready.0).expect("look") {
            assert!(Instant::now() < patience, "the enemy never came");
            std::thread::sleep(Duration::from_millis(1));
        }
        enemy
    }
}

/// The file by which the enemy says that it has a picture of the whole ring to heal it by.
fn ready(path: &str) -> String {
    format!("{path}.ready")
}

impl Drop for Enemy {
    fn drop(&mut self) {
        // It never stops by itself; one that has was not found under its name.
        assert!(
            matches!(self.0.try_wait(), Ok(None)),
            "the enemy did not fight"
        );
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Not a test by itself: the other process of the next one.
#[test]
fn a_hostile_process_flips_words_when_it_is_told_to() {
    let Ok(path) = std::env::var("ANNULUS_HOSTILE_PATH") else {
        return;
    };
    let parent = std::os::unix::process::parent_id();
    let file = fs::OpenOptions::new()
        .read(true)
        .write(true)
        .open(&path)
        .expect("open");
    let map = MmapOptions::new().map_raw(&file).expect("map");
    let mut enemy = Attacker::new(map, 16, 8, u64::from(std::process::id()));
    fs::write(ready(&path), "").expect("say so");
    while std::os::unix::process::parent_id() == parent {
        for _ in 0..1000 {
            enemy.strike();
            // Now and then the ring is whole for a while, so that the victim gets past its first look.
            if enemy.random.below(20) == 0 {
                enemy.heal();
                for _ in 0..enemy.random.below(40_000) {
                    std::hint::spin_loop();
                }
            }
        }
    }
}

/// A file that is removed in the end.
struct Scratch(String);

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

#[test]
fn a_process_that_flips_words_all_the_time_harms_nobody() {
    let name = format!("annulus-hostile-{}", std::process::id());
    let path = Scratch(format!("/dev/shm/{name}"));
    let ring = spsc::<u64>(&name).capacity(8).create().expect("create");
    let mut victim = Typed {
        ring,
        tx: None,
        rx: None,
    };
    victim.attach().expect("attach");
    let file = fs::OpenOptions::new()
        .read(true)
        .write(true)
        .open(&path.0)
        .expect("open");
    // A quiet attacker of our own: it lends its random numbers and strikes a little as well.
    let own = Attacker::new(MmapOptions::new().map_raw(&file).expect("map"), 16, 8, 77);
    let enemy = Enemy::start(&path.0);
    let watchdog = Watchdog::start();
    let mut fight = Fight {
        victim,
        enemy: own,
        payload: 0..0,
        watchdog,
        operations: 0,
        late: 0,
    };
    let end = Instant::now() + Duration::from_secs(4);
    let (mut done, mut attached, mut refused) = (0u64, 0u64, 0u32);
    while Instant::now() < end {
        // 17 opens a second time by descriptor, which is for memfds.
        let op = fight.enemy.random.below(17);
        match fight.operate(op) {
            Outcome::Done => (done, refused) = (done + 1, 0),
            Outcome::Refused if refused < 5 => refused += 1,
            // The enemy heals the ring, sometimes; whoever lost its place attaches anew.
            _ => match fight.victim.attach() {
                Ok(()) => (attached, refused) = (attached + 1, 0),
                Err(EndpointError::Closed | EndpointError::Corrupt(_)) => {}
                Err(e) => panic!("unexpected: {e}"),
            },
        }
        match spsc::<u64>(&name).prefault(false).open() {
            Ok(_)
            | Err(
                OpenError::Mismatch { .. }
                | OpenError::NotARing { .. }
                | OpenError::Unfinished { .. },
            ) => {}
            Err(OpenError::Os(e)) if e.op == "sem_open" => {}
            Err(e) => panic!("unexpected: {e}"),
        }
    }
    drop(enemy);
    println!(
        "{} operations, {done} of them done, attached {attached} times",
        fight.operations
    );
    assert!(done > 20 && attached > 0, "the victim never got anywhere");
    fight.finish();
}
