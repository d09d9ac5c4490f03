//! The sender's side of a cut: from an input to pieces that are one record each.
//!
//! The input is read in blocks into one buffer, and pieces are handed out where they lie. A record's prefix is written in
//! front of its piece, over bytes that were handed out before.

use super::Stop;
use super::format::{Cut, FRAME_LENGTH, Kind, PREFIX, Total};
use super::output::Input;
use crate::words::grouped;
use std::hash::Hasher;
use std::io::BufRead;
use twox_hash::XxHash3_64;

/// Bytes to read at a time where the cut does not say how many.
const BLOCK: usize = 65_536;

/// One record.
#[derive(Debug)]
pub struct Piece<'a> {
    /// What it is.
    pub kind: Kind,
    /// All of it, with its prefix.
    pub record: &'a [u8],
    /// How many bytes of the input it stands for.
    pub input_bytes: usize,
}

/// An input being cut.
pub struct Pieces {
    cut: Cut,
    /// The first bytes of every record; as long as the ring's kind wants it.
    prefix: Vec<u8>,
    /// The longest piece, in bytes.
    longest: usize,
    /// The option that makes records longer.
    enlarge: &'static str,
    /// Begins with room for a prefix.
    buffer: Vec<u8>,
    /// What was read and not handed out is `start..end`.
    start: usize,
    end: usize,
    /// No newline before this, from `start` on.
    searched: usize,
    /// Nothing more is to be read.
    at_end: bool,
    /// Pieces so far. For people.
    count: u64,
    hash: XxHash3_64,
    bytes: u64,
}

/// Where the next piece is.
enum Found {
    /// At `from..to`; what comes after it begins at `next`.
    Piece {
        kind: Kind,
        from: usize,
        to: usize,
        next: usize,
    },
    /// Not yet in the buffer, which must hold so many bytes of it.
    More(usize),
    /// There is no other.
    None,
}

impl Pieces {
    /// An input to be cut into pieces of up to `longest` bytes, behind `prefix` each. `enlarge` is the option that would
    /// allow for longer ones.
    pub fn new(cut: Cut, prefix: &[u8], longest: usize, enlarge: &'static str) -> Self {
        debug_assert!(prefix.len() <= PREFIX);
        let block = match cut {
            Cut::Chunks => longest,
            Cut::Lines | Cut::Frames => BLOCK,
        };
        Self {
            cut,
            prefix: prefix.to_owned(),
            longest,
            enlarge,
            buffer: vec![0; prefix.len() + block],
            start: prefix.len(),
            end: prefix.len(),
            searched: prefix.len(),
            at_end: false,
            count: 0,
            hash: XxHash3_64::new(),
            bytes: 0,
        }
    }

    /// The next piece; `None` at the end of the input. While there is nothing to read, calls `idle` now and then.
    pub fn next(
        &mut self,
        input: &mut Input,
        mut idle: impl FnMut() -> Result<(), Stop>,
    ) -> Result<Option<Piece<'_>>, Stop> {
        loop {
            match self.find()? {
                Found::Piece {
                    kind,
                    from,
                    to,
                    next,
                } => {
                    let input_bytes = next - self.start;
                    (self.start, self.searched) = (next, next);
                    self.count += 1;
                    let begin = from - self.prefix.len();
                    self.buffer[begin..from].copy_from_slice(&self.prefix);
                    let record = &self.buffer[begin..to];
                    return Ok(Some(Piece {
                        kind,
                        record,
                        input_bytes,
                    }));
                }
                Found::More(bytes) => {
                    self.make_room(bytes);
                    self.fill(input, &mut idle)?;
                }
                Found::None => return Ok(None),
            }
        }
    }

    /// What was read in all.
    pub fn total(&self) -> Total {
        Total {
            bytes: self.bytes,
            checksum: self.hash.clone().finish(),
        }
    }

    fn find(&mut self) -> Result<Found, Stop> {
        if self.at_end && self.start == self.end {
            return Ok(Found::None);
        }
        match self.cut {
            Cut::Chunks if self.start < self.end => Ok(self.piece(Kind::Data, 0, self.end, 0)),
            Cut::Chunks => Ok(Found::More(self.longest)),
            Cut::Lines => self.line(),
            Cut::Frames => self.frame(),
        }
    }

    /// The piece that begins `skip` bytes on and ends at `to`, where `and` bytes follow that belong to it.
    fn piece(&self, kind: Kind, skip: usize, to: usize, and: usize) -> Found {
        Found::Piece {
            kind,
            from: self.start + skip,
            to,
            next: to + and,
        }
    }

    fn line(&mut self) -> Result<Found, Stop> {
        let mut unseen = &self.buffer[self.searched..self.end];
        let seen = unseen.skip_until(b'\n').expect("memory can be read");
        self.searched += seen;
        let ends = seen > 0 && self.buffer[self.searched - 1] == b'\n';
        let to = self.searched - usize::from(ends);
        if to - self.start > self.longest {
            return Err(self.too_long("line", None, "--lines"));
        }
        Ok(if ends {
            self.piece(Kind::Data, 0, to, 1)
        } else if self.at_end {
            self.piece(Kind::LastLine, 0, to, 0)
        } else {
            // A byte more, or twice as many as there are.
            let have = self.end - self.start;
            Found::More((2 * have).clamp(1, self.longest + 1))
        })
    }

    fn frame(&mut self) -> Result<Found, Stop> {
        let have = &self.buffer[self.start..self.end];
        let Some((length, rest)) = have.split_first_chunk::<FRAME_LENGTH>() else {
            return self.more_of_frame(FRAME_LENGTH);
        };
        let length = u32::from_le_bytes(*length) as usize;
        if length > self.longest {
            return Err(self.too_long("frame", Some(length), "--frames"));
        }
        if rest.len() < length {
            return self.more_of_frame(FRAME_LENGTH + length);
        }
        let to = self.start + FRAME_LENGTH + length;
        Ok(self.piece(Kind::Data, FRAME_LENGTH, to, 0))
    }

    fn more_of_frame(&self, bytes: usize) -> Result<Found, Stop> {
        if !self.at_end {
            return Ok(Found::More(bytes));
        }
        let (number, have) = (grouped(self.count + 1), self.end - self.start);
        Err(Stop::Malformed(format!(
            "the input ends in the middle of frame {number}: {have} bytes of {bytes} are there, its length included"
        )))
    }

    fn too_long(&self, what: &str, length: Option<usize>, option: &str) -> Stop {
        let number = grouped(self.count + 1);
        let (longest, enlarge) = (grouped(self.longest as u64), self.enlarge);
        let length = length.map_or_else(String::new, |n| {
            format!(" has {} bytes and", grouped(n as u64))
        });
        Stop::Malformed(format!(
            "{what} {number}{length} is longer than the {longest} bytes that a record of this ring holds; \
             make the ring with a larger {enlarge}, or leave {option} out"
        ))
    }

    /// Has the buffer hold `bytes` bytes from `start` on, and at least one that is not used yet.
    fn make_room(&mut self, bytes: usize) {
        let first = self.prefix.len();
        self.buffer.copy_within(self.start..self.end, first);
        self.end -= self.start - first;
        self.searched -= self.start - first;
        self.start = first;
        let needed = first + bytes.max(self.end - first + 1);
        if needed > self.buffer.len() {
            self.buffer.resize(needed, 0);
        }
    }

    /// Reads what there is, as far as there is room.
    fn fill(
        &mut self,
        input: &mut Input,
        idle: &mut impl FnMut() -> Result<(), Stop>,
    ) -> Result<(), Stop> {
        let n = input.read(&mut self.buffer[self.end..], idle)?;
        self.at_end = n == 0;
        self.hash.write(&self.buffer[self.end..self.end + n]);
        self.end += n;
        self.bytes += n as u64;
        Ok(())
    }
}
