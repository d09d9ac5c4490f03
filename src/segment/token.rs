//! Liveness tokens: something a process holds and only the kernel can take away.
//!
//! A token is an open-file-description lock on one byte far beyond the end of the file, taken through a
//! descriptor of the endpoint's own, or, where a segment has no descriptor (System V), a semaphore held with
//! undo. Either way the kernel lets go of it when the holder dies, at any instruction, and not before.
//! A forked child neither holds nor keeps its parent's: see `os::unshared`; semaphores are not inherited.
//! Process ids are never used to decide anything.
//!
//! A ring of `n` participants has `n + 1` tokens: the last one belongs to nobody's entry. It is the admin token,
//! held by whoever repairs or rearranges what is shared.

use super::keyed;
use crate::error::OsError;
use crate::os::process::{self, Stamp};
use crate::os::sysv_sem::SemSet;
use crate::os::unshared::Unshared;
use crate::os::{file, locks, sysv_shm};
use crate::sync::AtomicU64;
use crate::sync::Ordering::Relaxed;
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
    Sems {
        set: SemSet,
        shm: sysv_shm::Id,
        /// Which tokens this process holds.
        held: Arc<Held>,
    },
}

/// A note of a process to itself: one bit for each token that it holds. A forked child's copy says nothing.
#[derive(Debug)]
pub(crate) struct Held {
    bits: Box<[AtomicU64]>,
    /// Whose note it is.
    process: Stamp,
}

impl Held {
    fn new(tokens: u16) -> Self {
        let words = usize::from(tokens).div_ceil(64);
        Self {
            bits: (0..words).map(|_| AtomicU64::new(0)).collect(),
            process: process::stamp(),
        }
    }

    fn bit(&self, index: u16) -> (&AtomicU64, u64) {
        (&self.bits[usize::from(index) / 64], 1 << (index % 64))
    }

    fn set(&self, index: u16) {
        let (word, bit) = self.bit(index);
        // Relaxed, here and below: nobody acts on anything else on the strength of it.
        word.fetch_or(bit, Relaxed);
    }

    fn clear(&self, index: u16) {
        let (word, bit) = self.bit(index);
        word.fetch_and(!bit, Relaxed);
    }

    fn has(&self, index: u16) -> bool {
        let (word, bit) = self.bit(index);
        word.load(Relaxed) & bit != 0 && self.process == process::stamp()
    }
}

/// A held token. Dropping it without [`Token::release`] lets go when the process ends, at the latest. What a forked
/// child inherits is no token.
#[derive(Debug)]
pub(crate) enum Token {
    /// The lock on byte `offset` belongs to this description.
    Lock { descriptor: Unshared, offset: u64 },
    /// Semaphore `index` of the set.
    Sem {
        set: SemSet,
        index: u16,
        held: Arc<Held>,
    },
}

/// The semaphore of token `index`.
fn sem_index(index: u32) -> u16 {
    // A table has at most 2048 entries, far below 2^16.
    keyed::FIRST_TOKEN + index as u16
}

impl Tokens {
    /// Of a System V ring.
    pub(super) fn sems(set: SemSet, shm: sysv_shm::Id) -> Self {
        Self::Sems {
            set,
            shm,
            held: Arc::new(Held::new(set.count())),
        }
    }

    /// Takes token `index` if nobody holds it.
    pub(crate) fn try_hold(&self, index: u32) -> Result<Option<Token>, OsError> {
        match self {
            Self::Locks(fd) => {
                // A description of its own: neither a descriptor of the ring that was passed on nor a forked
                // child keeps it alive.
                let descriptor = Unshared::open(|| file::reopen(fd.as_fd()))?;
                let offset = TOKEN_BASE + u64::from(index);
                let held = match descriptor.get() {
                    Some(own) => locks::try_lock(own, offset)?,
                    None => false,
                };
                Ok(held.then_some(Token::Lock { descriptor, offset }))
            }
            Self::Sems { set, held, .. } => {
                let index = sem_index(index);
                if !set.try_hold(index)? {
                    return Ok(None);
                }
                held.set(index);
                Ok(Some(Token::Sem {
                    set: *set,
                    index,
                    held: Arc::clone(held),
                }))
            }
        }
    }

    /// Whether a living endpoint holds token `index`.
    pub(crate) fn is_held(&self, index: u32) -> Result<bool, OsError> {
        match self {
            Self::Locks(fd) => locks::locked_by_other(fd.as_fd(), TOKEN_BASE + u64::from(index)),
            // A ring that was unlinked has no set any more, but the kernel still counts who has it attached.
            Self::Sems { set, shm, held } => set
                .is_held(sem_index(index))
                .or_else(|_| Ok(held.has(sem_index(index)) || sysv_shm::facts(*shm)?.attached > 1)),
        }
    }
}

impl Token {
    /// Lets go at once. Nothing in a forked child that inherited the token: it is its parent's.
    pub(crate) fn release(self) {
        // Failures mean that the ring was removed: then there is nothing left to let go of.
        match self {
            // Closing alone would not do: who is being spawned has a copy until it execs.
            Self::Lock { descriptor, offset } => {
                if let Some(own) = descriptor.get() {
                    let _ = locks::unlock(own, offset);
                }
            }
            Self::Sem { set, index, held } => {
                if held.has(index) {
                    held.clear(index);
                    let _ = set.release(index);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::os::memfd;
    use crate::os::testing::{Child, Cleanup, eventually, unique_key};

    /// The table has this many entries; so this is the admin token.
    const ADMIN: u32 = 3;

    /// Two handles exclude each other on the admin token, and on nothing else.
    fn excludes(a: &Tokens, b: &Tokens) {
        for _ in 0..2 {
            let held = a.try_hold(ADMIN).unwrap().expect("nobody holds it");
            assert!(a.is_held(ADMIN).unwrap() && b.is_held(ADMIN).unwrap());
            assert!(b.try_hold(ADMIN).unwrap().is_none());
            assert!(a.try_hold(ADMIN).unwrap().is_none(), "not even oneself");
            let neighbour = b.try_hold(ADMIN - 1).unwrap().expect("another token");
            neighbour.release();
            held.release();
            assert!(!b.is_held(ADMIN).unwrap());
            let held = b.try_hold(ADMIN).unwrap().expect("given back");
            assert!(a.try_hold(ADMIN).unwrap().is_none());
            held.release();
        }
    }

    #[test]
    fn two_descriptors_exclude_each_other_on_the_admin_token() {
        let fd = memfd::create("annulus-test", false).unwrap();
        let other = Tokens::Locks(file::reopen(fd.as_fd()).unwrap());
        let one = Tokens::Locks(fd);
        excludes(&one, &other);
    }

    #[test]
    fn two_users_of_a_semaphore_set_exclude_each_other_on_the_admin_token() {
        let key = unique_key(77);
        let set = SemSet::create(key, keyed::semaphores(ADMIN), 0o600).unwrap();
        let shm = sysv_shm::create(key, 4096, 0o600).unwrap();
        let _cleanup = Cleanup(|| {
            let _ = set.remove();
            let _ = sysv_shm::remove(shm);
        });
        let one = Tokens::sems(set, shm);
        let other = Tokens::sems(SemSet::find(key).unwrap(), shm);
        excludes(&one, &other);
        assert!(one.try_hold(ADMIN + 1).is_err(), "there are no more");
        let child = Child::that(|| matches!(other.try_hold(ADMIN), Ok(Some(_))));
        assert!(one.try_hold(ADMIN).unwrap().is_none());
        child.kill();
        eventually("death releases", || !one.is_held(ADMIN).unwrap());
        one.try_hold(ADMIN).unwrap().expect("free").release();
    }

    #[test]
    fn a_forked_child_holds_none_of_its_parent_s_semaphores_and_lets_go_of_none() {
        let key = unique_key(78);
        let set = SemSet::create(key, keyed::semaphores(ADMIN), 0o600).unwrap();
        let shm = sysv_shm::create(key, 4096, 0o600).unwrap();
        let tokens = Tokens::sems(set, shm);
        let _cleanup = Cleanup(|| {
            let _ = set.remove();
            let _ = sysv_shm::remove(shm);
        });
        let token = tokens.try_hold(ADMIN).unwrap().expect("free");
        let Token::Sem { held, index, .. } = &token else {
            panic!("semaphores");
        };
        assert!(held.has(*index));
        let _child = Child::that(|| {
            let believed = held.has(*index);
            let copy = Token::Sem {
                set,
                index: *index,
                held: Arc::clone(held),
            };
            copy.release();
            // Without the set nothing but that note and the segment's users tell.
            !believed && set.value(*index).is_ok_and(|value| value == 1)
        });
        assert!(tokens.is_held(ADMIN).unwrap());
        token.release();
        assert!(!tokens.is_held(ADMIN).unwrap());
    }
}
