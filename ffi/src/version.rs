//! What is linked: versions as text and as numbers. Constants only.

use std::ffi::{CStr, c_char};

/// The number of this C ABI. A header and a library with different numbers do not fit together.
pub const ANNULUS_C_ABI: u32 = 1;

const VERSION: &CStr =
    match CStr::from_bytes_with_nul(concat!(env!("CARGO_PKG_VERSION"), "\0").as_bytes()) {
        Ok(text) => text,
        Err(_) => panic!("a version has no NUL in it"),
    };

/// The version of the library, such as "0.1.0". Never NULL; valid for ever. Any thread.
#[unsafe(no_mangle)]
pub extern "C" fn annulus_version() -> *const c_char {
    VERSION.as_ptr()
}

/// The version of the bytes in shared memory. Programs exchange messages if theirs are equal. Any thread.
#[unsafe(no_mangle)]
pub extern "C" fn annulus_wire_version() -> u32 {
    annulus::WIRE_VERSION
}

/// The C ABI of the library that is linked; compare it with `ANNULUS_C_ABI`, which is that of the header.
/// Any thread.
#[unsafe(no_mangle)]
pub extern "C" fn annulus_c_abi() -> u32 {
    ANNULUS_C_ABI
}
