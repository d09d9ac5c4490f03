//! The physical floor of a round trip: raw store-and-poll ping-pong between two pinned processes.
//!
//! One line: both sides store to the same line. Two lines: one line per direction, as two rings would have.
//! Each is measured with and without `pause` in the poll, and the better of the two is the floor. Within a variant the
//! figure is the median of a few chunks, never the best chunk.

use std::sync::atomic::{AtomicU64, Ordering};

use super::child;
use super::clock::{Alarm, now_ns};
use super::pin::{Cpus, pin_to};
use super::shared::{Barrier, Line, PartnerGone, Shared, Zeroed};
use super::stats::Summary;

const CHUNKS: usize = 5;

/// Round trips of the raw ping-pong, in nanoseconds.
#[derive(Clone, Copy, Debug)]
pub struct Floor {
    /// Both directions through one line: *the* floor.
    pub one_line_rtt_ns: f64,
    /// One line per direction.
    pub two_line_rtt_ns: f64,
}

#[repr(C)]
struct Page {
    barrier: Barrier,
    there: Line,
    back: Line,
}

// SAFETY: made of Zeroed parts.
unsafe impl Zeroed for Page {}

#[derive(Clone, Copy)]
struct Variant {
    two_lines: bool,
    pause: bool,
}

const VARIANTS: [Variant; 4] = [
    Variant {
        two_lines: false,
        pause: true,
    },
    Variant {
        two_lines: false,
        pause: false,
    },
    Variant {
        two_lines: true,
        pause: true,
    },
    Variant {
        two_lines: true,
        pause: false,
    },
];

/// Measures both floors, `trips` round trips per chunk (2,000 takes some milliseconds in all). The calling thread must be
/// pinned to `cpus.near`.
pub fn measure(cpus: Cpus, trips: u64) -> Result<Floor, String> {
    let _alarm = Alarm::after(30);
    let page = Shared::<Page>::new().map_err(|error| format!("floor: {error}"))?;
    let partner = child::spawn(|| {
        pin_to(cpus.far).map_err(|error| format!("floor: {error}"))?;
        every_chunk(trips, |variant, first, count, phase| {
            page.barrier.meet(phase)?;
            answer(lines(&page, variant), first, count, variant.pause);
            Ok(())
        })
        .map_err(|gone| gone.to_string())
    })
    .map_err(|error| format!("floor: {error}"))?;
    let mut figures = [const { Vec::new() }; VARIANTS.len()];
    let mut at = 0;
    every_chunk(trips, |variant, first, count, phase| {
        page.barrier.meet(phase)?;
        let start = now_ns();
        ask(lines(&page, variant), first, count, variant.pause);
        figures[at % VARIANTS.len()].push((now_ns() - start) as f64 / count as f64);
        at += 1;
        Ok(())
    })
    .map_err(|gone| format!("floor: {gone}"))?;
    partner.join().map_err(|error| format!("floor: {error}"))?;
    // The first chunk of each variant faults pages in and wakes the cores.
    let median = |of: &Vec<f64>| Summary::of(&of[1..]).map_or(f64::INFINITY, |s| s.median);
    Ok(Floor {
        one_line_rtt_ns: median(&figures[0]).min(median(&figures[1])),
        two_line_rtt_ns: median(&figures[2]).min(median(&figures[3])),
    })
}

/// Walks the chunks in the order both sides agree on: variants interleaved, one warming chunk first, words ever rising.
fn every_chunk(
    trips: u64,
    mut chunk: impl FnMut(Variant, u64, u64, u32) -> Result<(), PartnerGone>,
) -> Result<(), PartnerGone> {
    let mut first = 1;
    let mut phase = 1;
    for _ in 0..CHUNKS + 1 {
        for variant in VARIANTS {
            chunk(variant, first, trips, phase)?;
            first += 2 * trips;
            phase += 1;
        }
    }
    Ok(())
}

/// Stores `first` to the first of two words, which may be the same, waits for `first + 1` in the second, stores `first + 2` ...
/// `count` times.
pub fn ask((out, back): (&AtomicU64, &AtomicU64), first: u64, count: u64, pause: bool) {
    for trip in 0..count {
        out.store(first + 2 * trip, Ordering::Release);
        wait_for(back, first + 2 * trip + 1, pause);
    }
}

/// The other half of `ask`, with the words in the same order.
pub fn answer((incoming, back): (&AtomicU64, &AtomicU64), first: u64, count: u64, pause: bool) {
    for trip in 0..count {
        wait_for(incoming, first + 2 * trip, pause);
        back.store(first + 2 * trip + 1, Ordering::Release);
    }
}

fn lines(page: &Page, variant: Variant) -> (&AtomicU64, &AtomicU64) {
    let back = if variant.two_lines {
        &page.back
    } else {
        &page.there
    };
    (&page.there.word, &back.word)
}

#[inline(always)]
fn wait_for(word: &AtomicU64, value: u64, pause: bool) {
    if pause {
        while word.load(Ordering::Acquire) != value {
            std::hint::spin_loop();
        }
    } else {
        while word.load(Ordering::Acquire) != value {}
    }
}
