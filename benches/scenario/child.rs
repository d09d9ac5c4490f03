//! A forked partner whose end is checked.
//!
//! The child runs one closure and leaves through `_exit`: it never returns into its parent's stack, never flushes its
//! parent's buffers, and dies with its parent. It must be forked from a process with one thread.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Exit status of a child whose closure returned an error.
const FAILED: i32 = 1;
/// Exit status of a child whose closure panicked.
const PANICKED: i32 = 101;

/// A child process. Dropping it without `join` kills it and reaps it.
#[derive(Debug)]
#[must_use = "a child that is not joined is killed"]
pub struct Child {
    pid: libc::pid_t,
    reaped: bool,
}

/// Forks; the child runs `work` and exits 0, or prints the error to stderr and exits 1 (101 after a panic).
pub fn spawn(work: impl FnOnce() -> Result<(), String>) -> io::Result<Child> {
    // SAFETY: `getpid` has no preconditions.
    let parent = unsafe { libc::getpid() };
    // SAFETY: the caller's process has one thread (module contract), so no lock is held by a thread the child lacks.
    let pid = unsafe { libc::fork() };
    match pid {
        -1 => Err(io::Error::last_os_error()),
        0 => run_and_exit(parent, work),
        pid => Ok(Child { pid, reaped: false }),
    }
}

fn run_and_exit(parent: libc::pid_t, work: impl FnOnce() -> Result<(), String>) -> ! {
    // SAFETY: PR_SET_PDEATHSIG takes a signal number and touches no memory of ours.
    unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
    // SAFETY: `getppid` has no preconditions.
    let orphaned = unsafe { libc::getppid() } != parent;
    let status = if orphaned {
        FAILED
    } else {
        match catch_unwind(AssertUnwindSafe(work)) {
            Ok(Ok(())) => 0,
            Ok(Err(message)) => {
                eprintln!("{message}");
                FAILED
            }
            Err(_) => PANICKED,
        }
    };
    // SAFETY: `_exit` ends the process at once and has no preconditions.
    unsafe { libc::_exit(status) }
}

impl Child {
    /// Process id of the child.
    pub fn pid(&self) -> libc::pid_t {
        self.pid
    }

    /// Waits until the child is stopped; an error when it ended instead.
    pub fn wait_until_stopped(&mut self) -> Result<(), String> {
        let mut status = 0;
        // SAFETY: `pid` is our own child, not reaped yet; `status` is live and writable.
        let pid = unsafe { libc::waitpid(self.pid, &mut status, libc::WUNTRACED) };
        if pid != self.pid {
            return Err(format!("waitpid: {}", io::Error::last_os_error()));
        }
        if libc::WIFSTOPPED(status) {
            return Ok(());
        }
        self.reaped = true;
        Err(String::from("the child process ended instead of stopping"))
    }

    /// Lets a stopped child go on.
    pub fn resume(&self) {
        // SAFETY: an unreaped child keeps its pid, so the signal reaches our child and nobody else.
        unsafe { libc::kill(self.pid, libc::SIGCONT) };
    }

    /// Waits for the child. An error says with which status or by which signal it ended when that was not status 0.
    pub fn join(mut self) -> Result<(), String> {
        let status = self.reap().map_err(|error| format!("waitpid: {error}"))?;
        if libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 0 {
            Ok(())
        } else if libc::WIFEXITED(status) {
            let code = libc::WEXITSTATUS(status);
            Err(format!("the child process ended with status {code}"))
        } else {
            let signal = libc::WTERMSIG(status);
            Err(format!("the child process was ended by signal {signal}"))
        }
    }

    fn reap(&mut self) -> io::Result<i32> {
        let mut status = 0;
        loop {
            // SAFETY: `pid` is our own child, not reaped yet; `status` is live and writable.
            let pid = unsafe { libc::waitpid(self.pid, &mut status, 0) };
            if pid == self.pid {
                self.reaped = true;
                return Ok(status);
            }
            let error = io::Error::last_os_error();
            if error.kind() != io::ErrorKind::Interrupted {
                return Err(error);
            }
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if !self.reaped {
            // SAFETY: an unreaped child keeps its pid, so the signal reaches our child and nobody else.
            unsafe { libc::kill(self.pid, libc::SIGKILL) };
            // A failure here leaves a zombie until this process ends; there is nobody to tell.
            let _ = self.reap();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_child_is_reported_to_its_parent() {
        assert_eq!(spawn(|| Ok(())).unwrap().join(), Ok(()));
        let failed = spawn(|| Err(String::from("expected by this test"))).unwrap();
        assert!(failed.join().unwrap_err().contains("status 1"));
    }

    #[test]
    fn a_child_that_stops_is_seen_and_goes_on() {
        let mut child = spawn(|| {
            // SAFETY: stops this process and nothing else.
            unsafe { libc::raise(libc::SIGSTOP) };
            Ok(())
        })
        .unwrap();
        assert_eq!(child.wait_until_stopped(), Ok(()));
        child.resume();
        assert_eq!(child.join(), Ok(()));
        let mut ended = spawn(|| Ok(())).unwrap();
        assert!(ended.wait_until_stopped().is_err());
    }

    #[test]
    fn a_child_that_is_dropped_is_killed_and_reaped() {
        let child = spawn(|| {
            loop {
                std::thread::park();
            }
        })
        .unwrap();
        let pid = child.pid();
        drop(child);
        // SAFETY: signal 0 only asks whether the process exists.
        assert_eq!(unsafe { libc::kill(pid, 0) }, -1);
    }
}
