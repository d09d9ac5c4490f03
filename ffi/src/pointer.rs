//! Pointers from C: checked for NULL once, and typed by what may be done with them.
//!
//! What cannot be checked (that a pointer leads where it should) is the caller's obligation, listed under
//! `# Safety` here and again at every exported function.

use crate::failure::Failure;
use std::ffi::{CStr, c_char, c_void};
use std::ptr::NonNull;

/// The object behind a handle.
///
/// # Safety
/// `handle` is NULL or came from this library and was not freed, and nobody else uses it for the lifetime
/// `'a`.
#[inline(always)]
pub(crate) unsafe fn handle<'a, T>(handle: *mut T, what: &str) -> Result<&'a mut T, Failure> {
    // SAFETY: NULL or a live object in exclusive use, by this function's own contract.
    unsafe { handle.as_mut() }.ok_or_else(|| Failure::null(what))
}

/// As [`handle`], for looking only.
///
/// # Safety
/// `handle` is NULL or came from this library and was not freed, and nobody changes it for the lifetime `'a`.
#[inline(always)]
pub(crate) unsafe fn handle_ref<'a, T>(handle: *const T, what: &str) -> Result<&'a T, Failure> {
    // SAFETY: NULL or a live object that nobody changes, by this function's own contract.
    unsafe { handle.as_ref() }.ok_or_else(|| Failure::null(what))
}

/// Turns a value into a handle.
pub(crate) fn to_handle<T>(value: T) -> *mut T {
    Box::into_raw(Box::new(value))
}

/// Takes the value out of a handle, which is gone then.
///
/// # Safety
/// `handle` is NULL or came from [`to_handle`] and was not freed, and nobody uses it now or later.
pub(crate) unsafe fn from_handle<T>(handle: *mut T) -> Option<Box<T>> {
    // SAFETY: not NULL, hence from `to_handle` and given back this once, by this function's own contract.
    NonNull::new(handle).map(|handle| unsafe { Box::from_raw(handle.as_ptr()) })
}

/// Where a result goes. The memory may be uninitialised before.
pub(crate) struct Out<T>(NonNull<T>);

impl<T> Out<T> {
    /// Checks `out` for NULL and stores `at_first`, which stays there if the call fails.
    ///
    /// # Safety
    /// `out` is NULL, or aligned and valid for writes of a `T` for as long as the `Out` exists.
    #[inline(always)]
    pub(crate) unsafe fn new(out: *mut T, at_first: T, what: &str) -> Result<Self, Failure> {
        let out = Self(NonNull::new(out).ok_or_else(|| Failure::null(what))?);
        out.set(at_first);
        Ok(out)
    }

    /// Stores the result.
    #[inline(always)]
    pub(crate) fn set(&self, value: T) {
        // SAFETY: aligned and valid for writes by the contract of `new`; numbers and pointers need no drop.
        unsafe { self.0.write(value) };
    }
}

/// How many bytes `count` messages of `size` bytes are.
fn total(size: usize, count: usize) -> Result<usize, Failure> {
    size.checked_mul(count)
        .filter(|total| *total <= isize::MAX as usize)
        .ok_or_else(|| Failure::invalid("count", "so small that the messages fit into memory"))
}

/// `count` messages of `size` bytes each, to be read.
///
/// # Safety
/// `messages` is NULL, or valid for reads of `size * count` initialised bytes that nobody writes to for the
/// lifetime `'a`.
#[inline(always)]
pub(crate) unsafe fn bytes<'a>(
    messages: *const c_void,
    size: usize,
    count: usize,
) -> Result<&'a [u8], Failure> {
    let start = NonNull::new(messages.cast_mut()).ok_or_else(|| Failure::null("message"))?;
    let total = total(size, count)?;
    // SAFETY: not NULL; readable and unchanging by this function's own contract; no longer than isize::MAX.
    Ok(unsafe { std::slice::from_raw_parts(start.as_ptr().cast(), total) })
}

/// Room for `count` messages of `size` bytes each.
///
/// # Safety
/// `messages` is NULL, or valid for writes of `size * count` bytes that nobody else touches for the lifetime
/// `'a`. The result is only written to unless these bytes are initialised.
#[inline(always)]
pub(crate) unsafe fn bytes_mut<'a>(
    messages: *mut c_void,
    size: usize,
    count: usize,
) -> Result<&'a mut [u8], Failure> {
    let start = NonNull::new(messages).ok_or_else(|| Failure::null("message"))?;
    let total = total(size, count)?;
    // SAFETY: not NULL; writable and unshared by this function's own contract; no longer than isize::MAX;
    // every bit pattern is a u8, and what C never wrote to is not read.
    Ok(unsafe { std::slice::from_raw_parts_mut(start.as_ptr().cast(), total) })
}

/// A text from C.
///
/// # Safety
/// `text` is NULL or a NUL-terminated string that nobody writes to for the lifetime `'a`.
pub(crate) unsafe fn text<'a>(text: *const c_char, what: &str) -> Result<&'a str, Failure> {
    if text.is_null() {
        return Err(Failure::null(what));
    }
    // SAFETY: not NULL, hence a NUL-terminated string by this function's own contract.
    let text = unsafe { CStr::from_ptr(text) };
    text.to_str().map_err(|_| Failure::invalid(what, "UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_larger_than_memory_is_refused() {
        assert_eq!(total(56, 2).unwrap(), 112);
        assert!(total(usize::MAX, 2).is_err());
        assert!(total(2, isize::MAX as usize).is_err());
    }
}
