//! What readers of our broadcast cost its producer when they do not read: attached and asleep, or stopped.
//!
//! All readers are lossy and live in one other process. Beside them stand a ring without readers and one with a reader that reads. Nobody has
//! to receive anything, so the figure is the producer's alone. Invariant: afterwards every reader finds that what it read and what it is
//! told it lost are together what was published.

use std::hint::spin_loop;
use std::io::{PipeReader, Read, Write, pipe};
use std::sync::atomic::Ordering;

use annulus::{Broadcast, Join, Options, Reader, TryReadError};

use super::{Work, fresh_name, traits};
use crate::scenario::child::{self, Child};
use crate::scenario::clock::{Alarm, now_ns};
use crate::scenario::engine::{Across, Engine, Traits, Wait, WrittenIn};
use crate::scenario::harness::CAPACITY;
use crate::scenario::many::content::{BYTES, Slot, differs, onward, table};
use crate::scenario::opaque::opaque;
use crate::scenario::pin::{Cpus, pin_to};
use crate::scenario::shared::{Barrier, Line, Shared};
use crate::scenario::slices::{Plan, Slice};
use crate::scenario::traffic::{Description, Traffic};

/// Messages published before the clock starts: two laps.
const WARMING: u64 = 2 * CAPACITY as u64;
/// Seconds after which a measurement is given up.
const PATIENCE_S: u32 = 60;

/// Who is attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Readers {
    /// Nobody.
    Nobody,
    /// So many, whose process sleeps.
    Asleep(u32),
    /// One that reads.
    Reading,
    /// One whose process is stopped (SIGSTOP).
    Stopped,
}

impl Readers {
    /// What is measured.
    pub const ALL: [Readers; 7] = [
        Readers::Nobody,
        Readers::Asleep(1),
        Readers::Asleep(8),
        Readers::Asleep(64),
        Readers::Asleep(200),
        Readers::Reading,
        Readers::Stopped,
    ];

    const fn count(self) -> u32 {
        match self {
            Readers::Nobody => 0,
            Readers::Asleep(count) => count,
            Readers::Reading | Readers::Stopped => 1,
        }
    }
}

impl Traffic for Readers {
    fn shortest_stream(self) -> u64 {
        WARMING
    }

    /// Nobody receives.
    fn is_between_two(self) -> bool {
        false
    }

    fn has_round_trips(self) -> bool {
        false
    }

    fn described(self) -> Description {
        Description {
            kind: "broadcast",
            element: "slots",
            payload_bytes: BYTES as u64,
            payload: None,
            producers: 1,
            consumers: u32::from(self == Readers::Reading),
            batch: 1,
            note: Some(match self {
                Readers::Nobody => String::from("no reader attached"),
                Readers::Asleep(count) => format!("{count} lossy attached and asleep"),
                Readers::Reading => String::from("1 lossy attached and reading"),
                Readers::Stopped => String::from("1 lossy attached and stopped"),
            }),
        }
    }
}

/// Our broadcast.
pub struct Publisher;

impl Engine<Work> for Publisher {
    fn traits(&self) -> Traits {
        traits("annulus", Across::Processes, WrittenIn::Rust, Wait::Spin)
    }

    fn carries(&self, work: Work) -> bool {
        matches!(work, Work::Attached(_))
    }

    fn throughput(&self, cpus: Cpus, work: Work, plan: Plan) -> Result<Vec<Slice>, String> {
        match work {
            Work::Attached(readers) => {
                // One slice: nobody else takes part in it.
                publish(cpus, readers, plan.count).map(|ns| vec![Slice::of(ns)])
            }
            _ => Err(String::from("measures attached readers only")),
        }
    }

    fn rtt(&self, _cpus: Cpus, _work: Work, _plan: Plan) -> Result<Vec<Slice>, String> {
        Err(String::from("nobody answers"))
    }
}

/// Nanoseconds for `count` pushes.
fn publish(cpus: Cpus, readers: Readers, count: u64) -> Result<u64, String> {
    let _alarm = Alarm::after(PATIENCE_S);
    let name = fresh_name("attached");
    let ring = options(&name, readers).create().map_err(text)?;
    let page = Page {
        barrier: Shared::new().map_err(text)?,
        published: Shared::new().map_err(text)?,
    };
    let result = measure(cpus, readers, count, &name, &page);
    // A name that stays is swept at the end of the run.
    let _ = ring.unlink();
    result
}

/// What both processes see beside the ring.
struct Page {
    barrier: Shared<Barrier>,
    /// How many messages were published, once that is known, and 0 before.
    published: Shared<Line>,
}

fn measure(
    cpus: Cpus,
    readers: Readers,
    count: u64,
    name: &str,
    page: &Page,
) -> Result<u64, String> {
    let (sleeper, mut waker) = pipe().map_err(text)?;
    let mut audience = match readers {
        Readers::Nobody => None,
        _ => Some(child::spawn(|| attend(cpus, readers, name, page, &sleeper)).map_err(text)?),
    };
    if let Some(child) = &mut audience {
        page.barrier.meet(1).map_err(text)?;
        if readers == Readers::Stopped {
            child.wait_until_stopped()?;
        }
    }
    let ring = options(name, readers).open().map_err(text)?;
    let mut tx = ring.producer().map_err(text)?;
    let table = table(0);
    let mut at = 0;
    let mut push = |messages| {
        for _ in 0..messages {
            tx.try_push(opaque(&table[at]))?;
            at = onward(at, 1);
        }
        Ok::<_, annulus::TryPushError>(())
    };
    push(WARMING).map_err(text)?;
    let start = now_ns();
    let verdict = push(count);
    let elapsed = now_ns() - start;
    verdict.map_err(text)?;
    page.published
        .word
        .store(WARMING + count, Ordering::Release);
    waker.write_all(&[1]).map_err(text)?;
    if let Some(child) = &audience {
        child.resume();
    }
    audience.map_or(Ok(()), Child::join)?;
    Ok(elapsed)
}

/// The other process: attaches, sleeps or stops or reads, and at last accounts for every message.
fn attend(
    cpus: Cpus,
    readers: Readers,
    name: &str,
    page: &Page,
    mut sleeper: &PipeReader,
) -> Result<(), String> {
    pin_to(cpus.far).map_err(text)?;
    let ring = options(name, readers).open().map_err(text)?;
    let attached: Result<Vec<_>, _> = (0..readers.count())
        .map(|_| ring.reader(Join::Newest))
        .collect();
    let mut attached = attached.map_err(text)?;
    page.barrier.meet(1).map_err(text)?;
    match readers {
        Readers::Stopped => {
            // SAFETY: stops this process, which has one thread, and nothing else.
            unsafe { libc::raise(libc::SIGSTOP) };
        }
        Readers::Reading => (),
        Readers::Nobody | Readers::Asleep(_) => {
            sleeper.read_exact(&mut [0]).map_err(text)?;
        }
    }
    attached
        .iter_mut()
        .try_for_each(|reader| account(reader, &page.published))
}

/// Reads to the end; what was read and what was lost must be all there was.
fn account(reader: &mut Reader<Slot>, published: &Line) -> Result<(), String> {
    let mut wrong = 0;
    loop {
        let total = published.word.load(Ordering::Acquire);
        match reader.try_read() {
            Ok(slot) => wrong |= differs(&slot),
            Err(TryReadError::Lost(_)) => (),
            Err(TryReadError::Empty) if total == 0 => spin_loop(),
            Err(TryReadError::Empty | TryReadError::Closed) => {
                let (received, lost) = (reader.received(), reader.lost());
                return match received + lost == total && wrong == 0 {
                    true => Ok(()),
                    false => Err(format!(
                        "{total} messages were published; a reader got {received}, was told of {lost} lost, and found \
                         damage {wrong:#x}"
                    )),
                };
            }
            Err(error) => return Err(text(error)),
        }
    }
}

fn options(name: &str, readers: Readers) -> Options<Broadcast<Slot>> {
    annulus::broadcast(name)
        .capacity(CAPACITY as u64)
        .readers(readers.count().max(1))
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}
