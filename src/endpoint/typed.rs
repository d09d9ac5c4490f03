//! What a message can be, and how far peers are trusted.

use crate::layout::geometry::SlotShape;
use crate::segment::fnv1a;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// What one slot of a ring holds: a plain-data type, or bytes (`[u8]`) of a size chosen at creation.
///
/// Implemented for every type that is nothing but bytes:
///
/// ```
/// use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};
///
/// #[derive(FromBytes, IntoBytes, Immutable, KnownLayout)]
/// #[repr(C)]
/// struct Tick {
///     instrument: u64,
///     price: f64,
///     size: u64,
/// }
/// let _ = annulus::spsc::<Tick>("md.ticks");
/// ```
pub trait Element: FromBytes + IntoBytes + Immutable + KnownLayout + sealed::Sealed {
    /// What the header records of the type. `None` for bytes.
    #[doc(hidden)]
    fn facts() -> Option<Facts>;

    /// The slots that hold it. `None` for bytes.
    #[doc(hidden)]
    const SHAPE: Option<SlotShape>;
}

/// What the header records of a message type.
#[doc(hidden)]
#[derive(Clone, Debug)]
pub struct Facts {
    pub(crate) name: String,
    pub(crate) size: u64,
    pub(crate) align: u32,
}

impl Facts {
    /// The number by which two programs see that they mean the same type: FNV-1a over the name, a zero
    /// byte, and size and alignment as little-endian 64-bit integers. Never 0, which stands for bytes.
    pub(crate) fn fingerprint(&self) -> u64 {
        let numbers = [self.size, u64::from(self.align)];
        let bytes = self
            .name
            .bytes()
            .chain([0])
            .chain(numbers.into_iter().flat_map(u64::to_le_bytes));
        fnv1a(bytes).max(1)
    }
}

mod sealed {
    pub trait Sealed {}
}

impl<T: FromBytes + IntoBytes + Immutable + KnownLayout> sealed::Sealed for T {}

impl<T: FromBytes + IntoBytes + Immutable + KnownLayout> Element for T {
    const SHAPE: Option<SlotShape> =
        Some(SlotShape::of(size_of::<T>() as u64, align_of::<T>() as u32));

    fn facts() -> Option<Facts> {
        Some(Facts {
            name: short_name(std::any::type_name::<T>()),
            size: size_of::<T>() as u64,
            align: align_of::<T>() as u32,
        })
    }
}

impl sealed::Sealed for [u8] {}

impl Element for [u8] {
    const SHAPE: Option<SlotShape> = None;

    fn facts() -> Option<Facts> {
        None
    }
}

/// A type's name without the modules it lies in: two programs may keep it in different places.
fn short_name(full: &str) -> String {
    let mut short = String::new();
    let mut rest = full;
    while let Some(at) = rest.find("::") {
        let start = rest[..at]
            .rfind(|c: char| !c.is_alphanumeric() && c != '_')
            .map_or(0, |i| i + 1);
        short.push_str(&rest[..start]);
        rest = &rest[at + 2..];
    }
    short.push_str(rest);
    short
}

/// Whether an endpoint hands out references into shared memory.
pub trait Trust: sealed::Sealed {}

/// Peers may be hostile: values are copied in and out. The default.
#[derive(Clone, Copy, Debug)]
pub enum Untrusted {}

/// Peers keep to the protocol: loans and samples are references into the ring. See
/// [`Producer::trust_peers`](crate::Producer::trust_peers).
#[derive(Clone, Copy, Debug)]
pub enum Trusted {}

impl sealed::Sealed for Untrusted {}
impl sealed::Sealed for Trusted {}
impl Trust for Untrusted {}
impl Trust for Trusted {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_name_has_no_modules_at_any_depth() {
        assert_eq!(short_name("u64"), "u64");
        assert_eq!(short_name("a::b::Tick"), "Tick");
        assert_eq!(short_name("[a::Tick; 4]"), "[Tick; 4]");
        assert_eq!(short_name("a::Pair<b::X, c::d::Y>"), "Pair<X, Y>");
    }

    #[test]
    fn types_that_differ_in_name_size_or_alignment_have_different_fingerprints() {
        let print = |name: &str, size, align| {
            Facts {
                name: name.to_owned(),
                size,
                align,
            }
            .fingerprint()
        };
        let all = [
            print("A", 8, 8),
            print("B", 8, 8),
            print("A", 16, 8),
            print("A", 8, 4),
        ];
        for (i, a) in all.iter().enumerate() {
            assert!(all[i + 1..].iter().all(|b| a != b));
        }
    }
}
