//! Random numbers from the kernel, for names and identities that must not repeat or be guessed.
//! Never falls back to a weaker source.

use crate::error::OsError;

/// 64 random bits. May block once, early at boot, until the kernel has enough entropy.
pub(crate) fn u64() -> Result<u64, OsError> {
    let mut bytes = [0u8; 8];
    // SAFETY: the buffer is live and eight bytes long. The kernel never returns fewer bytes for
    // requests of up to 256, so success fills it.
    super::retry(|| unsafe { libc::getrandom(bytes.as_mut_ptr().cast(), bytes.len(), 0) })
        .map(|_| u64::from_ne_bytes(bytes))
        .map_err(|e| OsError::new("getrandom", "the kernel's random source", e))
}

#[cfg(test)]
mod tests {
    #[test]
    fn random_numbers_differ() {
        let all: std::collections::HashSet<u64> = (0..100).map(|_| super::u64().unwrap()).collect();
        assert_eq!(all.len(), 100);
    }
}
