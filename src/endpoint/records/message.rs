//! Several types of message in one ring, told apart by tag.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// A plain-data type that has a tag of its own among the records of a ring.
///
/// ```
/// use annulus::Message;
/// use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};
///
/// #[derive(FromBytes, IntoBytes, Immutable, KnownLayout)]
/// #[repr(C)]
/// struct Trade { price: f64, size: u64 }
/// impl Message for Trade { const TAG: u16 = 2; }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let name = format!("doc-message-{}", std::process::id());
/// let ring = annulus::spsc_records(&name).create()?;
/// let (mut tx, mut rx) = (ring.producer()?, ring.consumer()?);
/// tx.try_push_message(&Trade { price: 1.5, size: 10 })?;
/// let sample = rx.try_sample()?;
/// match sample.tag() {
///     Trade::TAG => assert_eq!(sample.message::<Trade>().unwrap().size, 10),
///     other => panic!("unknown tag {other}"),
/// }
/// # drop(sample);
/// # ring.unlink()?;
/// # Ok(()) }
/// ```
///
/// [`messages!`](crate::messages) makes an enum of several such types.
pub trait Message: FromBytes + IntoBytes + Immutable + KnownLayout {
    /// The tag of its records.
    const TAG: u16;
}

/// Makes an enum of message types, gives each its tag, and reads whichever a record holds.
///
/// ```
/// use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};
///
/// #[derive(Debug, PartialEq, FromBytes, IntoBytes, Immutable, KnownLayout)]
/// #[repr(C)]
/// pub struct Quote { bid: f64, ask: f64 }
/// #[derive(Debug, PartialEq, FromBytes, IntoBytes, Immutable, KnownLayout)]
/// #[repr(C)]
/// pub struct Trade { price: f64, size: u64 }
///
/// annulus::messages! {
///     /// What the feed sends.
///     #[derive(Debug, PartialEq)]
///     pub enum Event { Quote = 1, Trade = 2 }
/// }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let name = format!("doc-messages-{}", std::process::id());
/// let ring = annulus::spsc_records(&name).create()?;
/// let (mut tx, mut rx) = (ring.producer()?, ring.consumer()?);
/// tx.try_push_message(&Quote { bid: 1.0, ask: 1.1 })?;
/// assert_eq!(Event::read(&rx.try_sample()?), Some(Event::Quote(Quote { bid: 1.0, ask: 1.1 })));
/// # ring.unlink()?;
/// # Ok(()) }
/// ```
///
/// `read` gives `None` for a record with another tag, or of another size than its type has.
#[macro_export]
macro_rules! messages {
    ($(#[$meta:meta])* $vis:vis enum $name:ident { $($message:ident = $tag:literal),+ $(,)? }) => {
        $(#[$meta])*
        $vis enum $name {
            $(
                #[doc = concat!("Tag ", stringify!($tag), ".")]
                $message($message),
            )+
        }

        const _: () = {
            // Two types with one tag do not compile.
            #[allow(dead_code)]
            #[repr(u16)]
            enum Tags {
                $($message = $tag,)+
            }
        };

        $(
            impl $crate::Message for $message {
                const TAG: u16 = $tag;
            }
        )+

        impl $name {
            /// Copies out whichever message `record` holds.
            #[allow(dead_code)]
            $vis fn read<M: $crate::Trust>(
                record: &$crate::RecordSample<'_, M>,
            ) -> ::core::option::Option<Self> {
                match record.tag() {
                    $($tag => record.message().map(Self::$message),)+
                    _ => ::core::option::Option::None,
                }
            }
        }
    };
}
