//! Geometry: where everything lies in a segment, worked out from a few numbers.
//!
//! A geometry is either planned by a creator or checked by [`super::alleged`]; it is a private copy that is
//! never read again from shared memory. All sizes and offsets are in bytes.

use super::LINE;
use super::header::{self, HEADER_BYTES, Header};
use super::record::{self, Shape};
use core::mem::size_of;

/// The unit that regions of a segment are aligned to.
const PAGE: u64 = 4096;
/// Capacity bounds, in slots.
pub(crate) const CAPACITY_MIN: u64 = 2;
pub(crate) const CAPACITY_MAX: u64 = 1 << 32;
/// Bounds of one slot's payload.
pub(crate) const PAYLOAD_MIN: u64 = 1;
pub(crate) const PAYLOAD_MAX: u64 = 1 << 32;
/// The strictest alignment a payload may ask for: a cache line.
pub(crate) const ALIGN_MAX: u32 = 64;
/// No segment is larger (an x86-64 user address space has 47 bits).
const SEGMENT_MAX: u64 = 1 << 46;
/// Bytes set aside for the control block.
const CONTROL_BYTES: u64 = 1024;
/// Bytes of the ready word at the start of each slot.
const WORD_BYTES: u64 = size_of::<u64>() as u64;
/// Bounds of a record ring's capacity, in bytes.
pub(crate) const RECORD_CAPACITY_MIN: u64 = 256;
pub(crate) const RECORD_CAPACITY_MAX: u64 = 1 << 32;
/// The first position of a ring of records is a multiple of this.
pub(crate) const RECORD_START: u64 = 64;
/// The most producers a ring can have room for.
pub(crate) const PRODUCERS_MAX: u32 = 1024;

/// What a ring is made of: the part of a header that decides how bytes are laid out and used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Geometry {
    /// One of `header::KIND_*`.
    pub(crate) kind: u32,
    /// One of `header::ELEMENT_*`.
    pub(crate) element: u32,
    /// Slots, or bytes of a ring of records; a power of two.
    pub(crate) capacity: u64,
    /// Bytes from one slot to the next, a multiple of 16; or what every record is aligned to, 8 or 64.
    pub(crate) stride: u64,
    /// Bytes of one message; of a record, at most.
    pub(crate) payload_bytes: u64,
    /// Bytes from the start of a slot or record to its payload.
    pub(crate) payload_offset: u32,
    pub(crate) payload_align: u32,
    pub(crate) control_offset: u64,
    pub(crate) participants_offset: u64,
    pub(crate) participants: u32,
    pub(crate) data_offset: u64,
    /// Bytes the layout needs. The segment may be larger (huge pages), never smaller.
    pub(crate) used_bytes: u64,
}

/// A number out of its range: which one, and the rule it breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OutOfRange {
    pub(crate) field: &'static str,
    pub(crate) rule: &'static str,
}

const fn out(field: &'static str, rule: &'static str) -> OutOfRange {
    OutOfRange { field, rule }
}

const fn round_up(n: u64, to: u64) -> u64 {
    n.div_ceil(to) * to
}

/// Bytes from slot to slot for a payload at `offset`: a power of two up to one line, then whole lines.
const fn stride_of(offset: u64, payload_bytes: u64) -> u64 {
    let need = offset + round_up(payload_bytes, WORD_BYTES);
    if need <= 16 {
        16
    } else if need <= 64 {
        need.next_power_of_two()
    } else {
        round_up(need, 64)
    }
}

impl Geometry {
    /// The layout of an spsc slot ring. It is a function of these three numbers alone, so a reader of a
    /// stranger's header computes it again and compares.
    pub(crate) fn spsc_slots(
        capacity: u64,
        payload_bytes: u64,
        payload_align: u32,
    ) -> Result<Self, OutOfRange> {
        if !capacity.is_power_of_two() || !(CAPACITY_MIN..=CAPACITY_MAX).contains(&capacity) {
            return Err(out("capacity", "a power of two from 2 to 2^32 slots"));
        }
        if !(PAYLOAD_MIN..=PAYLOAD_MAX).contains(&payload_bytes) {
            return Err(out("slot size", "1 to 2^32 bytes"));
        }
        if !payload_align.is_power_of_two() || payload_align > ALIGN_MAX {
            return Err(out("payload alignment", "a power of two up to 64 bytes"));
        }
        let payload_offset = payload_align.max(WORD_BYTES as u32);
        let stride = stride_of(u64::from(payload_offset), payload_bytes);
        let data_bytes = capacity.checked_mul(stride);
        Self {
            kind: header::KIND_SPSC,
            element: header::ELEMENT_SLOTS,
            capacity,
            stride,
            payload_bytes,
            payload_offset,
            payload_align,
            ..Self::regions(2)
        }
        // At most 2^32 slots of at most 2^32 + 128 bytes: may pass 2^64.
        .with_data(data_bytes)
        .ok_or(out(
            "capacity x slot size",
            "a segment of at most 2^46 bytes",
        ))
    }

    /// The layout of a ring of records for up to `producers` producers, a function of these four numbers.
    pub(crate) fn records(
        kind: u32,
        capacity: u64,
        align: u64,
        producers: u32,
    ) -> Result<Self, OutOfRange> {
        let range = RECORD_CAPACITY_MIN..=RECORD_CAPACITY_MAX;
        if !capacity.is_power_of_two() || !range.contains(&capacity) {
            return Err(out("capacity", "a power of two from 256 to 2^32 bytes"));
        }
        if align != 8 && align != 64 {
            return Err(out("record alignment", "8 or 64 bytes"));
        }
        let most = if kind == header::KIND_SPSC {
            1
        } else {
            PRODUCERS_MAX
        };
        if !(1..=most).contains(&producers) {
            return Err(out("producers", "1 to 1024"));
        }
        let geometry = Self {
            kind,
            element: header::ELEMENT_RECORDS,
            capacity,
            stride: align,
            payload_bytes: u64::from(Shape { capacity, align }.max_len()),
            payload_offset: record::HEADER as u32,
            payload_align: WORD_BYTES as u32,
            ..Self::regions(producers + 1)
        };
        Ok(geometry
            .with_data(Some(capacity))
            .expect("2^32 bytes of records and 1025 entries are below 2^46"))
    }

    /// Where everything lies in a ring with a table of `participants` entries. What is not a region is 0.
    fn regions(participants: u32) -> Self {
        let control_offset = PAGE;
        let participants_offset = control_offset + CONTROL_BYTES;
        let table = u64::from(participants) * LINE as u64;
        Self {
            kind: 0,
            element: 0,
            capacity: 0,
            stride: 0,
            payload_bytes: 0,
            payload_offset: 0,
            payload_align: 0,
            control_offset,
            participants_offset,
            participants,
            data_offset: round_up(participants_offset + table, PAGE),
            used_bytes: 0,
        }
    }

    /// The same with `data_bytes` of data behind it. `None` if that is more than a segment can have.
    fn with_data(self, data_bytes: Option<u64>) -> Option<Self> {
        let used_bytes = data_bytes?
            .checked_add(self.data_offset)
            .filter(|bytes| *bytes <= SEGMENT_MAX)?;
        Some(Self {
            used_bytes: round_up(used_bytes, PAGE),
            ..self
        })
    }

    /// Entries for producers; they come first in the table.
    pub(crate) fn producers(&self) -> u32 {
        self.participants - 1
    }

    /// The consumer's entry, the last of the table.
    pub(crate) fn consumer_seat(&self) -> u32 {
        self.participants - 1
    }

    /// How records lie in a ring of them.
    pub(crate) fn shape(&self) -> Shape {
        Shape {
            capacity: self.capacity,
            align: self.stride,
        }
    }

    /// Writes this geometry into `header`.
    pub(crate) fn describe(&self, header: &mut Header) {
        header.magic = header::MAGIC;
        header.wire_version = super::WIRE_VERSION;
        header.header_bytes = HEADER_BYTES as u32;
        header.kind = self.kind;
        header.element = self.element;
        header.capacity = self.capacity;
        header.stride = self.stride;
        header.payload_bytes = self.payload_bytes;
        header.payload_offset = self.payload_offset;
        header.payload_align = self.payload_align;
        header.control_offset = self.control_offset;
        header.participants_offset = self.participants_offset;
        header.participants = self.participants;
        header.data_offset = self.data_offset;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_messages_share_lines_and_a_56_byte_message_fills_exactly_one() {
        let stride = |payload| Geometry::spsc_slots(4, payload, 8).unwrap().stride;
        assert_eq!(
            [1, 8, 9, 24, 25, 56, 57, 120, 1024].map(stride),
            [16, 16, 32, 32, 64, 64, 128, 128, 1088]
        );
    }

    #[test]
    fn a_number_out_of_range_is_refused_by_its_name() {
        let field = |c, p, a| Geometry::spsc_slots(c, p, a).unwrap_err().field;
        for capacity in [0, 1, 3, 1 << 33, u64::MAX] {
            assert_eq!(field(capacity, 8, 8), "capacity");
        }
        assert_eq!(field(4, 0, 8), "slot size");
        assert_eq!(field(4, u64::MAX, 8), "slot size");
        assert_eq!(field(4, 8, 128), "payload alignment");
        assert_eq!(field(1 << 32, 1 << 32, 8), "capacity x slot size");
    }

    #[test]
    fn an_aligned_payload_starts_on_its_alignment() {
        let g = Geometry::spsc_slots(8, 64, 64).unwrap();
        assert_eq!((g.payload_offset, g.stride), (64, 128));
        assert_eq!(g.data_offset % 4096, 0);
    }

    #[test]
    fn a_ring_of_records_takes_its_capacity_and_a_table_for_all_producers() {
        let g = Geometry::records(header::KIND_MPSC, 1 << 20, 64, 64).unwrap();
        assert_eq!((g.participants, g.data_offset), (65, 16384));
        assert_eq!(g.used_bytes, 16384 + (1 << 20));
        assert_eq!(g.payload_bytes, (1 << 19) - 8);
        let g = Geometry::records(header::KIND_SPSC, 256, 8, 1).unwrap();
        assert_eq!(
            (g.participants, g.data_offset, g.used_bytes),
            (2, 8192, 12288)
        );
    }

    #[test]
    fn a_record_ring_s_number_out_of_range_is_refused_by_its_name() {
        let field = |k, c, a, n| Geometry::records(k, c, a, n).unwrap_err().field;
        for capacity in [0, 128, 1000, 1 << 33] {
            assert_eq!(field(header::KIND_SPSC, capacity, 8, 1), "capacity");
        }
        for align in [0, 1, 16, 128] {
            assert_eq!(field(header::KIND_SPSC, 1024, align, 1), "record alignment");
        }
        assert_eq!(field(header::KIND_SPSC, 1024, 8, 2), "producers");
        for producers in [0, 1025, u32::MAX] {
            assert_eq!(field(header::KIND_MPSC, 1024, 8, producers), "producers");
        }
    }
}
