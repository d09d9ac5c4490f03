//! `ls`, `stat`, `rm`, `bench`, `demo` and the help.

mod common;

use common::{PLACES, Place, Running, Scene, annulus, run, stderr_of};
use serde_json::Value;
use std::fs;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

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
fn the_quick_bench_prints_one_json_object_of_the_agreed_shape() {
    let output = run(annulus().args(["bench", "--quick", "--json", "--payload", "8,56,1024"]));
    let report = json(&output);
    assert!(report["machine"]["cores"].as_u64().unwrap() >= 1);
    for key in ["cpu", "kernel", "commit"] {
        assert!(report["machine"].get(key).is_some());
    }
    let placements = report["placements"].as_array().unwrap();
    // On a busy machine every round can be thrown away.
    for placement in placements {
        assert!(["near", "far"].contains(&placement["class"].as_str().unwrap()));
        assert!(placement["floor_rtt_ns"].as_f64().unwrap() > 0.0);
        assert!(placement["rounds"].as_u64().unwrap() > 0);
        for workload in placement["workloads"].as_array().unwrap() {
            assert_eq!(workload["kind"], "spsc");
            assert_eq!(workload["batch"], 1);
            assert!([8, 56, 1024].contains(&workload["payload_bytes"].as_u64().unwrap()));
            assert!(["spin", "park"].contains(&workload["wait"].as_str().unwrap()));
            let engine = &workload["engines"][0];
            assert_eq!(engine["name"], "annulus");
            assert_eq!(engine["across"], "processes");
            assert!(engine["throughput_msgs_per_s"].as_f64().unwrap() > 0.0);
            assert!(engine["rtt_ns"].as_f64().unwrap() > 0.0);
            assert!(engine["p50_ns"].is_null(), "what was not measured is null");
            assert!(workload["ours_over_floor_rtt"].as_f64().unwrap() > 0.0);
            assert!(workload["ours_over_best_peer_throughput"].is_null());
        }
    }
    assert!(
        stderr_of(&output).contains("kernel"),
        "the table goes to stderr"
    );
}

#[test]
fn the_quick_bench_of_records_has_the_same_shape() {
    let options = ["--quick", "--json", "--element", "records"];
    let report = json(&run(annulus().arg("bench").args(options)));
    for placement in report["placements"].as_array().unwrap() {
        for workload in placement["workloads"].as_array().unwrap() {
            assert_eq!(workload["kind"], "spsc");
            assert_eq!(workload["element"], "records");
            let class = workload["payload"].as_str().unwrap();
            let mean = workload["payload_bytes"].as_u64().unwrap();
            assert!([("24-200", 112), ("48", 48)].contains(&(class, mean)));
            let engines = workload["engines"].as_array().unwrap();
            assert!(engines.iter().any(|engine| engine["name"] == "annulus"));
            for engine in engines {
                assert!(engine["throughput_msgs_per_s"].as_f64().unwrap() > 0.0);
                assert!(engine["rtt_ns"].as_f64().unwrap() > 0.0);
            }
        }
    }
}

#[test]
fn a_payload_that_the_bench_was_not_compiled_for_is_wrong_usage() {
    let refused = run(annulus().args(["bench", "--payload", "57"]));
    assert_eq!(refused.status.code(), Some(2));
    assert!(stderr_of(&refused).contains("56"));
    let options = ["--element", "records", "--payload", "24-201"];
    let refused = run(annulus().arg("bench").args(options));
    assert_eq!(refused.status.code(), Some(2));
    assert!(stderr_of(&refused).contains("24-200"));
}

/// Names of rings that a demo of this process would have.
fn demo_ring(pid: i32) -> String {
    format!("/dev/shm/annulus-demo-{pid}")
}

#[test]
fn the_demo_ends_well_and_compares_with_a_pipe() {
    let mut demo = Command::new(env!("CARGO_BIN_EXE_annulus"));
    let demo = demo.args(["demo", "--seconds", "1"]).stdout(Stdio::piped());
    let mut demo = Running::start(demo);
    let pid = demo.pid();
    let mut shown = String::new();
    std::io::Read::read_to_string(&mut demo.0.stdout.take().unwrap(), &mut shown).unwrap();
    let (status, said) = demo.end();
    assert!(status.success(), "{said}");
    for part in [
        "ring, flat out",
        "pipe, flat out",
        "messages per second",
        "one-way time, p50",
        "p99.9",
    ] {
        assert!(shown.contains(part), "{part:?} is missing:\n{shown}");
    }
    assert!(!shown.contains('\x1b'), "no terminal, no escape sequences");
    assert!(!fs::exists(demo_ring(pid)).unwrap());
}

#[test]
fn an_interrupted_demo_leaves_no_ring_and_no_process() {
    let mut demo = Command::new(env!("CARGO_BIN_EXE_annulus"));
    let demo = Running::start(demo.args(["demo", "--seconds", "60"]).stdout(Stdio::null()));
    let pid = demo.pid();
    let ring = demo_ring(pid);
    let name = ring.trim_start_matches("/dev/shm/").to_owned();
    let status = loop {
        match annulus::inspect(annulus::Backing::PosixShm, &name) {
            Ok(status) if status.taken > 0 => break status,
            _ => std::thread::sleep(Duration::from_millis(5)),
        }
    };
    demo.signal(libc::SIGTERM);
    let (ended, said) = demo.end_within(Duration::from_secs(3));
    assert_eq!(ended.code(), Some(128 + libc::SIGTERM), "{said}");
    assert!(!fs::exists(&ring).unwrap());
    for child in [status.producers[0].pid, status.consumers[0].pid] {
        assert!(!fs::exists(format!("/proc/{child}")).unwrap());
    }
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
        "bench",
        "demo",
        "Exit status",
    ] {
        assert!(help.contains(part), "{part:?} is missing:\n{help}");
    }
    assert!(!help.contains("demo-end"));
    assert!(text(&run(annulus().args(["send", "--help"]))).contains("annulus recv backup"));
}
