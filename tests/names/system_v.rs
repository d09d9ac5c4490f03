//! System V keys, under which a stranger's segment or semaphores may lie.

use crate::refused::mismatch;
use crate::scratch::{Key, unique};
use annulus::{Backing, CreateError, NotARing, OpenError, spsc, unlink};
use std::time::{Duration, Instant};

#[test]
fn a_strangers_segment_under_the_key_is_named_and_left_alone() {
    for (bytes, fill, wanted) in [
        (100, 1, NotARing::TooShort(100)),
        (8191, 0, NotARing::TooShort(8191)),
        (65536, 1, NotARing::NoMagic),
    ] {
        let key = Key::unique();
        let id = key.foreign_shm(bytes, fill);
        let options = spsc::<u64>("-").backing(key.backing());
        match options.open() {
            Err(OpenError::NotARing { found, .. }) => assert_eq!(found, wanted),
            other => panic!("{other:?}"),
        }
        let result = options.create();
        assert!(
            matches!(result, Err(CreateError::Exists { .. })),
            "{result:?}"
        );
        let result = unlink(key.backing(), "-");
        assert!(
            matches!(result, Err(OpenError::NotARing { .. })),
            "{result:?}"
        );
        assert_eq!(key.shm(), id, "the stranger's segment is still there");
        assert_eq!(key.sems(), -1, "no semaphores were left behind");
    }
}

#[test]
fn a_strangers_segment_of_zeros_is_no_ring_and_is_left_alone() {
    let key = Key::unique();
    let id = key.foreign_shm(65536, 0);
    let options = spsc::<u64>("-").backing(key.backing());
    let begun = Instant::now();
    let result = options.open();
    assert!(
        matches!(result, Err(OpenError::NotARing { .. })),
        "{result:?}"
    );
    assert!(begun.elapsed() < Duration::from_secs(3));
    let result = options.create();
    assert!(
        matches!(result, Err(CreateError::Exists { .. })),
        "{result:?}"
    );
    assert_eq!((key.shm(), key.sems()), (id, -1));
}

#[test]
fn a_strangers_semaphores_under_the_key_are_left_alone_by_create() {
    for n in [1, 3, 7] {
        let key = Key::unique();
        let id = key.foreign_sems(n);
        let options = spsc::<u64>("-").backing(key.backing());
        let result = options.open();
        assert!(
            matches!(result, Err(OpenError::NotFound { .. })),
            "{result:?}"
        );
        let result = options.create();
        assert_eq!(
            key.sems(),
            id,
            "create destroyed a stranger's set of {n} semaphores"
        );
        assert!(
            matches!(result, Err(CreateError::Exists { .. })),
            "{result:?}"
        );
    }
}

#[test]
fn a_strangers_semaphores_under_the_key_are_left_alone_by_unlink() {
    for n in [1, 3, 7] {
        let key = Key::unique();
        let id = key.foreign_sems(n);
        let result = unlink(key.backing(), "-");
        assert_eq!(
            key.sems(),
            id,
            "unlink destroyed a stranger's set of {n} semaphores"
        );
        assert!(result.is_err(), "{result:?}");
    }
}

#[test]
fn a_strangers_segment_and_semaphores_under_one_key_are_left_alone() {
    for fill in [0, 1] {
        let key = Key::unique();
        let ids = (key.foreign_shm(65536, fill), key.foreign_sems(1));
        let result = spsc::<u64>("-").backing(key.backing()).create();
        assert_eq!(
            (key.shm(), key.sems()),
            ids,
            "create destroyed a stranger's objects (bytes {fill})"
        );
        assert!(
            matches!(result, Err(CreateError::Exists { .. })),
            "{result:?}"
        );
        let result = unlink(key.backing(), "-");
        assert_eq!(
            (key.shm(), key.sems()),
            ids,
            "unlink destroyed a stranger's objects (bytes {fill})"
        );
        assert!(result.is_err(), "{result:?}");
    }
}

#[test]
fn two_names_with_one_key_are_told_apart() {
    let name = unique("sysv");
    let probe = spsc::<u64>(&name)
        .capacity(4)
        .backing(Backing::SysV { key: None });
    let ring = probe.create().expect("create");
    let Backing::SysV { key: Some(number) } = ring.backing() else {
        panic!("a System V ring says its key");
    };
    let _key = Key(number);
    drop(probe.open().expect("the same name"));
    ring.unlink().expect("unlink");
    // The same key again, this time not made from the name.
    let options = spsc::<u64>("-")
        .capacity(4)
        .backing(Backing::SysV { key: Some(number) });
    let _ring = options.create().expect("create");
    mismatch(probe.open(), "name");
    drop(options.open().expect("by its key"));
}

#[test]
fn a_ring_whose_semaphores_were_replaced_is_refused() {
    let key = Key::unique();
    let options = spsc::<u64>("-").capacity(4).backing(key.backing());
    let _ring = options.create().expect("create");
    // SAFETY: integers.
    unsafe { libc::semctl(key.sems(), 0, libc::IPC_RMID) };
    mismatch(options.open(), "semaphores");
    key.foreign_sems(1);
    mismatch(options.open(), "semaphores");
}

#[test]
fn a_key_whose_creator_died_between_its_first_two_calls_can_be_used_again() {
    let key = Key::unique();
    // What a creator leaves that is killed right after semget.
    // SAFETY: integers.
    assert!(unsafe { libc::semget(key.0, 5, libc::IPC_CREAT | libc::IPC_EXCL | 0o600) } >= 0);
    let options = spsc::<u64>("-").capacity(4).backing(key.backing());
    let ring = options.create().expect("create");
    drop(options.open().expect("open"));
    ring.unlink().expect("unlink");
}
