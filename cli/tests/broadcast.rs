//! Several receivers of one sender that each get everything, and what they are told when they do not.

mod common;

use common::{LIMIT, PLACES, Place, Running, Scene, noise, run, stderr_of};
use std::fs;
use std::io::Write;
use std::process::Stdio;
use std::time::Duration;

const BROADCAST: [&str; 2] = ["--kind", "broadcast"];

fn recv(scene: &Scene, to: &str, options: &[&str]) -> Running {
    let mut recv = scene.tool("recv");
    Running::start(recv.args(BROADCAST).args(options).arg(scene.file(to)))
}

/// Waits until so many readers live.
fn wait_for_readers(scene: &Scene, n: usize) {
    let alive = |end: &&annulus::End| end.state == annulus::Peer::Alive;
    scene.wait_until(|status| status.consumers.iter().filter(alive).count() == n);
}

/// Waits until the sender waits for `n` readers: each of them has chosen where to begin. A living one may not have.
fn wait_for_lossless_readers(scene: &Scene, n: usize) {
    let has_joined = |end: &&annulus::End| end.reading.is_some_and(|reading| reading.lossless);
    scene.wait_until(|status| status.consumers.iter().filter(has_joined).count() == n);
}

/// Lines that tell where they belong.
fn lines(n: usize) -> String {
    (0..n)
        .map(|i| format!("{i} {}\n", "x".repeat(i % 90)))
        .collect()
}

#[test]
fn every_receiver_gets_everything_whoever_starts_first() {
    for place in PLACES {
        for sender_first in [false, true] {
            for (cut, data) in [
                (&[][..], noise(300_000)),
                (&["--lines"], lines(9_000).into_bytes()),
                (&["--frames"], frames()),
            ] {
                let scene = Scene::new(place);
                fs::write(scene.file("from"), &data).unwrap();
                let send = || {
                    let mut send = scene.tool("send");
                    send.args(BROADCAST).args(cut).args(["--wait-readers", "3"]);
                    Running::start(send.args(["--capacity", "64K"]).arg(scene.file("from")))
                };
                let receivers = || ["to-1", "to-2", "to-3"].map(|to| recv(&scene, to, &[]));
                let (sender, receivers) = if sender_first {
                    let sender = send();
                    scene.wait_until(|status| status.producers[0].generation == 1);
                    (sender, receivers())
                } else {
                    let mut first = recv(&scene, "to-1", &["--capacity", "64K"]);
                    wait_for_readers(&scene, 1);
                    let others = ["to-2", "to-3"].map(|to| recv(&scene, to, &[]));
                    assert!(first.0.try_wait().unwrap().is_none());
                    let [second, third] = others;
                    (send(), [first, second, third])
                };
                let (status, said) = sender.end();
                assert!(status.success(), "{said}");
                assert!(said.contains("verified by 3 receivers"), "{said}");
                for (receiver, to) in receivers.into_iter().zip(["to-1", "to-2", "to-3"]) {
                    let (status, said) = receiver.end();
                    assert!(status.success() && said.contains("verified"), "{said}");
                    assert!(fs::read(scene.file(to)).unwrap() == data, "{to} {cut:?}");
                }
                scene.assert_clean();
            }
        }
    }
}

/// Messages behind their lengths, some of them empty.
fn frames() -> Vec<u8> {
    let frame = |i: usize| {
        let body = vec![i as u8; i % 500];
        [&(body.len() as u32).to_le_bytes()[..], &body].concat()
    };
    (0..1_000).flat_map(frame).collect()
}

#[test]
fn a_last_line_without_a_newline_stays_without() {
    let scene = Scene::new(Place::Posix);
    fs::write(scene.file("from"), "one\n\nlast").unwrap();
    let receiver = recv(&scene, "to", &[]);
    let mut send = scene.tool("send");
    let sent = run(send.args(BROADCAST).arg("--lines").arg(scene.file("from")));
    assert!(sent.status.success(), "{}", stderr_of(&sent));
    assert!(receiver.end().0.success());
    assert_eq!(fs::read(scene.file("to")).unwrap(), b"one\n\nlast");
}

#[test]
fn a_lossy_receiver_that_stands_still_holds_nobody_up_and_is_told_how_many_it_lost() {
    for place in PLACES {
        let scene = Scene::new(place);
        let n = 20_000;
        let all = lines(n);
        fs::write(scene.file("from"), &all).unwrap();
        let stuck = recv(&scene, "lossy", &["--lossy", "--capacity", "64K"]);
        wait_for_readers(&scene, 1);
        let good = recv(&scene, "lossless", &[]);
        wait_for_readers(&scene, 2);
        stuck.signal(libc::SIGSTOP);
        let mut send = scene.tool("send");
        send.args(BROADCAST).arg("--lines");
        let sender = Running::start(send.arg(scene.file("from")));
        let (status, said) = good.end();
        assert!(status.success(), "{said}");
        let (status, said) = sender.end();
        assert!(status.success(), "{said}");
        // The ring's name is gone, and it reads on all the same.
        stuck.signal(libc::SIGCONT);
        let (status, said) = stuck.end();
        assert_eq!(status.code(), Some(6), "{said}");
        let received = fs::read_to_string(scene.file("lossy")).unwrap();
        let came = received.lines().count();
        // Nobody saw the sender's first word, which is a record as well.
        let lost = n + 1 - came;
        let told = said
            .split("lost ")
            .nth(1)
            .and_then(|rest| rest.split(' ').next())
            .map(|number| number.replace(',', ""));
        assert_eq!(told, Some(lost.to_string()), "{said}");
        assert!(came > 0 && all.ends_with(&received));
        assert!(fs::read_to_string(scene.file("lossless")).unwrap() == all);
        scene.assert_clean();
    }
}

#[test]
fn a_lossless_receiver_that_stands_still_holds_the_sender_up() {
    let scene = Scene::new(Place::Posix);
    let slow = recv(&scene, "to", &["--capacity", "64K"]);
    wait_for_readers(&scene, 1);
    let mut send = scene.tool("send");
    send.args(BROADCAST).stdin(Stdio::piped());
    let mut sender = Running::start(&mut send);
    let mut into = sender.0.stdin.take().unwrap();
    scene.wait_until(|status| status.taken > 0 && status.len == 0);
    slow.signal(libc::SIGSTOP);
    let feeder = std::thread::spawn(move || into.write_all(&noise(500_000)).unwrap());
    scene.wait_until(|status| status.len > 0);
    std::thread::sleep(Duration::from_millis(300));
    assert!(sender.0.try_wait().unwrap().is_none(), "it did not wait");
    slow.signal(libc::SIGCONT);
    feeder.join().unwrap();
    assert!(sender.end().0.success() && slow.end().0.success());
    assert!(fs::read(scene.file("to")).unwrap() == noise(500_000));
}

#[test]
fn who_comes_late_is_told_so_unless_it_asked_for_the_newest() {
    let scene = Scene::new(Place::Posix);
    let first = recv(&scene, "first", &["--capacity", "4K"]);
    wait_for_lossless_readers(&scene, 1);
    let mut send = scene.tool("send");
    send.args(BROADCAST).arg("--lines").stdin(Stdio::piped());
    let mut sender = Running::start(&mut send);
    let mut into = sender.0.stdin.take().unwrap();
    let before = lines(500);
    into.write_all(before.as_bytes()).unwrap();
    // All of it has passed, more than the ring holds.
    let passed = before.len() as u64;
    scene.wait_until(|status| status.taken > passed && status.len == 0);
    let oldest = recv(&scene, "oldest", &[]);
    let newest = recv(&scene, "newest", &["--from", "newest"]);
    wait_for_lossless_readers(&scene, 3);
    into.write_all(b"from now on\nand on\n").unwrap();
    drop(into);
    let (status, said) = sender.end();
    assert!(status.success(), "{said}");
    assert!(said.contains("3 receivers"), "{said}");
    assert!(first.end().0.success());
    let (status, said) = newest.end();
    assert!(
        status.success() && said.contains("from the middle"),
        "{said}"
    );
    assert_eq!(
        fs::read(scene.file("newest")).unwrap(),
        b"from now on\nand on\n"
    );
    let (status, said) = oldest.end();
    assert_eq!(status.code(), Some(6), "{said}");
    let got = fs::read_to_string(scene.file("oldest")).unwrap();
    let whole = before + "from now on\nand on\n";
    assert!(whole.ends_with(&got) && got.len() > 1000, "{}", got.len());
    let missed = whole.len() - got.len();
    let missed = format!("missed {missed} bytes");
    assert!(said.replace(',', "").contains(&missed), "{missed}: {said}");
}

#[test]
fn a_receiver_that_is_killed_fails_the_sender_at_its_end_and_nobody_else() {
    for place in PLACES {
        let scene = Scene::new(place);
        let (good, killed) = (recv(&scene, "good", &[]), recv(&scene, "killed", &[]));
        wait_for_readers(&scene, 2);
        let mut send = scene.tool("send");
        send.args(BROADCAST).arg("--lines").stdin(Stdio::piped());
        let mut sender = Running::start(send.args(["--wait-readers", "2"]));
        let mut into = sender.0.stdin.take().unwrap();
        into.write_all(b"before\n").unwrap();
        scene.wait_until(|status| status.taken > 0 && status.len == 0);
        // It is seen at a look that is due ten times a second.
        std::thread::sleep(Duration::from_millis(300));
        killed.signal(libc::SIGKILL);
        killed.end();
        into.write_all(b"after\n").unwrap();
        drop(into);
        let (status, said) = sender.end();
        assert_eq!(status.code(), Some(1), "{said}");
        assert!(said.contains("1 of 2 lossless receivers went"), "{said}");
        let (status, said) = good.end();
        assert!(status.success(), "{said}");
        assert_eq!(fs::read(scene.file("good")).unwrap(), b"before\nafter\n");
        scene.assert_clean();
    }
}

#[test]
fn a_sender_without_receivers_stops_unless_it_minds_none() {
    let scene = Scene::new(Place::Posix);
    let only = recv(&scene, "to", &[]);
    wait_for_readers(&scene, 1);
    let mut send = scene.tool("send");
    let sender = Running::start(send.args(BROADCAST).stdin(Stdio::piped()));
    scene.wait_until(|status| status.taken > 0);
    only.signal(libc::SIGKILL);
    let (status, said) = sender.end_within(Duration::from_secs(2));
    assert_eq!(status.code(), Some(1));
    assert!(said.contains("no receiver is left"), "{said}");
    scene.assert_clean();

    fs::write(scene.file("from"), noise(1_000_000)).unwrap();
    let mut send = scene.tool("send");
    send.args(["--wait-readers", "0", "--no-wait", "--capacity", "64K"]);
    let sent = run(send.arg(scene.file("from")));
    assert!(sent.status.success(), "{}", stderr_of(&sent));
    scene.assert_clean();
}

#[test]
fn a_sender_that_dies_or_is_interrupted_fails_every_receiver() {
    for (signal, word) in [
        (libc::SIGKILL, "the sender died"),
        (libc::SIGINT, "the sender was interrupted"),
    ] {
        for place in PLACES {
            let scene = Scene::new(place);
            let receivers = [recv(&scene, "a", &[]), recv(&scene, "b", &["--lossy"])];
            wait_for_readers(&scene, 2);
            let mut send = scene.tool("send");
            send.args(BROADCAST)
                .args(["--lines", "--wait-readers", "2"]);
            let mut sender = Running::start(send.stdin(Stdio::piped()));
            let into = sender.0.stdin.as_mut().unwrap();
            into.write_all(b"one\ntwo\n").unwrap();
            // The sender's first word and two lines, 16 bytes each.
            scene.wait_until(|status| status.taken >= 48 && status.len == 0);
            sender.signal(signal);
            sender.end();
            for receiver in receivers {
                let (status, said) = receiver.end_within(Duration::from_secs(3));
                assert_eq!(status.code(), Some(1));
                assert!(said.contains(word), "{said}");
            }
            assert_eq!(fs::read(scene.file("a")).unwrap(), b"one\ntwo\n");
            scene.assert_clean();
        }
    }
}

#[test]
fn a_sender_that_died_while_it_waited_is_not_missed() {
    for place in PLACES {
        let scene = Scene::new(place);
        let receiver = recv(&scene, "to", &[]);
        wait_for_readers(&scene, 1);
        let mut send = scene.tool("send");
        send.args(BROADCAST).args(["--wait-readers", "2"]);
        let killed = Running::start(send.stdin(Stdio::null()));
        scene.wait_until(|status| status.producers[0].generation == 1);
        killed.signal(libc::SIGKILL);
        killed.end();
        std::thread::sleep(Duration::from_millis(300));
        fs::write(scene.file("from"), "all the same").unwrap();
        let mut send = scene.tool("send");
        let sent = run(send.args(BROADCAST).arg(scene.file("from")));
        assert!(sent.status.success(), "{}", stderr_of(&sent));
        let (status, said) = receiver.end();
        assert!(status.success(), "{said}");
        assert_eq!(fs::read(scene.file("to")).unwrap(), b"all the same");
        scene.assert_clean();
    }
}

#[test]
fn who_waits_and_is_interrupted_leaves_nothing() {
    let scene = Scene::new(Place::Posix);
    for command in ["send", "recv"] {
        let mut tool = scene.tool(command);
        let waiting = Running::start(tool.args(BROADCAST).stdin(Stdio::piped()));
        scene.wait_until(|_| true);
        std::thread::sleep(Duration::from_millis(50));
        waiting.signal(libc::SIGTERM);
        let (status, said) = waiting.end_within(LIMIT);
        assert_eq!(status.code(), Some(128 + libc::SIGTERM), "{said}");
        scene.assert_clean();
    }
}

#[test]
fn a_second_sender_a_reader_too_many_and_a_leftover_are_refused() {
    let scene = Scene::new(Place::Posix);
    let ring = annulus::broadcast_records(&scene.name)
        .readers(1)
        .schema(u64::from_be_bytes(*b"annulus\x02"))
        .create()
        .unwrap();
    let first = recv(&scene, "to", &[]);
    wait_for_readers(&scene, 1);
    let refused = run(scene.tool("recv").stdout(Stdio::null()));
    assert_eq!(refused.status.code(), Some(4), "{}", stderr_of(&refused));
    assert!(stderr_of(&refused).contains("as many receivers as it has places, 1"));
    let mut tx = ring.producer().unwrap();
    let refused = run(scene.tool("send").args(BROADCAST));
    assert_eq!(refused.status.code(), Some(4), "{}", stderr_of(&refused));
    assert!(stderr_of(&refused).contains("has a sender already"));
    first.signal(libc::SIGKILL);
    first.end();
    tx.try_push(b"something").unwrap();
    drop(tx);
    scene.wait_until(|status| status.producers[0].state == annulus::Peer::Left);
    for command in ["send", "recv"] {
        let refused = run(scene.tool(command).args(BROADCAST));
        let said = stderr_of(&refused);
        assert_eq!(refused.status.code(), Some(3), "{said}");
        assert!(said.contains("annulus rm"), "{said}");
    }
}

#[test]
fn nobody_there_is_said_at_once_with_no_wait() {
    let scene = Scene::new(Place::Posix);
    for command in ["send", "recv"] {
        let refused = run(scene.tool(command).args(BROADCAST).arg("--no-wait"));
        assert_eq!(refused.status.code(), Some(3));
        assert!(stderr_of(&refused).contains("--no-wait"));
        scene.assert_clean();
    }
}
