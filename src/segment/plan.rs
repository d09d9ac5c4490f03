//! What a new ring is to be like, and what it costs.

use super::{HugePages, Place};
use crate::error::{CreateError, OsError};
use crate::layout::geometry::Geometry;
use crate::layout::header;
use std::io::ErrorKind;

/// Size of a huge page.
const HUGE: u64 = 2 << 20;

/// Everything that decides what a new ring is like.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) geometry: Geometry,
    pub(crate) type_fingerprint: u64,
    pub(crate) schema: u64,
    /// One of `header::PARKING_*`.
    pub(crate) parking: u32,
    /// One of `header::WAIT_*`.
    pub(crate) wait_backend: u32,
    pub(crate) start_position: u64,
    /// Permission bits, exact whatever the umask.
    pub(crate) mode: u32,
    pub(crate) uid: Option<u32>,
    pub(crate) gid: Option<u32>,
    pub(crate) prefault: bool,
    pub(crate) lock: bool,
    pub(crate) huge_pages: HugePages,
    pub(crate) numa_node: Option<u32>,
    /// Whether the data is an object of its own, which readers cannot write.
    pub(crate) split: bool,
    /// Whether what consumers that died had in hand is to be dropped.
    pub(crate) drops: bool,
}

impl Plan {
    /// So many bytes as the kernel is asked for them.
    fn rounded(&self, bytes: u64) -> u64 {
        match self.huge_pages {
            HugePages::No => bytes,
            HugePages::Try | HugePages::HugeTlb => bytes.next_multiple_of(HUGE),
        }
    }

    /// Bytes of the segment; of a ring of two objects, of the one without the data, which needs few pages.
    pub(super) fn segment_bytes(&self) -> u64 {
        match self.geometry.split {
            true => self.geometry.used_bytes,
            false => self.rounded(self.geometry.used_bytes),
        }
    }

    /// Bytes of the data object, if there is to be one.
    pub(super) fn data_bytes(&self) -> Option<u64> {
        let geometry = &self.geometry;
        geometry
            .split
            .then(|| self.rounded(geometry.data_object_bytes()))
    }

    /// The same for a ring of two objects, if it is to be one and can be.
    pub(super) fn split_at(&self, place: &Place) -> Result<Self, CreateError> {
        let mut plan = self.clone();
        if !plan.split {
            return Ok(plan);
        }
        let option = "read-only readers";
        let rule = match place {
            _ if plan.geometry.kind != header::KIND_BROADCAST => "off but in a broadcast",
            Place::Key { .. } => "off in System V memory, which has no modes for parts of a ring",
            Place::Anon(_) => "off in anonymous memory, which is inherited as it is",
            Place::Path { .. } | Place::Memfd(_) => {
                plan.geometry = plan.geometry.split();
                return Ok(plan);
            }
        };
        Err(CreateError::InvalidOption {
            option,
            rule: rule.to_owned(),
        })
    }

    /// Sorts a failure: lack of space is its own kind, and so is a name that is taken.
    pub(super) fn failed(&self, place: &Place, cause: OsError) -> CreateError {
        match cause.source.kind() {
            ErrorKind::AlreadyExists => CreateError::Exists {
                name: place.to_string(),
            },
            // EFBIG, ENOMEM: the file system or the kernel cannot hold that much.
            ErrorKind::StorageFull
            | ErrorKind::QuotaExceeded
            | ErrorKind::FileTooLarge
            | ErrorKind::OutOfMemory => CreateError::NoSpace {
                wanted_bytes: self.segment_bytes() + self.data_bytes().unwrap_or(0),
                cause,
            },
            _ => CreateError::Os(cause),
        }
    }
}
