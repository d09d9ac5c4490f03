//! Rings without a name: which descriptors are taken, and that no name finds one.

use crate::header::Sample;
use annulus::{Backing, NotARing, OpenError, spsc};
use std::fs::{self, File};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::fs::FileExt;

#[test]
fn a_memfd_that_can_still_shrink_is_refused() {
    let ring = spsc::<u64>("sealed")
        .capacity(4)
        .backing(Backing::Memfd)
        .create()
        .expect("create");
    let dup = |fd: &dyn AsRawFd| {
        // SAFETY: a live descriptor; the result is new and owned by nobody else.
        unsafe { OwnedFd::from_raw_fd(libc::fcntl(fd.as_raw_fd(), libc::F_DUPFD_CLOEXEC, 3)) }
    };
    let own = dup(&ring.descriptor().expect("a descriptor"));
    let bytes = fs::read(format!("/proc/self/fd/{}", own.as_raw_fd())).expect("read");
    drop(
        spsc::<u64>("sealed")
            .open_descriptor(own)
            .expect("a sealed one is welcome"),
    );
    // SAFETY: a static zero-terminated name; the descriptor is new and owned by nobody else.
    let fd =
        unsafe { OwnedFd::from_raw_fd(libc::memfd_create(c"x".as_ptr(), libc::MFD_ALLOW_SEALING)) };
    let copy = File::from(fd);
    copy.write_all_at(&bytes, 0).expect("write");
    let refused = |fd| {
        let result = spsc::<u64>("open").open_descriptor(fd);
        assert!(
            matches!(
                result,
                Err(OpenError::NotARing {
                    found: NotARing::NotSealed,
                    ..
                })
            ),
            "{result:?}"
        );
    };
    refused(dup(&copy));
    // SAFETY: a live descriptor and an integer.
    assert_eq!(0, unsafe {
        libc::fcntl(copy.as_raw_fd(), libc::F_ADD_SEALS, libc::F_SEAL_GROW)
    });
    refused(dup(&copy));
    let ring = Sample::new();
    refused(dup(&ring.file));
    refused(dup(&File::open("/dev/null").expect("open")));
    // SAFETY: as above.
    assert_eq!(0, unsafe {
        libc::fcntl(copy.as_raw_fd(), libc::F_ADD_SEALS, libc::F_SEAL_SHRINK)
    });
    drop(
        spsc::<u64>("open")
            .open_descriptor(dup(&copy))
            .expect("sealed now"),
    );
}

#[test]
fn a_nameless_ring_is_not_opened_by_name() {
    for backing in [Backing::Memfd, Backing::Anon] {
        match spsc::<u64>("nameless").backing(backing).open() {
            Err(OpenError::InvalidOption { option, .. }) => assert_eq!(option, "backing"),
            other => panic!("{other:?}"),
        }
    }
}
