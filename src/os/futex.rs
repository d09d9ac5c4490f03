//! Sleeping on a 32-bit word and waking who sleeps on it.
//!
//! Always the shared form: the kernel finds sleepers by the memory object behind the word, so two
//! processes, or two mappings in one process, meet. The private form does not do that and is never
//! used here. A wait is always bounded, because a waker may die before it wakes.
//!
//! Nothing here panics and nothing here loops: a return, also a spurious one, goes to the caller,
//! who looks at the word again. The memory may be a stranger's: a page that was truncated away is
//! [`Woke::Fault`], not a signal.

use super::clock;
use crate::sync::AtomicU32;

/// Why a bounded sleep ended. Every case means: look again, then decide.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Woke {
    /// Somebody woke us. May be spurious, or meant for an earlier sleeper.
    Notified,
    /// The word did not hold the expected value, so there was no sleep.
    Changed,
    /// The deadline has passed.
    TimedOut,
    /// A signal handler ran.
    Interrupted,
    /// The kernel could not read the word, or said something unknown.
    /// Sleeping again without a change would be a busy loop.
    Fault,
}

impl Woke {
    /// What the errno of a failed wait means.
    pub(super) fn from_errno(code: i32) -> Woke {
        match code {
            libc::EAGAIN => Woke::Changed,
            libc::ETIMEDOUT => Woke::TimedOut,
            libc::EINTR => Woke::Interrupted,
            _ => Woke::Fault,
        }
    }
}

/// Sleeps while `word` holds `expected`, until woken or until `deadline_ns` (`CLOCK_MONOTONIC`).
///
/// A deadline in the past still compares the word, then times out.
pub(crate) fn wait_until(word: &AtomicU32, expected: u32, deadline_ns: u64) -> Woke {
    let deadline = clock::timespec(deadline_ns);
    // SAFETY: the word is a borrowed, aligned 32-bit atomic; the kernel reads it atomically and
    // reports EFAULT if its page is gone. The timespec outlives the call. WAIT_BITSET takes an
    // absolute CLOCK_MONOTONIC deadline and ignores the fifth argument.
    let result = unsafe {
        libc::syscall(
            libc::SYS_futex,
            word.as_ptr(),
            libc::FUTEX_WAIT_BITSET,
            expected,
            &deadline as *const libc::timespec,
            core::ptr::null::<u32>(),
            libc::FUTEX_BITSET_MATCH_ANY,
        )
    };
    if result == 0 {
        return Woke::Notified;
    }
    Woke::from_errno(std::io::Error::last_os_error().raw_os_error().unwrap_or(0))
}

/// Wakes at most `n` sleepers and returns how many were woken; 0 also when the call failed.
pub(crate) fn wake(word: &AtomicU32, n: u32) -> u32 {
    let n = i32::try_from(n).unwrap_or(i32::MAX);
    // SAFETY: the word is a borrowed, aligned 32-bit atomic. FUTEX_WAKE uses its address only as a
    // key and does not write to it.
    let woken = unsafe { libc::syscall(libc::SYS_futex, word.as_ptr(), libc::FUTEX_WAKE, n) };
    u32::try_from(woken).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::os::testing::{eventually, in_ms};
    use crate::os::{file, memfd, mmap};
    use std::os::fd::AsFd;

    #[test]
    fn a_wait_times_out_and_not_before_its_deadline() {
        let word = AtomicU32::new(7);
        let deadline = in_ms(20);
        assert_eq!(wait_until(&word, 7, deadline), Woke::TimedOut);
        assert!(clock::monotonic_ns() >= deadline);
        assert_eq!(wait_until(&word, 7, 0), Woke::TimedOut);
    }

    #[test]
    fn a_wait_on_another_value_returns_at_once() {
        let word = AtomicU32::new(5);
        assert_eq!(wait_until(&word, 4, u64::MAX), Woke::Changed);
    }

    #[test]
    fn waking_an_empty_word_wakes_nobody() {
        assert_eq!(wake(&AtomicU32::new(0), u32::MAX), 0);
    }

    #[test]
    fn a_wake_reaches_a_sleeper_in_another_thread() {
        let word = AtomicU32::new(0);
        std::thread::scope(|scope| {
            let sleeper = scope.spawn(|| wait_until(&word, 0, in_ms(10_000)));
            eventually("the sleeper is woken", || wake(&word, 1) == 1);
            assert_eq!(sleeper.join().unwrap(), Woke::Notified);
        });
    }

    #[test]
    fn a_wake_through_a_second_mapping_reaches_the_sleeper() {
        let fd = memfd::create("annulus-futex-test", false).unwrap();
        file::set_size(fd.as_fd(), 4096).unwrap();
        let one = mmap::Mapping::of(fd.as_fd(), 4096).unwrap();
        let two = mmap::Mapping::of(fd.as_fd(), 4096).unwrap();
        assert_ne!(one.as_ptr(), two.as_ptr());
        // SAFETY: page-aligned, zeroed, live until the end of this test, and only ever used as
        // this one atomic.
        let a = unsafe { AtomicU32::from_ptr(one.as_ptr().cast()) };
        // SAFETY: as above; the same object seen at a second address.
        let b = unsafe { AtomicU32::from_ptr(two.as_ptr().cast()) };
        std::thread::scope(|scope| {
            let sleeper = scope.spawn(|| wait_until(a, 0, in_ms(10_000)));
            eventually("the sleeper is woken", || wake(b, 1) == 1);
            assert_eq!(sleeper.join().unwrap(), Woke::Notified);
        });
    }

    #[test]
    fn a_word_on_a_truncated_page_is_a_fault_and_not_a_crash() {
        let fd = memfd::create("annulus-futex-test", false).unwrap();
        file::set_size(fd.as_fd(), 4096).unwrap();
        let map = mmap::Mapping::of(fd.as_fd(), 4096).unwrap();
        file::set_size(fd.as_fd(), 0).unwrap();
        // SAFETY: page-aligned and mapped; this process never loads from it, only the kernel does.
        let word = unsafe { AtomicU32::from_ptr(map.as_ptr().cast()) };
        assert_eq!(wait_until(word, 0, in_ms(50)), Woke::Fault);
        assert_eq!(wake(word, 1), 0);
    }
}
