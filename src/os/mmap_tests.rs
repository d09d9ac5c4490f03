//! Tests of `mmap.rs` on real memory.

use super::*;
use crate::os::memfd;
use crate::os::testing::Child;
use std::os::fd::AsFd;

fn page_size() -> usize {
    // SAFETY: takes an integer, touches no memory of this process.
    let size = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    usize::try_from(size).unwrap()
}

fn memory(len: usize) -> Mapping {
    let fd = memfd::create("annulus-mmap-test", false).unwrap();
    file::set_size(fd.as_fd(), len as u64).unwrap();
    Mapping::of(fd.as_fd(), len).unwrap()
}

#[test]
fn a_mapping_is_aligned_has_its_length_and_outlives_its_descriptor() {
    let map = memory(3 * page_size());
    assert!(page_size().is_power_of_two());
    assert_eq!(map.as_ptr() as usize % page_size(), 0);
    assert_eq!(map.len(), 3 * page_size());
    let last = map.as_ptr().wrapping_add(map.len() - 1);
    // SAFETY: the last byte of a live mapping that only this thread uses.
    unsafe { last.write_volatile(9) };
    // SAFETY: as above.
    assert_eq!(unsafe { last.read_volatile() }, 9);
}

#[test]
fn mapping_nothing_is_an_error() {
    let fd = memfd::create("annulus-mmap-test", false).unwrap();
    for map in [Mapping::of, Mapping::of_huge_aligned] {
        let refused = map(fd.as_fd(), 0).unwrap_err();
        assert_eq!(refused.source.raw_os_error(), Some(libc::EINVAL));
    }
}

#[test]
fn populating_keeps_the_contents() {
    let map = memory(4 * page_size());
    // SAFETY: the first byte of a live mapping that only this thread uses.
    unsafe { map.as_ptr().write_volatile(7) };
    if !populate_write(map.as_ptr(), map.len()).unwrap() {
        eprintln!("skipped: the kernel has no MADV_POPULATE_WRITE");
    }
    // SAFETY: as above.
    assert_eq!(unsafe { map.as_ptr().read_volatile() }, 7);
}

#[test]
fn populating_a_range_that_is_not_mapped_is_an_error() {
    let refused = populate_write(core::ptr::null_mut(), page_size());
    if let Ok(done) = refused {
        assert!(!done, "only an old kernel may not have noticed");
    }
}

#[test]
fn locking_a_page_works_or_says_why_not() {
    let map = memory(page_size());
    if let Err(e) = lock(map.as_ptr(), map.len()) {
        let code = e.source.raw_os_error();
        assert!(matches!(code, Some(libc::ENOMEM | libc::EPERM)), "{e:?}");
    }
}

#[test]
fn collapsing_at_any_address_keeps_the_contents() {
    let map = memory(2 * HUGE);
    // SAFETY: the first byte of a live mapping that only this thread uses.
    unsafe { map.as_ptr().write_volatile(5) };
    // Not aligned, in general: both answers are right.
    let _done: bool = collapse(map.as_ptr(), map.len()).unwrap();
    // SAFETY: as above.
    assert_eq!(unsafe { map.as_ptr().read_volatile() }, 5);
}

#[test]
fn an_aligned_mapping_can_be_collapsed() {
    let fd = memfd::create("annulus-mmap-test", false).unwrap();
    file::set_size(fd.as_fd(), 2 * HUGE as u64).unwrap();
    let map = Mapping::of_huge_aligned(fd.as_fd(), 2 * HUGE).unwrap();
    assert_eq!(map.as_ptr() as usize % HUGE, 0);
    assert_eq!(map.len(), 2 * HUGE);
    let last = map.as_ptr().wrapping_add(map.len() - 1);
    // SAFETY: the last byte of a live mapping that only this thread uses.
    unsafe { last.write_volatile(6) };
    let populated = populate_write(map.as_ptr(), map.len()).unwrap();
    if collapse(map.as_ptr(), map.len()).unwrap() {
        assert!(populated);
        let smaps = std::fs::read_to_string("/proc/self/smaps").unwrap();
        let start = format!("{:x}-", map.as_ptr() as usize);
        let ours = smaps.split_once(&start).expect("mapped").1;
        let huge = ours.lines().find(|line| line.starts_with("ShmemPmdMapped"));
        assert!(huge.expect("a line").contains(" 4096 kB"), "{huge:?}");
    } else {
        eprintln!("skipped: the kernel has no huge page to give");
    }
    let second = Mapping::of(fd.as_fd(), 2 * HUGE).unwrap();
    // SAFETY: the last byte of a live mapping that only this thread uses.
    let seen = unsafe { second.as_ptr().add(2 * HUGE - 1).read_volatile() };
    assert_eq!(seen, 6, "it is the same memory");
    assert!(Mapping::of_huge_aligned(fd.as_fd(), 0).is_err());
    assert!(Mapping::of_huge_aligned(fd.as_fd(), usize::MAX).is_err());
}

#[test]
fn dropping_an_aligned_mapping_gives_all_its_addresses_back() {
    // In a child, where no other thread maps anything meanwhile.
    let fd = memfd::create("annulus-mmap-test", false).unwrap();
    file::set_size(fd.as_fd(), HUGE as u64).unwrap();
    let kept = memory(page_size());
    let path = std::path::PathBuf::from(format!(
        "/proc/{}/fd/{}",
        std::process::id(),
        fd.as_raw_fd()
    ));
    let _child = Child::that(|| {
        let Ok(own) = std::fs::File::options().read(true).write(true).open(&path) else {
            return false;
        };
        let Ok(map) = Mapping::of_huge_aligned(own.as_fd(), HUGE) else {
            return false;
        };
        let Pages::Placed(placed) = &map.0 else {
            return false;
        };
        let (start, len) = (placed.reserved.as_ptr(), placed.reserved_len);
        let mapped = advise(start, len, libc::MADV_NORMAL).is_ok();
        drop(map);
        let gone = |at| advise(start.wrapping_add(at), page_size(), libc::MADV_NORMAL).is_err();
        mapped
            && (0..len).step_by(page_size()).all(gone)
            && advise(kept.as_ptr(), kept.len(), libc::MADV_NORMAL).is_ok()
    });
}

#[test]
fn the_first_node_can_be_preferred_and_an_absurd_one_cannot() {
    let map = memory(page_size());
    if let Err(e) = prefer_node(map.as_ptr(), map.len(), 0) {
        let code = e.source.raw_os_error();
        assert!(matches!(code, Some(libc::EPERM | libc::ENOSYS)), "{e:?}");
    }
    for absurd in [1024, u32::MAX] {
        let refused = prefer_node(map.as_ptr(), map.len(), absurd).unwrap_err();
        assert_eq!(refused.source.raw_os_error(), Some(libc::EINVAL));
    }
}

#[test]
fn a_range_not_for_children_is_not_mapped_in_a_child() {
    let (kept, left_out) = (memory(page_size()), memory(page_size()));
    dont_fork(left_out.as_ptr(), left_out.len()).unwrap();
    let _child = Child::that(|| {
        // MADV_NORMAL says ENOMEM for what is not mapped.
        advise(kept.as_ptr(), kept.len(), libc::MADV_NORMAL).is_ok()
            && advise(left_out.as_ptr(), left_out.len(), libc::MADV_NORMAL).is_err()
    });
}

#[test]
fn an_aligned_mapping_of_what_cannot_be_written_is_an_error() {
    let fd = memfd::create("annulus-mmap-test", false).unwrap();
    file::set_size(fd.as_fd(), 4096).unwrap();
    // SAFETY: a borrowed descriptor and an integer.
    let sealed =
        unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_ADD_SEALS, libc::F_SEAL_FUTURE_WRITE) };
    assert_eq!(sealed, 0);
    let refused = Mapping::of_huge_aligned(fd.as_fd(), 4096).unwrap_err();
    assert_eq!(refused.source.raw_os_error(), Some(libc::EPERM));
}

#[test]
fn a_mapping_for_reading_shows_what_another_writes_and_cannot_be_made_writable() {
    let fd = memfd::create("annulus-mmap-test", false).unwrap();
    let len = 2 * page_size();
    file::set_size(fd.as_fd(), len as u64).unwrap();
    let writer = Mapping::of(fd.as_fd(), len).unwrap();
    let through = file::reopen_read_only(fd.as_fd()).unwrap();
    let reader = Mapping::of_read_only(through.as_fd(), len).unwrap();
    assert_eq!(reader.len(), len);
    if !populate_read(reader.as_ptr(), len).unwrap() {
        eprintln!("skipped: the kernel has no MADV_POPULATE_READ");
    }
    // SAFETY: the first byte of a live mapping that only this thread uses.
    unsafe { writer.as_ptr().write_volatile(7) };
    // SAFETY: as above, and it is mapped for reading.
    assert_eq!(unsafe { reader.as_ptr().read_volatile() }, 7);
    // It says that it is no mapping for writing, or that it cannot.
    assert!(!matches!(populate_write(reader.as_ptr(), len), Ok(true)));
    let both = libc::PROT_READ | libc::PROT_WRITE;
    // SAFETY: a live mapping of our own; were it to succeed, nothing would be written.
    let changed = unsafe { libc::mprotect(reader.as_ptr().cast(), len, both) };
    let error = io::Error::last_os_error();
    assert_eq!((changed, error.raw_os_error()), (-1, Some(libc::EACCES)));
    assert!(Mapping::of(through.as_fd(), len).is_err());
    let nothing = Mapping::of_read_only(fd.as_fd(), 0).unwrap_err();
    assert_eq!(nothing.source.raw_os_error(), Some(libc::EINVAL));
}

#[test]
fn populating_what_a_file_does_not_have_is_an_error_and_no_signal() {
    let fd = memfd::create("annulus-mmap-test", false).unwrap();
    file::set_size(fd.as_fd(), page_size() as u64).unwrap();
    let map = Mapping::of_read_only(fd.as_fd(), 2 * page_size()).unwrap();
    match populate_read(map.as_ptr(), map.len()) {
        Ok(done) => assert!(!done, "only an old kernel may not have noticed"),
        Err(e) => assert_eq!(e.source.raw_os_error(), Some(libc::ENOSPC)),
    }
}
