//! System V rings: a semaphore set and a segment under one key, and how to tell ours from a stranger's.
//!
//! A key exists from the first call on, so a ring in the making can be seen, and its creator can die at any
//! step. Semaphore 0 is held with undo by whoever is at work; semaphore 1 carries a mark that only this
//! library sets, in the same step as the first hold. So:
//!
//! | set | semaphore 0 | segment | meaning |
//! |---|---|---|---|
//! | never used | free | - | its creator is between its first two calls, or died there: whoever holds it first goes on |
//! | marked | held | any | a creator is at work |
//! | marked | free | finished | a ring |
//! | marked | free | none, or unfinished and made by the process that set the mark | abandoned |
//! | anything else | | | a stranger's: left alone |

use super::{Memory, Place, owner, view};
use crate::error::OsError;
use crate::layout::header;
use crate::os::sysv_sem::SemSet;
use crate::os::{process, sysv_shm};
use std::io::ErrorKind;

/// The semaphore that whoever makes the ring holds.
const CREATOR: u16 = 0;
/// The semaphore whose value says that the set is ours.
const MARK: u16 = 1;
/// The semaphore of participant 0; the others follow, and behind them the admin token.
pub(super) const FIRST_TOKEN: u16 = 2;
/// The mark's value: "AN".
const MARK_VALUE: u16 = 0x414e;
/// How often to look again when objects come and go under one's hands.
const RACES: u32 = 64;

/// Semaphores of the set of a ring with a table of so many entries.
pub(super) fn semaphores(participants: u32) -> u16 {
    // At most 2048 entries.
    FIRST_TOKEN + participants as u16 + 1
}

/// The kernel objects of a ring in the making. Dropping it unkept removes them.
#[derive(Debug)]
pub(super) struct Making {
    pub(super) set: SemSet,
    shm: Option<sysv_shm::Id>,
    kept: bool,
}

impl Drop for Making {
    fn drop(&mut self) {
        if !self.kept {
            if let Some(shm) = self.shm {
                // Nothing to do about failures, here and below: somebody else removed them first.
                let _ = sysv_shm::remove(shm);
            }
            let _ = self.set.remove();
        }
    }
}

impl Making {
    /// Makes the segment.
    pub(super) fn segment(
        &mut self,
        key: i32,
        bytes: usize,
        mode: u32,
    ) -> Result<sysv_shm::Id, OsError> {
        let shm = sysv_shm::create(key, bytes, mode)?;
        self.shm = Some(shm);
        Ok(shm)
    }

    /// The ring is complete.
    pub(super) fn keep(mut self) -> Result<SemSet, OsError> {
        self.set.release(CREATOR)?;
        self.kept = true;
        Ok(self.set)
    }
}

/// Whether `error` says that the object has just been removed.
fn is_gone(error: &OsError) -> bool {
    matches!(
        error.source.kind(),
        ErrorKind::NotFound | ErrorKind::InvalidInput
    ) || error.source.raw_os_error() == Some(crate::os::EIDRM)
}

/// `None` if the object is gone by now.
fn unless_gone<T>(result: Result<T, OsError>) -> Result<Option<T>, OsError> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(e) if is_gone(&e) => Ok(None),
        Err(e) => Err(e),
    }
}

fn is_marked(set: &SemSet) -> Result<bool, OsError> {
    Ok(set.count() >= FIRST_TOKEN && set.value(MARK)? == MARK_VALUE)
}

/// The set of the ring under `key`, if there is one of ours.
pub(super) fn find_set(key: i32) -> Result<Option<SemSet>, OsError> {
    let Some(set) = unless_gone(SemSet::find(key))? else {
        return Ok(None);
    };
    Ok(unless_gone(is_marked(&set))?
        .unwrap_or(false)
        .then_some(set))
}

/// Whether a creator is at work under `key`.
pub(super) fn is_in_the_making(key: i32) -> Result<bool, OsError> {
    match find_set(key)? {
        Some(set) => Ok(unless_gone(set.is_held(CREATOR))?.unwrap_or(false)),
        None => Ok(false),
    }
}

/// Whether what is under `key` is ours, no finished ring, and nobody is at work on it.
pub(crate) fn is_abandoned(key: i32) -> Result<bool, OsError> {
    let Some(set) = find_set(key)? else {
        return Ok(false);
    };
    if unless_gone(set.is_held(CREATOR))?.unwrap_or(true) {
        return Ok(false);
    }
    match unless_gone(sysv_shm::find(key))? {
        None => Ok(true),
        Some(shm) => Ok(unless_gone(is_unfinished(shm, &set))?.unwrap_or(false)),
    }
}

/// The error of a name or key that is taken.
pub(super) fn exists(op: &'static str, place: &Place) -> OsError {
    OsError::new(op, place.to_string(), ErrorKind::AlreadyExists.into())
}

/// Becomes the one creator of a set of `sems` semaphores under `key`, or finds it taken.
pub(super) fn begin(key: i32, sems: u16, mode: u32, place: &Place) -> Result<Making, OsError> {
    for _ in 0..RACES {
        let set = match SemSet::create(key, sems, mode) {
            Ok(set) => set,
            Err(e) if e.source.kind() == ErrorKind::AlreadyExists => {
                match unless_gone(SemSet::find(key))? {
                    Some(set) => set,
                    None => continue,
                }
            }
            Err(e) => return Err(e),
        };
        let Some((_, creator)) = unless_gone(set.owner_and_creator())? else {
            continue;
        };
        // Whoever made a set stays in command of it, so a set that another user left unfinished is no use.
        if set.count() != sems || creator != process::effective_uid() {
            return Err(exists("semget", place));
        }
        match unless_gone(take(&set, key))? {
            Some(Taken::Ours) => {
                return Ok(Making {
                    set,
                    shm: None,
                    kept: false,
                });
            }
            Some(Taken::Theirs) => return Err(exists("semget", place)),
            None | Some(Taken::Again) => {}
        }
    }
    Err(exists("semget", place))
}

/// What became of an attempt to be the creator.
enum Taken {
    Ours,
    Theirs,
    /// Somebody else was at it in the same moment.
    Again,
}

/// Tries to become the creator in `set`.
fn take(set: &SemSet, key: i32) -> Result<Taken, OsError> {
    if !set.ever_used()? {
        return Ok(match set.hold_and_mark(CREATOR, MARK, MARK_VALUE)? {
            true => Taken::Ours,
            false => Taken::Again,
        });
    }
    if !is_marked(set)? || !set.try_hold(CREATOR)? {
        return Ok(Taken::Theirs);
    }
    // Held, so no creator lives. What is there is a ring, a stranger's, or abandoned.
    let abandoned = match unless_gone(sysv_shm::find(key))? {
        None => true,
        Some(shm) => {
            let dead = is_unfinished(shm, set)?;
            if dead {
                let _ = sysv_shm::remove(shm);
            }
            dead
        }
    };
    if !abandoned {
        set.release(CREATOR)?;
        return Ok(Taken::Theirs);
    }
    set.renew(MARK, MARK_VALUE)?;
    Ok(Taken::Ours)
}

/// Whether `shm` was left unfinished by the process that set the mark in `set`.
fn is_unfinished(shm: sysv_shm::Id, set: &SemSet) -> Result<bool, OsError> {
    if sysv_shm::facts(shm)?.creator_pid != set.last_pid(MARK)? {
        return Ok(false);
    }
    let memory = Memory::attached(sysv_shm::attach(shm, false)?);
    let blank = [header::MAGIC, [0; 8]];
    Ok(view::read_header(&memory).is_some_and(|h| h.ready == 0 && blank.contains(&h.magic)))
}

/// What [`remove`] found under a key.
pub(super) enum Removed {
    Ring,
    Nothing,
    /// A segment that is not a ring; it was left alone.
    Stranger,
}

/// Removes the ring under `key`, finished or abandoned; semaphores that are another user's are left alone. `before` is
/// called with a finished ring's memory and owner.
pub(super) fn remove<E: From<OsError>>(
    key: i32,
    before: impl FnOnce(&Memory, u32) -> Result<(), E>,
) -> Result<Removed, E> {
    let set = find_set(key)?;
    let Some(shm) = unless_gone(sysv_shm::find(key))? else {
        let abandoned = match &set {
            Some(set) => !unless_gone(set.is_held(CREATOR))?.unwrap_or(true),
            None => false,
        };
        return Ok(match set {
            Some(set) if abandoned => {
                unless_gone(set.remove())?;
                Removed::Ring
            }
            _ => Removed::Nothing,
        });
    };
    let memory = Memory::attached(sysv_shm::attach(shm, false)?);
    let owner = owner::of_shm(&sysv_shm::facts(shm)?);
    if view::read_header(&memory).is_some_and(|h| h.magic == header::MAGIC) {
        before(&memory, owner)?;
    } else {
        let unfinished = match &set {
            Some(set) => unless_gone(is_unfinished(shm, set))?.unwrap_or(false),
            None => false,
        };
        if !unfinished {
            return Ok(Removed::Stranger);
        }
    }
    unless_gone(sysv_shm::remove(shm))?;
    if let Some(set) = set
        && unless_gone(owner::of_set(&set))? == Some(owner)
    {
        unless_gone(set.remove())?;
    }
    Ok(Removed::Ring)
}
