//! Copying payload in and out of memory that a stranger may be writing at the same moment.
//!
//! No reference to shared payload is made and no ordinary load or store touches it, so a peer that breaks
//! the protocol makes values wrong, never behaviour undefined. Whole words go through relaxed atomics, which
//! the compiler turns into plain moves. On x86-64, pairs of words go through one 16-byte move in an assembly
//! block, which is outside the language's memory model, and long copies through one block as well.
//!
//! Why pairs: a value that was put together by 8-byte stores and is then moved on by 16-byte loads, as
//! compilers do, stalls the processor once per load (store forwarding fails). Pairs forward.

#[cfg(target_arch = "x86_64")]
use super::{blocks, bulk};
use crate::sync::{AtomicU64, Ordering::Relaxed};

/// Bytes of a word.
const WORD: usize = 8;
/// Bytes of a pair of words.
const PAIR: usize = 2 * WORD;
/// Bytes of a line.
const LINE: usize = 64;
/// Longer copies go by what the processor does best; see `bulk.rs`.
#[cfg(any(target_arch = "x86_64", test))]
pub(super) const BULK: usize = 512;

/// The shared word at `at`.
///
/// # Safety
/// * `at` is 8-aligned and lies with its 8 bytes in a mapping that outlives `'a`.
#[inline(always)]
unsafe fn word<'a>(at: *mut u8) -> &'a AtomicU64 {
    // SAFETY: aligned, mapped and alive by this function's contract; all bit patterns are valid, and every
    // Rust access to shared payload is through atomics of this size.
    unsafe { AtomicU64::from_ptr(at.cast()) }
}

/// The bytes `from..to` of a word, as a mask.
fn mask(from: usize, to: usize) -> u64 {
    let mut bytes = [0; WORD];
    bytes[from..to].fill(0xff);
    u64::from_ne_bytes(bytes)
}

/// Moves the whole pairs among the first 64 bytes, and gives how many bytes that was. Where the length is known to the
/// compiler nothing is left of the comparisons, and each place is part of its instruction.
macro_rules! first_pairs {
    ($pair:ident($dst:ident, $src:ident), $len:ident, $($at:literal)*) => {{
        let mut done = 0;
        $(if $at + PAIR <= $len {
            // SAFETY: so many bytes are inside both ranges, which are valid for `len` bytes by the caller's contract.
            unsafe { $pair::<$at>($dst, $src) };
            done = $at + PAIR;
        })*
        done
    }};
}

/// Copies `len` bytes from private memory into shared memory.
///
/// # Safety
/// * `dst` is 8-aligned, and `len` rounded up to 8 bytes from it lie in a live, writable mapping.
/// * `src` is valid for reads of `len` bytes.
#[inline(always)]
pub(super) unsafe fn copy_in(dst: *mut u8, src: *const u8, len: usize) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: both ranges are valid for `len` bytes, more than 64, by this function's contract.
    if len > BULK && unsafe { bulk::copy(dst, src, len, false) } {
        return;
    }
    #[cfg(target_arch = "x86_64")]
    // SAFETY: both ranges are valid for `len` bytes by this function's contract.
    if len > LINE && unsafe { blocks::copy(dst, src, len, false) } {
        return;
    }
    let mut at = first_pairs!(pair_in(dst, src), len, 0 16 32 48);
    while at + PAIR <= len {
        // SAFETY: `at + 16 <= len`, so both sixteen bytes are inside.
        unsafe { pair_in::<0>(dst.add(at), src.add(at)) };
        at += PAIR;
    }
    while at + WORD <= len {
        // SAFETY: `at + 8 <= len`, so both eight bytes are inside; `dst + at` is 8-aligned.
        unsafe { word(dst.add(at)).store(src.add(at).cast::<u64>().read_unaligned(), Relaxed) };
        at += WORD;
    }
    if at < len {
        let mut last = [0; WORD];
        // SAFETY: `len - at < 8` bytes are inside `src`, and fit into `last`.
        unsafe { core::ptr::copy_nonoverlapping(src.add(at), last.as_mut_ptr(), len - at) };
        // SAFETY: the word at `at` is inside `len` rounded up to 8.
        unsafe { word(dst.add(at)).store(u64::from_ne_bytes(last), Relaxed) };
    }
}

/// Copies `len` bytes from shared memory into private memory. Stores there are the compiler's own, so that a value
/// that is handed on need not be stored and copied once more. Bytes that are `owned`, the caller's until it gives them
/// away, may be dirtied.
///
/// # Safety
/// * `src` is 8-aligned, and `len` rounded up to 8 bytes from it lie in a live mapping; a writable one if they are `owned`,
///   and by the protocol nobody else writes them meanwhile.
/// * `dst` is valid for writes of `len` bytes.
#[inline(always)]
pub(super) unsafe fn copy_out(dst: *mut u8, src: *mut u8, len: usize, owned: bool) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: both ranges are valid for `len` bytes, more than 64, by this function's contract, which has the rest as well.
    if len > BULK && unsafe { bulk::copy(dst, src, len, owned) } {
        return;
    }
    let mut at = first_pairs!(pair_out(dst, src), len, 0 16 32 48);
    while at + PAIR <= len {
        // SAFETY: `at + 16 <= len`, so both sixteen bytes are inside.
        unsafe { pair_out::<0>(dst.add(at), src.add(at)) };
        at += PAIR;
    }
    while at + WORD <= len {
        // SAFETY: `at + 8 <= len`, so both eight bytes are inside; `src + at` is 8-aligned.
        unsafe {
            dst.add(at)
                .cast::<u64>()
                .write_unaligned(word(src.add(at)).load(Relaxed))
        };
        at += WORD;
    }
    if at < len {
        // SAFETY: the word at `at` is inside `len` rounded up to 8.
        let last = unsafe { word(src.add(at)).load(Relaxed) }.to_ne_bytes();
        // SAFETY: `len - at < 8` bytes are inside `dst` and inside `last`.
        unsafe { core::ptr::copy_nonoverlapping(last.as_ptr(), dst.add(at), len - at) };
    }
}

/// Like [`copy_in`], for lengths that differ from call to call, where what to do next is hard to guess; see
/// `blocks.rs`. By `wide` moves where that is best.
///
/// # Safety
/// As for [`copy_in`]; the processor has AVX if moves are `wide`.
#[inline(always)]
pub(super) unsafe fn copy_in_any(dst: *mut u8, src: *const u8, len: usize, wide: bool) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: both ranges are valid for `len` bytes by this function's contract, which has AVX as well.
    if unsafe { blocks::copy(dst, src, len, wide) } {
        return;
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = wide;
    // SAFETY: this function's contract is that of `copy_in`.
    unsafe { apart_in(dst, src, len) };
}

/// Like [`copy_out`], for lengths that differ from call to call; see [`copy_in_any`].
///
/// # Safety
/// As for [`copy_out`]; the processor has AVX if moves are `wide`.
#[inline(always)]
pub(super) unsafe fn copy_out_any(dst: *mut u8, src: *mut u8, len: usize, wide: bool, owned: bool) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: both ranges are valid for `len` bytes by this function's contract, which has AVX as well.
    if unsafe { blocks::copy(dst, src, len, wide) } {
        return;
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = wide;
    // SAFETY: this function's contract is that of `copy_out`.
    unsafe { apart_out(dst, src, len, owned) };
}

/// [`copy_in`] as a call: what is seldom needed must not take registers from what is.
///
/// # Safety
/// As for [`copy_in`].
#[inline(never)]
unsafe fn apart_in(dst: *mut u8, src: *const u8, len: usize) {
    // SAFETY: this function's contract is that of `copy_in`.
    unsafe { copy_in(dst, src, len) };
}

/// [`copy_out`] as a call.
///
/// # Safety
/// As for [`copy_out`].
#[inline(never)]
unsafe fn apart_out(dst: *mut u8, src: *mut u8, len: usize, owned: bool) {
    // SAFETY: this function's contract is that of `copy_out`.
    unsafe { copy_out(dst, src, len, owned) };
}

/// Stores zeroes over `len` bytes, a multiple of 8.
///
/// # Safety
/// * `dst` is 8-aligned, and `len` bytes from it lie in a live, writable mapping.
#[inline(always)]
pub(super) unsafe fn wipe(dst: *mut u8, len: usize) {
    #[cfg(target_arch = "x86_64")]
    {
        if len > BULK {
            // SAFETY: the range is writable by this function's contract.
            unsafe { bulk::wipe(dst, len) };
            return;
        }
        if blocks::LENGTHS.contains(&len) {
            // SAFETY: as above, and 8-aligned.
            unsafe { blocks::wipe(dst, len) };
            return;
        }
    }
    let mut at = 0;
    while at < len {
        // SAFETY: `at < len`, both multiples of 8, so the word is inside and aligned.
        unsafe { word(dst.add(at)).store(0, Relaxed) };
        at += WORD;
    }
}

/// Stores the first word of every line from `at` on, `lines` of them, where it lies already. No byte changes, but the
/// lines are this core's own then, and travel whole to whoever writes them next.
///
/// # Safety
/// * `at` is 8-aligned, and `64 * lines - 56` bytes from it lie in a live, writable mapping.
/// * By the protocol nobody else writes the words meanwhile.
#[inline(always)]
pub(super) unsafe fn dirty(at: *mut u8, lines: usize) {
    #[cfg(target_arch = "x86_64")]
    if lines > 0 {
        // SAFETY: this function's contract, and at least one line.
        unsafe { blocks::dirty(at, lines) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    for i in 0..lines {
        // SAFETY: in the mapping and aligned by this function's contract.
        let word = unsafe { word(at.add(i * LINE)) };
        // Relaxed, both: nothing is told by it. That nobody writes in between is the caller's, and ordered by what made the
        // words the caller's and by what will give them away.
        word.store(word.load(Relaxed), Relaxed);
    }
}

/// Copies `src` to `offset` bytes behind `dst`, leaving the bytes around it as they are.
///
/// # Safety
/// * `dst` is 8-aligned, and `offset + src.len()` rounded up to 8 bytes from it lie in a live, writable
///   mapping that nobody else writes by the protocol.
pub(super) unsafe fn copy_in_at(dst: *mut u8, offset: usize, src: &[u8]) {
    let mut at = offset;
    let mut rest = src;
    while !rest.is_empty() {
        let inside = at % WORD;
        if inside == 0 && rest.len() >= WORD {
            let whole = rest.len() / WORD * WORD;
            // SAFETY: `at` is a multiple of 8 and `whole` bytes from it are inside by the contract.
            unsafe { copy_in(dst.add(at), rest.as_ptr(), whole) };
            at += whole;
            rest = &rest[whole..];
            continue;
        }
        let n = rest.len().min(WORD - inside);
        let mut new = [0; WORD];
        new[inside..inside + n].copy_from_slice(&rest[..n]);
        // SAFETY: the word that holds `at` is inside by the contract, and aligned because `dst` is.
        let shared = unsafe { word(dst.add(at - inside)) };
        let kept = shared.load(Relaxed) & !mask(inside, inside + n);
        shared.store(kept | u64::from_ne_bytes(new), Relaxed);
        at += n;
        rest = &rest[n..];
    }
}

/// Copies from `offset` bytes behind `src` into `dst`.
///
/// # Safety
/// * `src` is 8-aligned, and `offset + dst.len()` rounded up to 8 bytes from it lie in a live mapping.
pub(super) unsafe fn copy_out_at(dst: &mut [u8], src: *mut u8, offset: usize) {
    let inside = offset % WORD;
    let mut done = 0;
    if inside != 0 {
        // SAFETY: the word that holds `offset` is inside by the contract, and aligned because `src` is.
        let bytes = unsafe { word(src.add(offset - inside)).load(Relaxed) }.to_ne_bytes();
        done = dst.len().min(WORD - inside);
        dst[..done].copy_from_slice(&bytes[inside..inside + done]);
    }
    // SAFETY: `offset + done` is a multiple of 8 unless nothing is left; the rest of `dst` is inside by the
    // contract.
    unsafe {
        copy_out(
            dst.as_mut_ptr().add(done),
            src.add(offset + done),
            dst.len() - done,
            false,
        )
    };
}

/// Copies the 16 bytes at `AT` from private into shared memory.
///
/// # Safety
/// * At `AT`, `src` is valid for reads of 16 bytes; the 16 bytes there at `dst`, which need not be aligned, lie in a
///   live, writable mapping.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
unsafe fn pair_in<const AT: usize>(dst: *mut u8, src: *const u8) {
    use core::arch::x86_64::{__m128i, _mm_loadu_si128};
    // SAFETY: 16 readable private bytes; SSE2 is part of x86-64.
    let pair: __m128i = unsafe { _mm_loadu_si128(src.add(AT).cast()) };
    // SAFETY: writes exactly the 16 bytes of the contract; `movups` needs no alignment.
    unsafe {
        core::arch::asm!(
            "movups [{dst} + {at}], {pair}",
            dst = in(reg) dst,
            at = const AT,
            pair = in(xmm_reg) pair,
            options(nostack, preserves_flags)
        )
    };
}

/// Copies the 16 bytes at `AT` from shared into private memory.
///
/// # Safety
/// * The 16 bytes there at `src`, which need not be aligned, lie in a live mapping; at `AT`, `dst` is valid for writes
///   of 16 bytes.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
unsafe fn pair_out<const AT: usize>(dst: *mut u8, src: *mut u8) {
    use core::arch::x86_64::{__m128i, _mm_storeu_si128};
    let pair: __m128i;
    // SAFETY: reads exactly the 16 bytes of the contract; `movups` needs no alignment.
    unsafe {
        core::arch::asm!(
            "movups {pair}, [{src} + {at}]",
            src = in(reg) src,
            at = const AT,
            pair = lateout(xmm_reg) pair,
            options(nostack, preserves_flags, readonly)
        )
    };
    // SAFETY: 16 writable private bytes.
    unsafe { _mm_storeu_si128(dst.add(AT).cast(), pair) };
}

/// Copies the 16 bytes at `AT` from private into shared memory, as two words.
///
/// # Safety
/// * At `AT`, `src` is valid for reads of 16 bytes; the 16 bytes there at `dst`, which are 8-aligned, lie in a live,
///   writable mapping.
#[cfg(not(target_arch = "x86_64"))]
#[inline(always)]
unsafe fn pair_in<const AT: usize>(dst: *mut u8, src: *const u8) {
    for at in [AT, AT + WORD] {
        // SAFETY: both words are inside by the contract.
        unsafe { word(dst.add(at)).store(src.add(at).cast::<u64>().read_unaligned(), Relaxed) };
    }
}

/// Copies the 16 bytes at `AT` from shared into private memory, as two words.
///
/// # Safety
/// * The 16 bytes there at `src`, which are 8-aligned, lie in a live mapping; at `AT`, `dst` is valid for writes of 16
///   bytes.
#[cfg(not(target_arch = "x86_64"))]
#[inline(always)]
unsafe fn pair_out<const AT: usize>(dst: *mut u8, src: *mut u8) {
    for at in [AT, AT + WORD] {
        // SAFETY: both words are inside by the contract.
        unsafe {
            dst.add(at)
                .cast::<u64>()
                .write_unaligned(word(src.add(at)).load(Relaxed))
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Shared memory for a test: 8-aligned words.
    fn words(n: usize) -> Vec<u64> {
        vec![0x5555_5555_5555_5555; n]
    }

    #[test]
    fn what_goes_in_comes_out_at_every_length() {
        for len in (0..BULK + 2).chain([4096]) {
            let data: Vec<u8> = (0..len).map(|i| (i * 7 + 1) as u8).collect();
            let mut shared = words(len / 8 + 2);
            let mut out = vec![0; len];
            let base = shared.as_mut_ptr().cast::<u8>();
            // SAFETY: `shared` has room for `len` rounded up, and is 8-aligned.
            unsafe { copy_in(base, data.as_ptr(), len) };
            // SAFETY: as above; `out` has `len` bytes.
            unsafe { copy_out(out.as_mut_ptr(), base, len, false) };
            assert_eq!(out, data);
            assert_eq!(
                shared[len.div_ceil(8)],
                0x5555_5555_5555_5555,
                "wrote past the end"
            );
        }
    }

    #[test]
    fn a_partial_copy_leaves_its_surroundings_alone_at_every_offset() {
        for offset in 0..20 {
            for len in 0..30 {
                let data: Vec<u8> = (0..len).map(|i| i as u8 + 1).collect();
                let mut shared = words(8);
                let base = shared.as_mut_ptr().cast::<u8>();
                // SAFETY: `offset + len < 64`.
                unsafe { copy_in_at(base, offset, &data) };
                let mut out = vec![0; len];
                // SAFETY: as above.
                unsafe { copy_out_at(&mut out, base, offset) };
                assert_eq!(out, data);
                let bytes: Vec<u8> = shared.iter().flat_map(|w| w.to_ne_bytes()).collect();
                assert!(bytes[..offset].iter().all(|b| *b == 0x55));
                assert!(bytes[offset + len..].iter().all(|b| *b == 0x55));
            }
        }
    }

    #[test]
    fn copies_of_any_length_are_the_same_bytes_and_touch_no_others() {
        #[cfg(target_arch = "x86_64")]
        let wide = [false, std::arch::is_x86_feature_detected!("avx")];
        #[cfg(not(target_arch = "x86_64"))]
        let wide = [false, false];
        let lens = (0..BULK + 2).chain([4096, 4097, 10_000]);
        for (len, wide) in lens.flat_map(|len| wide.map(|wide| (len, wide))) {
            let data: Vec<u8> = (0..len).map(|i| (i * 11 + 3) as u8).collect();
            let mut shared = words(len / 8 + 2);
            let mut out = vec![0; len + 1];
            let base = shared.as_mut_ptr().cast::<u8>();
            // SAFETY: `shared` has room for `len` rounded up, and is 8-aligned.
            unsafe { copy_in_any(base, data.as_ptr(), len, wide) };
            // SAFETY: as above; `out` has more than `len` bytes.
            unsafe { copy_out_any(out.as_mut_ptr(), base, len, wide, true) };
            assert_eq!((&out[..len], out[len]), (&data[..], 0));
            let bytes: Vec<u8> = shared.iter().flat_map(|w| w.to_ne_bytes()).collect();
            assert_eq!(bytes[..len], data[..], "what was read has changed");
            assert_eq!(shared[len.div_ceil(8)], 0x5555_5555_5555_5555);
        }
    }

    #[test]
    fn lines_that_are_made_dirty_keep_every_byte() {
        let before: Vec<u64> = (0..8 * 5).map(|i| i * 0x0101_0101_0101_0101).collect();
        for lines in 0..=5 {
            let mut shared = before.clone();
            // SAFETY: so many lines are there.
            unsafe { dirty(shared.as_mut_ptr().cast(), lines) };
            assert_eq!(shared, before);
        }
    }

    #[test]
    fn a_wipe_stores_zeroes_and_touches_no_others() {
        for n in (0..BULK / 8 + 2).chain([1000]) {
            let mut shared = words(n + 1);
            // SAFETY: `n` words are there.
            unsafe { wipe(shared.as_mut_ptr().cast(), n * 8) };
            assert!(shared[..n].iter().all(|w| *w == 0));
            assert_eq!(shared[n], 0x5555_5555_5555_5555);
        }
    }
}
