//! Liveness tokens: something a process holds and only the kernel can take away.
//!
//! A token is an open-file-description lock on one byte far beyond the end of the file, taken through a
//! descriptor of the endpoint's own, or, where a segment has no descriptor (System V), a semaphore held with
//! undo. Either way the kernel lets go of it when the holder dies, at any instruction, and not before.
//! Process ids are never used to decide anything.

use super::keyed;
use crate::error::OsError;
use crate::os::sysv_sem::SemSet;
use crate::os::{file, locks};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

/// Byte offset of token 0; token `i` is `i` bytes further. No file is that long.
const TOKEN_BASE: u64 = 1 << 62;

/// What the tokens of a ring hang on.
#[derive(Debug)]
pub(crate) enum Tokens {
    /// The segment's own descriptor; no lock is ever taken through it.
    Locks(OwnedFd),
    /// A semaphore set; see `keyed`.
    Sems(SemSet),
}

/// A held token. Dropping it lets go.
#[derive(Debug)]
pub(crate) enum Token {
    /// The lock is on this description; closing it unlocks.
    Lock {
        #[allow(dead_code)] // Held for its Drop.
        descriptor: OwnedFd,
    },
    /// Semaphore `index` of the set.
    Sem { tokens: Arc<Tokens>, index: u16 },
}

/// The semaphore of participant `index`.
fn sem_index(index: u32) -> u16 {
    // A table has at most a few hundred entries, far below 2^16.
    keyed::FIRST_TOKEN + index as u16
}

impl Tokens {
    /// Takes token `index` if nobody holds it.
    pub(crate) fn try_hold(self: &Arc<Self>, index: u32) -> Result<Option<Token>, OsError> {
        match &**self {
            Self::Locks(fd) => {
                // A description of its own: a descriptor of the ring that was passed on does not keep it alive.
                // One inherited by fork does, until the child execs or exits.
                let descriptor = file::reopen(fd.as_fd())?;
                let held = locks::try_lock(descriptor.as_fd(), TOKEN_BASE + u64::from(index))?;
                Ok(held.then_some(Token::Lock { descriptor }))
            }
            Self::Sems(set) => Ok(set.try_hold(sem_index(index))?.then(|| Token::Sem {
                tokens: Arc::clone(self),
                index: sem_index(index),
            })),
        }
    }

    /// Whether a living endpoint holds token `index`.
    pub(crate) fn is_held(&self, index: u32) -> Result<bool, OsError> {
        match self {
            Self::Locks(fd) => locks::locked_by_other(fd.as_fd(), TOKEN_BASE + u64::from(index)),
            Self::Sems(set) => set.is_held(sem_index(index)),
        }
    }
}

impl Drop for Token {
    fn drop(&mut self) {
        if let Self::Sem { tokens, index } = self
            && let Tokens::Sems(set) = &**tokens
        {
            // Fails only when the set was removed: then there is nothing left to let go of.
            let _ = set.release(*index);
        }
    }
}
