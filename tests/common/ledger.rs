//! The ledger of a stream whose ends are killed: what both sides write down as they go, in a page that
//! outlives them, and the two roles that keep it.
//!
//! The producer notes before and after each commit, the consumer notes each message while it is in hand. So
//! whoever comes after a death can tell what was committed, what was taken, and what may come again.

use super::child::{self, Args};
use super::page::Page;
use super::rng::Rng;
use super::spec::Spec;
use super::take;
use annulus::{Peer, PopError, PushError};

/// What both sides have written down.
#[derive(Debug)]
pub struct Ledger(pub Page);

/// Every position below was committed, as the producer knows.
pub const COMMITTED: usize = 0;
/// No position from here on was committed.
const COMMITTING: usize = 1;
/// Every position below was taken and written down by the consumer.
pub const LOGGED: usize = 2;
/// Messages that came again.
pub const REPEATS: usize = 3;
/// 1 when the producer shall close.
pub const STOP: usize = 4;
/// Violations: how many, and of the first: which, and two numbers about it.
const WRONG: usize = 5;
/// The log: the last so many (position, message) pairs.
const LOG: usize = 16;
const LOG_ENTRIES: u64 = 1024;

impl Ledger {
    pub fn new(start: u64) -> Self {
        let page = Page::new(LOG + 2 * LOG_ENTRIES as usize);
        for word in [COMMITTED, COMMITTING, LOGGED] {
            page.set(word, start);
        }
        Self(page)
    }

    fn wrong(&self, which: u64, a: u64, b: u64) {
        if self.0.get(WRONG) == 0 {
            for (i, value) in [which, a, b].into_iter().enumerate() {
                self.0.set(WRONG + 1 + i, value);
            }
        }
        self.0.set(WRONG, self.0.get(WRONG) + 1);
    }

    /// The consumer has `message` in hand at `position`.
    fn log(&self, position: u64, message: Option<u64>, first: bool, after_death: bool) {
        let logged = self.0.get(LOGGED);
        if message != Some(position) {
            return self.wrong(1, position, message.unwrap_or(u64::MAX));
        }
        let at = LOG + 2 * (position % LOG_ENTRIES) as usize;
        self.0.set(at, position);
        self.0.set(at + 1, position);
        if position == logged {
            self.0.set(LOGGED, position + 1);
        } else if position + 1 == logged && first && after_death {
            self.0.set(REPEATS, self.0.get(REPEATS) + 1);
        } else {
            self.wrong(2, position, logged);
        }
    }

    /// What the supervisor looks at after each death. `start` is the ring's first position.
    pub fn check(&self, start: u64) {
        let found: Vec<u64> = (1..4).map(|i| self.0.get(WRONG + i)).collect();
        assert_eq!(
            self.0.get(WRONG),
            0,
            "1 torn or invented (position, message), 2 lost or repeated (position, expected), \
             3 producer resumed elsewhere (position, committed), \
             4 consumer resumed elsewhere (position, logged): {found:?}"
        );
        let logged = self.0.get(LOGGED);
        for position in logged.saturating_sub(LOG_ENTRIES / 2).max(start)..logged {
            let at = LOG + 2 * (position % LOG_ENTRIES) as usize;
            let (p, message) = (self.0.get(at), self.0.get(at + 1));
            // The consumer may live and have written over the oldest entries by now.
            let later = p > position && (p - position) % LOG_ENTRIES == 0;
            assert!(
                later || (p == position && message == position),
                "log at {position}: {p}"
            );
        }
    }
}

/// A role: produces for ever, in all the ways there are, until told to stop.
pub fn produce(args: &Args) {
    let spec = Spec::from_args(args);
    let ledger = Ledger(Page::open(args.get("page")));
    let mut rng = Rng::new(args.number("seed"));
    let mut tx = take(|| spec.open(None).producer());
    let page = &ledger.0;
    let (at, committed) = (tx.position(), page.get(COMMITTED));
    if !(committed..=page.get(COMMITTING)).contains(&at) {
        ledger.wrong(3, at, committed);
    }
    page.set(COMMITTING, at);
    page.set(COMMITTED, at);
    child::report("running");
    let wait = spec.waits.wait();
    while page.get(STOP) == 0 {
        let i = tx.position();
        let n = 1 + rng.below(spec.capacity.min(40));
        let outcome = match rng.below(8) {
            0 => tx.claim(i, wait, || false),
            1 => {
                page.set(COMMITTING, i + 1);
                tx.claim(i, wait, || true)
            }
            2 => {
                page.set(COMMITTING, i + n);
                let part = rng.below(4);
                let some = |len: usize| if part == 0 { len / 2 } else { len };
                tx.claim_run((i, n as usize), wait, some).map(|_| ())
            }
            _ => {
                page.set(COMMITTING, i + 1);
                tx.push(i, wait)
            }
        };
        match outcome {
            Ok(()) => page.set(COMMITTED, tx.position()),
            // A successor will come.
            Err(PushError::PeerDied) => {}
            Err(e) => panic!("producer: {e}"),
        }
    }
    tx.close();
    child::report("done");
}

/// A role: consumes until the stream ends, writing down each message while it is in hand.
pub fn consume(args: &Args) {
    let spec = Spec::from_args(args);
    let ledger = Ledger(Page::open(args.get("page")));
    let mut rx = take(|| spec.open(None).consumer());
    let (at, logged) = (rx.position(), ledger.0.get(LOGGED));
    let after_death = rx.predecessor() == Peer::Died;
    if at != logged && !(after_death && at + 1 == logged) {
        ledger.wrong(4, at, logged);
    }
    child::report("running");
    let mut first = true;
    loop {
        let wait = spec.waits.wait();
        match rx.sample(wait, |position, message| {
            ledger.log(position, message, first, after_death);
        }) {
            Ok(()) => first = false,
            Err(PopError::PeerDied) => {}
            Err(PopError::Closed) => break,
            Err(e) => panic!("consumer: {e}"),
        }
    }
    child::report("done");
}
