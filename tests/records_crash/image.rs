//! The bytes of a ring in a file, for what a killed process can leave but cannot be stopped at: a test puts the
//! words into the state in which they were a few instructions earlier. Offsets as in `docs/WIRE.md`.

use crate::common::spec::Via;
use crate::ring::Records;
use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;

const CONTROL: u64 = 4096;
const PARTICIPANTS: u64 = 5120;
const PARTICIPANT_BYTES: u64 = 128;
const PID: u64 = 16;
const ANNOUNCE: u64 = 32;
const ANNOUNCE_LEN: u64 = 40;
/// The shared tail within the control block.
const TAIL: u64 = 512;
/// Where the header says where records begin.
const DATA_OFFSET: u64 = 104;

/// A ring's file. For rings in which nobody runs who might write the same words.
pub struct Image {
    file: File,
    data: u64,
    capacity: u64,
}

impl Image {
    /// That of `ring`; `None` where rings are in no file.
    pub fn of(ring: &Records) -> Option<Self> {
        let path = match ring.spec.via {
            Via::Shm => format!("/dev/shm/{}", ring.spec.name),
            Via::File => ring.spec.name.clone(),
            _ => return None,
        };
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).open(path);
        let mut image = Self {
            file: file.expect("the ring's file"),
            data: 0,
            capacity: ring.spec.capacity,
        };
        image.data = image.get(DATA_OFFSET);
        Some(image)
    }

    fn get(&self, at: u64) -> u64 {
        let mut word = [0; 8];
        self.file.read_exact_at(&mut word, at).expect("inside");
        u64::from_le_bytes(word)
    }

    fn set(&self, at: u64, word: u64) {
        self.file
            .write_all_at(&word.to_le_bytes(), at)
            .expect("inside");
    }

    /// The entry of the producer that is, or was, process `pid`.
    fn entry(&self, pid: u32) -> u64 {
        (0..16)
            .map(|i| PARTICIPANTS + i * PARTICIPANT_BYTES)
            .rfind(|entry| self.get(entry + PID) as u32 == pid)
            .expect("a participant")
    }

    /// The run that this producer announced: position and bytes.
    pub fn announced(&self, pid: u32) -> (u64, u64) {
        let entry = self.entry(pid);
        (self.get(entry + ANNOUNCE), self.get(entry + ANNOUNCE_LEN))
    }

    /// Has it announce another.
    pub fn announce(&self, pid: u32, (from, bytes): (u64, u64)) {
        let entry = self.entry(pid);
        self.set(entry + ANNOUNCE, from);
        self.set(entry + ANNOUNCE_LEN, bytes);
    }

    /// The position that will be claimed next.
    pub fn tail(&self) -> u64 {
        self.get(CONTROL + TAIL)
    }

    /// The header at `position`.
    pub fn header(&self, position: u64) -> u64 {
        self.get(self.data + position % self.capacity)
    }

    /// Takes the header at `position` back: it was not written yet.
    pub fn unwrite(&self, position: u64) {
        self.set(self.data + position % self.capacity, 0);
    }
}
