//! Broadcasts of slots: what each reader gets, what it is told that it lost, and when the producer must wait.

use crate::cargo::{Cargo, Publisher, Typed};
use crate::common::rng::{self, Rng, SeedOnFailure};
use crate::memory::{Memory, TAIL};
use annulus::{
    Backing, Broadcast, EndpointError, Join, JoinError, Laggards, Options, Parking, Peer,
    PushError, ReadError, Reader, Resume, Ring, TryPushError, TryReadError, Wait,
};
use std::time::Instant;

/// A message type with options for a broadcast of it.
trait Sort: Cargo {
    fn options(size: usize) -> Options<Broadcast<Self>>;
}

impl Sort for [u8] {
    fn options(size: usize) -> Options<Broadcast<Self>> {
        annulus::broadcast::<[u8]>("news").slot_size(size)
    }
}

impl Sort for Typed {
    fn options(_: usize) -> Options<Broadcast<Self>> {
        annulus::broadcast::<Self>("news")
    }
}

#[derive(Clone, Copy, Debug)]
struct Shape {
    capacity: u64,
    start: u64,
    size: usize,
    readers: usize,
    parking: Parking,
}

/// A reader, and where it must be.
struct Reading<T: Sort + ?Sized> {
    rx: Reader<T>,
    next: u64,
    /// What it has said of that.
    told: u64,
    joined: u64,
    lossless: bool,
    resume: Resume,
    received: u64,
    lost: u64,
    skipped: u64,
}

/// The ring, its ends, and all that was published. Positions are those of the ring.
struct Model<T: Sort + ?Sized> {
    shape: Shape,
    ring: Ring<Broadcast<T>>,
    memory: Memory,
    tx: Option<Publisher<T>>,
    readers: Vec<Option<Reading<T>>>,
    published: Vec<Vec<u8>>,
    /// Behind the last slot that was written into.
    begun: u64,
    laggards: Laggards,
    refusals: u64,
    closed: bool,
    rng: Rng,
}

impl<T: Sort + ?Sized> Model<T> {
    fn new(shape: Shape, seed: u64) -> Self {
        let options = T::options(shape.size).backing(Backing::Memfd);
        let ring = options
            .readers(shape.readers as u32)
            .capacity(shape.capacity)
            .start_position(shape.start)
            .parking(shape.parking)
            .create()
            .expect("a new ring");
        assert_eq!(
            (ring.capacity(), ring.slot_size()),
            (shape.capacity, shape.size)
        );
        Self {
            memory: Memory::of(&ring),
            tx: None,
            readers: (0..shape.readers).map(|_| None).collect(),
            published: Vec::new(),
            begun: shape.start,
            laggards: Laggards::Wait,
            refusals: 0,
            closed: false,
            rng: Rng::new(seed),
            ring,
            shape,
        }
    }

    fn end(&self) -> u64 {
        self.shape.start + self.published.len() as u64
    }

    fn step_size(&self) -> u64 {
        (self.shape.capacity / 4).max(1)
    }

    /// The oldest position that is safe: at least half of the ring is.
    fn oldest(&self) -> u64 {
        let (frontier, end) = (self.memory.get(TAIL), self.end());
        assert!(
            (end..=end + self.step_size()).contains(&frontier),
            "{frontier} at {end}"
        );
        assert!(self.begun <= frontier, "written beyond what was said");
        frontier
            .saturating_sub(self.shape.capacity)
            .max(self.shape.start)
    }

    /// How many more messages the slowest reader that is waited for allows.
    fn free(&self) -> u64 {
        let readers = self
            .readers
            .iter()
            .flatten()
            .filter(|reader| reader.lossless);
        let behind = readers
            .map(|reader| self.end() - reader.told)
            .max()
            .unwrap_or(0);
        assert!(behind <= self.shape.capacity);
        self.shape.capacity - behind
    }

    fn message(&mut self) -> Vec<u8> {
        let mut bytes = Rng::new(self.rng.next());
        (0..self.shape.size).map(|_| bytes.next() as u8).collect()
    }

    /// Attaches the producer if need be.
    fn attach(&mut self) {
        if self.tx.is_none() {
            let mut tx = self.ring.producer().expect("left in order");
            assert_eq!(
                tx.position(),
                self.end(),
                "goes on where the last one stopped"
            );
            self.refusals = 0;
            tx.laggards(self.laggards);
            self.tx = Some(tx);
        }
    }

    // ---- the producer -------------------------------------------------------------------------------

    /// What a push that does not wait must give. Laggards may lose their standing over it.
    fn verdict(&mut self) -> Result<(), TryPushError> {
        if self.free() > 0 {
            self.refusals = 0;
            return Ok(());
        }
        self.refusals += 1;
        match self.laggards {
            Laggards::Demote { patience } if self.refusals > patience => {
                let (end, capacity) = (self.end(), self.shape.capacity);
                for reader in self.readers.iter_mut().flatten() {
                    reader.lossless &= end - reader.told < capacity;
                }
                self.refusals = 0;
                Ok(())
            }
            _ => Err(TryPushError::Full),
        }
    }

    fn publish(&mut self, bytes: Vec<u8>) {
        self.published.push(bytes);
        self.begun = self.begun.max(self.end());
    }

    fn push(&mut self) {
        self.attach();
        let bytes = self.message();
        let waits = self.rng.below(4) == 0;
        let wanted = match waits {
            true if self.free() == 0 => Err(TryPushError::Full),
            _ => self.verdict(),
        };
        let tx = self.tx.as_mut().expect("attached");
        let got = T::with(&bytes, |message| match waits {
            true => tx
                .push_until(message, Wait::spin(), Instant::now())
                .map_err(|e| {
                    assert_eq!(e, PushError::TimedOut);
                    TryPushError::Full
                }),
            false => tx.try_push(message),
        });
        assert_eq!(got, wanted);
        if wanted.is_ok() {
            self.publish(bytes);
        }
    }

    fn push_many(&mut self) {
        self.attach();
        let n = self.rng.below(self.shape.capacity + 2);
        let all: Vec<_> = (0..n).map(|_| self.message()).collect();
        let wanted = match n {
            0 => Ok(()),
            _ => self.verdict(),
        };
        let free = self.free().max(1);
        let got = T::push_many_alone(self.tx.as_mut().expect("attached"), &all);
        assert_eq!(got.map(|_| ()), wanted);
        let sent = got.unwrap_or(0);
        assert!(sent as u64 <= free.min(n) && (sent > 0 || n == 0 || wanted.is_err()));
        all.into_iter()
            .take(sent)
            .for_each(|bytes| self.publish(bytes));
    }

    fn claim(&mut self) {
        self.attach();
        let bytes = self.message();
        let wanted = self.verdict();
        let end = self.end();
        let choice = self.rng.below(4);
        let tx = self.tx.as_mut().expect("attached");
        match tx.try_claim() {
            Err(e) => return assert_eq!(Err(e), wanted),
            Ok(mut loan) => {
                assert_eq!((loan.position(), wanted), (end, Ok(())));
                T::with(&bytes, |message| loan.write(message));
                match choice {
                    0 => loan.abort(),
                    1 => drop(loan),
                    _ => loan.commit(),
                }
            }
        }
        // What was there before is gone, whether this was sent or not.
        self.begun = self.begun.max(end + 1);
        if choice >= 2 {
            self.publish(bytes);
        }
    }

    fn claim_run(&mut self) {
        self.attach();
        let n = 1 + self.rng.below(self.shape.capacity + 2);
        let all: Vec<_> = (0..n).map(|_| self.message()).collect();
        let wanted = self.verdict();
        let (end, free) = (self.end(), self.free().max(1));
        let (choice, sent) = (self.rng.below(4), self.rng.next());
        let tx = self.tx.as_mut().expect("attached");
        let mut run = match tx.try_claim_run(n as usize) {
            Err(e) => return assert_eq!(Err(e), wanted),
            Ok(run) => run,
        };
        assert_eq!(wanted, Ok(()));
        let len = run.len();
        assert!((1..=n.min(free)).contains(&(len as u64)));
        for (i, bytes) in all[..len].iter().enumerate() {
            T::with(bytes, |message| run.write(i, message));
        }
        let sent = match choice {
            0 => {
                drop(run);
                0
            }
            1 => {
                let sent = sent as usize % (len + 1);
                run.commit_first(sent);
                sent
            }
            _ => {
                run.commit();
                len
            }
        };
        self.begun = self.begun.max(end + len as u64);
        all.into_iter()
            .take(sent)
            .for_each(|bytes| self.publish(bytes));
    }

    fn change_producer(&mut self) {
        self.attach();
        let patience = self.rng.below(4);
        self.laggards = self
            .rng
            .pick(&[Laggards::Wait, Laggards::Demote { patience }]);
        let tx = self.tx.as_mut().expect("attached");
        tx.laggards(self.laggards);
        if self.rng.below(2) == 0 {
            self.tx = None;
        }
    }

    // ---- the readers --------------------------------------------------------------------------------

    /// Any reader's place, with one in it if there is to be one.
    fn reader(&mut self) -> usize {
        let i = self.rng.below(self.readers.len() as u64) as usize;
        if self.readers[i].is_none() {
            self.join(i);
        }
        i
    }

    fn join(&mut self, i: usize) {
        let (oldest, end) = (self.oldest(), self.end());
        let lossless = self.rng.below(3) == 0;
        let near = (oldest + self.rng.below(end - oldest + 5)).saturating_sub(2);
        let join = match self.rng.below(4) {
            0 => Join::Newest,
            1 => Join::Oldest,
            2 => Join::At(
                self.rng
                    .pick(&[0, 1, end + 1, end + self.shape.capacity, u64::MAX]),
            ),
            _ => Join::At(near),
        };
        let joined = match join {
            Join::Newest => end,
            Join::Oldest => oldest,
            Join::At(position) => position,
        };
        let attach = |join| match lossless {
            true => self.ring.lossless_reader(join),
            false => self.ring.reader(join),
        };
        let rx = match attach(join) {
            Ok(rx) => rx,
            Err(JoinError::Gone {
                oldest: o,
                newest: n,
            }) => {
                assert_eq!((o, n), (oldest, end));
                assert!(joined < oldest || joined > end, "{joined} is there");
                attach(Join::At(oldest)).expect("it is there")
            }
            Err(e) => panic!("{e}"),
        };
        let position = rx.position();
        let there = oldest <= joined && joined <= end;
        assert_eq!(position, if there { joined } else { oldest });
        self.readers[i] = Some(Reading {
            next: position,
            told: position,
            joined: position,
            lossless,
            resume: Resume::Oldest,
            received: 0,
            lost: 0,
            skipped: 0,
            rx,
        });
    }

    /// Whether what was published as `position` was not written over.
    fn is_intact(&self, position: u64) -> bool {
        position + self.shape.capacity >= self.begun
    }

    /// What the next read of reader `i` must give, and where it is then.
    fn next(&self, i: usize, newest: bool) -> (Result<Vec<u8>, TryReadError>, u64, u64) {
        let reader = self.readers[i].as_ref().expect("joined");
        let (mut next, end) = (reader.next, self.end());
        let mut skipped = 0;
        if newest && next < end {
            (skipped, next) = (end - 1 - next, end - 1);
        }
        if next == end {
            let nothing = match self.closed {
                true => TryReadError::Closed,
                false => TryReadError::Empty,
            };
            return (Err(nothing), next, skipped);
        }
        if self.is_intact(next) {
            let message = &self.published[(next - self.shape.start) as usize];
            return (Ok(message.clone()), next + 1, skipped);
        }
        assert!(!newest, "the newest is never lost");
        let there = match reader.resume {
            Resume::Oldest => self.oldest(),
            Resume::Newest => end,
        };
        (Err(TryReadError::Lost(there - next)), there, skipped)
    }

    fn read(&mut self) {
        let i = self.reader();
        match self.rng.below(5) {
            0 => self.drain_by(i),
            _ => self.read_by(i),
        }
    }

    /// Several at a time: what is there and intact, and nothing said or counted of what is not.
    fn drain_by(&mut self, i: usize) {
        let (step, size) = (self.step_size(), self.shape.size);
        let (most, waits) = (1 + self.rng.below(8), self.rng.below(2) == 0);
        let (first, there, _) = self.next(i, false);
        let next = self.readers[i].as_ref().expect("joined").next;
        let intact = (next..self.end()).take_while(|position| self.is_intact(*position));
        let wanted: Vec<_> = intact
            .take(most as usize)
            .map(|position| self.published[(position - self.shape.start) as usize].clone())
            .collect();
        let reader = self.readers[i].as_mut().expect("joined");
        let drain = match waits {
            true => reader
                .rx
                .drain_until(most as usize, Wait::spin(), Instant::now()),
            false => Ok(reader.rx.drain(most as usize)),
        };
        let mut drain = match (drain, first) {
            (Ok(drain), first) => {
                assert!(first.is_ok() || !waits);
                drain
            }
            (Err(ReadError::Lost(lost)), Err(TryReadError::Lost(wanted))) => {
                assert_eq!(lost, wanted);
                reader.lost += lost;
                (reader.next, reader.told) = (there, there);
                return;
            }
            (Err(ReadError::TimedOut), Err(TryReadError::Empty))
            | (Err(ReadError::Closed), Err(TryReadError::Closed)) => {
                reader.told = reader.next;
                return;
            }
            (got, wanted) => panic!("{:?} and not {wanted:?}", got.err()),
        };
        let mut got = Vec::new();
        while let (true, out) = T::receive(size, |out| drain.next_into(out)) {
            got.push(out);
        }
        assert_eq!(got, wanted);
        for _ in &got {
            reader.next += 1;
            reader.received += 1;
            if reader.next - reader.told >= step {
                reader.told = reader.next;
            }
        }
        if got.len() < most as usize {
            reader.told = reader.next;
        }
    }

    fn read_by(&mut self, i: usize) {
        let (step, size) = (self.step_size(), self.shape.size);
        let choice = self.rng.below(5);
        let newest = choice == 4;
        let (wanted, next, skipped) = self.next(i, newest);
        let reader = self.readers[i].as_mut().expect("joined");
        let rx = &mut reader.rx;
        let got = match choice {
            0 => {
                let soon = Instant::now();
                let (got, out) =
                    T::receive(size, |out| rx.read_into_until(out, Wait::spin(), soon));
                got.map(|()| out).map_err(|e| match e {
                    ReadError::TimedOut => TryReadError::Empty,
                    ReadError::Lost(n) => TryReadError::Lost(n),
                    ReadError::Closed => TryReadError::Closed,
                    e => panic!("{e}"),
                })
            }
            1 => {
                let (got, out) = T::receive(size, |out| rx.try_read_into(out));
                got.map(|()| out)
            }
            2 | 3 => T::read(rx),
            _ => T::latest(rx),
        };
        assert_eq!(got, wanted);
        match wanted {
            Ok(_) => reader.received += 1,
            Err(TryReadError::Lost(lost)) => {
                assert!(!reader.lossless, "it was to be waited for");
                reader.lost += lost;
            }
            Err(_) => {}
        }
        reader.skipped += skipped;
        reader.next = next;
        if wanted.is_err() || next - reader.told >= step {
            reader.told = next;
        }
    }

    fn change_reader(&mut self) {
        let i = self.reader();
        let reader = self.readers[i].as_mut().expect("joined");
        match self.rng.below(4) {
            0 => {
                reader.resume = self.rng.pick(&[Resume::Oldest, Resume::Newest]);
                reader.rx.resume_at(reader.resume);
            }
            1 => {
                reader.rx.become_lossy();
                reader.lossless = false;
            }
            _ => self.readers[i] = None,
        }
    }

    fn check(&mut self) {
        let (start, end, capacity) = (self.shape.start, self.end(), self.shape.capacity);
        for reader in self.readers.iter().flatten() {
            let rx = &reader.rx;
            assert_eq!((rx.position(), rx.lag()), (reader.next, end - reader.next));
            let counted = (rx.received(), rx.lost(), rx.skipped());
            assert_eq!(counted, (reader.received, reader.lost, reader.skipped));
            let all = rx.received() + rx.lost() + rx.skipped() + rx.lag();
            assert_eq!(all, end - reader.joined, "every message is one of these");
            assert_eq!(rx.is_lossless(), reader.lossless);
            assert_eq!((rx.capacity(), rx.slot_size()), (capacity, self.shape.size));
        }
        let behind = capacity - self.free();
        if let Some(tx) = &self.tx {
            assert_eq!((tx.len(), tx.position()), (behind, end));
            assert_eq!(tx.is_empty(), behind == 0);
        }
        let oldest = self.oldest();
        assert!(
            end - oldest >= (end - start).min(capacity / 2),
            "half of the ring is there"
        );
        let status = self.ring.status().expect("the kernel answers");
        assert_eq!((status.taken, status.len), (end - behind, behind));
        let alive = status
            .consumers
            .iter()
            .filter(|end| end.state == Peer::Alive);
        let said: Vec<_> = alive.map(|end| end.reading.expect("a reader")).collect();
        assert_eq!(said.len(), self.readers.iter().flatten().count());
        for reader in self.readers.iter().flatten() {
            let is_it = |said: &&annulus::Reading| {
                (said.position, said.lost) == (reader.told, reader.lost)
                    && said.lossless == reader.lossless
                    && said.lag == end - reader.told
            };
            assert!(said.iter().any(|said| is_it(&said)), "{said:?}");
        }
        let everybody = self.readers.iter().all(Option::is_some);
        // Seldom: a refusal takes its time.
        if everybody && self.rng.below(32) == 0 {
            match self.ring.reader(Join::Newest) {
                Err(JoinError::Endpoint(EndpointError::NoPlace { places })) => {
                    assert_eq!(places as usize, self.readers.len());
                }
                other => panic!("{:?}", other.err()),
            }
        }
    }

    fn step(&mut self) {
        match self.rng.below(1000) {
            0..=249 => self.push(),
            250..=299 => self.push_many(),
            300..=369 => self.claim(),
            370..=419 => self.claim_run(),
            420..=899 => self.read(),
            900..=949 => self.check(),
            950..=979 => self.change_reader(),
            _ => self.change_producer(),
        }
    }

    /// The end of the stream: everybody reads what is left.
    fn close(mut self) {
        self.attach();
        self.tx.take().expect("attached").close();
        self.closed = true;
        assert!(matches!(self.ring.producer(), Err(EndpointError::Closed)));
        for i in 0..self.readers.len() {
            if self.readers[i].is_none() {
                self.join(i);
            }
            while self.readers[i].as_ref().expect("joined").next < self.end() {
                self.read_by(i);
            }
            self.read_by(i);
        }
        self.check();
    }
}

/// Operations on each ring.
const OPERATIONS: usize = 4_000;

/// Every capacity, three start positions, three sizes: 216,000 operations on bytes, 72,000 on typed messages.
fn case<T: Sort + ?Sized>(number: u64) {
    let seed = rng::seed();
    let _told = SeedOnFailure(seed);
    let mut seeds = Rng::new(seed ^ number);
    let sizes: &[usize] = match T::SIZE {
        Some(20) => &[20],
        _ => &[1, 13, 100],
    };
    for size in sizes {
        for capacity in [2, 4, 8, 16, 32, 64] {
            for start in [0, seeds.below(1 << 40), (1 << 62) - 1 - seeds.below(200)] {
                let shape = Shape {
                    capacity,
                    start,
                    size: *size,
                    readers: 1 + seeds.below(5) as usize,
                    parking: seeds.pick(&[Parking::Auto, Parking::Never, Parking::Fenced]),
                };
                let mut model = Model::<T>::new(shape, seeds.next());
                (0..OPERATIONS).for_each(|_| model.step());
                model.close();
            }
        }
    }
}

#[test]
fn every_reader_gets_every_message_of_bytes_or_is_told_how_many_not() {
    case::<[u8]>(1);
}

#[test]
fn every_reader_gets_every_typed_message_or_is_told_how_many_not() {
    case::<Typed>(2);
}
