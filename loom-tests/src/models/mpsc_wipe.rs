//! The consumer of many producers dies anywhere, also in the middle of wiping, while they run on: nothing is lost, the
//! record in its hands comes again, and whoever claims finds its bytes zero.

use crate::rig::{Outcomes, bounded};
use crate::rig_records::{Ledger, Rig, settle, tag, tags};

/// At most 2 preemptions, for every access of the consumer to shared words. Three records lap 32 bytes; the producer
/// claims what a dead consumer had wiped, or was about to.
pub fn a_consumer_killed_while_it_wipes_is_succeeded() {
    let outcomes = Outcomes::new();
    for steps in 0..26 {
        let seen = outcomes.clone();
        bounded(2, move || {
            let rig = Rig::mpsc(32, 0, 1);
            let mut first = rig.consumer();
            let mut member = rig.member(0);
            let mut committed = Vec::new();
            for n in 0..2 {
                member.push_noted(8, n, &mut committed);
            }
            let writer = loom::thread::spawn(move || {
                member.push_noted(8, 2, &mut committed);
                member.push_noted(0, 3, &mut committed);
                committed
            });
            let mut ledger = Ledger::new();
            let survived = crate::sync::mortal(steps, || first.work(3, &mut ledger)).is_some();
            let (mut got, in_hand) = rig.released_of(&ledger);
            let mut second = Ledger::new();
            let mut successor = rig.consumer();
            successor.work(1, &mut second);
            let committed = writer.join().expect("the producer ends");
            successor.clear_up(&mut second);
            if let Some(tag) = in_hand {
                assert_eq!(second[0].1, tag, "the record in hand comes again, first");
            }
            got.extend(tags(&second));
            settle(&got, &[committed]);
            assert!(rig.is_zero());
            seen.saw((in_hand, survived));
        });
    }
    outcomes.are([
        (None, false),
        (Some(tag(0, 0)), false),
        (Some(tag(0, 1)), false),
        (Some(tag(0, 2)), false),
        (Some(tag(0, 3)), false),
        (None, true),
    ]);
}
