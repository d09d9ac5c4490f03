//! What a peer written from the page stands on: a mapping, words in it, tokens, waking. Nothing of the library.

use crate::scratch::{Scratch, number};
use std::fs::File;
use std::os::fd::AsRawFd;
use std::ptr::NonNull;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release, SeqCst};
use std::sync::atomic::{AtomicU32, AtomicU64, fence};

/// A ring as the page lays it out, mapped.
pub struct PageRing {
    base: NonNull<u8>,
    bytes: usize,
    file: File,
    pub capacity: u64,
    /// What records are aligned to, or bytes from slot to slot.
    pub align: u64,
    pub producers: u64,
    /// Consumers or readers.
    pub consumers: u64,
    pub data: u64,
    /// Bytes of one message in a ring of slots.
    pub payload: u64,
    payload_offset: u64,
    /// Position of the first message.
    pub start: u64,
}

// SAFETY: the mapping lives as long as the ring and is only used through atomics and raw copies.
unsafe impl Send for PageRing {}

/// Offsets of the control block's words in the segment.
pub const GATE: u64 = 4096;
pub const CONSUMER_SLEEP: u64 = 4096 + 128;
pub const PRODUCER_SLEEP: u64 = 4096 + 256;
pub const CLOSED: u64 = 4096 + 384;
pub const TAIL: u64 = 4096 + 512;
pub const TAKEN: u64 = 4096 + 640;
pub const MOVED: u64 = 4096 + 664;
pub const WIPED: u64 = 4096 + 648;
pub const GATING: u64 = 4096 + 768;
pub const MARKS: u64 = 4096 + 896;

impl PageRing {
    /// Maps the ring at `scratch` and takes its shape from the header.
    pub fn map(scratch: &Scratch) -> Self {
        let file = scratch.file();
        let bytes = number(&file, 72, 8) as usize;
        // SAFETY: a fresh shared mapping of a file that is that long; the result is checked.
        let base = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                bytes,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED,
                file.as_raw_fd(),
                0,
            )
        };
        assert_ne!(
            base,
            libc::MAP_FAILED,
            "{}",
            std::io::Error::last_os_error()
        );
        let producers = number(&file, 160, 4);
        Self {
            base: NonNull::new(base.cast()).expect("not null"),
            bytes,
            capacity: number(&file, 24, 8),
            align: number(&file, 32, 8),
            producers,
            consumers: number(&file, 96, 4) - producers,
            payload: number(&file, 40, 8),
            payload_offset: number(&file, 48, 4),
            start: number(&file, 152, 8),
            data: number(&file, 104, 8),
            file,
        }
    }

    fn at(&self, offset: u64, size: usize) -> *mut u8 {
        assert!(offset as usize + size <= self.bytes);
        // SAFETY: inside the mapping by the assertion.
        unsafe { self.base.as_ptr().add(offset as usize) }
    }

    /// The 64-bit word at an offset of the segment.
    pub fn long(&self, offset: u64) -> &AtomicU64 {
        assert_eq!(offset % 8, 0);
        // SAFETY: aligned and inside the mapping, which lives as long as `self`.
        unsafe { AtomicU64::from_ptr(self.at(offset, 8).cast()) }
    }

    /// The 32-bit word at an offset of the segment.
    pub fn short(&self, offset: u64) -> &AtomicU32 {
        assert_eq!(offset % 4, 0);
        // SAFETY: aligned and inside the mapping, which lives as long as `self`.
        unsafe { AtomicU32::from_ptr(self.at(offset, 4).cast()) }
    }

    /// The entry of participant `i`.
    pub fn entry(&self, i: u64) -> u64 {
        5120 + 128 * i
    }

    /// The header word of the record of position `p`.
    pub fn word(&self, p: u64) -> &AtomicU64 {
        assert_eq!(p % self.align, 0);
        self.long(self.data + p % self.capacity)
    }

    /// Bytes that a record of `len` payload bytes takes.
    pub fn total(&self, len: u64) -> u64 {
        (len + 8).next_multiple_of(self.align)
    }

    /// Bytes from `p` to the end of the ring.
    pub fn room(&self, p: u64) -> u64 {
        self.capacity - p % self.capacity
    }

    /// Writes the payload of the record of position `p`.
    pub fn write(&self, p: u64, payload: &[u8]) {
        let from = self.data + p % self.capacity + 8;
        let at = self.at(from, payload.len());
        // SAFETY: inside the mapping; by the page these bytes are this producer's alone.
        unsafe { std::ptr::copy_nonoverlapping(payload.as_ptr(), at, payload.len()) };
    }

    /// Copies the payload of the record of position `p`.
    pub fn read(&self, p: u64, len: u64) -> Vec<u8> {
        let mut payload = vec![0; len as usize];
        let at = self.at(self.data + p % self.capacity + 8, payload.len());
        // SAFETY: inside the mapping; by the page nobody writes these bytes before they are released.
        unsafe { std::ptr::copy_nonoverlapping(at, payload.as_mut_ptr(), payload.len()) };
        payload
    }

    /// The ready word of the slot of position `p`.
    pub fn slot(&self, p: u64) -> &AtomicU64 {
        self.long(self.data + p % self.capacity * self.align)
    }

    fn payload_words(&self, p: u64) -> impl Iterator<Item = &AtomicU64> {
        let from = self.data + p % self.capacity * self.align + self.payload_offset;
        (0..self.payload.div_ceil(8)).map(move |i| self.long(from + 8 * i))
    }

    /// Writes the message of position `p`, word by word.
    pub fn write_slot(&self, p: u64, message: &[u8]) {
        assert_eq!(message.len() as u64, self.payload);
        for (word, bytes) in self.payload_words(p).zip(message.chunks(8)) {
            let mut eight = [0; 8];
            eight[..bytes.len()].copy_from_slice(bytes);
            word.store(u64::from_le_bytes(eight), Relaxed);
        }
    }

    /// Copies the message of position `p`, word by word.
    pub fn read_slot(&self, p: u64) -> Vec<u8> {
        let words = self.payload_words(p).map(|word| word.load(Relaxed));
        let mut message: Vec<u8> = words.flat_map(u64::to_le_bytes).collect();
        message.truncate(self.payload as usize);
        message
    }

    /// Copies the payload of the record of position `p`, word by word.
    pub fn read_racing(&self, p: u64, len: u64) -> Vec<u8> {
        let from = self.data + p % self.capacity + 8;
        let words = (0..len.div_ceil(8)).map(|i| self.long(from + 8 * i).load(Relaxed));
        let mut payload: Vec<u8> = words.flat_map(u64::to_le_bytes).collect();
        payload.truncate(len as usize);
        payload
    }

    fn token(&self, command: libc::c_int, i: u64) -> (libc::c_int, libc::flock) {
        self.lock(command, libc::F_WRLCK, i)
    }

    /// Gives token `i` back.
    pub fn let_go(&self, i: u64) {
        assert_eq!(self.lock(libc::F_OFD_SETLK, libc::F_UNLCK, i).0, 0);
    }

    fn lock(&self, command: libc::c_int, kind: libc::c_int, i: u64) -> (libc::c_int, libc::flock) {
        // SAFETY: a flock is plain integers.
        let mut lock: libc::flock = unsafe { std::mem::zeroed() };
        (lock.l_type, lock.l_start, lock.l_len) = (kind as _, (1 << 62) + i as i64, 1);
        // SAFETY: a live descriptor and a live request.
        let result = unsafe { libc::fcntl(self.file.as_raw_fd(), command, &mut lock) };
        (result, lock)
    }

    /// Takes token `i` if nobody holds it.
    pub fn try_hold(&self, i: u64) -> bool {
        self.token(libc::F_OFD_SETLK, i).0 == 0
    }

    /// Whether somebody else holds token `i`.
    pub fn is_held(&self, i: u64) -> bool {
        let (result, lock) = self.token(libc::F_OFD_GETLK, i);
        result != 0 || lock.l_type != libc::F_UNLCK as libc::c_short
    }

    /// Steps 5 and 6 of attaching: enters the owner of token `i` into the table.
    pub fn enter(&self, i: u64, role: u32) {
        let entry = self.entry(i);
        self.short(entry + 4).store(role, Relaxed);
        self.short(entry + 16).store(std::process::id(), Relaxed);
        self.long(entry + 8).fetch_add(1, Relaxed);
        self.short(entry).store(1, Release);
    }

    /// Says that the owner of token `i` leaves in order. The token goes with `self`.
    pub fn leave(self, i: u64) {
        let entry = self.entry(i);
        self.short(entry).store(2, Release);
    }

    /// Wakes whoever sleeps on a sleep word. Parking 1, futex.
    pub fn notify(&self, sleep: u64) {
        fence(SeqCst);
        let word = self.short(sleep);
        let mut w = word.load(Acquire);
        while w & 3 == 1 {
            let awake = (w & !3).wrapping_add(4);
            match word.compare_exchange(w, awake, Relaxed, Acquire) {
                Ok(_) => return ring(word),
                Err(now) => w = now,
            }
        }
    }
}

/// Wakes all who sleep on a word.
fn ring(word: &AtomicU32) {
    let all = libc::c_int::MAX;
    // SAFETY: an aligned word in a live mapping; the kernel uses its address as a key only.
    unsafe { libc::syscall(libc::SYS_futex, word.as_ptr(), libc::FUTEX_WAKE, all) };
}

impl Drop for PageRing {
    fn drop(&mut self) {
        // SAFETY: the mapping that `map` made; nothing borrows from it any more.
        unsafe { libc::munmap(self.base.as_ptr().cast(), self.bytes) };
    }
}
