//! The demo's two ends, each in a process of its own.
//!
//! A message is 7 words: number, time it was due (0: not timed), five words that depend on the number. The consumer has
//! every message in full and checks every word.

use super::CAPACITY;
use super::report::{Report, Span};
use crate::args::{DemoEndArgs, DemoRole};
use crate::exit::{Failure, Kind, stdout_failed};
use crate::scenario::clock::now_ns;
use crate::scenario::pin::pin_to;
use crate::sys;
use annulus::{Peer, PopError};
use hdrhistogram::Histogram;
use std::fs::File;
use std::hint::{black_box, spin_loop};
use std::io::{ErrorKind, Read, Write};
use std::os::fd::AsFd;
use std::time::Duration;

/// What is sent: 56 bytes.
pub type Message = [u64; 7];

/// At full speed one message in so many is timed. A power of two.
const SAMPLE: u64 = 1024;
/// Time between reports.
const MOMENT_NS: u64 = 100_000_000;
/// What comes first warms caches up and is not counted.
const WARMING_NS: u64 = 20_000_000;
/// How long the producer waits for the consumer to come.
const PATIENCE_NS: u64 = 5_000_000_000;
/// Times longer than this count as this.
const LONGEST_NS: u64 = 60_000_000_000;

/// Runs one end.
pub fn run(args: &DemoEndArgs) -> Result<(), Failure> {
    if let Some(cpu) = args.cpu {
        pin_to(cpu).map_err(|e| failed(format!("pinning to core {cpu}: {e}")))?;
    }
    match (args.role, &args.ring) {
        (DemoRole::Producer, Some(name)) => produce_to_ring(name, args),
        (DemoRole::Consumer, Some(name)) => consume_from_ring(name, args),
        (DemoRole::Producer, None) => produce_to_pipe(args),
        (DemoRole::Consumer, None) => consume_from_pipe(),
    }
}

fn failed(message: impl std::fmt::Display) -> Failure {
    Failure::new(Kind::Failed, message)
}

#[inline(always)]
fn message_of(number: u64, due_ns: u64) -> Message {
    let mixed = number.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    [number, due_ns, mixed, !mixed, mixed, !mixed, !number]
}

/// Sends until the time is over.
#[inline(always)]
fn produce(
    args: &DemoEndArgs,
    mut push: impl FnMut(&Message) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let begun = now_ns();
    let end = begun + args.run_ms * 1_000_000;
    if args.every_ns > 0 {
        let times = (begun..end).step_by(args.every_ns as usize);
        for (number, due) in (0..).zip(times) {
            while now_ns() < due {
                spin_loop();
            }
            push(&message_of(number, due))?;
        }
        return Ok(());
    }
    for number in 0.. {
        let mut due = 0;
        if number % SAMPLE == 0 {
            due = now_ns();
            if due >= end {
                break;
            }
        }
        push(black_box(&message_of(number, due)))?;
    }
    Ok(())
}

/// Receives until there is no more, and reports.
#[inline(always)]
fn consume(mut pop: impl FnMut() -> Result<Option<Message>, Failure>) -> Result<(), Failure> {
    let mut reporter: Option<Reporter> = None;
    let mut number = 0u64;
    while let Some(message) = pop()? {
        black_box(&message);
        if message != message_of(number, message[1]) {
            return Err(failed(format!(
                "message {number} arrived damaged or out of order"
            )));
        }
        number += 1;
        if message[1] != 0 {
            let now = now_ns();
            match &mut reporter {
                Some(reporter) => reporter.timed(now, now.saturating_sub(message[1]), number)?,
                None => reporter = Some(Reporter::new(now)?),
            }
        }
    }
    match reporter {
        Some(reporter) => reporter.end(number),
        None => Err(failed("no message came")),
    }
}

/// Keeps the times and tells the demo.
struct Reporter {
    begun: u64,
    /// Where the counting began, once it has.
    counted_from: Option<(u64, u64)>,
    /// The last report: when, and at which message.
    told: (u64, u64),
    /// The last timed message.
    last: (u64, u64),
    moment: Histogram<u64>,
    whole: Histogram<u64>,
}

impl Reporter {
    fn new(now: u64) -> Result<Self, Failure> {
        let histogram = || Histogram::new_with_bounds(1, LONGEST_NS, 3).map_err(failed);
        Ok(Self {
            begun: now,
            counted_from: None,
            told: (now, 0),
            last: (now, 0),
            moment: histogram()?,
            whole: histogram()?,
        })
    }

    /// Message `count` came at `now`, `took_ns` after it was due.
    fn timed(&mut self, now: u64, took_ns: u64, count: u64) -> Result<(), Failure> {
        if now - self.begun < WARMING_NS {
            return Ok(());
        }
        if self.counted_from.is_none() {
            self.counted_from = Some((now, count));
            self.told = (now, count);
        }
        self.last = (now, count);
        self.moment.saturating_record(took_ns.max(1));
        if now - self.told.0 >= MOMENT_NS {
            let (then, before) = self.told;
            tell(&Report::new(
                Span::Moment,
                now - then,
                count - before,
                &self.moment,
            ))?;
            self.whole.add(&self.moment).map_err(failed)?;
            self.moment.reset();
            self.told = (now, count);
        }
        Ok(())
    }

    fn end(mut self, count: u64) -> Result<(), Failure> {
        self.whole.add(&self.moment).map_err(failed)?;
        let (then, before) = self.counted_from.unwrap_or((self.begun, 0));
        let (now, until) = match self.counted_from {
            Some(_) => self.last,
            // Over before it was warm.
            None => (now_ns(), count),
        };
        tell(&Report::new(
            Span::Whole,
            now - then,
            until - before,
            &self.whole,
        ))
    }
}

fn tell(report: &Report) -> Result<(), Failure> {
    let line = serde_json::to_string(report).map_err(failed)?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")
        .and_then(|()| out.flush())
        .map_err(stdout_failed)
}

fn produce_to_ring(name: &str, args: &DemoEndArgs) -> Result<(), Failure> {
    let wait = args.wait.strategy();
    let mut tx = annulus::spsc::<Message>(name).open()?.producer()?;
    let give_up = now_ns() + PATIENCE_NS;
    while tx.consumer_state() != Peer::Alive {
        if now_ns() > give_up {
            return Err(failed("the consumer did not come"));
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    produce(args, |message| tx.push(message, wait).map_err(failed))?;
    tx.close();
    Ok(())
}

fn consume_from_ring(name: &str, args: &DemoEndArgs) -> Result<(), Failure> {
    let wait = args.wait.strategy();
    let ring = annulus::spsc::<Message>(name).open()?;
    let mut rx = ring.consumer()?;
    let consumed = consume(|| match rx.pop(wait) {
        Ok(message) => Ok(Some(message)),
        Err(PopError::Closed) => Ok(None),
        Err(e) => Err(failed(e)),
    });
    // The demo itself removes the ring, unless it was killed.
    let _ = ring.unlink();
    consumed
}

fn produce_to_pipe(args: &DemoEndArgs) -> Result<(), Failure> {
    let out = std::io::stdout()
        .as_fd()
        .try_clone_to_owned()
        .map_err(failed)?;
    sys::grow_pipe(out.as_fd(), CAPACITY as usize * size_of::<Message>());
    let mut out = File::from(out);
    produce(args, |message| {
        let mut bytes = [0; size_of::<Message>()];
        for (at, word) in bytes.chunks_exact_mut(8).zip(message) {
            at.copy_from_slice(&word.to_ne_bytes());
        }
        out.write_all(&bytes).map_err(failed)
    })
}

fn consume_from_pipe() -> Result<(), Failure> {
    let input = std::io::stdin()
        .as_fd()
        .try_clone_to_owned()
        .map_err(failed)?;
    let mut input = File::from(input);
    consume(|| {
        let mut bytes = [0; size_of::<Message>()];
        match input.read_exact(&mut bytes) {
            Ok(()) => {}
            Err(e) if e.kind() == ErrorKind::UnexpectedEof => return Ok(None),
            Err(e) => return Err(failed(e)),
        }
        let mut message: Message = [0; 7];
        for (word, at) in message.iter_mut().zip(bytes.chunks_exact(8)) {
            *word = u64::from_ne_bytes(at.try_into().unwrap_or_default());
        }
        Ok(Some(message))
    })
}
