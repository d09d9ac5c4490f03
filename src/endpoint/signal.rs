//! How one endpoint wakes its peer and is woken: fences, bell and sleep words put together once.

use super::waiting::Glances;
use crate::layout::control::{ASLEEP, AWAKE, Line};
use crate::layout::header;
use crate::os::posix_sem::NamedSem;
use crate::os::{futex, membarrier, pause, ranges};
use crate::ring::words::{Words, was_committed};
use crate::segment::{Regions, Segment, Sems, SharedWord};
use crate::sync::{self, AtomicU32, Ordering};
use crate::wait::distance::Distance;
use crate::wait::pace::Pace;
use crate::wait::park::{self, Bell, Fences, Notified, Sleepers};
use std::sync::Arc;

/// What a process sleeps on.
#[derive(Debug)]
enum AnyBell {
    /// The sleep word itself.
    Futex,
    /// A named semaphore, and how many may sleep on it at once.
    Sem(Arc<NamedSem>, u32),
}

impl Bell for AnyBell {
    fn sleep(&self, word: &AtomicU32, said: u32, deadline_ns: u64) {
        match self {
            Self::Futex => {
                // Whatever ended the sleep, the caller looks again.
                let _ = futex::wait_until(word, said, deadline_ns);
            }
            Self::Sem(sem, sleepers) => {
                let _ = sem.wait_until(deadline_ns);
                if *sleepers == 1 {
                    // Posts from wake-ups that crossed with an earlier one. Of many they may be meant for another.
                    sem.drain();
                }
            }
        }
    }

    fn ring(&self, word: &AtomicU32) {
        match self {
            Self::Futex => {
                futex::wake(word, u32::MAX);
            }
            Self::Sem(sem, 1) => {
                // Fails only at 2^31 posts; the sleeper is awake then.
                let _ = sem.post();
            }
            Self::Sem(sem, sleepers) => sem.post_up_to(*sleepers),
        }
    }
}

/// Bytes of a line of a cache.
const LINE_BYTES: u64 = 64;

/// What is glanced at in a ring in which nobody sleeps.
static NOBODY_SLEEPS: Line<AtomicU32> = Line(AtomicU32::new(AWAKE));
/// What is glanced at where a glance is not enough, because the publisher has to execute a fence first.
static LOOK_CLOSER: Line<AtomicU32> = Line(AtomicU32::new(ASLEEP));

/// Which side of the ring an endpoint is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Producer,
    Consumer,
}

impl End {
    fn other(self) -> Self {
        match self {
            Self::Producer => Self::Consumer,
            Self::Consumer => Self::Producer,
        }
    }
}

/// Where one side of a ring sleeps.
#[derive(Debug)]
struct Bed {
    word: SharedWord,
    bell: AnyBell,
}

impl Bed {
    /// That of the side `end`.
    fn of(end: End, segment: &Segment, regions: &Regions) -> Self {
        let (places, sems) = (segment.checked.geometry.places, &segment.sems);
        let bell = |sem: fn(&Sems) -> &Arc<NamedSem>, sleepers| match sems {
            None => AnyBell::Futex,
            Some(sems) => AnyBell::Sem(Arc::clone(sem(sems)), sleepers),
        };
        match end {
            End::Producer => Self {
                word: regions.shared_word(|control| &control.producer_sleep),
                bell: bell(|sems| &sems.producer, places.producers),
            },
            End::Consumer => Self {
                word: regions.shared_word(|control| &control.consumer_sleep),
                bell: bell(|sems| &sems.consumer, places.consumers),
            },
        }
    }
}

/// An endpoint's means to sleep and to wake its peer.
#[derive(Debug)]
pub(crate) struct Signal {
    /// The peer's sleep word, or what stands for it. After most messages nothing else is looked at.
    glance: SharedWord,
    /// `None`: nobody sleeps in this ring.
    fences: Option<Fences>,
    mine: Bed,
    peers: Bed,
    /// Who else sleeps where this endpoint does.
    sleepers: Sleepers,
    /// When to ask about the peer next, over all waits of this endpoint.
    next_check_ns: u64,
    pace: Pace,
    /// A consumer's wait.
    pub(super) glances: Glances,
    /// Nanoseconds that a consumer rests before its next wait, or drain, looks again.
    rest_ns: u64,
    /// The number by which the guard knows the ring.
    ring: u64,
}

impl Signal {
    /// For an endpoint on `segment`, whose regions are `regions`.
    pub(crate) fn new(segment: &Segment, regions: &Regions, end: End) -> Self {
        // Not in the middle of a rest.
        pause::measure_once();
        let fences = match segment.checked.parking {
            header::PARKING_NEVER => None,
            header::PARKING_ASYMMETRIC => Some(Fences::Asymmetric {
                // Without registration this endpoint fences for itself, which is right beside any peer.
                registered: membarrier::register(),
            }),
            _ => Some(Fences::Full),
        };
        let geometry = &segment.checked.geometry;
        let places = geometry.places;
        let mine = Bed::of(end, segment, regions);
        let peers = Bed::of(end.other(), segment, regions);
        let glance = match fences {
            None => SharedWord::from(&NOBODY_SLEEPS),
            Some(fences) if fences.publisher_has_none() => peers.word.clone(),
            Some(_) => SharedWord::from(&LOOK_CLOSER),
        };
        Self {
            glance,
            fences,
            mine,
            peers,
            sleepers: match end {
                End::Producer if places.producers == 1 => Sleepers::One,
                End::Consumer if places.consumers == 1 => Sleepers::One,
                _ => Sleepers::Many,
            },
            next_check_ns: 0,
            pace: Pace::new(
                geometry.capacity,
                match geometry.element {
                    header::ELEMENT_RECORDS => LINE_BYTES,
                    _ => 1,
                },
            ),
            glances: Glances::default(),
            rest_ns: 0,
            ring: segment.ring(),
        }
    }

    /// When to ask about the peer next.
    pub(crate) fn next_check_ns(&self) -> u64 {
        self.next_check_ns
    }

    /// Remembers when to ask about the peer next.
    pub(crate) fn check_peer_at(&mut self, next_check_ns: u64) {
        self.next_check_ns = next_check_ns;
    }

    /// Tells at which position a consumer has emptied the ring.
    pub(crate) fn emptied_at(&mut self, at: u64) {
        self.rest_ns = self.pace.rest(at);
    }

    /// The same of a consumer that wanted several messages at once, got fewer, and does not wait for more now.
    pub(crate) fn ran_short_at(&mut self, at: u64) {
        self.rest_ns = self.pace.ran_short(at);
    }

    /// Rests, if it is to.
    pub(crate) fn rest(&mut self) {
        match std::mem::take(&mut self.rest_ns) {
            0 => (),
            ns => sync::rest(ns),
        }
    }

    /// Rests at `position`, if `distance` has its owner do so in full flow, and the message that is so far ahead was not committed.
    pub(crate) fn keep(&self, distance: Distance, words: &impl Words, position: u64) {
        let flows = distance.flows(self.glances.began_at(), position);
        if flows && !was_committed(words, position.wrapping_add(distance.ahead())) {
            sync::rest(distance.rest_ns());
        }
    }

    /// Remembers that a wait was not over at once.
    pub(crate) fn waits_on(&mut self) {
        self.pace.waits_on();
    }

    /// Whether memory of the ring is gone, so that nobody can come any more. Only the guard notices.
    pub(crate) fn is_damaged(&self) -> bool {
        ranges::is_damaged(self.ring)
    }

    /// Whether a wait may end in the kernel.
    pub(crate) fn may_sleep(&self) -> bool {
        self.fences.is_some()
    }

    /// Wakes the peer if it sleeps. To be called after publishing.
    #[inline(always)]
    pub(crate) fn notify(&self) -> Notified {
        match park::all_awake(&self.glance) {
            true => Notified::Fine,
            false => self.notify_slow(),
        }
    }

    #[cold]
    #[inline(never)]
    fn notify_slow(&self) -> Notified {
        match self.fences {
            Some(fences) => park::notify(&self.peers.word, &self.peers.bell, fences),
            None => Notified::Fine,
        }
    }

    /// Wakes the peer for good news of the cold kind: a close, a leave.
    pub(crate) fn rouse(&self) {
        self.rouse_all(&self.peers);
    }

    /// Wakes those who sleep on this side, for a close that concerns them all.
    pub(crate) fn rouse_own_side(&self) {
        self.rouse_all(&self.mine);
    }

    fn rouse_all(&self, bed: &Bed) {
        if self.fences.is_some() {
            let _ = park::notify(&bed.word, &bed.bell, Fences::Full);
        }
    }

    /// Sleeps until woken, or until what `until_ns` gives; not at all if that is `None`. Not beyond `short_ns` where
    /// wake-ups cannot be relied on.
    pub(crate) fn nap(&self, short_ns: u64, until_ns: impl FnOnce() -> Option<u64>) {
        let Bed { word, bell } = &self.mine;
        // Of several who sleep on one semaphore, one that is quick may take another one's post.
        let theft = matches!(bell, AnyBell::Sem(_, sleepers) if *sleepers > 1);
        let until_ns = || until_ns().map(|until| if theft { until.min(short_ns) } else { until });
        if let Some(fences) = self.fences {
            park::nap(word, self.sleepers, bell, fences, short_ns, until_ns);
        }
    }
}

/// Clears what a dead predecessor left in its sleep word.
pub(crate) fn wake_up(word: &AtomicU32) {
    // Relaxed: this endpoint is the only one that sleeps here.
    word.store(AWAKE, Ordering::Relaxed);
}
