//! A stream whose pieces are shared out among several receivers, through a ring of slots. Of each piece there is one copy in
//! one output.
//!
//! Invariants:
//! * A receiver releases a piece only when it has written it. If it dies before, another one gets that piece, and may write
//!   again what the dead one had written just then; it says how many such pieces there were. If it fails, likewise.
//! * A piece is checked for itself.
//! * The producers' close is the end of a stream that is complete. A sender that gives up closes as a consumer does, so that
//!   every receiver knows. One that dies fails all receivers.
//! * The sender that closes waits until all receivers are gone, and succeeds only if nothing was left in the hands of a dead
//!   one. Senders before it succeed when the receivers have everything in hand.
//! * The sender that closes removes the ring. Receivers do when they find that there is no sender any more.

mod kind;
mod recv;
mod send;

pub use kind::Shared;
pub use recv::recv;
pub use send::send;

use super::choose::Choice;
use super::format::SCHEMA;
use super::meet::CAPACITY;
use super::open::Opening;
use crate::args::StreamArgs;
use crate::exit::{Failure, Kind};
use crate::place;
use annulus::{Peer, Ring, Status};

/// Bytes of a slot, unless said otherwise.
const SLOT: usize = 1024;

/// Opens the ring or makes it, with places for `senders` at least. `None`: there is one of another kind, which may be used
/// as well. `nobody` is who misses whom with --no-wait.
fn ring<K: Shared>(
    args: &StreamArgs,
    choice: Choice,
    senders: u32,
    nobody: impl Fn() -> Failure,
) -> Result<Option<Ring<K>>, Failure> {
    let backing = place::shared_backing(args.backing, &args.name)?;
    let opening = Opening {
        args,
        choice,
        may_make: !args.no_wait,
    };
    let slot = args.slot_size.unwrap_or(SLOT);
    let slots = slots(args.capacity.unwrap_or(CAPACITY), slot);
    let permit = || match slots {
        2.. => Ok(()),
        _ => {
            let message = format!(
                "--slot-size: two slots of {slot} bytes do not fit into the ring; say less, or a larger --capacity"
            );
            Err(Failure::new(Kind::Usage, message))
        }
    };
    let mut open = K::named(&args.name, senders)
        .backing(backing)
        .schema(SCHEMA)
        .mode(args.mode);
    if let Some(bytes) = args.slot_size {
        open = open.slot_size(bytes);
    }
    let create = open.clone().slot_size(slot).capacity(slots);
    let Some(ring) = opening.ring(&open, &create, permit, nobody)? else {
        return Ok(None);
    };
    if args.capacity.is_some() && slots_of(args, &ring) != ring.capacity() {
        let has = format!(
            "has {} slots of {} bytes",
            ring.capacity(),
            ring.slot_size()
        );
        return Err(opening.other(&has, "--capacity"));
    }
    Ok(Some(ring))
}

/// How many slots of so many bytes make up a ring of `capacity` bytes, a power of two.
fn slots(capacity: u64, slot: usize) -> u64 {
    let slots = capacity / (slot as u64).next_power_of_two();
    // The ring's own limit.
    slots.min(1 << 32)
}

/// How many slots `args` asks for, of the size that the ring has.
fn slots_of<K: Shared>(args: &StreamArgs, ring: &Ring<K>) -> u64 {
    slots(args.capacity.unwrap_or(CAPACITY), ring.slot_size())
}

/// Whether a receiver is there.
fn has_receiver(status: &Status) -> bool {
    status.consumers.iter().any(|end| end.state == Peer::Alive)
}

/// Whether a sender is there.
fn has_sender(status: &Status) -> bool {
    status.producers.iter().any(|end| end.state == Peer::Alive)
}

/// Whether a stream has ended there, well or not.
fn is_over(status: &Status) -> bool {
    let closed = |ends: &[annulus::End]| ends.iter().any(|end| end.closed);
    let died = status.producers.iter().any(|end| end.state == Peer::Died);
    // One that was killed while it waited has left nothing.
    closed(&status.producers) || closed(&status.consumers) || died && has_begun(status)
}

/// Whether anything was ever sent.
fn has_begun(status: &Status) -> bool {
    status.taken > 0 || status.len > 0
}

/// The failure of a ring that an earlier stream has used.
fn leftover(args: &StreamArgs) -> Failure {
    let name = &args.name;
    let message =
        format!("{name} is what is left of a stream that has ended; remove it: annulus rm {name}");
    Failure::new(Kind::Ring, message)
}
