//! Producers and consumers that die at labelled steps (SIGKILL). The survivors and successors are here.

use crate::common::child::Child;
use crate::common::{alone, take};
use crate::ends::{
    BEFORE, HERE, RUN, Times, everywhere, goes_on, in_hand, nothing_comes, receive, send, stand,
};
use crate::kinds::{Queue, Rx};
use crate::payload::{Id, Note};
use annulus::{Mpmc, Mpsc, Peer, Spmc};
use std::time::{Duration, Instant};

const CAPACITY: u64 = 16;
/// What a producer may do, and how many of its messages it has committed by then.
const STEPS: [(&str, u64); 5] = [
    ("attached", BEFORE),
    ("claimed", BEFORE),
    ("claimed a run", BEFORE),
    ("committed half of a run", BEFORE + RUN as u64 / 2),
    ("aborted", BEFORE),
];

// ---- producers ------------------------------------------------------------------------------------------

fn producer_dies<K: Queue>(times: &mut Times) {
    for (step, committed) in STEPS {
        everywhere(CAPACITY, |place| {
            let made = place.create::<K>();
            let mut rx = K::consumer(&made).expect("a place");
            let mut survivor = K::MANY.0.then(|| K::producer(&made).expect("a place"));
            let mut child = stand::<K>(place, "producer at", step);
            if let Some(tx) = &mut survivor {
                send(tx, 0, 3);
            }
            (0..committed).for_each(|i| assert_eq!(receive(&mut rx), Id::new(0, i), "{step}"));
            if step.starts_with("claimed") {
                nothing_comes(&mut rx, Duration::from_millis(10));
            }
            child.kill();
            let began = Instant::now();
            let mut tx = match survivor {
                Some(tx) => tx,
                None => {
                    let mut tx = take(|| K::producer(&made));
                    send(&mut tx, 0, 3);
                    tx
                }
            };
            assert_eq!(receive(&mut rx), Id::new(HERE, 0), "{step}");
            times.add(began.elapsed());
            (1..3).for_each(|i| assert_eq!(receive(&mut rx), Id::new(HERE, i), "{step}"));
            goes_on(&mut tx, &mut rx, &made, place);
        });
    }
}

#[test]
fn a_producer_killed_at_any_step_stops_nobody_and_loses_only_what_it_had_not_committed() {
    let _quiet = alone();
    let mut times = Times::default();
    producer_dies::<Mpsc<Note>>(&mut times);
    producer_dies::<Mpmc<Note>>(&mut times);
    producer_dies::<Spmc<Note>>(&mut times);
    times.check("from a producer's death to the next message");
}

// ---- consumers ------------------------------------------------------------------------------------------

/// Kills a consumer at `step`; somebody else, who was there before or comes after, has all it did not finish. `places`
/// is for how many consumers there is room.
fn consumer_dies<K: Queue>(step: &str, places: u32, before: bool, times: &mut Times) {
    // A consumer that shares its ring with nobody has nothing in hand but what it reads.
    let held = match (K::MANY.1, in_hand(step)) {
        (false, held) if step != "sample in hand" => held.start..held.start,
        (_, held) => held,
    };
    everywhere(CAPACITY, |place| {
        let mut place = place.clone();
        place.consumers = places;
        let made = place.create::<K>();
        let mut tx = K::producer(&made).expect("a place");
        send(&mut tx, 0, 8);
        let other = before.then(|| K::consumer(&made).expect("a place"));
        let mut child = stand::<K>(&place, "consumer at", step);
        child.kill();
        let began = Instant::now();
        let mut rx = other.unwrap_or_else(|| take(|| K::consumer(&made)));
        let mut got = Vec::new();
        let mut came_again = Vec::new();
        for _ in held.start..8 {
            let number = receive(&mut rx).number;
            got.push(number);
            if rx.redelivered() {
                came_again.push(number);
            }
        }
        times.add(began.elapsed());
        if K::MANY.1 {
            assert_eq!(came_again, Vec::from_iter(held.clone()), "{step} {place:?}");
        } else {
            assert_eq!(rx.predecessor(), Peer::Died);
        }
        got.sort_unstable();
        assert_eq!(got, Vec::from_iter(held.start..8), "{step} {place:?}");
        goes_on(&mut tx, &mut rx, &made, &place);
    });
}

#[test]
fn what_a_killed_consumer_had_in_hand_comes_to_another_one_once_and_says_so() {
    let _quiet = alone();
    let mut times = Times::default();
    for step in ["released", "sample in hand", "run in hand", "draining"] {
        consumer_dies::<Mpmc<Note>>(step, 4, true, &mut times);
        consumer_dies::<Spmc<Note>>(step, 2, true, &mut times);
    }
    times.check("from a consumer's death to the last message it had in hand");
}

#[test]
fn a_consumer_that_comes_after_the_death_of_the_only_one_inherits_what_it_had_in_hand() {
    let _quiet = alone();
    let mut times = Times::default();
    for step in ["released", "sample in hand", "run in hand", "draining"] {
        for places in [1, 4] {
            consumer_dies::<Mpmc<Note>>(step, places, false, &mut times);
            consumer_dies::<Spmc<Note>>(step, places, false, &mut times);
        }
        consumer_dies::<Mpsc<Note>>(step, 1, false, &mut times);
    }
    times.check("from a consumer's death to its successor's last message of it");
}

/// Two consumers die with something in hand, and there is no place but theirs.
fn two_consumers_die<K: Queue>(first: &str, second: &str) {
    everywhere(CAPACITY, |place| {
        let mut place = place.clone();
        place.consumers = 2;
        let made = place.create::<K>();
        let mut tx = K::producer(&made).expect("a place");
        send(&mut tx, 0, 12);
        let mut dead = [first, second].map(|step| stand::<K>(&place, "consumer at", step));
        dead.iter_mut().for_each(Child::kill);
        let mut rx = take(|| K::consumer(&made));
        // The second began behind what the first had taken, and took two messages as well.
        let (a, b) = (in_hand(first), in_hand(second));
        let held: Vec<u64> = a.clone().chain(b.start + a.end..b.end + a.end).collect();
        let (mut came_again, mut got) = (Vec::new(), Vec::new());
        for _ in 0..held.len() as u64 + 12 - (a.end + b.end) {
            let number = receive(&mut rx).number;
            if rx.redelivered() {
                came_again.push(number);
            } else {
                got.push(number);
            }
        }
        came_again.sort_unstable();
        assert_eq!(came_again, held, "{first} {second} {place:?}");
        assert_eq!(got, Vec::from_iter(a.end + b.end..12));
        goes_on(&mut tx, &mut rx, &made, &place);
    });
}

#[test]
fn whoever_takes_the_last_place_finds_what_all_the_dead_had_in_hand() {
    let _quiet = alone();
    for first in ["sample in hand", "run in hand"] {
        for second in ["released", "sample in hand", "draining"] {
            two_consumers_die::<Mpmc<Note>>(first, second);
            two_consumers_die::<Spmc<Note>>(second, first);
        }
    }
}

// ---- everybody ------------------------------------------------------------------------------------------

fn everybody_dies<K: Queue>(producer: &str, consumer: &str) {
    everywhere(CAPACITY, |place| {
        let (made, held) = (place.create::<K>(), in_hand(consumer));
        let mut old = K::producer(&made).expect("a place");
        send(&mut old, 0, 8);
        drop(old);
        let mut dead: Vec<Child> = vec![
            stand::<K>(place, "consumer at", consumer),
            stand::<K>(place, "producer at", producer),
        ];
        if K::MANY.1 {
            dead.push(stand::<K>(place, "consumer at", "released"));
        }
        dead.iter_mut().for_each(Child::kill);
        let mut tx = take(|| K::producer(&made));
        let mut rx = take(|| K::consumer(&made));
        send(&mut tx, 100, 103);
        // The second consumer has taken the next two.
        let next = if K::MANY.1 {
            held.end + BEFORE
        } else {
            held.start
        };
        let again = if K::MANY.1 { held } else { 0..0 };
        let there = (next..8).map(|i| Id::new(HERE, i));
        let sent = (0..BEFORE).map(|i| Id::new(0, i));
        let new = (100..103).map(|i| Id::new(HERE, i));
        let wanted: Vec<Id> = there.chain(sent).chain(new).collect();
        let (mut came_again, mut got) = (Vec::new(), Vec::new());
        for _ in 0..wanted.len() as u64 + (again.end - again.start) {
            let id = receive(&mut rx);
            if rx.redelivered() {
                came_again.push(id.number);
            } else {
                got.push(id);
            }
        }
        assert_eq!(got, wanted, "{producer} {consumer} {place:?}");
        assert_eq!(came_again, Vec::from_iter(again), "{producer} {consumer}");
        goes_on(&mut tx, &mut rx, &made, place);
    });
}

#[test]
fn whoever_comes_after_everybody_died_finds_all_that_was_committed() {
    let _quiet = alone();
    for (producer, consumer) in [("claimed", "sample in hand"), ("claimed a run", "released")] {
        everybody_dies::<Mpsc<Note>>(producer, consumer);
        everybody_dies::<Spmc<Note>>(producer, consumer);
        everybody_dies::<Mpmc<Note>>(producer, consumer);
    }
    everybody_dies::<Mpmc<Note>>("claimed", "draining");
}
