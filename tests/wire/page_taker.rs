//! The consumer of rings of records, written from the page alone, line by line as it gives it.

use crate::page_map::{CLOSED, CONSUMER_SLEEP, GATE, PRODUCER_SLEEP, PageRing, TAIL, TAKEN, WIPED};
use crate::page_records::{No, like_a_header, pad};
use crate::scratch::Scratch;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::fence;

fn is_ready(w: u64) -> bool {
    w as u16 == 1
}

fn is_pad(w: u64) -> bool {
    w as u32 == 2
}

fn is_busy(w: u64) -> bool {
    w as u32 == 3
}

/// The consumer of a ring of records of either kind.
pub struct RecordTaker {
    pub ring: PageRing,
    pub next: u64,
    told: u64,
    many: bool,
}

impl RecordTaker {
    /// Attaches and resumes. Panics if a living endpoint is there.
    pub fn attach(scratch: &Scratch, many: bool) -> Self {
        let ring = PageRing::map(scratch);
        assert!(ring.try_hold(ring.producers), "somebody is there");
        let (t, w) = (
            ring.long(TAKEN).load(Acquire),
            ring.long(WIPED).load(Acquire),
        );
        assert!(t.wrapping_sub(w) <= ring.capacity, "corrupt");
        let mut p = w;
        while p != t {
            ring.word(p).store(0, Relaxed);
            p = p.wrapping_add(ring.align);
        }
        ring.long(WIPED).store(t, Release);
        ring.long(GATE).store(t, Release);
        ring.enter(ring.producers, 2);
        ring.short(CONSUMER_SLEEP).store(0, Relaxed);
        ring.notify(PRODUCER_SLEEP);
        Self {
            ring,
            next: t,
            told: t,
            many,
        }
    }

    /// Takes a record with its tag.
    pub fn pop(&mut self) -> Result<(u16, Vec<u8>), No> {
        let closed = self.ring.short(CLOSED).load(Acquire);
        if closed & 2 != 0 {
            return Err(No::Closed);
        }
        loop {
            let w = self.ring.word(self.next).load(Acquire);
            let nothing = match self.many {
                true => w == 0 || is_busy(w),
                false => !like_a_header(w),
            };
            if nothing {
                self.publish();
                let claimed = self.many && self.ring.long(TAIL).load(Acquire) & !3 != self.next;
                let last = closed & 1 != 0 && !claimed;
                return Err(if last { No::Closed } else { No::Empty });
            }
            assert!(
                self.ring.total(w >> 32) <= self.ring.room(self.next),
                "corrupt"
            );
            if is_ready(w) {
                let payload = self.ring.read(self.next, w >> 32);
                self.pass(w);
                return Ok(((w >> 16) as u16, payload));
            }
            assert!(is_pad(w), "corrupt");
            self.pass(w);
        }
    }

    fn pass(&mut self, w: u64) {
        let (from, t) = (self.next, self.ring.total(w >> 32));
        self.next = from.wrapping_add(t);
        self.ring.long(TAKEN).store(self.next, Release);
        if self.many {
            for offset in (0..t).step_by(self.ring.align as usize) {
                self.ring.word(from.wrapping_add(offset)).store(0, Relaxed);
            }
        } else {
            fence(Release);
            self.ring.word(from).store(w | 4, Relaxed);
        }
        self.ring.long(WIPED).store(self.next, Release);
        if self.next.wrapping_sub(self.told) >= self.ring.capacity / 4 {
            self.publish();
        }
    }

    fn publish(&mut self) {
        if self.told == self.next {
            return;
        }
        self.told = self.next;
        self.ring.long(GATE).store(self.next, Release);
        self.ring.notify(PRODUCER_SLEEP);
    }

    /// Turns the claim at the consumer's position into padding if its owner died. `true` if it did.
    pub fn repair(&self) -> bool {
        let (ring, h) = (&self.ring, self.next);
        let tail = ring.long(TAIL).load(Acquire) & !3;
        if tail == h {
            return false;
        }
        assert!(tail.wrapping_sub(h) <= ring.capacity && tail.is_multiple_of(ring.align));
        let run = |i| {
            let entry = ring.entry(i);
            let from = ring.long(entry + 32).load(Acquire);
            (from, ring.long(entry + 40).load(Acquire))
        };
        let contains = |(a, n): (u64, u64)| h.wrapping_sub(a) < n;
        let mut nearest: Option<u64> = None;
        for i in (0..ring.producers).filter(|i| contains(run(*i))) {
            if ring.is_held(i) {
                return false;
            }
            let (a, n) = run(i);
            let end = a.wrapping_add(n);
            if contains((a, n)) {
                let distance = end.wrapping_sub(h);
                nearest = Some(nearest.map_or(distance, |so_far| so_far.min(distance)));
            }
        }
        let w = ring.word(h).load(Acquire);
        let r = match (w, nearest) {
            (0, Some(nearest)) => nearest,
            _ if is_busy(w) => ring.total(w >> 32),
            _ => return false,
        };
        assert!(r.is_multiple_of(ring.align) && r <= tail.wrapping_sub(h));
        let padding = pad(r.min(ring.room(h)));
        let swapped = ring.word(h).compare_exchange(w, padding, Release, Relaxed);
        swapped.is_ok()
    }

    /// Closes and leaves.
    pub fn close(self) {
        if self.many {
            self.ring.long(TAIL).fetch_or(2, Relaxed);
        }
        self.ring.short(CLOSED).fetch_or(2, Release);
        self.ring.short(CONSUMER_SLEEP).store(2, Release);
        self.ring.notify(PRODUCER_SLEEP);
        let entry = self.ring.producers;
        self.ring.leave(entry);
    }
}
