//! A good ring of records of a shape that the input chooses, then changes that the input lists: each is two
//! bytes of offset and eight bytes of value. So every run begins behind the checks that random bytes rarely
//! pass.
//!
//! Input: kind, alignment and number of producers (one byte), capacity (one byte), the position where
//! producers and consumer stand (eight bytes), how far the shared tail is ahead of it (two bytes), then changes.

use crate::exercise::{CONTROL, DATA, TABLE, exercise_records, sealed};

/// Offsets of gate, the sleep words, closed bits, tail, taken and wiped in the control block.
const WORDS: [u64; 7] = [0, 128, 256, 384, 512, 640, 648];

/// The offsets that matter, so that a change rarely hits a gap. `first` is where the consumer is.
fn offset(raw: u16, first: u64, capacity: u64) -> u64 {
    let (kind, n) = (raw % 8, u64::from(raw / 8));
    let data = |position: u64| DATA + position % capacity;
    match kind {
        0 => (n % 256) & !3,
        1 => CONTROL + WORDS[n as usize % WORDS.len()],
        // Announcements: position and length, of any entry.
        2 => TABLE + n % 4 * 128 + 32 + n / 4 % 2 * 8,
        3 => (TABLE + n % 512) & !3,
        4 => data(n),
        // Mostly headers: they are where the protocol lives.
        _ => data(first + n * 8),
    }
}

/// One input. As how many kinds its ring could be opened.
pub fn run(input: &[u8]) -> usize {
    let Some((shape, rest)) = input.split_at_checked(12) else {
        return 0;
    };
    let many = shape[0] & 1 != 0;
    let align = if shape[0] & 2 != 0 { 64 } else { 8 };
    let producers = if many {
        1 + u32::from(shape[0] >> 2) % 3
    } else {
        1
    };
    let capacity = 256u64 << (shape[1] % 5);
    let number = |at: usize| u64::from_le_bytes(shape[at..at + 8].try_into().expect("eight"));
    let first = (number(2) >> 2) & !63;
    let ahead = u64::from(u16::from_le_bytes([shape[10], shape[11]]));
    let ahead = (ahead % (capacity + 1)) & !(align - 1);
    let tail = if many { first + ahead } else { 0 };

    let len = (DATA + capacity).next_multiple_of(4096);
    let mut image = vec![0; len as usize];
    let mut put = |at: u64, bytes: &[u8]| {
        let at = at as usize;
        let fits = image.len().saturating_sub(at).min(bytes.len());
        image[at..at + fits].copy_from_slice(&bytes[..fits]);
    };
    put(0, b"ANNULUS\0");
    for (at, half) in [
        (8, 1),
        (12, 256),
        (16, 1 + u32::from(many)),
        (20, 2),
        (48, 8),
        (52, 8),
        (96, producers + 1),
        (100, 1),
        (112, 1),
        (160, producers),
    ] {
        put(at, &half.to_le_bytes());
    }
    for (at, word) in [
        (24, capacity),
        (32, align),
        (40, capacity / 2 - 8),
        (72, len),
        (80, CONTROL),
        (88, TABLE),
        (104, DATA),
        (152, first),
        (CONTROL, first),
        (CONTROL + 512, tail),
        (CONTROL + 640, first),
        (CONTROL + 648, first),
    ] {
        put(at, &word.to_le_bytes());
    }
    put(248, b"COMPLETE");
    for change in rest.chunks_exact(10) {
        let raw = u16::from_le_bytes([change[0], change[1]]);
        put(offset(raw, first, capacity), &change[2..]);
    }
    exercise_records(&sealed(len, &[(0, &image)]))
}
