//! The ends of a ring that is killed at random: each keeps its part of the ledger.

use crate::common::child::{self, Args};
use crate::common::eventually;
use crate::common::rng::Rng;
use crate::kinds::{InHand, Place, Queue, Rx, Tx, now_ns};
use crate::ledger::{self, Ledger, NUMBERS, Note};
use crate::payload::{self, Id};
use annulus::{EndpointError, Peer, PopError, PushError, TryPushError, Wait};
use std::time::{Duration, Instant};

/// Messages of a run.
const RUN: usize = 24;

/// What a role is given.
struct Given {
    place: Place,
    ledger: Ledger,
    rng: Rng,
}

impl Given {
    fn new(args: &Args) -> Self {
        Self {
            place: Place::from_args(args),
            ledger: Ledger::open(args.get("page"), args.number("lives")),
            rng: Rng::new(args.number("seed")),
        }
    }

    /// Takes an end, and notes for how long there was none: places of the dead are free again once nothing hangs on
    /// them.
    fn attach<E>(&self, mut attempt: impl FnMut() -> Result<E, EndpointError>) -> E {
        let (began, mut taken) = (Instant::now(), None);
        eventually("a place", || match attempt() {
            Ok(end) => {
                taken = Some(end);
                true
            }
            Err(EndpointError::NoPlace { .. } | EndpointError::Occupied { .. }) => {
                let waited = began.elapsed().as_nanos() as u64;
                self.ledger.keep_largest(ledger::ATTACH_NS, waited);
                false
            }
            Err(e) => panic!("{e}"),
        });
        taken.expect("taken")
    }
}

/// Takes its time, up to 20 us.
fn pause(rng: &mut Rng) {
    let until = now_ns() + rng.below(20_000);
    while now_ns() < until {
        std::hint::spin_loop();
    }
}

// ---- producers ------------------------------------------------------------------------------------------

/// One life of a producer.
struct Life<'a, T> {
    tx: T,
    ledger: &'a Ledger,
    rng: Rng,
    who: u64,
    life: u64,
    next: u64,
    wait: Wait,
}

/// A role: produces in all the ways there are, until told to stop.
pub fn produce<K: Queue>(args: &Args) {
    let given = Given::new(args);
    let ring = given.place.open::<K>("");
    let mut life = Life {
        tx: given.attach(|| K::producer(&ring)),
        ledger: &given.ledger,
        rng: given.rng.clone(),
        who: args.number("who"),
        life: args.number("life"),
        next: 0,
        wait: given.place.spec.waits.wait(),
    };
    let idle = ledger::IDLE[life.who as usize];
    given.ledger.page.set(idle, 0);
    child::report("running");
    while given.ledger.page.get(ledger::STOP) == 0 {
        if life.next + RUN as u64 > NUMBERS {
            // Enough for one life.
            given.ledger.page.set(idle, 1);
            std::thread::sleep(Duration::from_millis(1));
            continue;
        }
        match life.step() {
            // A consumer will come.
            Ok(()) | Err(PushError::PeerDied) => {}
            Err(e) => panic!("producer: {e}"),
        }
    }
    child::report("done");
}

impl<T: Tx> Life<'_, T> {
    fn attempt(&self, n: usize) {
        let attempted = self.next + n as u64;
        self.ledger
            .set(Note::Attempted, self.who, self.life, attempted);
    }

    fn committed(&mut self, n: usize) {
        self.next += n as u64;
        self.ledger
            .set(Note::Committed, self.who, self.life, self.next);
    }

    /// Sends something in some way.
    fn step(&mut self) -> Result<(), PushError> {
        let n = 1 + self.rng.below(RUN as u64) as usize;
        let (who, life) = (self.who, self.life);
        let notes: Vec<payload::Note> = (self.next..self.next + n as u64)
            .map(|number| payload::Note::new(Id { who, life, number }))
            .collect();
        let way = self.rng.below(16);
        self.attempt(if way < 6 { n } else { 1 });
        let (tx, rng) = (&mut self.tx, &mut self.rng);
        let sent = match way {
            0..2 => tx.claim_run(&notes, self.wait, |len| len),
            2..4 => tx.claim_run(&notes, self.wait, |len| {
                pause(rng);
                len / 2
            }),
            4..6 => match tx.push_many(&notes) {
                Err(TryPushError::Full) => {
                    std::thread::yield_now();
                    Ok(0)
                }
                sent => Ok(sent.expect("a consumer may come")),
            },
            6 => tx.claim(&notes[0], self.wait, || false).map(|()| 0),
            7..10 => tx
                .claim(&notes[0], self.wait, || {
                    pause(rng);
                    true
                })
                .map(|()| 1),
            _ => tx.push(&notes[0], self.wait).map(|()| 1),
        };
        self.committed(sent?);
        Ok(())
    }
}

// ---- consumers ------------------------------------------------------------------------------------------

/// A role: consumes until the ring is closed, writing down each message while it is in hand.
pub fn consume<K: Queue>(args: &Args) {
    let mut given = Given::new(args);
    let ring = given.place.open::<K>("");
    let mut rx = given.attach(|| K::consumer(&ring));
    let start = given.place.spec.start;
    // A consumer that shares its ring with nobody is told of repeats only by how its predecessor went.
    let mut may_repeat = !K::MANY.1 && rx.predecessor() == Peer::Died;
    child::report("running");
    let (wait, mut last) = (given.place.spec.waits.wait(), None);
    loop {
        let (ledger, rng) = (&given.ledger, &mut given.rng);
        if rng.below(4) == 0 {
            rx.grab(1 + rng.below(RUN as u64) as usize);
        }
        let took = rx.sample(wait, |(position, note, again): InHand| {
            let position = position.wrapping_sub(start) % (1 << 62);
            ledger.log(
                note.id(),
                position,
                again || std::mem::take(&mut may_repeat),
            );
            if !again {
                if last.is_some_and(|last| last >= position) {
                    ledger.out_of_order(last.unwrap_or(0), position);
                }
                last = Some(position);
            }
            if rng.below(8) == 0 {
                pause(rng);
            }
        });
        match took {
            // Others will come.
            Ok(()) | Err(PopError::PeerDied) => {}
            Err(PopError::Closed) => break,
            Err(e) => panic!("consumer: {e}"),
        }
    }
    child::report("done");
}
