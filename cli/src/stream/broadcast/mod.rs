//! A stream for several receivers, each of which gets all of it, through a broadcast of records.
//!
//! Invariants:
//! * The sender is held up by lossless readers and by no other. It succeeds only when every lossless reader it has seen has
//!   accepted everything; one that has gone before is a failure, told at the end, and does not end the stream.
//! * A reader reads the record behind the end only when it has written everything before and found it right. Reading it is
//!   what its sender takes for acceptance.
//! * A reader succeeds only if it got the whole stream, or began where it was told to and lost nothing since.
//! * The sender removes the ring. Readers do when they find that there is no sender any more.

mod count;
mod read;
mod send;

pub use read::recv;
pub use send::send;

use super::choose::Choice;
use super::format::SCHEMA;
use super::meet::{CAPACITY, PLACES};
use super::open::Opening;
use crate::args::StreamArgs;
use crate::exit::{Failure, Kind};
use crate::{place, words};
use annulus::{BroadcastRecords, Peer, Ring, Status};

/// What a ring is to have room for.
#[derive(Clone, Copy, Default)]
struct Size {
    /// Readers; more is fine.
    readers: u32,
    /// The longest piece in bytes, if that was said.
    chunk: Option<usize>,
}

/// Opens the ring, or makes it if that is what it `may_make`, else fails with `nobody`. `None`: there is one of another
/// kind, which may be used as well.
fn ring(
    args: &StreamArgs,
    choice: Choice,
    size: Size,
    may_make: bool,
    nobody: impl Fn() -> Failure,
) -> Result<Option<Ring<BroadcastRecords>>, Failure> {
    let backing = place::shared_backing(args.backing, &args.name)?;
    let opening = Opening {
        args,
        choice,
        may_make,
    };
    let capacity = args.capacity.unwrap_or(CAPACITY);
    let fits = |longest: u64| match size.chunk {
        Some(chunk) if chunk as u64 > longest => {
            let [chunk, longest] = [chunk as u64, longest].map(words::grouped);
            let message = format!(
                "--chunk: {chunk} bytes are more than the {longest} that a record of this ring holds; \
                 say less, or have the ring made with a larger --capacity"
            );
            Err(Failure::new(Kind::Usage, message))
        }
        _ => Ok(()),
    };
    let open = annulus::broadcast_records(&args.name)
        .backing(backing)
        .readers(size.readers.max(PLACES))
        .schema(SCHEMA)
        .mode(args.mode);
    let create = open.clone().capacity_bytes(capacity);
    // This is the ring's own rule for its longest record.
    let Some(ring) = opening.ring(&open, &create, || fits(capacity / 2 - 8), nobody)? else {
        return Ok(None);
    };
    if let Some(bytes) = args.capacity
        && bytes != ring.capacity_bytes()
    {
        let [has, bytes] = [ring.capacity_bytes(), bytes].map(words::grouped);
        return Err(opening.other(&format!("has {has} bytes, not {bytes}"), "--capacity"));
    }
    fits(ring.max_record() as u64)?;
    Ok(Some(ring))
}

/// Where what was published ends.
fn end_of(status: &Status) -> u64 {
    status.taken.wrapping_add(status.len)
}

/// How many readers live.
fn readers_alive(status: &Status) -> u32 {
    let alive = |end: &&annulus::End| end.state == Peer::Alive;
    status.consumers.iter().filter(alive).count() as u32
}

/// How many living readers have come as far as `position`.
fn readers_at(status: &Status, position: u64) -> u32 {
    let there = |end: &&annulus::End| {
        let come = |at: u64| at.wrapping_sub(position).cast_signed() >= 0;
        end.state == Peer::Alive && end.reading.is_some_and(|reading| come(reading.position))
    };
    status.consumers.iter().filter(there).count() as u32
}

/// Whether a sender is there.
fn has_sender(status: &Status) -> bool {
    status.producers.iter().any(|end| end.state == Peer::Alive)
}

/// The failure of a ring that an earlier stream has used.
fn leftover(args: &StreamArgs) -> Failure {
    let name = &args.name;
    let message = format!(
        "{name} is what is left of a stream whose sender has gone; remove it: annulus rm {name}"
    );
    Failure::new(Kind::Ring, message)
}
