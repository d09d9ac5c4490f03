//! The attacker: a second mapping of a ring, which stores hurtful values anywhere and knows which bytes the
//! library never writes.

use annulus::Ring;
use memmap2::{MmapOptions, MmapRaw};
use std::fs::File;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering::Relaxed};

/// Offsets of `docs/WIRE.md`.
const HEADER_BYTES: usize = 256;
pub const CONTROL: usize = 4096;
const TABLE: usize = 5120;
const DATA: usize = 8192;
/// A byte that the library never has a reason to write where it stands.
const CANARY: u8 = 0xa5;
/// Pages behind the ring that belong to its segment and not to the ring.
const SPARE_BYTES: usize = 8192;

/// xorshift64*: the tests are the same in every run.
pub struct Random(pub u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number below `n`.
    pub fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }
}

/// Every power of two, its neighbours, and their complements.
fn boundary_values() -> Vec<u64> {
    let mut values: Vec<u64> = (0..64)
        .flat_map(|k| [(1u64 << k) - 1, 1 << k, (1 << k) + 1])
        .flat_map(|v| [v, !v])
        .collect();
    values.sort_unstable();
    values.dedup();
    values
}

/// A word that a peer can write: its offset and its size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target {
    pub at: usize,
    pub bytes: usize,
}

/// The attacker: a second mapping of the ring's memory.
pub struct Attacker {
    pub map: MmapRaw,
    pub stride: usize,
    pub capacity: usize,
    /// The memory as it was when the ring was new.
    pristine: Vec<u8>,
    pub targets: Vec<Target>,
    pub random: Random,
    pub values: Vec<u64>,
    pub mutations: u64,
}

impl Attacker {
    /// Remembers the memory as it is now, as that of a new ring.
    pub fn new(map: MmapRaw, stride: usize, capacity: usize, seed: u64) -> Self {
        let mut attacker = Self {
            pristine: Vec::new(),
            targets: targets(stride, capacity),
            random: Random(seed),
            values: boundary_values(),
            mutations: 0,
            map,
            stride,
            capacity,
        };
        attacker.pristine = (0..attacker.map.len())
            .map(|i| attacker.byte(i).load(Relaxed))
            .collect();
        attacker
    }

    fn byte(&self, at: usize) -> &AtomicU8 {
        assert!(at < self.map.len());
        // SAFETY: inside the mapping, which lives as long as `self`.
        unsafe { AtomicU8::from_ptr(self.map.as_mut_ptr().add(at)) }
    }

    fn word(&self, at: usize) -> &AtomicU64 {
        assert!(at.is_multiple_of(8) && at + 8 <= self.map.len());
        // SAFETY: aligned and inside the mapping, which lives as long as `self`.
        unsafe { AtomicU64::from_ptr(self.map.as_mut_ptr().add(at).cast()) }
    }

    fn half(&self, at: usize) -> &AtomicU32 {
        assert!(at.is_multiple_of(4) && at + 4 <= self.map.len());
        // SAFETY: aligned and inside the mapping, which lives as long as `self`.
        unsafe { AtomicU32::from_ptr(self.map.as_mut_ptr().add(at).cast()) }
    }

    /// Stores a value in a word, and counts it.
    pub fn store(&mut self, target: Target, value: u64) {
        match target.bytes {
            4 => self.half(target.at).store(value as u32, Relaxed),
            _ => self.word(target.at).store(value, Relaxed),
        }
        self.mutations += 1;
    }

    /// A value that hurts: a boundary, noise, a word near to what belongs there, or a word from elsewhere.
    pub fn value(&mut self, target: Target) -> u64 {
        let now = self.word(target.at & !7).load(Relaxed);
        let capacity = self.capacity as u64;
        match self.random.below(6) {
            0 => self.random.next(),
            1 => now ^ (1 << self.random.below(64)),
            2 => now.wrapping_add(
                [1, 2, 3, 4, 8, u64::MAX, capacity * 4, capacity][self.random.below(8)],
            ),
            3 => {
                now.wrapping_sub([1, 4, capacity, 2 * capacity, 4 * capacity][self.random.below(5)])
            }
            4 => {
                let other = self.random.below(self.targets.len());
                self.word(self.targets[other].at & !7).load(Relaxed)
            }
            _ => self.values[self.random.below(self.values.len())],
        }
    }

    /// Stores one hurtful value somewhere.
    pub fn strike(&mut self) {
        // Half of all strikes go where the protocol lives: gate, sleep words, closed, ready words.
        let live = HEADER_BYTES / 8;
        let i = match self.random.below(2) {
            0 => self.random.below(self.targets.len()),
            _ => live + self.random.below(self.targets.len() - live),
        };
        let target = self.targets[i];
        let value = self.value(target);
        self.store(target, value);
    }

    /// Puts the memory back to what it was when the ring was new.
    pub fn heal(&self) {
        for at in (0..self.pristine.len()).step_by(8) {
            let word = u64::from_ne_bytes(self.pristine[at..at + 8].try_into().expect("eight"));
            self.word(at).store(word, Relaxed);
        }
    }

    /// Panics if a byte was written that is neither a word of the format nor payload.
    pub fn check_canaries(&self, payload: std::ops::Range<usize>) {
        for at in HEADER_BYTES..self.map.len() {
            let writable = match at {
                CONTROL..TABLE => (at - CONTROL) % 128 < 8 && at < CONTROL + 512,
                TABLE..DATA => (at - TABLE) % 128 < 48 && at < TABLE + 256,
                DATA.. if at < DATA + self.stride * self.capacity => {
                    let inside = (at - DATA) % self.stride;
                    inside < 8 || payload.contains(&inside)
                }
                _ => false,
            };
            assert!(
                writable || self.byte(at).load(Relaxed) == CANARY,
                "the library wrote to byte {at}, which is not part of the ring"
            );
        }
    }
}

/// The words of a ring: the header's, then the rest.
fn targets(stride: usize, capacity: usize) -> Vec<Target> {
    let word = |at| Target { at, bytes: 8 };
    let half = |at| Target { at, bytes: 4 };
    let mut all: Vec<Target> = (0..HEADER_BYTES).step_by(8).map(word).collect();
    all.push(word(CONTROL));
    all.extend([128, 256, 384].map(|line| half(CONTROL + line)));
    for entry in [TABLE, TABLE + 128] {
        all.extend([0, 4, 16, 20].map(|at| half(entry + at)));
        all.extend([8, 24, 32, 40].map(|at| word(entry + at)));
    }
    all.extend((0..capacity).map(|i| word(DATA + i * stride)));
    all
}

/// A memfd that holds what `ring` holds, with canaries in all gaps and spare pages behind it.
pub fn copy_with_canaries<T: annulus::Element + ?Sized>(
    ring: &Ring<annulus::Spsc<T>>,
    stride: usize,
) -> (OwnedFd, MmapRaw) {
    let source = MmapOptions::new()
        .map_raw(&ring.descriptor().expect("a descriptor"))
        .expect("map");
    let capacity = ring.capacity() as usize;
    let bytes = source.len() + SPARE_BYTES;
    // SAFETY: a static zero-terminated name; the descriptor is new and owned by nobody else.
    let fd = unsafe {
        OwnedFd::from_raw_fd(libc::memfd_create(
            c"hostile".as_ptr(),
            libc::MFD_ALLOW_SEALING,
        ))
    };
    let file = File::from(fd);
    file.set_len(bytes as u64).expect("room");
    let map = MmapOptions::new().map_raw(&file).expect("map");
    let attacker = Attacker::new(map, stride, capacity, 1);
    for at in 0..bytes {
        let old = match at {
            0..HEADER_BYTES => Some(at),
            _ if at < source.len() => {
                let live = attacker
                    .targets
                    .iter()
                    .any(|t| (t.at..t.at + 8).contains(&at));
                live.then_some(at)
            }
            _ => None,
        };
        // SAFETY: `at` is inside `source`; nobody writes to this ring.
        let byte = old.map_or(CANARY, |at| unsafe { source.as_ptr().add(at).read() });
        attacker.byte(at).store(byte, Relaxed);
    }
    attacker.word(72).store(bytes as u64, Relaxed); // Segment size.
    // SAFETY: a live descriptor and an integer.
    assert_eq!(0, unsafe {
        libc::fcntl(file.as_raw_fd(), libc::F_ADD_SEALS, libc::F_SEAL_SHRINK)
    });
    (file.into(), attacker.map)
}
