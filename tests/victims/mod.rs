//! Victims and their enemy: the ends of every kind of ring, used in every way, and somebody with write access who stores
//! what hurts.
//!
//! Whatever a victim finds, it must answer with a typed error or a wrong value: never a panic, never a wait beyond its
//! deadline, never a byte touched that does not belong to the ring. Never a test by itself; binaries include this module
//! and use a part of it.

#![allow(dead_code)] // Each binary uses another part.

pub mod broadcasts;
pub mod enemy;
pub mod fight;
pub mod memory;
pub mod queues;
pub mod records;

use annulus::{EndpointError, JoinError, Kind, OpenError, Options, Parking, Ring, Wait};
use enemy::Enemy;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// How long a victim is ready to wait.
pub const PATIENCE: Duration = Duration::from_micros(150);

/// When a wait that begins now has to be over.
pub fn deadline() -> Instant {
    Instant::now() + PATIENCE
}

/// What one operation came to. Values are not looked at: the enemy may have forged them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Done,
    /// An end is closed for good, or cannot be had: the ring has to be healed.
    Over,
}

/// Which ends a victim has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sides {
    Producers,
    Consumers,
    Both,
}

impl Sides {
    pub fn produce(self) -> bool {
        self != Self::Consumers
    }

    pub fn consume(self) -> bool {
        self != Self::Producers
    }

    /// Whether it is a producer's turn.
    pub fn turn(self, enemy: &mut Enemy) -> bool {
        match self {
            Self::Both => enemy.rng.below(2) == 0,
            one => one == Self::Producers,
        }
    }
}

/// What ring there is.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// Slots, or bytes.
    pub capacity: u64,
    /// Of records: 8 or 64.
    pub align: u64,
    pub start: u64,
    pub parking: Parking,
}

impl Shape {
    /// A ring of this size, and nothing special.
    pub fn of(capacity: u64) -> Self {
        Self {
            capacity,
            align: 8,
            start: 0,
            parking: Parking::Auto,
        }
    }
}

/// Ends of a ring of one kind, and what they do.
pub trait Victim: Sized {
    type Kind: Kind;
    fn options(shape: &Shape) -> Options<Self::Kind>;
    /// Takes all ends on these sides but some. `None` if they cannot be had.
    fn attach(ring: &Ring<Self::Kind>, sides: Sides) -> Option<Self>;
    /// Does something, with strikes in the middle of it.
    fn operate(&mut self, ring: &Ring<Self::Kind>, enemy: &mut Enemy) -> Outcome;
}

/// Whether an end could be had.
pub fn had<E>(taken: Result<E, EndpointError>) -> Option<E> {
    match taken {
        Ok(end) => Some(end),
        // A damaged ring refuses until it is healed.
        Err(EndpointError::Closed | EndpointError::Corrupt(_) | EndpointError::NoPlace { .. }) => {
            None
        }
        Err(EndpointError::Occupied { .. }) => panic!("the kernel says who is alive, not the peer"),
        Err(e) => panic!("unexpected: {e}"),
    }
}

/// Whether a reader could join.
pub fn joined<E>(taken: Result<E, JoinError>) -> Option<E> {
    match taken {
        Ok(end) => Some(end),
        Err(JoinError::Gone { .. }) => None,
        Err(JoinError::Endpoint(e)) => had(Err(e)),
        Err(e) => panic!("unexpected: {e}"),
    }
}

/// Whether the ring behind `fd` could be opened once more.
pub fn opened<K: Kind>(options: Options<K>, fd: OwnedFd) -> bool {
    match options.prefault(false).open_descriptor(fd) {
        Ok(_) => true,
        Err(
            OpenError::Mismatch { .. } | OpenError::NotARing { .. } | OpenError::Unfinished { .. },
        ) => false,
        // A header that asks for semaphores which do not exist.
        Err(OpenError::Os(e)) if e.op == "sem_open" => false,
        Err(e) => panic!("unexpected: {e}"),
    }
}

pub fn some_wait(enemy: &mut Enemy) -> Wait {
    let soon = Duration::from_micros(5);
    match enemy.rng.below(3) {
        0 => Wait::park().spin_for(soon),
        1 => Wait::spin(),
        _ => Wait::spin_then_yield().spin_for(soon),
    }
}

/// Notices when one operation takes for ever, says which, and ends the process.
pub struct Watchdog(Arc<AtomicU64>);

impl Watchdog {
    /// Begins to watch `what`. It must beat at least every twenty seconds.
    pub fn start(what: &'static str) -> Self {
        let beat = Arc::new(AtomicU64::new(0));
        let watched = Arc::clone(&beat);
        std::thread::spawn(move || {
            let (mut last, mut since) = (0, Instant::now());
            loop {
                std::thread::sleep(Duration::from_millis(100));
                let now = watched.load(Relaxed);
                if now == u64::MAX {
                    return;
                }
                if now != last {
                    (last, since) = (now, Instant::now());
                }
                if since.elapsed() > Duration::from_secs(20) {
                    eprintln!(
                        "hung in {what}, operation {} (kind {})",
                        now >> 8,
                        now & 0xff
                    );
                    std::process::abort();
                }
            }
        });
        Self(beat)
    }

    /// Operation `number`, of kind `op`, begins.
    pub fn beat(&self, number: u64, op: u64) {
        self.0.store(number << 8 | op, Relaxed);
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        self.0.store(u64::MAX, Relaxed);
    }
}
