//! Places of the dead are given out again: more participants die, one after the other, than there are places.

use crate::common::child::{self, Args, Child};
use crate::common::spec::Via;
use crate::common::{alone, take};
use crate::ends::{RUN, notes, receive};
use crate::kinds::{Place, Queue, Rx, Tx, role};
use crate::payload::{Id, Note};
use annulus::{Mpmc, Mpsc, Spmc, Wait};
use std::time::{Duration, Instant};

const CYCLES: u64 = 60;
/// Slots of the ring: fewer than what the dead leave altogether.
const CAPACITY: u64 = 32;

/// A role: forks a producer that dies with a claim in hand and a consumer that dies with messages in hand, again and
/// again, and takes all there is. Reports the longest that it had to wait for a message.
pub fn cycle<K: Queue>(args: &Args) {
    let place = Place::from_args(args);
    let made = place.open::<K>("");
    let mut rx = K::MANY.1.then(|| K::consumer(&made).expect("a place"));
    let mut worst = Duration::ZERO;
    for life in 0..CYCLES {
        let number = 3 * life;
        // A mapping is not inherited; each child has its own.
        let producer = child::fork(|| {
            let mut tx = take(|| K::producer(&place.open::<K>("")));
            let (sent, unsent) = (notes(0, number, 3), notes(7, 0, RUN as u64));
            sent.iter()
                .for_each(|note| tx.push(note, Wait::park()).expect("room"));
            let _ = tx.claim_run(&unsent, Wait::park(), |_| child::kill_myself());
        });
        producer.until_killed();
        let consumer = child::fork(|| {
            let mut rx = take(|| K::consumer(&place.open::<K>("")));
            assert_eq!(receive(&mut rx), Id::new(0, number));
            rx.grab(2);
            let _ = rx.sample(Wait::park(), |_| child::kill_myself());
        });
        consumer.until_killed();
        let began = Instant::now();
        let mut next = None;
        let rx = match &mut rx {
            Some(rx) => rx,
            None => next.insert(take(|| K::consumer(&made))),
        };
        for i in 1..3 {
            assert_eq!(receive(rx), Id::new(0, number + i), "{life}");
            assert_eq!(rx.redelivered(), K::MANY.1);
        }
        worst = worst.max(began.elapsed());
    }
    child::report(&worst.as_micros().to_string());
}

fn use_up_no_places<K: Queue>() {
    for via in [Via::Shm, Via::SysvName] {
        for places in [1, 3] {
            let mut place = Place::new(via, CAPACITY);
            // One place of the consumers is in use all the time.
            (place.producers, place.consumers) = (places, places + 1);
            let _gone = place.cleanup();
            let made = place.create::<K>();
            let mut child = Child::start(&role::<K>("cycle"), place.args());
            let worst: u64 = child.hear().parse().expect("a number");
            child.finish();
            println!("{} {via:?} {places}: at most {worst} us", K::NAME);
            assert!(worst < 1_000_000, "{worst} us");
            place.unlink(&made);
        }
    }
}

#[test]
fn producers_and_consumers_that_die_one_after_the_other_use_up_no_places() {
    let _quiet = alone();
    use_up_no_places::<Mpmc<Note>>();
    use_up_no_places::<Spmc<Note>>();
    use_up_no_places::<Mpsc<Note>>();
}
