//! What the tests of this layer share: unique names, clean-up that also runs when a test fails,
//! bounded waiting for the kernel, and child processes to kill. Compiled into tests only.

use super::clock;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

/// The `CLOCK_MONOTONIC` instant so many milliseconds from now.
pub(crate) fn in_ms(ms: u64) -> u64 {
    clock::monotonic_ns() + ms * 1_000_000
}

/// A name that no other process uses now.
pub(crate) fn unique(what: &str) -> String {
    format!("annulus-test-{}-{what}", std::process::id())
}

/// A System V key that no other process of these tests uses now. `n` tells the tests apart.
pub(crate) fn unique_key(n: u8) -> i32 {
    0x4100_0000 ^ ((std::process::id() as i32) << 8 & 0x3fff_ff00) ^ i32::from(n)
}

/// The effective user id of this process: the owner of what it makes.
pub(crate) fn euid() -> u32 {
    // SAFETY: takes nothing, cannot fail.
    unsafe { libc::geteuid() }
}

/// Runs its closure when it goes out of scope, also when the test panics.
pub(crate) struct Cleanup<F: FnMut()>(pub(crate) F);

impl<F: FnMut()> Drop for Cleanup<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

/// A directory of its own under the system's temporary directory, removed at the end.
pub(crate) struct TempDir(PathBuf);

impl TempDir {
    pub(crate) fn new(what: &str) -> TempDir {
        let path = std::env::temp_dir().join(unique(what));
        std::fs::create_dir(&path).expect("a fresh temporary directory");
        TempDir(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// The names in the directory now.
    pub(crate) fn names(&self) -> Vec<std::ffi::OsString> {
        let entries = std::fs::read_dir(&self.0).expect("the directory is there");
        entries.map(|e| e.expect("an entry").file_name()).collect()
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Looks again until the condition holds; panics after ten seconds.
///
/// Needed where the kernel acts a moment later: at process death, and for descriptors of which a
/// concurrently forked child of another test holds a copy for a moment.
pub(crate) fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = in_ms(10_000);
    while !condition() {
        assert!(clock::monotonic_ns() < deadline, "not in time: {what}");
        std::thread::sleep(std::time::Duration::from_micros(200));
    }
}

/// A forked child that did its work and now sleeps until it is killed. Killed on drop.
pub(crate) struct Child(libc::pid_t);

impl Child {
    /// Forks; the child closes all inherited descriptors, runs `work`, and sleeps. Returns when the
    /// work is done; panics if it returned false or the child died first.
    ///
    /// `work` runs in a copy of a threaded process: it may call the kernel and allocate, and must
    /// not take a lock of the test harness (no printing, no panicking).
    pub(crate) fn that(work: impl FnOnce() -> bool) -> Child {
        use std::os::fd::AsRawFd;
        let (mut from_child, mut to_parent) = std::io::pipe().expect("a pipe");
        // SAFETY: the child runs only `work`, raw system calls and one write, see above; it never
        // returns into the harness.
        let pid = unsafe { libc::fork() };
        assert!(pid >= 0, "fork failed");
        if pid == 0 {
            let keep = to_parent.as_raw_fd() as libc::c_uint;
            // SAFETY: this process is a fresh copy with one thread; the descriptors closed here
            // are never used again in it, because it never leaves this block. PDEATHSIG takes one
            // integer and makes the kernel end this process should the test die.
            unsafe {
                libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
                libc::syscall(libc::SYS_close_range, 3, keep - 1, 0);
                libc::syscall(libc::SYS_close_range, keep + 1, libc::c_uint::MAX, 0);
            }
            let done = work();
            let _ = to_parent.write_all(&[u8::from(done)]);
            loop {
                // SAFETY: takes no arguments; returns only after a signal handler ran.
                unsafe { libc::pause() };
            }
        }
        let child = Child(pid);
        drop(to_parent);
        let mut said = [0u8];
        from_child.read_exact(&mut said).expect("the child reports");
        assert_eq!(said, [1], "the child did its work");
        child
    }

    pub(crate) fn pid(&self) -> u32 {
        self.0 as u32
    }

    /// Kills with SIGKILL and reaps.
    pub(crate) fn kill(self) {}
}

impl Drop for Child {
    fn drop(&mut self) {
        // SAFETY: the pid is our own unreaped child, so it cannot have been reused.
        unsafe {
            libc::kill(self.0, libc::SIGKILL);
            libc::waitpid(self.0, core::ptr::null_mut(), 0);
        }
    }
}
