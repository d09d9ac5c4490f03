//! What the processor is good at, as far as moving lines of memory between cores goes.
//!
//! Nothing here changes what is in memory: it decides how far ahead lines are asked for, by which instructions long
//! messages are copied, and whether consumers dirty the lines they have read. Each process decides for itself. The numbers
//! are measured, not derived; see "Prefetch", "Copies" and "Every line that was read is written" in ARCHITECTURE.md.

use crate::sync::AtomicU32;
use crate::sync::Ordering::Relaxed;

/// By what moves messages of more than a few lines are copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moves {
    /// Of 16 bytes.
    Pairs,
    /// Of 32 bytes.
    Vectors,
    /// Of 64 bytes.
    Lines,
}

/// What the processor is good at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Habits {
    /// Whether asking for lines before they are written pays wherever it can be done. Where not, it pays for
    /// producers that exchange against a consumer that does not, and in broadcasts.
    pub(super) eager: bool,
    /// Whether consumers dirty the lines of what they have read, so that those travel whole to the next writer.
    pub(super) dirties: bool,
    /// Whether records of a few lines are copied by moves of 32 bytes. The processor has AVX then.
    pub(super) wide: bool,
    /// See [`Moves`].
    #[cfg_attr(not(target_arch = "x86_64"), allow(dead_code))]
    pub(super) moves: Moves,
    /// What is of so many bytes and more is copied by one `rep movsb`: it keeps more lines in flight than a loop of moves fits
    /// into the processor's window.
    #[cfg_attr(not(target_arch = "x86_64"), allow(dead_code))]
    pub(super) string_from: usize,
}

/// Measured on Intel; for those of whom nothing is known it is as good a guess.
const INTEL: Habits = Habits {
    eager: true,
    dirties: false,
    wide: false,
    moves: Moves::Pairs,
    string_from: 0,
};

const AMD: Habits = Habits {
    eager: false,
    dirties: true,
    wide: false,
    moves: Moves::Pairs,
    string_from: usize::MAX,
};

/// All that there are: three of Intel, without AVX, with it, and with as much of AVX-512 as only those have who do not slow down
/// for it; then two of AMD, without AVX and with it.
const ALL: [Habits; 5] = [
    INTEL,
    Habits {
        moves: Moves::Vectors,
        string_from: 2048,
        ..INTEL
    },
    Habits {
        moves: Moves::Lines,
        string_from: 8192,
        ..INTEL
    },
    AMD,
    Habits {
        wide: true,
        moves: Moves::Vectors,
        ..AMD
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
            let number = number(&vendor(), widest());
            KNOWN.store(number as u32 + 1, Relaxed);
            ALL[number]
        }
        known => ALL[known as usize - 1],
    }
}

/// The number in `ALL` of the habits of a processor of `vendor`, as `cpuid` spells it, which can make such moves.
fn number(vendor: &[u8; 12], widest: Moves) -> usize {
    match (vendor, widest) {
        (b"AuthenticAMD" | b"HygonGenuine", Moves::Pairs) => 3,
        (b"AuthenticAMD" | b"HygonGenuine", _) => 4,
        (_, Moves::Pairs) => 0,
        (_, Moves::Vectors) => 1,
        (_, Moves::Lines) => 2,
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

/// The widest moves that it can make without slowing down: the first processors with AVX-512 lowered their clock for it, and
/// had no VBMI yet.
#[cfg(target_arch = "x86_64")]
fn widest() -> Moves {
    if std::arch::is_x86_feature_detected!("avx512f")
        && std::arch::is_x86_feature_detected!("avx512vbmi")
    {
        Moves::Lines
    } else if std::arch::is_x86_feature_detected!("avx") {
        Moves::Vectors
    } else {
        Moves::Pairs
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn vendor() -> [u8; 12] {
    [0; 12]
}

#[cfg(not(target_arch = "x86_64"))]
fn widest() -> Moves {
    Moves::Pairs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_processor_without_wide_moves_is_not_asked_for_them() {
        let order = [Moves::Pairs, Moves::Vectors, Moves::Lines];
        let rank = |moves| order.iter().position(|&one| one == moves);
        for vendor in [
            b"AuthenticAMD",
            b"HygonGenuine",
            b"GenuineIntel",
            b"anybody else",
        ] {
            for widest in order {
                let habits = ALL[number(vendor, widest)];
                assert!(rank(habits.moves) <= rank(widest));
                assert!(!habits.wide || widest != Moves::Pairs);
            }
        }
        assert!(rank(habits().moves) <= rank(widest()));
        for (widest, moves) in [
            (Moves::Pairs, Moves::Pairs),
            (Moves::Vectors, Moves::Vectors),
            (Moves::Lines, Moves::Vectors),
        ] {
            let amd = ALL[number(b"AuthenticAMD", widest)];
            assert_eq!((amd.moves, amd.string_from), (moves, usize::MAX));
            assert!(amd.dirties && amd.wide == (moves == Moves::Vectors));
        }
    }
}
