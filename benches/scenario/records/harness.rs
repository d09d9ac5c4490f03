//! Runs one measurement of records: rings, pinned parties, meetings, a checked pass, timed slices.
//!
//! As ../harness.rs, with one ring per direction and any number of producers. The clock of a stream starts when the first
//! party leaves a meeting and stops when the consumer has the last record, so that a party that was not running at
//! the start costs time and gains none.

use std::sync::atomic::Ordering;

use super::super::clock::{Alarm, now_ns};
use super::super::engine::{Traits, WrittenIn};
use super::super::harness::PATIENCE_S;
use super::super::loops::Damaged;
use super::super::pin::Cpus;
use super::super::shared::{Line, Shared};
use super::super::slices::{Court, Plan, Slice, clocked};
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

/// Streams of `plan.count` records from all producers together to the consumer.
pub fn stream<C: Channel>(cpus: Cpus, records: Records, plan: Plan) -> Result<Vec<Slice>, String> {
    let _alarm = Alarm::after(PATIENCE_S);
    let channel = C::create(records)?;
    let court = shared::<Court>()?;
    let started = shared::<Line>()?;
    let start = || started.word.fetch_min(now_ns(), Ordering::Relaxed);
    let checked = records.lengths.two_laps();
    parties::run(
        C::TRAITS.across,
        cpus,
        records.producers,
        &court.barrier,
        || {
            let mut party = court.party(records.producers + 1);
            let mut receiver = Receiver::new(channel.receiver()?, records);
            party.meet()?;
            receiver
                .receive_numbered(checked)
                .map_err(|Damaged| "the pass that compares every byte found a difference")?;
            let stop_the_clock = || started.word.store(u64::MAX, Ordering::Relaxed);
            stop_the_clock();
            party.timed(plan, |_| {
                start();
                let verdict = receiver.receive(plan.count);
                let elapsed = now_ns() - started.word.load(Ordering::Relaxed);
                verdict.map_err(|Damaged| "a record arrived damaged or out of order")?;
                stop_the_clock();
                Ok(elapsed)
            })
        },
        |which| {
            let mut party = court.party(records.producers + 1);
            let mut sender = Sender::new(channel.sender()?, which, records);
            party.meet()?;
            sender.send_numbered(records.share(checked, which));
            party.beside(plan, |_| {
                start();
                sender.send(records.share(plan.count, which));
                Ok(())
            })
        },
    )
}

/// Series of `plan.count` round trips of records of one producer, one record under way at a time.
pub fn round_trips<C: Channel>(
    cpus: Cpus,
    records: Records,
    plan: Plan,
) -> Result<Vec<Slice>, String> {
    let _alarm = Alarm::after(PATIENCE_S);
    let (to_far, to_near) = (C::create(records)?, C::create(records)?);
    let court = shared::<Court>()?;
    let warming = match C::TRAITS.written_in {
        WrittenIn::Kernel => KERNEL_TRIPS,
        _ => records.lengths.two_laps() / 2,
    };
    let damaged = |Damaged| String::from("a record or its answer was damaged");
    parties::run(
        C::TRAITS.across,
        cpus,
        1,
        &court.barrier,
        || {
            let mut party = court.party(2);
            let mut back = Receiver::new(to_near.receiver()?, records);
            let mut out = Sender::new(to_far.sender()?, 0, records);
            party.meet()?;
            ping(&mut out, &mut back, warming).map_err(damaged)?;
            party.timed(plan, |_| {
                clocked(|| ping(&mut out, &mut back, plan.count)).map_err(damaged)
            })
        },
        |_| {
            let mut party = court.party(2);
            let mut back = Receiver::new(to_far.receiver()?, records);
            let mut out = Sender::new(to_near.sender()?, 0, records);
            party.meet()?;
            echo(&mut out, &mut back, warming).map_err(damaged)?;
            party.beside(plan, |_| {
                echo(&mut out, &mut back, plan.count).map_err(damaged)
            })
        },
    )
}

fn shared<T: super::super::shared::Zeroed>() -> Result<Shared<T>, String> {
    Shared::new().map_err(|error| format!("shared memory: {error}"))
}
