//! Tests of `file.rs` on real files, FIFOs and a full file system.

use super::*;
use crate::os::mmap;
use crate::os::testing::{TempDir, euid, unique};

fn code(error: &OsError) -> Option<i32> {
    error.source.raw_os_error()
}

#[test]
fn a_published_file_has_its_name_its_mode_and_its_bytes() {
    let dir = TempDir::new("publish");
    let file = create_unnamed(dir.path(), 0o666).unwrap();
    set_size(file.as_fd(), 4096).unwrap();
    assert!(dir.names().is_empty(), "no name before publishing");
    let path = dir.path().join("ring");
    let fd = file.publish(&path).unwrap();
    assert_eq!(dir.names(), ["ring"]);
    let facts = facts(fd.as_fd()).unwrap();
    assert_eq!(facts, facts_at(&path).unwrap());
    assert_eq!(facts.kind, FileKind::Regular);
    assert_eq!((facts.size, facts.mode, facts.links), (4096, 0o666, 1));
    assert_eq!(facts.uid, euid());
}

#[test]
fn publishing_in_dev_shm_works() {
    let dir = Path::new("/dev/shm");
    let path = dir.join(unique("file-shm"));
    let fd = create_unnamed(dir, 0o600).unwrap().publish(&path).unwrap();
    let seen = facts_at(&path).unwrap();
    unlink(&path).unwrap();
    assert_eq!(facts(fd.as_fd()).unwrap().ino, seen.ino);
    assert_eq!(facts(fd.as_fd()).unwrap().links, 0);
}

#[test]
fn publishing_refuses_an_existing_name_and_leaves_nothing() {
    let dir = TempDir::new("publish-taken");
    let path = dir.path().join("ring");
    std::fs::write(&path, b"old").unwrap();
    for make in [create_unnamed, create_hidden] {
        let refused = make(dir.path(), 0o600).unwrap().publish(&path).unwrap_err();
        assert_eq!(code(&refused), Some(libc::EEXIST));
        assert_eq!(dir.names(), ["ring"]);
        assert_eq!(std::fs::read(&path).unwrap(), b"old");
    }
    let dangling = dir.path().join("link");
    std::os::unix::fs::symlink("nowhere", &dangling).unwrap();
    let refused = create_unnamed(dir.path(), 0o600)
        .unwrap()
        .publish(&dangling);
    assert_eq!(code(&refused.unwrap_err()), Some(libc::EEXIST));
}

#[test]
fn the_hidden_name_is_gone_after_publishing_and_after_dropping() {
    let dir = TempDir::new("publish-hidden");
    let path = dir.path().join("ring");
    let file = create_hidden(dir.path(), 0o640).unwrap();
    assert_eq!(dir.names().len(), 1);
    let fd = file.publish(&path).unwrap();
    assert_eq!(dir.names(), ["ring"]);
    let facts = facts(fd.as_fd()).unwrap();
    assert_eq!((facts.mode, facts.links), (0o640, 1));
    drop(create_hidden(dir.path(), 0o600).unwrap());
    assert_eq!(dir.names(), ["ring"]);
}

#[test]
fn a_missing_directory_keeps_its_errno_and_its_name() {
    let dir = TempDir::new("missing");
    let missing = dir.path().join("not-there");
    let refused = create_unnamed(&missing, 0o600).unwrap_err();
    assert_eq!(code(&refused), Some(libc::ENOENT));
    assert!(refused.object.ends_with("not-there"));
    let refused = open_existing(&missing, false).unwrap_err();
    assert_eq!(code(&refused), Some(libc::ENOENT));
    let refused = open_existing(Path::new("a\0b"), false).unwrap_err();
    assert_eq!(code(&refused), Some(libc::EINVAL));
}

#[test]
fn what_is_squatting_at_the_name_is_told_apart_and_never_hangs() {
    let dir = TempDir::new("squat");
    let fifo = dir.path().join("fifo");
    let c_fifo = c_path(&fifo).unwrap();
    // SAFETY: a live zero-terminated string that the kernel only reads.
    assert_eq!(unsafe { libc::mkfifo(c_fifo.as_ptr(), 0o600) }, 0);
    for write in [false, true] {
        let fd = open_existing(&fifo, write).unwrap();
        assert_eq!(facts(fd.as_fd()).unwrap().kind, FileKind::Fifo);
    }
    assert_eq!(facts_at(&fifo).unwrap().kind, FileKind::Fifo);

    let link = dir.path().join("link");
    std::os::unix::fs::symlink(&fifo, &link).unwrap();
    assert_eq!(facts_at(&link).unwrap().kind, FileKind::Symlink);
    let refused = open_existing(&link, false).unwrap_err();
    assert_eq!(code(&refused), Some(libc::ELOOP));

    let socket = dir.path().join("socket");
    let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    assert_eq!(facts_at(&socket).unwrap().kind, FileKind::Socket);
    assert_eq!(
        code(&open_existing(&socket, true).unwrap_err()),
        Some(libc::ENXIO)
    );

    let here = open_existing(dir.path(), false).unwrap();
    assert_eq!(facts(here.as_fd()).unwrap().kind, FileKind::Directory);
    assert_eq!(
        code(&open_existing(dir.path(), true).unwrap_err()),
        Some(libc::EISDIR)
    );
    let null = facts_at(Path::new("/dev/null")).unwrap();
    assert_eq!(null.kind, FileKind::Device);
}

#[test]
fn every_descriptor_is_close_on_exec() {
    let dir = TempDir::new("cloexec");
    let path = dir.path().join("ring");
    let made = create_unnamed(dir.path(), 0o600).unwrap();
    let hidden = create_hidden(dir.path(), 0o600).unwrap();
    let made = made.publish(&path).unwrap();
    let opened = open_existing(&path, false).unwrap();
    let again = reopen(opened.as_fd()).unwrap();
    for fd in [made.as_fd(), hidden.as_fd(), opened.as_fd(), again.as_fd()] {
        // SAFETY: a borrowed descriptor; F_GETFD takes no argument.
        let flags = unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_GETFD) };
        assert_eq!(flags & libc::FD_CLOEXEC, libc::FD_CLOEXEC);
    }
}

#[test]
fn a_reopened_file_is_the_same_file_even_without_a_name() {
    use std::io::{Read, Write};
    let dir = TempDir::new("reopen");
    let file = create_unnamed(dir.path(), 0o600).unwrap();
    let again = reopen(file.as_fd()).unwrap();
    assert_eq!(
        facts(again.as_fd()).unwrap().ino,
        facts(file.as_fd()).unwrap().ino
    );
    std::fs::File::from(again).write_all(b"ring").unwrap();
    let mut read = String::new();
    let first = file.fd.try_clone().unwrap();
    // The first description still stands at offset 0: the two do not share one.
    std::fs::File::from(first)
        .read_to_string(&mut read)
        .unwrap();
    assert_eq!(read, "ring");
}

#[test]
fn a_file_reopened_for_reading_cannot_be_written_through_that_descriptor() {
    use std::io::Write;
    let dir = TempDir::new("reopen-read");
    let file = create_unnamed(dir.path(), 0o600).unwrap();
    let again = reopen_read_only(file.as_fd()).unwrap();
    assert_eq!(
        facts(again.as_fd()).unwrap().ino,
        facts(file.as_fd()).unwrap().ino
    );
    assert!(set_size(again.as_fd(), 4096).is_err());
    let refused = std::fs::File::from(again).write_all(b"ring").unwrap_err();
    assert_eq!(refused.raw_os_error(), Some(libc::EBADF));
}

#[test]
fn allocating_extends_the_file_and_impossible_sizes_are_errors() {
    let dir = TempDir::new("allocate");
    let file = create_unnamed(dir.path(), 0o600).unwrap();
    allocate(file.as_fd(), 10_000).unwrap();
    assert_eq!(facts(file.as_fd()).unwrap().size, 10_000);
    posix_allocate(file.as_fd(), 20_000).unwrap();
    assert_eq!(facts(file.as_fd()).unwrap().size, 20_000);
    let refused = allocate(file.as_fd(), 0).unwrap_err();
    assert_eq!(code(&refused), Some(libc::EINVAL));
    let refused = set_size(file.as_fd(), u64::MAX).unwrap_err();
    assert_eq!(code(&refused), Some(libc::EFBIG));
}

#[test]
fn owner_and_mode_are_set_exactly() {
    let dir = TempDir::new("owner");
    let file = create_unnamed(dir.path(), 0o600).unwrap();
    let before = facts(file.as_fd()).unwrap();
    set_owner(file.as_fd(), None, None).unwrap();
    set_owner(file.as_fd(), Some(before.uid), Some(before.gid)).unwrap();
    set_mode(file.as_fd(), 0o7777).unwrap();
    let after = facts(file.as_fd()).unwrap();
    assert_eq!((after.uid, after.gid), (before.uid, before.gid));
    assert_eq!(after.mode, 0o777, "set-id and sticky bits are never set");
}

/// Runs `check` on a tmpfs of 64 KiB that only one thread can see and that goes away with it.
fn on_a_small_tmpfs(what: &str, check: impl FnOnce(&Path) + Send) {
    let dir = TempDir::new(what);
    let at = c_path(dir.path()).unwrap();
    std::thread::scope(|scope| {
        let checker = scope.spawn(|| {
            let none = core::ptr::null::<libc::c_char>();
            let private = libc::MS_REC | libc::MS_PRIVATE;
            // SAFETY: all strings are zero-terminated and live; the calls change only the mount
            // namespace that the first one has made for this thread alone.
            let mounted = unsafe {
                libc::unshare(libc::CLONE_NEWNS) == 0
                    && libc::mount(none, c"/".as_ptr(), none, private, core::ptr::null()) == 0
                    && libc::mount(
                        c"tmpfs".as_ptr(),
                        at.as_ptr(),
                        c"tmpfs".as_ptr(),
                        0,
                        c"size=64k".as_ptr().cast(),
                    ) == 0
            };
            if mounted {
                check(dir.path());
            } else {
                eprintln!(
                    "skipped: mounting is refused: {}",
                    io::Error::last_os_error()
                );
            }
        });
        checker.join().unwrap();
    });
}

#[test]
fn allocating_more_than_a_file_system_has_is_enospc() {
    on_a_small_tmpfs("full-allocate", |dir| {
        let file = create_unnamed(dir, 0o600).unwrap();
        set_size(file.as_fd(), 1 << 20).unwrap();
        let refused = allocate(file.as_fd(), 1 << 20).unwrap_err();
        assert_eq!(code(&refused), Some(libc::ENOSPC));
        allocate(file.as_fd(), 32 << 10).unwrap();
    });
}

#[test]
fn populating_more_than_a_file_system_has_is_enospc_and_no_signal() {
    on_a_small_tmpfs("full-populate", |dir| {
        let file = create_unnamed(dir, 0o600).unwrap();
        set_size(file.as_fd(), 1 << 20).unwrap();
        let map = mmap::Mapping::of(file.as_fd(), 1 << 20).unwrap();
        match mmap::populate_write(map.as_ptr(), map.len()) {
            Ok(done) => assert!(!done, "only an old kernel may not have noticed"),
            Err(refused) => assert_eq!(code(&refused), Some(libc::ENOSPC)),
        }
    });
}
