//! What the integration tests share: child processes, rings described in words, pages that outlive a
//! killed process, randomness with a seed, and clean-up that also runs when a test fails.
//!
//! Never a test by itself. Every test binary includes this module and uses a part of it.

#![allow(dead_code)] // Each binary uses another part.

pub mod cast;
pub mod child;
pub mod clean;
pub mod flow;
pub mod kinds;
pub mod ledger;
pub mod page;
pub mod pass;
pub mod payload;
pub mod records;
pub mod rng;
pub mod spec;
pub mod stream;
pub mod watch;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Holds the machine for one test of this binary: children that spin need the cores for themselves, and
/// tests that measure time need quiet.
pub fn alone() -> MutexGuard<'static, ()> {
    static ONE: Mutex<()> = Mutex::new(());
    // A test that failed has said so itself.
    ONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Looks again until the condition holds; panics after twenty seconds.
pub fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !condition() {
        assert!(Instant::now() < deadline, "not in time: {what}");
        std::thread::sleep(Duration::from_micros(200));
    }
}

/// Tries again for a while when an end that nobody holds any more seems occupied: another thread of this
/// process may be between fork and exec, and its child has a copy of every descriptor for that moment.
pub fn take<E>(mut attempt: impl FnMut() -> Result<E, annulus::EndpointError>) -> E {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        match attempt() {
            Err(annulus::EndpointError::Occupied { pid }) => {
                assert!(Instant::now() < deadline, "still held by {pid}");
                std::thread::sleep(Duration::from_micros(200));
            }
            taken => return taken.expect("an end that is free"),
        }
    }
}

/// Whether the test or its environment asks for more than the default: a number from the environment.
pub fn number_from_env(name: &str, default: u64) -> u64 {
    match std::env::var(name) {
        Ok(text) => text
            .parse()
            .unwrap_or_else(|_| panic!("{name} is not a number: {text}")),
        Err(_) => default,
    }
}
