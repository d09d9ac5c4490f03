//! What the processor is good at, as far as moving lines of memory between cores goes.
//!
//! Nothing here changes what is in memory: it decides how far ahead lines are asked for, by which instructions long
//! messages are copied, and whether consumers dirty the lines they have read. Each process decides for itself. The numbers
//! are measured, not derived; see "Prefetch", "Copies" and "Every line that was read is written" in ARCHITECTURE.md.

use crate::sync::AtomicU32;
use crate::sync::Ordering::Relaxed;

/// How messages of more than a few lines are copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LongCopy {
    /// By one `rep movsb`: it keeps more lines in flight than a loop of moves fits into the processor's window.
    OneString,
    /// By a loop of moves of 32 bytes.
    Vectors,
    /// By a loop of moves of 16 bytes.
    Pairs,
}

/// What the processor is good at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Habits {
    /// Whether asking for lines before they are written pays wherever it can be done. Where not, it pays for
    /// producers that exchange against a consumer that does not, and in broadcasts.
    pub(super) eager: bool,
    /// Whether consumers dirty the lines of what they have read, so that those travel whole to the next writer.
    pub(super) dirties: bool,
    /// See [`LongCopy`].
    #[cfg_attr(not(target_arch = "x86_64"), allow(dead_code))]
    pub(super) long_copy: LongCopy,
}

impl Habits {
    /// Whether copies are best made by moves of 32 bytes. The processor has AVX then.
    pub(super) fn wide(self) -> bool {
        self.long_copy == LongCopy::Vectors
    }
}

/// All that there are.
const ALL: [Habits; 3] = [
    // Measured on Intel; where nothing was measured it is as good a guess.
    Habits {
        eager: true,
        dirties: false,
        long_copy: LongCopy::OneString,
    },
    // AMD, with wide moves and without.
    Habits {
        eager: false,
        dirties: true,
        long_copy: LongCopy::Vectors,
    },
    Habits {
        eager: false,
        dirties: true,
        long_copy: LongCopy::Pairs,
    },
];

/// Slots and records of up to so many bytes are dirtied when they are handed back; payloads of more than [`DIRTIED_LATER`] bytes
/// by the copy that takes them out, for a second pass would cost too much.
pub(super) const MOST_DIRTIED_BYTES: u64 = 4160;
/// Every slot or record with a longer payload may be of more than [`MOST_DIRTIED_BYTES`]; with a shorter one, none is.
#[cfg_attr(not(target_arch = "x86_64"), allow(dead_code))]
pub(super) const DIRTIED_LATER: usize = MOST_DIRTIED_BYTES as usize - 64;

/// Those of this machine's processor.
#[inline]
pub(super) fn habits() -> Habits {
    /// One more than the number in `ALL`; 0 before anybody has asked. Several threads may ask at a time, and none waits for
    /// another: a child that is forked meanwhile would wait for ever.
    static KNOWN: AtomicU32 = AtomicU32::new(0);
    // Relaxed, both: the number is all there is to know.
    match KNOWN.load(Relaxed) {
        0 => {
            let number = number(&vendor(), has_avx());
            KNOWN.store(number as u32 + 1, Relaxed);
            ALL[number]
        }
        known => ALL[known as usize - 1],
    }
}

/// The number in `ALL` of the habits of a processor of `vendor`, as `cpuid` spells it.
fn number(vendor: &[u8; 12], avx: bool) -> usize {
    match vendor {
        b"AuthenticAMD" | b"HygonGenuine" if avx => 1,
        b"AuthenticAMD" | b"HygonGenuine" => 2,
        _ => 0,
    }
}

#[cfg(target_arch = "x86_64")]
fn vendor() -> [u8; 12] {
    let leaf = core::arch::x86_64::__cpuid(0);
    let mut vendor = [0; 12];
    for (part, word) in vendor
        .chunks_exact_mut(4)
        .zip([leaf.ebx, leaf.edx, leaf.ecx])
    {
        part.copy_from_slice(&word.to_le_bytes());
    }
    vendor
}

#[cfg(target_arch = "x86_64")]
fn has_avx() -> bool {
    std::arch::is_x86_feature_detected!("avx")
}

#[cfg(not(target_arch = "x86_64"))]
fn vendor() -> [u8; 12] {
    [0; 12]
}

#[cfg(not(target_arch = "x86_64"))]
fn has_avx() -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_processor_without_wide_moves_is_not_asked_for_them() {
        let copies = |vendor, avx| ALL[number(vendor, avx)].long_copy;
        assert_eq!(copies(b"AuthenticAMD", true), LongCopy::Vectors);
        assert_eq!(copies(b"AuthenticAMD", false), LongCopy::Pairs);
        assert_eq!(copies(b"GenuineIntel", false), LongCopy::OneString);
        assert_eq!(
            habits().long_copy == LongCopy::Vectors,
            has_avx() && !habits().eager
        );
    }
}
