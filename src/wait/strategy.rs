//! Which step of waiting comes next: poll, yield the processor, sleep, give up.

use core::time::Duration;

/// How long to poll before sleeping, unless said otherwise.
const SPIN_BEFORE_PARK: Duration = Duration::from_micros(20);
/// How long to poll before yielding, unless said otherwise.
const SPIN_BEFORE_YIELD: Duration = Duration::from_micros(10);
/// No sleep lasts longer: a peer may die between publishing and waking.
const NAP_NS: u64 = 40_000_000;
/// How often a waiter asks the kernel whether its peer is alive.
const PEER_CHECK_NS: u64 = 40_000_000;
/// The longest sleep when wake-ups cannot be relied on.
pub(crate) const SHORT_NAP_NS: u64 = 1_000_000;

/// How an endpoint waits for its peer.
///
/// | strategy | latency | cost while waiting |
/// |---|---|---|
/// | [`Wait::spin`] | lowest | one core, always |
/// | [`Wait::spin_then_yield`] | low when cores are free | one core, shared with others |
/// | [`Wait::park`] | a few to tens of microseconds after a sleep | none |
///
/// A consumer that empties the ring again and again while its producer goes on at full speed rests for up to 0.4 us before it
/// looks again. Single messages are never rested before; what
/// comes right behind such a stream may be. In rings of slots of up to a line, a consumer that follows closely in full flow,
/// without emptying the ring, rests for as long, every 32 messages at most; in spsc only where slots share lines, for half as
/// long and every 64. Full flow is that no wait of its began within so many positions.
///
/// ```
/// use annulus::Wait;
/// use std::time::Duration;
/// let patient = Wait::park().spin_for(Duration::from_micros(200));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wait {
    then: Then,
    spin_ns: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
    Spin,
    Yield,
    Park,
}

impl Wait {
    /// Polls until something happens. For a core of one's own.
    pub const fn spin() -> Self {
        Self {
            then: Then::Spin,
            spin_ns: 0,
        }
    }

    /// Polls for a moment (10 us unless changed), then offers the core to others between polls.
    pub const fn spin_then_yield() -> Self {
        Self {
            then: Then::Yield,
            spin_ns: SPIN_BEFORE_YIELD.as_nanos() as u64,
        }
    }

    /// Polls for a moment (20 us unless changed), then sleeps in the kernel until woken.
    ///
    /// On a ring created with [`Parking::Never`](crate::Parking::Never) it yields instead of sleeping.
    pub const fn park() -> Self {
        Self {
            then: Then::Park,
            spin_ns: SPIN_BEFORE_PARK.as_nanos() as u64,
        }
    }

    /// Changes how long to poll first. No effect on [`Wait::spin`]. Saturates at about 584 years.
    pub const fn spin_for(mut self, polling: Duration) -> Self {
        let ns = polling.as_nanos();
        self.spin_ns = if ns > u64::MAX as u128 {
            u64::MAX
        } else {
            ns as u64
        };
        self
    }
}

/// The next step of a waiter that has just polled in vain.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Poll again.
    Poll,
    /// Let others run, then poll again.
    Yield,
    /// Sleep until this time at most, then poll again.
    Nap { until_ns: u64 },
    /// Ask whether the peer is alive, then poll again.
    CheckPeer,
    /// The deadline has passed.
    TimedOut,
}

/// One wait, from its first poll in vain to its end.
#[derive(Debug)]
pub(crate) struct Progress {
    wait: Wait,
    deadline_ns: u64,
    may_sleep: bool,
    spin_until_ns: u64,
    next_check_ns: u64,
}

impl Progress {
    /// Begins at `now_ns`. `deadline_ns` is on the same clock; `u64::MAX` means never.
    /// `next_check_ns` is when the peer is to be asked about next.
    pub(crate) fn begin(
        wait: Wait,
        now_ns: u64,
        deadline_ns: u64,
        next_check_ns: u64,
        may_sleep: bool,
    ) -> Self {
        Self {
            wait,
            deadline_ns,
            may_sleep,
            spin_until_ns: now_ns.saturating_add(wait.spin_ns),
            next_check_ns,
        }
    }

    /// When the peer is to be asked about next; for the next wait of the same endpoint.
    pub(crate) fn next_check_ns(&self) -> u64 {
        self.next_check_ns
    }

    /// What to do at `now_ns`.
    pub(crate) fn step(&mut self, now_ns: u64) -> Step {
        // Before the deadline, or waits that are all short would never ask.
        if now_ns >= self.next_check_ns {
            self.next_check_ns = now_ns.saturating_add(PEER_CHECK_NS);
            return Step::CheckPeer;
        }
        if now_ns >= self.deadline_ns {
            return Step::TimedOut;
        }
        if self.wait.then == Then::Spin || now_ns < self.spin_until_ns {
            Step::Poll
        } else if self.wait.then == Then::Park && self.may_sleep {
            Step::Nap {
                until_ns: self.deadline_ns.min(now_ns.saturating_add(NAP_NS)),
            }
        } else {
            Step::Yield
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parking_waiter_polls_then_naps_in_bounded_slices_and_asks_between_them() {
        let mut p = Progress::begin(Wait::park(), 0, u64::MAX, PEER_CHECK_NS, true);
        assert_eq!(p.step(10), Step::Poll);
        let until_ns = 30_000 + NAP_NS;
        assert_eq!(p.step(30_000), Step::Nap { until_ns });
        assert_eq!(p.step(until_ns), Step::CheckPeer);
    }

    #[test]
    fn no_nap_outlasts_the_deadline_and_the_deadline_ends_every_strategy() {
        let mut p = Progress::begin(Wait::park(), 0, 100_000, PEER_CHECK_NS, true);
        assert_eq!(p.step(30_000), Step::Nap { until_ns: 100_000 });
        for wait in [Wait::spin(), Wait::spin_then_yield(), Wait::park()] {
            assert_eq!(
                Progress::begin(wait, 0, 5, PEER_CHECK_NS, true).step(5),
                Step::TimedOut
            );
        }
    }

    #[test]
    fn waits_that_are_all_short_ask_about_the_peer_as_often_as_a_long_one() {
        let (mut next_check_ns, mut asked) = (0, 0);
        for start in (0..200_000_000).step_by(10_000_000) {
            let end = start + 5_000_000;
            let mut p = Progress::begin(Wait::spin(), start, end, next_check_ns, true);
            while p.step(end) == Step::CheckPeer {
                asked += 1;
            }
            next_check_ns = p.next_check_ns();
        }
        assert_eq!(asked, 5);
    }

    #[test]
    fn where_nobody_may_sleep_a_parking_waiter_yields() {
        let mut p = Progress::begin(Wait::park(), 0, u64::MAX, PEER_CHECK_NS, false);
        assert_eq!(p.step(30_000), Step::Yield);
    }
}
