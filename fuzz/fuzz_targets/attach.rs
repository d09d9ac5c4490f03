//! Arbitrary bytes as a ring: `src/attach.rs`.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    annulus_fuzz::attach::run(input);
});
