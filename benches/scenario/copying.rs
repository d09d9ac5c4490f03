//! What one core needs to copy payloads when nobody else is involved: the bound for large messages.
//!
//! One cached source is copied with the C library's memcpy into the slots of a private ring, in turn. Page faults come
//! before the clock.

use std::hint::black_box;

use super::clock::now_ns;

/// Gigabytes (1e9) per second of copies of `payload_bytes` into `slots` slots in turn, timed for at least `least_ns`.
pub fn gb_per_s(payload_bytes: usize, slots: usize, least_ns: u64) -> f64 {
    let source = vec![0x5Au8; payload_bytes];
    let mut ring = vec![1u8; payload_bytes * slots];
    let mut copied = 0u64;
    let start = now_ns();
    loop {
        for slot in ring.chunks_exact_mut(payload_bytes) {
            slot.copy_from_slice(black_box(&source));
        }
        black_box(&ring);
        copied += (payload_bytes * slots) as u64;
        let elapsed = now_ns() - start;
        if elapsed >= least_ns {
            return copied as f64 / elapsed as f64;
        }
    }
}
