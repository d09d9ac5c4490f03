//! The wire format as `docs/WIRE.md` describes it, held against the library from four sides: the tables of the
//! page against files the library makes, committed images that must open and drain for ever, images made
//! today that must equal the committed ones, and a peer written from the page alone that talks to the library
//! in both directions.
//!
//! `ANNULUS_WRITE_GOLDEN=1 cargo test --test wire` writes the images anew. That is a new wire version.

use annulus::{
    Backing, Parking, Peer, PopError, Producer, Ring, TryPopError, TryPushError, Wait, spsc,
};
use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

// ---- helpers ----------------------------------------------------------------------------------------------

/// A file that is removed in the end.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let n = COUNT.fetch_add(1, Ordering::Relaxed);
        Self(std::env::temp_dir().join(format!("annulus-wire-{}-{n}", std::process::id())))
    }

    fn name(&self) -> &str {
        self.0.to_str().expect("plain")
    }

    fn file(&self) -> File {
        OpenOptions::new()
            .read(true)
            .write(true)
            .open(&self.0)
            .expect("open")
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn number(file: &File, at: u64, bytes: usize) -> u64 {
    let mut raw = [0; 8];
    file.read_exact_at(&mut raw[..bytes], at)
        .expect("inside the file");
    u64::from_le_bytes(raw)
}

/// FNV-1a as the page gives it.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |h, b| {
        (h ^ u64::from(*b)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// The fingerprint of a type as the page gives it.
fn fingerprint(name: &str, size: u64, align: u64) -> u64 {
    let bytes = [
        name.as_bytes(),
        &[0],
        &size.to_le_bytes(),
        &align.to_le_bytes(),
    ]
    .concat();
    fnv1a(&bytes).max(1)
}

/// Field 22 of `/proc/self/stat`.
fn own_start_time() -> u64 {
    let stat = fs::read_to_string("/proc/self/stat").expect("own stat");
    let (_, rest) = stat.rsplit_once(')').expect("a name");
    rest.split_whitespace()
        .nth(19)
        .expect("field 22")
        .parse()
        .expect("a number")
}

// ---- the page against the library -------------------------------------------------------------------------

/// A row of a table that begins with offset, size and name.
#[derive(Clone, Debug)]
struct Row {
    offset: u64,
    size: usize,
    name: String,
}

/// The rows of the first table in the section `## title` of the page that begin with two numbers.
fn table(title: &str) -> Vec<Row> {
    let page = fs::read_to_string(repository().join("docs/WIRE.md")).expect("the page");
    let start = page.find(&format!("\n## {title}\n")).expect("the section");
    let section = &page[start + 4..];
    let section = &section[..section.find("\n## ").unwrap_or(section.len())];
    let rows = section.lines().filter_map(|line| {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let [_, offset, size, name, ..] = cells[..] else {
            return None;
        };
        Some(Row {
            offset: offset.parse().ok()?,
            size: size.parse().ok()?,
            name: name.to_owned(),
        })
    });
    rows.collect()
}

/// What is at `name` of `rows` in `file`, whose table begins at `base`.
fn field(file: &File, base: u64, rows: &[Row], name: &str) -> u64 {
    let row = rows
        .iter()
        .find(|row| row.name == name)
        .unwrap_or_else(|| panic!("no row {name}"));
    number(file, base + row.offset, row.size)
}

#[test]
fn every_row_of_the_header_table_is_where_the_library_puts_it() {
    let scratch = Scratch::new();
    let before = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("after 1970")
        .as_nanos() as u64;
    let ring = spsc::<[u32; 7]>(scratch.name())
        .backing(Backing::File)
        .type_name("Seven")
        .capacity(64)
        .schema(0x1122_3344_5566_7788)
        .parking(Parking::Fenced)
        .start_position(0x3_0000_0001)
        .create()
        .expect("create");
    let file = scratch.file();
    let rows = table("Header");
    let mut end = 0;
    for row in &rows {
        assert_eq!(
            row.offset, end,
            "{} does not follow its predecessor",
            row.name
        );
        end = row.offset + row.size as u64;
        let expected = match row.name.as_str() {
            "magic" => u64::from_le_bytes(*b"ANNULUS\0"),
            "wire version" => u64::from(annulus::WIRE_VERSION),
            "header bytes" => 256,
            "kind" | "element" => 1,
            "capacity" => 64,
            // 8 + 28 rounded up to 32 make 40, and 64 is the next power of two.
            "stride" => 64,
            "payload bytes" => 28,
            "payload offset" => 8,
            "payload align" => 4,
            "type fingerprint" => fingerprint("Seven", 28, 4),
            "schema" => 0x1122_3344_5566_7788,
            "segment bytes" => file.metadata().expect("facts").len(),
            "control offset" => 4096,
            "participants offset" => 5120,
            "participants" => 2,
            "parking" => 1,
            "data offset" => 8192,
            "wait backend" => 1,
            "creator pid" => u64::from(std::process::id()),
            "creator start time" => own_start_time(),
            "created at" => {
                let at = number(&file, row.offset, row.size);
                assert!(
                    at >= before && at - before < 60_000_000_000,
                    "{at} is not now"
                );
                continue;
            }
            "instance" => ring.instance(),
            "name hash" => 0,
            "start position" => 0x3_0000_0001,
            "ready" => u64::from_le_bytes(*b"COMPLETE"),
            "reserved" => {
                let mut bytes = vec![1; row.size];
                file.read_exact_at(&mut bytes, row.offset).expect("inside");
                assert!(bytes.iter().all(|b| *b == 0));
                continue;
            }
            other => panic!("a row that this test does not know: {other}"),
        };
        assert_eq!(
            number(&file, row.offset, row.size),
            expected,
            "{}",
            row.name
        );
    }
    assert_eq!(end, 256, "the table covers the header");
    assert_eq!(rows.len(), 27);
}

#[test]
fn every_row_of_the_control_and_participant_tables_is_where_the_library_puts_it() {
    let scratch = Scratch::new();
    let options = spsc::<u64>(scratch.name())
        .backing(Backing::File)
        .capacity(4)
        .parking(Parking::Fenced);
    let ring = options.create().expect("create");
    let file = scratch.file();
    let (control, entries) = (table("Control block"), table("Participant table"));
    let control_at = |name| field(&file, 4096, &control, name);
    let entry_at = |i: u64, name| field(&file, 5120 + 128 * i, &entries, name);
    assert_eq!(
        (control.len(), entries.iter().map(|r| r.size).sum::<usize>()),
        (4, 128)
    );

    for name in [
        "state",
        "role",
        "generation",
        "pid",
        "start time",
        "announce",
        "announce len",
    ] {
        assert_eq!([entry_at(0, name), entry_at(1, name)], [0, 0], "{name}");
    }
    drop(ring.producer().expect("producer"));
    let (mut tx, mut rx) = (
        ring.producer().expect("producer"),
        ring.consumer().expect("consumer"),
    );
    assert_eq!([entry_at(0, "state"), entry_at(1, "state")], [1, 1]);
    assert_eq!([entry_at(0, "role"), entry_at(1, "role")], [1, 2]);
    assert_eq!(
        [entry_at(0, "generation"), entry_at(1, "generation")],
        [2, 1]
    );
    let own = u64::from(std::process::id());
    assert_eq!([entry_at(0, "pid"), entry_at(1, "pid")], [own; 2]);
    assert_eq!(
        [entry_at(0, "start time"), entry_at(1, "start time")],
        [own_start_time(); 2]
    );

    for i in 0..3 {
        tx.try_push(&i).expect("room");
        rx.try_pop().expect("a message");
    }
    assert_eq!(control_at("gate"), 3);
    // A consumer that sleeps says so; a producer likewise.
    let asleep = |name: &str| {
        (0..2000).any(|_| {
            std::thread::sleep(Duration::from_micros(200));
            field(&file, 4096, &control, name) == 1
        })
    };
    let wait = Wait::park().spin_for(Duration::ZERO);
    std::thread::scope(|scope| {
        let sleeper = scope.spawn(|| rx.pop(wait));
        assert!(asleep("consumer sleep"));
        tx.try_push(&9).expect("room");
        assert_eq!(sleeper.join().expect("no panic"), Ok(9));
    });
    while tx.try_push(&0).is_ok() {}
    std::thread::scope(|scope| {
        let sleeper = scope.spawn(|| tx.push(&0, wait));
        assert!(asleep("producer sleep"));
        while !sleeper.is_finished() {
            let _ = rx.try_pop();
        }
        sleeper.join().expect("no panic").expect("room");
    });
    assert_eq!(control_at("closed"), 0);
    tx.close();
    assert_eq!(
        (
            control_at("closed"),
            control_at("producer sleep"),
            entry_at(0, "state")
        ),
        (1, 2, 2)
    );
    rx.close();
    assert_eq!(
        (
            control_at("closed"),
            control_at("consumer sleep"),
            entry_at(1, "state")
        ),
        (3, 2, 2)
    );
}

#[test]
fn the_page_and_the_compile_time_proof_say_the_same() {
    let proof = fs::read_to_string(repository().join("src/frozen.rs")).expect("the proof");
    for (title, name) in [
        ("Header", "Header"),
        ("Control block", "SpscControl"),
        ("Participant table", "Participant"),
    ] {
        let start = proof
            .find(&format!("at!({name} {{"))
            .expect("a proof of it");
        let body = &proof[start..start + proof[start..].find("});").expect("an end")];
        let proven: BTreeMap<String, u64> = body
            .lines()
            .filter_map(|line| {
                let (field, offset) = line.trim().trim_end_matches(',').split_once(": ")?;
                Some((field.to_owned(), offset.parse().ok()?))
            })
            .collect();
        let mut written = BTreeMap::new();
        for row in table(title) {
            let field = match row.name.as_str() {
                "created at" => "created_at_ns".to_owned(),
                other => other.replace(' ', "_"),
            };
            // The participant's tail is padding, which has no name in the source.
            if title != "Participant table" || row.offset < 48 {
                written.insert(field, row.offset);
            }
        }
        assert_eq!(proven, written, "{title}");
    }
}

#[test]
fn the_worked_numbers_of_the_page_are_right() {
    let page = fs::read_to_string(repository().join("docs/WIRE.md")).expect("the page");
    let worked = format!(
        "For the name `u64`, size 8, alignment 8 it is `{:#x}`",
        fingerprint("u64", 8, 8)
    );
    assert!(page.contains(&worked), "{worked}");
    // A System V key, derived from its name by the page's formula.
    let name = format!("annulus-wire-key-{}", std::process::id());
    let h = fnv1a(name.as_bytes());
    let key = (((h ^ h >> 32) & 0x7fff_ffff) as i32).max(1);
    let options = spsc::<u64>(&name)
        .capacity(2)
        .backing(Backing::SysV { key: None });
    let ring = options.create().expect("create");
    let found = ring.backing();
    ring.unlink().expect("unlink");
    assert_eq!(found, Backing::SysV { key: Some(key) });
}

// ---- a peer written from the page -------------------------------------------------------------------------

/// The layout formulas of the page.
#[derive(Clone, Copy, Debug)]
struct Layout {
    capacity: u64,
    payload: u64,
    payload_offset: u64,
    stride: u64,
    segment: u64,
}

fn layout(capacity: u64, payload: u64, align: u64) -> Layout {
    let payload_offset = align.max(8);
    let need = payload_offset + payload.next_multiple_of(8);
    let stride = match need {
        0..=16 => 16,
        17..=64 => need.next_power_of_two(),
        _ => need.next_multiple_of(64),
    };
    let segment = (8192 + capacity * stride).next_multiple_of(4096);
    Layout {
        capacity,
        payload,
        payload_offset,
        stride,
        segment,
    }
}

/// One end of a ring in a file, by the page and nothing else. It reads and writes the file instead of mapping
/// it, which the kernel keeps coherent with those who do map it.
struct PageEnd {
    file: File,
    layout: Layout,
    /// Tail or head.
    next: u64,
}

const PRODUCER: u64 = 0;
const CONSUMER: u64 = 1;
const GATE: u64 = 4096;
const CLOSED: u64 = 4096 + 384;

impl PageEnd {
    /// Attaches and resumes. Panics if a living endpoint is there.
    fn attach(scratch: &Scratch, layout: Layout, role: u64) -> Self {
        let mut end = Self {
            file: scratch.file(),
            layout,
            next: 0,
        };
        // SAFETY: a flock is plain integers.
        let mut lock: libc::flock = unsafe { std::mem::zeroed() };
        (lock.l_type, lock.l_start, lock.l_len) = (libc::F_WRLCK as _, (1 << 62) + role as i64, 1);
        // SAFETY: a live descriptor and a live request.
        let taken = unsafe { libc::fcntl(end.file.as_raw_fd(), libc::F_OFD_SETLK, &lock) };
        assert_eq!(taken, 0, "somebody is there");
        let entry = 5120 + 128 * role;
        let generation = number(&end.file, entry + 8, 8);
        end.put(entry + 4, role as u32 + 1);
        end.put(entry + 16, std::process::id());
        end.store(entry + 8, generation + 1);
        end.put(entry, 1);
        end.next = end.resume(role);
        end.put(4096 + if role == PRODUCER { 256 } else { 128 }, 0);
        end
    }

    fn store(&self, at: u64, value: u64) {
        self.file
            .write_all_at(&value.to_le_bytes(), at)
            .expect("inside");
    }

    fn put(&self, at: u64, value: u32) {
        self.file
            .write_all_at(&value.to_le_bytes(), at)
            .expect("inside");
    }

    fn slot(&self, p: u64) -> u64 {
        8192 + p % self.layout.capacity * self.layout.stride
    }

    fn word(&self, p: u64) -> u64 {
        number(&self.file, self.slot(p), 8)
    }

    fn resume(&self, role: u64) -> u64 {
        let c = self.layout.capacity;
        let gate = number(&self.file, GATE, 8);
        let lap = |p: u64, w: u64| {
            let free = |p: u64| p << 2;
            if [
                free(p),
                free(p.wrapping_sub(c)) | 1,
                free(p.wrapping_sub(c)) | 2,
            ]
            .contains(&w)
            {
                "untouched"
            } else if [free(p) | 1, free(p) | 2].contains(&w) {
                "committed"
            } else if (0..3)
                .map(|state| free(p.wrapping_add(c)) | state)
                .any(|x| x == w)
                || w == free(p.wrapping_add(2 * c))
            {
                "released"
            } else {
                panic!("corrupt: {w:#x} at {p}")
            }
        };
        let (span, stop): (u64, &[&str]) = match role {
            PRODUCER => (2 * c, &["untouched"]),
            _ => (c, &["untouched", "committed"]),
        };
        let there = |i: &u64| {
            stop.contains(&lap(
                gate.wrapping_add(*i),
                self.word(gate.wrapping_add(*i)),
            ))
        };
        gate.wrapping_add((0..span).find(there).unwrap_or(span))
    }

    fn push(&mut self, message: &[u8]) -> Result<(), &'static str> {
        let (p, c) = (self.next, self.layout.capacity);
        if number(&self.file, CLOSED, 4) != 0 {
            return Err("closed");
        }
        let room = p.wrapping_sub(number(&self.file, GATE, 8)) < c || self.word(p) == p << 2;
        if !room {
            return Err("full");
        }
        self.file
            .write_all_at(message, self.slot(p) + self.layout.payload_offset)
            .expect("inside");
        self.store(self.slot(p), p << 2 | 1);
        self.next = p.wrapping_add(1);
        Ok(())
    }

    fn skip(&mut self) {
        self.store(self.slot(self.next), self.next << 2 | 2);
        self.next = self.next.wrapping_add(1);
    }

    fn pop(&mut self) -> Result<Vec<u8>, &'static str> {
        let closed = number(&self.file, CLOSED, 4);
        let p = self.next;
        let w = self.word(p);
        if w == p << 2 {
            return Err(if closed & 1 == 1 { "closed" } else { "empty" });
        }
        assert_eq!(w, p << 2 | 1, "corrupt");
        let mut message = vec![0; self.layout.payload as usize];
        self.file
            .read_exact_at(&mut message, self.slot(p) + self.layout.payload_offset)
            .expect("inside");
        self.store(self.slot(p), p.wrapping_add(self.layout.capacity) << 2);
        self.next = p.wrapping_add(1);
        self.store(GATE, self.next);
        Ok(message)
    }

    fn leave(self, role: u64) {
        self.put(5120 + 128 * role, 2);
    }
}

/// Makes a ring by the page.
fn create_by_the_page(scratch: &Scratch, l: Layout, align: u64, fingerprint: u64, start: u64) {
    let file = File::create_new(&scratch.0).expect("create");
    file.set_len(l.segment).expect("room");
    let mut header = Vec::new();
    header.extend(b"ANNULUS\0");
    for half in [1u32, 256, 1, 1] {
        header.extend(half.to_le_bytes());
    }
    for word in [l.capacity, l.stride, l.payload] {
        header.extend(word.to_le_bytes());
    }
    header.extend((l.payload_offset as u32).to_le_bytes());
    header.extend((align as u32).to_le_bytes());
    for word in [fingerprint, 0, l.segment, 4096, 5120] {
        header.extend(word.to_le_bytes());
    }
    header.extend(2u32.to_le_bytes());
    header.extend(1u32.to_le_bytes());
    header.extend(8192u64.to_le_bytes());
    header.extend(1u32.to_le_bytes());
    header.resize(136, 0);
    for word in [0x1234_5678_9abc_def0, 0, start] {
        header.extend(word.to_le_bytes());
    }
    file.write_all_at(&header, 0).expect("inside");
    file.write_all_at(&start.to_le_bytes(), GATE)
        .expect("inside");
    for p in (0..l.capacity).map(|i| start.wrapping_add(i)) {
        let at = 8192 + p % l.capacity * l.stride;
        file.write_all_at(&(p << 2).to_le_bytes(), at)
            .expect("inside");
    }
    file.write_all_at(b"COMPLETE", 248).expect("inside");
}

fn message(i: u64, len: u64) -> Vec<u8> {
    (0..len).map(|b| (i * 31 + b * 7 + 1) as u8).collect()
}

/// Shapes of rings: capacity, message size, first position.
const SHAPES: [(u64, u64, u64); 8] = [
    (2, 1, 0),
    (4, 8, 0),
    (4, 9, 5),
    (8, 56, (1 << 62) - 3),
    (16, 57, 3),
    (4, 200, (1 << 61) + 1),
    (64, 24, 63),
    (2, 5000, 0),
];

#[test]
fn a_ring_made_by_the_page_serves_the_library_in_both_directions() {
    for (capacity, len, start) in SHAPES {
        let scratch = Scratch::new();
        let l = layout(capacity, len, 8);
        create_by_the_page(&scratch, l, 8, 0, start);
        let options = spsc::<[u8]>(scratch.name())
            .backing(Backing::File)
            .slot_size(len as usize);
        let ring = options.open().expect("the library believes it");
        assert_eq!(ring.instance(), 0x1234_5678_9abc_def0);
        let (mut tx, mut rx) = (
            ring.producer().expect("producer"),
            ring.consumer().expect("consumer"),
        );
        assert_eq!((tx.position(), rx.position()), (start, start));
        let mut out = vec![0; len as usize];
        for i in 0..3 * capacity {
            tx.try_push(&message(i, len)).expect("room");
            rx.try_pop_into(&mut out).expect("a message");
            assert_eq!(out, message(i, len));
        }
    }
}

#[test]
fn the_library_makes_rings_with_the_size_and_stride_of_the_formulas() {
    for (capacity, len, start) in SHAPES {
        let scratch = Scratch::new();
        let l = layout(capacity, len, 8);
        let options = spsc::<[u8]>(scratch.name())
            .backing(Backing::File)
            .slot_size(len as usize);
        let ring = options
            .capacity(capacity)
            .start_position(start)
            .create()
            .expect("create");
        let file = scratch.file();
        assert_eq!(file.metadata().expect("facts").len(), l.segment);
        assert_eq!(number(&file, 32, 8), l.stride);
        for p in start..start + capacity {
            let at = 8192 + p % capacity * l.stride;
            assert_eq!(number(&file, at, 8), p << 2, "the word of {p}");
        }
        drop(ring);
    }
    fn facts<T: annulus::Element>() -> [u64; 3] {
        let scratch = Scratch::new();
        let _ring = spsc::<T>(scratch.name())
            .backing(Backing::File)
            .capacity(2)
            .create()
            .expect("create");
        let file = scratch.file();
        [
            number(&file, 48, 4),
            number(&file, 32, 8),
            number(&file, 56, 8),
        ]
    }
    let by_page = |name, size, align| {
        let l = layout(2, size, align);
        [l.payload_offset, l.stride, fingerprint(name, size, align)]
    };
    assert_eq!(facts::<u8>(), by_page("u8", 1, 1));
    assert_eq!(facts::<u64>(), by_page("u64", 8, 8));
    assert_eq!(facts::<u128>(), by_page("u128", 16, 16));
    assert_eq!(facts::<[u16; 33]>(), by_page("[u16; 33]", 66, 2));
}

#[test]
fn a_producer_written_from_the_page_feeds_the_librarys_consumer() {
    for (capacity, len, start) in SHAPES {
        let scratch = Scratch::new();
        let options = spsc::<[u8]>(scratch.name())
            .backing(Backing::File)
            .slot_size(len as usize);
        let ring = options
            .capacity(capacity)
            .start_position(start)
            .create()
            .expect("create");
        let l = layout(capacity, len, 8);
        let mut theirs = PageEnd::attach(&scratch, l, PRODUCER);
        assert!(ring.producer().is_err(), "the seat is taken");
        assert_eq!(ring.status().expect("status").producer.state, Peer::Alive);
        let mut rx = ring.consumer().expect("consumer");
        let mut out = vec![0; len as usize];
        let mut sent = 0;
        for taken in 0..4 * capacity {
            while theirs.push(&message(sent, len)).is_ok() {
                sent += 1;
            }
            assert_eq!(sent - taken, capacity, "full means full");
            rx.try_pop_into(&mut out).expect("a message");
            assert_eq!(out, message(taken, len));
        }
        // It dies with a full ring but one; a successor of the library's goes on where it stopped.
        let stopped = theirs.next;
        drop(theirs);
        assert_eq!(rx.producer_state(), Peer::Died);
        let mut tx = ring.producer().expect("producer");
        assert_eq!((tx.predecessor(), tx.position()), (Peer::Died, stopped));
        tx.try_push(&message(sent, len)).expect("room");
        tx.close();
        for i in 4 * capacity..=sent {
            rx.try_pop_into(&mut out).expect("a message");
            assert_eq!(out, message(i, len));
        }
        assert_eq!(rx.try_pop_into(&mut out), Err(TryPopError::Closed));
    }
}

#[test]
fn a_consumer_written_from_the_page_takes_what_the_librarys_producer_sends() {
    for (capacity, len, start) in SHAPES {
        let scratch = Scratch::new();
        let options = spsc::<[u8]>(scratch.name())
            .backing(Backing::File)
            .slot_size(len as usize);
        let ring = options
            .capacity(capacity)
            .start_position(start)
            .create()
            .expect("create");
        let l = layout(capacity, len, 8);
        let mut theirs = PageEnd::attach(&scratch, l, CONSUMER);
        assert!(ring.consumer().is_err(), "the seat is taken");
        let mut tx = ring.producer().expect("producer");
        let mut sent = 0;
        for taken in 0..4 * capacity {
            while tx.try_push(&message(sent, len)).is_ok() {
                sent += 1;
            }
            assert_eq!(tx.try_push(&message(sent, len)), Err(TryPushError::Full));
            assert_eq!(sent - taken, capacity, "full means full");
            assert_eq!(theirs.pop(), Ok(message(taken, len)));
        }
        theirs.leave(CONSUMER);
        assert_eq!(tx.consumer_state(), Peer::Left);
        // The library takes one, and the next stranger goes on from there.
        let mut rx = ring.consumer().expect("consumer");
        assert_eq!(rx.predecessor(), Peer::Left);
        let mut out = vec![0; len as usize];
        rx.try_pop_into(&mut out).expect("a message");
        assert_eq!(out, message(4 * capacity, len));
        drop(rx);
        let mut theirs = PageEnd::attach(&scratch, l, CONSUMER);
        tx.close();
        for i in 4 * capacity + 1..sent {
            assert_eq!(theirs.pop(), Ok(message(i, len)));
        }
        assert_eq!(theirs.pop(), Err("closed"));
    }
}

#[test]
fn positions_that_were_given_up_are_passed_over() {
    let scratch = Scratch::new();
    let ring = spsc::<u64>(scratch.name())
        .backing(Backing::File)
        .capacity(8)
        .create()
        .expect("create");
    let mut theirs = PageEnd::attach(&scratch, layout(8, 8, 8), PRODUCER);
    let mut rx = ring.consumer().expect("consumer");
    for round in 0u64..20 {
        theirs.skip();
        theirs.push(&round.to_le_bytes()).expect("room");
        theirs.skip();
        theirs.skip();
        theirs.push(&(round + 100).to_le_bytes()).expect("room");
        match round % 3 {
            0 => assert_eq!([rx.try_pop(), rx.try_pop()], [Ok(round), Ok(round + 100)]),
            1 => {
                assert_eq!(rx.try_sample().expect("a message").read(), round);
                assert_eq!(rx.pop(Wait::park()), Ok(round + 100));
            }
            _ => assert_eq!(rx.drain(9).collect::<Vec<_>>(), [round, round + 100]),
        }
        assert_eq!(rx.try_pop(), Err(TryPopError::Empty));
    }
}

// ---- golden images ----------------------------------------------------------------------------------------

/// Bytes that differ from run to run: offset and size. Participants' are here as well.
const VARIABLE: [(usize, usize); 8] = [
    (116, 4),       // creator pid
    (120, 8),       // creator start time
    (128, 8),       // created at
    (136, 8),       // instance
    (5120 + 16, 4), // producer's pid
    (5120 + 24, 8), // producer's start time
    (5248 + 16, 4), // consumer's pid
    (5248 + 24, 8), // consumer's start time
];

/// Gives the variable fields that are in use a fixed value.
fn normalise(bytes: &mut [u8]) {
    for (i, (at, size)) in VARIABLE.into_iter().enumerate() {
        if bytes[at..at + size].iter().any(|b| *b != 0) {
            bytes[at..at + size].fill(i as u8 + 1);
        }
    }
}

/// A golden image and what was done to make it.
struct Golden {
    name: &'static str,
    about: &'static str,
    make: fn(&str),
    look: fn(&str),
}

fn typed(path: &str) -> annulus::Options<u64> {
    spsc::<u64>(path)
        .backing(Backing::File)
        .parking(Parking::Fenced)
}

fn bytes56(path: &str) -> annulus::Options<[u8]> {
    spsc::<[u8]>(path)
        .backing(Backing::File)
        .parking(Parking::Fenced)
        .slot_size(56)
}

/// Keeps an endpoint's entry as if its process had been killed: the image is read while it is attached.
fn attached(ring: &Ring<u64>) -> (Producer<u64>, annulus::Consumer<u64>) {
    (
        ring.producer().expect("producer"),
        ring.consumer().expect("consumer"),
    )
}

const GOLDEN: [Golden; 5] = [
    Golden {
        name: "empty-4x8",
        about: "A new ring of 4 slots of u64, never used.",
        make: |path| drop(typed(path).capacity(4).create().expect("create")),
        look: |path| {
            let ring = typed(path).open().expect("open");
            assert_eq!((ring.capacity(), ring.slot_size()), (4, 8));
            let status = ring.status().expect("status");
            assert_eq!((status.taken, status.len), (0, 0));
            assert_eq!(
                (status.producer.state, status.consumer.state),
                (Peer::Never, Peer::Never)
            );
            let (mut tx, mut rx) = attached(&ring);
            assert_eq!(rx.try_pop(), Err(TryPopError::Empty));
            tx.try_push(&1).expect("room");
            assert_eq!(rx.try_pop(), Ok(1));
        },
    },
    Golden {
        name: "bytes-8x56",
        about: "8 slots of 56 bytes, schema 9. 11 messages sent, 5 taken, both ends left in order.",
        make: |path| {
            let ring = bytes56(path)
                .capacity(8)
                .schema(9)
                .create()
                .expect("create");
            let (mut tx, mut rx) = (
                ring.producer().expect("producer"),
                ring.consumer().expect("consumer"),
            );
            let mut out = [0; 56];
            for i in 0..11 {
                tx.try_push(&message(i, 56)).expect("room");
                if i < 5 {
                    rx.try_pop_into(&mut out).expect("a message");
                }
            }
        },
        look: |path| {
            let ring = bytes56(path).schema(9).open().expect("open");
            let status = ring.status().expect("status");
            assert_eq!((status.taken, status.len, status.schema), (5, 6, 9));
            assert_eq!(
                (status.producer.state, status.consumer.state),
                (Peer::Left, Peer::Left)
            );
            let mut rx = ring.consumer().expect("consumer");
            assert_eq!((rx.len(), rx.position()), (6, 5));
            let mut out = [0; 56];
            for i in 5..11 {
                rx.try_pop_into(&mut out).expect("a message");
                assert_eq!(out[..], message(i, 56));
            }
            assert_eq!(rx.try_pop_into(&mut out), Err(TryPopError::Empty));
            assert_eq!(ring.producer().expect("producer").position(), 11);
        },
    },
    Golden {
        name: "closed-4x8",
        about: "4 slots of u64. 3 messages sent (100, 101, 102), 1 taken, then the producer closed.",
        make: |path| {
            let ring = typed(path).capacity(4).create().expect("create");
            let (mut tx, mut rx) = attached(&ring);
            for i in 0..3 {
                tx.try_push(&(100 + i)).expect("room");
            }
            rx.try_pop().expect("a message");
            tx.close();
        },
        look: |path| {
            let ring = typed(path).open().expect("open");
            assert!(matches!(
                ring.producer(),
                Err(annulus::EndpointError::Closed)
            ));
            let mut rx = ring.consumer().expect("consumer");
            assert_eq!(rx.drain(9).collect::<Vec<_>>(), [101, 102]);
            assert_eq!(rx.try_pop(), Err(TryPopError::Closed));
            assert_eq!(rx.pop(Wait::park()), Err(PopError::Closed));
        },
    },
    Golden {
        name: "wrap-4x8",
        about: "4 slots of u64 that start at position 2^62 - 3. 6 messages sent (0 to 5), 2 taken.",
        make: |path| {
            let ring = typed(path)
                .capacity(4)
                .start_position((1 << 62) - 3)
                .create()
                .expect("create");
            let (mut tx, mut rx) = attached(&ring);
            for i in 0..6 {
                tx.try_push(&i).expect("room");
                if i < 2 {
                    rx.try_pop().expect("a message");
                }
            }
        },
        look: |path| {
            let ring = typed(path).open().expect("open");
            assert_eq!(ring.status().expect("status").len, 4);
            let (mut tx, mut rx) = attached(&ring);
            assert_eq!(
                (tx.position(), rx.position()),
                ((1 << 62) + 3, (1 << 62) - 1)
            );
            assert_eq!(tx.try_push(&6), Err(TryPushError::Full));
            for i in 2..20 {
                assert_eq!(rx.try_pop(), Ok(i));
                tx.try_push(&(i + 4)).expect("room");
            }
        },
    },
    Golden {
        name: "killed-8x8",
        about: "8 slots of u64. Both ends were killed: 9 messages sent (0 to 8), 3 taken, of which the gate tells 2.",
        make: |path| {
            let ring = typed(path).capacity(8).create().expect("create");
            let (mut tx, mut rx) = attached(&ring);
            for i in 0..9 {
                tx.try_push(&i).expect("room");
                if i < 3 {
                    rx.try_pop().expect("a message");
                }
            }
            // Whoever forgets an endpoint has not left; the lock goes with the process or its descriptor.
            std::mem::forget((tx, rx));
        },
        look: |path| {
            let ring = typed(path).open().expect("open");
            let status = ring.status().expect("status");
            assert_eq!((status.taken, status.len), (3, 6));
            assert_eq!(
                (status.producer.state, status.consumer.state),
                (Peer::Died, Peer::Died)
            );
            let (mut tx, mut rx) = attached(&ring);
            assert_eq!(
                (tx.predecessor(), rx.predecessor()),
                (Peer::Died, Peer::Died)
            );
            assert_eq!((tx.position(), rx.position()), (9, 3));
            for _ in 0..2 {
                tx.try_push(&9).expect("room");
            }
            assert_eq!(tx.try_push(&9), Err(TryPushError::Full));
            assert_eq!(rx.drain(99).collect::<Vec<_>>(), [3, 4, 5, 6, 7, 8, 9, 9]);
        },
    },
];

fn golden_path(golden: &Golden) -> PathBuf {
    repository()
        .join("tests/golden")
        .join(format!("{}.hex", golden.name))
}

/// Rows of 16 bytes with their offsets, those of zeros left out.
fn to_hex(about: &str, bytes: &[u8]) -> String {
    let mut text = format!(
        "# {about}\n# Variable fields have fixed values. Rows of zeros are left out.\nsize {}\n",
        bytes.len()
    );
    for (i, row) in bytes
        .chunks(16)
        .enumerate()
        .filter(|(_, row)| row.iter().any(|b| *b != 0))
    {
        let hex: Vec<String> = row.iter().map(|b| format!("{b:02x}")).collect();
        text.push_str(&format!("{:08x} {}\n", i * 16, hex.join(" ")));
    }
    text
}

fn from_hex(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        if let Some(size) = line.strip_prefix("size ") {
            bytes.resize(size.parse().expect("a size"), 0);
            continue;
        }
        let (at, row) = line.split_once(' ').expect("an offset");
        let at = usize::from_str_radix(at, 16).expect("an offset");
        for (i, byte) in row.split(' ').enumerate() {
            bytes[at + i] = u8::from_str_radix(byte, 16).expect("a byte");
        }
    }
    bytes
}

/// What the library makes today, with its variable fields fixed.
fn made_today(golden: &Golden) -> Vec<u8> {
    let scratch = Scratch::new();
    (golden.make)(scratch.name());
    let mut bytes = fs::read(&scratch.0).expect("read");
    normalise(&mut bytes);
    bytes
}

#[test]
fn rings_made_today_equal_the_golden_images() {
    for golden in &GOLDEN {
        let today = made_today(golden);
        let path = golden_path(golden);
        if std::env::var_os("ANNULUS_WRITE_GOLDEN").is_some() {
            fs::write(&path, to_hex(golden.about, &today)).expect("write");
        }
        let text = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        // As text, so that a difference shows its offset.
        let today = to_hex(golden.about, &today);
        for (new, old) in today.lines().zip(text.lines()) {
            assert_eq!(new, old, "{}", golden.name);
        }
        assert_eq!(today, text, "{}", golden.name);
    }
}

#[test]
fn the_golden_images_open_and_drain_to_the_messages_that_were_put_in() {
    for golden in &GOLDEN {
        let text = fs::read_to_string(golden_path(golden)).expect("a committed image");
        let scratch = Scratch::new();
        fs::write(&scratch.0, from_hex(&text)).expect("write");
        (golden.look)(scratch.name());
    }
}
