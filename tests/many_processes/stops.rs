//! Ends that stand still for a while (SIGSTOP): they are alive, so nobody takes anything from them, and others go on as
//! far as the ring lets them.

use crate::cast::{Cast, Publish};
use crate::common::alone;
use crate::common::child::Child;
use crate::common::spec::Via;
use crate::ends::{
    BEFORE, HERE, RUN, everywhere, fill, goes_on, in_hand, nothing_comes, receive, send, stand,
};
use crate::flow::Stream;
use crate::kinds::{Place, Queue, Rx, Tx, role};
use crate::payload::{Id, Note};
use annulus::{Broadcast, BroadcastRecords, Mpmc, Mpsc, Spmc, TryPushError, Wait};
use std::time::{Duration, Instant};

const CAPACITY: u64 = 16;
/// For how long it is seen that nobody takes what somebody has in hand.
const PATIENCE: Duration = Duration::from_millis(40);

// ---- queues ---------------------------------------------------------------------------------------------

fn producer_stops<K: Queue>(step: &str, claimed: u64, committed: u64) {
    everywhere(CAPACITY, |place| {
        let made = place.create::<K>();
        let mut rx = K::consumer(&made).expect("a place");
        let mut tx = K::producer(&made).expect("a place");
        let mut child = stand::<K>(place, "producer at", step);
        // Behind its claim there is room for the rest of the ring.
        assert_eq!(fill(&mut tx, 0), CAPACITY - BEFORE - claimed);
        (0..BEFORE).for_each(|i| assert_eq!(receive(&mut rx), Id::new(0, i)));
        assert_eq!(fill(&mut tx, CAPACITY), CAPACITY + BEFORE, "{step}");
        nothing_comes(&mut rx, PATIENCE);
        child.signal(libc::SIGCONT);
        (BEFORE..BEFORE + committed).for_each(|i| assert_eq!(receive(&mut rx), Id::new(0, i)));
        let mine = (0..CAPACITY - BEFORE - claimed).chain(CAPACITY..CAPACITY + BEFORE);
        mine.for_each(|i| assert_eq!(receive(&mut rx), Id::new(HERE, i)));
        assert_eq!(receive(&mut rx), Id::new(0, BEFORE + committed));
        child.expect(&(BEFORE + committed + 1).to_string());
        child.finish();
        goes_on(&mut tx, &mut rx, &made, place);
    });
}

#[test]
fn a_stopped_producer_with_a_claim_in_hand_delays_what_lies_behind_it_and_loses_nothing() {
    let _quiet = alone();
    for (step, claimed, committed) in [
        ("claimed", 1, 1),
        ("claimed to abort", 1, 0),
        ("claimed a run", RUN as u64, RUN as u64),
    ] {
        producer_stops::<Mpsc<Note>>(step, claimed, committed);
        producer_stops::<Mpmc<Note>>(step, claimed, committed);
    }
}

fn consumer_stops<K: Queue>(step: &str) {
    let held = in_hand(step);
    everywhere(CAPACITY, |place| {
        let made = place.create::<K>();
        let mut tx = K::producer(&made).expect("a place");
        send(&mut tx, 0, 8);
        let mut child = stand::<K>(place, "consumer at", step);
        let mut rx = K::consumer(&made).expect("a place");
        // The producer comes as far as the oldest slot that is in hand, a lap on.
        let end = held.start + CAPACITY;
        for i in held.end..end {
            if i >= 8 {
                send(&mut tx, i, i + 1);
            }
            assert_eq!(receive(&mut rx), Id::new(HERE, i), "{step}");
            assert!(!rx.redelivered(), "its owner lives");
        }
        assert_eq!(fill(&mut tx, end), end, "{step}: no further");
        nothing_comes(&mut rx, PATIENCE);
        child.signal(libc::SIGCONT);
        // Whoever of the two is quicker.
        send(&mut tx, end, end + 3 * CAPACITY);
        tx.close();
        let mut all: Vec<u64> = (held.end..end).collect();
        while let Ok(note) = rx.pop(Wait::park()) {
            all.push(note.whole().number);
            assert!(!rx.redelivered(), "nobody died");
        }
        let theirs = child.hear();
        all.extend(
            theirs
                .split(' ')
                .map(|n| n.parse::<u64>().expect("a number")),
        );
        all.sort_unstable();
        assert_eq!(all, Vec::from_iter(0..end + 3 * CAPACITY), "{step}");
        child.finish();
        place.unlink(&made);
    });
}

#[test]
fn a_stopped_consumer_with_messages_in_hand_keeps_them_and_others_go_on() {
    let _quiet = alone();
    for step in ["sample in hand", "run in hand", "draining"] {
        consumer_stops::<Spmc<Note>>(step);
        consumer_stops::<Mpmc<Note>>(step);
    }
}

// ---- broadcasts -----------------------------------------------------------------------------------------

/// Starts a reader that goes on until the end.
pub fn reader<K: Cast>(place: &Place, lossless: bool) -> Child {
    let stream = Stream {
        senders: 1,
        receivers: 1,
        count: 0,
        limit: Duration::ZERO,
        plain: true,
    };
    let args = stream.add_to(place.args()).with("socket", "");
    let args = args.with("newest", 0).with("lazy", 0);
    let args = args.with("lossless", u8::from(lossless));
    let mut child = Child::start(&role::<K>("read"), args);
    child.expect("ready");
    child.say("go");
    child
}

/// What a reader that was there from the beginning has lost of `published` messages.
pub fn lost(mut child: Child, published: u64) -> u64 {
    let told = child.hear();
    let (seen, lost) = told.split_once(' ').expect("two numbers");
    assert_eq!(
        seen,
        published.to_string(),
        "read or lost is what was published"
    );
    child.finish();
    lost.parse().expect("a number")
}

fn lossy_reader_stops<K: Cast>(capacity: u64) {
    for via in [Via::Shm, Via::SysvName] {
        let place = Place::new(via, capacity);
        let _gone = place.cleanup();
        let made = place.create::<K>();
        let mut tx = K::producer(&made).expect("a free end");
        let child = reader::<K>(&place, false);
        let publish = |tx: &mut K::Tx, n: u64| {
            for number in n..n + 5000 {
                tx.try_publish(Id::new(0, number))
                    .expect("nobody is waited for");
            }
        };
        publish(&mut tx, 0);
        child.stop();
        publish(&mut tx, 5000);
        child.signal(libc::SIGCONT);
        publish(&mut tx, 10_000);
        tx.close();
        let lost = lost(child, 15_000);
        assert!(lost > 1000, "{lost} while it stood still");
        place.unlink(&made);
    }
}

#[test]
fn a_stopped_lossy_reader_keeps_nobody_waiting_and_is_told_what_it_lost() {
    let _quiet = alone();
    lossy_reader_stops::<Broadcast<Note>>(64);
    lossy_reader_stops::<BroadcastRecords>(1 << 13);
}

fn lossless_reader_stops<K: Cast>(capacity: u64) {
    for via in [Via::Shm, Via::SysvName] {
        let place = Place::new(via, capacity);
        let _gone = place.cleanup();
        let made = place.create::<K>();
        let mut tx = K::producer(&made).expect("a free end");
        let child = reader::<K>(&place, true);
        let mut n = 0;
        let fill = |tx: &mut K::Tx, n: &mut u64| loop {
            match tx.try_publish(Id::new(0, *n)) {
                Ok(()) => *n += 1,
                Err(TryPushError::Full) => break,
                Err(e) => panic!("{e}"),
            }
        };
        child.stop();
        fill(&mut tx, &mut n);
        let (full, until) = (n, Instant::now() + PATIENCE);
        while Instant::now() < until {
            fill(&mut tx, &mut n);
        }
        assert_eq!(n, full, "it is waited for as long as it lives");
        child.signal(libc::SIGCONT);
        for number in n..n + 1000 {
            tx.publish(Id::new(0, number), Wait::park())
                .expect("it lives");
        }
        tx.close();
        assert_eq!(lost(child, n + 1000), 0);
        place.unlink(&made);
    }
}

#[test]
fn a_stopped_lossless_reader_is_waited_for_and_loses_nothing() {
    let _quiet = alone();
    lossless_reader_stops::<Broadcast<Note>>(64);
    lossless_reader_stops::<BroadcastRecords>(1 << 13);
}
