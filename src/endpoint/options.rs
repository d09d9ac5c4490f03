//! The options of a ring, for making one and for opening one.

use super::kind::{BroadcastKind, Kind, ManyConsumers, ManyProducers, RecordKind, SlotKind};
use super::ring::Ring;
use super::typed::Facts;
use crate::error::{CreateError, OpenError, OpenOrCreateError};
use crate::layout::geometry::{Geometry, Places, RECORD_START};
use crate::layout::header;
use crate::layout::word::POSITION_LIMIT;
use crate::os::{membarrier, process};
use crate::segment::{self, Backing, Expect, HugePages, Place, Plan};
use std::fmt::Display;
use std::marker::PhantomData;
use std::os::fd::OwnedFd;
use std::time::Duration;

/// Whether endpoints of a ring may sleep in the kernel, and what that costs those who publish.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Parking {
    /// [`Asymmetric`](Parking::Asymmetric) where the kernel offers it (see there for what the first end of a process
    /// waits for), else [`Fenced`](Parking::Fenced).
    #[default]
    Auto,
    /// Nobody sleeps; [`Wait::park`](crate::Wait::park) yields instead. A close by the consumer is noticed
    /// when the ring is next full.
    Never,
    /// Every push executes a full fence, tens of nanoseconds.
    Fenced,
    /// Whoever goes to sleep makes the others execute a fence (`membarrier`); a push costs one load.
    ///
    /// The kernel registers each process once, at its first end in such a ring. That takes 30 us while the process has
    /// one thread. If it has more it takes 10 to 20 ms (a grace period of RCU), and seconds where work of low priority
    /// gets no processor. A program that minds takes its first end before it starts threads.
    Asymmetric,
}

/// What a sleeping endpoint sleeps on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WaitBackend {
    /// A shared futex on a word of the ring.
    #[default]
    Futex,
    /// Two named POSIX semaphores, for where there is no futex. Both sides must use the same C library, and
    /// must trust each other: the library maps the semaphore and a hostile peer can truncate it.
    Semaphore,
}

/// What becomes of messages that a consumer had in hand when it died, where many consume.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Orphans {
    /// Another consumer gets them, and is told that somebody may have dealt with them
    /// ([`SharedConsumer::redelivered`](crate::SharedConsumer::redelivered)). The default.
    #[default]
    Redeliver,
    /// Nobody gets them: each message comes once at most. How many they were is counted
    /// ([`SharedConsumer::dropped`](crate::SharedConsumer::dropped)). The same becomes of what a consumer has in hand that
    /// is dropped before it has dealt with all it claimed.
    Drop,
}

/// Whose a ring may be that is opened by its name.
#[derive(Clone, Copy, Debug, Default)]
enum OwnedBy {
    /// This process's user, or whom a ring that is made is given to.
    #[default]
    Us,
    User(u32),
    Anyone,
}

/// How often [`Options::open_or_create`] tries again when a ring appears or vanishes under its hands.
const RACES: u32 = 64;
/// How long to let others get on with it between two such attempts.
const RACE_PAUSE: Duration = Duration::from_millis(1);

/// How to make or open a ring of kind `K`. Made by [`spsc`](crate::spsc),
/// [`mpsc`](crate::mpsc), [`spmc`](crate::spmc), [`mpmc`](crate::mpmc), [`broadcast`](crate::broadcast),
/// [`spsc_records`](crate::spsc_records), [`mpsc_records`](crate::mpsc_records),
/// [`broadcast_records`](crate::broadcast_records).
///
/// Options that say how a ring is *made* (capacity, mode, pages, parking...) do nothing when one is opened:
/// an existing ring is used as it is. What says which ring is *meant* (name, backing, message type, slot
/// size, schema) is compared with the ring's header, and a difference is an error that names it.
#[derive(Debug)]
#[must_use = "options do nothing until create, open or open_or_create"]
pub struct Options<K> {
    pub(super) name: String,
    backing: Backing,
    capacity: u64,
    slot_size: Option<usize>,
    record_align: Option<u64>,
    places: Places,
    type_name: Option<String>,
    schema: Option<u64>,
    mode: u32,
    uid: Option<u32>,
    gid: Option<u32>,
    owned_by: OwnedBy,
    prefault: bool,
    lock: bool,
    huge_pages: HugePages,
    numa_node: Option<u32>,
    parking: Parking,
    wait_backend: WaitBackend,
    start_position: u64,
    orphans: Orphans,
    /// Whether the data shall be an object of its own.
    pub(super) split: bool,
    kind: PhantomData<fn(K)>,
}

impl<K> Clone for Options<K> {
    fn clone(&self) -> Self {
        Self {
            name: self.name.clone(),
            type_name: self.type_name.clone(),
            ..*self
        }
    }
}

impl<K> Options<K> {
    pub(super) fn new(name: String, capacity: u64, places: Places) -> Self {
        Self {
            name,
            backing: Backing::default(),
            capacity,
            slot_size: None,
            record_align: None,
            places,
            type_name: None,
            schema: None,
            mode: 0o600,
            uid: None,
            gid: None,
            owned_by: OwnedBy::default(),
            prefault: true,
            lock: false,
            huge_pages: HugePages::default(),
            numa_node: None,
            parking: Parking::default(),
            wait_backend: WaitBackend::default(),
            start_position: 0,
            orphans: Orphans::default(),
            split: false,
            kind: PhantomData,
        }
    }
}

impl<K: SlotKind<Item = [u8]>> Options<K> {
    /// The size of each message in bytes, 1 to 2^32. Needed to create a ring of bytes; when opening, a ring
    /// of another size is refused, and without it any size is accepted.
    pub fn slot_size(mut self, bytes: usize) -> Self {
        self.slot_size = Some(bytes);
        self
    }
}

impl<K: SlotKind> Options<K> {
    /// Slots: a power of two from 2 to 2^32. Default 1024. Used when the ring is made; an existing ring keeps
    /// its own, see [`Ring::capacity`].
    pub fn capacity(mut self, slots: u64) -> Self {
        self.capacity = slots;
        self
    }

    /// The name by which two programs recognise the message type. Default: the Rust type's name without its
    /// modules. No effect on rings of bytes.
    pub fn type_name(mut self, name: impl Into<String>) -> Self {
        self.type_name = Some(name.into());
        self
    }
}

impl<K: RecordKind> Options<K> {
    /// Size of the ring in bytes: a power of two from 256 to 2^32. Default 1 MiB. Records may be up to half of
    /// it long, less 8 bytes. Used when the ring is made; see [`Ring::capacity_bytes`].
    pub fn capacity_bytes(mut self, bytes: u64) -> Self {
        self.capacity = bytes;
        self
    }

    /// What every record begins on a multiple of: 8 bytes, which packs them densely, or 64, which gives
    /// records of up to 56 bytes a cache line of their own. Default 8 when creating, any when opening.
    pub fn record_align(mut self, bytes: u64) -> Self {
        self.record_align = Some(bytes);
        self
    }
}

impl<K: ManyProducers> Options<K> {
    /// For how many producers at a time the ring has room: 1 to 1024. Default 64. Used when the ring is made.
    pub fn producers(mut self, most: u32) -> Self {
        self.places.producers = most;
        self
    }
}

impl<K: ManyConsumers> Options<K> {
    /// For how many consumers at a time the ring has room: 1 to 1024. Default 64. Used when the ring is made.
    pub fn consumers(mut self, most: u32) -> Self {
        self.places.consumers = most;
        self
    }

    /// What becomes of messages that a consumer had in hand when it died. Default: another one gets them. Used when the
    /// ring is made.
    pub fn orphans(mut self, orphans: Orphans) -> Self {
        self.orphans = orphans;
        self
    }
}

impl<K: BroadcastKind> Options<K> {
    /// For how many readers at a time the ring has room: 1 to 1024. Default 64. Used when the ring is made.
    pub fn readers(mut self, most: u32) -> Self {
        self.places.consumers = most;
        self
    }
}

impl<K: Kind> Options<K> {
    /// Where the ring lives. Default: POSIX shared memory.
    pub fn backing(mut self, backing: Backing) -> Self {
        self.backing = backing;
        self
    }

    /// A version number of one's own; opening a ring of another number is refused. Default: 0 when
    /// creating, any when opening.
    pub fn schema(mut self, version: u64) -> Self {
        self.schema = Some(version);
        self
    }

    /// Permission bits of the ring, exact whatever the umask. Default `0o600`. Both sides need to write.
    pub fn mode(mut self, mode: u32) -> Self {
        self.mode = mode & 0o777;
        self
    }

    /// The user and group that shall own the ring; `None` leaves the creator's. Needs privileges.
    pub fn owner(mut self, uid: Option<u32>, gid: Option<u32>) -> Self {
        (self.uid, self.gid) = (uid, gid);
        self
    }

    /// The user whose ring is meant, when one is opened by its name: a ring of another user is refused, and that is an
    /// [`OpenError::Mismatch`] of the field `owner`. Default: the user that [`owner`](Options::owner) gives rings to,
    /// else this process's effective user, also for root.
    ///
    /// Anybody may take a free name before the right one comes, and whoever owns a ring can read and forge messages and
    /// stop them. A System V ring belongs to who made it, whatever owner that one has named, unless root made it. A
    /// descriptor that is [handed over](Options::open_descriptor) is not asked for its owner: whoever passes it
    /// vouches for it.
    pub fn owned_by(mut self, uid: u32) -> Self {
        self.owned_by = OwnedBy::User(uid);
        self
    }

    /// Any user's ring will do, when one is opened by its name. For tools, and for rings of which the mode alone shall
    /// say who takes part, in a directory where strangers cannot make files.
    pub fn owned_by_anyone(mut self) -> Self {
        self.owned_by = OwnedBy::Anyone;
        self
    }

    /// Whether to take all page faults before the first message. Default: yes. Memory is reserved at
    /// creation in any case.
    pub fn prefault(mut self, yes: bool) -> Self {
        self.prefault = yes;
        self
    }

    /// Whether to lock the ring in memory (`mlock`). Default: no.
    pub fn lock_memory(mut self, yes: bool) -> Self {
        self.lock = yes;
        self
    }

    /// Whether to ask for huge pages. Default: no.
    pub fn huge_pages(mut self, huge_pages: HugePages) -> Self {
        self.huge_pages = huge_pages;
        self
    }

    /// The NUMA node to take memory from, while it has some. Default: the kernel's choice.
    pub fn numa_node(mut self, node: u32) -> Self {
        self.numa_node = Some(node);
        self
    }

    /// Whether endpoints may sleep, and who pays for it. Default [`Parking::Auto`].
    pub fn parking(mut self, parking: Parking) -> Self {
        self.parking = parking;
        self
    }

    /// What sleeping endpoints sleep on. Default: a futex.
    pub fn wait_backend(mut self, wait_backend: WaitBackend) -> Self {
        self.wait_backend = wait_backend;
        self
    }

    /// The position of the first message, below 2^62. For tests near the wrap-around.
    #[doc(hidden)]
    pub fn start_position(mut self, position: u64) -> Self {
        self.start_position = position;
        self
    }

    /// Makes a new ring. It appears under its name complete, or not at all.
    ///
    /// # Errors
    /// [`CreateError::Exists`] if the name is taken; [`CreateError::NoSpace`] if there is no memory for the
    /// whole ring; [`CreateError::InvalidOption`] names an option out of its range. Nothing is left behind.
    pub fn create(&self) -> Result<Ring<K>, CreateError> {
        let place = self
            .place()
            .map_err(|(option, rule)| invalid(option, rule))?;
        let plan = self.plan(&place)?;
        Ok(Ring::new(segment::create(place, &plan)?))
    }

    /// Opens a ring that exists.
    ///
    /// # Errors
    /// [`OpenError::NotFound`]; [`OpenError::NotARing`] if something else has the name;
    /// [`OpenError::Mismatch`] names the field in which the ring is not the one asked for; `owner` if it is another user's
    /// ([`owned_by`](Options::owned_by)).
    pub fn open(&self) -> Result<Ring<K>, OpenError> {
        let place = self
            .place()
            .map_err(|(option, rule)| OpenError::InvalidOption {
                option,
                rule: rule.to_owned(),
            })?;
        Ok(Ring::new(segment::open(place, &self.expect())?))
    }

    /// Opens the ring, or makes it if there is none. Safe against others doing the same.
    ///
    /// # Errors
    /// As [`open`](Options::open) and [`create`](Options::create).
    pub fn open_or_create(&self) -> Result<Ring<K>, OpenOrCreateError> {
        for _ in 0..RACES {
            match self.open() {
                Err(OpenError::NotFound { .. } | OpenError::Unfinished { .. }) => {}
                opened => return Ok(opened?),
            }
            match self.create() {
                Err(CreateError::Exists { .. }) => std::thread::sleep(RACE_PAUSE),
                created => return Ok(created?),
            }
        }
        Ok(self.open()?)
    }

    /// Opens the ring behind a descriptor, as handed over by the creator of a memfd ring. The name of these
    /// options is for messages only.
    ///
    /// # Errors
    /// As [`open`](Options::open); [`NotARing::NotSealed`](crate::NotARing::NotSealed) if the descriptor is
    /// not a memfd sealed against shrinking.
    pub fn open_descriptor(&self, descriptor: OwnedFd) -> Result<Ring<K>, OpenError> {
        let place = Place::Memfd(self.name.clone());
        segment::open_descriptor(descriptor, place, &self.expect()).map(Ring::new)
    }

    fn place(&self) -> Result<Place, (&'static str, &'static str)> {
        Place::new(self.backing, &self.name).map_err(|rule| ("name", rule))
    }

    /// The message type as the header records it.
    fn facts(&self) -> Option<Facts> {
        let mut facts = K::facts()?;
        if let Some(name) = &self.type_name {
            facts.name.clone_from(name);
        }
        Some(facts)
    }

    pub(super) fn expect(&self) -> Expect {
        let facts = self.facts();
        let bytes = match &facts {
            Some(facts) => Some(facts.size),
            None => self.slot_size.map(|bytes| bytes as u64),
        };
        Expect {
            kind: Some((K::KIND, K::ELEMENT)),
            record_align: self.record_align,
            payload_bytes: bytes,
            payload_align: facts.as_ref().map(|facts| facts.align),
            type_fingerprint: Some(match facts {
                Some(facts) => (facts.fingerprint(), facts.name),
                None => (0, "bytes".to_owned()),
            }),
            schema: self.schema,
            owner: match self.owned_by {
                OwnedBy::Us => Some(self.uid.unwrap_or_else(process::effective_uid)),
                OwnedBy::User(uid) => Some(uid),
                OwnedBy::Anyone => None,
            },
            prefault: self.prefault,
            lock: self.lock,
            sems: true,
        }
    }

    fn plan(&self, place: &Place) -> Result<Plan, CreateError> {
        let facts = self.facts();
        let geometry = self.geometry(facts.as_ref())?;
        let records = geometry.element == header::ELEMENT_RECORDS;
        let misplaced = records && !self.start_position.is_multiple_of(RECORD_START);
        if self.start_position >= POSITION_LIMIT || misplaced {
            return Err(invalid(
                "start position",
                "below 2^62; of records, a multiple of 64",
            ));
        }
        let nameless = matches!(place, Place::Memfd(_) | Place::Anon(_));
        if self.huge_pages == HugePages::HugeTlb && !nameless {
            let rule = "Memfd or Anon for hugetlb pages (HugePages::Try works for every backing)";
            return Err(invalid("backing", rule));
        }
        let semaphore = self.wait_backend == WaitBackend::Semaphore;
        if semaphore && matches!(place, Place::Memfd(_)) {
            return Err(invalid(
                "wait back end",
                "futex for a memfd, which has no name",
            ));
        }
        Ok(Plan {
            geometry,
            type_fingerprint: facts.map_or(0, |facts| facts.fingerprint()),
            schema: self.schema.unwrap_or(0),
            parking: self.parking_number(),
            wait_backend: if semaphore {
                header::WAIT_SEM
            } else {
                header::WAIT_FUTEX
            },
            start_position: self.start_position,
            mode: self.mode,
            uid: self.uid,
            gid: self.gid,
            prefault: self.prefault,
            lock: self.lock,
            huge_pages: self.huge_pages,
            numa_node: self.numa_node,
            split: self.split,
            drops: self.orphans == Orphans::Drop,
        })
    }

    fn geometry(&self, facts: Option<&Facts>) -> Result<Geometry, CreateError> {
        let geometry = if K::ELEMENT == header::ELEMENT_RECORDS {
            let align = self.record_align.unwrap_or(8);
            Geometry::records(K::KIND, self.capacity, align, self.places)
        } else {
            let (bytes, align) = match facts {
                Some(facts) => (facts.size, facts.align),
                None => (self.slot_size.unwrap_or(0) as u64, 8),
            };
            Geometry::slots(K::KIND, self.capacity, bytes, align, self.places)
        };
        geometry.map_err(|e| invalid(e.field, e.rule))
    }

    fn parking_number(&self) -> u32 {
        match self.parking {
            Parking::Never => header::PARKING_NEVER,
            Parking::Fenced => header::PARKING_FENCED,
            Parking::Asymmetric => header::PARKING_ASYMMETRIC,
            Parking::Auto if membarrier::supported() => header::PARKING_ASYMMETRIC,
            Parking::Auto => header::PARKING_FENCED,
        }
    }
}

fn invalid(option: &'static str, rule: impl Display) -> CreateError {
    CreateError::InvalidOption {
        option,
        rule: rule.to_string(),
    }
}
