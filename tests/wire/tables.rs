//! The tables and the worked numbers of the page against files that the library makes.

use crate::scratch::{Scratch, fingerprint, fnv1a, number, own_start_time, repository};
use annulus::{Backing, Parking, Wait, spsc};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A row of a table that begins with offset, size and name.
#[derive(Clone, Debug)]
pub struct Row {
    pub offset: u64,
    pub size: usize,
    pub name: String,
}

/// The rows of the first table in the section `## title` of the page that begin with two numbers.
pub fn table(title: &str) -> Vec<Row> {
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
pub fn field(file: &File, base: u64, rows: &[Row], name: &str) -> u64 {
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
            "producers" => 1,
            "flags" => 0,
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
    assert_eq!(rows.len(), 29);
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
        (11, 128)
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
    for name in ["tail", "taken", "wiped", "dropped", "moved"] {
        assert_eq!(control_at(name), 0, "{name}: of other kinds");
    }
    // A consumer that sleeps says so; a producer likewise.
    let asleep = |name: &str| {
        (0..2000).any(|_| {
            std::thread::sleep(Duration::from_micros(200));
            field(&file, 4096, &control, name) & 3 == 1
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

/// The offsets that the compile-time proof gives the fields of a struct.
fn proven(proof: &str, name: &str) -> BTreeMap<String, u64> {
    let start = proof
        .find(&format!("at!({name} {{"))
        .expect("a proof of it");
    let body = &proof[start..];
    let body = &body[..body.find("});").expect("an end")];
    let pairs = body.split(['{', ',']).filter_map(|pair| {
        let (field, offset) = pair.split_once(": ")?;
        let offset = offset.trim_end_matches([' ', '}']);
        Some((field.trim().to_owned(), offset.parse().ok()?))
    });
    pairs.collect()
}

#[test]
fn the_page_and_the_compile_time_proof_say_the_same() {
    let proof = fs::read_to_string(repository().join("src/frozen.rs")).expect("the proof");
    for (title, name) in [
        ("Header", "Header"),
        ("Control block", "Control"),
        ("Participant table", "Participant"),
    ] {
        let mut proven_fields = proven(&proof, name);
        // Two words share this line, and the page gives both their places.
        if let Some(line) = proven_fields.remove("head") {
            for (field, offset) in proven(&proof, "Taken") {
                proven_fields.insert(field, line + offset);
            }
        }
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
        assert_eq!(proven_fields, written, "{title}");
    }
    assert_eq!(proven(&proof, "Control").len(), 8);
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
