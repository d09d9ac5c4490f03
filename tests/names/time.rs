//! How long it takes to make and to open a ring.

use crate::scratch::{Scratch, shm_path, unique};
use annulus::spsc;
use std::time::{Duration, Instant};

#[test]
fn making_and_opening_a_ring_of_a_mebibyte_takes_milliseconds() {
    let name = unique("time");
    let _scratch = Scratch(shm_path(&name));
    let options = spsc::<[u8]>(&name).slot_size(56).capacity(16384);
    let mut best = [Duration::MAX; 2];
    for _ in 0..5 {
        let begun = Instant::now();
        let ring = options.create().expect("create");
        let created = begun.elapsed();
        let other = options.open().expect("open");
        let both = begun.elapsed();
        assert!(other.status().expect("status").segment_bytes >= 1 << 20);
        ring.unlink().expect("unlink");
        best = [best[0].min(created), best[1].min(both - created)];
    }
    println!(
        "1 MiB, prefaulted: create {:?}, open {:?}",
        best[0], best[1]
    );
    assert!(best[0] + best[1] < Duration::from_millis(50));
}
