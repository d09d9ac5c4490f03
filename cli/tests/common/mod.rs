//! What the tests of the tool share: names that are cleaned up, processes that do not outlive a test.

#![allow(dead_code, reason = "every test file uses a part")]

use annulus::Backing;
use std::fs;
use std::io::Read;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// How long anything may take before a test gives up.
pub const LIMIT: Duration = Duration::from_secs(20);

/// The tool, as a shell starts it in the foreground: it can be interrupted, also if this process cannot.
pub fn annulus() -> Command {
    let mut tool = Command::new(env!("CARGO_BIN_EXE_annulus"));
    // SAFETY: no handler is installed, only the default one.
    let heed = || match unsafe { libc::signal(libc::SIGINT, libc::SIG_DFL) } {
        libc::SIG_ERR => Err(std::io::Error::last_os_error()),
        _ => Ok(()),
    };
    // SAFETY: between fork and exec it makes one system call.
    unsafe { tool.pre_exec(heed) };
    tool
}

/// A backing in which two processes can meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    Posix,
    SysV,
    File,
}

pub const PLACES: [Place; 3] = [Place::Posix, Place::SysV, Place::File];

/// A directory and a ring name of one test. Both are gone when it is dropped, also on failure.
pub struct Scene {
    pub dir: PathBuf,
    pub place: Place,
    pub name: String,
}

impl Scene {
    pub fn new(place: Place) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let unique = format!("annulus-cli-test-{}-{number}", std::process::id());
        let dir = std::env::temp_dir().join(&unique);
        fs::create_dir(&dir).unwrap();
        let name = match place {
            Place::File => dir.join("ring").display().to_string(),
            _ => unique,
        };
        Self { dir, place, name }
    }

    pub fn backing(&self) -> Backing {
        match self.place {
            Place::Posix => Backing::PosixShm,
            Place::SysV => Backing::SysV { key: None },
            Place::File => Backing::File,
        }
    }

    fn backing_name(&self) -> &'static str {
        match self.place {
            Place::Posix => "posix-shm",
            Place::SysV => "sysv",
            Place::File => "file",
        }
    }

    /// `annulus COMMAND NAME --backing ...`.
    pub fn tool(&self, command: &str) -> Command {
        let mut tool = annulus();
        tool.args([command, &self.name, "--backing", self.backing_name()]);
        tool
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// Whether the ring is there.
    pub fn exists(&self) -> bool {
        annulus::inspect(self.backing(), &self.name).is_ok()
    }

    /// Waits until the ring is there and `holds` of it.
    pub fn wait_until(&self, holds: impl Fn(&annulus::Status) -> bool) -> annulus::Status {
        let give_up = Instant::now() + LIMIT;
        loop {
            match annulus::inspect(self.backing(), &self.name) {
                Ok(status) if holds(&status) => return status,
                _ => assert!(Instant::now() < give_up, "the ring did not come to that"),
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Nothing of the ring is left.
    #[track_caller]
    pub fn assert_clean(&self) {
        assert!(!self.exists(), "{} was left behind", self.name);
        if self.place != Place::File {
            assert!(!Path::new("/dev/shm").join(&self.name).exists());
        }
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        let _ = annulus::unlink(self.backing(), &self.name);
        let _ = fs::remove_dir_all(&self.dir);
    }
}

/// A process that does not outlive its test.
pub struct Running(pub Child);

impl Running {
    pub fn start(command: &mut Command) -> Self {
        Self(command.stderr(Stdio::piped()).spawn().unwrap())
    }

    pub fn pid(&self) -> i32 {
        self.0.id().cast_signed()
    }

    /// Its end and what it said on stderr; fails when it takes longer than `limit`.
    #[track_caller]
    pub fn end_within(mut self, limit: Duration) -> (ExitStatus, String) {
        let give_up = Instant::now() + limit;
        let status = loop {
            if let Some(status) = self.0.try_wait().unwrap() {
                break status;
            }
            assert!(Instant::now() < give_up, "still running after {limit:?}");
            std::thread::sleep(Duration::from_millis(2));
        };
        let mut said = String::new();
        if let Some(mut stderr) = self.0.stderr.take() {
            stderr.read_to_string(&mut said).unwrap();
        }
        (status, said)
    }

    #[track_caller]
    pub fn end(self) -> (ExitStatus, String) {
        self.end_within(LIMIT)
    }

    pub fn signal(&self, signal: i32) {
        // SAFETY: the child is ours and not reaped yet, so the pid is its.
        unsafe { libc::kill(self.pid(), signal) };
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Runs a command to its end; stdin is empty.
pub fn run(command: &mut Command) -> Output {
    command.stdin(Stdio::null()).output().unwrap()
}

/// What a finished command said on stderr.
pub fn stderr_of(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// `n` bytes without a pattern (xorshift64*).
pub fn noise(n: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64 ^ n as u64;
    let mut bytes = Vec::with_capacity(n + 8);
    while bytes.len() < n {
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        bytes.extend(state.wrapping_mul(0x2545_f491_4f6c_dd1d).to_le_bytes());
    }
    bytes.truncate(n);
    bytes
}
