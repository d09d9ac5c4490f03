//! Names and numbers that are refused, and options that this machine cannot fulfil.

use crate::refused::no_option;
use crate::scratch::{Scratch, shm_path, unique};
use annulus::{Backing, CreateError, HugePages, OpenError, WaitBackend, spsc};
use std::fs;

#[test]
fn names_that_are_no_names_are_refused() {
    let long = "x".repeat(201);
    let bad = [
        "", ".", "..", ".hidden", "a/b", "/a", "../a", "a b", "a\0b", "a\n", "\u{fc}", &long,
    ];
    let by_name = [
        Backing::PosixShm,
        Backing::SysV { key: None },
        Backing::Memfd,
        Backing::Anon,
    ];
    for backing in by_name {
        for name in bad {
            let options = spsc::<u64>(name).backing(backing);
            no_option(options.create(), "name");
            let result = options.open();
            assert!(
                matches!(
                    result,
                    Err(OpenError::InvalidOption {
                        option: "name" | "backing",
                        ..
                    })
                ),
                "{backing:?} {name:?}: {result:?}"
            );
        }
    }
    for name in ["", "/", "..", "a/..", "a\0b"] {
        let options = spsc::<u64>(name).backing(Backing::File);
        no_option(options.create(), "name");
        assert!(matches!(
            options.open(),
            Err(OpenError::InvalidOption { option: "name", .. })
        ));
    }
    no_option(
        spsc::<u64>("x")
            .backing(Backing::SysV { key: Some(0) })
            .create(),
        "name",
    );
    let longest = "x".repeat(200);
    let scratch = Scratch(shm_path(&longest));
    drop(
        spsc::<u64>(&longest)
            .capacity(2)
            .create()
            .expect("200 bytes are allowed"),
    );
    drop(scratch);
    // The kernel knows longer names than we do: whatever it says is an error with its errno.
    let result = spsc::<u64>("y".repeat(300)).backing(Backing::File).create();
    assert!(matches!(result, Err(CreateError::Os(_))), "{result:?}");
}

#[test]
fn numbers_out_of_range_are_refused_by_name_and_leave_nothing() {
    let name = unique("range");
    let options = spsc::<u64>(&name);
    for capacity in [0, 1, 3, 1 << 33, u64::MAX] {
        no_option(options.clone().capacity(capacity).create(), "capacity");
    }
    no_option(spsc::<()>(&name).create(), "slot size");
    no_option(spsc::<[u64; 0]>(&name).create(), "slot size");
    no_option(spsc::<[u8]>(&name).create(), "slot size");
    no_option(spsc::<[u8]>(&name).slot_size(0).create(), "slot size");
    no_option(
        spsc::<[u8]>(&name).slot_size((1 << 32) + 1).create(),
        "slot size",
    );
    no_option(
        spsc::<[u8]>(&name)
            .slot_size(1 << 32)
            .capacity(1 << 32)
            .create(),
        "capacity x slot size",
    );
    no_option(
        options.clone().start_position(1 << 62).create(),
        "start position",
    );
    no_option(
        options.clone().huge_pages(HugePages::HugeTlb).create(),
        "backing",
    );
    let memfd = options.clone().backing(Backing::Memfd);
    no_option(
        memfd.wait_backend(WaitBackend::Semaphore).create(),
        "wait back end",
    );
    assert!(!shm_path(&name).exists());
}

#[test]
fn huge_pages_from_an_empty_pool_are_no_space() {
    let pool = fs::read_to_string("/proc/sys/vm/nr_hugepages").unwrap_or_default();
    let over = fs::read_to_string("/proc/sys/vm/nr_overcommit_hugepages").unwrap_or_default();
    if [pool.trim(), over.trim()] != ["0", "0"] {
        println!("skipped: the pool of huge pages is not empty");
        return;
    }
    for backing in [Backing::Memfd, Backing::Anon] {
        let result = spsc::<u64>("huge")
            .backing(backing)
            .huge_pages(HugePages::HugeTlb)
            .create();
        match result {
            Err(CreateError::NoSpace { wanted_bytes, .. }) => {
                assert_eq!(wanted_bytes % (2 << 20), 0)
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_numa_node_that_does_not_exist_is_refused_and_leaves_nothing() {
    for node in [1000, 1023, 1024, u32::MAX] {
        let name = unique("numa");
        let _scratch = Scratch(shm_path(&name));
        match spsc::<u64>(&name).numa_node(node).create() {
            Err(CreateError::Os(e)) => {
                assert!(e.op.starts_with("mbind"), "{e}");
                assert_ne!(e.source.raw_os_error(), None);
            }
            Err(CreateError::InvalidOption { option, .. }) => assert_eq!(option, "numa node"),
            other => panic!("{other:?}"),
        }
        assert!(!shm_path(&name).exists());
    }
}

#[test]
fn more_memory_than_there_is_is_no_space() {
    let name = unique("big");
    let _scratch = Scratch(shm_path(&name));
    let options = spsc::<[u8]>(&name)
        .slot_size(4000)
        .capacity(1 << 32)
        .prefault(false);
    match options.create() {
        Err(CreateError::NoSpace {
            wanted_bytes,
            cause,
        }) => {
            assert!(wanted_bytes > 1 << 43);
            assert_eq!(cause.op, "fallocate");
        }
        other => panic!("{other:?}"),
    }
    assert!(!shm_path(&name).exists());
}
