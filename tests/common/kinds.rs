//! Rings of messages of this test in words, as text that travels to a child, and their ends with one face for every
//! kind.

use super::child::Args;
use super::clean::Cleanup;
use super::payload::Note;
use super::spec::{Spec, Via};
use annulus::{
    Consumer, EndpointError, Kind, Mpmc, Mpsc, Options, Peer, PopError, Producer, PushError, Ring,
    SharedConsumer, SharedProducer, SoleProducer, Spmc, Spsc, TryPopError, TryPushError, Untrusted,
    Wait,
};
use std::path::Path;
use std::time::Instant;

/// A ring in words.
#[derive(Clone, Debug)]
pub struct Place {
    pub spec: Spec,
    /// For how many there is room on each side that many share. Readers are counted as consumers.
    pub producers: u32,
    pub consumers: u32,
}

impl Place {
    /// 256 slots, or bytes, for four on each side, in the given place, with a fresh name.
    pub fn new(via: Via, capacity: u64) -> Self {
        let mut spec = Spec::new(via);
        spec.capacity = capacity;
        Self {
            spec,
            producers: 4,
            consumers: 4,
        }
    }

    /// For a role.
    pub fn args(&self) -> Args {
        let args = self.spec.args().with("producers", self.producers);
        args.with("consumers", self.consumers)
    }

    /// In a role: the same again.
    pub fn from_args(args: &Args) -> Self {
        Self {
            spec: Spec::from_args(args),
            producers: args.number("producers") as u32,
            consumers: args.number("consumers") as u32,
        }
    }

    /// Makes the ring.
    pub fn create<K: Sort>(&self) -> Ring<K> {
        K::options(self).create().expect("a new ring")
    }

    /// Gets at the ring that another process made. `socket` is where a passed descriptor comes from.
    pub fn open<K: Sort>(&self, socket: &str) -> Ring<K> {
        match self.spec.descriptor(Some(Path::new(socket))) {
            None => K::options(self).open(),
            Some(fd) => K::options(self).open_descriptor(fd),
        }
        .expect("a ring")
    }

    /// Removes the ring when dropped, if it is still there.
    pub fn cleanup(&self) -> Cleanup<impl FnMut() + use<>> {
        let spec = self.spec.clone();
        Cleanup(move || spec.remove())
    }

    /// Removes the ring; panics if that leaves a trace.
    pub fn unlink<K: Kind>(&self, ring: &Ring<K>) {
        ring.unlink().expect("a ring can be removed");
        self.spec.assert_no_trace(ring.backing(), ring.instance());
    }
}

/// A kind of ring.
pub trait Sort: Kind + Sized + 'static {
    /// What its roles begin with.
    const NAME: &'static str;
    /// Options for the ring.
    fn options(place: &Place) -> Options<Self>;
}

/// The role `role` of the kind `K`.
pub fn role<K: Sort>(role: &str) -> String {
    format!("{} {role}", K::NAME)
}

/// A kind whose messages are each for one consumer.
pub trait Queue: Sort {
    /// Whether producers, and consumers, share the ring.
    const MANY: (bool, bool);
    /// Whether its messages are records.
    const RECORDS: bool = false;
    type Tx: Tx;
    type Rx: Rx;
    fn producer(ring: &Ring<Self>) -> Result<Self::Tx, EndpointError>;
    fn consumer(ring: &Ring<Self>) -> Result<Self::Rx, EndpointError>;

    /// Bytes up to the end of the ring for a consumer that has taken everything; `None` where that makes no difference.
    fn before_end(_: &Self::Rx, _: &Place) -> Option<u64> {
        None
    }
}

macro_rules! queue {
    ($kind:ident, $new:path, $name:literal, $many:expr, $tx:ty, $rx:ty, $($places:ident)*) => {
        impl Sort for $kind<Note> {
            const NAME: &'static str = $name;

            fn options(place: &Place) -> Options<Self> {
                let options = place.spec.placed($new(&place.spec.name));
                options.capacity(place.spec.capacity)$(.$places(place.$places))*
            }
        }

        impl Queue for $kind<Note> {
            const MANY: (bool, bool) = $many;
            type Tx = $tx;
            type Rx = $rx;

            fn producer(ring: &Ring<Self>) -> Result<Self::Tx, EndpointError> {
                ring.producer()
            }

            fn consumer(ring: &Ring<Self>) -> Result<Self::Rx, EndpointError> {
                ring.consumer()
            }
        }
    };
}

queue!(
    Spsc,
    annulus::spsc,
    "spsc",
    (false, false),
    Producer<Note>,
    Consumer<Note>,
);
queue!(
    Mpsc,
    annulus::mpsc,
    "mpsc",
    (true, false),
    SharedProducer<Note>,
    Consumer<Note>,
    producers
);
queue!(Spmc, annulus::spmc, "spmc", (false, true), Producer<Note, Untrusted, Spmc<Note>>, SharedConsumer<Note>, consumers);
queue!(Mpmc, annulus::mpmc, "mpmc", (true, true), SharedProducer<Note>, SharedConsumer<Note>, producers consumers);

/// A producing end.
pub trait Tx {
    fn try_push(&mut self, note: &Note) -> Result<(), TryPushError>;
    fn push(&mut self, note: &Note, wait: Wait) -> Result<(), PushError>;
    fn push_until(&mut self, note: &Note, wait: Wait, deadline: Instant) -> Result<(), PushError>;
    /// Sends as many from the first as fit, and says how many.
    fn push_many(&mut self, notes: &[Note]) -> Result<usize, TryPushError>;
    /// Claims a slot, writes `note`, calls `during`, commits if it says so.
    fn claim(
        &mut self,
        note: &Note,
        wait: Wait,
        during: impl FnOnce() -> bool,
    ) -> Result<(), PushError>;
    /// Claims a run, writes as many of `notes` as it has room for, asks `during` how many of them to commit. Says how
    /// many that were.
    fn claim_run(
        &mut self,
        notes: &[Note],
        wait: Wait,
        during: impl FnOnce(usize) -> usize,
    ) -> Result<usize, PushError>;
    fn close(self);
}

macro_rules! producing {
    ($run:ident) => {
        fn try_push(&mut self, note: &Note) -> Result<(), TryPushError> {
            self.try_push(note)
        }

        fn push(&mut self, note: &Note, wait: Wait) -> Result<(), PushError> {
            self.push(note, wait)
        }

        fn push_until(
            &mut self,
            note: &Note,
            wait: Wait,
            deadline: Instant,
        ) -> Result<(), PushError> {
            self.push_until(note, wait, deadline)
        }

        fn push_many(&mut self, notes: &[Note]) -> Result<usize, TryPushError> {
            self.try_push_many(notes)
        }

        fn claim(
            &mut self,
            note: &Note,
            wait: Wait,
            during: impl FnOnce() -> bool,
        ) -> Result<(), PushError> {
            let mut loan = self.claim(wait)?;
            loan.write(note);
            if during() {
                loan.commit();
            }
            Ok(())
        }

        fn claim_run(
            &mut self,
            notes: &[Note],
            wait: Wait,
            during: impl FnOnce(usize) -> usize,
        ) -> Result<usize, PushError> {
            let mut run = self.$run(notes.len(), wait)?;
            let len = run.len();
            (0..len).for_each(|i| run.write(i, &notes[i]));
            let n = during(len);
            run.commit_first(n);
            Ok(n)
        }

        fn close(self) {
            self.close();
        }
    };
}

impl Tx for SharedProducer<Note> {
    producing!(claim_many);
}

impl<K: SoleProducer> Tx for Producer<Note, Untrusted, K> {
    producing!(claim_run);
}

/// Nanoseconds of the clock that all processes share.
pub fn now_ns() -> u64 {
    let mut now = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: a live timespec; the clock exists.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut now) };
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}

/// A message in hand: its position, what it is, whether it comes again.
pub type InHand = (u64, Note, bool);

/// A consuming end.
pub trait Rx {
    fn try_pop(&mut self) -> Result<Note, TryPopError>;
    fn pop(&mut self, wait: Wait) -> Result<Note, PopError>;
    fn pop_until(&mut self, wait: Wait, deadline: Instant) -> Result<Note, PopError>;
    /// Calls `during` with a message in hand, and then gives it back.
    fn sample(&mut self, wait: Wait, during: impl FnOnce(InHand)) -> Result<(), PopError>;
    /// Takes up to `n` messages in hand at one go, where that can be done, and leaves them there.
    fn grab(&mut self, n: usize);
    /// Takes up to `n` messages that are there, and says how many it were.
    fn drain(&mut self, n: usize, each: impl FnMut(Note)) -> usize;
    /// Whether the last message had been in the hands of a consumer that died.
    fn redelivered(&self) -> bool;
    /// How the last owner of this end went.
    fn predecessor(&self) -> Peer;
    fn close(self);
}

macro_rules! consuming {
    () => {
        fn try_pop(&mut self) -> Result<Note, TryPopError> {
            self.try_pop()
        }

        fn pop(&mut self, wait: Wait) -> Result<Note, PopError> {
            self.pop(wait)
        }

        fn pop_until(&mut self, wait: Wait, deadline: Instant) -> Result<Note, PopError> {
            self.pop_until(wait, deadline)
        }

        fn drain(&mut self, n: usize, each: impl FnMut(Note)) -> usize {
            let mut each = each;
            self.drain(n).map(|note| each(note)).count()
        }

        fn predecessor(&self) -> Peer {
            self.predecessor()
        }

        fn close(self) {
            self.close();
        }
    };
}

impl Rx for SharedConsumer<Note> {
    consuming!();

    fn sample(&mut self, wait: Wait, during: impl FnOnce(InHand)) -> Result<(), PopError> {
        let sample = self.sample(wait)?;
        during((sample.position(), sample.read(), sample.redelivered()));
        Ok(())
    }

    fn grab(&mut self, n: usize) {
        drop(self.drain(n));
    }

    fn redelivered(&self) -> bool {
        self.redelivered()
    }
}

impl Rx for Consumer<Note> {
    consuming!();

    fn sample(&mut self, wait: Wait, during: impl FnOnce(InHand)) -> Result<(), PopError> {
        let sample = self.sample(wait)?;
        during((sample.position(), sample.read(), false));
        Ok(())
    }

    fn grab(&mut self, _: usize) {}

    fn redelivered(&self) -> bool {
        false
    }
}
