//! Options and kinds: what cannot be is refused by name, what can be works on every kind of memory.

use crate::common::clean::{Cleanup, TempDir, shm_names_with, sysv_has, unique, unique_key};
use annulus::{
    Backing, CreateError, EndpointError, Join, JoinError, Messages, OpenError, OpenOrCreateError,
    Parties, TryReadError, broadcast, broadcast_records, mpmc, mpsc, mpsc_records, spmc, spsc,
    spsc_records,
};

fn no_option<V: std::fmt::Debug>(result: Result<V, CreateError>, wanted: &[&str]) {
    match result {
        Err(CreateError::InvalidOption { option, rule }) => {
            assert!(wanted.contains(&option), "{option} instead of {wanted:?}");
            assert!(!rule.is_empty());
        }
        other => panic!("wanted a refusal of {wanted:?}, got {other:?}"),
    }
}

#[test]
fn numbers_out_of_range_are_refused_by_name_and_leave_nothing() {
    let name = unique("many-range");
    for places in [0, 1025, u32::MAX] {
        no_option(
            mpsc::<u64>(&name).producers(places).create(),
            &["producers"],
        );
        no_option(
            mpmc::<u64>(&name).producers(places).create(),
            &["producers"],
        );
        no_option(
            mpmc::<u64>(&name).consumers(places).create(),
            &["consumers"],
        );
        no_option(
            spmc::<u64>(&name).consumers(places).create(),
            &["consumers"],
        );
        let readers = ["readers", "consumers"];
        no_option(broadcast::<u64>(&name).readers(places).create(), &readers);
        no_option(broadcast_records(&name).readers(places).create(), &readers);
    }
    for capacity in [0, 1, 3, 100, (1 << 32) + 1, 1 << 33, u64::MAX] {
        no_option(
            mpsc::<u64>(&name).capacity(capacity).create(),
            &["capacity"],
        );
        no_option(
            mpmc::<u64>(&name).capacity(capacity).create(),
            &["capacity"],
        );
        no_option(
            spmc::<u64>(&name).capacity(capacity).create(),
            &["capacity"],
        );
        no_option(
            broadcast::<u64>(&name).capacity(capacity).create(),
            &["capacity"],
        );
        no_option(
            broadcast_records(&name).capacity_bytes(capacity).create(),
            &["capacity"],
        );
    }
    for size in [0, (1 << 32) + 1, usize::MAX] {
        no_option(mpmc::<[u8]>(&name).slot_size(size).create(), &["slot size"]);
        no_option(spmc::<[u8]>(&name).slot_size(size).create(), &["slot size"]);
        no_option(
            broadcast::<[u8]>(&name).slot_size(size).create(),
            &["slot size"],
        );
    }
    no_option(mpsc::<[u8]>(&name).create(), &["slot size"]);
    no_option(
        broadcast_records(&name).record_align(16).create(),
        &["record alignment"],
    );
    for position in [1 << 62, u64::MAX] {
        no_option(
            mpmc::<u64>(&name).start_position(position).create(),
            &["start position"],
        );
    }
    let odd = broadcast_records(&name).start_position(8).create();
    no_option(odd, &["start position"]);
    assert_eq!(shm_names_with(&name), [""; 0]);
}

#[test]
fn the_fewest_and_the_most_places_are_allowed() {
    let ring = mpmc::<u64>("most").backing(Backing::Memfd).capacity(2);
    let ring = ring
        .producers(1024)
        .consumers(1024)
        .create()
        .expect("create");
    let status = ring.status().expect("the kernel answers");
    assert_eq!(
        (status.producer_places, status.consumer_places),
        (1024, 1024)
    );
    assert_eq!(
        (status.parties, status.messages),
        (Parties::Mpmc, Messages::Slots)
    );
    let (mut tx, mut rx) = (
        ring.producer().expect("a place"),
        ring.consumer().expect("a place"),
    );
    assert_eq!((tx.try_push(&7), rx.try_pop()), (Ok(()), Ok(7)));
    // More than one word of bits, all lossless, and each of them is waited for.
    let ring = broadcast::<u64>("most").backing(Backing::Memfd).capacity(2);
    let ring = ring.readers(130).create().expect("create");
    let join = |_| ring.lossless_reader(Join::Newest).expect("a place");
    let mut readers: Vec<_> = (0..130).map(join).collect();
    assert!(matches!(
        ring.reader(Join::Newest),
        Err(JoinError::Endpoint(EndpointError::NoPlace { places: 130 }))
    ));
    let mut tx = ring.producer().expect("a free end");
    for lap in 0..2 {
        tx.try_push(&lap).expect("room");
        tx.try_push(&lap).expect("room");
        for rx in &mut readers {
            assert!(tx.try_push(&9).is_err(), "not everybody has read");
            assert_eq!((rx.try_read(), rx.try_read()), (Ok(lap), Ok(lap)));
            assert_eq!(rx.try_read(), Err(TryReadError::Empty));
        }
    }
    let ring = spmc::<u64>("fewest").backing(Backing::Memfd).consumers(1);
    let ring = ring.capacity(2).create().expect("create");
    let (mut tx, mut rx) = (
        ring.producer().expect("free"),
        ring.consumer().expect("free"),
    );
    assert_eq!(tx.try_push_many(&[1, 2, 3]), Ok(2));
    assert_eq!(rx.drain(3).collect::<Vec<_>>(), [1, 2]);
}

/// What opening said.
fn refused<V: std::fmt::Debug>(result: Result<V, OpenError>, wanted: &str) -> (String, String) {
    match result {
        Err(OpenError::Mismatch {
            field,
            expected,
            found,
        }) => {
            assert_eq!(field, wanted);
            assert_ne!(expected, found);
            (expected, found)
        }
        other => panic!("wanted a mismatch of {wanted}, got {other:?}"),
    }
}

#[test]
fn a_ring_is_opened_as_what_it_is_only() {
    let kinds = 8;
    let names: Vec<String> = (0..kinds).map(|_| unique("kinds")).collect();
    let _clean = Cleanup(|| {
        for name in &names {
            let _ = annulus::unlink(Backing::PosixShm, name);
        }
    });
    let _rings = (
        spsc::<u64>(&names[0]).create().expect("create"),
        mpsc::<u64>(&names[1]).create().expect("create"),
        spmc::<u64>(&names[2]).create().expect("create"),
        mpmc::<u64>(&names[3]).create().expect("create"),
        broadcast::<u64>(&names[4]).create().expect("create"),
        spsc_records(&names[5]).create().expect("create"),
        mpsc_records(&names[6]).create().expect("create"),
        broadcast_records(&names[7]).create().expect("create"),
    );
    let mut all = std::collections::BTreeSet::new();
    for (i, name) in names.iter().enumerate() {
        // The outcome of opening it as each kind.
        let opened = [
            spsc::<u64>(name).open().map(|_| ()),
            mpsc::<u64>(name).open().map(|_| ()),
            spmc::<u64>(name).open().map(|_| ()),
            mpmc::<u64>(name).open().map(|_| ()),
            broadcast::<u64>(name).open().map(|_| ()),
            spsc_records(name).open().map(|_| ()),
            mpsc_records(name).open().map(|_| ()),
            broadcast_records(name).open().map(|_| ()),
        ];
        for (k, opened) in opened.into_iter().enumerate() {
            if k == i {
                opened.expect("it is that");
            } else {
                all.extend(<[String; 2]>::from(refused(opened, "kind")));
            }
        }
    }
    assert_eq!(all.len(), kinds, "each kind has a name of its own: {all:?}");
    let other = mpmc::<u64>(&names[1]).open_or_create();
    assert!(matches!(
        other,
        Err(OpenOrCreateError::Open(OpenError::Mismatch { .. }))
    ));
    refused(mpmc::<u32>(&names[3]).open(), "slot size");
    refused(mpmc::<[u8]>(&names[3]).slot_size(9).open(), "slot size");
    refused(mpmc::<i64>(&names[3]).open(), "message type");
    refused(
        broadcast::<u64>(&names[4]).schema(5).open(),
        "schema version",
    );
    refused(
        broadcast_records(&names[7]).record_align(64).open(),
        "record alignment",
    );
    // A ring keeps the places it was made with.
    let opened = mpmc::<u64>(&names[3])
        .producers(1)
        .consumers(1)
        .open()
        .expect("open");
    let status = opened.status().expect("the kernel answers");
    assert_eq!((status.producer_places, status.consumer_places), (64, 64));
}

/// Messages go through rings of every kind whose memory is made and opened as said.
macro_rules! passes {
    ($options:expr, $backing:expr) => {{
        let options = $options.backing($backing);
        let made = options.create().expect("create");
        let opened = match $backing {
            Backing::Memfd => {
                let fd = made.descriptor().expect("a descriptor");
                options
                    .open_descriptor(fd.try_clone_to_owned().expect("dup"))
                    .expect("open")
            }
            Backing::Anon => made.clone(),
            _ => options.open().expect("open"),
        };
        assert_eq!(made.instance(), opened.instance());
        (made, opened)
    }};
}

fn every_kind(backing: Backing, name: &str) {
    let (made, opened) = passes!(mpsc::<u64>(name), backing);
    let (mut tx, mut rx) = (
        made.producer().expect("free"),
        opened.consumer().expect("free"),
    );
    assert_eq!(opened.producer().expect("a place").try_push(&1), Ok(()));
    assert_eq!(
        (tx.try_push(&2), rx.try_pop(), rx.try_pop()),
        (Ok(()), Ok(1), Ok(2))
    );
    made.unlink().expect("unlink");
    let (made, opened) = passes!(spmc::<u64>(name), backing);
    let (mut tx, mut rx) = (
        made.producer().expect("free"),
        opened.consumer().expect("free"),
    );
    assert_eq!(tx.try_push_many(&[1, 2]), Ok(2));
    assert_eq!(made.consumer().expect("a place").try_pop(), Ok(1));
    assert_eq!(rx.try_pop(), Ok(2));
    made.unlink().expect("unlink");
    let (made, opened) = passes!(mpmc::<u64>(name), backing);
    let (mut tx, mut rx) = (
        made.producer().expect("free"),
        opened.consumer().expect("free"),
    );
    assert_eq!(opened.producer().expect("a place").try_push(&1), Ok(()));
    assert_eq!(made.consumer().expect("a place").try_pop(), Ok(1));
    assert_eq!((tx.try_push(&2), rx.try_pop()), (Ok(()), Ok(2)));
    made.unlink().expect("unlink");
    let (made, opened) = passes!(broadcast::<u64>(name), backing);
    let mut tx = made.producer().expect("free");
    let mut rx = opened.lossless_reader(Join::Newest).expect("a place");
    let mut other = made.reader(Join::Newest).expect("a place");
    assert_eq!(
        (tx.try_push(&1), rx.try_read(), other.try_read()),
        (Ok(()), Ok(1), Ok(1))
    );
    made.unlink().expect("unlink");
    let (made, opened) = passes!(broadcast_records(name), backing);
    let mut tx = made.producer().expect("free");
    let mut rx = opened.lossless_reader(Join::Newest).expect("a place");
    let mut out = Vec::new();
    assert_eq!(
        (tx.try_push_tagged(3, b"x"), rx.try_read_into(&mut out)),
        (Ok(()), Ok(3))
    );
    assert_eq!(out, b"x");
    made.unlink().expect("unlink");
}

#[test]
fn every_kind_passes_messages_through_every_kind_of_memory() {
    let dir = TempDir::new("many");
    let (name, file, key) = (unique("backing"), dir.file("ring"), unique_key());
    let by_key = Backing::SysV { key: Some(key) };
    let _clean = Cleanup(|| {
        let _ = annulus::unlink(Backing::PosixShm, &name);
        let _ = annulus::unlink(by_key, "-");
    });
    every_kind(Backing::PosixShm, &name);
    every_kind(by_key, &name);
    every_kind(Backing::File, &file);
    every_kind(Backing::Memfd, "fd");
    every_kind(Backing::Anon, "anon");
    assert_eq!(shm_names_with(&name), [""; 0]);
    assert!(!sysv_has(key) && !std::path::Path::new(&file).exists());
}
