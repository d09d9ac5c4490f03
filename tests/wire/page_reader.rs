//! Readers of broadcasts, written from the page alone, line by line as it gives them.

use crate::page_map::{CLOSED, GATING, MARKS, PRODUCER_SLEEP, PageRing, TAIL};
use crate::page_records::like_a_header;
use crate::scratch::Scratch;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release, SeqCst};
use std::sync::atomic::fence;

/// Where a reader begins, or goes on after a loss.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    Newest,
    Oldest,
}

/// Why a reader has no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Not {
    Nothing,
    Closed,
    Lost(u64),
}

/// Where a record begins, and how many came before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Point {
    pub position: u64,
    pub sequence: u64,
}

/// What readers of both elements have in common.
pub struct Seat {
    pub ring: PageRing,
    /// The number of the place among the readers.
    pub place: u64,
    told: u64,
}

impl Seat {
    fn attach(scratch: &Scratch) -> Self {
        let ring = PageRing::map(scratch);
        // What a dead reader leaves is its bit, so any place will do.
        let place = (0..ring.consumers).find(|i| ring.try_hold(ring.producers + i));
        let seat = Self {
            place: place.expect("a place"),
            ring,
            told: 0,
        };
        seat.ungate();
        seat.ring.long(seat.entry() + 40).store(0, Relaxed);
        seat.ring.enter(seat.ring.producers + seat.place, 3);
        seat
    }

    fn entry(&self) -> u64 {
        self.ring.entry(self.ring.producers + self.place)
    }

    fn gate(&self) -> (u64, u64) {
        (GATING + self.place / 64 * 8, 1 << (self.place % 64))
    }

    fn ungate(&self) {
        let (word, bit) = self.gate();
        self.ring.long(word).fetch_and(!bit, Relaxed);
    }

    /// Whether the producer waits for this reader.
    pub fn is_gating(&self) -> bool {
        let (word, bit) = self.gate();
        self.ring.long(word).load(Relaxed) & bit != 0
    }

    /// Joins where `choose` says.
    fn join(
        &mut self,
        lossless: bool,
        reach: u64,
        mut choose: impl FnMut(&PageRing) -> Point,
    ) -> Point {
        loop {
            let at = choose(&self.ring);
            self.told = at.position;
            self.ring
                .long(self.entry() + 32)
                .store(at.position, Release);
            if !lossless {
                return at;
            }
            let (word, bit) = self.gate();
            self.ring.long(word).fetch_or(bit, AcqRel);
            fence(SeqCst);
            let limit = self.ring.long(TAIL).load(Relaxed);
            if limit.wrapping_sub(at.position) as i64 <= reach as i64 {
                return at;
            }
        }
    }

    fn publish(&mut self, next: u64) {
        if self.told == next {
            return;
        }
        self.told = next;
        self.ring.long(self.entry() + 32).store(next, Release);
        self.ring.notify(PRODUCER_SLEEP);
    }

    fn lose(&mut self, lost: u64) -> Not {
        self.ring.long(self.entry() + 40).fetch_add(lost, Relaxed);
        Not::Lost(lost)
    }

    /// Leaves in order.
    pub fn leave(self) {
        if self.is_gating() {
            self.ungate();
            self.ring.notify(PRODUCER_SLEEP);
        }
        let i = self.ring.producers + self.place;
        self.ring.leave(i);
    }
}

fn frontier(ring: &PageRing) -> u64 {
    ring.long(TAIL).load(Acquire)
}

fn distance(w: u64, p: u64) -> i64 {
    (w & !3).wrapping_sub(p << 2) as i64
}

/// A reader of a broadcast of slots.
pub struct SlotReader {
    pub seat: Seat,
    pub next: u64,
    resume: Place,
}

fn slot_place(ring: &PageRing, place: Place) -> u64 {
    let limit = frontier(ring);
    let first = limit.wrapping_sub(ring.capacity);
    if place == Place::Oldest {
        return if first.wrapping_sub(ring.start) as i64 > 0 {
            first
        } else {
            ring.start
        };
    }
    let is_published = |p: &u64| {
        let w = ring.slot(*p).load(Relaxed);
        w == *p << 2 | 1 || distance(w, *p) > 0
    };
    let mut positions = (0..ring.capacity).map(|i| first.wrapping_add(i));
    positions.find(|p| !is_published(p)).unwrap_or(limit)
}

impl SlotReader {
    /// Joins.
    pub fn join(scratch: &Scratch, place: Place, lossless: bool, resume: Place) -> Self {
        let mut seat = Seat::attach(scratch);
        let reach = seat.ring.capacity;
        let at = seat.join(lossless, reach, |ring| Point {
            position: slot_place(ring, place),
            sequence: 0,
        });
        let next = at.position;
        Self { seat, next, resume }
    }

    /// Reads the next message.
    pub fn read(&mut self) -> Result<Vec<u8>, Not> {
        loop {
            let ring = &self.seat.ring;
            let next = self.next;
            let closed = ring.short(CLOSED).load(Acquire);
            let w = ring.slot(next).load(Relaxed);
            fence(Acquire);
            if w == next << 2 | 1 {
                let message = ring.read_slot(next);
                fence(Acquire);
                if ring.slot(next).load(Relaxed) != next << 2 | 1 {
                    continue;
                }
                self.next = next.wrapping_add(1);
                if self.next.wrapping_sub(self.seat.told) >= (ring.capacity / 4).max(1) {
                    self.seat.publish(self.next);
                }
                return Ok(message);
            }
            if distance(w, next) < 0 || w == next << 2 || w == next << 2 | 3 {
                self.seat.publish(next);
                return Err(if closed & 1 != 0 {
                    Not::Closed
                } else {
                    Not::Nothing
                });
            }
            let to = slot_place(ring, self.resume);
            let lost = to.wrapping_sub(next);
            assert!(lost as i64 > 0, "corrupt: {w:#x} at {next}");
            self.next = to;
            self.seat.publish(to);
            return Err(self.seat.lose(lost));
        }
    }
}

/// A reader of a broadcast of records.
pub struct RecordReader {
    pub seat: Seat,
    pub at: Point,
    resume: Place,
}

fn mark(ring: &PageRing, i: u64) -> Option<Point> {
    let word = ring.long(MARKS + 16 * i);
    let position = word.load(Acquire);
    let sequence = ring.long(MARKS + 16 * i + 8).load(Relaxed);
    fence(Acquire);
    let can_be_read = word.load(Relaxed) == position && position.is_multiple_of(ring.align);
    can_be_read.then_some(Point { position, sequence })
}

fn overtaken(ring: &PageRing, p: u64) -> bool {
    frontier(ring).wrapping_sub(p) as i64 >= ring.capacity as i64
}

fn marks(ring: &PageRing) -> Vec<Point> {
    loop {
        let before = frontier(ring);
        let all: Vec<_> = (0..8).filter_map(|i| mark(ring, i)).collect();
        fence(Acquire);
        let limit = frontier(ring);
        let is_good = |m: &Point| {
            let below = limit.wrapping_sub(m.position) as i64;
            (0..ring.capacity as i64).contains(&below)
        };
        let good: Vec<_> = all.into_iter().filter(is_good).collect();
        if limit == before || !good.is_empty() {
            return good;
        }
    }
}

fn walk(ring: &PageRing, mark: Point) -> Point {
    let mut at = mark;
    while at.position.wrapping_sub(mark.position) < ring.capacity {
        let w = ring.word(at.position).load(Relaxed);
        fence(Acquire);
        if !like_a_header(w) || ring.total(w >> 32) > ring.room(at.position) {
            break;
        }
        at.sequence += u64::from(w as u16 == 1);
        at.position = at.position.wrapping_add(ring.total(w >> 32));
    }
    at
}

fn record_place(ring: &PageRing, place: Place) -> Point {
    loop {
        let marks = marks(ring);
        let by_age = |m: &&Point| m.position.wrapping_sub(ring.start);
        if place == Place::Oldest {
            return *marks.iter().min_by_key(by_age).expect("a mark");
        }
        let newest = *marks.iter().max_by_key(by_age).expect("a mark");
        let end = walk(ring, newest);
        fence(Acquire);
        if !overtaken(ring, newest.position) {
            return end;
        }
    }
}

impl RecordReader {
    /// Joins.
    pub fn join(scratch: &Scratch, place: Place, lossless: bool, resume: Place) -> Self {
        let mut seat = Seat::attach(scratch);
        let reach = seat.ring.capacity - seat.ring.align;
        let at = seat.join(lossless, reach, |ring| record_place(ring, place));
        Self { seat, at, resume }
    }

    /// Reads the next record with its tag.
    pub fn read(&mut self) -> Result<(u16, Vec<u8>), Not> {
        loop {
            let ring = &self.seat.ring;
            let next = self.at.position;
            let closed = ring.short(CLOSED).load(Acquire);
            let w = ring.word(next).load(Relaxed);
            fence(Acquire);
            let len = w >> 32;
            let there = like_a_header(w) && ring.total(len) <= ring.room(next);
            let mut payload = Vec::new();
            if there && w as u16 == 1 {
                payload = ring.read_racing(next, len);
            }
            fence(Acquire);
            if overtaken(ring, next) && !self.seat.is_gating() {
                let to = record_place(ring, self.resume);
                assert!(to.position.wrapping_sub(next) as i64 > 0, "corrupt");
                let lost = to.sequence.wrapping_sub(self.at.sequence);
                assert!(lost as i64 >= 0, "corrupt");
                self.at = to;
                if lost == 0 {
                    continue;
                }
                self.seat.publish(to.position);
                return Err(self.seat.lose(lost));
            }
            if !there {
                assert_eq!(w, 0, "corrupt at {next}");
                self.seat.publish(next);
                return Err(if closed & 1 != 0 {
                    Not::Closed
                } else {
                    Not::Nothing
                });
            }
            self.at.position = next.wrapping_add(ring.total(len));
            let quarter = ring.capacity / 4;
            if w as u16 == 1 {
                self.at.sequence += 1;
                if self.at.position.wrapping_sub(self.seat.told) >= quarter {
                    self.seat.publish(self.at.position);
                }
                return Ok(((w >> 16) as u16, payload));
            }
        }
    }
}
