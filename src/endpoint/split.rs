//! Broadcasts made of two objects, so that the kernel keeps readers from writing messages: what options and rings
//! say about them. The work is done in `segment`.

use super::kind::BroadcastKind;
use super::options::Options;
use super::ring::Ring;
use crate::error::OpenError;
use crate::segment::{self, Place};
use std::os::fd::{BorrowedFd, OwnedFd};

impl<K: BroadcastKind> Options<K> {
    /// Whether the kernel shall keep readers from writing messages. Default: no; then whoever can open the ring
    /// can write all of it. Used when the ring is made; an existing ring is used as it is, see
    /// [`Ring::readers_are_read_only`].
    ///
    /// The messages then are an object of their own, which everybody but the producer maps for reading alone.
    /// Readers still write the other object: their cursors are there.
    ///
    /// | backing | who can write messages | how a reader gets at them |
    /// |---|---|---|
    /// | `PosixShm`, `File` | the ring's owner: the data file, `annulus.<instance>.data` beside the ring, has the ring's mode without the write bits of group and others | by the ring's name |
    /// | `Memfd` | the process that made the ring, nobody else | by two descriptors, see [`open_descriptors`](Options::open_descriptors) |
    /// | `SysV`, `Anon` | - | refused |
    ///
    /// A process of the owner's own, or a privileged one, can open a data file for writing whenever it likes; what
    /// protects against it is a memfd. A memfd ring's producer has no successor in another process.
    pub fn read_only_readers(mut self, yes: bool) -> Self {
        self.split = yes;
        self
    }

    /// Opens a ring with read-only readers behind two descriptors, as handed over by the creator of a memfd ring:
    /// [`Ring::descriptor`] and [`Ring::data_descriptor`]. The name of these options is for messages only.
    ///
    /// # Errors
    /// As [`open_descriptor`](Options::open_descriptor); [`OpenError::Mismatch`] if `data` is not the data of that
    /// ring, or not sealed against shrinking and writing.
    pub fn open_descriptors(&self, control: OwnedFd, data: OwnedFd) -> Result<Ring<K>, OpenError> {
        let place = Place::Memfd(self.name.clone());
        segment::open_descriptors(control, data, place, &self.expect()).map(Ring::new)
    }
}

impl<K: BroadcastKind> Ring<K> {
    /// Whether the kernel keeps readers from writing messages
    /// ([`Options::read_only_readers`]).
    pub fn readers_are_read_only(&self) -> bool {
        self.segment.data.is_some()
    }

    /// The descriptor of the messages' memory, open for reading alone, to be handed to another process together
    /// with [`Ring::descriptor`]. `None` if readers are not read-only.
    pub fn data_descriptor(&self) -> Option<BorrowedFd<'_>> {
        let object = self.segment.data.as_ref()?;
        Some(object.descriptor())
    }
}
