//! The kinds of ring, as types: what a ring is, how many take part, what its messages are.

use super::records::Producing;
use super::typed::{Element, Facts};
use crate::layout::header::{ELEMENT_RECORDS, ELEMENT_SLOTS, KIND_MPSC, KIND_SPSC};
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

/// A kind whose messages are records of variable length.
#[expect(private_bounds, reason = "nobody else can make a kind")]
pub trait RecordKind: Kind + Producing {}

/// One producer, one consumer, slots of type `T`.
#[derive(Debug)]
pub struct Spsc<T: ?Sized>(PhantomData<fn(&T)>);

/// One producer, one consumer, records of variable length.
#[derive(Debug)]
pub enum SpscRecords {}

/// Many producers, one consumer, records of variable length.
#[derive(Debug)]
pub enum MpscRecords {}

mod sealed {
    pub trait Sealed {}
}

impl<T: ?Sized> sealed::Sealed for Spsc<T> {}
impl sealed::Sealed for SpscRecords {}
impl sealed::Sealed for MpscRecords {}

impl<T: Element + ?Sized> Kind for Spsc<T> {
    const KIND: u32 = KIND_SPSC;
    const ELEMENT: u32 = ELEMENT_SLOTS;

    fn facts() -> Option<Facts> {
        T::facts()
    }
}

impl Kind for SpscRecords {
    const KIND: u32 = KIND_SPSC;
    const ELEMENT: u32 = ELEMENT_RECORDS;

    fn facts() -> Option<Facts> {
        None
    }
}

impl Kind for MpscRecords {
    const KIND: u32 = KIND_MPSC;
    const ELEMENT: u32 = ELEMENT_RECORDS;

    fn facts() -> Option<Facts> {
        None
    }
}

impl RecordKind for SpscRecords {}
impl RecordKind for MpscRecords {}
