//! Descriptors that forked children do not keep.
//!
//! fork copies every descriptor, and a lock on an open file description lives as long as any copy. A child that
//! lives on would keep its parent's lock, and the parent would look alive after its death. Linux has no
//! close-on-fork, so this file does it: every descriptor is entered in a register of the process, and a handler
//! that the C library calls in each forked child (`pthread_atfork`) closes what is entered there.
//!
//! The handler closes descriptors and stores atomics: both may be done in the child of a threaded process. The
//! register is never locked and its memory never freed, so a child finds it whole, whatever other threads of its
//! parent were about. No signal handler, no thread.
//!
//! Not called by the C library, hence without effect: in children of `vfork` and `posix_spawn`, whose copies go
//! with their exec, and in those of a raw `clone` or of `_Fork`, which keep theirs until they exec or exit.
//!
//! Invariants: whoever takes a number out of the register closes it, and nobody else does. A register entry has a
//! count of its uses beside the number, so that a handle which a child inherited is not taken for one of the
//! child's own that has the same entry and the same number.

use super::register::Register;
use crate::error::OsError;
use crate::sync::Ordering::{AcqRel, Acquire, Relaxed, Release, SeqCst};
use crate::sync::{AtomicU32, AtomicU64, fence};
use std::io;
use std::os::fd::{BorrowedFd, FromRawFd, IntoRawFd, OwnedFd};
use std::time::Duration;

/// How often to look again while other threads fork, and at what distance: about a second.
const TRIES: u32 = 10_000;
const PAUSE: Duration = Duration::from_micros(50);

/// An entry of the register: the number of uses so far in the upper half, and the descriptor plus one in the lower half,
/// 0 for none.
type Entry = AtomicU64;

static REGISTER: Register<Entry> = Register::new();
/// Whether the handlers are installed.
static WATCHED: AtomicU32 = AtomicU32::new(0);
/// Forks of this process that have begun, and that are over in the parent.
static BEGUN: AtomicU64 = AtomicU64::new(0);
static OVER: AtomicU64 = AtomicU64::new(0);

/// The descriptor in an entry.
fn number(entry: u64) -> Option<i32> {
    (entry as u32).checked_sub(1).map(|fd| fd as i32)
}

/// An entry with the same count and this descriptor.
fn filled(entry: u64, fd: i32) -> u64 {
    entry & !u64::from(u32::MAX) | (fd as u64 + 1)
}

/// An entry without a descriptor, for the next use.
fn emptied(entry: u64) -> u64 {
    (entry >> 32).wrapping_add(1) << 32
}

/// Closes a number that was just taken out of the register.
fn close(fd: i32) {
    // SAFETY: whoever takes a number out of the register owns it. A failure leaves nothing to do.
    unsafe { libc::close(fd) };
}

extern "C" fn before_fork() {
    BEGUN.fetch_add(1, Relaxed);
    // SeqCst: before the kernel copies what this process has; see `Unshared::open`.
    fence(SeqCst);
}

extern "C" fn in_parent() {
    // Release: after the beginning that it belongs to.
    OVER.fetch_add(1, Release);
}

/// Async-signal-safe: loads, stores and `close`. This process has one thread.
extern "C" fn in_child() {
    // Also those that other threads of the parent had begun: they are nothing to this process.
    OVER.store(BEGUN.load(Relaxed), Relaxed);
    for entry in REGISTER.entries() {
        let seen = entry.load(Relaxed);
        if let Some(fd) = number(seen) {
            entry.store(emptied(seen), Relaxed);
            close(fd);
        }
    }
}

/// Installs the handlers, the first time. Twice does no harm, when two threads are the first; so nobody need wait
/// for anybody, and no child can inherit half an installation.
fn watch_forks() -> Result<(), OsError> {
    if WATCHED.load(Acquire) == 0 {
        // The C library lets nobody install handlers from the last call before a fork to its end. So a fork that
        // has not called `before_fork` is over before this returns; or it is still calling somebody else's handler
        // (glibc from 2.37 on), and its child may keep a copy of the very first descriptor.
        // SAFETY: three functions of this library, which a program that unloads it takes away with it.
        let code =
            unsafe { libc::pthread_atfork(Some(before_fork), Some(in_parent), Some(in_child)) };
        if code != 0 {
            let error = io::Error::from_raw_os_error(code);
            return Err(OsError::new("pthread_atfork", "this process", error));
        }
        WATCHED.store(1, Release);
    }
    Ok(())
}

/// How many forks there were, if none is under way.
fn forks() -> Option<u64> {
    // In this order: what is equal then was so when the second was read.
    let over = OVER.load(Acquire);
    (BEGUN.load(Acquire) == over).then_some(over)
}

/// A descriptor of this process alone. Closed when dropped, and in a child that fork makes before it returns there.
#[derive(Debug)]
pub(crate) struct Unshared {
    entry: &'static Entry,
    /// The entry as it is as long as the descriptor is this process's.
    word: u64,
}

impl Unshared {
    /// Makes a descriptor with `make`, which may be called several times: no child has a copy of the one that comes
    /// back. Until then nothing may hang on it.
    pub(crate) fn open(
        mut make: impl FnMut() -> Result<OwnedFd, OsError>,
    ) -> Result<Self, OsError> {
        watch_forks()?;
        for _ in 0..TRIES {
            if let Some(before) = forks() {
                let own = Self::enter(make()?);
                // SeqCst: either this thread sees that a fork has begun, or the child sees the entry.
                fence(SeqCst);
                if BEGUN.load(Relaxed) == before {
                    return Ok(own);
                }
                // A child may have a copy that it does not know of; nothing hangs on it. The kernel copies
                // descriptors first and memory later, so only a thread that is held up here is so unlucky.
            }
            std::thread::sleep(PAUSE);
        }
        // Forks that take so long, or this is the child of a raw clone that was made during one.
        Ok(Self::enter(make()?))
    }

    /// Enters `fd` in the register.
    fn enter(fd: OwnedFd) -> Self {
        let fd = fd.into_raw_fd();
        for entry in REGISTER.endless() {
            let seen = entry.load(Relaxed);
            let word = filled(seen, fd);
            let free = number(seen).is_none();
            if free && entry.compare_exchange(seen, word, AcqRel, Relaxed).is_ok() {
                return Self { entry, word };
            }
        }
        unreachable!("a register has no end")
    }

    /// The descriptor. `None` in a forked child, where it was closed.
    pub(crate) fn get(&self) -> Option<BorrowedFd<'_>> {
        let fd = number(self.word).filter(|_| self.entry.load(Acquire) == self.word)?;
        // SAFETY: still in the register, from which only `self` takes it in this process, when it is dropped.
        Some(unsafe { BorrowedFd::borrow_raw(fd) })
    }
}

impl Drop for Unshared {
    fn drop(&mut self) {
        // A child that another thread forks between these two steps keeps a copy. So what hangs on the descriptor,
        // such as a lock, is to be undone before.
        let empty = emptied(self.word);
        if (self.entry)
            .compare_exchange(self.word, empty, AcqRel, Relaxed)
            .is_ok()
            && let Some(fd) = number(self.word)
        {
            // SAFETY: taken out of the register just now, so it is this function's.
            drop(unsafe { OwnedFd::from_raw_fd(fd) });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::register::BLOCK;
    use super::*;
    use crate::os::memfd;
    use std::os::fd::{AsFd, AsRawFd};

    fn open() -> Unshared {
        Unshared::open(|| memfd::create("annulus-test", false)).unwrap()
    }

    fn is_open(fd: i32) -> bool {
        // SAFETY: asks for the flags of a number.
        unsafe { libc::fcntl(fd, libc::F_GETFD) != -1 }
    }

    /// What a forked child says about `question`.
    fn in_a_child(question: impl FnOnce() -> bool) -> bool {
        // SAFETY: the child asks its question, without locks of the harness, and exits.
        let pid = unsafe { libc::fork() };
        assert!(pid >= 0);
        if pid == 0 {
            let yes = question();
            // SAFETY: ends the process without running what the parent registered for exit.
            unsafe { libc::_exit(i32::from(!yes)) };
        }
        let mut status = 0;
        // SAFETY: our own child, reaped only here.
        assert_eq!(unsafe { libc::waitpid(pid, &mut status, 0) }, pid);
        libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 0
    }

    #[test]
    fn a_forked_child_has_no_copy_and_the_parent_keeps_its_own() {
        let own = open();
        let fd = own.get().unwrap().as_raw_fd();
        assert!(in_a_child(|| !is_open(fd) && own.get().is_none()));
        assert!(is_open(fd) && own.get().is_some());
        drop(own);
    }

    #[test]
    fn a_child_that_drops_what_it_inherited_does_not_close_its_own_of_the_same_number() {
        let inherited = open();
        let fd = inherited.get().unwrap().as_raw_fd();
        assert!(in_a_child(|| {
            // The lowest number that is free and the first entry that is; so many because other tests of this
            // process had some as well, which are free here.
            let own: Vec<Unshared> = (0..300).map(|_| open()).collect();
            let number = |own: &Unshared| own.get().map(|fd| fd.as_raw_fd());
            let same = own.iter().any(|own| number(own) == Some(fd));
            drop(inherited);
            same && own.iter().all(|own| number(own).is_some_and(is_open))
        }));
    }

    #[test]
    fn a_descriptor_of_which_a_child_may_have_a_copy_is_not_used() {
        let mut made = Vec::new();
        let own = Unshared::open(|| {
            let fd = memfd::create("annulus-test", false)?;
            let number = fd.as_raw_fd();
            if made.is_empty() {
                assert!(in_a_child(|| is_open(number)), "not entered yet");
            }
            made.push(crate::os::file::facts(fd.as_fd())?.ino);
            Ok(fd)
        })
        .unwrap();
        let ino = crate::os::file::facts(own.get().unwrap()).unwrap().ino;
        assert!(made.len() > 1 && made.last() == Some(&ino) && made[0] != ino);
    }

    #[test]
    fn nothing_is_made_while_a_fork_is_under_way() {
        before_fork();
        let over = AtomicU32::new(0);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                std::thread::sleep(Duration::from_millis(20));
                over.store(1, Release);
                in_parent();
            });
            let own = Unshared::open(|| {
                assert_eq!(over.load(Acquire), 1);
                memfd::create("annulus-test", false)
            });
            assert!(own.unwrap().get().is_some());
        });
    }

    #[test]
    fn a_grandchild_has_copies_of_neither() {
        let own = open();
        let fd = own.get().unwrap().as_raw_fd();
        assert!(in_a_child(|| {
            let childs = open();
            let number = childs.get().map(|fd| fd.as_raw_fd());
            in_a_child(|| !is_open(fd) && number.is_some_and(|fd| !is_open(fd)))
        }));
    }

    #[test]
    fn more_than_one_block_is_closed_too() {
        let many: Vec<Unshared> = (0..3 * BLOCK).map(|_| open()).collect();
        let numbers: Vec<i32> = many
            .iter()
            .map(|own| own.get().unwrap().as_raw_fd())
            .collect();
        assert!(in_a_child(|| !numbers.iter().any(|fd| is_open(*fd))));
        assert!(numbers.iter().all(|fd| is_open(*fd)));
        drop(many);
        assert_eq!(number(emptied(filled(u64::MAX, 7))), None);
    }
}
