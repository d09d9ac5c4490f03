//! Runs one measurement of a shared ring: parties, a barrier, a checked pass, a timed pass.
//!
//! This thread is the first consumer and keeps the clock, which starts when the first party leaves the barrier and stops when
//! the last message is received (of a broadcast: by the last reader). A party that was not running at the start costs time
//! and gains none.

use super::super::clock::{Alarm, now_ns};
use super::super::engine::Traits;
use super::super::harness::PATIENCE_S;
use super::super::loops::Damaged;
use super::super::pin::Cpus;
use super::super::records::parties;
use super::super::shared::Shared;
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

/// Nanoseconds for `count` messages from all producers together.
pub fn stream<C: Channel>(cpus: Cpus, many: Many, count: u64) -> Result<u64, String> {
    let _alarm = Alarm::after(PATIENCE_S);
    let channel = C::create(many)?;
    let books = books()?;
    let run = Run {
        channel: &channel,
        books: &books,
        many,
        count,
    };
    parties::run_at(
        C::TRAITS.across,
        |which| cpus.home(which + 1),
        many.parties() - 1,
        &books.barrier,
        || {
            run.consume()?;
            if books.timed.sum() == run.expected_sum() {
                Ok(books.timed.elapsed_ns())
            } else {
                Err(String::from("messages were lost, and others came twice"))
            }
        },
        |which| {
            if which < many.producers {
                run.produce(which)
            } else {
                run.consume()
            }
        },
    )
}

/// What every party of a stream knows.
struct Run<'a, C> {
    channel: &'a C,
    books: &'a Books,
    many: Many,
    count: u64,
}

impl<C: Channel> Run<'_, C> {
    fn consume(&self) -> Result<(), String> {
        let end = self.channel.receiver()?;
        let mut receiver = Receiver::new(end, self.many);
        self.meet(1)?;
        receiver.settle();
        self.meet(2)?;
        receiver.receive_numbered(self.books).map_err(|Damaged| {
            "the pass that accounts for every message found one lost, twice, damaged or out of order"
        })?;
        self.meet(3)?;
        self.books.timed.start();
        receiver
            .receive(self.count, self.books)
            .map_err(|Damaged| "a message arrived damaged, twice or out of order")?;
        self.meet(4)
    }

    fn produce(&self, which: u32) -> Result<(), String> {
        let end = self.channel.sender()?;
        let mut sender = Sender::new(end, which, self.many);
        self.meet(1)?;
        sender.settle();
        self.meet(2)?;
        sender.send_numbered(self.many.share(self.many.checked(), which));
        self.meet(3)?;
        self.books.timed.start();
        sender.send(self.many.share(self.count, which));
        self.meet(4)
    }

    /// What the sums of all consumers must add up to.
    fn expected_sum(&self) -> u64 {
        let once = (0..self.many.producers)
            .map(|which| sum_of(which, self.many.share(self.count, which)))
            .fold(0, u64::wrapping_add);
        match self.many.sharing {
            Sharing::Competing => once,
            Sharing::Broadcast => once.wrapping_mul(self.many.consumers.into()),
        }
    }

    fn meet(&self, phase: u32) -> Result<(), String> {
        meet(self.books, phase, self.many.parties())
    }
}

/// Nanoseconds for `count` round trips between one producer and one consumer, one message under way at a time, through one ring
/// per direction.
pub fn round_trips<C: Channel>(cpus: Cpus, many: Many, count: u64) -> Result<u64, String> {
    let _alarm = Alarm::after(PATIENCE_S);
    let (to_far, to_near) = (C::create(many)?, C::create(many)?);
    let books = books()?;
    let warming = many.checked() / 2;
    let damaged = |Damaged| String::from("a message or its answer was damaged");
    parties::run_at(
        C::TRAITS.across,
        |which| cpus.home(which + 1),
        1,
        &books.barrier,
        || {
            let mut back = Receiver::new(to_near.receiver()?, many);
            let mut out = Sender::new(to_far.sender()?, 0, many);
            meet(&books, 1, 2)?;
            back.settle();
            out.settle();
            meet(&books, 2, 2)?;
            ping(&mut out, &mut back, warming).map_err(damaged)?;
            meet(&books, 3, 2)?;
            let start = now_ns();
            let verdict = ping(&mut out, &mut back, count);
            let elapsed = now_ns() - start;
            verdict.map_err(damaged)?;
            meet(&books, 4, 2)?;
            Ok(elapsed)
        },
        |_| {
            let mut back = Receiver::new(to_far.receiver()?, many);
            let mut out = Sender::new(to_near.sender()?, 0, many);
            meet(&books, 1, 2)?;
            back.settle();
            out.settle();
            meet(&books, 2, 2)?;
            echo(&mut out, &mut back, warming).map_err(damaged)?;
            meet(&books, 3, 2)?;
            echo(&mut out, &mut back, count).map_err(damaged)?;
            meet(&books, 4, 2)
        },
    )
}

fn meet(books: &Books, phase: u32, parties: u32) -> Result<(), String> {
    let met = books.barrier.meet_all(phase, parties);
    met.map_err(|gone| gone.to_string())
}

fn books() -> Result<Shared<Books>, String> {
    Shared::new().map_err(|error| format!("shared memory: {error}"))
}
