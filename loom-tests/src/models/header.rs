//! Edges R1 and T1: a ring, and a seat in it, that others can see before they are finished.
//!
//! A System V segment can be attached as soon as it exists. Its creator stores every word, then the ready word
//! with Release; an attacher reads the ready word with Acquire and believes nothing before it has seen it. The
//! header is bytes in the shipped crate; what is modelled is this discipline, not its code. An endpoint that takes
//! a seat does the same with its line in the participant table.

use crate::layout::participant::{ACTIVE, FREE, PRODUCER, Participant};
use crate::layout::word;
use crate::rig::{Outcomes, exhaustive};
use crate::sync::Ordering::{Acquire, Relaxed, Release};
use crate::sync::{AtomicU32, AtomicU64};
use std::sync::Arc;

/// Exhaustive. Two fields of the header and one slot's word are there when the ready word is.
pub fn an_attacher_that_sees_the_ready_word_sees_the_ring() {
    let outcomes = Outcomes::new();
    let seen = outcomes.clone();
    exhaustive(move || {
        let zeroed = || AtomicU64::new(0);
        let segment = Arc::new(([zeroed(), zeroed(), zeroed()], zeroed()));
        let theirs = Arc::clone(&segment);
        let creator = loom::thread::spawn(move || {
            let (fields, ready) = &*theirs;
            // Relaxed: nobody may read them before the ready word.
            fields[0].store(64, Relaxed);
            fields[1].store(128, Relaxed);
            fields[2].store(word::free(5), Relaxed);
            // Release R1: everything above is visible to whoever acquires this.
            ready.store(1, Release);
        });
        let (fields, ready) = &*segment;
        // Acquire R1: pairs with the creator's Release.
        let attached = ready.load(Acquire) == 1;
        // Relaxed: ordered by R1.
        seen.saw(attached.then(|| fields.each_ref().map(|f| f.load(Relaxed))));
        creator.join().expect("the creator ends");
    });
    outcomes.are([None, Some([64, 128, word::free(5)])]);
}

/// Exhaustive. Who sees the seat taken sees who took it.
pub fn an_onlooker_that_sees_a_seat_taken_sees_by_whom() {
    let outcomes = Outcomes::new();
    let seen = outcomes.clone();
    exhaustive(move || {
        let seat = Arc::new(Participant {
            state: AtomicU32::new(FREE),
            role: AtomicU32::new(0),
            generation: AtomicU64::new(0),
            pid: AtomicU32::new(0),
            reserved: AtomicU32::new(0),
            start_time: AtomicU64::new(0),
            announce: AtomicU64::new(0),
            announce_len: AtomicU64::new(0),
        });
        let theirs = Arc::clone(&seat);
        let owner = loom::thread::spawn(move || {
            // Relaxed: published by the state below.
            theirs.role.store(PRODUCER, Relaxed);
            theirs.pid.store(42, Relaxed);
            // Release T1: the fields above are visible to whoever acquires the state.
            theirs.state.store(ACTIVE, Release);
        });
        // Acquire T1: pairs with the owner's Release.
        let taken = seat.state.load(Acquire) == ACTIVE;
        // Relaxed: ordered by T1.
        seen.saw(taken.then(|| (seat.role.load(Relaxed), seat.pid.load(Relaxed))));
        owner.join().expect("the owner ends");
    });
    outcomes.are([None, Some((PRODUCER, 42))]);
}
