//! The loop of every blocking call: poll, then do what the strategy says, until something comes.

use super::signal::Signal;
use crate::os::clock;
use crate::sync::{AtomicU32, spin_hint};
use crate::wait::strategy::{Progress, SHORT_NAP_NS, Step, Wait};
use std::time::Instant;

/// Polls between two looks at the clock, while spinning.
const POLLS: u32 = 64;

/// How closely a poll looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Care {
    /// At what the peer publishes for this purpose.
    Quick,
    /// Also at what costs the peer a cache line.
    Thorough,
}

/// Why a wait ended with nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stopped {
    TimedOut,
    PeerDied,
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

/// Calls `poll` until it gives something, waiting between calls as `wait` says.
///
/// `word` is this endpoint's sleep word, `peer_died` asks the kernel about the peer. Whatever ends the wait,
/// `poll` has had the last word: a message that came with the deadline is not left behind.
pub(super) fn wait_for<R>(
    wait: Wait,
    deadline: Option<Instant>,
    signal: &mut Signal,
    word: &AtomicU32,
    peer_died: impl Fn() -> bool,
    mut poll: impl FnMut(Care) -> Option<R>,
) -> Result<R, Stopped> {
    let mut polls = POLLS;
    let mut progress: Option<Progress> = None;
    let next_check_ns = signal.next_check_ns();
    loop {
        for _ in 0..polls {
            if let Some(found) = poll(Care::Quick) {
                return Ok(found);
            }
            spin_hint();
        }
        if let Some(found) = poll(Care::Thorough) {
            return Ok(found);
        }
        let now = clock::monotonic_ns();
        let progress = progress.get_or_insert_with(|| {
            let deadline_ns = absolute_ns(deadline);
            Progress::begin(wait, now, deadline_ns, next_check_ns, signal.may_sleep())
        });
        polls = 1;
        let step = progress.step(now);
        signal.check_peer_at(progress.next_check_ns());
        match step {
            Step::Poll => polls = POLLS,
            Step::Yield => std::thread::yield_now(),
            Step::CheckPeer if peer_died() => return poll(Care::Thorough).ok_or(Stopped::PeerDied),
            Step::CheckPeer => {}
            Step::TimedOut => return poll(Care::Thorough).ok_or(Stopped::TimedOut),
            Step::Nap { until_ns } => {
                let mut found = None;
                let short_ns = now.saturating_add(SHORT_NAP_NS);
                signal.nap(word, until_ns, short_ns, || {
                    found = poll(Care::Thorough);
                    found.is_none()
                });
                if let Some(found) = found {
                    return Ok(found);
                }
            }
        }
    }
}
