//! System V shared memory segments.
//!
//! A segment has a key, an id and a size that is fixed for ever, and no descriptor. Its attach
//! count is the kernel's and is right after crashes too. Modes are exact: no umask applies.
//!
//! Removing marks the segment: the key is free at once, the memory goes with the last detach, and
//! until then the id still attaches.

use super::{errno, retry};
use crate::error::OsError;
use std::io;
use std::mem::MaybeUninit;
use std::ptr::NonNull;

/// A segment's id. Ids carry a sequence number, so a stale one is soon an error, not a stranger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Id(i32);

/// What the kernel says about a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ShmFacts {
    /// Bytes, as asked for at creation.
    pub(crate) size: usize,
    /// Owner. Whoever owns or made a segment may name any other.
    pub(crate) uid: u32,
    /// The user that made it, who stays in command of it. Never changes.
    pub(crate) creator: u32,
    /// Group.
    pub(crate) gid: u32,
    /// Permission bits.
    pub(crate) mode: u32,
    /// How many attachments exist now, in all processes.
    pub(crate) attached: u64,
    /// Who made it, in the pid namespace of this process. For people only.
    pub(crate) creator_pid: i32,
}

/// Makes a zeroed segment. `EEXIST` if the key is taken. Key 0 always makes a private one.
pub(crate) fn create(key: i32, size: usize, mode: u32) -> Result<Id, OsError> {
    let flags = libc::IPC_CREAT | libc::IPC_EXCL | (mode & 0o777) as i32;
    // SAFETY: three integers; nothing is attached yet.
    retry(|| unsafe { libc::shmget(key, size, flags) })
        .map(Id)
        .map_err(|e| OsError::new("shmget (create)", shown_key(key), e))
}

/// The segment of this key. `ENOENT` if there is none; key 0 never names one.
pub(crate) fn find(key: i32) -> Result<Id, OsError> {
    let found = if key == libc::IPC_PRIVATE {
        Err(errno(libc::ENOENT))
    } else {
        // SAFETY: three integers; nothing is attached yet.
        retry(|| unsafe { libc::shmget(key, 0, 0) })
    };
    found
        .map(Id)
        .map_err(|e| OsError::new("shmget", shown_key(key), e))
}

/// What the kernel says about a segment. Needs read permission on it.
pub(crate) fn facts(id: Id) -> Result<ShmFacts, OsError> {
    let ds = stat(id).map_err(|e| OsError::new("shmctl (IPC_STAT)", shown(id), e))?;
    Ok(facts_of(&ds))
}

fn stat(id: Id) -> io::Result<libc::shmid_ds> {
    let mut ds = MaybeUninit::uninit();
    // SAFETY: a live buffer of the right type that the kernel only writes to.
    retry(|| unsafe { libc::shmctl(id.0, libc::IPC_STAT, ds.as_mut_ptr()) })?;
    // SAFETY: the call succeeded, so the buffer is filled.
    Ok(unsafe { ds.assume_init() })
}

// The widths of these fields differ between architectures, so some casts are idle on some.
#[allow(clippy::unnecessary_cast)]
fn facts_of(ds: &libc::shmid_ds) -> ShmFacts {
    ShmFacts {
        size: ds.shm_segsz as usize,
        uid: ds.shm_perm.uid,
        creator: ds.shm_perm.cuid,
        gid: ds.shm_perm.gid,
        mode: ds.shm_perm.mode as u32 & 0o777,
        attached: ds.shm_nattch as u64,
        creator_pid: ds.shm_cpid,
    }
}

/// An attached segment. Detached on drop. fork inherits it, exec does not.
#[derive(Debug)]
pub(crate) struct SysvMapping {
    ptr: NonNull<u8>,
    len: usize,
}

// SAFETY: it is an address and a length; detaching may happen on any thread.
unsafe impl Send for SysvMapping {}
// SAFETY: a shared borrow only tells the address and the length.
unsafe impl Sync for SysvMapping {}

impl SysvMapping {
    /// Where it begins; page-aligned. Dangles once `self` is dropped.
    pub(crate) fn as_ptr(&self) -> *mut u8 {
        self.ptr.as_ptr()
    }

    /// The size of the segment in bytes; never 0.
    pub(crate) fn len(&self) -> usize {
        self.len
    }
}

impl Drop for SysvMapping {
    fn drop(&mut self) {
        // SAFETY: attached by `attach`, detached only here.
        unsafe { libc::shmdt(self.ptr.as_ptr().cast()) };
    }
}

/// Attaches the whole segment; read-only ones fault when stored to.
pub(crate) fn attach(id: Id, read_only: bool) -> Result<SysvMapping, OsError> {
    let flags = if read_only { libc::SHM_RDONLY } else { 0 };
    // SAFETY: a null address lets the kernel choose a free range; nothing is replaced.
    let ptr = unsafe { libc::shmat(id.0, core::ptr::null(), flags) };
    let error = io::Error::last_os_error();
    // All ones is the failure.
    let ptr = NonNull::new(ptr.cast::<u8>())
        .filter(|ptr| ptr.addr().get() != usize::MAX)
        .ok_or_else(|| OsError::new("shmat", shown(id), error))?;
    // From here on the mapping is owned. Asked only now: while we are attached the id cannot come
    // to mean another segment, so this size is the size of what is mapped.
    let mut mapping = SysvMapping { ptr, len: 0 };
    mapping.len = facts(id)?.size;
    Ok(mapping)
}

/// Frees the key; the memory goes with the last detach. `EPERM` unless owner or creator.
pub(crate) fn remove(id: Id) -> Result<(), OsError> {
    // SAFETY: IPC_RMID takes no buffer.
    retry(|| unsafe { libc::shmctl(id.0, libc::IPC_RMID, core::ptr::null_mut()) })
        .map(|_| ())
        .map_err(|e| OsError::new("shmctl (IPC_RMID)", shown(id), e))
}

/// Changes owner and group; `None` leaves one as it is. `EPERM` unless owner or creator.
/// Plain numbers are accepted as well.
pub(crate) fn set_owner(
    id: Id,
    uid: impl Into<Option<u32>>,
    gid: impl Into<Option<u32>>,
) -> Result<(), OsError> {
    let (uid, gid) = (uid.into(), gid.into());
    let done = stat(id).and_then(|mut ds| {
        ds.shm_perm.uid = uid.unwrap_or(ds.shm_perm.uid);
        ds.shm_perm.gid = gid.unwrap_or(ds.shm_perm.gid);
        // SAFETY: a live, filled buffer; IPC_SET reads owner, group and mode from it.
        retry(|| unsafe { libc::shmctl(id.0, libc::IPC_SET, &mut ds) })
    });
    done.map(|_| ())
        .map_err(|e| OsError::new("shmctl (IPC_SET)", shown(id), e))
}

fn shown_key(key: i32) -> String {
    format!("System V segment with key {key:#010x}")
}

fn shown(id: Id) -> String {
    format!("System V segment {}", id.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::os::testing::{Child, Cleanup, euid, eventually, unique_key};

    fn code(error: OsError) -> Option<i32> {
        error.source.raw_os_error()
    }

    fn made(n: u8, size: usize, mode: u32) -> (Id, Cleanup<impl FnMut()>) {
        let id = create(unique_key(n), size, mode).unwrap();
        let gone = Cleanup(move || {
            let _ = remove(id);
        });
        (id, gone)
    }

    #[test]
    fn a_segment_is_found_by_key_and_has_its_size_and_mode() {
        let (id, _gone) = made(1, 5000, 0o666);
        assert_eq!(find(unique_key(1)).unwrap(), id);
        let facts = facts(id).unwrap();
        assert_eq!((facts.size, facts.mode, facts.attached), (5000, 0o666, 0));
        assert_eq!(facts.uid, euid());
        assert_eq!(facts.creator_pid as u32, std::process::id());
        let taken = create(unique_key(1), 5000, 0o600).unwrap_err();
        assert_eq!(code(taken), Some(libc::EEXIST));
    }

    #[test]
    fn a_missing_key_and_the_private_key_are_not_found() {
        for key in [unique_key(2), 0] {
            assert_eq!(code(find(key).unwrap_err()), Some(libc::ENOENT));
        }
    }

    #[test]
    fn two_attachments_see_one_memory_and_dropping_detaches() {
        let (id, _gone) = made(3, 4096, 0o600);
        let writer = attach(id, false).unwrap();
        let reader = attach(id, true).unwrap();
        assert_eq!((writer.len(), reader.len()), (4096, 4096));
        // SAFETY: both are attached, 4096 bytes long, and used by this thread only.
        unsafe { writer.as_ptr().write_volatile(33) };
        // SAFETY: as above.
        assert_eq!(unsafe { reader.as_ptr().read_volatile() }, 33);
        assert!(facts(id).unwrap().attached >= 2);
        drop(writer);
        drop(reader);
        eventually("all detached", || facts(id).unwrap().attached == 0);
    }

    #[test]
    fn a_killed_process_is_detached() {
        let (id, _gone) = made(4, 4096, 0o600);
        let child = Child::that(|| attach(id, false).map(core::mem::forget).is_ok());
        assert!(facts(id).unwrap().attached >= 1);
        child.kill();
        eventually("detached", || facts(id).unwrap().attached == 0);
    }

    #[test]
    fn a_removed_segment_still_attaches_by_id_while_somebody_is_attached() {
        let (id, _gone) = made(5, 4096, 0o600);
        let first = attach(id, false).unwrap();
        remove(id).unwrap();
        assert_eq!(
            code(find(unique_key(5)).unwrap_err()),
            Some(libc::ENOENT),
            "the key is free"
        );
        assert_eq!(attach(id, false).unwrap().len(), 4096);
        drop(first);
        eventually("the segment is gone", || facts(id).is_err());
    }

    #[test]
    fn the_owner_can_be_set_to_what_it_is() {
        let (id, _gone) = made(6, 4096, 0o640);
        let before = facts(id).unwrap();
        set_owner(id, before.uid, Some(before.gid)).unwrap();
        set_owner(id, None, None).unwrap();
        assert_eq!(facts(id).unwrap(), before);
    }
}
