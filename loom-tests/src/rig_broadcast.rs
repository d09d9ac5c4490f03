//! What the models of broadcasts need: slots or bytes, a producer, readers that check everything they are told.
//!
//! Payload is relaxed atomic words, as the real copies are. It says which message it belongs to, and in rings of records it
//! also looks like a header that must never be read as one. There are no crossings (see `rig.rs`): every producer
//! fences, and a crossing would take part in that. No thread here loads a word that it stores later.

use crate::layout::control::Control;
use crate::layout::header::KIND_BROADCAST;
use crate::layout::record::{self, Shape};
use crate::layout::word;
use crate::ring::broadcast::frontier::{self, Cursors};
use crate::ring::broadcast::{Gone, Place, Room, Seen, records, slots};
use crate::ring::words::Words;
use crate::sync::AtomicU64;
use crate::sync::Ordering::Relaxed;
use crate::table::Table;
use std::sync::Arc;

/// Words that one behind the other fill a ring.
#[derive(Debug)]
pub(crate) struct Cells {
    words: Vec<AtomicU64>,
    /// Positions from one word to the next.
    step: u64,
}

impl Words for Cells {
    fn at(&self, position: u64) -> &AtomicU64 {
        assert_eq!(position % self.step, 0, "a word's position");
        &self.words[(position / self.step % self.words.len() as u64) as usize]
    }
}

/// One ring, as all sides share it.
#[derive(Debug)]
pub(crate) struct Rig {
    pub(crate) cells: Cells,
    pub(crate) control: Control,
    pub(crate) capacity: u64,
    pub(crate) start: u64,
    pub(crate) readers: Table,
    /// Of slots: two words each.
    payload: Vec<[AtomicU64; 2]>,
}

impl Cursors for Rig {
    fn count(&self) -> u32 {
        crate::ring::announce::Announcements::count(&self.readers)
    }

    fn cursor(&self, i: u32) -> u64 {
        frontier::cursor(self.readers.line(i))
    }
}

impl Rig {
    /// A new ring of slots whose first message has position `start`, with places for so many readers.
    pub(crate) fn slots(capacity: u64, start: u64, readers: u32) -> Arc<Self> {
        let control = Control::new(start);
        control.begin_slots(KIND_BROADCAST, start);
        let mut words = vec![0; capacity as usize];
        for position in (0..capacity).map(|i| start.wrapping_add(i)) {
            words[(position % capacity) as usize] = word::free(position);
        }
        Arc::new(Self {
            cells: Cells {
                words: words.into_iter().map(AtomicU64::new).collect(),
                step: 1,
            },
            control,
            capacity,
            start,
            readers: Table::new(readers),
            payload: (0..capacity).map(|_| [0, 0].map(AtomicU64::new)).collect(),
        })
    }

    /// A new ring of so many bytes for records.
    pub(crate) fn records(capacity: u64, start: u64, readers: u32) -> Arc<Self> {
        let control = Control::new(0);
        control.begin_records(start);
        Arc::new(Self {
            cells: Cells {
                words: (0..capacity / 8).map(|_| AtomicU64::new(0)).collect(),
                step: 8,
            },
            control,
            capacity,
            start,
            readers: Table::new(readers),
            payload: Vec::new(),
        })
    }

    /// How records lie in this ring.
    pub(crate) fn shape(&self) -> Shape {
        Shape::new(self.capacity, 8)
    }

    fn payload(&self, position: u64) -> &[AtomicU64; 2] {
        &self.payload[(position % self.capacity) as usize]
    }

    /// Writes the message of `position`: its position, twice.
    pub(crate) fn write(&self, position: u64) {
        // Relaxed, here and below: as the real copies are.
        self.payload(position)
            .iter()
            .for_each(|word| word.store(position, Relaxed));
    }

    fn copy(&self, position: u64) -> [u64; 2] {
        let [a, b] = self.payload(position);
        [a.load(Relaxed), b.load(Relaxed)]
    }

    /// The producer of slots, new or the successor of one.
    pub(crate) fn producer(self: &Arc<Self>) -> Producer {
        Producer {
            tail: slots::Tail::resume(&self.cells, &self.control, self.capacity),
            rig: Arc::clone(self),
        }
    }

    /// A reader of slots at `position`.
    pub(crate) fn reader(self: &Arc<Self>, i: u32, position: u64) -> Reader {
        Reader {
            place: slots::Reader::new(position, self.capacity, self.start),
            rig: Arc::clone(self),
            i,
            from: position,
            counts: Counts::default(),
        }
    }

    /// Where `place` is among the slots.
    pub(crate) fn position_of(&self, place: Place) -> u64 {
        let (cells, control) = (&self.cells, &self.control);
        slots::Reader::position_of(cells, control, self.capacity, self.start, place)
    }

    /// `position`, if a reader of slots can begin there.
    pub(crate) fn check(&self, position: u64) -> Result<u64, Gone> {
        let (cells, control) = (&self.cells, &self.control);
        slots::Reader::check(cells, control, self.capacity, self.start, position)
    }

    /// Reader `i` of slots, whom the producer waits for.
    pub(crate) fn lossless(self: &Arc<Self>, i: u32, place: Place) -> Reader {
        let mine = (i, self.readers.line(i));
        let choose = || Ok::<u64, ()>(self.position_of(place));
        let position = frontier::gate(&self.control, mine, self.capacity, choose);
        let position = position.expect("a place is always found");
        self.reader(i, position.expect("no honest frontier is called corrupt"))
    }

    /// The producer of records, new or the successor of one.
    pub(crate) fn record_producer(self: &Arc<Self>) -> RecordProducer {
        let tail = records::Tail::resume(&self.cells, &self.control, self.shape());
        RecordProducer {
            tail: tail.expect("no honest peer corrupts the ring"),
            rig: Arc::clone(self),
        }
    }

    /// A reader of records. Of the record it begins with it only knows that its tag is the number of records before it.
    pub(crate) fn record_reader(self: &Arc<Self>, i: u32, place: Place) -> RecordReader {
        let place = records::Reader::new(&self.cells, &self.control, self.shape(), place);
        self.reads(i, place.expect("no honest peer corrupts the ring"))
    }

    /// A reader of records at `place`.
    pub(crate) fn reads(self: &Arc<Self>, i: u32, place: records::Reader) -> RecordReader {
        RecordReader {
            place,
            rig: Arc::clone(self),
            i,
            expected: None,
            counts: Counts::default(),
        }
    }

    /// Reader `i` of records, whom the producer waits for.
    pub(crate) fn lossless_records(self: &Arc<Self>, i: u32, place: Place) -> RecordReader {
        let mut found = None;
        let shape = self.shape();
        let choose = || {
            let reader = records::Reader::new(&self.cells, &self.control, shape, place);
            let reader = reader.expect("no honest peer corrupts the ring");
            let position = reader.next();
            found = Some(reader);
            Ok::<u64, ()>(position)
        };
        let mine = (i, self.readers.line(i));
        let reach = shape.capacity - shape.align();
        let position = frontier::gate(&self.control, mine, reach, choose);
        let position = position.expect("a place is always found");
        position.expect("no honest frontier is called corrupt");
        self.reads(i, found.expect("a place was chosen").waited_for(i))
    }
}

/// What became of a message that was offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Pushed {
    Done,
    Full,
    Closed,
}

fn pushed(room: Room) -> Pushed {
    match room {
        Room::Free => Pushed::Done,
        Room::Full => Pushed::Full,
        Room::Closed => Pushed::Closed,
    }
}

/// The producer of slots.
#[derive(Debug)]
pub(crate) struct Producer {
    pub(crate) rig: Arc<Rig>,
    pub(crate) tail: slots::Tail,
}

impl Producer {
    /// Publishes the next message.
    pub(crate) fn try_push(&mut self) -> Pushed {
        let rig = &*self.rig;
        let room = match self.tail.credit() {
            0 => pushed(self.tail.refill(&rig.control, rig, 1)),
            _ => Pushed::Done,
        };
        if room == Pushed::Done {
            self.tail.put(&rig.cells, |position| rig.write(position));
        }
        room
    }

    /// The same `n` times; gives how many were published.
    pub(crate) fn push_up_to(&mut self, n: u64) -> u64 {
        (0..n)
            .map(|_| u64::from(self.try_push() == Pushed::Done))
            .sum()
    }
}

/// What a reader was told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Counts {
    pub(crate) received: u64,
    pub(crate) lost: u64,
    pub(crate) skipped: u64,
}

impl Counts {
    pub(crate) fn all(self) -> u64 {
        self.received + self.lost + self.skipped
    }
}

/// What one look of a reader has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Got {
    Message,
    Lost,
    Empty,
    Closed,
}

/// A reader of slots.
#[derive(Debug)]
pub(crate) struct Reader {
    pub(crate) rig: Arc<Rig>,
    pub(crate) place: slots::Reader,
    i: u32,
    from: u64,
    pub(crate) counts: Counts,
}

impl Reader {
    /// Reads once, as an endpoint does.
    pub(crate) fn read(&mut self, resume: Place) -> Got {
        let rig = &self.rig;
        let got = loop {
            let position = self.place.next();
            if let Some(copy) = self.place.take(&rig.cells, |position| rig.copy(position)) {
                assert_eq!(copy, [position; 2], "torn or another message's");
                self.counts.received += 1;
                break Got::Message;
            }
            match self.place.look(&rig.cells, &rig.control, resume) {
                Seen::Message(()) => {}
                Seen::Lost(lost) => {
                    self.counts.lost += lost;
                    break Got::Lost;
                }
                Seen::Empty => break Got::Empty,
                Seen::Closed => break Got::Closed,
                Seen::Corrupt(corrupt) => panic!("an honest peer was called corrupt: {corrupt:?}"),
            }
        };
        if got != Got::Message || self.place.is_due() {
            self.place.publish(rig.readers.line(self.i));
        }
        assert_eq!(
            self.place.next().wrapping_sub(self.from),
            self.counts.all(),
            "exact"
        );
        got
    }

    /// Reads the newest message, if it was not read yet.
    pub(crate) fn latest(&mut self) -> Got {
        loop {
            let rig = &self.rig;
            self.counts.skipped += self.place.skip_to_newest(&rig.cells, &rig.control);
            match self.read(Place::Oldest) {
                Got::Lost => {}
                got => return got,
            }
        }
    }

    /// Reads until nothing is there.
    pub(crate) fn rest(&mut self) -> Got {
        loop {
            match self.read(Place::Oldest) {
                Got::Message | Got::Lost => {}
                end => return end,
            }
        }
    }

    /// Is no longer waited for.
    pub(crate) fn leave(&self) {
        frontier::ungate(&self.rig.control, self.i);
    }
}

/// The producer of records. Each has its number as tag.
#[derive(Debug)]
pub(crate) struct RecordProducer {
    pub(crate) rig: Arc<Rig>,
    pub(crate) tail: records::Tail,
}

/// A word of the payload of the record with this tag: the header of an empty record that nobody committed.
fn forged(tag: u16) -> u64 {
    record::ready(0, tag | 0x8000)
}

impl RecordProducer {
    /// Makes room for a record of `len` bytes.
    pub(crate) fn room(&mut self, len: u32) -> Pushed {
        let rig = &*self.rig;
        let total = rig.shape().total(len);
        if self.tail.has_room(total) {
            return Pushed::Done;
        }
        pushed(self.tail.make_room(&rig.cells, &rig.control, rig, total))
    }

    /// Writes the payload of the next record.
    pub(crate) fn write(&self, len: u32) {
        let tag = self.tail.sequence() as u16;
        for i in 1..=u64::from(len / 8) {
            let at = self.tail.next().wrapping_add(8 * i);
            // Relaxed: as the real copies are.
            self.rig.cells.at(at).store(forged(tag), Relaxed);
        }
    }

    /// Publishes a record of `len` bytes.
    pub(crate) fn try_push(&mut self, len: u32) -> Pushed {
        let room = self.room(len);
        if room == Pushed::Done {
            self.write(len);
            let tag = self.tail.sequence() as u16;
            let record = self.rig.shape().record(len, tag);
            self.tail.commit(&self.rig.cells, record);
        }
        room
    }

    /// Publishes records of `lens` bytes; gives how many were published.
    pub(crate) fn push_all(&mut self, lens: &[u32]) -> u64 {
        let done = lens.iter().map(|len| self.try_push(*len));
        done.map(|pushed| u64::from(pushed == Pushed::Done)).sum()
    }
}

/// A reader of records.
#[derive(Debug)]
pub(crate) struct RecordReader {
    pub(crate) rig: Arc<Rig>,
    pub(crate) place: records::Reader,
    i: u32,
    /// The number of the next record, once one was read.
    pub(crate) expected: Option<u64>,
    pub(crate) counts: Counts,
}

impl RecordReader {
    /// Reads once, as an endpoint does.
    pub(crate) fn read(&mut self, resume: Place) -> Got {
        let rig = &self.rig;
        let mut payload = Vec::new();
        let seen = self
            .place
            .look(&rig.cells, &rig.control, resume, |position, len| {
                payload.clear();
                for i in 0..u64::from(len / 8) {
                    let at = position.wrapping_add(8 * i);
                    // Relaxed: as the real copies are.
                    payload.push(rig.cells.at(at).load(Relaxed));
                }
            });
        let got = match seen {
            Seen::Message(copied) => {
                let all = payload.iter().all(|word| *word == forged(copied.tag));
                assert!(all, "torn: {payload:x?} in {copied:?}");
                assert_eq!(payload.len() as u32, copied.len / 8);
                let number = u64::from(copied.tag);
                assert_eq!(self.expected.unwrap_or(number), number, "exact");
                self.expected = Some(number + 1);
                self.counts.received += 1;
                Got::Message
            }
            Seen::Lost(lost) => {
                self.expected = self.expected.map(|number| number + lost);
                self.counts.lost += lost;
                Got::Lost
            }
            Seen::Empty => Got::Empty,
            Seen::Closed => Got::Closed,
            Seen::Corrupt(corrupt) => panic!("an honest peer was called corrupt: {corrupt:?}"),
        };
        if got != Got::Message || self.place.is_due() {
            self.place.publish(rig.readers.line(self.i));
        }
        got
    }

    /// Reads the newest record, if it was not read yet.
    pub(crate) fn latest(&mut self) -> Got {
        loop {
            let rig = &self.rig;
            let skipped = self.place.skip_to_newest(&rig.cells, &rig.control);
            self.counts.skipped += skipped;
            self.expected = self.expected.map(|number| number + skipped);
            match self.read(Place::Oldest) {
                Got::Lost => {}
                got => return got,
            }
        }
    }

    /// Reads until nothing is there.
    pub(crate) fn rest(&mut self) -> Got {
        loop {
            match self.read(Place::Oldest) {
                Got::Message | Got::Lost => {}
                end => return end,
            }
        }
    }
}
