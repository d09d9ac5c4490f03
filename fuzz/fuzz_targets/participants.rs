//! A good ring with many participants, lies in its table, and comings and goings: `src/participants.rs`.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    annulus_fuzz::participants::run(input);
});
