//! The header: the first 256 bytes of every segment.
//!
//! Written once by the creator before anybody else can see the ring, except `ready`, which is stored last.
//! It is read by copy only ([`super::alleged`] checks the copy); no reference to it is ever made.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// The first eight bytes of every ring.
pub(crate) const MAGIC: [u8; 8] = *b"ANNULUS\0";

/// The value of [`Header::ready`] in a finished ring.
pub(crate) const READY: u64 = u64::from_le_bytes(*b"COMPLETE");

/// Size of the header in bytes.
pub(crate) const HEADER_BYTES: usize = 256;

/// `kind` of a ring with one producer and one consumer.
pub(crate) const KIND_SPSC: u32 = 1;
/// `kind` of a ring with many producers and one consumer.
pub(crate) const KIND_MPSC: u32 = 2;
/// `kind` of a ring with one producer and many consumers, each message for one of them.
pub(crate) const KIND_SPMC: u32 = 3;
/// `kind` of a ring with many producers and many consumers, each message for one of them.
pub(crate) const KIND_MPMC: u32 = 4;
/// `kind` of a ring with one producer and many readers, each message for all of them.
pub(crate) const KIND_BROADCAST: u32 = 5;
/// `element` of a ring of fixed-size slots.
pub(crate) const ELEMENT_SLOTS: u32 = 1;
/// `element` of a ring of variable-length records.
pub(crate) const ELEMENT_RECORDS: u32 = 2;

/// `parking`: endpoints of this ring never sleep in it.
pub(crate) const PARKING_NEVER: u32 = 0;
/// `parking`: both sides use full fences.
pub(crate) const PARKING_FENCED: u32 = 1;
/// `parking`: sleepers fence for everybody (membarrier), publishers only hold the compiler back.
pub(crate) const PARKING_ASYMMETRIC: u32 = 2;

/// `wait_backend`: sleep and wake through a shared futex on the sleep word.
pub(crate) const WAIT_FUTEX: u32 = 1;
/// `wait_backend`: sleep and wake through two named POSIX semaphores.
pub(crate) const WAIT_SEM: u32 = 2;

/// Bit of `flags`: the data region is an object of its own, which begins with a [`DataHeader`].
pub(crate) const FLAG_SPLIT: u32 = 1;
/// Bit of `flags`: what consumers that died had in hand is dropped, not delivered again.
pub(crate) const FLAG_DROP: u32 = 2;

/// The first eight bytes of a data object.
pub(crate) const DATA_MAGIC: [u8; 8] = *b"ANNULDAT";
/// Size of a data object's header in bytes.
pub(crate) const DATA_HEADER_BYTES: usize = 64;

/// What a data object begins with: whose data it is. Complete before anybody else can see the object.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub(crate) struct DataHeader {
    pub(crate) magic: [u8; 8],
    pub(crate) wire_version: u32,
    pub(crate) header_bytes: u32,
    /// That of the ring.
    pub(crate) instance: u64,
    /// Size of the data object in bytes.
    pub(crate) object_bytes: u64,
    pub(crate) reserved: [u64; 4],
}

/// The header, byte for byte as `docs/WIRE.md` draws it. All integers are little-endian.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub(crate) struct Header {
    pub(crate) magic: [u8; 8],
    pub(crate) wire_version: u32,
    pub(crate) header_bytes: u32,
    pub(crate) kind: u32,
    pub(crate) element: u32,
    pub(crate) capacity: u64,
    pub(crate) stride: u64,
    pub(crate) payload_bytes: u64,
    pub(crate) payload_offset: u32,
    pub(crate) payload_align: u32,
    pub(crate) type_fingerprint: u64,
    pub(crate) schema: u64,
    pub(crate) segment_bytes: u64,
    pub(crate) control_offset: u64,
    pub(crate) participants_offset: u64,
    pub(crate) participants: u32,
    pub(crate) parking: u32,
    pub(crate) data_offset: u64,
    pub(crate) wait_backend: u32,
    pub(crate) creator_pid: u32,
    pub(crate) creator_start_time: u64,
    pub(crate) created_at_ns: u64,
    pub(crate) instance: u64,
    pub(crate) name_hash: u64,
    pub(crate) start_position: u64,
    pub(crate) producers: u32,
    pub(crate) flags: u32,
    pub(crate) reserved: [u64; 10],
    pub(crate) ready: u64,
}

impl DataHeader {
    /// The header of the data object, of `object_bytes` bytes, of the ring `instance`.
    pub(crate) fn of(instance: u64, object_bytes: u64) -> Self {
        Self {
            magic: DATA_MAGIC,
            wire_version: super::WIRE_VERSION,
            header_bytes: DATA_HEADER_BYTES as u32,
            instance,
            object_bytes,
            reserved: [0; 4],
        }
    }
}
