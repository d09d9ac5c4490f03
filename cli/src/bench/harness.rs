//! One measurement: two rings, two pinned processes, a barrier, a checked pass, a timed pass.
//!
//! The near side keeps the clock and receives. The rings are anonymous memory inherited by fork, so that nothing is left
//! behind however this ends. Invariants: before the clock starts two laps of numbered messages have gone through with
//! every byte compared, which also touches the pages on both sides; in the timed loop a message is copied in full from
//! memory the compiler knows nothing about and exists in full in the consumer's memory before it counts.

use crate::scenario::child;
use crate::scenario::clock::{Alarm, now_ns};
use crate::scenario::pin::{Cpus, pin_to};
use crate::scenario::shared::{Barrier, Shared};
use annulus::{Backing, Consumer, Producer, Ring, Wait};
use std::hint::black_box;

/// Slots of rings with small messages.
const CAPACITY: u64 = 4096;
/// Bytes of the rings with large ones.
const LARGE_RING: u64 = 4 << 20;
/// Seconds after which a measurement is given up.
const PATIENCE_S: u32 = 60;

/// A message.
type Message<const WORDS: usize> = [u64; WORDS];

/// What one measurement asks for.
#[derive(Clone, Copy, Debug)]
pub struct Task {
    /// The two cores.
    pub cpus: Cpus,
    /// How both ends wait.
    pub wait: Wait,
    /// Messages, or round trips.
    pub count: u64,
}

/// Slots of a ring of such messages.
pub fn capacity(payload_bytes: usize) -> u64 {
    CAPACITY.min(LARGE_RING / payload_bytes as u64)
}

/// Message `number`: every word depends on the number and on its place.
fn numbered<const WORDS: usize>(number: u64) -> Message<WORDS> {
    let of_number = (number + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    std::array::from_fn(|i| {
        of_number.wrapping_add((i as u64 + 1).wrapping_mul(0xD1B5_4A32_D192_ED03))
    })
}

/// The messages that timed loops send round and round. Their number is prime, so that a lost lap shows.
fn table<const WORDS: usize>() -> Vec<Message<WORDS>> {
    (0..if WORDS <= 16 { 61 } else { 11 })
        .map(numbered)
        .collect()
}

/// Zero when first and last word are those of `expected`.
#[inline(always)]
fn differs<const WORDS: usize>(message: &Message<WORDS>, expected: &Message<WORDS>) -> u64 {
    let last = const { WORDS - 1 };
    (message[0] ^ expected[0]) | (message[last] ^ expected[last])
}

fn intact(wrong: u64) -> Result<(), String> {
    match wrong {
        0 => Ok(()),
        _ => Err("a message arrived damaged or out of order".to_owned()),
    }
}

fn ring<const WORDS: usize>() -> Result<Ring<Message<WORDS>>, String> {
    annulus::spsc::<Message<WORDS>>("bench")
        .backing(Backing::Anon)
        .capacity(capacity(size_of::<Message<WORDS>>()))
        .create()
        .map_err(|e| e.to_string())
}

/// Both ends of one process: what it sends to and what it receives from.
struct Ends<const WORDS: usize> {
    tx: Producer<Message<WORDS>>,
    rx: Consumer<Message<WORDS>>,
    wait: Wait,
    table: Vec<Message<WORDS>>,
    /// Where messages are taken to.
    message: Message<WORDS>,
}

impl<const WORDS: usize> Ends<WORDS> {
    fn attach(
        out: &Ring<Message<WORDS>>,
        back: &Ring<Message<WORDS>>,
        wait: Wait,
    ) -> Result<Self, String> {
        Ok(Self {
            tx: out.producer().map_err(|e| e.to_string())?,
            rx: back.consumer().map_err(|e| e.to_string())?,
            wait,
            table: table(),
            message: numbered(0),
        })
    }

    #[inline(always)]
    fn push(&mut self, message: &Message<WORDS>) -> Result<(), String> {
        self.tx.push(message, self.wait).map_err(|e| e.to_string())
    }

    #[inline(always)]
    fn pop(&mut self) -> Result<(), String> {
        self.rx
            .pop_into(&mut self.message, self.wait)
            .map_err(|e| e.to_string())
    }

    fn send(&mut self, count: u64) -> Result<(), String> {
        let mut at = 0;
        for _ in 0..count {
            self.tx
                .push(black_box(&self.table[at]), self.wait)
                .map_err(|e| e.to_string())?;
            at = following(at, self.table.len());
        }
        Ok(())
    }

    fn receive(&mut self, count: u64) -> Result<(), String> {
        let (mut at, mut wrong) = (0, 0);
        for _ in 0..count {
            self.pop()?;
            wrong |= differs(black_box(&self.message), &self.table[at]);
            at = following(at, self.table.len());
        }
        intact(wrong)
    }

    fn ping(&mut self, count: u64) -> Result<(), String> {
        let (mut at, mut wrong) = (0, 0);
        for _ in 0..count {
            self.tx
                .push(black_box(&self.table[at]), self.wait)
                .map_err(|e| e.to_string())?;
            self.pop()?;
            wrong |= differs(black_box(&self.message), &self.table[at]);
            at = following(at, self.table.len());
        }
        intact(wrong)
    }

    fn echo(&mut self, count: u64) -> Result<(), String> {
        for _ in 0..count {
            self.pop()?;
            self.tx
                .push(black_box(&self.message), self.wait)
                .map_err(|e| e.to_string())?;
        }
        Ok(())
    }

    fn send_numbered(&mut self, count: u64) -> Result<(), String> {
        (0..count).try_for_each(|number| self.push(&numbered(number)))
    }

    fn receive_numbered(&mut self, count: u64) -> Result<(), String> {
        for number in 0..count {
            self.pop()?;
            if self.message != numbered(number) {
                return Err(format!("message {number} arrived damaged"));
            }
        }
        Ok(())
    }
}

#[inline(always)]
fn following(at: usize, len: usize) -> usize {
    if at + 1 == len { 0 } else { at + 1 }
}

/// Nanoseconds for `task.count` messages from the far side to the near one.
pub fn stream(payload_bytes: usize, task: Task) -> Result<u64, String> {
    match payload_bytes {
        8 => stream_of::<1>(task),
        56 => stream_of::<7>(task),
        120 => stream_of::<15>(task),
        256 => stream_of::<32>(task),
        1024 => stream_of::<128>(task),
        4096 => stream_of::<512>(task),
        _ => stream_of::<8192>(task),
    }
}

/// Nanoseconds for `task.count` round trips, one message under way at a time.
pub fn round_trips(payload_bytes: usize, task: Task) -> Result<u64, String> {
    match payload_bytes {
        8 => round_trips_of::<1>(task),
        56 => round_trips_of::<7>(task),
        120 => round_trips_of::<15>(task),
        256 => round_trips_of::<32>(task),
        1024 => round_trips_of::<128>(task),
        4096 => round_trips_of::<512>(task),
        _ => round_trips_of::<8192>(task),
    }
}

fn stream_of<const WORDS: usize>(task: Task) -> Result<u64, String> {
    let laps = 2 * capacity(8 * WORDS);
    across::<WORDS>(
        task,
        |near| near.receive_numbered(laps),
        |near| near.receive(task.count),
        |far| far.send_numbered(laps),
        |far| far.send(task.count),
    )
}

fn round_trips_of<const WORDS: usize>(task: Task) -> Result<u64, String> {
    let lap = capacity(8 * WORDS) + 64;
    across::<WORDS>(
        task,
        |near| near.ping(lap),
        |near| near.ping(task.count),
        |far| far.echo(lap),
        |far| far.echo(task.count),
    )
}

/// Runs both sides, the far one in a forked process, and times `near_timed`.
fn across<const WORDS: usize>(
    task: Task,
    near_first: impl FnOnce(&mut Ends<WORDS>) -> Result<(), String>,
    near_timed: impl FnOnce(&mut Ends<WORDS>) -> Result<(), String>,
    far_first: impl FnOnce(&mut Ends<WORDS>) -> Result<(), String>,
    far_timed: impl FnOnce(&mut Ends<WORDS>) -> Result<(), String>,
) -> Result<u64, String> {
    let _alarm = Alarm::after(PATIENCE_S);
    let (to_near, to_far) = (ring::<WORDS>()?, ring::<WORDS>()?);
    let barrier = Shared::<Barrier>::new().map_err(|e| format!("shared memory: {e}"))?;
    // Whoever fails tells the barrier. One that waits in a ring sees its peer die.
    let meet = |phase| barrier.meet(phase).map_err(|gone| gone.to_string());
    let far = child::spawn(|| {
        let work = || {
            pin_to(task.cpus.far).map_err(|e| format!("pinning to a core: {e}"))?;
            let mut ends = Ends::attach(&to_near, &to_far, task.wait)?;
            meet(1)?;
            far_first(&mut ends)?;
            meet(2)?;
            far_timed(&mut ends)?;
            meet(3)
        };
        work().inspect_err(|_| barrier.abandon())
    })
    .map_err(|e| format!("fork: {e}"))?;
    let work = || {
        let mut ends = Ends::attach(&to_far, &to_near, task.wait)?;
        meet(1)?;
        near_first(&mut ends)?;
        meet(2)?;
        let start = now_ns();
        near_timed(&mut ends)?;
        let elapsed = now_ns() - start;
        meet(3)?;
        Ok(elapsed.max(1))
    };
    let elapsed = work().inspect_err(|_: &String| barrier.abandon())?;
    far.join()?;
    Ok(elapsed)
}
