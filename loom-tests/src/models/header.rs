//! Edge R1: a ring whose name existed before it was finished.
//!
//! A System V segment can be attached as soon as it exists. Its creator stores every word, then the ready word
//! with Release; an attacher reads the ready word with Acquire and believes nothing before it has seen it. The
//! header is bytes in the shipped crate; what is modelled is this discipline, not its code.

use crate::layout::word;
use crate::rig::{Outcomes, exhaustive};
use crate::sync::AtomicU64;
use crate::sync::Ordering::{Acquire, Relaxed, Release};
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
