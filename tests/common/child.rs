//! Children: this test binary run again in a process of its own, playing one named role.
//!
//! A fresh process (and not a fork of the threaded test harness) may do everything: allocate, panic, start
//! threads. It talks in lines: what the parent says comes on standard input, what it reports goes to
//! standard output after an `@`. It dies with its parent, and after two minutes in any case.
//!
//! Each binary that uses children has one test that calls [`play`]; run without a role it does nothing.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{ChildStdin, ChildStdout, Command, Stdio};

/// The name of the test that plays roles, in every binary.
const ENTRY: &str = "a_child_plays_the_role_it_was_given";
/// The number under which an inherited descriptor is found.
pub const INHERITED: i32 = 100;

/// Named values for a role.
#[derive(Clone, Debug, Default)]
pub struct Args(BTreeMap<String, String>);

impl Args {
    /// The same with one more value.
    pub fn with(mut self, name: &str, value: impl ToString) -> Self {
        self.0.insert(name.to_owned(), value.to_string());
        self
    }

    /// The value `name`, which must be there.
    pub fn get(&self, name: &str) -> &str {
        self.0
            .get(name)
            .unwrap_or_else(|| panic!("the role needs {name}"))
    }

    /// The value `name` as a number.
    pub fn number(&self, name: &str) -> u64 {
        self.get(name).parse().expect("a number")
    }

    fn to_text(&self) -> String {
        let lines: Vec<String> = self.0.iter().map(|(k, v)| format!("{k}={v}")).collect();
        lines.join("\n")
    }

    fn from_text(text: &str) -> Self {
        let pairs = text.lines().filter_map(|line| line.split_once('='));
        Self(pairs.map(|(k, v)| (k.to_owned(), v.to_owned())).collect())
    }
}

/// A child process. Killed and reaped when dropped.
#[derive(Debug)]
pub struct Child {
    process: std::process::Child,
    to: Option<ChildStdin>,
    from: BufReader<ChildStdout>,
    role: String,
}

/// How a child is started.
pub struct Start<'a> {
    role: &'a str,
    args: Args,
    inherit: Option<BorrowedFd<'a>>,
    /// A program and its arguments that run the child, such as a tracer.
    under: Vec<String>,
}

impl<'a> Start<'a> {
    /// A child that will play `role`.
    pub fn new(role: &'a str, args: Args) -> Self {
        Self {
            role,
            args,
            inherit: None,
            under: Vec::new(),
        }
    }

    /// Lets the child inherit `fd` as number [`INHERITED`].
    pub fn inherit(mut self, fd: BorrowedFd<'a>) -> Self {
        self.inherit = Some(fd);
        self
    }

    /// Runs the child under another program.
    pub fn under(mut self, program: &[&str]) -> Self {
        self.under = program.iter().map(|&word| word.to_owned()).collect();
        self
    }

    /// Starts it.
    pub fn go(self) -> Child {
        let me = std::env::current_exe().expect("a test binary has a path");
        let mut command = match self.under.split_first() {
            None => Command::new(&me),
            Some((program, words)) => {
                let mut command = Command::new(program);
                command.args(words).arg(&me);
                command
            }
        };
        command
            .args([ENTRY, "--exact", "--nocapture", "--test-threads=1"])
            .env("ANNULUS_ROLE", self.role)
            .env("ANNULUS_ARGS", self.args.to_text())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        if let Some(fd) = self.inherit {
            let fd = fd.as_raw_fd();
            // SAFETY: between fork and exec it makes one system call; the copy lacks close-on-exec.
            unsafe {
                command.pre_exec(move || match libc::dup2(fd, INHERITED) {
                    -1 => Err(std::io::Error::last_os_error()),
                    _ => Ok(()),
                })
            };
        }
        let mut process = command.spawn().expect("this binary can be run");
        Child {
            to: process.stdin.take(),
            from: BufReader::new(process.stdout.take().expect("piped")),
            role: self.role.to_owned(),
            process,
        }
    }
}

impl Child {
    /// Starts a child without anything special.
    pub fn start(role: &str, args: Args) -> Self {
        Start::new(role, args).go()
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// The next thing it reports.
    pub fn hear(&mut self) -> String {
        loop {
            let mut line = String::new();
            let n = self
                .from
                .read_line(&mut line)
                .expect("the child's output is text");
            if n == 0 {
                let status = self.process.wait();
                panic!("the child '{}' ended without a word: {status:?}", self.role);
            }
            if let Some((_, report)) = line.trim_end().split_once('@') {
                return report.to_owned();
            }
        }
    }

    /// Waits until it reports exactly this.
    pub fn expect(&mut self, report: &str) {
        assert_eq!(
            self.hear(),
            report,
            "the report of the child '{}'",
            self.role
        );
    }

    /// Says a line to it.
    pub fn say(&mut self, line: &str) {
        let to = self.to.as_mut().expect("not finished yet");
        writeln!(to, "{line}").expect("the child listens");
    }

    /// Waits for it to end by itself, in good order.
    pub fn finish(mut self) {
        drop(self.to.take());
        let status = self.process.wait().expect("a child can be waited for");
        assert!(status.success(), "the child '{}': {status}", self.role);
    }

    /// Stops it with SIGSTOP; returns when it stands.
    pub fn stop(&self) {
        self.signal(libc::SIGSTOP);
        self.until_stopped();
    }

    /// Waits until it stands (SIGSTOP).
    pub fn until_stopped(&self) {
        super::eventually("the child stands still", || self.state() == Some('T'));
    }

    /// Kills it with SIGKILL and reaps it.
    pub fn kill(&mut self) {
        self.signal(libc::SIGKILL);
        let status = self.process.wait().expect("a child can be waited for");
        assert_eq!(
            status.signal(),
            Some(libc::SIGKILL),
            "'{}': {status}",
            self.role
        );
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: i32) {
        // SAFETY: our own child, not reaped yet, so the id is still its own.
        let sent = unsafe { libc::kill(self.pid() as i32, signal) };
        assert_eq!(sent, 0, "a child takes signals");
    }

    /// The state letter the kernel shows for it.
    fn state(&self) -> Option<char> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid())).ok()?;
        stat[stat.rfind(')')? + 1..].trim_start().chars().next()
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// What a child can be: the name of a role, and what it does.
pub type Role = (&'static str, fn(&Args));

/// Plays the role this process was started for, then exits; does nothing in an ordinary test run.
pub fn play(roles: &[Role]) {
    let Ok(role) = std::env::var("ANNULUS_ROLE") else {
        return;
    };
    // SAFETY: integers only. The kernel kills this process when the thread that started it ends, and after
    // two minutes.
    unsafe {
        libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
        libc::alarm(120);
    }
    let args = Args::from_text(&std::env::var("ANNULUS_ARGS").unwrap_or_default());
    let (_, part) = roles
        .iter()
        .find(|(name, _)| *name == role)
        .unwrap_or_else(|| panic!("no role {role}"));
    part(&args);
    std::process::exit(0);
}

/// In a child: tells the parent.
pub fn report(what: &str) {
    let mut out = std::io::stdout().lock();
    // The test harness leaves its line open; begin one.
    let written = write!(out, "\n@{what}\n").and_then(|()| out.flush());
    written.expect("the parent listens");
}

/// In a child: waits for the parent's next line. Empty once the parent has hung up.
pub fn listen() -> String {
    let mut line = String::new();
    std::io::stdin()
        .read_line(&mut line)
        .expect("the parent speaks text");
    line.trim_end().to_owned()
}

/// In a child: stands still until it is continued or killed.
pub fn stand_still() {
    // SAFETY: takes one integer; SIGSTOP has no handler.
    unsafe { libc::raise(libc::SIGSTOP) };
}

/// In a child: ends this process as `kill -9` does.
pub fn kill_myself() -> ! {
    // SAFETY: takes one integer; SIGKILL has no handler.
    unsafe { libc::raise(libc::SIGKILL) };
    unreachable!("nobody survives SIGKILL")
}

/// Forks. The child runs `work` and exits: 0 when it returned, 1 when it panicked. Only for processes that
/// play a role and have started no threads.
pub fn fork(work: impl FnOnce()) -> Forked {
    // SAFETY: the only other thread of this process is the harness's, which waits for this one and holds no
    // lock; the child never returns from this block.
    let pid = unsafe { libc::fork() };
    assert!(pid >= 0, "fork");
    if pid == 0 {
        let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
        // SAFETY: ends the process without running what the parent registered for exit.
        unsafe { libc::_exit(i32::from(done.is_err())) };
    }
    Forked(pid)
}

/// A forked child, waited for at the latest when dropped.
pub struct Forked(i32);

impl Forked {
    /// Waits for it to end in good order.
    pub fn finish(self) {
        let mut status = 0;
        // SAFETY: our own child, reaped only here.
        let reaped = unsafe { libc::waitpid(self.0, &mut status, 0) };
        assert_eq!(
            (reaped, status),
            (self.0, 0),
            "the forked child did its work"
        );
        std::mem::forget(self);
    }
}

impl Forked {
    /// Its process id.
    pub fn pid(&self) -> i32 {
        self.0
    }

    /// Leaves it to itself: it is neither killed nor waited for. Its process id comes back.
    pub fn leave(self) -> i32 {
        let pid = self.0;
        std::mem::forget(self);
        pid
    }

    /// Waits for it to end by SIGKILL.
    pub fn until_killed(self) {
        let mut status = 0;
        // SAFETY: our own child, reaped only here.
        let reaped = unsafe { libc::waitpid(self.0, &mut status, 0) };
        assert_eq!(reaped, self.0, "a child can be waited for");
        assert_eq!(libc::WTERMSIG(status), libc::SIGKILL, "{status:#x}");
        std::mem::forget(self);
    }
}

impl Drop for Forked {
    fn drop(&mut self) {
        // SAFETY: our own child, not reaped yet.
        unsafe {
            libc::kill(self.0, libc::SIGKILL);
            libc::waitpid(self.0, std::ptr::null_mut(), 0);
        }
    }
}
