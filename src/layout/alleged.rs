//! A stranger's header, read once and checked: the only way from bytes to a [`Geometry`] one may use.
//!
//! The check is strict. Capacity, payload size and alignment decide the whole layout, so everything else in
//! the header must be what they imply; a difference is reported by the field's name. Nothing here panics,
//! whatever the bytes are.

use super::geometry::Geometry;
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
    same("kind", header::KIND_SPSC.into(), h.kind.into())?;
    same("element", header::ELEMENT_SLOTS.into(), h.element.into())?;
    let geometry =
        Geometry::spsc_slots(h.capacity, h.payload_bytes, h.payload_align).map_err(|e| {
            Refusal::Range {
                field: e.field,
                rule: e.rule,
                found: match e.field {
                    "capacity" => h.capacity,
                    "payload alignment" => h.payload_align.into(),
                    _ => h.payload_bytes,
                },
            }
        })?;
    same("stride", geometry.stride, h.stride)?;
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
        let g = Geometry::spsc_slots(64, 56, 8).unwrap();
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
