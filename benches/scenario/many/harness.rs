//! Runs one measurement of a shared ring: parties, meetings, a checked pass, timed slices.
//!
//! This thread is the first consumer and keeps the clock, which starts when the first party leaves a meeting and stops when
//! the last message is received (of a broadcast: by the last reader). A party that was not running at the start costs time
//! and gains none.

use super::super::clock::Alarm;
use super::super::engine::Traits;
use super::super::harness::PATIENCE_S;
use super::super::loops::Damaged;
use super::super::pin::Cpus;
use super::super::records::parties;
use super::super::shared::Shared;
use super::super::slices::{Party, Plan, Slice, clocked};
use super::books::Books;
use super::content::sum_of;
use super::loops::{Receiver, Rx, Sender, Tx, echo, ping};
use super::work::{Many, Sharing};

/// A ring, not yet attached.
pub trait Channel: Sized + Sync {
    /// What the engine is.
    const TRAITS: Traits;
    /// A producer's end.
    type Tx: Tx;
    /// A consumer's end.
    type Rx: Rx;

    /// Whether it can carry such traffic.
    fn carries(many: Many) -> bool;
    /// Makes the ring, before any process is forked.
    fn create(many: Many) -> Result<Self, String>;
    /// Attaches a producer; called once by each, in its own process or thread.
    fn sender(&self) -> Result<Self::Tx, String>;
    /// Attaches a consumer; called once by each, in its own process or thread, before any message is sent.
    fn receiver(&self) -> Result<Self::Rx, String>;
}

/// Streams of `plan.count` messages from all producers together.
pub fn stream<C: Channel>(cpus: Cpus, many: Many, plan: Plan) -> Result<Vec<Slice>, String> {
    let _alarm = Alarm::after(PATIENCE_S);
    let channel = C::create(many)?;
    let books = books()?;
    let run = Run {
        channel: &channel,
        books: &books,
        many,
        plan,
    };
    parties::run_at(
        C::TRAITS.across,
        |which| cpus.home(which + 1),
        many.parties() - 1,
        &books.court.barrier,
        || {
            let (mut party, mut receiver) = run.consumer()?;
            party.timed(plan, |party| {
                run.receive(&mut receiver, party)?;
                run.account()
            })
        },
        |which| {
            if which < many.producers {
                return run.produce(which);
            }
            let (mut party, mut receiver) = run.consumer()?;
            party.beside(plan, |party| run.receive(&mut receiver, party))
        },
    )
}

/// What every party of a stream knows.
struct Run<'a, C> {
    channel: &'a C,
    books: &'a Books,
    many: Many,
    plan: Plan,
}

impl<'a, C: Channel> Run<'a, C> {
    /// Attaches a consumer, for which the untimed pass is over.
    fn consumer(&self) -> Result<(Party<'a>, Receiver<C::Rx>), String> {
        let mut party = self.books.court.party(self.many.parties());
        let mut receiver = Receiver::new(self.channel.receiver()?, self.many);
        party.meet()?;
        receiver.settle();
        party.meet()?;
        receiver.receive_numbered(self.books).map_err(|Damaged| {
            "the pass that accounts for every message found one lost, twice, damaged or out of order"
        })?;
        Ok((party, receiver))
    }

    /// One slice of a consumer; when it is over it is so for everybody.
    fn receive(&self, receiver: &mut Receiver<C::Rx>, party: &mut Party<'_>) -> Result<(), String> {
        self.books.timed.start();
        receiver
            .receive(self.plan.count, self.books)
            .map_err(|Damaged| "a message arrived damaged, twice or out of order")?;
        party.meet()
    }

    /// What a slice took that is over for everybody.
    fn account(&self) -> Result<u64, String> {
        let timed = &self.books.timed;
        if timed.sum() != self.expected_sum() {
            return Err(String::from("messages were lost, and others came twice"));
        }
        let elapsed = timed.elapsed_ns();
        timed.clear();
        Ok(elapsed)
    }

    fn produce(&self, which: u32) -> Result<(), String> {
        let mut party = self.books.court.party(self.many.parties());
        let mut sender = Sender::new(self.channel.sender()?, which, self.many);
        party.meet()?;
        sender.settle();
        party.meet()?;
        sender.send_numbered(self.many.share(self.many.checked(), which));
        party.beside(self.plan, |party| {
            self.books.timed.start();
            sender.send(self.many.share(self.plan.count, which));
            party.meet()
        })
    }

    /// What the sums of all consumers must add up to.
    fn expected_sum(&self) -> u64 {
        let once = (0..self.many.producers)
            .map(|which| sum_of(which, self.many.share(self.plan.count, which)))
            .fold(0, u64::wrapping_add);
        match self.many.sharing {
            Sharing::Competing => once,
            Sharing::Broadcast => once.wrapping_mul(self.many.consumers.into()),
        }
    }
}

/// Series of `plan.count` round trips between one producer and one consumer, one message under way at a time, through one ring
/// per direction.
pub fn round_trips<C: Channel>(cpus: Cpus, many: Many, plan: Plan) -> Result<Vec<Slice>, String> {
    let _alarm = Alarm::after(PATIENCE_S);
    let (to_far, to_near) = (C::create(many)?, C::create(many)?);
    let books = books()?;
    let warming = many.checked() / 2;
    let damaged = |Damaged| String::from("a message or its answer was damaged");
    parties::run_at(
        C::TRAITS.across,
        |which| cpus.home(which + 1),
        1,
        &books.court.barrier,
        || {
            let mut party = books.court.party(2);
            let mut back = Receiver::new(to_near.receiver()?, many);
            let mut out = Sender::new(to_far.sender()?, 0, many);
            party.meet()?;
            back.settle();
            out.settle();
            party.meet()?;
            ping(&mut out, &mut back, warming).map_err(damaged)?;
            party.timed(plan, |_| {
                clocked(|| ping(&mut out, &mut back, plan.count)).map_err(damaged)
            })
        },
        |_| {
            let mut party = books.court.party(2);
            let mut back = Receiver::new(to_far.receiver()?, many);
            let mut out = Sender::new(to_near.sender()?, 0, many);
            party.meet()?;
            back.settle();
            out.settle();
            party.meet()?;
            echo(&mut out, &mut back, warming).map_err(damaged)?;
            party.beside(plan, |_| {
                echo(&mut out, &mut back, plan.count).map_err(damaged)
            })
        },
    )
}

fn books() -> Result<Shared<Books>, String> {
    Shared::new().map_err(|error| format!("shared memory: {error}"))
}
