//! A mapping that lives as long as anybody holds it, whatever kind it is.

use crate::os::mmap::Mapping;
use crate::os::process::{self, Stamp};
use crate::os::sysv_shm::SysvMapping;

/// Mapped memory. Unmapped when dropped by the process that mapped it.
///
/// A forked child that drops its copy leaves the addresses alone: rings are not inherited unless asked for,
/// so something else may lie there by then.
#[derive(Debug)]
pub(crate) struct Memory {
    /// Taken out in `drop` only.
    map: Option<Map>,
    /// Who mapped it.
    process: Stamp,
}

/// The two ways to get memory.
#[derive(Debug)]
enum Map {
    Mapped(Mapping),
    Attached(SysvMapping),
}

impl Memory {
    /// Mapped by descriptor.
    pub(crate) fn mapped(mapping: Mapping) -> Self {
        Self {
            map: Some(Map::Mapped(mapping)),
            process: process::stamp(),
        }
    }

    /// Attached by System V id.
    pub(crate) fn attached(mapping: SysvMapping) -> Self {
        Self {
            map: Some(Map::Attached(mapping)),
            process: process::stamp(),
        }
    }

    /// The first byte; page-aligned.
    pub(crate) fn as_ptr(&self) -> *mut u8 {
        match &self.map {
            Some(Map::Mapped(map)) => map.as_ptr(),
            Some(Map::Attached(map)) => map.as_ptr(),
            None => std::ptr::null_mut(),
        }
    }

    /// Size in bytes.
    pub(crate) fn len(&self) -> usize {
        match &self.map {
            Some(Map::Mapped(map)) => map.len(),
            Some(Map::Attached(map)) => map.len(),
            None => 0,
        }
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        if self.process != process::stamp() {
            std::mem::forget(self.map.take());
        }
    }
}
