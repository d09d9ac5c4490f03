//! Which rings there are on this machine.

use super::snapshot::{self, Status};
use crate::Repaired;
use crate::endpoint;
use crate::error::{OpenError, RepairError};
use crate::segment::{self, Backing, Expect, Place};
use std::fs;

/// A ring found by [`list`].
#[derive(Debug)]
#[non_exhaustive]
pub struct Listed {
    /// Its name; for System V rings the key in hexadecimal.
    pub name: String,
    /// Where it lives.
    pub backing: Backing,
    /// Its state, or why it could not be looked at.
    pub status: Result<Status, OpenError>,
}

/// The place of `name`, or the error that names the rule it breaks.
pub(super) fn place(backing: Backing, name: &str) -> Result<Place, OpenError> {
    Place::new(backing, name).map_err(|rule| OpenError::InvalidOption {
        option: "name",
        rule: rule.to_owned(),
    })
}

/// Looks at the ring `name` without taking part in it. Its message type does not matter, nor whose it is.
///
/// # Errors
/// As [`Options::open`](crate::Options::open).
pub fn inspect(backing: Backing, name: &str) -> Result<Status, OpenError> {
    let segment = segment::open(place(backing, name)?, &Expect::default())?;
    Ok(snapshot::take(&segment)?)
}

/// Settles what participants of the ring `name` that died have left, as far as somebody who takes no part can. Anybody may
/// call it at any time, also while others use the ring, and may die in the middle of it: the next one goes on.
///
/// | what the dead have left | what becomes of it |
/// |---|---|
/// | slots that a producer of many had claimed | tombstones, which consumers pass over; its place is free |
/// | records that a producer of many had claimed | padding, if the ring has no consumer just now; its place is free. A living consumer does that itself |
/// | messages in the hands of a consumer of many | dropped where the ring was made so ([`Orphans::Drop`](crate::Orphans::Drop)); else they wait for another consumer |
/// | a lossless reader of a broadcast | the producer waits for it no longer |
/// | a close that was not finished | it is |
/// | whoever says that it sleeps | woken, if something was settled or one of that side died. Whom the dead were about to wake looks for itself within 40 ms |
///
/// Nobody loses the news of a death: the ends of the dead look dead until somebody takes them, so that who waits for them is
/// told [`PeerDied`](crate::PopError::PeerDied) as without a repair. While a ring of records with many producers and no
/// consumer is repaired, its consuming end looks taken, for about as long as a look at each of its records takes.
///
/// # Errors
/// [`RepairError::Open`] as [`inspect`]; [`RepairError::Os`] when the kernel does not say who is alive;
/// [`RepairError::Corrupt`] when words in the ring make no sense.
pub fn repair(backing: Backing, name: &str) -> Result<Repaired, RepairError> {
    let expect = Expect {
        sems: true,
        ..Expect::default()
    };
    let segment = segment::open(place(backing, name)?, &expect)?;
    endpoint::repair::repair(&segment)
}

/// Removes the ring `name`: its name at once, its memory when nobody has it mapped any more. Processes that
/// use it go on. Damaged and unfinished rings are removed; what is not a ring is not. Whose it is does not matter, as
/// far as the kernel lets this process remove it; what it points to is removed only if it has the same owner.
///
/// # Errors
/// As [`Options::open`](crate::Options::open), but for mismatches, which do not matter here.
pub fn unlink(backing: Backing, name: &str) -> Result<(), OpenError> {
    segment::unlink(&place(backing, name)?)
}

/// The named rings of this machine: those in `/dev/shm` and those in System V memory, sorted by name. What
/// cannot be read because it belongs to somebody else is listed only if it is known to be a ring.
pub fn list() -> Vec<Listed> {
    let mut found: Vec<Listed> = shm_names()
        .map(|name| (name, Backing::PosixShm))
        .chain(sysv_keys("shm").map(|key| (format!("{key:#x}"), Backing::SysV { key: Some(key) })))
        .filter_map(|(name, backing)| match inspect(backing, &name) {
            Err(
                OpenError::NotARing { .. }
                | OpenError::NotFound { .. }
                | OpenError::InvalidOption { .. }
                | OpenError::Os(_),
            ) => None,
            status => Some(Listed {
                name,
                backing,
                status,
            }),
        })
        .collect();
    found.sort_by(|a, b| a.name.cmp(&b.name));
    found
}

/// The regular files of `/dev/shm`.
pub(super) fn shm_names() -> impl Iterator<Item = String> {
    fs::read_dir(segment::SHM_DIR)
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_file()))
        .filter_map(|entry| entry.file_name().into_string().ok())
}

/// The keys of all System V segments ("shm") or semaphore sets ("sem").
pub(super) fn sysv_keys(what: &str) -> impl Iterator<Item = i32> {
    let table = fs::read_to_string(format!("/proc/sysvipc/{what}")).unwrap_or_default();
    let keys: Vec<i32> = table
        .lines()
        .skip(1)
        .filter_map(|line| line.split_whitespace().next()?.parse().ok())
        .filter(|key| *key != 0)
        .collect();
    keys.into_iter()
}
