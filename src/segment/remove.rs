//! Removing a ring with everything that belongs to it, and nothing that does not.

use super::data;
use super::keyed::{self, Removed};
use super::open::{check_kind, not_a_ring, open_file};
use super::{Memory, Place, sem_names, view};
use crate::error::{NotARing, OpenError};
use crate::layout::header::{self, HEADER_BYTES, Header};
use crate::os::file;
use crate::os::mmap::Mapping;
use crate::os::posix_sem::NamedSem;
use std::io::ErrorKind;
use std::os::fd::AsFd;

/// Removes the ring at `place`: its name, its memory once nobody maps it, its semaphores, its data object.
///
/// What is not a ring is left alone and reported. A damaged or unfinished ring is removed.
pub(crate) fn unlink(place: &Place) -> Result<(), OpenError> {
    match place {
        Place::Path { path, .. } => {
            let fd = open_file(path, place)?;
            let facts = file::facts(fd.as_fd())?;
            check_kind(&fd, &facts, place)?;
            let memory = Memory::mapped(Mapping::of(fd.as_fd(), HEADER_BYTES)?);
            let header = remove_sems(&memory, facts.uid, place)?;
            file::unlink(path)?;
            // Last, so that the name of a ring never leads to half of it.
            match header.flags & header::FLAG_SPLIT {
                0 => Ok(()),
                _ => Ok(data::remove(path, header.instance, facts.uid)?),
            }
        }
        Place::Key { key, .. } => unlink_keyed(*key, place),
        Place::Memfd(_) | Place::Anon(_) => Ok(()),
    }
}

/// Removes the names of the semaphores that the ring in `memory`, which belongs to `uid`, uses, if it is a
/// ring; its header comes back. It may name another ring's semaphores: those of another owner are left alone.
fn remove_sems(memory: &Memory, uid: u32, place: &Place) -> Result<Header, OpenError> {
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
    Ok(header)
}

/// The two System V objects of a ring.
fn unlink_keyed(key: i32, place: &Place) -> Result<(), OpenError> {
    match keyed::remove(key, |memory, uid| {
        remove_sems(memory, uid, place).map(|_| ())
    })? {
        Removed::Ring => Ok(()),
        Removed::Nothing => Err(OpenError::NotFound {
            name: place.to_string(),
        }),
        Removed::Stranger => Err(not_a_ring(place, NotARing::NoMagic)),
    }
}
