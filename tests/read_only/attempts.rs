//! What a reader may try in order to write messages that it can read.

use crate::common::child::Child;
use std::fs::{self, File, OpenOptions};
use std::io::Error;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::fs::{FileExt, MetadataExt};

/// Part of the address space of this process.
#[derive(Debug)]
pub struct Mapped {
    pub at: *mut u8,
    pub len: usize,
    /// As `/proc` shows them: `r--s` is shared memory for reading alone.
    pub permissions: String,
}

/// Where this process has the file with this inode number mapped.
pub fn mappings_of(inode: u64) -> Vec<Mapped> {
    let maps = fs::read_to_string("/proc/self/maps").expect("one's own mappings");
    let of_line = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let found: u64 = words.get(4)?.parse().ok()?;
        let (from, to) = words.first()?.split_once('-')?;
        let number = |text| usize::from_str_radix(text, 16).expect("an address");
        (found == inode).then(|| Mapped {
            at: number(from) as *mut u8,
            len: number(to) - number(from),
            permissions: words[1].to_owned(),
        })
    };
    maps.lines().filter_map(of_line).collect()
}

/// The only mapping of that file, which must be one for reading alone.
pub fn read_only_mapping_of(inode: u64) -> Mapped {
    let mut all = mappings_of(inode);
    let one = all.pop().expect("the data is mapped");
    assert!(all.is_empty(), "{all:?}");
    assert_eq!(one.permissions, "r--s");
    one
}

/// The inode number behind a descriptor.
pub fn inode(fd: BorrowedFd<'_>) -> u64 {
    let own = File::from(fd.try_clone_to_owned().expect("a descriptor"));
    own.metadata().expect("facts").ino()
}

/// Panics unless the call failed with one of these errors.
fn fails(what: &str, failed: bool, errors: &[i32]) {
    let error = Error::last_os_error();
    assert!(failed, "{what} worked");
    let code = error.raw_os_error().unwrap_or(0);
    assert!(errors.contains(&code), "{what}: {error}");
}

/// Tries to make `mapped` writable, or to get at its bytes around the protection of its pages.
pub fn try_the_mapping(mapped: &Mapped) {
    let both = libc::PROT_READ | libc::PROT_WRITE;
    let at = mapped.at.cast::<libc::c_void>();
    // SAFETY: a live mapping of our own, whose protection does not change, as is asserted.
    let changed = unsafe { libc::mprotect(at, mapped.len, both) };
    fails("mprotect", changed == -1, &[libc::EACCES]);
    // SAFETY: as above; nothing is removed, as is asserted.
    let removed = unsafe { libc::madvise(at, mapped.len, libc::MADV_REMOVE) };
    fails("MADV_REMOVE", removed == -1, &[libc::EACCES, libc::EPERM]);
    let mine = std::process::id() as i32;
    let byte = [0xffu8];
    let from = libc::iovec {
        iov_base: byte.as_ptr().cast_mut().cast(),
        iov_len: 1,
    };
    let to = libc::iovec {
        iov_base: at,
        iov_len: 1,
    };
    // SAFETY: two live vectors of one byte each; the kernel finds out that the second cannot be written.
    let written = unsafe { libc::process_vm_writev(mine, &from, 1, &to, 1, 0) };
    fails(
        "process_vm_writev",
        written == -1,
        &[libc::EFAULT, libc::EPERM],
    );
    // This one may ignore the protection of private pages.
    let memory = OpenOptions::new().write(true).open("/proc/self/mem");
    if let Ok(memory) = memory {
        let written = memory.write_at(&byte, mapped.at as u64);
        assert!(written.is_err(), "/proc/self/mem wrote {written:?} bytes");
    }
}

/// Tries to map what is behind `fd` for writing, or to write it in any other way.
pub fn try_the_descriptor(fd: BorrowedFd<'_>, len: usize) {
    let number = fd.as_raw_fd();
    let refused = [libc::EACCES, libc::EPERM];
    let both = libc::PROT_READ | libc::PROT_WRITE;
    for protection in [both, libc::PROT_WRITE] {
        // SAFETY: the kernel chooses the place; nothing is mapped, as is asserted.
        let at = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                len,
                protection,
                libc::MAP_SHARED,
                number,
                0,
            )
        };
        fails("mmap", at == libc::MAP_FAILED, &refused);
    }
    // SAFETY: the kernel chooses the place.
    let at = unsafe {
        libc::mmap(
            std::ptr::null_mut(),
            len,
            libc::PROT_READ,
            libc::MAP_SHARED,
            number,
            0,
        )
    };
    assert_ne!(at, libc::MAP_FAILED, "{}", Error::last_os_error());
    // SAFETY: the mapping made just now, whose protection does not change, as is asserted; nobody else has it.
    unsafe {
        let changed = libc::mprotect(at, len, both);
        fails("mprotect of a new mapping", changed == -1, &[libc::EACCES]);
        assert_eq!(libc::munmap(at, len), 0);
    }
    let file = File::from(fd.try_clone_to_owned().expect("a descriptor"));
    let written = file.write_at(&[0xff], 4096).map_err(|e| e.raw_os_error());
    let codes = [Some(libc::EBADF), Some(libc::EPERM)];
    assert!(written.is_err_and(|code| codes.contains(&code)));
    let cut = file.set_len(0).map_err(|e| e.raw_os_error());
    let codes = [Some(libc::EINVAL), Some(libc::EBADF), Some(libc::EPERM)];
    assert!(cut.is_err_and(|code| codes.contains(&code)));
    let punch = libc::FALLOC_FL_PUNCH_HOLE | libc::FALLOC_FL_KEEP_SIZE;
    // SAFETY: a live descriptor and integers.
    let punched = unsafe { libc::fallocate(number, punch, 0, 8192) };
    fails("fallocate", punched == -1, &[libc::EBADF, libc::EPERM]);
}

/// Opens what is behind `fd` again, for writing.
pub fn open_again(fd: BorrowedFd<'_>) -> std::io::Result<File> {
    let path = format!("/proc/self/fd/{}", fd.as_raw_fd());
    OpenOptions::new().read(true).write(true).open(path)
}

/// The same as [`try_the_descriptor`], with the descriptor as it is and opened again for writing.
pub fn try_the_memfd(fd: BorrowedFd<'_>, len: usize) {
    try_the_descriptor(fd, len);
    match open_again(fd) {
        Ok(again) => try_the_descriptor(again.as_fd(), len),
        Err(e) => assert_eq!(e.raw_os_error(), Some(libc::EACCES)),
    }
}

/// Writes into `mapped`, and so ends this process if the kernel does what it should.
pub fn write_through(mapped: &Mapped) {
    // SAFETY: integers, and a live limit; the end of this process shall leave no file.
    unsafe {
        let none = libc::rlimit {
            rlim_cur: 0,
            rlim_max: 0,
        };
        libc::setrlimit(libc::RLIMIT_CORE, &none);
    }
    // SAFETY: inside a live mapping. That it cannot be written is what is tested: the kernel ends this process,
    // and no Rust code sees the outcome.
    unsafe { mapped.at.add(4096 + 8).write_volatile(0xff) };
}

/// Waits until the child has ended, which must be by SIGSEGV.
pub fn until_it_faulted(child: &Child) {
    // SAFETY: plain integers, for which zero is a value.
    let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
    let flags = libc::WEXITED | libc::WNOWAIT;
    // SAFETY: our own child, which stays to be reaped by its owner, and a live buffer.
    let waited = unsafe { libc::waitid(libc::P_PID, child.pid(), &mut info, flags) };
    assert_eq!(waited, 0, "{}", Error::last_os_error());
    let ended = [libc::CLD_KILLED, libc::CLD_DUMPED];
    assert!(
        ended.contains(&info.si_code),
        "it ended with {}",
        info.si_code
    );
    // SAFETY: the kernel filled this part for a child that ended.
    assert_eq!(unsafe { info.si_status() }, libc::SIGSEGV);
}
