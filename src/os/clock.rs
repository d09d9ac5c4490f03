//! The two clocks.
//!
//! Deadlines are `CLOCK_MONOTONIC`, which is the same in every process of one machine and is not
//! moved by people setting the time. `CLOCK_REALTIME` is for people only: it is stored and shown,
//! never waited for. Nothing here fails and nothing here sleeps.

const NS_PER_S: u64 = 1_000_000_000;

/// Nanoseconds since an unspecified start, never going back. Stops while the machine is suspended.
pub(crate) fn monotonic_ns() -> u64 {
    read(libc::CLOCK_MONOTONIC)
}

/// Nanoseconds since 1970-01-01 UTC. May jump when somebody sets the time.
pub(crate) fn realtime_ns() -> u64 {
    read(libc::CLOCK_REALTIME)
}

fn read(clock: libc::clockid_t) -> u64 {
    let mut now = timespec(0);
    // SAFETY: `now` is a live, writable timespec. Both clocks exist on every Linux, so the call
    // cannot fail; should it fail all the same, `now` stays zero.
    unsafe { libc::clock_gettime(clock, &mut now) };
    u64::try_from(now.tv_sec)
        .unwrap_or(0)
        .saturating_mul(NS_PER_S)
        .saturating_add(u64::try_from(now.tv_nsec).unwrap_or(0))
}

/// The same instant or span in the kernel's form. Every `u64` fits.
pub(super) fn timespec(ns: u64) -> libc::timespec {
    libc::timespec {
        tv_sec: libc::time_t::try_from(ns / NS_PER_S).unwrap_or(libc::time_t::MAX),
        // Always below 10^9, which fits every width of this field.
        tv_nsec: (ns % NS_PER_S) as _,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn monotonic_time_moves_forward() {
        let before = monotonic_ns();
        std::thread::sleep(std::time::Duration::from_millis(2));
        assert!(monotonic_ns() - before >= 2_000_000);
    }

    #[test]
    fn realtime_agrees_with_the_standard_library() {
        let std_ns = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap()
            .as_nanos() as u64;
        assert!(realtime_ns().abs_diff(std_ns) < 60 * NS_PER_S);
    }

    #[test]
    fn a_timespec_splits_seconds_and_nanoseconds() {
        let t = timespec(3_000_000_007);
        assert_eq!((t.tv_sec, t.tv_nsec), (3, 7));
        assert_eq!(timespec(u64::MAX).tv_sec, 18_446_744_073);
    }
}
