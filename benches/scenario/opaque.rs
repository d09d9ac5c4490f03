//! What keeps the compiler from leaving out the work that is timed.

/// `value`, of which the compiler must take it that somebody unknown has just read or written any byte.
///
/// `std::hint::black_box` says the same of the reference too, which then passes through memory: three instructions a message,
/// where a message may cost thirty.
#[inline(always)]
pub fn opaque<T: ?Sized>(value: &T) -> &T {
    let address: *const u8 = std::ptr::from_ref(value).cast();
    #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
    // SAFETY: no instructions at all.
    unsafe {
        std::arch::asm!("/* {} */", in(reg) address, options(nostack, preserves_flags));
    }
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    std::hint::black_box(address);
    value
}
