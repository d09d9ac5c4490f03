//! A ring as a process holds it: mapped and checked, but neither producing nor consuming yet.

use super::broadcast::{Join, JoinError, Reader, RecordReader};
use super::kind::{
    Broadcast, BroadcastRecords, Kind, Mpmc, Mpsc, RecordKind, RecordQueue, SlotKind, Spmc, Spsc,
};
use super::records::{RecordConsumer, RecordProducer};
use super::repair::{self, Repaired};
use super::shared::{SharedConsumer, SharedProducer};
use super::slots::{Consumer, Producer};
use super::typed::{Element, Untrusted};
use crate::control::snapshot::{self, Status};
use crate::error::{EndpointError, OpenError, OsError, RepairError};
use crate::os::ranges;
use crate::segment::{self, Backing, Data, Pages, Segment, Tokens, View};
use std::marker::PhantomData;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;

/// A mapped ring of kind `K`. Dropping it unmaps it once its endpoints are gone; the ring itself stays until it is
/// [unlinked](Ring::unlink).
#[derive(Debug)]
pub struct Ring<K> {
    pub(super) segment: Arc<Segment>,
    kind: PhantomData<fn(K)>,
}

impl<K> Clone for Ring<K> {
    fn clone(&self) -> Self {
        Self {
            segment: Arc::clone(&self.segment),
            kind: PhantomData,
        }
    }
}

impl<T: Element + ?Sized> Ring<Spsc<T>> {
    /// Takes the producing end.
    ///
    /// If the last producer died, this one resumes right behind the last message it committed.
    ///
    /// # Errors
    /// [`EndpointError::Occupied`] while a living endpoint holds this end; [`EndpointError::Closed`] after
    /// either side has closed the ring.
    pub fn producer(&self) -> Result<Producer<T>, EndpointError> {
        Producer::attach(&self.segment, self.view())
    }

    /// Takes the consuming end.
    ///
    /// If the last consumer died, this one resumes with the message that was in its hands, which is thus
    /// delivered again ([`Consumer::predecessor`] tells).
    ///
    /// # Errors
    /// [`EndpointError::Occupied`] while a living endpoint holds this end; [`EndpointError::Closed`] after
    /// the consumer has closed the ring.
    pub fn consumer(&self) -> Result<Consumer<T>, EndpointError> {
        Consumer::attach(&self.segment, self.view())
    }
}

impl<T: Element + ?Sized> Ring<Mpsc<T>> {
    /// Takes one of the producing ends.
    ///
    /// # Errors
    /// [`EndpointError::NoPlace`] if there is none left; [`EndpointError::Closed`] after either side has closed the
    /// ring.
    pub fn producer(&self) -> Result<SharedProducer<T>, EndpointError> {
        SharedProducer::attach(&self.segment, self.view())
    }

    /// Takes the consuming end.
    ///
    /// If the last consumer died, this one resumes with the message that was in its hands, which is thus
    /// delivered again ([`Consumer::predecessor`] tells).
    ///
    /// # Errors
    /// [`EndpointError::Occupied`] while a living endpoint holds this end; [`EndpointError::Closed`] after
    /// the consumer has closed the ring.
    pub fn consumer(&self) -> Result<Consumer<T>, EndpointError> {
        Consumer::attach(&self.segment, self.view())
    }
}

impl<T: Element + ?Sized> Ring<Spmc<T>> {
    /// Takes the producing end.
    ///
    /// If the last producer died, this one resumes right behind the last message it committed.
    ///
    /// # Errors
    /// [`EndpointError::Occupied`] while a living endpoint holds this end; [`EndpointError::Closed`] after
    /// either side has closed the ring.
    pub fn producer(&self) -> Result<Producer<T, Untrusted, Spmc<T>>, EndpointError> {
        Producer::attach(&self.segment, self.view())
    }

    /// Takes one of the consuming ends.
    ///
    /// # Errors
    /// [`EndpointError::NoPlace`] if there is none left.
    pub fn consumer(&self) -> Result<SharedConsumer<T>, EndpointError> {
        SharedConsumer::attach(&self.segment, self.view())
    }
}

impl<T: Element + ?Sized> Ring<Mpmc<T>> {
    /// Takes one of the producing ends.
    ///
    /// # Errors
    /// [`EndpointError::NoPlace`] if there is none left; [`EndpointError::Closed`] after either side has closed the
    /// ring.
    pub fn producer(&self) -> Result<SharedProducer<T>, EndpointError> {
        SharedProducer::attach(&self.segment, self.view())
    }

    /// Takes one of the consuming ends.
    ///
    /// # Errors
    /// As for [`Spmc`].
    pub fn consumer(&self) -> Result<SharedConsumer<T>, EndpointError> {
        SharedConsumer::attach(&self.segment, self.view())
    }
}

impl<T: Element + ?Sized> Ring<Broadcast<T>> {
    /// Takes the producing end.
    ///
    /// If the last producer died, this one resumes right behind the last message it committed.
    ///
    /// # Errors
    /// [`EndpointError::Occupied`] while a living endpoint holds this end; [`EndpointError::Closed`] after
    /// either side has closed the ring; [`EndpointError::Os`] if the kernel does not let this
    /// process write the messages ([`Options::read_only_readers`](crate::Options::read_only_readers)).
    pub fn producer(&self) -> Result<Producer<T, Untrusted, Broadcast<T>>, EndpointError> {
        Producer::attach(&self.segment, self.segment.view_for_writing()?)
    }

    /// Takes a reading end that begins at `join`. It is lossy: the producer does not wait for it.
    ///
    /// # Errors
    /// [`JoinError::Gone`] if `join` names a position that is not there; [`EndpointError::NoPlace`] if no place is left.
    pub fn reader(&self, join: Join) -> Result<Reader<T>, JoinError> {
        Reader::attach(&self.segment, self.view(), join, false)
    }

    /// Takes a reading end that begins at `join`. It is lossless: the producer waits for it, or as
    /// [`Laggards`](crate::Laggards) says.
    ///
    /// # Errors
    /// As [`reader`](Ring::reader).
    pub fn lossless_reader(&self, join: Join) -> Result<Reader<T>, JoinError> {
        Reader::attach(&self.segment, self.view(), join, true)
    }
}

impl<K: SlotKind> Ring<K> {
    /// Slots of the ring.
    pub fn capacity(&self) -> u64 {
        self.segment.checked.geometry.capacity
    }

    /// Size of a message in bytes.
    pub fn slot_size(&self) -> usize {
        self.segment.checked.geometry.payload_bytes as usize
    }
}

impl Ring<BroadcastRecords> {
    /// Takes a reading end that begins at `join`. It is lossy: the producer does not wait for it.
    ///
    /// # Errors
    /// [`JoinError::Gone`] if `join` names a position at which no record begins; [`EndpointError::NoPlace`] if no place
    /// is left.
    pub fn reader(&self, join: Join) -> Result<RecordReader, JoinError> {
        RecordReader::attach(&self.segment, self.view(), join, false)
    }

    /// Takes a reading end that begins at `join`. It is lossless: the producer waits for it, or as
    /// [`Laggards`](crate::Laggards) says.
    ///
    /// # Errors
    /// As [`reader`](Ring::reader).
    pub fn lossless_reader(&self, join: Join) -> Result<RecordReader, JoinError> {
        RecordReader::attach(&self.segment, self.view(), join, true)
    }
}

impl<K: RecordQueue> Ring<K> {
    /// Takes the consuming end.
    ///
    /// If the last consumer died, this one resumes with the record that was in its hands, which is thus
    /// delivered again ([`RecordConsumer::predecessor`] tells).
    ///
    /// # Errors
    /// [`EndpointError::Occupied`] while a living endpoint holds this end; [`EndpointError::Closed`] after
    /// the consumer has closed the ring.
    pub fn consumer(&self) -> Result<RecordConsumer, EndpointError> {
        RecordConsumer::attach(&self.segment, self.view())
    }
}

impl<K: RecordKind> Ring<K> {
    /// Takes the producing end, or one of them.
    ///
    /// If the last producer of a ring with one died, this one resumes right behind the last record it committed.
    ///
    /// # Errors
    /// [`EndpointError::Occupied`] while a living endpoint holds the one producing end;
    /// [`EndpointError::NoPlace`] if there is none left of many; [`EndpointError::Closed`] after either side
    /// has closed the ring; [`EndpointError::Os`] if the kernel does not let this process write the records.
    pub fn producer(&self) -> Result<RecordProducer<K>, EndpointError> {
        RecordProducer::attach(&self.segment, self.segment.view_for_writing()?)
    }

    /// Size of the ring in bytes.
    pub fn capacity_bytes(&self) -> u64 {
        self.segment.checked.geometry.capacity
    }

    /// The longest record in bytes.
    pub fn max_record(&self) -> usize {
        self.segment.checked.geometry.payload_bytes as usize
    }

    /// What every record is aligned to, in bytes: 8 or 64.
    pub fn record_align(&self) -> u64 {
        self.segment.checked.geometry.stride
    }
}

impl<K: Kind> Ring<K> {
    pub(super) fn new(segment: Segment) -> Self {
        Self {
            segment: Arc::new(segment),
            kind: PhantomData,
        }
    }

    fn view<D: Data>(&self) -> View<D> {
        self.segment.view()
    }

    /// Where the ring lives; a System V ring says its key.
    pub fn backing(&self) -> Backing {
        self.segment.place.backing()
    }

    /// The pages that the creator got. After opening always [`Pages::Base`].
    pub fn pages(&self) -> Pages {
        self.segment.pages
    }

    /// A number that no other ring has.
    pub fn instance(&self) -> u64 {
        self.segment.checked.instance
    }

    /// The descriptor of the ring's memory, to be handed to another process
    /// ([`Options::open_descriptor`](crate::Options::open_descriptor)). System V rings have none.
    pub fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        match &*self.segment.tokens {
            Tokens::Locks(fd) => Some(fd.as_fd()),
            Tokens::Sems { .. } => None,
        }
    }

    /// What can be seen from outside: fill, endpoints, closed sides. A moment's picture, parts of which may
    /// be older than others.
    ///
    /// # Errors
    /// When the kernel does not answer whether an endpoint is alive.
    pub fn status(&self) -> Result<Status, OsError> {
        snapshot::take(&self.segment)
    }

    /// Settles what participants that died have left, as far as somebody who takes no part can: see
    /// [`repair`](crate::repair()), which does the same to a ring by its name.
    ///
    /// # Errors
    /// [`RepairError::Os`] when the kernel does not say who is alive, [`RepairError::Corrupt`] when words make no sense.
    pub fn repair(&self) -> Result<Repaired, RepairError> {
        repair::repair(&self.segment)
    }

    /// Whether memory of the ring was gone when this process touched it, and zeros were put in its place. Such a ring
    /// leads nowhere any more. Always `false` without the [guard](crate::guard), and while nobody has touched
    /// what is missing.
    pub fn is_damaged(&self) -> bool {
        ranges::is_damaged(self.segment.ring())
    }

    /// Whether the ring's name still leads to this ring, and not to another or to none. Always true where
    /// there is no name.
    pub fn is_current(&self) -> bool {
        segment::is_current(&self.segment)
    }

    /// Removes the ring's name. Whoever has it mapped goes on with it; its memory is freed when the last one
    /// lets go. Does nothing if the name leads to another ring by now, or if there is no name.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn unlink(&self) -> Result<(), OpenError> {
        if !self.is_current() {
            return Ok(());
        }
        segment::unlink(&self.segment.place)
    }
}
