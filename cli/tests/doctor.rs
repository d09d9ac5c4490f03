//! `doctor` and `repair`: what they say of rings in order and in disorder, and their exit statuses.

mod common;

use annulus::{Backing, Orphans, Peer, Wait};
use common::{PLACES, Place, Running, Scene, annulus, run, stderr_of};
use std::fs;
use std::process::{Command, Output, Stdio};

/// The ring, its backing and its kind, for a process that dies.
const VICTIM: &str = "ANNULUS_TEST_VICTIM";

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Runs `command` of the tool on the ring, which must end with `status` and say all of `parts`.
#[track_caller]
fn says(scene: &Scene, command: &str, status: i32, parts: &[&str]) -> String {
    let output = run(&mut scene.tool(command));
    let said = text(&output);
    let told = stderr_of(&output);
    assert_eq!(output.status.code(), Some(status), "{said}{told}");
    for part in parts {
        assert!(said.contains(part), "{part:?} is missing:\n{said}");
    }
    assert_eq!(told, "", "what is found is no error");
    said
}

/// Kills this process as nobody can prevent.
fn die() -> ! {
    // SAFETY: takes one integer; SIGKILL has no handler.
    unsafe { libc::raise(libc::SIGKILL) };
    unreachable!("nobody survives that")
}

/// What the child processes of these tests run, which die with something in hand. Without a ring it has nothing to do.
#[test]
fn a_victim_dies_with_something_in_hand() {
    let Ok(victim) = std::env::var(VICTIM) else {
        return;
    };
    let (kind, rest) = victim.split_once(' ').unwrap();
    let (backing, name) = rest.split_once(' ').unwrap();
    let backing = match backing {
        "Posix" => Backing::PosixShm,
        "SysV" => Backing::SysV { key: None },
        _ => Backing::File,
    };
    match kind {
        "records" => {
            let ring = annulus::mpsc_records(name).backing(backing).open().unwrap();
            let mut tx = ring.producer().unwrap();
            let _loan = tx.try_claim(100).unwrap();
            die();
        }
        "slots" => {
            let ring = annulus::mpmc::<u64>(name).backing(backing).open().unwrap();
            let (mut tx, mut rx) = (ring.producer().unwrap(), ring.consumer().unwrap());
            let _sample = rx.try_sample().unwrap();
            let _loan = tx.try_claim_many(2).unwrap();
            die();
        }
        _ => {
            let ring = annulus::broadcast::<u64>(name).backing(backing);
            let ring = ring.open().unwrap();
            let _reader = ring.lossless_reader(annulus::Join::Newest).unwrap();
            die();
        }
    }
}

/// Has a process of its own take part in the ring and die; gives its id.
fn dies(scene: &Scene, kind: &str) -> String {
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "a_victim_dies_with_something_in_hand"])
        .env(VICTIM, format!("{kind} {:?} {}", scene.place, scene.name))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let pid = child.id().to_string();
    let mut child = Running(child);
    assert!(!child.0.wait().unwrap().success());
    pid
}

#[test]
fn a_ring_in_order_is_healthy_and_needs_no_repair() {
    for place in PLACES {
        let scene = Scene::new(place);
        let ring = annulus::mpmc::<u64>(&scene.name)
            .backing(scene.backing())
            .capacity(8)
            .create()
            .unwrap();
        says(
            &scene,
            "doctor",
            0,
            &["no producer was ever there", "nobody uses it"],
        );
        let mut tx = ring.producer().unwrap();
        let _rx = ring.consumer().unwrap();
        tx.try_push(&1).unwrap();
        let me = format!("producer 0: process {}, alive", std::process::id());
        says(
            &scene,
            "doctor",
            0,
            &[&me, "mpmc slots", "filled 1/8", "  healthy\n"],
        );
        says(&scene, "repair", 0, &["nothing had to be done"]);
        let _loan = tx.try_claim_many(3).unwrap();
        says(
            &scene,
            "doctor",
            0,
            &["claimed 3 slots and has not committed them"],
        );
        says(&scene, "repair", 0, &["nothing had to be done"]);
    }
}

#[test]
fn records_that_a_dead_producer_claimed_are_repaired_where_nobody_consumes() {
    for place in PLACES {
        let scene = Scene::new(place);
        let ring = annulus::mpsc_records(&scene.name)
            .backing(scene.backing())
            .capacity_bytes(4096)
            .producers(1)
            .create()
            .unwrap();
        let pid = dies(&scene, "records");
        let died =
            format!("producer: process {pid}, died; claimed 112 bytes and did not commit them");
        let advice = format!("needs repair: annulus repair {}", scene.name);
        says(
            &scene,
            "doctor",
            7,
            &[&died, "make padding of what 1 dead producers", &advice],
        );
        assert!(ring.producer().is_err(), "its place is taken");
        says(
            &scene,
            "repair",
            0,
            &["settled what 1 dead producers left", "padding now"],
        );
        // What is left to do is to start one.
        says(
            &scene,
            "doctor",
            8,
            &["the last producer died", "needs an end"],
        );
        let mut tx = ring.producer().unwrap();
        tx.try_push(b"goes on").unwrap();
        says(&scene, "doctor", 0, &["healthy"]);
    }
}

#[test]
fn a_claim_that_the_living_consumer_comes_to_is_left_to_it() {
    let scene = Scene::new(Place::Posix);
    let ring = annulus::mpsc_records(&scene.name).create().unwrap();
    let _tx = ring.producer().unwrap();
    let mut rx = ring.consumer().unwrap();
    let pid = dies(&scene, "records");
    says(
        &scene,
        "doctor",
        0,
        &["the living consumer clears up what 1 dead producers claimed"],
    );
    let waits = format!("112 bytes of dead producer 1 (process {pid}) wait: the living consumer");
    says(&scene, "repair", 7, &[&waits]);
    let until = std::time::Instant::now() + std::time::Duration::from_millis(20);
    assert!(
        rx.pop_into_until(&mut Vec::new(), Wait::park(), until)
            .is_err()
    );
    says(&scene, "repair", 0, &["nothing had to be done"]);
}

#[test]
fn what_dead_participants_of_shared_slots_had_in_hand_is_settled_as_the_ring_says() {
    for (orphans, place) in [
        (Orphans::Drop, Place::Posix),
        (Orphans::Redeliver, Place::Posix),
        (Orphans::Drop, Place::SysV),
    ] {
        let scene = Scene::new(place);
        let ring = annulus::mpmc::<u64>(&scene.name)
            .backing(scene.backing())
            .capacity(8)
            .producers(2)
            .consumers(2)
            .orphans(orphans)
            .create()
            .unwrap();
        let mut tx = ring.producer().unwrap();
        assert_eq!(tx.try_push_many(&[1, 2]), Ok(2));
        let pid = dies(&scene, "slots");
        let died = [
            format!("producer 1: process {pid}, died; claimed 2 slots and did not commit them"),
            format!("consumer 0: process {pid}, died; had 1 messages in hand"),
        ];
        let said = says(
            &scene,
            "doctor",
            7,
            &[&died[0], &died[1], "make tombstones"],
        );
        let drops = orphans == Orphans::Drop;
        assert_eq!(
            said.contains("repair would drop 1 messages"),
            drops,
            "{said}"
        );
        assert_eq!(said.contains("wait for a new one"), !drops, "{said}");
        if drops {
            let parts = [
                "settled what 1 dead producers left: what they had claimed will be passed over",
                "dropped 1 messages that dead consumers had in hand",
            ];
            says(&scene, "repair", 0, &parts);
            says(
                &scene,
                "doctor",
                8,
                &["the last consumer died", "1 messages were dropped"],
            );
        } else {
            let waits = format!("1 messages of dead consumer 0 (process {pid}) wait: the next");
            says(
                &scene,
                "repair",
                7,
                &[&waits, "settled what 1 dead producers left"],
            );
            says(&scene, "doctor", 8, &["wait for a new one"]);
        }
        let mut rx = ring.consumer().unwrap();
        let mut got: Vec<u64> = Vec::new();
        while got.len() < if drops { 1 } else { 2 } {
            let until = std::time::Instant::now() + common::LIMIT;
            got.push(rx.pop_until(Wait::park(), until).unwrap());
        }
        got.sort_unstable();
        assert_eq!(got, if drops { vec![2] } else { vec![1, 2] });
        says(&scene, "doctor", 0, &["healthy"]);
    }
}

#[test]
fn a_dead_lossless_reader_is_waited_for_until_somebody_repairs() {
    let scene = Scene::new(Place::File);
    let ring = annulus::broadcast::<u64>(&scene.name)
        .backing(scene.backing())
        .capacity(8)
        .create()
        .unwrap();
    let _tx = ring.producer().unwrap();
    dies(&scene, "broadcast");
    let parts = [
        "reader 0: process",
        "the producer waits for it",
        "wait for 1 dead lossless",
    ];
    says(&scene, "doctor", 7, &parts);
    says(
        &scene,
        "repair",
        0,
        &["settled what 1 dead readers left: the producer waits"],
    );
    says(&scene, "doctor", 0, &["nobody waits for it", "healthy"]);
}

#[test]
fn an_end_that_died_and_one_that_is_stopped_are_asked_for() {
    for place in [Place::Posix, Place::SysV] {
        let scene = Scene::new(place);
        let receiver = Running::start(&mut scene.tool("recv"));
        scene.wait_until(|status| status.consumers[0].generation == 1);
        receiver.signal(libc::SIGSTOP);
        scene.wait_until(|status| status.consumers[0].stopped);
        let pid = receiver.pid();
        let asks = format!("the only consumer is stopped: continue process {pid} or kill it");
        says(&scene, "doctor", 8, &["does not go on by itself", &asks]);
        receiver.signal(libc::SIGKILL);
        receiver.end();
        scene.wait_until(|status| status.consumers[0].state == Peer::Died);
        says(
            &scene,
            "doctor",
            8,
            &["the last consumer died and none has come since"],
        );
        says(&scene, "repair", 0, &[]);
    }
}

#[test]
fn what_is_not_there_or_no_ring_is_told_apart() {
    let scene = Scene::new(Place::File);
    for command in ["doctor", "repair"] {
        let absent = run(annulus().args([command, "annulus-cli-test-absent"]));
        assert_eq!(absent.status.code(), Some(3));
        assert!(stderr_of(&absent).contains("annulus ls"));
        fs::write(&scene.name, vec![1; 50_000]).unwrap();
        let other = run(&mut scene.tool(command));
        assert_eq!(other.status.code(), Some(3));
        assert!(stderr_of(&other).contains("not a ring"));
    }
    assert_eq!(
        run(annulus().arg("repair")).status.code(),
        Some(2),
        "which one?"
    );
    let lost = run(annulus().args(["doctor", "--backing", "sysv"]));
    assert_eq!(lost.status.code(), Some(2), "a backing is of a name");
}

#[test]
fn without_a_name_all_rings_and_what_is_left_of_others_are_shown() {
    let scene = Scene::new(Place::Posix);
    let ring = annulus::spsc::<u64>(&scene.name);
    let ring = ring.wait_backend(annulus::WaitBackend::Semaphore);
    let ring = ring.create().unwrap();
    let own = format!("/dev/shm/sem.annulus.{:016x}.p", ring.instance());
    assert!(fs::exists(&own).unwrap());
    // Of a ring that is gone. The last 16 digits are not those of any other test.
    let number = u64::from(std::process::id()) << 32 | 0x5eed;
    let of = |before: &str, after: &str| format!("/dev/shm/{before}annulus.{number:016x}{after}");
    let (data, sem) = (of("", ".data"), of("sem.", ".c"));
    let unnamed = format!("/dev/shm/.annulus-1-{number:016x}");
    let _gone = Gone(vec![data.clone(), sem.clone(), unnamed.clone()]);
    fs::write(&data, [&b"ANNULDAT"[..], &[0; 4088]].concat()).unwrap();
    fs::write(&sem, [0; 32]).unwrap();
    fs::write(&unnamed, [0; 10]).unwrap();
    // Rings of other tests come and go, and may need something.
    let said = text(&run(annulus().arg("doctor")));
    for part in [
        format!("{} (posix-shm), spsc slots", scene.name),
        format!("{data}: 4.00 KiB of messages"),
        format!("{sem}: a semaphore of no ring that is listed"),
        format!("{unnamed}: 10 B of a ring that never got a name"),
    ] {
        assert!(said.contains(&part), "{part:?} is missing:\n{said}");
    }
    assert!(!said.contains(&own), "{own} belongs to a ring:\n{said}");
    // What only looks like it.
    fs::write(&data, [1; 100]).unwrap();
    assert!(!text(&run(annulus().arg("doctor"))).contains(&data));
    ring.unlink().unwrap();
}

/// Files that are removed, also on failure.
struct Gone(Vec<String>);

impl Drop for Gone {
    fn drop(&mut self) {
        for file in &self.0 {
            let _ = fs::remove_file(file);
        }
    }
}

#[test]
fn a_system_v_key_whose_ring_is_gone_is_a_leftover() {
    let scene = Scene::new(Place::SysV);
    let ring = annulus::spsc::<u64>(&scene.name).backing(scene.backing());
    let ring = ring.create().unwrap();
    let Backing::SysV { key: Some(key) } = ring.backing() else {
        panic!("a System V ring says its key");
    };
    let shown = format!("{key:#x}: a System V key without a finished ring");
    assert!(!text(&run(annulus().arg("doctor"))).contains(&shown));
    // SAFETY: asks for the segment of a key that only this test uses, and marks it for removal.
    let removed = unsafe {
        libc::shmctl(
            libc::shmget(key, 0, 0),
            libc::IPC_RMID,
            std::ptr::null_mut(),
        )
    };
    assert_eq!(removed, 0);
    let said = text(&run(annulus().arg("doctor")));
    assert!(said.contains(&shown), "{said}");
    assert!(run(&mut scene.tool("rm")).status.success());
    assert!(!text(&run(annulus().arg("doctor"))).contains(&shown));
}
