//! The numbers that functions return, and what they say in English. Numbers are never reused.

use std::ffi::{CStr, c_char};

/// Done.
pub const ANNULUS_OK: i32 = 0;
/// No slot is free. Expected; nothing was pushed.
pub const ANNULUS_E_FULL: i32 = -1;
/// No message is there. Expected; nothing was taken.
pub const ANNULUS_E_EMPTY: i32 = -2;
/// The other side has closed the ring (a consumer has drained it too), or this end was closed for good.
pub const ANNULUS_E_CLOSED: i32 = -3;
/// The other side died, and waiting for it is in vain until a successor comes.
pub const ANNULUS_E_PEER_DIED: i32 = -4;
/// The time was up.
pub const ANNULUS_E_TIMED_OUT: i32 = -5;
/// The words in the ring make no sense: somebody damaged it.
pub const ANNULUS_E_CORRUPT: i32 = -6;
/// A living process holds this end of the ring.
pub const ANNULUS_E_OCCUPIED: i32 = -7;
/// Something of that name exists already.
pub const ANNULUS_E_EXISTS: i32 = -8;
/// Nothing has that name.
pub const ANNULUS_E_NOT_FOUND: i32 = -9;
/// Something has that name, but it is not a ring.
pub const ANNULUS_E_NOT_A_RING: i32 = -10;
/// A ring whose creator has not finished, or died before it did.
pub const ANNULUS_E_UNFINISHED: i32 = -11;
/// A ring, but another one than asked for, or a damaged one.
pub const ANNULUS_E_MISMATCH: i32 = -12;
/// There is not enough memory or disk for the whole ring. Nothing was left behind.
pub const ANNULUS_E_NO_SPACE: i32 = -13;
/// The kernel refused; `annulus_last_os_error` has the errno.
pub const ANNULUS_E_OS: i32 = -14;
/// A pointer that must not be NULL is NULL.
pub const ANNULUS_E_NULL: i32 = -15;
/// A parameter or an option is out of its range; `annulus_last_error` names it.
pub const ANNULUS_E_INVALID: i32 = -16;
/// A defect of the library, also reported on stderr. The handle that was used may only be freed.
pub const ANNULUS_E_PANIC: i32 = -17;
/// A failure that this version of the library has no number for; `annulus_last_error` describes it.
pub const ANNULUS_E_OTHER: i32 = -18;

/// What `code` means.
pub(crate) fn meaning(code: i32) -> &'static CStr {
    match code {
        ANNULUS_OK => c"done",
        ANNULUS_E_FULL => c"the ring is full",
        ANNULUS_E_EMPTY => c"the ring is empty",
        ANNULUS_E_CLOSED => c"the ring is closed",
        ANNULUS_E_PEER_DIED => c"the other side died",
        ANNULUS_E_TIMED_OUT => c"the time was up",
        ANNULUS_E_CORRUPT => c"the ring is damaged",
        ANNULUS_E_OCCUPIED => c"a living process holds this end of the ring",
        ANNULUS_E_EXISTS => c"something of that name exists already",
        ANNULUS_E_NOT_FOUND => c"nothing has that name",
        ANNULUS_E_NOT_A_RING => c"what has that name is not a ring",
        ANNULUS_E_UNFINISHED => c"the creator of the ring has not finished, or died before it did",
        ANNULUS_E_MISMATCH => c"another ring than asked for",
        ANNULUS_E_NO_SPACE => c"not enough memory or disk for the ring",
        ANNULUS_E_OS => c"the kernel refused",
        ANNULUS_E_NULL => c"a pointer is NULL",
        ANNULUS_E_INVALID => c"a parameter is out of its range",
        ANNULUS_E_PANIC => c"a defect of the library",
        ANNULUS_E_OTHER => c"a failure without a number",
        _ => c"not a code of this library",
    }
}

/// What a code means, in English. Never NULL; valid for ever; unknown codes have a text as well. Any thread.
#[unsafe(no_mangle)]
pub extern "C" fn annulus_strerror(code: i32) -> *const c_char {
    meaning(code).as_ptr()
}
