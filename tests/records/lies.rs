//! The enemy: stores hurtful values into a ring, and knows which bytes the library never writes.

use crate::common::rng::Rng;
use crate::kinds::{Kind, Shape};
use crate::peer::{
    BUSY, CLOSED, CONSUMER_SLEEP, CONTROL, ENTRY, GATE, HEADER_BYTES, Memory, PAD, PRODUCER_SLEEP,
    READY, TABLE, TAIL, TAKEN, WIPED, word,
};
use annulus::Ring;
use memmap2::MmapOptions;
use std::fs::File;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
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
    pub memory: Memory,
    pub rng: Rng,
    pub mutations: u64,
    shape: Shape,
    /// The words of header, table and control block.
    targets: Vec<Target>,
    /// The memory as it was when the ring was new.
    pristine: Vec<u64>,
    /// Offsets of the words that are nobody's.
    canaries: Vec<usize>,
}

/// A copy of `ring`, with canaries in all gaps and behind it: its descriptor, and its enemy.
pub fn copy_with_canaries<K: Kind>(ring: &Ring<K>, shape: Shape, seed: u64) -> (OwnedFd, Enemy) {
    let source = Memory::of(ring, shape);
    let bytes = source.len() + SPARE_BYTES;
    // SAFETY: a static zero-terminated name; the descriptor is new and owned by nobody else.
    let fd = unsafe {
        let seals = libc::MFD_ALLOW_SEALING | libc::MFD_CLOEXEC;
        OwnedFd::from_raw_fd(libc::memfd_create(c"hostile".as_ptr(), seals))
    };
    let file = File::from(fd);
    file.set_len(bytes as u64).expect("room");
    let map = MmapOptions::new().map_raw(&file).expect("map");
    let memory = Memory::new(map, shape);
    let targets = targets(&memory);
    let data = memory.data..memory.data + memory.capacity;
    let is_used = |at: usize| {
        at < HEADER_BYTES || data.contains(&at) || targets.iter().any(|t| t.at & !7 == at)
    };
    let mut canaries = Vec::new();
    for at in (0..bytes).step_by(8) {
        if is_used(at) {
            memory
                .word(at)
                .store(source.word(at).load(Relaxed), Relaxed);
        } else {
            memory.word(at).store(CANARY, Relaxed);
            canaries.push(at);
        }
    }
    memory.word(72).store(bytes as u64, Relaxed); // Segment size.
    // SAFETY: a live descriptor and an integer.
    let sealed = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_ADD_SEALS, libc::F_SEAL_SHRINK) };
    assert_eq!(sealed, 0, "no seals");
    let words = (0..bytes).step_by(8);
    let enemy = Enemy {
        pristine: words.map(|at| memory.word(at).load(Relaxed)).collect(),
        canaries,
        ..Enemy::of(memory, shape, seed)
    };
    (file.into(), enemy)
}

fn targets(memory: &Memory) -> Vec<Target> {
    let word = |at| Target { at, half: false };
    let half = |at| Target { at, half: true };
    let mut all: Vec<Target> = (0..HEADER_BYTES).step_by(8).map(word).collect();
    for entry in (0..=memory.producers).map(|i| TABLE + i * ENTRY) {
        all.extend([0, 4, 16, 20].map(|at| half(entry + at)));
        all.extend([8, 24, 32, 40].map(|at| word(entry + at)));
    }
    all.extend([CONSUMER_SLEEP, PRODUCER_SLEEP, CLOSED].map(half));
    all.extend([GATE, TAIL, TAKEN, WIPED].map(word));
    assert!(all.iter().all(|t| t.at < CONTROL + 1024 || t.at >= TABLE));
    all
}

impl Enemy {
    /// An enemy of whatever ring lies in `memory`. It heals nothing.
    pub fn of(memory: Memory, shape: Shape, seed: u64) -> Self {
        Self {
            targets: targets(&memory),
            memory,
            rng: Rng::new(seed),
            mutations: 0,
            shape,
            pristine: Vec::new(),
            canaries: Vec::new(),
        }
    }

    /// A word to hurt: mostly where the protocol lives, sometimes anywhere.
    fn target(&mut self) -> Target {
        let n = self.targets.len();
        match self.rng.below(8) {
            0 => self.targets[self.rng.below(n as u64) as usize],
            // Gate, tail, taken, wiped.
            1 => self.targets[n - 1 - self.rng.below(4) as usize],
            // The table: announcements above all.
            2 => {
                let i = self.rng.below(self.memory.producers as u64) as usize;
                let field = self.rng.pick(&[32, 32, 40, 40, 40, 8, 24]);
                let at = TABLE + i * ENTRY + field;
                Target { at, half: false }
            }
            // The headers around the two ends.
            3..=6 => {
                let from = self.rng.pick(&[TAKEN, TAIL]);
                let near = self.memory.word(from).load(Relaxed) & !7;
                let step = self.rng.below(8) * self.shape.align;
                let at = self.memory.at(near.wrapping_add(step));
                Target { at, half: false }
            }
            _ => {
                let at = self.memory.data + self.rng.below(self.shape.capacity / 8) as usize * 8;
                Target { at, half: false }
            }
        }
    }

    /// A length that hurts: around the room that is left, a quarter, a half, all of the ring, and beyond.
    fn length(&mut self, at: usize) -> u64 {
        let c = self.shape.capacity;
        let room = c - (at - self.memory.data) as u64 % c;
        let near = self.rng.pick(&[0, 8, room, room, c / 4, c / 2, c, 1 << 32]);
        let off = self.rng.pick(&[0, 1, 8, 9, 15, 16, 64]);
        match self.rng.below(3) {
            0 => near.wrapping_add(off) & 0xffff_ffff,
            1 => near.wrapping_sub(off) & 0xffff_ffff,
            _ => self.rng.below(c),
        }
    }

    /// A value that hurts there.
    fn value(&mut self, target: Target) -> u64 {
        let now = self.memory.word(target.at & !7).load(Relaxed);
        let c = self.shape.capacity;
        if target.at >= self.memory.data && self.rng.below(4) > 0 {
            let len = self.length(target.at) as u32;
            let state = self.rng.pick(&[READY, READY, PAD, BUSY, BUSY, 0, 4]);
            return word(state, self.rng.pick(&[0, 0, 1]), len);
        }
        let value = match self.rng.below(8) {
            0 => self.rng.next(),
            1 => now ^ (1 << self.rng.below(64)),
            2 => {
                now.wrapping_add(
                    self.rng
                        .pick(&[1, 2, 4, 8, 64, c / 2, c - 4, c, 2 * c, 1 << 32]),
                )
            }
            3 => {
                now.wrapping_sub(
                    self.rng
                        .pick(&[1, 4, 8, 64, c - 4, c, 2 * c, 2 * c + 8, 1 << 32]),
                )
            }
            4 => {
                let from = self.rng.pick(&[GATE, TAIL, TAKEN, WIPED]);
                let word = self.memory.word(from).load(Relaxed);
                word.wrapping_add(self.rng.below(c / 4) * 8)
            }
            // Just before the end of the ring, or of all numbers.
            5 => (now | (c - 1)).wrapping_sub(self.rng.below(16)),
            6 => u64::MAX - self.rng.below(3) * self.rng.below(c),
            _ => 1u64 << self.rng.below(64),
        };
        // A closed ring is the end of every fight: not too often.
        match target.at {
            TAIL if self.rng.below(16) > 0 => value & !3,
            CLOSED if self.rng.below(16) > 0 => value & !3,
            _ => value,
        }
    }

    /// Stores one hurtful value somewhere.
    pub fn strike(&mut self) {
        let target = self.target();
        let value = self.value(target);
        if target.half {
            self.memory.half(target.at).store(value as u32, Relaxed);
        } else {
            self.memory.word(target.at).store(value, Relaxed);
        }
        self.mutations += 1;
    }

    /// Puts the memory back to what it was when the ring was new. Panics if a byte was written that is
    /// neither a word of the format nor in a record.
    pub fn heal(&mut self) {
        for at in &self.canaries {
            assert!(
                self.memory.word(*at).load(Relaxed) == CANARY,
                "the library wrote to byte {at}, which is not part of the ring"
            );
        }
        for (i, word) in self.pristine.iter().enumerate() {
            self.memory.word(8 * i).store(*word, Relaxed);
        }
    }
}
