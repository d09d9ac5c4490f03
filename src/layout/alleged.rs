//! A stranger's header, read once and checked: the only way from bytes to a [`Geometry`] one may use.
//!
//! The check is strict. A few numbers decide the whole layout (kind, element, capacity; payload size and
//! alignment of slots; alignment and number of producers of records), so everything else in
//! the header must be what they imply; a difference is reported by the field's name. Nothing here panics,
//! whatever the bytes are.

use super::geometry::{Geometry, RECORD_START};
use super::header::{self, HEADER_BYTES, Header};
use super::{WIRE_VERSION, word};

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
    let geometry = if slots {
        known("kind", "1 for slots", &[header::KIND_SPSC], h.kind)?;
        Geometry::spsc_slots(h.capacity, h.payload_bytes, h.payload_align)
    } else {
        let kinds = [header::KIND_SPSC, header::KIND_MPSC];
        known("kind", "1 or 2 for records", &kinds, h.kind)?;
        // One producer is not a choice: another table is a wrong number of participants, see `check`.
        let producers = match h.kind {
            header::KIND_SPSC => 1,
            _ => h.participants.saturating_sub(1),
        };
        Geometry::records(h.kind, h.capacity, h.stride, producers)
    };
    geometry.map_err(|e| Refusal::Range {
        field: e.field,
        rule: e.rule,
        found: match e.field {
            "capacity" => h.capacity,
            "payload alignment" => h.payload_align.into(),
            "record alignment" => h.stride,
            "producers" => h.participants.saturating_sub(1).into(),
            _ => h.payload_bytes,
        },
    })
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
        geometry.participants.into(),
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
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use zerocopy::{FromBytes, FromZeros, IntoBytes};

    fn good() -> (Header, u64) {
        header_of(&Geometry::spsc_slots(64, 56, 8).unwrap())
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
            let g = Geometry::records(kind, 4096, 64, producers).unwrap();
            let (h, bytes) = header_of(&g);
            assert_eq!(check(&h, bytes).unwrap().geometry, g);
        }
    }

    #[test]
    fn every_changed_byte_of_a_record_ring_s_layout_is_noticed() {
        let g = Geometry::records(header::KIND_MPSC, 4096, 64, 64).unwrap();
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
        let free = [56..72, 100..104, 112..248];
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
