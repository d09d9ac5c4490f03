//! Falling asleep and waking, without a lost wake-up and without a system call when nobody sleeps.
//!
//! A sleeper says so in the word, fences, looks once more, sleeps. The publisher publishes, fences, looks at
//! the word. Written as a case split: call the two fences F(sleeper)
//! and F(publisher). Fences are totally ordered.
//! * F(sleeper) first: the publisher's load comes after F(publisher), so it sees `ASLEEP` and wakes.
//! * F(publisher) first: the sleeper's second look comes after F(sleeper), so it sees what was published.
//!
//! Without either fence both may look too early, and the wake-up is lost.
//!
//! ```text
//!   31                          2 1   0
//!  +-----------------------------+-----+
//!  |           wakes             |state|
//!  +-----------------------------+-----+
//! ```
//!
//! | state | owner | a publisher that sees it |
//! |---|---|---|
//! | `AWAKE` | runs | does nothing |
//! | `ASLEEP` | sleeps, is about to, or was killed in its sleep | swaps it to `AWAKE`, counts a wake, rings the bell |
//! | `GONE` | has closed | learns that nobody will read on (edge X2) |
//!
//! The word heals itself after `kill -9`: a dead sleeper costs one needless wake-up. A publisher that dies
//! between publishing and ringing is why every sleep has a deadline.
//!
//! Many may sleep on one word. Then whoever wakes by itself leaves `ASLEEP` in place, because another may have
//! meant it; it costs one needless wake-up too. The bell wakes all. And a sleeper sleeps only on the very word
//! that it left: if it is woken before it sleeps, and another says `ASLEEP` again, the count of wakes differs.

use crate::layout::control::{ASLEEP, AWAKE, GONE, SLEEP_STATE as STATE};
use crate::sync::Ordering::{Acquire, Relaxed, Release, SeqCst};
use crate::sync::{AtomicU32, fence, heavy_fence, light_fence};

/// What a process sleeps on.
pub(crate) trait Bell {
    /// Sleeps until rung, or until the monotonic clock reads `deadline_ns`, unless `word` is no longer
    /// `said`. May return early for no reason.
    fn sleep(&self, word: &AtomicU32, said: u32, deadline_ns: u64);
    /// Ends the sleep of all who sleep on `word`.
    fn ring(&self, word: &AtomicU32);
}

/// How many may sleep on one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sleepers {
    /// Its owner only.
    One,
    /// Everybody on one side of the ring.
    Many,
}

/// How the two fences of the case split are made on this endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fences {
    /// Both sides execute one.
    Full,
    /// The sleeper makes everybody execute one; a publisher that has registered executes none.
    Asymmetric {
        /// This process is registered, so a sleeper's fence reaches it.
        registered: bool,
    },
}

impl Fences {
    /// Whether the publisher's is one for the compiler only.
    pub(crate) fn publisher_has_none(self) -> bool {
        self == Fences::Asymmetric { registered: true }
    }

    /// After saying `ASLEEP`, before looking once more. `false`: publishers may not have been reached, so
    /// a wake-up may be missed and the sleep must be short.
    fn sleeper(self) -> bool {
        // SeqCst W1: F(sleeper) of the case split above; its partner is in `notify`, or `all_awake`.
        fence(SeqCst);
        match self {
            Fences::Full => true,
            Fences::Asymmetric { .. } => heavy_fence(),
        }
    }
}

/// What a publisher found in its peer's sleep word.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Notified {
    /// Nobody slept, or somebody did and was woken.
    Fine,
    /// The peer has closed its side.
    Gone,
}

/// Whether a look at a sleep word, right after publishing, shows that nobody has to be woken. For publishers whose
/// fence is one for the compiler only, so that this is all of [`notify`] when nobody sleeps; to others `word` must never
/// say so.
#[inline(always)]
pub(crate) fn all_awake(word: &AtomicU32) -> bool {
    // F(publisher) of the case split above (W1): the sleeper's fence reaches this processor too.
    light_fence();
    // Relaxed: ordered by the fence above (W1).
    word.load(Relaxed) & STATE == AWAKE
}

/// Wakes the owner of `word` if it sleeps. To be called after publishing.
pub(crate) fn notify(word: &AtomicU32, bell: &impl Bell, fences: Fences) -> Notified {
    if fences.publisher_has_none() {
        if all_awake(word) {
            return Notified::Fine;
        }
    } else {
        // SeqCst W1: F(publisher) of the case split above; its partner is `Fences::sleeper`.
        fence(SeqCst);
        // Relaxed: ordered by the fence above (W1).
        if word.load(Relaxed) & STATE == AWAKE {
            return Notified::Fine;
        }
    }
    notify_slow(word, bell)
}

#[cold]
#[inline(never)]
fn notify_slow(word: &AtomicU32, bell: &impl Bell) -> Notified {
    // Acquire X2: pairs with the Release in `leave`: whoever learns that the peer is gone sees it closed.
    let mut seen = word.load(Acquire);
    while seen & STATE == ASLEEP {
        let awake = (seen & !STATE).wrapping_add(STATE + 1) | AWAKE;
        // Relaxed: the exchange decides who rings; the message itself travels by P1 or G1. Acquire X2: as above.
        match word.compare_exchange(seen, awake, Relaxed, Acquire) {
            Ok(_) => {
                bell.ring(word);
                return Notified::Fine;
            }
            Err(now) => seen = now,
        }
    }
    match seen & STATE {
        GONE => Notified::Gone,
        _ => Notified::Fine,
    }
}

/// Sleeps on `word` until the time that `until_ns`, the second look, gives; not at all if that is `None`
/// because something has come. Returns at the latest at `short_ns` when wake-ups cannot be relied on. The
/// caller looks again in any case.
pub(crate) fn nap(
    word: &AtomicU32,
    sleepers: Sleepers,
    bell: &impl Bell,
    fences: Fences,
    short_ns: u64,
    until_ns: impl FnOnce() -> Option<u64>,
) {
    // Relaxed: ordered before the second look by the fence below (W1).
    let said = word.fetch_or(ASLEEP, Relaxed) | ASLEEP;
    let reliable = fences.sleeper();
    if let Some(until) = until_ns() {
        let until = if reliable { until } else { until.min(short_ns) };
        bell.sleep(word, said, until);
    }
    if sleepers == Sleepers::One {
        // Relaxed: nobody else sleeps here. A publisher that still sees ASLEEP rings once for nothing.
        word.fetch_and(!ASLEEP, Relaxed);
    }
}

/// Marks the owner of `word` as gone for ever. To be called after closing.
pub(crate) fn leave(word: &AtomicU32) {
    // Release X2: the closed bit is visible to whoever acquires this in `notify_slow`.
    word.store(GONE, Release);
}
