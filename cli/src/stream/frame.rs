//! How a stream of bytes lies in the slots of a ring.
//!
//! A slot begins with a header word: kind in the top byte, length of what follows in the low 32 bits. All numbers are
//! little-endian; what lies behind the length is of an earlier lap and means nothing.
//!
//! | kind | length | what follows |
//! |---|---|---|
//! | `DATA` | 1 to slot size - 8 | bytes of the stream |
//! | `END` | 16 | bytes of the whole stream (u64), XXH3-64 of them (u64) |
//! | `ABORT` | 8 | why the sender gives up: 0 interrupted, 1 its input cannot be read (u64) |
//!
//! Nothing follows `END` or `ABORT`. Invariant: a header read from a ring is an allegation; [`Header::parse`] is the only
//! way to believe it.

/// Version of this format; the rings carry it as their schema number.
const VERSION: u64 = 1;
/// The schema number of rings made by `send` and `recv`: "annulus", and the version.
pub const SCHEMA: u64 = u64::from_be_bytes(*b"annulus\0") | VERSION;
/// Bytes of the header.
pub const HEADER: usize = 8;
/// Bytes behind the header of an end frame.
pub const END: usize = 16;
/// Bytes behind the header of an abort frame.
pub const ABORT: usize = 8;
/// The smallest slot: an end frame.
pub const LEAST_SLOT: usize = HEADER + END;

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A piece of the stream.
    Data,
    /// The stream is complete.
    End,
    /// The stream will not be completed.
    Abort,
}

/// A believable header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// What follows.
    pub kind: Kind,
    /// How much of it, in bytes.
    pub len: usize,
}

impl Header {
    /// The header's bytes.
    pub fn to_bytes(self) -> [u8; HEADER] {
        let kind = match self.kind {
            Kind::Data => 1u64,
            Kind::End => 2,
            Kind::Abort => 3,
        };
        (kind << 56 | self.len as u64).to_le_bytes()
    }

    /// Reads the header of a frame in a slot of `slot_size` bytes. `None`: no sender of this version wrote that.
    pub fn parse(bytes: [u8; HEADER], slot_size: usize) -> Option<Self> {
        let word = u64::from_le_bytes(bytes);
        let len = usize::try_from(word & 0x00ff_ffff_ffff_ffff).ok()?;
        let (kind, fits) = match word >> 56 {
            1 => (Kind::Data, (1..=slot_size - HEADER).contains(&len)),
            2 => (Kind::End, len == END),
            3 => (Kind::Abort, len == ABORT),
            _ => return None,
        };
        fits.then_some(Self { kind, len })
    }
}

/// What the end frame says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Total {
    /// Bytes of the whole stream.
    pub bytes: u64,
    /// XXH3-64 of them.
    pub checksum: u64,
}

impl Total {
    /// The bytes behind the header.
    pub fn to_bytes(self) -> [u8; END] {
        let mut out = [0; END];
        out[..8].copy_from_slice(&self.bytes.to_le_bytes());
        out[8..].copy_from_slice(&self.checksum.to_le_bytes());
        out
    }

    /// From the bytes behind the header.
    pub fn from_bytes(bytes: [u8; END]) -> Self {
        let (count, checksum) = bytes.split_at(8);
        let word = |half: &[u8]| u64::from_le_bytes(half.try_into().unwrap_or_default());
        Self {
            bytes: word(count),
            checksum: word(checksum),
        }
    }
}

/// Why a sender gave up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// It was told to stop.
    Interrupted,
    /// Its input could not be read.
    Input,
}

impl Reason {
    /// The bytes behind the header.
    pub fn to_bytes(self) -> [u8; ABORT] {
        let number = match self {
            Self::Interrupted => 0u64,
            Self::Input => 1,
        };
        number.to_le_bytes()
    }

    /// What the receiver's user is told.
    pub fn describe(bytes: [u8; ABORT]) -> &'static str {
        match u64::from_le_bytes(bytes) {
            0 => "the sender was interrupted",
            1 => "the sender could not read its input",
            _ => "the sender gave up",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        for (kind, len) in [
            (Kind::Data, 1),
            (Kind::Data, 56),
            (Kind::End, END),
            (Kind::Abort, ABORT),
        ] {
            let header = Header { kind, len };
            assert_eq!(Header::parse(header.to_bytes(), 64), Some(header));
        }
        let total = Total {
            bytes: 1 << 40,
            checksum: 0x0123_4567_89ab_cdef,
        };
        assert_eq!(Total::from_bytes(total.to_bytes()), total);
    }

    #[test]
    fn headers_that_no_sender_writes_are_not_believed() {
        let word = |kind: u64, len: u64| (kind << 56 | len).to_le_bytes();
        for bad in [
            word(0, 8),
            word(4, 8),
            word(1, 0),
            word(1, 57),
            word(1, 1 << 55),
            word(2, 15),
            word(3, 16),
            [0xff; 8],
        ] {
            assert_eq!(Header::parse(bad, 64), None, "{bad:?}");
        }
    }
}
