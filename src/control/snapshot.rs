//! The state of a ring at one moment, for people and for tools.

use crate::endpoint::seat::{self, Side};
use crate::error::OsError;
use crate::layout::control::{ASLEEP, CLOSED_BY_CONSUMER, CLOSED_BY_PRODUCER, SLEEP_STATE};
use crate::layout::header;
use crate::layout::participant::Participant;
use crate::os::process;
use crate::ring::announce;
use crate::ring::broadcast::frontier;
use crate::ring::broadcast::{records, slots};
use crate::ring::records::{Producers, fill, mpsc};
use crate::ring::shared::repair;
use crate::ring::{shared, spsc};
use crate::segment::{Bytes, Regions, Segment, Slots};
use crate::sync::Ordering::{Acquire, Relaxed};
use crate::{Orphans, Parking, Peer, WaitBackend};
use std::ops::Range;

/// One end of a ring as others see it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct End {
    /// The number of this end on its side, from 0 on.
    pub place: u32,
    /// Whether somebody is there: the kernel's word.
    pub state: Peer,
    /// Who it says it is, or was; 0 if nobody ever was. For people.
    pub pid: u32,
    /// How many endpoints have held this end.
    pub generation: u64,
    /// Whether it sleeps, or died in its sleep.
    pub asleep: bool,
    /// Whether it is alive and was stopped (SIGSTOP, a debugger), so that it does not go on by itself. For people.
    pub stopped: bool,
    /// Whether it has closed the ring.
    pub closed: bool,
    /// What it, or its dead owner, has in hand where it shares its side: slots or bytes of records that a producer has
    /// claimed and not committed; messages that a consumer has claimed and not released. What two have announced and one
    /// has claimed may count for both.
    pub holds: u64,
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
    /// What becomes of what consumers that die have in hand, where many consume slots.
    pub orphans: Orphans,
    /// How many messages were dropped so.
    pub dropped: u64,
    /// When the ring was made, in nanoseconds since 1970.
    pub created_at_ns: u64,
    /// A number that no other ring has.
    pub instance: u64,
    /// The process that made the ring. For people.
    pub creator_pid: u32,
}

/// What is claimed and not finished of the run that entry `index`, which is a producer's or not, announces.
fn holds(segment: &Segment, index: u32, is_producer: bool) -> u64 {
    let geometry = &segment.checked.geometry;
    let (kind, capacity) = (geometry.kind, geometry.capacity);
    if geometry.element == header::ELEMENT_SLOTS {
        let view = segment.view::<Slots>();
        let (lane, control) = (view.lane(), view.control());
        let announced = announce::run(view.participant(index));
        return match kind {
            header::KIND_MPSC | header::KIND_MPMC if is_producer => {
                repair::unfinished(&lane, control, capacity, announced)
            }
            header::KIND_SPMC | header::KIND_MPMC if !is_producer => {
                repair::in_hand(&lane, control, capacity, announced)
            }
            _ => 0,
        };
    }
    if kind != header::KIND_MPSC || !is_producer {
        return 0;
    }
    let view = segment.view::<Bytes>();
    let announced = announce::run(view.participant(index));
    mpsc::unfinished(&view.strip(), view.control(), geometry.shape(), announced)
}

/// Whether the owner of `entry` is a process that was stopped, as far as can be seen from here.
fn is_stopped(entry: &Participant) -> bool {
    // Relaxed, both: for people.
    let pid = entry.pid.load(Relaxed);
    process::is_stopped(pid, entry.start_time.load(Relaxed))
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

/// Who takes part in a ring of `kind`.
fn parties(kind: u32) -> Parties {
    match kind {
        header::KIND_SPSC => Parties::Spsc,
        header::KIND_MPSC => Parties::Mpsc,
        header::KIND_SPMC => Parties::Spmc,
        header::KIND_MPMC => Parties::Mpmc,
        _ => Parties::Broadcast,
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
    let end = |index, first: u32, sleep: u32, bit: u32| -> Result<End, OsError> {
        let entry = regions.participant(index);
        let state = seat::state_of(&regions, &segment.tokens, index)?;
        Ok(End {
            place: index - first,
            state,
            stopped: state == Peer::Alive && is_stopped(entry),
            holds: holds(segment, index, bit == CLOSED_BY_PRODUCER),
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
            let mut found = end(index, first, sleep, bit)?;
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
        parties: parties(geometry.kind),
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
        orphans: match checked.drops {
            true => Orphans::Drop,
            false => Orphans::Redeliver,
        },
        dropped: match geometry.kind {
            header::KIND_SPMC | header::KIND_MPMC => repair::dropped(control),
            _ => 0,
        },
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
