//! How long and in which way a call waits, as C says it.

use crate::failure::Failure;
use annulus::Wait;
use std::time::{Duration, Instant};

/// Poll for some 20 us, then sleep in the kernel. Costs no processor while waiting.
pub const ANNULUS_WAIT_PARK: i32 = 0;
/// Poll for some 10 us, then offer the core to others between polls.
pub const ANNULUS_WAIT_YIELD: i32 = 1;
/// Poll all the time: lowest latency, for a core of one's own.
pub const ANNULUS_WAIT_SPIN: i32 = 2;

/// A timeout that never comes. Calls with it do not read the clock unless they wait.
pub const ANNULUS_FOREVER: u64 = 0xffff_ffff_ffff_ffff;

/// The strategy of that number.
#[inline]
pub(crate) fn strategy(number: i32) -> Result<Wait, Failure> {
    match number {
        ANNULUS_WAIT_PARK => Ok(Wait::park()),
        ANNULUS_WAIT_YIELD => Ok(Wait::spin_then_yield()),
        ANNULUS_WAIT_SPIN => Ok(Wait::spin()),
        _ => Err(Failure::invalid("wait", "one of ANNULUS_WAIT_*")),
    }
}

/// The moment in `timeout_ns` nanoseconds; `None` for never.
#[inline]
pub(crate) fn deadline(timeout_ns: u64) -> Option<Instant> {
    if timeout_ns == ANNULUS_FOREVER {
        return None;
    }
    // A moment that the clock cannot express never comes.
    Instant::now().checked_add(Duration::from_nanos(timeout_ns))
}
