//! A good ring of a shape that the input chooses, then changes that the input lists: each is two bytes of
//! offset and eight bytes of value. So every run begins behind the checks that random bytes rarely pass.
//!
//! Input: capacity and slot size (one byte each), sixteen bytes for gate and start position, then changes.

use crate::exercise::{CONTROL, DATA, TABLE, exercise, sealed};

/// FNV-1a over a type's name, a zero byte, size and alignment, as the header has it.
fn fingerprint(name: &str, size: u64, align: u64) -> u64 {
    let numbers = [size, align].map(u64::to_le_bytes).concat();
    let bytes = name.bytes().chain([0]).chain(numbers);
    bytes.fold(0xcbf2_9ce4_8422_2325, |h, b| {
        (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// The offsets that matter, so that a change rarely hits a gap.
fn offset(raw: u16, stride: u64, capacity: u64) -> u64 {
    let raw = u64::from(raw);
    match raw % 8 {
        0 => (raw / 8 % 256) & !3,
        1 => CONTROL + raw / 8 % 4 * 128,
        2 => (TABLE + raw / 8 % 256) & !3,
        3 => DATA + raw / 8 % (capacity * stride),
        // Mostly ready words: they are where the protocol lives.
        _ => DATA + raw / 8 % capacity * stride,
    }
}

/// One input. As how many kinds its ring could be opened.
pub fn run(input: &[u8]) -> usize {
    let Some((shape, rest)) = input.split_at_checked(18) else {
        return 0;
    };
    let capacity = 2u64 << (shape[0] % 5);
    let (payload, align, print) = match shape[1] % 4 {
        0 => (8, 8, fingerprint("u64", 8, 8)),
        1 => (12, 4, fingerprint("[u32; 3]", 12, 4)),
        _ => (u64::from(shape[1]).max(1), 8, 0),
    };
    let need = 8 + u64::div_ceil(payload, 8) * 8;
    let stride = match need {
        0..=16 => 16,
        17..=64 => need.next_power_of_two(),
        _ => need.next_multiple_of(64),
    };
    let number = |at: usize| u64::from_le_bytes(shape[at..at + 8].try_into().expect("eight"));
    let (gate, start) = (number(2), number(10) >> 2);
    let len = (DATA + capacity * stride).next_multiple_of(4096);

    let mut image = vec![0; len as usize];
    let mut put = |at: u64, bytes: &[u8]| {
        let at = at as usize;
        let fits = image.len().saturating_sub(at).min(bytes.len());
        image[at..at + fits].copy_from_slice(&bytes[..fits]);
    };
    put(0, b"ANNULUS\0");
    for (at, half) in [
        (8, 1u32),
        (12, 256),
        (16, 1),
        (20, 1),
        (48, 8),
        (52, align),
        (96, 2),
        (100, 1),
        (112, 1),
        (160, 1),
    ] {
        put(at, &half.to_le_bytes());
    }
    for (at, word) in [
        (24, capacity),
        (32, stride),
        (40, payload),
        (56, print),
        (72, len),
        (80, CONTROL),
        (88, TABLE),
        (104, DATA),
        (152, start),
        (CONTROL, gate),
    ] {
        put(at, &word.to_le_bytes());
    }
    put(248, b"COMPLETE");
    for p in start..start + capacity {
        put(DATA + p % capacity * stride, &(p << 2).to_le_bytes());
    }
    for change in rest.chunks_exact(10) {
        let raw = u16::from_le_bytes([change[0], change[1]]);
        put(offset(raw, stride, capacity), &change[2..]);
    }
    exercise(sealed(len, &[(0, &image)]))
}
