//! Names, files and keys that are nobody else's, each removed in the end.

use annulus::Backing;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// A name that nobody else uses now.
pub fn unique(what: &str) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let n = COUNT.fetch_add(1, Ordering::Relaxed);
    format!("annulus-names-{}-{n}-{what}", std::process::id())
}

/// Where a shared memory object of this name is seen.
pub fn shm_path(name: &str) -> PathBuf {
    Path::new("/dev/shm").join(name)
}

/// Whatever lies at a path; removed in the end.
pub struct Scratch(pub PathBuf);

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
pub fn directory(what: &str) -> Scratch {
    let path = std::env::temp_dir().join(unique(what));
    fs::create_dir(&path).expect("a fresh directory");
    Scratch(path)
}

/// A System V key; its segment and semaphore set are removed in the end.
pub struct Key(pub i32);

impl Key {
    /// A key that nobody else uses now.
    pub fn unique() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let n = COUNT.fetch_add(1, Ordering::Relaxed);
        Self((0x3100_0000 ^ (std::process::id() << 8 & 0xff_ff00) ^ (n & 0xff)) as i32)
    }

    /// System V memory under this key.
    pub fn backing(&self) -> Backing {
        Backing::SysV { key: Some(self.0) }
    }

    /// The id of the segment under this key, or -1.
    pub fn shm(&self) -> i32 {
        // SAFETY: three integers.
        unsafe { libc::shmget(self.0, 0, 0) }
    }

    /// The id of the semaphore set under this key, or -1.
    pub fn sems(&self) -> i32 {
        // SAFETY: three integers.
        unsafe { libc::semget(self.0, 0, 0) }
    }

    /// A stranger's segment, whose bytes are `fill`.
    pub fn foreign_shm(&self, bytes: usize, fill: u8) -> i32 {
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
    pub fn foreign_sems(&self, n: i32) -> i32 {
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

/// Whether these tests run with privileges.
pub fn is_root() -> bool {
    // SAFETY: takes nothing, cannot fail.
    unsafe { libc::geteuid() == 0 }
}

/// The backing that a child is told by its name.
pub fn backing_named(name: &str) -> Backing {
    match name {
        "shm" => Backing::PosixShm,
        "sysv" => Backing::SysV { key: None },
        "file" => Backing::File,
        other => panic!("no backing {other}"),
    }
}
