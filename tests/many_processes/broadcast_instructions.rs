//! Ends of a broadcast that die between any two instructions of what they do. The survivors and successors are in the
//! process that leads them there.

use crate::broadcast::{Cast, Hear, Publish};
use crate::common::child::{self, Args, Child};
use crate::common::rng::{self, Rng, SeedOnFailure};
use crate::common::spec::Via;
use crate::common::{alone, number_from_env, take};
use crate::kinds::{Place, role};
use crate::payload::{Id, Note};
use crate::readers::Interrupt;
use crate::trace::{Reached, Traced, ways};
use annulus::{Broadcast, BroadcastRecords, Join, ReadError, TryReadError, Wait};
use std::time::Instant;

/// What the victim does, between two calls of what it is given.
type Work = fn(&Place, &dyn Fn());

/// Something that can be done with a broadcast.
struct Operation {
    name: &'static str,
    /// Messages that it publishes at most; just so many if it is done. `None` of a reader.
    publishes: Option<u64>,
    work: Work,
}

/// Message number `number`.
fn id(number: u64) -> Id {
    Id::new(0, number)
}

fn producer<K: Cast>(place: &Place) -> K::Tx {
    take(|| K::producer(&place.open::<K>("")))
}

fn reader<K: Cast>(place: &Place, lossless: bool) -> K::Rx {
    let join = Join::Oldest;
    K::reader(&place.open::<K>(""), join, lossless).expect("a place")
}

/// Does `work` with a reader between two marks.
fn reads<K: Cast>(
    place: &Place,
    mark: &dyn Fn(),
    lossless: bool,
    work: fn(K::Rx) -> Option<K::Rx>,
) {
    let mut rx = reader::<K>(place, lossless);
    // To be told of a loss, or read something, now.
    while rx.try_read() == Err(TryReadError::Empty) {}
    mark();
    let _rx = work(rx);
    mark();
}

/// Joins between two marks.
fn joins<K: Cast>(place: &Place, mark: &dyn Fn(), lossless: bool) {
    let ring = place.open::<K>("");
    mark();
    let _rx = K::reader(&ring, Join::Oldest, lossless).expect("a place");
    mark();
}

/// What producers do.
fn publishing<K: Cast<Tx: Interrupt>>() -> Vec<Operation> {
    let operation = |name, publishes, work: Work| Operation {
        name,
        publishes: Some(publishes),
        work,
    };
    vec![
        operation("publish", 1, |place, mark| {
            let mut tx = producer::<K>(place);
            let next = tx.published();
            mark();
            tx.try_publish(id(next)).expect("room");
            mark();
        }),
        operation("publish again", 1, |place, mark| {
            let mut tx = producer::<K>(place);
            let next = tx.published();
            tx.try_publish(id(next)).expect("room");
            mark();
            tx.try_publish(id(next + 1)).expect("room");
            mark();
        }),
        operation("give up", 0, |place, mark| {
            let mut tx = producer::<K>(place);
            mark();
            tx.give_up(Id::new(7, 77), || ());
            mark();
        }),
        operation("join as the producer", 0, |place, mark| {
            let ring = place.open::<K>("");
            mark();
            let _tx = K::producer(&ring).expect("a free end");
            mark();
        }),
        operation("leave as the producer", 0, |place, mark| {
            let tx = producer::<K>(place);
            mark();
            drop(tx);
            mark();
        }),
    ]
}

/// What readers do.
fn reading<K: Cast>() -> Vec<Operation> {
    let operation = |name, work: Work| Operation {
        name,
        publishes: None,
        work,
    };
    vec![
        operation("read and be waited for", |place, mark| {
            reads::<K>(place, mark, true, |mut rx| {
                rx.try_read().expect("a message");
                Some(rx)
            });
        }),
        operation("read", |place, mark| {
            reads::<K>(place, mark, false, |mut rx| {
                rx.try_read().expect("a message");
                Some(rx)
            });
        }),
        operation("join to be waited for", |place, mark| {
            joins::<K>(place, mark, true)
        }),
        operation("join", |place, mark| joins::<K>(place, mark, false)),
        operation("leave and be waited for no longer", |place, mark| {
            reads::<K>(place, mark, true, |rx| {
                drop(rx);
                None
            });
        }),
        operation("leave", |place, mark| {
            reads::<K>(place, mark, false, |rx| {
                drop(rx);
                None
            });
        }),
    ]
}

/// The ring, those who survive, and what they have seen.
struct Stage<'a, K: Cast> {
    place: &'a Place,
    made: annulus::Ring<K>,
    /// `None` while the victim is the producer.
    tx: Option<K::Tx>,
    rx: K::Rx,
    /// What the surviving reader reads next.
    next: u64,
    /// What was published when the victim was started.
    published: u64,
}

impl<K: Cast> Stage<'_, K> {
    /// Publishes `n` messages, which the survivor reads, one by one.
    fn flow(&mut self, n: u64, what: &str) {
        let tx = self.tx.as_mut().expect("a producer");
        for _ in 0..n {
            let number = tx.published();
            tx.publish(id(number), Wait::park()).expect("room");
            while self.next <= number {
                assert_eq!(self.rx.read(Wait::park()), Ok(id(self.next)), "{what}");
                self.next += 1;
            }
        }
    }

    /// Gets the ring ready for `operation` and starts a victim.
    fn start(&mut self, operation: &Operation) -> Traced {
        self.flow(7, operation.name);
        let tx = self.tx.take().expect("a producer");
        self.published = tx.published();
        match operation.publishes {
            // The victim takes its place.
            Some(_) => drop(tx),
            None => self.tx = Some(tx),
        }
        Traced::start(|mark| (operation.work)(self.place, mark))
    }

    /// The survivors go on, and find what the victim left.
    fn check(&mut self, operation: &Operation, reached: Reached, what: &str) {
        if let Some(most) = operation.publishes {
            let tx = take(|| K::producer(&self.made));
            let before = self.published + u64::from(operation.name == "publish again");
            let done = tx.published().checked_sub(before);
            assert!(done.is_some_and(|done| done <= most), "{what}: {done:?}");
            assert!(
                reached == Reached::Place || done == Some(most),
                "{what}: {done:?}"
            );
            self.tx = Some(tx);
        }
        // A lap and more: nobody waits for the dead.
        self.flow(40, what);
        assert_eq!(self.rx.try_read(), Err(TryReadError::Empty), "{what}");
        let mut other = K::reader(&self.made, Join::Oldest, true).expect("a place");
        let first = other.read(Wait::park()).expect("a message").number;
        assert!(first < self.next, "{what}");
        for number in first + 1..self.next {
            assert_eq!(other.read(Wait::park()), Ok(id(number)), "{what}");
        }
    }
}

/// A role: leads a victim to each place in each operation, kills it there, and sees that the others go on.
pub fn lead<K: Cast<Tx: Interrupt>>(args: &Args) {
    let place = Place::from_args(args);
    let made = place.open::<K>("");
    let mut rng = Rng::new(args.number("seed"));
    let mut stage = Stage {
        place: &place,
        tx: Some(producer::<K>(&place)),
        rx: K::reader(&made, Join::Newest, true).expect("a place"),
        made,
        next: 0,
        published: 0,
    };
    let mut points = 0;
    for operation in publishing::<K>().iter().chain(&reading::<K>()) {
        let mut first = true;
        let places = ways(args.number("points"), &mut rng, || {
            if !std::mem::take(&mut first) {
                stage.check(operation, Reached::Place, operation.name);
            }
            stage.start(operation)
        });
        stage.check(operation, Reached::Place, operation.name);
        for way in places {
            let victim = stage.start(operation);
            let reached = victim.lead(way);
            victim.kill();
            let what = format!("{} {way:?} {reached:?}", operation.name);
            stage.check(operation, reached, &what);
            points += 1;
        }
    }
    stage.tx.take().expect("a producer").close();
    assert_eq!(stage.rx.read(Wait::park()), Err(ReadError::Closed));
    assert_eq!(stage.rx.counts(), (stage.next, 0));
    child::report(&points.to_string());
}

fn killed_at_any_instruction<K: Cast<Tx: Interrupt>>(capacity: u64) {
    let _quiet = alone();
    let seed = rng::seed();
    let _told = SeedOnFailure(seed);
    let place = Place::new(Via::Shm, capacity);
    let _gone = place.cleanup();
    let made = place.create::<K>();
    let points = number_from_env("ANNULUS_POINTS", 6);
    let args = place.args().with("seed", seed).with("points", points);
    let began = Instant::now();
    let mut child = Child::start(&role::<K>("lead"), args);
    let killed = child.hear();
    println!(
        "broadcast of {}: killed at {killed} instructions in {:?}",
        K::NAME,
        began.elapsed()
    );
    child.finish();
    place.unlink(&made);
}

#[test]
fn an_end_of_a_broadcast_of_slots_killed_at_any_instruction_stops_nobody() {
    killed_at_any_instruction::<Broadcast<Note>>(16);
}

#[test]
fn an_end_of_a_broadcast_of_records_killed_at_any_instruction_stops_nobody() {
    killed_at_any_instruction::<BroadcastRecords>(1 << 12);
}
