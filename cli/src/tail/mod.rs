//! `tail`: the records of a ring as they pass.
//!
//! Without `--take` nothing is taken and nobody is held up. With it this process is the ring's consumer; the end record of
//! a stream of `annulus send` it leaves, so that no sender takes its stream for received.

mod show;
mod source;

use crate::args::{Begin, TailArgs};
use crate::exit::{Failure, Kind};
use crate::stream::TICK;
use crate::{place, sys, words};
use annulus::{Messages, OpenError, Parties, Status};
use show::Show;
use source::{Missed, Next, Source};
use std::time::{Duration, Instant};

/// The first pause when there is nothing to look at, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_micros(100), Duration::from_millis(10));

/// Runs the command.
pub fn run(args: &TailArgs) -> Result<(), Failure> {
    let name = &args.name;
    let (backing, status) = place::find(name, args.backing, |backing| {
        annulus::inspect(backing, name)
    })?;
    sys::catch_stop_signals();
    let mut show = Show::new(args, &status)?;
    let mut source: Box<dyn Source> = match (args.take, status.parties, status.messages) {
        (true, Parties::Broadcast, _) => return Err(cannot_take(name)),
        (true, parties, Messages::Slots) if parties != Parties::Spsc => {
            return Err(source::not_taken_here(name));
        }
        (true, _, Messages::Slots) => Box::new(source::Slots::take(backing, name)?),
        (true, Parties::Spsc, _) => {
            let ring = annulus::spsc_records(name)
                .backing(backing)
                .owned_by_anyone()
                .open()?;
            Box::new(source::Records::take(ring, name)?)
        }
        (true, _, _) => {
            let ring = annulus::mpsc_records(name)
                .backing(backing)
                .owned_by_anyone()
                .open()?;
            Box::new(source::Records::take(ring, name)?)
        }
        (false, Parties::Spsc, Messages::Records) => {
            let mut observer = annulus::observe(backing, name)?;
            if args.from == Some(Begin::Newest) {
                observer.skip_to_newest();
            }
            Box::new(observer)
        }
        (false, Parties::Broadcast, Messages::Records) => {
            let ring = annulus::broadcast_records(name)
                .backing(backing)
                .owned_by_anyone()
                .open()?;
            let from = args.from.unwrap_or(Begin::Oldest);
            Box::new(source::Reading::begin(&ring, name, from)?)
        }
        (false, ..) => return Err(cannot_look_on(name, &status)),
    };
    let is_over = || match annulus::inspect(backing, name) {
        Ok(now) => now.instance != status.instance || now.consumers[0].closed,
        Err(e) => matches!(e, OpenError::NotFound { .. }),
    };
    pump(source.as_mut(), &mut show, args.count, is_over)
}

/// Shows what comes, until `count` records were shown or nothing more comes. `is_over`: the ring is gone, or closed by its
/// consumer, so that nothing more will be sent.
fn pump(
    source: &mut dyn Source,
    show: &mut Show,
    count: Option<u64>,
    is_over: impl Fn() -> bool,
) -> Result<(), Failure> {
    let mut left = count.unwrap_or(u64::MAX);
    let mut record = Vec::new();
    let mut idle = Idle::new();
    let mut last_look = false;
    while left > 0 {
        if let Some(signal) = sys::stop_signal() {
            show.flush()?;
            return Err(Failure::new(Kind::Signal(signal), ""));
        }
        match source.next(&mut record)? {
            Next::Record(about) => {
                left -= u64::from(show.record(about, &record)?);
                idle = Idle::new();
            }
            Next::Missed(missed) => {
                show.flush()?;
                let what = match missed {
                    Missed::Bytes(n) => format!("{} bytes of records", words::grouped(n)),
                    Missed::Records(n) => format!("{} records", words::grouped(n)),
                };
                words::tell(&format!(
                    "missed {what}: they passed faster than they were shown"
                ));
            }
            Next::End => break,
            // What was sent before it was over has been seen by now.
            Next::Nothing if last_look => break,
            Next::Nothing => {
                show.flush()?;
                last_look = idle.rest() && is_over();
            }
        }
    }
    show.flush()
}

/// Waiting for records that nobody announces.
struct Idle {
    pause: Duration,
    tick: Instant,
}

impl Idle {
    fn new() -> Self {
        Self {
            pause: PAUSES.0,
            tick: Instant::now() + TICK,
        }
    }

    /// Rests for a moment. `true` now and then: it is time to ask whether there is still something to wait for.
    fn rest(&mut self) -> bool {
        std::thread::sleep(self.pause);
        self.pause = (2 * self.pause).min(PAUSES.1);
        let due = Instant::now() >= self.tick;
        if due {
            self.tick = Instant::now() + TICK;
        }
        due
    }
}

fn cannot_take(name: &str) -> Failure {
    let message = format!(
        "{name} is a broadcast, of which nothing can be taken: leave --take out, and everybody sees what passes"
    );
    Failure::new(Kind::Usage, message)
}

fn cannot_look_on(name: &str, status: &Status) -> Failure {
    let why = match status.messages {
        Messages::Slots => "a ring of slots, whose consumer frees what it has read",
        _ => "a ring of many producers, whose consumer wipes what it has read",
    };
    let message = format!(
        "{name} is {why}, so nobody can look on; annulus tail --take {name} takes the records, as its consumer"
    );
    Failure::new(Kind::Ring, message)
}
