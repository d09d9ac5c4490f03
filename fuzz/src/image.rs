//! The bytes of a real ring, copies of them to be lied in, and the words that a lie can hit.

use annulus::{Kind, Ring};
use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;

/// Offsets of `docs/WIRE.md`.
const HEADER_BYTES: usize = 256;
const CONTROL: usize = 4096;
const TABLE: usize = 5120;
const ENTRY: usize = 128;
/// A byte that the library never has a reason to write where it stands.
const CANARY: u8 = 0xa5;
/// Bytes behind the ring that belong to its segment and not to the ring.
const SPARE_BYTES: usize = 4096;
/// Words of the control block that somebody reads: where, and of how many bytes. Gate, sleep words, closed, tail, taken,
/// wiped and moved; then the gating bits and the marks.
const CONTROL_WORDS: [(usize, usize); 8] = [
    (0, 8),
    (128, 4),
    (256, 4),
    (384, 4),
    (512, 8),
    (640, 8),
    (648, 8),
    (664, 8),
];
const GATING: usize = 768;
const MARKS: usize = 896;
/// Fields of a table entry: state, role, generation, pid, reserved, start time, announced position and length.
const FIELDS: [(usize, usize); 8] = [
    (0, 4),
    (4, 4),
    (8, 8),
    (16, 4),
    (20, 4),
    (24, 8),
    (32, 8),
    (40, 8),
];

/// A word that a peer can write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Word {
    pub at: usize,
    pub bytes: usize,
}

/// A new ring as bytes, canaries in all its gaps.
pub struct Image {
    bytes: Vec<u8>,
    control: Vec<Word>,
    table: Vec<Word>,
    data: usize,
    data_bytes: usize,
    stride: usize,
    /// Offsets that are nobody's.
    gaps: Vec<usize>,
}

impl Image {
    /// Of a ring that was just made.
    pub fn of<K: Kind>(ring: &Ring<K>) -> Self {
        Self::new(Self::read(ring))
    }

    /// The bytes of a ring.
    pub fn read<K: Kind>(ring: &Ring<K>) -> Vec<u8> {
        let fd = ring.descriptor().expect("a memory file");
        let file = File::from(fd.try_clone_to_owned().expect("dup"));
        let len = file.metadata().expect("a size").len() as usize;
        let mut bytes = vec![0; len];
        file.read_exact_at(&mut bytes, 0).expect("read");
        bytes
    }

    fn new(mut bytes: Vec<u8>) -> Self {
        let number = |at: usize| number(&bytes, at) as usize;
        let (slots, participants) = (number(20) as u32 == 1, number(96) as u32 as usize);
        let (capacity, stride, data) = (number(24), number(32), number(104));
        let data_bytes = if slots { capacity * stride } else { capacity };
        let word = |at, bytes| Word { at, bytes };
        let mut control: Vec<Word> = CONTROL_WORDS
            .iter()
            .map(|(at, bytes)| word(CONTROL + at, *bytes))
            .collect();
        let words = |from: usize| (0..16).map(move |i| word(CONTROL + from + 8 * i, 8));
        control.extend(words(GATING).chain(words(MARKS)));
        let entries = (0..participants).map(|i| TABLE + i * ENTRY);
        let table = entries.flat_map(|entry| FIELDS.map(|(at, bytes)| word(entry + at, bytes)));
        let table: Vec<Word> = table.collect();
        bytes.resize(bytes.len() + SPARE_BYTES, 0);
        let len = bytes.len() as u64;
        bytes[72..80].copy_from_slice(&len.to_le_bytes());
        let mut used = vec![false; bytes.len()];
        used[..HEADER_BYTES].fill(true);
        used[data..data + data_bytes].fill(true);
        for word in control.iter().chain(&table) {
            used[word.at..word.at + word.bytes].fill(true);
        }
        let gaps: Vec<usize> = (0..used.len()).filter(|at| !used[*at]).collect();
        gaps.iter().for_each(|at| bytes[*at] = CANARY);
        Self {
            bytes,
            control,
            table,
            data,
            data_bytes,
            stride,
            gaps,
        }
    }

    /// The word that `raw` stands for: one number in eight of the control block, one of the data, and of the rest half
    /// each of the table and of ready words and headers. With `table`, five in eight of the table.
    pub fn word(&self, raw: u16, table: bool) -> Word {
        let n = usize::from(raw) / 8;
        let of_data = |at: usize| Word {
            at: self.data + at % self.data_bytes & !7,
            bytes: 8,
        };
        match (raw % 8, table) {
            (0, _) => self.control[n % self.control.len()],
            (1, _) => of_data(n * 8),
            (2..=4, _) | (5..=6, true) => self.table[n % self.table.len()],
            _ => of_data(n * self.stride),
        }
    }

    /// A number that stands for the word at `at`, if one does.
    pub fn raw(&self, at: usize) -> Option<(u16, Word)> {
        let of = |words: &[Word], kind: usize| {
            let i = words.iter().position(|word| word.at == at)?;
            u16::try_from(i * 8 + kind).ok().map(|raw| (raw, words[i]))
        };
        let inside = at.checked_sub(self.data).filter(|n| *n < self.data_bytes);
        let data = inside.and_then(|n| u16::try_from(n + 1).ok());
        let data = data.map(|raw| (raw, Word { at, bytes: 8 }));
        of(&self.control, 0).or_else(|| of(&self.table, 2)).or(data)
    }

    /// The words in which `later`, which is the same ring in other days, differs: what stands for them, and what they
    /// hold.
    pub fn changes(&self, later: &[u8]) -> Vec<(u16, u64)> {
        let mut changes = Vec::new();
        for at in (CONTROL..later.len().min(self.data + self.data_bytes)).step_by(4) {
            let Some((raw, word)) = self.raw(at) else {
                continue;
            };
            let range = at..at + word.bytes;
            if self.bytes[range.clone()] != later[range] {
                let mask = u64::MAX >> (64 - 8 * word.bytes);
                changes.push((raw, number(later, at) & mask));
            }
        }
        changes
    }

    /// A ring of these bytes.
    pub fn copy(&self) -> Copy<'_> {
        let fd = crate::exercise::sealed(self.bytes.len() as u64, &[(0, &self.bytes)]);
        Copy {
            file: File::from(fd),
            image: self,
        }
    }
}

fn number(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight"))
}

/// A ring that somebody lies in.
pub struct Copy<'a> {
    file: File,
    image: &'a Image,
}

impl Copy<'_> {
    /// Another descriptor of it.
    pub fn descriptor(&self) -> OwnedFd {
        self.file.try_clone().expect("dup").into()
    }

    /// Stores `value` in `word`.
    pub fn store(&self, word: Word, value: u64) {
        let bytes = value.to_le_bytes();
        let stored = self.file.write_all_at(&bytes[..word.bytes], word.at as u64);
        stored.expect("inside the file");
    }

    /// All of it, as it is now.
    pub fn now(&self) -> Vec<u8> {
        let mut bytes = vec![0; self.image.bytes.len()];
        self.file.read_exact_at(&mut bytes, 0).expect("read");
        bytes
    }

    /// Puts back what was there.
    pub fn restore(&self, bytes: &[u8]) {
        self.file.write_all_at(bytes, 0).expect("inside the file");
    }

    /// Makes it a new ring. Panics if a byte was written that is neither a word of the format nor in a message, or if the
    /// header was.
    pub fn heal(&self) {
        let now = self.now();
        for at in (0..HEADER_BYTES).chain(self.image.gaps.iter().copied()) {
            let written = now[at] != self.image.bytes[at];
            assert!(!written, "the library wrote to byte {at}");
        }
        self.restore(&self.image.bytes);
    }
}
