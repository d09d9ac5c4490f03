//! A good ring of slots, and changes: `src/header.rs`.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    annulus_fuzz::header::run(input);
});
