//! Named POSIX semaphores: the way to sleep where there is no futex.
//!
//! A semaphore carries wake-ups only, never a count that means something: who waits drains it
//! first and looks at the shared words afterwards.
//!
//! Limits that come with the facility. The object is libc's: glibc keeps it in
//! `/dev/shm/sem.NAME`, musl in `/dev/shm/NAME` with another layout, so peers must share a libc.
//! libc maps the object itself, so a peer that may write the object may also truncate it, and then
//! the next call here ends in SIGBUS. Use it only among peers who trust one another.
//!
//! Names have one leading slash or none, and no other slash.

use super::futex::Woke;
use super::{clock, file};
use crate::error::OsError;
use std::io;
use std::path::PathBuf;
use std::ptr::NonNull;

/// The most posts that one [`NamedSem::drain`] takes away; hostile peers may post for ever.
const DRAIN_LIMIT: u32 = 1024;

/// An open named semaphore. Closed on drop; the name stays until [`NamedSem::unlink`].
#[derive(Debug)]
pub(crate) struct NamedSem {
    sem: NonNull<libc::sem_t>,
    name: String,
}

// SAFETY: every operation on an open sem_t may be called from any thread; the pointer stays valid
// until the one `sem_close` in Drop.
unsafe impl Send for NamedSem {}
// SAFETY: as for Send; sem_post, sem_trywait and the waits synchronise among themselves.
unsafe impl Sync for NamedSem {}

impl NamedSem {
    /// Makes a new semaphore with value 0. `EEXIST` if the name is taken.
    ///
    /// `sem_open` applies the umask. Where the object can be found (glibc) its mode is then set
    /// to `mode` exactly; where it cannot, the umask stands. Permission bits only.
    pub(crate) fn create(name: &str, mode: u32) -> Result<NamedSem, OsError> {
        let flags = libc::O_CREAT | libc::O_EXCL;
        let sem = Self::sem_open("sem_open (create)", name, flags, mode & 0o777)?;
        if let Some(path) = object_path(name) {
            // Best effort: a refusal leaves the mode that the umask allowed.
            if let Ok(fd) = file::open_existing(&path, true) {
                use std::os::fd::AsFd;
                let _ = file::set_mode(fd.as_fd(), mode);
            }
        }
        Ok(sem)
    }

    /// Opens an existing semaphore. `ENOENT` if there is none; `EINVAL` if what lies at the name
    /// is not a regular file or is too small to be one.
    pub(crate) fn open(name: &str) -> Result<NamedSem, OsError> {
        let op = "sem_open";
        // libc maps whatever it finds; an object that is too short would be a SIGBUS later.
        if let Some(facts) = object_path(name).and_then(|path| file::facts_at(&path).ok()) {
            let least = size_of::<libc::sem_t>() as u64;
            if facts.kind != file::FileKind::Regular || facts.size < least {
                return Err(OsError::new(op, name, super::errno(libc::EINVAL)));
            }
        }
        Self::sem_open(op, name, 0, 0)
    }

    /// Who owns the semaphore; `None` if there is none, or the object cannot be found (glibc only).
    pub(crate) fn owner(name: &str) -> Option<u32> {
        let path = object_path(name)?;
        Some(file::facts_at(&path).ok()?.uid)
    }

    /// Gives the semaphore to another user or group; `None` leaves it. `EPERM` without privileges, `ENOSYS`
    /// where the object cannot be found (glibc only).
    pub(crate) fn set_owner(name: &str, uid: Option<u32>, gid: Option<u32>) -> Result<(), OsError> {
        let path = object_path(name)
            .ok_or_else(|| OsError::new("fchown", name, super::errno(libc::ENOSYS)))?;
        let fd = file::open_existing(&path, true)?;
        file::set_owner(std::os::fd::AsFd::as_fd(&fd), uid, gid)
    }

    fn sem_open(op: &'static str, name: &str, flags: i32, mode: u32) -> Result<NamedSem, OsError> {
        let c_name = full_name(name).map_err(|e| OsError::new(op, name, e))?;
        loop {
            // SAFETY: the name is a live zero-terminated string; mode and value are passed as the
            // unsigned ints that the variadic form wants, and are ignored without O_CREAT.
            let sem = unsafe { libc::sem_open(c_name.as_ptr(), flags, mode, 0u32) };
            let error = io::Error::last_os_error();
            if sem != libc::SEM_FAILED
                && let Some(sem) = NonNull::new(sem)
            {
                let name = name.to_owned();
                return Ok(NamedSem { sem, name });
            }
            if error.kind() != io::ErrorKind::Interrupted {
                return Err(OsError::new(op, name, error));
            }
        }
    }

    /// Adds one. A semaphore that is already at its maximum counts as success: nobody can be
    /// asleep on it.
    pub(crate) fn post(&self) -> Result<(), OsError> {
        // SAFETY: the semaphore is open as long as `self` lives.
        match super::retry(|| unsafe { libc::sem_post(self.sem.as_ptr()) }) {
            Ok(_) => Ok(()),
            Err(e) if e.raw_os_error() == Some(libc::EOVERFLOW) => Ok(()),
            Err(e) => Err(OsError::new("sem_post", self.name.as_str(), e)),
        }
    }

    /// Posts until the value is `n`: enough for `n` sleepers, and no growing pile where fewer take one.
    pub(crate) fn post_up_to(&self, n: u32) {
        let mut value = 0;
        // SAFETY: the semaphore is open as long as `self` lives; `value` is valid for a write.
        if unsafe { libc::sem_getvalue(self.sem.as_ptr(), &mut value) } != 0 {
            return;
        }
        for _ in u32::try_from(value).unwrap_or(0)..n {
            if self.post().is_err() {
                return;
            }
        }
    }

    /// Sleeps until the value can be lowered by one, or until `deadline_ns` (`CLOCK_MONOTONIC`).
    ///
    /// Outside glibc the deadline is converted to `CLOCK_REALTIME` once, at the call; setting the
    /// time then shortens or lengthens this one sleep.
    pub(crate) fn wait_until(&self, deadline_ns: u64) -> Woke {
        if clock_wait(self.sem, deadline_ns) == 0 {
            return Woke::Notified;
        }
        Woke::from_errno(io::Error::last_os_error().raw_os_error().unwrap_or(0))
    }

    /// Takes away what has been posted, at most 1024 posts, without sleeping.
    /// Returns how many were taken.
    pub(crate) fn drain(&self) -> u32 {
        for taken in 0..DRAIN_LIMIT {
            // SAFETY: the semaphore is open as long as `self` lives.
            if super::retry(|| unsafe { libc::sem_trywait(self.sem.as_ptr()) }).is_err() {
                return taken;
            }
        }
        DRAIN_LIMIT
    }

    /// Removes the name. Who has it open keeps it. `ENOENT` if there is none.
    pub(crate) fn unlink(name: &str) -> Result<(), OsError> {
        full_name(name)
            // SAFETY: the name is a live zero-terminated string.
            .and_then(|c_name| super::retry(|| unsafe { libc::sem_unlink(c_name.as_ptr()) }))
            .map(|_| ())
            .map_err(|e| OsError::new("sem_unlink", name, e))
    }
}

impl Drop for NamedSem {
    fn drop(&mut self) {
        // SAFETY: opened by `sem_open`, closed only here. libc counts opens of one name in one
        // process, so a second NamedSem of the name stays usable.
        unsafe { libc::sem_close(self.sem.as_ptr()) };
    }
}

#[cfg(target_env = "gnu")]
fn clock_wait(sem: NonNull<libc::sem_t>, deadline_ns: u64) -> i32 {
    unsafe extern "C" {
        /// glibc 2.30 and later.
        fn sem_clockwait(
            sem: *mut libc::sem_t,
            clock: libc::clockid_t,
            deadline: *const libc::timespec,
        ) -> libc::c_int;
    }
    let deadline = clock::timespec(deadline_ns);
    // SAFETY: the caller holds the semaphore open; the timespec outlives the call and is normal.
    unsafe { sem_clockwait(sem.as_ptr(), libc::CLOCK_MONOTONIC, &deadline) }
}

#[cfg(not(target_env = "gnu"))]
fn clock_wait(sem: NonNull<libc::sem_t>, deadline_ns: u64) -> i32 {
    let left_ns = deadline_ns.saturating_sub(clock::monotonic_ns());
    let deadline = clock::timespec(clock::realtime_ns().saturating_add(left_ns));
    // SAFETY: the caller holds the semaphore open; the timespec outlives the call and is normal.
    unsafe { libc::sem_timedwait(sem.as_ptr(), &deadline) }
}

/// The name without its optional leading slash, or nothing if it cannot be a name.
fn bare_name(name: &str) -> Option<&str> {
    let bare = name.strip_prefix('/').unwrap_or(name);
    (!bare.is_empty() && !bare.contains(['/', '\0'])).then_some(bare)
}

fn full_name(name: &str) -> io::Result<std::ffi::CString> {
    let bare = bare_name(name).ok_or_else(|| super::errno(libc::EINVAL))?;
    super::c_name(&format!("/{bare}"))
}

/// Where libc keeps the object, if that is known.
fn object_path(name: &str) -> Option<PathBuf> {
    if !cfg!(target_env = "gnu") {
        return None;
    }
    Some(PathBuf::from(format!("/dev/shm/sem.{}", bare_name(name)?)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::os::testing::{Cleanup, in_ms, unique};

    fn removed_at_the_end(name: &str) -> Cleanup<impl FnMut()> {
        let name = name.to_owned();
        Cleanup(move || {
            let _ = NamedSem::unlink(&name);
        })
    }

    #[test]
    fn a_semaphore_times_out_and_not_before_its_deadline() {
        let name = unique("sem-timeout");
        let _gone = removed_at_the_end(&name);
        let sem = NamedSem::create(&name, 0o600).unwrap();
        let deadline = in_ms(20);
        assert_eq!(sem.wait_until(deadline), Woke::TimedOut);
        assert!(clock::monotonic_ns() >= deadline);
    }

    #[test]
    fn a_post_wakes_a_sleeper_who_opened_the_name() {
        let name = unique("sem-post");
        let _gone = removed_at_the_end(&name);
        let sem = NamedSem::create(&name, 0o600).unwrap();
        let peer = NamedSem::open(&name).unwrap();
        std::thread::scope(|scope| {
            let sleeper = scope.spawn(move || peer.wait_until(in_ms(10_000)));
            std::thread::sleep(std::time::Duration::from_millis(5));
            sem.post().unwrap();
            assert_eq!(sleeper.join().unwrap(), Woke::Notified);
        });
        assert_eq!(
            sem.wait_until(in_ms(1)),
            Woke::TimedOut,
            "the post was taken"
        );
    }

    #[test]
    fn a_drain_takes_what_was_posted_but_never_more_than_its_limit() {
        let name = unique("sem-drain");
        let _gone = removed_at_the_end(&name);
        let sem = NamedSem::create(&name, 0o600).unwrap();
        assert_eq!(sem.drain(), 0);
        (0..1500).for_each(|_| sem.post().unwrap());
        assert_eq!(sem.drain(), 1024);
        assert_eq!(sem.drain(), 1500 - 1024);
        assert_eq!(sem.wait_until(0), Woke::TimedOut);
    }

    #[test]
    fn a_taken_name_and_a_missing_name_keep_their_errno() {
        let name = unique("sem-names");
        let _gone = removed_at_the_end(&name);
        let code = |e: OsError| e.source.raw_os_error();
        let missing = NamedSem::open(&name).unwrap_err();
        assert_eq!(code(missing), Some(libc::ENOENT));
        let _first = NamedSem::create(&format!("/{name}"), 0o600).unwrap();
        let taken = NamedSem::create(&name, 0o600).unwrap_err();
        assert_eq!(code(taken), Some(libc::EEXIST));
        NamedSem::unlink(&name).unwrap();
        let gone = NamedSem::unlink(&name).unwrap_err();
        assert_eq!(code(gone), Some(libc::ENOENT));
        for bad in ["", "/", "a/b", "a\0b"] {
            let refused = NamedSem::create(bad, 0o600).unwrap_err();
            assert_eq!(code(refused), Some(libc::EINVAL), "{bad:?}");
        }
    }

    #[cfg(target_env = "gnu")]
    #[test]
    fn the_mode_is_not_narrowed_by_the_umask() {
        let name = unique("sem-mode");
        let _gone = removed_at_the_end(&name);
        let _sem = NamedSem::create(&name, 0o666).unwrap();
        let facts = file::facts_at(&object_path(&name).unwrap()).unwrap();
        assert_eq!(facts.mode, 0o666);
    }

    #[cfg(target_env = "gnu")]
    #[test]
    fn an_object_too_short_to_be_a_semaphore_is_refused() {
        let name = unique("sem-short");
        let _gone = removed_at_the_end(&name);
        std::fs::write(object_path(&name).unwrap(), b"").unwrap();
        let refused = NamedSem::open(&name).unwrap_err();
        assert_eq!(refused.source.raw_os_error(), Some(libc::EINVAL));
    }
}
