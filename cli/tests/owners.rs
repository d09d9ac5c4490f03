//! Rings of other users: looked at and removed as the kernel allows, streamed through only when asked for.

mod common;

use annulus::Backing;
use common::{PLACES, Place, Running, Scene, noise, run, stderr_of};
use std::fs;
use std::os::unix::fs::{MetadataExt, chown};
use std::process::Stdio;

/// A user that is not root.
const NOBODY: u32 = 65534;

/// Whether rings can be given to other users here; says so if not.
fn is_root() -> bool {
    let root = fs::metadata("/proc/self").unwrap().uid() == 0;
    if !root {
        println!("skipped: giving rings away needs root");
    }
    root
}

#[test]
fn root_looks_at_everybodys_rings_and_removes_them() {
    if !is_root() {
        return;
    }
    for place in PLACES {
        let scene = Scene::new(place);
        let ring = annulus::spsc_records(&scene.name)
            .backing(scene.backing())
            .owner(Some(NOBODY), Some(NOBODY))
            .create()
            .unwrap();
        let mut tx = ring.producer().unwrap();
        tx.try_push(b"theirs").unwrap();
        let stat = run(&mut scene.tool("stat"));
        assert!(stat.status.success(), "{}", stderr_of(&stat));
        for take in [false, true] {
            let mut tail = scene.tool("tail");
            tail.args(["--count", "1"]);
            if take {
                tail.arg("--take");
            }
            let shown = run(&mut tail);
            assert!(shown.status.success(), "{}", stderr_of(&shown));
            assert!(String::from_utf8_lossy(&shown.stdout).contains("theirs"));
        }
        if place != Place::File {
            let listed = run(common::annulus().arg("ls"));
            let key = match ring.backing() {
                Backing::SysV { key: Some(key) } => format!("{key:#x}"),
                _ => scene.name.clone(),
            };
            assert!(String::from_utf8_lossy(&listed.stdout).contains(&key));
        }
        drop(tx);
        let removed = run(&mut scene.tool("rm"));
        assert!(removed.status.success(), "{}", stderr_of(&removed));
        scene.assert_clean();
    }
}

#[test]
fn a_stream_goes_through_another_users_ring_only_if_that_was_said() {
    if !is_root() {
        return;
    }
    for owner in ["65534", "any"] {
        let scene = Scene::new(Place::Posix);
        let to = scene.file("to");
        let receiver = Running::start(scene.tool("recv").arg(&to).stdin(Stdio::null()));
        scene.wait_until(|status| status.consumers[0].generation == 1);
        chown(format!("/dev/shm/{}", scene.name), Some(NOBODY), None).unwrap();
        for (options, hint) in [(&[][..], "--owner 65534"), (&["--owner", "1"], "not of 1")] {
            let refused = run(scene.tool("send").args(options));
            let said = stderr_of(&refused);
            assert_eq!(refused.status.code(), Some(3), "{said}");
            assert!(said.contains("user 65534") && said.contains(hint), "{said}");
        }
        let from = scene.file("from");
        fs::write(&from, noise(100_000)).unwrap();
        let sent = run(scene.tool("send").arg(&from).args(["--owner", owner]));
        assert!(sent.status.success(), "{}", stderr_of(&sent));
        assert!(receiver.end().0.success());
        assert!(fs::read(to).unwrap() == noise(100_000));
    }
    let scene = Scene::new(Place::Posix);
    let odd = run(scene.tool("send").args(["--owner", "nobody"]));
    assert_eq!(odd.status.code(), Some(2));
    scene.assert_clean();
}
