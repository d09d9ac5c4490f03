//! A stranger's header, read once and checked: the only way from bytes to a [`Geometry`] one may use.
//!
//! The check is strict. A few numbers decide the whole layout (kind, element, capacity; payload size and
//! alignment of slots; alignment and number of producers of records), so everything else in
//! the header must be what they imply; a difference is reported by the field's name. Nothing here panics,
//! whatever the bytes are.

use super::geometry::{Geometry, Places, RECORD_START};
use super::header::{self, DATA_HEADER_BYTES, DataHeader, HEADER_BYTES, Header};
use super::{WIRE_VERSION, word};

/// The kinds that rings of slots can be of.
const SLOT_KINDS: [u32; 5] = [
    header::KIND_SPSC,
    header::KIND_MPSC,
    header::KIND_SPMC,
    header::KIND_MPMC,
    header::KIND_BROADCAST,
];
/// The kinds that rings of records can be of.
const RECORD_KINDS: [u32; 3] = [header::KIND_SPSC, header::KIND_MPSC, header::KIND_BROADCAST];

/// What a checked header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Checked {
    pub(crate) geometry: Geometry,
    /// 0 for untyped bytes.
    pub(crate) type_fingerprint: u64,
    pub(crate) schema: u64,
    pub(crate) segment_bytes: u64,
    /// One of `header::PARKING_*`.
    pub(crate) parking: u32,
    /// One of `header::WAIT_*`.
    pub(crate) wait_backend: u32,
    pub(crate) creator_pid: u32,
    pub(crate) created_at_ns: u64,
    pub(crate) instance: u64,
    pub(crate) name_hash: u64,
    /// Of the first message.
    pub(crate) start_position: u64,
    /// Whether what consumers that died had in hand is dropped.
    pub(crate) drops: bool,
}

/// Why a header was not believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The first bytes are not a ring's.
    NoMagic,
    /// The creator has not finished, or died before it did.
    Unfinished,
    /// A field has a value that cannot be used.
    Field {
        field: &'static str,
        expected: u64,
        found: u64,
    },
    /// A field is outside its range.
    Range {
        field: &'static str,
        rule: &'static str,
        found: u64,
    },
}

fn same(field: &'static str, expected: u64, found: u64) -> Result<(), Refusal> {
    if expected == found {
        Ok(())
    } else {
        Err(Refusal::Field {
            field,
            expected,
            found,
        })
    }
}

fn known(
    field: &'static str,
    rule: &'static str,
    known: &[u32],
    found: u32,
) -> Result<u32, Refusal> {
    if known.contains(&found) {
        Ok(found)
    } else {
        Err(Refusal::Range {
            field,
            rule,
            found: u64::from(found),
        })
    }
}

/// The layout that the kind, the element and the free numbers of `h` imply.
fn geometry_of(h: &Header) -> Result<Geometry, Refusal> {
    known(
        "element",
        "1 or 2",
        &[header::ELEMENT_SLOTS, header::ELEMENT_RECORDS],
        h.element,
    )?;
    let slots = h.element == header::ELEMENT_SLOTS;
    let places = Places {
        producers: h.producers,
        consumers: h.participants.saturating_sub(h.producers),
    };
    let geometry = if slots {
        known("kind", "1 to 5 for slots", &SLOT_KINDS, h.kind)?;
        Geometry::slots(h.kind, h.capacity, h.payload_bytes, h.payload_align, places)
    } else {
        known("kind", "1, 2 or 5 for records", &RECORD_KINDS, h.kind)?;
        Geometry::records(h.kind, h.capacity, h.stride, places)
    };
    let geometry = geometry.map_err(|e| Refusal::Range {
        field: e.field,
        rule: e.rule,
        found: match e.field {
            "capacity" => h.capacity,
            "payload alignment" => h.payload_align.into(),
            "record alignment" => h.stride,
            "producers" => places.producers.into(),
            "consumers" | "readers" => places.consumers.into(),
            _ => h.payload_bytes,
        },
    })?;
    // Only readers of a broadcast write nothing into the data region, and only where many consume is there something
    // to drop.
    match (h.flags, h.kind) {
        (header::FLAG_SPLIT, header::KIND_BROADCAST) => Ok(geometry.split()),
        (header::FLAG_DROP, header::KIND_SPMC | header::KIND_MPMC) => Ok(geometry),
        (flags, _) => same("flags", 0, flags.into()).map(|()| geometry),
    }
}

/// Checks the copy `h` of the header of a data object of `real_bytes` bytes that is said to be the one of the ring
/// `ring`, which has one.
pub(crate) fn check_data(h: &DataHeader, ring: &Checked, real_bytes: u64) -> Result<(), Refusal> {
    if h.magic != header::DATA_MAGIC {
        return Err(Refusal::NoMagic);
    }
    same("wire version", WIRE_VERSION.into(), h.wire_version.into())?;
    let header_bytes = DATA_HEADER_BYTES as u64;
    same("data header size", header_bytes, h.header_bytes.into())?;
    same("data instance", ring.instance, h.instance)?;
    same("data size", real_bytes, h.object_bytes)?;
    let needed = ring.geometry.data_object_bytes();
    if real_bytes < needed {
        return Err(Refusal::Field {
            field: "data size",
            expected: needed,
            found: real_bytes,
        });
    }
    Ok(())
}

/// Checks the copy `h` of a header that was found in a segment of `real_bytes` bytes.
pub(crate) fn check(h: &Header, real_bytes: u64) -> Result<Checked, Refusal> {
    if h.magic != header::MAGIC {
        return Err(Refusal::NoMagic);
    }
    if h.ready != header::READY {
        return Err(Refusal::Unfinished);
    }
    same("wire version", WIRE_VERSION.into(), h.wire_version.into())?;
    same("header size", HEADER_BYTES as u64, h.header_bytes.into())?;
    let geometry = geometry_of(h)?;
    let g = &geometry;
    same("stride", g.stride, h.stride)?;
    same("payload bytes", g.payload_bytes, h.payload_bytes)?;
    let align = g.payload_align.into();
    same("payload alignment", align, h.payload_align.into())?;
    same(
        "payload offset",
        geometry.payload_offset.into(),
        h.payload_offset.into(),
    )?;
    same("control offset", geometry.control_offset, h.control_offset)?;
    same(
        "participants offset",
        geometry.participants_offset,
        h.participants_offset,
    )?;
    same(
        "participants",
        geometry.participants().into(),
        h.participants.into(),
    )?;
    same("data offset", geometry.data_offset, h.data_offset)?;
    same("segment size", real_bytes, h.segment_bytes)?;
    if real_bytes < geometry.used_bytes {
        return Err(Refusal::Field {
            field: "segment size",
            expected: geometry.used_bytes,
            found: real_bytes,
        });
    }
    if h.start_position >= word::POSITION_LIMIT {
        return Err(Refusal::Range {
            field: "start position",
            rule: "below 2^62",
            found: h.start_position,
        });
    }
    let records = h.element == header::ELEMENT_RECORDS;
    if records && !h.start_position.is_multiple_of(RECORD_START) {
        return Err(Refusal::Range {
            field: "start position",
            rule: "a multiple of 64 in a ring of records",
            found: h.start_position,
        });
    }
    Ok(Checked {
        geometry,
        type_fingerprint: h.type_fingerprint,
        schema: h.schema,
        segment_bytes: h.segment_bytes,
        parking: known("parking", "0, 1 or 2", &[0, 1, 2], h.parking)?,
        wait_backend: known("wait back end", "1 or 2", &[1, 2], h.wait_backend)?,
        creator_pid: h.creator_pid,
        created_at_ns: h.created_at_ns,
        instance: h.instance,
        name_hash: h.name_hash,
        start_position: h.start_position,
        drops: h.flags & header::FLAG_DROP != 0,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use zerocopy::{FromBytes, FromZeros, IntoBytes};

    fn good() -> (Header, u64) {
        header_of(&Geometry::slots(header::KIND_SPSC, 64, 56, 8, Places::ONE).unwrap())
    }

    fn header_of(g: &Geometry) -> (Header, u64) {
        let mut h = Header::new_zeroed();
        g.describe(&mut h);
        h.segment_bytes = g.used_bytes;
        h.parking = header::PARKING_FENCED;
        h.wait_backend = header::WAIT_FUTEX;
        h.ready = header::READY;
        (h, g.used_bytes)
    }

    #[test]
    fn a_planned_header_is_believed() {
        let (h, bytes) = good();
        assert_eq!(check(&h, bytes).unwrap().geometry.capacity, 64);
        for (kind, producers) in [(header::KIND_SPSC, 1), (header::KIND_MPSC, 64)] {
            let places = Places {
                producers,
                consumers: 1,
            };
            let g = Geometry::records(kind, 4096, 64, places).unwrap();
            let (h, bytes) = header_of(&g);
            assert_eq!(check(&h, bytes).unwrap().geometry, g);
        }
    }

    #[test]
    fn only_where_many_consume_may_orphans_be_dropped() {
        let places = |kind| Places {
            producers: if kind == header::KIND_MPMC { 3 } else { 1 },
            consumers: 1,
        };
        for kind in [1, 2, 3, 4, 5] {
            let (mut h, bytes) =
                header_of(&Geometry::slots(kind, 64, 56, 8, places(kind)).unwrap());
            assert!(!check(&h, bytes).unwrap().drops);
            let many = kind == header::KIND_SPMC || kind == header::KIND_MPMC;
            for flags in [header::FLAG_DROP, header::FLAG_DROP | header::FLAG_SPLIT, 4] {
                h.flags = flags;
                match check(&h, bytes) {
                    Ok(checked) => assert!(many && flags == header::FLAG_DROP && checked.drops),
                    Err(Refusal::Field { field: "flags", .. }) => {
                        assert!(!many || flags != header::FLAG_DROP)
                    }
                    other => panic!("{other:?}"),
                }
            }
        }
    }

    #[test]
    fn every_changed_byte_of_a_record_ring_s_layout_is_noticed() {
        let places = Places {
            producers: 64,
            consumers: 1,
        };
        let g = Geometry::records(header::KIND_MPSC, 4096, 64, places).unwrap();
        let (h, bytes) = header_of(&g);
        for at in (8..56).chain(72..100).chain(104..112) {
            for bit in 0..8 {
                let mut raw: [u8; HEADER_BYTES] = h.as_bytes().try_into().unwrap();
                raw[at] ^= 1 << bit;
                let changed = Header::read_from_bytes(&raw[..]).unwrap();
                // Fewer producers may need as many pages.
                if let Ok(c) = check(&changed, bytes) {
                    assert!(
                        (96..100).contains(&at),
                        "byte {at} bit {bit} was not noticed"
                    );
                    assert!(
                        c.geometry.used_bytes <= bytes && c.geometry.data_offset == g.data_offset
                    );
                }
            }
        }
    }

    #[test]
    fn every_changed_byte_that_matters_is_noticed_and_none_panics() {
        let (h, bytes) = good();
        // Fields that carry information but decide nothing about memory.
        let free = [56..72, 100..104, 112..160, 168..248];
        for at in 0..HEADER_BYTES {
            for bit in 0..8 {
                let mut raw: [u8; HEADER_BYTES] = h.as_bytes().try_into().unwrap();
                raw[at] ^= 1 << bit;
                let changed = Header::read_from_bytes(&raw[..]).unwrap();
                let verdict = check(&changed, bytes);
                match verdict {
                    Err(_) => {}
                    Ok(_) if free.iter().any(|r| r.contains(&at)) => {}
                    // A payload that needs as much room as the original changes nothing about memory.
                    Ok(c) => assert!(
                        (c.geometry.capacity, c.geometry.stride) == (64, 64)
                            && c.geometry.used_bytes == bytes,
                        "byte {at} bit {bit} was not noticed"
                    ),
                }
            }
        }
    }

    fn broadcast() -> Geometry {
        let places = Places {
            producers: 1,
            consumers: 64,
        };
        Geometry::slots(header::KIND_BROADCAST, 64, 56, 8, places).unwrap()
    }

    #[test]
    fn every_changed_byte_of_the_layout_of_a_ring_of_two_objects_is_noticed() {
        for g in [broadcast(), broadcast().split()] {
            let (h, bytes) = header_of(&g);
            assert_eq!(check(&h, bytes).unwrap().geometry, g);
            for at in (8..56).chain(72..100).chain(104..112).chain(160..168) {
                for bit in 0..8 {
                    let mut raw: [u8; HEADER_BYTES] = h.as_bytes().try_into().unwrap();
                    raw[at] ^= 1 << bit;
                    let changed = Header::read_from_bytes(&raw[..]).unwrap();
                    let Ok(c) = check(&changed, bytes) else {
                        continue;
                    };
                    // Another kind may have the same layout, another number of readers may need as many pages,
                    // another payload as large a slot; the capacity of a ring of two objects is the business of
                    // the data object's size.
                    let kind = !g.split && (16..20).contains(&at);
                    let harmless = (40..48).contains(&at) || (96..100).contains(&at);
                    let capacity = g.split && (24..32).contains(&at);
                    assert!(
                        kind || harmless || capacity,
                        "byte {at} bit {bit} was not noticed"
                    );
                    assert!(c.geometry.used_bytes == bytes && c.geometry.split == g.split);
                }
            }
        }
    }

    #[test]
    fn only_the_data_of_a_broadcast_can_be_an_object_of_its_own() {
        let (mut h, bytes) = header_of(&broadcast().split());
        assert!(check(&h, bytes).is_ok());
        for kind in [header::KIND_SPSC, header::KIND_SPMC, header::KIND_MPMC] {
            h.kind = kind;
            if kind == header::KIND_SPSC {
                h.participants = 2;
            }
            let field = "flags";
            assert_eq!(
                check(&h, bytes),
                Err(Refusal::Field {
                    field,
                    expected: 0,
                    found: 1
                })
            );
        }
    }

    #[test]
    fn every_changed_byte_of_a_data_object_s_header_is_noticed() {
        let (mut h, bytes) = header_of(&broadcast().split());
        h.instance = 0x0123_4567_89ab_cdef;
        let ring = check(&h, bytes).unwrap();
        let real = ring.geometry.data_object_bytes();
        let good = DataHeader::of(h.instance, real);
        assert_eq!(check_data(&good, &ring, real), Ok(()));
        let huge = DataHeader::of(h.instance, 2 << 20);
        assert_eq!(check_data(&huge, &ring, 2 << 20), Ok(()));
        let short = DataHeader::of(h.instance, real - 4096);
        assert!(check_data(&short, &ring, real - 4096).is_err());
        assert!(check_data(&good, &ring, real + 4096).is_err());
        for at in 0..32 {
            for bit in 0..8 {
                let mut raw: [u8; DATA_HEADER_BYTES] = good.as_bytes().try_into().unwrap();
                raw[at] ^= 1 << bit;
                let changed = DataHeader::read_from_bytes(&raw[..]).unwrap();
                let verdict = check_data(&changed, &ring, real);
                assert!(verdict.is_err(), "byte {at} bit {bit} was not noticed");
            }
        }
    }

    #[test]
    fn a_segment_shorter_than_its_header_says_is_refused() {
        let (h, bytes) = good();
        assert!(matches!(
            check(&h, bytes - 4096),
            Err(Refusal::Field {
                field: "segment size",
                ..
            })
        ));
    }
}
