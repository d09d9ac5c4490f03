//! Names that nobody else uses, and the removal of what carries them, also when a test fails.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

static COUNT: AtomicU32 = AtomicU32::new(0);

/// What every name of this process begins with.
pub fn prefix() -> String {
    format!("annulus-it-{}-", std::process::id())
}

/// A name that no other process, and no other call, uses.
pub fn unique(what: &str) -> String {
    let n = COUNT.fetch_add(1, Ordering::Relaxed);
    format!("{}{what}-{n}", prefix())
}

/// A System V key that no other process of these tests uses now.
pub fn unique_key() -> i32 {
    let n = COUNT.fetch_add(1, Ordering::Relaxed) as i32 & 0xfff;
    0x4200_0000 | (std::process::id() as i32 & 0x1fff) << 12 | n
}

/// Runs its closure when it goes out of scope, also when the test panics.
pub struct Cleanup<F: FnMut()>(pub F);

impl<F: FnMut()> Drop for Cleanup<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

/// A directory of its own under the system's temporary directory, removed at the end.
#[derive(Debug)]
pub struct TempDir(PathBuf);

impl TempDir {
    /// Makes it.
    pub fn new(what: &str) -> Self {
        let path = std::env::temp_dir().join(unique(what));
        std::fs::create_dir(&path).expect("a fresh temporary directory");
        Self(path)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// A path in it, as text.
    pub fn file(&self, name: &str) -> String {
        let path = self.0.join(name);
        path.to_str().expect("temporary paths are text").to_owned()
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The names in `/dev/shm` that contain `part`.
pub fn shm_names_with(part: &str) -> Vec<String> {
    let entries = std::fs::read_dir("/dev/shm").expect("shared memory is mounted");
    entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| name.contains(part))
        .collect()
}

/// Whether a System V segment or semaphore set has this key.
pub fn sysv_has(key: i32) -> bool {
    ["/proc/sysvipc/shm", "/proc/sysvipc/sem"]
        .iter()
        .any(|table| {
            let table = std::fs::read_to_string(table).expect("System V tables can be read");
            table
                .lines()
                .skip(1)
                .filter_map(|line| line.split_whitespace().next()?.parse::<i32>().ok())
                .any(|found| found == key)
        })
}
