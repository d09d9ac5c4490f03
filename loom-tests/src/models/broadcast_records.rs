//! Broadcasts of records: what is read is whole and begins where a record begins, and every record is read, passed over,
//! or counted as lost.

use crate::rig::{Outcomes, bounded, exhaustive};
use crate::rig_broadcast::{Got, Pushed, RecordProducer, Rig};
use crate::ring::broadcast::{Place, frontier, records};
use crate::ring::close::close_producer;
use crate::sync::mortal;
use std::sync::Arc;

/// A producer on a thread of its own publishes records of `lens` bytes.
fn publishes(
    mut producer: RecordProducer,
    lens: &'static [u32],
) -> loom::thread::JoinHandle<RecordProducer> {
    loom::thread::spawn(move || {
        producer.push_all(lens);
        producer
    })
}

/// At most 2 preemptions. Records of several lengths through 32 bytes, with padding; the reader looks twice meanwhile, and
/// then takes the rest.
pub fn a_reader_of_records_that_is_overrun_is_told_the_number() {
    for resume in [Place::Oldest, Place::Newest] {
        let outcomes = Outcomes::new();
        let seen = outcomes.clone();
        bounded(2, move || {
            let rig = Rig::records(32, 0, 1);
            let mut reader = rig.record_reader(0, Place::Newest);
            let mut producer = rig.record_producer();
            producer.push_all(&[0]);
            let producer = publishes(producer, &[8, 8, 0]);
            let first = [reader.read(resume), reader.read(resume)];
            let producer = producer.join().expect("the producer ends");
            assert_eq!(producer.tail.sequence(), 4);
            assert_eq!(reader.rest(), Got::Empty);
            assert_eq!(reader.counts.all(), 4, "exact");
            seen.saw(first);
        });
        use Got::{Empty, Lost, Message};
        let all = [Message, Lost].map(|a| [Message, Lost, Empty].map(|b| [a, b]));
        outcomes.are(all.into_iter().flatten());
    }
}

/// At most 2 preemptions. A reader that wants the newest record only.
pub fn the_latest_record_is_whole_and_new() {
    let outcomes = Outcomes::new();
    let seen = outcomes.clone();
    bounded(2, move || {
        let rig = Rig::records(32, 0, 1);
        let mut reader = rig.record_reader(0, Place::Newest);
        let mut producer = rig.record_producer();
        producer.push_all(&[0, 8]);
        let producer = publishes(producer, &[0, 8]);
        assert_eq!(reader.latest(), Got::Message);
        let first = reader.counts.all();
        producer.join().expect("the producer ends");
        let last = reader.latest();
        assert_eq!(last == Got::Empty, first == 4);
        assert_eq!(reader.counts.all(), 4, "exact");
        seen.saw(first);
    });
    outcomes.are([2, 3, 4]);
}

/// At most 1 preemption. A reader begins while records are published.
pub fn a_reader_joins_a_running_producer_of_records() {
    for place in [Place::Oldest, Place::Newest] {
        let outcomes = Outcomes::new();
        let seen = outcomes.clone();
        bounded(1, move || {
            let rig = Rig::records(32, 0, 1);
            let mut producer = rig.record_producer();
            producer.push_all(&[8]);
            let producer = publishes(producer, &[8, 8]);
            let mut reader = rig.record_reader(0, place);
            let _ = reader.read(Place::Oldest);
            let producer = producer.join().expect("the producer ends");
            assert_eq!(reader.rest(), Got::Empty);
            assert_eq!(reader.place.next(), producer.tail.next());
            let begun = producer.tail.sequence() - reader.counts.all();
            assert!(reader.expected.is_none_or(|number| number == 3));
            seen.saw(begun);
        });
        match place {
            Place::Oldest => outcomes.are([0, 1, 2]),
            Place::Newest => outcomes.are([1, 2, 3]),
        }
    }
}

/// At most 1 preemption. A reader begins at a position that it knows, if a record still begins there.
pub fn a_reader_joins_at_a_record_it_knows() {
    let outcomes = Outcomes::new();
    let seen = outcomes.clone();
    bounded(1, move || {
        let rig = Rig::records(32, 0, 1);
        let mut producer = rig.record_producer();
        producer.push_all(&[8, 0]);
        let producer = publishes(producer, &[8, 8]);
        let place = records::Reader::at(&rig.cells, &rig.control, rig.shape(), 16);
        let joined = place.is_ok();
        if let Ok(place) = place {
            let mut reader = rig.reads(0, place);
            let got = reader.read(Place::Oldest);
            assert!(got != Got::Message || reader.expected == Some(2));
            producer.join().expect("the producer ends");
            assert_eq!(reader.rest(), Got::Empty);
            assert_eq!(reader.counts.all(), 3);
        } else {
            producer.join().expect("the producer ends");
        }
        seen.saw(joined);
    });
    outcomes.are([false, true]);
}

/// At most 1 preemption. A reader asks to be waited for while a producer publishes; from then on it loses nothing.
pub fn a_reader_of_records_that_is_waited_for_loses_nothing() {
    for place in [Place::Oldest, Place::Newest] {
        let outcomes = Outcomes::new();
        let seen = outcomes.clone();
        bounded(1, move || {
            let rig = Rig::records(32, 0, 1);
            let mut producer = rig.record_producer();
            producer.push_all(&[8]);
            let lens: &[u32] = match place {
                Place::Oldest => &[8, 0, 8],
                Place::Newest => &[0, 8],
            };
            let producer = publishes(producer, lens);
            let mut reader = rig.lossless_records(0, place);
            let producer = producer.join().expect("the producer ends");
            while reader.read(Place::Oldest) == Got::Message {}
            assert_eq!(reader.counts.lost, 0, "a lossless reader lost something");
            assert_eq!(reader.place.next(), producer.tail.next());
            seen.saw((reader.counts.received, producer.tail.sequence()));
        });
        // How many it has read, and how many there were: what it holds up is not published.
        match place {
            Place::Oldest => outcomes.are([(1, 2), (1, 4), (2, 2), (2, 4)]),
            Place::Newest => outcomes.are([(0, 3), (1, 2), (1, 3)]),
        }
    }
}

/// At most 2 preemptions. The producer loses patience with a reader that it waited for, which is told what it lost.
pub fn a_reader_that_is_waited_for_no_longer_is_told() {
    let outcomes = Outcomes::new();
    let seen = outcomes.clone();
    bounded(2, move || {
        let rig = Rig::records(32, 0, 1);
        let mut producer = rig.record_producer();
        producer.push_all(&[8, 0]);
        let publishes = loom::thread::spawn(move || {
            let first = producer.push_all(&[8]);
            let rig = Arc::clone(&producer.rig);
            let in_the_way: Vec<u32> = producer.tail.in_the_way(&rig.control, &*rig, 16).collect();
            for i in &in_the_way {
                frontier::ungate(&rig.control, *i);
            }
            producer.push_all(&[8]);
            (first, in_the_way.len(), producer.tail.sequence())
        });
        // The frontier may be further than the producer goes: it has asked before it knew of the reader.
        let mut reader = rig.lossless_records(0, Place::Oldest);
        reader.read(Place::Oldest);
        let (first, in_the_way, sequence) = publishes.join().expect("the producer ends");
        assert_eq!(reader.rest(), Got::Empty);
        assert_eq!(reader.expected.unwrap_or(sequence), sequence, "exact");
        seen.saw((first, in_the_way, reader.counts.lost));
    });
    outcomes.are([
        (0, 0, 0),
        (0, 1, 0),
        (0, 1, 1),
        (0, 1, 2),
        (1, 0, 0),
        (1, 1, 0),
        (1, 1, 1),
    ]);
}

/// At most 1 preemption, for every death. A producer dies anywhere in two records of which the second is behind padding; a
/// successor publishes one. The reader may be overtaken by either.
pub fn a_dead_producer_of_broadcast_records_is_succeeded() {
    let outcomes = Outcomes::new();
    for steps in 0..22 {
        let seen = outcomes.clone();
        bounded(1, move || {
            let rig = Rig::records(32, 0, 1);
            let mut first = rig.record_producer();
            first.push_all(&[0]);
            let mut reader = rig.record_reader(0, Place::Oldest);
            let theirs = Arc::clone(&rig);
            let publishes = loom::thread::spawn(move || {
                mortal(steps, || first.push_all(&[8, 8]));
                let mut second = theirs.record_producer();
                second.push_all(&[8]);
                (second.tail.next(), second.tail.sequence())
            });
            reader.read(Place::Oldest);
            let (next, sequence) = publishes.join().expect("the producers end");
            assert_eq!(reader.rest(), Got::Empty);
            assert_eq!((reader.place.next(), reader.counts.all()), (next, sequence));
            seen.saw(sequence);
        });
    }
    outcomes.are([2, 3, 4]);
}

/// At most 1 preemption, for every death. A reader asks to be waited for meanwhile.
pub fn a_successor_of_records_waits_for_readers_too() {
    for steps in 0..9 {
        bounded(1, move || {
            let rig = Rig::records(32, 0, 1);
            let mut first = rig.record_producer();
            first.push_all(&[8]);
            let theirs = Arc::clone(&rig);
            let publishes = loom::thread::spawn(move || {
                mortal(steps, || first.push_all(&[0]));
                let mut second = theirs.record_producer();
                second.push_all(&[8]);
                second.tail.next()
            });
            let mut reader = rig.lossless_records(0, Place::Oldest);
            let next = publishes.join().expect("the producers end");
            while reader.read(Place::Oldest) == Got::Message {}
            assert_eq!(reader.counts.lost, 0, "a lossless reader lost something");
            assert_eq!(reader.place.next(), next);
        });
    }
}

/// At most 2 preemptions. Everything published before the close is read before the reader is told.
pub fn no_record_published_before_the_close_is_missed() {
    bounded(2, || {
        let rig = Rig::records(32, 0, 1);
        let mut reader = rig.lossless_records(0, Place::Newest);
        let mut producer = rig.record_producer();
        let publishes = loom::thread::spawn(move || {
            let n = producer.push_all(&[0, 0]);
            close_producer(&producer.rig.control);
            n
        });
        let told = (0..3).any(|_| reader.read(Place::Oldest) == Got::Closed);
        let n = publishes.join().expect("the producer ends");
        assert!(!told || reader.counts.received == n, "told too early");
        assert_eq!(reader.rest(), Got::Closed);
        assert_eq!(reader.counts.received, 2);
    });
}

/// One thread. A loan was given up behind padding, so two marks have one number. A reader that stands before the padding
/// loses nothing when only that is overwritten.
pub fn padding_that_is_overwritten_is_no_loss() {
    exhaustive(|| {
        let rig = Rig::records(64, 0, 1);
        let mut producer = rig.record_producer();
        let mut reader = rig.record_reader(0, Place::Oldest);
        // 56 bytes, so 8 are left.
        for len in [16, 16, 0] {
            assert_eq!(producer.try_push(len), Pushed::Done);
            assert_eq!(reader.read(Place::Oldest), Got::Message);
        }
        assert_eq!(producer.room(8), Pushed::Done);
        assert_eq!(producer.tail.next(), 64, "behind the padding");
        // A successor leaves a mark there, and comes so far that the padding is overwritten and the mark is not.
        let mut producer = rig.record_producer();
        assert_eq!(producer.push_all(&[16, 8, 8]), 3);
        for _ in 0..3 {
            assert_eq!(reader.read(Place::Oldest), Got::Message);
        }
        assert_eq!(reader.counts.lost, 0);
        assert_eq!(reader.read(Place::Oldest), Got::Empty);
        // As good as new, also for the next.
        assert_eq!(rig.record_producer().push_all(&[24, 0]), 2);
        assert_eq!(reader.rest(), Got::Empty);
        assert_eq!(reader.counts.all(), 8);
    });
}

/// One thread. The newest mark has no record behind it: a record is being written, or there was no room for one.
pub fn the_latest_record_may_lie_before_the_newest_mark() {
    exhaustive(|| {
        let rig = Rig::records(64, 0, 1);
        let mut producer = rig.record_producer();
        let mut reader = rig.record_reader(0, Place::Oldest);
        assert_eq!(producer.push_all(&[8, 8, 0]), 3);
        assert_eq!(producer.room(16), Pushed::Done);
        assert_eq!(reader.latest(), Got::Message);
        assert_eq!(reader.counts.skipped, 2);
        assert_eq!(reader.latest(), Got::Empty);
        assert_eq!(reader.counts.all(), 3);
    });
}

/// At most 2 preemptions. No record begins at 8, but the one that is written over what lay before it ends there.
pub fn a_reader_does_not_join_where_no_record_begins() {
    let outcomes = Outcomes::new();
    let seen = outcomes.clone();
    bounded(2, move || {
        let rig = Rig::records(32, 0, 1);
        let mut producer = rig.record_producer();
        producer.push_all(&[8, 0]);
        let producer = publishes(producer, &[0, 0]);
        let nowhere = records::Reader::at(&rig.cells, &rig.control, rig.shape(), 8);
        producer.join().expect("the producer ends");
        seen.saw(nowhere.expect_err("assertion: nothing begins there").newest);
    });
    outcomes.are([24, 32, 40]);
}

/// Exhaustive. A reader looks at a mark while that is replaced: it never takes the old position with the new number. A
/// number that is wrong shows when records are lost.
pub fn a_mark_is_read_whole() {
    let outcomes = Outcomes::new();
    let seen = outcomes.clone();
    exhaustive(move || {
        let rig = Rig::records(64, 0, 1);
        let mut producer = rig.record_producer();
        assert_eq!(producer.push_all(&[0]), 1);
        let leaves = loom::thread::spawn(move || {
            assert_eq!(producer.room(24), Pushed::Done);
            producer
        });
        let mut reader = rig.record_reader(0, Place::Oldest);
        assert_eq!(reader.read(Place::Oldest), Got::Message);
        let mut producer = leaves.join().expect("the producer ends");
        assert_eq!(producer.push_all(&[24, 24, 24]), 3);
        assert_eq!(reader.rest(), Got::Empty);
        seen.saw(reader.counts.lost);
    });
    outcomes.are([2]);
}
