//! The producers of rings of records, written from the page alone, line by line as it gives them.

use crate::page_map::{CLOSED, CONSUMER_SLEEP, GATE, PRODUCER_SLEEP, PageRing, TAIL, TAKEN, WIPED};
use crate::scratch::Scratch;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::{compiler_fence, fence};

/// Why there is no record, or no room for one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum No {
    Full,
    Empty,
    Closed,
}

fn ready(len: u64, tag: u16) -> u64 {
    len << 32 | u64::from(tag) << 16 | 1
}

/// The header word of `bytes` bytes of padding.
pub fn pad(bytes: u64) -> u64 {
    (bytes - 8) << 32 | 2
}

/// Whether a word looks like a header.
pub fn like_a_header(w: u64) -> bool {
    [1, 2].contains(&(w as u16))
}

fn ahead(a: u64, b: u64) -> bool {
    a.wrapping_sub(b) as i64 > 0
}

/// The only producer of a ring of records.
pub struct OnlyProducer {
    pub ring: PageRing,
    pub next: u64,
    limit: u64,
    told: u64,
}

impl OnlyProducer {
    /// Attaches and resumes. Panics if a living endpoint is there.
    pub fn attach(scratch: &Scratch) -> Self {
        let ring = PageRing::map(scratch);
        assert!(ring.try_hold(0), "somebody is there");
        let next = resume_producer(&ring);
        ring.enter(0, 1);
        ring.short(PRODUCER_SLEEP).store(0, Relaxed);
        let told = ring.long(TAIL).load(Relaxed);
        Self {
            ring,
            next,
            limit: next,
            told,
        }
    }

    /// Sends a record. `exact`: by the exact look for room.
    pub fn push(&mut self, tag: u16, bytes: &[u8], exact: bool) -> Result<(), No> {
        let len = bytes.len() as u64;
        let t = self.ring.total(len);
        if t > self.limit.wrapping_sub(self.next) || t > self.ring.room(self.next) {
            self.make_room(t, exact)?;
        }
        self.ring.write(self.next, bytes);
        self.publish(ready(len, tag), t);
        self.ring.notify(CONSUMER_SLEEP);
        Ok(())
    }

    /// Writes a record and gives it up.
    pub fn abort(&mut self, bytes: &[u8]) -> Result<(), No> {
        self.make_room(self.ring.total(bytes.len() as u64), true)?;
        self.ring.write(self.next, bytes);
        Ok(())
    }

    fn make_room(&mut self, t: u64, exact: bool) -> Result<(), No> {
        let room = self.ring.room(self.next);
        let padding = if t <= room { 0 } else { room };
        if padding + t > self.limit.wrapping_sub(self.next) {
            self.refill(padding + t, exact)?;
        }
        if padding + t > self.limit.wrapping_sub(self.next) {
            return Err(No::Full);
        }
        if padding > 0 {
            self.publish(pad(padding), padding);
        }
        Ok(())
    }

    fn refill(&mut self, need: u64, exact: bool) -> Result<(), No> {
        let c = self.ring.capacity;
        if self.ring.short(CLOSED).load(Acquire) != 0 {
            self.limit = self.next;
            return Err(No::Closed);
        }
        let free = self
            .ring
            .long(if exact { WIPED } else { GATE })
            .load(Acquire);
        assert!(self.next.wrapping_sub(free) <= 2 * c, "corrupt");
        let most = free.wrapping_add(c - self.ring.align);
        if ahead(most, self.next) {
            let step = most.wrapping_sub(self.next).min(need.max(c / 4));
            self.grant(self.next.wrapping_add(step));
        }
        Ok(())
    }

    fn grant(&mut self, to: u64) {
        if !ahead(to, self.limit) {
            return;
        }
        self.limit = to;
        if !ahead(to, self.told) {
            return;
        }
        self.told = to;
        self.ring.long(TAIL).store(to, Relaxed);
        fence(Release);
    }

    fn publish(&mut self, w: u64, t: u64) {
        let behind = self.ring.word(self.next.wrapping_add(t));
        if like_a_header(behind.load(Relaxed)) {
            behind.store(0, Relaxed);
        }
        self.ring.word(self.next).store(w, Release);
        self.next = self.next.wrapping_add(t);
    }

    /// Closes and leaves.
    pub fn close(self) {
        self.ring.short(CLOSED).fetch_or(1, Release);
        self.ring.short(PRODUCER_SLEEP).store(2, Release);
        self.ring.notify(CONSUMER_SLEEP);
        self.ring.leave(0);
    }
}

fn resume_producer(ring: &PageRing) -> u64 {
    let taken = || ring.long(TAKEN).load(Acquire);
    let mut p = taken();
    let mut left = 2 * ring.capacity;
    loop {
        let w = ring.word(p).load(Relaxed);
        if !like_a_header(w) {
            fence(Acquire);
            let q = taken();
            if !ahead(q, p) {
                return p;
            }
            left = left.checked_sub(q.wrapping_sub(p)).expect("corrupt");
            p = q;
            continue;
        }
        let t = ring.total(w >> 32);
        assert!(t <= ring.room(p), "corrupt");
        left = left.checked_sub(t).expect("corrupt");
        p = p.wrapping_add(t);
    }
}

/// One of many producers of a ring of records.
pub struct OneOfMany {
    pub ring: PageRing,
    pub entry: u64,
    limit: u64,
}

/// Bytes that a producer has claimed, from `next` to `end`.
#[derive(Clone, Copy, Debug)]
pub struct Run {
    pub next: u64,
    pub end: u64,
}

/// The step behind which a producer stops for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    Announced,
    Claimed,
    Padded,
    Busy,
    Written,
}

impl OneOfMany {
    /// Attaches at entry `i`. Panics if a living endpoint is there.
    pub fn attach(scratch: &Scratch, i: u64) -> Self {
        let ring = PageRing::map(scratch);
        assert!(i < ring.producers && ring.try_hold(i), "somebody is there");
        let entry = ring.entry(i);
        ring.long(entry + 40).store(0, Release);
        let limit = ring.long(TAIL).load(Acquire) & !3;
        assert_eq!(limit % ring.align, 0, "corrupt");
        ring.enter(i, 1);
        Self { ring, entry, limit }
    }

    fn withdraw(&self) {
        self.ring.long(self.entry + 40).store(0, Release);
    }

    fn fits(&self, p: u64, n: u64) -> bool {
        self.limit.wrapping_sub(p) as i64 >= n as i64
    }

    fn admit(&mut self, seen: u64, need: u64) -> Result<(), No> {
        if seen & 3 != 0 {
            return Err(No::Closed);
        }
        assert_eq!(seen % self.ring.align, 0, "corrupt");
        if !self.fits(seen, need) {
            let free = self.ring.long(WIPED).load(Acquire);
            let c = self.ring.capacity;
            assert!(seen.wrapping_sub(free) as i64 <= 2 * c as i64, "corrupt");
            if ahead(free.wrapping_add(c), self.limit) {
                self.limit = free.wrapping_add(c);
            }
        }
        if self.fits(seen, need) {
            Ok(())
        } else {
            Err(No::Full)
        }
    }

    /// Claims `t` bytes. With `stop` it dies behind that step, and gives what it had claimed by then.
    fn claim(&mut self, t: u64, stop: Option<Stop>) -> Result<Run, No> {
        let mut seen = self.ring.long(TAIL).load(Relaxed);
        loop {
            let room = self.ring.room(seen);
            let padding = if t <= room { 0 } else { room };
            self.admit(seen, padding + t)?;
            self.ring.long(self.entry + 32).store(seen, Release);
            self.ring.long(self.entry + 40).store(padding + t, Release);
            let end = seen.wrapping_add(padding + t);
            let run = Run {
                next: seen.wrapping_add(padding),
                end,
            };
            if stop == Some(Stop::Announced) {
                return Ok(run);
            }
            let tail = self.ring.long(TAIL);
            match tail.compare_exchange(seen, end, Release, Relaxed) {
                Ok(_) => {
                    if padding > 0 && stop != Some(Stop::Claimed) {
                        self.ring.word(seen).store(pad(padding), Release);
                    }
                    return Ok(run);
                }
                Err(_) => self.withdraw(),
            }
            seen = tail.load(Relaxed);
        }
    }

    /// Claims room for a record of `len` bytes and says that it is being written.
    pub fn begin(&mut self, len: u64) -> Result<Run, No> {
        let run = self.claim(self.ring.total(len), None)?;
        self.busy(run, len);
        Ok(run)
    }

    fn busy(&self, run: Run, len: u64) {
        self.ring.word(run.next).store(len << 32 | 3, Relaxed);
        compiler_fence(Release);
    }

    /// Sends a record.
    pub fn push(&mut self, tag: u16, bytes: &[u8]) -> Result<(), No> {
        let run = self.begin(bytes.len() as u64)?;
        self.commit(run, tag, bytes);
        Ok(())
    }

    /// Sends `bytes` in a claim that may be longer.
    pub fn commit(&self, run: Run, tag: u16, bytes: &[u8]) {
        let len = bytes.len() as u64;
        self.ring.write(run.next, bytes);
        let behind = run.next.wrapping_add(self.ring.total(len));
        if run.end != behind {
            let rest = run.end.wrapping_sub(behind);
            self.ring.word(behind).store(pad(rest), Release);
        }
        self.ring.word(run.next).store(ready(len, tag), Release);
        self.ring.notify(CONSUMER_SLEEP);
    }

    /// Gives a claim up.
    pub fn abort(&self, run: Run) {
        let rest = run.end.wrapping_sub(run.next);
        self.ring.word(run.next).store(pad(rest), Release);
        self.ring.notify(CONSUMER_SLEEP);
    }

    /// Sends several records in one claim.
    pub fn push_run(&mut self, records: &[Vec<u8>]) -> Result<(), No> {
        let totals = records.iter().map(|r| self.ring.total(r.len() as u64));
        let mut run = self.claim(totals.sum(), None)?;
        for record in records {
            let len = record.len() as u64;
            self.busy(run, len);
            self.ring.write(run.next, record);
            self.ring.word(run.next).store(ready(len, 0), Release);
            run.next = run.next.wrapping_add(self.ring.total(len));
        }
        self.ring.notify(CONSUMER_SLEEP);
        Ok(())
    }

    /// Dies while it sends a record, behind `stop`.
    pub fn die(mut self, bytes: &[u8], stop: Stop) -> Result<(), No> {
        let len = bytes.len() as u64;
        let run = self.claim(self.ring.total(len), Some(stop))?;
        if [Stop::Busy, Stop::Written].contains(&stop) {
            self.busy(run, len);
        }
        if stop == Stop::Written {
            self.ring.write(run.next, bytes);
        }
        Ok(())
    }

    /// Closes the ring for all producers and leaves.
    pub fn close(self, i: u64) {
        self.ring.long(TAIL).fetch_or(1, Relaxed);
        self.ring.short(CLOSED).fetch_or(1, Release);
        self.ring.notify(PRODUCER_SLEEP);
        self.ring.notify(CONSUMER_SLEEP);
        self.ring.leave(i);
    }
}
