//! How long a pause of the processor takes.
//!
//! `pause` of x86-64 takes 10 ns on one machine and 40 on another, what takes its place elsewhere may take none to speak of.
//! Whoever wants to be out of others' way for a while means a time. A clock is too dear to be asked all along, so pauses are
//! counted, and measured once.

use crate::sync::AtomicU32;
use crate::sync::Ordering::Relaxed;
use crate::sync::spin_hint;

use super::clock::monotonic_ns;
use std::hint::black_box;

/// Pauses of a measurement.
const MEASURED: u64 = 64;
/// Measurements, of which the shortest counts: the others may have been interrupted.
const TRIES: u32 = 5;
/// The shortest and the longest pause that is believed, in picoseconds.
const BELIEVED_PS: (u64, u64) = (100, 1_000_000);

/// Lets about `ns` nanoseconds pass. Where [`measure_once`] was not called before, some microseconds more.
#[cold]
#[inline(never)]
pub(crate) fn rest(ns: u64) {
    let ps = pause_ps();
    pauses((ns.saturating_mul(1000) + ps / 2) / ps);
}

/// Measures, unless this process has done so.
pub(crate) fn measure_once() {
    let _ = pause_ps();
}

/// So many pauses.
#[inline(never)]
fn pauses(n: u64) {
    for i in 0..n {
        spin_hint();
        // On processors that have no such instruction the loop must not vanish.
        black_box(i);
    }
}

/// Picoseconds of a pause.
fn pause_ps() -> u64 {
    /// 0 before anybody has asked. Several threads may measure at a time, and none waits for another.
    static KNOWN: AtomicU32 = AtomicU32::new(0);
    // Relaxed, both: the number is all there is to know.
    match KNOWN.load(Relaxed) {
        0 => {
            let measured = measure();
            KNOWN.store(measured as u32, Relaxed);
            measured
        }
        known => known.into(),
    }
}

fn measure() -> u64 {
    let once = |_| {
        let start = monotonic_ns();
        pauses(MEASURED);
        monotonic_ns().saturating_sub(start)
    };
    let shortest_ns = (0..TRIES).map(once).min().unwrap_or(0);
    (shortest_ns.saturating_mul(1000) / MEASURED).clamp(BELIEVED_PS.0, BELIEVED_PS.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rest_takes_about_as_long_as_it_says() {
        const NS: u64 = 100_000;
        let once = |_| {
            let start = monotonic_ns();
            rest(NS);
            monotonic_ns() - start
        };
        // The shortest of many, for the others may have been interrupted.
        let shortest = (0..50).map(once).min().unwrap();
        assert!((NS / 3..3 * NS).contains(&shortest), "{shortest} ns");
    }
}
