//! The monotonic clock, and an alarm for loops that would spin for ever.
//!
//! Never reads wall-clock time. CLOCK_MONOTONIC is the same clock in every process of the machine.

/// Nanoseconds of CLOCK_MONOTONIC.
pub fn now_ns() -> u64 {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `time` is a live, writable timespec; CLOCK_MONOTONIC exists on every Linux.
    let status = unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut time) };
    assert_eq!(status, 0, "CLOCK_MONOTONIC cannot be read");
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// Ends this process with exit status 124 unless it is dropped within `seconds`.
///
/// Timed loops spin without a way out; when a partner dies in the middle, this is what ends the wait. Children that
/// `child::spawn` made die with their parent.
#[must_use = "the alarm is off as soon as this is dropped"]
pub struct Alarm(());

impl Alarm {
    /// Arms the process-wide alarm. One at a time: arming again restarts it.
    pub fn after(seconds: u32) -> Alarm {
        let handler: extern "C" fn(libc::c_int) = gave_up;
        // SAFETY: `gave_up` has the signature of a signal handler and calls only async-signal-safe functions.
        unsafe { libc::signal(libc::SIGALRM, handler as libc::sighandler_t) };
        // SAFETY: `alarm` takes any number and touches no memory of ours.
        unsafe { libc::alarm(seconds) };
        Alarm(())
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        // SAFETY: `alarm(0)` cancels; it touches no memory of ours.
        unsafe { libc::alarm(0) };
    }
}

extern "C" fn gave_up(_signal: libc::c_int) {
    let message = b"a measurement did not end in time: a partner hangs or died\n";
    // SAFETY: `write` and `_exit` are async-signal-safe; the message is a live constant of the stated length.
    unsafe {
        libc::write(2, message.as_ptr().cast(), message.len());
        libc::_exit(124)
    }
}
