//! What can be done with a ring whose messages are each for one consumer, as a table.

use crate::common::kinds::{Place, Queue, Rx, Tx};
use crate::common::payload::{Id, Note};
use crate::common::take;
use crate::points::Side;
use annulus::{PopError, PushError, Wait};
use std::time::{Duration, Instant};

/// Messages of a run.
const RUN: usize = 4;
/// Messages that a dead consumer had in hand, where it can have several.
const HELD: u64 = 3;
/// To sleep at once.
pub const PARK: Wait = Wait::park().spin_for(Duration::ZERO);
/// How long somebody sleeps in vain.
pub const NAP: Duration = Duration::from_millis(2);
/// How long somebody sleeps who will be woken.
pub const LONG: Duration = Duration::from_secs(5);

/// What a victim does, between two calls of what it is given; its messages are those of the life it is given.
pub type Work = fn(&Place, u64, &dyn Fn());

/// What is in the ring before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Before {
    Messages(u64),
    Full,
}

/// What the other side does meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    Nothing,
    /// It sleeps, in a process of its own, and has to be woken.
    Sleeps,
    /// It sends or takes something when the victim is about to sleep.
    Acts,
}

/// Something that can be done with a ring.
#[derive(Clone, Copy, Debug)]
pub struct Operation {
    pub name: &'static str,
    pub side: Side,
    pub before: Before,
    /// How many messages it sends, or takes, at most; just so many if it is done.
    pub most: u64,
    /// How many may come again: what the victim, or who died before it, may have had in hand.
    pub hand: u64,
    /// Somebody who dies before, with something in hand.
    pub dead: Option<(Side, Work)>,
    /// Whether that is before the messages are there.
    pub dead_first: bool,
    pub peer: Peer,
    /// Whether the ring is closed when it is done.
    pub closes: bool,
    /// Whether the next longer record does not fit before the end of the ring.
    pub at_end: bool,
    /// For how many there is room on each side that many share.
    pub places: u32,
    pub work: Work,
}

/// What a producer does to send `most` messages.
const fn sends(name: &'static str, most: u64, work: Work) -> Operation {
    Operation {
        name,
        side: Side::Producer,
        before: Before::Messages(0),
        most,
        hand: 0,
        dead: None,
        dead_first: false,
        peer: Peer::Nothing,
        closes: false,
        at_end: false,
        places: 3,
        work,
    }
}

/// What a consumer does to take `most` messages of six, as many of them together as it may have in hand.
const fn takes(name: &'static str, most: u64, work: Work) -> Operation {
    Operation {
        side: Side::Consumer,
        before: Before::Messages(6),
        hand: most,
        ..sends(name, most, work)
    }
}

/// The messages of a victim.
fn notes(life: u64) -> [Note; RUN] {
    std::array::from_fn(|i| {
        let (who, number) = (0, i as u64);
        Note::new(Id { who, life, number })
    })
}

fn producer<K: Queue>(place: &Place) -> K::Tx {
    take(|| K::producer(&place.open::<K>("")))
}

fn consumer<K: Queue>(place: &Place) -> K::Rx {
    take(|| K::consumer(&place.open::<K>("")))
}

/// Does `work` with a producer between two marks.
fn with_tx<K: Queue>(place: &Place, life: u64, mark: &dyn Fn(), work: fn(&mut K::Tx, &[Note])) {
    let (mut tx, notes) = (producer::<K>(place), notes(life));
    mark();
    work(&mut tx, &notes);
    mark();
}

/// Does `work` with a consumer between two marks.
fn with_rx<K: Queue>(place: &Place, mark: &dyn Fn(), work: fn(&mut K::Rx)) {
    let mut rx = consumer::<K>(place);
    mark();
    work(&mut rx);
    mark();
}

/// Dies with a run in hand, or a record.
fn claims<K: Queue>(place: &Place, life: u64, mark: &dyn Fn()) {
    let (mut tx, notes) = (producer::<K>(place), notes(life));
    let _ = tx.claim_run(&notes, Wait::park(), |n| {
        mark();
        n
    });
}

/// Dies with messages in hand, or one.
fn holds<K: Queue>(place: &Place, _: u64, mark: &dyn Fn()) {
    let mut rx = consumer::<K>(place);
    if K::MANY.1 {
        rx.grab(HELD as usize);
        mark();
    } else {
        let _ = rx.sample(Wait::park(), |_| mark());
    }
}

fn joins_as_a_producer<K: Queue>(place: &Place, _: u64, mark: &dyn Fn()) {
    let ring = place.open::<K>("");
    mark();
    let tx = K::producer(&ring).expect("a place");
    mark();
    drop(tx);
}

fn joins_as_a_consumer<K: Queue>(place: &Place, _: u64, mark: &dyn Fn()) {
    let ring = place.open::<K>("");
    mark();
    let rx = K::consumer(&ring).expect("a place");
    mark();
    drop(rx);
}

fn repairs<K: Queue>(place: &Place, _: u64, mark: &dyn Fn()) {
    let ring = place.open::<K>("");
    mark();
    ring.repair().expect("repaired");
    mark();
}

/// Sending.
fn sending<K: Queue>() -> Vec<Operation> {
    vec![
        sends("push", 1, |place, life, mark| {
            with_tx::<K>(place, life, mark, |tx, notes| {
                tx.try_push(&notes[0]).expect("room")
            });
        }),
        sends("claim and commit", 1, |place, life, mark| {
            with_tx::<K>(place, life, mark, |tx, notes| {
                tx.claim(&notes[0], Wait::park(), || true).expect("room");
            });
        }),
        sends("claim and abort", 0, |place, life, mark| {
            with_tx::<K>(place, life, mark, |tx, notes| {
                tx.claim(&notes[0], Wait::park(), || false).expect("room");
            });
        }),
        sends("push many", RUN as u64, |place, life, mark| {
            with_tx::<K>(place, life, mark, |tx, notes| {
                assert_eq!(tx.push_many(notes), Ok(RUN));
            });
        }),
        sends("join as a producer", 0, joins_as_a_producer::<K>),
        sends("leave as a producer", 0, |place, _, mark| {
            let tx = producer::<K>(place);
            mark();
            drop(tx);
            mark();
        }),
        Operation {
            before: Before::Messages(6),
            closes: true,
            ..sends("close as a producer", 0, |place, _, mark| {
                let tx = producer::<K>(place);
                mark();
                tx.close();
                mark();
            })
        },
    ]
}

/// What is done with claims of several slots, or of one record.
fn claiming<K: Queue>() -> Vec<Operation> {
    let half: Work = |place, life, mark| {
        with_tx::<K>(place, life, mark, |tx, notes| {
            tx.claim_run(notes, Wait::park(), |n| n / 2).expect("room");
        });
    };
    let whole: Work = |place, life, mark| {
        with_tx::<K>(place, life, mark, |tx, notes| {
            tx.claim_run(notes, Wait::park(), |n| n).expect("room");
        });
    };
    let nothing: Work = |place, life, mark| {
        with_tx::<K>(place, life, mark, |tx, notes| {
            tx.claim_run(notes, Wait::park(), |_| 0).expect("room");
        });
    };
    let at_end = |operation| Operation {
        at_end: true,
        ..operation
    };
    if K::RECORDS {
        vec![
            sends("claim and commit less", 1, half),
            at_end(sends("claim past the end and commit", 1, whole)),
            at_end(sends("claim past the end and commit less", 1, half)),
            at_end(sends("claim past the end and abort", 0, nothing)),
        ]
    } else {
        vec![
            sends("claim a run and commit it", RUN as u64, whole),
            sends("claim a run and commit half", 2, half),
            sends("claim a run and abort", 0, nothing),
        ]
    }
}

/// Taking.
fn taking<K: Queue>() -> Vec<Operation> {
    let mut all = vec![
        takes("pop", 1, |place, _, mark| {
            with_rx::<K>(place, mark, |rx| assert!(rx.try_pop().is_ok()));
        }),
        takes("sample and release", 1, |place, _, mark| {
            with_rx::<K>(place, mark, |rx| {
                rx.sample(Wait::park(), drop).expect("a message")
            });
        }),
        takes("drain", RUN as u64, |place, _, mark| {
            with_rx::<K>(place, mark, |rx| assert_eq!(rx.drain(RUN, drop), RUN));
        }),
        takes("join as a consumer", 0, joins_as_a_consumer::<K>),
        takes("leave as a consumer", 0, |place, _, mark| {
            let rx = consumer::<K>(place);
            mark();
            drop(rx);
            mark();
        }),
        Operation {
            closes: true,
            ..takes("close as a consumer", 0, |place, _, mark| {
                let rx = consumer::<K>(place);
                mark();
                rx.close();
                mark();
            })
        },
    ];
    if K::MANY.1 {
        all.push(Operation {
            hand: RUN as u64,
            ..takes("leave with messages in hand", 0, |place, _, mark| {
                let mut rx = consumer::<K>(place);
                rx.grab(RUN);
                mark();
                drop(rx);
                mark();
            })
        });
    }
    all
}

/// Sleeping and waking.
fn sleeping<K: Queue>() -> Vec<Operation> {
    let full = |operation| Operation {
        before: Before::Full,
        ..operation
    };
    let empty = |operation| Operation {
        before: Before::Messages(0),
        ..operation
    };
    let with = |peer, operation| Operation { peer, ..operation };
    vec![
        full(sends("sleep on a full ring", 0, |place, life, mark| {
            with_tx::<K>(place, life, mark, |tx, notes| {
                let late = tx.push_until(&notes[0], PARK, Instant::now() + NAP);
                assert_eq!(late, Err(PushError::TimedOut));
            });
        })),
        with(
            Peer::Acts,
            full(sends(
                "sleep until there is room",
                1,
                |place, life, mark| {
                    with_tx::<K>(place, life, mark, |tx, notes| {
                        let sent = tx.push_until(&notes[0], PARK, Instant::now() + LONG);
                        assert_eq!(sent, Ok(()));
                    });
                },
            )),
        ),
        with(
            Peer::Sleeps,
            sends("push to a sleeping consumer", 1, |place, life, mark| {
                with_tx::<K>(place, life, mark, |tx, notes| {
                    tx.try_push(&notes[0]).expect("room")
                });
            }),
        ),
        empty(takes("sleep on an empty ring", 0, |place, _, mark| {
            with_rx::<K>(place, mark, |rx| {
                let late = rx.pop_until(PARK, Instant::now() + NAP).map(|_| ());
                assert_eq!(late, Err(PopError::TimedOut));
            });
        })),
        with(
            Peer::Acts,
            empty(takes(
                "sleep until there is a message",
                1,
                |place, _, mark| {
                    with_rx::<K>(place, mark, |rx| {
                        assert!(rx.pop_until(PARK, Instant::now() + LONG).is_ok());
                    });
                },
            )),
        ),
        with(
            Peer::Sleeps,
            full(takes(
                "take from a sleeping producer",
                8,
                |place, _, mark| {
                    with_rx::<K>(place, mark, |rx| assert_eq!(rx.drain(8, drop), 8));
                },
            )),
        ),
    ]
}

/// Repairing and inheriting. To add one, say what died before, and what is done then.
fn repairing<K: Queue>() -> Vec<Operation> {
    let pop: Work = |place, _, mark| {
        with_rx::<K>(place, mark, |rx| while rx.try_pop().is_err() {});
    };
    let left_by_consumer = |operation| Operation {
        dead: Some((Side::Consumer, holds::<K>)),
        hand: if K::MANY.1 { HELD } else { 0 },
        ..operation
    };
    let left_by_producer = |operation| Operation {
        dead: Some((Side::Producer, claims::<K>)),
        ..operation
    };
    let mut all = vec![
        Operation {
            // There is no place but that of the dead one.
            places: 2,
            ..left_by_consumer(takes(
                "join and inherit from a dead consumer",
                0,
                joins_as_a_consumer::<K>,
            ))
        },
        left_by_consumer(takes("repair after a dead consumer", 0, repairs::<K>)),
        left_by_producer(sends("repair after a dead producer", 0, repairs::<K>)),
    ];
    // Records are cleared away by their consumer alone.
    if !(K::MANY.0 && K::RECORDS) {
        all.push(Operation {
            places: 2,
            ..left_by_producer(sends(
                "join in the place of a dead producer",
                0,
                joins_as_a_producer::<K>,
            ))
        });
    }
    if K::MANY.0 {
        let before_messages = |operation| Operation {
            before: Before::Messages(2),
            dead_first: true,
            ..left_by_producer(operation)
        };
        all.push(before_messages(takes(
            "clear away what a dead producer had claimed",
            1,
            pop,
        )));
        // Nobody consumes meanwhile, where there is one consumer.
        all.push(before_messages(takes(
            "repair what a dead producer had claimed",
            0,
            repairs::<K>,
        )));
    }
    if K::MANY.1 {
        all.push(Operation {
            // No others, which it would take first.
            before: Before::Messages(HELD),
            ..left_by_consumer(takes("take over what a dead consumer had in hand", 1, pop))
        });
    }
    all
}

/// Everything that can be done with rings of the kind `K`.
pub fn operations<K: Queue>() -> Vec<Operation> {
    let parts = [
        sending::<K>(),
        claiming::<K>(),
        taking::<K>(),
        sleeping::<K>(),
        repairing::<K>(),
    ];
    parts.concat()
}
