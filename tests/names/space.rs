//! Lack of space is an error at creation, never a signal later. The file system is a small private one.

use crate::run_child;
use crate::scratch::{backing_named, directory};
use annulus::{Backing, CreateError, HugePages, Ring, WaitBackend, spsc};
use std::ffi::CString;
use std::fs;

#[test]
fn a_full_file_system_is_an_error_at_creation_and_leaves_nothing() {
    let dir = directory("full");
    run_child("small tmpfs", &["file", dir.0.to_str().expect("plain")]);
}

#[test]
fn a_full_dev_shm_is_an_error_at_creation_and_leaves_nothing() {
    run_child("small tmpfs", &["shm", "/dev/shm"]);
}

/// Creates rings in a file system of 64 KiB.
pub fn role_small_tmpfs(args: &[&str]) {
    let [kind, dir] = args else {
        panic!("two arguments")
    };
    let backing = backing_named(kind);
    let target = CString::new(*dir).expect("no zero byte");
    // SAFETY: live strings and integers. The mount is seen by this thread only and goes with it.
    unsafe {
        if libc::unshare(libc::CLONE_NEWNS) != 0 {
            println!(
                "skipped: no private mounts here: {}",
                std::io::Error::last_os_error()
            );
            return;
        }
        let private = libc::MS_REC | libc::MS_PRIVATE;
        assert_eq!(
            0,
            libc::mount(
                c"none".as_ptr(),
                c"/".as_ptr(),
                std::ptr::null(),
                private,
                std::ptr::null()
            )
        );
        let tmpfs = c"tmpfs".as_ptr();
        if libc::mount(
            tmpfs,
            target.as_ptr(),
            tmpfs,
            0,
            c"size=64k".as_ptr().cast(),
        ) != 0
        {
            println!(
                "skipped: mounting is not allowed: {}",
                std::io::Error::last_os_error()
            );
            return;
        }
    }
    let name = match backing {
        Backing::File => format!("{dir}/ring"),
        _ => "ring".to_owned(),
    };
    let left = || fs::read_dir(dir).expect("list").count();
    let no_space = |result: Result<Ring<annulus::Spsc<[u8]>>, CreateError>, call: &str| match result
    {
        Err(CreateError::NoSpace {
            wanted_bytes,
            cause,
        }) => {
            assert!(wanted_bytes > 32768, "{wanted_bytes}");
            assert!(cause.op.starts_with(call), "{cause}");
            assert!(cause.to_string().contains("free space"), "{cause}");
        }
        other => panic!("{other:?}"),
    };
    let options = spsc::<[u8]>(&name).slot_size(56).backing(backing);
    for prefault in [true, false] {
        for huge in [HugePages::No, HugePages::Try] {
            let options = options
                .clone()
                .capacity(1024)
                .prefault(prefault)
                .huge_pages(huge);
            no_space(options.create(), "fallocate");
            assert_eq!(left(), 0, "nothing is left behind");
        }
    }
    // With a NUMA node the pages come before the reservation.
    match options.clone().capacity(1024).numa_node(0).create() {
        Err(CreateError::Os(e)) if e.op.starts_with("mbind") => println!("skipped: {e}"),
        result => no_space(result, "madvise"),
    }
    assert_eq!(left(), 0, "nothing is left behind");
    // 64 KiB exactly fit, and are all there: touching every byte is no SIGBUS.
    let fits = options
        .clone()
        .slot_size(7 * 1024 - 8)
        .capacity(8)
        .prefault(false);
    let ring = fits.create().expect("exactly as large as the file system");
    assert_eq!(ring.status().expect("status").segment_bytes, 65536);
    let mut tx = ring.producer().expect("producer");
    for _ in 0..8 {
        tx.try_push(&[7; 7 * 1024 - 8]).expect("room");
    }
    drop(tx);
    ring.unlink().expect("unlink");
    drop(ring);
    assert_eq!(left(), 0);
    if backing == Backing::PosixShm {
        // The ring fits, its semaphores do not.
        no_space(
            fits.wait_backend(WaitBackend::Semaphore).create(),
            "sem_open",
        );
        assert_eq!(left(), 0, "nothing is left behind");
    }
}
