//! When a consumer that has emptied the ring looks again.
//!
//! A consumer at the heels of a producer in full flow takes each line from under its pen, and both wait for that line.
//! So it rests for a moment first, and the next run is longer. It rests only if there is a flow to rest from: this run
//! was longer than a message, and the last wait was over at once. Who waits for single messages never rests, nor does
//! who drains a burst in one run. In a burst that takes several runs, what comes behind its end may find a rest.
//!
//! Rests grow with runs, so where messages come more slowly than 80 million a second the next run is shorter and the
//! rests die out. They are times, not counts of pauses, which are longer on one processor than on another. Measured, not
//! derived; see ARCHITECTURE.md.

/// Rest for every two messages of the run before it.
const NS_A_PAIR: u64 = 25;
/// The longest rest.
pub(super) const LONGEST_NS: u64 = 400;

/// A ring is not to fill up meanwhile: it has so many slots or lines for each nanosecond.
pub(super) const ROOM_A_NS: u64 = 2;
/// A wait that is over with so many looks, behind the first, was none to speak of.
pub(crate) const AT_ONCE: u32 = 4;

/// What an endpoint knows of the flow of messages.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    /// Where the last wait began.
    since: u64,
    /// Whether that was over at once.
    flows: bool,
    longest_ns: u64,
    /// What of positions is one slot or line.
    unit: u64,
}

impl Pace {
    /// Of the consumer of a ring of so many positions, `unit` of which are a slot or a line.
    pub(crate) fn new(capacity: u64, unit: u64) -> Self {
        Self {
            since: 0,
            flows: false,
            longest_ns: LONGEST_NS.min(capacity / unit / ROOM_A_NS),
            unit,
        }
    }

    /// How many nanoseconds to rest before a wait at position `at`. Unless told otherwise, that wait is over at once.
    pub(crate) fn rest(&mut self, at: u64) -> u64 {
        let run = at.wrapping_sub(self.since) / self.unit;
        self.since = at;
        match core::mem::replace(&mut self.flows, true) {
            true => (run / 2).saturating_mul(NS_A_PAIR).min(self.longest_ns),
            false => 0,
        }
    }

    /// How many nanoseconds to rest before the next look of who takes several messages at a time, and has found fewer than were
    /// asked for. There was a flow if anything was found.
    pub(crate) fn ran_short(&mut self, at: u64) -> u64 {
        let flows = at != self.since;
        let rest = self.rest(at);
        self.flows = flows;
        rest
    }

    /// To be told that the wait is not over with [`AT_ONCE`] looks.
    pub(crate) fn waits_on(&mut self) {
        self.flows = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The rests of a consumer whose runs and waits are these.
    fn rests(slots: u64, runs_and_polls: &[(u64, u32)]) -> Vec<u64> {
        let rests = rests_by(1, slots, runs_and_polls);
        assert_eq!(rests_by(64, slots, runs_and_polls), rests);
        rests
    }

    fn rests_by(unit: u64, slots: u64, runs_and_polls: &[(u64, u32)]) -> Vec<u64> {
        let (mut pace, mut at) = (Pace::new(unit * slots, unit), 0);
        let step = |&(run, polls)| {
            at += unit * run;
            let rest = pace.rest(at);
            if polls > AT_ONCE {
                pace.waits_on();
            }
            rest
        };
        runs_and_polls.iter().map(step).collect()
    }

    #[test]
    fn rests_follow_long_runs_between_short_waits() {
        assert_eq!(
            rests(4096, &[(9, 1), (9, 2), (100, 4), (2, 1)]),
            [0, 100, 400, 25]
        );
    }

    #[test]
    fn who_waits_for_single_messages_never_rests() {
        assert_eq!(rests(4096, &[(1, 1); 5]), [0; 5]);
    }

    #[test]
    fn there_is_no_rest_behind_a_burst_that_was_waited_for() {
        assert_eq!(rests(4096, &[(50, 900), (50, 64), (50, 5)]), [0; 3]);
    }

    #[test]
    fn small_rings_allow_short_rests() {
        assert_eq!(rests(128, &[(60, 1), (60, 1)]), [0, 64]);
        assert_eq!(rests(32, &[(30, 1), (30, 1)]), [0, 16]);
    }
}
