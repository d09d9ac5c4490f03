//! The enemy: stores hurtful values into a ring, and knows which bytes the library never writes.

use super::memory::{
    ACTIVE, ANNOUNCE, ANNOUNCE_LEN, CLOSED, CONSUMER_SLEEP, CONTROL, GATE, GATING, HEADER_BYTES,
    MARKS, MOVED, Memory, PRODUCER_SLEEP, STATE, TABLE, TAIL, TAKEN, WIPED,
};
use crate::common::rng::Rng;
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

/// What an enemy needs to do harm.
struct Hand {
    memory: Memory,
    /// The words of header, control block and table.
    targets: Vec<Target>,
    /// The memory as it was when the enemy came.
    pristine: Vec<u64>,
    /// The offsets of the words that are nobody's.
    canaries: Vec<usize>,
}

/// Somebody with write access and bad intentions, or with good ones.
pub struct Enemy {
    hand: Option<Arc<Hand>>,
    pub rng: Rng,
    pub mutations: u64,
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
    for at in (0..bytes).step_by(8) {
        let word = match at {
            72 => bytes as u64, // Segment size.
            _ if at < HEADER_BYTES || data.contains(&at) => source.get(at),
            _ if targets.iter().any(|t| t.at & !7 == at) => source.get(at),
            _ => CANARY,
        };
        // The header has to be there before anything is read from it.
        // SAFETY: aligned and inside the mapping, which nobody else has yet.
        unsafe { map.as_mut_ptr().cast::<u64>().add(at / 8).write(word) };
    }
    // SAFETY: a live descriptor and an integer.
    let sealed = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_ADD_SEALS, libc::F_SEAL_SHRINK) };
    assert_eq!(sealed, 0, "no seals");
    (file.into(), Enemy::of(Memory::new(map), seed))
}

fn targets(memory: &Memory) -> Vec<Target> {
    let word = |at| Target { at, half: false };
    let half = |at| Target { at, half: true };
    let mut all: Vec<Target> = (0..HEADER_BYTES).step_by(8).map(word).collect();
    for entry in (0..memory.participants).map(|i| memory.entry(i)) {
        all.extend([0, 4, 16, 20].map(|at| half(entry + at)));
        all.extend([8, 24, 32, 40].map(|at| word(entry + at)));
    }
    all.extend([CONSUMER_SLEEP, PRODUCER_SLEEP, CLOSED].map(half));
    all.extend([GATE, TAIL, TAKEN, WIPED, MOVED].map(word));
    all.extend((0..16).map(|i| word(GATING + 8 * i)));
    all.extend((0..16).map(|i| word(MARKS + 8 * i)));
    assert!(all.iter().all(|t| t.at < CONTROL + 1024 || t.at >= TABLE));
    all
}

impl Enemy {
    /// An enemy of the ring in `memory`, which is whole now.
    pub fn of(memory: Memory, seed: u64) -> Self {
        let all = (0..memory.len()).step_by(8);
        let pristine: Vec<u64> = all.map(|at| memory.get(at)).collect();
        let canaries = (0..memory.len()).step_by(8);
        let hand = Hand {
            targets: targets(&memory),
            canaries: canaries.filter(|at| pristine[at / 8] == CANARY).collect(),
            pristine,
            memory,
        };
        Self {
            hand: Some(Arc::new(hand)),
            rng: Rng::new(seed),
            mutations: 0,
        }
    }

    /// Nobody's enemy.
    pub fn peaceful(seed: u64) -> Self {
        Self {
            hand: None,
            rng: Rng::new(seed),
            mutations: 0,
        }
    }

    /// Somebody with other numbers and no intentions.
    pub fn harmless(&mut self) -> Self {
        Self::peaceful(self.rng.next())
    }

    /// Another one for the same memory.
    pub fn twin(&mut self) -> Self {
        Self {
            hand: self.hand.clone(),
            ..self.harmless()
        }
    }

    /// A position near those that the ring is at.
    fn near(&mut self, memory: &Memory) -> u64 {
        let entry = self.rng.below(memory.participants as u64) as usize;
        let from = memory.entry(entry) + ANNOUNCE;
        let mark = MARKS + 16 * self.rng.below(8) as usize;
        let at = self.rng.pick(&[GATE, TAIL, TAKEN, from, mark]);
        let word = memory.get(at);
        // The tail of slots that many share is four times the position.
        let word = match self.rng.below(2) {
            0 => word / 4,
            _ => word,
        };
        let off = self.rng.below(17) * self.rng.pick(&[1, 1, 8, 64]);
        word.wrapping_add(off).wrapping_sub(8)
    }

    /// A word to hurt: mostly where the protocol lives, sometimes anywhere.
    fn target(&mut self, hand: &Hand) -> Target {
        let word = |at| Target { at, half: false };
        let memory = &hand.memory;
        let entry = self.rng.below(memory.participants as u64) as usize;
        let entry = memory.entry(entry);
        let near = self.near(memory);
        match self.rng.below(16) {
            0 => hand.targets[self.rng.below(hand.targets.len() as u64) as usize],
            1..=3 => word(
                self.rng
                    .pick(&[GATE, TAIL, TAIL, TAKEN, TAKEN, WIPED, MOVED]),
            ),
            4 => Target {
                at: entry + STATE,
                half: true,
            },
            5..=7 => word(entry + self.rng.pick(&[ANNOUNCE, ANNOUNCE_LEN])),
            8 => word(GATING),
            9 => word(MARKS + 8 * self.rng.below(16) as usize),
            10..=12 => word(memory.slot(near)),
            13 | 14 => word(memory.record(near) & !7),
            _ => word(memory.data + self.rng.below(memory.data_bytes as u64 / 8) as usize * 8),
        }
    }

    /// A length that hurts in the header of a record at `at`: around the room that is left, a quarter, a half, all of the
    /// ring, and beyond.
    fn length(&mut self, memory: &Memory, at: usize) -> u64 {
        let c = memory.data_bytes as u64;
        let room = c - (at - memory.data) as u64 % c;
        let near = self
            .rng
            .pick(&[0, 8, room, room, c / 4, c / 2, c, 1 << 32, u64::MAX]);
        let off = self.rng.pick(&[0, 1, 8, 9, 15, 16, 64]);
        match self.rng.below(3) {
            0 => near.wrapping_add(off),
            1 => near.wrapping_sub(off),
            _ => self.rng.below(c),
        }
    }

    /// A value that hurts there.
    fn value(&mut self, hand: &Hand, target: Target) -> u64 {
        let memory = &hand.memory;
        let now = memory.get(target.at & !7);
        let c = memory.data_bytes as u64;
        let slots = c / memory.stride as u64;
        let near = self.near(memory);
        let steps = [
            1,
            2,
            3,
            4,
            8,
            64,
            slots,
            4 * slots,
            c / 2,
            c,
            2 * c,
            1 << 32,
        ];
        let value = match self.rng.below(13) {
            0 => self.rng.next(),
            1 => now ^ (1 << self.rng.below(64)),
            2 => now.wrapping_add(self.rng.pick(&steps)),
            3 => now.wrapping_sub(self.rng.pick(&steps)),
            // Words of slots near the ends.
            4..=6 => near << 2 | self.rng.below(4),
            7 => near,
            // Just before the end of the ring.
            8 => (near | (c - 1)).wrapping_sub(self.rng.below(16)),
            // Headers of records: length, tag and state.
            9 | 10 if target.at >= memory.data => {
                let len = self.length(memory, target.at);
                len << 32 | self.rng.below(2) << 16 | self.rng.below(5)
            }
            11 => u64::MAX - self.rng.below(3) * self.rng.below(c),
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
        let Some(hand) = self.hand.clone() else {
            return;
        };
        let target = self.target(&hand);
        let value = self.value(&hand, target);
        if target.half {
            hand.memory.half(target.at).store(value as u32, Relaxed);
        } else {
            hand.memory.set(target.at, value);
        }
        self.mutations += 1;
    }

    /// Puts the memory back to what it was when the enemy came. Panics if a byte was written that is neither a word of the
    /// format nor in a message.
    pub fn heal(&mut self) {
        let Some(hand) = &self.hand else {
            return;
        };
        for at in &hand.canaries {
            assert!(
                hand.memory.get(*at) == CANARY,
                "the library wrote to byte {at}, which is not part of the ring"
            );
        }
        for (i, word) in hand.pristine.iter().enumerate() {
            hand.memory.set(8 * i, *word);
        }
    }
}
