//! Files that back rings. POSIX shared memory is files in `/dev/shm` and goes through here too.
//!
//! A file is made without a name, filled, and then given its name in one step, so that nobody ever
//! opens a half-made one. A name is never replaced: if it is taken, publishing fails with `EEXIST`.
//! Opening never follows a symbolic link at the name and never hangs on what may lie there.
//!
//! Modes are set exactly, whatever the umask. Nothing here decides who may open what.

use super::{c_path, errno, retry};
use crate::error::OsError;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

/// A file, open for reading and writing, that has no public name yet.
///
/// Dropping it leaves nothing behind.
#[derive(Debug)]
pub(crate) struct Unpublished {
    fd: OwnedFd,
    /// Only where the file system cannot make nameless files.
    temp: Option<TempName>,
}

/// A hidden name that must go away.
#[derive(Debug)]
struct TempName(PathBuf);

impl Drop for TempName {
    fn drop(&mut self) {
        let _ = unlink(&self.0);
    }
}

impl AsFd for Unpublished {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Makes an empty file on the file system of `dir`, with exactly the permission bits of `mode`.
///
/// Where the file system has no `O_TMPFILE` the file gets a hidden temporary name in `dir`; a
/// process that is killed before it publishes then leaves that name behind.
pub(crate) fn create_unnamed(dir: &Path, mode: u32) -> Result<Unpublished, OsError> {
    let op = "open (O_TMPFILE)";
    let flags = libc::O_TMPFILE | libc::O_RDWR;
    match c_path(dir).and_then(|c_dir| super::open(&c_dir, flags, 0o600)) {
        Ok(fd) => {
            set_mode(fd.as_fd(), mode)?;
            Ok(Unpublished { fd, temp: None })
        }
        Err(e)
            if matches!(
                e.raw_os_error(),
                Some(libc::EOPNOTSUPP | libc::EISDIR | libc::EINVAL)
            ) =>
        {
            create_hidden(dir, mode)
        }
        Err(e) => Err(OsError::new(op, shown(dir), e)),
    }
}

/// The fallback of [`create_unnamed`]: a file under a random name that begins with a dot.
fn create_hidden(dir: &Path, mode: u32) -> Result<Unpublished, OsError> {
    let name = format!(
        ".annulus-{}-{:016x}",
        std::process::id(),
        super::random::u64()?
    );
    let path = dir.join(name);
    let flags = libc::O_CREAT | libc::O_EXCL | libc::O_RDWR | libc::O_NOFOLLOW;
    let fd = c_path(&path)
        .and_then(|c_path| super::open(&c_path, flags, 0o600))
        .map_err(|e| OsError::new("open (O_EXCL)", shown(&path), e))?;
    let temp = Some(TempName(path));
    set_mode(fd.as_fd(), mode)?;
    Ok(Unpublished { fd, temp })
}

impl Unpublished {
    /// Gives the file its name, in one step, and returns its descriptor.
    ///
    /// `EEXIST` if the name is taken, by anything at all; then the file is gone when this returns.
    /// `path` must be on the file system of the directory the file was made for (`EXDEV`).
    /// The nameless kind needs `/proc`.
    pub(crate) fn publish(self, path: &Path) -> Result<OwnedFd, OsError> {
        let from = match &self.temp {
            Some(TempName(temp)) => temp.clone(),
            None => proc_path(self.fd.as_fd()),
        };
        link(&from, path).map_err(|e| OsError::new("linkat", shown(path), e))?;
        Ok(self.fd)
    }
}

fn link(from: &Path, to: &Path) -> io::Result<()> {
    let (from, to) = (c_path(from)?, c_path(to)?);
    let at = libc::AT_FDCWD;
    // SAFETY: both are live zero-terminated strings that the kernel only reads.
    retry(|| unsafe { libc::linkat(at, from.as_ptr(), at, to.as_ptr(), libc::AT_SYMLINK_FOLLOW) })
        .map(|_| ())
}

/// Opens what is at `path`, for reading, or for reading and writing.
///
/// Returns at once whatever lies there: a FIFO does not hang it and a terminal does not become
/// ours. A symbolic link is `ELOOP`. The result need not be a regular file: ask [`facts`].
pub(crate) fn open_existing(path: &Path, write: bool) -> Result<OwnedFd, OsError> {
    let access = if write { libc::O_RDWR } else { libc::O_RDONLY };
    let flags = access | libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_NOCTTY;
    c_path(path)
        .and_then(|c_path| super::open(&c_path, flags, 0))
        .map_err(|e| OsError::new("open", shown(path), e))
}

/// A second, private open file description of the same file, open for reading and writing.
///
/// Locks belong to a description, so a lock taken here is not shared with whoever holds a copy of
/// `fd`. Fails with `EACCES` if the file's mode does not allow writing, however `fd` was opened.
pub(crate) fn reopen(fd: BorrowedFd<'_>) -> Result<OwnedFd, OsError> {
    open_again(fd, libc::O_RDWR)
}

/// As [`reopen`], open for reading alone. Needs the mode to allow reading.
pub(crate) fn reopen_read_only(fd: BorrowedFd<'_>) -> Result<OwnedFd, OsError> {
    open_again(fd, libc::O_RDONLY)
}

fn open_again(fd: BorrowedFd<'_>, access: libc::c_int) -> Result<OwnedFd, OsError> {
    let path = proc_path(fd);
    c_path(&path)
        .and_then(|c_path| super::open(&c_path, access, 0))
        .map_err(|e| OsError::new("open (again)", shown(&path), e))
}

/// Reads the first bytes of a file; fewer than asked for if it is shorter. Touches no mapping, so a file that
/// is truncated meanwhile is a short read, not a fault.
pub(crate) fn read_start(fd: BorrowedFd<'_>, bytes: &mut [u8]) -> Result<usize, OsError> {
    // SAFETY: the buffer is live and writable for its length.
    retry(|| unsafe { libc::pread(fd.as_raw_fd(), bytes.as_mut_ptr().cast(), bytes.len(), 0) })
        .map(|n| n as usize)
        .map_err(|e| OsError::new("pread", shown_fd(fd), e))
}

/// What kind of thing lies at a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FileKind {
    /// A regular file, including POSIX shared memory and memfds.
    Regular,
    /// A directory.
    Directory,
    /// A named or unnamed pipe.
    Fifo,
    /// A symbolic link.
    Symlink,
    /// A Unix socket.
    Socket,
    /// A block or character device.
    Device,
    /// Something that this list does not know.
    Other,
}

/// What the kernel says about a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FileFacts {
    /// What it is.
    pub(crate) kind: FileKind,
    /// Length in bytes.
    pub(crate) size: u64,
    /// Bytes that have memory or disk behind them.
    pub(crate) allocated: u64,
    /// Owner.
    pub(crate) uid: u32,
    /// Group.
    pub(crate) gid: u32,
    /// The lower twelve mode bits: permissions, set-id and sticky.
    pub(crate) mode: u32,
    /// The file system; with `ino` it is the identity of the file.
    pub(crate) dev: u64,
    /// The inode number.
    pub(crate) ino: u64,
    /// How many names it has; 0 for memfds, for the unpublished and for the unlinked.
    pub(crate) links: u64,
}

/// What the kernel says about an open file.
pub(crate) fn facts(fd: BorrowedFd<'_>) -> Result<FileFacts, OsError> {
    let mut stat = MaybeUninit::uninit();
    // SAFETY: the buffer is live and of the right type; the kernel only writes to it.
    retry(|| unsafe { libc::fstat(fd.as_raw_fd(), stat.as_mut_ptr()) })
        .map_err(|e| OsError::new("fstat", shown_fd(fd), e))?;
    // SAFETY: the call succeeded, so the kernel has filled the buffer.
    Ok(facts_of(&unsafe { stat.assume_init() }))
}

/// What the kernel says about the thing at `path` itself, without following a symbolic link.
pub(crate) fn facts_at(path: &Path) -> Result<FileFacts, OsError> {
    let mut stat = MaybeUninit::uninit();
    c_path(path)
        .and_then(|c_path| {
            // SAFETY: a live zero-terminated string, and a live buffer of the right type.
            retry(|| unsafe { libc::lstat(c_path.as_ptr(), stat.as_mut_ptr()) })
        })
        .map_err(|e| OsError::new("lstat", shown(path), e))?;
    // SAFETY: the call succeeded, so the kernel has filled the buffer.
    Ok(facts_of(&unsafe { stat.assume_init() }))
}

// The widths of these fields differ between architectures, so some casts are idle on some.
#[allow(clippy::unnecessary_cast)]
fn facts_of(stat: &libc::stat) -> FileFacts {
    FileFacts {
        kind: match stat.st_mode & libc::S_IFMT {
            libc::S_IFREG => FileKind::Regular,
            libc::S_IFDIR => FileKind::Directory,
            libc::S_IFIFO => FileKind::Fifo,
            libc::S_IFLNK => FileKind::Symlink,
            libc::S_IFSOCK => FileKind::Socket,
            libc::S_IFBLK | libc::S_IFCHR => FileKind::Device,
            _ => FileKind::Other,
        },
        size: u64::try_from(stat.st_size).unwrap_or(0),
        // Always counted in units of 512 bytes.
        allocated: (stat.st_blocks as u64).saturating_mul(512),
        uid: stat.st_uid,
        gid: stat.st_gid,
        mode: stat.st_mode as u32 & 0o7777,
        dev: stat.st_dev as u64,
        ino: stat.st_ino as u64,
        links: stat.st_nlink as u64,
    }
}

/// Sets the length in bytes. Does not reserve memory for it: see [`allocate`].
pub(crate) fn set_size(fd: BorrowedFd<'_>, size_bytes: u64) -> Result<(), OsError> {
    let done = length(size_bytes).and_then(|length| {
        // SAFETY: a borrowed descriptor and an integer; no memory of this process is passed.
        retry(|| unsafe { libc::ftruncate(fd.as_raw_fd(), length) })
    });
    done.map(|_| ())
        .map_err(|e| OsError::new("ftruncate", shown_fd(fd), e))
}

/// Reserves storage for the first `size_bytes` bytes, and makes the file that long if it is
/// shorter. `ENOSPC` if there is not enough; `EINVAL` for 0.
///
/// Where the file system cannot reserve, libc writes to every block instead, which is slow.
pub(crate) fn allocate(fd: BorrowedFd<'_>, size_bytes: u64) -> Result<(), OsError> {
    let done = length(size_bytes).and_then(|length| {
        // SAFETY: a borrowed descriptor and integers; no memory of this process is passed.
        match retry(|| unsafe { libc::fallocate(fd.as_raw_fd(), 0, 0, length) }) {
            Err(e) if e.raw_os_error() == Some(libc::EOPNOTSUPP) => posix_allocate(fd, length),
            other => other.map(|_| ()),
        }
    });
    done.map_err(|e| OsError::new("fallocate", shown_fd(fd), e))
}

/// This call returns its error number and leaves errno alone.
fn posix_allocate(fd: BorrowedFd<'_>, length: libc::off_t) -> io::Result<()> {
    loop {
        // SAFETY: a borrowed descriptor and integers; no memory of this process is passed.
        match unsafe { libc::posix_fallocate(fd.as_raw_fd(), 0, length) } {
            0 => return Ok(()),
            libc::EINTR => {}
            code => return Err(errno(code)),
        }
    }
}

/// Removes a name. Who has the file open or mapped keeps it.
pub(crate) fn unlink(path: &Path) -> Result<(), OsError> {
    let done = c_path(path).and_then(|c_path| {
        // SAFETY: a live zero-terminated string that the kernel only reads.
        retry(|| unsafe { libc::unlink(c_path.as_ptr()) })
    });
    done.map(|_| ())
        .map_err(|e| OsError::new("unlink", shown(path), e))
}

/// Changes owner and group; `None` leaves one as it is. Changing the owner needs privileges.
pub(crate) fn set_owner(
    fd: BorrowedFd<'_>,
    uid: Option<u32>,
    gid: Option<u32>,
) -> Result<(), OsError> {
    // All ones means "leave it" to the kernel.
    let (uid, gid) = (uid.unwrap_or(u32::MAX), gid.unwrap_or(u32::MAX));
    // SAFETY: a borrowed descriptor and integers; no memory of this process is passed.
    retry(|| unsafe { libc::fchown(fd.as_raw_fd(), uid, gid) })
        .map(|_| ())
        .map_err(|e| OsError::new("fchown", shown_fd(fd), e))
}

/// Sets the permission bits exactly; other bits of `mode` are ignored and cleared.
pub(crate) fn set_mode(fd: BorrowedFd<'_>, mode: u32) -> Result<(), OsError> {
    // SAFETY: a borrowed descriptor and an integer; no memory of this process is passed.
    retry(|| unsafe { libc::fchmod(fd.as_raw_fd(), mode & 0o777) })
        .map(|_| ())
        .map_err(|e| OsError::new("fchmod", shown_fd(fd), e))
}

/// A length as the kernel wants it. `EFBIG` if no file can be that long.
fn length(size_bytes: u64) -> io::Result<libc::off_t> {
    libc::off_t::try_from(size_bytes).map_err(|_| errno(libc::EFBIG))
}

fn proc_path(fd: BorrowedFd<'_>) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", fd.as_raw_fd()))
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

/// How a descriptor is named in errors: by where it leads, if that can be told.
pub(super) fn shown_fd(fd: BorrowedFd<'_>) -> String {
    let number = fd.as_raw_fd();
    match std::fs::read_link(proc_path(fd)) {
        Ok(path) => format!("descriptor {number} ({})", path.display()),
        Err(_) => format!("descriptor {number}"),
    }
}

#[cfg(test)]
#[path = "file_tests.rs"]
mod tests;
