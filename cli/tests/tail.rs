//! `annulus tail`: it shows what passes, takes nothing unless told to, and says where nobody can look on.

mod common;

use annulus::{Options, Peer, RecordKind, RecordProducer, Ring};
use common::{PLACES, Place, Running, Scene, noise, run, stderr_of};
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

/// A ring of records in which one producer has pushed `records`, the first with tag 0.
fn ring_with<K: RecordKind>(
    scene: &Scene,
    options: fn(String) -> Options<K>,
    records: &[&[u8]],
) -> (Ring<K>, RecordProducer<K>) {
    let ring = options(scene.name.clone())
        .backing(scene.backing())
        .capacity_bytes(1 << 16)
        .create()
        .unwrap();
    let mut tx = ring.producer().unwrap();
    for (tag, record) in (0..).zip(records) {
        tx.try_push_tagged(tag, record).unwrap();
    }
    (ring, tx)
}

fn shown(output: &Output) -> String {
    assert!(output.status.success(), "{}", stderr_of(output));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn records_are_text_or_hexadecimal_one_a_line_and_stay_in_the_ring() {
    for place in PLACES {
        let scene = Scene::new(place);
        let records = [
            &b"a line\n"[..],
            b"caf\xc3\xa9",
            b"",
            b"two\nlines",
            &[7; 100],
        ];
        let (ring, tx) = ring_with(&scene, annulus::spsc_records, &records);
        let shown_by = |options: &[&str]| {
            let all = ["--count", "5"];
            shown(&run(scene.tool("tail").args(all).args(options)))
        };
        let sevens = "07 ".repeat(64);
        assert_eq!(
            shown_by(&[]),
            format!(
                "a line\ncafé\n\n74 77 6f 0a 6c 69 6e 65 73 (9 bytes)\n{sevens}... (100 bytes)\n"
            )
        );
        assert!(
            shown_by(&["--bytes", "2"]).ends_with("74 77 ... (9 bytes)\n07 07 ... (100 bytes)\n")
        );
        let tagged = shown_by(&["--tags"]);
        let second = tagged.lines().nth(1).unwrap();
        assert_eq!(
            second.split_whitespace().collect::<Vec<_>>(),
            ["16", "1", "café"]
        );
        let raw = run(scene.tool("tail").args(["--count", "5", "--raw"]));
        assert!(raw.status.success() && raw.stdout == records.concat());
        // Nothing was taken.
        assert_eq!(ring.status().unwrap().taken, 0);
        let mut rx = ring.consumer().unwrap();
        for record in records {
            assert_eq!(rx.try_sample().unwrap().to_vec(), record);
        }
        // The records that the consumer has just taken are gone for those who come later.
        tx.close();
        assert_eq!(shown(&run(scene.tool("tail").arg("--raw"))), "");
    }
}

#[test]
fn a_running_stream_is_shown_line_by_line_and_arrives_all_the_same() {
    for place in PLACES {
        let scene = Scene::new(place);
        let receiver = Running::start(scene.tool("recv").arg(scene.file("to")));
        let mut sender = Running::start(scene.tool("send").arg("--lines").stdin(Stdio::piped()));
        scene.wait_until(|status| status.taken > 0 && status.len == 0);
        let mut tail = Running::start(scene.tool("tail").stdout(Stdio::piped()));
        let mut shown = BufReader::new(tail.0.stdout.take().unwrap());
        let mut into = sender.0.stdin.take().unwrap();
        // It is there once it shows something. What passed before it came is not its business.
        let (mut line, mut sent) = (String::new(), Vec::new());
        std::thread::scope(|scope| {
            let (first, stop) = std::sync::mpsc::channel();
            let (into, sent) = (&mut into, &mut sent);
            scope.spawn(move || {
                let pause = Duration::from_millis(5);
                for i in 0.. {
                    let text = format!("before {i}\n");
                    into.write_all(text.as_bytes()).unwrap();
                    sent.extend(text.into_bytes());
                    if stop.recv_timeout(pause).is_ok() {
                        break;
                    }
                }
            });
            shown.read_line(&mut line).unwrap();
            first.send(()).unwrap();
        });
        assert!(line.starts_with("before "), "{line}");
        for text in ["one\n", "two\n", "last without newline"] {
            into.write_all(text.as_bytes()).unwrap();
            sent.extend(text.bytes());
        }
        drop(into);
        // It ends by itself, with the stream.
        let mut rest = String::new();
        shown.read_to_string(&mut rest).unwrap();
        let (status, said) = tail.end();
        assert!(status.success(), "{said}");
        assert!(rest.ends_with("one\ntwo\nlast without newline\n"), "{rest}");
        assert!(sender.end().0.success() && receiver.end().0.success());
        assert!(fs::read(scene.file("to")).unwrap() == sent);
        scene.assert_clean();
    }
}

#[test]
fn what_ends_of_a_stream_say_to_each_other_is_shown_with_the_tags_only() {
    let scene = Scene::new(Place::Posix);
    // Taken by nobody, so that it can be looked at in peace.
    let from = scene.file("from");
    fs::write(&from, "data\n").unwrap();
    let receiver = Running::start(scene.tool("recv").arg("--keep").arg(scene.file("to")));
    scene.wait_until(|status| status.consumers[0].generation == 1);
    receiver.signal(libc::SIGSTOP);
    let sender = Running::start(scene.tool("send").arg("--keep").arg(&from));
    scene.wait_until(|status| status.len == 16 + 16 + 24);
    let plain = run(scene.tool("tail").args(["--count", "1"]));
    assert_eq!(shown(&plain), "data\n");
    let tagged = run(scene.tool("tail").args(["--count", "3", "--tags"]));
    let words: Vec<String> = shown(&tagged).lines().map(|l| l[20..].to_owned()).collect();
    assert_eq!(words, ["[a sender begins]", "data", "[a sender's end]"]);
    receiver.signal(libc::SIGCONT);
    assert!(sender.end().0.success() && receiver.end().0.success());
}

#[test]
fn from_the_newest_shows_only_what_comes() {
    let scene = Scene::new(Place::Posix);
    let (ring, mut tx) = ring_with(&scene, annulus::spsc_records, &[b"old", b"older"]);
    let mut tail = scene.tool("tail");
    let tail = tail.args(["--from", "newest", "--count", "1"]);
    let mut tail = Running::start(tail.stdout(Stdio::piped()));
    let mut out = tail.0.stdout.take().unwrap();
    // It says nothing of being there, so new ones are sent until one was seen.
    let mut seen = String::new();
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| out.read_to_string(&mut seen).unwrap());
        while !reader.is_finished() {
            let _ = tx.try_push(b"new");
            std::thread::sleep(Duration::from_millis(5));
        }
    });
    assert_eq!(seen, "new\n");
    assert!(tail.end().0.success());
    drop(ring);
}

#[test]
fn records_that_pass_too_fast_are_counted_and_nobody_waits() {
    let scene = Scene::new(Place::Posix);
    let (ring, mut tx) = ring_with(&scene, annulus::spsc_records, &[b"first"]);
    let mut rx = ring.consumer().unwrap();
    let mut tail = Running::start(scene.tool("tail").arg("--raw").stdout(Stdio::piped()));
    let mut out = BufReader::new(tail.0.stdout.take().unwrap());
    let mut first = [0; 5];
    out.read_exact(&mut first).unwrap();
    tail.signal(libc::SIGSTOP);
    let mut record = Vec::new();
    rx.try_pop_into(&mut record).unwrap();
    // Four laps.
    for _ in 0..256 {
        tx.try_push(&noise(1000)).unwrap();
        rx.try_pop_into(&mut record).unwrap();
    }
    tx.try_push(b"last").unwrap();
    tx.close();
    tail.signal(libc::SIGCONT);
    let mut rest = Vec::new();
    out.read_to_end(&mut rest).unwrap();
    assert!(rest.ends_with(b"last"));
    let (status, said) = tail.end();
    assert!(status.success(), "{said}");
    assert!(said.contains("missed ") && said.contains("bytes"), "{said}");
}

#[test]
fn a_ring_of_many_producers_and_one_of_slots_are_refused_with_the_way_out() {
    for slots in [true, false] {
        let scene = Scene::new(Place::Posix);
        let make = || -> Box<dyn std::any::Any> {
            if slots {
                let options = annulus::spsc::<[u8]>(&scene.name).slot_size(5);
                let ring = options.create().unwrap();
                let mut tx = ring.producer().unwrap();
                tx.try_push(b"first").unwrap();
                tx.try_push(b"again").unwrap();
                Box::new(tx)
            } else {
                Box::new(ring_with(
                    &scene,
                    annulus::mpsc_records,
                    &[b"first", b"again"],
                ))
            }
        };
        let _held = make();
        let refused = run(&mut scene.tool("tail"));
        assert_eq!(refused.status.code(), Some(3));
        let said = stderr_of(&refused);
        assert!(
            said.contains("nobody can look on") && said.contains("--take"),
            "{said}"
        );
        let take = |options: &[&str]| run(scene.tool("tail").arg("--take").args(options));
        assert_eq!(shown(&take(&["--count", "1"])), "first\n");
        let tagged = shown(&take(&["--count", "1", "--tags"]));
        let expected = if slots {
            ["1", "-", "again"]
        } else {
            ["16", "1", "again"]
        };
        assert_eq!(tagged.split_whitespace().collect::<Vec<_>>(), expected);
        let status = scene.wait_until(|status| status.consumers[0].state == Peer::Left);
        assert_eq!(status.len, 0, "what was shown was taken");
    }
}

#[test]
fn slots_of_a_type_of_their_own_are_refused() {
    let scene = Scene::new(Place::Posix);
    let _ring = annulus::spsc::<u64>(&scene.name).create().unwrap();
    let refused = run(scene.tool("tail").arg("--take"));
    assert_eq!(refused.status.code(), Some(3));
    assert!(stderr_of(&refused).contains("plain bytes"));
}

#[test]
fn taking_is_refused_while_there_is_a_consumer() {
    for place in PLACES {
        let scene = Scene::new(place);
        let (ring, tx) = ring_with(&scene, annulus::mpsc_records, &[b"mine"]);
        let rx = ring.consumer().unwrap();
        let refused = run(scene.tool("tail").arg("--take"));
        assert_eq!(refused.status.code(), Some(4));
        assert!(stderr_of(&refused).contains(&format!("process {}", std::process::id())));
        assert_eq!(ring.status().unwrap().taken, 0);
        drop(rx);
        // Another test that is just starting a process may have a copy of the descriptor that proved it alive.
        scene.wait_until(|status| status.consumers[0].state == Peer::Left);
        tx.close();
        assert_eq!(shown(&run(scene.tool("tail").arg("--take"))), "mine\n");
    }
}

#[test]
fn a_stream_that_is_taken_is_not_received() {
    for kind in ["spsc", "mpsc"] {
        let scene = Scene::new(Place::Posix);
        let mut send = scene.tool("send");
        let mut sender =
            Running::start(send.args(["--kind", kind, "--lines"]).stdin(Stdio::piped()));
        scene.wait_until(|status| status.producers.iter().any(|end| end.generation == 1));
        let mut into = sender.0.stdin.take().unwrap();
        into.write_all(b"one\ntwo\n").unwrap();
        drop(into);
        assert_eq!(shown(&run(scene.tool("tail").arg("--take"))), "one\ntwo\n");
        let (status, said) = sender.end_within(Duration::from_secs(2));
        assert_eq!(status.code(), Some(1), "{said}");
        assert!(said.contains("the receiver left"), "{said}");
    }
}

#[test]
fn an_interrupted_tail_and_one_whose_reader_is_gone_end_with_the_right_status() {
    for take in [false, true] {
        let scene = Scene::new(Place::Posix);
        let (_ring, mut tx) = ring_with(&scene, annulus::spsc_records, &[b"one"]);
        let begin = |command: &mut Command| {
            if take {
                command.arg("--take");
            }
            let mut tail = Running::start(command.stdout(Stdio::piped()));
            let mut first = [0; 4];
            let mut out = tail.0.stdout.take().unwrap();
            out.read_exact(&mut first).unwrap();
            assert_eq!(&first, b"one\n");
            (tail, out)
        };
        let (tail, out) = begin(&mut scene.tool("tail"));
        tail.signal(libc::SIGINT);
        let (status, said) = tail.end();
        assert_eq!(status.code(), Some(130));
        assert_eq!(said, "");
        drop(out);
        if take {
            tx.try_push(b"one").unwrap();
        }
        let (mut tail, out) = begin(&mut scene.tool("tail"));
        drop(out);
        // A process that another test is just starting may have a copy of the pipe for a moment.
        while tail.0.try_wait().unwrap().is_none() {
            tx.try_push(b"for nobody").unwrap();
            std::thread::sleep(Duration::from_millis(10));
        }
        let (status, said) = tail.end();
        assert_eq!(status.code(), Some(1));
        assert_eq!(said, "");
    }
}

#[test]
fn a_tail_ends_when_the_ring_is_removed_and_is_refused_where_there_is_none() {
    for place in PLACES {
        let scene = Scene::new(place);
        let (ring, tx) = ring_with(&scene, annulus::spsc_records, &[b"one"]);
        let mut tail = Running::start(scene.tool("tail").stdout(Stdio::piped()));
        let mut first = [0; 4];
        let mut out = tail.0.stdout.take().unwrap();
        out.read_exact(&mut first).unwrap();
        ring.unlink().unwrap();
        assert!(tail.end().0.success());
        drop(tx);
        let refused = run(&mut scene.tool("tail"));
        assert_eq!(refused.status.code(), Some(3));
    }
    let scene = Scene::new(Place::Posix);
    for options in [&["--raw", "--tags"][..], &["--take", "--from", "newest"]] {
        let refused = run(scene.tool("tail").args(options));
        assert_eq!(refused.status.code(), Some(2), "{options:?}");
    }
}
