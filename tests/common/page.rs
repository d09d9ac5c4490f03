//! A page of numbers that several processes share and that survives them: what a killed child last wrote
//! is still there to be checked. Not a ring and not made by the library under test.

use super::clean::unique;
use std::fs::{File, OpenOptions};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, Ordering};

/// Shared numbers, all 0 at first. The maker removes the file.
#[derive(Debug)]
pub struct Page {
    words: NonNull<AtomicU64>,
    len: usize,
    path: PathBuf,
    made_here: bool,
}

// SAFETY: the pointer leads to atomics in a mapping that lives as long as the page.
unsafe impl Send for Page {}
// SAFETY: as for Send; only atomic accesses are made.
unsafe impl Sync for Page {}

impl Page {
    /// A new page of `len` numbers.
    pub fn new(len: usize) -> Self {
        let path = std::env::temp_dir().join(unique("page"));
        let mut options = OpenOptions::new();
        let file = options
            .read(true)
            .write(true)
            .create_new(true)
            .open(&path)
            .expect("a fresh file");
        file.set_len(len as u64 * 8).expect("room for a page");
        Self {
            words: map(&file, len),
            len,
            path,
            made_here: true,
        }
    }

    /// The page that another process made at `path`.
    pub fn open(path: &str) -> Self {
        let path = PathBuf::from(path);
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .open(&path)
            .expect("the page is there");
        let len = file.metadata().expect("a file has a size").len() as usize / 8;
        Self {
            words: map(&file, len),
            len,
            path,
            made_here: false,
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Number `i`.
    pub fn word(&self, i: usize) -> &AtomicU64 {
        assert!(i < self.len);
        // SAFETY: inside the mapping by the assertion; accessed as atomics only.
        unsafe { self.words.add(i).as_ref() }
    }

    /// Reads number `i`.
    pub fn get(&self, i: usize) -> u64 {
        self.word(i).load(Ordering::SeqCst)
    }

    /// Writes number `i`.
    pub fn set(&self, i: usize, value: u64) {
        self.word(i).store(value, Ordering::SeqCst);
    }
}

fn map(file: &File, len: usize) -> NonNull<AtomicU64> {
    let rw = libc::PROT_READ | libc::PROT_WRITE;
    // SAFETY: a fresh shared mapping at an address of the kernel's choice; nothing is replaced.
    let ptr = unsafe {
        libc::mmap(
            std::ptr::null_mut(),
            len * 8,
            rw,
            libc::MAP_SHARED,
            file.as_raw_fd(),
            0,
        )
    };
    assert_ne!(ptr, libc::MAP_FAILED, "a page is mapped");
    NonNull::new(ptr.cast()).expect("a mapping is not at 0")
}

impl Drop for Page {
    fn drop(&mut self) {
        // SAFETY: mapped by `map` with this length, unmapped only here.
        unsafe { libc::munmap(self.words.as_ptr().cast(), self.len * 8) };
        if self.made_here {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}
