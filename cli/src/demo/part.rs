//! One process of the demo: the publisher, a strategy, or the gateway. Each checks every byte it reads, and a strategy that
//! was told of a loss checks that it was exactly so many.

use super::market::{self, Order};
use super::report::Reporter;
use crate::args::{DemoPartArgs, DemoRole};
use crate::exit::{Failure, Kind};
use crate::scenario::clock::now_ns;
use annulus::{
    Join, MpscRecords, Peer, PopError, PushError, ReadError, RecordProducer, RecordReader, Wait,
};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// One record in so many makes a strategy send an order.
const ORDER_EVERY: u64 = 50;
/// Records between two rests of the slow strategy.
const SLOW_BATCH: u64 = 64;
/// How many times slower than the publisher it is, or more.
const SLOWNESS: u64 = 3;
/// How long to wait for the others to come, and for a gateway or a reader that does not move.
const PATIENCE: Duration = Duration::from_secs(5);
/// Strategies that the publisher waits for before it begins.
const STRATEGIES: usize = 3;

/// Runs one part.
pub fn run(args: &DemoPartArgs) -> Result<(), Failure> {
    match args.role {
        DemoRole::Publisher => publish(args),
        DemoRole::Gateway => take_orders(args),
        DemoRole::Lossy | DemoRole::Slow | DemoRole::Lossless => trade(args),
    }
}

fn failed(message: impl std::fmt::Display) -> Failure {
    Failure::new(Kind::Failed, message)
}

/// Publishes at the rate that was asked for until the time is over. What is late is published at once.
fn publish(args: &DemoPartArgs) -> Result<(), Failure> {
    let ring = annulus::broadcast_records(&args.feed).open()?;
    let mut tx = ring.producer()?;
    let orders = annulus::mpsc_records(&args.orders).open()?;
    let give_up = Instant::now() + PATIENCE;
    loop {
        // A strategy comes to the orders once it has joined the feed.
        let status = orders.status()?;
        let alive = |end: &&annulus::End| end.state == Peer::Alive;
        if status.producers.iter().filter(alive).count() >= STRATEGIES {
            break;
        }
        if Instant::now() > give_up {
            return Err(failed("the strategies did not come"));
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    let mut reporter = Reporter::new()?;
    let mut record = Vec::new();
    let (begun, every) = (now_ns(), 1_000_000_000 / u64::from(args.rate));
    let end = begun + args.run_ms * 1_000_000;
    for (number, due) in (0..).zip((begun..end).step_by(every as usize)) {
        reporter.tell_if_due(|| tx.reader_lag_bytes())?;
        let early = due.saturating_sub(now_ns());
        if early > 0 {
            std::thread::sleep(Duration::from_nanos(early));
        }
        let now = now_ns();
        if now >= end {
            break;
        }
        market::record(number, now, &mut record);
        let give_up = Instant::now() + PATIENCE;
        while let Err(e) = tx.push_until(&record, Wait::park(), reporter.due()) {
            if e != PushError::TimedOut || Instant::now() > give_up {
                return Err(failed(e));
            }
            reporter.tell_if_due(|| tx.reader_lag_bytes())?;
        }
        reporter.count(now_ns() - now);
    }
    tx.close();
    // The demo itself removes the ring, unless it was killed.
    let _ = ring.unlink();
    reporter.end()
}

/// A strategy's orders.
struct Desk {
    tx: RecordProducer<MpscRecords>,
    strategy: u64,
    sent: u64,
}

impl Desk {
    fn send(&mut self) -> Result<(), Failure> {
        let order = Order {
            sent_ns: now_ns(),
            strategy: self.strategy,
            number: self.sent,
        };
        self.sent += 1;
        let deadline = Instant::now() + PATIENCE;
        let pushed = self
            .tx
            .push_until(&order.to_bytes(), Wait::park(), deadline);
        pushed.map_err(|e| failed(format!("the gateway: {e}")))
    }
}

/// Reads market data until the publisher closes, and sends an order now and then.
fn trade(args: &DemoPartArgs) -> Result<(), Failure> {
    let feed = annulus::broadcast_records(&args.feed).open()?;
    let joined = match args.role {
        DemoRole::Lossless => feed.lossless_reader(Join::Newest),
        _ => feed.reader(Join::Newest),
    };
    let mut rx: RecordReader = joined.map_err(failed)?;
    let orders = annulus::mpsc_records(&args.orders).open()?;
    let mut desk = Desk {
        tx: orders.producer()?,
        strategy: u64::from(std::process::id()),
        sent: 0,
    };
    let mut reporter = Reporter::new()?;
    let mut record = Vec::new();
    // The number of the next record; none is known before the first.
    let mut next: Option<u64> = None;
    let rest = SLOW_BATCH * SLOWNESS * 1_000_000_000 / u64::from(args.rate);
    for count in 1u64.. {
        reporter.tell_if_due(|| rx.lag_bytes())?;
        match rx.read_into_until(&mut record, Wait::park(), reporter.due()) {
            Ok(_) => {
                let now = now_ns();
                let (published, number) =
                    market::check(&record).ok_or_else(|| failed("a record came damaged"))?;
                if next.is_some_and(|next| next != number) {
                    return Err(failed(format!(
                        "record {number} came, but {next:?} was due"
                    )));
                }
                next = Some(number + 1);
                reporter.count(now.saturating_sub(published));
                if number % ORDER_EVERY == 0 {
                    desk.send()?;
                }
            }
            Err(ReadError::Lost(n)) => {
                reporter.lose(n);
                next = next.map(|next| next + n);
            }
            Err(ReadError::TimedOut) => {}
            Err(ReadError::Closed) => break,
            Err(e) => return Err(failed(e)),
        }
        let is_due = args.role == DemoRole::Slow && count % SLOW_BATCH == 0;
        // Once nothing more is published it reads what is left as fast as it can.
        if is_due && rx.producer_state() == Peer::Alive {
            std::thread::sleep(Duration::from_nanos(rest));
        }
    }
    reporter.end()
}

/// Takes orders until somebody closes the ring.
fn take_orders(args: &DemoPartArgs) -> Result<(), Failure> {
    let ring = annulus::mpsc_records(&args.orders).open()?;
    let mut rx = ring.consumer()?;
    let mut reporter = Reporter::new()?;
    let mut record = Vec::new();
    // The number of each strategy's next order.
    let mut next: BTreeMap<u64, u64> = BTreeMap::new();
    loop {
        let lag = || ring.status().map_or(0, |status| status.len);
        reporter.tell_if_due(lag)?;
        match rx.pop_into_until(&mut record, Wait::park(), reporter.due()) {
            Ok(_) => {
                let now = now_ns();
                let order = Order::parse(&record).ok_or_else(|| failed("an order came damaged"))?;
                let due = next.entry(order.strategy).or_default();
                if *due != order.number {
                    return Err(failed("an order is missing, or came twice"));
                }
                *due += 1;
                reporter.count(now.saturating_sub(order.sent_ns));
            }
            // A strategy that was killed does not end the others.
            Err(PopError::TimedOut | PopError::PeerDied) => {}
            Err(PopError::Closed) => break,
            Err(e) => return Err(failed(e)),
        }
    }
    // The demo itself removes the ring, unless it was killed.
    let _ = ring.unlink();
    reporter.end()
}
