//! A forked process that can be led from instruction to instruction and killed behind any of them.
//!
//! For roles only: it forks, so the process must have no other thread that holds a lock.

use std::cell::Cell;
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// What a traced process came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reached {
    /// The place where it shall stop.
    Place,
    /// The end of what it does.
    End,
}

/// How far to lead a process: through so many system calls, then until it has come to an instruction so many times, then
/// by so many instructions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Way {
    pub calls: u64,
    pub address: Option<(u64, u64)>,
    pub steps: u64,
}

/// The whole way.
pub const END: Way = Way {
    calls: u64::MAX,
    address: None,
    steps: 0,
};

/// The addresses of the instructions from one system call to the next, both the first behind the one and the other
/// itself among them; `None` if they were not looked at.
pub type Stretch = Option<Vec<u64>>;

/// `int3`, which stops whoever comes to it, with the address behind it.
const BREAK: i64 = 0xcc;

/// `syscall`, the only instruction that enters the kernel by intention.
const SYSCALL: i64 = 0x050f;

/// A process that stands still, or runs until its next mark. Killed and reaped when dropped.
pub struct Traced {
    pid: i32,
    /// Whether it has ended by itself and was reaped.
    gone: Cell<bool>,
}

impl Traced {
    /// Forks a process that does `work`, which marks where to begin and where all is done by calling what it is given.
    /// Returns when it stands at the first mark.
    pub fn start(work: impl FnOnce(&dyn Fn())) -> Self {
        // SAFETY: as in `child::fork`; the child never returns from the block below.
        let pid = unsafe { libc::fork() };
        assert!(pid >= 0, "fork");
        if pid == 0 {
            // SAFETY: integers only. The child dies with its parent, and stands still for it.
            let me = unsafe {
                libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
                libc::ptrace(libc::PTRACE_TRACEME, 0, 0, 0);
                libc::getpid()
            };
            let mark = || {
                // SAFETY: two integers; SIGSTOP has no handler, and shows the tracer where this is.
                unsafe { libc::kill(me, libc::SIGSTOP) };
            };
            let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| work(&mark)));
            // SAFETY: ends the process without running what the parent registered for exit.
            unsafe { libc::_exit(i32::from(done.is_err())) };
        }
        let gone = Cell::new(false);
        let traced = Self { pid, gone };
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
        let waited = unsafe { libc::waitpid(self.pid, &mut status, 0) };
        assert_eq!(waited, self.pid, "a child can be waited for");
        self.stopped_by(status)
    }

    /// The signal for which it stands still, as `status` says.
    fn stopped_by(&self, status: i32) -> i32 {
        self.gone.set(!libc::WIFSTOPPED(status));
        assert!(!self.gone.get(), "it ended by itself: {status:#x}");
        libc::WSTOPSIG(status)
    }

    /// Lets it go on as `request` says.
    fn resume(&self, request: libc::c_uint) {
        // SAFETY: our own child, which stands still for us; integers only, no signal is passed on.
        let went = unsafe { libc::ptrace(request, self.pid, 0, 0) };
        assert_eq!(went, 0, "a traced process goes on");
    }

    /// Lets it go on as `request` says until it stands again.
    fn go(&self, request: libc::c_uint) -> Reached {
        self.resume(request);
        match self.wait() & 0x7f {
            libc::SIGTRAP => Reached::Place,
            libc::SIGSTOP => Reached::End,
            other => panic!("signal {other}"),
        }
    }

    fn registers(&self) -> libc::user_regs_struct {
        // SAFETY: plain integers, for which zero is a value.
        let mut registers: libc::user_regs_struct = unsafe { std::mem::zeroed() };
        // SAFETY: our own child, which stands still for us; a live buffer of the right type.
        let got = unsafe { libc::ptrace(libc::PTRACE_GETREGS, self.pid, 0, &raw mut registers) };
        assert_eq!(got, 0, "a traced process shows its registers");
        registers
    }

    /// Whether the two bytes at `address` are a system call.
    fn is_call(&self, address: u64) -> bool {
        // SAFETY: our own child, which stands still for us; integers only.
        let word = unsafe { libc::ptrace(libc::PTRACE_PEEKTEXT, self.pid, address, 0) };
        word & 0xffff == SYSCALL
    }

    /// Lets it go through the next system call; calls `at_futex` before if it is one that sleeps or wakes.
    fn through_call(&self, at_futex: &mut dyn FnMut()) -> Reached {
        if self.go(libc::PTRACE_SYSCALL) == Reached::End {
            return Reached::End;
        }
        match self.registers().orig_rax as i64 {
            libc::SYS_kill => return Reached::End,
            libc::SYS_futex => at_futex(),
            _ => {}
        }
        self.go(libc::PTRACE_SYSCALL)
    }

    /// Runs until it has come to the instruction at `address` so many `times`, or to the next system call if that is
    /// before.
    fn run_to(&self, address: u64, times: u64) -> Reached {
        for turn in 0..times {
            if turn > 0 && self.go(libc::PTRACE_SINGLESTEP) == Reached::End {
                return Reached::End;
            }
            // SAFETY: our own child, which stands still for us; its text is its own copy.
            let (word, set) = unsafe {
                let word = libc::ptrace(libc::PTRACE_PEEKTEXT, self.pid, address, 0);
                let stop = word & !0xff | BREAK;
                let set = libc::ptrace(libc::PTRACE_POKETEXT, self.pid, address, stop);
                (word, set)
            };
            assert_eq!(set, 0, "a traced process can be written to");
            if self.go(libc::PTRACE_SYSCALL) == Reached::End {
                return Reached::End;
            }
            let mut registers = self.registers();
            let there = registers.rip == address + 1;
            // SAFETY: as above; a live buffer of the right type.
            unsafe {
                libc::ptrace(libc::PTRACE_POKETEXT, self.pid, address, word);
                if there {
                    registers.rip = address;
                    libc::ptrace(libc::PTRACE_SETREGS, self.pid, 0, &raw const registers);
                }
            }
            if !there {
                break;
            }
        }
        Reached::Place
    }

    /// Leads it along `way`, not beyond its end. Calls `at_futex` before it enters that system call.
    pub fn lead(&self, way: Way, at_futex: &mut dyn FnMut()) -> Reached {
        for _ in 0..way.calls {
            if self.through_call(at_futex) == Reached::End {
                return Reached::End;
            }
        }
        if let Some((address, times)) = way.address
            && self.run_to(address, times) == Reached::End
        {
            return Reached::End;
        }
        for _ in 0..way.steps {
            if self.go(libc::PTRACE_SINGLESTEP) == Reached::End {
                return Reached::End;
            }
        }
        Reached::Place
    }

    /// Leads it to its end. Says where it came from system call to system call, until there were `most` instructions.
    pub fn look(&self, most: u64, at_futex: &mut dyn FnMut()) -> Vec<Stretch> {
        let mut calls: HashMap<u64, bool> = HashMap::new();
        let (mut stretches, mut sum) = (Vec::new(), 0);
        loop {
            let mut stretch = Vec::new();
            while sum < most {
                let at = self.registers();
                stretch.push(at.rip);
                if *calls.entry(at.rip).or_insert_with(|| self.is_call(at.rip)) {
                    if at.rax as i64 == libc::SYS_kill {
                        stretches.push(Some(stretch));
                        return stretches;
                    }
                    break;
                }
                let went = self.go(libc::PTRACE_SINGLESTEP);
                assert_eq!(went, Reached::Place, "no end yet");
                sum += 1;
            }
            stretches.push((sum < most).then_some(stretch));
            if self.through_call(at_futex) == Reached::End {
                return stretches;
            }
        }
    }

    /// Lets it run, and waits until it sleeps in the kernel.
    pub fn sleep(&self, patience: Duration) {
        self.resume(libc::PTRACE_CONT);
        let until = Instant::now() + patience;
        while self.state() != Some('S') {
            assert!(Instant::now() < until, "it does not go to sleep");
            std::thread::sleep(Duration::from_micros(30));
        }
    }

    /// Waits until it stands at its next mark.
    pub fn until_mark(&self, patience: Duration) {
        let until = Instant::now() + patience;
        let mut status = 0;
        // SAFETY: our own child, not reaped yet.
        while unsafe { libc::waitpid(self.pid, &mut status, libc::WNOHANG) } == 0 {
            assert!(Instant::now() < until, "it sleeps on");
            std::thread::sleep(Duration::from_micros(100));
        }
        assert_eq!(self.stopped_by(status), libc::SIGSTOP);
    }

    /// The state letter the kernel shows for it.
    fn state(&self) -> Option<char> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid)).ok()?;
        stat[stat.rfind(')')? + 1..].trim_start().chars().next()
    }

    /// Kills it (SIGKILL).
    pub fn kill(self) {
        drop(self);
    }
}

impl Drop for Traced {
    fn drop(&mut self) {
        if self.gone.get() {
            return;
        }
        // SAFETY: our own child, not reaped yet; a live integer.
        unsafe {
            libc::kill(self.pid, libc::SIGKILL);
            libc::waitpid(self.pid, std::ptr::null_mut(), 0);
        }
    }
}
