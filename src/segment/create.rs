//! Making a ring, completely or not at all.
//!
//! By descriptor: a nameless file is sized, given its memory, mapped, filled and only then named, so a name
//! never shows a half-made ring and lack of space is an error here, not a SIGBUS later. System V memory has
//! its key from the start; there the header's ready word, stored last, and a semaphore that the creator holds
//! with undo tell a ring in the making from an abandoned one. On every failure nothing is left behind.

use super::HugePages;
use super::keyed;
use super::token::Tokens;
use super::view::{self, View};
use super::{Bytes, Slots};
use super::{Memory, Pages, Place, Segment, Sems, sem_names};
use crate::error::{CreateError, OsError};
use crate::layout::alleged;
use crate::layout::geometry::Geometry;
use crate::layout::header::{self, Header};
use crate::os::memfd::{self, Seals};
use crate::os::mmap::{self, Mapping};
use crate::os::posix_sem::NamedSem;
use crate::os::{clock, file, process, random, sysv_shm};
use std::io::ErrorKind;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;
use zerocopy::FromZeros;

/// Size of a huge page.
const HUGE: u64 = 2 << 20;

/// Everything that decides what a new ring is like.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) geometry: Geometry,
    pub(crate) type_fingerprint: u64,
    pub(crate) schema: u64,
    /// One of `header::PARKING_*`.
    pub(crate) parking: u32,
    /// One of `header::WAIT_*`.
    pub(crate) wait_backend: u32,
    pub(crate) start_position: u64,
    /// Permission bits, exact whatever the umask.
    pub(crate) mode: u32,
    pub(crate) uid: Option<u32>,
    pub(crate) gid: Option<u32>,
    pub(crate) prefault: bool,
    pub(crate) lock: bool,
    pub(crate) huge_pages: HugePages,
    pub(crate) numa_node: Option<u32>,
}

impl Plan {
    /// Bytes to ask the kernel for.
    fn segment_bytes(&self) -> u64 {
        match self.huge_pages {
            HugePages::No => self.geometry.used_bytes,
            HugePages::Try | HugePages::HugeTlb => self.geometry.used_bytes.next_multiple_of(HUGE),
        }
    }

    /// Sorts a failure: lack of space is its own kind, and so is a name that is taken.
    fn failed(&self, place: &Place, cause: OsError) -> CreateError {
        match cause.source.kind() {
            ErrorKind::AlreadyExists => CreateError::Exists {
                name: place.to_string(),
            },
            // EFBIG, ENOMEM: the file system or the kernel cannot hold that much.
            ErrorKind::StorageFull
            | ErrorKind::QuotaExceeded
            | ErrorKind::FileTooLarge
            | ErrorKind::OutOfMemory => CreateError::NoSpace {
                wanted_bytes: self.segment_bytes(),
                cause,
            },
            _ => CreateError::Os(cause),
        }
    }
}

/// Creates the ring that `plan` describes at `place`.
pub(crate) fn create(place: Place, plan: &Plan) -> Result<Segment, CreateError> {
    let made = match &place {
        Place::Path { path, .. } => create_named(path, &place, plan),
        Place::Key { key, .. } => create_keyed(*key, &place, plan),
        Place::Memfd(name) => create_nameless(name, true, &place, plan),
        Place::Anon(name) => create_nameless(name, false, &place, plan),
    };
    made.map_err(|cause| plan.failed(&place, cause))
}

/// A file with a name, in `/dev/shm` or elsewhere.
fn create_named(path: &Path, place: &Place, plan: &Plan) -> Result<Segment, OsError> {
    // Cheap to find out before all the work; `publish` decides in the end.
    if file::facts_at(path).is_ok() {
        return Err(keyed::exists("open", place));
    }
    let dir = match path.parent() {
        Some(dir) if !dir.as_os_str().is_empty() => dir,
        _ => Path::new("."),
    };
    let unpublished = file::create_unnamed(dir, plan.mode)?;
    let fd = unpublished.as_fd();
    let (memory, pages) = give_memory(fd, plan)?;
    if plan.uid.is_some() || plan.gid.is_some() {
        file::set_owner(fd, plan.uid, plan.gid)?;
    }
    let mut unfinished = fill(memory, pages, place, plan)?;
    let fd = unpublished.publish(path)?;
    unfinished.keep_sems();
    Ok(unfinished.finish(place, Tokens::Locks(fd)))
}

/// A memory file, sealed to be handed on or open to be inherited.
fn create_nameless(
    name: &str,
    sealed: bool,
    place: &Place,
    plan: &Plan,
) -> Result<Segment, OsError> {
    let fd: OwnedFd = memfd::create(name, plan.huge_pages == HugePages::HugeTlb)?;
    // Memory files that cannot be executed refuse the bit that says so.
    file::set_mode(fd.as_fd(), plan.mode & 0o666)?;
    let (memory, pages) = give_memory(fd.as_fd(), plan)?;
    if plan.uid.is_some() || plan.gid.is_some() {
        file::set_owner(fd.as_fd(), plan.uid, plan.gid)?;
    }
    let unfinished = fill(memory, pages, place, plan)?;
    if sealed {
        memfd::seal(fd.as_fd(), Seals::GROW.and(Seals::SHRINK).and(Seals::SEAL))?;
    }
    // Semaphores of an inherited ring are inherited with it; their names go when `unfinished` does.
    Ok(unfinished.finish(place, Tokens::Locks(fd)))
}

/// Sizes a file, gives it all its memory and maps it.
fn give_memory(fd: BorrowedFd<'_>, plan: &Plan) -> Result<(Memory, Pages), OsError> {
    let bytes = plan.segment_bytes();
    file::set_size(fd, bytes)?;
    if plan.numa_node.is_none() {
        // ENOSPC is found here. With a NUMA node the pages must not exist before the policy does.
        file::allocate(fd, bytes)?;
    }
    let mapping = match plan.huge_pages {
        HugePages::No | HugePages::HugeTlb => Mapping::of(fd, bytes as usize)?,
        HugePages::Try => Mapping::of_huge_aligned(fd, bytes as usize)?,
    };
    let memory = Memory::mapped(mapping);
    let pages = place_pages(&memory, plan)?;
    if plan.numa_node.is_some() {
        file::allocate(fd, bytes)?;
    }
    Ok((memory, pages))
}

/// Puts pages behind a fresh mapping, as `plan` wishes.
fn place_pages(memory: &Memory, plan: &Plan) -> Result<Pages, OsError> {
    let (ptr, len) = (memory.as_ptr(), memory.len());
    if let Some(node) = plan.numa_node {
        mmap::prefer_node(ptr, len, node)?;
    }
    if plan.prefault || plan.huge_pages != HugePages::No || plan.numa_node.is_some() {
        mmap::populate_write(ptr, len)?;
    }
    let pages = match plan.huge_pages {
        HugePages::No => Pages::Base,
        HugePages::HugeTlb => Pages::HugeTlb,
        HugePages::Try if mmap::collapse(ptr, len)? => Pages::Collapsed,
        HugePages::Try => Pages::Base,
    };
    if plan.lock {
        mmap::lock(ptr, len)?;
    }
    Ok(pages)
}

/// A ring whose bytes are complete. Dropping it removes the names of its semaphores.
struct Unfinished {
    memory: Arc<Memory>,
    checked: alleged::Checked,
    pages: Pages,
    sems: Option<Sems>,
    sem_names: Option<[String; 2]>,
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        for name in self.sem_names.iter().flatten() {
            // Nothing to do about a failure; a name that is gone already is fine.
            let _ = NamedSem::unlink(name);
        }
    }
}

impl Unfinished {
    /// From now on the names of the semaphores belong to the named ring.
    fn keep_sems(&mut self) {
        self.sem_names = None;
    }

    fn finish(mut self, place: &Place, tokens: Tokens) -> Segment {
        Segment {
            place: place.clone(),
            checked: self.checked,
            memory: Arc::clone(&self.memory),
            tokens: Arc::new(tokens),
            sems: self.sems.take(),
            pages: self.pages,
        }
    }
}

/// Writes control block and slots into fresh, zeroed memory.
fn initialise(memory: &Arc<Memory>, plan: &Plan) {
    let (memory, geometry) = (Arc::clone(memory), &plan.geometry);
    let sized = "sized for this geometry";
    if geometry.element == header::ELEMENT_SLOTS {
        let view = View::<Slots>::new(memory, geometry).expect(sized);
        view.initialise(plan.start_position);
    } else {
        // Where no record was written, everything is zero.
        let view = View::<Bytes>::new(memory, geometry).expect(sized);
        view.control().begin_records(plan.start_position);
    }
}

/// Writes control block, slots and header into fresh, zeroed memory, the header's ready word last.
fn fill(memory: Memory, pages: Pages, place: &Place, plan: &Plan) -> Result<Unfinished, OsError> {
    let memory = Arc::new(memory);
    if !matches!(place, Place::Anon(_)) {
        mmap::dont_fork(memory.as_ptr(), memory.len())?;
    }
    let pid = process::pid();
    let mut header = Header::new_zeroed();
    plan.geometry.describe(&mut header);
    header.type_fingerprint = plan.type_fingerprint;
    header.schema = plan.schema;
    header.segment_bytes = memory.len() as u64;
    header.parking = plan.parking;
    header.wait_backend = plan.wait_backend;
    header.creator_pid = pid;
    header.creator_start_time = process::start_time(pid).unwrap_or(0);
    header.created_at_ns = clock::realtime_ns();
    header.instance = random::u64()?;
    header.name_hash = place.name_hash();
    header.start_position = plan.start_position;
    header.ready = header::READY;
    let checked = alleged::check(&header, memory.len() as u64)
        .expect("a planned header passes its own check");
    initialise(&memory, plan);
    let mut unfinished = Unfinished {
        memory,
        checked,
        pages,
        sems: None,
        sem_names: None,
    };
    if plan.wait_backend == header::WAIT_SEM {
        let [consumer, producer] = sem_names(header.instance);
        unfinished.sem_names = Some([consumer.clone(), producer.clone()]);
        unfinished.sems = Some(Sems {
            consumer: Arc::new(NamedSem::create(&consumer, plan.mode)?),
            producer: Arc::new(NamedSem::create(&producer, plan.mode)?),
        });
        if plan.uid.is_some() || plan.gid.is_some() {
            NamedSem::set_owner(&consumer, plan.uid, plan.gid)?;
            NamedSem::set_owner(&producer, plan.uid, plan.gid)?;
        }
    }
    view::write_header(&unfinished.memory, &header);
    Ok(unfinished)
}

/// A System V segment, with its semaphore set under the same key.
fn create_keyed(key: i32, place: &Place, plan: &Plan) -> Result<Segment, OsError> {
    let sems = keyed::FIRST_TOKEN + plan.geometry.participants as u16;
    let mut making = keyed::begin(key, sems, plan.mode, place)?;
    let shm = making.segment(key, plan.segment_bytes() as usize, plan.mode)?;
    if plan.uid.is_some() || plan.gid.is_some() {
        sysv_shm::set_owner(shm, plan.uid, plan.gid)?;
    }
    // The set may have been begun by somebody else.
    making.set.set_access(plan.mode, plan.uid, plan.gid)?;
    let memory = Memory::attached(sysv_shm::attach(shm, false)?);
    let pages = place_pages(&memory, plan)?;
    let mut unfinished = fill(memory, pages, place, plan)?;
    let set = making.keep()?;
    unfinished.keep_sems();
    Ok(unfinished.finish(place, Tokens::sems(set, shm)))
}
