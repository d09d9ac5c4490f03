//! Finding a ring that somebody else made, and believing nothing about it that was not checked.

use super::keyed::{self, Removed};
use super::token::Tokens;
use super::view;
use super::{Memory, Pages, Place, Segment, Sems, sem_names};
use crate::error::{NotARing, OpenError, OsError};
use crate::layout::alleged::{self, Checked, Refusal};
use crate::layout::header::{self, HEADER_BYTES};
use crate::os::file::{self, FileFacts, FileKind};
use crate::os::memfd::{self, Seals};
use crate::os::mmap::{self, Mapping};
use crate::os::posix_sem::NamedSem;
use crate::os::sysv_shm;
use std::io::ErrorKind;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// The smallest ring is larger than this.
const LEAST_BYTES: u64 = 8192;
/// How long to wait for the creator of a System V ring to finish, and how often to look.
const FINISH_TRIES: u32 = 200;
const FINISH_PAUSE: Duration = Duration::from_millis(5);

/// What the caller expects of a ring. `None` expects nothing.
#[derive(Clone, Debug, Default)]
pub(crate) struct Expect {
    /// One of `header::KIND_*` and one of `header::ELEMENT_*`.
    pub(crate) kind: Option<(u32, u32)>,
    pub(crate) record_align: Option<u64>,
    pub(crate) payload_bytes: Option<u64>,
    pub(crate) payload_align: Option<u32>,
    /// Fingerprint, and the type's name for the message.
    pub(crate) type_fingerprint: Option<(u64, String)>,
    pub(crate) schema: Option<u64>,
    pub(crate) prefault: bool,
    pub(crate) lock: bool,
    /// Whether to open the semaphores of a ring that has some: for those who take part.
    pub(crate) sems: bool,
}

/// Opens the ring at `place`.
pub(crate) fn open(place: Place, expect: &Expect) -> Result<Segment, OpenError> {
    match &place {
        Place::Path { path, .. } => {
            let fd = open_file(path, &place)?;
            attach_descriptor(fd, place, expect)
        }
        Place::Key { key, .. } => open_keyed(*key, &place, expect),
        Place::Memfd(_) | Place::Anon(_) => Err(OpenError::InvalidOption {
            option: "backing",
            rule: "one that has a name; a memfd is opened by its descriptor, an anonymous ring is inherited"
                .to_owned(),
        }),
    }
}

/// Opens the ring behind a descriptor that was handed over. It must be a memfd that cannot shrink.
pub(crate) fn open_descriptor(
    fd: OwnedFd,
    place: Place,
    expect: &Expect,
) -> Result<Segment, OpenError> {
    let sealed = memfd::seals(fd.as_fd()).is_ok_and(|seals| seals.contains(Seals::SHRINK));
    if !sealed {
        return Err(not_a_ring(&place, NotARing::NotSealed));
    }
    attach_descriptor(fd, place, expect)
}

/// Opens what is at `path` if it can be a ring.
fn open_file(path: &Path, place: &Place) -> Result<OwnedFd, OpenError> {
    file::open_existing(path, true).map_err(|e| match e.source.kind() {
        ErrorKind::NotFound => OpenError::NotFound {
            name: place.to_string(),
        },
        // ELOOP, EISDIR, ENXIO: ask what it is.
        _ => match file::facts_at(path).map(|facts| wrong_kind(&facts)) {
            Ok(Some(found)) => not_a_ring(place, found),
            _ => OpenError::Os(e),
        },
    })
}

/// What a file is, if it cannot be a ring.
fn wrong_kind(facts: &FileFacts) -> Option<NotARing> {
    Some(match facts.kind {
        FileKind::Regular if facts.size < LEAST_BYTES => NotARing::TooShort(facts.size),
        FileKind::Regular => return None,
        FileKind::Directory => NotARing::Directory,
        FileKind::Fifo => NotARing::Fifo,
        FileKind::Symlink => NotARing::Symlink,
        FileKind::Socket => NotARing::Socket,
        FileKind::Device => NotARing::Device,
        FileKind::Other => NotARing::Other,
    })
}

fn not_a_ring(place: &Place, found: NotARing) -> OpenError {
    OpenError::NotARing {
        name: place.to_string(),
        found,
    }
}

/// Maps and checks the file behind `fd`.
fn attach_descriptor(fd: OwnedFd, place: Place, expect: &Expect) -> Result<Segment, OpenError> {
    let facts = file::facts(fd.as_fd())?;
    check_kind(&fd, &facts, &place)?;
    let len = usize::try_from(facts.size).map_err(|_| not_a_ring(&place, NotARing::Other))?;
    let memory = Memory::mapped(Mapping::of(fd.as_fd(), len)?);
    let checked = believe(&memory, &place, expect)?;
    // Every ring is allocated when it is made. One with holes is a trap: filling them would be on us.
    let whole = facts.allocated >= facts.size;
    finish(memory, Tokens::Locks(fd), checked, place, expect, whole)
}

/// Refuses what cannot be a ring, before anything is mapped.
fn check_kind(fd: &OwnedFd, facts: &FileFacts, place: &Place) -> Result<(), OpenError> {
    if let Some(found) = wrong_kind(facts) {
        return Err(not_a_ring(place, found));
    }
    let mut magic = [0; header::MAGIC.len()];
    if file::read_start(fd.as_fd(), &mut magic)? < magic.len() || magic != header::MAGIC {
        return Err(not_a_ring(place, NotARing::NoMagic));
    }
    Ok(())
}

/// Attaches and checks the segment under `key`.
fn open_keyed(key: i32, place: &Place, expect: &Expect) -> Result<Segment, OpenError> {
    let not_found = |e: OsError| match e.source.kind() {
        ErrorKind::NotFound => OpenError::NotFound {
            name: place.to_string(),
        },
        _ => OpenError::Os(e),
    };
    let shm = sysv_shm::find(key).map_err(not_found)?;
    let size = sysv_shm::facts(shm)?.size as u64;
    if size < LEAST_BYTES {
        return Err(not_a_ring(place, NotARing::TooShort(size)));
    }
    let memory = Memory::attached(sysv_shm::attach(shm, false)?);
    let checked = believe_in_time(&memory, key, place, expect)?;
    let Some(set) = keyed::find_set(key)? else {
        return Err(mismatch("semaphores", "a set of this ring's", "none"));
    };
    // The segment goes before its set, so the two belong together if the segment is still the key's.
    if sysv_shm::find(key).map_err(not_found)? != shm {
        return Err(OpenError::NotFound {
            name: place.to_string(),
        });
    }
    let needed = u32::from(keyed::FIRST_TOKEN) + checked.geometry.participants;
    if u32::from(set.count()) != needed {
        return Err(mismatch("semaphores", needed, set.count()));
    }
    finish(
        memory,
        Tokens::sems(set, shm),
        checked,
        place.clone(),
        expect,
        true,
    )
}

/// Like [`believe`], but gives a living creator a moment to finish: a key exists before its ring does.
fn believe_in_time(
    memory: &Memory,
    key: i32,
    place: &Place,
    expect: &Expect,
) -> Result<Checked, OpenError> {
    for _ in 0..FINISH_TRIES {
        // Asked before the header is read, so that a ring finished in between is not missed.
        let making = keyed::is_in_the_making(key)?;
        match believe(memory, place, expect) {
            Err(OpenError::Unfinished { .. }) if making => std::thread::sleep(FINISH_PAUSE),
            Err(OpenError::Unfinished { .. }) if keyed::find_set(key)?.is_none() => {
                return Err(not_a_ring(place, NotARing::NoMagic));
            }
            verdict => return verdict,
        }
    }
    believe(memory, place, expect)
}

/// Copies the header, checks it, and compares it with what the caller expects.
fn believe(memory: &Memory, place: &Place, expect: &Expect) -> Result<Checked, OpenError> {
    let Some(header) = view::read_header(memory) else {
        return Err(not_a_ring(place, NotARing::TooShort(memory.len() as u64)));
    };
    let in_the_making = matches!(place, Place::Key { .. }) && header.ready == 0;
    if in_the_making && [header::MAGIC, [0; 8]].contains(&header.magic) {
        return Err(OpenError::Unfinished {
            name: place.to_string(),
        });
    }
    let checked =
        alleged::check(&header, memory.len() as u64).map_err(|refusal| match refusal {
            Refusal::NoMagic => not_a_ring(place, NotARing::NoMagic),
            Refusal::Unfinished => OpenError::Unfinished {
                name: place.to_string(),
            },
            Refusal::Field {
                field,
                expected,
                found,
            } => mismatch(field, expected, found),
            Refusal::Range { field, rule, found } => mismatch(field, rule, found),
        })?;
    compare(&checked, place, expect)?;
    Ok(checked)
}

fn mismatch(field: &'static str, expected: impl ToString, found: impl ToString) -> OpenError {
    OpenError::Mismatch {
        field,
        expected: expected.to_string(),
        found: found.to_string(),
    }
}

/// What people call a ring of this kind and element.
fn kind_name(kind: u32, element: u32) -> String {
    let kind = match kind {
        header::KIND_SPSC => "spsc",
        _ => "mpsc",
    };
    let element = match element {
        header::ELEMENT_SLOTS => "slots",
        _ => "records",
    };
    format!("{kind} {element}")
}

/// Compares a believable ring with the one the caller asked for.
fn compare(checked: &Checked, place: &Place, expect: &Expect) -> Result<(), OpenError> {
    let g = &checked.geometry;
    if place.name_hash() != 0 && checked.name_hash != place.name_hash() {
        return Err(mismatch(
            "name",
            "the one asked for",
            "another, with the same key",
        ));
    }
    if let Some(kind) = expect.kind
        && kind != (g.kind, g.element)
    {
        let found = kind_name(g.kind, g.element);
        return Err(mismatch("kind", kind_name(kind.0, kind.1), found));
    }
    if let Some(align) = expect.record_align
        && align != g.stride
    {
        return Err(mismatch("record alignment", align, g.stride));
    }
    if let Some(bytes) = expect.payload_bytes
        && bytes != g.payload_bytes
    {
        return Err(mismatch("slot size", bytes, g.payload_bytes));
    }
    if let Some(align) = expect.payload_align
        && align != g.payload_align
    {
        return Err(mismatch("payload alignment", align, g.payload_align));
    }
    if let Some((fingerprint, name)) = &expect.type_fingerprint
        && *fingerprint != checked.type_fingerprint
    {
        return Err(mismatch(
            "message type",
            format!("{name} ({fingerprint:#018x})"),
            format!("{:#018x}", checked.type_fingerprint),
        ));
    }
    if let Some(schema) = expect.schema
        && schema != checked.schema
    {
        return Err(mismatch("schema version", schema, checked.schema));
    }
    Ok(())
}

/// The last steps of opening, the same for all kinds of memory.
fn finish(
    memory: Memory,
    tokens: Tokens,
    checked: Checked,
    place: Place,
    expect: &Expect,
    whole: bool,
) -> Result<Segment, OpenError> {
    let (ptr, len) = (memory.as_ptr(), memory.len());
    mmap::dont_fork(ptr, len)?;
    if expect.prefault && whole {
        mmap::populate_write(ptr, len)?;
    }
    if expect.lock {
        mmap::lock(ptr, len)?;
    }
    let sems = match checked.wait_backend {
        header::WAIT_SEM if expect.sems => {
            let [consumer, producer] = sem_names(checked.instance);
            Some(Sems {
                consumer: Arc::new(NamedSem::open(&consumer)?),
                producer: Arc::new(NamedSem::open(&producer)?),
            })
        }
        _ => None,
    };
    Ok(Segment {
        place,
        checked,
        memory: Arc::new(memory),
        tokens: Arc::new(tokens),
        sems,
        pages: Pages::Base,
    })
}

/// Removes the ring at `place`: its name, its memory once nobody maps it, its semaphores.
///
/// What is not a ring is left alone and reported. A damaged or unfinished ring is removed.
pub(crate) fn unlink(place: &Place) -> Result<(), OpenError> {
    match place {
        Place::Path { path, .. } => {
            let fd = open_file(path, place)?;
            let facts = file::facts(fd.as_fd())?;
            check_kind(&fd, &facts, place)?;
            let memory = Memory::mapped(Mapping::of(fd.as_fd(), HEADER_BYTES)?);
            remove_sems(&memory, facts.uid, place)?;
            Ok(file::unlink(path)?)
        }
        Place::Key { key, .. } => unlink_keyed(*key, place),
        Place::Memfd(_) | Place::Anon(_) => Ok(()),
    }
}

/// Removes the names of the semaphores that the ring in `memory`, which belongs to `uid`, uses, if it is a
/// ring. A header may name another ring's semaphores: those of another owner are left alone.
fn remove_sems(memory: &Memory, uid: u32, place: &Place) -> Result<(), OpenError> {
    let header = view::read_header(memory).filter(|h| h.magic == header::MAGIC);
    let Some(header) = header else {
        return Err(not_a_ring(place, NotARing::NoMagic));
    };
    if header.wait_backend == header::WAIT_SEM {
        for name in sem_names(header.instance) {
            if NamedSem::owner(&name).is_some_and(|owner| owner != uid) {
                continue;
            }
            match NamedSem::unlink(&name) {
                Err(e) if e.source.kind() != ErrorKind::NotFound => return Err(e.into()),
                _ => {}
            }
        }
    }
    Ok(())
}

/// Whether the place of `segment` still leads to it.
pub(crate) fn is_current(segment: &Segment) -> bool {
    match (&segment.place, &*segment.tokens) {
        (Place::Path { path, .. }, Tokens::Locks(fd)) => {
            match (file::facts_at(path), file::facts(fd.as_fd())) {
                (Ok(there), Ok(ours)) => (there.dev, there.ino) == (ours.dev, ours.ino),
                _ => false,
            }
        }
        (Place::Key { key, .. }, Tokens::Sems { shm, .. }) => {
            sysv_shm::find(*key).is_ok_and(|there| there == *shm)
        }
        _ => true,
    }
}

/// The two System V objects of a ring.
fn unlink_keyed(key: i32, place: &Place) -> Result<(), OpenError> {
    match keyed::remove(key, |memory, uid| remove_sems(memory, uid, place))? {
        Removed::Ring => Ok(()),
        Removed::Nothing => Err(OpenError::NotFound {
            name: place.to_string(),
        }),
        Removed::Stranger => Err(not_a_ring(place, NotARing::NoMagic)),
    }
}
