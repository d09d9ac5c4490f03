//! Readers and producers of broadcasts that die, at labelled steps (SIGKILL).

use crate::cast::{Cast, Hear, Interrupt, Publish};
use crate::common::child::{self, Args, Child};
use crate::common::spec::Via;
use crate::common::{alone, eventually, take};
use crate::ends::{Times, everywhere, stand};
use crate::flow::Stream;
use crate::kinds::{Place, role};
use crate::payload::{Id, Note};
use crate::stops::{lost, reader};
use annulus::{
    Broadcast, BroadcastRecords, Join, Peer, ReadError, TryPushError, TryReadError, Wait,
};
use std::time::{Duration, Instant};

/// Messages that a producer publishes before its step.
const BEFORE: u64 = 3;

/// A role: publishes some messages, goes to a step and stands still there.
pub fn publisher_at<K: Cast<Tx: Interrupt>>(args: &Args) {
    let mut tx = take(|| K::producer(&Place::from_args(args).open::<K>("")));
    (0..BEFORE).for_each(|i| tx.try_publish(Id::new(0, i)).expect("room"));
    let wrong = Id::new(7, 77);
    match args.get("step") {
        "claimed" => tx.hold(wrong, child::stand_still),
        "aborted" => {
            tx.give_up(wrong, || ());
            child::stand_still();
        }
        _ => child::stand_still(),
    }
}

/// A role: reads one message and stands still.
pub fn reader_at<K: Cast>(args: &Args) {
    let ring = Place::from_args(args).open::<K>("");
    let lossless = args.get("step") == "lossless";
    let mut rx = K::reader(&ring, Join::Oldest, lossless).expect("a place");
    rx.read(Wait::park()).expect("a message");
    child::stand_still();
}

fn publisher_dies<K: Cast<Tx: Interrupt>>(capacity: u64) {
    for step in ["attached", "claimed", "aborted"] {
        everywhere(capacity, |place| {
            let made = place.create::<K>();
            let mut here = [false, true]
                .map(|lossless| K::reader(&made, Join::Newest, lossless).expect("a place"));
            let far = [reader::<K>(place, true), reader::<K>(place, false)];
            let mut child = stand::<K>(place, "publisher at", step);
            child.kill();
            for rx in &mut here {
                (0..BEFORE).for_each(|i| assert_eq!(rx.read(Wait::park()), Ok(Id::new(0, i))));
                assert_eq!(rx.try_read(), Err(TryReadError::Empty), "{step}");
                assert_eq!(rx.read(Wait::park()), Err(ReadError::PeerDied), "{step}");
            }
            drop(here);
            let mut tx = take(|| K::producer(&made));
            for number in BEFORE..2000 {
                tx.publish(Id::new(0, number), Wait::park())
                    .expect("readers live");
            }
            tx.close();
            // Each goes on through the death, and its counts are exact.
            let [all, some] = far;
            assert_eq!(lost(all, 2000), 0, "{step} {place:?}");
            lost(some, 2000);
            place.unlink(&made);
        });
    }
}

#[test]
fn a_killed_publisher_leaves_what_it_had_published_and_its_successor_goes_on_counting() {
    let _quiet = alone();
    publisher_dies::<Broadcast<Note>>(64);
    publisher_dies::<BroadcastRecords>(1 << 13);
}

/// Readers come and go while messages flow; no lossless one may lose any, wherever it begins.
fn readers_come_and_go<K: Cast>(capacities: [u64; 2]) {
    for (turn, capacity) in capacities.into_iter().enumerate() {
        let place = Place::new([Via::Shm, Via::SysvName][turn], capacity);
        let _gone = place.cleanup();
        let made = place.create::<K>();
        let stream = Stream {
            senders: 1,
            receivers: 1,
            count: u64::MAX,
            limit: Duration::from_millis(300),
            plain: false,
        };
        let args = stream.add_to(place.args()).with("socket", "");
        let mut publisher = Child::start(&role::<K>("publish"), args);
        publisher.expect("ready");
        publisher.say("go");
        let until = Instant::now() + Duration::from_millis(300);
        let mut joined = 0;
        while Instant::now() < until {
            let join = [Join::Oldest, Join::Newest][joined % 2];
            let rx = K::reader(&made, join, true);
            let mut rx = rx.unwrap_or_else(|e| panic!("{join:?} {place:?}: {e:?}"));
            let mut next = None;
            for _ in 0..joined % 50 {
                let id = match rx.read(Wait::park()) {
                    Ok(id) => id,
                    Err(ReadError::Closed) => break,
                    Err(e) => panic!("{join:?} {place:?}: {e}"),
                };
                let wanted = next.map_or(id, |number| Id::new(0, number));
                assert_eq!(id, wanted, "{join:?} {place:?}");
                next = Some(id.number + 1);
            }
            joined += 1;
        }
        let sent = publisher.hear();
        println!("{}: {joined} readers joined, {sent} messages", K::NAME);
        publisher.finish();
        place.unlink(&made);
    }
}

#[test]
fn lossless_readers_that_come_and_go_lose_nothing() {
    let _quiet = alone();
    readers_come_and_go::<Broadcast<Note>>([16, 256]);
    readers_come_and_go::<BroadcastRecords>([1 << 12, 1 << 14]);
}

/// Fills what the reader in the way leaves free; then nothing goes on until it is dead.
/// A producer that sleeps is not kept waiting either; `asleep` comes last, because that would wait for ever.
fn reader_dies<K: Cast>(capacity: u64, asleep: bool, times: &mut Times) {
    everywhere(capacity, |place| {
        let made = place.create::<K>();
        let mut tx = K::producer(&made).expect("a free end");
        let mut survivor = K::reader(&made, Join::Newest, true).expect("a place");
        tx.try_publish(Id::new(0, 0)).expect("room");
        let mut child = stand::<K>(place, "reader at", "lossless");
        let mut lossy = stand::<K>(place, "reader at", "lossy");
        let mut n = 1;
        loop {
            match tx.try_publish(Id::new(0, n)) {
                Ok(()) => n += 1,
                Err(TryPushError::Full) => break,
                Err(e) => panic!("{e}"),
            }
            assert_eq!(survivor.read(Wait::park()), Ok(Id::new(0, n - 2)));
        }
        child.kill();
        lossy.kill();
        let began = Instant::now();
        if asleep {
            tx.publish(Id::new(0, n), Wait::park()).expect("room");
        } else {
            eventually("room", || tx.try_publish(Id::new(0, n)).is_ok());
        }
        times.add(began.elapsed());
        for number in n + 1..n + 500 {
            assert_eq!(survivor.read(Wait::park()), Ok(Id::new(0, number - 2)));
            tx.publish(Id::new(0, number), Wait::park()).expect("room");
        }
        assert_eq!(survivor.counts().1, 0);
        place.unlink(&made);
    });
}

#[test]
fn a_killed_lossless_reader_is_waited_for_no_longer() {
    let _quiet = alone();
    let mut times = Times::default();
    for asleep in [false, true, true] {
        reader_dies::<Broadcast<Note>>(64, asleep, &mut times);
        reader_dies::<BroadcastRecords>(1 << 13, asleep, &mut times);
    }
    times.check("from a lossless reader's death to the next message");
}

/// More readers, one after the other, than there are places; each dies.
fn readers_use_up_no_places<K: Cast>(capacity: u64) {
    for via in [Via::Shm, Via::SysvName] {
        let mut place = Place::new(via, capacity);
        place.consumers = 2;
        let _gone = place.cleanup();
        let made = place.create::<K>();
        let mut tx = K::producer(&made).expect("a free end");
        tx.try_publish(Id::new(0, 0)).expect("room");
        for turn in 0..6 {
            let sorts = ["lossless", "lossy"];
            let mut children: Vec<Child> = sorts
                .iter()
                .map(|sort| stand::<K>(&place, "reader at", sort))
                .collect();
            let status = made.status().expect("the kernel answers");
            let alive = status
                .consumers
                .iter()
                .filter(|end| end.state == Peer::Alive);
            assert_eq!(alive.count(), 2, "{turn}");
            children.iter_mut().for_each(Child::kill);
            eventually("they are gone", || {
                let status = made.status().expect("the kernel answers");
                status.consumers.iter().all(|end| end.state != Peer::Alive)
            });
        }
        for number in 1..500 {
            tx.publish(Id::new(0, number), Wait::park())
                .expect("nobody is waited for");
        }
        place.unlink(&made);
    }
}

#[test]
fn readers_that_die_one_after_the_other_use_up_no_places() {
    let _quiet = alone();
    readers_use_up_no_places::<Broadcast<Note>>(64);
    readers_use_up_no_places::<BroadcastRecords>(1 << 13);
}
