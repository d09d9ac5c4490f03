//! The loops that are timed, and the loops that check every byte: one source for all engines.
//!
//! Invariants: an engine waits by its own call for that, if it has one, as in ../loops.rs. Else a waiting party polls with one
//! `spin_loop` per failure and, where there are more parties than cores, gives its core away after `YIELD_AFTER` failures in a
//! row; the same for every engine. Several consumers that compete all poll: none knows which message is the last.

use std::hint::spin_loop;

use super::super::loops::{Damaged, verdict};
use super::super::message::{self, in_turn};
use super::super::opaque::opaque;
use super::books::{Books, CHUNK};
use super::content::{self, Slot, differs, lap, onward, origin, table};
use super::work::{Many, Sharing};

/// Failures in a row after which a crowded party yields.
const YIELD_AFTER: u32 = 100;

/// Whose the core of a party is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Core {
    /// Its own: who waits keeps it.
    Own,
    /// One that it shares, as there are more parties than cores: who waits gives it away after a moment.
    Shared,
}

impl Core {
    /// That of each party of such messages.
    fn of(many: Many) -> Self {
        match many.is_crowded() {
            true => Core::Shared,
            false => Core::Own,
        }
    }
}

/// The sending end of a ring. An end never waits for room itself, unless the engine has no other way.
pub trait Tx {
    /// Called once when everybody is attached, before anything is sent.
    fn settle(&mut self) {}

    /// Copies the message in; false when the ring is full.
    fn try_send(&mut self, message: &Slot) -> bool;

    /// Copies the messages in, or the first few of them, or none; says how many. By the engine's call for several where it has one.
    #[inline(always)]
    fn try_send_many(&mut self, messages: &[Slot]) -> usize {
        let full = messages.iter().position(|message| !self.try_send(message));
        full.unwrap_or(messages.len())
    }

    /// Copies the message in and waits for room.
    #[inline(always)]
    fn send(&mut self, message: &Slot, core: Core) {
        let mut patience = Patience::on(core);
        while !self.try_send(message) {
            patience.wait();
        }
    }

    /// The same for several messages, or the first few of them; says how many.
    #[inline(always)]
    fn send_many(&mut self, messages: &[Slot], core: Core) -> usize {
        let mut patience = Patience::on(core);
        loop {
            let sent = self.try_send_many(messages);
            if sent > 0 {
                return sent;
            }
            patience.wait();
        }
    }
}

/// The receiving end of a ring.
pub trait Rx {
    /// Whether the engine gives out all there is at once and has no cheap call for less; batches then have no meaning here.
    const ALL_AT_ONCE: bool = false;

    /// Called once when everybody is attached, before anything is sent.
    fn settle(&mut self) {}

    /// Copies one message out, hands the copy to `take` and returns true; false when the ring is empty.
    fn try_receive(&mut self, take: &mut impl FnMut(&Slot)) -> bool;

    /// The same for up to `most` messages; says how many. By the engine's call for several where it has one.
    #[inline(always)]
    fn try_receive_many(&mut self, most: usize, take: &mut impl FnMut(&Slot)) -> usize {
        let mut taken = 0;
        while taken < most && self.try_receive(take) {
            taken += 1;
        }
        taken
    }

    /// Waits for a message, copies it out and hands the copy to `take`.
    #[inline(always)]
    fn receive(&mut self, take: &mut impl FnMut(&Slot), core: Core) {
        let mut patience = Patience::on(core);
        while !self.try_receive(take) {
            patience.wait();
        }
    }

    /// The same for up to `most` messages; says how many.
    #[inline(always)]
    fn receive_many(&mut self, most: usize, take: &mut impl FnMut(&Slot), core: Core) -> usize {
        let mut patience = Patience::on(core);
        loop {
            let taken = self.try_receive_many(most, take);
            if taken > 0 {
                return taken;
            }
            patience.wait();
        }
    }
}

/// What a party does when it finds the ring full or empty.
struct Patience {
    failures: u32,
    core: Core,
}

impl Patience {
    fn on(core: Core) -> Self {
        Patience { failures: 0, core }
    }

    #[inline(always)]
    fn wait(&mut self) {
        self.failures += 1;
        if self.core == Core::Shared && self.failures >= YIELD_AFTER {
            self.failures = 0;
            std::thread::yield_now();
        } else {
            spin_loop();
        }
    }
}

/// One producer and what it sends.
pub struct Sender<T> {
    tx: T,
    producer: u32,
    batch: usize,
    table: Box<[Slot]>,
    core: Core,
}

impl<T: Tx> Sender<T> {
    /// Producer `producer` of such messages.
    pub fn new(tx: T, producer: u32, many: Many) -> Self {
        Sender {
            tx,
            producer,
            batch: many.batch as usize,
            table: table(producer),
            core: Core::of(many),
        }
    }

    /// See `Tx::settle`.
    pub fn settle(&mut self) {
        self.tx.settle();
    }

    /// Sends, timed.
    pub fn send(&mut self, count: u64) {
        if self.batch == 1 {
            let (tx, lap) = (&mut self.tx, lap(&self.table));
            // Whose the core is is not to be asked for each message.
            return match self.core {
                Core::Own => in_turn(lap, count, |message| tx.send(opaque(message), Core::Own)),
                Core::Shared => in_turn(lap, count, |message| {
                    tx.send(opaque(message), Core::Shared);
                }),
            };
        }
        let mut at = 0;
        let mut left = count;
        while left > 0 {
            let run = left.min(self.batch as u64) as usize;
            let messages = opaque(&self.table[at..at + run]);
            let sent = self.tx.send_many(messages, self.core);
            at = onward(at, sent);
            left -= sent as u64;
        }
    }

    /// Sends messages that are all different, in runs as long as the timed ones, untimed.
    pub fn send_numbered(&mut self, count: u64) {
        let mut number = 0;
        let mut run = Vec::with_capacity(self.batch);
        let mut patience = Patience::on(self.core);
        while number < count {
            let end = count.min(number + self.batch as u64);
            run.clear();
            run.extend((number..end).map(|number| content::message(self.producer, number)));
            let sent = match &run[..] {
                [one] => usize::from(self.tx.try_send(one)),
                several => self.tx.try_send_many(several),
            };
            if sent == 0 {
                patience.wait();
            }
            number += sent as u64;
        }
    }
}

/// One consumer.
pub struct Receiver<R> {
    rx: R,
    many: Many,
    core: Core,
}

impl<R: Rx> Receiver<R> {
    /// A consumer of such messages.
    pub fn new(rx: R, many: Many) -> Self {
        Receiver {
            rx,
            many,
            core: Core::of(many),
        }
    }

    /// See `Rx::settle`.
    pub fn settle(&mut self) {
        self.rx.settle();
    }

    /// Receives, timed, until all `count` messages have been received; first and last words are compared, and the sum of the
    /// first words is entered.
    pub fn receive(&mut self, count: u64, books: &Books) -> Result<(), Damaged> {
        match self.many.sharing {
            Sharing::Competing => self.compete(count, books),
            Sharing::Broadcast => self.read(count, books),
        }
    }

    fn compete(&mut self, count: u64, books: &Books) -> Result<(), Damaged> {
        let (mut wrong, mut sum) = (0, 0u64);
        let mut take = |slot: &Slot| {
            let slot = opaque(slot);
            wrong |= differs(slot);
            sum = sum.wrapping_add(slot[0]);
        };
        if self.many.consumers == 1 {
            // Only who is alone knows how many are still to come.
            let got = self.await_all(count, &mut take);
            books.timed.enter(got, count)?;
        } else {
            self.take_shares(count, &mut take, books)?;
        }
        books.timed.add(sum);
        verdict(wrong)
    }

    /// Takes messages until all consumers together have `count`.
    fn take_shares(
        &mut self,
        count: u64,
        take: &mut impl FnMut(&Slot),
        books: &Books,
    ) -> Result<(), Damaged> {
        let (mut pending, mut patience) = (0, Patience::on(self.core));
        loop {
            let got = self.take_some(count, take);
            pending += got;
            if pending >= CHUNK || got == 0 && pending > 0 {
                books.timed.enter(pending, count)?;
                pending = 0;
            }
            if got > 0 {
                patience.failures = 0;
            } else if books.timed.is_over(count) {
                return Ok(());
            } else {
                patience.wait();
            }
        }
    }

    fn read(&mut self, count: u64, books: &Books) -> Result<(), Damaged> {
        let table = table(0);
        let (mut wrong, mut sum) = (0, 0u64);
        let mut expected = lap(&table).iter().cycle();
        let mut take = |slot: &Slot| {
            let slot = opaque(slot);
            wrong |= expected
                .next()
                .map_or(1, |expected| message::differs(slot, expected));
            sum = sum.wrapping_add(slot[0]);
        };
        if self.await_all(count, &mut take) > count {
            return Err(Damaged);
        }
        books.timed.end();
        books.timed.add(sum);
        verdict(wrong)
    }

    /// Receives what `send_numbered` of every producer sent, compares every byte, and accounts for every message: none is
    /// invented, none comes twice, each producer's come in order; and the pass does not end before all have come.
    pub fn receive_numbered(&mut self, books: &Books) -> Result<(), Damaged> {
        let many = self.many;
        let count = many.checked();
        let mut next = vec![0; many.producers as usize];
        let (mut received, mut patience) = (0, Patience::on(self.core));
        loop {
            let mut verdict = Ok(());
            let got = self.take_some(count - received, &mut |slot| {
                verdict = verdict.and_then(|()| account(slot, many, &mut next, books));
            });
            verdict?;
            received += got;
            if many.sharing == Sharing::Competing && got > 0 {
                books.checked.enter(got, count)?;
            }
            let over = match many.sharing {
                Sharing::Competing => books.checked.is_over(count),
                Sharing::Broadcast => received >= count,
            };
            match (over, got) {
                (true, _) if received > count => return Err(Damaged),
                (true, _) => return Ok(()),
                (false, 0) => patience.wait(),
                (false, _) => (),
            }
        }
    }

    /// Waits for `count` messages and says how many it took; more only if the engine gives more than was asked for.
    #[inline(always)]
    fn await_all(&mut self, count: u64, take: &mut impl FnMut(&Slot)) -> u64 {
        if self.many.batch == 1 && !R::ALL_AT_ONCE {
            match self.core {
                Core::Own => (0..count).for_each(|_| self.rx.receive(take, Core::Own)),
                Core::Shared => (0..count).for_each(|_| self.rx.receive(take, Core::Shared)),
            }
            return count;
        }
        let mut got = 0;
        while got < count {
            got += self.await_some(count - got, take);
        }
        got
    }

    /// Waits for messages and takes a batch, and never more than `left`.
    #[inline(always)]
    fn await_some(&mut self, left: u64, take: &mut impl FnMut(&Slot)) -> u64 {
        if self.many.batch == 1 && !R::ALL_AT_ONCE {
            self.rx.receive(take, self.core);
            return 1;
        }
        let most = match R::ALL_AT_ONCE {
            true => left,
            false => left.min(self.many.batch.into()),
        };
        self.rx.receive_many(most as usize, take, self.core) as u64
    }

    /// Takes a batch, and never more than `left`.
    #[inline(always)]
    fn take_some(&mut self, left: u64, take: &mut impl FnMut(&Slot)) -> u64 {
        if R::ALL_AT_ONCE {
            self.rx.try_receive_many(left as usize, take) as u64
        } else if self.many.batch == 1 {
            u64::from(self.rx.try_receive(take))
        } else {
            let most = left.min(self.many.batch.into()) as usize;
            self.rx.try_receive_many(most, take) as u64
        }
    }
}

/// Checks one message of the untimed pass; `next` has the least number that each producer's next message may have.
fn account(slot: &Slot, many: Many, next: &mut [u64], books: &Books) -> Result<(), Damaged> {
    let (producer, number) = origin(slot);
    let least = next.get_mut(producer).ok_or(Damaged)?;
    if *slot != content::message(producer as u32, number) {
        return Err(Damaged);
    }
    match many.sharing {
        Sharing::Competing if number >= *least => books.tick(many, producer, number)?,
        Sharing::Broadcast if number == *least => (),
        _ => return Err(Damaged),
    }
    *least = number + 1;
    Ok(())
}

/// Sends and waits for the answer, which is the same message, timed; first and last words are compared.
pub fn ping<T: Tx, R: Rx>(
    out: &mut Sender<T>,
    back: &mut Receiver<R>,
    count: u64,
) -> Result<(), Damaged> {
    let mut wrong = 0;
    in_turn(lap(&out.table), count, |message| {
        out.tx.send(opaque(message), out.core);
        wrong |= back.receive_one(message);
    });
    verdict(wrong)
}

/// The other half of `ping`: compares what arrives and answers it out of this side's own table, as in ../records/loops.rs.
pub fn echo<T: Tx, R: Rx>(
    out: &mut Sender<T>,
    back: &mut Receiver<R>,
    count: u64,
) -> Result<(), Damaged> {
    let mut wrong = 0;
    in_turn(lap(&out.table), count, |message| {
        wrong |= back.receive_one(message);
        out.tx.send(opaque(message), out.core);
    });
    verdict(wrong)
}

impl<R: Rx> Receiver<R> {
    /// Takes one message; zero when it is the expected one.
    #[inline(always)]
    fn receive_one(&mut self, expected: &Slot) -> u64 {
        let mut wrong = 0;
        let mut take = |slot: &Slot| {
            let slot = opaque(slot);
            wrong = differs(slot) | (slot[0] ^ expected[0]);
        };
        self.await_some(1, &mut take);
        wrong
    }
}

#[cfg(test)]
#[path = "loops_tests.rs"]
mod tests;
