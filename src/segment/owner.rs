//! To whom a ring belongs, and whether that is who the caller expects.
//!
//! A name can be taken by anybody who comes first. What tells one's own ring from another user's at the same name is
//! the user that the kernel says owns it: nobody makes an object another user's without privileges, but for System V
//! objects, see [`answers`].

use super::open::mismatch;
use crate::error::{OpenError, OsError};
use crate::os::posix_sem::NamedSem;
use crate::os::sysv_sem::SemSet;
use crate::os::sysv_shm::ShmFacts;

/// The number of the privileged user, whom everybody has to trust.
const ROOT: u32 = 0;

/// The user that answers for a System V object. Whoever made one may give it to any user and stays in command of it;
/// so it is the creator's, unless that is root, who made it for its owner.
fn answers(owner: u32, creator: u32) -> u32 {
    match creator {
        ROOT => owner,
        _ => creator,
    }
}

/// The user that answers for a System V segment.
pub(super) fn of_shm(facts: &ShmFacts) -> u32 {
    answers(facts.uid, facts.creator)
}

/// The user that answers for a semaphore set.
pub(super) fn of_set(set: &SemSet) -> Result<u32, OsError> {
    let (owner, creator) = set.owner_and_creator()?;
    Ok(answers(owner, creator))
}

/// Refuses a ring of `found`, if the caller expects one of somebody else. `None` expects nobody in particular.
pub(super) fn check(expected: Option<u32>, found: u32) -> Result<(), OpenError> {
    match expected {
        Some(expected) if expected != found => Err(mismatch("owner", expected, found)),
        _ => Ok(()),
    }
}

/// Refuses the named semaphores of a ring of `owner`, if one of them is somebody else's.
pub(super) fn check_semaphores(names: &[String; 2], owner: u32) -> Result<(), OpenError> {
    match names
        .iter()
        .find_map(|name| NamedSem::owner(name).filter(|found| *found != owner))
    {
        Some(found) => Err(mismatch("owner of the semaphores", owner, found)),
        None => Ok(()),
    }
}
