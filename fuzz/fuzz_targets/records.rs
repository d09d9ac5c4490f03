//! A good ring of records, and changes: `src/records.rs`.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    annulus_fuzz::records::run(input);
});
