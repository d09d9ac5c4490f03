//! Ends of an mpmc ring that die between any two instructions of what they do. The survivors, and whoever repairs and
//! succeeds, are in the process that leads them there.

use crate::common::child::{self, Args, Child};
use crate::common::rng::{self, Rng, SeedOnFailure};
use crate::common::spec::Via;
use crate::common::{alone, number_from_env, take};
use crate::ends::{HERE, RUN, receive, send};
use crate::kinds::{Place, Queue, Rx, Tx, role};
use crate::payload::{Id, Note};
use crate::trace::{Reached, Traced, Way, ways};
use annulus::{Mpmc, PopError, Wait};
use std::time::{Duration, Instant};

const CAPACITY: u64 = 16;
/// Longer than a consumer without work waits before it looks for what the dead left.
const LOOK: Duration = Duration::from_millis(12);

/// Nothing takes longer than this unless somebody waits for somebody.
const PATIENCE: Duration = Duration::from_secs(10);

/// What the victim does, between two calls of what it is given; its messages are those of the life it is given.
type Work = fn(&Place, u64, &dyn Fn());

/// Something that can be done with a ring.
struct Operation {
    name: &'static str,
    /// Messages that are there before; of a consumer, 0 of a producer.
    before: u64,
    /// How many messages it sends, or takes, at most; just so many if it is done.
    most: u64,
    /// Somebody who dies before, with something in hand.
    dead: Option<Work>,
    /// Whether that is before the messages are there.
    dead_first: bool,
    work: Work,
}

const fn produces(name: &'static str, most: u64, work: Work) -> Operation {
    Operation {
        name,
        before: 0,
        most,
        dead: None,
        dead_first: false,
        work,
    }
}

const fn consumes(name: &'static str, most: u64, work: Work) -> Operation {
    Operation {
        name,
        before: 6,
        most,
        dead: None,
        dead_first: false,
        work,
    }
}

/// The messages of a victim.
fn notes(life: u64) -> Vec<Note> {
    let id = |number| Id {
        who: 0,
        life,
        number,
    };
    (0..RUN as u64).map(|i| Note::new(id(i))).collect()
}

fn producer<K: Queue>(place: &Place) -> K::Tx {
    take(|| K::producer(&place.open::<K>("")))
}

fn consumer<K: Queue>(place: &Place) -> K::Rx {
    take(|| K::consumer(&place.open::<K>("")))
}

/// Does `work` with a producer between two marks.
fn sends<K: Queue>(place: &Place, life: u64, mark: &dyn Fn(), work: fn(&mut K::Tx, &[Note])) {
    let (mut tx, notes) = (producer::<K>(place), notes(life));
    mark();
    work(&mut tx, &notes);
    mark();
}

/// Does `work` with a consumer between two marks.
fn takes<K: Queue>(place: &Place, mark: &dyn Fn(), work: fn(&mut K::Rx)) {
    let mut rx = consumer::<K>(place);
    mark();
    work(&mut rx);
    mark();
}

fn claims_a_run<K: Queue>(place: &Place, life: u64, mark: &dyn Fn()) {
    let (mut tx, notes) = (producer::<K>(place), notes(life));
    let _ = tx.claim_run(&notes, Wait::park(), |n| {
        mark();
        n
    });
}

fn holds_a_run<K: Queue>(place: &Place, _: u64, mark: &dyn Fn()) {
    let mut rx = consumer::<K>(place);
    rx.grab(3);
    mark();
    drop(rx);
}

/// What producers do.
fn producing<K: Queue>() -> Vec<Operation> {
    vec![
        produces("push", 1, |place, life, mark| {
            sends::<K>(place, life, mark, |tx, notes| {
                tx.try_push(&notes[0]).expect("room")
            });
        }),
        produces("claim and commit", 1, |place, life, mark| {
            sends::<K>(place, life, mark, |tx, notes| {
                tx.claim(&notes[0], Wait::park(), || true).expect("room");
            });
        }),
        produces("claim and abort", 0, |place, life, mark| {
            sends::<K>(place, life, mark, |tx, notes| {
                tx.claim(&notes[0], Wait::park(), || false).expect("room");
            });
        }),
        produces("claim a run and commit half", 2, |place, life, mark| {
            sends::<K>(place, life, mark, |tx, notes| {
                tx.claim_run(notes, Wait::park(), |n| n / 2).expect("room");
            });
        }),
        produces("push many", RUN as u64, |place, life, mark| {
            sends::<K>(place, life, mark, |tx, notes| {
                assert_eq!(tx.push_many(notes), Ok(RUN));
            });
        }),
        produces("join as a producer", 0, |place, _, mark| {
            let ring = place.open::<K>("");
            mark();
            let _tx = K::producer(&ring).expect("a place");
            mark();
        }),
        produces("leave as a producer", 0, |place, _, mark| {
            let tx = producer::<K>(place);
            mark();
            drop(tx);
            mark();
        }),
    ]
}

/// What consumers do.
fn consuming<K: Queue>() -> Vec<Operation> {
    vec![
        consumes("pop", 1, |place, _, mark| {
            takes::<K>(place, mark, |rx| assert!(rx.try_pop().is_ok()));
        }),
        consumes("sample and release", 1, |place, _, mark| {
            takes::<K>(place, mark, |rx| {
                rx.sample(Wait::park(), drop).expect("a message")
            });
        }),
        consumes("drain", RUN as u64, |place, _, mark| {
            takes::<K>(place, mark, |rx| assert_eq!(rx.drain(RUN, drop), RUN));
        }),
        consumes("join as a consumer", 0, |place, _, mark| {
            let ring = place.open::<K>("");
            mark();
            let _rx = K::consumer(&ring).expect("a place");
            mark();
        }),
        consumes("leave as a consumer", 0, |place, _, mark| {
            let rx = consumer::<K>(place);
            mark();
            drop(rx);
            mark();
        }),
        consumes("leave with messages in hand", 0, |place, _, mark| {
            let mut rx = consumer::<K>(place);
            rx.grab(RUN);
            mark();
            drop(rx);
            mark();
        }),
    ]
}

/// What consumers do after a death.
fn repairing<K: Queue>() -> Vec<Operation> {
    vec![
        Operation {
            name: "take over what a dead consumer had in hand",
            before: 3,
            most: 1,
            dead: Some(holds_a_run::<K>),
            dead_first: false,
            work: |place, _, mark| {
                takes::<K>(place, mark, |rx| while rx.try_pop().is_err() {});
            },
        },
        Operation {
            name: "clear away what a dead producer had claimed",
            before: 2,
            most: 1,
            dead: Some(claims_a_run::<K>),
            dead_first: true,
            work: |place, _, mark| {
                takes::<K>(place, mark, |rx| while rx.try_pop().is_err() {});
            },
        },
    ]
}

/// The ring, those who survive, and what was sent from here so far.
struct Stage<'a, K: Queue> {
    place: &'a Place,
    made: annulus::Ring<K>,
    tx: K::Tx,
    rx: K::Rx,
    next: u64,
    life: u64,
}

impl<K: Queue> Stage<'_, K> {
    /// Gets the ring ready for `operation` and starts a victim.
    fn start(&mut self, operation: &Operation) -> Traced {
        self.life += 1;
        let from = self.next;
        if !operation.dead_first {
            send(&mut self.tx, from, from + operation.before);
        }
        if let Some(work) = operation.dead {
            Traced::start(|mark| work(self.place, u64::from(u16::MAX), mark)).kill();
        }
        if operation.dead_first {
            send(&mut self.tx, from, from + operation.before);
        }
        Traced::start(|mark| (operation.work)(self.place, self.life, mark))
    }

    /// Takes all that is there, or comes again.
    fn take_all(&mut self, last: u64, all: bool) -> Vec<(Id, bool)> {
        let (mut got, patience) = (Vec::new(), Instant::now() + PATIENCE);
        loop {
            assert!(
                Instant::now() < patience,
                "somebody waits for the dead: {got:?}"
            );
            match self.rx.pop_until(Wait::park(), Instant::now() + LOOK) {
                Ok(note) => got.push((note.whole(), self.rx.redelivered())),
                Err(PopError::TimedOut) if all || got.contains(&(Id::new(HERE, last), false)) => {
                    return got;
                }
                Err(PopError::TimedOut) => {}
                Err(e) => panic!("{e}"),
            }
            if !all && got.last() == Some(&(Id::new(HERE, last), false)) {
                return got;
            }
        }
    }

    /// The survivors go on, and find what the victim left.
    fn check(&mut self, operation: &Operation, reached: Reached, what: &str) {
        let first = self.next;
        let behind = first + operation.before;
        send(&mut self.tx, behind, behind + 2);
        self.next = behind + 2;
        let got = self.take_all(behind + 1, operation.before > 0);
        let theirs = got.iter().filter(|(id, _)| id.who != HERE);
        let theirs: Vec<(Id, bool)> = theirs.copied().collect();
        let of_victim = |number| Id {
            who: 0,
            life: self.life,
            number,
        };
        let wanted = (0..theirs.len() as u64).map(|i| (of_victim(i), false));
        assert_eq!(theirs, Vec::from_iter(wanted), "{what}: of the victim");
        let mut mine: Vec<u64> = Vec::new();
        let mut last = None;
        for (id, again) in got.iter().filter(|(id, _)| id.who == HERE) {
            mine.push(id.number);
            if !again {
                assert!(last < Some(id.number), "{what}: order: {got:?}");
                last = Some(id.number);
            }
        }
        mine.sort_unstable();
        let missing = self.next - first - mine.len() as u64;
        assert_eq!(
            mine,
            Vec::from_iter(first + missing..self.next),
            "{what}: {got:?}"
        );
        let done = if operation.before == 0 {
            assert_eq!(missing, 0, "{what}: lost");
            theirs.len() as u64
        } else {
            missing
        };
        assert!(done <= operation.most, "{what}: {done} {got:?}");
        assert!(
            reached == Reached::Place || done == operation.most,
            "{what}: {done} {got:?}"
        );
        self.newcomers();
    }

    /// Others attach, and a message passes between them and the survivors.
    fn newcomers(&mut self) {
        let mut tx = K::producer(&self.made).expect("a place");
        let mut rx = K::consumer(&self.made).expect("a place");
        send(&mut tx, self.next, self.next + 1);
        assert_eq!(receive(&mut self.rx), Id::new(HERE, self.next));
        send(&mut self.tx, self.next + 1, self.next + 2);
        assert_eq!(receive(&mut rx), Id::new(HERE, self.next + 1));
        self.next += 2;
    }
}

/// A role: leads a victim to each place in each operation, kills it there, and sees that the others go on.
pub fn lead<K: Queue>(args: &Args) {
    let place = Place::from_args(args);
    let made = place.open::<K>("");
    let mut rng = Rng::new(args.number("seed"));
    let (tx, rx) = (producer::<K>(&place), consumer::<K>(&place));
    let mut stage = Stage {
        place: &place,
        made,
        tx,
        rx,
        next: 0,
        life: 0,
    };
    let mut points = 0;
    let operations = [producing::<K>(), consuming::<K>(), repairing::<K>()];
    for operation in operations.iter().flatten() {
        // Whoever is led along to see how far it is dies as well.
        let mut count = 0;
        let mut places: Vec<Way> = Vec::new();
        places.extend(ways(args.number("points"), &mut rng, || {
            if count > 0 {
                stage.check(operation, Reached::Place, operation.name);
            }
            count += 1;
            stage.start(operation)
        }));
        stage.check(operation, Reached::Place, operation.name);
        for way in places {
            let victim = stage.start(operation);
            let reached = victim.lead(way);
            victim.kill();
            stage.check(
                operation,
                reached,
                &format!("{} {way:?} {reached:?}", operation.name),
            );
            points += 1;
        }
    }
    child::report(&points.to_string());
}

#[test]
fn an_end_of_an_mpmc_ring_killed_at_any_instruction_stops_nobody() {
    let _quiet = alone();
    let seed = rng::seed();
    let _told = SeedOnFailure(seed);
    let place = Place::new(Via::Shm, CAPACITY);
    let _gone = place.cleanup();
    let made = place.create::<Mpmc<Note>>();
    let points = number_from_env("ANNULUS_POINTS", 6);
    let args = place.args().with("seed", seed).with("points", points);
    let began = Instant::now();
    let mut child = Child::start(&role::<Mpmc<Note>>("lead"), args);
    let killed = child.hear();
    println!(
        "mpmc: killed at {killed} instructions in {:?}",
        began.elapsed()
    );
    child.finish();
    place.unlink(&made);
}
