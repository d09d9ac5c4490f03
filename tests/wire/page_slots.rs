//! Producers and consumers of slots that many claim, written from the page alone, line by line as it gives them.

use crate::page_map::{CLOSED, CONSUMER_SLEEP, GATE, MOVED, PRODUCER_SLEEP, PageRing, TAIL, TAKEN};
use crate::page_records::No;
use crate::scratch::Scratch;
use std::collections::VecDeque;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};

/// Bit of a state in a ready word.
const READY: u64 = 1;
const SKIP: u64 = 2;
/// Positions have so many bits in a word.
const MASK: u64 = (1 << 62) - 1;
const ACTIVE: u32 = 1;

fn free(p: u64) -> u64 {
    p << 2
}

/// How far the position in a word is from `p`.
fn distance(w: u64, p: u64) -> i64 {
    (w & !3).wrapping_sub(free(p)) as i64
}

fn is_there(w: u64, p: u64) -> bool {
    w == free(p) | READY || w == free(p) | SKIP
}

/// What has become of a position that was in somebody's hands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    Settled,
    Wait,
    Orphan,
}

impl PageRing {
    fn announced(&self, i: u64) -> (u64, u64) {
        let entry = self.entry(i);
        let from = self.long(entry + 32).load(Acquire);
        (from, self.long(entry + 40).load(Acquire))
    }

    fn announce(&self, i: u64, from: u64, len: u64) {
        let entry = self.entry(i);
        self.long(entry + 32).store(from, Release);
        self.long(entry + 40).store(len, Release);
    }

    fn withdraw(&self, i: u64) {
        self.long(self.entry(i) + 40).store(0, Release);
    }

    fn state(&self, i: u64) -> u32 {
        self.short(self.entry(i)).load(Acquire)
    }

    /// The positions that entry `i` announces, no more than a ring has.
    fn run(&self, i: u64) -> impl Iterator<Item = u64> + use<> {
        let (from, len) = self.announced(i);
        (0..len.min(self.capacity)).map(move |n| from.wrapping_add(n))
    }

    /// Makes a tombstone of `p` if its owner died, leaving out entry `but`.
    pub fn tombstone(&self, p: u64, but: Option<u64>) -> Found {
        let t = self.long(TAIL).load(Acquire);
        if distance(t, p) <= 0 {
            return Found::Settled;
        }
        for i in (0..self.producers).filter(|i| Some(*i) != but) {
            let (a, n) = self.announced(i);
            if p.wrapping_sub(a) & MASK < n && self.is_held(i) {
                return match self.slot(p).load(Acquire) == free(p) {
                    true => Found::Wait,
                    false => Found::Settled,
                };
            }
        }
        let word = self.slot(p);
        let _ = word.compare_exchange(free(p), free(p) | SKIP, Release, Relaxed);
        Found::Settled
    }

    /// Whether `p` was in the hands of a consumer that died, leaving out two entries. For the holder of the admin
    /// token.
    fn orphan(&self, p: u64, but: [u64; 2]) -> Found {
        let h = self.long(TAKEN).load(Acquire);
        if h.wrapping_sub(p) as i64 <= 0 {
            return Found::Settled;
        }
        let others = (0..self.consumers).map(|i| self.producers + i);
        let mut others = others.filter(|i| !but.contains(i));
        let alive = others.any(|i| {
            let (a, n) = self.announced(i);
            p.wrapping_sub(a) < n && self.is_held(i)
        });
        let w = self.slot(p).load(Acquire);
        match (is_there(w, p), alive) {
            (false, _) => Found::Settled,
            (true, true) => Found::Wait,
            (true, false) => Found::Orphan,
        }
    }
}

/// One of many producers.
pub struct SlotProducer {
    pub ring: PageRing,
    pub i: u64,
}

impl SlotProducer {
    /// Attaches to the first entry that is free. Panics if there is none.
    pub fn attach(scratch: &Scratch) -> Self {
        let ring = PageRing::map(scratch);
        let i = (0..ring.producers).find(|&i| {
            if !ring.try_hold(i) {
                return false;
            }
            let settled = |p| ring.tombstone(p, Some(i)) == Found::Settled;
            if ring.state(i) != ACTIVE || ring.run(i).fold(true, |all, p| settled(p) & all) {
                return true;
            }
            ring.let_go(i);
            false
        });
        let i = i.expect("a place");
        assert_eq!(ring.short(CLOSED).load(Acquire), 0, "closed");
        ring.withdraw(i);
        ring.enter(i, 1);
        Self { ring, i }
    }

    /// Announces up to `most` slots and claims none: the first half of `claim`.
    pub fn announce_only(&self, most: u64) {
        let from = self.ring.long(TAIL).load(Relaxed) >> 2;
        self.ring.announce(self.i, from, most);
    }

    /// Claims up to `most` slots.
    pub fn claim(&mut self, most: u64) -> Result<VecDeque<u64>, No> {
        let ring = &self.ring;
        let tail = ring.long(TAIL);
        let mut seen = tail.load(Relaxed);
        loop {
            if seen & 3 != 0 {
                return Err(No::Closed);
            }
            let from = seen >> 2;
            let is_free = |n: &u64| {
                let p = from.wrapping_add(*n);
                ring.slot(p).load(Acquire) == free(p)
            };
            let n = (0..most).take_while(is_free).count() as u64;
            if n == 0 {
                let w = ring.slot(from).load(Acquire);
                let now = tail.load(Relaxed);
                if now != seen || w == free(from) {
                    seen = now;
                    continue;
                }
                assert!(distance(w, from) < 0, "corrupt: {w:#x} at {from}");
                return Err(No::Full);
            }
            ring.announce(self.i, from, n);
            let to = free(from.wrapping_add(n));
            match tail.compare_exchange(seen, to, Release, Relaxed) {
                Ok(_) => return Ok((0..n).map(|k| from.wrapping_add(k)).collect()),
                Err(_) => ring.withdraw(self.i),
            }
            seen = tail.load(Relaxed);
        }
    }

    /// Publishes the message of a claimed position.
    pub fn commit(&self, p: u64, message: &[u8]) {
        self.ring.write_slot(p, message);
        self.ring.slot(p).store(free(p) | READY, Release);
    }

    /// Gives a claimed position up.
    pub fn skip(&self, p: u64) {
        self.ring.slot(p).store(free(p) | SKIP, Release);
    }

    /// Sends one message.
    pub fn push(&mut self, message: &[u8]) -> Result<(), No> {
        let claimed = self.claim(1)?;
        self.commit(claimed[0], message);
        self.ring.notify(CONSUMER_SLEEP);
        Ok(())
    }

    /// Closes the ring for all producers, and leaves.
    pub fn close(self) {
        self.ring.long(TAIL).fetch_or(1, Relaxed);
        self.ring.short(CLOSED).fetch_or(1, Release);
        self.ring.notify(PRODUCER_SLEEP);
        self.ring.notify(CONSUMER_SLEEP);
        self.leave();
    }

    /// Leaves in order.
    pub fn leave(self) {
        self.ring.leave(self.i);
    }
}

/// One of many consumers.
pub struct SlotConsumer {
    pub ring: PageRing,
    pub i: u64,
    many_producers: bool,
    /// Positions in hand.
    pub hand: VecDeque<u64>,
    /// Whether the last message had been in the hands of a consumer that died.
    pub redelivered: bool,
}

impl SlotConsumer {
    /// Attaches to the first entry that is free and to which nothing clings.
    pub fn attach(scratch: &Scratch, kind: u32) -> Self {
        let ring = PageRing::map(scratch);
        let entries = (0..ring.consumers).map(|i| ring.producers + i);
        let i = entries.into_iter().find(|&i| {
            if !ring.try_hold(i) {
                return false;
            }
            let settled = |p| ring.orphan(p, [i, i]) == Found::Settled;
            if ring.state(i) != ACTIVE || ring.run(i).all(settled) {
                return true;
            }
            ring.let_go(i);
            false
        });
        let i = i.expect("a place");
        ring.withdraw(i);
        ring.enter(i, 2);
        ring.notify(PRODUCER_SLEEP);
        Self {
            ring,
            i,
            many_producers: kind == 4,
            hand: VecDeque::new(),
            redelivered: false,
        }
    }

    /// Claims up to `most` messages.
    pub fn claim(&mut self, most: u64) -> Result<(), No> {
        let ring = &self.ring;
        let head = ring.long(TAKEN);
        let mut seen = head.load(Relaxed);
        loop {
            let there = |n: &u64| {
                let p = seen.wrapping_add(*n);
                is_there(ring.slot(p).load(Acquire), p)
            };
            let n = (0..most).take_while(there).count() as u64;
            if n == 0 {
                let closed = ring.short(CLOSED).load(Acquire);
                let t = ring.long(TAIL).load(Acquire);
                let w = ring.slot(seen).load(Acquire);
                let now = head.load(Relaxed);
                if now != seen || is_there(w, seen) {
                    seen = now;
                    continue;
                }
                let ahead = distance(w, seen);
                assert!(ahead < 0 || w == free(seen), "corrupt: {w:#x} at {seen}");
                let drained = match self.many_producers {
                    true => t & !3 == free(seen) && t & 3 != 0,
                    false => closed != 0,
                };
                return Err(if drained { No::Closed } else { No::Empty });
            }
            ring.announce(self.i, seen, n);
            match head.compare_exchange(seen, seen.wrapping_add(n), Release, Relaxed) {
                Ok(_) => {
                    self.hand = (0..n).map(|k| seen.wrapping_add(k)).collect();
                    self.redelivered = false;
                    return Ok(());
                }
                Err(_) => ring.withdraw(self.i),
            }
            seen = head.load(Relaxed);
        }
    }

    /// Takes the next message in hand, if there is one.
    pub fn take(&mut self) -> Option<Vec<u8>> {
        while let Some(p) = self.hand.pop_front() {
            let word = self.ring.slot(p);
            let skipped = word.load(Acquire) == free(p) | SKIP;
            let message = self.ring.read_slot(p);
            word.store(free(p.wrapping_add(self.ring.capacity)), Release);
            self.ring.notify(PRODUCER_SLEEP);
            if !skipped {
                return Some(message);
            }
        }
        None
    }

    /// Takes one message.
    pub fn pop(&mut self) -> Result<Vec<u8>, No> {
        loop {
            if let Some(message) = self.take() {
                return Ok(message);
            }
            self.claim(1)?;
        }
    }

    /// Publishes the gate, with nothing in hand.
    pub fn publish(&self) {
        let ring = &self.ring;
        assert!(self.hand.is_empty());
        let moved = ring.long(MOVED).load(Acquire);
        let head = || ring.long(TAKEN).load(Acquire);
        let ahead = |of: u64, than: u64| of.wrapping_sub(than) as i64 > 0;
        let mut gate = head();
        for i in (0..ring.consumers).map(|i| ring.producers + i) {
            let (from, len) = ring.announced(i);
            let last = from.wrapping_add(len).wrapping_sub(1);
            let in_hand = || is_there(ring.slot(last).load(Acquire), last);
            if len > 0 && ahead(gate, from) && ahead(head(), last) && in_hand() {
                gate = from;
            }
        }
        if ring.long(MOVED).load(Acquire) == moved {
            ring.long(GATE).fetch_max(gate, Release);
        }
    }

    /// Looks after the claim at the head.
    pub fn mend(&self) -> Found {
        self.ring
            .tombstone(self.ring.long(TAKEN).load(Acquire), None)
    }

    /// Takes over a message of a consumer that died, if there is one.
    pub fn search(&mut self) -> bool {
        let ring = &self.ring;
        let admin = ring.producers + ring.consumers;
        assert!(self.hand.is_empty());
        if !ring.try_hold(admin) {
            return false;
        }
        let others = (0..ring.consumers).map(|i| ring.producers + i);
        for i in others.filter(|i| *i != self.i) {
            if ring.state(i) != ACTIVE || ring.is_held(i) || !ring.try_hold(i) {
                continue;
            }
            let mut run = VecDeque::new();
            if ring.state(i) == ACTIVE {
                let head = ring.long(TAKEN).load(Acquire);
                let claimed = ring.run(i).take_while(|p| head.wrapping_sub(*p) as i64 > 0);
                let looks = claimed.map(|p| (p, ring.orphan(p, [self.i, i])));
                let looks: Vec<_> = looks.collect();
                let is_orphan = |look: &&(u64, Found)| look.1 == Found::Orphan;
                let is_none = |look: &&(u64, Found)| !matches!(look.1, Found::Orphan | Found::Wait);
                let from_first = looks.iter().skip_while(is_none);
                run.extend(from_first.take_while(is_orphan).map(|(p, _)| *p));
                if let Some(first) = run.front() {
                    ring.announce(self.i, *first, run.len() as u64);
                    ring.long(MOVED).fetch_add(1, Release);
                }
                if looks.iter().all(|(_, look)| *look != Found::Wait) {
                    ring.withdraw(i);
                    ring.short(ring.entry(i)).store(2, Release);
                }
            }
            ring.let_go(i);
            if !run.is_empty() {
                ring.let_go(admin);
                self.hand = run;
                self.redelivered = true;
                return true;
            }
        }
        ring.let_go(admin);
        false
    }

    /// Leaves in order.
    pub fn leave(self) {
        assert!(self.hand.is_empty());
        self.ring.leave(self.i);
    }
}
