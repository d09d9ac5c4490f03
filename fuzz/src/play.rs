//! A play for several ends of one ring: lies, calls, comings, goings and deaths, in the order in which bytes list them.
//!
//! Input: kind, capacity, numbers of ends and start position (one byte each), then steps. A step begins with a byte. From
//! 128 upwards it is a lie: two bytes say where (`Image::word`), eight bytes what. Below it is a call, with one more byte
//! for the details.
//!
//! Beside "no crash" each call is held to its time, what it gives to the ring's bounds (`ends`), the memory to what the
//! library may write, and in the end the healed ring must work.

use crate::image::{Copy, Image};
use annulus::{EndpointError, JoinError, Kind, Options, Ring};
use std::cell::RefCell;
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// Steps of one play.
const STEPS: usize = 48;
/// How much of the processor's time a call may take, and of the day's. Those that wait have deadlines of 20 us; one that
/// needs the admin token says so after 0.1 s.
const MOST_CPU: Duration = Duration::from_millis(500);
const MOST_WALL: Duration = Duration::from_secs(8);

/// What ring it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Shape {
    pub kind: u8,
    pub capacity: u8,
    pub ends: u8,
    pub start: u8,
}

impl Shape {
    /// The shape that `input` begins with, and the rest.
    pub fn of(input: &[u8]) -> Option<(Self, &[u8])> {
        let (shape, steps) = input.split_at_checked(4)?;
        let shape = Self {
            kind: shape[0],
            capacity: shape[1] % 5,
            ends: shape[2] % 16,
            start: shape[3] % 4,
        };
        Some((shape, steps))
    }

    /// Slots; of records 128 times that many bytes.
    pub fn capacity(self) -> u64 {
        2 << self.capacity
    }

    /// The first position.
    pub fn start(self) -> u64 {
        [0, 64, 1 << 40, (1 << 62) - 64][usize::from(self.start)]
    }

    /// How many may produce, and how many consume.
    pub fn places(self) -> (u32, u32) {
        (1 + u32::from(self.ends % 4), 1 + u32::from(self.ends / 4))
    }
}

/// A producing end.
pub trait Produce {
    /// Whether the message went in.
    fn push(&mut self, message: &[u8]) -> bool;
    /// Call `op` with the details `arg`.
    fn operate(&mut self, op: u8, arg: u8);
    fn close(self: Box<Self>);
}

/// A consuming end, or a reader.
pub trait Consume {
    /// What came out.
    fn pop(&mut self) -> Option<Vec<u8>>;
    /// Call `op` with the details `arg`.
    fn operate(&mut self, op: u8, arg: u8);
    fn close(self: Box<Self>);
}

/// A kind of ring and its ends.
pub trait Ends {
    type Kind: Kind;
    fn options(shape: Shape) -> Options<Self::Kind>;
    fn tx(ring: &Ring<Self::Kind>) -> Option<Box<dyn Produce>>;
    /// `arg` says how a reader joins.
    fn rx(ring: &Ring<Self::Kind>, arg: u8) -> Option<Box<dyn Consume>>;
}

/// Whether an end could be had. A ring that is lied in refuses; the kernel says who is alive, and everybody here is of one
/// process that knows.
pub fn had<E>(taken: Result<E, EndpointError>) -> Option<E> {
    match taken {
        Ok(end) => Some(end),
        Err(EndpointError::Closed | EndpointError::Corrupt(_) | EndpointError::NoPlace { .. }) => {
            None
        }
        Err(EndpointError::Occupied { .. }) => None,
        Err(e) => panic!("unexpected: {e}"),
    }
}

/// Whether a reader could join.
pub fn joined<E>(taken: Result<E, JoinError>) -> Option<E> {
    match taken {
        Ok(end) => Some(end),
        Err(JoinError::Gone { .. }) => None,
        Err(JoinError::Endpoint(e)) => had(Err(e)),
        Err(e) => panic!("unexpected: {e}"),
    }
}

thread_local! {
    /// New rings, so that each shape is made once.
    static IMAGES: RefCell<HashMap<(&'static str, Shape), &'static Image>> = RefCell::default();
}

/// A new ring of `E` of this shape.
pub fn image<E: Ends>(shape: Shape) -> &'static Image {
    let key = (std::any::type_name::<E>(), Shape { kind: 0, ..shape });
    IMAGES.with_borrow_mut(|images| {
        *images.entry(key).or_insert_with(|| {
            let ring = E::options(shape).create().expect("a new ring");
            Box::leak(Box::new(Image::of(&ring)))
        })
    })
}

/// The ends that are there, and their ring.
pub struct Stage<'a, E: Ends> {
    pub copy: Copy<'a>,
    pub ring: Ring<E::Kind>,
    pub txs: Vec<Box<dyn Produce>>,
    pub rxs: Vec<Box<dyn Consume>>,
}

impl<'a, E: Ends> Stage<'a, E> {
    /// A new ring with nobody there.
    pub fn new(shape: Shape, image: &'a Image) -> Self {
        let copy = image.copy();
        let options = E::options(shape).prefault(false);
        let ring = options.open_descriptor(copy.descriptor());
        Self {
            ring: ring.expect("a copy is as good as the original"),
            copy,
            txs: Vec::new(),
            rxs: Vec::new(),
        }
    }

    /// Calls 0 to 15 are for producers, up to 31 for consumers; the rest is about all. Twelve of sixteen need an end, and
    /// take one if there is none.
    pub fn call(&mut self, op: u8, arg: u8) {
        let i = usize::from(arg % 4);
        match op % 48 {
            12 | 13 => self.txs.extend(E::tx(&self.ring)),
            14 => drop(taken(&mut self.txs, i)),
            15 if arg > 250 => taken(&mut self.txs, i)
                .into_iter()
                .for_each(|tx| tx.close()),
            15 => self.die(true, i),
            28 | 29 => self.rxs.extend(E::rx(&self.ring, arg)),
            30 => drop(taken(&mut self.rxs, i)),
            31 if arg > 250 => taken(&mut self.rxs, i)
                .into_iter()
                .for_each(|rx| rx.close()),
            31 => self.die(false, i),
            op @ 0..12 => {
                if self.txs.is_empty() {
                    self.txs.extend(E::tx(&self.ring));
                }
                let n = self.txs.len().max(1);
                if let Some(tx) = self.txs.get_mut(i % n) {
                    tx.operate(op, arg / 4);
                }
            }
            op @ 16..28 => {
                if self.rxs.is_empty() {
                    self.rxs.extend(E::rx(&self.ring, arg));
                }
                let n = self.rxs.len().max(1);
                if let Some(rx) = self.rxs.get_mut(i % n) {
                    rx.operate(op - 16, arg / 4);
                }
            }
            _ => {
                let status = self.ring.status().expect("the kernel answers");
                assert!(self.ring.is_current());
                // A reader's cursor is believed, for people.
                let believed = status.parties == annulus::Parties::Broadcast;
                assert!(believed || status.len <= status.capacity, "{status:?}");
            }
        }
    }

    /// An end dies: its token goes, and all that it would have put in order stays as it is.
    fn die(&mut self, producer: bool, i: usize) {
        let before = self.copy.now();
        if producer {
            drop(taken(&mut self.txs, i));
        } else {
            drop(taken(&mut self.rxs, i));
        }
        self.copy.restore(&before);
    }

    /// Everybody leaves, the ring becomes a new one, and a message passes through it.
    fn heal_and_prove(&mut self) {
        self.txs.clear();
        self.rxs.clear();
        self.copy.heal();
        let mut rx = E::rx(&self.ring, 0).expect("a healed ring has a place");
        let mut tx = E::tx(&self.ring).expect("a healed ring has a place");
        let message: [u8; crate::ends::SIZE] = std::array::from_fn(|i| i as u8);
        assert!(tx.push(&message), "a new ring has room");
        assert_eq!(rx.pop().as_deref(), Some(&message[..]));
    }
}

/// End `i`, or another one, off the stage.
fn taken<T>(ends: &mut Vec<T>, i: usize) -> Option<T> {
    (!ends.is_empty()).then(|| ends.swap_remove(i % ends.len()))
}

/// The time that this thread has spent working.
fn worked() -> Duration {
    // SAFETY: integers, for which zero is a value.
    let mut time: libc::timespec = unsafe { std::mem::zeroed() };
    // SAFETY: a live buffer that the kernel fills.
    let done = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) };
    assert_eq!(done, 0);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// Plays `steps` on a ring of `E`. With `table` lies go to the participant table above all.
pub fn play<E: Ends>(shape: Shape, mut steps: &[u8], table: bool) {
    let image = image::<E>(shape);
    let mut stage = Stage::<E>::new(shape, image);
    for _ in 0..STEPS {
        let Some((&tag, rest)) = steps.split_first() else {
            break;
        };
        if tag >= 0x80 {
            let Some((lie, rest)) = rest.split_at_checked(10) else {
                break;
            };
            steps = rest;
            let raw = u16::from_le_bytes([lie[0], lie[1]]);
            let value = u64::from_le_bytes(lie[2..].try_into().expect("eight"));
            stage.copy.store(image.word(raw, table), value);
            continue;
        }
        let Some((&arg, rest)) = rest.split_first() else {
            break;
        };
        steps = rest;
        let (begun, before) = (Instant::now(), worked());
        stage.call(tag, arg);
        let (wall, cpu) = (begun.elapsed(), worked() - before);
        assert!(
            cpu < MOST_CPU && wall < MOST_WALL,
            "call {tag} took {cpu:?} of {wall:?}"
        );
    }
    stage.heal_and_prove();
}
