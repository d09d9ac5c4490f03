//! `send --lines` and `send --frames`: what is put back is what was taken off, and what cannot be cut is said.

mod common;

use common::{Place, Running, Scene, noise, run, stderr_of};
use std::fs;
use std::io::{Read, Write};
use std::process::Stdio;

/// Sends `data` cut as `options` say and gives what arrived.
#[track_caller]
fn through(data: &[u8], receiver_first: bool, options: &[&str]) -> Vec<u8> {
    let scene = Scene::new(Place::Posix);
    let (from, to) = (scene.file("from"), scene.file("to"));
    fs::write(&from, data).unwrap();
    let send = || Running::start(scene.tool("send").arg(&from).args(options));
    let several = options.contains(&"mpsc");
    let kind = ["--kind", if several { "mpsc" } else { "spsc" }];
    let recv = || Running::start(scene.tool("recv").args(kind).arg(&to));
    let (sender, receiver) = if receiver_first {
        let receiver = recv();
        scene.wait_until(|status| status.consumers[0].generation == 1);
        (send(), receiver)
    } else {
        let sender = send();
        scene.wait_until(|status| status.producers.iter().any(|end| end.generation == 1));
        (sender, recv())
    };
    let (sent, said) = sender.end();
    assert!(sent.success(), "{said}");
    let (received, said) = receiver.end();
    assert!(received.success(), "{said}");
    scene.assert_clean();
    fs::read(to).unwrap()
}

/// Lines of all lengths up to `longest`, some empty.
fn lines(n: usize, longest: usize) -> Vec<u8> {
    let bytes = noise(2 * n);
    let mut out = Vec::new();
    for pair in bytes.chunks(2) {
        let len = usize::from(u16::from_le_bytes([pair[0], pair[1]])) % (longest + 1);
        out.extend((0..len).map(|i| b'!' + (i % 90) as u8));
        out.push(b'\n');
    }
    out
}

/// `data` as frames of these lengths.
fn frames(lengths: &[usize]) -> Vec<u8> {
    let mut out = Vec::new();
    for &len in lengths {
        out.extend((len as u32).to_le_bytes());
        out.extend(noise(len));
    }
    out
}

#[test]
fn lines_arrive_as_they_were_with_and_without_a_last_newline() {
    let many = lines(20_000, 300);
    let without = &many[..many.len() - 1];
    for data in [
        &many[..],
        without,
        b"",
        b"\n",
        b"\n\n\n",
        b"one",
        b"one\n",
        b"\nlast without",
        b"nul \0 and \xff\n",
    ] {
        for receiver_first in [true, false] {
            for options in [&["--lines"][..], &["--lines", "--kind", "mpsc"]] {
                let arrived = through(data, receiver_first, options);
                assert!(arrived == data, "{} bytes, {options:?}", data.len());
            }
        }
    }
}

#[test]
fn a_line_as_long_as_a_record_arrives_and_a_longer_one_is_refused_with_a_way_out() {
    // Longer than what is read at a time.
    let capacity = ["--lines", "--capacity", "1M"];
    for (options, longest) in [
        (&["--lines", "--capacity", "256"][..], 120),
        (&["--lines", "--capacity", "256", "--kind", "mpsc"], 112),
        (&capacity, (512 << 10) - 8),
    ] {
        let line = vec![b'x'; longest];
        let data = [&line[..], b"\nshort\n", &line].concat();
        for receiver_first in [true, false] {
            // The receiver takes the ring as it is, or makes a larger one.
            let options = if receiver_first {
                &options[..1]
            } else {
                options
            };
            assert!(through(&data, receiver_first, options) == data);
        }
        let scene = Scene::new(Place::Posix);
        fs::write(scene.file("from"), [b"first\n", &line[..], b"x\n"].concat()).unwrap();
        let sender = Running::start(scene.tool("send").arg(scene.file("from")).args(options));
        scene.wait_until(|status| status.producers.iter().any(|end| end.generation == 1));
        let receiver = Running::start(scene.tool("recv").arg(scene.file("to")));
        let (status, said) = sender.end();
        assert_eq!(status.code(), Some(1), "{said}");
        assert!(
            said.contains("line 2 is longer") && said.contains("--capacity"),
            "{said}"
        );
        let (status, said) = receiver.end();
        assert_eq!(status.code(), Some(1), "{said}");
        assert!(said.contains("could not be cut"), "{said}");
        assert_eq!(fs::read(scene.file("to")).unwrap(), b"first\n");
        scene.assert_clean();
    }
}

#[test]
fn a_line_is_one_record_and_arrives_while_the_sender_waits_for_the_next() {
    let scene = Scene::new(Place::Posix);
    let mut receiver = Running::start(scene.tool("recv").stdout(Stdio::piped()));
    let mut send = scene.tool("send");
    let mut sender = Running::start(send.arg("--lines").stdin(Stdio::piped()));
    let mut into = sender.0.stdin.take().unwrap();
    let mut out = receiver.0.stdout.take().unwrap();
    let mut arrived = [0; 8];
    into.write_all(b"one\ntwo\nth").unwrap();
    out.read_exact(&mut arrived).unwrap();
    assert_eq!(&arrived, b"one\ntwo\n");
    into.write_all(b"ree").unwrap();
    drop(into);
    let mut rest = Vec::new();
    out.read_to_end(&mut rest).unwrap();
    assert_eq!(rest, b"three");
    assert!(sender.end().0.success() && receiver.end().0.success());
}

#[test]
fn frames_arrive_as_they_were() {
    let mixed = frames(&[0, 1, 7, 8, 9, 0, 0, 65_535, 65_536, 200_000, 3]);
    let many: Vec<usize> = noise(30_000).into_iter().map(usize::from).collect();
    for data in [mixed, frames(&[]), frames(&[0]), frames(&many)] {
        for receiver_first in [true, false] {
            for options in [&["--frames"][..], &["--frames", "--kind", "mpsc"]] {
                let arrived = through(&data, receiver_first, options);
                assert!(arrived == data, "{} bytes, {options:?}", data.len());
            }
        }
    }
}

#[test]
fn frames_that_are_cut_short_or_too_long_are_said() {
    let good = frames(&[5, 6]);
    let long = [&good[..], &frames(&[121])].concat();
    for (data, word) in [
        (&good[..good.len() - 1], "in the middle of frame 2"),
        (&good[..good.len() - 7], "in the middle of frame 2"),
        (&good[..2], "in the middle of frame 1"),
        (&long, "frame 3 has 121 bytes and is longer"),
        (b"this is no frame", "frame 1 has 1,936,287,860 bytes"),
    ] {
        let scene = Scene::new(Place::Posix);
        let mut recv = scene.tool("recv");
        let receiver = Running::start(recv.args(["--capacity", "256"]).arg(scene.file("to")));
        scene.wait_until(|status| status.consumers[0].generation == 1);
        fs::write(scene.file("from"), data).unwrap();
        let refused = run(scene.tool("send").arg("--frames").arg(scene.file("from")));
        assert_eq!(refused.status.code(), Some(1));
        let said = stderr_of(&refused);
        assert!(said.contains(word), "{said}");
        let (status, said) = receiver.end();
        assert_eq!(status.code(), Some(1));
        assert!(said.contains("could not be cut"), "{said}");
        let arrived = fs::read(scene.file("to")).unwrap();
        assert!(data.starts_with(&arrived), "only whole frames");
        scene.assert_clean();
    }
}
