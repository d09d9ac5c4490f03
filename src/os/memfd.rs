//! Memory without a name, passed on by descriptor.
//!
//! Always made with sealing allowed and, where the kernel knows it, not executable (this adds the
//! seal `EXEC`, see [`Seals`]). Nothing here sizes, maps or seals by itself.

use super::{c_name, file, retry};
use crate::error::OsError;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

/// A set of seals. Once set, a seal cannot be taken off.
///
/// The kernel may report bits that have no name here, such as `EXEC`; compare with
/// [`Seals::contains`], not for equality.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seals(u32);

impl Seals {
    /// The file cannot become longer.
    pub(crate) const GROW: Seals = Seals(libc::F_SEAL_GROW as u32);
    /// The file cannot become shorter. Does not forbid punching holes.
    pub(crate) const SHRINK: Seals = Seals(libc::F_SEAL_SHRINK as u32);
    /// Nobody can write any more, but through mappings that exist already; no holes can be punched either.
    pub(crate) const FUTURE_WRITE: Seals = Seals(libc::F_SEAL_FUTURE_WRITE as u32);
    /// No further seals.
    pub(crate) const SEAL: Seals = Seals(libc::F_SEAL_SEAL as u32);

    /// Both sets together.
    pub(crate) const fn and(self, other: Seals) -> Seals {
        Seals(self.0 | other.0)
    }

    /// True if every seal of `other` is in this set.
    pub(crate) const fn contains(self, other: Seals) -> bool {
        self.0 & other.0 == other.0
    }
}

/// Makes an empty memfd. The name is only shown in `/proc`; at most 249 bytes, no zero byte.
///
/// With `huge` its pages are 2 MiB each, from the pool of huge pages: lengths must be multiples of
/// that, and an empty pool shows as `ENOMEM` when the file is mapped, not here.
pub(crate) fn create(name: &str, huge: bool) -> Result<OwnedFd, OsError> {
    let mut flags = libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING;
    if huge {
        flags |= libc::MFD_HUGETLB | libc::MFD_HUGE_2MB;
    }
    let made = c_name(name).and_then(|c_name| {
        // SAFETY: a live zero-terminated string that the kernel copies.
        let make = |flags| retry(|| unsafe { libc::memfd_create(c_name.as_ptr(), flags) });
        match make(flags | libc::MFD_NOEXEC_SEAL) {
            // Linux before 6.3 does not know that flag.
            Err(e) if e.raw_os_error() == Some(libc::EINVAL) => make(flags),
            other => other,
        }
    });
    let fd = made.map_err(|e| OsError::new("memfd_create", name, e))?;
    // SAFETY: `memfd_create` has just returned this descriptor, so nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Adds seals. `EPERM` if the file is sealed with `SEAL` or the descriptor is read-only;
/// `EINVAL` if the file cannot be sealed at all.
pub(crate) fn seal(fd: BorrowedFd<'_>, seals: Seals) -> Result<(), OsError> {
    // SAFETY: a borrowed descriptor and an integer.
    retry(|| unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_ADD_SEALS, seals.0) })
        .map(|_| ())
        .map_err(|e| OsError::new("fcntl (F_ADD_SEALS)", file::shown_fd(fd), e))
}

/// The seals of a file. `EINVAL` if the file is not of a kind that can have seals.
pub(crate) fn seals(fd: BorrowedFd<'_>) -> Result<Seals, OsError> {
    // SAFETY: a borrowed descriptor; F_GET_SEALS takes no argument.
    retry(|| unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_GET_SEALS) })
        .map(|bits| Seals(bits as u32))
        .map_err(|e| OsError::new("fcntl (F_GET_SEALS)", file::shown_fd(fd), e))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsFd;

    fn code(error: OsError) -> Option<i32> {
        error.source.raw_os_error()
    }

    #[test]
    fn sealed_memory_refuses_to_shrink_and_to_grow() {
        let fd = create("annulus-test", false).unwrap();
        file::set_size(fd.as_fd(), 8192).unwrap();
        assert!(!seals(fd.as_fd()).unwrap().contains(Seals::SHRINK));
        seal(fd.as_fd(), Seals::SHRINK.and(Seals::GROW)).unwrap();
        for size in [0, 4096, 16384] {
            let refused = file::set_size(fd.as_fd(), size).unwrap_err();
            assert_eq!(code(refused), Some(libc::EPERM));
        }
        assert_eq!(file::facts(fd.as_fd()).unwrap().size, 8192);
        let set = seals(fd.as_fd()).unwrap();
        assert!(set.contains(Seals::SHRINK.and(Seals::GROW)));
        assert!(!set.contains(Seals::SEAL));
    }

    #[test]
    fn a_seal_on_future_writes_leaves_the_mappings_that_exist() {
        use crate::os::mmap::Mapping;
        let fd = create("annulus-test", false).unwrap();
        file::set_size(fd.as_fd(), 4096).unwrap();
        let before = Mapping::of(fd.as_fd(), 4096).unwrap();
        seal(fd.as_fd(), Seals::FUTURE_WRITE).unwrap();
        // SAFETY: the first byte of a live mapping that only this thread uses.
        unsafe { before.as_ptr().write_volatile(7) };
        let refused = Mapping::of(fd.as_fd(), 4096).unwrap_err();
        assert_eq!(code(refused), Some(libc::EPERM));
        let again = file::reopen(fd.as_fd()).unwrap();
        let refused = Mapping::of(again.as_fd(), 4096).unwrap_err();
        assert_eq!(code(refused), Some(libc::EPERM));
        let mut first = [0];
        file::read_start(again.as_fd(), &mut first).unwrap();
        assert_eq!(first, [7]);
        let punch = libc::FALLOC_FL_PUNCH_HOLE | libc::FALLOC_FL_KEEP_SIZE;
        // SAFETY: a borrowed descriptor and integers; no memory of this process is passed.
        let punched = retry(|| unsafe { libc::fallocate(again.as_raw_fd(), punch, 0, 4096) });
        assert_eq!(punched.unwrap_err().raw_os_error(), Some(libc::EPERM));
    }

    #[test]
    fn a_seal_on_the_seals_is_final() {
        let fd = create("annulus-test", false).unwrap();
        seal(fd.as_fd(), Seals::SEAL).unwrap();
        let refused = seal(fd.as_fd(), Seals::GROW).unwrap_err();
        assert_eq!(code(refused), Some(libc::EPERM));
    }

    #[test]
    fn an_ordinary_file_has_no_seals_and_a_bad_name_is_an_error() {
        let dir = crate::os::testing::TempDir::new("seals");
        let path = dir.path().join("file");
        std::fs::write(&path, b"").unwrap();
        let fd = file::open_existing(&path, true).unwrap();
        // tmpfs files answer SEAL; everything else says EINVAL. Neither can be sealed.
        assert!(seal(fd.as_fd(), Seals::SHRINK).is_err());
        assert_eq!(code(create("a\0b", false).unwrap_err()), Some(libc::EINVAL));
    }

    #[test]
    fn huge_pages_are_granted_or_refused_with_an_errno() {
        match create("annulus-test", true) {
            Ok(fd) => assert!(seals(fd.as_fd()).is_ok()),
            Err(e) => assert!(code(e).is_some()),
        }
    }
}
