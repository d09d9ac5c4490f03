//! A mapping that lives as long as anybody holds it, whatever kind it is.

use crate::os::mmap::Mapping;
use crate::os::sysv_shm::SysvMapping;

/// Mapped memory. Unmapped when dropped.
#[derive(Debug)]
pub(crate) enum Memory {
    /// Mapped by descriptor.
    Mapped(Mapping),
    /// Attached by System V id.
    Attached(SysvMapping),
}

impl Memory {
    /// The first byte; page-aligned.
    pub(crate) fn as_ptr(&self) -> *mut u8 {
        match self {
            Self::Mapped(m) => m.as_ptr(),
            Self::Attached(m) => m.as_ptr(),
        }
    }

    /// Size in bytes.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Mapped(m) => m.len(),
            Self::Attached(m) => m.len(),
        }
    }
}
