//! Broadcasts of slots: what is read is whole, and every message is read, passed over, or counted as lost.

use crate::rig::{Outcomes, bounded};
use crate::rig_broadcast::{Got, Producer, Pushed, Reader, Rig};
use crate::ring::broadcast::Place;
use crate::ring::close::close_producer;
use crate::sync::Ordering::Release;
use crate::sync::mortal;
use std::sync::Arc;

/// Where the words wrap, two messages on.
const LATE: u64 = (1 << 62) - 1;

/// A producer on a thread of its own publishes `n` messages.
fn publishes(mut producer: Producer, n: u64) -> loom::thread::JoinHandle<u64> {
    loom::thread::spawn(move || producer.push_up_to(n))
}

/// At most 3 preemptions. Three messages through two slots; the reader looks twice meanwhile, and then takes the rest.
pub fn a_reader_that_is_overrun_is_told_the_number() {
    for resume in [Place::Oldest, Place::Newest] {
        let outcomes = Outcomes::new();
        let seen = outcomes.clone();
        bounded(3, move || {
            let rig = Rig::slots(2, LATE, 1);
            let mut reader = rig.reader(0, LATE);
            let producer = publishes(rig.producer(), 3);
            let first = [reader.read(resume), reader.read(resume)];
            assert_eq!(producer.join().expect("the producer ends"), 3);
            assert_eq!(reader.rest(), Got::Empty);
            assert_eq!(reader.counts.all(), 3, "exact");
            seen.saw((first[0], reader.counts.lost));
        });
        match resume {
            Place::Oldest => outcomes.are([
                (Got::Empty, 0),
                (Got::Empty, 1),
                (Got::Message, 0),
                (Got::Lost, 1),
            ]),
            Place::Newest => outcomes.are([
                (Got::Empty, 0),
                (Got::Empty, 1),
                (Got::Empty, 2),
                (Got::Empty, 3),
                (Got::Message, 0),
                (Got::Lost, 2),
                (Got::Lost, 3),
            ]),
        }
    }
}

/// At most 3 preemptions. A reader that wants the newest message only, and gets one that was the newest.
pub fn the_latest_message_is_whole_and_new() {
    let outcomes = Outcomes::new();
    let seen = outcomes.clone();
    bounded(3, move || {
        let rig = Rig::slots(2, LATE, 1);
        let mut reader = rig.reader(0, LATE);
        let mut producer = rig.producer();
        assert_eq!(producer.try_push(), Pushed::Done);
        let producer = publishes(producer, 2);
        assert_eq!(reader.latest(), Got::Message);
        let first = reader.counts.all();
        producer.join().expect("the producer ends");
        let last = reader.latest();
        assert_eq!(last == Got::Empty, first == 3);
        assert_eq!(reader.counts.all(), 3, "exact");
        seen.saw(first);
    });
    outcomes.are([1, 2, 3]);
}

/// At most 3 preemptions. A reader begins while messages are published: at the newest, at the oldest, or where it says, if
/// that is there.
pub fn a_reader_joins_a_running_producer() {
    let outcomes = Outcomes::new();
    let seen = outcomes.clone();
    for at in 0..5 {
        let seen = seen.clone();
        bounded(3, move || {
            let rig = Rig::slots(2, LATE, 1);
            let producer = publishes(rig.producer(), 3);
            let position = match at {
                0 => Ok(rig.position_of(Place::Newest)),
                1 => Ok(rig.position_of(Place::Oldest)),
                2 => rig.check(LATE + 1),
                3 => rig.check(LATE + 3),
                _ => rig.check(LATE + 9),
            };
            let begun = position.map(|position| {
                let mut reader = rig.reader(0, position);
                let _ = reader.read(Place::Oldest);
                reader
            });
            producer.join().expect("the producer ends");
            let begun = begun.map(|mut reader| {
                assert_eq!(reader.rest(), Got::Empty);
                let begun = reader.place.next().wrapping_sub(reader.counts.all());
                assert_eq!(reader.place.next(), LATE + 3);
                begun.wrapping_sub(LATE)
            });
            seen.saw((at, begun.map_err(|gone| gone.newest.wrapping_sub(LATE))));
        });
    }
    outcomes.are([
        (0, Ok(0)),
        (0, Ok(1)),
        (0, Ok(2)),
        (0, Ok(3)),
        (1, Ok(0)),
        (1, Ok(1)),
        // Not there yet: the newest is.
        (2, Err(0)),
        (2, Ok(1)),
        (3, Err(0)),
        (3, Err(1)),
        (3, Err(2)),
        (3, Ok(3)),
        (4, Err(0)),
        (4, Err(1)),
        (4, Err(2)),
        (4, Err(3)),
    ]);
}

/// Reads everything until the ring is closed; nothing may be lost.
fn reads_all(reader: &mut Reader) {
    loop {
        match reader.read(Place::Oldest) {
            Got::Message => {}
            Got::Empty => crate::sync::spin_hint(),
            Got::Closed => return,
            Got::Lost => panic!("assertion: a lossless reader lost something"),
        }
    }
}

/// At most 3 preemptions. A reader asks to be waited for while a producer publishes; from then on it loses nothing.
pub fn a_reader_that_is_waited_for_loses_nothing() {
    for place in [Place::Oldest, Place::Newest] {
        let outcomes = Outcomes::new();
        let seen = outcomes.clone();
        bounded(3, move || {
            let rig = Rig::slots(2, LATE, 1);
            let mut producer = rig.producer();
            assert_eq!(producer.push_up_to(2), 2);
            let publishes = loom::thread::spawn(move || {
                let n = producer.push_up_to(3);
                (producer, n)
            });
            let mut reader = rig.lossless(0, place);
            let begun = reader.place.next().wrapping_sub(LATE);
            let (producer, n) = publishes.join().expect("the producer ends");
            while reader.read(Place::Oldest) == Got::Message {}
            assert_eq!(reader.counts.lost, 0, "a lossless reader lost something");
            assert_eq!(producer.tail.next(), reader.place.next());
            seen.saw((begun, n));
        });
        // Where it begins, and how much was published beside it: what it holds up is not.
        match place {
            Place::Oldest => outcomes.are([(0, 0), (1, 0), (1, 1), (2, 1), (2, 2), (3, 2), (3, 3)]),
            Place::Newest => outcomes.are([(2, 2), (3, 3), (4, 2), (4, 3), (5, 3)]),
        }
    }
}

/// At most 3 preemptions. The producer waits for a slow reader, a whole ring behind, until that has read or leaves.
pub fn the_producer_waits_for_the_slowest() {
    let outcomes = Outcomes::new();
    let seen = outcomes.clone();
    bounded(3, move || {
        let rig = Rig::slots(2, LATE, 2);
        let mut slow = rig.lossless(0, Place::Oldest);
        let mut quick = rig.lossless(1, Place::Oldest);
        let mut producer = rig.producer();
        assert_eq!(producer.push_up_to(3), 2, "a ring and no more");
        assert_eq!(quick.rest(), Got::Empty);
        quick.leave();
        let mut quick = rig.lossless(1, Place::Newest);
        assert_eq!(quick.rest(), Got::Empty);
        let reads = loom::thread::spawn(move || {
            assert_eq!(slow.read(Place::Oldest), Got::Message);
            slow.leave();
            slow
        });
        let first = producer.try_push();
        let second = producer.try_push();
        let mut slow = reads.join().expect("the reader ends");
        seen.saw((first, second));
        assert_eq!(slow.rest(), Got::Empty);
        let published = 2 + [first, second]
            .iter()
            .filter(|p| **p == Pushed::Done)
            .count();
        assert_eq!(slow.counts.all(), published as u64, "exact");
    });
    use Pushed::{Done, Full};
    outcomes.are([(Full, Full), (Full, Done), (Done, Full), (Done, Done)]);
}

/// At most 2 preemptions. A reader that is waited for reads on until the producer, which waits for it, has closed.
pub fn nothing_published_before_the_close_is_missed_by_a_reader() {
    bounded(2, || {
        let rig = Rig::slots(2, LATE, 1);
        let mut reader = rig.lossless(0, Place::Newest);
        let mut producer = rig.producer();
        let publishes = loom::thread::spawn(move || {
            let n = producer.push_up_to(2);
            close_producer(&producer.rig.control);
            n
        });
        reads_all(&mut reader);
        assert_eq!(publishes.join().expect("the producer ends"), 2);
        assert_eq!(reader.counts.received, 2);
    });
}

/// The producer publishes `before` messages; then it dies after `steps` steps of `n` more, and a successor publishes one.
fn succeeded(rig: &Arc<Rig>, before: u64, steps: u32) -> loom::thread::JoinHandle<u64> {
    let mut first = rig.producer();
    assert_eq!(first.push_up_to(before), before);
    let rig = Arc::clone(rig);
    loom::thread::spawn(move || {
        mortal(steps, || first.push_up_to(1));
        let mut second = rig.producer();
        second.push_up_to(1);
        second.tail.next()
    })
}

/// At most 2 preemptions, for every death. A reader at the oldest message, which may be overwritten, sees no trace of the
/// death but what was not committed.
pub fn a_dead_producer_of_a_broadcast_is_succeeded() {
    let outcomes = Outcomes::new();
    for steps in 0..9 {
        let seen = outcomes.clone();
        bounded(2, move || {
            let rig = Rig::slots(2, LATE, 1);
            let mut reader = rig.reader(0, LATE);
            let publishes = succeeded(&rig, 2, steps);
            reader.read(Place::Oldest);
            let next = publishes.join().expect("the producers end");
            assert_eq!(reader.rest(), Got::Empty);
            assert_eq!(reader.place.next(), next);
            seen.saw((next.wrapping_sub(LATE), reader.counts.lost));
        });
    }
    outcomes.are([(3, 0), (3, 1), (4, 1), (4, 2)]);
}

/// At most 2 preemptions, for every death. A reader asks to be waited for meanwhile.
pub fn a_successor_waits_for_readers_too() {
    for steps in 0..9 {
        bounded(2, move || {
            let rig = Rig::slots(2, LATE, 1);
            let publishes = succeeded(&rig, 2, steps);
            let mut reader = rig.lossless(0, Place::Oldest);
            let next = publishes.join().expect("the producers end");
            while reader.read(Place::Oldest) == Got::Message {}
            assert_eq!(reader.counts.lost, 0, "a lossless reader lost something");
            assert_eq!(reader.place.next(), next);
        });
    }
}

/// At most 3 preemptions. A producer died when it had told its frontier, before its fence. Its successor writes up to there
/// without telling it again; a reader that is overrun by that, or asks to be waited for, finds it told.
pub fn a_frontier_that_a_dead_producer_told_counts() {
    for lossless in [false, true] {
        let outcomes = Outcomes::new();
        let seen = outcomes.clone();
        bounded(3, move || {
            let rig = Rig::slots(2, LATE, 1);
            assert_eq!(rig.producer().push_up_to(2), 2);
            let theirs = Arc::clone(&rig);
            let publishes = loom::thread::spawn(move || {
                // Release: as in `Credit::refill`.
                theirs.control.tail.0.store(LATE + 3, Release);
                theirs.producer().push_up_to(1)
            });
            let mut reader = match lossless {
                true => rig.lossless(0, Place::Oldest),
                false => rig.reader(0, LATE),
            };
            reader.read(Place::Oldest);
            let n = publishes.join().expect("the producers end");
            assert_eq!(reader.rest(), Got::Empty);
            assert!(
                !lossless || reader.counts.lost == 0,
                "a lossless reader lost something"
            );
            seen.saw((n, reader.counts.all()));
        });
        match lossless {
            true => outcomes.are([(0, 1), (0, 2), (1, 2), (1, 3)]),
            false => outcomes.are([(1, 3)]),
        }
    }
}
