//! Options and kinds: what cannot be is refused by name, what can be works on every kind of memory.

use crate::common::clean::{Cleanup, TempDir, shm_names_with, sysv_has, unique, unique_key};
use crate::kinds::Kind;
use annulus::{
    Backing, CreateError, EndpointError, Messages, MpscRecords, OpenError, Options, Parties,
    PushError, Ring, SpscRecords, TooLong, TryPushError, Wait, mpsc_records, spsc, spsc_records,
};
use std::time::Instant;

fn no_option<V: std::fmt::Debug>(result: Result<V, CreateError>, wanted: &str) {
    match result {
        Err(CreateError::InvalidOption { option, rule }) => {
            assert_eq!(option, wanted);
            assert!(!rule.is_empty());
        }
        other => panic!("wanted a refusal of {wanted}, got {other:?}"),
    }
}

fn mismatch<V: std::fmt::Debug>(result: Result<V, OpenError>, wanted: &str) {
    match result {
        Err(OpenError::Mismatch {
            field,
            expected,
            found,
        }) => {
            assert_eq!(field, wanted, "expected {expected}, found {found}");
            assert_ne!(expected, found);
        }
        other => panic!("wanted a mismatch of {wanted}, got {other:?}"),
    }
}

fn sizes<K: Kind>(options: &Options<K>) {
    for bytes in [
        0,
        1,
        8,
        128,
        255,
        257,
        1000,
        (1 << 32) - 1,
        1 << 33,
        u64::MAX,
    ] {
        no_option(options.clone().capacity_bytes(bytes).create(), "capacity");
    }
    for align in [0, 1, 4, 16, 32, 128, u64::MAX] {
        no_option(
            options.clone().record_align(align).create(),
            "record alignment",
        );
    }
    for position in [1, 8, 63, 65, 1 << 62, u64::MAX] {
        no_option(
            options.clone().start_position(position).create(),
            "start position",
        );
    }
}

#[test]
fn numbers_out_of_range_are_refused_by_name_and_leave_nothing() {
    let name = unique("records-range");
    sizes(&spsc_records(&name));
    sizes(&mpsc_records(&name));
    for producers in [0, 1025, u32::MAX] {
        no_option(
            mpsc_records(&name).producers(producers).create(),
            "producers",
        );
    }
    assert_eq!(shm_names_with(&name), [""; 0]);
}

#[test]
fn the_smallest_ring_and_the_most_producers_are_allowed() {
    for align in [8, 64] {
        let options = mpsc_records("small").backing(Backing::Memfd).producers(1);
        let ring = options
            .capacity_bytes(256)
            .record_align(align)
            .create()
            .expect("create");
        assert_eq!((ring.max_record(), ring.record_align()), (120, align));
        let (mut tx, mut rx) = (
            ring.producer().expect("a free place"),
            ring.consumer().expect("a free end"),
        );
        for _ in 0..100 {
            tx.try_push(&[7; 120])
                .expect("the longest fits into an empty ring, wherever");
            assert_eq!(rx.try_sample().expect("a record").to_vec(), [7; 120]);
        }
    }
    let options = mpsc_records("many").backing(Backing::Memfd).producers(1024);
    let ring = options.capacity_bytes(1 << 16).create().expect("create");
    assert_eq!(
        ring.status().expect("the kernel answers").producer_places,
        1024
    );
}

#[test]
fn a_ring_is_opened_as_what_it_is_only() {
    let names = [unique("slots"), unique("one"), unique("many")];
    let _clean = Cleanup(|| {
        for name in &names {
            let _ = annulus::unlink(Backing::PosixShm, name);
        }
    });
    let [slots, one, many] = &names;
    let _slots = spsc::<u64>(slots).create().expect("create");
    let _one = spsc_records(one).create().expect("create");
    let _many = mpsc_records(many)
        .record_align(64)
        .create()
        .expect("create");
    mismatch(spsc_records(slots).open(), "kind");
    mismatch(mpsc_records(slots).open(), "kind");
    mismatch(spsc::<u64>(one).open(), "kind");
    mismatch(spsc::<[u8]>(one).open(), "kind");
    mismatch(mpsc_records(one).open(), "kind");
    mismatch(spsc::<u64>(many).open(), "kind");
    mismatch(spsc_records(many).open(), "kind");
    // An alignment that was asked for must be the ring's; none was, and any is fine.
    mismatch(
        spsc_records(one).record_align(64).open(),
        "record alignment",
    );
    mismatch(
        mpsc_records(many).record_align(8).open(),
        "record alignment",
    );
    mismatch(mpsc_records(many).schema(7).open(), "schema version");
    assert_eq!(mpsc_records(many).open().expect("open").record_align(), 64);
    let same = spsc_records(one).record_align(8).open().expect("open");
    assert_eq!(same.record_align(), 8);
    // A ring keeps the size it was made with.
    let other = spsc_records(one).capacity_bytes(256).open().expect("open");
    assert_eq!(other.capacity_bytes(), 1 << 20);
    let or_created = mpsc_records(one).open_or_create();
    assert!(or_created.is_err(), "{or_created:?}");
}

fn too_long<K: Kind>() {
    let options = K::options("long", 2)
        .backing(Backing::Memfd)
        .capacity_bytes(1024);
    let ring = options.create().expect("create");
    let mut tx = ring.producer().expect("a free end");
    let max = ring.max_record();
    assert_eq!((max, tx.max_record()), (504, 504));
    assert!(max >= ring.capacity_bytes() as usize / 4);
    for len in [505, 506, 1024, 1 << 20] {
        let bytes = vec![0; len];
        let wanted = TooLong { len, max };
        let (now, waited) = (TryPushError::TooLong(wanted), PushError::TooLong(wanted));
        let text = now.to_string();
        assert!(
            text.contains(&len.to_string()) && text.contains("504"),
            "{text}"
        );
        assert_eq!(text, waited.to_string());
        assert_eq!(tx.try_push(&bytes), Err(now));
        assert_eq!(tx.try_push_tagged(1, &bytes), Err(now));
        assert_eq!(
            tx.try_push_vectored(1, &[&bytes[..500], &bytes[500..]]),
            Err(now)
        );
        assert_eq!(tx.try_push_many(&[&bytes]), Err(now));
        assert_eq!(tx.try_claim(len).err(), Some(now));
        // Never a wait: it would have no end.
        let wait = Wait::park();
        assert_eq!(tx.push(&bytes, wait), Err(waited));
        assert_eq!(tx.push_tagged(1, &bytes, wait), Err(waited));
        assert_eq!(
            tx.push_vectored(1, &[&bytes, b"x"], wait).err(),
            Some(PushError::TooLong(TooLong { len: len + 1, max }))
        );
        assert_eq!(tx.push_until(&bytes, wait, Instant::now()), Err(waited));
        assert_eq!(tx.claim_for(len, wait).err(), Some(waited));
    }
    assert_eq!(
        tx.try_claim(usize::MAX).err(),
        Some(TryPushError::TooLong(TooLong {
            len: usize::MAX,
            max
        }))
    );
    // What comes before one that is too long is sent.
    assert_eq!(tx.try_push_many(&[&[1; 10], &[2; 505]]), Ok(1));
}

#[test]
fn a_record_that_can_never_fit_is_refused_with_both_numbers() {
    too_long::<SpscRecords>();
    too_long::<MpscRecords>();
}

/// Records through a ring that `made` made, and `opened` opened.
fn passes_records<K: Kind>(made: &Ring<K>, opened: &Ring<K>) {
    assert_eq!(made.instance(), opened.instance());
    let mut tx = made.producer().expect("a free end");
    let mut rx = opened.consumer().expect("a free end");
    assert!(matches!(
        made.consumer(),
        Err(EndpointError::Occupied { .. })
    ));
    let second = opened.producer();
    if K::MANY {
        second
            .expect("a second place")
            .try_push(b"second")
            .expect("room");
    } else {
        assert!(matches!(second, Err(EndpointError::Occupied { .. })));
        tx.try_push(b"second").expect("room");
    }
    let mut bytes = Vec::new();
    rx.try_pop_into(&mut bytes).expect("a record");
    assert_eq!(bytes, b"second");
    for i in 0..500u16 {
        let record = vec![i as u8; usize::from(i)];
        tx.push_tagged(i, &record, Wait::park()).expect("room");
        assert_eq!(rx.pop_into(&mut bytes, Wait::park()), Ok(i));
        assert_eq!(bytes, record);
    }
    let status = opened.status().expect("the kernel answers");
    let parties = if K::MANY {
        Parties::Mpsc
    } else {
        Parties::Spsc
    };
    assert_eq!(
        (status.parties, status.messages),
        (parties, Messages::Records)
    );
    assert_eq!(
        (status.capacity, status.slot_size, status.len),
        (4096, 2040, 0)
    );
    assert_eq!(status.producers.len(), if K::MANY { 2 } else { 1 });
    assert!(made.is_current() && opened.is_current());
}

/// Every backing.
fn backings<K: Kind>() {
    let dir = TempDir::new("records");
    let (name, file, key) = (unique("backing"), dir.file("ring"), unique_key());
    let by_key = Backing::SysV { key: Some(key) };
    let _clean = Cleanup(|| {
        let _ = annulus::unlink(Backing::PosixShm, &name);
        let _ = annulus::unlink(by_key, "-");
    });
    let options = |backing, name: &str| {
        let options = K::options(name, 2).backing(backing);
        options.capacity_bytes(4096).start_position(1 << 40)
    };
    for (backing, name) in [
        (Backing::PosixShm, &name),
        (by_key, &name),
        (Backing::File, &file),
    ] {
        let options = options(backing, name);
        let ring = options.create().expect("create");
        let again = options.create();
        assert!(
            matches!(again, Err(CreateError::Exists { .. })),
            "{again:?}"
        );
        passes_records(&ring, &options.open().expect("open"));
        ring.unlink().expect("unlink");
        assert!(matches!(options.open(), Err(OpenError::NotFound { .. })));
    }
    let memfd = options(Backing::Memfd, "fd");
    let ring = memfd.create().expect("create");
    let fd = ring
        .descriptor()
        .expect("a descriptor")
        .try_clone_to_owned()
        .expect("dup");
    passes_records(&ring, &memfd.open_descriptor(fd).expect("open"));
    let ring = options(Backing::Anon, "anon").create().expect("create");
    passes_records(&ring, &ring.clone());
    assert_eq!(shm_names_with(&name), [""; 0]);
    assert!(!sysv_has(key) && !std::path::Path::new(&file).exists());
}

#[test]
fn records_of_one_producer_pass_through_every_kind_of_memory() {
    backings::<SpscRecords>();
}

#[test]
fn records_of_many_producers_pass_through_every_kind_of_memory() {
    backings::<MpscRecords>();
}
