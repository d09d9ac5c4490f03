//! Closing: each side's last word, for ever.

use crate::layout::control::{CLOSED_BY_CONSUMER, CLOSED_BY_PRODUCER, Control};
use crate::sync::Ordering::{Acquire, Relaxed, Release};

/// The producer's last word: everything committed so far may be drained, nothing follows.
pub(crate) fn close_producer(control: &Control) {
    // Release X1: all commits come before whoever acquires the bit in `look_slow`.
    control.closed.0.fetch_or(CLOSED_BY_PRODUCER, Release);
}

/// The consumer's last word: it will take nothing more.
pub(crate) fn close_consumer(control: &Control) {
    // Release X1: pairs with the Acquire of a producer that looks for room.
    control.closed.0.fetch_or(CLOSED_BY_CONSUMER, Release);
}

/// The last word of the producers or of the consumer, by `bit`, where many share the tail. No claim succeeds
/// after it; claims made before it may still be committed, and are drained.
pub(crate) fn close_shared(control: &Control, bit: u32) {
    // Relaxed: the tail's own order decides which claims came before.
    control.tail.0.fetch_or(u64::from(bit), Relaxed);
    // Release X1: whoever acquires the bit finds the tail closed.
    control.closed.0.fetch_or(bit, Release);
}

/// Does what the last closer of a shared tail may have died before: says so in `closed` too. Whether there was something
/// to do.
pub(crate) fn finish_shared(control: &Control) -> bool {
    // Relaxed, both: only whether there is something to do.
    let bits = control.tail.0.load(Relaxed) as u32 & (CLOSED_BY_PRODUCER | CLOSED_BY_CONSUMER);
    let unsaid = control.closed.0.load(Relaxed) & bits != bits;
    if unsaid {
        // Release X1: as in `close_shared`.
        control.closed.0.fetch_or(bits, Release);
    }
    unsaid
}

/// Whether the producer has closed.
pub(crate) fn producer_closed(control: &Control) -> bool {
    // Acquire X1: pairs with the Release in `close_producer` and `close_shared`.
    control.closed.0.load(Acquire) & CLOSED_BY_PRODUCER != 0
}

/// Whether the consumer has closed.
pub(crate) fn consumer_closed(control: &Control) -> bool {
    // Acquire X1: pairs with the Release in `close_consumer` and `close_shared`.
    control.closed.0.load(Acquire) & CLOSED_BY_CONSUMER != 0
}
