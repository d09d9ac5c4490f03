//! Runs one measurement of records: rings, pinned parties, a barrier, a checked pass, a timed pass.
//!
//! As ../harness.rs, with one ring per direction and any number of producers. The clock of a stream starts when the first
//! party leaves the barrier and stops when the consumer has the last record, so that a party that was not running at
//! the start costs time and gains none.

use std::sync::atomic::Ordering;

use super::super::clock::{Alarm, now_ns};
use super::super::engine::{Traits, WrittenIn};
use super::super::harness::PATIENCE_S;
use super::super::loops::Damaged;
use super::super::pin::Cpus;
use super::super::shared::{Barrier, Line, Shared};
use super::loops::{Receiver, Rx, Sender, Tx, echo, ping};
use super::parties;
use super::work::Records;

/// Untimed round trips of a channel of the kernel, which has no pages of ours to touch.
const KERNEL_TRIPS: u64 = 64;

/// A ring for records in one direction, not yet attached.
pub trait Channel: Sized + Sync {
    /// What the engine is.
    const TRAITS: Traits;
    /// A producer's end.
    type Tx: Tx;
    /// The consumer's end.
    type Rx: Rx;

    /// Whether it can carry such records.
    fn carries(_records: Records) -> bool {
        true
    }
    /// Makes the ring, before any process is forked.
    fn create(records: Records) -> Result<Self, String>;
    /// Attaches a producer; called once by each, in its own process or thread.
    fn sender(&self) -> Result<Self::Tx, String>;
    /// Attaches the consumer; called once, in its own process or thread.
    fn receiver(&self) -> Result<Self::Rx, String>;
}

/// Nanoseconds for `count` records from all producers together to the consumer.
pub fn stream<C: Channel>(cpus: Cpus, records: Records, count: u64) -> Result<u64, String> {
    let _alarm = Alarm::after(PATIENCE_S);
    let channel = C::create(records)?;
    let barrier = shared::<Barrier>()?;
    let meeting = Meeting {
        barrier: &barrier,
        parties: records.producers + 1,
    };
    let started = shared::<Line>()?;
    started.word.store(u64::MAX, Ordering::Relaxed);
    let start = || started.word.fetch_min(now_ns(), Ordering::Relaxed);
    let checked = records.lengths.two_laps();
    parties::run(
        C::TRAITS.across,
        cpus,
        records.producers,
        &barrier,
        || {
            let mut receiver = Receiver::new(channel.receiver()?, records);
            meeting.at(1)?;
            receiver
                .receive_numbered(checked)
                .map_err(|Damaged| "the pass that compares every byte found a difference")?;
            meeting.at(2)?;
            start();
            let verdict = receiver.receive(count);
            let ended = now_ns();
            verdict.map_err(|Damaged| "a record arrived damaged or out of order")?;
            meeting.at(3)?;
            Ok(ended - started.word.load(Ordering::Relaxed))
        },
        |which| {
            let mut sender = Sender::new(channel.sender()?, which, records);
            meeting.at(1)?;
            sender.send_numbered(records.share(checked, which));
            meeting.at(2)?;
            start();
            sender.send(records.share(count, which));
            meeting.at(3)
        },
    )
}

/// Nanoseconds for `count` round trips of records of one producer, one record under way at a time.
pub fn round_trips<C: Channel>(cpus: Cpus, records: Records, count: u64) -> Result<u64, String> {
    let _alarm = Alarm::after(PATIENCE_S);
    let (to_far, to_near) = (C::create(records)?, C::create(records)?);
    let barrier = shared::<Barrier>()?;
    let meeting = Meeting {
        barrier: &barrier,
        parties: 2,
    };
    let warming = match C::TRAITS.written_in {
        WrittenIn::Kernel => KERNEL_TRIPS,
        _ => records.lengths.two_laps() / 2,
    };
    parties::run(
        C::TRAITS.across,
        cpus,
        1,
        &barrier,
        || {
            let mut back = Receiver::new(to_near.receiver()?, records);
            let mut out = Sender::new(to_far.sender()?, 0, records);
            meeting.at(1)?;
            ping(&mut out, &mut back, warming).map_err(|Damaged| "an answer was damaged")?;
            meeting.at(2)?;
            let start = now_ns();
            let verdict = ping(&mut out, &mut back, count);
            let elapsed = now_ns() - start;
            verdict.map_err(|Damaged| "an answer was damaged")?;
            meeting.at(3)?;
            Ok(elapsed)
        },
        |_| {
            let mut back = Receiver::new(to_far.receiver()?, records);
            let mut out = Sender::new(to_near.sender()?, 0, records);
            meeting.at(1)?;
            echo(&mut out, &mut back, warming)
                .map_err(|Damaged| "a record to be answered was damaged")?;
            meeting.at(2)?;
            echo(&mut out, &mut back, count)
                .map_err(|Damaged| "a record to be answered was damaged")?;
            meeting.at(3)
        },
    )
}

/// Where all parties meet: 1 when attached, 2 before the clock, 3 before detaching.
#[derive(Clone, Copy)]
struct Meeting<'a> {
    barrier: &'a Barrier,
    parties: u32,
}

impl Meeting<'_> {
    fn at(self, phase: u32) -> Result<(), String> {
        let met = self.barrier.meet_all(phase, self.parties);
        met.map_err(|gone| gone.to_string())
    }
}

fn shared<T: super::super::shared::Zeroed>() -> Result<Shared<T>, String> {
    Shared::new().map_err(|error| format!("shared memory: {error}"))
}
