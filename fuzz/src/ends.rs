//! The ends of each kind, and what they are asked to do. Whatever the words say, what comes out stays within bounds.

use crate::exercise::soon;
use crate::play::{Consume, Ends, Produce, Shape, had, joined};
use annulus::{
    Backing, Broadcast, BroadcastRecords, Consumer, Join, Laggards, Mpmc, Mpsc, MpscRecords,
    Options, Producer, Reader, RecordConsumer, RecordKind, RecordProducer, RecordReader, Resume,
    Ring, SharedConsumer, SharedProducer, Spmc, Untrusted, Wait,
};
use std::time::Duration;

/// Size of a message in slots.
pub const SIZE: usize = 20;

fn some_wait(arg: u8) -> Wait {
    match arg % 3 {
        0 => Wait::park().spin_for(Duration::ZERO),
        1 => Wait::spin(),
        _ => Wait::spin_then_yield().spin_for(Duration::ZERO),
    }
}

/// A place for one message, and a byte on either side that is none of the library's business.
struct Out([u8; SIZE + 2]);

impl Out {
    fn new() -> Self {
        Self([0x5a; SIZE + 2])
    }

    fn message(&mut self) -> &mut [u8] {
        &mut self.0[1..=SIZE]
    }
}

impl Drop for Out {
    fn drop(&mut self) {
        assert_eq!((self.0[0], self.0[SIZE + 1]), (0x5a, 0x5a));
    }
}

macro_rules! produces {
    ($tx:ty, $run:ident, $forget:expr, $more:expr) => {
        impl Produce for $tx {
            fn push(&mut self, message: &[u8]) -> bool {
                self.try_push(message).is_ok()
            }

            fn operate(&mut self, op: u8, arg: u8) {
                let (wait, bytes) = (some_wait(arg), [arg; SIZE]);
                let n = [1, 2, 3, 9, 100, usize::MAX][usize::from(arg % 6)];
                let forget = $forget;
                match op {
                    0..=2 => drop(self.try_push(&bytes)),
                    3 => drop(self.push_until(&bytes, wait, soon())),
                    4 => drop(self.claim_until(wait, soon()).map(|loan| loan.commit())),
                    5 => drop(self.try_claim().map(|mut loan| {
                        loan.write_at(3, &bytes[..9]);
                        loan.abort()
                    })),
                    6 if forget => drop(self.try_claim().map(std::mem::forget)),
                    7 | 8 => drop(self.$run(n).map(|mut run| {
                        let len = run.len();
                        assert!((1..=n).contains(&len));
                        (0..len.min(50)).for_each(|i| run.write(i, &bytes));
                        match arg % 4 {
                            0 => run.abort(),
                            1 if forget => std::mem::forget(run),
                            2 => run.commit_first(len / 2),
                            _ => run.commit(),
                        }
                    })),
                    9 => $more(self, arg),
                    _ => {
                        let _ = (self.is_empty(), self.consumer_state(), self.predecessor());
                        assert!(self.len() <= self.capacity());
                    }
                }
            }

            fn close(self: Box<Self>) {
                (*self).close();
            }
        }
    };
}

fn nothing<T>(_: &mut T, _: u8) {}

fn some_laggards(tx: &mut Producer<[u8], Untrusted, Broadcast<[u8]>>, arg: u8) {
    tx.laggards(match arg % 4 {
        0 => Laggards::Wait,
        patience => Laggards::Demote {
            patience: u64::from(patience),
        },
    });
}

produces!(SharedProducer<[u8]>, try_claim_many, true, nothing);
produces!(Producer<[u8], Untrusted, Spmc<[u8]>>, try_claim_run, false, nothing);
produces!(Producer<[u8], Untrusted, Broadcast<[u8]>>, try_claim_run, false, some_laggards);

macro_rules! consumes {
    ($rx:ty) => {
        impl Consume for $rx {
            fn pop(&mut self) -> Option<Vec<u8>> {
                let mut out = Out::new();
                let taken = self.try_pop_into(out.message());
                taken.ok().map(|()| out.message().to_vec())
            }

            fn operate(&mut self, op: u8, arg: u8) {
                let (wait, mut out) = (some_wait(arg), Out::new());
                let n = [0, 1, 2, 3, 9, 100, usize::MAX][usize::from(arg % 7)];
                match op {
                    0..=2 => drop(self.try_pop_into(out.message())),
                    3 => drop(self.pop_into_until(out.message(), wait, soon())),
                    4 => drop(self.sample_until(wait, soon()).map(std::mem::forget)),
                    5 => drop(self.try_sample().map(|sample| {
                        assert_eq!(sample.slot_size(), SIZE);
                        sample.read_at(1, &mut out.message()[..7]);
                        sample.read_into(out.message());
                    })),
                    6..=8 => {
                        let most = usize::from(arg);
                        let mut drain = self.drain(n);
                        let mut got = 0;
                        while got < most && drain.next_into(out.message()) {
                            got += 1;
                        }
                        assert!(got <= n);
                    }
                    _ => {
                        let _ = (self.is_empty(), self.producer_state(), self.predecessor());
                        assert_eq!(self.slot_size(), SIZE);
                    }
                }
            }

            fn close(self: Box<Self>) {
                (*self).close();
            }
        }
    };
}

consumes!(Consumer<[u8]>);
consumes!(SharedConsumer<[u8]>);

impl Consume for Reader<[u8]> {
    fn pop(&mut self) -> Option<Vec<u8>> {
        let mut out = Out::new();
        let read = self.try_read_into(out.message());
        read.ok().map(|()| out.message().to_vec())
    }

    fn operate(&mut self, op: u8, arg: u8) {
        let (wait, mut out) = (some_wait(arg), Out::new());
        let before = (self.received(), self.position());
        match op {
            0..=4 => drop(self.try_read_into(out.message())),
            5 => drop(self.read_into_until(out.message(), wait, soon())),
            6 => drop(self.try_latest_into(out.message())),
            7 => self.resume_at([Resume::Oldest, Resume::Newest][usize::from(arg % 2)]),
            8 if arg.is_multiple_of(8) => self.become_lossy(),
            _ => drop((
                self.lag(),
                self.skipped(),
                self.lost(),
                self.producer_state(),
            )),
        }
        assert!(self.received() - before.0 <= 1, "one call, one message");
    }

    fn close(self: Box<Self>) {}
}

impl<K: RecordKind> Produce for RecordProducer<K> {
    fn push(&mut self, message: &[u8]) -> bool {
        self.try_push(message).is_ok()
    }

    fn operate(&mut self, op: u8, arg: u8) {
        let (wait, most) = (some_wait(arg), self.max_record());
        let len = match arg % 4 {
            0 => most,
            1 => most.saturating_sub(usize::from(arg)),
            _ => usize::from(arg) % (most + 1),
        };
        let (bytes, half) = (vec![arg; len], len / 2);
        match op {
            0..=2 => drop(self.try_push_tagged(7, &bytes)),
            3 => drop(self.push_until(&bytes, wait, soon())),
            4 => drop(self.try_push_many(&[&bytes, &bytes[half..], b"", &bytes[..half]])),
            5 => drop(self.try_push_vectored(7, &[&bytes[half..], b"", &bytes[..half]])),
            6 => drop(self.try_claim(len).map(std::mem::forget)),
            7 | 8 => drop(self.try_claim(len).map(|mut loan| {
                loan.write_at(half, &bytes[half..]);
                match arg % 3 {
                    0 => loan.abort(),
                    1 => loan.commit_len(half),
                    _ => loan.commit(),
                }
            })),
            _ => assert!(self.try_claim(most + 1).is_err()),
        }
    }

    fn close(self: Box<Self>) {
        (*self).close();
    }
}

impl Consume for RecordConsumer {
    fn pop(&mut self) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        self.try_pop_into(&mut out).ok().map(|_| out)
    }

    fn operate(&mut self, op: u8, arg: u8) {
        let (wait, capacity) = (some_wait(arg), self.capacity_bytes() as usize);
        let (mut out, n) = (Vec::new(), usize::from(arg % 9));
        match op {
            0..=2 => drop(self.try_pop_into(&mut out)),
            3 => drop(self.pop_into_until(&mut out, wait, soon())),
            4 => drop(self.sample_until(wait, soon()).map(|sample| sample.keep())),
            5 => drop(self.try_sample().map(|sample| {
                assert!(sample.len() + 8 <= capacity);
                assert_eq!(sample.to_vec().len(), sample.len());
                let some = n.min(sample.len());
                sample.read_at(sample.len() - some, &mut vec![0; some]);
            })),
            6 => drop(self.try_peek().map(drop)),
            7 | 8 => {
                let mut drain = self.drain(n);
                let mut got = 0;
                while drain.next_into(&mut out).is_some() {
                    got += 1;
                }
                assert!(got <= n);
            }
            _ => drop((self.is_empty(), self.producer_state(), self.position())),
        }
        assert!(out.len() + 8 <= capacity);
    }

    fn close(self: Box<Self>) {
        (*self).close();
    }
}

impl Consume for RecordReader {
    fn pop(&mut self) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        self.try_read_into(&mut out).ok().map(|_| out)
    }

    fn operate(&mut self, op: u8, arg: u8) {
        let (wait, mut out) = (some_wait(arg), Vec::new());
        let before = self.received();
        match op {
            0..=4 => drop(self.try_read_into(&mut out)),
            5 => drop(self.read_into_until(&mut out, wait, soon())),
            6 => drop(self.try_latest_into(&mut out)),
            7 => self.resume_at([Resume::Oldest, Resume::Newest][usize::from(arg % 2)]),
            8 if arg.is_multiple_of(8) => self.become_lossy(),
            _ => drop((
                self.lag_bytes(),
                self.skipped(),
                self.lost(),
                self.is_lossless(),
            )),
        }
        assert!(out.len() as u64 <= self.capacity_bytes());
        assert!(self.received() - before <= 1, "one call, one record");
    }

    fn close(self: Box<Self>) {}
}

macro_rules! queue {
    ($name:ident, $kind:ty, $options:expr) => {
        /// A kind of queue.
        pub struct $name;

        impl Ends for $name {
            type Kind = $kind;

            fn options(shape: Shape) -> Options<Self::Kind> {
                let options: fn(Shape) -> Options<Self::Kind> = $options;
                options(shape)
                    .backing(Backing::Memfd)
                    .start_position(shape.start())
            }

            fn tx(ring: &Ring<Self::Kind>) -> Option<Box<dyn Produce>> {
                had(ring.producer()).map(|tx| Box::new(tx) as _)
            }

            fn rx(ring: &Ring<Self::Kind>, _: u8) -> Option<Box<dyn Consume>> {
                had(ring.consumer()).map(|rx| Box::new(rx) as _)
            }
        }
    };
}

queue!(Mpscs, Mpsc<[u8]>, |shape| {
    let options = annulus::mpsc("fuzz")
        .slot_size(SIZE)
        .capacity(shape.capacity());
    options.producers(shape.places().0)
});
queue!(Spmcs, Spmc<[u8]>, |shape| {
    let options = annulus::spmc("fuzz")
        .slot_size(SIZE)
        .capacity(shape.capacity());
    options.consumers(shape.places().1)
});
queue!(Mpmcs, Mpmc<[u8]>, |shape| {
    let options = annulus::mpmc("fuzz")
        .slot_size(SIZE)
        .capacity(shape.capacity());
    options
        .producers(shape.places().0)
        .consumers(shape.places().1)
});
queue!(RecordQueues, MpscRecords, |shape| {
    let options = annulus::mpsc_records("fuzz").capacity_bytes(128 * shape.capacity());
    options.producers(shape.places().0)
});

/// Where a reader begins.
fn some_join(start: u64, arg: u8) -> Join {
    match arg % 8 {
        0..=2 => Join::Oldest,
        3 | 4 => Join::Newest,
        5 => Join::At(start.wrapping_add(u64::from(arg / 8) * 8)),
        6 => Join::At(start.wrapping_add(u64::from(arg / 8))),
        _ => Join::At(u64::MAX << (arg / 8)),
    }
}

macro_rules! broadcast {
    ($name:ident, $kind:ty, $options:expr) => {
        /// A kind of broadcast.
        pub struct $name;

        impl Ends for $name {
            type Kind = $kind;

            fn options(shape: Shape) -> Options<Self::Kind> {
                let options: fn(Shape) -> Options<Self::Kind> = $options;
                options(shape)
                    .backing(Backing::Memfd)
                    .readers(shape.places().1)
                    .start_position(shape.start())
            }

            fn tx(ring: &Ring<Self::Kind>) -> Option<Box<dyn Produce>> {
                had(ring.producer()).map(|tx| Box::new(tx) as _)
            }

            fn rx(ring: &Ring<Self::Kind>, arg: u8) -> Option<Box<dyn Consume>> {
                let join = some_join(64, arg);
                let joined = match arg % 2 {
                    0 => joined(ring.reader(join)),
                    _ => joined(ring.lossless_reader(join)),
                };
                joined.map(|rx| Box::new(rx) as _)
            }
        }
    };
}

broadcast!(Broadcasts, Broadcast<[u8]>, |shape| {
    annulus::broadcast("fuzz")
        .slot_size(SIZE)
        .capacity(shape.capacity())
});
broadcast!(RecordBroadcasts, BroadcastRecords, |shape| {
    annulus::broadcast_records("fuzz").capacity_bytes(128 * shape.capacity())
});
