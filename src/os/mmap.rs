//! Mapping files by descriptor, and advice about mapped memory.
//!
//! Only addresses leave this file, never references: other processes write these bytes. A mapping
//! is shared, starts at offset 0 and is unmapped on drop. Nothing here reads or writes through it.
//!
//! The functions on an address and a length must be given (part of) a live mapping that begins on
//! a page boundary. They are not `unsafe`, because none of them changes what the bytes read as or
//! unmaps them in this process; the kernel refuses a range that is not mapped.

use super::{errno, file, retry};
use crate::error::OsError;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr::NonNull;

/// A shared mapping of the beginning of a file, and whether it can be written. May be used from any thread.
#[derive(Debug)]
pub(crate) struct Mapping(Pages, bool);

#[derive(Debug)]
enum Pages {
    /// Where the kernel chose.
    Anywhere(memmap2::MmapRaw),
    /// At an address of our choice, which memmap2 does not offer.
    Placed(Placed),
}

impl Mapping {
    /// Maps the first `len` bytes for reading and writing. `len` must not be 0.
    ///
    /// The file should be that long: touching what lies beyond its end is SIGBUS.
    pub(crate) fn of(fd: BorrowedFd<'_>, len: usize) -> Result<Mapping, OsError> {
        let mapped = match len {
            // memmap2 would map one byte.
            0 => Err(errno(libc::EINVAL)),
            _ => memmap2::MmapOptions::new().len(len).map_raw(fd.as_raw_fd()),
        };
        mapped
            .map(|raw| Mapping(Pages::Anywhere(raw), true))
            .map_err(|e| OsError::new("mmap", file::shown_fd(fd), e))
    }

    /// As [`Mapping::of`], for reading alone: a store through it is SIGSEGV. If `fd` is not open for writing, or
    /// the file is sealed against new writable mappings, `mprotect` cannot change that.
    pub(crate) fn of_read_only(fd: BorrowedFd<'_>, len: usize) -> Result<Mapping, OsError> {
        let mapped = match len {
            0 => Err(errno(libc::EINVAL)),
            _ => memmap2::MmapOptions::new()
                .len(len)
                .map_raw_read_only(fd.as_raw_fd()),
        };
        mapped
            .map(|raw| Mapping(Pages::Anywhere(raw), false))
            .map_err(|e| OsError::new("mmap (read-only)", file::shown_fd(fd), e))
    }

    /// As [`Mapping::of`], beginning at a multiple of 2 MiB. Without that [`collapse`] can do
    /// nothing: a huge page needs the same alignment in the file and in the address space.
    pub(crate) fn of_huge_aligned(fd: BorrowedFd<'_>, len: usize) -> Result<Mapping, OsError> {
        Placed::map(fd, len)
            .map(|placed| Mapping(Pages::Placed(placed), true))
            .map_err(|e| OsError::new("mmap (aligned)", file::shown_fd(fd), e))
    }

    /// Where it begins; page-aligned. Dangles once `self` is dropped.
    pub(crate) fn as_ptr(&self) -> *mut u8 {
        match &self.0 {
            Pages::Anywhere(raw) => raw.as_mut_ptr(),
            Pages::Placed(placed) => placed.ptr.as_ptr(),
        }
    }

    /// Whether it can be written.
    pub(crate) fn is_writable(&self) -> bool {
        self.1
    }

    /// Its length in bytes, as asked for; never 0.
    pub(crate) fn len(&self) -> usize {
        match &self.0 {
            Pages::Anywhere(raw) => raw.len(),
            Pages::Placed(placed) => placed.len,
        }
    }
}

const HUGE: usize = 2 << 20;

/// A range of addresses that is ours alone, and is unmapped whole on drop: the mapping of the file
/// at a multiple of 2 MiB, and around it addresses without memory.
#[derive(Debug)]
struct Placed {
    reserved: NonNull<u8>,
    reserved_len: usize,
    ptr: NonNull<u8>,
    len: usize,
}

// SAFETY: addresses and lengths; unmapping may happen on any thread.
unsafe impl Send for Placed {}
// SAFETY: a shared borrow only tells the address and the length.
unsafe impl Sync for Placed {}

impl Placed {
    fn map(fd: BorrowedFd<'_>, len: usize) -> io::Result<Placed> {
        let reserved_len = len.checked_add(HUGE).filter(|_| len != 0);
        let reserved_len = reserved_len.ok_or_else(|| errno(libc::EINVAL))?;
        let nothing = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
        // SAFETY: a null address lets the kernel choose a free range; nothing is replaced.
        let reserved = mapped(unsafe {
            libc::mmap(
                core::ptr::null_mut(),
                reserved_len,
                libc::PROT_NONE,
                nothing,
                -1,
                0,
            )
        })?;
        let skip = reserved.as_ptr().align_offset(HUGE);
        let mut placed = Placed {
            reserved,
            reserved_len,
            ptr: reserved,
            len,
        };
        // SAFETY: `skip` is below 2 MiB, so [skip, skip + len) lies inside the range reserved just
        // above, which is ours and holds nothing; only that is replaced.
        let fixed = mapped(unsafe {
            libc::mmap(
                reserved.as_ptr().add(skip).cast(),
                len,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED | libc::MAP_FIXED,
                fd.as_raw_fd(),
                0,
            )
        });
        match fixed {
            Ok(ptr) => placed.ptr = ptr,
            Err(error) => {
                // The kernel may have cleared the middle before it failed, and another thread may
                // have mapped something there since: give back only what lies in front of it.
                placed.reserved_len = skip;
                return Err(error);
            }
        }
        Ok(placed)
    }
}

/// The result of mmap, with its failure told apart.
fn mapped(ptr: *mut libc::c_void) -> io::Result<NonNull<u8>> {
    let error = io::Error::last_os_error();
    NonNull::new(ptr.cast())
        .filter(|_| ptr != libc::MAP_FAILED)
        .ok_or(error)
}

impl Drop for Placed {
    fn drop(&mut self) {
        // SAFETY: reserved by `map`, unmapped only here, with the file's mapping inside it.
        unsafe { libc::munmap(self.reserved.as_ptr().cast(), self.reserved_len) };
    }
}

/// Linux 6.1 and later; libc has it for glibc only.
const MADV_COLLAPSE: libc::c_int = 25;

/// Puts memory behind every page, writable, as if each had been written to; contents stay.
///
/// `ENOSPC` if the file system (or the huge page pool) is full, or the file is shorter than
/// the range. `Ok(false)` if the kernel (before 5.14) cannot do it, or the mapping is read-only.
pub(crate) fn populate_write(ptr: *mut u8, len: usize) -> Result<bool, OsError> {
    match advise(ptr, len, libc::MADV_POPULATE_WRITE) {
        Ok(()) => Ok(true),
        Err(e) if e.raw_os_error() == Some(libc::EINVAL) => Ok(false),
        Err(e) => {
            // The touch would have been a SIGBUS: that is what "bad address" says here.
            let full = e.raw_os_error() == Some(libc::EFAULT);
            let error = if full { errno(libc::ENOSPC) } else { e };
            Err(failed("madvise (MADV_POPULATE_WRITE)", ptr, len, error))
        }
    }
}

/// Maps every page for reading, as if each had been read; what has no memory yet gets some. Never writes.
///
/// Errors as for [`populate_write`]. `Ok(false)` if the kernel (before 5.14) cannot do it.
pub(crate) fn populate_read(ptr: *mut u8, len: usize) -> Result<bool, OsError> {
    match advise(ptr, len, libc::MADV_POPULATE_READ) {
        Ok(()) => Ok(true),
        Err(e) if e.raw_os_error() == Some(libc::EINVAL) => Ok(false),
        Err(e) => {
            let full = e.raw_os_error() == Some(libc::EFAULT);
            let error = if full { errno(libc::ENOSPC) } else { e };
            Err(failed("madvise (MADV_POPULATE_READ)", ptr, len, error))
        }
    }
}

/// Leaves the range out of children made by fork: touching it there is SIGSEGV.
pub(crate) fn dont_fork(ptr: *mut u8, len: usize) -> Result<(), OsError> {
    advise(ptr, len, libc::MADV_DONTFORK)
        .map_err(|e| failed("madvise (MADV_DONTFORK)", ptr, len, e))
}

/// Keeps the range in memory. `ENOMEM` or `EPERM` if `RLIMIT_MEMLOCK` does not allow it.
pub(crate) fn lock(ptr: *mut u8, len: usize) -> Result<(), OsError> {
    // SAFETY: locking pages changes neither their contents nor the address space.
    retry(|| unsafe { libc::mlock(ptr.cast(), len) })
        .map(|_| ())
        .map_err(|e| failed("mlock", ptr, len, e))
}

/// Gathers what is there into huge pages, now. Works for shared memory even where transparent
/// huge pages are off for it. Needs [`Mapping::of_huge_aligned`], whole huge pages, and
/// [`populate_write`] first: the kernel gathers pages, it does not make a huge one out of nothing.
///
/// `Ok(false)` if the kernel cannot or will not, now or ever (`EINVAL`, `EAGAIN`, `EBUSY`,
/// `ENOMEM`): everything still works, with small pages.
pub(crate) fn collapse(ptr: *mut u8, len: usize) -> Result<bool, OsError> {
    match advise(ptr, len, MADV_COLLAPSE) {
        Ok(()) => Ok(true),
        Err(e)
            if matches!(
                e.raw_os_error(),
                Some(libc::EINVAL | libc::EAGAIN | libc::EBUSY | libc::ENOMEM)
            ) =>
        {
            Ok(false)
        }
        Err(e) => Err(failed("madvise (MADV_COLLAPSE)", ptr, len, e)),
    }
}

/// Takes pages that do not exist yet from this NUMA node, while it has some. For shared memory the
/// wish belongs to the object: give it once, before populating. Nodes up to 1023; `EINVAL` if
/// there is no such node; `EPERM` in many containers.
pub(crate) fn prefer_node(ptr: *mut u8, len: usize, node: u32) -> Result<(), OsError> {
    const BITS: usize = libc::c_ulong::BITS as usize;
    let mut nodes = [0 as libc::c_ulong; 1024 / BITS];
    let op = "mbind (MPOL_PREFERRED)";
    let Some(word) = nodes.get_mut(node as usize / BITS) else {
        return Err(failed(op, ptr, len, errno(libc::EINVAL)));
    };
    *word |= 1 << (node as usize % BITS);
    // The kernel reads one bit less than it is told.
    let max_node = (nodes.len() * BITS + 1) as libc::c_ulong;
    // SAFETY: the node set is live and holds the bits that the kernel reads; a memory policy
    // changes neither contents nor the address space.
    retry(|| unsafe {
        libc::syscall(
            libc::SYS_mbind,
            ptr,
            len,
            libc::MPOL_PREFERRED,
            nodes.as_ptr(),
            max_node,
            0,
        )
    })
    .map(|_| ())
    .map_err(|e| failed(op, ptr, len, e))
}

fn advise(ptr: *mut u8, len: usize, advice: libc::c_int) -> io::Result<()> {
    // SAFETY: every advice used in this file keeps contents and mapping of the range as they are
    // in this process; the kernel itself checks that the range is mapped.
    retry(|| unsafe { libc::madvise(ptr.cast(), len, advice) }).map(|_| ())
}

fn failed(op: &'static str, ptr: *mut u8, len: usize, error: io::Error) -> OsError {
    OsError::new(op, format!("{len} bytes at {ptr:p}"), error)
}

#[cfg(test)]
#[path = "mmap_tests.rs"]
mod tests;
