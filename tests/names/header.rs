//! Rings that are not the one asked for: a damaged header, another length, another type of message.

use crate::refused::mismatch;
use crate::scratch::{Scratch, directory};
use annulus::{Backing, NotARing, OpenError, Ring, mpsc_records, spsc, spsc_records, unlink};
use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::Path;

/// A good ring of 8 messages of `u64` in a file of its own.
pub struct Sample {
    _dir: Scratch,
    pub path: String,
    pub file: File,
    pub bytes: Vec<u8>,
}

impl Sample {
    /// A new one.
    pub fn new() -> Self {
        let dir = directory("sample");
        let path = dir.0.join("ring").display().to_string();
        drop(
            spsc::<u64>(&path)
                .backing(Backing::File)
                .capacity(256)
                .schema(3)
                .create()
                .expect("create"),
        );
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .open(&path)
            .expect("open");
        let bytes = fs::read(&path).expect("read");
        Self {
            _dir: dir,
            path,
            file,
            bytes,
        }
    }

    /// Opens it with the schema it has.
    pub fn open(&self) -> Result<Ring<annulus::Spsc<u64>>, OpenError> {
        spsc::<u64>(&self.path)
            .backing(Backing::File)
            .schema(3)
            .open()
    }

    fn with<R>(&self, at: u64, bytes: &[u8], look: impl FnOnce() -> R) -> R {
        self.file.write_all_at(bytes, at).expect("write");
        let seen = look();
        self.file.set_len(self.bytes.len() as u64).expect("length");
        self.file.write_all_at(&self.bytes, 0).expect("write");
        seen
    }
}

#[test]
fn a_damaged_header_is_refused_by_the_name_of_the_damaged_field() {
    let ring = Sample::new();
    drop(ring.open().expect("good"));
    let cases: &[(u64, &[u8], &str)] = &[
        (8, &2u32.to_le_bytes(), "wire version"),
        (8, &u32::MAX.to_le_bytes(), "wire version"),
        (12, &512u32.to_le_bytes(), "header size"),
        (16, &2u32.to_le_bytes(), "kind"),
        (20, &3u32.to_le_bytes(), "element"),
        // Records: then it is the stride that makes no sense.
        (20, &2u32.to_le_bytes(), "record alignment"),
        (24, &0u64.to_le_bytes(), "capacity"),
        (24, &1u64.to_le_bytes(), "capacity"),
        (24, &3u64.to_le_bytes(), "capacity"),
        (24, &u64::MAX.to_le_bytes(), "capacity"),
        (24, &(1u64 << 33).to_le_bytes(), "capacity"),
        // A good number in itself, but the segment is too small for it.
        (24, &(1u64 << 16).to_le_bytes(), "segment size"),
        (32, &32u64.to_le_bytes(), "stride"),
        (32, &0u64.to_le_bytes(), "stride"),
        (40, &0u64.to_le_bytes(), "slot size"),
        (40, &u64::MAX.to_le_bytes(), "slot size"),
        (40, &16u64.to_le_bytes(), "stride"),
        (40, &7u64.to_le_bytes(), "slot size"),
        (48, &16u32.to_le_bytes(), "payload offset"),
        (52, &3u32.to_le_bytes(), "payload alignment"),
        (52, &128u32.to_le_bytes(), "payload alignment"),
        (52, &4u32.to_le_bytes(), "payload alignment"),
        (56, &1u64.to_le_bytes(), "message type"),
        (64, &4u64.to_le_bytes(), "schema version"),
        (72, &0u64.to_le_bytes(), "segment size"),
        (72, &u64::MAX.to_le_bytes(), "segment size"),
        (80, &0u64.to_le_bytes(), "control offset"),
        (88, &4096u64.to_le_bytes(), "participants offset"),
        (96, &3u32.to_le_bytes(), "consumers"),
        (96, &1u32.to_le_bytes(), "consumers"),
        (100, &3u32.to_le_bytes(), "parking"),
        (104, &4096u64.to_le_bytes(), "data offset"),
        (112, &0u32.to_le_bytes(), "wait back end"),
        (112, &3u32.to_le_bytes(), "wait back end"),
        (152, &(1u64 << 62).to_le_bytes(), "start position"),
        (160, &0u32.to_le_bytes(), "producers"),
        (160, &2u32.to_le_bytes(), "producers"),
        // Two objects are for broadcasts; the other bits are nobody's.
        (164, &1u32.to_le_bytes(), "flags"),
        (164, &(1u32 << 31).to_le_bytes(), "flags"),
    ];
    for (at, bytes, field) in cases {
        ring.with(*at, bytes, || mismatch(ring.open(), field));
    }
    for (ready, at) in [(0u64, 248), (1, 248), (u64::MAX, 248)] {
        let result = ring.with(at, &ready.to_le_bytes(), || ring.open());
        assert!(
            matches!(result, Err(OpenError::Unfinished { .. })),
            "{result:?}"
        );
    }
    let result = ring.with(3, b"x", || ring.open());
    assert!(
        matches!(
            result,
            Err(OpenError::NotARing {
                found: NotARing::NoMagic,
                ..
            })
        ),
        "{result:?}"
    );
    drop(ring.open().expect("good again"));
}

#[test]
fn a_damaged_header_of_records_is_refused_by_the_name_of_the_damaged_field() {
    let dir = directory("records");
    let path = dir.0.join("ring").display().to_string();
    // What both kinds have in common, and what is particular to one.
    let cases: &[(u64, &[u8], &str)] = &[
        (16, &3u32.to_le_bytes(), "kind"),
        (20, &3u32.to_le_bytes(), "element"),
        (24, &128u64.to_le_bytes(), "capacity"),
        (24, &(1u64 << 33).to_le_bytes(), "capacity"),
        (24, &4097u64.to_le_bytes(), "capacity"),
        (24, &8192u64.to_le_bytes(), "payload bytes"),
        (32, &16u64.to_le_bytes(), "record alignment"),
        (40, &2041u64.to_le_bytes(), "payload bytes"),
        (48, &16u32.to_le_bytes(), "payload offset"),
        (52, &64u32.to_le_bytes(), "payload alignment"),
        (80, &0u64.to_le_bytes(), "control offset"),
        (88, &4096u64.to_le_bytes(), "participants offset"),
        (104, &4096u64.to_le_bytes(), "data offset"),
        (152, &(1u64 << 62).to_le_bytes(), "start position"),
        (160, &0u32.to_le_bytes(), "producers"),
        (164, &1u32.to_le_bytes(), "flags"),
    ];
    let one: &[(u64, &[u8], &str)] = &[
        (96, &3u32.to_le_bytes(), "consumers"),
        (96, &0u32.to_le_bytes(), "consumers"),
        (160, &2u32.to_le_bytes(), "producers"),
        // Good numbers in themselves, but of another kind of ring.
        (16, &2u32.to_le_bytes(), "kind"),
        (16, &5u32.to_le_bytes(), "kind"),
    ];
    let both = |participants: u32, producers: u32| {
        // From the participants to the producers, as in a new ring of this size.
        let mut bytes = [participants, 2].map(u32::to_le_bytes).concat();
        bytes.resize(160 - 96, 0);
        bytes[8..16].copy_from_slice(&8192u64.to_le_bytes());
        bytes[16] = 1;
        [bytes, producers.to_le_bytes().to_vec()].concat()
    };
    let (none, most, table) = (both(1, 0), both(1026, 1025), both(101, 100));
    let many: &[(u64, &[u8], &str)] = &[
        (96, &0u32.to_le_bytes(), "consumers"),
        (96, &8u32.to_le_bytes(), "consumers"),
        (96, &100u32.to_le_bytes(), "consumers"),
        (96, &u32::MAX.to_le_bytes(), "consumers"),
        (160, &7u32.to_le_bytes(), "consumers"),
        (160, &u32::MAX.to_le_bytes(), "producers"),
        (96, &none, "producers"),
        (96, &most, "producers"),
        (96, &table, "data offset"),
        (16, &1u32.to_le_bytes(), "producers"),
    ];
    let damage = |particular: &[(u64, &[u8], &str)], open: &dyn Fn() -> Result<(), OpenError>| {
        let good = fs::read(&path).expect("read");
        for (at, bytes, field) in cases.iter().chain(particular) {
            let mut damaged = good.clone();
            damaged[*at as usize..*at as usize + bytes.len()].copy_from_slice(bytes);
            fs::write(&path, &damaged).expect("write");
            mismatch(open(), field);
        }
        fs::write(&path, &good).expect("write");
        open().expect("good again");
        fs::remove_file(&path).expect("remove");
    };
    let options = spsc_records(&path).backing(Backing::File);
    let options = options.capacity_bytes(4096);
    drop(options.create().expect("create"));
    damage(one, &|| options.open().map(drop));
    let options = mpsc_records(&path).backing(Backing::File);
    let options = options.capacity_bytes(4096).producers(8);
    drop(options.create().expect("create"));
    damage(many, &|| options.open().map(drop));
}

#[test]
fn a_ring_of_another_kind_or_alignment_is_refused_by_name() {
    let dir = directory("kinds");
    let path = |name: &str| dir.0.join(name).display().to_string();
    let slots = spsc::<u64>(path("slots")).backing(Backing::File);
    let one = spsc_records(path("one")).backing(Backing::File);
    let many = mpsc_records(path("many")).backing(Backing::File);
    drop(slots.create().expect("create"));
    drop(one.create().expect("create"));
    drop(many.create().expect("create"));
    for name in ["slots", "one", "many"] {
        let open = |named: &str, result: Result<(), OpenError>| {
            if named == name {
                result.expect("of this kind");
            } else {
                mismatch(result, "kind");
            }
        };
        let path = path(name);
        let slots = spsc::<u64>(&path).backing(Backing::File);
        open("slots", slots.open().map(drop));
        let one = spsc_records(&path).backing(Backing::File);
        open("one", one.open().map(drop));
        let many = mpsc_records(&path).backing(Backing::File);
        open("many", many.open().map(drop));
    }
    mismatch(one.record_align(64).open(), "record alignment");
    mismatch(many.schema(1).open(), "schema version");
}

#[test]
fn a_ring_whose_file_is_longer_or_shorter_than_its_header_says_is_refused() {
    let ring = Sample::new();
    let length = ring.bytes.len() as u64;
    for wrong in [8192, length - 4096, length - 1, length + 1, length + 4096] {
        ring.file.set_len(wrong).expect("length");
        mismatch(ring.open(), "segment size");
    }
    for short in [0, 255, 4096, 8191] {
        ring.file.set_len(short).expect("length");
        let result = ring.open();
        assert!(
            matches!(&result, Err(OpenError::NotARing { found: NotARing::TooShort(n), .. }) if *n == short),
            "{result:?}"
        );
    }
}

#[test]
fn another_message_type_size_or_schema_is_refused_by_name() {
    let ring = Sample::new();
    let open = |path: &str| spsc::<u64>(path).backing(Backing::File);
    mismatch(open(&ring.path).schema(4).open(), "schema version");
    mismatch(open(&ring.path).type_name("Price").open(), "message type");
    let field = |e: OpenError| match e {
        OpenError::Mismatch { field, .. } => field,
        other => panic!("{other:?}"),
    };
    let options = spsc::<i64>(&ring.path).backing(Backing::File);
    assert_eq!(field(options.open().unwrap_err()), "message type");
    let options = spsc::<[u32; 2]>(&ring.path).backing(Backing::File);
    assert_eq!(field(options.open().unwrap_err()), "payload alignment");
    let options = spsc::<[u64; 2]>(&ring.path).backing(Backing::File);
    assert_eq!(field(options.open().unwrap_err()), "slot size");
    let options = spsc::<[u8]>(&ring.path).backing(Backing::File);
    assert_eq!(field(options.open().unwrap_err()), "message type");
    assert_eq!(
        field(options.slot_size(56).open().unwrap_err()),
        "slot size"
    );
    // Whoever does not say which schema it wants takes any.
    drop(open(&ring.path).open().expect("any schema"));
}

#[test]
fn a_damaged_or_unfinished_ring_can_be_unlinked() {
    for (at, bytes) in [(8, [9u8; 8]), (24, [0; 8]), (248, [0; 8])] {
        let ring = Sample::new();
        ring.file.write_all_at(&bytes, at).expect("write");
        ring.open().expect_err("damaged");
        unlink(Backing::File, &ring.path).expect("unlink");
        assert!(!Path::new(&ring.path).exists());
    }
}
