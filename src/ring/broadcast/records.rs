//! Records of a broadcast.
//!
//! The producer clears the place of its next header before it publishes a record, so behind the last record there is
//! none. What a reader has copied is good if the frontier, looked at afterwards, is less than a ring ahead of it.
//! Where records begin is in [`super::marks`].

use super::super::corrupt::{Corrupt, CorruptWord};
use super::super::words::Words;
use super::frontier::{self, Credit, Cursors, frontier};
use super::marks::{
    Point, TRIES, by_age, is_intact, is_overtaken, leave_mark, mark, marks, nearest, step, walk,
};
use super::{Gone, Place, Room, Seen};
use crate::layout::control::{CLOSED_BY_PRODUCER, Control, MARKS};
use crate::layout::participant::Participant;
use crate::layout::record::{self, HEADER, Record, Shape};
use crate::sync::Ordering::{Acquire, Relaxed, Release};
use crate::sync::fence;
use core::cmp::Reverse;

/// What an onlooker sees: the place behind the newest record. For people.
pub(crate) fn end(words: &impl Words, control: &Control, shape: Shape) -> u64 {
    let newest = nearest(control, shape, Place::Newest);
    newest.map_or(0, |mark| walk(words, shape, mark).1.position)
}

/// The producer's private half.
#[derive(Debug)]
pub(crate) struct Tail {
    at: Point,
    credit: Credit,
    /// Marks left so far, by this producer.
    marks: u64,
    /// The newest.
    marked: u64,
    shape: Shape,
}

impl Tail {
    /// Finds where the last producer stopped. For the holder of the producer's token only. Whatever the predecessor
    /// had not committed is gone.
    pub(crate) fn resume(
        words: &impl Words,
        control: &Control,
        shape: Shape,
    ) -> Result<Self, Corrupt> {
        // Of two marks at the same place any will do. Their numbers would not tell which of two is the later, if only
        // padding lies between.
        let newest = (0..MARKS)
            .filter_map(|i| Some((i, mark(control, i, shape)?)))
            .max_by(|(_, a), (_, b)| by_age(a, b));
        let Some((i, from)) = newest else {
            let found = frontier(control);
            return Err(Corrupt {
                word: CorruptWord::Tail,
                position: found,
                found,
            });
        };
        let (_, at) = walk(words, shape, from);
        Ok(Self {
            at,
            credit: Credit::new(control, at.position, shape.capacity, shape.align()),
            marks: i as u64 + 1,
            marked: from.position,
            shape,
        })
    }

    /// Size of the ring in bytes.
    pub(crate) fn capacity(&self) -> u64 {
        self.shape.capacity
    }

    /// The position the next record will have, unless padding comes first.
    #[inline(always)]
    pub(crate) fn next(&self) -> u64 {
        self.at.position
    }

    /// Records published since creation.
    pub(crate) fn sequence(&self) -> u64 {
        self.at.sequence
    }

    /// How records lie in this ring.
    pub(crate) fn shape(&self) -> Shape {
        self.shape
    }

    /// Whether `total` bytes of records are known to fit at [`Tail::next`], from private knowledge alone.
    #[inline(always)]
    pub(crate) fn has_room(&self, total: u64) -> bool {
        let next = self.at.position;
        total <= self.credit.limit().wrapping_sub(next) && total <= self.shape.room(next)
    }

    /// Bytes that `total` bytes of records take at the next position, with padding.
    fn need(&self, total: u64) -> u64 {
        let room = self.shape.room(self.at.position);
        if total <= room { total } else { room + total }
    }

    /// Makes room for `total` bytes of records, at most half of the ring, at [`Tail::next`]. Pads to the end of the
    /// ring if they do not fit before it. Exact.
    #[cold]
    #[inline(never)]
    pub(crate) fn make_room(
        &mut self,
        words: &impl Words,
        control: &Control,
        readers: &impl Cursors,
        total: u64,
    ) -> Room {
        let (need, at) = (self.need(total), self.at);
        if need > self.credit.limit().wrapping_sub(at.position) {
            let (marks, marked) = (&mut self.marks, &mut self.marked);
            let capacity = self.shape.capacity;
            // Not for each small step of the frontier: all marks together shall reach back over half of the ring.
            let mark = |limit: u64| {
                let is_far = at.position.wrapping_sub(*marked) >= capacity / 8;
                if is_far || limit.wrapping_sub(*marked) > capacity / 2 {
                    leave_mark(control, *marks, at);
                    *marks += 1;
                    *marked = at.position;
                }
            };
            match self
                .credit
                .refill(control, readers, at.position, need, mark)
            {
                Room::Free => {}
                none => return none,
            }
        }
        let room = self.shape.room(at.position);
        if total > room {
            self.publish(words, record::pad(room), room);
        }
        Room::Free
    }

    /// The readers that are in the way of `total` more bytes.
    pub(crate) fn in_the_way<'a>(
        &'a self,
        control: &'a Control,
        readers: &'a impl Cursors,
        total: u64,
    ) -> impl Iterator<Item = u32> + 'a {
        self.credit
            .in_the_way(control, readers, self.at.position, self.need(total))
    }

    /// Publishes the next record, whose payload was written. There must be room for it.
    #[inline(always)]
    pub(crate) fn commit(&mut self, words: &impl Words, record: Record) {
        self.publish(words, record.word(), record.total);
        self.at.sequence = self.at.sequence.wrapping_add(1);
    }

    #[inline(always)]
    fn publish(&mut self, words: &impl Words, word: u64, total: u64) {
        let header = words.at(self.at.position);
        let next = self.at.position.wrapping_add(total);
        // Relaxed: published by the next store.
        words.at(next).store(0, Relaxed);
        self.at.position = next;
        // Release P1: the payload, and the cleared place behind it, are visible to whoever acquires this word in
        // `Reader::look`.
        header.store(word, Release);
    }

    /// Sends the next push the slow way, where it will notice a close.
    pub(crate) fn forget_credit(&mut self) {
        self.credit.forget(self.at.position);
    }
}

/// A record that was copied whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Copied {
    pub(crate) len: u32,
    pub(crate) tag: u16,
    /// Of its header.
    pub(crate) position: u64,
}

/// How often to walk after a producer to where it is.
const WALKS: u32 = 4;

/// A reader's private half.
#[derive(Debug)]
pub(crate) struct Reader {
    at: Point,
    /// What was published of it.
    told: u64,
    /// The place at which the producer waits for it, if it ever did.
    place: Option<u32>,
    shape: Shape,
}

impl Reader {
    /// Begins at `place`. `None` only if a peer lies.
    pub(crate) fn new(
        words: &impl Words,
        control: &Control,
        shape: Shape,
        place: Place,
    ) -> Option<Self> {
        for _ in 0..WALKS {
            let mark = nearest(control, shape, place)?;
            if place == Place::Oldest {
                return Some(Self::begin(mark, shape));
            }
            let end = walk(words, shape, mark).1;
            if is_intact(control, shape, mark) {
                return Some(Self::begin(end, shape));
            }
        }
        // The producer is as quick as this walk, so its newest mark is new enough.
        nearest(control, shape, place).map(|mark| Self::begin(mark, shape))
    }

    fn begin(at: Point, shape: Shape) -> Self {
        Self {
            at,
            told: at.position,
            place: None,
            shape,
        }
    }

    /// For a reader at place `i` whom the producer waits for, by [`frontier::gate`].
    pub(crate) fn waited_for(self, i: u32) -> Self {
        Self {
            place: Some(i),
            ..self
        }
    }

    /// Whether what was read at the next position may have been overwritten. To be asked after a fence.
    ///
    /// The frontier may be further than the producer goes: it tells it first, and only then looks who is to be waited
    /// for. Whoever is does not lose by that.
    #[inline(always)]
    fn is_overtaken(&self, control: &Control) -> bool {
        is_overtaken(frontier(control), self.at.position, self.shape)
            && !self.place.is_some_and(|i| frontier::is_gating(control, i))
    }

    /// Begins at `position`, if a record begins there that can be read, or is the next one to be.
    pub(crate) fn at(
        words: &impl Words,
        control: &Control,
        shape: Shape,
        position: u64,
    ) -> Result<Self, Gone> {
        for _ in 0..TRIES {
            let Some(oldest) = nearest(control, shape, Place::Oldest) else {
                break;
            };
            let mut at = oldest;
            let mut far = 0;
            while at.position != position && far < shape.capacity {
                let Some(next) = step(words, shape, at) else {
                    break;
                };
                at = next;
                far = at.position.wrapping_sub(oldest.position);
            }
            if !is_intact(control, shape, oldest) {
                continue;
            }
            if at.position == position {
                return Ok(Self::begin(at, shape));
            }
            return Err(Gone {
                oldest: oldest.position,
                newest: at.position,
            });
        }
        Err(Gone {
            oldest: 0,
            newest: 0,
        })
    }

    /// Where it looks next.
    #[inline(always)]
    pub(crate) fn next(&self) -> u64 {
        self.at.position
    }

    /// The next record, copied by `copy`, which is given the position and the length of its payload. Those are inside
    /// the ring in any case; the copy is worth something only if a record is returned. After a loss the reader is at
    /// `resume`.
    ///
    /// The loads are relaxed, with fences: the words may lie in memory that this process cannot write, where the
    /// language promises no other.
    #[inline]
    pub(crate) fn look(
        &mut self,
        words: &impl Words,
        control: &Control,
        resume: Place,
        mut copy: impl FnMut(u64, u32),
    ) -> Seen<Copied> {
        // Acquire X1: before the words, so that what was committed before the close is seen below.
        let closed = control.closed.0.load(Acquire) & CLOSED_BY_PRODUCER != 0;
        let mut passed = 0;
        while passed <= self.shape.capacity {
            let position = self.at.position;
            // Relaxed: ordered by the fence.
            let word = words.at(position).load(Relaxed);
            // Acquire P1: pairs with the Release in `Tail::publish`: the payload is there.
            fence(Acquire);
            let (len, tag) = (record::len(word), record::tag(word));
            let total = self.shape.total(len);
            let is_there = record::is_header(word) && total <= self.shape.room(position);
            if is_there && record::is_ready(word) {
                copy(position.wrapping_add(HEADER), len);
            }
            // Acquire B3: pairs with the fence in `Credit::refill`: if anything of the above was read that was
            // written with a later frontier, that is seen below.
            fence(Acquire);
            if self.is_overtaken(control) {
                match self.overtaken(words, control, resume) {
                    // Nothing but padding.
                    Seen::Lost(0) => {
                        passed += self.shape.align();
                        continue;
                    }
                    lost => return lost,
                }
            }
            if !is_there {
                return match (word, closed) {
                    (0, false) => Seen::Empty,
                    (0, true) => Seen::Closed,
                    _ => Seen::Corrupt(Corrupt {
                        word: CorruptWord::Record,
                        position,
                        found: word,
                    }),
                };
            }
            self.at.position = position.wrapping_add(total);
            if record::is_ready(word) {
                self.at.sequence = self.at.sequence.wrapping_add(1);
                return Seen::Message(Copied { len, tag, position });
            }
            passed += total;
        }
        Seen::Empty
    }

    /// Goes on at `resume`.
    #[cold]
    #[inline(never)]
    fn overtaken(&mut self, words: &impl Words, control: &Control, resume: Place) -> Seen<Copied> {
        let there = Self::new(words, control, self.shape, resume).map(|reader| reader.at);
        let lost = there.map_or(0, |at| at.sequence.wrapping_sub(self.at.sequence));
        match there {
            Some(at) if by_age(&at, &self.at).is_gt() && lost <= i64::MAX as u64 => {
                self.at = at;
                Seen::Lost(lost)
            }
            _ => Seen::Corrupt(Corrupt {
                word: CorruptWord::Tail,
                position: self.at.position,
                found: frontier(control),
            }),
        }
    }

    /// Goes to the newest record, if there is one that was not read. Gives how many it has passed over.
    pub(crate) fn skip_to_newest(&mut self, words: &impl Words, control: &Control) -> u64 {
        let mut marks = marks(control, self.shape);
        // The newest first. It may have no record behind it yet.
        marks.sort_unstable_by_key(|mark| Reverse(mark.map(|point| point.sequence)));
        let ahead = marks.into_iter().flatten();
        let ahead = ahead.filter(|mark| mark.sequence > self.at.sequence);
        let found = ahead
            .chain([self.at])
            .find_map(|from| Some((from, walk(words, self.shape, from).0?)));
        let Some((from, last)) = found else {
            return 0;
        };
        let skipped = last.sequence.wrapping_sub(self.at.sequence);
        if skipped as i64 <= 0 || !is_intact(control, self.shape, from) {
            return 0;
        }
        self.at = last;
        skipped
    }

    /// Bytes published and not yet read, headers and padding included; a hint.
    pub(crate) fn lag_bytes(&self, words: &impl Words, control: &Control) -> u64 {
        let lag = end(words, control, self.shape).wrapping_sub(self.at.position);
        (lag as i64).max(0).cast_unsigned()
    }

    /// Whether enough was read for the producer to be told: a quarter of the ring.
    #[inline(always)]
    pub(crate) fn is_due(&self) -> bool {
        self.at.position.wrapping_sub(self.told) >= frontier::step(self.shape.capacity)
    }

    /// Says in `mine` what was read. `true` when there was something new to say.
    pub(crate) fn publish(&mut self, mine: &Participant) -> bool {
        if self.told == self.at.position {
            return false;
        }
        self.told = self.at.position;
        frontier::publish(mine, self.told);
        true
    }
}
