//! Repair of rings whose participants were killed, by somebody who takes no part, and rings that drop what dead consumers had
//! in hand.

use crate::common::cast::{Cast, Hear, Publish};
use crate::common::child::{self, Args, Child};
use crate::common::rng::{self, Rng, SeedOnFailure};
use crate::common::spec::Via;
use crate::common::{alone, eventually, take};
use crate::ends::{BEFORE, HERE, everywhere, goes_on, in_hand, notes, receive, send, stand};
use crate::kinds::{Place, Queue, Rx, Tx};
use crate::payload::{Id, Note};
use annulus::{
    Broadcast, BroadcastRecords, Join, ManyConsumers, Mpmc, Mpsc, Orphans, Peer, Ring, Spmc,
    TryPushError, Wait,
};
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

const CAPACITY: u64 = 16;
/// Messages that are there when a consumer comes that is killed.
const THERE: u64 = 8;

/// Who drops what a dead consumer had in hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Who {
    /// A consumer that was there all the time.
    Survivor,
    /// One that comes afterwards.
    Newcomer,
    /// Somebody who takes no part.
    Repairer,
}

/// A ring in `place` that drops.
fn dropping<K: Queue + ManyConsumers>(place: &Place) -> Ring<K> {
    let options = K::options(place).orphans(Orphans::Drop);
    options.create().expect("a new ring")
}

fn dropped<K: Queue>(made: &Ring<K>) -> u64 {
    made.status().expect("the kernel answers").dropped
}

/// A consumer is killed at `step`: nobody gets what it had in hand, and that is counted.
fn consumer_dies<K: Queue + ManyConsumers>(step: &str, places: u32, who: Who) {
    everywhere(CAPACITY, |place| {
        let mut place = place.clone();
        place.consumers = places;
        let made = dropping::<K>(&place);
        let mut tx = K::producer(&made).expect("a place");
        send(&mut tx, 0, THERE);
        let other = (who == Who::Survivor).then(|| K::consumer(&made).expect("a place"));
        let mut child = stand::<K>(&place, "consumer at", step);
        child.kill();
        let held = in_hand(step);
        let n = held.end - held.start;
        if who == Who::Repairer {
            let done = made.repair().expect("repaired");
            assert_eq!(
                (done.dropped, done.is_complete()),
                (n, true),
                "{step} {place:?}"
            );
            let told = tx.push_many(&notes(HERE, THERE, CAPACITY)).expect("room");
            assert_eq!(
                told as u64,
                CAPACITY - THERE + held.end,
                "{step}: all it had is free"
            );
            send_back(&mut tx, &made, THERE + told as u64);
            let state = made.status().expect("the kernel answers").consumers[0].state;
            assert_eq!(state, Peer::Died, "whoever waits is told");
        }
        let mut rx = other.unwrap_or_else(|| take(|| K::consumer(&made)));
        for i in held.end..THERE {
            assert_eq!(receive(&mut rx), Id::new(HERE, i), "{step} {place:?}");
            assert!(!rx.redelivered());
        }
        if who == Who::Repairer {
            (0..CAPACITY - THERE + held.end).for_each(|_| _ = receive(&mut rx));
        }
        eventually("it is dropped", || {
            assert!(rx.try_pop().is_err());
            dropped(&made) == n
        });
        goes_on(&mut tx, &mut rx, &made, &place);
    });
}

/// What was sent last is still to be taken: nothing more goes in.
fn send_back<K: Queue>(tx: &mut K::Tx, made: &Ring<K>, next: u64) {
    let note = Note::new(Id::new(HERE, next));
    assert_eq!(tx.try_push(&note), Err(TryPushError::Full));
    assert_eq!(made.status().expect("the kernel answers").len, CAPACITY);
}

#[test]
fn what_a_killed_consumer_had_in_hand_is_dropped_where_the_ring_says_so() {
    let _quiet = alone();
    for step in ["released", "sample in hand", "run in hand", "draining"] {
        for who in [Who::Survivor, Who::Newcomer, Who::Repairer] {
            consumer_dies::<Mpmc<Note>>(step, 4, who);
            consumer_dies::<Spmc<Note>>(step, 2, who);
        }
        consumer_dies::<Mpmc<Note>>(step, 1, Who::Newcomer);
        consumer_dies::<Spmc<Note>>(step, 1, Who::Repairer);
    }
}

/// A role: repairs without end.
pub fn repair_for_ever(args: &Args) {
    let spec = Place::from_args(args).spec;
    child::report("begins");
    loop {
        annulus::repair(spec.backing(), &spec.name).expect("repaired");
        // Others may need the processor.
        std::thread::yield_now();
    }
}

/// Repairs it in a child that is killed at some moment.
fn repair_and_die(place: &Place, rng: &mut Rng) {
    let mut child = Child::start("repair for ever", place.args());
    child.expect("begins");
    let until = Instant::now() + Duration::from_micros(rng.below(400));
    while Instant::now() < until {
        std::hint::spin_loop();
    }
    child.kill();
}

#[test]
fn a_repairer_that_is_killed_while_it_drops_leaves_the_rest_to_the_next() {
    let _quiet = alone();
    let seed = rng::seed();
    let _told = SeedOnFailure(seed);
    let mut rng = Rng::new(seed);
    let mut uncounted = 0;
    for turn in 0..24 {
        let place = Place::new([Via::Shm, Via::SysvName, Via::File][turn % 3], CAPACITY);
        let _gone = place.cleanup();
        let made = dropping::<Mpmc<Note>>(&place);
        let mut tx = made.producer().expect("a place");
        send(&mut tx, 0, THERE);
        let mut child = stand::<Mpmc<Note>>(&place, "consumer at", "run in hand");
        child.kill();
        repair_and_die(&place, &mut rng);
        assert!(made.repair().expect("repaired").is_complete());
        let held = in_hand("run in hand");
        let missing = held.end - held.start - dropped(&made);
        assert!(missing <= 1, "{missing} were dropped and not counted");
        uncounted += missing;
        let mut rx = made.consumer().expect("a place");
        for i in held.end..THERE {
            assert_eq!(receive(&mut rx), Id::new(HERE, i));
        }
        goes_on(&mut tx, &mut rx, &made, &place);
    }
    println!("{uncounted} of 24 repairers died between dropping and counting");
}

/// All producers die with claims in hand, and nobody consumes. After a repair nothing of that is in anybody's way.
fn producers_die<K: Queue>(places: u32) {
    everywhere(64, |place| {
        let mut place = place.clone();
        place.producers = places;
        let made = place.create::<K>();
        let steps = ["claimed", "claimed a run", "claimed to abort"];
        let mut dead: Vec<Child> = (0..places as usize)
            .map(|i| stand::<K>(&place, "producer at", steps[i % 3]))
            .collect();
        dead.iter_mut().for_each(Child::kill);
        let before = made.status().expect("the kernel answers");
        let unfinished = before.producers.iter().filter(|end| end.holds > 0).count();
        assert_eq!(unfinished as u32, places);
        let done = made.repair().expect("repaired");
        assert!(done.is_complete(), "{done:?}");
        assert_eq!(
            (done.producers.died, done.producers.settled),
            (places, places)
        );
        let after = made.status().expect("the kernel answers");
        let as_they_were = |end: &annulus::End| end.state == Peer::Died && end.holds == 0;
        assert!(after.producers.iter().all(as_they_were));
        let mut tx = K::producer(&made).expect("a place");
        send(&mut tx, 0, 1);
        let mut rx = K::consumer(&made).expect("a free end");
        // Without waiting: nothing is unfinished any more.
        let got: Vec<Id> = std::iter::from_fn(|| rx.try_pop().ok().map(|n| n.whole())).collect();
        assert_eq!(
            got.len() as u64,
            u64::from(places) * BEFORE + 1,
            "{place:?}"
        );
        assert_eq!(got.last(), Some(&Id::new(HERE, 0)));
        goes_on(&mut tx, &mut rx, &made, &place);
    });
}

#[test]
fn what_dead_producers_claimed_is_passed_over_at_once_after_a_repair_without_a_consumer() {
    let _quiet = alone();
    producers_die::<Mpsc<Note>>(6);
    producers_die::<Mpmc<Note>>(3);
}

/// A lossless reader is killed: the producer waits for it until somebody repairs the ring.
fn reader_dies<K: Cast>(capacity: u64) {
    for via in [Via::Shm, Via::SysvName, Via::File] {
        let place = Place::new(via, capacity);
        let _gone = place.cleanup();
        let made = place.create::<K>();
        let mut tx = K::producer(&made).expect("a free end");
        tx.try_publish(Id::new(0, 0)).expect("room");
        let mut child = stand::<K>(&place, "reader at", "lossless");
        let mut lives = K::reader(&made, Join::Newest, true).expect("a place");
        let waited_for = || {
            let status = made.status().expect("the kernel answers");
            let lossless = |end: &annulus::End| end.reading.is_some_and(|r| r.lossless);
            status.consumers.iter().map(lossless).collect::<Vec<_>>()
        };
        child.kill();
        eventually("it is gone", || {
            made.status().expect("the kernel answers").consumers[0].state == Peer::Died
        });
        assert_eq!(waited_for(), [true, true]);
        let done = made.repair().expect("repaired");
        assert_eq!((done.consumers.died, done.consumers.settled), (1, 1));
        assert!(done.is_complete());
        assert_eq!(waited_for(), [false, true], "only the dead one");
        assert_eq!(made.repair().expect("repaired").consumers.settled, 0);
        tx.try_publish(Id::new(0, 1)).expect("room");
        assert_eq!(lives.try_read(), Ok(Id::new(0, 1)));
        drop((lives, tx));
        place.unlink(&made);
    }
}

#[test]
fn the_producer_of_a_broadcast_waits_for_no_dead_reader_after_a_repair() {
    let _quiet = alone();
    reader_dies::<Broadcast<Note>>(64);
    reader_dies::<BroadcastRecords>(1 << 13);
}

/// How many wakes are counted in the sleep word of the consumers, where it can be read.
fn wakes(place: &Place) -> Option<u32> {
    let path = match place.spec.via {
        Via::File => place.spec.name.clone(),
        Via::Shm => format!("/dev/shm/{}", place.spec.name),
        _ => return None,
    };
    let mut word = [0; 4];
    let file = std::fs::File::open(path).expect("the ring's file");
    file.read_exact_at(&mut word, 4096 + 128).expect("inside");
    Some(u32::from_le_bytes(word) >> 2)
}

/// Repairs while `rx` sleeps in vain, and says how often somebody was woken.
fn woken_in_its_sleep(made: &Ring<Mpmc<Note>>, rx: &mut <Mpmc<Note> as Queue>::Rx) -> u32 {
    let wait = Wait::park().spin_for(Duration::ZERO);
    let until = Instant::now() + Duration::from_millis(200);
    std::thread::scope(|scope| {
        let sleeps = scope.spawn(move || assert!(rx.pop_until(wait, until).is_err()));
        let mut woken = 0;
        while !sleeps.is_finished() {
            let done = made.repair().expect("repaired");
            assert!(!done.producers.woken, "none of them sleeps");
            woken += u32::from(done.consumers.woken);
            std::thread::sleep(Duration::from_millis(5));
        }
        woken
    })
}

#[test]
fn whoever_sleeps_is_woken_by_a_repair_if_one_of_its_side_died() {
    let _quiet = alone();
    everywhere(CAPACITY, |place| {
        let made = place.create::<Mpmc<Note>>();
        let mut tx = made.producer().expect("a place");
        let mut rx = made.consumer().expect("a place");
        assert_eq!(woken_in_its_sleep(&made, &mut rx), 0, "nobody died");
        send(&mut tx, 0, THERE);
        stand::<Mpmc<Note>>(place, "consumer at", "released").kill();
        while rx.try_pop().is_ok() {}
        let woken = woken_in_its_sleep(&made, &mut rx);
        // It sleeps again each time, at the latest after some milliseconds.
        let parks = place.spec.parking != annulus::Parking::Never;
        assert!((woken > 3) == parks, "{woken} {place:?}");
        if let Some(wakes) = wakes(place) {
            assert!(
                wakes >= woken,
                "{wakes} wakes are counted, {woken} were told"
            );
        }
        place.unlink(&made);
    });
}
