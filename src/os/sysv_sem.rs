//! System V semaphore sets: liveness tokens, and an administration mutex, for rings in System V
//! memory, which has no descriptor to lock.
//!
//! Semaphore `i` is 0 while free and above 0 while held. Holding asks the kernel to undo it
//! (`SEM_UNDO`) when the holder dies, however it dies. **The undo belongs to the process**: threads
//! share it (`CLONE_SYSVSEM`, which every thread library passes), fork does not inherit it, exec
//! keeps it. So a hold ends when the whole process ends, never when a thread or a handle does: who
//! drops a handle must [`SemSet::release`] first. A second hold by the same process is refused
//! like a stranger's.
//!
//! Whoever may write the set may also set any value; the kernel then forgets the undos of it.
//! Nothing here loops on such values.

use super::{errno, retry};
use crate::error::OsError;
use std::io;

/// An open set of semaphores. Holds nothing of the kernel by itself: dropping it changes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SemSet {
    id: i32,
    n: u16,
}

impl SemSet {
    /// Makes a set of `n` free semaphores (1 up to the system's limit, 32000 by default).
    /// `EEXIST` if the key is taken, `ENOSPC` if the system's limit of semaphores is reached.
    /// Modes are exact: no umask applies. Using a set needs write permission.
    pub(crate) fn create(key: i32, n: u16, mode: u32) -> Result<SemSet, OsError> {
        let flags = libc::IPC_CREAT | libc::IPC_EXCL | (mode & 0o777) as i32;
        // SAFETY: three integers. Linux makes all values zero.
        retry(|| unsafe { libc::semget(key, i32::from(n), flags) })
            .map(|id| SemSet { id, n })
            .map_err(|e| OsError::new("semget (create)", shown_key(key), e))
    }

    /// The set of this key. `ENOENT` if there is none; key 0 never names one.
    pub(crate) fn find(key: i32) -> Result<SemSet, OsError> {
        let found = if key == libc::IPC_PRIVATE {
            Err(errno(libc::ENOENT))
        } else {
            // SAFETY: three integers.
            retry(|| unsafe { libc::semget(key, 0, 0) })
        };
        let id = found.map_err(|e| OsError::new("semget", shown_key(key), e))?;
        SemSet::from_id(id)
    }

    /// The set of an id. Needs read permission on it.
    fn from_id(id: i32) -> Result<SemSet, OsError> {
        let set = SemSet { id, n: 0 };
        let n = set.stat()?.sem_nsems;
        let n = u16::try_from(n).map_err(|_| set.failed("semctl (IPC_STAT)", errno(libc::E2BIG)));
        Ok(SemSet { id, n: n? })
    }

    /// How many semaphores the set has.
    pub(crate) fn count(&self) -> u16 {
        self.n
    }

    /// Takes semaphore `i` for this process if nobody has it, in one step. False: somebody does.
    /// `EFBIG` if there is no such semaphore.
    pub(crate) fn try_hold(&self, i: u16) -> Result<bool, OsError> {
        let no_wait = libc::IPC_NOWAIT;
        let mut ops = [op(i, 0, no_wait), op(i, 1, no_wait | libc::SEM_UNDO)];
        match self.operate(&mut ops) {
            Ok(()) => Ok(true),
            Err(e) if e.raw_os_error() == Some(libc::EAGAIN) => Ok(false),
            Err(e) => Err(self.failed("semop (hold)", e)),
        }
    }

    /// Takes semaphore `i` and adds `value` to semaphore `mark`, in one step, if both are 0. False: one is
    /// not. The mark stays when the holder dies.
    pub(crate) fn hold_and_mark(&self, i: u16, mark: u16, value: u16) -> Result<bool, OsError> {
        let no_wait = libc::IPC_NOWAIT;
        let mut ops = [
            op(i, 0, no_wait),
            op(mark, 0, no_wait),
            op(i, 1, no_wait | libc::SEM_UNDO),
            op(mark, value as i16, no_wait),
        ];
        match self.operate(&mut ops) {
            Ok(()) => Ok(true),
            Err(e) if e.raw_os_error() == Some(libc::EAGAIN) => Ok(false),
            Err(e) => Err(self.failed("semop (hold)", e)),
        }
    }

    /// Makes this process the last that operated on semaphore `mark`, whose value is `value` and stays so.
    pub(crate) fn renew(&self, mark: u16, value: u16) -> Result<(), OsError> {
        let no_wait = libc::IPC_NOWAIT;
        let mut ops = [
            op(mark, -(value as i16), no_wait),
            op(mark, value as i16, no_wait),
        ];
        self.operate(&mut ops)
            .map_err(|e| self.failed("semop (renew)", e))
    }

    /// The value of semaphore `i`.
    pub(crate) fn value(&self, i: u16) -> Result<u16, OsError> {
        // SAFETY: GETVAL takes no fourth argument.
        retry(|| unsafe { libc::semctl(self.id, i32::from(i), libc::GETVAL) })
            .map(|value| u16::try_from(value).unwrap_or(0))
            .map_err(|e| self.failed("semctl (GETVAL)", e))
    }

    /// The process that last operated on semaphore `i`.
    pub(crate) fn last_pid(&self, i: u16) -> Result<i32, OsError> {
        // SAFETY: GETPID takes no fourth argument.
        retry(|| unsafe { libc::semctl(self.id, i32::from(i), libc::GETPID) })
            .map_err(|e| self.failed("semctl (GETPID)", e))
    }

    /// Gives semaphore `i` back. Only for a process that holds it: the kernel does not check.
    /// `EAGAIN` if nobody has it.
    pub(crate) fn release(&self, i: u16) -> Result<(), OsError> {
        // With SEM_UNDO, so that the undo of the hold is cancelled and not done a second time.
        let mut ops = [op(i, -1, libc::IPC_NOWAIT | libc::SEM_UNDO)];
        self.operate(&mut ops)
            .map_err(|e| self.failed("semop (release)", e))
    }

    /// True if some process, this one included, has semaphore `i` now.
    pub(crate) fn is_held(&self, i: u16) -> Result<bool, OsError> {
        Ok(self.value(i)? > 0)
    }

    /// True if any semaphore of the set was ever held, released or undone. The kernel notes the
    /// second of the last operation; a set that has just been made has none.
    pub(crate) fn ever_used(&self) -> Result<bool, OsError> {
        Ok(self.stat()?.sem_otime != 0)
    }

    /// The user that owns the set, and the one that made it. Either may name another owner; the creator never changes
    /// and stays in command.
    pub(crate) fn owner_and_creator(&self) -> Result<(u32, u32), OsError> {
        let perm = self.stat()?.sem_perm;
        Ok((perm.uid, perm.cuid))
    }

    /// Removes the set at once; who sleeps on it wakes with `EIDRM`. `EPERM` unless owner or
    /// creator.
    pub(crate) fn remove(&self) -> Result<(), OsError> {
        // SAFETY: IPC_RMID takes no fourth argument.
        retry(|| unsafe { libc::semctl(self.id, 0, libc::IPC_RMID) })
            .map(|_| ())
            .map_err(|e| self.failed("semctl (IPC_RMID)", e))
    }

    /// Sets the permission bits exactly, and gives the set to another user or group (`None` leaves it).
    /// `EPERM` unless owner or creator; another owner needs privileges.
    pub(crate) fn set_access(
        &self,
        mode: u32,
        uid: Option<u32>,
        gid: Option<u32>,
    ) -> Result<(), OsError> {
        let mut ds = self.stat()?;
        ds.sem_perm.mode = (mode & 0o777) as _;
        ds.sem_perm.uid = uid.unwrap_or(ds.sem_perm.uid);
        ds.sem_perm.gid = gid.unwrap_or(ds.sem_perm.gid);
        let buffer: *mut libc::semid_ds = &mut ds;
        // SAFETY: a live, filled buffer of the right type; IPC_SET reads owner, group and mode from it.
        retry(|| unsafe { libc::semctl(self.id, 0, libc::IPC_SET, buffer) })
            .map(|_| ())
            .map_err(|e| self.failed("semctl (IPC_SET)", e))
    }

    fn stat(&self) -> Result<libc::semid_ds, OsError> {
        // SAFETY: plain integers, for which zero is a value.
        let mut ds: libc::semid_ds = unsafe { core::mem::zeroed() };
        let buffer: *mut libc::semid_ds = &mut ds;
        // SAFETY: a live buffer of the right type; a pointer is one member of the union that the
        // fourth argument is, and is passed the same way.
        retry(|| unsafe { libc::semctl(self.id, 0, libc::IPC_STAT, buffer) })
            .map_err(|e| self.failed("semctl (IPC_STAT)", e))?;
        Ok(ds)
    }

    /// All operations in one step or none. None of them may be one that can sleep.
    fn operate(&self, ops: &mut [libc::sembuf]) -> io::Result<()> {
        // SAFETY: the operations are live and counted.
        retry(|| unsafe { libc::semop(self.id, ops.as_mut_ptr(), ops.len()) }).map(|_| ())
    }

    fn failed(&self, op: &'static str, error: io::Error) -> OsError {
        OsError::new(op, format!("System V semaphore set {}", self.id), error)
    }
}

fn op(i: u16, change: i16, flags: i32) -> libc::sembuf {
    libc::sembuf {
        sem_num: i,
        sem_op: change,
        sem_flg: flags as libc::c_short,
    }
}

fn shown_key(key: i32) -> String {
    format!("System V semaphore set with key {key:#010x}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::os::testing::{Child, Cleanup, eventually, unique_key};

    fn made(key: u8, n: u16) -> (SemSet, Cleanup<impl FnMut()>) {
        let set = SemSet::create(unique_key(key), n, 0o600).unwrap();
        let gone = Cleanup(move || {
            let _ = set.remove();
        });
        (set, gone)
    }

    fn code(error: OsError) -> Option<i32> {
        error.source.raw_os_error()
    }

    #[test]
    fn a_set_is_found_with_its_count_and_begins_unused() {
        let (set, _gone) = made(21, 17);
        let found = SemSet::find(unique_key(21)).unwrap();
        assert_eq!((found, found.count()), (set, 17));
        assert_eq!(SemSet::from_id(set.id).unwrap(), set);
        assert!(!set.ever_used().unwrap());
        assert!(set.try_hold(0).unwrap());
        assert!(set.ever_used().unwrap());
        set.release(0).unwrap();
        let taken = SemSet::create(unique_key(21), 17, 0o600).unwrap_err();
        assert_eq!(code(taken), Some(libc::EEXIST));
        for key in [unique_key(22), 0] {
            assert_eq!(code(SemSet::find(key).unwrap_err()), Some(libc::ENOENT));
        }
    }

    #[test]
    fn a_token_is_held_once_and_apart_from_its_neighbours() {
        let (set, _gone) = made(23, 3);
        assert!(!set.is_held(1).unwrap());
        assert!(set.try_hold(1).unwrap());
        assert!(!set.try_hold(1).unwrap(), "also not by its own process");
        assert!(set.is_held(1).unwrap());
        assert!(!set.is_held(0).unwrap() && !set.is_held(2).unwrap());
        set.release(1).unwrap();
        assert!(!set.is_held(1).unwrap());
        assert_eq!(code(set.release(1).unwrap_err()), Some(libc::EAGAIN));
        assert_eq!(code(set.try_hold(3).unwrap_err()), Some(libc::EFBIG));
        assert!(set.is_held(3).is_err());
    }

    #[test]
    fn a_killed_process_loses_its_tokens() {
        let (set, _gone) = made(24, 2);
        let child = Child::that(|| set.try_hold(0).unwrap_or(false));
        assert!(set.is_held(0).unwrap());
        assert!(!set.try_hold(0).unwrap());
        child.kill();
        eventually("undone", || !set.is_held(0).unwrap());
        assert!(set.try_hold(0).unwrap());
        set.release(0).unwrap();
    }

    #[test]
    fn a_release_cancels_the_undo() {
        let (set, _gone) = made(25, 1);
        let child = Child::that(|| set.try_hold(0).unwrap_or(false) && set.release(0).is_ok());
        assert!(set.try_hold(0).unwrap(), "free again while the child lives");
        child.kill();
        assert!(set.is_held(0).unwrap(), "its death does not take our token");
        set.release(0).unwrap();
    }

    #[test]
    fn a_child_does_not_inherit_the_token_and_a_thread_shares_it() {
        let (set, _gone) = made(26, 1);
        std::thread::scope(|scope| {
            let holder = scope.spawn(|| set.try_hold(0).unwrap());
            assert!(holder.join().unwrap());
        });
        assert!(set.is_held(0).unwrap(), "held beyond the thread's end");
        Child::that(|| true).kill();
        assert!(set.is_held(0).unwrap(), "a child's death undoes nothing");
        set.release(0).unwrap();
    }

    #[test]
    fn a_removed_set_is_gone_at_once_also_while_a_token_is_held() {
        let (set, _gone) = made(28, 1);
        let _child = Child::that(|| set.try_hold(0).unwrap_or(false));
        set.remove().unwrap();
        let refused = set.try_hold(0).unwrap_err();
        assert!(matches!(code(refused), Some(libc::EIDRM | libc::EINVAL)));
        let missing = SemSet::find(unique_key(28)).unwrap_err();
        assert_eq!(code(missing), Some(libc::ENOENT));
    }
}
