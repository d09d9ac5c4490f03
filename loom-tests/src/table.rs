//! A participant table for the models, and what the kernel knows about those in it.

use crate::layout::participant::{ACTIVE, PRODUCER, Participant};
use crate::ring::announce::{self, Announcements};
use crate::sync::Ordering::{Acquire, Release};
use crate::sync::{AtomicU32, AtomicU64, mortal};

/// The participants of one side.
#[derive(Debug)]
pub(crate) struct Table {
    lines: Vec<Participant>,
    /// Whether the kernel says that nobody holds the entry.
    dead: Vec<AtomicU32>,
}

impl Announcements for Table {
    fn count(&self) -> u32 {
        self.lines.len() as u32
    }

    fn run(&self, i: u32) -> (u64, u64) {
        announce::run(&self.lines[i as usize])
    }

    fn is_dead(&self, i: u32) -> bool {
        // Acquire: what the dead one did is seen, as the kernel lock orders it.
        self.dead[i as usize].load(Acquire) != 0
    }
}

fn line() -> Participant {
    Participant {
        state: AtomicU32::new(ACTIVE),
        role: AtomicU32::new(PRODUCER),
        generation: AtomicU64::new(1),
        pid: AtomicU32::new(0),
        reserved: AtomicU32::new(0),
        start_time: AtomicU64::new(0),
        announce: AtomicU64::new(0),
        announce_len: AtomicU64::new(0),
    }
}

impl Table {
    /// So many participants, all alive.
    pub(crate) fn new(participants: u32) -> Self {
        Self {
            lines: (0..participants).map(|_| line()).collect(),
            dead: (0..participants).map(|_| AtomicU32::new(0)).collect(),
        }
    }

    /// Participant `i`'s line.
    pub(crate) fn line(&self, i: u32) -> &Participant {
        &self.lines[i as usize]
    }

    /// Participant `i` dies now.
    pub(crate) fn kill(&self, i: u32) {
        // Release: the kernel gives the lock back after whatever the dead one did.
        self.dead[i as usize].store(1, Release);
    }

    /// Somebody new takes the place of the dead `i`.
    pub(crate) fn revive(&self, i: u32) {
        // Release: the kernel gives the lock to the new one.
        self.dead[i as usize].store(0, Release);
    }

    /// Participant `i` does `life`, or dies after `steps` steps of it, which the kernel then tells.
    pub(crate) fn mortal<T>(&self, i: u32, steps: u32, life: impl FnOnce() -> T) -> Option<T> {
        let end = mortal(steps, life);
        if end.is_none() {
            self.kill(i);
        }
        end
    }
}
