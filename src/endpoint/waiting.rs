//! The loop of every blocking call: poll, then do what the strategy says, until something comes.

use super::signal::Signal;
use crate::error::{PopError, PushError, ReadError};
use crate::os::clock;
use crate::ring::shared::gate::Look;
use crate::sync::spin_hint;
use crate::wait::pace::AT_ONCE;
use crate::wait::strategy::{Progress, SHORT_NAP_NS, Step, Wait};
use std::time::Instant;

/// Polls between two looks at the clock, while spinning.
const POLLS: u32 = 64;
/// Glances between two polls of a young wait.
const GLANCES: u32 = 16;
/// Polls of a wait while it is young.
const YOUNG: u32 = 4;

/// How closely a poll looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Care {
    /// At what the peer publishes for this purpose.
    Quick,
    /// Also at what costs the peer a cache line.
    Thorough,
}

impl From<Care> for Look {
    fn from(care: Care) -> Self {
        match care {
            Care::Quick => Self::Gate,
            Care::Thorough => Self::SlotsAhead,
        }
    }
}

/// What a poll found. Only whether, not what: that stays with whoever polls, because handing it through here takes time just
/// when a message has come.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Poll {
    /// The end of the wait.
    Found,
    /// The end of the wait and of the call: the ring is closed, or broken.
    Ended,
    Nothing,
    /// Nothing, but something is in the making whose maker may have died. Nobody would wake the waiter then,
    /// so it must not sleep for long.
    Soon,
}

impl Poll {
    fn is_over(self) -> bool {
        matches!(self, Self::Found | Self::Ended)
    }
}

/// Why a wait ended with nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stopped {
    TimedOut,
    PeerDied,
}

impl From<Stopped> for PushError {
    fn from(stopped: Stopped) -> Self {
        match stopped {
            Stopped::TimedOut => Self::TimedOut,
            Stopped::PeerDied => Self::PeerDied,
        }
    }
}

impl From<Stopped> for PopError {
    fn from(stopped: Stopped) -> Self {
        match stopped {
            Stopped::TimedOut => Self::TimedOut,
            Stopped::PeerDied => Self::PeerDied,
        }
    }
}

impl From<Stopped> for ReadError {
    fn from(stopped: Stopped) -> Self {
        match stopped {
            Stopped::TimedOut => Self::TimedOut,
            Stopped::PeerDied => Self::PeerDied,
        }
    }
}

/// The moment `deadline` on the clock that futexes use; `u64::MAX` for never.
fn absolute_ns(deadline: Option<Instant>) -> u64 {
    match deadline {
        None => u64::MAX,
        Some(at) => {
            // The span first, the clock after it: what passes in between lengthens the wait and never ends
            // it early.
            let left = at.saturating_duration_since(Instant::now()).as_nanos();
            clock::monotonic_ns().saturating_add(u64::try_from(left).unwrap_or(u64::MAX))
        }
    }
}

/// Whether a call that finds its message at once may rest all the same, for the producer to get ahead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rest {
    May,
    Never,
}

/// The beginning of a consumer's wait, in which it goes on glancing itself at what its fast path looks at. Who then finds a message is
/// where it is taken, and not at the end of a loop that knows about clocks, deaths and naps.
///
/// A wait is known by the position at which it began, so that who need not wait has nothing to do with it. It may come on from
/// there, past what others gave up, and stays the same wait.
#[derive(Debug, Default)]
pub(super) struct Glances {
    /// The position.
    at: u64,
    /// Until the next poll.
    left: u32,
    /// Polls so far; one more than `YOUNG` after the first long wait.
    polls: u32,
}

impl Glances {
    /// Where the last wait began that was not over at once.
    pub(super) fn began_at(&self) -> u64 {
        self.at
    }

    /// Before the first poll.
    fn for_position(at: u64) -> Self {
        Self {
            at,
            ..Self::default()
        }
    }

    /// After a glance in vain, in the wait that began at position `at`: whether to glance again. Else [`poll_or_wait`] is due.
    #[inline(always)]
    pub(super) fn again(&mut self, at: u64) -> bool {
        if self.at != at || self.left == 0 {
            return false;
        }
        self.left -= 1;
        spin_hint();
        true
    }
}

/// One poll while the wait is young, and `Ok` whatever it finds, for the caller to glance again; after that as [`wait_for`].
/// `at` is the position of [`Glances::again`].
pub(super) fn poll_or_wait(
    at: u64,
    wait: Wait,
    deadline: Option<Instant>,
    signal: &mut Signal,
    peer_died: impl Fn() -> bool,
    mut poll: impl FnMut(Care, &Signal) -> Poll,
) -> Result<(), Stopped> {
    if signal.glances.at != at {
        signal.glances = Glances::for_position(at);
    }
    let mut ended = false;
    let poll = |care, signal: &Signal| {
        let found = poll(care, signal);
        ended |= found == Poll::Ended;
        found
    };
    let waited = match signal.glances.polls {
        0..YOUNG => {
            poll_young(at, signal, poll);
            Ok(())
        }
        // A lying peer may take back what a poll has seen, again and again. The deadline holds all the same.
        polls if polls > YOUNG && deadline.is_some_and(|at| at <= Instant::now()) => {
            Err(Stopped::TimedOut)
        }
        _ => {
            signal.glances.polls = YOUNG + 1;
            go_on(1, wait, deadline, signal, peer_died, poll)
        }
    };
    if ended || waited.is_err() {
        // The next call's wait is another one.
        signal.glances = Glances::for_position(at);
    }
    waited
}

/// Polls once, and says how many glances come next.
fn poll_young(at: u64, signal: &mut Signal, mut poll: impl FnMut(Care, &Signal) -> Poll) {
    signal.glances.polls += 1;
    if signal.glances.polls == 1 {
        signal.emptied_at(at);
        signal.glances.left = AT_ONCE;
        if !poll(Care::Quick, signal).is_over() {
            signal.rest();
        }
    } else {
        signal.waits_on();
        signal.glances.left = GLANCES;
        // What it finds the caller finds as well, but for what stands in `poll` itself.
        let _ = poll(Care::Quick, signal);
    }
}

/// Calls `poll` until it finds something, waiting between calls as `wait` says.
///
/// `poll` is given the signal to wake a peer with, should it have made room. `peer_died` asks the kernel about the peer. Whatever ends the wait,
/// `poll` has had the last word: a message that came with the deadline is not left behind.
pub(super) fn wait_for(
    wait: Wait,
    deadline: Option<Instant>,
    signal: &mut Signal,
    peer_died: impl Fn() -> bool,
    poll: impl FnMut(Care, &Signal) -> Poll,
) -> Result<(), Stopped> {
    go_on(POLLS, wait, deadline, signal, peer_died, poll)
}

/// The same, with so many polls before the first look at the clock.
fn go_on(
    mut polls: u32,
    wait: Wait,
    deadline: Option<Instant>,
    signal: &mut Signal,
    peer_died: impl Fn() -> bool,
    mut poll: impl FnMut(Care, &Signal) -> Poll,
) -> Result<(), Stopped> {
    let mut progress: Option<Progress> = None;
    let next_check_ns = signal.next_check_ns();
    loop {
        for _ in 0..polls {
            if poll(Care::Quick, signal).is_over() {
                return Ok(());
            }
            spin_hint();
        }
        if poll(Care::Thorough, signal).is_over() {
            return Ok(());
        }
        let now = clock::monotonic_ns();
        let progress = progress.get_or_insert_with(|| {
            let deadline_ns = absolute_ns(deadline);
            Progress::begin(wait, now, deadline_ns, next_check_ns, signal.may_sleep())
        });
        polls = 1;
        let step = progress.step(now);
        signal.check_peer_at(progress.next_check_ns());
        let stopped = match step {
            Step::Poll => {
                polls = POLLS;
                continue;
            }
            Step::Yield => {
                std::thread::yield_now();
                continue;
            }
            Step::Nap { until_ns } => {
                let short_ns = now.saturating_add(SHORT_NAP_NS);
                if nap(signal, until_ns, short_ns, &mut poll) {
                    return Ok(());
                }
                continue;
            }
            Step::CheckPeer if !signal.is_damaged() && !peer_died() => continue,
            Step::CheckPeer => Stopped::PeerDied,
            Step::TimedOut => Stopped::TimedOut,
        };
        return match poll(Care::Thorough, signal) {
            Poll::Found | Poll::Ended => Ok(()),
            Poll::Nothing | Poll::Soon => Err(stopped),
        };
    }
}

/// Sleeps, unless a last poll finds something: `true`.
fn nap(
    signal: &Signal,
    until_ns: u64,
    short_ns: u64,
    poll: &mut impl FnMut(Care, &Signal) -> Poll,
) -> bool {
    let mut found = false;
    signal.nap(short_ns, || match poll(Care::Thorough, signal) {
        Poll::Found | Poll::Ended => {
            found = true;
            None
        }
        Poll::Nothing => Some(until_ns),
        Poll::Soon => Some(until_ns.min(short_ns)),
    });
    found
}
