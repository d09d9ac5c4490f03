//! A peer written from the page alone: its layout, its two ends and its way of making a ring.

use crate::scratch::{Scratch, number};
use std::fs::File;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;

/// The layout formulas of the page.
#[derive(Clone, Copy, Debug)]
pub struct Layout {
    pub capacity: u64,
    pub payload: u64,
    pub payload_offset: u64,
    pub stride: u64,
    pub segment: u64,
}

/// The layout of a ring, by the formulas of the page.
pub fn layout(capacity: u64, payload: u64, align: u64) -> Layout {
    let stride_for = |offset: u64| {
        let need = offset + payload.next_multiple_of(8);
        match need {
            0..=16 => 16,
            17..=64 => need.next_power_of_two(),
            _ => need.next_multiple_of(64),
        }
    };
    let least = align.max(8);
    let payload_offset = match payload >= 64 && stride_for(64) == stride_for(least) {
        true => 64,
        false => least,
    };
    let stride = stride_for(payload_offset);
    let segment = (8192 + capacity * stride).next_multiple_of(4096);
    Layout {
        capacity,
        payload,
        payload_offset,
        stride,
        segment,
    }
}

/// One end of a ring in a file, by the page and nothing else. It reads and writes the file instead of mapping
/// it, which the kernel keeps coherent with those who do map it.
pub struct PageEnd {
    pub file: File,
    pub layout: Layout,
    /// Tail or head.
    pub next: u64,
}

/// The producer's row of the participant table.
pub const PRODUCER: u64 = 0;
/// The consumer's row of the participant table.
pub const CONSUMER: u64 = 1;
const GATE: u64 = 4096;
const CLOSED: u64 = 4096 + 384;

impl PageEnd {
    /// Attaches and resumes. Panics if a living endpoint is there.
    pub fn attach(scratch: &Scratch, layout: Layout, role: u64) -> Self {
        let mut end = Self {
            file: scratch.file(),
            layout,
            next: 0,
        };
        // SAFETY: a flock is plain integers.
        let mut lock: libc::flock = unsafe { std::mem::zeroed() };
        (lock.l_type, lock.l_start, lock.l_len) = (libc::F_WRLCK as _, (1 << 62) + role as i64, 1);
        // SAFETY: a live descriptor and a live request.
        let taken = unsafe { libc::fcntl(end.file.as_raw_fd(), libc::F_OFD_SETLK, &lock) };
        assert_eq!(taken, 0, "somebody is there");
        let entry = 5120 + 128 * role;
        let generation = number(&end.file, entry + 8, 8);
        end.put(entry + 4, role as u32 + 1);
        end.put(entry + 16, std::process::id());
        end.store(entry + 8, generation + 1);
        end.put(entry, 1);
        end.next = end.resume(role);
        end.put(4096 + if role == PRODUCER { 256 } else { 128 }, 0);
        end
    }

    fn store(&self, at: u64, value: u64) {
        self.file
            .write_all_at(&value.to_le_bytes(), at)
            .expect("inside");
    }

    fn put(&self, at: u64, value: u32) {
        self.file
            .write_all_at(&value.to_le_bytes(), at)
            .expect("inside");
    }

    fn slot(&self, p: u64) -> u64 {
        8192 + p % self.layout.capacity * self.layout.stride
    }

    fn word(&self, p: u64) -> u64 {
        number(&self.file, self.slot(p), 8)
    }

    fn resume(&self, role: u64) -> u64 {
        let c = self.layout.capacity;
        let gate = number(&self.file, GATE, 8);
        let lap = |p: u64, w: u64| {
            let free = |p: u64| p << 2;
            if [
                free(p),
                free(p.wrapping_sub(c)) | 1,
                free(p.wrapping_sub(c)) | 2,
            ]
            .contains(&w)
            {
                "untouched"
            } else if [free(p) | 1, free(p) | 2].contains(&w) {
                "committed"
            } else if (0..3)
                .map(|state| free(p.wrapping_add(c)) | state)
                .any(|x| x == w)
                || w == free(p.wrapping_add(2 * c))
            {
                "released"
            } else {
                panic!("corrupt: {w:#x} at {p}")
            }
        };
        let (span, stop): (u64, &[&str]) = match role {
            PRODUCER => (2 * c, &["untouched"]),
            _ => (c, &["untouched", "committed"]),
        };
        let there = |i: &u64| {
            stop.contains(&lap(
                gate.wrapping_add(*i),
                self.word(gate.wrapping_add(*i)),
            ))
        };
        gate.wrapping_add((0..span).find(there).unwrap_or(span))
    }

    /// Sends one message, or says why not.
    pub fn push(&mut self, message: &[u8]) -> Result<(), &'static str> {
        let (p, c) = (self.next, self.layout.capacity);
        if number(&self.file, CLOSED, 4) != 0 {
            return Err("closed");
        }
        let room = p.wrapping_sub(number(&self.file, GATE, 8)) < c || self.word(p) == p << 2;
        if !room {
            return Err("full");
        }
        self.file
            .write_all_at(message, self.slot(p) + self.layout.payload_offset)
            .expect("inside");
        self.store(self.slot(p), p << 2 | 1);
        self.next = p.wrapping_add(1);
        Ok(())
    }

    /// Gives up one position.
    pub fn skip(&mut self) {
        self.store(self.slot(self.next), self.next << 2 | 2);
        self.next = self.next.wrapping_add(1);
    }

    /// Takes one message, or says why not.
    pub fn pop(&mut self) -> Result<Vec<u8>, &'static str> {
        let closed = number(&self.file, CLOSED, 4);
        let p = self.next;
        let w = self.word(p);
        if w == p << 2 {
            return Err(if closed & 1 == 1 { "closed" } else { "empty" });
        }
        assert_eq!(w, p << 2 | 1, "corrupt");
        let mut message = vec![0; self.layout.payload as usize];
        self.file
            .read_exact_at(&mut message, self.slot(p) + self.layout.payload_offset)
            .expect("inside");
        self.store(self.slot(p), p.wrapping_add(self.layout.capacity) << 2);
        self.next = p.wrapping_add(1);
        self.store(GATE, self.next);
        Ok(message)
    }

    /// Detaches in good order.
    pub fn leave(self, role: u64) {
        self.put(5120 + 128 * role, 2);
    }
}

/// Makes a ring by the page.
pub fn create_by_the_page(scratch: &Scratch, l: Layout, align: u64, fingerprint: u64, start: u64) {
    let file = File::create_new(&scratch.0).expect("create");
    file.set_len(l.segment).expect("room");
    let mut header = Vec::new();
    header.extend(b"ANNULUS\0");
    for half in [1u32, 256, 1, 1] {
        header.extend(half.to_le_bytes());
    }
    for word in [l.capacity, l.stride, l.payload] {
        header.extend(word.to_le_bytes());
    }
    header.extend((l.payload_offset as u32).to_le_bytes());
    header.extend((align as u32).to_le_bytes());
    for word in [fingerprint, 0, l.segment, 4096, 5120] {
        header.extend(word.to_le_bytes());
    }
    header.extend(2u32.to_le_bytes());
    header.extend(1u32.to_le_bytes());
    header.extend(8192u64.to_le_bytes());
    header.extend(1u32.to_le_bytes());
    header.resize(136, 0);
    for word in [0x1234_5678_9abc_def0, 0, start, 1] {
        header.extend(word.to_le_bytes());
    }
    file.write_all_at(&header, 0).expect("inside");
    file.write_all_at(&start.to_le_bytes(), GATE)
        .expect("inside");
    for p in (0..l.capacity).map(|i| start.wrapping_add(i)) {
        let at = 8192 + p % l.capacity * l.stride;
        file.write_all_at(&(p << 2).to_le_bytes(), at)
            .expect("inside");
    }
    file.write_all_at(b"COMPLETE", 248).expect("inside");
}
