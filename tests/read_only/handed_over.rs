//! Memfd rings: both objects are handed over by descriptor, and nobody but the creator can write the data.

use crate::attempts::{
    inode, mappings_of, read_only_mapping_of, try_the_mapping, try_the_memfd, until_it_faulted,
    write_through,
};
use crate::common::child::{Args, Child, listen, report};
use crate::common::clean::TempDir;
use crate::common::pass;
use crate::common::spec::socket_in;
use annulus::{Backing, Broadcast, EndpointError, Join, OpenError, Options, Peer, Ring, broadcast};
use std::io::ErrorKind;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;

fn options() -> Options<Broadcast<u64>> {
    broadcast::<u64>("handed-over")
        .backing(Backing::Memfd)
        .capacity(64)
        .readers(8)
}

fn create() -> Ring<Broadcast<u64>> {
    options().read_only_readers(true).create().expect("create")
}

fn copy(fd: BorrowedFd<'_>) -> OwnedFd {
    fd.try_clone_to_owned().expect("a descriptor")
}

fn both(ring: &Ring<Broadcast<u64>>) -> (OwnedFd, OwnedFd) {
    let control = ring.descriptor().expect("a descriptor");
    let data = ring.data_descriptor().expect("two objects");
    (copy(control), copy(data))
}

/// Starts a child and hands it both descriptors of `ring`.
fn start(role: &str, ring: &Ring<Broadcast<u64>>) -> Child {
    let dir = TempDir::new("read-only-socket");
    let (listener, path) = socket_in(&dir);
    let child = Child::start(role, Args::default().with("socket", &path));
    let (socket, _) = listener.accept().expect("the child connects");
    pass::send(&socket, ring.descriptor().expect("a descriptor"));
    pass::send(&socket, ring.data_descriptor().expect("two objects"));
    child
}

/// In a child: the ring behind the descriptors that were handed over.
fn receive(args: &Args) -> Ring<Broadcast<u64>> {
    let socket = UnixStream::connect(args.get("socket")).expect("the parent listens");
    let control = pass::receive(&socket);
    let data = pass::receive(&socket);
    options().open_descriptors(control, data).expect("open")
}

#[test]
fn a_reader_by_descriptor_that_writes_messages_dies_and_nobody_sees_what_it_wrote() {
    let ring = create();
    let mut tx = ring.producer().expect("the producer");
    for n in 0..5 {
        tx.try_push(&n).expect("room");
    }
    let mut child = start("reader by descriptor", &ring);
    child.expect("read 5");
    tx.try_push(&5).expect("room");
    child.say("go on");
    child.expect("read 6");
    child.say("write");
    until_it_faulted(&child);
    drop(child);
    let mut rx = ring.reader(Join::Oldest).expect("a reader");
    for n in 0..6 {
        assert_eq!(rx.try_read(), Ok(n));
    }
}

/// Reads, tries to write in all ways but one, reads again, and writes.
pub fn role_reader(args: &Args) {
    let ring = receive(args);
    assert!(ring.readers_are_read_only());
    let mut rx = ring.reader(Join::Oldest).expect("a reader");
    for n in 0..5 {
        assert_eq!(rx.try_read(), Ok(n));
    }
    let data = ring.data_descriptor().expect("two objects");
    let mapped = read_only_mapping_of(inode(data));
    try_the_mapping(&mapped);
    try_the_memfd(data, mapped.len);
    report("read 5");
    assert_eq!(listen(), "go on");
    assert_eq!(rx.try_read(), Ok(5));
    report("read 6");
    assert_eq!(listen(), "write");
    write_through(&mapped);
}

#[test]
fn the_creator_itself_gets_no_second_mapping_for_writing() {
    let ring = create();
    let data = ring.data_descriptor().expect("two objects");
    let own = mappings_of(inode(data));
    let permissions: Vec<&str> = own.iter().map(|m| m.permissions.as_str()).collect();
    assert_eq!(permissions, ["rw-s"]);
    try_the_memfd(data, own[0].len);
    let mut tx = ring.producer().expect("the producer");
    let mut rx = ring.reader(Join::Oldest).expect("a reader");
    tx.try_push(&7).expect("room");
    assert_eq!(rx.try_read(), Ok(7));
    assert_eq!(mappings_of(inode(data)).len(), 1);
}

#[test]
fn another_process_cannot_become_the_producer_and_does_not_hinder_the_real_one() {
    let ring = create();
    let mut child = start("producer by descriptor", &ring);
    child.expect("refused");
    assert_eq!(
        ring.status().expect("status").producers[0].state,
        Peer::Never
    );
    let mut tx = ring.producer().expect("the producer");
    tx.try_push(&9).expect("room");
    child.say("read");
    child.expect("read");
    child.finish();
}

/// Tries to produce, and then reads.
pub fn role_producer(args: &Args) {
    let ring = receive(args);
    for _ in 0..2 {
        match ring.producer() {
            Err(EndpointError::Os(e)) => {
                assert_eq!(e.source.kind(), ErrorKind::PermissionDenied, "{e}");
            }
            other => panic!("{other:?}"),
        }
    }
    report("refused");
    assert_eq!(listen(), "read");
    let mut rx = ring.reader(Join::Oldest).expect("a reader");
    assert_eq!(rx.try_read(), Ok(9));
    report("read");
}

#[test]
fn descriptors_that_do_not_belong_together_are_refused() {
    let (one, two) = (create(), create());
    let whole = options().create().expect("create");
    assert!(!whole.readers_are_read_only());
    assert!(whole.data_descriptor().is_none());
    let mismatch = |result: Result<Ring<Broadcast<u64>>, OpenError>, wanted: &str| match result {
        Err(OpenError::Mismatch { field, .. }) => assert_eq!(field, wanted),
        other => panic!("{other:?}"),
    };
    let (control, data) = both(&one);
    drop(options().open_descriptors(control, data).expect("a pair"));
    let open = |control, data| options().open_descriptors(control, data);
    mismatch(open(both(&one).0, both(&two).1), "data instance");
    mismatch(open(both(&one).0, both(&one).0), "data object");
    let alone = options().open_descriptor(both(&one).0);
    mismatch(alone, "data object");
    let control = copy(whole.descriptor().expect("a descriptor"));
    mismatch(open(control, both(&one).1), "data object");
    let turned = open(both(&one).1, both(&one).0);
    assert!(
        matches!(turned, Err(OpenError::NotARing { .. })),
        "{turned:?}"
    );
}
