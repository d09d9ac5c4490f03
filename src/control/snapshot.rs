//! The state of a ring at one moment, for people and for tools.

use crate::Peer;
use crate::endpoint::seat;
use crate::error::OsError;
use crate::layout::control::{ASLEEP, CLOSED_BY_CONSUMER, CLOSED_BY_PRODUCER};
use crate::layout::header;
use crate::ring::spsc;
use crate::segment::{Segment, View};
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

/// What can be seen of a ring without taking part in it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Status {
    /// Slots.
    pub capacity: u64,
    /// Size of a message in bytes.
    pub slot_size: u64,
    /// Size of the ring in memory, in bytes.
    pub segment_bytes: u64,
    /// Messages taken since creation.
    pub taken: u64,
    /// Messages committed and not yet taken.
    pub len: u64,
    /// The producing end.
    pub producer: End,
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

/// Looks at `segment`. Never writes to it.
pub(crate) fn take(segment: &Segment, view: &View) -> Result<Status, OsError> {
    let checked = &segment.checked;
    let control = view.control();
    // Acquire X1: for people; pairs with the closers' Release.
    let closed = control.closed.0.load(Acquire);
    let (taken, len) = spsc::fill(&view.lane(), control, checked.geometry.capacity);
    let end = |index, sleep: u32, bit: u32| -> Result<End, OsError> {
        let entry = view.participant(index);
        Ok(End {
            state: seat::state_of(view, &segment.tokens, index)?,
            // Relaxed: for people.
            pid: entry.pid.load(Relaxed),
            generation: entry.generation.load(Relaxed),
            asleep: sleep == ASLEEP,
            closed: closed & bit != 0,
        })
    };
    // Relaxed: for people.
    let producer_sleep = control.producer_sleep.0.load(Relaxed);
    let consumer_sleep = control.consumer_sleep.0.load(Relaxed);
    Ok(Status {
        capacity: checked.geometry.capacity,
        slot_size: checked.geometry.payload_bytes,
        segment_bytes: checked.segment_bytes,
        taken,
        len,
        producer: end(seat::PRODUCER_SEAT, producer_sleep, CLOSED_BY_PRODUCER)?,
        consumer: end(seat::CONSUMER_SEAT, consumer_sleep, CLOSED_BY_CONSUMER)?,
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
