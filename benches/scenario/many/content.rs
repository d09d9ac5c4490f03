//! What is in a message: who sent it, its number, and words that follow from both.
//!
//! Timed loops send from a table that was written long before, for the reason given in ../message.rs. Invariant: the last word
//! is the first one's complement, so that a consumer that cannot know which message comes next can still compare both.

use super::super::message::Message;
use super::work::MOST_BATCH;

/// Words of a message.
pub const WORDS: usize = 7;
/// The last of them.
const LAST: usize = WORDS - 1;
/// Bytes of a message.
pub const BYTES: usize = 8 * WORDS;
/// What all engines carry.
pub type Slot = Message<WORDS>;

/// Bits of the first word that hold the number; the rest name the producer.
const NUMBER_BITS: u32 = 40;
/// Messages of a producer's table before it repeats: a prime that divides no ring's capacity.
const TABLE: u64 = 61;

/// Message `number` (below 2^40) of `producer`.
pub fn message(producer: u32, number: u64) -> Slot {
    let first = u64::from(producer) << NUMBER_BITS | number;
    std::array::from_fn(|place| match place {
        0 => first,
        LAST => !first,
        _ => following(first, place),
    })
}

/// Word `place`, neither the first nor the last, of the message that begins with `first`.
const fn following(first: u64, place: usize) -> u64 {
    let mixed = first.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    mixed.wrapping_add((place as u64).wrapping_mul(0xD1B5_4A32_D192_ED03))
}

/// The producer and the number in a message; anything at all for a damaged one.
pub const fn origin(slot: &Slot) -> (usize, u64) {
    let first = slot[0];
    (
        (first >> NUMBER_BITS) as usize,
        first & ((1 << NUMBER_BITS) - 1),
    )
}

/// Zero when the last word is the one that belongs to the first.
#[inline(always)]
pub const fn differs(slot: &Slot) -> u64 {
    slot[LAST] ^ !slot[0]
}

/// The messages that a producer sends round and round. A run of `MOST_BATCH` may begin at any of the first `TABLE`.
pub fn table(producer: u32) -> Box<[Slot]> {
    (0..TABLE + u64::from(MOST_BATCH))
        .map(|place| message(producer, place % TABLE))
        .collect()
}

/// One round of a table.
pub fn lap(table: &[Slot]) -> &[Slot] {
    &table[..TABLE as usize]
}

/// The place in a table that is `steps`, at most `MOST_BATCH`, behind `at`.
#[inline(always)]
pub const fn onward(at: usize, steps: usize) -> usize {
    let next = at + steps;
    if next >= TABLE as usize {
        next - TABLE as usize
    } else {
        next
    }
}

/// The sum of the first words of `count` messages out of a producer's table, from its beginning.
pub fn sum_of(producer: u32, count: u64) -> u64 {
    let table = table(producer);
    let sum = |of: &[Slot]| of.iter().fold(0u64, |sum, slot| sum.wrapping_add(slot[0]));
    let round = sum(lap(&table));
    let rest = sum(&table[..(count % TABLE) as usize]);
    round.wrapping_mul(count / TABLE).wrapping_add(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_says_who_sent_it_and_a_wrong_end_shows() {
        let mut slot = message(5, 8191);
        assert_eq!(origin(&slot), (5, 8191));
        assert_eq!(differs(&slot), 0);
        slot[0] ^= 1;
        assert_ne!(differs(&slot), 0);
    }

    #[test]
    fn runs_out_of_a_table_follow_each_other_and_add_up_to_the_sum() {
        let table = table(3);
        let (mut at, mut sum, mut count) = (0, 0u64, 0u64);
        for run in [16, 1, 16, 7, 16, 16, 16, 3, 16, 16, 16] {
            for (step, slot) in table[at..at + run].iter().enumerate() {
                assert_eq!(*slot, message(3, (count + step as u64) % TABLE));
                sum = sum.wrapping_add(slot[0]);
            }
            at = onward(at, run);
            count += run as u64;
            assert_eq!(sum_of(3, count), sum);
        }
    }
}
