//! Copies of a few lines on x86-64, in one block of assembly each.
//!
//! Like those of `copy.rs` they are outside the language's memory model: a stranger may be writing the same bytes.
//!
//! Lengths differ from call to call, so the processor guesses wrong whichever way it is told when to stop. The moves overlap
//! instead: up to 48 bytes take three of them, up to 64 four, and what is longer goes by 64 bytes, the last of which reach
//! back into those before; or half as many of twice the size, where the processor has them. A loop of single moves of 16 bytes has more ends to guess, and takes twice as long
//! wherever the compiler happens to lay it across two lines of code.

use super::copy::BULK;

/// The lengths that are copied here.
pub(super) const LENGTHS: std::ops::RangeInclusive<usize> = 16..=BULK;

/// Those that take three moves.
const SHORT: std::ops::RangeInclusive<usize> = 16..=48;

/// Copies `len` bytes if it is one of [`LENGTHS`], and says whether. One comparison for the short ones. The others by `wide`
/// moves where that is best.
///
/// # Safety
/// * `src` is valid for reads and `dst` for writes of `len` bytes; other processes may write either.
/// * The processor has AVX if moves are `wide`.
#[inline(always)]
pub(super) unsafe fn copy(dst: *mut u8, src: *const u8, len: usize, wide: bool) -> bool {
    if SHORT.contains(&len) {
        // SAFETY: this function's contract; 16 to 48.
        unsafe { short(dst, src, len) };
        return true;
    }
    if !LENGTHS.contains(&len) {
        return false;
    }
    match wide {
        // SAFETY: this function's contract; more than 48.
        true => unsafe { long_wide(dst, src, len) },
        // SAFETY: this function's contract; more than 48.
        false => unsafe { long(dst, src, len) },
    }
    true
}

/// Three moves: at either end, and in the middle.
///
/// # Safety
/// As for [`copy`]; `len` is 16 to 48.
#[inline(always)]
unsafe fn short(dst: *mut u8, src: *const u8, len: usize) {
    // SAFETY: reads and writes 16 bytes at 0, `len / 2 - 8` and `len - 16`: inside both ranges.
    unsafe {
        core::arch::asm!(
            "movups xmm0, [{src}]",
            "movups xmm1, [{src} + {half} - 8]",
            "movups xmm2, [{src} + {len} - 16]",
            "movups [{dst}], xmm0",
            "movups [{dst} + {half} - 8], xmm1",
            "movups [{dst} + {len} - 16], xmm2",
            src = in(reg) src,
            dst = in(reg) dst,
            len = in(reg) len,
            half = in(reg) len / 2,
            out("xmm0") _, out("xmm1") _, out("xmm2") _,
            options(nostack, preserves_flags)
        )
    };
}

/// Four moves up to 64 bytes, then 64 bytes a turn.
///
/// # Safety
/// As for [`copy`]; `len` is more than 48.
#[inline(always)]
unsafe fn long(dst: *mut u8, src: *const u8, len: usize) {
    // SAFETY: reads and writes 32 bytes at either end (up to 64 bytes), or 64 at 0, 64, ... below `len - 64` and at
    // `len - 64`: inside both ranges.
    unsafe {
        core::arch::asm!(
            "sub {left}, 64",
            "jbe 4f",
            "3:",
            "movups xmm0, [{src} + {at}]",
            "movups xmm1, [{src} + {at} + 16]",
            "movups xmm2, [{src} + {at} + 32]",
            "movups xmm3, [{src} + {at} + 48]",
            "movups [{dst} + {at}], xmm0",
            "movups [{dst} + {at} + 16], xmm1",
            "movups [{dst} + {at} + 32], xmm2",
            "movups [{dst} + {at} + 48], xmm3",
            "add {at}, 64",
            "cmp {at}, {left}",
            "jb 3b",
            "movups xmm0, [{src} + {left}]",
            "movups xmm1, [{src} + {left} + 16]",
            "movups xmm2, [{src} + {left} + 32]",
            "movups xmm3, [{src} + {left} + 48]",
            "movups [{dst} + {left}], xmm0",
            "movups [{dst} + {left} + 16], xmm1",
            "movups [{dst} + {left} + 32], xmm2",
            "movups [{dst} + {left} + 48], xmm3",
            "jmp 5f",
            "4:",
            "movups xmm0, [{src}]",
            "movups xmm1, [{src} + 16]",
            "movups xmm2, [{src} + {left} + 32]",
            "movups xmm3, [{src} + {left} + 48]",
            "movups [{dst}], xmm0",
            "movups [{dst} + 16], xmm1",
            "movups [{dst} + {left} + 32], xmm2",
            "movups [{dst} + {left} + 48], xmm3",
            "5:",
            src = in(reg) src,
            dst = in(reg) dst,
            left = inout(reg) len => _,
            at = inout(reg) 0usize => _,
            out("xmm0") _, out("xmm1") _, out("xmm2") _, out("xmm3") _,
            options(nostack)
        )
    };
}

/// Two moves of 32 bytes up to 64 bytes, four up to 128; then 128 bytes a turn, before which the last 128 are read.
///
/// # Safety
/// As for [`long`]; the processor has AVX.
#[inline(always)]
unsafe fn long_wide(dst: *mut u8, src: *const u8, len: usize) {
    // SAFETY: reads and writes 32 bytes at either end (up to 64 bytes), 64 at either end (up to 128), or 128 at 0, 128, ...
    // below `len - 128` and at `len - 128`: inside both ranges.
    unsafe {
        core::arch::asm!(
            "sub {left}, 128",
            "ja 2f",
            "cmp {left}, -64",
            "jle 4f",
            "vmovdqu ymm0, [{src}]",
            "vmovdqu ymm1, [{src} + 32]",
            "vmovdqu ymm2, [{src} + {left} + 64]",
            "vmovdqu ymm3, [{src} + {left} + 96]",
            "vmovdqu [{dst}], ymm0",
            "vmovdqu [{dst} + 32], ymm1",
            "vmovdqu [{dst} + {left} + 64], ymm2",
            "vmovdqu [{dst} + {left} + 96], ymm3",
            "jmp 5f",
            "2:",
            "vmovdqu ymm4, [{src} + {left}]",
            "vmovdqu ymm5, [{src} + {left} + 32]",
            "vmovdqu ymm6, [{src} + {left} + 64]",
            "vmovdqu ymm7, [{src} + {left} + 96]",
            "3:",
            "vmovdqu ymm0, [{src} + {at}]",
            "vmovdqu ymm1, [{src} + {at} + 32]",
            "vmovdqu ymm2, [{src} + {at} + 64]",
            "vmovdqu ymm3, [{src} + {at} + 96]",
            "vmovdqu [{dst} + {at}], ymm0",
            "vmovdqu [{dst} + {at} + 32], ymm1",
            "vmovdqu [{dst} + {at} + 64], ymm2",
            "vmovdqu [{dst} + {at} + 96], ymm3",
            "sub {at}, -128",
            "cmp {at}, {left}",
            "jb 3b",
            "vmovdqu [{dst} + {left}], ymm4",
            "vmovdqu [{dst} + {left} + 32], ymm5",
            "vmovdqu [{dst} + {left} + 64], ymm6",
            "vmovdqu [{dst} + {left} + 96], ymm7",
            "jmp 5f",
            "4:",
            "vmovdqu ymm0, [{src}]",
            "vmovdqu ymm1, [{src} + {left} + 96]",
            "vmovdqu [{dst}], ymm0",
            "vmovdqu [{dst} + {left} + 96], ymm1",
            "5:",
            "vzeroupper",
            src = in(reg) src,
            dst = in(reg) dst,
            left = inout(reg) len => _,
            at = inout(reg) 0usize => _,
            // All of them: their upper halves are zeroed.
            out("xmm0") _, out("xmm1") _, out("xmm2") _, out("xmm3") _,
            out("xmm4") _, out("xmm5") _, out("xmm6") _, out("xmm7") _,
            out("xmm8") _, out("xmm9") _, out("xmm10") _, out("xmm11") _,
            out("xmm12") _, out("xmm13") _, out("xmm14") _, out("xmm15") _,
            options(nostack)
        )
    };
}

/// Stores the first word of every line from `at` on, `lines` of them, where it lies already. A loop that the compiler does not
/// unroll: lines are few.
///
/// # Safety
/// * `at` is valid for reads and writes of `64 * lines - 56` bytes in a live mapping; `lines` is at least 1.
#[inline(always)]
pub(super) unsafe fn dirty(at: *mut u8, lines: usize) {
    // SAFETY: reads and writes 8 bytes at 0, 64, ... `64 * (lines - 1)`: inside the range.
    unsafe {
        core::arch::asm!(
            "2:",
            "mov {word}, [{at}]",
            "mov [{at}], {word}",
            "add {at}, 64",
            "dec {lines}",
            "jnz 2b",
            word = out(reg) _,
            at = inout(reg) at => _,
            lines = inout(reg) lines => _,
            options(nostack)
        )
    };
}

/// Stores zeroes over `len` bytes, one of [`LENGTHS`] and a multiple of 8. No word is ever half of zeroes.
///
/// # Safety
/// * `dst` is 8-aligned and valid for writes of `len` bytes; other processes may read and write them.
#[inline(always)]
pub(super) unsafe fn wipe(dst: *mut u8, len: usize) {
    // SAFETY: writes at the places that `copy` writes at, but for the second of three moves, which begins at a multiple
    // of 8 at or below its place, and not below 0.
    unsafe {
        core::arch::asm!(
            "xorps {zero}, {zero}",
            "cmp {left}, 48",
            "ja 2f",
            "lea {at}, [{left} - 16]",
            "shr {left}, 1",
            "and {left}, -8",
            "movups [{dst}], {zero}",
            "movups [{dst} + {left} - 8], {zero}",
            "movups [{dst} + {at}], {zero}",
            "jmp 5f",
            "2:",
            "sub {left}, 64",
            "jbe 4f",
            "3:",
            "movups [{dst} + {at}], {zero}",
            "movups [{dst} + {at} + 16], {zero}",
            "movups [{dst} + {at} + 32], {zero}",
            "movups [{dst} + {at} + 48], {zero}",
            "add {at}, 64",
            "cmp {at}, {left}",
            "jb 3b",
            "movups [{dst} + {left}], {zero}",
            "movups [{dst} + {left} + 16], {zero}",
            "movups [{dst} + {left} + 32], {zero}",
            "movups [{dst} + {left} + 48], {zero}",
            "jmp 5f",
            "4:",
            "movups [{dst}], {zero}",
            "movups [{dst} + 16], {zero}",
            "movups [{dst} + {left} + 32], {zero}",
            "movups [{dst} + {left} + 48], {zero}",
            "5:",
            dst = in(reg) dst,
            left = inout(reg) len => _,
            at = inout(reg) 0usize => _,
            zero = out(xmm_reg) _,
            options(nostack)
        )
    };
}
