//! Rings of records with the face of `kinds`: a record is a note, or several one after the other.

use super::kinds::{InHand, Place, Queue, Rx, Sort, Tx};
use super::payload::Note;
use annulus::{
    EndpointError, MpscRecords, Options, Peer, PopError, PushError, RecordConsumer, RecordKind,
    RecordProducer, Ring, SpscRecords, TryPopError, TryPushError, Wait,
};
use std::time::Instant;
use zerocopy::{FromBytes, IntoBytes};

/// What all records carry here.
const TAG: u16 = 7;

impl Sort for SpscRecords {
    const NAME: &'static str = "spsc_records";

    fn options(place: &Place) -> Options<Self> {
        let options = place.spec.placed(annulus::spsc_records(&place.spec.name));
        options.capacity_bytes(place.spec.capacity)
    }
}

impl Sort for MpscRecords {
    const NAME: &'static str = "mpsc_records";

    fn options(place: &Place) -> Options<Self> {
        let options = place.spec.placed(annulus::mpsc_records(&place.spec.name));
        options
            .capacity_bytes(place.spec.capacity)
            .producers(place.producers)
    }
}

macro_rules! records {
    ($kind:ty, $many:expr) => {
        impl Queue for $kind {
            const MANY: (bool, bool) = ($many, false);
            const RECORDS: bool = true;
            type Tx = RecordProducer<Self>;
            type Rx = RecordMouth;

            fn producer(ring: &Ring<Self>) -> Result<Self::Tx, EndpointError> {
                ring.producer()
            }

            fn consumer(ring: &Ring<Self>) -> Result<Self::Rx, EndpointError> {
                Ok(RecordMouth {
                    consumer: ring.consumer()?,
                    bytes: Vec::with_capacity(1024),
                })
            }

            fn before_end(rx: &Self::Rx, place: &Place) -> Option<u64> {
                let capacity = place.spec.capacity;
                Some(capacity - rx.consumer.position() % capacity)
            }
        }
    };
}

records!(SpscRecords, false);
records!(MpscRecords, true);

impl<K: RecordKind> Tx for RecordProducer<K> {
    fn try_push(&mut self, note: &Note) -> Result<(), TryPushError> {
        self.try_push_tagged(TAG, note.as_bytes())
    }

    fn push(&mut self, note: &Note, wait: Wait) -> Result<(), PushError> {
        self.push_tagged(TAG, note.as_bytes(), wait)
    }

    fn push_until(&mut self, note: &Note, wait: Wait, deadline: Instant) -> Result<(), PushError> {
        self.push_tagged_until(TAG, note.as_bytes(), wait, deadline)
    }

    fn push_many(&mut self, notes: &[Note]) -> Result<usize, TryPushError> {
        let records: [&[u8]; 4] = std::array::from_fn(|i| notes[i].as_bytes());
        self.try_push_many(&records[..notes.len().min(4)])
    }

    fn claim(
        &mut self,
        note: &Note,
        wait: Wait,
        during: impl FnOnce() -> bool,
    ) -> Result<(), PushError> {
        let mut loan = self.claim_for(size_of::<Note>(), wait)?;
        loan.write_at(0, note.as_bytes());
        if during() {
            loan.commit();
        }
        Ok(())
    }

    /// Of records: one record with room for all of `notes`, which is made shorter, or given up. Says 1 or 0.
    fn claim_run(
        &mut self,
        notes: &[Note],
        wait: Wait,
        during: impl FnOnce(usize) -> usize,
    ) -> Result<usize, PushError> {
        let mut loan = self.claim_for(size_of_val(notes), wait)?;
        loan.write_at(0, notes.as_bytes());
        match during(notes.len()) {
            0 => Ok(0),
            n => {
                loan.commit_len(n * size_of::<Note>());
                Ok(1)
            }
        }
    }

    fn close(self) {
        self.close();
    }
}

/// A consumer of records, and what it has taken last.
pub struct RecordMouth {
    consumer: RecordConsumer,
    bytes: Vec<u8>,
}

/// The first of the notes in `bytes`, which are all whole.
fn first(bytes: &[u8]) -> Note {
    let notes = <[Note]>::ref_from_bytes(bytes).unwrap_or_else(|_| panic!("torn: {bytes:x?}"));
    for note in notes {
        note.whole();
    }
    notes[0]
}

impl Rx for RecordMouth {
    fn try_pop(&mut self) -> Result<Note, TryPopError> {
        self.consumer.try_pop_into(&mut self.bytes)?;
        Ok(first(&self.bytes))
    }

    fn pop(&mut self, wait: Wait) -> Result<Note, PopError> {
        self.consumer.pop_into(&mut self.bytes, wait)?;
        Ok(first(&self.bytes))
    }

    fn pop_until(&mut self, wait: Wait, deadline: Instant) -> Result<Note, PopError> {
        self.consumer
            .pop_into_until(&mut self.bytes, wait, deadline)?;
        Ok(first(&self.bytes))
    }

    fn sample(&mut self, wait: Wait, during: impl FnOnce(InHand)) -> Result<(), PopError> {
        let position = self.consumer.position();
        let sample = self.consumer.sample(wait)?;
        during((position, first(&sample.to_vec()), false));
        Ok(())
    }

    fn grab(&mut self, _: usize) {}

    fn drain(&mut self, n: usize, mut each: impl FnMut(Note)) -> usize {
        let mut drain = self.consumer.drain(n);
        let mut taken = 0;
        while drain.next_into(&mut self.bytes).is_some() {
            each(first(&self.bytes));
            taken += 1;
        }
        taken
    }

    fn redelivered(&self) -> bool {
        false
    }

    fn predecessor(&self) -> Peer {
        self.consumer.predecessor()
    }

    fn close(self) {
        self.consumer.close();
    }
}
