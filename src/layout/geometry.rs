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
/// The most endpoints of one side that a ring can have room for.
pub(crate) const PLACES_MAX: u32 = 1024;

/// For how many endpoints a ring has room, by side. Readers of a broadcast are consumers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Places {
    pub(crate) producers: u32,
    pub(crate) consumers: u32,
}

impl Places {
    /// One of each.
    pub(crate) const ONE: Self = Self {
        producers: 1,
        consumers: 1,
    };

    /// Refuses what a ring of `kind` cannot have.
    fn check(self, kind: u32) -> Result<Self, OutOfRange> {
        let (producers, consumers) = match kind {
            header::KIND_SPSC => (1, 1),
            header::KIND_MPSC => (PLACES_MAX, 1),
            header::KIND_SPMC | header::KIND_BROADCAST => (1, PLACES_MAX),
            _ => (PLACES_MAX, PLACES_MAX),
        };
        let rule = |most| match most {
            1 => "1 for this kind",
            _ => "1 to 1024",
        };
        if !(1..=producers).contains(&self.producers) {
            return Err(out("producers", rule(producers)));
        }
        if !(1..=consumers).contains(&self.consumers) {
            let side = match kind {
                header::KIND_BROADCAST => "readers",
                _ => "consumers",
            };
            return Err(out(side, rule(consumers)));
        }
        Ok(self)
    }
}

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
    /// Entries of the table: those of producers come first, those of consumers behind them.
    pub(crate) places: Places,
    /// In the segment, or in the data object of a ring that has one.
    pub(crate) data_offset: u64,
    /// Bytes of the data region, rounded up to whole pages.
    pub(crate) data_bytes: u64,
    /// Bytes the layout needs. The segment may be larger (huge pages), never smaller.
    pub(crate) used_bytes: u64,
    /// Whether the data region is an object of its own; see [`Geometry::split`].
    pub(crate) split: bool,
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

/// Where a payload begins that may begin at `least`: on the slot's second line, if it fills one and the slot is no longer
/// for it. Then no move of a copy straddles two lines.
const fn offset_of(least: u32, payload_bytes: u64) -> u32 {
    let line = 64;
    if payload_bytes >= line
        && stride_of(least as u64, payload_bytes) == stride_of(line, payload_bytes)
    {
        line as u32
    } else {
        least
    }
}

/// How a slot is laid out. It is a function of the size and the alignment of messages, so that the compiler knows it where
/// it knows the type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlotShape {
    /// Bytes of a message.
    pub(crate) payload_bytes: u64,
    /// Bytes from the start of the slot to the message.
    pub(crate) payload_offset: u32,
    /// Bytes from one slot to the next.
    pub(crate) stride: u64,
}

impl SlotShape {
    /// For messages of `payload_bytes`, aligned to `payload_align`.
    pub(crate) const fn of(payload_bytes: u64, payload_align: u32) -> Self {
        let least = if payload_align < WORD_BYTES as u32 {
            WORD_BYTES as u32
        } else {
            payload_align
        };
        let payload_offset = offset_of(least, payload_bytes);
        Self {
            payload_bytes,
            payload_offset,
            stride: stride_of(payload_offset as u64, payload_bytes),
        }
    }
}

impl Geometry {
    /// The layout of a ring of slots. It is a function of these numbers alone, so a reader of a
    /// stranger's header computes it again and compares.
    pub(crate) fn slots(
        kind: u32,
        capacity: u64,
        payload_bytes: u64,
        payload_align: u32,
        places: Places,
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
        let places = places.check(kind)?;
        let shape = SlotShape::of(payload_bytes, payload_align);
        let data_bytes = capacity.checked_mul(shape.stride);
        Self {
            kind,
            element: header::ELEMENT_SLOTS,
            capacity,
            stride: shape.stride,
            payload_bytes,
            payload_offset: shape.payload_offset,
            payload_align,
            ..Self::regions(places)
        }
        // At most 2^32 slots of at most 2^32 + 128 bytes: may pass 2^64.
        .with_data(data_bytes)
        .ok_or(out(
            "capacity x slot size",
            "a segment of at most 2^46 bytes",
        ))
    }

    /// The layout of a ring of records, a function of these numbers.
    pub(crate) fn records(
        kind: u32,
        capacity: u64,
        align: u64,
        places: Places,
    ) -> Result<Self, OutOfRange> {
        let range = RECORD_CAPACITY_MIN..=RECORD_CAPACITY_MAX;
        if !capacity.is_power_of_two() || !range.contains(&capacity) {
            return Err(out("capacity", "a power of two from 256 to 2^32 bytes"));
        }
        if align != 8 && align != 64 {
            return Err(out("record alignment", "8 or 64 bytes"));
        }
        let places = places.check(kind)?;
        let geometry = Self {
            kind,
            element: header::ELEMENT_RECORDS,
            capacity,
            stride: align,
            payload_bytes: u64::from(Shape::new(capacity, align).max_len()),
            payload_offset: record::HEADER as u32,
            payload_align: WORD_BYTES as u32,
            ..Self::regions(places)
        };
        Ok(geometry
            .with_data(Some(capacity))
            .expect("2^32 bytes of records and 2048 entries are below 2^46"))
    }

    /// Where everything lies in a ring with a table for `places`. What is not a region is 0.
    fn regions(places: Places) -> Self {
        let control_offset = PAGE;
        let participants_offset = control_offset + CONTROL_BYTES;
        let table = u64::from(places.producers + places.consumers) * LINE as u64;
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
            places,
            data_offset: round_up(participants_offset + table, PAGE),
            data_bytes: 0,
            used_bytes: 0,
            split: false,
        }
    }

    /// The same with `data_bytes` of data behind it. `None` if that is more than a segment can have.
    fn with_data(self, data_bytes: Option<u64>) -> Option<Self> {
        let used_bytes = data_bytes?
            .checked_add(self.data_offset)
            .filter(|bytes| *bytes <= SEGMENT_MAX)?;
        let used_bytes = round_up(used_bytes, PAGE);
        Some(Self {
            data_bytes: used_bytes - self.data_offset,
            used_bytes,
            ..self
        })
    }

    /// The same ring as two objects: the segment ends behind the table, and the data region follows the first
    /// page of an object of its own, which can be mapped for reading alone.
    pub(crate) fn split(self) -> Self {
        debug_assert!(!self.split);
        Self {
            used_bytes: self.data_offset,
            data_offset: PAGE,
            split: true,
            ..self
        }
    }

    /// Bytes that the data object of a ring of two objects needs, its first page included. It may be larger
    /// (huge pages), never smaller.
    pub(crate) fn data_object_bytes(&self) -> u64 {
        self.data_offset + self.data_bytes
    }

    /// Entries of the table.
    pub(crate) fn participants(&self) -> u32 {
        self.places.producers + self.places.consumers
    }

    /// The entry of the only consumer, or the first of many.
    pub(crate) fn consumer_seat(&self) -> u32 {
        self.places.producers
    }

    /// How records lie in a ring of them.
    pub(crate) fn shape(&self) -> Shape {
        Shape::new(self.capacity, self.stride)
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
        header.participants = self.participants();
        header.producers = self.places.producers;
        header.data_offset = self.data_offset;
        header.flags = if self.split { header::FLAG_SPLIT } else { 0 };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slots(capacity: u64, payload: u64, align: u32) -> Result<Geometry, OutOfRange> {
        Geometry::slots(header::KIND_SPSC, capacity, payload, align, Places::ONE)
    }

    fn producers(producers: u32) -> Places {
        Places {
            producers,
            consumers: 1,
        }
    }

    #[test]
    fn small_messages_share_lines_and_a_56_byte_message_fills_exactly_one() {
        let stride = |payload| slots(4, payload, 8).unwrap().stride;
        assert_eq!(
            [1, 8, 9, 24, 25, 56, 57, 120, 1024].map(stride),
            [16, 16, 32, 32, 64, 64, 128, 128, 1088]
        );
    }

    #[test]
    fn a_number_out_of_range_is_refused_by_its_name() {
        let field = |c, p, a| slots(c, p, a).unwrap_err().field;
        for capacity in [0, 1, 3, 1 << 33, u64::MAX] {
            assert_eq!(field(capacity, 8, 8), "capacity");
        }
        assert_eq!(field(4, 0, 8), "slot size");
        assert_eq!(field(4, u64::MAX, 8), "slot size");
        assert_eq!(field(4, 8, 128), "payload alignment");
        assert_eq!(field(1 << 32, 1 << 32, 8), "capacity x slot size");
    }

    #[test]
    fn a_payload_of_whole_lines_begins_on_one_if_that_makes_no_slot_longer() {
        let offset = |payload, align| slots(4, payload, align).unwrap().payload_offset;
        assert_eq!(
            [56, 64, 120, 121, 128, 1000, 1024].map(|payload| offset(payload, 8)),
            [8, 64, 8, 64, 64, 8, 64]
        );
        assert_eq!((offset(32, 16), offset(120, 16)), (16, 64));
    }

    #[test]
    fn an_aligned_payload_starts_on_its_alignment() {
        let g = slots(8, 64, 64).unwrap();
        assert_eq!((g.payload_offset, g.stride), (64, 128));
        assert_eq!(g.data_offset % 4096, 0);
    }

    #[test]
    fn a_ring_of_records_takes_its_capacity_and_a_table_for_all_producers() {
        let g = Geometry::records(header::KIND_MPSC, 1 << 20, 64, producers(64)).unwrap();
        assert_eq!((g.participants(), g.data_offset), (65, 16384));
        assert_eq!(g.used_bytes, 16384 + (1 << 20));
        assert_eq!(g.payload_bytes, (1 << 19) - 8);
        let g = Geometry::records(header::KIND_SPSC, 256, 8, Places::ONE).unwrap();
        assert_eq!(
            (g.participants(), g.data_offset, g.used_bytes),
            (2, 8192, 12288)
        );
    }

    #[test]
    fn a_ring_of_two_objects_has_the_same_bytes_and_one_page_more() {
        let places = Places {
            producers: 1,
            consumers: 64,
        };
        for whole in [
            Geometry::slots(header::KIND_BROADCAST, 1024, 56, 8, places).unwrap(),
            Geometry::records(header::KIND_BROADCAST, 256, 8, places).unwrap(),
        ] {
            let two = whole.split();
            assert_eq!(whole.data_offset + whole.data_bytes, whole.used_bytes);
            assert_eq!((two.used_bytes, two.data_offset), (whole.data_offset, 4096));
            assert_eq!(two.data_bytes, whole.data_bytes);
            assert_eq!(
                two.used_bytes + two.data_object_bytes(),
                whole.used_bytes + 4096
            );
        }
    }

    #[test]
    fn a_record_ring_s_number_out_of_range_is_refused_by_its_name() {
        let field = |k, c, a, n| Geometry::records(k, c, a, producers(n)).unwrap_err().field;
        for capacity in [0, 128, 1000, 1 << 33] {
            assert_eq!(field(header::KIND_SPSC, capacity, 8, 1), "capacity");
        }
        for align in [0, 1, 16, 128] {
            assert_eq!(field(header::KIND_SPSC, 1024, align, 1), "record alignment");
        }
        assert_eq!(field(header::KIND_SPSC, 1024, 8, 2), "producers");
        for n in [0, 1025, u32::MAX] {
            assert_eq!(field(header::KIND_MPSC, 1024, 8, n), "producers");
            let places = Places {
                producers: 1,
                consumers: n,
            };
            let broadcast = Geometry::slots(header::KIND_BROADCAST, 4, 8, 8, places);
            assert_eq!(broadcast.unwrap_err().field, "readers");
        }
    }
}
