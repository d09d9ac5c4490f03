//! Another user who may take part in a ring as a reader, and in no other way.

use crate::attempts::write_through;
use crate::attempts::{open_again, try_the_descriptor, try_the_mapping, until_it_faulted};
use crate::beside::{backing, data_path, in_each_place, options, own_mapping};
use crate::common::child::{Args, Child, listen, report};
use annulus::{Backing, EndpointError, Join, Peer};
use std::fs::{self, OpenOptions, Permissions};
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

#[test]
fn another_user_reads_messages_and_has_no_way_to_write_them() {
    // SAFETY: takes nothing, cannot fail.
    if unsafe { libc::geteuid() } != 0 {
        println!("skipped: becoming another user needs root");
        return;
    }
    in_each_place(|name| {
        if let Some(dir) = Path::new(name)
            .parent()
            .filter(|_| backing(name) == Backing::File)
        {
            fs::set_permissions(dir, Permissions::from_mode(0o755)).expect("chmod");
        }
        let ring = options(name).mode(0o666).create().expect("create");
        let mode = |path: &Path| fs::metadata(path).expect("there").permissions().mode() & 0o777;
        assert_eq!(mode(&data_path(name, ring.instance())), 0o644);
        let mut tx = ring.producer().expect("the producer");
        for n in 0..5 {
            tx.try_push(&n).expect("room");
        }
        let mut child = Child::start("stranger", Args::default().with("name", name));
        child.expect("read");
        let status = ring.status().expect("status");
        assert_eq!(status.producers[0].state, Peer::Alive);
        child.say("write");
        until_it_faulted(&child);
        drop(child);
        tx.try_push(&5).expect("room");
        let mut rx = ring.reader(Join::Oldest).expect("a reader");
        for n in 0..6 {
            assert_eq!(rx.try_read(), Ok(n));
        }
        drop(tx);
        // The place of the producer is free, and stays so.
        let mut child = Child::start("stranger", Args::default().with("name", name));
        child.expect("read");
        drop(child);
        assert!(ring.producer().is_ok());
        ring.unlink().expect("unlink");
    });
}

/// Becomes nobody, reads, and tries to write.
pub fn role_stranger(args: &Args) {
    let name = args.get("name");
    // SAFETY: integers, and an empty list. All threads of this process change their user.
    unsafe {
        assert_eq!(0, libc::setgroups(0, std::ptr::null()));
        assert_eq!(0, libc::setgid(65534));
        assert_eq!(0, libc::setuid(65534));
    }
    let ring = options(name).owned_by(0).open().expect("open");
    let mut rx = ring.reader(Join::Oldest).expect("a reader");
    for n in 0..5 {
        assert_eq!(rx.try_read(), Ok(n));
    }
    match ring.producer() {
        Err(EndpointError::Os(e)) => {
            assert_eq!(e.source.kind(), ErrorKind::PermissionDenied, "{e}");
        }
        Err(EndpointError::Occupied { .. }) => {}
        other => panic!("{other:?}"),
    }
    let path = data_path(name, ring.instance());
    let denied = |result: std::io::Result<fs::File>| {
        assert_eq!(
            result.expect_err("refused").kind(),
            ErrorKind::PermissionDenied
        );
    };
    denied(OpenOptions::new().write(true).open(&path));
    denied(OpenOptions::new().read(true).write(true).open(&path));
    let data = ring.data_descriptor().expect("two objects");
    denied(open_again(data));
    let gone = fs::remove_file(&path).expect_err("not ours");
    assert_eq!(gone.kind(), ErrorKind::PermissionDenied);
    let opened = fs::set_permissions(&path, Permissions::from_mode(0o666));
    assert_eq!(
        opened.expect_err("not ours").kind(),
        ErrorKind::PermissionDenied
    );
    let mapped = own_mapping(name, ring.instance());
    try_the_mapping(&mapped);
    try_the_descriptor(data, mapped.len);
    report("read");
    assert_eq!(listen(), "write");
    write_through(&mapped);
}
