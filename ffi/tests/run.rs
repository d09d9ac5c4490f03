//! The C ABI as C sees it: the committed header is up to date, the exported symbols are the declared ones,
//! and real C and C++ programs, linked both ways, exchange messages with each other and with Rust.
//!
//! Needs `cc`, `c++`, `nm` and `readelf`. Rings, processes and files are removed also when a test fails.

mod support;

use annulus::{EndpointError, TryPopError, Wait};
use std::collections::BTreeSet;
use std::process::Command;
use std::time::{Duration, Instant};
use support::{Linking, Ring, install, output_of, repository, run};

const MESSAGES: u64 = 100_000;
const SLOT: usize = 56;
const BOTH: [Linking; 2] = [Linking::Static, Linking::Shared];

/// The message of that number, as tests/c/check.h has it.
fn message(number: u64) -> [u8; SLOT] {
    let mut bytes = [0; SLOT];
    for (word, place) in bytes.chunks_exact_mut(8).enumerate() {
        let value = (number * 8 + word as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        place.copy_from_slice(&(value ^ (value >> 29)).to_le_bytes());
    }
    bytes
}

#[test]
fn the_committed_header_is_what_cbindgen_makes_of_the_source() {
    const HOW: &str =
        "ANNULUS_WRITE_HEADER=1 cargo test -p annulus-ffi --test run committed_header";
    let ffi = repository().join("ffi");
    let config = cbindgen::Config::from_file(ffi.join("cbindgen.toml")).expect("cbindgen.toml");
    let mut made = Vec::new();
    cbindgen::Builder::new()
        .with_config(config)
        .with_src(ffi.join("src/lib.rs"))
        .generate()
        .expect("cbindgen understands ffi/src")
        .write(&mut made);
    let path = repository().join("include/annulus.h");
    if std::env::var_os("ANNULUS_WRITE_HEADER").is_some() {
        std::fs::write(&path, &made).expect("include/annulus.h is written");
    }
    let committed = std::fs::read(&path).unwrap_or_default();
    let line = made
        .split(|byte| *byte == b'\n')
        .zip(committed.split(|byte| *byte == b'\n'))
        .take_while(|(made, committed)| made == committed)
        .count();
    assert!(
        made == committed,
        "include/annulus.h differs from ffi/src in line {}. To write it anew:\n    {HOW}",
        line + 1
    );
}

/// The functions that the header declares.
fn declared() -> BTreeSet<String> {
    let header = std::fs::read_to_string(repository().join("include/annulus.h")).expect("a header");
    let code = header.lines().filter(|line| {
        let line = line.trim_start();
        !line.starts_with(['*', '/', '#'])
    });
    code.filter_map(|line| {
        let before = line.split_once('(')?.0;
        let name = before.rsplit([' ', '*']).next()?;
        name.starts_with("annulus_").then(|| name.to_owned())
    })
    .collect()
}

#[test]
fn the_shared_object_exports_the_declared_functions_and_nothing_else() {
    let library = install().join("lib/libannulus.so");
    let listing = output_of(
        Command::new("nm")
            .args(["-D", "--defined-only"])
            .arg(library),
    );
    let exported: BTreeSet<String> = listing
        .lines()
        .filter_map(|line| line.split_whitespace().last())
        .map(str::to_owned)
        .collect();
    assert!(exported.len() > 20, "{exported:?}");
    assert_eq!(exported, declared());
}

#[test]
fn the_soname_carries_the_number_of_the_c_abi() {
    let header = std::fs::read_to_string(repository().join("include/annulus.h")).expect("a header");
    let number = header
        .lines()
        .find_map(|line| line.strip_prefix("#define ANNULUS_C_ABI "))
        .expect("the number of the C ABI");
    let listing = output_of(
        Command::new("readelf")
            .arg("-d")
            .arg(install().join("lib/libannulus.so")),
    );
    assert!(
        listing.contains(&format!("[libannulus.so.{number}]")),
        "{listing}"
    );
}

#[test]
fn the_cxx_wrapper_returns_what_is_expected_and_throws_the_rest() {
    for linking in BOTH {
        let ring = Ring::new("wrapper");
        run("ffi/tests/cpp/wrapper.cpp", linking, &[&ring.name]).must_succeed();
        assert!(!ring.exists());
    }
}

#[test]
fn every_wrong_parameter_and_every_outcome_has_its_code() {
    for linking in BOTH {
        let ring = Ring::new("errors");
        run("ffi/tests/c/errors.c", linking, &[&ring.name]).must_succeed();
    }
}

#[test]
fn every_backing_carries_messages_and_leaves_nothing_behind() {
    for linking in BOTH {
        let ring = Ring::new("backings");
        let path = ring.path.to_str().expect("UTF-8");
        run("ffi/tests/c/backings.c", linking, &[&ring.name, path]).must_succeed();
        assert!(!ring.exists());
    }
}

#[test]
fn two_c_processes_exchange_messages_one_by_one_and_in_batches() {
    for linking in BOTH {
        for batch in ["1", "64"] {
            let ring = Ring::new("c-to-c");
            let count = MESSAGES.to_string();
            let consumer = run(
                "ffi/tests/c/consumer.c",
                linking,
                &[&ring.name, &count, batch],
            );
            let producer = run(
                "ffi/tests/c/producer.c",
                linking,
                &[&ring.name, &count, batch],
            );
            producer.must_succeed();
            consumer.must_succeed();
        }
    }
}

#[test]
fn a_c_producer_feeds_a_rust_consumer() {
    let ring = Ring::new("c-to-rust");
    let options = annulus::spsc::<[u8]>(&ring.name)
        .slot_size(SLOT)
        .capacity(256);
    let mut rx = options.open_or_create().unwrap().consumer().unwrap();
    let count = MESSAGES.to_string();
    let producer = run(
        "ffi/tests/c/producer.c",
        Linking::Shared,
        &[&ring.name, &count, "1"],
    );
    let deadline = Instant::now() + Duration::from_secs(60);
    for number in 0..MESSAGES {
        let mut bytes = [0; SLOT];
        rx.pop_into_until(&mut bytes, Wait::park(), deadline)
            .unwrap();
        assert_eq!(bytes, message(number), "message {number}");
    }
    producer.must_succeed();
    assert_eq!(rx.try_pop_into(&mut [0; SLOT]), Err(TryPopError::Closed));
}

#[test]
fn a_rust_producer_feeds_a_c_consumer() {
    let ring = Ring::new("rust-to-c");
    let options = annulus::spsc::<[u8]>(&ring.name)
        .slot_size(SLOT)
        .capacity(256);
    let made = options.open_or_create().unwrap();
    let mut tx = made.producer().unwrap();
    let count = MESSAGES.to_string();
    let consumer = run(
        "ffi/tests/c/consumer.c",
        Linking::Static,
        &[&ring.name, &count, "64"],
    );
    let deadline = Instant::now() + Duration::from_secs(60);
    for number in 0..MESSAGES {
        tx.push_until(&message(number), Wait::park(), deadline)
            .unwrap();
    }
    tx.close();
    consumer.must_succeed();
    assert!(matches!(made.producer(), Err(EndpointError::Closed)));
}

#[test]
fn the_examples_work_as_their_comments_say() {
    for linking in BOTH {
        let ring = Ring::new("example");
        let consumer = run("ffi/examples/consumer.c", linking, &[&ring.name]);
        run("ffi/examples/producer.c", linking, &[&ring.name]).must_succeed();
        let said = consumer.must_succeed();
        assert!(said.contains("1000 ticks, last price 199.80"), "{said}");
        assert!(!ring.exists(), "the consumer removes the ring");
    }
}
