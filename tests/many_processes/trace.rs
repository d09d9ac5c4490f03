//! A forked process that can be led from instruction to instruction and killed behind any of them.
//!
//! For roles only: it forks, so the process must have no other thread that holds a lock.

use crate::common::rng::Rng;

/// What a traced process came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reached {
    /// The place where it shall stop.
    Place,
    /// The end of what it does.
    End,
}

/// How far to lead a process: by so many stops at system calls (at entry and at exit), then by so many instructions.
#[derive(Clone, Copy, Debug)]
pub struct Way {
    pub calls: u64,
    pub steps: u64,
}

/// Longer operations are led from system call to system call.
const LONG: u64 = 8_000;
/// The most instructions behind a system call.
const BEHIND: u64 = 1500;

/// A process that stands still. Killed and reaped when dropped.
pub struct Traced(i32);

impl Traced {
    /// Forks a process that does `work`, which marks where to begin and where all is done by calling what it is given.
    /// Returns when it stands at the first mark.
    pub fn start(work: impl FnOnce(&dyn Fn())) -> Self {
        // SAFETY: as in `child::fork`; the child never returns from the block below.
        let pid = unsafe { libc::fork() };
        assert!(pid >= 0, "fork");
        if pid == 0 {
            // SAFETY: integers only. The child dies with its parent, and stands still for it.
            unsafe {
                libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
                libc::ptrace(libc::PTRACE_TRACEME, 0, 0, 0);
            }
            let mark = || {
                // SAFETY: two integers; SIGSTOP has no handler, and shows the tracer where this is.
                unsafe { libc::kill(libc::getpid(), libc::SIGSTOP) };
            };
            let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| work(&mark)));
            // SAFETY: ends the process without running what the parent registered for exit.
            unsafe { libc::_exit(i32::from(done.is_err())) };
        }
        let traced = Self(pid);
        assert_eq!(traced.wait(), libc::SIGSTOP, "it stands at its first mark");
        let options = libc::PTRACE_O_EXITKILL | libc::PTRACE_O_TRACESYSGOOD;
        // SAFETY: our own child, which stands still for us; integers only.
        let set = unsafe { libc::ptrace(libc::PTRACE_SETOPTIONS, pid, 0, options) };
        assert_eq!(set, 0, "a traced process takes options");
        traced
    }

    /// Waits until it stands still, and says for which signal.
    fn wait(&self) -> i32 {
        let mut status = 0;
        // SAFETY: our own child, not reaped yet.
        let waited = unsafe { libc::waitpid(self.0, &mut status, 0) };
        assert_eq!(waited, self.0, "a child can be waited for");
        assert!(libc::WIFSTOPPED(status), "it ended by itself: {status:#x}");
        libc::WSTOPSIG(status)
    }

    /// Lets it go on by `request`, `n` times.
    fn go(&self, request: libc::c_uint, n: u64) -> Reached {
        for _ in 0..n {
            // SAFETY: our own child, which stands still for us; integers only, no signal is passed on.
            let went = unsafe { libc::ptrace(request, self.0, 0, 0) };
            assert_eq!(went, 0, "a traced process goes on");
            match self.wait() & 0x7f {
                libc::SIGTRAP => {}
                libc::SIGSTOP => return Reached::End,
                other => panic!("signal {other}"),
            }
        }
        Reached::Place
    }

    /// Leads it along `way`, not beyond its end.
    pub fn lead(&self, way: Way) -> Reached {
        match self.go(libc::PTRACE_SYSCALL, way.calls) {
            Reached::Place => self.go(libc::PTRACE_SINGLESTEP, way.steps),
            Reached::End => Reached::End,
        }
    }

    /// How often it can go on by `request` before its end, at most `most`.
    fn count(&self, request: libc::c_uint, most: u64) -> u64 {
        (0..most)
            .take_while(|_| self.go(request, 1) == Reached::Place)
            .count() as u64
    }

    /// Kills it (SIGKILL).
    pub fn kill(self) {
        drop(self);
    }
}

impl Drop for Traced {
    fn drop(&mut self) {
        // SAFETY: our own child, not reaped yet; a live integer.
        unsafe {
            libc::kill(self.0, libc::SIGKILL);
            libc::waitpid(self.0, std::ptr::null_mut(), 0);
        }
    }
}

/// About `n` places along what `start` starts, the end among them. A short operation is cut into even parts, a long one
/// at each system call and at random behind it.
pub fn ways(n: u64, rng: &mut Rng, mut start: impl FnMut() -> Traced) -> Vec<Way> {
    let length = start().count(libc::PTRACE_SINGLESTEP, LONG);
    let end = Way {
        calls: u64::MAX,
        steps: 0,
    };
    if length < LONG {
        let part = length.div_ceil(n).max(1);
        let first = rng.below(part);
        let steps = (0..n).map(|i| first + i * part);
        let ways = steps.map(|steps| Way { calls: 0, steps });
        return ways.chain([end]).collect();
    }
    let calls = start().count(libc::PTRACE_SYSCALL, u64::MAX);
    let ways = (0..n).map(|i| Way {
        calls: (i * (calls + 1) / n).max(1),
        steps: rng.below(BEHIND),
    });
    ways.chain([end]).collect()
}
