//! Building, installing, compiling and running for the tests of the C ABI. Whatever is made here is removed
//! when its owner is dropped; the links to the libraries stay in cargo's directory for tests.

use annulus::Backing;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// How long a C program may run.
const PATIENCE: Duration = Duration::from_secs(90);

/// The root of the repository.
pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("ffi/ is in the repository")
}

/// Runs `command` and gives what it printed. Panics with its complaints if it fails.
pub fn output_of(command: &mut Command) -> String {
    let output = command
        .output()
        .unwrap_or_else(|e| panic!("{command:?}: {e}"));
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{command:?}: {}\n{complaints}",
        output.status
    );
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// Builds the two C libraries with the profile and the target of this test, and gives the paths that cargo
/// says they have.
///
/// Cargo builds neither for a test on its own, but they are fresh after the first time. Its lock is free
/// while tests run. Where the test's own path says nothing about target and profile, a needless build is
/// the worst that happens.
fn build() -> (PathBuf, PathBuf) {
    let exe = std::env::current_exe().expect("a path");
    // <target directory>[/<target triple>]/<profile>/deps/run-<hash>
    let profile_dir = exe.ancestors().nth(2).expect("two levels up");
    let above = profile_dir.parent().expect("three levels up");
    let profile = match profile_dir.file_name().and_then(|name| name.to_str()) {
        Some("debug") | None => "dev",
        Some(profile) => profile,
    };
    let triple = above
        .file_name()
        .and_then(|name| name.to_str())
        .filter(|name| name.contains("-linux-"));
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args([
        "build",
        "--package",
        "annulus-ffi",
        "--lib",
        "--profile",
        profile,
    ]);
    cargo.args([
        "--message-format",
        "json-render-diagnostics",
        "--manifest-path",
    ]);
    cargo.arg(repository().join("Cargo.toml"));
    match triple {
        None => cargo.arg("--target-dir").arg(above),
        Some(triple) => {
            let target_dir = above.parent().expect("four levels up");
            cargo
                .arg("--target-dir")
                .arg(target_dir)
                .args(["--target", triple])
        }
    };
    let messages = output_of(&mut cargo);
    // The paths are JSON strings; neither needs an escape unless the repository's own path does.
    let built = |file: &str| {
        messages
            .split('"')
            .find(|text| Path::new(text).file_name().is_some_and(|name| name == file))
            .map(PathBuf::from)
            .unwrap_or_else(|| panic!("cargo built no {file}:\n{messages}"))
    };
    (built("libannulus_ffi.so"), built("libannulus_ffi.a"))
}

/// Makes `link` lead to `target`, at once for everybody who looks.
fn link(target: &Path, link: &Path) {
    let mut fresh = link.as_os_str().to_owned();
    fresh.push(format!(".{}", std::process::id()));
    std::os::unix::fs::symlink(target, &fresh).expect("a link is made");
    fs::rename(fresh, link).expect("a link is renamed");
}

/// Puts the libraries under the names that README.md gives them, and gives the directory above `lib`.
pub fn install() -> &'static Path {
    static INSTALLED: OnceLock<PathBuf> = OnceLock::new();
    INSTALLED.get_or_init(|| {
        let (shared, archive) = build();
        let prefix = Path::new(env!("CARGO_TARGET_TMPDIR")).join("annulus-ffi");
        let lib = prefix.join("lib");
        fs::create_dir_all(&lib).expect("a directory for libraries");
        link(&shared, &lib.join("libannulus.so.1"));
        link(Path::new("libannulus.so.1"), &lib.join("libannulus.so"));
        link(&archive, &lib.join("libannulus.a"));
        prefix
    })
}

/// A number that no other call in this process gets.
fn unique() -> u32 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// A ring's name, and the duty to remove what has it in the end.
pub struct Ring {
    pub name: String,
    /// Where a ring of that name would be in a regular file.
    pub path: PathBuf,
}

impl Ring {
    /// A name of this test's own.
    pub fn new(label: &str) -> Self {
        let name = format!("ffi-{label}-{}-{}", std::process::id(), unique());
        let path = install().join(&name);
        Self { name, path }
    }

    /// Whether anything of that name is there still: the ring, its semaphores, its file.
    pub fn exists(&self) -> bool {
        let shm = fs::read_dir("/dev/shm").expect("/dev/shm is readable");
        self.path.exists()
            || annulus::inspect(Backing::SysV { key: None }, &self.name).is_ok()
            || shm
                .flatten()
                .any(|entry| entry.file_name().to_string_lossy().contains(&self.name))
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        // Most were never made, or are gone already.
        let _ = annulus::unlink(Backing::PosixShm, &self.name);
        let _ = annulus::unlink(Backing::SysV { key: None }, &self.name);
        let _ = fs::remove_file(&self.path);
    }
}

/// How a C or C++ program is given the library.
#[derive(Clone, Copy, Debug)]
pub enum Linking {
    Static,
    Shared,
}

/// A C or C++ program that runs. Dropping it ends it and removes the executable.
pub struct Running {
    child: Child,
    exe: PathBuf,
}

/// Compiles `source`, a path in the repository, and starts it.
pub fn run(source: &str, linking: Linking, args: &[&str]) -> Running {
    let prefix = install();
    let lib = prefix.join("lib");
    let exe = prefix.join(format!("program-{}-{}", std::process::id(), unique()));
    let (compiler, standard) = match source.ends_with(".cpp") {
        true => ("c++", "-std=c++17"),
        false => ("cc", "-std=c11"),
    };
    let mut cc = Command::new(compiler);
    cc.args([
        standard,
        "-O1",
        "-g",
        "-Wall",
        "-Wextra",
        "-Werror",
        "-pedantic",
        "-I",
    ]);
    cc.arg(repository().join("include"));
    cc.arg(repository().join(source)).arg("-o").arg(&exe);
    match linking {
        Linking::Static => cc
            .arg(lib.join("libannulus.a"))
            .args(["-lpthread", "-ldl", "-lm"]),
        Linking::Shared => {
            let rpath = format!("-Wl,-rpath,{}", lib.display());
            cc.arg("-L").arg(&lib).args(["-lannulus", &rpath])
        }
    };
    output_of(&mut cc);
    let mut program = Command::new(&exe);
    program
        .args(args)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    // The tests' own library path leads to cargo's outputs; the programs have theirs built in.
    program.env_remove("LD_LIBRARY_PATH");
    let child = program
        .spawn()
        .unwrap_or_else(|e| panic!("{program:?}: {e}"));
    Running { child, exe }
}

impl Running {
    /// Waits for the end of the program, which must be a good one, and gives what it printed.
    pub fn must_succeed(mut self) -> String {
        let deadline = Instant::now() + PATIENCE;
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("a child can be waited for") {
                break status;
            }
            assert!(
                Instant::now() < deadline,
                "the program still runs after {PATIENCE:?}"
            );
            std::thread::sleep(Duration::from_millis(2));
        };
        let mut said = String::new();
        let mut complained = String::new();
        let stdout = self.child.stdout.as_mut().expect("piped");
        stdout.read_to_string(&mut said).expect("UTF-8");
        let stderr = self.child.stderr.as_mut().expect("piped");
        stderr.read_to_string(&mut complained).expect("UTF-8");
        assert!(status.success(), "{status}\n{said}{complained}");
        assert_eq!(complained, "", "nothing is printed to stderr");
        said
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Fails if it has ended, which is the usual case.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_file(&self.exe);
    }
}
