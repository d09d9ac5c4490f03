//! What the processor is good at, as far as moving lines of memory between cores goes.
//!
//! Nothing here changes what is in memory: it decides how far ahead lines are asked for, and by which instructions long
//! messages are copied. Each process decides for itself. The numbers are measured, not derived; see "Prefetch" and
//! "Copies" in ARCHITECTURE.md.

use std::sync::OnceLock;

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
    /// See [`LongCopy`].
    #[cfg_attr(not(target_arch = "x86_64"), allow(dead_code))]
    pub(super) long_copy: LongCopy,
}

/// Those of this machine's processor.
#[inline]
pub(super) fn habits() -> Habits {
    static HABITS: OnceLock<Habits> = OnceLock::new();
    *HABITS.get_or_init(|| Habits::of(&vendor(), has_avx()))
}

impl Habits {
    /// Those of a processor of `vendor`, as `cpuid` spells it.
    fn of(vendor: &[u8; 12], avx: bool) -> Self {
        match vendor {
            b"AuthenticAMD" | b"HygonGenuine" => Self {
                eager: false,
                long_copy: if avx {
                    LongCopy::Vectors
                } else {
                    LongCopy::Pairs
                },
            },
            // Measured on Intel; where nothing was measured it is as good a guess.
            _ => Self {
                eager: true,
                long_copy: LongCopy::OneString,
            },
        }
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
        let copies = |vendor, avx| Habits::of(vendor, avx).long_copy;
        assert_eq!(copies(b"AuthenticAMD", true), LongCopy::Vectors);
        assert_eq!(copies(b"AuthenticAMD", false), LongCopy::Pairs);
        assert_eq!(copies(b"GenuineIntel", false), LongCopy::OneString);
        assert_eq!(
            habits().long_copy == LongCopy::Vectors,
            has_avx() && !habits().eager
        );
    }
}
