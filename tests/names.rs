//! What may lie at a ring's name, and what the library says about it.
//!
//! Every case ends in a typed error that names what is wrong, leaves a stranger's object as it was, and
//! never hangs. Also: creation is all or nothing, when it is killed, raced, or runs out of space. Cases that
//! need privileges print why they are skipped where those are missing.

use annulus::{
    Backing, CreateError, HugePages, NotARing, OpenError, Ring, WaitBackend, spsc, unlink,
};
use std::ffi::CString;
use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::fs::{FileExt, FileTypeExt, MetadataExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

// ---- helpers ----------------------------------------------------------------------------------------------

/// A name that nobody else uses now.
fn unique(what: &str) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let n = COUNT.fetch_add(1, Ordering::Relaxed);
    format!("annulus-names-{}-{n}-{what}", std::process::id())
}

fn shm_path(name: &str) -> PathBuf {
    Path::new("/dev/shm").join(name)
}

/// Whatever lies at a path; removed in the end.
struct Scratch(PathBuf);

impl Drop for Scratch {
    fn drop(&mut self) {
        if fs::symlink_metadata(&self.0).is_ok_and(|m| m.is_dir()) {
            let _ = fs::remove_dir_all(&self.0);
        } else {
            let _ = fs::remove_file(&self.0);
        }
    }
}

/// An empty directory of its own.
fn directory(what: &str) -> Scratch {
    let path = std::env::temp_dir().join(unique(what));
    fs::create_dir(&path).expect("a fresh directory");
    Scratch(path)
}

/// A System V key; its segment and semaphore set are removed in the end.
struct Key(i32);

impl Key {
    fn unique() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let n = COUNT.fetch_add(1, Ordering::Relaxed);
        Self((0x3100_0000 ^ (std::process::id() << 8 & 0xff_ff00) ^ (n & 0xff)) as i32)
    }

    fn backing(&self) -> Backing {
        Backing::SysV { key: Some(self.0) }
    }

    fn shm(&self) -> i32 {
        // SAFETY: three integers.
        unsafe { libc::shmget(self.0, 0, 0) }
    }

    fn sems(&self) -> i32 {
        // SAFETY: three integers.
        unsafe { libc::semget(self.0, 0, 0) }
    }

    /// A stranger's segment, whose bytes are `fill`.
    fn foreign_shm(&self, bytes: usize, fill: u8) -> i32 {
        // SAFETY: three integers; then a fresh segment is attached, filled to its size and detached.
        unsafe {
            let id = libc::shmget(self.0, bytes, libc::IPC_CREAT | libc::IPC_EXCL | 0o600);
            assert!(id >= 0, "shmget: {}", std::io::Error::last_os_error());
            let at = libc::shmat(id, std::ptr::null(), 0);
            assert_ne!(at as isize, -1);
            at.cast::<u8>().write_bytes(fill, bytes);
            libc::shmdt(at);
            id
        }
    }

    /// A stranger's semaphore set of `n`, the first of which it uses as a lock, free now.
    fn foreign_sems(&self, n: i32) -> i32 {
        // SAFETY: integers, and live operations.
        unsafe {
            let id = libc::semget(self.0, n, libc::IPC_CREAT | libc::IPC_EXCL | 0o600);
            assert!(id >= 0, "semget: {}", std::io::Error::last_os_error());
            let op = |sem_op| libc::sembuf {
                sem_num: 0,
                sem_op,
                sem_flg: 0,
            };
            let mut ops = [op(1), op(-1)];
            assert_eq!(0, libc::semop(id, ops.as_mut_ptr(), 1));
            assert_eq!(0, libc::semop(id, ops[1..].as_mut_ptr(), 1));
            id
        }
    }
}

impl Drop for Key {
    fn drop(&mut self) {
        // SAFETY: integers; ids of objects that may be gone are refused.
        unsafe {
            libc::shmctl(self.shm(), libc::IPC_RMID, std::ptr::null_mut());
            libc::semctl(self.sems(), 0, libc::IPC_RMID);
        }
    }
}

fn is_root() -> bool {
    // SAFETY: takes nothing, cannot fail.
    unsafe { libc::geteuid() == 0 }
}

fn no_option<V: std::fmt::Debug>(result: Result<V, CreateError>, wanted: &str) {
    match result {
        Err(CreateError::InvalidOption { option, rule }) => {
            assert_eq!(option, wanted);
            assert!(!rule.is_empty());
        }
        other => panic!("wanted a refusal of {wanted}, got {other:?}"),
    }
}

fn mismatch(result: Result<Ring<u64>, OpenError>, wanted: &str) {
    match result {
        Err(OpenError::Mismatch {
            field,
            expected,
            found,
        }) => {
            assert_eq!(field, wanted, "expected {expected}, found {found}");
            assert_ne!(expected, found);
        }
        other => panic!("wanted a mismatch of {wanted}, got {other:?}"),
    }
}

/// Runs a role of this file in a process of its own.
fn child(role: &str, args: &[&str]) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("own path"));
    command
        .args([
            "--exact",
            "a_child_process_plays_its_role",
            "--nocapture",
            "--quiet",
        ])
        .env("ANNULUS_NAMES_ROLE", role)
        .env("ANNULUS_NAMES_ARGS", args.join("\n"));
    command
}

/// Runs a role to its end and panics with what it said if it failed.
fn run_child(role: &str, args: &[&str]) {
    let output = child(role, args).output().expect("start");
    let said = String::from_utf8_lossy(&output.stdout);
    for line in said.lines().filter(|l| l.contains("skipped")) {
        println!("{line}");
    }
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{role}: {said}\n{error}");
}

/// Not a test by itself: what the other processes of this file do.
#[test]
fn a_child_process_plays_its_role() {
    let Ok(role) = std::env::var("ANNULUS_NAMES_ROLE") else {
        return;
    };
    // SAFETY: an integer; should the test die, this process ends too.
    unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
    let args = std::env::var("ANNULUS_NAMES_ARGS").unwrap_or_default();
    let args: Vec<&str> = args.lines().collect();
    match role.as_str() {
        "umask" => role_umask(&args),
        "nobody" => role_nobody(&args),
        "churn" => role_churn(&args),
        "race" => role_race(&args),
        "small tmpfs" => role_small_tmpfs(&args),
        other => panic!("no role {other}"),
    }
}

/// The backing that a child is told by its name.
fn backing_named(name: &str) -> Backing {
    match name {
        "shm" => Backing::PosixShm,
        "sysv" => Backing::SysV { key: None },
        "file" => Backing::File,
        other => panic!("no backing {other}"),
    }
}

// ---- things that are no rings -----------------------------------------------------------------------------

#[test]
fn nothing_at_the_name_is_not_found() {
    let name = unique("nothing");
    let path = shm_path(&name).display().to_string();
    let key = Key::unique();
    for (backing, name, shown) in [
        (Backing::PosixShm, name.as_str(), path.clone()),
        (Backing::File, path.as_str(), path.clone()),
        (key.backing(), "-", format!("System V key {:#x}", key.0)),
    ] {
        for result in [
            spsc::<u64>(name).backing(backing).open().map(|_| ()),
            unlink(backing, name),
            annulus::inspect(backing, name).map(|_| ()),
        ] {
            match result {
                Err(OpenError::NotFound { name }) => assert_eq!(name, shown),
                other => panic!("{other:?}"),
            }
        }
    }
    let deep = format!("{path}/below/nothing");
    let result = spsc::<u64>(deep).backing(Backing::File).open();
    assert!(
        matches!(result, Err(OpenError::NotFound { .. })),
        "{result:?}"
    );
}

/// Opens, creates over, unlinks and inspects what `make` puts at a name; it must be found, named, and left.
fn is_left_alone(what: &str, wanted: &[NotARing], make: impl Fn(&Path)) {
    let scratch = Scratch(shm_path(&unique(what)));
    let name = scratch
        .0
        .file_name()
        .and_then(|n| n.to_str())
        .expect("plain")
        .to_owned();
    let path = scratch.0.display().to_string();
    make(&scratch.0);
    let before = fs::symlink_metadata(&scratch.0).expect("made");
    for (backing, name) in [(Backing::PosixShm, &name), (Backing::File, &path)] {
        let begun = Instant::now();
        let options = spsc::<u64>(name).backing(backing);
        let results = [
            options.open().map(|_| ()),
            annulus::inspect(backing, name).map(|_| ()),
            unlink(backing, name),
        ];
        for result in results {
            match result {
                Err(OpenError::NotARing { name, found }) => {
                    assert_eq!(name, path);
                    assert!(wanted.contains(&found), "{what} taken for {found:?}");
                }
                other => panic!("{what}: {other:?}"),
            }
        }
        let result = options.create();
        assert!(
            matches!(result, Err(CreateError::Exists { .. })),
            "{what}: {result:?}"
        );
        let result = options.open_or_create();
        assert!(result.is_err(), "{what}: {result:?}");
        assert!(
            begun.elapsed() < Duration::from_secs(2),
            "{what} took {:?}",
            begun.elapsed()
        );
    }
    let after = fs::symlink_metadata(&scratch.0).expect("still there");
    assert_eq!(
        (before.ino(), before.len(), before.mode()),
        (after.ino(), after.len(), after.mode())
    );
}

#[test]
fn a_fifo_a_link_a_directory_a_socket_and_a_device_are_named_and_left_alone() {
    is_left_alone("fifo", &[NotARing::Fifo], |path| {
        let path = CString::new(path.to_str().expect("plain")).expect("no zero byte");
        // SAFETY: a live string and an integer.
        assert_eq!(0, unsafe { libc::mkfifo(path.as_ptr(), 0o600) });
    });
    is_left_alone("link", &[NotARing::Symlink], |path| {
        symlink("/dev/null", path).expect("link")
    });
    is_left_alone("dangling", &[NotARing::Symlink], |path| {
        symlink("/no/where", path).expect("link")
    });
    is_left_alone("directory", &[NotARing::Directory], |path| {
        fs::create_dir(path).expect("mkdir")
    });
    is_left_alone("socket", &[NotARing::Socket], |path| {
        drop(UnixListener::bind(path).expect("bind"))
    });
    let result = spsc::<u64>("/dev/null").backing(Backing::File).open();
    assert!(
        matches!(
            result,
            Err(OpenError::NotARing {
                found: NotARing::Device,
                ..
            })
        ),
        "{result:?}"
    );
    assert!(unlink(Backing::File, "/dev/null").is_err());
    assert!(
        fs::metadata("/dev/null")
            .expect("there")
            .file_type()
            .is_char_device()
    );
    if is_root() {
        is_left_alone("device", &[NotARing::Device], |path| {
            let path = CString::new(path.to_str().expect("plain")).expect("no zero byte");
            // SAFETY: a live string and integers.
            let made =
                unsafe { libc::mknod(path.as_ptr(), libc::S_IFCHR | 0o600, libc::makedev(1, 3)) };
            assert_eq!(0, made, "{}", std::io::Error::last_os_error());
        });
    } else {
        println!("skipped: a device node needs root");
    }
}

#[test]
fn a_link_to_a_good_ring_is_refused_all_the_same() {
    let ring = Scratch(shm_path(&unique("target")));
    let name = ring.0.file_name().and_then(|n| n.to_str()).expect("plain");
    let _ring = spsc::<u64>(name).capacity(4).create().expect("create");
    is_left_alone("link-to-ring", &[NotARing::Symlink], |path| {
        symlink(&ring.0, path).expect("link")
    });
}

#[test]
fn files_that_are_no_rings_are_told_by_their_length_or_their_first_bytes() {
    is_left_alone("empty", &[NotARing::TooShort(0)], |path| {
        fs::write(path, b"").expect("write")
    });
    is_left_alone("short", &[NotARing::TooShort(8191)], |path| {
        fs::write(path, [7; 8191]).expect("write")
    });
    is_left_alone("noise", &[NotARing::NoMagic], |path| {
        let mut noise = vec![0; 1 << 16];
        File::open("/dev/urandom")
            .expect("open")
            .read_exact(&mut noise)
            .expect("read");
        fs::write(path, noise).expect("write");
    });
    is_left_alone("zeros", &[NotARing::NoMagic], |path| {
        File::create(path)
            .expect("create")
            .set_len(1 << 20)
            .expect("room");
    });
    is_left_alone("other-magic", &[NotARing::NoMagic], |path| {
        let mut bytes = vec![0; 1 << 16];
        bytes[..8].copy_from_slice(b"ANNULUS\x01");
        bytes[248..256].copy_from_slice(b"COMPLETE");
        fs::write(path, bytes).expect("write");
    });
}

// ---- rings that are not the one asked for -----------------------------------------------------------------

/// A good ring of 8 messages of `u64` in a file of its own.
struct Sample {
    _dir: Scratch,
    path: String,
    file: File,
    bytes: Vec<u8>,
}

impl Sample {
    fn new() -> Self {
        let dir = directory("sample");
        let path = dir.0.join("ring").display().to_string();
        drop(
            spsc::<u64>(&path)
                .backing(Backing::File)
                .capacity(256)
                .schema(3)
                .create()
                .expect("create"),
        );
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .open(&path)
            .expect("open");
        let bytes = fs::read(&path).expect("read");
        Self {
            _dir: dir,
            path,
            file,
            bytes,
        }
    }

    fn open(&self) -> Result<Ring<u64>, OpenError> {
        spsc::<u64>(&self.path)
            .backing(Backing::File)
            .schema(3)
            .open()
    }

    fn with<R>(&self, at: u64, bytes: &[u8], look: impl FnOnce() -> R) -> R {
        self.file.write_all_at(bytes, at).expect("write");
        let seen = look();
        self.file.set_len(self.bytes.len() as u64).expect("length");
        self.file.write_all_at(&self.bytes, 0).expect("write");
        seen
    }
}

#[test]
fn a_damaged_header_is_refused_by_the_name_of_the_damaged_field() {
    let ring = Sample::new();
    drop(ring.open().expect("good"));
    let cases: &[(u64, &[u8], &str)] = &[
        (8, &2u32.to_le_bytes(), "wire version"),
        (8, &u32::MAX.to_le_bytes(), "wire version"),
        (12, &512u32.to_le_bytes(), "header size"),
        (16, &2u32.to_le_bytes(), "kind"),
        (20, &2u32.to_le_bytes(), "element"),
        (24, &0u64.to_le_bytes(), "capacity"),
        (24, &1u64.to_le_bytes(), "capacity"),
        (24, &3u64.to_le_bytes(), "capacity"),
        (24, &u64::MAX.to_le_bytes(), "capacity"),
        (24, &(1u64 << 33).to_le_bytes(), "capacity"),
        // A good number in itself, but the segment is too small for it.
        (24, &(1u64 << 16).to_le_bytes(), "segment size"),
        (32, &32u64.to_le_bytes(), "stride"),
        (32, &0u64.to_le_bytes(), "stride"),
        (40, &0u64.to_le_bytes(), "slot size"),
        (40, &u64::MAX.to_le_bytes(), "slot size"),
        (40, &16u64.to_le_bytes(), "stride"),
        (40, &7u64.to_le_bytes(), "slot size"),
        (48, &16u32.to_le_bytes(), "payload offset"),
        (52, &3u32.to_le_bytes(), "payload alignment"),
        (52, &128u32.to_le_bytes(), "payload alignment"),
        (52, &4u32.to_le_bytes(), "payload alignment"),
        (56, &1u64.to_le_bytes(), "message type"),
        (64, &4u64.to_le_bytes(), "schema version"),
        (72, &0u64.to_le_bytes(), "segment size"),
        (72, &u64::MAX.to_le_bytes(), "segment size"),
        (80, &0u64.to_le_bytes(), "control offset"),
        (88, &4096u64.to_le_bytes(), "participants offset"),
        (96, &3u32.to_le_bytes(), "participants"),
        (100, &3u32.to_le_bytes(), "parking"),
        (104, &4096u64.to_le_bytes(), "data offset"),
        (112, &0u32.to_le_bytes(), "wait back end"),
        (112, &3u32.to_le_bytes(), "wait back end"),
        (152, &(1u64 << 62).to_le_bytes(), "start position"),
    ];
    for (at, bytes, field) in cases {
        ring.with(*at, bytes, || mismatch(ring.open(), field));
    }
    for (ready, at) in [(0u64, 248), (1, 248), (u64::MAX, 248)] {
        let result = ring.with(at, &ready.to_le_bytes(), || ring.open());
        assert!(
            matches!(result, Err(OpenError::Unfinished { .. })),
            "{result:?}"
        );
    }
    let result = ring.with(3, b"x", || ring.open());
    assert!(
        matches!(
            result,
            Err(OpenError::NotARing {
                found: NotARing::NoMagic,
                ..
            })
        ),
        "{result:?}"
    );
    drop(ring.open().expect("good again"));
}

#[test]
fn a_ring_whose_file_is_longer_or_shorter_than_its_header_says_is_refused() {
    let ring = Sample::new();
    let length = ring.bytes.len() as u64;
    for wrong in [8192, length - 4096, length - 1, length + 1, length + 4096] {
        ring.file.set_len(wrong).expect("length");
        mismatch(ring.open(), "segment size");
    }
    for short in [0, 255, 4096, 8191] {
        ring.file.set_len(short).expect("length");
        let result = ring.open();
        assert!(
            matches!(&result, Err(OpenError::NotARing { found: NotARing::TooShort(n), .. }) if *n == short),
            "{result:?}"
        );
    }
}

#[test]
fn another_message_type_size_or_schema_is_refused_by_name() {
    let ring = Sample::new();
    let open = |path: &str| spsc::<u64>(path).backing(Backing::File);
    mismatch(open(&ring.path).schema(4).open(), "schema version");
    mismatch(open(&ring.path).type_name("Price").open(), "message type");
    let field = |e: OpenError| match e {
        OpenError::Mismatch { field, .. } => field,
        other => panic!("{other:?}"),
    };
    let options = spsc::<i64>(&ring.path).backing(Backing::File);
    assert_eq!(field(options.open().unwrap_err()), "message type");
    let options = spsc::<[u32; 2]>(&ring.path).backing(Backing::File);
    assert_eq!(field(options.open().unwrap_err()), "payload alignment");
    let options = spsc::<[u64; 2]>(&ring.path).backing(Backing::File);
    assert_eq!(field(options.open().unwrap_err()), "slot size");
    let options = spsc::<[u8]>(&ring.path).backing(Backing::File);
    assert_eq!(field(options.open().unwrap_err()), "message type");
    assert_eq!(
        field(options.slot_size(56).open().unwrap_err()),
        "slot size"
    );
    // Whoever does not say which schema it wants takes any.
    drop(open(&ring.path).open().expect("any schema"));
}

#[test]
fn a_damaged_or_unfinished_ring_can_be_unlinked() {
    for (at, bytes) in [(8, [9u8; 8]), (24, [0; 8]), (248, [0; 8])] {
        let ring = Sample::new();
        ring.file.write_all_at(&bytes, at).expect("write");
        ring.open().expect_err("damaged");
        unlink(Backing::File, &ring.path).expect("unlink");
        assert!(!Path::new(&ring.path).exists());
    }
}

// ---- descriptors ------------------------------------------------------------------------------------------

#[test]
fn a_memfd_that_can_still_shrink_is_refused() {
    let ring = spsc::<u64>("sealed")
        .capacity(4)
        .backing(Backing::Memfd)
        .create()
        .expect("create");
    let dup = |fd: &dyn AsRawFd| {
        // SAFETY: a live descriptor; the result is new and owned by nobody else.
        unsafe { OwnedFd::from_raw_fd(libc::fcntl(fd.as_raw_fd(), libc::F_DUPFD_CLOEXEC, 3)) }
    };
    let own = dup(&ring.descriptor().expect("a descriptor"));
    let bytes = fs::read(format!("/proc/self/fd/{}", own.as_raw_fd())).expect("read");
    drop(
        spsc::<u64>("sealed")
            .open_descriptor(own)
            .expect("a sealed one is welcome"),
    );
    // SAFETY: a static zero-terminated name; the descriptor is new and owned by nobody else.
    let fd =
        unsafe { OwnedFd::from_raw_fd(libc::memfd_create(c"x".as_ptr(), libc::MFD_ALLOW_SEALING)) };
    let copy = File::from(fd);
    copy.write_all_at(&bytes, 0).expect("write");
    let refused = |fd| {
        let result = spsc::<u64>("open").open_descriptor(fd);
        assert!(
            matches!(
                result,
                Err(OpenError::NotARing {
                    found: NotARing::NotSealed,
                    ..
                })
            ),
            "{result:?}"
        );
    };
    refused(dup(&copy));
    // SAFETY: a live descriptor and an integer.
    assert_eq!(0, unsafe {
        libc::fcntl(copy.as_raw_fd(), libc::F_ADD_SEALS, libc::F_SEAL_GROW)
    });
    refused(dup(&copy));
    let ring = Sample::new();
    refused(dup(&ring.file));
    refused(dup(&File::open("/dev/null").expect("open")));
    // SAFETY: as above.
    assert_eq!(0, unsafe {
        libc::fcntl(copy.as_raw_fd(), libc::F_ADD_SEALS, libc::F_SEAL_SHRINK)
    });
    drop(
        spsc::<u64>("open")
            .open_descriptor(dup(&copy))
            .expect("sealed now"),
    );
}

#[test]
fn a_nameless_ring_is_not_opened_by_name() {
    for backing in [Backing::Memfd, Backing::Anon] {
        match spsc::<u64>("nameless").backing(backing).open() {
            Err(OpenError::InvalidOption { option, .. }) => assert_eq!(option, "backing"),
            other => panic!("{other:?}"),
        }
    }
}

// ---- names and options ------------------------------------------------------------------------------------

#[test]
fn names_that_are_no_names_are_refused() {
    let long = "x".repeat(201);
    let bad = [
        "", ".", "..", ".hidden", "a/b", "/a", "../a", "a b", "a\0b", "a\n", "\u{fc}", &long,
    ];
    let by_name = [
        Backing::PosixShm,
        Backing::SysV { key: None },
        Backing::Memfd,
        Backing::Anon,
    ];
    for backing in by_name {
        for name in bad {
            let options = spsc::<u64>(name).backing(backing);
            no_option(options.create(), "name");
            let result = options.open();
            assert!(
                matches!(
                    result,
                    Err(OpenError::InvalidOption {
                        option: "name" | "backing",
                        ..
                    })
                ),
                "{backing:?} {name:?}: {result:?}"
            );
        }
    }
    for name in ["", "/", "..", "a/..", "a\0b"] {
        let options = spsc::<u64>(name).backing(Backing::File);
        no_option(options.create(), "name");
        assert!(matches!(
            options.open(),
            Err(OpenError::InvalidOption { option: "name", .. })
        ));
    }
    no_option(
        spsc::<u64>("x")
            .backing(Backing::SysV { key: Some(0) })
            .create(),
        "name",
    );
    let longest = "x".repeat(200);
    let scratch = Scratch(shm_path(&longest));
    drop(
        spsc::<u64>(&longest)
            .capacity(2)
            .create()
            .expect("200 bytes are allowed"),
    );
    drop(scratch);
    // The kernel knows longer names than we do: whatever it says is an error with its errno.
    let result = spsc::<u64>("y".repeat(300)).backing(Backing::File).create();
    assert!(matches!(result, Err(CreateError::Os(_))), "{result:?}");
}

#[test]
fn numbers_out_of_range_are_refused_by_name_and_leave_nothing() {
    let name = unique("range");
    let options = spsc::<u64>(&name);
    for capacity in [0, 1, 3, 1 << 33, u64::MAX] {
        no_option(options.clone().capacity(capacity).create(), "capacity");
    }
    no_option(spsc::<()>(&name).create(), "slot size");
    no_option(spsc::<[u64; 0]>(&name).create(), "slot size");
    no_option(spsc::<[u8]>(&name).create(), "slot size");
    no_option(spsc::<[u8]>(&name).slot_size(0).create(), "slot size");
    no_option(
        spsc::<[u8]>(&name).slot_size((1 << 32) + 1).create(),
        "slot size",
    );
    no_option(
        spsc::<[u8]>(&name)
            .slot_size(1 << 32)
            .capacity(1 << 32)
            .create(),
        "capacity x slot size",
    );
    no_option(
        options.clone().start_position(1 << 62).create(),
        "start position",
    );
    no_option(
        options.clone().huge_pages(HugePages::HugeTlb).create(),
        "backing",
    );
    let memfd = options.clone().backing(Backing::Memfd);
    no_option(
        memfd.wait_backend(WaitBackend::Semaphore).create(),
        "wait back end",
    );
    assert!(!shm_path(&name).exists());
}

#[test]
fn huge_pages_from_an_empty_pool_are_no_space() {
    let pool = fs::read_to_string("/proc/sys/vm/nr_hugepages").unwrap_or_default();
    let over = fs::read_to_string("/proc/sys/vm/nr_overcommit_hugepages").unwrap_or_default();
    if [pool.trim(), over.trim()] != ["0", "0"] {
        println!("skipped: the pool of huge pages is not empty");
        return;
    }
    for backing in [Backing::Memfd, Backing::Anon] {
        let result = spsc::<u64>("huge")
            .backing(backing)
            .huge_pages(HugePages::HugeTlb)
            .create();
        match result {
            Err(CreateError::NoSpace { wanted_bytes, .. }) => {
                assert_eq!(wanted_bytes % (2 << 20), 0)
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_numa_node_that_does_not_exist_is_refused_and_leaves_nothing() {
    for node in [1000, 1023, 1024, u32::MAX] {
        let name = unique("numa");
        let _scratch = Scratch(shm_path(&name));
        match spsc::<u64>(&name).numa_node(node).create() {
            Err(CreateError::Os(e)) => {
                assert!(e.op.starts_with("mbind"), "{e}");
                assert_ne!(e.source.raw_os_error(), None);
            }
            Err(CreateError::InvalidOption { option, .. }) => assert_eq!(option, "numa node"),
            other => panic!("{other:?}"),
        }
        assert!(!shm_path(&name).exists());
    }
}

#[test]
fn more_memory_than_there_is_is_no_space() {
    let name = unique("big");
    let _scratch = Scratch(shm_path(&name));
    let options = spsc::<[u8]>(&name)
        .slot_size(4000)
        .capacity(1 << 32)
        .prefault(false);
    match options.create() {
        Err(CreateError::NoSpace {
            wanted_bytes,
            cause,
        }) => {
            assert!(wanted_bytes > 1 << 43);
            assert_eq!(cause.op, "fallocate");
        }
        other => panic!("{other:?}"),
    }
    assert!(!shm_path(&name).exists());
}

// ---- System V ---------------------------------------------------------------------------------------------

#[test]
fn a_strangers_segment_under_the_key_is_named_and_left_alone() {
    for (bytes, fill, wanted) in [
        (100, 1, NotARing::TooShort(100)),
        (8191, 0, NotARing::TooShort(8191)),
        (65536, 1, NotARing::NoMagic),
    ] {
        let key = Key::unique();
        let id = key.foreign_shm(bytes, fill);
        let options = spsc::<u64>("-").backing(key.backing());
        match options.open() {
            Err(OpenError::NotARing { found, .. }) => assert_eq!(found, wanted),
            other => panic!("{other:?}"),
        }
        let result = options.create();
        assert!(
            matches!(result, Err(CreateError::Exists { .. })),
            "{result:?}"
        );
        let result = unlink(key.backing(), "-");
        assert!(
            matches!(result, Err(OpenError::NotARing { .. })),
            "{result:?}"
        );
        assert_eq!(key.shm(), id, "the stranger's segment is still there");
        assert_eq!(key.sems(), -1, "no semaphores were left behind");
    }
}

#[test]
fn a_strangers_segment_of_zeros_is_no_ring_and_is_left_alone() {
    let key = Key::unique();
    let id = key.foreign_shm(65536, 0);
    let options = spsc::<u64>("-").backing(key.backing());
    let begun = Instant::now();
    let result = options.open();
    assert!(
        matches!(result, Err(OpenError::NotARing { .. })),
        "{result:?}"
    );
    assert!(begun.elapsed() < Duration::from_secs(3));
    let result = options.create();
    assert!(
        matches!(result, Err(CreateError::Exists { .. })),
        "{result:?}"
    );
    assert_eq!((key.shm(), key.sems()), (id, -1));
}

#[test]
fn a_strangers_semaphores_under_the_key_are_left_alone_by_create() {
    for n in [1, 3, 7] {
        let key = Key::unique();
        let id = key.foreign_sems(n);
        let options = spsc::<u64>("-").backing(key.backing());
        let result = options.open();
        assert!(
            matches!(result, Err(OpenError::NotFound { .. })),
            "{result:?}"
        );
        let result = options.create();
        assert_eq!(
            key.sems(),
            id,
            "create destroyed a stranger's set of {n} semaphores"
        );
        assert!(
            matches!(result, Err(CreateError::Exists { .. })),
            "{result:?}"
        );
    }
}

#[test]
fn a_strangers_semaphores_under_the_key_are_left_alone_by_unlink() {
    for n in [1, 3, 7] {
        let key = Key::unique();
        let id = key.foreign_sems(n);
        let result = unlink(key.backing(), "-");
        assert_eq!(
            key.sems(),
            id,
            "unlink destroyed a stranger's set of {n} semaphores"
        );
        assert!(result.is_err(), "{result:?}");
    }
}

#[test]
fn a_strangers_segment_and_semaphores_under_one_key_are_left_alone() {
    for fill in [0, 1] {
        let key = Key::unique();
        let ids = (key.foreign_shm(65536, fill), key.foreign_sems(1));
        let result = spsc::<u64>("-").backing(key.backing()).create();
        assert_eq!(
            (key.shm(), key.sems()),
            ids,
            "create destroyed a stranger's objects (bytes {fill})"
        );
        assert!(
            matches!(result, Err(CreateError::Exists { .. })),
            "{result:?}"
        );
        let result = unlink(key.backing(), "-");
        assert_eq!(
            (key.shm(), key.sems()),
            ids,
            "unlink destroyed a stranger's objects (bytes {fill})"
        );
        assert!(result.is_err(), "{result:?}");
    }
}

#[test]
fn two_names_with_one_key_are_told_apart() {
    let name = unique("sysv");
    let probe = spsc::<u64>(&name)
        .capacity(4)
        .backing(Backing::SysV { key: None });
    let ring = probe.create().expect("create");
    let Backing::SysV { key: Some(number) } = ring.backing() else {
        panic!("a System V ring says its key");
    };
    let _key = Key(number);
    drop(probe.open().expect("the same name"));
    ring.unlink().expect("unlink");
    // The same key again, this time not made from the name.
    let options = spsc::<u64>("-")
        .capacity(4)
        .backing(Backing::SysV { key: Some(number) });
    let _ring = options.create().expect("create");
    mismatch(probe.open(), "name");
    drop(options.open().expect("by its key"));
}

#[test]
fn a_ring_whose_semaphores_were_replaced_is_refused() {
    let key = Key::unique();
    let options = spsc::<u64>("-").capacity(4).backing(key.backing());
    let _ring = options.create().expect("create");
    // SAFETY: integers.
    unsafe { libc::semctl(key.sems(), 0, libc::IPC_RMID) };
    mismatch(options.open(), "semaphores");
    key.foreign_sems(1);
    mismatch(options.open(), "semaphores");
}

#[test]
fn a_key_whose_creator_died_between_its_first_two_calls_can_be_used_again() {
    let key = Key::unique();
    // What a creator leaves that is killed right after semget.
    // SAFETY: integers.
    assert!(unsafe { libc::semget(key.0, 4, libc::IPC_CREAT | libc::IPC_EXCL | 0o600) } >= 0);
    let options = spsc::<u64>("-").capacity(4).backing(key.backing());
    let ring = options.create().expect("create");
    drop(options.open().expect("open"));
    ring.unlink().expect("unlink");
}

// ---- taken names ------------------------------------------------------------------------------------------

#[test]
fn creating_over_a_ring_is_refused_and_the_ring_stays() {
    let (name, key) = (unique("taken"), Key::unique());
    let scratch = Scratch(shm_path(&name));
    let dir = directory("taken");
    let path = dir.0.join("ring").display().to_string();
    for (backing, name) in [
        (Backing::PosixShm, name.as_str()),
        (Backing::File, path.as_str()),
        (key.backing(), "-"),
    ] {
        let options = spsc::<u64>(name).backing(backing).capacity(4);
        let ring = options.create().expect("create");
        let mut tx = ring.producer().expect("producer");
        tx.try_push(&5).expect("room");
        match options.create() {
            Err(CreateError::Exists { name }) => assert!(!name.is_empty()),
            other => panic!("{other:?}"),
        }
        assert!(ring.is_current());
        let again = options.open_or_create().expect("open");
        assert_eq!(again.instance(), ring.instance());
        assert_eq!(again.consumer().expect("consumer").try_pop(), Ok(5));
        ring.unlink().expect("unlink");
        assert!(!ring.is_current());
        ring.unlink().expect("nothing to do");
    }
    drop(scratch);
    assert_eq!(fs::read_dir(&dir.0).expect("list").count(), 0);
}

#[test]
fn unlink_by_an_old_ring_leaves_a_new_ring_of_the_same_name_alone() {
    let name = unique("reborn");
    let _scratch = Scratch(shm_path(&name));
    let key = Key::unique();
    for (backing, name) in [(Backing::PosixShm, name.as_str()), (key.backing(), "-")] {
        let options = spsc::<u64>(name).backing(backing).capacity(4);
        let old = options.create().expect("create");
        unlink(backing, name).expect("unlink");
        let new = options.create().expect("create");
        assert!(!old.is_current() && new.is_current());
        old.unlink().expect("not ours any more");
        assert!(new.is_current());
        assert_eq!(options.open().expect("open").instance(), new.instance());
        new.unlink().expect("unlink");
    }
}

// ---- permissions ------------------------------------------------------------------------------------------

#[test]
fn modes_are_exact_under_a_hostile_umask() {
    let key = Key::unique();
    run_child("umask", &[&unique("umask"), &key.0.to_string()]);
}

fn role_umask(args: &[&str]) {
    let [name, key] = args else {
        panic!("two arguments")
    };
    let scratch = Scratch(shm_path(name));
    let key: i32 = key.parse().expect("a number");
    for (umask, mode) in [
        (0o777, 0o640),
        (0o777, 0o600),
        (0, 0o660),
        (0o022, 0o666),
        (0o177, 0o622),
    ] {
        // SAFETY: an integer. This process has nothing else to do.
        unsafe { libc::umask(umask) };
        let ring = spsc::<u64>(*name)
            .capacity(4)
            .mode(mode)
            .create()
            .expect("create");
        assert_eq!(
            fs::metadata(&scratch.0).expect("there").mode() & 0o7777,
            mode
        );
        ring.unlink().expect("unlink");
        let memfd = spsc::<u64>(*name)
            .capacity(4)
            .mode(mode)
            .backing(Backing::Memfd);
        let ring = memfd.create().expect("create");
        let fd = ring.descriptor().expect("a descriptor").as_raw_fd();
        let facts = fs::metadata(format!("/proc/self/fd/{fd}")).expect("there");
        assert_eq!(facts.mode() & 0o7777, mode);
        let options = spsc::<u64>("-")
            .capacity(4)
            .mode(mode)
            .backing(Backing::SysV { key: Some(key) });
        let ring = options.create().expect("create");
        // SAFETY: integers, and live buffers of the right types.
        unsafe {
            let mut shm: libc::shmid_ds = std::mem::zeroed();
            assert_eq!(
                0,
                libc::shmctl(libc::shmget(key, 0, 0), libc::IPC_STAT, &mut shm)
            );
            assert_eq!(u32::from(shm.shm_perm.mode) & 0o777, mode);
            let mut sem: libc::semid_ds = std::mem::zeroed();
            let buffer: *mut libc::semid_ds = &mut sem;
            assert_eq!(
                0,
                libc::semctl(libc::semget(key, 0, 0), 0, libc::IPC_STAT, buffer)
            );
            assert_eq!(u32::from(sem.sem_perm.mode) & 0o777, mode);
        }
        ring.unlink().expect("unlink");
        // Semaphores of a ring that sleeps on them have its mode too.
        let options = spsc::<u64>(*name)
            .capacity(4)
            .mode(mode)
            .wait_backend(WaitBackend::Semaphore);
        let ring = options.create().expect("create");
        for side in ["c", "p"] {
            let path = format!("/dev/shm/sem.annulus.{:016x}.{side}", ring.instance());
            assert_eq!(fs::metadata(path).expect("there").mode() & 0o7777, mode);
        }
        ring.unlink().expect("unlink");
    }
}

#[test]
fn somebody_elses_ring_is_refused_with_advice() {
    let name = unique("private");
    let scratch = Scratch(shm_path(&name));
    let key = Key::unique();
    let _ring = spsc::<u64>(&name).capacity(4).create().expect("create");
    let sysv = spsc::<u64>("-").capacity(4).backing(key.backing());
    let _sysv = sysv.create().expect("create");
    if is_root() {
        run_child("nobody", &[&name, &key.0.to_string()]);
    } else {
        let file = File::open(&scratch.0).expect("open");
        file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o000))
            .expect("chmod");
        is_refused_with_advice(spsc::<u64>(&name).open().map(|_| ()));
    }
}

fn is_refused_with_advice(result: Result<(), OpenError>) {
    let error = result.expect_err("refused");
    let text = error.to_string();
    match error {
        OpenError::Os(e) => {
            assert_eq!(e.source.kind(), std::io::ErrorKind::PermissionDenied);
            assert!(text.contains("owner") && text.contains("mode"), "{text}");
        }
        other => panic!("{other:?}"),
    }
}

fn role_nobody(args: &[&str]) {
    let [name, key] = args else {
        panic!("two arguments")
    };
    let key = Backing::SysV {
        key: Some(key.parse().expect("a number")),
    };
    // All threads of this process change their user. SAFETY: integers, and an empty list.
    unsafe {
        assert_eq!(0, libc::setgroups(0, std::ptr::null()));
        assert_eq!(0, libc::setgid(65534));
        assert_eq!(0, libc::setuid(65534));
    }
    is_refused_with_advice(spsc::<u64>(*name).open().map(|_| ()));
    is_refused_with_advice(annulus::inspect(Backing::PosixShm, name).map(|_| ()));
    is_refused_with_advice(unlink(Backing::PosixShm, name));
    is_refused_with_advice(spsc::<u64>("-").backing(key).open().map(|_| ()));
    is_refused_with_advice(unlink(key, "-"));
    let result = spsc::<u64>(*name).create();
    assert!(
        matches!(result, Err(CreateError::Exists { .. })),
        "{result:?}"
    );
    // Nobody may not give rings away either, and leaves nothing when it tries.
    let own = format!("{name}-own");
    match spsc::<u64>(&own).capacity(4).owner(Some(0), None).create() {
        Err(CreateError::Os(e)) => assert_eq!(e.op, "fchown"),
        other => panic!("{other:?}"),
    }
    assert!(!shm_path(&own).exists());
}

/// Creates a ring for nobody and asks `owner_of` whose it is.
fn is_given_away(backing: Backing, name: &str, owner_of: impl Fn(&Ring<u64>) -> (u32, u32)) {
    if !is_root() {
        println!("skipped: giving rings away needs root");
        return;
    }
    let options = spsc::<u64>(name)
        .capacity(4)
        .backing(backing)
        .owner(Some(65534), Some(65533));
    let ring = options.create().expect("create");
    assert_eq!(owner_of(&ring), (65534, 65533), "{backing:?}");
    ring.unlink().expect("unlink");
    // One without the other.
    let ring = options.owner(None, Some(65533)).create().expect("create");
    assert_eq!(owner_of(&ring), (0, 65533), "{backing:?}");
    ring.unlink().expect("unlink");
}

fn owner_of_path(path: impl AsRef<Path>) -> (u32, u32) {
    let facts = fs::metadata(path).expect("there");
    (facts.uid(), facts.gid())
}

#[test]
fn a_named_ring_can_be_made_for_somebody_else() {
    let scratch = Scratch(shm_path(&unique("owner")));
    let name = scratch
        .0
        .file_name()
        .and_then(|n| n.to_str())
        .expect("plain");
    is_given_away(Backing::PosixShm, name, |_| owner_of_path(&scratch.0));
    let key = Key::unique();
    is_given_away(key.backing(), "-", |_| {
        // SAFETY: integers, and live buffers of the right types.
        unsafe {
            let mut shm: libc::shmid_ds = std::mem::zeroed();
            assert_eq!(0, libc::shmctl(key.shm(), libc::IPC_STAT, &mut shm));
            let mut sem: libc::semid_ds = std::mem::zeroed();
            let buffer: *mut libc::semid_ds = &mut sem;
            assert_eq!(0, libc::semctl(key.sems(), 0, libc::IPC_STAT, buffer));
            assert_eq!(
                (shm.shm_perm.uid, shm.shm_perm.gid),
                (sem.sem_perm.uid, sem.sem_perm.gid)
            );
            (shm.shm_perm.uid, shm.shm_perm.gid)
        }
    });
}

#[test]
fn a_memfd_ring_can_be_made_for_somebody_else() {
    is_given_away(Backing::Memfd, "owner", |ring| {
        let fd = ring.descriptor().expect("a descriptor").as_raw_fd();
        owner_of_path(format!("/proc/self/fd/{fd}"))
    });
}

#[test]
fn the_semaphores_of_a_ring_made_for_somebody_else_are_theirs_too() {
    if !is_root() {
        println!("skipped: giving rings away needs root");
        return;
    }
    let name = unique("owner-sem");
    let _scratch = Scratch(shm_path(&name));
    let options = spsc::<u64>(&name)
        .capacity(4)
        .wait_backend(WaitBackend::Semaphore);
    let ring = options
        .owner(Some(65534), Some(65534))
        .create()
        .expect("create");
    let path = |side| format!("/dev/shm/sem.annulus.{:016x}.{side}", ring.instance());
    let owners = ["c", "p"].map(|side| owner_of_path(path(side)));
    ring.unlink().expect("unlink");
    assert_eq!(owners, [(65534, 65534); 2]);
    assert!(
        ["c", "p"]
            .iter()
            .all(|side| !Path::new(&path(side)).exists())
    );
}

// ---- lack of space ----------------------------------------------------------------------------------------

#[test]
fn a_full_file_system_is_an_error_at_creation_and_leaves_nothing() {
    let dir = directory("full");
    run_child("small tmpfs", &["file", dir.0.to_str().expect("plain")]);
}

#[test]
fn a_full_dev_shm_is_an_error_at_creation_and_leaves_nothing() {
    run_child("small tmpfs", &["shm", "/dev/shm"]);
}

fn role_small_tmpfs(args: &[&str]) {
    let [kind, dir] = args else {
        panic!("two arguments")
    };
    let backing = backing_named(kind);
    let target = CString::new(*dir).expect("no zero byte");
    // SAFETY: live strings and integers. The mount is seen by this thread only and goes with it.
    unsafe {
        if libc::unshare(libc::CLONE_NEWNS) != 0 {
            println!(
                "skipped: no private mounts here: {}",
                std::io::Error::last_os_error()
            );
            return;
        }
        let private = libc::MS_REC | libc::MS_PRIVATE;
        assert_eq!(
            0,
            libc::mount(
                c"none".as_ptr(),
                c"/".as_ptr(),
                std::ptr::null(),
                private,
                std::ptr::null()
            )
        );
        let tmpfs = c"tmpfs".as_ptr();
        if libc::mount(
            tmpfs,
            target.as_ptr(),
            tmpfs,
            0,
            c"size=64k".as_ptr().cast(),
        ) != 0
        {
            println!(
                "skipped: mounting is not allowed: {}",
                std::io::Error::last_os_error()
            );
            return;
        }
    }
    let name = match backing {
        Backing::File => format!("{dir}/ring"),
        _ => "ring".to_owned(),
    };
    let left = || fs::read_dir(dir).expect("list").count();
    let no_space = |result: Result<Ring<[u8]>, CreateError>, call: &str| match result {
        Err(CreateError::NoSpace {
            wanted_bytes,
            cause,
        }) => {
            assert!(wanted_bytes > 32768, "{wanted_bytes}");
            assert!(cause.op.starts_with(call), "{cause}");
            assert!(cause.to_string().contains("free space"), "{cause}");
        }
        other => panic!("{other:?}"),
    };
    let options = spsc::<[u8]>(&name).slot_size(56).backing(backing);
    for prefault in [true, false] {
        for huge in [HugePages::No, HugePages::Try] {
            let options = options
                .clone()
                .capacity(1024)
                .prefault(prefault)
                .huge_pages(huge);
            no_space(options.create(), "fallocate");
            assert_eq!(left(), 0, "nothing is left behind");
        }
    }
    // With a NUMA node the pages come before the reservation.
    match options.clone().capacity(1024).numa_node(0).create() {
        Err(CreateError::Os(e)) if e.op.starts_with("mbind") => println!("skipped: {e}"),
        result => no_space(result, "madvise"),
    }
    assert_eq!(left(), 0, "nothing is left behind");
    // 64 KiB exactly fit, and are all there: touching every byte is no SIGBUS.
    let fits = options
        .clone()
        .slot_size(7 * 1024 - 8)
        .capacity(8)
        .prefault(false);
    let ring = fits.create().expect("exactly as large as the file system");
    assert_eq!(ring.status().expect("status").segment_bytes, 65536);
    let mut tx = ring.producer().expect("producer");
    for _ in 0..8 {
        tx.try_push(&[7; 7 * 1024 - 8]).expect("room");
    }
    drop(tx);
    ring.unlink().expect("unlink");
    drop(ring);
    assert_eq!(left(), 0);
    if backing == Backing::PosixShm {
        // The ring fits, its semaphores do not.
        no_space(
            fits.wait_backend(WaitBackend::Semaphore).create(),
            "sem_open",
        );
        assert_eq!(left(), 0, "nothing is left behind");
    }
}

// ---- creation that is killed, or raced --------------------------------------------------------------------

/// A child with pipes, killed when dropped.
struct Player {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
}

impl Player {
    fn start(role: &str, args: &[&str]) -> Self {
        let mut child = child(role, args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("start");
        let to = child.stdin.take().expect("piped");
        let from = BufReader::new(child.stdout.take().expect("piped"));
        Self { child, to, from }
    }

    /// The next line that begins with `#`, without it; the test harness prints others.
    fn line(&mut self) -> String {
        loop {
            let mut line = String::new();
            assert_ne!(
                self.from.read_line(&mut line).expect("read"),
                0,
                "the child is gone"
            );
            // The harness may have begun the line.
            if let Some((_, said)) = line.trim_end().split_once('#') {
                return said.to_owned();
            }
        }
    }
}

impl Drop for Player {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Creates and unlinks until it is killed.
fn role_churn(args: &[&str]) {
    let [kind, name] = args else {
        panic!("two arguments")
    };
    let options = spsc::<u64>(*name).capacity(64).backing(backing_named(kind));
    println!("#ready");
    loop {
        let begun = Instant::now();
        let ring = options.create().expect("create");
        // The ring stays longer than it took to make, so that kills find it often.
        let made = begun.elapsed();
        while begun.elapsed() < 6 * made {
            std::hint::spin_loop();
        }
        ring.unlink().expect("unlink");
    }
}

/// What the kernel has under a System V key, for the message of a failed test.
fn under(key: i32) -> String {
    let table =
        |what: &str| fs::read_to_string(format!("/proc/sysvipc/{what}")).unwrap_or_default();
    let both = table("sem") + &table("shm");
    let key = key.to_string();
    both.lines()
        .filter(|line| line.contains("key") || line.split_whitespace().next() == Some(key.as_str()))
        .collect::<Vec<_>>()
        .join("\n")
}

/// Kills creators at random moments and looks at what is there.
fn killed_creators(kind: &str) -> [u32; 2] {
    let name = unique("churn");
    let backing = backing_named(kind);
    let options = spsc::<u64>(&name).capacity(64).backing(backing);
    let probe = options.create().expect("create");
    let key = match probe.backing() {
        Backing::SysV { key: Some(key) } => Some(Key(key)),
        _ => None,
    };
    probe.unlink().expect("unlink");
    drop(probe);
    let _scratch = Scratch(shm_path(&name));
    let mut random = u64::from(std::process::id()) | 1;
    let [mut absent, mut complete] = [0, 0];
    for round in 0..200 {
        let mut player = Player::start("churn", &[kind, &name]);
        assert_eq!(player.line(), "ready");
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let end = Instant::now() + Duration::from_nanos(random >> 44);
        while Instant::now() < end {
            std::hint::spin_loop();
        }
        drop(player);
        // Opening waits a moment for a creator at work, so it is asked in some rounds only.
        if round % 20 == 0 {
            match options.open() {
                Ok(_) | Err(OpenError::NotFound { .. }) => {}
                Err(OpenError::Unfinished { .. }) if kind == "sysv" => {}
                Err(e) => panic!("round {round}: {e}"),
            }
        }
        let ring = match options.create() {
            Ok(ring) => {
                absent += 1;
                ring
            }
            Err(e) => {
                let left = || key.as_ref().map_or(String::new(), |key| under(key.0));
                let there = options
                    .open()
                    .unwrap_or_else(|_| panic!("round {round}: {e}\n{}", left()));
                complete += 1;
                assert_eq!(there.status().expect("status").capacity, 64);
                drop(there.producer().expect("a new ring has a free seat"));
                there.unlink().expect("unlink");
                options
                    .create()
                    .unwrap_or_else(|e| panic!("round {round}: {e}\n{}", left()))
            }
        };
        assert_eq!(ring.consumer().expect("consumer").try_pop().ok(), None);
        ring.unlink()
            .unwrap_or_else(|e| panic!("round {round}: {e}"));
    }
    println!("{kind}: absent {absent} times, complete {complete} times");
    [absent, complete]
}

#[test]
fn a_creator_killed_at_any_moment_leaves_a_whole_ring_in_dev_shm_or_none() {
    let [absent, complete] = killed_creators("shm");
    assert!(absent > 0 && complete > 0);
}

#[test]
fn a_creator_killed_at_any_moment_leaves_a_whole_system_v_ring_or_none() {
    killed_creators("sysv");
}

fn monotonic_ns() -> u64 {
    // SAFETY: a timespec of integers, zero to begin with, that the kernel writes to.
    let now = unsafe {
        let mut now: libc::timespec = std::mem::zeroed();
        assert_eq!(0, libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut now));
        now
    };
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}

/// Each line on stdin is a time; at that time this opens or creates the ring and says which one it got.
fn role_race(args: &[&str]) {
    let [kind, name] = args else {
        panic!("two arguments")
    };
    let options = spsc::<u64>(*name).capacity(64).backing(backing_named(kind));
    println!("#ready");
    let mut kept = None;
    for line in std::io::stdin().lines() {
        let start: u64 = line.expect("read").parse().expect("a time");
        kept.take();
        while monotonic_ns() < start {
            std::hint::spin_loop();
        }
        match options.open_or_create() {
            Ok(ring) => {
                println!("#{:016x}", ring.instance());
                kept = Some(ring);
            }
            Err(e) => println!("#failed: {e}"),
        }
    }
}

fn raced(kind: &str) {
    let name = unique("race");
    let backing = backing_named(kind);
    let options = spsc::<u64>(&name).capacity(64).backing(backing);
    let probe = options.create().expect("create");
    let _key = match probe.backing() {
        Backing::SysV { key: Some(key) } => Some(Key(key)),
        _ => None,
    };
    probe.unlink().expect("unlink");
    let _scratch = Scratch(shm_path(&name));
    let mut players: Vec<Player> = (0..4)
        .map(|_| Player::start("race", &[kind, &name]))
        .collect();
    for player in &mut players {
        assert_eq!(player.line(), "ready");
    }
    let mut last = probe.instance();
    for round in 0..200 {
        let start = monotonic_ns() + 300_000;
        for player in &mut players {
            writeln!(player.to, "{start}").expect("write");
        }
        let said: Vec<String> = players.iter_mut().map(Player::line).collect();
        let ring = options
            .open()
            .unwrap_or_else(|e| panic!("round {round}: {e}; they said {said:?}"));
        let ours = format!("{:016x}", ring.instance());
        assert!(
            said.iter().all(|s| *s == ours),
            "round {round}: {ours}, but {said:?}"
        );
        assert_ne!(ring.instance(), last);
        last = ring.instance();
        let creator = ring.status().expect("status").creator_pid;
        assert!(players.iter().any(|p| p.child.id() == creator));
        ring.unlink().expect("unlink");
    }
}

#[test]
fn four_processes_that_open_or_create_in_dev_shm_end_in_one_ring() {
    raced("shm");
}

#[test]
fn four_processes_that_open_or_create_in_system_v_memory_end_in_one_ring() {
    raced("sysv");
}

// ---- time -------------------------------------------------------------------------------------------------

#[test]
fn making_and_opening_a_ring_of_a_mebibyte_takes_milliseconds() {
    let name = unique("time");
    let _scratch = Scratch(shm_path(&name));
    let options = spsc::<[u8]>(&name).slot_size(56).capacity(16384);
    let mut best = [Duration::MAX; 2];
    for _ in 0..5 {
        let begun = Instant::now();
        let ring = options.create().expect("create");
        let created = begun.elapsed();
        let other = options.open().expect("open");
        let both = begun.elapsed();
        assert!(other.status().expect("status").segment_bytes >= 1 << 20);
        ring.unlink().expect("unlink");
        best = [best[0].min(created), best[1].min(both - created)];
    }
    println!(
        "1 MiB, prefaulted: create {:?}, open {:?}",
        best[0], best[1]
    );
    assert!(best[0] + best[1] < Duration::from_millis(50));
}
