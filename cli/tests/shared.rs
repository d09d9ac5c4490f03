//! Several receivers that share what is sent: each line or frame goes to exactly one of them.

mod common;

use common::{PLACES, Place, Running, Scene, run, stderr_of};
use std::fs;
use std::io::Write;
use std::process::Stdio;
use std::time::Duration;

/// The lines of sender `who`.
fn lines_of(who: usize, n: usize) -> String {
    (0..n)
        .map(|i| format!("{who} {i} {}\n", "y".repeat(i % 40)))
        .collect()
}

fn recv(scene: &Scene, kind: &str, to: usize) -> Running {
    let mut recv = scene.tool("recv");
    let to = scene.file(&format!("to-{to}"));
    Running::start(recv.args(["--kind", kind]).arg(to))
}

/// Waits until so many receivers live.
fn wait_for_receivers(scene: &Scene, n: usize) {
    let alive = |end: &&annulus::End| end.state == annulus::Peer::Alive;
    scene.wait_until(|status| status.consumers.iter().filter(alive).count() == n);
}

/// All lines that receivers `0..n` wrote, and each one's.
fn received(scene: &Scene, n: usize) -> (Vec<String>, Vec<usize>) {
    let (mut all, mut counts) = (Vec::new(), Vec::new());
    for to in 0..n {
        let text = fs::read_to_string(scene.file(&format!("to-{to}"))).unwrap();
        counts.push(text.lines().count());
        all.extend(text.lines().map(str::to_owned));
    }
    (all, counts)
}

/// Fails unless `all` are the lines of these texts, each once.
#[track_caller]
fn assert_once(mut all: Vec<String>, texts: &[String]) {
    let mut expected: Vec<String> = texts
        .iter()
        .flat_map(|text| text.lines().map(str::to_owned))
        .collect();
    all.sort_unstable();
    expected.sort_unstable();
    assert!(all == expected, "{} of {}", all.len(), expected.len());
}

#[test]
fn each_line_of_one_sender_goes_to_exactly_one_receiver() {
    for place in PLACES {
        let scene = Scene::new(place);
        let text = lines_of(1, 20_000);
        fs::write(scene.file("from"), &text).unwrap();
        let receivers = [0, 1, 2].map(|to| recv(&scene, "spmc", to));
        wait_for_receivers(&scene, 3);
        let mut send = scene.tool("send");
        let sent = run(send.arg("--lines").arg(scene.file("from")));
        assert!(sent.status.success(), "{}", stderr_of(&sent));
        assert!(stderr_of(&sent).contains("written by the receivers"));
        for receiver in receivers {
            let (status, said) = receiver.end();
            assert!(status.success() && said.contains("verified"), "{said}");
        }
        // Who gets how many is the scheduler's choice.
        assert_once(received(&scene, 3).0, &[text]);
        scene.assert_clean();
    }
}

#[test]
fn whoever_is_free_takes_what_comes() {
    let scene = Scene::new(Place::Posix);
    let receivers = [0, 1].map(|to| recv(&scene, "spmc", to));
    wait_for_receivers(&scene, 2);
    let mut send = scene.tool("send");
    let mut sender = Running::start(send.arg("--lines").stdin(Stdio::piped()));
    let mut into = sender.0.stdin.take().unwrap();
    for (round, stopped) in (1..).zip([&receivers[0], &receivers[1]]) {
        stopped.signal(libc::SIGSTOP);
        into.write_all(lines_of(round, 100).as_bytes()).unwrap();
        scene.wait_until(|status| status.taken == 100 * round as u64);
        stopped.signal(libc::SIGCONT);
    }
    drop(into);
    assert!(sender.end().0.success());
    for receiver in receivers {
        assert!(receiver.end().0.success());
    }
    let (all, counts) = received(&scene, 2);
    assert_once(all, &[lines_of(1, 100), lines_of(2, 100)]);
    // One that is stopped may have claimed a line just then.
    assert!(counts.iter().all(|&n| n >= 99), "{counts:?}");
}

#[test]
fn lines_of_several_senders_go_to_exactly_one_receiver_each() {
    for place in PLACES {
        for senders_first in [false, true] {
            let scene = Scene::new(place);
            let texts = [1, 2, 3].map(|who| lines_of(who, 6_000));
            let send = |who: usize| {
                let from = scene.file(&format!("from-{who}"));
                fs::write(&from, &texts[who]).unwrap();
                let mut send = scene.tool("send");
                send.args(["--kind", "mpmc", "--lines", "--senders", "3"]);
                Running::start(send.arg(from))
            };
            let receivers = || [0, 1].map(|to| recv(&scene, "mpmc", to));
            let (senders, receivers) = if senders_first {
                let senders = [0, 1, 2].map(send);
                scene.wait_until(|status| status.producers.len() == 3);
                (senders, receivers())
            } else {
                let receivers = receivers();
                wait_for_receivers(&scene, 2);
                ([0, 1, 2].map(send), receivers)
            };
            let mut written = 0;
            for sender in senders {
                let (status, said) = sender.end();
                assert!(status.success(), "{said}");
                written += usize::from(said.contains("written by the receivers"));
            }
            assert!(written >= 1, "nobody was the last");
            for receiver in receivers {
                let (status, said) = receiver.end();
                assert!(status.success(), "{said}");
            }
            assert_once(received(&scene, 2).0, &texts);
            scene.assert_clean();
        }
    }
}

#[test]
fn senders_that_come_one_after_the_other_are_waited_for() {
    let scene = Scene::new(Place::Posix);
    let receiver = recv(&scene, "mpmc", 0);
    wait_for_receivers(&scene, 1);
    for (text, word) in [("a\n", "taken"), ("b", "written")] {
        fs::write(scene.file("from"), text).unwrap();
        let mut send = scene.tool("send");
        let sent = run(send
            .args(["--lines", "--senders", "2"])
            .arg(scene.file("from")));
        assert!(sent.status.success() && stderr_of(&sent).contains(word));
    }
    assert!(receiver.end().0.success());
    // Each line has a newline, for another's may follow.
    assert_eq!(fs::read(scene.file("to-0")).unwrap(), b"a\nb\n");
    scene.assert_clean();
}

#[test]
fn frames_are_shared_out_whole() {
    let scene = Scene::new(Place::Posix);
    let frame = |i: usize| {
        let body = vec![i as u8; i % 240];
        [&(body.len() as u32).to_le_bytes()[..], &body].concat()
    };
    let data: Vec<u8> = (0..2_000).flat_map(frame).collect();
    fs::write(scene.file("from"), data).unwrap();
    let mut first = scene.tool("recv");
    first.args(["--kind", "spmc", "--slot-size", "256"]);
    let first = Running::start(first.arg(scene.file("to-0")));
    wait_for_receivers(&scene, 1);
    let second = recv(&scene, "spmc", 1);
    wait_for_receivers(&scene, 2);
    let mut send = scene.tool("send");
    let sent = run(send.arg("--frames").arg(scene.file("from")));
    assert!(sent.status.success(), "{}", stderr_of(&sent));
    assert!(first.end().0.success() && second.end().0.success());
    let mut seen = Vec::new();
    for to in ["to-0", "to-1"] {
        let all = fs::read(scene.file(to)).unwrap();
        let mut rest = &all[..];
        while let Some((length, more)) = rest.split_first_chunk::<4>() {
            let (body, more) = more.split_at(u32::from_le_bytes(*length) as usize);
            assert!(body.iter().all(|&byte| byte == body[0]));
            seen.push((body.len(), body.first().copied()));
            rest = more;
        }
        assert!(rest.is_empty());
    }
    let mut expected: Vec<_> = (0..2_000usize)
        .map(|i| (i % 240, (i % 240 > 0).then_some(i as u8)))
        .collect();
    seen.sort_unstable();
    expected.sort_unstable();
    assert!(seen == expected);
}

#[test]
fn a_line_longer_than_a_slot_is_an_error_that_names_the_option() {
    let scene = Scene::new(Place::Posix);
    fs::write(scene.file("from"), format!("short\n{}\n", "z".repeat(49))).unwrap();
    let receiver = recv(&scene, "spmc", 0);
    let mut send = scene.tool("send");
    send.args(["--kind", "spmc", "--lines", "--slot-size", "64"]);
    // The ring is the receiver's, with slots of 1 KiB.
    wait_for_receivers(&scene, 1);
    let refused = run(send.arg(scene.file("from")));
    assert_eq!(refused.status.code(), Some(3));
    let said = stderr_of(&refused);
    assert!(
        said.contains("slots of 1024 bytes") && said.contains("--slot-size"),
        "{said}"
    );
    receiver.signal(libc::SIGINT);
    receiver.end();
    scene.assert_clean();

    let mut first = scene.tool("recv");
    first.args(["--kind", "spmc", "--slot-size", "64"]);
    let receiver = Running::start(first.arg(scene.file("to-0")));
    wait_for_receivers(&scene, 1);
    let mut send = scene.tool("send");
    let failed = run(send.args(["--lines"]).arg(scene.file("from")));
    let said = stderr_of(&failed);
    assert_eq!(failed.status.code(), Some(1), "{said}");
    assert!(
        said.contains("line 2") && said.contains("48 bytes"),
        "{said}"
    );
    assert!(said.contains("--slot-size"), "{said}");
    let (status, said) = receiver.end();
    assert_eq!(status.code(), Some(1), "{said}");
    assert!(said.contains("gave up"), "{said}");
    scene.assert_clean();
}

#[test]
fn a_receiver_that_is_killed_loses_no_line_that_a_survivor_can_have() {
    for place in PLACES {
        let scene = Scene::new(place);
        let killed = recv(&scene, "spmc", 0);
        wait_for_receivers(&scene, 1);
        let survivor = recv(&scene, "spmc", 1);
        wait_for_receivers(&scene, 2);
        let text = lines_of(1, 3_000);
        let (before, after) = text.split_at(text.len() / 2 + 1);
        let mut send = scene.tool("send");
        let mut sender = Running::start(send.arg("--lines").stdin(Stdio::piped()));
        let mut into = sender.0.stdin.take().unwrap();
        into.write_all(before.as_bytes()).unwrap();
        scene.wait_until(|status| status.taken > 500);
        killed.signal(libc::SIGKILL);
        killed.end();
        into.write_all(after.as_bytes()).unwrap();
        drop(into);
        let (status, said) = sender.end();
        assert!(status.success(), "{said}");
        let (status, said) = survivor.end();
        assert!(status.success(), "{said}");
        let (mut all, counts) = received(&scene, 2);
        // The one in its hands may have been written, or a part of it.
        let again = said.contains("had been in the hands") as usize;
        let lines = text.lines().count();
        assert!(
            (lines..=lines + again).contains(&all.len()),
            "{counts:?} {said}"
        );
        all.sort_unstable();
        all.dedup();
        all.retain(|line| text.contains(&format!("{line}\n")));
        assert_eq!(all.len(), lines, "{said}");
        scene.assert_clean();
    }
}

#[test]
fn without_any_receiver_left_the_sender_fails() {
    let scene = Scene::new(Place::Posix);
    let receiver = recv(&scene, "spmc", 0);
    wait_for_receivers(&scene, 1);
    let mut send = scene.tool("send");
    let sender = Running::start(send.arg("--lines").stdin(Stdio::piped()));
    scene.wait_until(|status| status.producers[0].generation == 1);
    std::thread::sleep(Duration::from_millis(50));
    receiver.signal(libc::SIGKILL);
    let (status, said) = sender.end_within(Duration::from_secs(2));
    assert_eq!(status.code(), Some(1));
    assert!(said.contains("no receiver is left"), "{said}");
    scene.assert_clean();
}

#[test]
fn a_sender_that_dies_or_gives_up_fails_every_receiver_and_the_other_senders() {
    for (signal, word) in [(libc::SIGKILL, "died"), (libc::SIGINT, "gave up")] {
        for place in PLACES {
            let scene = Scene::new(place);
            let receivers = [0, 1].map(|to| recv(&scene, "mpmc", to));
            wait_for_receivers(&scene, 2);
            let send = || {
                let mut send = scene.tool("send");
                send.args(["--lines", "--senders", "2"]);
                Running::start(send.stdin(Stdio::piped()))
            };
            let (mut stopped, mut other) = (send(), send());
            for sender in [&mut stopped, &mut other] {
                let into = sender.0.stdin.as_mut().unwrap();
                into.write_all(b"one\n").unwrap();
            }
            scene.wait_until(|status| status.taken == 2);
            stopped.signal(signal);
            stopped.end();
            for receiver in receivers {
                let (status, said) = receiver.end_within(Duration::from_secs(3));
                assert_eq!(status.code(), Some(1));
                assert!(said.contains(word), "{said}");
            }
            let (status, said) = other.end_within(Duration::from_secs(3));
            assert_eq!(status.code(), Some(1), "{said}");
            scene.assert_clean();
        }
    }
}

#[test]
fn senders_and_receivers_beyond_the_places_are_refused() {
    let scene = Scene::new(Place::Posix);
    let ring = annulus::mpmc::<[u8]>(&scene.name)
        .slot_size(64)
        .capacity(64)
        .producers(1)
        .consumers(1)
        .schema(u64::from_be_bytes(*b"annulus\x02"))
        .create()
        .unwrap();
    let (_tx, _rx) = (ring.producer().unwrap(), ring.consumer().unwrap());
    let refused = run(scene.tool("send").arg("--lines"));
    assert_eq!(refused.status.code(), Some(4));
    assert!(stderr_of(&refused).contains("as many senders as it has places, 1"));
    let refused = run(&mut scene.tool("recv"));
    assert_eq!(refused.status.code(), Some(4));
    assert!(stderr_of(&refused).contains("as many receivers as it has places, 1"));
}
