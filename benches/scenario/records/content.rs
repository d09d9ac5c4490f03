//! What is in a record: which producer sent it, and bytes that depend on its number and on their place.
//!
//! Byte 0 is the producer, so that a consumer of several can follow each one's order. Timed loops send from a table that
//! was written long before, for the reason given in ../message.rs.

use super::lengths::Lengths;

/// Most producers: a byte names them.
pub const MOST_PRODUCERS: u32 = 256;

/// Writes record `number` of `producer` into `record`, which then has its length.
pub fn write_numbered(record: &mut Vec<u8>, lengths: Lengths, producer: u32, number: u64) {
    let seed = mixed(number.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ u64::from(producer) << 56);
    record.resize(lengths.pick(seed), 0);
    let mut word = seed;
    for chunk in record.chunks_mut(8) {
        word = word.wrapping_add(0xD1B5_4A32_D192_ED03);
        chunk.copy_from_slice(&word.to_le_bytes()[..chunk.len()]);
    }
    record[0] = producer as u8;
}

/// The producer of a record; anything at all for a damaged one.
#[inline(always)]
pub fn producer_of(record: &[u8]) -> usize {
    record.first().copied().unwrap_or(u8::MAX) as usize
}

/// Zero when the length and the first and last words are those of `expected`, which has at least eight bytes.
#[inline(always)]
pub fn differs(record: &[u8], expected: &[u8]) -> u64 {
    if record.len() != expected.len() {
        return 1;
    }
    let first = |bytes: &[u8]| bytes.first_chunk().copied().map_or(0, u64::from_ne_bytes);
    let last = |bytes: &[u8]| bytes.last_chunk().copied().map_or(0, u64::from_ne_bytes);
    (first(record) ^ first(expected)) | (last(record) ^ last(expected))
}

/// The records that a producer sends round and round.
pub type Table = Box<[Box<[u8]>]>;

/// Writes the table of a producer.
pub fn table(lengths: Lengths, producer: u32) -> Table {
    (0..lengths.table_len())
        .map(|number| {
            let mut record = Vec::with_capacity(lengths.most);
            write_numbered(&mut record, lengths, producer, number);
            record.into_boxed_slice()
        })
        .collect()
}

/// The finalizer of splitmix64.
const fn mixed(mut word: u64) -> u64 {
    word = (word ^ word >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    word = (word ^ word >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
    word ^ word >> 31
}

#[cfg(test)]
mod tests {
    use super::super::lengths::{CLASSES, SHORT};
    use super::*;

    #[test]
    fn the_records_of_a_table_are_told_apart_by_what_the_timed_loop_looks_at() {
        for class in CLASSES {
            let table = table(class, 3);
            assert_eq!(table.len() as u64, class.table_len());
            for (at, record) in table.iter().enumerate() {
                assert!((class.least..=class.most).contains(&record.len()));
                assert_eq!(producer_of(record), 3);
                for (other_at, other) in table.iter().enumerate() {
                    assert_eq!(differs(record, other) == 0, at == other_at);
                }
            }
        }
    }

    #[test]
    fn lengths_of_the_short_class_are_spread_evenly() {
        let mut record = Vec::new();
        let mut sum = 0;
        for number in 0..10_000 {
            write_numbered(&mut record, SHORT, 0, number);
            sum += record.len();
        }
        let mean = sum as f64 / 10_000.0;
        assert!((110.0..114.0).contains(&mean), "{mean}");
    }

    #[test]
    fn a_record_of_another_producer_a_shorter_one_and_one_with_a_wrong_last_byte_differ() {
        let mut one = Vec::new();
        let mut other = Vec::new();
        write_numbered(&mut one, SHORT, 0, 5);
        write_numbered(&mut other, SHORT, 1, 5);
        assert_ne!(one, other);
        assert_ne!(differs(&one[..one.len() - 1], &one), 0);
        assert_ne!(differs(&[], &one), 0);
        let mut damaged = one.clone();
        *damaged.last_mut().unwrap() ^= 1;
        assert_ne!(differs(&damaged, &one), 0);
        assert_eq!(differs(&one, &one.clone()), 0);
    }
}
