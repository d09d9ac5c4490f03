//! The compile-time proof that `layout` is what `docs/WIRE.md` draws. A change here is a new wire version.

use crate::layout::control::{Control, GATING_WORDS, MARKS, Mark, Taken};
use crate::layout::geometry::PLACES_MAX;
use crate::layout::header::{DATA_HEADER_BYTES, DataHeader, HEADER_BYTES, Header};
use crate::layout::participant::Participant;
use core::mem::{align_of, offset_of, size_of};
use static_assertions::const_assert_eq;

macro_rules! at {
    ($type:ty { $($field:ident: $offset:literal),* $(,)? }) => {
        $(const_assert_eq!(offset_of!($type, $field), $offset);)*
    };
}

const_assert_eq!(size_of::<Header>(), HEADER_BYTES);
const_assert_eq!(HEADER_BYTES, 256);
at!(Header {
    magic: 0,
    wire_version: 8,
    header_bytes: 12,
    kind: 16,
    element: 20,
    capacity: 24,
    stride: 32,
    payload_bytes: 40,
    payload_offset: 48,
    payload_align: 52,
    type_fingerprint: 56,
    schema: 64,
    segment_bytes: 72,
    control_offset: 80,
    participants_offset: 88,
    participants: 96,
    parking: 100,
    data_offset: 104,
    wait_backend: 112,
    creator_pid: 116,
    creator_start_time: 120,
    created_at_ns: 128,
    instance: 136,
    name_hash: 144,
    start_position: 152,
    producers: 160,
    flags: 164,
    reserved: 168,
    ready: 248,
});

const_assert_eq!(size_of::<DataHeader>(), DATA_HEADER_BYTES);
const_assert_eq!(DATA_HEADER_BYTES, 64);
at!(DataHeader {
    magic: 0,
    wire_version: 8,
    header_bytes: 12,
    instance: 16,
    object_bytes: 24,
    reserved: 32,
});

const_assert_eq!(size_of::<Control>(), 1024);
const_assert_eq!(align_of::<Control>(), 128);
at!(Control {
    gate: 0,
    consumer_sleep: 128,
    producer_sleep: 256,
    closed: 384,
    tail: 512,
    head: 640,
    gating: 768,
    marks: 896,
});

at!(Taken {
    taken: 0,
    wiped: 8,
    dropped: 16,
    moved: 24,
});
at!(Mark {
    position: 0,
    sequence: 8
});
const_assert_eq!(size_of::<[Mark; MARKS]>(), 128);
const_assert_eq!(GATING_WORDS * 64, PLACES_MAX as usize);

const_assert_eq!(size_of::<Participant>(), 128);
const_assert_eq!(align_of::<Participant>(), 128);
at!(Participant {
    state: 0,
    role: 4,
    generation: 8,
    pid: 16,
    reserved: 20,
    start_time: 24,
    announce: 32,
    announce_len: 40,
});

// Sizes and lock offsets need 64 bits.
const_assert_eq!(size_of::<usize>(), 8);
// The format is little-endian; a big-endian build would read its own rings only.
const_assert_eq!(cfg!(target_endian = "little"), true);
// Futex words and ready words are accessed at their own size only.
const_assert_eq!(size_of::<crate::sync::AtomicU64>(), 8);
const_assert_eq!(size_of::<crate::sync::AtomicU32>(), 4);
