//! The slots of a ring of a known message type: their shape is compared once, and is a constant from then on.

use super::typed::Element;
use crate::segment::{Lane, Slots, View};
use std::marker::PhantomData;
use std::ops::Deref;

/// A ring's regions, and its slots, which hold messages `T`.
#[derive(Debug)]
pub(super) struct SlotsOf<T: ?Sized> {
    /// The slots have the shape that `T` says, if it says one.
    view: View<Slots>,
    element: PhantomData<fn(&T)>,
}

impl<T: Element + ?Sized> SlotsOf<T> {
    /// # Panics
    /// If the slots have another shape. Rings of another type are not opened.
    pub(super) fn new(view: View<Slots>) -> Self {
        let shape = view.lane().shape();
        assert!(
            T::SHAPE.is_none_or(|known| known == shape),
            "slots of another type"
        );
        Self {
            view,
            element: PhantomData,
        }
    }

    /// The slots.
    #[inline(always)]
    pub(super) fn lane(&self) -> Lane<'_> {
        match T::SHAPE {
            None => self.view.lane(),
            // SAFETY: compared when this was made, and neither changes.
            Some(shape) => unsafe { self.view.lane().shaped(shape) },
        }
    }
}

impl<T: ?Sized> Deref for SlotsOf<T> {
    type Target = View<Slots>;

    #[inline(always)]
    fn deref(&self) -> &View<Slots> {
        &self.view
    }
}
