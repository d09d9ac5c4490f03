//! The messages every engine carries: words of 8 bytes.
//!
//! Timed loops send from a small table that was written long before, so that copying a message never reads bytes the
//! same core has just stored (a store-forwarding stall would then be measured instead of the ring). The table's length
//! divides no ring's capacity: a lost lap shows in the first word.

/// A plain message of `WORDS` words.
pub type Message<const WORDS: usize> = [u64; WORDS];

/// Where a message is received, if that is not the engine's choice. It begins on a line, or the same copy of 1 KiB would be a
/// fifth quicker or slower from one build to the next.
#[repr(align(64))]
pub struct Place<const WORDS: usize>(pub Message<WORDS>);

/// Message `number`: every word depends on the number and on its place. peers/cpp/loops.hpp has the same formula.
pub fn numbered<const WORDS: usize>(number: u64) -> Message<WORDS> {
    let of_number = (number + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    std::array::from_fn(|index| {
        of_number.wrapping_add((index as u64 + 1).wrapping_mul(0xD1B5_4A32_D192_ED03))
    })
}

/// Zero when first and last word are those of `expected`.
#[inline(always)]
pub fn differs<const WORDS: usize>(message: &Message<WORDS>, expected: &Message<WORDS>) -> u64 {
    let last = const { WORDS - 1 };
    (message[0] ^ expected[0]) | (message[last] ^ expected[last])
}

/// The messages that timed loops send round and round.
pub fn table<const WORDS: usize>() -> Box<[Message<WORDS>]> {
    (0..table_len::<WORDS>()).map(numbered).collect()
}

/// Hands `count` entries of `table` to `each`, round and round from the first. Laps are a loop of their own, so that a message
/// costs one addition and one comparison here.
#[inline(always)]
pub fn in_turn<'t, T>(table: &'t [T], count: u64, mut each: impl FnMut(&'t T)) {
    assert!(!table.is_empty(), "nothing to take from");
    let mut left = count;
    while left > 0 {
        let lap = left.min(table.len() as u64);
        for entry in &table[..lap as usize] {
            each(entry);
        }
        left -= lap;
    }
}

/// A prime. Up to 1024 bytes a message the table stays within a third of a first-level cache.
fn table_len<const WORDS: usize>() -> u64 {
    if WORDS <= 16 { 61 } else { 11 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_gone_through_from_the_first_entry_again_and_again() {
        let given = |count| -> Vec<i32> {
            let mut given = Vec::new();
            in_turn(&[1, 2, 3], count, |&entry| given.push(entry));
            given
        };
        assert!(given(0).is_empty());
        assert_eq!(given(2), [1, 2]);
        assert_eq!(given(7), [1, 2, 3, 1, 2, 3, 1]);
    }

    #[test]
    fn a_message_of_another_lap_is_told_apart() {
        let table = super::table::<7>();
        for capacity in [4096, 4097, 5110] {
            assert_ne!(capacity % table.len(), 0);
            assert_ne!(differs(&table[0], &table[capacity % table.len()]), 0);
        }
        assert_eq!(differs(&table[3], &numbered(3)), 0);
        for capacity in [64, 1024, 4096, 4097, 5110] {
            assert_ne!(capacity % super::table::<128>().len(), 0);
        }
    }
}
