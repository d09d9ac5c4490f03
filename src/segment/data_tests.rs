//! Rings of two objects, without endpoints: who can write the data, and which objects are refused.

use super::super::{Backing, Bytes, Expect, Plan, Segment, Slots, View};
use super::super::{HugePages, SHM_DIR};
use super::super::{create, open, open_descriptor, open_descriptors, unlink};
use super::*;
use crate::error::CreateError;
use crate::layout::geometry::{Geometry, Places};
use crate::os::testing::{Cleanup, TempDir, euid, unique};
use crate::ring::words::Words;
use crate::sync::Ordering::Relaxed;
use std::fs;
use std::os::fd::AsRawFd;

const READERS: Places = Places {
    producers: 1,
    consumers: 8,
};

fn slots() -> Geometry {
    Geometry::slots(header::KIND_BROADCAST, 256, 56, 8, READERS).unwrap()
}

fn plan(geometry: Geometry) -> Plan {
    Plan {
        geometry,
        type_fingerprint: 0,
        schema: 0,
        parking: header::PARKING_FENCED,
        wait_backend: header::WAIT_FUTEX,
        start_position: 0,
        mode: 0o666,
        uid: None,
        gid: None,
        prefault: true,
        lock: false,
        huge_pages: HugePages::No,
        numa_node: None,
        split: true,
        drops: false,
    }
}

fn expect() -> Expect {
    Expect {
        prefault: true,
        ..Expect::default()
    }
}

/// A ring in a file of its own directory.
struct Ring {
    dir: TempDir,
    place: Place,
    segment: Segment,
}

impl Ring {
    fn new(what: &str, plan: &Plan) -> Self {
        let dir = TempDir::new(what);
        let path = dir.path().join("ring").display().to_string();
        let place = Place::new(Backing::File, &path).unwrap();
        let segment = create(place.clone(), plan).unwrap();
        Self {
            dir,
            place,
            segment,
        }
    }

    fn open(&self) -> Result<Segment, OpenError> {
        open(self.place.clone(), &expect())
    }

    fn data_path(&self) -> PathBuf {
        path_of(&self.dir.path().join("ring"), self.segment.checked.instance)
    }
}

fn memfd(plan: &Plan) -> Segment {
    create(Place::Memfd("annulus-test".to_owned()), plan).unwrap()
}

fn control_of(segment: &Segment) -> OwnedFd {
    match &*segment.tokens {
        crate::segment::Tokens::Locks(fd) => fd.try_clone().unwrap(),
        _ => panic!("a ring with descriptors"),
    }
}

fn data_of(segment: &Segment) -> OwnedFd {
    let object = segment.data.as_ref().expect("two objects");
    object.descriptor().try_clone_to_owned().unwrap()
}

/// The permissions that `/proc/self/maps` shows for the mapping that begins at `at`.
fn permissions(at: *const u8) -> String {
    let begins = format!("{:x}-", at as usize);
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    let line = maps.lines().find(|line| line.starts_with(&begins));
    let line = line.unwrap_or_else(|| panic!("{begins} is not in {maps}"));
    line.split_whitespace().nth(1).unwrap().to_owned()
}

fn errno(error: &OsError) -> Option<i32> {
    error.source.raw_os_error()
}

fn mismatched(result: Result<Segment, OpenError>, wanted: &str) {
    match result {
        Err(OpenError::Mismatch { field, .. }) => assert_eq!(field, wanted),
        other => panic!("wanted a mismatch of {wanted}, got {other:?}"),
    }
}

/// What `writer` stores in the word of position 3, `reader` sees.
fn flows(writer: &View<Slots>, reader: &View<Slots>) {
    for word in [1234, 5678] {
        writer.lane().at(3).store(word, Relaxed);
        assert_eq!(reader.lane().at(3).load(Relaxed), word);
    }
}

#[test]
fn whoever_opens_a_file_maps_the_data_for_reading_and_may_ask_for_more() {
    let ring = Ring::new("split", &plan(slots()));
    let opened = ring.open().unwrap();
    let object = opened.data.as_ref().unwrap();
    assert_eq!(permissions(object.memory.as_ptr()), "r--s");
    assert_eq!(permissions(opened.memory.as_ptr()), "rw-s");
    let writer = ring.segment.view_for_writing::<Slots>().unwrap();
    flows(&writer, &ring.segment.view());
    flows(&writer, &opened.view());
    flows(&opened.view_for_writing().unwrap(), &opened.view());
    assert_eq!(permissions(object.memory.as_ptr()), "r--s");
    assert_eq!(opened.bytes(), ring.segment.bytes());
    assert_eq!(
        opened.bytes(),
        slots().used_bytes + 4096,
        "two objects take one page more"
    );
}

#[test]
fn a_view_keeps_the_data_it_leads_to() {
    let ring = Ring::new("split-outlives", &plan(slots()));
    let (opened, again) = (ring.open().unwrap(), ring.open().unwrap());
    let reader = opened.view();
    drop(opened);
    let writer = again.view_for_writing().unwrap();
    drop(again);
    flows(&writer, &reader);
}

#[test]
fn records_lie_in_an_object_of_their_own_too() {
    let geometry = Geometry::records(header::KIND_BROADCAST, 4096, 8, READERS).unwrap();
    let ring = Ring::new("split-records", &plan(geometry));
    let opened = ring.open().unwrap();
    let writer = ring.segment.view_for_writing::<Bytes>().unwrap();
    writer.strip().at(4088).store(77, Relaxed);
    let reader = opened.view::<Bytes>();
    assert_eq!(reader.strip().at(4088).load(Relaxed), 77);
}

#[test]
fn the_data_file_is_written_by_its_owner_alone_and_goes_with_the_ring() {
    for mode in [0o600, 0o640, 0o660, 0o666, 0o622] {
        let ring = Ring::new(
            "split-mode",
            &Plan {
                mode,
                ..plan(slots())
            },
        );
        let facts = |path: &Path| file::facts_at(path).unwrap();
        let control = facts(&ring.dir.path().join("ring"));
        let data = facts(&ring.data_path());
        assert_eq!((control.mode, data.mode), (mode, mode & 0o755));
        assert_eq!(data.allocated, data.size, "its memory is there");
        assert_eq!(ring.dir.names().len(), 2);
        unlink(&ring.place).unwrap();
        assert!(ring.dir.names().is_empty(), "{:?}", ring.dir.names());
        flows(
            &ring.segment.view_for_writing().unwrap(),
            &ring.segment.view(),
        );
    }
}

#[test]
fn a_ring_that_cannot_have_its_name_leaves_no_data_behind() {
    let ring = Ring::new("split-taken", &plan(slots()));
    let taken = create(ring.place.clone(), &plan(slots()));
    assert!(matches!(taken, Err(CreateError::Exists { .. })));
    assert_eq!(ring.dir.names().len(), 2);
    // The name is taken between the first look and the last step.
    let data = file::create_unnamed(ring.dir.path(), 0o600).unwrap();
    let (_, name) = publish(data, &ring.dir.path().join("other"), 7).unwrap();
    assert_eq!(ring.dir.names().len(), 3);
    drop(name);
    assert_eq!(ring.dir.names().len(), 2);
}

#[test]
fn only_a_broadcast_with_modes_or_seals_can_have_read_only_readers() {
    let refused = |place: Place, geometry: Geometry| match create(place, &plan(geometry)) {
        Err(CreateError::InvalidOption { option, rule }) => {
            assert_eq!(option, "read-only readers");
            assert!(!rule.is_empty());
        }
        other => panic!("{other:?}"),
    };
    let name = unique("split-refused");
    for backing in [Backing::SysV { key: None }, Backing::Anon] {
        refused(Place::new(backing, &name).unwrap(), slots());
    }
    let spsc = Geometry::slots(header::KIND_SPSC, 256, 56, 8, Places::ONE).unwrap();
    refused(Place::Memfd(name), spsc);
}

#[test]
fn nobody_but_its_creator_can_write_the_data_of_a_memfd() {
    let made = memfd(&plan(slots()));
    let (control, data) = (control_of(&made), data_of(&made));
    let place = Place::Memfd("handed over".to_owned());
    let opened = open_descriptors(control, data, place, &expect()).unwrap();
    flows(&made.view_for_writing().unwrap(), &opened.view());
    let at = opened.data.as_ref().unwrap().memory.as_ptr();
    assert_eq!(permissions(at), "r--s");
    let refused = opened.view_for_writing::<Slots>().unwrap_err();
    assert_eq!(refused.source.kind(), ErrorKind::PermissionDenied);
    let fd = data_of(&made);
    let len = made.data.as_ref().unwrap().memory.len();
    assert_eq!(errno(&Mapping::of(fd.as_fd(), len).unwrap_err()), Some(13));
    // Open for writing again, as its owner may, it is no use either.
    let again = file::reopen(fd.as_fd()).unwrap();
    assert_eq!(
        errno(&Mapping::of(again.as_fd(), len).unwrap_err()),
        Some(1)
    );
    let seals = memfd::seals(again.as_fd()).unwrap();
    assert!(seals.contains(SEALS));
}

#[test]
fn the_data_of_a_sealed_ring_can_be_neither_cut_nor_written_through_a_descriptor() {
    let made = memfd(&plan(slots()));
    let again = file::reopen(data_of(&made).as_fd()).unwrap();
    for size in [0, 1 << 20] {
        assert!(file::set_size(again.as_fd(), size).is_err());
    }
    let path = format!("/proc/self/fd/{}", again.as_raw_fd());
    let before = fs::read(&path).unwrap();
    let file = fs::File::from(again);
    let written = std::os::unix::fs::FileExt::write_at(&file, &[0xff], 4096);
    assert_eq!(written.unwrap_err().kind(), ErrorKind::PermissionDenied);
    assert!(fs::read(&path).unwrap() == before);
}

#[test]
fn descriptors_of_something_else_are_refused() {
    let (one, two) = (memfd(&plan(slots())), memfd(&plan(slots())));
    let place = || Place::Memfd("handed over".to_owned());
    let both =
        |control: OwnedFd, data: OwnedFd| open_descriptors(control, data, place(), &expect());
    drop(both(control_of(&one), data_of(&one)).unwrap());
    // That of another ring of the same shape.
    mismatched(both(control_of(&one), data_of(&two)), "data instance");
    // The wrong way round, and the same twice.
    assert!(matches!(
        both(data_of(&one), control_of(&one)),
        Err(OpenError::NotARing {
            found: NotARing::NoMagic,
            ..
        })
    ));
    mismatched(both(control_of(&one), control_of(&one)), "data object");
    // One where there should be two, two where there should be one.
    let alone = open_descriptor(control_of(&one), place(), &expect());
    mismatched(alone, "data object");
    let whole = memfd(&Plan {
        split: false,
        ..plan(slots())
    });
    mismatched(both(control_of(&whole), data_of(&one)), "data object");
    // A copy that can still be written.
    let copy = memfd::create("annulus-test", false).unwrap();
    let original = data_of(&one);
    let bytes = fs::read(format!("/proc/self/fd/{}", original.as_raw_fd())).unwrap();
    fs::write(format!("/proc/self/fd/{}", copy.as_raw_fd()), &bytes).unwrap();
    memfd::seal(copy.as_fd(), Seals::SHRINK).unwrap();
    mismatched(
        both(control_of(&one), copy.try_clone().unwrap()),
        "data object",
    );
    memfd::seal(copy.as_fd(), Seals::FUTURE_WRITE).unwrap();
    drop(both(control_of(&one), copy).unwrap());
}

#[test]
fn files_that_are_not_the_ring_s_data_are_refused() {
    let ring = Ring::new("split-foreign", &plan(slots()));
    let other = Ring::new("split-foreign-too", &plan(slots()));
    let path = ring.data_path();
    let good = fs::read(&path).unwrap();
    let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
    for len in [8192, 12288, good.len() - 4096, good.len() + 4096] {
        file.set_len(len as u64).unwrap();
        mismatched(ring.open(), "data size");
    }
    file.set_len(100).unwrap();
    assert!(matches!(
        ring.open(),
        Err(OpenError::NotARing {
            found: NotARing::TooShort(100),
            ..
        })
    ));
    fs::write(&path, fs::read(other.data_path()).unwrap()).unwrap();
    mismatched(ring.open(), "data instance");
    fs::write(&path, vec![0; good.len()]).unwrap();
    assert!(matches!(
        ring.open(),
        Err(OpenError::NotARing {
            found: NotARing::NoMagic,
            ..
        })
    ));
    let strange = |wanted: NotARing| match ring.open() {
        Err(OpenError::NotARing { found, name }) => {
            assert_eq!(found, wanted);
            assert!(name.contains(".data"), "{name}");
        }
        other => panic!("{other:?}"),
    };
    fs::remove_file(&path).unwrap();
    mismatched(ring.open(), "data object");
    std::os::unix::fs::symlink(other.data_path(), &path).unwrap();
    strange(NotARing::Symlink);
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    strange(NotARing::Directory);
    fs::remove_dir(&path).unwrap();
    fs::write(&path, &good).unwrap();
    drop(ring.open().unwrap());
}

#[test]
fn the_data_file_of_another_owner_is_refused_and_left_alone() {
    if euid() != 0 {
        println!("skipped: giving files away needs root");
        return;
    }
    let ring = Ring::new("split-owner", &plan(slots()));
    let path = ring.data_path();
    std::os::unix::fs::chown(&path, Some(65534), None).unwrap();
    mismatched(ring.open(), "owner of the data object");
    unlink(&ring.place).unwrap();
    assert_eq!(ring.dir.names().len(), 1, "it may be another ring's");
}

#[test]
fn what_is_named_like_a_data_object_and_is_none_is_left_alone_by_unlink() {
    let ring = Ring::new("split-named", &plan(slots()));
    fs::write(ring.data_path(), b"somebody's").unwrap();
    unlink(&ring.place).unwrap();
    assert_eq!(fs::read(ring.data_path()).unwrap(), b"somebody's");
}

#[test]
fn a_ring_that_is_removed_while_it_is_opened_is_not_found() {
    let ring = Ring::new("split-race", &plan(slots()));
    let fd = file::open_existing(&ring.dir.path().join("ring"), true).unwrap();
    unlink(&ring.place).unwrap();
    let path = ring.dir.path().join("ring");
    let found = super::open(
        Source::Beside(&path),
        &ring.segment.checked,
        || file::facts(fd.as_fd()),
        &ring.place,
        true,
    );
    assert!(
        matches!(found, Err(OpenError::NotFound { .. })),
        "{found:?}"
    );
}

#[test]
fn a_data_object_is_not_mistaken_for_a_ring() {
    let name = unique("split-listed");
    let place = Place::new(Backing::PosixShm, &name).unwrap();
    let _cleanup = Cleanup(|| {
        let _ = unlink(&place);
    });
    let segment = create(place.clone(), &plan(slots())).unwrap();
    let data = path_of(&Path::new(SHM_DIR).join(&name), segment.checked.instance);
    let data = data.file_name().and_then(|n| n.to_str()).unwrap();
    let listed = crate::list();
    assert!(listed.iter().any(|ring| ring.name == name));
    assert!(!listed.iter().any(|ring| ring.name == data));
    let data_place = Place::new(Backing::PosixShm, data).unwrap();
    for refused in [
        open(data_place.clone(), &expect()).map(|_| ()),
        unlink(&data_place),
    ] {
        assert!(matches!(
            refused,
            Err(OpenError::NotARing {
                found: NotARing::NoMagic,
                ..
            })
        ));
    }
}

#[test]
fn data_in_huge_pages_is_as_read_only_as_any() {
    let ring = Ring::new(
        "split-huge",
        &Plan {
            huge_pages: HugePages::Try,
            ..plan(slots())
        },
    );
    let opened = ring.open().unwrap();
    assert_eq!(opened.data.as_ref().unwrap().memory.len(), 2 << 20);
    assert_eq!(opened.checked.segment_bytes, 8192);
    flows(&ring.segment.view_for_writing().unwrap(), &opened.view());
}
