//! Reading the records of a ring in passing.

use super::directory::place;
use crate::error::{OpenError, TryPopError};
use crate::layout::header::{ELEMENT_RECORDS, KIND_SPSC};
use crate::ring::records::observe::{self, Onlooker};
use crate::segment::{self, Backing, Bytes, Expect, View};

/// What an [`Observer`] saw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// A record.
    Record {
        /// The tag that the producer gave it.
        tag: u16,
        /// How many bytes came before it since creation, headers and padding included.
        position: u64,
    },
    /// Records were overwritten before they could be read.
    Missed {
        /// How many bytes they took, headers and padding included.
        bytes: u64,
    },
}

/// Reads the records of a ring with one producer as they pass, taken or not. Takes no part: it holds nobody
/// up, and nobody knows of it. It sees the records of about the last three quarters of the ring, and when it is
/// slower it is told how many bytes it missed.
#[derive(Debug)]
pub struct Observer {
    view: View<Bytes>,
    onlooker: Onlooker,
}

/// Begins to read the ring `name` in passing, with the oldest record that its consumer has not taken. Whose it is does
/// not matter.
///
/// # Errors
/// As [`Options::open`](crate::Options::open). [`OpenError::Mismatch`] for rings of slots, and for rings of
/// many producers, where the consumer wipes what it has read.
pub fn observe(backing: Backing, name: &str) -> Result<Observer, OpenError> {
    let expect = Expect {
        kind: Some((KIND_SPSC, ELEMENT_RECORDS)),
        ..Expect::default()
    };
    let segment = segment::open(place(backing, name)?, &expect)?;
    let geometry = &segment.checked.geometry;
    let view = segment.view::<Bytes>();
    Ok(Observer {
        onlooker: Onlooker::new(view.control(), geometry.shape()),
        view,
    })
}

impl Observer {
    /// Copies the next record into `out`, replacing what is in it. What is in `out` means something only after
    /// [`Seen::Record`].
    ///
    /// # Errors
    /// [`TryPopError::Empty`] when there is none yet, [`TryPopError::Closed`] when there will be none.
    pub fn try_next_into(&mut self, out: &mut Vec<u8>) -> Result<Seen, TryPopError> {
        let strip = self.view.strip();
        let copy = |position, len| strip.read_vec(position, len as usize, out);
        match self.onlooker.look(&strip, self.view.control(), copy) {
            observe::Seen::Record { tag, position } => Ok(Seen::Record { tag, position }),
            observe::Seen::Missed { bytes } => Ok(Seen::Missed { bytes }),
            observe::Seen::Empty => Err(TryPopError::Empty),
            observe::Seen::Closed => Err(TryPopError::Closed),
        }
    }

    /// Passes over all records that are there.
    pub fn skip_to_newest(&mut self) {
        let strip = self.view.strip();
        // Bounded: a ring of records, as many again that come while it looks, and few laps missed.
        let (mut left, mut laps) = (2 * strip.capacity_bytes(), 2);
        while left > 0 && laps > 0 {
            let before = self.onlooker.position();
            match self.onlooker.look(&strip, self.view.control(), |_, _| ()) {
                observe::Seen::Empty | observe::Seen::Closed => return,
                observe::Seen::Missed { .. } => laps -= 1,
                observe::Seen::Record { .. } => {
                    let moved = self.onlooker.position().wrapping_sub(before);
                    left = left.saturating_sub(moved);
                }
            }
        }
    }
}
