//! The enemy: stores hurtful values into a ring, and knows which bytes the library never writes.

use crate::common::rng::Rng;
use crate::memory::{
    ACTIVE, ANNOUNCE, ANNOUNCE_LEN, CLOSED, CONSUMER_SLEEP, CONTROL, GATE, GATING, HEADER_BYTES,
    MARKS, Memory, PRODUCER_SLEEP, STATE, TABLE, TAIL, TAKEN, WIPED,
};
use annulus::{Kind, Ring};
use memmap2::MmapOptions;
use std::fs::File;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

/// Eight bytes that the library never has a reason to write where they stand.
const CANARY: u64 = 0xa5a5_a5a5_a5a5_a5a5;
/// Bytes behind the ring that belong to its segment and not to the ring.
const SPARE_BYTES: usize = 8192;

/// A word that a peer can write: its offset, and whether it has 4 bytes only.
#[derive(Clone, Copy, Debug)]
struct Target {
    at: usize,
    half: bool,
}

/// Somebody with write access and bad intentions.
pub struct Enemy {
    pub memory: Arc<Memory>,
    pub rng: Rng,
    pub mutations: u64,
    /// Whether it does anything.
    strikes: bool,
    /// The words of control block and table.
    targets: Arc<Vec<Target>>,
    /// The memory as it was when the ring was new, and the offsets of the words that are nobody's.
    pristine: Arc<(Vec<u64>, Vec<usize>)>,
}

/// A copy of `ring`, with canaries in all gaps and behind it: its descriptor, and its enemy.
pub fn copy_with_canaries<K: Kind>(ring: &Ring<K>, seed: u64) -> (OwnedFd, Enemy) {
    let source = Memory::of(ring);
    let bytes = source.len() + SPARE_BYTES;
    // SAFETY: a static zero-terminated name; the descriptor is new and owned by nobody else.
    let fd = unsafe {
        let seals = libc::MFD_ALLOW_SEALING | libc::MFD_CLOEXEC;
        OwnedFd::from_raw_fd(libc::memfd_create(c"hostile".as_ptr(), seals))
    };
    let file = File::from(fd);
    file.set_len(bytes as u64).expect("room");
    let map = MmapOptions::new().map_raw(&file).expect("map");
    let targets = targets(&source);
    let data = source.data..source.data + source.data_bytes;
    let words: Vec<u64> = (0..bytes)
        .step_by(8)
        .map(|at| match at {
            72 => bytes as u64, // Segment size.
            _ if at < HEADER_BYTES || data.contains(&at) => source.get(at),
            _ if targets.iter().any(|t| t.at & !7 == at) => source.get(at),
            _ => CANARY,
        })
        .collect();
    let canaries = (0..bytes).step_by(8).filter(|at| words[at / 8] == CANARY);
    let canaries: Vec<usize> = canaries.collect();
    // The header has to be there before anything is read from it.
    for (i, word) in words.iter().enumerate() {
        // SAFETY: aligned and inside the mapping, which nobody else has yet.
        unsafe { map.as_mut_ptr().cast::<u64>().add(i).write(*word) };
    }
    // SAFETY: a live descriptor and an integer.
    let sealed = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_ADD_SEALS, libc::F_SEAL_SHRINK) };
    assert_eq!(sealed, 0, "no seals");
    let enemy = Enemy {
        memory: Arc::new(Memory::new(map)),
        rng: Rng::new(seed),
        mutations: 0,
        strikes: true,
        targets: Arc::new(targets),
        pristine: Arc::new((words, canaries)),
    };
    (file.into(), enemy)
}

fn targets(memory: &Memory) -> Vec<Target> {
    let word = |at| Target { at, half: false };
    let half = |at| Target { at, half: true };
    let mut all = Vec::new();
    for entry in (0..memory.participants).map(|i| memory.entry(i)) {
        all.extend([0, 4, 16, 20].map(|at| half(entry + at)));
        all.extend([8, 24, 32, 40].map(|at| word(entry + at)));
    }
    all.extend([CONSUMER_SLEEP, PRODUCER_SLEEP, CLOSED].map(half));
    all.extend([GATE, TAIL, TAKEN, WIPED].map(word));
    all.extend((0..16).map(|i| word(GATING + 8 * i)));
    all.extend((0..16).map(|i| word(MARKS + 8 * i)));
    assert!(all.iter().all(|t| t.at < CONTROL + 1024 || t.at >= TABLE));
    all
}

impl Enemy {
    /// The same memory, and no intentions.
    pub fn harmless(&mut self) -> Self {
        Self {
            strikes: false,
            ..self.twin()
        }
    }

    /// Another one for the same memory.
    pub fn twin(&mut self) -> Self {
        Self {
            memory: Arc::clone(&self.memory),
            rng: Rng::new(self.rng.next()),
            mutations: 0,
            strikes: true,
            targets: Arc::clone(&self.targets),
            pristine: Arc::clone(&self.pristine),
        }
    }

    /// A position near those that the ring is at.
    fn near(&mut self) -> u64 {
        let entry = self.rng.below(self.memory.participants as u64) as usize;
        let from = self.memory.entry(entry) + ANNOUNCE;
        let mark = MARKS + 16 * self.rng.below(8) as usize;
        let at = self.rng.pick(&[GATE, TAIL, TAKEN, from, mark]);
        let word = self.memory.get(at);
        // The tail of slots that many share is four times the position.
        let word = if self.rng.below(2) == 0 {
            word / 4
        } else {
            word
        };
        let off = self.rng.below(17) * self.rng.pick(&[1, 1, 8, 64]);
        word.wrapping_add(off).wrapping_sub(8)
    }

    /// A word to hurt: mostly where the protocol lives, sometimes anywhere.
    fn target(&mut self) -> Target {
        let word = |at| Target { at, half: false };
        let entry = self.rng.below(self.memory.participants as u64) as usize;
        let entry = self.memory.entry(entry);
        let near = self.near();
        match self.rng.below(16) {
            0 => {
                let i = self.rng.below(self.targets.len() as u64) as usize;
                self.targets[i]
            }
            1..=3 => word(self.rng.pick(&[GATE, TAIL, TAIL, TAKEN, TAKEN, WIPED])),
            4 => Target {
                at: entry + STATE,
                half: true,
            },
            5..=7 => word(entry + self.rng.pick(&[ANNOUNCE, ANNOUNCE_LEN])),
            8 => word(GATING),
            9 => word(MARKS + 8 * self.rng.below(16) as usize),
            10..=12 => word(self.memory.slot(near)),
            13 | 14 => word(self.memory.record(near) & !7),
            _ => word(
                self.memory.data + self.rng.below(self.memory.data_bytes as u64 / 8) as usize * 8,
            ),
        }
    }

    /// A value that hurts there.
    fn value(&mut self, target: Target) -> u64 {
        let now = self.memory.get(target.at & !7);
        let c = self.memory.data_bytes as u64;
        let slots = c / self.memory.stride as u64;
        let near = self.near();
        let value = match self.rng.below(12) {
            0 => self.rng.next(),
            1 => now ^ (1 << self.rng.below(64)),
            2 => {
                now.wrapping_add(
                    self.rng
                        .pick(&[1, 2, 3, 4, 8, 64, slots, 4 * slots, c, 1 << 32]),
                )
            }
            3 => {
                now.wrapping_sub(
                    self.rng
                        .pick(&[1, 2, 3, 4, 8, 64, slots, 4 * slots, c, 1 << 32]),
                )
            }
            // Words of slots near the ends.
            4..=6 => near << 2 | self.rng.below(4),
            7 => near,
            // Headers of records.
            8 | 9 => {
                let len = self
                    .rng
                    .pick(&[0, 1, 8, c / 4, c / 2 - 8, c / 2, c - 8, c, u64::MAX]);
                (len.wrapping_add(self.rng.below(9)) << 32) | self.rng.below(4)
            }
            10 => u64::MAX - self.rng.below(3) * self.rng.below(c),
            _ => 1 << self.rng.below(64),
        };
        // A closed ring is the end of every fight: not too often.
        match target.at {
            CLOSED if self.rng.below(16) > 0 => value & !3,
            TAIL if self.rng.below(4) > 0 => value & !3,
            at if at >= TABLE && (at - TABLE) % 128 == STATE => match self.rng.below(4) {
                0 => value,
                _ => u64::from(ACTIVE),
            },
            _ => value,
        }
    }

    /// Stores one hurtful value somewhere.
    pub fn strike(&mut self) {
        if !self.strikes {
            return;
        }
        let target = self.target();
        let value = self.value(target);
        if target.half {
            self.memory.half(target.at).store(value as u32, Relaxed);
        } else {
            self.memory.set(target.at, value);
        }
        self.mutations += 1;
    }

    /// Puts the memory back to what it was when the ring was new. Panics if a byte was written that is
    /// neither a word of the format nor in a message.
    pub fn heal(&mut self) {
        let (words, canaries) = &*self.pristine;
        for at in canaries {
            assert!(
                self.memory.get(*at) == CANARY,
                "the library wrote to byte {at}, which is not part of the ring"
            );
        }
        for (i, word) in words.iter().enumerate() {
            self.memory.set(8 * i, *word);
        }
    }
}
