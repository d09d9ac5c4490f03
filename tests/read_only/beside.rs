//! Named rings: the data is a file beside the ring, and its readers map it for reading alone.

use crate::attempts::{
    Mapped, mappings_of, read_only_mapping_of, try_the_descriptor, try_the_mapping,
    until_it_faulted, write_through,
};
use crate::common::child::{Args, Child, listen, report};
use crate::common::clean::{Cleanup, TempDir, shm_names_with, unique};
use annulus::{
    Backing, Broadcast, BroadcastRecords, Join, NotARing, OpenError, Options, Peer, TryReadError,
    Wait, broadcast, broadcast_records, inspect, list, unlink,
};
use std::fs::{self, File};
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// A ring in `/dev/shm`, or at a path.
pub fn options(name: &str) -> Options<Broadcast<u64>> {
    broadcast::<u64>(name)
        .backing(backing(name))
        .capacity(64)
        .readers(8)
        .read_only_readers(true)
}

fn records(name: &str) -> Options<BroadcastRecords> {
    broadcast_records(name)
        .backing(backing(name))
        .capacity_bytes(4096)
        .readers(8)
        .read_only_readers(true)
}

pub fn backing(name: &str) -> Backing {
    match name.starts_with('/') {
        true => Backing::File,
        false => Backing::PosixShm,
    }
}

/// Where the data of the ring `name` is.
pub fn data_path(name: &str, instance: u64) -> PathBuf {
    let file = format!("annulus.{instance:016x}.data");
    match backing(name) {
        Backing::File => Path::new(name).with_file_name(file),
        _ => Path::new("/dev/shm").join(file),
    }
}

/// The mapping through which this process reads the messages of that ring.
pub fn own_mapping(name: &str, instance: u64) -> Mapped {
    let facts = fs::metadata(data_path(name, instance)).expect("the data is there");
    read_only_mapping_of(facts.ino())
}

/// Calls `with` with the name of a ring of each named backing; none of them stays.
pub fn in_each_place(with: impl Fn(&str)) {
    let dir = TempDir::new("read-only");
    with(&dir.file("ring"));
    let left = fs::read_dir(dir.path()).expect("a directory").count();
    assert_eq!(left, 0, "something was left beside the ring");
    let name = unique("read-only");
    let _cleanup = Cleanup(|| {
        let _ = unlink(Backing::PosixShm, &name);
    });
    with(&name);
}

#[test]
fn a_reader_that_writes_messages_dies_and_nobody_sees_what_it_wrote() {
    in_each_place(|name| {
        let ring = options(name).create().expect("create");
        let mut tx = ring.producer().expect("the producer");
        for n in 0..5 {
            tx.try_push(&n).expect("room");
        }
        let mut child = Child::start("reader of a file", Args::default().with("name", name));
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
        tx.try_push(&6).expect("room");
        assert_eq!(rx.try_read(), Ok(6));
        ring.unlink().expect("unlink");
    });
}

/// Reads, tries to write in all ways but one, reads again, and writes.
pub fn role_reader(args: &Args) {
    let name = args.get("name");
    let ring = options(name).open().expect("open");
    assert!(ring.readers_are_read_only());
    let mut rx = ring.reader(Join::Oldest).expect("a reader");
    for n in 0..5 {
        assert_eq!(rx.try_read(), Ok(n));
    }
    let mapped = own_mapping(name, ring.instance());
    try_the_mapping(&mapped);
    let data = ring.data_descriptor().expect("two objects");
    try_the_descriptor(data, mapped.len);
    report("read 5");
    assert_eq!(listen(), "go on");
    assert_eq!(rx.try_read(), Ok(5));
    report("read 6");
    assert_eq!(listen(), "write");
    write_through(&mapped);
}

#[test]
fn a_reader_of_records_that_writes_dies() {
    in_each_place(|name| {
        let ring = records(name).create().expect("create");
        let mut tx = ring.producer().expect("the producer");
        tx.try_push(b"of any length").expect("room");
        let mut child = Child::start("reader of records", Args::default().with("name", name));
        child.expect("read");
        child.say("write");
        until_it_faulted(&child);
        drop(child);
        let mut rx = ring.reader(Join::Oldest).expect("a reader");
        let mut record = Vec::new();
        rx.try_read_into(&mut record).expect("a record");
        assert_eq!(record, b"of any length");
        ring.unlink().expect("unlink");
    });
}

/// Reads a record, tries to write, and writes.
pub fn role_record_reader(args: &Args) {
    let name = args.get("name");
    let ring = records(name).open().expect("open");
    let mut rx = ring.reader(Join::Oldest).expect("a reader");
    let mut record = Vec::new();
    rx.try_read_into(&mut record).expect("a record");
    assert_eq!(record, b"of any length");
    let mapped = own_mapping(name, ring.instance());
    try_the_mapping(&mapped);
    report("read");
    assert_eq!(listen(), "write");
    write_through(&mapped);
}

#[test]
fn every_way_to_read_works_without_the_right_to_write() {
    in_each_place(|name| {
        let ring = wide(name).create().expect("create");
        let mut tx = ring.producer().expect("the producer");
        let mut child = Child::start("everybody's reader", Args::default().with("name", name));
        child.expect("joined");
        for n in 0..40 {
            tx.push(&[n; WIDE], Wait::park())
                .expect("a reader that goes on");
        }
        child.expect("lost 32 of them");
        child.say("sleep");
        child.expect("about to");
        tx.push(&[40; WIDE], Wait::park()).expect("room");
        child.expect("woke up");
        child.finish();
        ring.unlink().expect("unlink");
    });
}

/// Long enough to be copied in bulk.
const WIDE: usize = 1000;

fn wide(name: &str) -> Options<Broadcast<[u8]>> {
    broadcast::<[u8]>(name)
        .backing(backing(name))
        .slot_size(WIDE)
        .capacity(8)
        .readers(4)
        .read_only_readers(true)
}

/// Reads as a reader that is waited for and as one that is not, and sleeps.
pub fn role_every_way(args: &Args) {
    let name = args.get("name");
    let ring = wide(name).open().expect("open");
    let mut kept = ring.lossless_reader(Join::Oldest).expect("a reader");
    let mut lossy = ring.reader(Join::Oldest).expect("a reader");
    own_mapping(name, ring.instance());
    report("joined");
    let mut out = [0; WIDE];
    for n in 0..40 {
        kept.read_into(&mut out, Wait::park()).expect("a message");
        assert_eq!(out, [n; WIDE]);
    }
    let mut lost = 0;
    loop {
        match lossy.try_read_into(&mut out) {
            Ok(()) => break,
            Err(TryReadError::Lost(n)) => lost += n,
            Err(other) => panic!("{other}"),
        }
    }
    let seen = u64::from(out[0]);
    assert_eq!((seen, out), (lost, [lost as u8; WIDE]));
    assert!(lost >= 32, "{lost}");
    report("lost 32 of them");
    lossy.try_latest_into(&mut out).expect("the newest");
    assert_eq!(out, [39; WIDE]);
    assert_eq!(listen(), "sleep");
    report("about to");
    lossy.read_into(&mut out, Wait::park()).expect("a message");
    assert_eq!(out, [40; WIDE]);
    report("woke up");
}

#[test]
fn a_successor_of_the_owner_s_maps_the_data_for_writing_when_it_needs_to() {
    in_each_place(|name| {
        let mut child = Child::start("producer of a file", Args::default().with("name", name));
        child.expect("pushed");
        child.kill();
        let ring = options(name).open().expect("open");
        let inode = fs::metadata(data_path(name, ring.instance()))
            .expect("the data is there")
            .ino();
        let mut rx = ring.reader(Join::Oldest).expect("a reader");
        let permissions = || {
            let mut all: Vec<String> = mappings_of(inode)
                .into_iter()
                .map(|mapped| mapped.permissions)
                .collect();
            all.sort();
            all
        };
        assert_eq!(permissions(), ["r--s"]);
        let mut tx = ring.producer().expect("a successor");
        assert_eq!(permissions(), ["r--s", "rw-s"]);
        tx.try_push(&3).expect("room");
        for n in 0..4 {
            assert_eq!(rx.try_read(), Ok(n));
        }
        drop(tx);
        assert_eq!(permissions(), ["r--s"]);
        ring.unlink().expect("unlink");
    });
}

/// Makes a ring, pushes three messages and is killed.
pub fn role_producer(args: &Args) {
    let ring = options(args.get("name")).create().expect("create");
    let mut tx = ring.producer().expect("the producer");
    for n in 0..3 {
        tx.try_push(&n).expect("room");
    }
    report("pushed");
    listen();
}

#[test]
fn such_a_ring_is_listed_once_looked_at_and_removed_whole() {
    let name = unique("read-only-listed");
    let _cleanup = Cleanup(|| {
        let _ = unlink(Backing::PosixShm, &name);
    });
    let ring = options(&name).create().expect("create");
    let mut tx = ring.producer().expect("the producer");
    tx.try_push(&1).expect("room");
    let number = format!("{:016x}", ring.instance());
    let listed = list();
    assert_eq!(listed.iter().filter(|l| l.name == name).count(), 1);
    assert!(listed.iter().all(|l| !l.name.contains(&number)));
    let status = inspect(Backing::PosixShm, &name).expect("inspect");
    assert_eq!(status.instance, ring.instance());
    let sizes = [
        Path::new("/dev/shm").join(&name),
        data_path(&name, ring.instance()),
    ]
    .map(|path| fs::metadata(path).expect("there").len());
    assert_eq!(status.segment_bytes, sizes.iter().sum::<u64>());
    assert_eq!(status.producers[0].state, Peer::Alive);
    assert_eq!(shm_names_with(&number).len(), 1);
    unlink(Backing::PosixShm, &name).expect("unlink");
    assert!(shm_names_with(&number).is_empty());
    assert!(shm_names_with(&name).is_empty());
    tx.try_push(&2).expect("whoever has it mapped goes on");
}

#[test]
fn a_ring_without_its_data_is_refused_and_can_be_removed() {
    in_each_place(|name| {
        let ring = options(name).create().expect("create");
        let data = data_path(name, ring.instance());
        // What stands there in the end is not the ring's, and so does not go with it.
        let _cleanup = Cleanup(|| {
            let _ = fs::remove_file(&data);
        });
        let refused = |wanted: &str| match options(name).open() {
            Err(OpenError::Mismatch { field, .. }) => assert_eq!(field, wanted),
            other => panic!("{other:?}"),
        };
        fs::remove_file(&data).expect("remove");
        refused("data object");
        let other = broadcast::<u64>("-")
            .backing(Backing::Memfd)
            .capacity(64)
            .readers(8)
            .read_only_readers(true);
        let other = other.create().expect("create");
        let descriptor = other.data_descriptor().expect("two objects");
        let mut bytes = File::from(descriptor.try_clone_to_owned().expect("a descriptor"));
        let mut copy = File::create(&data).expect("a file");
        std::io::copy(&mut bytes, &mut copy).expect("a copy");
        refused("data instance");
        copy.set_len(4096).expect("cut");
        match options(name).open() {
            Err(OpenError::NotARing { found, .. }) => assert_eq!(found, NotARing::TooShort(4096)),
            other => panic!("{other:?}"),
        }
        fs::remove_file(&data).expect("remove");
        ring.unlink().expect("unlink");
    });
}

#[test]
fn the_descriptor_of_the_data_can_only_be_read() {
    in_each_place(|name| {
        let ring = options(name).create().expect("create");
        let data = ring.data_descriptor().expect("two objects");
        let len = fs::metadata(data_path(name, ring.instance()))
            .expect("there")
            .len();
        try_the_descriptor(data.as_fd(), len as usize);
        ring.unlink().expect("unlink");
    });
}
