//! Where every ring begins: one function for each kind.

use super::kind::{Broadcast, BroadcastRecords, Mpmc, Mpsc, MpscRecords, Spmc, Spsc, SpscRecords};
use super::options::Options;
use super::typed::Element;
use crate::layout::geometry::Places;

/// Places of a side that many share, unless asked otherwise.
const MANY: u32 = 64;
const MANY_PRODUCERS: Places = Places {
    producers: MANY,
    consumers: 1,
};
const MANY_CONSUMERS: Places = Places {
    producers: 1,
    consumers: MANY,
};
const MANY_OF_BOTH: Places = Places {
    producers: MANY,
    consumers: MANY,
};

/// Options for a ring with one producer and one consumer, made of fixed-size slots.
///
/// `name` is a file name in `/dev/shm` for the default backing; see [`Backing`]. Messages are of type `T`, or
/// byte strings of one size (`spsc::<[u8]>`, with [`Options::slot_size`]).
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let name = format!("doc-{}", std::process::id());
/// let ring = annulus::spsc::<u64>(&name).capacity(1024).create()?;
/// let mut tx = ring.producer()?;
/// let mut rx = annulus::spsc::<u64>(&name).open()?.consumer()?;
/// tx.try_push(&7)?;
/// assert_eq!(rx.try_pop()?, 7);
/// ring.unlink()?;
/// # Ok(()) }
/// ```
pub fn spsc<T: Element + ?Sized>(name: impl Into<String>) -> Options<Spsc<T>> {
    Options::new(name.into(), 1024, Places::ONE)
}

/// Options for a ring with one producer and one consumer, made of records of variable length.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let name = format!("doc-records-{}", std::process::id());
/// let ring = annulus::spsc_records(&name).capacity_bytes(1 << 16).create()?;
/// let mut tx = ring.producer()?;
/// let mut rx = annulus::spsc_records(&name).open()?.consumer()?;
/// tx.try_push(b"of any length")?;
/// let mut record = Vec::new();
/// rx.try_pop_into(&mut record)?;
/// assert_eq!(record, b"of any length");
/// ring.unlink()?;
/// # Ok(()) }
/// ```
pub fn spsc_records(name: impl Into<String>) -> Options<SpscRecords> {
    Options::new(name.into(), 1 << 20, Places::ONE)
}

/// Options for a ring with many producers and one consumer, made of records of variable length.
///
/// Records of one producer come in its order. Producers come and go; one that dies, at any instruction, does
/// not stop the others.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let name = format!("doc-mpsc-{}", std::process::id());
/// let ring = annulus::mpsc_records(&name).producers(8).create()?;
/// let mut first = ring.producer()?;
/// let mut second = ring.producer()?;
/// let mut rx = ring.consumer()?;
/// first.try_push(b"one")?;
/// second.try_push(b"two")?;
/// assert_eq!(rx.try_sample()?.to_vec(), b"one");
/// assert_eq!(rx.try_sample()?.to_vec(), b"two");
/// ring.unlink()?;
/// # Ok(()) }
/// ```
pub fn mpsc_records(name: impl Into<String>) -> Options<MpscRecords> {
    Options::new(name.into(), 1 << 20, MANY_PRODUCERS)
}

/// Options for a ring with many producers and one consumer, made of fixed-size slots.
///
/// Messages of one producer come in its order. Producers come and go; one that dies, at any instruction, does not stop
/// the others.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let name = format!("doc-mpsc-slots-{}", std::process::id());
/// let ring = annulus::mpsc::<u64>(&name).capacity(1024).producers(8).create()?;
/// let (mut first, mut second) = (ring.producer()?, ring.producer()?);
/// let mut rx = ring.consumer()?;
/// first.try_push(&1)?;
/// second.try_push(&2)?;
/// assert_eq!((rx.try_pop()?, rx.try_pop()?), (1, 2));
/// ring.unlink()?;
/// # Ok(()) }
/// ```
pub fn mpsc<T: Element + ?Sized>(name: impl Into<String>) -> Options<Mpsc<T>> {
    Options::new(name.into(), 1024, MANY_PRODUCERS)
}

/// Options for a ring with one producer and many consumers, made of fixed-size slots: each message goes to one of them.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let name = format!("doc-spmc-{}", std::process::id());
/// let ring = annulus::spmc::<u64>(&name).create()?;
/// let mut tx = ring.producer()?;
/// let (mut first, mut second) = (ring.consumer()?, ring.consumer()?);
/// tx.try_push(&1)?;
/// tx.try_push(&2)?;
/// assert_eq!((second.try_pop()?, first.try_pop()?), (1, 2));
/// ring.unlink()?;
/// # Ok(()) }
/// ```
pub fn spmc<T: Element + ?Sized>(name: impl Into<String>) -> Options<Spmc<T>> {
    Options::new(name.into(), 1024, MANY_CONSUMERS)
}

/// Options for a ring with many producers and many consumers, made of fixed-size slots: each message goes to one
/// consumer. A message in the hands of a consumer that dies goes to another one.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let name = format!("doc-mpmc-{}", std::process::id());
/// let ring = annulus::mpmc::<u64>(&name).producers(4).consumers(4).create()?;
/// let mut tx = ring.producer()?;
/// let mut rx = ring.consumer()?;
/// tx.try_push_many(&[1, 2, 3])?;
/// // Claimed together, with one exchange.
/// assert_eq!(rx.drain(16).collect::<Vec<_>>(), [1, 2, 3]);
/// ring.unlink()?;
/// # Ok(()) }
/// ```
pub fn mpmc<T: Element + ?Sized>(name: impl Into<String>) -> Options<Mpmc<T>> {
    Options::new(name.into(), 1024, MANY_OF_BOTH)
}

/// Options for a ring with one producer and many readers, made of fixed-size slots: each reader sees every message, or is
/// told exactly how many it missed.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use annulus::Join;
/// let name = format!("doc-broadcast-{}", std::process::id());
/// let ring = annulus::broadcast::<u64>(&name).capacity(8).create()?;
/// let mut tx = ring.producer()?;
/// let mut quick = ring.reader(Join::Newest)?;
/// let mut slow = ring.reader(Join::Newest)?;
/// for n in 0..100 {
///     tx.try_push(&n)?;
///     assert_eq!(quick.try_read()?, n);
/// }
/// let lost = match slow.try_read() {
///     Err(annulus::TryReadError::Lost(lost)) => lost,
///     other => panic!("{other:?}"),
/// };
/// assert_eq!(slow.try_read()?, lost);
/// ring.unlink()?;
/// # Ok(()) }
/// ```
pub fn broadcast<T: Element + ?Sized>(name: impl Into<String>) -> Options<Broadcast<T>> {
    Options::new(name.into(), 1024, MANY_CONSUMERS)
}

/// Options for a ring with one producer and many readers, made of records of variable length: each reader sees every
/// record, or is told exactly how many it missed.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use annulus::Join;
/// let name = format!("doc-broadcast-records-{}", std::process::id());
/// let ring = annulus::broadcast_records(&name).capacity_bytes(4096).create()?;
/// let mut tx = ring.producer()?;
/// let mut rx = ring.lossless_reader(Join::Newest)?;
/// tx.try_push(b"to whom it may concern")?;
/// let mut record = Vec::new();
/// rx.try_read_into(&mut record)?;
/// assert_eq!(record, b"to whom it may concern");
/// ring.unlink()?;
/// # Ok(()) }
/// ```
pub fn broadcast_records(name: impl Into<String>) -> Options<BroadcastRecords> {
    Options::new(name.into(), 1 << 20, MANY_CONSUMERS)
}
