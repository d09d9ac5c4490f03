//! Streams that do not end well: who is told what, with which exit status, and that nothing is left behind.

mod common;

use common::{PLACES, Place, Running, Scene, noise, run, stderr_of};
use std::fs;
use std::io::{Read, Write};
use std::process::Stdio;
use std::time::Duration;

/// How soon the death of one end ends the other.
const SOON: Duration = Duration::from_secs(1);

/// A sender and a receiver in the middle of a stream whose input does not end.
fn midstream(scene: &Scene) -> (Running, Running) {
    let receiver = Running::start(scene.tool("recv").arg(scene.file("to")));
    let mut sender = Running::start(scene.tool("send").stdin(Stdio::piped()));
    let into = sender.0.stdin.as_mut().unwrap();
    into.write_all(&noise(300_000)).unwrap();
    scene.wait_until(|status| status.taken > 300_000 && status.len == 0);
    (sender, receiver)
}

fn somebody_came(status: &annulus::Status) -> bool {
    let producers = status.producers.iter().map(|end| end.generation);
    producers.sum::<u64>() + status.consumers[0].generation == 1
}

#[test]
fn a_killed_sender_ends_the_receiver_within_a_second() {
    for place in PLACES {
        let scene = Scene::new(place);
        let (sender, receiver) = midstream(&scene);
        sender.signal(libc::SIGKILL);
        let (status, said) = receiver.end_within(SOON);
        assert_eq!(status.code(), Some(1));
        assert!(said.contains("the sender died"), "{said}");
        scene.assert_clean();
    }
}

#[test]
fn a_killed_receiver_ends_a_sender_that_waits_for_its_input_within_a_second() {
    for place in PLACES {
        let scene = Scene::new(place);
        let (sender, receiver) = midstream(&scene);
        receiver.signal(libc::SIGKILL);
        let (status, said) = sender.end_within(SOON);
        assert_eq!(status.code(), Some(1));
        assert!(said.contains("the receiver died"), "{said}");
        scene.assert_clean();
    }
}

#[test]
fn a_killed_receiver_ends_a_sender_that_waits_for_room_within_a_second() {
    for place in PLACES {
        let scene = Scene::new(place);
        let small = ["--capacity", "1K"];
        let receiver = Running::start(scene.tool("recv").args(small).stdout(Stdio::piped()));
        let sender = Running::start(scene.tool("send").arg("/dev/zero").args(small));
        // Nobody reads the receiver's output, so the ring fills up.
        scene.wait_until(|status| status.taken > 0 && status.len > 500);
        receiver.signal(libc::SIGKILL);
        let (status, said) = sender.end_within(SOON);
        assert_eq!(status.code(), Some(1), "{said}");
        assert!(said.contains("the receiver died"), "{said}");
        scene.assert_clean();
    }
}

#[test]
fn an_interrupted_end_tells_the_other_and_leaves_nothing() {
    for place in PLACES {
        for signal in [libc::SIGINT, libc::SIGTERM] {
            let scene = Scene::new(place);
            let (sender, receiver) = midstream(&scene);
            sender.signal(signal);
            let (status, said) = sender.end();
            assert_eq!(status.code(), Some(128 + signal), "{said}");
            let (status, said) = receiver.end_within(SOON);
            assert_eq!(status.code(), Some(1));
            assert!(said.contains("the sender was interrupted"), "{said}");
            scene.assert_clean();

            let scene = Scene::new(place);
            let (sender, receiver) = midstream(&scene);
            receiver.signal(signal);
            assert_eq!(receiver.end().0.code(), Some(128 + signal));
            let (status, said) = sender.end_within(SOON);
            assert_eq!(status.code(), Some(1));
            assert!(said.contains("the receiver stopped"), "{said}");
            scene.assert_clean();
        }
    }
}

#[test]
fn an_end_that_is_interrupted_while_it_waits_alone_leaves_nothing() {
    for place in PLACES {
        for command in ["send", "recv"] {
            let scene = Scene::new(place);
            let alone = Running::start(scene.tool(command).stdin(Stdio::piped()));
            scene.wait_until(somebody_came);
            alone.signal(libc::SIGINT);
            assert_eq!(alone.end().0.code(), Some(130));
            scene.assert_clean();
        }
    }
}

#[test]
fn a_ring_whose_only_user_was_killed_while_waiting_is_used_by_the_next() {
    for place in PLACES {
        for command in ["send", "recv"] {
            let scene = Scene::new(place);
            let killed = Running::start(scene.tool(command).stdin(Stdio::piped()));
            scene.wait_until(somebody_came);
            killed.signal(libc::SIGKILL);
            killed.end();
            let receiver = Running::start(scene.tool("recv").arg(scene.file("to")));
            let mut sender = Running::start(scene.tool("send").stdin(Stdio::piped()));
            sender
                .0
                .stdin
                .take()
                .unwrap()
                .write_all(b"in spite of it")
                .unwrap();
            assert!(sender.end().0.success());
            assert!(receiver.end().0.success());
            assert_eq!(fs::read(scene.file("to")).unwrap(), b"in spite of it");
            scene.assert_clean();
        }
    }
}

#[test]
fn what_two_killed_ends_left_is_named_and_can_be_removed() {
    for place in PLACES {
        let scene = Scene::new(place);
        let (sender, receiver) = midstream(&scene);
        // Stopped first, so that neither notices the other's death.
        for process in [&sender, &receiver] {
            process.signal(libc::SIGSTOP);
        }
        for process in [sender, receiver] {
            process.signal(libc::SIGKILL);
            process.end();
        }
        for command in ["send", "recv"] {
            let refused = run(&mut scene.tool(command));
            let said = stderr_of(&refused);
            assert_eq!(refused.status.code(), Some(3), "{said}");
            assert!(
                said.contains("interrupted stream") && said.contains("annulus rm"),
                "{said}"
            );
        }
        assert!(run(&mut scene.tool("rm")).status.success());
        scene.assert_clean();
    }
}

#[test]
fn a_second_sender_and_a_second_receiver_are_refused() {
    for place in PLACES {
        let scene = Scene::new(place);
        let (mut sender, receiver) = midstream(&scene);
        for (command, process) in [("send", &sender), ("recv", &receiver)] {
            let refused = run(&mut scene.tool(command));
            let said = stderr_of(&refused);
            assert_eq!(refused.status.code(), Some(4), "{said}");
            assert!(
                said.contains(&format!("process {}", process.pid())),
                "{said}"
            );
        }
        // The stream was not disturbed.
        drop(sender.0.stdin.take());
        assert!(sender.end().0.success());
        assert!(receiver.end().0.success());
        assert!(fs::read(scene.file("to")).unwrap() == noise(300_000));
    }
}

#[test]
fn an_existing_ring_of_another_shape_is_refused_and_left_alone() {
    let scene = Scene::new(Place::Posix);
    let receiver = Running::start(
        scene
            .tool("recv")
            .args(["--capacity", "64K"])
            .stdout(Stdio::null()),
    );
    scene.wait_until(|status| status.consumers[0].generation == 1);
    for (options, word, status) in [
        (["--capacity", "32K"], "65,536 bytes, not 32,768", 3),
        (["--wait-backend", "sem"], "wait back end", 3),
        (["--kind", "mpsc"], "is a ring of spsc records", 3),
        (["--chunk", "32761"], "32,760", 2),
    ] {
        let refused = run(scene.tool("send").args(options));
        let said = stderr_of(&refused);
        assert_eq!(refused.status.code(), Some(status), "{said}");
        assert!(said.contains(word) && said.contains(options[0]), "{said}");
    }
    // Without saying anything about the shape it is used as it is.
    assert!(run(&mut scene.tool("send")).status.success());
    assert!(receiver.end().0.success());
}

#[test]
fn a_ring_for_several_senders_is_refused_by_who_wants_one_for_itself() {
    let scene = Scene::new(Place::Posix);
    let sender = Running::start(
        scene
            .tool("send")
            .args(["--kind", "mpsc"])
            .stdin(Stdio::null()),
    );
    scene.wait_until(somebody_came);
    for command in ["send", "recv"] {
        let refused = run(scene.tool(command).args(["--kind", "spsc"]));
        assert_eq!(refused.status.code(), Some(3));
        assert!(stderr_of(&refused).contains("leave --kind out"));
    }
    assert!(run(&mut scene.tool("recv")).status.success());
    assert!(sender.end().0.success());
    scene.assert_clean();
}

#[test]
fn a_ring_of_another_program_and_things_that_are_no_rings_are_refused() {
    let scene = Scene::new(Place::File);
    let ring = annulus::spsc::<[u8]>(&scene.name)
        .backing(scene.backing())
        .slot_size(65_536)
        .create()
        .unwrap();
    let refused = run(&mut scene.tool("send"));
    assert_eq!(refused.status.code(), Some(3));
    assert!(stderr_of(&refused).contains("another program"));
    ring.unlink().unwrap();
    fs::write(&scene.name, noise(100_000)).unwrap();
    let refused = run(&mut scene.tool("recv"));
    assert_eq!(refused.status.code(), Some(3));
    assert!(stderr_of(&refused).contains("not a ring"));
    assert!(
        fs::read(&scene.name).unwrap() == noise(100_000),
        "it was touched"
    );
}

#[test]
fn no_wait_fails_at_once_when_nobody_is_there_and_leaves_nothing() {
    for place in PLACES {
        for (command, other) in [("send", "no receiver"), ("recv", "no sender")] {
            let scene = Scene::new(place);
            let refused = run(scene.tool(command).arg("--no-wait"));
            assert_eq!(refused.status.code(), Some(3));
            assert!(stderr_of(&refused).contains(other));
            scene.assert_clean();
        }
        let scene = Scene::new(place);
        let receiver = Running::start(scene.tool("recv").stdout(Stdio::null()));
        scene.wait_until(|status| status.consumers[0].generation == 1);
        assert!(run(scene.tool("send").arg("--no-wait")).status.success());
        assert!(receiver.end().0.success());
    }
}

#[test]
fn a_reader_of_stdout_that_goes_away_ends_both_ends() {
    let scene = Scene::new(Place::Posix);
    let mut receiver = Running::start(scene.tool("recv").stdout(Stdio::piped()));
    let sender = Running::start(scene.tool("send").arg("/dev/zero"));
    let mut out = receiver.0.stdout.take().unwrap();
    out.read_exact(&mut [0; 1000]).unwrap();
    drop(out);
    let (status, said) = receiver.end();
    assert_eq!(status.code(), Some(1));
    assert!(said.contains("stopped reading"), "{said}");
    let (status, said) = sender.end_within(SOON);
    assert_eq!(status.code(), Some(1));
    assert!(said.contains("the receiver stopped"), "{said}");
    scene.assert_clean();
}

#[test]
fn a_full_disk_ends_both_ends_with_its_name() {
    let scene = Scene::new(Place::Posix);
    let receiver = Running::start(scene.tool("recv").arg("/dev/full"));
    let sender = Running::start(scene.tool("send").arg("/dev/zero"));
    let (status, said) = receiver.end();
    assert_eq!(status.code(), Some(1));
    assert!(
        said.contains("No space left") && said.contains("free some space"),
        "{said}"
    );
    assert_eq!(sender.end_within(SOON).0.code(), Some(1));
    scene.assert_clean();
}

#[test]
fn input_and_output_that_cannot_be_opened_make_no_ring() {
    let scene = Scene::new(Place::Posix);
    for (command, path) in [("send", "absent"), ("send", "."), ("recv", "absent/file")] {
        let refused = run(scene.tool(command).arg(scene.file(path)));
        assert_eq!(refused.status.code(), Some(1));
        assert!(stderr_of(&refused).contains(path.trim_matches('.')));
        assert!(!scene.exists());
    }
}

#[test]
fn a_record_changed_in_the_ring_fails_both_ends_at_the_checksum() {
    let scene = Scene::new(Place::Posix);
    let from = scene.file("from");
    fs::write(&from, noise(200_000)).unwrap();
    let receiver = Running::start(scene.tool("recv").stdout(Stdio::piped()));
    scene.wait_until(|status| status.consumers[0].generation == 1);
    receiver.signal(libc::SIGSTOP);
    let sender = Running::start(scene.tool("send").arg(&from));
    scene.wait_until(|status| status.len > 200_000);
    // One bit in the middle of the second chunk, by way of the file behind the ring.
    let path = format!("/dev/shm/{}", scene.name);
    let mut bytes = fs::read(&path).unwrap();
    let needle = &noise(200_000)[100_000..100_064];
    let at = bytes
        .windows(needle.len())
        .position(|window| window == needle)
        .unwrap();
    bytes[at] ^= 0x10;
    let ring = fs::File::options().write(true).open(&path).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&ring, &bytes[at..at + 1], at as u64).unwrap();
    receiver.signal(libc::SIGCONT);
    let mut receiver = receiver;
    let mut arrived = Vec::new();
    receiver
        .0
        .stdout
        .take()
        .unwrap()
        .read_to_end(&mut arrived)
        .unwrap();
    let (status, said) = receiver.end();
    assert_eq!(status.code(), Some(1));
    assert!(said.contains("checksum is wrong"), "{said}");
    let (status, said) = sender.end_within(SOON);
    assert_eq!(status.code(), Some(1));
    assert!(said.contains("the receiver stopped"), "{said}");
    scene.assert_clean();
}
