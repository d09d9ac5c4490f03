//! The physical ceiling of a stream of lines: how fast whole cache lines pass from one pinned process to another.
//!
//! The producer writes 64-byte lines, 56 bytes and a ready word; the consumer copies them out and stores the word back.
//! That is a ring without endpoints, checks, closing or recovery. Four variants run (with and without a prefetch for
//! writing 16 lines ahead, with and without `pause` in an empty poll); the fastest is the reference.
//!
//! Invariants: the consumer empties lines in order, so a line seen empty vouches for all lines before it; the producer
//! looks only once per `STRIDE` lines.

use std::cell::UnsafeCell;
use std::sync::atomic::{AtomicU64, Ordering};

use super::child;
use super::clock::{Alarm, now_ns};
use super::opaque::opaque;
use super::pin::{Cpus, pin_to};
use super::shared::{Barrier, Shared, Zeroed};

const LINES: usize = 4096;
const STRIDE: u64 = 512;
const AHEAD: u64 = 16;
/// Word of a line that may be written.
const EMPTY: u64 = 0;

type Payload = [u64; 7];

#[repr(C, align(64))]
struct Slot {
    ready: AtomicU64,
    payload: UnsafeCell<Payload>,
}

#[repr(C)]
struct Page {
    barrier: Barrier,
    /// Lines of the next burst, chosen by the consumer, which keeps the clock.
    burst: AtomicU64,
    slots: [Slot; LINES],
}

// SAFETY: atomics and plain words, zero is "empty"; a payload is touched only by the side its ready word allows.
unsafe impl Sync for Page {}
// SAFETY: as above; no pointers.
unsafe impl Zeroed for Page {}

#[derive(Clone, Copy)]
struct Variant {
    prefetch: bool,
    pause: bool,
}

const VARIANTS: [Variant; 4] = [
    Variant {
        prefetch: false,
        pause: true,
    },
    Variant {
        prefetch: true,
        pause: true,
    },
    Variant {
        prefetch: false,
        pause: false,
    },
    Variant {
        prefetch: true,
        pause: false,
    },
];

/// Lines per second of the fastest variant, each timed for about `burst_ns`. The calling thread must be pinned to
/// `cpus.near`.
pub fn lines_per_s(cpus: Cpus, burst_ns: u64) -> Result<f64, String> {
    let _alarm = Alarm::after(30);
    let page = Shared::<Page>::new().map_err(|error| format!("hand-off: {error}"))?;
    let producer = child::spawn(|| {
        pin_to(cpus.far).map_err(|error| format!("hand-off: {error}"))?;
        produce_all(&page)
    })
    .map_err(|error| format!("hand-off: {error}"))?;
    let best = consume_all(&page, burst_ns)?;
    producer
        .join()
        .map_err(|error| format!("hand-off: {error}"))?;
    Ok(best)
}

fn produce_all(page: &Page) -> Result<(), String> {
    let source: Payload = [0x5555_5555_5555_5555; 7];
    let mut position = 0;
    for (index, variant) in (0u32..).zip(VARIANTS) {
        for part in 1..=2 {
            page.barrier
                .meet(2 * index + part)
                .map_err(|gone| gone.to_string())?;
            let count = page.burst.load(Ordering::Acquire);
            position = match variant.prefetch {
                true => produce::<true>(page, position, count, variant.pause, &source),
                false => produce::<false>(page, position, count, variant.pause, &source),
            };
        }
    }
    Ok(())
}

/// Per variant a short burst that tells how many lines the timed one needs, then the timed one.
fn consume_all(page: &Page, burst_ns: u64) -> Result<f64, String> {
    let mut best = 0.0f64;
    let mut position = 0;
    for (index, variant) in (0u32..).zip(VARIANTS) {
        let mut count = 8 * LINES as u64;
        let mut elapsed = 1;
        for part in 1..=2 {
            page.burst.store(count, Ordering::Release);
            page.barrier
                .meet(2 * index + part)
                .map_err(|gone| format!("hand-off: {gone}"))?;
            let start = now_ns();
            consume(page, position, count, variant.pause)?;
            elapsed = (now_ns() - start).max(1);
            position += count;
            if part == 1 {
                count = (count * burst_ns / elapsed).max(STRIDE);
            }
        }
        best = best.max(count as f64 * 1e9 / elapsed as f64);
    }
    Ok(best)
}

/// Writes `count` lines from `position`; returns the position after them.
fn produce<const PREFETCH: bool>(
    page: &Page,
    mut position: u64,
    count: u64,
    pause: bool,
    source: &Payload,
) -> u64 {
    let end = position + count;
    let mut credit = position;
    while position < end {
        if position == credit {
            let step = STRIDE.min(end - position);
            let last = slot(page, position + step - 1);
            while last.ready.load(Ordering::Acquire) != EMPTY {
                relax(pause);
            }
            credit = position + step;
        }
        if PREFETCH {
            prefetch_for_write(slot(page, position + AHEAD));
        }
        let line = slot(page, position);
        // SAFETY: the line is empty (it lies before `credit`), so the consumer does not touch the payload until the
        // ready word below says so.
        unsafe { *line.payload.get() = *opaque(source) };
        line.ready.store(position + 1, Ordering::Release);
        position += 1;
    }
    position
}

fn consume(page: &Page, first: u64, count: u64, pause: bool) -> Result<(), String> {
    let mut wrong = 0;
    for position in first..first + count {
        let line = slot(page, position);
        while line.ready.load(Ordering::Acquire) != position + 1 {
            relax(pause);
        }
        // SAFETY: the acquired ready word says the payload is complete; the producer waits for EMPTY to write again.
        let payload = unsafe { *line.payload.get() };
        wrong |= opaque(&payload)[6] ^ 0x5555_5555_5555_5555;
        line.ready.store(EMPTY, Ordering::Release);
    }
    match wrong {
        0 => Ok(()),
        _ => Err(String::from("hand-off: a line arrived damaged")),
    }
}

#[inline(always)]
fn slot(page: &Page, position: u64) -> &Slot {
    &page.slots[position as usize % LINES]
}

#[inline(always)]
fn relax(pause: bool) {
    if pause {
        std::hint::spin_loop();
    }
}

#[inline(always)]
fn prefetch_for_write(slot: &Slot) {
    let address: *const Slot = slot;
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a prefetch never faults and changes nothing a program can see.
    unsafe {
        std::arch::asm!("prefetchw [{}]", in(reg) address, options(nostack, preserves_flags));
    }
    #[cfg(target_arch = "aarch64")]
    // SAFETY: a prefetch never faults and changes nothing a program can see.
    unsafe {
        std::arch::asm!("prfm pstl1keep, [{}]", in(reg) address, options(nostack, preserves_flags));
    }
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    let _ = address;
}
