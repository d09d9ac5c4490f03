//! Copies of more than a few lines on x86-64, by the instructions that the processor does best.
//!
//! Like those of `copy.rs` they are outside the language's memory model: a stranger may be writing the same bytes.

use super::processor::{DIRTIED_LATER, Moves, habits};

/// Copies `len` bytes as the processor does it best. `false` if that is by pairs, which is the caller's to do. Of a source that is
/// `owned` the lines are dirtied on the way if it is too long for that to be done afterwards; see [`DIRTIED_LATER`].
///
/// # Safety
/// * `src` is valid for reads and `dst` for writes of `len` bytes, at least 64; other processes may write either.
/// * `src` is valid for writes as well if it is `owned`, and by the protocol nobody else writes it meanwhile.
#[inline]
pub(super) unsafe fn copy(dst: *mut u8, src: *const u8, len: usize, owned: bool) -> bool {
    let habits = habits();
    match habits.moves {
        // SAFETY: this function's contract.
        _ if len >= habits.string_from => unsafe { string(dst, src, len) },
        Moves::Vectors if owned && habits.dirties && len > DIRTIED_LATER => {
            // SAFETY: this function's contract; the processor has AVX, or it would not be said to do so best.
            unsafe { dirtying_vectors(dst, src, len) }
        }
        // SAFETY: this function's contract; the processor has AVX, or it would not be said to do so best.
        Moves::Vectors => unsafe { vectors(dst, src, len) },
        // SAFETY: this function's contract; the processor has AVX-512F, as above.
        Moves::Lines => unsafe { lines(dst, src, len) },
        Moves::Pairs => return false,
    }
    true
}

/// Moves of 64 bytes a turn, through the first two vector registers; the last of them overlap those before. How they are made
/// is what is given for a turn, and for the last 64 bytes.
macro_rules! turns {
    ($dst:ident, $src:ident, $len:ident, [$($each:literal),*], [$($last:literal),*]) => {
        core::arch::asm!(
            "2:",
            $($each,)*
            "add {at}, 64",
            "cmp {at}, {last}",
            "jb 2b",
            $($last,)*
            "vzeroupper",
            src = in(reg) $src,
            dst = in(reg) $dst,
            last = in(reg) $len - 64,
            at = inout(reg) 0usize => _,
            // All of them: their upper parts are zeroed.
            out("xmm0") _, out("xmm1") _, out("xmm2") _, out("xmm3") _,
            out("xmm4") _, out("xmm5") _, out("xmm6") _, out("xmm7") _,
            out("xmm8") _, out("xmm9") _, out("xmm10") _, out("xmm11") _,
            out("xmm12") _, out("xmm13") _, out("xmm14") _, out("xmm15") _,
            options(nostack)
        )
    };
}

/// The same by moves of 32 bytes, and what is given behind the three after the moves of a turn, and after the last ones.
macro_rules! vectors {
    ($dst:ident, $src:ident, $len:ident $(, $each:literal, $last:literal)?) => {
        turns!(
            $dst,
            $src,
            $len,
            [
                "vmovdqu ymm0, [{src} + {at}]",
                "vmovdqu ymm1, [{src} + {at} + 32]",
                "vmovdqu [{dst} + {at}], ymm0",
                "vmovdqu [{dst} + {at} + 32], ymm1"
                $(, $each)?
            ],
            [
                "vmovdqu ymm0, [{src} + {last}]",
                "vmovdqu ymm1, [{src} + {last} + 32]",
                "vmovdqu [{dst} + {last}], ymm0",
                "vmovdqu [{dst} + {last} + 32], ymm1"
                $(, $last)?
            ]
        )
    };
}

/// Copies by moves of 64 bytes.
///
/// # Safety
/// * `src` is valid for reads and `dst` for writes of `len` bytes, at least 64; other processes may write either.
/// * The processor has AVX-512F.
#[inline(never)]
unsafe fn lines(dst: *mut u8, src: *const u8, len: usize) {
    // SAFETY: reads and writes at 0, 64, ... below `len - 64`, and at `len - 64`, 64 bytes each: inside both ranges.
    unsafe {
        turns!(
            dst,
            src,
            len,
            [
                "vmovdqu64 zmm0, [{src} + {at}]",
                "vmovdqu64 [{dst} + {at}], zmm0"
            ],
            [
                "vmovdqu64 zmm0, [{src} + {last}]",
                "vmovdqu64 [{dst} + {last}], zmm0"
            ]
        )
    };
}

/// Copies by moves of 32 bytes.
///
/// # Safety
/// * `src` is valid for reads and `dst` for writes of `len` bytes, at least 64; other processes may write either.
/// * The processor has AVX.
#[inline(never)]
unsafe fn vectors(dst: *mut u8, src: *const u8, len: usize) {
    // SAFETY: reads and writes at 0, 64, ... below `len - 64`, and at `len - 64`, 64 bytes each: inside both ranges.
    unsafe { vectors!(dst, src, len) };
}

/// The same, and of every line something is stored back where it lies: no byte changes, but the lines travel whole to
/// whoever writes them next.
///
/// # Safety
/// As for [`vectors`]; `src` is valid for writes as well, and by the protocol nobody else writes it meanwhile.
#[inline(never)]
unsafe fn dirtying_vectors(dst: *mut u8, src: *const u8, len: usize) {
    // SAFETY: reads and writes as `vectors` does, and stores to `src` what was read there.
    unsafe {
        vectors!(
            dst,
            src,
            len,
            "vmovdqu [{src} + {at}], ymm0",
            "vmovdqu [{src} + {last} + 32], ymm1"
        )
    };
}

/// One `rep movsb`.
///
/// # Safety
/// * `src` is valid for reads and `dst` for writes of `len` bytes; other processes may write either.
#[inline]
unsafe fn string(dst: *mut u8, src: *const u8, len: usize) {
    // SAFETY: reads and writes exactly the ranges of the contract; the direction flag is clear by the ABI.
    unsafe {
        core::arch::asm!(
            "rep movsb",
            inout("rcx") len => _,
            inout("rdi") dst => _,
            inout("rsi") src => _,
            options(nostack, preserves_flags)
        )
    };
}

/// Stores `len` zero bytes by one instruction.
///
/// # Safety
/// * `dst` is valid for writes of `len` bytes in a live mapping.
#[inline(always)]
pub(super) unsafe fn wipe(dst: *mut u8, len: usize) {
    // SAFETY: writes exactly the range of the contract; the direction flag is clear by the ABI.
    unsafe {
        core::arch::asm!(
            "rep stosb",
            inout("rcx") len => _,
            inout("rdi") dst => _,
            in("al") 0u8,
            options(nostack, preserves_flags)
        )
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A way of copying.
    type Copy = unsafe fn(*mut u8, *const u8, usize);

    #[test]
    fn copies_of_every_kind_move_all_bytes_and_change_none_where_they_read() {
        let avx = std::arch::is_x86_feature_detected!("avx");
        let avx512 = std::arch::is_x86_feature_detected!("avx512f");
        let kinds: [(bool, Copy); 4] = [
            (true, string),
            (avx, vectors),
            (avx, dirtying_vectors),
            (avx512, lines),
        ];
        let kinds = kinds
            .into_iter()
            .filter_map(|(has, copy)| has.then_some(copy));
        for (number, copy) in kinds.enumerate() {
            for offset in [0, 8, 40] {
                for len in (64..200).chain([4097, 4160, 8192 + 3]) {
                    let before: Vec<u8> = (0..offset + len + 64)
                        .map(|i| (i * 7 + i / 256) as u8)
                        .collect();
                    let mut shared = before.clone();
                    let mut out = vec![0; len + 1];
                    // SAFETY: `len` bytes are there behind `offset`; nobody else has either vector; the processor has what it takes.
                    unsafe { copy(out.as_mut_ptr(), shared.as_mut_ptr().add(offset), len) };
                    assert_eq!(
                        (&out[..len], out[len]),
                        (&before[offset..][..len], 0),
                        "{number}"
                    );
                    assert_eq!(shared, before, "{number}");
                }
            }
        }
    }
}
