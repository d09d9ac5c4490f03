//! The two ends of a ring that is killed at random: each keeps its part of the ledger.

use crate::common::child::{self, Args};
use crate::common::rng::Rng;
use crate::common::take;
use crate::ledger::{self, Ledger, Note};
use crate::payload::{self, Id, LONGEST, SHORTEST};
use crate::ring::{self, Records, Sort, now_ns};
use annulus::{Peer, PopError, PushError, RecordConsumer, RecordProducer, TryPushError, Wait};

/// The ring and the ledger of a role.
fn begin(args: &Args) -> (Records, Ledger, Rng) {
    let ledger = Ledger::open(args.get("page"), args.number("lives"));
    (
        Records::from_args(args),
        ledger,
        Rng::new(args.number("seed")),
    )
}

/// One life of a producer.
struct Life<'a, K: Sort> {
    tx: RecordProducer<K>,
    ledger: &'a Ledger,
    rng: Rng,
    who: u64,
    life: u64,
    next: u64,
    wait: Wait,
    /// Of 64 steps so many take their time with a claim in hand.
    slow: u64,
}

/// A role: produces for ever, in all the ways there are, until told to stop.
pub fn produce<K: Sort>(args: &Args) {
    let (ring, ledger, rng) = begin(args);
    let (tx, took) = ring::producer(&ring.open::<K>(""));
    ledger.keep_largest(ledger::ATTACH_NS, took.as_nanos() as u64);
    let mut life = Life {
        tx,
        ledger: &ledger,
        rng,
        who: args.number("who"),
        life: args.number("life"),
        next: 0,
        wait: ring.spec.waits.wait(),
        slow: 1,
    };
    // Some lives fill the ring, others mostly have a claim in hand.
    life.slow = life.rng.pick(&[1, 16, 48]);
    child::report("running");
    while ledger.page.get(ledger::STOP) == 0 {
        match life.step() {
            // A consumer will come.
            Ok(()) | Err(PushError::PeerDied) => {}
            Err(e) => panic!("producer: {e}"),
        }
    }
    child::report("done");
}

impl<K: Sort> Life<'_, K> {
    /// Writes the next record but `k` into `bytes`.
    fn fill(&self, k: u64, tag: u16, bytes: &mut [u8]) {
        let (who, life, number) = (self.who, self.life, self.next + k);
        payload::fill(Id { who, life, number }, tag, bytes);
    }

    fn attempt(&self, n: u64) {
        self.ledger
            .set(Note::Attempted, self.who, self.life, self.next + n);
    }

    fn committed(&mut self, n: u64) {
        self.next += n;
        self.ledger
            .set(Note::Committed, self.who, self.life, self.next);
    }

    fn length(&mut self) -> usize {
        let spread = if self.rng.below(32) == 0 { 1900 } else { 177 };
        24 + self.rng.below(spread) as usize
    }

    /// Sends something in some way.
    fn step(&mut self) -> Result<(), PushError> {
        let (len, tag) = (self.length(), self.rng.next() as u16);
        let mut buffer = [0; LONGEST];
        let bytes = &mut buffer[..len];
        self.fill(0, tag, bytes);
        if self.rng.below(64) < self.slow {
            return self.hold(tag, bytes);
        }
        match self.rng.below(64) {
            0..2 => {
                let loan = self.tx.claim_for(len, self.wait)?;
                drop(loan);
                return Ok(());
            }
            2..6 => {
                self.attempt(1);
                let mut loan = self.tx.claim_for(len + 77, self.wait)?;
                loan.write_at(0, bytes);
                loan.set_tag(tag);
                loan.commit_len(len);
            }
            6..10 => {
                self.attempt(1);
                let (a, b) = bytes.split_at(len / 3);
                self.tx.push_vectored(tag, &[a, b], self.wait)?;
            }
            10..14 => return self.run(),
            _ => {
                self.attempt(1);
                self.tx.push_tagged(tag, bytes, self.wait)?;
            }
        }
        self.committed(1);
        Ok(())
    }

    /// Takes its time between the claim, the two halves of the record and the commit.
    fn hold(&mut self, tag: u16, bytes: &[u8]) -> Result<(), PushError> {
        self.attempt(1);
        let pause_ns = self.rng.below(20_000);
        let pause = || {
            let until = now_ns() + pause_ns;
            while now_ns() < until {
                std::hint::spin_loop();
            }
        };
        let mut loan = self.tx.claim_for(bytes.len(), self.wait)?;
        self.ledger.hold(self.who, true);
        pause();
        let half = bytes.len() / 2;
        loan.write_at(0, &bytes[..half]);
        pause();
        loan.write_at(half, &bytes[half..]);
        loan.set_tag(tag);
        pause();
        self.ledger.hold(self.who, false);
        loan.commit();
        self.committed(1);
        Ok(())
    }

    /// Sends several records at one go, as many as fit.
    fn run(&mut self) -> Result<(), PushError> {
        let n = 1 + self.rng.below(8);
        let records: Vec<Vec<u8>> = (0..n)
            .map(|k| {
                let mut bytes = vec![0; self.length()];
                self.fill(k, 0, &mut bytes);
                bytes
            })
            .collect();
        let records: Vec<&[u8]> = records.iter().map(Vec::as_slice).collect();
        self.attempt(n);
        match self.tx.try_push_many(&records) {
            Ok(sent) => self.committed(sent as u64),
            Err(TryPushError::Full) => std::thread::yield_now(),
            Err(e) => panic!("producer: {e}"),
        }
        Ok(())
    }
}

/// The consumer's clock: how long the survivors of a kill were silent.
struct Silence<'a> {
    ledger: &'a Ledger,
    kill: u64,
    victims: u64,
    last_ns: u64,
}

impl Silence<'_> {
    /// A record of producer `who` came.
    fn broken_by(&mut self, who: u64) {
        let page = &self.ledger.page;
        let kill = page.get(ledger::KILL);
        if kill != self.kill {
            (self.kill, self.victims) = (kill, page.get(ledger::VICTIMS));
        }
        if self.victims >> who & 1 == 1 {
            return;
        }
        let now = now_ns();
        if self.last_ns > 0 {
            self.ledger.add_silence(kill, now - self.last_ns);
        }
        self.last_ns = now;
        if page.get(ledger::PASSED) < kill && page.get(ledger::DEAD) == kill {
            let since = now.saturating_sub(page.get(ledger::DEAD_AT));
            page.set(ledger::PASSED_NS, since);
            page.set(ledger::PASSED, kill);
        }
    }
}

/// A role: consumes until the ring is closed, writing down each record while it is in hand.
pub fn consume<K: Sort>(args: &Args) {
    let (ring, ledger, mut rng) = begin(args);
    let mut rx = take(|| ring.open::<K>("").consumer());
    let after_death = rx.predecessor() == Peer::Died;
    child::report("running");
    let mut first = true;
    let mut silence = Silence {
        ledger: &ledger,
        kill: 0,
        victims: 0,
        last_ns: 0,
    };
    loop {
        let wait = ring.spec.waits.wait();
        match look(&mut rx, &mut rng, wait, |record, len| {
            ledger.log(record, len, first && after_death);
            first = false;
            silence.broken_by(record.map_or(0, |id| id.who));
        }) {
            Ok(()) | Err(PopError::PeerDied) => {}
            Err(PopError::Closed) => break,
            Err(e) => panic!("consumer: {e}"),
        }
    }
    child::report("done");
}

/// Takes a record, or a few, and shows each to `log` while it is in hand.
fn look(
    rx: &mut RecordConsumer,
    rng: &mut Rng,
    wait: Wait,
    mut log: impl FnMut(Option<Id>, usize),
) -> Result<(), PopError> {
    let mut buffer = [0; LONGEST];
    let mut show = |sample: &annulus::RecordSample<'_>| {
        let n = sample.copy_to(&mut buffer);
        let whole = n == sample.len() && n >= SHORTEST;
        let id = whole.then(|| payload::read(sample.tag(), &buffer[..n]));
        log(id.flatten(), sample.len());
    };
    if rng.below(16) == 0 {
        let mut drain = rx.drain(8);
        while let Some(sample) = drain.next_sample() {
            show(&sample);
        }
    }
    show(&rx.sample(wait)?);
    Ok(())
}
