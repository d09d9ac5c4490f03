//! Messages that prove themselves: every word of a message follows from who sent it, in which of its lives, and which
//! of its messages it is. So a torn, mixed or invented one is seen at once.

use super::rng::mix;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Words of a message in a slot: with the slot's own word one cache line.
const WORDS: usize = 7;
/// The shortest record in bytes.
const SHORTEST: u64 = 16;
/// The longest record in bytes.
pub const LONGEST: usize = 200;
/// Odd, so that no two words of a message are alike.
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// A message's name: which producer, which of its lives, which message of that life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Id {
    pub who: u64,
    pub life: u64,
    pub number: u64,
}

impl Id {
    /// The name in a producer's first life.
    pub fn new(who: u64, number: u64) -> Self {
        let life = 0;
        Self { who, life, number }
    }

    /// As one word; never 0 or all ones.
    #[inline]
    fn pack(self) -> u64 {
        (self.who + 1) << 56 | self.life << 40 | self.number
    }

    #[inline]
    fn unpack(word: u64) -> Self {
        Self {
            who: (word >> 56).wrapping_sub(1),
            life: word >> 40 & 0xffff,
            number: word & 0xff_ffff_ffff,
        }
    }

    /// A number for this message that makes a sum over all messages tell which they were.
    #[inline]
    pub fn print(self) -> u64 {
        mix(self.pack())
    }

    /// How long its record is, in bytes.
    #[inline]
    fn record_len(self) -> usize {
        (SHORTEST + self.print() % (LONGEST as u64 - SHORTEST + 1)) as usize
    }

    /// Its record, in `buffer`.
    #[inline]
    pub fn record(self, buffer: &mut [u8; LONGEST]) -> &[u8] {
        let (mut word, mut next) = (self.print(), self.pack());
        let len = self.record_len();
        // The last word is cut off where the record ends.
        for part in buffer[..len.next_multiple_of(8)].as_chunks_mut::<8>().0 {
            *part = next.to_le_bytes();
            word = word.wrapping_add(STEP);
            next = word;
        }
        &buffer[..len]
    }

    /// The name of the record in `bytes`, if it is whole.
    #[inline]
    pub fn of_record(bytes: &[u8]) -> Option<Self> {
        let first = bytes.first_chunk::<8>()?;
        let id = Self::unpack(u64::from_le_bytes(*first));
        (bytes == id.record(&mut [0; LONGEST])).then_some(id)
    }
}

/// A message in a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Note([u64; WORDS]);

impl Note {
    /// The message `id`.
    #[inline]
    pub fn new(id: Id) -> Self {
        let print = id.print();
        let mut words = std::array::from_fn(|k| print.wrapping_add(STEP.wrapping_mul(k as u64)));
        words[0] = id.pack();
        Self(words)
    }

    /// Its name, if it is whole.
    #[inline]
    pub fn id(&self) -> Option<Id> {
        let id = Id::unpack(self.0[0]);
        let print = id.print();
        let wrong = (1..WORDS).fold(0, |wrong, k| {
            wrong | self.0[k] ^ print.wrapping_add(STEP.wrapping_mul(k as u64))
        });
        (wrong == 0).then_some(id)
    }

    /// Its name; panics if it is not whole.
    #[inline]
    pub fn whole(&self) -> Id {
        self.id().unwrap_or_else(|| panic!("torn: {self:x?}"))
    }
}
