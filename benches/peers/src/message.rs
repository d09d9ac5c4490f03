//! The messages every engine carries: 1, 7 or 128 words of 8 bytes.
//!
//! Timed loops send from a small table that was written long before, so that copying a message never reads bytes the
//! same core has just stored (a store-forwarding stall would then be measured instead of the ring). The table's length
//! divides no ring's capacity: a lost lap shows in the first word.

/// A plain message of `WORDS` words.
#[repr(transparent)]
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    zerocopy::FromBytes,
    zerocopy::IntoBytes,
    zerocopy::Immutable,
    zerocopy::KnownLayout,
)]
pub struct Message<const WORDS: usize> {
    /// The payload.
    pub words: [u64; WORDS],
}

impl<const WORDS: usize> Message<WORDS> {
    /// Message `number`: every word depends on the number and on its place.
    pub fn numbered(number: u64) -> Self {
        Message {
            words: std::array::from_fn(|index| word(number, index as u64)),
        }
    }

    /// Zero when first and last word are those of `expected`.
    #[inline(always)]
    pub fn differs(&self, expected: &Self) -> u64 {
        let last = const { WORDS - 1 };
        (self.words[0] ^ expected.words[0]) | (self.words[last] ^ expected.words[last])
    }

    /// The messages that timed loops send round and round.
    pub fn table() -> Box<[Self]> {
        (0..table_len::<WORDS>()).map(Self::numbered).collect()
    }
}

/// Word `index` of message `number`; cpp/loops.hpp has the same formula.
fn word(number: u64, index: u64) -> u64 {
    let of_number = (number + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    of_number.wrapping_add((index + 1).wrapping_mul(0xD1B5_4A32_D192_ED03))
}

/// A prime that keeps the table within a third of a first-level cache.
fn table_len<const WORDS: usize>() -> u64 {
    if WORDS <= 16 { 61 } else { 11 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_of_another_lap_is_told_apart() {
        let table = Message::<7>::table();
        for capacity in [4096, 4097, 5110] {
            assert_ne!(capacity % table.len(), 0);
            assert_ne!(table[0].differs(&table[capacity % table.len()]), 0);
        }
        assert_eq!(table[3].differs(&Message::numbered(3)), 0);
        for capacity in [4096, 4097, 5110] {
            assert_ne!(capacity % Message::<128>::table().len(), 0);
        }
    }
}
