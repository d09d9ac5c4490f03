//! Consumers that die at labelled steps. The producer and the successor are here; whoever dies is a child.

use crate::common::child::{self, Args, Child};
use crate::common::{alone, take};
use crate::ring::{Records, Sort, role};
use crate::steps::{HERE, SHORT, everywhere, expect, goes_on, send};
use annulus::{MpscRecords, Peer, SpscRecords};

/// A role: takes records up to a step and stands still there.
pub fn consumer_at<K: Sort>(args: &Args) {
    let mut rx = Records::from_args(args)
        .open::<K>("")
        .consumer()
        .expect("a free end");
    (0..2).for_each(|i| expect(&mut rx, HERE, i));
    match args.get("step") {
        "sample in hand" => {
            let held = rx.try_sample().expect("a record");
            assert_eq!(held.len(), SHORT);
            child::stand_still();
            drop(held);
        }
        "peeked" => {
            drop(rx.try_peek().expect("a record"));
            child::stand_still();
        }
        "draining" => {
            let mut drain = rx.drain(3);
            assert!(drain.next_into(&mut Vec::new()).is_some());
            let held = drain.next_sample().expect("a record");
            child::stand_still();
            drop(held);
        }
        _ => child::stand_still(),
    }
}

fn consumer_dies<K: Sort>(step: &str, resumes: u64) {
    everywhere("", |ring, _| {
        let made = ring.create::<K>();
        let mut tx = made.producer().expect("a free end");
        (0..8).for_each(|i| send(&mut tx, HERE, i));
        let args = ring.args().with("step", step);
        let mut child = Child::start(&role::<K>("consumer at"), args);
        child.until_stopped();
        assert_eq!(tx.consumer_state(), Peer::Alive);
        child.kill();
        assert_eq!(tx.consumer_state(), Peer::Died);
        let mut rx = take(|| made.consumer());
        assert_eq!(rx.predecessor(), Peer::Died);
        (resumes..8).for_each(|i| expect(&mut rx, HERE, i));
        goes_on(&mut tx, &mut rx, &made, ring);
    });
}

#[test]
fn a_consumer_killed_at_any_step_leaves_at_most_the_record_in_its_hands_to_come_again() {
    let _quiet = alone();
    for (step, resumes) in [
        ("released", 2),
        ("peeked", 2),
        ("sample in hand", 2),
        ("draining", 3),
    ] {
        consumer_dies::<SpscRecords>(step, resumes);
        consumer_dies::<MpscRecords>(step, resumes);
    }
}
