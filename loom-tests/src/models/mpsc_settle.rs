//! The place of a dead producer is given to another only when nothing hangs on the dead one's announcement any more.

use crate::rig::{Outcomes, bounded};
use crate::rig_records::{Ledger, Pushed, Rig, settle, tag, tags};
use crate::ring::records::Exactly;
use crate::ring::records::mpsc::is_settled;
use std::sync::Arc;

/// At most 1 preemption, for every death of a producer that pushes a run of two. Then, beside the consumer that looks
/// and repairs and another producer, a third asks for the dead one's place. If it gets that it
/// announces there something else, and all is cleared up all the same.
pub fn the_place_of_a_dead_producer_is_taken_when_nothing_hangs_on_it() {
    let outcomes = Outcomes::new();
    for steps in 0..14 {
        let seen = outcomes.clone();
        bounded(1, move || {
            let rig = Rig::mpsc(32, 0, 2);
            let mut consumer = rig.consumer();
            let (mut dead, mut done) = (rig.member(0), Vec::new());
            rig.mortal(0, steps, || {
                let mut claim = dead.claim(Exactly::Yes, &[0, 0]).expect("there is room");
                for n in 0..2 {
                    dead.write(&claim, 0, tag(0, n));
                    dead.commit(&mut claim, 0, tag(0, n));
                    done.push(tag(0, n));
                }
            });
            let mut other = rig.member(1);
            let pushes = loom::thread::spawn(move || {
                let mut done = Vec::new();
                for n in 0..2 {
                    other.push_noted(0, n, &mut done);
                }
                done
            });
            let theirs = Arc::clone(&rig);
            let asks = loom::thread::spawn(move || {
                let settled =
                    is_settled(&theirs.bytes, &theirs.control, theirs.shape, theirs.line(0));
                let third = settled.then(|| theirs.revived(0));
                third.map(|mut third| third.try_push(Exactly::Yes, 0, tag(0, 9)))
            });
            let mut ledger = Ledger::new();
            consumer.work(2, &mut ledger);
            let others = pushes.join().expect("the other producer ends");
            let third = asks.join().expect("the third ends");
            consumer.clear_up(&mut ledger);
            seen.saw((done.len(), third.is_some()));
            if third == Some(Pushed::Done) {
                done.push(tag(0, 9));
            }
            settle(&tags(&ledger), &[done, others]);
        });
    }
    // While the consumer wipes what was committed, the answer may be no; whoever asks later is told otherwise.
    let all = (0..3).flat_map(|committed| [false, true].map(|taken| (committed, taken)));
    outcomes.are(all);
}
