//! The state of a ring at one moment, for people and for tools.

use crate::Peer;
use crate::endpoint::seat::{self, Side};
use crate::error::OsError;
use crate::layout::control::{ASLEEP, CLOSED_BY_CONSUMER, CLOSED_BY_PRODUCER, SLEEP_STATE};
use crate::layout::header;
use crate::ring::broadcast::frontier;
use crate::ring::broadcast::{records, slots};
use crate::ring::records::{Producers, fill};
use crate::ring::{shared, spsc};
use crate::segment::{Bytes, Regions, Segment, Slots};
use crate::sync::Ordering::{Acquire, Relaxed};
use crate::{Parking, WaitBackend};
use std::ops::Range;

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
    /// Of a reader of a broadcast: how far it has come.
    pub reading: Option<Reading>,
}

/// How far a reader of a broadcast has come, as it has said last: a quarter of the ring at a time, and whenever it found
/// nothing to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Reading {
    /// Below it, everything was read or lost.
    pub position: u64,
    /// How much was published that it has not read; in slots, or in bytes of records.
    pub lag: u64,
    /// How many messages were overwritten before it read them.
    pub lost: u64,
    /// Whether the producer waits for it.
    pub lossless: bool,
}

/// How many take part in a ring, and who gets a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Parties {
    /// One producer, one consumer.
    Spsc,
    /// Many producers, one consumer.
    Mpsc,
    /// One producer, many consumers; each message is for one of them.
    Spmc,
    /// Many producers, many consumers; each message is for one of them.
    Mpmc,
    /// One producer, many readers; each message is for all of them.
    Broadcast,
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
    /// Messages taken since creation; of a broadcast, read by the slowest reader that is waited for.
    pub taken: u64,
    /// Messages committed and not yet taken. Where there are many producers, also those still being written.
    pub len: u64,
    /// The producing ends that were ever taken; where there is one, always that one.
    pub producers: Vec<End>,
    /// For how many producers there is room.
    pub producer_places: u32,
    /// The consuming or reading ends that were ever taken; where there is one, always that one.
    pub consumers: Vec<End>,
    /// For how many consumers or readers there is room.
    pub consumer_places: u32,
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
    let (kind, capacity) = (geometry.kind, geometry.capacity);
    if geometry.element == header::ELEMENT_SLOTS {
        let view = segment.view::<Slots>();
        let (lane, control) = (view.lane(), view.control());
        let (taken, len) = match kind {
            header::KIND_SPSC => spsc::fill(&lane, control, capacity),
            header::KIND_BROADCAST => unread(segment, &view, slots::tail(&lane, control, capacity)),
            _ => shared::fill::fill(&lane, control, capacity, kind),
        };
        (taken, len, Regions::clone(&view))
    } else {
        let view = segment.view::<Bytes>();
        let (strip, control, shape) = (view.strip(), view.control(), geometry.shape());
        let (taken, len) = match kind {
            header::KIND_BROADCAST => unread(segment, &view, records::end(&strip, control, shape)),
            _ => fill::fill(&strip, control, shape, Producers::of(kind)),
        };
        (taken, len, Regions::clone(&view))
    }
}

/// The position of the slowest reader that is waited for, and how far the end of what was published is from it.
fn unread(segment: &Segment, regions: &Regions, end: u64) -> (u64, u64) {
    let readers = Side::new(segment, regions, regions.consumer_seats());
    let capacity = segment.checked.geometry.capacity;
    let lag = frontier::lag(regions.control(), &readers, end).min(capacity);
    (end.wrapping_sub(lag), lag)
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
            reading: None,
        })
    };
    // Relaxed: for people.
    let producer_sleep = control.producer_sleep.0.load(Relaxed);
    let consumer_sleep = control.consumer_sleep.0.load(Relaxed);
    let side = |seats: Range<u32>, sleep, bit| -> Result<Vec<End>, OsError> {
        let (one, first) = (seats.len() == 1, seats.start);
        let mut ends = Vec::new();
        for index in seats {
            let mut found = end(index, sleep, bit)?;
            if geometry.kind == header::KIND_BROADCAST && bit == CLOSED_BY_CONSUMER {
                found.reading = Some(reading(&regions, index, first, taken.wrapping_add(len)));
            }
            if one || found.state != Peer::Never {
                ends.push(found);
            }
        }
        Ok(ends)
    };
    Ok(Status {
        parties: match geometry.kind {
            header::KIND_SPSC => Parties::Spsc,
            header::KIND_MPSC => Parties::Mpsc,
            header::KIND_SPMC => Parties::Spmc,
            header::KIND_MPMC => Parties::Mpmc,
            _ => Parties::Broadcast,
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
        producers: side(regions.producer_seats(), producer_sleep, CLOSED_BY_PRODUCER)?,
        producer_places: geometry.places.producers,
        consumers: side(regions.consumer_seats(), consumer_sleep, CLOSED_BY_CONSUMER)?,
        consumer_places: geometry.places.consumers,
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

/// How far the reader with entry `index` has come, if `end` is the end of what was published. Readers' entries begin at
/// `first`.
fn reading(regions: &Regions, index: u32, first: u32, end: u64) -> Reading {
    let entry = regions.participant(index);
    let position = frontier::cursor(entry);
    Reading {
        position,
        lag: (end.wrapping_sub(position) as i64).max(0).cast_unsigned(),
        // Relaxed: for people.
        lost: entry.announce_len.load(Relaxed),
        lossless: frontier::is_gating(regions.control(), index - first),
    }
}
