//! Creation that is killed at any moment, or raced by others: a whole ring, or none.

use crate::child;
use crate::scratch::{Key, Scratch, backing_named, shm_path, unique};
use annulus::{Backing, OpenError, spsc};
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use std::time::{Duration, Instant};

/// A child with pipes, killed when dropped.
struct Player {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
}

impl Player {
    fn start(role: &str, args: &[&str]) -> Self {
        let mut child = child(role, args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("start");
        let to = child.stdin.take().expect("piped");
        let from = BufReader::new(child.stdout.take().expect("piped"));
        Self { child, to, from }
    }

    /// The next line that begins with `#`, without it; the test harness prints others.
    fn line(&mut self) -> String {
        loop {
            let mut line = String::new();
            assert_ne!(
                self.from.read_line(&mut line).expect("read"),
                0,
                "the child is gone"
            );
            // The harness may have begun the line.
            if let Some((_, said)) = line.trim_end().split_once('#') {
                return said.to_owned();
            }
        }
    }
}

impl Drop for Player {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Creates and unlinks until it is killed.
pub fn role_churn(args: &[&str]) {
    let [kind, name] = args else {
        panic!("two arguments")
    };
    let options = spsc::<u64>(*name).capacity(64).backing(backing_named(kind));
    println!("#ready");
    loop {
        let begun = Instant::now();
        let ring = options.create().expect("create");
        // The ring stays longer than it took to make, so that kills find it often.
        let made = begun.elapsed();
        while begun.elapsed() < 6 * made {
            std::hint::spin_loop();
        }
        ring.unlink().expect("unlink");
    }
}

/// What the kernel has under a System V key, for the message of a failed test.
fn under(key: i32) -> String {
    let table =
        |what: &str| fs::read_to_string(format!("/proc/sysvipc/{what}")).unwrap_or_default();
    let both = table("sem") + &table("shm");
    let key = key.to_string();
    both.lines()
        .filter(|line| line.contains("key") || line.split_whitespace().next() == Some(key.as_str()))
        .collect::<Vec<_>>()
        .join("\n")
}

/// Kills creators at random moments and looks at what is there.
fn killed_creators(kind: &str) -> [u32; 2] {
    let name = unique("churn");
    let backing = backing_named(kind);
    let options = spsc::<u64>(&name).capacity(64).backing(backing);
    let probe = options.create().expect("create");
    let key = match probe.backing() {
        Backing::SysV { key: Some(key) } => Some(Key(key)),
        _ => None,
    };
    probe.unlink().expect("unlink");
    drop(probe);
    let _scratch = Scratch(shm_path(&name));
    let mut random = u64::from(std::process::id()) | 1;
    let [mut absent, mut complete] = [0, 0];
    for round in 0..200 {
        let mut player = Player::start("churn", &[kind, &name]);
        assert_eq!(player.line(), "ready");
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        // Asleep: who polls here may keep the player from its core.
        std::thread::sleep(Duration::from_nanos(random >> 44));
        drop(player);
        // Opening waits a moment for a creator at work, so it is asked in some rounds only.
        if round % 20 == 0 {
            match options.open() {
                Ok(_) | Err(OpenError::NotFound { .. }) => {}
                Err(OpenError::Unfinished { .. }) if kind == "sysv" => {}
                Err(e) => panic!("round {round}: {e}"),
            }
        }
        let ring = match options.create() {
            Ok(ring) => {
                absent += 1;
                ring
            }
            Err(e) => {
                let left = || key.as_ref().map_or(String::new(), |key| under(key.0));
                let there = options
                    .open()
                    .unwrap_or_else(|_| panic!("round {round}: {e}\n{}", left()));
                complete += 1;
                assert_eq!(there.status().expect("status").capacity, 64);
                drop(there.producer().expect("a new ring has a free seat"));
                there.unlink().expect("unlink");
                options
                    .create()
                    .unwrap_or_else(|e| panic!("round {round}: {e}\n{}", left()))
            }
        };
        assert_eq!(ring.consumer().expect("consumer").try_pop().ok(), None);
        ring.unlink()
            .unwrap_or_else(|e| panic!("round {round}: {e}"));
    }
    println!("{kind}: absent {absent} times, complete {complete} times");
    [absent, complete]
}

#[test]
fn a_creator_killed_at_any_moment_leaves_a_whole_ring_in_dev_shm_or_none() {
    let [absent, complete] = killed_creators("shm");
    assert!(absent > 0 && complete > 0);
}

#[test]
fn a_creator_killed_at_any_moment_leaves_a_whole_system_v_ring_or_none() {
    killed_creators("sysv");
}

fn monotonic_ns() -> u64 {
    // SAFETY: a timespec of integers, zero to begin with, that the kernel writes to.
    let now = unsafe {
        let mut now: libc::timespec = std::mem::zeroed();
        assert_eq!(0, libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut now));
        now
    };
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}

/// Each line on stdin is a time; at that time this opens or creates the ring and says which one it got.
pub fn role_race(args: &[&str]) {
    let [kind, name] = args else {
        panic!("two arguments")
    };
    let options = spsc::<u64>(*name).capacity(64).backing(backing_named(kind));
    println!("#ready");
    let mut kept = None;
    for line in std::io::stdin().lines() {
        let start: u64 = line.expect("read").parse().expect("a time");
        kept.take();
        while monotonic_ns() < start {
            std::hint::spin_loop();
        }
        match options.open_or_create() {
            Ok(ring) => {
                println!("#{:016x}", ring.instance());
                kept = Some(ring);
            }
            Err(e) => println!("#failed: {e}"),
        }
    }
}

fn raced(kind: &str) {
    let name = unique("race");
    let backing = backing_named(kind);
    let options = spsc::<u64>(&name).capacity(64).backing(backing);
    let probe = options.create().expect("create");
    let _key = match probe.backing() {
        Backing::SysV { key: Some(key) } => Some(Key(key)),
        _ => None,
    };
    probe.unlink().expect("unlink");
    let _scratch = Scratch(shm_path(&name));
    let mut players: Vec<Player> = (0..4)
        .map(|_| Player::start("race", &[kind, &name]))
        .collect();
    for player in &mut players {
        assert_eq!(player.line(), "ready");
    }
    let mut last = probe.instance();
    for round in 0..200 {
        let start = monotonic_ns() + 300_000;
        for player in &mut players {
            writeln!(player.to, "{start}").expect("write");
        }
        let said: Vec<String> = players.iter_mut().map(Player::line).collect();
        let ring = options
            .open()
            .unwrap_or_else(|e| panic!("round {round}: {e}; they said {said:?}"));
        let ours = format!("{:016x}", ring.instance());
        assert!(
            said.iter().all(|s| *s == ours),
            "round {round}: {ours}, but {said:?}"
        );
        assert_ne!(ring.instance(), last);
        last = ring.instance();
        let creator = ring.status().expect("status").creator_pid;
        assert!(players.iter().any(|p| p.child.id() == creator));
        ring.unlink().expect("unlink");
    }
}

#[test]
fn four_processes_that_open_or_create_in_dev_shm_end_in_one_ring() {
    raced("shm");
}

#[test]
fn four_processes_that_open_or_create_in_system_v_memory_end_in_one_ring() {
    raced("sysv");
}
