//! The state of a ring at one moment, for people and for tools.

use crate::Peer;
use crate::endpoint::seat;
use crate::error::OsError;
use crate::layout::control::{ASLEEP, CLOSED_BY_CONSUMER, CLOSED_BY_PRODUCER, SLEEP_STATE};
use crate::layout::header;
use crate::ring::records::{Producers, fill};
use crate::ring::spsc;
use crate::segment::{Bytes, Regions, Segment, Slots};
use crate::sync::Ordering::{Acquire, Relaxed};
use crate::{Parking, WaitBackend};

/// One end of a ring as others see it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct End {
    /// Whether somebody is there: the kernel's word.
    pub state: Peer,
    /// Who it says it is, or was; 0 if nobody ever was. For people.
    pub pid: u32,
    /// How many endpoints have held this end.
    pub generation: u64,
    /// Whether it sleeps, or died in its sleep.
    pub asleep: bool,
    /// Whether it has closed the ring.
    pub closed: bool,
}

/// How many take part in a ring, and who gets a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Parties {
    /// One producer, one consumer.
    Spsc,
    /// Many producers, one consumer.
    Mpsc,
}

/// What a ring's messages are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Messages {
    /// Slots of one size. Capacity, positions and lengths count slots.
    Slots,
    /// Records of variable length. Capacity, positions and lengths count bytes, headers and padding included.
    Records,
}

/// What can be seen of a ring without taking part in it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Status {
    /// Who takes part.
    pub parties: Parties,
    /// What its messages are; also what `capacity`, `taken` and `len` count.
    pub messages: Messages,
    /// Slots, or bytes of records.
    pub capacity: u64,
    /// Size of a message in bytes; of a record, the longest.
    pub slot_size: u64,
    /// Size of the ring in memory, in bytes.
    pub segment_bytes: u64,
    /// Messages taken since creation.
    pub taken: u64,
    /// Messages committed and not yet taken. Where there are many producers, also those still being written.
    pub len: u64,
    /// The producing ends that were ever taken; of an spsc ring always one.
    pub producers: Vec<End>,
    /// For how many producers there is room.
    pub places: u32,
    /// The consuming end.
    pub consumer: End,
    /// Who may sleep, and who pays for it.
    pub parking: Parking,
    /// What they sleep on.
    pub wait_backend: WaitBackend,
    /// The user's schema number.
    pub schema: u64,
    /// The message type's fingerprint; 0 for bytes.
    pub type_fingerprint: u64,
    /// When the ring was made, in nanoseconds since 1970.
    pub created_at_ns: u64,
    /// A number that no other ring has.
    pub instance: u64,
    /// The process that made the ring. For people.
    pub creator_pid: u32,
}

/// Position of the oldest message not yet taken, and how much there is from it on.
fn fill_of(segment: &Segment) -> (u64, u64, Regions) {
    let geometry = &segment.checked.geometry;
    if geometry.element == header::ELEMENT_SLOTS {
        let view = segment.view::<Slots>();
        let (taken, len) = spsc::fill(&view.lane(), view.control(), geometry.capacity);
        (taken, len, Regions::clone(&view))
    } else {
        let view = segment.view::<Bytes>();
        let many = geometry.kind == header::KIND_MPSC;
        let producers = if many {
            Producers::Many
        } else {
            Producers::One
        };
        let shape = geometry.shape();
        let (taken, len) = fill::fill(&view.strip(), view.control(), shape, producers);
        (taken, len, Regions::clone(&view))
    }
}

/// Looks at `segment`. Never writes to it.
pub(crate) fn take(segment: &Segment) -> Result<Status, OsError> {
    let checked = &segment.checked;
    let geometry = &checked.geometry;
    let (taken, len, regions) = fill_of(segment);
    let control = regions.control();
    // Acquire X1: for people; pairs with the closers' Release.
    let closed = control.closed.0.load(Acquire);
    let end = |index, sleep: u32, bit: u32| -> Result<End, OsError> {
        let entry = regions.participant(index);
        Ok(End {
            state: seat::state_of(&regions, &segment.tokens, index)?,
            // Relaxed: for people.
            pid: entry.pid.load(Relaxed),
            generation: entry.generation.load(Relaxed),
            asleep: sleep & SLEEP_STATE == ASLEEP,
            closed: closed & bit != 0,
        })
    };
    // Relaxed: for people.
    let producer_sleep = control.producer_sleep.0.load(Relaxed);
    let consumer_sleep = control.consumer_sleep.0.load(Relaxed);
    let one = geometry.places.producers == 1;
    let mut producers = Vec::new();
    for index in 0..geometry.places.producers {
        let producer = end(index, producer_sleep, CLOSED_BY_PRODUCER)?;
        if one || producer.state != Peer::Never {
            producers.push(producer);
        }
    }
    Ok(Status {
        parties: match geometry.kind {
            header::KIND_SPSC => Parties::Spsc,
            _ => Parties::Mpsc,
        },
        messages: match geometry.element {
            header::ELEMENT_SLOTS => Messages::Slots,
            _ => Messages::Records,
        },
        capacity: geometry.capacity,
        slot_size: geometry.payload_bytes,
        segment_bytes: segment.bytes(),
        taken,
        len,
        producers,
        places: geometry.places.producers,
        consumer: end(geometry.consumer_seat(), consumer_sleep, CLOSED_BY_CONSUMER)?,
        parking: match checked.parking {
            header::PARKING_NEVER => Parking::Never,
            header::PARKING_ASYMMETRIC => Parking::Asymmetric,
            _ => Parking::Fenced,
        },
        wait_backend: match checked.wait_backend {
            header::WAIT_SEM => WaitBackend::Semaphore,
            _ => WaitBackend::Futex,
        },
        schema: checked.schema,
        type_fingerprint: checked.type_fingerprint,
        created_at_ns: checked.created_at_ns,
        instance: checked.instance,
        creator_pid: checked.creator_pid,
    })
}
