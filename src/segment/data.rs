//! The data object of a ring that is made of two, so that the kernel can keep readers from writing messages.
//!
//! Whoever opens such a ring maps its data for reading alone, through a descriptor that is open for reading
//! alone. A mapping for writing is made on demand, where the kernel allows it: beside a named ring for those who
//! may write the data file, of a memfd for nobody but the creator, who mapped it before it was sealed. Nothing
//! here ever stores through a mapping that was made for reading.
//!
//! The data object of a named ring lies beside it and is named after its number. It appears before the ring does
//! and goes after it.

use super::open::{mismatch, not_a_ring, refused, wrong_kind};
use super::{Memory, Place};
use crate::error::{NotARing, OpenError, OsError};
use crate::layout::alleged::{self, Checked};
use crate::layout::header::{self, DATA_HEADER_BYTES, DataHeader};
use crate::os::file::{self, FileFacts, Unpublished};
use crate::os::memfd::{self, Seals};
use crate::os::mmap::{self, Mapping};
use std::io::ErrorKind;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use zerocopy::{FromZeros, IntoBytes};

/// The seals of a memfd that holds data: once the creator has mapped it, nobody can write it but through that
/// mapping, and nobody can make holes in it.
pub(super) const SEALS: Seals = Seals::GROW
    .and(Seals::SHRINK)
    .and(Seals::FUTURE_WRITE)
    .and(Seals::SEAL);

/// The permission bits of the data of a ring with `mode`: its readers may be others than its owner.
pub(super) const fn mode(mode: u32) -> u32 {
    mode & !0o022
}

/// A mapped data object.
#[derive(Debug)]
pub(crate) struct DataObject {
    /// Open for reading alone.
    descriptor: OwnedFd,
    memory: Arc<Memory>,
    /// Whether `memory` is mapped for writing too: by the creator.
    writable: bool,
}

impl DataObject {
    /// What the creator of the object behind `fd` has mapped for writing.
    pub(super) fn created(fd: BorrowedFd<'_>, memory: Arc<Memory>) -> Result<Self, OsError> {
        Ok(Self {
            descriptor: file::reopen_read_only(fd)?,
            memory,
            writable: true,
        })
    }

    /// The mapping for reading. That of the creator can be written as well.
    pub(super) fn memory(&self) -> Arc<Memory> {
        Arc::clone(&self.memory)
    }

    /// Size of the object in bytes.
    pub(super) fn bytes(&self) -> u64 {
        self.memory.len() as u64
    }

    /// Its descriptor, open for reading alone.
    pub(crate) fn descriptor(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }

    /// A mapping for writing: the creator's, or a new one. `EACCES` if the file's mode forbids it, `EPERM` for
    /// everybody but the creator of a memfd.
    pub(super) fn for_writing(&self) -> Result<Arc<Memory>, OsError> {
        if self.writable {
            return Ok(self.memory());
        }
        let fd = file::reopen(self.descriptor())?;
        let memory = Memory::mapped(Mapping::of(fd.as_fd(), self.memory.len())?);
        memory.joins(&self.memory);
        mmap::dont_fork(memory.as_ptr(), memory.len())?;
        Ok(Arc::new(memory))
    }
}

/// Where the data of the ring `instance` at `ring` is.
fn path_of(ring: &Path, instance: u64) -> PathBuf {
    ring.with_file_name(format!("annulus.{instance:016x}.data"))
}

/// The name of a data object whose ring has none yet. Dropping it unkept removes it.
#[derive(Debug)]
pub(super) struct DataName(Option<PathBuf>);

impl DataName {
    /// The ring has its own name now.
    pub(super) fn keep(mut self) {
        self.0 = None;
    }
}

impl Drop for DataName {
    fn drop(&mut self) {
        if let Some(path) = &self.0 {
            // Nothing to do about a failure.
            let _ = file::unlink(path);
        }
    }
}

/// Gives the complete data object of the ring `instance`, which will be at `ring`, its name.
pub(super) fn publish(
    object: Unpublished,
    ring: &Path,
    instance: u64,
) -> Result<(OwnedFd, DataName), OsError> {
    let path = path_of(ring, instance);
    let fd = object.publish(&path)?;
    Ok((fd, DataName(Some(path))))
}

/// Where whoever opens a ring looks for its data.
#[derive(Debug)]
pub(super) enum Source<'a> {
    /// In the ring's own object, and nowhere else.
    Nowhere,
    /// Beside the ring at this path.
    Beside(&'a Path),
    /// Behind this descriptor.
    Descriptor(OwnedFd),
}

/// Opens the data object of the ring `ring`, if it has one, and maps it for reading. `own` is what the kernel says
/// about the ring's other object, as of now.
pub(super) fn open(
    source: Source<'_>,
    ring: &Checked,
    own: impl FnOnce() -> Result<FileFacts, OsError>,
    place: &Place,
    prefault: bool,
) -> Result<Option<DataObject>, OpenError> {
    let two = ring.geometry.split;
    let (fd, name) = match source {
        Source::Descriptor(_) if !two => {
            return Err(mismatch("data object", "none", "a second descriptor"));
        }
        _ if !two => return Ok(None),
        Source::Nowhere => {
            return Err(mismatch("data object", "a second descriptor", "none"));
        }
        Source::Descriptor(fd) => {
            check_seals(&fd)?;
            (fd, format!("{place} (data)"))
        }
        Source::Beside(path) => {
            let path = path_of(path, ring.instance);
            (open_beside(&path, own, place)?, path.display().to_string())
        }
    };
    let facts = file::facts(fd.as_fd())?;
    if let Some(found) = wrong_kind(&facts) {
        return Err(not_a_ring(name, found));
    }
    let header = read_header(fd.as_fd())?;
    alleged::check_data(&header, ring, facts.size).map_err(|r| refused(r, &name))?;
    let len = usize::try_from(facts.size).map_err(|_| not_a_ring(&name, NotARing::Other))?;
    let memory = Memory::mapped(Mapping::of_read_only(fd.as_fd(), len)?);
    mmap::dont_fork(memory.as_ptr(), len)?;
    // One with holes is a trap: filling them would be on us.
    if prefault && facts.allocated >= facts.size {
        mmap::populate_read(memory.as_ptr(), len)?;
    }
    Ok(Some(DataObject {
        descriptor: fd,
        memory: Arc::new(memory),
        writable: false,
    }))
}

/// Opens the file of data at `path`, which must belong to whom the ring belongs to.
fn open_beside(
    path: &Path,
    own: impl FnOnce() -> Result<FileFacts, OsError>,
    place: &Place,
) -> Result<OwnedFd, OpenError> {
    let fd = file::open_existing(path, false).map_err(|e| match e.source.kind() {
        ErrorKind::NotFound => OpenError::from(e),
        _ => match file::facts_at(path).map(|facts| wrong_kind(&facts)) {
            Ok(Some(found)) => not_a_ring(path.display(), found),
            _ => OpenError::from(e),
        },
    });
    let own = own()?;
    match fd {
        // Somebody has just removed the ring.
        Err(OpenError::Os(e)) if e.source.kind() == ErrorKind::NotFound && own.links == 0 => {
            Err(OpenError::NotFound {
                name: place.to_string(),
            })
        }
        Err(OpenError::Os(e)) if e.source.kind() == ErrorKind::NotFound => {
            Err(mismatch("data object", path.display(), "none"))
        }
        Err(e) => Err(e),
        Ok(fd) => {
            let owner = file::facts(fd.as_fd())?.uid;
            match owner == own.uid {
                true => Ok(fd),
                false => Err(mismatch("owner of the data object", own.uid, owner)),
            }
        }
    }
}

/// Refuses a descriptor behind which somebody could still write or cut off data.
fn check_seals(fd: &OwnedFd) -> Result<(), OpenError> {
    let needed = Seals::SHRINK.and(Seals::FUTURE_WRITE);
    match memfd::seals(fd.as_fd()) {
        Ok(seals) if seals.contains(needed) => Ok(()),
        _ => Err(mismatch(
            "data object",
            "a memfd sealed against shrinking and writing",
            "a descriptor of something else",
        )),
    }
}

/// Copies the header of the data object behind `fd`; what is missing of a short one is zero.
fn read_header(fd: BorrowedFd<'_>) -> Result<DataHeader, OsError> {
    let mut header = DataHeader::new_zeroed();
    let n = file::read_start(fd, header.as_mut_bytes())?;
    Ok(match n {
        DATA_HEADER_BYTES => header,
        _ => DataHeader::new_zeroed(),
    })
}

/// Removes the data object of the ring `instance` at `ring`, which belongs to `uid`. A header may name another
/// ring's: one of another owner is left alone, and so is what is no data object of that number.
pub(super) fn remove(ring: &Path, instance: u64, uid: u32) -> Result<(), OsError> {
    let path = path_of(ring, instance);
    let fd = match file::open_existing(&path, false) {
        Ok(fd) => fd,
        // What cannot be opened cannot be recognised.
        Err(_) => return Ok(()),
    };
    let header = read_header(fd.as_fd())?;
    let ours = header.magic == header::DATA_MAGIC && header.instance == instance;
    if !ours || file::facts(fd.as_fd())?.uid != uid {
        return Ok(());
    }
    match file::unlink(&path) {
        Err(e) if e.source.kind() == ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

#[cfg(test)]
#[path = "data_tests.rs"]
mod tests;
