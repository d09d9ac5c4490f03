//! Broadcasts of messages that prove themselves, with one face for slots and records.

use super::kinds::{Place, Sort};
use super::payload::{Id, LONGEST, Note};
use annulus::{
    Broadcast, BroadcastRecords, EndpointError, Join, JoinError, Options, Producer, PushError,
    ReadError, Reader, RecordProducer, RecordReader, Resume, Ring, TryPushError, TryReadError,
    Untrusted, Wait,
};
use std::time::Instant;

/// A broadcast of slots, or of records.
pub trait Cast: Sort {
    type Tx: Publish;
    type Rx: Hear;
    fn producer(ring: &Ring<Self>) -> Result<Self::Tx, EndpointError>;
    fn reader(ring: &Ring<Self>, join: Join, lossless: bool) -> Result<Self::Rx, JoinError>;
}

/// The producing end.
pub trait Publish {
    fn publish(&mut self, id: Id, wait: Wait) -> Result<(), PushError>;
    fn try_publish(&mut self, id: Id) -> Result<(), TryPushError>;
    fn publish_until(&mut self, id: Id, wait: Wait, deadline: Instant) -> Result<(), PushError>;
    /// Publishes the messages `id` and following, `n` of them.
    fn publish_many(&mut self, id: Id, n: u64, wait: Wait);
    /// Messages published since creation, by all producers. For rings that begin at position 0.
    fn published(&self) -> u64;
    fn close(self);
}

/// A reading end.
pub trait Hear {
    fn read(&mut self, wait: Wait) -> Result<Id, ReadError>;
    fn try_read(&mut self) -> Result<Id, TryReadError>;
    fn read_until(&mut self, wait: Wait, deadline: Instant) -> Result<Id, ReadError>;
    /// Messages received, and lost.
    fn counts(&self) -> (u64, u64);
    fn resume_at(&mut self, resume: Resume);
}

impl Sort for Broadcast<Note> {
    const NAME: &'static str = "slots";

    fn options(place: &Place) -> Options<Self> {
        let options = place.spec.placed(annulus::broadcast(&place.spec.name));
        options
            .capacity(place.spec.capacity)
            .readers(place.consumers)
    }
}

impl Cast for Broadcast<Note> {
    type Tx = Producer<Note, Untrusted, Self>;
    type Rx = Reader<Note>;

    fn producer(ring: &Ring<Self>) -> Result<Self::Tx, EndpointError> {
        ring.producer()
    }

    fn reader(ring: &Ring<Self>, join: Join, lossless: bool) -> Result<Self::Rx, JoinError> {
        if lossless {
            ring.lossless_reader(join)
        } else {
            ring.reader(join)
        }
    }
}

impl Publish for Producer<Note, Untrusted, Broadcast<Note>> {
    fn publish(&mut self, id: Id, wait: Wait) -> Result<(), PushError> {
        self.push(&Note::new(id), wait)
    }

    fn try_publish(&mut self, id: Id) -> Result<(), TryPushError> {
        self.try_push(&Note::new(id))
    }

    fn publish_until(&mut self, id: Id, wait: Wait, deadline: Instant) -> Result<(), PushError> {
        self.push_until(&Note::new(id), wait, deadline)
    }

    fn publish_many(&mut self, id: Id, n: u64, wait: Wait) {
        let note = |i| {
            Note::new(Id {
                number: id.number + i,
                ..id
            })
        };
        let notes: Vec<Note> = (0..n).map(note).collect();
        let mut sent = 0;
        while sent < notes.len() {
            sent += self.push_many(&notes[sent..], wait).expect("readers live");
        }
    }

    fn published(&self) -> u64 {
        self.position()
    }

    fn close(self) {
        self.close();
    }
}

impl Hear for Reader<Note> {
    #[inline]
    fn read(&mut self, wait: Wait) -> Result<Id, ReadError> {
        self.read(wait).map(|note| note.whole())
    }

    fn try_read(&mut self) -> Result<Id, TryReadError> {
        self.try_read().map(|note| note.whole())
    }

    fn read_until(&mut self, wait: Wait, deadline: Instant) -> Result<Id, ReadError> {
        self.read_until(wait, deadline).map(|note| note.whole())
    }

    fn counts(&self) -> (u64, u64) {
        (self.received(), self.lost())
    }

    fn resume_at(&mut self, resume: Resume) {
        self.resume_at(resume);
    }
}

impl Sort for BroadcastRecords {
    const NAME: &'static str = "records";

    fn options(place: &Place) -> Options<Self> {
        let options = place
            .spec
            .placed(annulus::broadcast_records(&place.spec.name));
        options
            .capacity_bytes(place.spec.capacity)
            .readers(place.consumers)
    }
}

impl Cast for BroadcastRecords {
    type Tx = RecordProducer<Self>;
    type Rx = RecordEar;

    fn producer(ring: &Ring<Self>) -> Result<Self::Tx, EndpointError> {
        ring.producer()
    }

    fn reader(ring: &Ring<Self>, join: Join, lossless: bool) -> Result<Self::Rx, JoinError> {
        let reader = if lossless {
            ring.lossless_reader(join)
        } else {
            ring.reader(join)
        };
        Ok(RecordEar {
            reader: reader?,
            bytes: Vec::new(),
        })
    }
}

impl Publish for RecordProducer<BroadcastRecords> {
    fn publish(&mut self, id: Id, wait: Wait) -> Result<(), PushError> {
        self.push(id.record(&mut [0; LONGEST]), wait)
    }

    fn try_publish(&mut self, id: Id) -> Result<(), TryPushError> {
        self.try_push(id.record(&mut [0; LONGEST]))
    }

    fn publish_until(&mut self, id: Id, wait: Wait, deadline: Instant) -> Result<(), PushError> {
        self.push_until(id.record(&mut [0; LONGEST]), wait, deadline)
    }

    fn publish_many(&mut self, id: Id, n: u64, wait: Wait) {
        for number in id.number..id.number + n {
            self.publish(Id { number, ..id }, wait)
                .expect("readers live");
        }
    }

    fn published(&self) -> u64 {
        self.sequence()
    }

    fn close(self) {
        self.close();
    }
}

/// A reader of records, and what it has read last.
pub struct RecordEar {
    reader: RecordReader,
    bytes: Vec<u8>,
}

impl RecordEar {
    fn whole(&self) -> Id {
        Id::of_record(&self.bytes).unwrap_or_else(|| panic!("torn: {:x?}", self.bytes))
    }
}

impl Hear for RecordEar {
    fn read(&mut self, wait: Wait) -> Result<Id, ReadError> {
        self.reader.read_into(&mut self.bytes, wait)?;
        Ok(self.whole())
    }

    fn try_read(&mut self) -> Result<Id, TryReadError> {
        self.reader.try_read_into(&mut self.bytes)?;
        Ok(self.whole())
    }

    fn read_until(&mut self, wait: Wait, deadline: Instant) -> Result<Id, ReadError> {
        self.reader
            .read_into_until(&mut self.bytes, wait, deadline)?;
        Ok(self.whole())
    }

    fn counts(&self) -> (u64, u64) {
        (self.reader.received(), self.reader.lost())
    }

    fn resume_at(&mut self, resume: Resume) {
        self.reader.resume_at(resume);
    }
}

/// A producer that can stop in the middle of a message.
pub trait Interrupt {
    /// Claims room for the next message if there is some, writes another one, calls `during`, gives up.
    fn give_up(&mut self, id: Id, during: impl FnOnce());
    /// Claims, writes, calls `during`, publishes.
    fn hold(&mut self, id: Id, during: impl FnOnce());
}

impl Interrupt for Producer<Note, Untrusted, Broadcast<Note>> {
    fn give_up(&mut self, id: Id, during: impl FnOnce()) {
        if let Ok(mut loan) = self.try_claim() {
            loan.write(&Note::new(id));
            during();
        }
    }

    fn hold(&mut self, id: Id, during: impl FnOnce()) {
        let mut loan = self.try_claim().expect("room");
        loan.write(&Note::new(id));
        during();
        loan.commit();
    }
}

impl Interrupt for RecordProducer<BroadcastRecords> {
    fn give_up(&mut self, id: Id, during: impl FnOnce()) {
        let mut buffer = [0; LONGEST];
        if let Ok(mut loan) = self.try_claim(LONGEST) {
            loan.write_at(0, id.record(&mut buffer));
            during();
        }
    }

    fn hold(&mut self, id: Id, during: impl FnOnce()) {
        let mut buffer = [0; LONGEST];
        let bytes = id.record(&mut buffer);
        let mut loan = self.try_claim(bytes.len()).expect("room");
        loan.write_at(0, bytes);
        during();
        loan.commit();
    }
}
