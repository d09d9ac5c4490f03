//! A good ring that many share, lies in its words, and calls: `src/queues.rs`.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    annulus_fuzz::queues::run(input);
});
