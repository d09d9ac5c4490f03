//! A mapping that lives as long as anybody holds it, whatever kind it is.

use crate::os::mmap::Mapping;
use crate::os::process::{self, Stamp};
use crate::os::ranges::{self, Range};
use crate::os::sysv_shm::SysvMapping;

/// Mapped memory. Unmapped when dropped by the process that mapped it.
///
/// A forked child that drops its copy leaves the addresses alone: rings are not inherited unless asked for,
/// so something else may lie there by then.
#[derive(Debug)]
pub(crate) struct Memory {
    /// Taken out in `drop` only.
    map: Option<Map>,
    /// What the guard knows it by. A System V segment cannot lose memory, so it is not known.
    range: Option<Range>,
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
        let range = ranges::enter(mapping.as_ptr(), mapping.len(), mapping.is_writable());
        Self {
            map: Some(Map::Mapped(mapping)),
            range: Some(range),
            process: process::stamp(),
        }
    }

    /// Attached by System V id.
    pub(crate) fn attached(mapping: SysvMapping) -> Self {
        Self {
            map: Some(Map::Attached(mapping)),
            range: None,
            process: process::stamp(),
        }
    }

    /// The number by which [`ranges`] knows the ring that this is memory of; 0 for none.
    pub(crate) fn ring(&self) -> u64 {
        self.range.as_ref().map_or(0, Range::ring)
    }

    /// This is memory of the same ring as `other`.
    pub(crate) fn joins(&self, other: &Memory) {
        if let Some(range) = &self.range {
            range.belongs_to(other.ring());
        }
    }

    /// Children made by fork have it as well.
    pub(crate) fn is_inherited(&self) {
        if let Some(range) = &self.range {
            range.is_inherited();
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
        self.range = None;
        if self.process != process::stamp() {
            std::mem::forget(self.map.take());
        }
    }
}
