//! Several senders and one receiver: each is checked for itself, and nobody's records are torn.

mod common;

use common::{PLACES, Place, Running, Scene, noise, run, stderr_of};
use std::fs;
use std::io::Write;
use std::process::Stdio;
use std::time::Duration;

/// The lines of sender `who`: numbered.
fn lines_of(who: u32, n: u32) -> String {
    (0..n).map(|i| format!("{who} {i}\n")).collect()
}

/// Starts sender `who`, which sends `n` lines.
fn start(scene: &Scene, who: u32, n: u32) -> Running {
    let from = scene.file(&format!("from-{who}"));
    fs::write(&from, lines_of(who, n)).unwrap();
    let mut send = scene.tool("send");
    Running::start(send.args(["--kind", "mpsc", "--lines"]).arg(from))
}

/// The lines of `all` that sender `who` sent.
fn of(all: &str, who: u32) -> String {
    let mine = all.split_inclusive('\n');
    mine.filter(|line| line.starts_with(&format!("{who} ")))
        .collect()
}

#[test]
fn three_senders_send_all_their_lines_in_order_whoever_starts_first() {
    for place in PLACES {
        for receiver_first in [true, false] {
            let scene = Scene::new(place);
            let to = scene.file("to");
            let recv = || {
                let mut recv = scene.tool("recv");
                Running::start(recv.args(["--senders", "3"]).arg(&to))
            };
            let n = 30_000;
            let (senders, receiver) = if receiver_first {
                let receiver = recv();
                scene.wait_until(|status| status.consumers[0].generation == 1);
                ([1, 2, 3].map(|who| start(&scene, who, n)), receiver)
            } else {
                let senders = [1, 2, 3].map(|who| start(&scene, who, n));
                scene.wait_until(|status| status.producers.len() == 3);
                (senders, recv())
            };
            for sender in senders {
                let (status, said) = sender.end();
                assert!(status.success() && said.contains("verified"), "{said}");
            }
            let (status, said) = receiver.end();
            assert!(status.success(), "{said}");
            assert!(said.contains("from 3 senders"), "{said}");
            let all = fs::read_to_string(&to).unwrap();
            assert_eq!(all.lines().count(), 3 * n as usize);
            for who in [1, 2, 3] {
                assert!(of(&all, who) == lines_of(who, n), "sender {who}");
            }
            scene.assert_clean();
        }
    }
}

#[test]
fn senders_that_come_one_after_the_other_are_waited_for() {
    let scene = Scene::new(Place::Posix);
    let mut recv = scene.tool("recv");
    let receiver = Running::start(recv.args(["--senders", "3"]).arg(scene.file("to")));
    scene.wait_until(|status| status.consumers[0].generation == 1);
    for (text, word) in [("a", "a"), ("", ""), ("b\nc", "b")] {
        // They join the ring that is there without being told of what kind it is.
        let mut send = scene.tool("send");
        let mut sender = Running::start(send.arg("--lines").stdin(Stdio::piped()));
        let mut into = sender.0.stdin.take().unwrap();
        into.write_all(text.as_bytes()).unwrap();
        drop(into);
        let (status, said) = sender.end();
        assert!(status.success(), "{word}: {said}");
    }
    assert!(receiver.end().0.success());
    // A last line without a newline does not run into the next sender's first.
    assert_eq!(fs::read(scene.file("to")).unwrap(), b"a\nb\nc\n");
    scene.assert_clean();
}

#[test]
fn frames_and_chunks_of_several_senders_arrive_whole() {
    let scene = Scene::new(Place::Posix);
    let mut recv = scene.tool("recv");
    let receiver = Running::start(recv.args(["--senders", "3"]).arg(scene.file("to")));
    let frame = |who: u8, i: usize| {
        let body = vec![who; i % 700];
        [&(body.len() as u32).to_le_bytes()[..], &body].concat()
    };
    let mut senders = Vec::new();
    for who in 1..=3 {
        let from = scene.file(&format!("from-{who}"));
        let frames: Vec<u8> = (0..3_000).flat_map(|i| frame(who, i)).collect();
        fs::write(&from, frames).unwrap();
        let mut send = scene.tool("send");
        senders.push(Running::start(
            send.args(["--kind", "mpsc", "--frames"]).arg(from),
        ));
    }
    for sender in senders {
        let (status, said) = sender.end();
        assert!(status.success(), "{said}");
    }
    assert!(receiver.end().0.success());
    let all = fs::read(scene.file("to")).unwrap();
    let mut rest = &all[..];
    let mut seen = [0; 4];
    while let Some((length, more)) = rest.split_first_chunk::<4>() {
        let (body, more) = more.split_at(u32::from_le_bytes(*length) as usize);
        if let Some(&who) = body.first() {
            let number = &mut seen[usize::from(who)];
            // Every 700th has no byte that says whose it is.
            *number += usize::from(*number % 700 == 0);
            assert!(body == &frame(who, *number)[4..], "{who} {number}");
            *number += 1;
        }
        rest = more;
    }
    assert!(rest.is_empty());
    assert_eq!(seen, [0, 3_000, 3_000, 3_000]);
}

#[test]
fn a_sender_that_is_killed_in_the_middle_fails_the_receiver() {
    for place in PLACES {
        let scene = Scene::new(place);
        let mut recv = scene.tool("recv");
        let receiver = Running::start(recv.args(["--senders", "2"]).arg(scene.file("to")));
        scene.wait_until(|status| status.consumers[0].generation == 1);
        let mut send = scene.tool("send");
        let mut killed = Running::start(send.arg("--lines").stdin(Stdio::piped()));
        let into = killed.0.stdin.as_mut().unwrap();
        into.write_all(&b"a line\n".repeat(1000)).unwrap();
        let mut send = scene.tool("send");
        let other = Running::start(send.arg("--lines").stdin(Stdio::piped()));
        scene.wait_until(|status| {
            status.producers.len() == 2 && status.taken > 20_000 && status.len == 0
        });
        killed.signal(libc::SIGKILL);
        let (status, said) = receiver.end_within(Duration::from_secs(1));
        assert_eq!(status.code(), Some(1));
        assert!(said.contains("the sender died"), "{said}");
        // The one that lives is told.
        let (status, said) = other.end_within(Duration::from_secs(1));
        assert_eq!(status.code(), Some(1));
        assert!(said.contains("the receiver stopped"), "{said}");
        scene.assert_clean();
    }
}

#[test]
fn a_sender_that_was_killed_before_it_sent_anything_is_not_missed() {
    for place in PLACES {
        let scene = Scene::new(place);
        let mut send = scene.tool("send");
        let killed = Running::start(send.args(["--kind", "mpsc"]).stdin(Stdio::null()));
        scene.wait_until(|status| status.producers.iter().any(|end| end.generation == 1));
        killed.signal(libc::SIGKILL);
        killed.end();
        let mut recv = scene.tool("recv");
        let receiver = Running::start(recv.args(["--senders", "2"]).arg(scene.file("to")));
        for who in [1, 2] {
            let (status, said) = start(&scene, who, 10).end();
            assert!(status.success(), "{said}");
            // Longer than it takes to notice that no sender lives.
            std::thread::sleep(Duration::from_millis(300));
        }
        let (status, said) = receiver.end();
        assert!(status.success(), "{said}");
        let all = fs::read_to_string(scene.file("to")).unwrap();
        assert_eq!(all, lines_of(1, 10) + &lines_of(2, 10));
        scene.assert_clean();
    }
}

#[test]
fn an_interrupted_sender_fails_the_receiver_and_the_others() {
    let scene = Scene::new(Place::Posix);
    let mut recv = scene.tool("recv");
    let receiver = Running::start(recv.args(["--senders", "2"]).arg(scene.file("to")));
    scene.wait_until(|status| status.consumers[0].generation == 1);
    let open = || Running::start(scene.tool("send").stdin(Stdio::piped()));
    let (stopped, other) = (open(), open());
    scene.wait_until(|status| status.taken >= 2 * 24 && status.len == 0);
    stopped.signal(libc::SIGINT);
    assert_eq!(stopped.end().0.code(), Some(130));
    let (status, said) = receiver.end_within(Duration::from_secs(1));
    assert_eq!(status.code(), Some(1));
    assert!(said.contains("the sender was interrupted"), "{said}");
    assert_eq!(other.end_within(Duration::from_secs(1)).0.code(), Some(1));
    scene.assert_clean();
}

#[test]
fn a_killed_receiver_fails_all_senders_and_the_last_removes_the_ring() {
    for place in PLACES {
        let scene = Scene::new(place);
        let mut recv = scene.tool("recv");
        let receiver = Running::start(recv.args(["--senders", "3"]).stdout(Stdio::null()));
        scene.wait_until(|status| status.consumers[0].generation == 1);
        let senders = [(); 3].map(|()| Running::start(scene.tool("send").stdin(Stdio::piped())));
        scene.wait_until(|status| status.taken >= 3 * 24 && status.len == 0);
        receiver.signal(libc::SIGKILL);
        for sender in senders {
            let (status, said) = sender.end_within(Duration::from_secs(1));
            assert_eq!(status.code(), Some(1));
            assert!(said.contains("the receiver died"), "{said}");
        }
        scene.assert_clean();
    }
}

#[test]
fn a_sender_too_many_fails_the_receiver_and_is_told() {
    let scene = Scene::new(Place::Posix);
    let mut recv = scene.tool("recv");
    let receiver = Running::start(recv.args(["--kind", "mpsc"]).arg(scene.file("to")));
    scene.wait_until(|status| status.consumers[0].generation == 1);
    let extra = Running::start(scene.tool("send").stdin(Stdio::piped()));
    scene.wait_until(|status| status.taken >= 24 && status.len == 0);
    let sent = run(&mut scene.tool("send"));
    assert!(sent.status.success(), "{}", stderr_of(&sent));
    let (status, said) = receiver.end();
    assert_eq!(status.code(), Some(1));
    assert!(said.contains("--senders"), "{said}");
    let (status, said) = extra.end_within(Duration::from_secs(1));
    assert_eq!(status.code(), Some(1));
    assert!(said.contains("the receiver stopped"), "{said}");
    scene.assert_clean();
}

#[test]
fn a_large_stream_of_one_of_several_senders_is_verified() {
    let scene = Scene::new(Place::Posix);
    let data = noise(20_000_000);
    fs::write(scene.file("from"), &data).unwrap();
    let mut recv = scene.tool("recv");
    let options = ["--senders", "2", "--capacity", "64K"];
    let receiver = Running::start(recv.args(options).arg(scene.file("to")));
    scene.wait_until(|status| status.consumers[0].generation == 1);
    assert!(run(&mut scene.tool("send")).status.success());
    let sent = run(scene.tool("send").arg(scene.file("from")));
    assert!(sent.status.success(), "{}", stderr_of(&sent));
    assert!(receiver.end().0.success());
    assert!(fs::read(scene.file("to")).unwrap() == data);
}
