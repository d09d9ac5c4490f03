//! Ends of rings whose messages are each for one consumer, which die between any two instructions of what they do. The
//! survivors, and whoever repairs and succeeds, are in the process that leads them there.

use crate::common::child::Args;
use crate::common::kinds::{Place, Queue, Rx, Tx};
use crate::common::page::Page;
use crate::common::payload::{Id, Note};
use crate::common::take;
use crate::operations::{Before, Operation, PARK, Peer, operations};
use crate::points::{self, Side, Stage};
use crate::trace::{Reached, Traced};
use annulus::{EndpointError, PopError, PushError, Ring, TryPushError, Wait};
use std::time::{Duration, Instant};

/// Who sends from this process, and who sleeps.
const HERE: u64 = 9;
const SLEEPER: u64 = 1;
/// Longer than a consumer without work waits before it looks for what the dead left.
const LOOK: Duration = Duration::from_millis(12);
/// Longer than a consumer that shares its ring with nobody needs to look once.
const GLANCE: Duration = Duration::from_millis(1);
/// Survivors have done their work after this time, on a machine that has other work as well.
const PATIENCE: Duration = Duration::from_secs(5);

/// A message and whether it says that it comes again.
type Got = (Id, bool);

fn soon() -> Instant {
    Instant::now() + PATIENCE
}

/// The ring, those who survive, and what was sent from here so far.
struct Queues<'a, K: Queue> {
    place: &'a Place,
    made: Option<Ring<K>>,
    tx: Option<K::Tx>,
    rx: Option<K::Rx>,
    /// The first message of this process since the victim was started, and the next one.
    first: u64,
    next: u64,
    /// Which victim it is.
    life: u64,
    sleeper: Option<Traced>,
    /// What a sleeping consumer got: who sent it, in which life, which number, whether it came again.
    page: Page,
    /// Whether this process has done its part while the victim was on its way, and what it got then.
    acted: bool,
    early: Vec<Got>,
}

impl<K: Queue> Queues<'_, K> {
    fn made(&self) -> &Ring<K> {
        self.made.as_ref().expect("a ring")
    }

    fn tx(&mut self) -> &mut K::Tx {
        if self.tx.is_none() {
            self.tx = Some(take(|| K::producer(self.made())));
        }
        self.tx.as_mut().expect("taken")
    }

    fn rx(&mut self) -> &mut K::Rx {
        if self.rx.is_none() {
            self.rx = Some(take(|| K::consumer(self.made())));
        }
        self.rx.as_mut().expect("taken")
    }

    /// Gives up this process's end of `side` if there is only one.
    fn make_way(&mut self, side: Side) {
        match side {
            Side::Producer if !K::MANY.0 => drop(self.tx.take()),
            Side::Consumer if !K::MANY.1 => drop(self.rx.take()),
            _ => {}
        }
    }

    fn send(&mut self, n: u64) {
        for _ in 0..n {
            let note = Note::new(Id::new(HERE, self.next));
            let until = soon();
            loop {
                let look = Instant::now() + LOOK;
                match self.tx().push_until(&note, Wait::park(), look) {
                    Ok(()) => break,
                    Err(PushError::TimedOut) if Instant::now() < until => self.look(),
                    Err(e) => panic!("to survivors: {e}"),
                }
            }
            self.next += 1;
        }
    }

    /// The surviving consumer looks whether there is something: only consumers clear up behind the dead, and producers
    /// may be waiting for that.
    fn look(&mut self) {
        if let Some(rx) = &mut self.rx
            && let Ok(note) = rx.pop_until(Wait::park(), Instant::now() + LOOK)
        {
            let again = rx.redelivered();
            self.early.push((note.whole(), again));
        }
    }

    /// Sends messages until there is no room.
    fn fill(&mut self) {
        loop {
            let note = Note::new(Id::new(HERE, self.next));
            match self.tx().try_push(&note) {
                Ok(()) => self.next += 1,
                Err(TryPushError::Full) => return,
                Err(e) => panic!("{e}"),
            }
        }
    }

    fn send_before(&mut self, operation: &Operation) {
        match operation.before {
            Before::Messages(n) => self.send(n),
            Before::Full => self.fill(),
        }
    }

    /// Takes what is there until it is `enough`, or nothing has come for a while and it is `perhaps` enough.
    fn collect(
        &mut self,
        got: &mut Vec<Got>,
        enough: impl Fn(&[Got]) -> bool,
        perhaps: impl Fn(&[Got]) -> bool,
    ) {
        let (patience, look) = (soon(), if K::MANY.1 { LOOK } else { GLANCE });
        while !enough(got) {
            let rx = self.rx();
            match rx.pop_until(Wait::park(), Instant::now() + look) {
                Ok(note) => got.push((note.whole(), rx.redelivered())),
                Err(PopError::TimedOut | PopError::PeerDied) if perhaps(got) => return,
                Err(PopError::TimedOut | PopError::PeerDied) => {}
                Err(e) => panic!("{e}: {got:?}"),
            }
            assert!(
                Instant::now() < patience,
                "somebody waits for the dead: {got:?}"
            );
        }
    }

    /// Moves on until a record of 64 bytes has room before the end of the ring, and a longer one has not.
    fn go_to_end(&mut self) {
        let place = self.place;
        while K::before_end(self.rx(), place).is_some_and(|bytes| bytes >= 128) {
            self.send(1);
            self.rx().pop_until(Wait::park(), soon()).expect("it came");
        }
    }

    /// A peer of the victim, which sleeps.
    fn sleep(&mut self, side: Side) -> Traced {
        self.make_way(side);
        let (place, page, life) = (self.place, &self.page, self.life);
        let sleeper = Traced::start(|mark| {
            let ring = place.open::<K>("");
            if side == Side::Consumer {
                let mut rx = take(|| K::consumer(&ring));
                mark();
                let id = patiently(|| match rx.pop_until(PARK, soon()) {
                    Ok(note) => Some(note.whole()),
                    Err(PopError::PeerDied) => None,
                    Err(e) => panic!("{e}"),
                });
                for (i, n) in [id.who, id.life, id.number, u64::from(rx.redelivered())]
                    .into_iter()
                    .enumerate()
                {
                    page.set(i, n);
                }
            } else {
                let mut tx = take(|| K::producer(&ring));
                mark();
                let number = 0;
                let note = Note::new(Id {
                    who: SLEEPER,
                    life,
                    number,
                });
                patiently(|| match tx.push_until(&note, PARK, soon()) {
                    Ok(()) => Some(()),
                    // A consumer will come.
                    Err(PushError::PeerDied) => None,
                    Err(e) => panic!("{e}"),
                });
            }
            mark();
        });
        sleeper.sleep(PATIENCE);
        sleeper
    }

    /// The sleeper has woken; says what it got. It has gone when this returns.
    fn woken(&mut self, side: Side) -> Option<Got> {
        let sleeper = self.sleeper.take()?;
        sleeper.until_mark(PATIENCE);
        sleeper.kill();
        let [who, life, number, again] = std::array::from_fn(|i| self.page.get(i));
        let id = Id { who, life, number };
        (side == Side::Consumer).then_some((id, again == 1))
    }

    /// All messages are accounted for.
    fn balance(&self, operation: &Operation, reached: Reached, got: &[Got]) {
        let of = |who| {
            let those = got.iter().filter(move |(id, _)| id.who == who);
            those.copied().collect::<Vec<Got>>()
        };
        let life = self.life;
        let (theirs, asleep, mine) = (of(0), of(SLEEPER), of(HERE));
        let sent = |who, n: usize| -> Vec<Got> {
            let ids = (0..n as u64).map(|number| Id { who, life, number });
            ids.map(|id| (id, false)).collect()
        };
        assert_eq!(theirs, sent(0, theirs.len()), "of the victim");
        let sleeps = operation.peer == Peer::Sleeps && operation.side == Side::Consumer;
        assert_eq!(asleep, sent(SLEEPER, usize::from(sleeps)), "of the sleeper");
        let fresh = mine.iter().filter(|(_, again)| !again);
        let fresh: Vec<u64> = fresh.map(|(id, _)| id.number).collect();
        assert!(fresh.is_sorted(), "order: {got:?}");
        let again = (mine.len() - fresh.len()) as u64;
        assert!(again <= operation.hand, "{again} came again: {got:?}");
        let mut numbers: Vec<u64> = mine.iter().map(|(id, _)| id.number).collect();
        numbers.sort_unstable();
        let missing = self.next - self.first - numbers.len() as u64;
        assert_eq!(
            numbers,
            Vec::from_iter(self.first + missing..self.next),
            "lost or doubled: {got:?}"
        );
        let done = match operation.side {
            Side::Producer => {
                assert_eq!(missing, 0, "lost");
                theirs.len() as u64
            }
            Side::Consumer => missing,
        };
        assert!(done <= operation.most, "{done} done: {got:?}");
        assert!(
            reached == Reached::Place || done == operation.most,
            "{done} done: {got:?}"
        );
    }

    /// Others attach, and messages pass between them and the survivors.
    fn newcomers(&mut self) {
        let mut tx = (K::MANY.0).then(|| K::producer(self.made()).expect("a place"));
        let mut rx = (K::MANY.1).then(|| K::consumer(self.made()).expect("a place"));
        let ids = [self.next, self.next + 1].map(|number| Id::new(HERE, number));
        self.next += 2;
        for (turn, id) in ids.into_iter().enumerate() {
            let note = Note::new(id);
            let until = soon();
            loop {
                let look = Instant::now() + LOOK;
                let sent = match &mut tx {
                    Some(tx) if turn == 0 => tx.push_until(&note, Wait::park(), look),
                    _ => self.tx().push_until(&note, Wait::park(), look),
                };
                match sent {
                    Ok(()) => break,
                    Err(PushError::TimedOut) if Instant::now() < until => self.look(),
                    Err(e) => panic!("to newcomers: {e}"),
                }
            }
            assert_eq!(self.early, [], "nothing comes late");
            let got = match &mut rx {
                Some(rx) if turn == 1 => rx.pop_until(Wait::park(), soon()),
                _ => self.rx().pop_until(Wait::park(), soon()),
            };
            assert_eq!(got.map(|note| note.whole()), Ok(id), "from newcomers");
        }
    }

    /// Whoever is there or comes finds that the ring is closed, or it is not closed and everything goes on.
    fn check_closed(&mut self, operation: &Operation, reached: Reached) {
        let shut = |e: Option<EndpointError>| matches!(e, Some(EndpointError::Closed));
        let tx = match self.tx.take() {
            Some(tx) => Ok(tx),
            None => again(|| K::producer(self.made())),
        };
        let rx = match self.rx.take() {
            Some(rx) => Ok(rx),
            None => again(|| K::consumer(self.made())),
        };
        let (mut tx, no_tx) = tx.map_or_else(|e| (None, Some(e)), |tx| (Some(tx), None));
        let (mut rx, no_rx) = rx.map_or_else(|e| (None, Some(e)), |rx| (Some(rx), None));
        let mut closed = shut(no_tx) || shut(no_rx);
        assert!(closed || tx.is_some() && rx.is_some(), "ends can be taken");
        // One push may still succeed, or two with the one that finds out.
        let mut sent = self.next;
        for _ in 0..3 {
            let note = Note::new(Id::new(HERE, sent));
            match tx.as_mut().map(|tx| tx.try_push(&note)) {
                None => {}
                Some(Ok(())) => sent += 1,
                Some(Err(TryPushError::Closed)) => closed = true,
                Some(Err(e)) => panic!("{e}"),
            }
        }
        let needed = match operation.side {
            Side::Producer => sent,
            Side::Consumer => self.next,
        };
        let mut next = self.first;
        while let Some(rx) = &mut rx {
            match rx.pop_until(Wait::park(), soon()) {
                Ok(note) => {
                    assert_eq!(note.whole(), Id::new(HERE, next));
                    next += 1;
                }
                Err(PopError::Closed) => {
                    assert!(next >= needed, "{next} of {needed} came");
                    closed = true;
                    break;
                }
                Err(e) => panic!("neither closed nor open: {e}"),
            }
            if !closed && next == sent {
                break;
            }
        }
        assert!(closed || reached == Reached::Place, "it was closed");
        if closed {
            if let Some(tx) = &mut tx {
                // A consumer that died before its sleep word said that it is gone is missed when the known room is used up.
                let room = self.made().status().expect("a ring").capacity;
                let note = Note::new(Id::new(HERE, sent));
                let mut late = || tx.push_until(&note, Wait::park(), soon());
                let told = (0..=room).map(|_| late()).find(|late| late.is_err());
                assert_eq!(told, Some(Err(PushError::Closed)));
            }
            drop((tx, rx));
            let newcomer = match operation.side {
                Side::Producer => again(|| K::producer(self.made())).err(),
                Side::Consumer => match again(|| K::consumer(self.made())) {
                    // One of many that only drain what is there: that is nothing any more.
                    Ok(mut rx) if K::MANY.1 => {
                        let got = rx.pop_until(Wait::park(), soon()).map(|note| note.whole());
                        assert_eq!(got, Err(PopError::Closed));
                        Some(EndpointError::Closed)
                    }
                    newcomer => newcomer.err(),
                },
            };
            let told = format!("{newcomer:?}");
            assert!(shut(newcomer), "somebody could come: {told}");
        } else {
            (self.tx, self.rx, self.next) = (tx, rx, sent);
            self.newcomers();
        }
        self.renew(operation);
    }
}

/// Tries again until something comes of it: a successor of the dead will come.
fn patiently<R>(mut attempt: impl FnMut() -> Option<R>) -> R {
    loop {
        if let Some(done) = attempt() {
            return done;
        }
        std::thread::sleep(GLANCE);
    }
}

/// Tries again while the dead seem to hold what is wanted.
fn again<E>(mut attempt: impl FnMut() -> Result<E, EndpointError>) -> Result<E, EndpointError> {
    let until = soon();
    loop {
        match attempt() {
            Err(EndpointError::Occupied { .. }) if Instant::now() < until => {
                std::thread::sleep(Duration::from_micros(200));
            }
            done => return done,
        }
    }
}

impl<K: Queue> Stage for Queues<'_, K> {
    type Operation = Operation;

    fn name(operation: &Operation) -> (&'static str, Side) {
        (operation.name, operation.side)
    }

    fn renew(&mut self, operation: &Operation) {
        (self.tx, self.rx, self.sleeper) = (None, None, None);
        if let Some(made) = self.made.take() {
            self.place.unlink(&made);
        }
        let mut place = self.place.clone();
        (place.producers, place.consumers) = (operation.places, operation.places);
        self.made = Some(place.create::<K>());
        (self.next, self.life) = (0, 0);
        self.early.clear();
    }

    fn start(&mut self, operation: &Operation) -> Traced {
        self.life += 1;
        self.acted = false;
        // Both are there.
        self.tx();
        self.rx();
        if operation.at_end {
            self.go_to_end();
        }
        self.first = self.next;
        if !operation.dead_first {
            self.send_before(operation);
        }
        if let Some((side, work)) = operation.dead {
            self.make_way(side);
            Traced::start(|mark| work(self.place, u64::from(u16::MAX), mark)).kill();
        }
        if operation.dead_first {
            self.send_before(operation);
        }
        if operation.peer == Peer::Sleeps {
            let side = match operation.side {
                Side::Producer => Side::Consumer,
                Side::Consumer => Side::Producer,
            };
            self.sleeper = Some(self.sleep(side));
        }
        self.make_way(operation.side);
        Traced::start(|mark| (operation.work)(self.place, self.life, mark))
    }

    fn at_futex(&mut self, operation: &Operation) {
        if operation.peer != Peer::Acts || std::mem::replace(&mut self.acted, true) {
            return;
        }
        match operation.side {
            Side::Consumer => self.send(1),
            Side::Producer => {
                for _ in 0..8 {
                    let rx = self.rx();
                    let note = rx.try_pop().expect("the ring was full");
                    let got = (note.whole(), rx.redelivered());
                    self.early.push(got);
                }
            }
        }
    }

    fn check(&mut self, operation: &Operation, reached: Reached) {
        if operation.closes {
            return self.check_closed(operation, reached);
        }
        let (first, most) = (self.first, operation.most);
        let mut got = std::mem::take(&mut self.early);
        let mine = |got: &[Got]| got.iter().filter(|(id, _)| id.who == HERE).count() as u64;
        let all = self.next - first;
        match operation.side {
            Side::Producer => {
                self.tx();
                if operation.before == Before::Full {
                    self.collect(&mut got, |got| mine(got) == all, |_| false);
                }
                self.send(2);
                got.extend(self.woken(Side::Consumer));
            }
            Side::Consumer => {
                self.collect(
                    &mut got,
                    |got| mine(got) == all,
                    |got| mine(got) + most >= all,
                );
                self.woken(Side::Producer);
                self.send(2);
            }
        }
        got.append(&mut self.early);
        let last = (Id::new(HERE, self.next - 1), false);
        self.collect(&mut got, |got| got.contains(&last), |_| false);
        self.balance(operation, reached, &got);
        self.newcomers();
    }
}

/// A role: leads a victim to each place in each operation, kills it there, and sees that the others go on.
pub fn lead<K: Queue>(args: &Args) {
    let place = Place::from_args(args);
    let mut stage = Queues::<K> {
        place: &place,
        made: None,
        tx: None,
        rx: None,
        first: 0,
        next: 0,
        life: 0,
        sleeper: None,
        page: Page::open(args.get("page")),
        acted: false,
        early: Vec::new(),
    };
    let mut operations = operations::<K>();
    operations.retain(|operation| points::is_wanted(args, operation.name));
    points::kill_everywhere(args, &mut stage, &operations);
    let made = stage.made.take().expect("a ring");
    drop(stage);
    place.unlink(&made);
}
