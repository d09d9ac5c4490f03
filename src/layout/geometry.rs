//! Geometry: where everything lies in a segment, worked out from three numbers.
//!
//! A geometry is either planned by a creator or checked by [`super::alleged`]; it is a private copy that is
//! never read again from shared memory. All sizes and offsets are in bytes.

use super::LINE;
use super::header::{self, HEADER_BYTES, Header};
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
/// Entries of an spsc ring's participant table: 0 is the producer's, 1 the consumer's.
const SPSC_PARTICIPANTS: u32 = 2;

/// What a ring is made of: the part of a header that decides how bytes are laid out and used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Geometry {
    /// Slots; a power of two.
    pub(crate) capacity: u64,
    /// Bytes from one slot to the next; a multiple of 16.
    pub(crate) stride: u64,
    /// Bytes of one message.
    pub(crate) payload_bytes: u64,
    /// Bytes from the start of a slot to its payload.
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
        let control_offset = PAGE;
        let participants_offset = control_offset + CONTROL_BYTES;
        let table = u64::from(SPSC_PARTICIPANTS) * LINE as u64;
        let data_offset = round_up(participants_offset + table, PAGE);
        // At most 2^32 slots of at most 2^32 + 128 bytes: may pass 2^64, so check before use.
        let used_bytes = capacity
            .checked_mul(stride)
            .and_then(|data| data.checked_add(data_offset))
            .filter(|bytes| *bytes <= SEGMENT_MAX)
            .ok_or(out(
                "capacity x slot size",
                "a segment of at most 2^46 bytes",
            ))?;
        Ok(Self {
            capacity,
            stride,
            payload_bytes,
            payload_offset,
            payload_align,
            control_offset,
            participants_offset,
            participants: SPSC_PARTICIPANTS,
            data_offset,
            used_bytes: round_up(used_bytes, PAGE),
        })
    }

    /// Writes this geometry into `header`.
    pub(crate) fn describe(&self, header: &mut Header) {
        header.magic = header::MAGIC;
        header.wire_version = super::WIRE_VERSION;
        header.header_bytes = HEADER_BYTES as u32;
        header.kind = header::KIND_SPSC;
        header.element = header::ELEMENT_SLOTS;
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
}
