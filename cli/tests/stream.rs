//! Streams that end well: every backing, both orders of starting, files and pipes.

mod common;

use common::{LIMIT, PLACES, Place, Running, Scene, noise, run, stderr_of};
use std::fs::{self, File};
use std::io::{Read, Write};
use std::process::{Command, Stdio};
use std::time::Duration;

const KINDS: [&str; 2] = ["--kind=spsc", "--kind=mpsc"];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum First {
    Sender,
    Receiver,
    Together,
}

/// Options that `recv` does not have.
const SENDERS_OWN: [&str; 3] = ["--chunk=", "--lines", "--frames"];

/// Streams `data` once and checks both ends and what arrived.
#[track_caller]
fn stream(scene: &Scene, first: First, pipes: bool, data: &[u8], options: &[&str]) {
    let (from, to) = (scene.file("from"), scene.file("to"));
    fs::write(&from, data).unwrap();
    let (mut send, mut recv) = (scene.tool("send"), scene.tool("recv"));
    send.args(options);
    recv.args(
        options
            .iter()
            .filter(|o| SENDERS_OWN.iter().all(|own| !o.starts_with(own))),
    );
    if pipes {
        send.stdin(Stdio::piped());
        recv.stdout(Stdio::piped());
    } else {
        send.arg(&from);
        recv.arg(&to);
    }
    let start = |command: &mut Command| Running::start(command);
    let (mut sender, mut receiver) = match first {
        First::Receiver => {
            let receiver = start(&mut recv);
            scene.wait_until(|status| status.consumers[0].generation == 1);
            (start(&mut send), receiver)
        }
        First::Sender => {
            let sender = start(&mut send);
            scene.wait_until(|status| status.producers.iter().any(|end| end.generation == 1));
            (sender, start(&mut recv))
        }
        First::Together => (start(&mut send), start(&mut recv)),
    };
    let arrived = if pipes {
        let mut into = sender.0.stdin.take().unwrap();
        let mut out = receiver.0.stdout.take().unwrap();
        std::thread::scope(|scope| {
            scope.spawn(move || into.write_all(data).unwrap());
            let mut arrived = Vec::new();
            out.read_to_end(&mut arrived).unwrap();
            arrived
        })
    } else {
        Vec::new()
    };
    let (sent, sender_said) = sender.end();
    let (received, receiver_said) = receiver.end();
    let arrived = if pipes {
        arrived
    } else {
        fs::read(&to).unwrap()
    };
    let case = format!(
        "{:?} {first:?} pipes: {pipes}\n{sender_said}{receiver_said}",
        scene.place
    );
    assert!(sent.success() && received.success(), "{case}");
    assert!(arrived == data, "what arrived is not what was sent: {case}");
    let checksum = |said: &str| said.split("xxh3 ").nth(1).map(|rest| rest[..16].to_owned());
    assert!(checksum(&sender_said).is_some(), "{case}");
    assert_eq!(checksum(&sender_said), checksum(&receiver_said));
    scene.assert_clean();
}

#[test]
fn every_backing_carries_files_and_pipes_in_both_orders_of_starting() {
    let data = noise(3_000_001);
    for place in PLACES {
        for first in [First::Receiver, First::Sender, First::Together] {
            for pipes in [false, true] {
                stream(&Scene::new(place), first, pipes, &data, &[]);
            }
        }
    }
}

#[test]
fn a_ring_for_several_senders_carries_a_single_one_in_both_orders_of_starting() {
    let data = noise(3_000_001);
    for place in PLACES {
        for first in [First::Receiver, First::Sender, First::Together] {
            stream(&Scene::new(place), first, true, &data, &["--kind=mpsc"]);
        }
    }
}

#[test]
fn whoever_says_no_kind_takes_the_one_that_is_there() {
    for kind in KINDS {
        let scene = Scene::new(Place::Posix);
        let receiver = Running::start(scene.tool("recv").arg(kind).arg(scene.file("to")));
        scene.wait_until(|status| status.consumers[0].generation == 1);
        let sent = run(&mut scene.tool("send"));
        let (received, said) = receiver.end();
        assert!(sent.status.success(), "{}{said}", stderr_of(&sent));
        assert!(received.success(), "{said}");
        let sender = Running::start(scene.tool("send").arg(kind).stdin(Stdio::null()));
        scene.wait_until(|status| status.producers.iter().any(|end| end.generation == 1));
        let received = run(&mut scene.tool("recv"));
        assert!(received.status.success(), "{}", stderr_of(&received));
        assert!(sender.end().0.success());
        scene.assert_clean();
    }
}

#[test]
fn capacities_and_chunks_are_said_with_units() {
    let scene = Scene::new(Place::Posix);
    let options = ["--capacity", "128k"];
    let receiver = Running::start(scene.tool("recv").args(options).stdout(Stdio::null()));
    let status = scene.wait_until(|status| status.consumers[0].generation == 1);
    assert_eq!(status.capacity, 128 << 10);
    let sent = run(scene
        .tool("send")
        .args(["--capacity", "128K", "--chunk", "16K"]));
    assert!(sent.status.success(), "{}", stderr_of(&sent));
    assert!(receiver.end().0.success());
}

#[test]
fn a_stream_of_nothing_arrives_as_nothing() {
    for place in PLACES {
        for pipes in [false, true] {
            stream(&Scene::new(place), First::Receiver, pipes, &[], &[]);
        }
        stream(&Scene::new(place), First::Sender, true, &[], &[]);
    }
}

#[test]
fn the_smallest_ring_and_every_way_of_waiting_carry_a_stream() {
    let data = noise(20_011);
    let smallest = ["--capacity", "256", "--chunk=7"];
    for kind in KINDS {
        let options = [&smallest[..], &[kind]].concat();
        let scene = Scene::new(Place::Posix);
        stream(&scene, First::Together, true, &data, &options);
    }
    for wait in ["spin", "yield", "park"] {
        let options = ["--wait-strategy", wait, "--chunk=1000"];
        let scene = Scene::new(Place::Posix);
        stream(&scene, First::Together, false, &data, &options);
    }
}

#[test]
fn semaphores_carry_a_stream_and_are_removed_with_the_ring() {
    for place in PLACES {
        let scene = Scene::new(place);
        let from = scene.file("from");
        fs::write(&from, noise(500_000)).unwrap();
        let mut recv = scene.tool("recv");
        let receiver = Running::start(recv.arg(scene.file("to")).args(["--wait-backend", "sem"]));
        let status = scene.wait_until(|status| status.consumers[0].generation == 1);
        assert_eq!(status.wait_backend, annulus::WaitBackend::Semaphore);
        let sender = Running::start(scene.tool("send").arg(&from));
        let (sent, said) = sender.end();
        assert!(sent.success(), "{said}{}", receiver.end().1);
        assert!(receiver.end().0.success());
        scene.assert_clean();
        let instance = format!("{:016x}", status.instance);
        let left = fs::read_dir("/dev/shm")
            .unwrap()
            .flatten()
            .any(|entry| entry.file_name().to_string_lossy().contains(&instance));
        assert!(!left, "a semaphore was left behind");
    }
}

#[test]
fn what_the_output_file_held_before_is_gone() {
    let scene = Scene::new(Place::Posix);
    fs::write(scene.file("to"), noise(100_000)).unwrap();
    stream(&scene, First::Together, false, &noise(500), &[]);
}

#[test]
fn a_sender_does_not_end_before_its_receiver_has_written_everything() {
    let scene = Scene::new(Place::Posix);
    let from = scene.file("from");
    // Less than the ring holds, more than the receiver's stdout does.
    let data = noise(1_000_000);
    fs::write(&from, &data).unwrap();
    let mut receiver = Running::start(scene.tool("recv").stdout(Stdio::piped()));
    let mut sender = Running::start(scene.tool("send").arg(&from));
    std::thread::sleep(Duration::from_millis(400));
    assert!(
        sender.0.try_wait().unwrap().is_none(),
        "done before anybody has read"
    );
    let mut arrived = Vec::new();
    receiver
        .0
        .stdout
        .take()
        .unwrap()
        .read_to_end(&mut arrived)
        .unwrap();
    assert!(arrived == data);
    assert!(sender.end().0.success());
    assert!(receiver.end().0.success());
}

#[test]
fn a_slow_trickle_arrives_while_the_sender_is_still_at_it() {
    let scene = Scene::new(Place::Posix);
    let mut receiver = Running::start(scene.tool("recv").stdout(Stdio::piped()));
    let mut sender = Running::start(scene.tool("send").stdin(Stdio::piped()));
    let (mut into, mut out) = (
        sender.0.stdin.take().unwrap(),
        receiver.0.stdout.take().unwrap(),
    );
    for word in [*b"one", *b"two"] {
        into.write_all(&word).unwrap();
        let mut arrived = [0; 3];
        out.read_exact(&mut arrived).unwrap();
        assert_eq!(arrived, word);
    }
    drop(into);
    assert!(sender.end().0.success());
    assert!(receiver.end().0.success());
    scene.assert_clean();
}

#[test]
fn two_streams_one_after_the_other_use_the_same_name() {
    let scene = Scene::new(Place::Posix);
    for n in [10, 70_000, 0] {
        stream(&scene, First::Sender, false, &noise(n), &[]);
    }
}

#[test]
fn a_kept_ring_shows_its_last_state_and_carries_no_other_stream() {
    let scene = Scene::new(Place::Posix);
    let from = scene.file("from");
    fs::write(&from, noise(1000)).unwrap();
    let keep = |command: &str| {
        let mut tool = scene.tool(command);
        tool.arg("--keep");
        tool
    };
    let receiver = Running::start(keep("recv").arg(scene.file("to")));
    let sender = Running::start(keep("send").arg(&from));
    assert!(sender.end().0.success() && receiver.end().0.success());
    let status = scene.wait_until(|_| true);
    assert!(status.producers[0].closed && status.consumers[0].closed && status.len == 0);
    for command in ["send", "recv"] {
        let (status, said) = Running::start(scene.tool(command).stdin(Stdio::null())).end();
        assert_eq!(status.code(), Some(3));
        assert!(
            said.contains("has ended") && said.contains("annulus rm"),
            "{said}"
        );
    }
}

#[test]
fn a_receiver_that_waited_in_a_ring_that_is_removed_waits_in_the_next_one() {
    for place in [Place::Posix, Place::SysV] {
        let scene = Scene::new(place);
        let receiver = Running::start(scene.tool("recv").arg(scene.file("to")));
        let first = scene
            .wait_until(|status| status.consumers[0].generation == 1)
            .instance;
        annulus::unlink(scene.backing(), &scene.name).unwrap();
        scene.wait_until(|status| status.instance != first && status.consumers[0].generation == 1);
        let mut sender = Running::start(scene.tool("send").stdin(Stdio::piped()));
        sender.0.stdin.take().unwrap().write_all(b"found").unwrap();
        assert!(sender.end_within(LIMIT).0.success());
        assert!(receiver.end().0.success());
        assert_eq!(fs::read(scene.file("to")).unwrap(), b"found");
        scene.assert_clean();
    }
}

#[test]
fn the_bar_is_not_drawn_where_there_is_no_terminal() {
    let scene = Scene::new(Place::Posix);
    let from = scene.file("from");
    fs::write(&from, noise(5 << 20)).unwrap();
    let receiver = Running::start(
        scene
            .tool("recv")
            .stdout(File::create(scene.file("to")).unwrap()),
    );
    let (status, said) = Running::start(scene.tool("send").arg(&from)).end();
    assert!(status.success());
    assert!(!said.contains('\r') && !said.contains('\x1b'), "{said:?}");
    assert!(receiver.end().0.success());
}
