//! Things that are no rings: each is named for what it is, and left alone.

use crate::scratch::{Key, Scratch, is_root, shm_path, unique};
use annulus::{Backing, CreateError, NotARing, OpenError, spsc, unlink};
use std::ffi::CString;
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::{FileTypeExt, MetadataExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::time::{Duration, Instant};

#[test]
fn nothing_at_the_name_is_not_found() {
    let name = unique("nothing");
    let path = shm_path(&name).display().to_string();
    let key = Key::unique();
    for (backing, name, shown) in [
        (Backing::PosixShm, name.as_str(), path.clone()),
        (Backing::File, path.as_str(), path.clone()),
        (key.backing(), "-", format!("System V key {:#x}", key.0)),
    ] {
        for result in [
            spsc::<u64>(name).backing(backing).open().map(|_| ()),
            unlink(backing, name),
            annulus::inspect(backing, name).map(|_| ()),
        ] {
            match result {
                Err(OpenError::NotFound { name }) => assert_eq!(name, shown),
                other => panic!("{other:?}"),
            }
        }
    }
    let deep = format!("{path}/below/nothing");
    let result = spsc::<u64>(deep).backing(Backing::File).open();
    assert!(
        matches!(result, Err(OpenError::NotFound { .. })),
        "{result:?}"
    );
}

/// Opens, creates over, unlinks and inspects what `make` puts at a name; it must be found, named, and left.
fn is_left_alone(what: &str, wanted: &[NotARing], make: impl Fn(&Path)) {
    let scratch = Scratch(shm_path(&unique(what)));
    let name = scratch
        .0
        .file_name()
        .and_then(|n| n.to_str())
        .expect("plain")
        .to_owned();
    let path = scratch.0.display().to_string();
    make(&scratch.0);
    let before = fs::symlink_metadata(&scratch.0).expect("made");
    for (backing, name) in [(Backing::PosixShm, &name), (Backing::File, &path)] {
        let begun = Instant::now();
        let options = spsc::<u64>(name).backing(backing);
        let results = [
            options.open().map(|_| ()),
            annulus::inspect(backing, name).map(|_| ()),
            unlink(backing, name),
        ];
        for result in results {
            match result {
                Err(OpenError::NotARing { name, found }) => {
                    assert_eq!(name, path);
                    assert!(wanted.contains(&found), "{what} taken for {found:?}");
                }
                other => panic!("{what}: {other:?}"),
            }
        }
        let result = options.create();
        assert!(
            matches!(result, Err(CreateError::Exists { .. })),
            "{what}: {result:?}"
        );
        let result = options.open_or_create();
        assert!(result.is_err(), "{what}: {result:?}");
        assert!(
            begun.elapsed() < Duration::from_secs(2),
            "{what} took {:?}",
            begun.elapsed()
        );
    }
    let after = fs::symlink_metadata(&scratch.0).expect("still there");
    assert_eq!(
        (before.ino(), before.len(), before.mode()),
        (after.ino(), after.len(), after.mode())
    );
}

#[test]
fn a_fifo_a_link_a_directory_a_socket_and_a_device_are_named_and_left_alone() {
    is_left_alone("fifo", &[NotARing::Fifo], |path| {
        let path = CString::new(path.to_str().expect("plain")).expect("no zero byte");
        // SAFETY: a live string and an integer.
        assert_eq!(0, unsafe { libc::mkfifo(path.as_ptr(), 0o600) });
    });
    is_left_alone("link", &[NotARing::Symlink], |path| {
        symlink("/dev/null", path).expect("link")
    });
    is_left_alone("dangling", &[NotARing::Symlink], |path| {
        symlink("/no/where", path).expect("link")
    });
    is_left_alone("directory", &[NotARing::Directory], |path| {
        fs::create_dir(path).expect("mkdir")
    });
    is_left_alone("socket", &[NotARing::Socket], |path| {
        drop(UnixListener::bind(path).expect("bind"))
    });
    let result = spsc::<u64>("/dev/null").backing(Backing::File).open();
    assert!(
        matches!(
            result,
            Err(OpenError::NotARing {
                found: NotARing::Device,
                ..
            })
        ),
        "{result:?}"
    );
    assert!(unlink(Backing::File, "/dev/null").is_err());
    assert!(
        fs::metadata("/dev/null")
            .expect("there")
            .file_type()
            .is_char_device()
    );
    if is_root() {
        is_left_alone("device", &[NotARing::Device], |path| {
            let path = CString::new(path.to_str().expect("plain")).expect("no zero byte");
            // SAFETY: a live string and integers.
            let made =
                unsafe { libc::mknod(path.as_ptr(), libc::S_IFCHR | 0o600, libc::makedev(1, 3)) };
            assert_eq!(0, made, "{}", std::io::Error::last_os_error());
        });
    } else {
        println!("skipped: a device node needs root");
    }
}

#[test]
fn a_link_to_a_good_ring_is_refused_all_the_same() {
    let ring = Scratch(shm_path(&unique("target")));
    let name = ring.0.file_name().and_then(|n| n.to_str()).expect("plain");
    let _ring = spsc::<u64>(name).capacity(4).create().expect("create");
    is_left_alone("link-to-ring", &[NotARing::Symlink], |path| {
        symlink(&ring.0, path).expect("link")
    });
}

#[test]
fn files_that_are_no_rings_are_told_by_their_length_or_their_first_bytes() {
    is_left_alone("empty", &[NotARing::TooShort(0)], |path| {
        fs::write(path, b"").expect("write")
    });
    is_left_alone("short", &[NotARing::TooShort(8191)], |path| {
        fs::write(path, [7; 8191]).expect("write")
    });
    is_left_alone("noise", &[NotARing::NoMagic], |path| {
        let mut noise = vec![0; 1 << 16];
        File::open("/dev/urandom")
            .expect("open")
            .read_exact(&mut noise)
            .expect("read");
        fs::write(path, noise).expect("write");
    });
    is_left_alone("zeros", &[NotARing::NoMagic], |path| {
        File::create(path)
            .expect("create")
            .set_len(1 << 20)
            .expect("room");
    });
    is_left_alone("other-magic", &[NotARing::NoMagic], |path| {
        let mut bytes = vec![0; 1 << 16];
        bytes[..8].copy_from_slice(b"ANNULUS\x01");
        bytes[248..256].copy_from_slice(b"COMPLETE");
        fs::write(path, bytes).expect("write");
    });
}
