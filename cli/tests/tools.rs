//! `ls`, `stat`, `rm` and the help.

mod common;

use common::{PLACES, Place, Running, Scene, annulus, run, stderr_of};
use serde_json::Value;
use std::fs;
use std::process::Output;

#[track_caller]
fn json(output: &Output) -> Value {
    assert!(output.status.success(), "{}", stderr_of(output));
    serde_json::from_slice(&output.stdout).expect("one JSON value on stdout")
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A ring with two messages, whose consumer was never there.
fn ring_with_two(scene: &Scene) -> (annulus::Ring<annulus::Spsc<u64>>, annulus::Producer<u64>) {
    let ring = annulus::spsc::<u64>(&scene.name)
        .backing(scene.backing())
        .capacity(16)
        .schema(7)
        .create()
        .unwrap();
    let mut tx = ring.producer().unwrap();
    tx.try_push(&1).unwrap();
    tx.try_push(&2).unwrap();
    (ring, tx)
}

/// Leaves the ring, and waits until no process that another test is just starting has a copy of the descriptor that
/// proves this one alive.
fn leave(scene: &Scene, tx: annulus::Producer<u64>) {
    drop(tx);
    scene.wait_until(|status| status.producers[0].state == annulus::Peer::Left);
}

#[test]
fn stat_shows_fill_and_ends_in_words_and_as_json() {
    for place in PLACES {
        let scene = Scene::new(place);
        let (ring, tx) = ring_with_two(&scene);
        let shown = json(&run(scene.tool("stat").arg("--json")));
        assert_eq!(shown["capacity"], 16);
        assert_eq!(shown["slot_size"], 8);
        assert_eq!([&shown["kind"], &shown["element"]], ["spsc", "slots"]);
        assert!(shown["lag_bytes"].is_null(), "slots lag in messages");
        assert_eq!(shown["len"], 2);
        assert_eq!(shown["taken"], 0);
        assert_eq!(shown["schema"], "7");
        assert_eq!(shown["instance"], format!("{:#018x}", ring.instance()));
        assert_eq!(shown["producer"]["state"], "alive");
        assert_eq!(shown["producer"]["pid"], std::process::id());
        assert_eq!(shown["consumer"]["state"], "never");
        assert!(shown["consumer"]["pid"].is_null());
        let words = text(&run(&mut scene.tool("stat")));
        let alive = format!("process {}, alive", std::process::id());
        for part in ["16 slots of 8 bytes", "2 waiting", &alive, "never there"] {
            assert!(words.contains(part), "{part:?} is missing:\n{words}");
        }
        leave(&scene, tx);
        assert_eq!(
            json(&run(scene.tool("stat").arg("--json")))["producer"]["state"],
            "left"
        );
    }
}

#[test]
fn rings_of_records_are_shown_with_bytes_and_every_producer() {
    for place in PLACES {
        let scene = Scene::new(place);
        let ring = annulus::mpsc_records(&scene.name)
            .backing(scene.backing())
            .capacity_bytes(4096)
            .producers(5)
            .create()
            .unwrap();
        let (mut first, second) = (ring.producer().unwrap(), ring.producer().unwrap());
        first.try_push(&[1; 1000]).unwrap();
        let shown = json(&run(scene.tool("stat").arg("--json")));
        assert_eq!([&shown["kind"], &shown["element"]], ["mpsc", "records"]);
        assert_eq!(shown["capacity"], 4096);
        assert_eq!(shown["slot_size"], 2040);
        assert_eq!(shown["lag_bytes"], 1008);
        assert_eq!(shown["places"], 5);
        assert!(shown["producer"].is_null());
        let producers = shown["producers"].as_array().unwrap();
        assert_eq!(producers.len(), 2);
        for producer in producers {
            assert_eq!(producer["state"], "alive");
            assert_eq!(producer["pid"], std::process::id());
        }
        let words = text(&run(&mut scene.tool("stat")));
        for part in [
            "mpsc records: many producers, one consumer",
            "4,096 bytes, records of up to 2,040 bytes",
            "lags by 1,008 (24 % of the ring)",
            "2 alive, room for 5 at a time",
        ] {
            assert!(words.contains(part), "{part:?} is missing:\n{words}");
        }
        let alive = format!("process {}, alive", std::process::id());
        assert_eq!(words.matches(&alive).count(), 2, "{words}");
        if place == Place::Posix {
            let table = text(&run(annulus().arg("ls")));
            let row = table.lines().find(|line| line.starts_with(&scene.name));
            let row = row.unwrap();
            for part in ["mpsc records", "4.00 KiB", "1008 B (24 %)", "2 of 5 alive"] {
                assert!(row.contains(part), "{part:?} is missing: {row}");
            }
        }
        // Any of the producers keeps it from being removed.
        drop(first);
        let refused = run(&mut scene.tool("rm"));
        assert_eq!(refused.status.code(), Some(4));
        drop(second);
    }
}

#[test]
fn a_ring_of_records_with_one_producer_is_shown_as_such() {
    let scene = Scene::new(Place::Posix);
    let ring = annulus::spsc_records(&scene.name).create().unwrap();
    let _tx = ring.producer().unwrap();
    let shown = json(&run(scene.tool("stat").arg("--json")));
    assert_eq!([&shown["kind"], &shown["element"]], ["spsc", "records"]);
    assert_eq!(shown["lag_bytes"], 0);
    assert_eq!(shown["producer"]["state"], "alive");
    assert_eq!(shown["producers"].as_array().unwrap().len(), 1);
    assert!(text(&run(&mut scene.tool("stat"))).contains("none waiting (empty)"));
}

#[test]
fn readers_of_a_broadcast_are_shown_with_lag_and_loss() {
    for place in PLACES {
        let scene = Scene::new(place);
        let ring = annulus::broadcast::<u64>(&scene.name)
            .backing(scene.backing())
            .capacity(16)
            .readers(4)
            .create()
            .unwrap();
        let mut tx = ring.producer().unwrap();
        let mut lossy = ring.reader(annulus::Join::Newest).unwrap();
        for n in 0..100 {
            tx.try_push(&n).unwrap();
        }
        let Err(annulus::TryReadError::Lost(lost)) = lossy.try_read() else {
            panic!("a hundred do not fit into sixteen");
        };
        let _lossless = ring.lossless_reader(annulus::Join::Newest).unwrap();
        for n in 100..103 {
            tx.try_push(&n).unwrap();
        }
        let shown = json(&run(scene.tool("stat").arg("--json")));
        assert_eq!([&shown["kind"], &shown["element"]], ["broadcast", "slots"]);
        assert_eq!((&shown["len"], &shown["taken"]), (&3.into(), &100.into()));
        assert_eq!(shown["consumer_places"], 4);
        assert!(shown["consumer"].is_null());
        assert_eq!(shown["producer"]["state"], "alive");
        let readings: Vec<_> = shown["consumers"]
            .as_array()
            .unwrap()
            .iter()
            .map(|end| &end["reading"])
            .collect();
        assert_eq!(readings.len(), 2);
        let of = |lossless: bool| readings.iter().find(|r| r["lossless"] == lossless).unwrap();
        assert_eq!(of(false)["lost"], lost);
        assert_eq!(of(false)["position"], lost);
        assert_eq!(of(false)["lag"], 103 - lost);
        assert_eq!(
            (&of(true)["lost"], &of(true)["lag"]),
            (&0.into(), &3.into())
        );
        let words = text(&run(&mut scene.tool("stat")));
        for part in [
            "broadcast slots: one producer, many readers",
            "2 alive, room for 4 at a time",
            &format!(
                "lossy, at {lost}, lags by {} messages, lost {lost}",
                103 - lost
            ),
            "lossless, at 100, lags by 3 messages, lost 0",
        ] {
            assert!(words.contains(part), "{part:?} is missing:\n{words}");
        }
        if place == Place::Posix {
            let table = text(&run(annulus().arg("ls")));
            let row = table.lines().find(|line| line.starts_with(&scene.name));
            let row = row.unwrap();
            let lost = format!("2 of 4 alive, lost {lost}");
            for part in ["broadcast slots", "3/16", &lost] {
                assert!(row.contains(part), "{part:?} is missing: {row}");
            }
        }
    }
}

#[test]
fn every_consumer_of_a_shared_ring_is_shown() {
    let scene = Scene::new(Place::Posix);
    let ring = annulus::mpmc::<u64>(&scene.name)
        .capacity(8)
        .producers(2)
        .consumers(3)
        .create()
        .unwrap();
    let mut tx = ring.producer().unwrap();
    let (mut first, _second) = (ring.consumer().unwrap(), ring.consumer().unwrap());
    assert_eq!(tx.try_push_many(&[1, 2, 3]), Ok(3));
    assert_eq!(first.try_pop(), Ok(1));
    let shown = json(&run(scene.tool("stat").arg("--json")));
    assert_eq!([&shown["kind"], &shown["element"]], ["mpmc", "slots"]);
    assert_eq!((&shown["taken"], &shown["len"]), (&1.into(), &2.into()));
    assert_eq!(
        (&shown["places"], &shown["consumer_places"]),
        (&2.into(), &3.into())
    );
    assert_eq!(shown["consumers"].as_array().unwrap().len(), 2);
    assert!(shown["consumers"][0]["reading"].is_null());
    assert_eq!(
        (&shown["orphans"], &shown["dropped"]),
        (&"redeliver".into(), &0.into())
    );
    let first = &shown["consumers"][0];
    assert_eq!((&first["place"], &first["holds"]), (&0.into(), &0.into()));
    assert_eq!(first["stopped"], false);
    assert!(shown["producer"].is_null() && shown["consumer"].is_null());
    let table = text(&run(annulus().arg("ls")));
    let row = table.lines().find(|line| line.starts_with(&scene.name));
    let row = row.unwrap();
    for part in ["mpmc slots", "2/8", "1 of 2 alive", "2 of 3 alive"] {
        assert!(row.contains(part), "{part:?} is missing: {row}");
    }
}

#[test]
fn a_dead_end_is_shown_as_dead() {
    for place in [Place::Posix, Place::SysV] {
        let scene = Scene::new(place);
        let receiver = Running::start(&mut scene.tool("recv"));
        scene.wait_until(|status| status.consumers[0].generation == 1);
        let shown = json(&run(scene.tool("stat").arg("--json")));
        assert_eq!(shown["consumer"]["state"], "alive");
        assert_eq!(shown["is_stream"], true);
        receiver.signal(libc::SIGKILL);
        receiver.end();
        let shown = json(&run(scene.tool("stat").arg("--json")));
        assert_eq!(shown["consumer"]["state"], "died");
    }
}

#[test]
fn ls_lists_rings_in_posix_and_system_v_memory() {
    let posix = Scene::new(Place::Posix);
    let sysv = Scene::new(Place::SysV);
    let (_posix_ring, _tx) = ring_with_two(&posix);
    let (sysv_ring, _tx2) = ring_with_two(&sysv);
    let annulus::Backing::SysV { key: Some(key) } = sysv_ring.backing() else {
        panic!("a System V ring says its key");
    };
    let key = format!("{key:#x}");
    let listed = json(&run(annulus().args(["ls", "--json"])));
    let of = |name: &str| {
        let all = listed.as_array().unwrap();
        all.iter()
            .find(|ring| ring["name"] == name)
            .cloned()
            .unwrap()
    };
    assert_eq!(of(&posix.name)["backing"], "posix-shm");
    assert_eq!(of(&posix.name)["len"], 2);
    assert_eq!(of(&key)["backing"], "sysv");
    let table = text(&run(annulus().arg("ls")));
    let row = table
        .lines()
        .find(|line| line.starts_with(&posix.name))
        .unwrap();
    assert!(row.contains("2/16") && row.contains("alive"), "{row}");
    // What ls calls it, stat and rm find.
    assert_eq!(
        json(&run(annulus().args(["stat", &key, "--json"])))["len"],
        2
    );
    assert!(
        run(annulus().args(["rm", "--force", &key]))
            .status
            .success()
    );
    assert!(!sysv.exists());
}

#[test]
fn rm_removes_a_ring_that_nobody_uses_and_refuses_one_in_use() {
    for place in PLACES {
        let scene = Scene::new(place);
        let (_ring, tx) = ring_with_two(&scene);
        // Without a backing it is found by its name.
        let mut bare = annulus();
        let refused = run(bare.args(["rm", &scene.name]));
        assert_eq!(refused.status.code(), Some(4));
        assert!(stderr_of(&refused).contains("--force"));
        assert!(scene.exists());
        leave(&scene, tx);
        let removed = run(annulus().args(["rm", &scene.name]));
        assert!(
            removed.status.success(),
            "{place:?}: {}",
            stderr_of(&removed)
        );
        scene.assert_clean();
    }
}

#[test]
fn what_is_not_there_and_what_is_no_ring_are_told_apart_from_success() {
    let scene = Scene::new(Place::File);
    for command in ["stat", "rm"] {
        let absent = run(annulus().args([command, "annulus-cli-test-absent"]));
        assert_eq!(absent.status.code(), Some(3));
        assert!(stderr_of(&absent).contains("annulus ls"));
        fs::write(&scene.name, vec![1; 50_000]).unwrap();
        let other = run(&mut scene.tool(command));
        assert_eq!(other.status.code(), Some(3));
        assert!(stderr_of(&other).contains("not a ring"));
        assert!(fs::exists(&scene.name).unwrap());
    }
}

#[test]
fn a_damaged_ring_can_be_removed() {
    let scene = Scene::new(Place::File);
    drop(ring_with_two(&scene));
    // The header's magic stays, its geometry goes.
    let file = fs::File::options().write(true).open(&scene.name).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, &[0xff; 40], 16).unwrap();
    assert_eq!(run(&mut scene.tool("stat")).status.code(), Some(3));
    assert!(run(&mut scene.tool("rm")).status.success());
    assert!(!fs::exists(&scene.name).unwrap());
}

#[test]
fn semaphores_without_their_memory_can_be_removed() {
    let scene = Scene::new(Place::SysV);
    let (ring, tx) = ring_with_two(&scene);
    let annulus::Backing::SysV { key: Some(key) } = ring.backing() else {
        panic!("a System V ring says its key");
    };
    drop(tx);
    // SAFETY: asks for the segment of a key that only this test uses, and marks it for removal.
    let removed = unsafe {
        libc::shmctl(
            libc::shmget(key, 0, 0),
            libc::IPC_RMID,
            std::ptr::null_mut(),
        )
    };
    assert_eq!(removed, 0);
    // SAFETY: only asks whether a set of that key is there.
    let set_is_there = || unsafe { libc::semget(key, 0, 0) } != -1;
    assert!(set_is_there());
    assert!(run(&mut scene.tool("rm")).status.success());
    assert!(!set_is_there());
    assert_eq!(run(&mut scene.tool("rm")).status.code(), Some(3));
}

#[test]
fn help_names_every_command_and_the_exit_statuses() {
    let help = text(&run(annulus().arg("--help")));
    for part in [
        "send",
        "recv",
        "tail",
        "ls",
        "stat",
        "rm",
        "doctor",
        "repair",
        "bench",
        "demo",
        "Exit status",
    ] {
        assert!(help.contains(part), "{part:?} is missing:\n{help}");
    }
    assert!(!help.contains("demo-part"));
    assert!(text(&run(annulus().args(["send", "--help"]))).contains("annulus recv backup"));
}
