//! Making a ring, completely or not at all.
//!
//! By descriptor: a nameless file is sized, given its memory, mapped, filled and only then named, so a name
//! never shows a half-made ring and lack of space is an error here, not a SIGBUS later. System V memory has
//! its key from the start; there the header's ready word, stored last, and a semaphore that the creator holds
//! with undo tell a ring in the making from an abandoned one. On every failure nothing is left behind.

use super::data::{self, DataObject};
use super::keyed;
use super::plan::Plan;
use super::token::Tokens;
use super::view::{self, View};
use super::{Bytes, HugePages, Slots};
use super::{Memory, Pages, Place, Segment, Sems, sem_names};
use crate::error::{CreateError, OsError};
use crate::layout::alleged;
use crate::layout::header::{self, DataHeader, Header};
use crate::os::memfd::{self, Seals};
use crate::os::mmap::{self, Mapping};
use crate::os::posix_sem::NamedSem;
use crate::os::{clock, file, process, random, sysv_shm};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;
use zerocopy::FromZeros;

/// Creates the ring that `plan` describes at `place`.
pub(crate) fn create(place: Place, plan: &Plan) -> Result<Segment, CreateError> {
    let plan = &plan.split_at(&place)?;
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
    let data = match plan.split {
        true => Some(file::create_unnamed(dir, data::mode(plan.mode))?),
        false => None,
    };
    let memory = give_both(unpublished.as_fd(), data.as_ref().map(AsFd::as_fd), plan)?;
    let mut unfinished = fill(memory, place, plan)?;
    let named = match data {
        Some(data) => Some(data::publish(data, path, unfinished.checked.instance)?),
        None => None,
    };
    let object = unfinished.data_object(named.as_ref().map(|(fd, _)| fd.as_fd()))?;
    let fd = unpublished.publish(path)?;
    unfinished.keep_sems();
    if let Some((_, name)) = named {
        name.keep();
    }
    Ok(unfinished.finish(place, Tokens::Locks(fd), object))
}

/// A memory file, sealed to be handed on or open to be inherited.
fn create_nameless(
    name: &str,
    sealed: bool,
    place: &Place,
    plan: &Plan,
) -> Result<Segment, OsError> {
    let huge = plan.huge_pages == HugePages::HugeTlb;
    let make = |huge, mode: u32| -> Result<OwnedFd, OsError> {
        let fd = memfd::create(name, huge)?;
        // Memory files that cannot be executed refuse the bit that says so.
        file::set_mode(fd.as_fd(), mode & 0o666)?;
        Ok(fd)
    };
    let fd = make(huge && !plan.split, plan.mode)?;
    let data = match plan.split {
        true => Some(make(huge, data::mode(plan.mode))?),
        false => None,
    };
    let memory = give_both(fd.as_fd(), data.as_ref().map(AsFd::as_fd), plan)?;
    let unfinished = fill(memory, place, plan)?;
    if sealed {
        memfd::seal(fd.as_fd(), Seals::GROW.and(Seals::SHRINK).and(Seals::SEAL))?;
    }
    if let Some(data) = &data {
        memfd::seal(data.as_fd(), data::SEALS)?;
    }
    let object = unfinished.data_object(data.as_ref().map(AsFd::as_fd))?;
    // Semaphores of an inherited ring are inherited with it; their names go when `unfinished` does.
    Ok(unfinished.finish(place, Tokens::Locks(fd), object))
}

/// The fresh memory of a ring: one object or two, and the pages that messages will be in.
struct Fresh {
    memory: Memory,
    data: Option<Memory>,
    pages: Pages,
}

/// Gives both objects of a ring, or its only one, their memory and their owner.
fn give_both(
    fd: BorrowedFd<'_>,
    data: Option<BorrowedFd<'_>>,
    plan: &Plan,
) -> Result<Fresh, OsError> {
    let small = match data {
        Some(_) => HugePages::No,
        None => plan.huge_pages,
    };
    let (memory, pages) = give_memory(fd, plan.segment_bytes(), small, plan)?;
    let mut fresh = Fresh {
        memory,
        data: None,
        pages,
    };
    if let (Some(fd), Some(bytes)) = (data, plan.data_bytes()) {
        let (memory, pages) = give_memory(fd, bytes, plan.huge_pages, plan)?;
        (fresh.data, fresh.pages) = (Some(memory), pages);
    }
    if plan.uid.is_some() || plan.gid.is_some() {
        for fd in [Some(fd), data].into_iter().flatten() {
            file::set_owner(fd, plan.uid, plan.gid)?;
        }
    }
    Ok(fresh)
}

/// Sizes a file, gives it all its memory and maps it.
fn give_memory(
    fd: BorrowedFd<'_>,
    bytes: u64,
    huge: HugePages,
    plan: &Plan,
) -> Result<(Memory, Pages), OsError> {
    file::set_size(fd, bytes)?;
    if plan.numa_node.is_none() {
        // ENOSPC is found here. With a NUMA node the pages must not exist before the policy does.
        file::allocate(fd, bytes)?;
    }
    let mapping = match huge {
        HugePages::No | HugePages::HugeTlb => Mapping::of(fd, bytes as usize)?,
        HugePages::Try => Mapping::of_huge_aligned(fd, bytes as usize)?,
    };
    let memory = Memory::mapped(mapping);
    let pages = place_pages(&memory, huge, plan)?;
    if plan.numa_node.is_some() {
        file::allocate(fd, bytes)?;
    }
    Ok((memory, pages))
}

/// Puts pages behind a fresh mapping, as `plan` wishes.
fn place_pages(memory: &Memory, huge: HugePages, plan: &Plan) -> Result<Pages, OsError> {
    let (ptr, len) = (memory.as_ptr(), memory.len());
    if let Some(node) = plan.numa_node {
        mmap::prefer_node(ptr, len, node)?;
    }
    if plan.prefault || huge != HugePages::No || plan.numa_node.is_some() {
        mmap::populate_write(ptr, len)?;
    }
    let pages = match huge {
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
    data: Option<Arc<Memory>>,
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

    /// The data object behind `fd`, for a ring of two objects.
    fn data_object(&self, fd: Option<BorrowedFd<'_>>) -> Result<Option<DataObject>, OsError> {
        match (fd, &self.data) {
            (Some(fd), Some(data)) => DataObject::created(fd, Arc::clone(data)).map(Some),
            _ => Ok(None),
        }
    }

    fn finish(mut self, place: &Place, tokens: Tokens, data: Option<DataObject>) -> Segment {
        Segment {
            place: place.clone(),
            checked: self.checked,
            memory: Arc::clone(&self.memory),
            data,
            tokens: Arc::new(tokens),
            sems: self.sems.take(),
            pages: self.pages,
        }
    }
}

/// Writes control block and slots into fresh, zeroed memory.
fn initialise(memory: &Arc<Memory>, data: Option<Arc<Memory>>, plan: &Plan) {
    let (memory, geometry) = (Arc::clone(memory), &plan.geometry);
    let sized = "sized for this geometry";
    if geometry.element == header::ELEMENT_SLOTS {
        let view = View::<Slots>::new(memory, data, geometry).expect(sized);
        view.initialise(geometry.kind, plan.start_position);
    } else {
        // Where no record was written, everything is zero.
        let view = View::<Bytes>::new(memory, data, geometry).expect(sized);
        view.control().begin_records(plan.start_position);
    }
}

/// The header of a new ring of `bytes` bytes.
fn header_of(bytes: u64, place: &Place, plan: &Plan) -> Result<Header, OsError> {
    let mut header = Header::new_zeroed();
    plan.geometry.describe(&mut header);
    if plan.drops {
        header.flags |= header::FLAG_DROP;
    }
    header.type_fingerprint = plan.type_fingerprint;
    header.schema = plan.schema;
    header.segment_bytes = bytes;
    header.parking = plan.parking;
    header.wait_backend = plan.wait_backend;
    header.creator_pid = process::pid();
    header.creator_start_time = process::start_time().unwrap_or(0);
    header.created_at_ns = clock::realtime_ns();
    header.instance = random::u64()?;
    header.name_hash = place.name_hash();
    header.start_position = plan.start_position;
    header.ready = header::READY;
    Ok(header)
}

/// Writes control block, slots and header into fresh, zeroed memory, the header's ready word last.
fn fill(fresh: Fresh, place: &Place, plan: &Plan) -> Result<Unfinished, OsError> {
    let (memory, data) = (Arc::new(fresh.memory), fresh.data.map(Arc::new));
    for part in [Some(&memory), data.as_ref()].into_iter().flatten() {
        part.joins(&memory);
        match place {
            Place::Anon(_) => part.is_inherited(),
            _ => mmap::dont_fork(part.as_ptr(), part.len())?,
        }
    }
    let header = header_of(memory.len() as u64, place, plan)?;
    let checked = alleged::check(&header, memory.len() as u64)
        .expect("a planned header passes its own check");
    initialise(&memory, data.clone(), plan);
    if let Some(data) = &data {
        view::write_data_header(data, &DataHeader::of(header.instance, data.len() as u64));
    }
    let mut unfinished = Unfinished {
        memory,
        data,
        checked,
        pages: fresh.pages,
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
    let sems = keyed::semaphores(plan.geometry.participants());
    let mut making = keyed::begin(key, sems, plan.mode, place)?;
    let shm = making.segment(key, plan.segment_bytes() as usize, plan.mode)?;
    if plan.uid.is_some() || plan.gid.is_some() {
        sysv_shm::set_owner(shm, plan.uid, plan.gid)?;
    }
    // The set may have been begun by somebody else.
    making.set.set_access(plan.mode, plan.uid, plan.gid)?;
    let memory = Memory::attached(sysv_shm::attach(shm, false)?);
    let pages = place_pages(&memory, plan.huge_pages, plan)?;
    let fresh = Fresh {
        memory,
        data: None,
        pages,
    };
    let mut unfinished = fill(fresh, place, plan)?;
    let set = making.keep()?;
    unfinished.keep_sems();
    Ok(unfinished.finish(place, Tokens::sems(set, shm), None))
}
