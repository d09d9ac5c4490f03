//! Finding a ring that somebody else made, and believing nothing about it that was not checked.

use super::data::{self, Source};
use super::keyed;
use super::owner;
use super::token::Tokens;
use super::view;
use super::{DataObject, Memory, Pages, Place, Segment, Sems, sem_names};
use crate::error::{NotARing, OpenError, OsError};
use crate::layout::alleged::{self, Checked, Refusal};
use crate::layout::header;
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
    /// Who owns a ring that is found by its name. Whoever passes a descriptor vouches for it.
    pub(crate) owner: Option<u32>,
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
            attach_descriptor(fd, Source::Beside(path), &place, expect)
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
    check_sealed(&fd, &place)?;
    attach_descriptor(fd, Source::Nowhere, &place, expect)
}

/// Opens the ring whose two objects are behind descriptors that were handed over. They must be memfds that cannot
/// shrink, that of the data one that cannot be written either.
pub(crate) fn open_descriptors(
    fd: OwnedFd,
    data: OwnedFd,
    place: Place,
    expect: &Expect,
) -> Result<Segment, OpenError> {
    check_sealed(&fd, &place)?;
    attach_descriptor(fd, Source::Descriptor(data), &place, expect)
}

fn check_sealed(fd: &OwnedFd, place: &Place) -> Result<(), OpenError> {
    match memfd::seals(fd.as_fd()) {
        Ok(seals) if seals.contains(Seals::SHRINK) => Ok(()),
        _ => Err(not_a_ring(place, NotARing::NotSealed)),
    }
}

/// Opens what is at `path` if it can be a ring.
pub(super) fn open_file(path: &Path, place: &Place) -> Result<OwnedFd, OpenError> {
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
pub(super) fn wrong_kind(facts: &FileFacts) -> Option<NotARing> {
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

pub(super) fn not_a_ring(name: impl ToString, found: NotARing) -> OpenError {
    OpenError::NotARing {
        name: name.to_string(),
        found,
    }
}

/// Maps and checks the file behind `fd`, and the ring's data where it is another.
fn attach_descriptor(
    fd: OwnedFd,
    data: Source<'_>,
    place: &Place,
    expect: &Expect,
) -> Result<Segment, OpenError> {
    let facts = file::facts(fd.as_fd())?;
    check_kind(&fd, &facts, place)?;
    if matches!(place, Place::Path { .. }) {
        owner::check(expect.owner, facts.uid)?;
    }
    let len = usize::try_from(facts.size).map_err(|_| not_a_ring(place, NotARing::Other))?;
    let memory = Memory::mapped(Mapping::of(fd.as_fd(), len)?);
    let checked = believe(&memory, place, expect)?;
    let now = || file::facts(fd.as_fd());
    let data = data::open(data, &checked, now, place, expect.prefault)?;
    if let Some(data) = &data {
        data.memory().joins(&memory);
    }
    // Every ring is allocated when it is made. One with holes is a trap: filling them would be on us.
    let whole = facts.allocated >= facts.size;
    let segment = Segment {
        place: place.clone(),
        checked,
        memory: Arc::new(memory),
        data,
        tokens: Arc::new(Tokens::Locks(fd)),
        sems: None,
        pages: Pages::Base,
    };
    finish(segment, expect, whole, facts.uid)
}

/// Refuses what cannot be a ring, before anything is mapped.
pub(super) fn check_kind(fd: &OwnedFd, facts: &FileFacts, place: &Place) -> Result<(), OpenError> {
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
    let facts = sysv_shm::facts(shm)?;
    if facts.size < LEAST_BYTES as usize {
        return Err(not_a_ring(place, NotARing::TooShort(facts.size as u64)));
    }
    if facts.creator != 0 {
        // Nobody is waited for who can only be somebody else. Root may be making it for its owner just now.
        owner::check(expect.owner, owner::of_shm(&facts))?;
    }
    let memory = Memory::attached(sysv_shm::attach(shm, false)?);
    let checked = believe_in_time(&memory, key, place, expect)?;
    let owner = owner::of_shm(&sysv_shm::facts(shm)?);
    owner::check(expect.owner, owner)?;
    let Some(set) = keyed::find_set(key)? else {
        return Err(mismatch("semaphores", "a set of this ring's", "none"));
    };
    let holds = owner::of_set(&set)?;
    if holds != owner {
        return Err(mismatch("owner of the semaphores", owner, holds));
    }
    // The segment goes before its set, so the two belong together if the segment is still the key's.
    if sysv_shm::find(key).map_err(not_found)? != shm {
        return Err(OpenError::NotFound {
            name: place.to_string(),
        });
    }
    let needed = keyed::semaphores(checked.geometry.participants());
    if set.count() != needed {
        return Err(mismatch("semaphores", needed, set.count()));
    }
    if checked.geometry.split {
        // There is no way to find another object, and nobody makes such a ring here.
        return Err(mismatch("flags", 0, header::FLAG_SPLIT));
    }
    let segment = Segment {
        place: place.clone(),
        checked,
        memory: Arc::new(memory),
        data: None,
        tokens: Arc::new(Tokens::sems(set, shm)),
        sems: None,
        pages: Pages::Base,
    };
    finish(segment, expect, true, owner)
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
        alleged::check(&header, memory.len() as u64).map_err(|refusal| refused(refusal, place))?;
    compare(&checked, place, expect)?;
    Ok(checked)
}

/// The error of an object called `name` whose header was not believed.
pub(super) fn refused(refusal: Refusal, name: impl ToString) -> OpenError {
    match refusal {
        Refusal::NoMagic => not_a_ring(name, NotARing::NoMagic),
        Refusal::Unfinished => OpenError::Unfinished {
            name: name.to_string(),
        },
        Refusal::Field {
            field,
            expected,
            found,
        } => mismatch(field, expected, found),
        Refusal::Range { field, rule, found } => mismatch(field, rule, found),
    }
}

pub(super) fn mismatch(
    field: &'static str,
    expected: impl ToString,
    found: impl ToString,
) -> OpenError {
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
        header::KIND_MPSC => "mpsc",
        header::KIND_SPMC => "spmc",
        header::KIND_MPMC => "mpmc",
        _ => "broadcast",
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

/// The last steps of opening, the same for all kinds of memory. `whole`: whether the segment has no holes. `owner`:
/// whose it is.
fn finish(
    mut segment: Segment,
    expect: &Expect,
    whole: bool,
    owner: u32,
) -> Result<Segment, OpenError> {
    let (ptr, len) = (segment.memory.as_ptr(), segment.memory.len());
    mmap::dont_fork(ptr, len)?;
    if expect.prefault && whole {
        mmap::populate_write(ptr, len)?;
    }
    if expect.lock {
        mmap::lock(ptr, len)?;
        if let Some(data) = segment.data.as_ref().map(DataObject::memory) {
            mmap::lock(data.as_ptr(), data.len())?;
        }
    }
    if segment.checked.wait_backend == header::WAIT_SEM && expect.sems {
        let names = sem_names(segment.checked.instance);
        owner::check_semaphores(&names, owner)?;
        let [consumer, producer] = names;
        segment.sems = Some(Sems {
            consumer: Arc::new(NamedSem::open(&consumer)?),
            producer: Arc::new(NamedSem::open(&producer)?),
        });
    }
    Ok(segment)
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
