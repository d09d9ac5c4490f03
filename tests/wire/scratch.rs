//! Files that are removed in the end, numbers in them, and the hashes of the page.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// A file that is removed in the end.
pub struct Scratch(pub PathBuf);

impl Scratch {
    /// A path that nobody else uses; nothing is there yet.
    pub fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let n = COUNT.fetch_add(1, Ordering::Relaxed);
        Self(std::env::temp_dir().join(format!("annulus-wire-{}-{n}", std::process::id())))
    }

    /// The path as text.
    pub fn name(&self) -> &str {
        self.0.to_str().expect("plain")
    }

    /// The file, open for reading and writing.
    pub fn file(&self) -> File {
        OpenOptions::new()
            .read(true)
            .write(true)
            .open(&self.0)
            .expect("open")
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// The root of the repository.
pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The number of `bytes` bytes at an offset.
pub fn number(file: &File, at: u64, bytes: usize) -> u64 {
    let mut raw = [0; 8];
    file.read_exact_at(&mut raw[..bytes], at)
        .expect("inside the file");
    u64::from_le_bytes(raw)
}

/// FNV-1a as the page gives it.
pub fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |h, b| {
        (h ^ u64::from(*b)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// The fingerprint of a type as the page gives it.
pub fn fingerprint(name: &str, size: u64, align: u64) -> u64 {
    let bytes = [
        name.as_bytes(),
        &[0],
        &size.to_le_bytes(),
        &align.to_le_bytes(),
    ]
    .concat();
    fnv1a(&bytes).max(1)
}

/// Field 22 of `/proc/self/stat`.
pub fn own_start_time() -> u64 {
    let stat = fs::read_to_string("/proc/self/stat").expect("own stat");
    let (_, rest) = stat.rsplit_once(')').expect("a name");
    rest.split_whitespace()
        .nth(19)
        .expect("field 22")
        .parse()
        .expect("a number")
}
