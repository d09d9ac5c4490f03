//! Records that prove themselves. Every byte of a record follows from who sent it, which of its records it is,
//! how long it is and which tag it has, so that a torn, mixed, cut or invented record is seen at once.

use crate::common::rng::mix;

/// The longest record made here.
pub const LONGEST: usize = 2048;
/// From this length on a record says by itself what it is.
pub const SHORTEST: usize = 16;
/// Odd, so that no two words of a record are alike.
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// A record's name: which producer, which of its lives, which record of that life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Id {
    pub who: u64,
    pub life: u64,
    pub number: u64,
}

impl Id {
    /// As one word; never 0 or all ones.
    pub fn pack(self) -> u64 {
        (self.who + 1) << 56 | self.life << 40 | self.number
    }

    /// The name in `word`.
    pub fn unpack(word: u64) -> Self {
        Self {
            who: (word >> 56).wrapping_sub(1),
            life: word >> 40 & 0xffff,
            number: word & 0xff_ffff_ffff,
        }
    }
}

/// Where the words behind the first begin.
fn seed(id: u64, tag: u16, len: usize) -> u64 {
    mix(id ^ u64::from(tag).rotate_left(23) ^ (len as u64).rotate_left(45))
}

/// Writes the record `id` with `tag` over the whole of `bytes`.
#[inline]
pub fn fill(id: Id, tag: u16, bytes: &mut [u8]) {
    let mut word = seed(id.pack(), tag, bytes.len());
    let mut next = id.pack();
    for part in bytes.chunks_mut(8) {
        part.copy_from_slice(&next.to_le_bytes()[..part.len()]);
        word = word.wrapping_add(STEP);
        next = word;
    }
}

/// Whether `bytes` is the record `id` with `tag`, to the last byte.
#[inline]
pub fn is_whole(id: Id, tag: u16, bytes: &[u8]) -> bool {
    let mut word = seed(id.pack(), tag, bytes.len());
    let mut next = id.pack();
    let mut wrong = 0;
    let (words, rest) = bytes.as_chunks::<8>();
    for part in words {
        wrong |= u64::from_le_bytes(*part) ^ next;
        word = word.wrapping_add(STEP);
        next = word;
    }
    wrong == 0 && next.to_le_bytes().starts_with(rest)
}

/// The name of the record in `bytes`, if it is long enough to say so and whole.
#[inline]
pub fn read(tag: u16, bytes: &[u8]) -> Option<Id> {
    let first = bytes.first_chunk::<8>()?;
    let id = Id::unpack(u64::from_le_bytes(*first));
    (bytes.len() >= SHORTEST && is_whole(id, tag, bytes)).then_some(id)
}

#[test]
fn a_record_with_any_byte_changed_is_not_whole() {
    let id = Id {
        who: 3,
        life: 7,
        number: 12345,
    };
    assert_eq!(Id::unpack(id.pack()), id);
    for len in [16, 17, 24, 61] {
        let mut bytes = vec![0; len];
        fill(id, 9, &mut bytes);
        assert_eq!(read(9, &bytes), Some(id));
        assert_eq!(read(8, &bytes), None);
        assert_eq!(read(9, &bytes[..len - 1]), None);
        for i in 0..len {
            bytes[i] ^= 0x10;
            assert!(!is_whole(id, 9, &bytes));
            bytes[i] ^= 0x10;
        }
    }
}
