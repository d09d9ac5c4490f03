//! The tables of the page that speak of rings of records, against files that the library makes.

use crate::scratch::{Scratch, number, repository};
use crate::tables::{field, table};
use annulus::{Backing, CreateError, Parking, Wait, mpsc_records, spsc, spsc_records};
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::time::Duration;

/// What was chosen for a ring: kind, capacity, alignment, producers, first position.
#[derive(Clone, Copy, Debug)]
struct Chosen {
    kind: u64,
    capacity: u64,
    align: u64,
    producers: u64,
    start: u64,
}

/// Makes the ring by the library.
fn make(scratch: &Scratch, c: Chosen) -> File {
    if c.kind == 1 {
        let options = spsc_records(scratch.name())
            .backing(Backing::File)
            .parking(Parking::Fenced)
            .capacity_bytes(c.capacity)
            .record_align(c.align)
            .start_position(c.start);
        drop(options.create().expect("create"));
    } else {
        let options = mpsc_records(scratch.name())
            .backing(Backing::File)
            .parking(Parking::Fenced)
            .capacity_bytes(c.capacity)
            .record_align(c.align)
            .producers(c.producers as u32)
            .start_position(c.start);
        drop(options.create().expect("create"));
    }
    scratch.file()
}

const CHOSEN: [Chosen; 6] = [
    Chosen {
        kind: 1,
        capacity: 256,
        align: 8,
        producers: 1,
        start: 0,
    },
    Chosen {
        kind: 1,
        capacity: 1 << 20,
        align: 64,
        producers: 1,
        start: 1 << 40,
    },
    Chosen {
        kind: 2,
        capacity: 256,
        align: 64,
        producers: 1,
        start: 64,
    },
    // The last table that fits before byte 8192, and the first that does not.
    Chosen {
        kind: 2,
        capacity: 4096,
        align: 8,
        producers: 23,
        start: (1 << 62) - 64,
    },
    Chosen {
        kind: 2,
        capacity: 4096,
        align: 8,
        producers: 24,
        start: 0,
    },
    Chosen {
        kind: 2,
        capacity: 8192,
        align: 64,
        producers: 1024,
        start: 0,
    },
];

#[test]
fn rings_of_records_have_the_header_and_the_layout_of_the_formulas() {
    let rows = table("Header");
    for c in CHOSEN {
        let scratch = Scratch::new();
        let file = make(&scratch, c);
        let participants = c.producers + 1;
        let data = (5120 + 128 * participants).next_multiple_of(4096);
        let segment = (data + c.capacity).next_multiple_of(4096);
        for (name, expected) in [
            ("wire version", 1),
            ("kind", c.kind),
            ("element", 2),
            ("capacity", c.capacity),
            ("stride", c.align),
            ("payload bytes", c.capacity / 2 - 8),
            ("payload offset", 8),
            ("payload align", 8),
            ("type fingerprint", 0),
            ("segment bytes", segment),
            ("control offset", 4096),
            ("participants offset", 5120),
            ("participants", participants),
            ("producers", c.producers),
            ("flags", 0),
            ("data offset", data),
            ("start position", c.start),
        ] {
            assert_eq!(field(&file, 0, &rows, name), expected, "{name} {c:?}");
        }
        assert_eq!(file.metadata().expect("facts").len(), segment, "{c:?}");
        // A new ring: positions where they belong, nothing else.
        let mut rest = vec![1; (segment - 4096) as usize];
        file.read_exact_at(&mut rest, 4096).expect("inside");
        for row in table("Control block") {
            let at = row.offset as usize;
            let expected = match row.name.as_str() {
                "gate" | "tail" | "taken" | "wiped" => c.start,
                _ => 0,
            };
            if row.name == "marks" {
                // Pairs of position and sequence.
                for mark in rest[at..at + row.size].chunks_mut(16) {
                    assert_eq!(mark, [c.start, 0].map(u64::to_le_bytes).concat());
                    mark.fill(0);
                }
            } else if row.name != "gating" {
                assert_eq!(number(&file, 4096 + row.offset, row.size), expected);
                rest[at..at + row.size].fill(0);
            }
        }
        assert!(rest.iter().all(|b| *b == 0), "{c:?}");
    }
}

#[test]
fn the_words_of_a_ring_of_many_producers_are_where_the_tables_say() {
    let scratch = Scratch::new();
    let options = mpsc_records(scratch.name())
        .backing(Backing::File)
        .parking(Parking::Fenced)
        .capacity_bytes(1024)
        .producers(3);
    let ring = options.create().expect("create");
    let file = scratch.file();
    let (control, entries) = (table("Control block"), table("Participant table"));
    let control_at = |name| field(&file, 4096, &control, name);
    let entry_at = |i: u64, name| field(&file, 5120 + 128 * i, &entries, name);
    let (mut a, mut b) = (
        ring.producer().expect("producer"),
        ring.producer().expect("producer"),
    );
    let mut rx = ring.consumer().expect("consumer");
    assert_eq!([0, 1, 2, 3].map(|i| entry_at(i, "state")), [1, 1, 0, 1]);
    assert_eq!([0, 1, 2, 3].map(|i| entry_at(i, "role")), [1, 1, 0, 2]);
    a.try_push(b"0123456789").expect("room");
    b.try_push_tagged(7, b"").expect("room");
    let announced = |i| (entry_at(i, "announce"), entry_at(i, "announce len"));
    assert_eq!([announced(0), announced(1)], [(0, 24), (24, 8)]);
    assert_eq!([control_at("tail"), control_at("taken")], [32, 0]);
    assert_eq!(number(&file, 8192, 8), 10 << 32 | 1, "READY(10, 0)");
    assert_eq!(number(&file, 8192 + 24, 8), 7 << 16 | 1, "READY(0, 7)");
    let loan = a.try_claim(100).expect("room");
    assert_eq!(number(&file, 8192 + 32, 8), 100 << 32 | 3, "BUSY(100)");
    loan.abort();
    assert_eq!(number(&file, 8192 + 32, 8), 104 << 32 | 2, "PAD(112)");
    rx.try_sample().expect("a record").release();
    assert_eq!([control_at("taken"), control_at("wiped")], [24, 24]);
    assert_eq!([0, 8, 16].map(|at| number(&file, 8192 + at, 8)), [0; 3]);
    assert_eq!(control_at("gate"), 0, "a quarter was not released yet");
    let mut out = Vec::new();
    assert_eq!(rx.try_pop_into(&mut out), Ok(7));
    rx.try_pop_into(&mut out).expect_err("padding only");
    assert_eq!([control_at("gate"), control_at("wiped")], [144, 144]);
    // What was dealt with stays announced; producers that sleep say so on one word.
    while a.try_push(&[1; 100]).is_ok() {}
    let (from, len) = announced(0);
    assert_eq!(from + len, control_at("tail"), "its last record");
    std::thread::scope(|scope| {
        let sleeper = scope.spawn(|| a.push(&[1; 100], Wait::park().spin_for(Duration::ZERO)));
        while control_at("producer sleep") & 3 != 1 {
            std::thread::yield_now();
        }
        while !sleeper.is_finished() {
            let _ = rx.try_pop_into(&mut out);
        }
        sleeper.join().expect("no panic").expect("room");
    });
    assert!(control_at("producer sleep") >= 4, "a wake was counted");
    let tail = control_at("tail");
    a.close();
    assert_eq!([control_at("closed"), control_at("tail")], [1, tail | 1]);
    rx.close();
    assert_eq!([control_at("closed"), control_at("tail")], [3, tail | 3]);
    assert_eq!(control_at("consumer sleep"), 2);
    assert_eq!([0, 1, 2, 3].map(|i| entry_at(i, "state")), [2, 1, 0, 2]);
}

#[test]
fn the_words_of_a_ring_of_one_producer_are_where_the_tables_say() {
    let scratch = Scratch::new();
    let options = spsc_records(scratch.name())
        .backing(Backing::File)
        .parking(Parking::Fenced)
        .capacity_bytes(1024)
        .record_align(64);
    let ring = options.create().expect("create");
    let file = scratch.file();
    let control = table("Control block");
    let control_at = |name| field(&file, 4096, &control, name);
    let mut tx = ring.producer().expect("producer");
    let mut rx = ring.consumer().expect("consumer");
    tx.try_push_tagged(0x1234, b"one").expect("room");
    assert_eq!(number(&file, 8192, 8), 3 << 32 | 0x1234 << 16 | 1);
    assert_eq!(control_at("tail"), 256, "credit for a quarter was taken");
    rx.try_sample().expect("a record").release();
    assert_eq!(number(&file, 8192, 8), 3 << 32 | 0x1234 << 16 | 5);
    assert_eq!([control_at("taken"), control_at("wiped")], [64, 64]);
    for _ in 0..7 {
        tx.try_push(&[2; 57]).expect("room");
    }
    // At 960 there is one line left. The next record needs two: padding, and the beginning of the ring.
    while rx.try_sample().is_ok() {}
    tx.try_push(&[3; 57]).expect("room");
    assert_eq!(number(&file, 8192 + 960, 8), 56 << 32 | 2, "PAD(64)");
    assert_eq!(number(&file, 8192, 8), 57 << 32 | 1, "READY(57, 0)");
    tx.close();
    assert_eq!([control_at("closed"), control_at("producer sleep")], [1, 2]);
}

#[test]
fn the_limits_of_the_page_are_those_of_the_library() {
    let page = fs::read_to_string(repository().join("docs/WIRE.md")).expect("the page");
    let start = page.find("\n## Limits\n").expect("the section");
    let row = |what: &str| {
        let row = page[start..]
            .lines()
            .find(|line| line.starts_with(&format!("| {what} |")));
        row.unwrap_or_else(|| panic!("no row {what}")).to_owned()
    };
    let scratch = Scratch::new();
    let refused = |result: Result<(), CreateError>, what: &str| match result {
        Err(CreateError::InvalidOption { option, .. }) => assert_eq!(option, what),
        other => panic!("{what}: {other:?}"),
    };
    assert!(row("capacity of records").contains("2^8 to 2^32 bytes"));
    for capacity in [128, 1 << 33, 1000] {
        let options = spsc_records(scratch.name()).backing(Backing::File);
        let made = options.capacity_bytes(capacity).create().map(drop);
        refused(made, "capacity");
    }
    assert!(row("producers of kinds 2 and 4 at a time").contains("1 to 1024"));
    for producers in [0, 1025] {
        let options = mpsc_records(scratch.name()).backing(Backing::File);
        refused(options.producers(producers).create().map(drop), "producers");
    }
    assert!(row("capacity of slots").contains("2 to 2^32 slots"));
    for capacity in [1, 1 << 33, 6] {
        let options = spsc::<u8>(scratch.name()).backing(Backing::File);
        refused(options.capacity(capacity).create().map(drop), "capacity");
    }
    assert!(row("record").contains("0 to `C` / 2 - 8 bytes"));
    let options = spsc_records(scratch.name()).backing(Backing::File);
    let ring = options.capacity_bytes(4096).create().expect("create");
    assert_eq!(ring.max_record(), 4096 / 2 - 8);
    let mut tx = ring.producer().expect("producer");
    tx.try_push(&[0; 2041]).expect_err("too long");
    tx.try_push(&[0; 2040]).expect("the longest");
    tx.try_push(b"").expect("the shortest");
}
