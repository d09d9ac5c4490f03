//! The tables of the page that speak of kinds with many on a side, of broadcasts and of two objects, against files that
//! the library makes.

use crate::page_map::{MARKS, PageRing, TAIL, TAKEN};
use crate::scratch::{Scratch, number, repository};
use crate::tables::{field, table};
use annulus::{
    Backing, Join, Kind, Options, Orphans, Parking, broadcast, broadcast_records, mpmc, mpsc,
    mpsc_records, spmc, spsc, spsc_records, unlink,
};
use std::fs::{self, File};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering::Acquire;

/// First position of the rings that are made here.
const START: u64 = (1 << 61) + 64;

fn make<K: Kind>(scratch: &Scratch, options: Options<K>) -> File {
    let options = options.backing(Backing::File).parking(Parking::Fenced);
    drop(options.start_position(START).create().expect("create"));
    scratch.file()
}

/// The heads of the columns of the page's table of what words a new ring holds, each with such a ring.
fn new_ring(column: &str, scratch: &Scratch) -> File {
    let name = scratch.name();
    match column {
        "slots 1" => make(scratch, spsc::<u64>(name).capacity(8)),
        "slots 2" => make(scratch, mpsc::<u64>(name).capacity(8).producers(5)),
        "slots 3" => make(scratch, spmc::<u64>(name).capacity(8).consumers(6)),
        "slots 4" => {
            let options = mpmc::<u64>(name).capacity(8);
            make(scratch, options.producers(30).consumers(40))
        }
        "slots 5" => make(scratch, broadcast::<u64>(name).capacity(8).readers(7)),
        "records 1" => make(scratch, spsc_records(name).capacity_bytes(4096)),
        "records 2" => make(
            scratch,
            mpsc_records(name).capacity_bytes(4096).producers(5),
        ),
        "records 5" => {
            let options = broadcast_records(name).capacity_bytes(4096);
            make(scratch, options.readers(1024))
        }
        other => panic!("a column that this test does not know: {other}"),
    }
}

/// The cells of a table row.
fn cells(row: &str) -> Vec<&str> {
    let row = row.trim().trim_matches('|');
    row.split('|').map(str::trim).collect()
}

/// The words that a cell of that table stands for.
fn said(cell: &str, words: usize) -> Vec<u64> {
    let first = cell.split(',').next().expect("a cell");
    let value = match first {
        "-" | "0" => 0,
        "`s`" => START,
        "`s << 2`" => START << 2,
        "8 times (`s`" => return [START, 0].repeat(8),
        other => panic!("a value that this test does not know: {other}"),
    };
    vec![value; words]
}

#[test]
fn new_rings_of_all_kinds_hold_the_words_that_the_page_says() {
    let page = fs::read_to_string(repository().join("docs/WIRE.md")).expect("the page");
    let mut lines = page
        .lines()
        .skip_while(|line| !line.starts_with("| word | slots 1"));
    let columns = cells(lines.next().expect("the table"));
    let rows: Vec<_> = lines
        .skip(1)
        .take_while(|line| line.starts_with('|'))
        .collect();
    assert_eq!((columns.len(), rows.len()), (9, 8));
    let control = table("Control block");
    for (i, column) in columns.iter().enumerate().skip(1) {
        let scratch = Scratch::new();
        let file = new_ring(column, &scratch);
        let mut rest = vec![0; 1024];
        file.read_exact_at(&mut rest, 4096).expect("inside");
        for row in &rows {
            let row = cells(row);
            let place = control
                .iter()
                .find(|place| place.name == row[0])
                .expect("a word");
            let (at, words) = (place.offset as usize, place.size / 8);
            let found = &mut rest[at..at + place.size];
            let expected: Vec<u8> = said(row[i], words)
                .iter()
                .flat_map(|w| w.to_le_bytes())
                .collect();
            assert_eq!(found, expected, "{} of {column}", row[0]);
            found.fill(0);
        }
        assert!(
            rest.iter().all(|b| *b == 0),
            "{column}: sleep words, closed and reserved bytes"
        );
    }
}

#[test]
fn new_rings_of_all_kinds_have_the_layout_of_the_formulas() {
    let header = table("Header");
    for (column, kind, element, producers, consumers) in [
        ("slots 2", 2, 1, 5, 1),
        ("slots 3", 3, 1, 1, 6),
        ("slots 4", 4, 1, 30, 40),
        ("slots 5", 5, 1, 1, 7),
        ("records 5", 5, 2, 1, 1024),
    ] {
        let scratch = Scratch::new();
        let file = new_ring(column, &scratch);
        let participants = producers + consumers;
        let data = (5120u64 + 128 * participants).next_multiple_of(4096);
        let bytes = if element == 1 { 8 * 16 } else { 4096 };
        let used = (data + bytes).next_multiple_of(4096);
        for (name, expected) in [
            ("kind", kind),
            ("element", element),
            ("participants", participants),
            ("producers", producers),
            ("flags", 0),
            ("data offset", data),
            ("segment bytes", used),
            ("start position", START),
        ] {
            assert_eq!(
                field(&file, 0, &header, name),
                expected,
                "{name} of {column}"
            );
        }
        assert_eq!(file.metadata().expect("facts").len(), used, "{column}");
        for p in START..START + if element == 1 { 8 } else { 0 } {
            assert_eq!(
                number(&file, data + p % 8 * 16, 8),
                p << 2,
                "the word of {p}"
            );
        }
    }
}

#[test]
fn the_words_of_claims_are_where_the_tables_say() {
    let scratch = Scratch::new();
    let options = mpmc::<u64>(scratch.name())
        .capacity(8)
        .producers(2)
        .consumers(2);
    let options = options.backing(Backing::File).parking(Parking::Fenced);
    let ring = options.create().expect("create");
    let file = scratch.file();
    let (control, entries) = (table("Control block"), table("Participant table"));
    let control_at = |name| field(&file, 4096, &control, name);
    let entry_at = |i: u64, name| field(&file, 5120 + 128 * i, &entries, name);
    let announced = |i| (entry_at(i, "announce"), entry_at(i, "announce len"));
    let mut tx = [ring.producer(), ring.producer()].map(|tx| tx.expect("a place"));
    let mut rx = [ring.consumer(), ring.consumer()].map(|rx| rx.expect("a place"));
    assert_eq!([0, 1, 2, 3].map(|i| entry_at(i, "role")), [1, 1, 2, 2]);
    tx[0].try_push(&1).expect("room");
    tx[1].try_claim_many(3).expect("room").commit_first(2);
    assert_eq!([announced(0), announced(1)], [(0, 1), (1, 3)]);
    assert_eq!((control_at("tail"), control_at("taken")), (4 << 2, 0));
    let words: Vec<_> = (0..5).map(|p| number(&file, 8192 + 16 * p, 8)).collect();
    assert_eq!(words, [1, 1 << 2 | 1, 2 << 2 | 1, 3 << 2 | 2, 4 << 2]);
    assert_eq!(rx[1].drain(2).count(), 2);
    assert_eq!((announced(3), control_at("taken")), ((0, 2), 2));
    assert_eq!(number(&file, 8192, 8), 8 << 2, "FREE of the next lap");
    // What was dealt with stays announced while nothing else is claimed.
    while rx[1].try_pop().is_ok() {}
    assert_eq!((announced(3), control_at("taken")), ((3, 1), 4));
    while tx[0].try_push(&1).is_ok() {}
    assert_eq!((announced(0), control_at("tail")), ((11, 1), 12 << 2));
    let [tx, _] = tx;
    tx.close();
    assert_eq!((control_at("closed"), control_at("tail")), (1, 12 << 2 | 1));
    let [rx, _] = rx;
    rx.close();
    assert_eq!((control_at("closed"), control_at("tail")), (3, 12 << 2 | 3));
    assert_eq!(
        control_at("producer sleep"),
        0,
        "nobody is gone for ever here"
    );
    assert_eq!(control_at("consumer sleep"), 0);
}

#[test]
fn the_words_of_a_ring_that_drops_are_where_the_tables_say() {
    let scratch = Scratch::new();
    let options = mpmc::<u64>(scratch.name())
        .capacity(8)
        .producers(2)
        .consumers(2)
        .orphans(Orphans::Drop);
    let options = options.backing(Backing::File).parking(Parking::Fenced);
    let ring = options.create().expect("create");
    let file = scratch.file();
    let (header, control) = (table("Header"), table("Control block"));
    let entries = table("Participant table");
    assert_eq!(field(&file, 0, &header, "flags"), 2);
    let mut tx = ring.producer().expect("a place");
    let mut rx = ring.consumer().expect("a place");
    tx.try_claim_many(4).expect("room").commit_first(3);
    assert_eq!(rx.drain(4).next(), Some(0));
    // To others it has died with two messages and a tombstone in hand.
    drop(rx);
    let entry_at = |name| field(&file, 5120 + 128 * 2, &entries, name);
    assert_eq!((entry_at("state"), entry_at("announce len")), (1, 4));
    ring.repair().expect("repaired");
    assert_eq!((entry_at("state"), entry_at("announce len")), (1, 0));
    assert_eq!(field(&file, 4096, &control, "dropped"), 2);
    let words: Vec<_> = (0..4).map(|p| number(&file, 8192 + 16 * p, 8)).collect();
    assert_eq!(
        words,
        [8 << 2, 9 << 2, 10 << 2, 11 << 2],
        "FREE of the next lap"
    );
}

#[test]
fn the_words_of_broadcasts_are_where_the_tables_say() {
    let scratch = Scratch::new();
    let options = broadcast_records(scratch.name())
        .capacity_bytes(1024)
        .readers(70);
    let options = options.backing(Backing::File).parking(Parking::Fenced);
    let ring = options.create().expect("create");
    let file = scratch.file();
    let entries = table("Participant table");
    let entry_at = |i: u64, name| field(&file, 5120 + 128 * i, &entries, name);
    let data = (5120u64 + 128 * 71).next_multiple_of(4096);
    let mut tx = ring.producer().expect("producer");
    let lossy: Vec<_> = (0..65)
        .map(|_| ring.reader(Join::Newest).expect("a place"))
        .collect();
    let mut all = ring.lossless_reader(Join::Newest).expect("a place");
    // Place 65 is bit 1 of the second word.
    let gating = |file: &File| [0, 8, 16].map(|at| number(file, 4096 + 768 + at, 8));
    assert_eq!(gating(&file), [0, 2, 0]);
    assert_eq!([0, 1, 66].map(|i| entry_at(i, "role")), [1, 3, 3]);
    tx.try_push_tagged(5, &[1; 100]).expect("room");
    let page = PageRing::map(&scratch);
    let (frontier, head) = (
        page.long(TAIL).load(Acquire),
        page.long(TAKEN).load(Acquire),
    );
    assert_eq!((frontier, head), (256, 0), "a quarter");
    assert_eq!(
        number(&file, data, 8),
        100 << 32 | 5 << 16 | 1,
        "READY(100, 5)"
    );
    assert_eq!(
        number(&file, data + 112, 8),
        0,
        "the next header's place is clear"
    );
    for _ in 0..4 {
        tx.try_push(&[2; 100]).expect("room");
    }
    // Marks were left for the record at 224, which did not fit below 256, and for the one at 448.
    let mark = |i: u64| [0, 8].map(|at| number(&file, MARKS + 16 * i + at, 8));
    assert_eq!([mark(0), mark(1), mark(2)], [[224, 2], [448, 4], [0, 0]]);
    let mut out = Vec::new();
    for _ in 0..3 {
        all.try_read_into(&mut out).expect("a record");
    }
    assert_eq!(entry_at(66, "announce"), 336, "a quarter was read");
    all.become_lossy();
    assert_eq!(gating(&file), [0; 3]);
    for _ in 0..20 {
        tx.try_push(&[3; 100]).expect("nobody is waited for");
    }
    let lost = all.try_read_into(&mut out).expect_err("it was overtaken");
    let annulus::TryReadError::Lost(lost) = lost else {
        panic!("{lost:?}");
    };
    assert_eq!(entry_at(66, "announce len"), lost);
    assert_eq!(entry_at(66, "announce"), all.position());
    drop(lossy);
    assert_eq!([1, 65, 66].map(|i| entry_at(i, "state")), [2, 2, 1]);
}

/// A ring of two objects in a directory of its own, which is removed in the end.
struct Two {
    dir: Scratch,
    ring: PathBuf,
    data: PathBuf,
}

impl Two {
    fn make() -> Self {
        let dir = Scratch::new();
        fs::create_dir(&dir.0).expect("a directory");
        let ring = dir.0.join("ring");
        let options = Self::options(&ring).capacity(64).readers(3).mode(0o666);
        let made = options.read_only_readers(true).create().expect("create");
        let data = dir.0.join(format!("annulus.{:016x}.data", made.instance()));
        let mut tx = made.producer().expect("producer");
        for i in 0..70 {
            tx.try_push(&i).expect("room");
        }
        Self { dir, ring, data }
    }

    fn options(ring: &Path) -> Options<annulus::Broadcast<u64>> {
        broadcast::<u64>(ring.display().to_string())
            .backing(Backing::File)
            .parking(Parking::Fenced)
    }
}

impl Drop for Two {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.dir.0);
    }
}

#[test]
fn a_ring_of_two_objects_is_laid_out_and_named_as_the_page_says() {
    let two = Two::make();
    let (ring, data) = [&two.ring, &two.data]
        .map(|path| File::open(path).expect("open"))
        .into();
    let header = table("Header");
    for (name, expected) in [
        ("kind", 5),
        ("flags", 1),
        ("data offset", 4096),
        ("segment bytes", 8192),
        ("participants", 4),
    ] {
        assert_eq!(field(&ring, 0, &header, name), expected, "{name}");
    }
    assert_eq!(ring.metadata().expect("facts").len(), 8192);
    // 64 slots of 16 bytes are a page.
    assert_eq!(data.metadata().expect("facts").len(), 8192);
    assert_eq!(number(&data, 0, 8), u64::from_le_bytes(*b"ANNULDAT"));
    assert_eq!([8, 12].map(|at| number(&data, at, 4)), [1, 64]);
    assert_eq!(number(&data, 16, 8), number(&ring, 136, 8), "instance");
    assert_eq!(number(&data, 24, 8), 8192);
    let mut reserved = [1; 4096 - 32];
    data.read_exact_at(&mut reserved, 32).expect("inside");
    assert!(reserved.iter().all(|b| *b == 0));
    for p in 6..70 {
        assert_eq!(number(&data, 4096 + p % 64 * 16, 8), p << 2 | 1);
        assert_eq!(number(&data, 4096 + p % 64 * 16 + 8, 8), p);
    }
    let mode = |file: &File| file.metadata().expect("facts").mode() & 0o777;
    assert_eq!((mode(&ring), mode(&data)), (0o666, 0o644));
    unlink(Backing::File, &two.ring.display().to_string()).expect("unlink");
    assert_eq!(fs::read_dir(&two.dir.0).expect("a directory").count(), 0);
}

#[test]
fn a_ring_whose_data_object_the_page_would_refuse_is_refused() {
    let two = Two::make();
    let open = || Two::options(&two.ring).open();
    drop(open().expect("good"));
    let good = fs::read(&two.data).expect("read");
    for (at, what) in [
        (0, "magic"),
        (8, "version"),
        (12, "size"),
        (16, "instance"),
        (24, "bytes"),
    ] {
        let mut bad = good.clone();
        bad[at] ^= 2;
        fs::write(&two.data, &bad).expect("write");
        assert!(open().is_err(), "{what}");
    }
    fs::write(&two.data, &good[..4096]).expect("write");
    assert!(open().is_err(), "short");
    let longer = [&good[..], &[0; 4096]].concat();
    fs::write(&two.data, &longer).expect("write");
    assert!(open().is_err(), "longer than it says");
    fs::write(&two.data, &good).expect("write");
    let ring = open().expect("good again");
    let mut rx = ring.reader(Join::Oldest).expect("a place");
    let mut n = 16;
    while let Ok(i) = rx.try_read() {
        assert_eq!(i, n);
        n += 1;
    }
    assert_eq!(n, 70);
}
