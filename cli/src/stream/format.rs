//! How a stream lies in the records of a ring. All numbers are little-endian.
//!
//! | tag | record | what it holds |
//! |---|---|---|
//! | 0 | `DATA` | a piece of the stream, cut as the sender's [`Cut`] says; may be empty |
//! | 1 | `BEGIN` | the sender's cut (u32: 0 chunks, 1 lines, 2 frames), its process (u32) |
//! | 2 | `LAST_LINE` | as `DATA`, of a line that has no newline |
//! | 3 | `END` | bytes of the whole input (u64), XXH3-64 of them (u64) |
//! | 4 | `ABORT` | why the sender gives up: 0 interrupted, 1 its input cannot be read, 2 or is not what it should be (u64) |
//! | 5 | `LINE` | as `DATA`, of a line that had a newline; only where receivers may come late |
//! | 6 | `FRAME` | as `DATA`, of a frame; likewise |
//! | 7 | `LAST` | nothing; a reader of a broadcast reads it only when it has accepted all before it |
//!
//! A sender's first record is `BEGIN`; nothing of it follows its `END` or `ABORT`. The input is what the pieces make up
//! when the receiver has put back what the cut took off: a newline behind a line, the length (u32) before a frame.
//!
//! In a ring of many producers every record begins with the sender's number (u64), which is its process (the low half)
//! and a random number. Where there is one sender there is no such prefix.
//!
//! In a broadcast receivers may come late, so `LINE` and `FRAME` take the place of `DATA` there, and `LAST` follows `END`.
//!
//! In slots (of rings with many consumers) there are pieces only. A slot begins with the length of the piece (u32), its
//! tag (u16: `LINE`, `LAST_LINE` or `FRAME`), a zero (u16), and the XXH3-64 of the piece (u64). The ring's close is the end.
//!
//! Invariant: what is read from a ring is an allegation; the functions here that give an `Option` are the only way to
//! believe it.

/// Version of this format; the rings carry it as their schema number.
const VERSION: u64 = 2;
/// The schema number of rings made by `send` and `recv`: "annulus", and the version.
pub const SCHEMA: u64 = u64::from_be_bytes(*b"annulus\0") | VERSION;
/// Bytes of the sender's number, where there is one.
pub const PREFIX: usize = 8;
/// Bytes of an end record, behind the prefix. No other record but those of data is longer.
pub const END: usize = 16;
/// Bytes of a frame's length in the input.
pub const FRAME_LENGTH: usize = 4;

/// What a record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A piece of the stream.
    Data,
    /// A sender's first word.
    Begin,
    /// A line that ends with the input and not with a newline.
    LastLine,
    /// A sender's stream is complete.
    End,
    /// A sender's stream will not be completed.
    Abort,
    /// A line that ended with a newline.
    Line,
    /// A frame.
    Frame,
    /// Nothing follows the end.
    Last,
}

impl Kind {
    /// All, at the place of their tag.
    const ALL: [Self; 8] = [
        Self::Data,
        Self::Begin,
        Self::LastLine,
        Self::End,
        Self::Abort,
        Self::Line,
        Self::Frame,
        Self::Last,
    ];

    /// The tag of such records.
    pub fn tag(self) -> u16 {
        self as u16
    }

    /// What a record with this tag is. `None`: no sender of this version gives it.
    pub fn of_tag(tag: u16) -> Option<Self> {
        Self::ALL.get(usize::from(tag)).copied()
    }
}

/// How an input is cut into records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// Anywhere.
    Chunks,
    /// Behind every newline, which is taken off.
    Lines,
    /// As the lengths in the input say, which are taken off.
    Frames,
}

impl Cut {
    /// What a piece of such an input is called where receivers may come late, if it is `kind` elsewhere.
    pub fn piece(self, kind: Kind) -> Kind {
        match (self, kind) {
            (Self::Lines, Kind::Data) => Kind::Line,
            (Self::Frames, Kind::Data) => Kind::Frame,
            _ => kind,
        }
    }
}

/// Bytes before the piece in a slot.
pub const SLOT_HEAD: usize = 16;

/// What a slot says of the piece in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlotHead {
    /// What it is.
    pub kind: Kind,
    /// Its length in bytes.
    pub len: usize,
    /// XXH3-64 of it.
    pub checksum: u64,
}

impl SlotHead {
    /// The slot's first bytes.
    pub fn to_bytes(self) -> [u8; SLOT_HEAD] {
        let mut out = [0; SLOT_HEAD];
        // A slot's size has 32 bits.
        out[..4].copy_from_slice(&(self.len as u32).to_le_bytes());
        out[4..6].copy_from_slice(&self.kind.tag().to_le_bytes());
        out[8..].copy_from_slice(&self.checksum.to_le_bytes());
        out
    }

    /// From the first bytes of a slot of `slot` bytes.
    pub fn parse(bytes: [u8; SLOT_HEAD], slot: usize) -> Option<Self> {
        let (first, checksum) = bytes.split_first_chunk::<8>()?;
        let first = u64::from_le_bytes(*first);
        let (len, tag) = (first as u32 as usize, (first >> 32) as u16);
        let kind = Kind::of_tag(tag)?;
        let known = matches!(kind, Kind::Line | Kind::LastLine | Kind::Frame);
        let fits = len <= slot.saturating_sub(SLOT_HEAD) && first >> 48 == 0;
        (known && fits).then_some(Self {
            kind,
            len,
            checksum: u64::from_le_bytes(checksum.try_into().ok()?),
        })
    }
}

/// A sender's first word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hello {
    /// How it cuts its input.
    pub cut: Cut,
    /// The process. For people.
    pub pid: u32,
}

impl Hello {
    /// The record, less its prefix.
    pub fn to_bytes(self) -> [u8; 8] {
        (u64::from(self.pid) << 32 | self.cut as u64).to_le_bytes()
    }

    /// From the record, less its prefix.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let word = u64::from_le_bytes(bytes.try_into().ok()?);
        let cut = match word as u32 {
            0 => Cut::Chunks,
            1 => Cut::Lines,
            2 => Cut::Frames,
            _ => return None,
        };
        let pid = (word >> 32) as u32;
        Some(Self { cut, pid })
    }
}

/// What an end record says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Total {
    /// Bytes of the whole input.
    pub bytes: u64,
    /// XXH3-64 of them.
    pub checksum: u64,
}

impl Total {
    /// The record, less its prefix.
    pub fn to_bytes(self) -> [u8; END] {
        let mut out = [0; END];
        out[..8].copy_from_slice(&self.bytes.to_le_bytes());
        out[8..].copy_from_slice(&self.checksum.to_le_bytes());
        out
    }

    /// From the record, less its prefix.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let (count, checksum) = bytes.split_at_checked(8)?;
        Some(Self {
            bytes: u64::from_le_bytes(count.try_into().ok()?),
            checksum: u64::from_le_bytes(checksum.try_into().ok()?),
        })
    }
}

/// Why a sender gave up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// It was told to stop.
    Interrupted,
    /// Its input could not be read.
    Unreadable,
    /// Its input was not what it was told to expect.
    Malformed,
}

impl Reason {
    /// The record, less its prefix.
    pub fn to_bytes(self) -> [u8; 8] {
        (self as u64).to_le_bytes()
    }

    /// What the receiver's user is told, from the record less its prefix.
    pub fn describe(bytes: &[u8]) -> &'static str {
        match bytes.try_into().map(u64::from_le_bytes) {
            Ok(0) => "the sender was interrupted",
            Ok(1) => "the sender could not read its input",
            Ok(2) => "the sender's input could not be cut into records",
            _ => "the sender gave up",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        for (tag, kind) in (0..).zip(Kind::ALL) {
            assert_eq!((kind.tag(), Kind::of_tag(tag)), (tag, Some(kind)));
        }
        for cut in [Cut::Chunks, Cut::Lines, Cut::Frames] {
            let hello = Hello { cut, pid: u32::MAX };
            assert_eq!(Hello::parse(&hello.to_bytes()), Some(hello));
        }
        let total = Total {
            bytes: 1 << 40,
            checksum: 0x0123_4567_89ab_cdef,
        };
        assert_eq!(Total::parse(&total.to_bytes()), Some(total));
        let head = SlotHead {
            kind: Kind::Line,
            len: 112,
            checksum: u64::MAX - 7,
        };
        assert_eq!(SlotHead::parse(head.to_bytes(), 128), Some(head));
        assert!(Reason::describe(&Reason::Malformed.to_bytes()).contains("cut"));
    }

    #[test]
    fn what_no_sender_writes_is_not_believed() {
        assert_eq!([8, u16::MAX].map(Kind::of_tag), [None, None]);
        assert_eq!(Hello::parse(&3u64.to_le_bytes()), None);
        assert_eq!(Hello::parse(&[0; 7]), None);
        let head = |kind, len| SlotHead {
            kind,
            len,
            checksum: 0,
        };
        for odd in [head(Kind::Line, 113), head(Kind::End, 1)] {
            assert_eq!(SlotHead::parse(odd.to_bytes(), 128), None);
        }
        for len in [0, 8, 15, 17] {
            assert_eq!(Total::parse(&[0; 17][..len]), None, "{len}");
        }
    }
}
