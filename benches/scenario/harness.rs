//! Runs one measurement: two rings, two pinned sides, meetings, a checked pass, timed slices.
//!
//! The near side (this thread) keeps the clock and receives; the far side is a forked process or a thread. Each
//! measurement has a process of its own, so that an engine that crashes or hangs ends its own measurement and no other.
//! Invariants: every measurement has fresh rings; before the clock starts more than one full wrap of messages has gone
//! through them with every byte compared, which also touches their pages on both sides.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use super::child;
use super::clock::Alarm;
use super::loops::{Damaged, End};
use super::pin::{Cpus, pin_to};
use super::shared::{Barrier, Shared};
use super::slices::{Court, Party, Plan, Slice, Tally, clocked};

/// Slots asked of every engine. Some round it up a little; pipes and sockets hold what the kernel lets them.
pub const CAPACITY: usize = 4096;
/// Bytes of the rings with messages so large that there are fewer slots.
const LARGE_RING: usize = 4 << 20;
/// Seconds after which a measurement is given up.
pub(super) const PATIENCE_S: u32 = 60;
/// How long a failing side lets the other leave through the barrier.
const GRACE: Duration = Duration::from_millis(200);

/// Slots of a ring of such messages: `CAPACITY` up to 1024 bytes.
pub const fn capacity(payload_bytes: usize) -> usize {
    let slots = LARGE_RING / payload_bytes;
    if slots < CAPACITY { slots } else { CAPACITY }
}

/// Two rings, one per direction, not yet attached.
pub trait Link: Sized {
    /// Slots of each ring.
    const SLOTS: usize = CAPACITY;
    /// Messages of the untimed pass that compares every byte: two wraps.
    const CHECKED: u64 = 2 * Self::SLOTS as u64;
    /// Untimed round trips: one wrap of both rings.
    const WARMING_TRIPS: u64 = Self::SLOTS as u64 + 64;
    /// The side that keeps the clock.
    type Near: End;
    /// Its partner.
    type Far: End;

    /// Makes both rings.
    fn create() -> Result<Self, String>;
    /// Attaches the near side. Called once, on the near side.
    fn near(&mut self) -> Result<Self::Near, String>;
    /// Attaches the far side. Called once; in the far process where the link crosses processes, else before the thread.
    fn far(&mut self) -> Result<Self::Far, String>;
    /// Runs both jobs at once: `over_processes` or `over_threads`.
    fn run<R>(
        self,
        cpus: Cpus,
        near: impl FnOnce(&mut Self::Near, &mut Party<'_>) -> Result<R, String>,
        far: impl FnOnce(&mut Self::Far, &mut Party<'_>) -> Result<(), String> + Send,
    ) -> Result<R, String>;
}

/// Does one measurement in a process of its own and brings its slices back. The process writes what went wrong to
/// stderr.
pub fn contained(
    measurement: impl FnOnce() -> Result<Vec<Slice>, String>,
) -> Result<Vec<Slice>, String> {
    let tally = Shared::<Tally>::new().map_err(|error| format!("shared memory: {error}"))?;
    let process = child::spawn(|| {
        tally.put(&measurement()?);
        Ok(())
    })
    .map_err(|error| format!("fork: {error}"))?;
    process.join()?;
    Ok(tally.get())
}

/// Streams of `plan.count` messages from the far side to the near one.
pub fn stream<L: Link>(cpus: Cpus, plan: Plan) -> Result<Vec<Slice>, String> {
    let _alarm = Alarm::after(PATIENCE_S);
    L::create()?.run(
        cpus,
        |near, party| {
            near.receive_numbered(L::CHECKED)
                .map_err(|Damaged| "the pass that compares every byte found a difference")?;
            party.timed(plan, |_| {
                clocked(|| near.receive(plan.count))
                    .map_err(|Damaged| String::from("a message arrived damaged or out of order"))
            })
        },
        |far, party| {
            far.send_numbered(L::CHECKED);
            party.beside(plan, |_| {
                far.send(plan.count);
                Ok(())
            })
        },
    )
}

/// Series of `plan.count` round trips, one message under way at a time.
pub fn round_trips<L: Link>(cpus: Cpus, plan: Plan) -> Result<Vec<Slice>, String> {
    let _alarm = Alarm::after(PATIENCE_S);
    let damaged = |Damaged| String::from("an answer was damaged");
    L::create()?.run(
        cpus,
        |near, party| {
            near.ping(L::WARMING_TRIPS).map_err(damaged)?;
            party.timed(plan, |_| clocked(|| near.ping(plan.count)).map_err(damaged))
        },
        |far, party| {
            far.echo(L::WARMING_TRIPS);
            party.beside(plan, |_| {
                far.echo(plan.count);
                Ok(())
            })
        },
    )
}

/// The far side is a forked process.
pub fn over_processes<L: Link, R>(
    mut link: L,
    cpus: Cpus,
    near: impl FnOnce(&mut L::Near, &mut Party<'_>) -> Result<R, String>,
    far: impl FnOnce(&mut L::Far, &mut Party<'_>) -> Result<(), String>,
) -> Result<R, String> {
    let court = Shared::<Court>::new().map_err(|error| format!("shared memory: {error}"))?;
    let near_pid = std::process::id();
    let child = child::spawn(|| {
        or_abandon(
            &court.barrier,
            || {
                pin_to(cpus.far).map_err(|error| format!("pinning: {error}"))?;
                attended(link.far()?, &court, far)
            },
            |_| {
                // SAFETY: the near process is our parent and waits for us, so the pid is still its.
                unsafe { libc::kill(near_pid.cast_signed(), libc::SIGTERM) };
            },
        )
    })
    .map_err(|error| format!("fork: {error}"))?;
    // After an error the child may spin for ever: it is killed when it is dropped.
    let near = || attended(link.near()?, &court, near);
    let result = or_abandon(&court.barrier, near, |_| ())?;
    child.join()?;
    Ok(result)
}

/// The far side is a thread of this process.
pub fn over_threads<L: Link, R>(
    mut link: L,
    cpus: Cpus,
    near: impl FnOnce(&mut L::Near, &mut Party<'_>) -> Result<R, String>,
    far: impl FnOnce(&mut L::Far, &mut Party<'_>) -> Result<(), String> + Send,
) -> Result<R, String>
where
    L::Far: Send,
{
    let court = Shared::<Court>::new().map_err(|error| format!("shared memory: {error}"))?;
    let far_end = link.far()?;
    let near_end = link.near()?;
    std::thread::scope(|scope| {
        let court = &*court;
        let partner = scope.spawn(move || {
            or_abandon(
                &court.barrier,
                || {
                    pin_to(cpus.far).map_err(|error| format!("pinning: {error}"))?;
                    attended(far_end, court, far)
                },
                |message| {
                    eprintln!("{message}");
                    // SAFETY: `_exit` has no preconditions; this process serves one measurement.
                    unsafe { libc::_exit(1) }
                },
            )
        });
        let result = or_abandon(&court.barrier, || attended(near_end, court, near), |_| ());
        partner
            .join()
            .map_err(|_| String::from("the partner thread panicked"))??;
        result
    })
}

/// Does the job between the meeting after attaching and the one before detaching.
fn attended<E: End, R>(
    mut end: E,
    court: &Court,
    job: impl FnOnce(&mut E, &mut Party<'_>) -> Result<R, String>,
) -> Result<R, String> {
    let mut party = court.party(2);
    party.meet()?;
    let result = job(&mut end, &mut party)?;
    party.meet()?;
    Ok(result)
}

/// Whatever goes wrong on one side, a panic too, releases the other side: from the barrier, or, where that side may be
/// spinning in a timed loop, by what `end_other` does after giving it a moment to leave by itself.
pub(super) fn or_abandon<R>(
    barrier: &Barrier,
    work: impl FnOnce() -> Result<R, String>,
    end_other: impl FnOnce(&str),
) -> Result<R, String> {
    let result = catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        Err(text.unwrap_or_else(|| String::from("one side panicked")))
    });
    if let Err(message) = &result {
        barrier.abandon();
        std::thread::sleep(GRACE);
        end_other(message);
    }
    result
}
