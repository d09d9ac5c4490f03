//! The kinds of ring, as types: what a ring is, how many take part, what its messages are.

use super::readers::{BroadcastRecordTail, BroadcastTail};
use super::records::Producing;
use super::slots::SoleTail;
use super::typed::{Element, Facts};
use crate::layout::header::{
    ELEMENT_RECORDS, ELEMENT_SLOTS, KIND_BROADCAST, KIND_MPMC, KIND_MPSC, KIND_SPMC, KIND_SPSC,
};
use crate::ring::shared::alone;
use crate::ring::spsc;
use std::marker::PhantomData;

/// What kind of ring [`Options`](crate::Options) and [`Ring`](crate::Ring) speak of.
pub trait Kind: sealed::Sealed {
    /// What the header calls it.
    #[doc(hidden)]
    const KIND: u32;
    /// What the header calls its messages.
    #[doc(hidden)]
    const ELEMENT: u32;
    /// What the header records of the message type. `None` for bytes.
    #[doc(hidden)]
    fn facts() -> Option<Facts>;
}

/// A kind whose messages are slots of one size.
pub trait SlotKind: Kind {
    /// The message type.
    type Item: Element + ?Sized;
}

/// A kind whose messages are records of variable length.
#[expect(private_bounds, reason = "nobody else can make a kind")]
pub trait RecordKind: Kind + Producing {}

/// A kind of slots with one producer.
#[expect(private_bounds, reason = "nobody else can make a kind")]
pub trait SoleProducer: SlotKind + Sole {}

/// A kind of records with one consumer.
pub trait RecordQueue: RecordKind {}

/// A kind with many producers.
pub trait ManyProducers: Kind {}

/// A kind with many consumers, each message for one of them.
pub trait ManyConsumers: Kind {}

/// A kind with many readers, each message for all of them.
pub trait BroadcastKind: Kind {}

/// Which tail the only producer of a kind has.
pub(crate) trait Sole {
    type Tail: SoleTail;
}

/// One producer, one consumer, slots of type `T`.
#[derive(Debug)]
pub struct Spsc<T: ?Sized>(PhantomData<fn(&T)>);

/// Many producers, one consumer, slots of type `T`.
#[derive(Debug)]
pub struct Mpsc<T: ?Sized>(PhantomData<fn(&T)>);

/// One producer, many consumers, slots of type `T`: each message for one of them.
#[derive(Debug)]
pub struct Spmc<T: ?Sized>(PhantomData<fn(&T)>);

/// Many producers, many consumers, slots of type `T`: each message for one of them.
#[derive(Debug)]
pub struct Mpmc<T: ?Sized>(PhantomData<fn(&T)>);

/// One producer, many readers, slots of type `T`: each message for all of them.
#[derive(Debug)]
pub struct Broadcast<T: ?Sized>(PhantomData<fn(&T)>);

/// One producer, one consumer, records of variable length.
#[derive(Debug)]
pub enum SpscRecords {}

/// Many producers, one consumer, records of variable length.
#[derive(Debug)]
pub enum MpscRecords {}

/// One producer, many readers, records of variable length: each for all of them.
#[derive(Debug)]
pub enum BroadcastRecords {}

mod sealed {
    pub trait Sealed {}
}

macro_rules! slots {
    ($($name:ident = $kind:ident;)*) => {$(
        impl<T: ?Sized> sealed::Sealed for $name<T> {}

        impl<T: Element + ?Sized> Kind for $name<T> {
            const KIND: u32 = $kind;
            const ELEMENT: u32 = ELEMENT_SLOTS;

            fn facts() -> Option<Facts> {
                T::facts()
            }
        }

        impl<T: Element + ?Sized> SlotKind for $name<T> {
            type Item = T;
        }
    )*};
}

macro_rules! records {
    ($($name:ident = $kind:ident;)*) => {$(
        impl sealed::Sealed for $name {}

        impl Kind for $name {
            const KIND: u32 = $kind;
            const ELEMENT: u32 = ELEMENT_RECORDS;

            fn facts() -> Option<Facts> {
                None
            }
        }

        impl RecordKind for $name {}
    )*};
}

slots! {
    Spsc = KIND_SPSC;
    Mpsc = KIND_MPSC;
    Spmc = KIND_SPMC;
    Mpmc = KIND_MPMC;
    Broadcast = KIND_BROADCAST;
}

records! {
    SpscRecords = KIND_SPSC;
    MpscRecords = KIND_MPSC;
    BroadcastRecords = KIND_BROADCAST;
}

impl<T: ?Sized> Sole for Spsc<T> {
    type Tail = spsc::Tail;
}

impl<T: ?Sized> Sole for Spmc<T> {
    type Tail = alone::Tail;
}

impl<T: ?Sized> Sole for Broadcast<T> {
    type Tail = BroadcastTail;
}

impl Producing for BroadcastRecords {
    type Tail = BroadcastRecordTail;
}

impl<T: Element + ?Sized> SoleProducer for Spsc<T> {}
impl<T: Element + ?Sized> SoleProducer for Spmc<T> {}
impl<T: Element + ?Sized> SoleProducer for Broadcast<T> {}

impl RecordQueue for SpscRecords {}
impl RecordQueue for MpscRecords {}

impl<T: Element + ?Sized> ManyProducers for Mpsc<T> {}
impl<T: Element + ?Sized> ManyProducers for Mpmc<T> {}
impl ManyProducers for MpscRecords {}

impl<T: Element + ?Sized> ManyConsumers for Spmc<T> {}
impl<T: Element + ?Sized> ManyConsumers for Mpmc<T> {}

impl<T: Element + ?Sized> BroadcastKind for Broadcast<T> {}
impl BroadcastKind for BroadcastRecords {}
