//! Ends of broadcasts that die between any two instructions of what they do. The survivors and successors are in the
//! process that leads them there.

use crate::common::cast::{Cast, Hear, Interrupt, Publish};
use crate::common::child::Args;
use crate::common::kinds::Place;
use crate::common::page::Page;
use crate::common::payload::Id;
use crate::common::take;
use crate::operations::{LONG, NAP, PARK, Peer};
use crate::points::{self, Side, Stage};
use crate::trace::{Reached, Traced};
use annulus::{EndpointError, Join, PushError, ReadError, Ring, TryPushError, TryReadError, Wait};
use std::time::{Duration, Instant};

/// Survivors have done their work after this time, on a machine that has other work as well.
const PATIENCE: Duration = Duration::from_secs(5);
/// Messages that are more than a quarter of a ring, and fewer than all of it.
const MANY: u64 = 12;

fn soon() -> Instant {
    Instant::now() + PATIENCE
}

/// What a victim does, between two calls of what it is given.
type Work = fn(&Place, &dyn Fn());

/// Who dies before, with what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Dead {
    Nobody,
    /// A producer with a claim in hand.
    Producer,
    /// A lossless reader that the producer waits for.
    Reader,
}

/// Something that can be done with a broadcast.
#[derive(Clone, Copy, Debug)]
struct Operation {
    name: &'static str,
    side: Side,
    /// Messages that it publishes before its first mark.
    before: u64,
    /// How many it publishes behind it at most; just so many if it is done.
    most: u64,
    dead: Dead,
    peer: Peer,
    /// Whether a lossless reader has not read what fills the ring.
    full: bool,
    /// Whether the ring is closed when it is done.
    closes: bool,
    work: Work,
}

const fn publishes(name: &'static str, most: u64, work: Work) -> Operation {
    Operation {
        name,
        side: Side::Producer,
        before: 0,
        most,
        dead: Dead::Nobody,
        peer: Peer::Nothing,
        full: false,
        closes: false,
        work,
    }
}

const fn hears(name: &'static str, work: Work) -> Operation {
    Operation {
        side: Side::Consumer,
        ..publishes(name, 0, work)
    }
}

/// Message number `number`.
fn id(number: u64) -> Id {
    Id::new(0, number)
}

fn producer<K: Cast>(place: &Place) -> K::Tx {
    take(|| K::producer(&place.open::<K>("")))
}

fn reader<K: Cast>(place: &Place, join: Join, lossless: bool) -> K::Rx {
    K::reader(&place.open::<K>(""), join, lossless).expect("a place")
}

/// Does `work` with a producer between two marks; it is told which message is next.
fn with_tx<K: Cast>(place: &Place, mark: &dyn Fn(), work: fn(&mut K::Tx, u64)) {
    let mut tx = producer::<K>(place);
    let next = tx.published();
    mark();
    work(&mut tx, next);
    mark();
}

/// Does `work` with a reader between two marks. There is something to read.
fn with_rx<K: Cast>(place: &Place, mark: &dyn Fn(), lossless: bool, work: fn(&mut K::Rx)) {
    let mut rx = reader::<K>(place, Join::Oldest, lossless);
    // To be told of a loss, or read something, now.
    while rx.try_read() == Err(TryReadError::Empty) {}
    mark();
    work(&mut rx);
    mark();
}

/// Does `work` with a lossless reader that has read everything.
fn with_news<K: Cast>(place: &Place, mark: &dyn Fn(), work: fn(&mut K::Rx)) {
    let mut rx = reader::<K>(place, Join::Newest, true);
    mark();
    work(&mut rx);
    mark();
}

/// Joins between two marks.
fn joins<K: Cast>(place: &Place, mark: &dyn Fn(), lossless: bool) {
    let ring = place.open::<K>("");
    mark();
    let rx = K::reader(&ring, Join::Oldest, lossless).expect("a place");
    mark();
    drop(rx);
}

/// Leaves between two marks.
fn leaves<K: Cast>(place: &Place, mark: &dyn Fn(), lossless: bool) {
    let rx = reader::<K>(place, Join::Oldest, lossless);
    mark();
    drop(rx);
    mark();
}

fn joins_as_the_producer<K: Cast>(place: &Place, mark: &dyn Fn()) {
    let ring = place.open::<K>("");
    mark();
    let tx = K::producer(&ring).expect("a free end");
    mark();
    drop(tx);
}

fn repairs<K: Cast>(place: &Place, mark: &dyn Fn()) {
    let ring = place.open::<K>("");
    mark();
    ring.repair().expect("repaired");
    mark();
}

/// What producers do.
fn publishing<K: Cast<Tx: Interrupt>>() -> Vec<Operation> {
    let join: Work = joins_as_the_producer::<K>;
    let again: Work = |place, mark| {
        let mut tx = producer::<K>(place);
        let next = tx.published();
        tx.try_publish(id(next)).expect("room");
        mark();
        tx.try_publish(id(next + 1)).expect("room");
        mark();
    };
    let leave: Work = |place, mark| {
        let tx = producer::<K>(place);
        mark();
        drop(tx);
        mark();
    };
    let close: Work = |place, mark| {
        let tx = producer::<K>(place);
        mark();
        tx.close();
        mark();
    };
    vec![
        publishes("push", 1, |place, mark| {
            with_tx::<K>(place, mark, |tx, next| {
                tx.try_publish(id(next)).expect("room")
            });
        }),
        Operation {
            before: 1,
            ..publishes("push again", 1, again)
        },
        publishes("claim and commit", 1, |place, mark| {
            with_tx::<K>(place, mark, |tx, next| tx.hold(id(next), || ()));
        }),
        publishes("claim and abort", 0, |place, mark| {
            with_tx::<K>(place, mark, |tx, _| tx.give_up(Id::new(7, 77), || ()));
        }),
        publishes("push many", 4, |place, mark| {
            with_tx::<K>(place, mark, |tx, next| {
                tx.publish_many(id(next), 4, Wait::park())
            });
        }),
        publishes("join as the producer", 0, join),
        Operation {
            dead: Dead::Producer,
            ..publishes("join after a dead producer", 0, join)
        },
        Operation {
            dead: Dead::Producer,
            ..publishes("repair after a dead producer", 0, repairs::<K>)
        },
        publishes("leave as the producer", 0, leave),
        Operation {
            closes: true,
            ..publishes("close as the producer", 0, close)
        },
    ]
}

/// What producers do that wait for readers.
fn waiting<K: Cast<Tx: Interrupt>>() -> Vec<Operation> {
    let in_vain: Work = |place, mark| {
        with_tx::<K>(place, mark, |tx, next| {
            let late = tx.publish_until(id(next), PARK, Instant::now() + NAP);
            assert_eq!(late, Err(PushError::TimedOut));
        });
    };
    let push: Work = |place, mark| {
        with_tx::<K>(place, mark, |tx, next| {
            let sent = tx.publish_until(id(next), PARK, Instant::now() + LONG);
            assert_eq!(sent, Ok(()));
        });
    };
    vec![
        Operation {
            full: true,
            ..publishes("sleep on a full ring", 0, in_vain)
        },
        Operation {
            full: true,
            peer: Peer::Acts,
            ..publishes("sleep until there is room", 1, push)
        },
        Operation {
            peer: Peer::Sleeps,
            ..publishes("push to a sleeping reader", 1, push)
        },
        Operation {
            full: true,
            dead: Dead::Reader,
            ..publishes("push past a dead lossless reader", 1, push)
        },
    ]
}

/// What readers do.
fn reading<K: Cast>() -> Vec<Operation> {
    let nap: Work = |place, mark| {
        with_news::<K>(place, mark, |rx| {
            let late = rx.read_until(PARK, Instant::now() + NAP);
            assert_eq!(late, Err(ReadError::TimedOut));
        });
    };
    let sleep: Work = |place, mark| {
        with_news::<K>(place, mark, |rx| {
            assert!(rx.read_until(PARK, Instant::now() + LONG).is_ok());
        });
    };
    let wake: Work = |place, mark| {
        with_news::<K>(place, mark, |rx| {
            for _ in 0..MANY {
                rx.try_read().expect("a message");
            }
        });
    };
    vec![
        hears("read, lossless", |place, mark| {
            with_rx::<K>(place, mark, true, |rx| {
                rx.try_read().expect("a message");
            });
        }),
        hears("read, lossy", |place, mark| {
            with_rx::<K>(place, mark, false, |rx| {
                rx.try_read().expect("a message");
            });
        }),
        hears("join, lossless", |place, mark| {
            joins::<K>(place, mark, true)
        }),
        hears("join, lossy", |place, mark| joins::<K>(place, mark, false)),
        hears("leave, lossless", |place, mark| {
            leaves::<K>(place, mark, true)
        }),
        hears("leave, lossy", |place, mark| {
            leaves::<K>(place, mark, false)
        }),
        Operation {
            dead: Dead::Reader,
            ..hears("repair after a dead reader", repairs::<K>)
        },
        hears("sleep on an empty ring", nap),
        Operation {
            peer: Peer::Acts,
            ..hears("sleep until there is a message", sleep)
        },
        Operation {
            full: true,
            peer: Peer::Sleeps,
            ..hears("read before a sleeping producer", wake)
        },
    ]
}

/// The ring, those who survive, and what they have seen.
struct Broadcasts<'a, K: Cast> {
    place: &'a Place,
    made: Option<Ring<K>>,
    tx: Option<K::Tx>,
    /// It loses nothing.
    rx: Option<K::Rx>,
    /// What the surviving reader reads next.
    next: u64,
    /// What was published when the victim was started.
    published: u64,
    sleeper: Option<Traced>,
    /// Which message a sleeping reader got.
    page: Page,
    acted: bool,
}

impl<K: Cast<Tx: Interrupt>> Broadcasts<'_, K> {
    fn made(&self) -> &Ring<K> {
        self.made.as_ref().expect("a ring")
    }

    fn tx(&mut self) -> &mut K::Tx {
        if self.tx.is_none() {
            self.tx = Some(take(|| K::producer(self.made())));
        }
        self.tx.as_mut().expect("taken")
    }

    /// The survivor reads one message.
    fn hear(&mut self) {
        let rx = self.rx.as_mut().expect("a reader");
        let got = loop {
            match rx.read_until(Wait::park(), soon()) {
                Err(ReadError::PeerDied) => {}
                got => break got,
            }
        };
        assert_eq!(got, Ok(id(self.next)), "nothing is lost or doubled");
        self.next += 1;
    }

    /// The survivor reads all that was published.
    fn hear_all(&mut self) {
        while self.next < self.tx().published() {
            self.hear();
        }
    }

    /// Publishes `n` messages, which the survivor reads, one by one.
    fn flow(&mut self, n: u64) {
        for _ in 0..n {
            let number = self.tx().published();
            let sent = self.tx().publish_until(id(number), Wait::park(), soon());
            assert_eq!(sent, Ok(()), "nobody waits for the dead");
            self.hear_all();
        }
    }

    /// Publishes until a reader is in the way; the survivor is not, if it `hears`.
    fn fill(&mut self, hears: bool) {
        loop {
            let number = self.tx().published();
            match self.tx().try_publish(id(number)) {
                Ok(()) if hears => self.hear(),
                Ok(()) => {}
                Err(TryPushError::Full) => return,
                Err(e) => panic!("{e}"),
            }
        }
    }

    /// Somebody who dies before the victim comes.
    fn bury(&mut self, dead: Dead) {
        let place = self.place;
        match dead {
            Dead::Nobody => {}
            Dead::Producer => {
                self.tx = None;
                Traced::start(|mark| producer::<K>(place).hold(Id::new(7, 77), mark)).kill();
            }
            Dead::Reader => {
                let reader = Traced::start(|mark| {
                    let rx = reader::<K>(place, Join::Newest, true);
                    mark();
                    drop(rx);
                });
                self.fill(true);
                reader.kill();
            }
        }
    }

    /// A reader that sleeps until the victim wakes it.
    fn sleeping_reader(&self) -> Traced {
        let (place, page) = (self.place, &self.page);
        let sleeper = Traced::start(|mark| {
            let mut rx = reader::<K>(place, Join::Newest, true);
            mark();
            let got = loop {
                match rx.read_until(PARK, soon()) {
                    // Another one will come.
                    Err(ReadError::PeerDied) => std::thread::sleep(Duration::from_millis(1)),
                    got => break got.expect("a message"),
                }
            };
            page.set(0, got.number);
            drop(rx);
            mark();
        });
        sleeper.sleep(PATIENCE);
        sleeper
    }

    /// A producer that sleeps until the victim wakes it, or is dead.
    fn sleeping_producer(&mut self) -> Traced {
        self.tx = None;
        let place = self.place;
        let sleeper = Traced::start(|mark| {
            let mut tx = producer::<K>(place);
            mark();
            let number = tx.published();
            tx.publish_until(id(number), PARK, soon()).expect("room");
            drop(tx);
            mark();
        });
        sleeper.sleep(PATIENCE);
        sleeper
    }

    /// Whoever is there or comes finds that the ring is closed, or it is not closed.
    fn check_closed(&mut self, operation: &Operation, reached: Reached) {
        let until = soon();
        let closed = loop {
            match K::producer(self.made()) {
                Ok(tx) => {
                    self.tx = Some(tx);
                    break false;
                }
                Err(EndpointError::Closed) => break true,
                Err(e) => assert!(Instant::now() < until, "{e}"),
            }
        };
        assert!(closed || reached == Reached::Place, "it was closed");
        if closed {
            let rx = self.rx.as_mut().expect("a reader");
            assert_eq!(
                rx.read_until(Wait::park(), soon()),
                Err(ReadError::Closed),
                "a survivor is told"
            );
            let mut late = K::reader(self.made(), Join::Oldest, false).expect("a place");
            let first = late.read_until(Wait::park(), soon()).expect("a message");
            for number in first.number + 1..self.next {
                assert_eq!(late.read_until(Wait::park(), soon()), Ok(id(number)));
            }
            assert_eq!(late.try_read(), Err(TryReadError::Closed));
        } else {
            self.flow(40);
        }
        self.renew(operation);
    }
}

impl<K: Cast<Tx: Interrupt>> Stage for Broadcasts<'_, K> {
    type Operation = Operation;

    fn name(operation: &Operation) -> (&'static str, Side) {
        (operation.name, operation.side)
    }

    fn renew(&mut self, _: &Operation) {
        (self.tx, self.rx, self.sleeper) = (None, None, None);
        if let Some(made) = self.made.take() {
            self.place.unlink(&made);
        }
        let made = self.place.create::<K>();
        self.rx = Some(K::reader(&made, Join::Newest, true).expect("a place"));
        self.made = Some(made);
        self.next = 0;
    }

    fn start(&mut self, operation: &Operation) -> Traced {
        self.acted = false;
        self.flow(7);
        self.bury(operation.dead);
        let (place, work) = (self.place, operation.work);
        let victim = || Traced::start(|mark| work(place, mark));
        if operation.side == Side::Consumer {
            // It is there before, and stands in the way.
            let victim = victim();
            if operation.full {
                self.fill(true);
            }
            self.published = self.tx().published();
            if operation.peer == Peer::Sleeps {
                self.sleeper = Some(self.sleeping_producer());
            }
            return victim;
        }
        if operation.full && operation.dead == Dead::Nobody {
            self.fill(false);
        }
        self.published = self.tx().published();
        if operation.peer == Peer::Sleeps {
            self.sleeper = Some(self.sleeping_reader());
        }
        self.tx = None;
        victim()
    }

    fn at_futex(&mut self, operation: &Operation) {
        if operation.peer != Peer::Acts || std::mem::replace(&mut self.acted, true) {
            return;
        }
        match operation.side {
            Side::Producer => (0..MANY).for_each(|_| self.hear()),
            Side::Consumer => {
                let number = self.tx().published();
                self.tx().try_publish(id(number)).expect("room");
            }
        }
    }

    fn check(&mut self, operation: &Operation, reached: Reached) {
        if operation.closes {
            return self.check_closed(operation, reached);
        }
        if operation.side == Side::Producer {
            let before = self.published + operation.before;
            let most = operation.most;
            let done = self.tx().published().checked_sub(before);
            assert!(done.is_some_and(|done| done <= most), "{done:?}");
            assert!(
                reached == Reached::Place || done == Some(most),
                "{done:?} of {most}"
            );
        } else if let Some(sleeper) = self.sleeper.take() {
            sleeper.until_mark(PATIENCE);
            sleeper.kill();
            assert_eq!(self.tx().published(), self.published + 1, "of the sleeper");
        }
        self.hear_all();
        // A lap and more: nobody waits for the dead.
        self.flow(40);
        if let Some(sleeper) = self.sleeper.take() {
            sleeper.until_mark(PATIENCE);
            sleeper.kill();
            assert_eq!(self.page.get(0), self.published, "of the sleeper");
        }
        let rx = self.rx.as_mut().expect("a reader");
        assert_eq!(rx.try_read(), Err(TryReadError::Empty));
        let mut other = K::reader(self.made(), Join::Oldest, true).expect("a place");
        let first = other.read_until(Wait::park(), soon()).expect("a message");
        assert!(first.number < self.next, "{first:?}");
        for number in first.number + 1..self.next {
            assert_eq!(other.read_until(Wait::park(), soon()), Ok(id(number)));
        }
    }
}

/// A role: leads a victim to each place in each operation, kills it there, and sees that the others go on.
pub fn lead<K: Cast<Tx: Interrupt>>(args: &Args) {
    let place = Place::from_args(args);
    let mut stage = Broadcasts::<K> {
        place: &place,
        made: None,
        tx: None,
        rx: None,
        next: 0,
        published: 0,
        sleeper: None,
        page: Page::open(args.get("page")),
        acted: false,
    };
    let parts = [publishing::<K>(), waiting::<K>(), reading::<K>()];
    let mut operations = parts.concat();
    operations.retain(|operation| points::is_wanted(args, operation.name));
    points::kill_everywhere(args, &mut stage, &operations);
    let made = stage.made.take().expect("a ring");
    drop(stage);
    place.unlink(&made);
}
