//! The ring against a `VecDeque` that cannot be wrong: random operations, and after each the same answer.
//!
//! One process holds both ends, so both sides' answers are exact and are compared exactly. The number of
//! operations is fixed; the seed is not, and is printed when a case fails (`ANNULUS_SEED` repeats it).

mod common;

use annulus::{
    Backing, Consumer, Element, Loan, LoanRun, Options, Parking, Producer, Ring, Sample,
    TryPopError, TryPushError,
};
use common::clean::unique;
use common::rng::{self, Rng, SeedOnFailure, mix};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// What the model needs of a kind of message: to make a ring of it and to move byte strings through it.
trait Kind {
    type Item: Element + ?Sized;
    fn options(name: &str, size: usize) -> Options<annulus::Spsc<Self::Item>>;
    fn try_push(tx: &mut Producer<Self::Item>, message: &[u8]) -> Result<(), TryPushError>;
    /// `None` where the kind has no such operation.
    fn try_push_many(
        tx: &mut Producer<Self::Item>,
        messages: &[Vec<u8>],
    ) -> Option<Result<usize, TryPushError>>;
    fn write(loan: &mut Loan<'_, Self::Item>, message: &[u8]);
    fn write_run(run: &mut LoanRun<'_, Self::Item>, i: usize, message: &[u8]);
    fn try_pop(rx: &mut Consumer<Self::Item>, size: usize) -> Result<Vec<u8>, TryPopError>;
    fn read(sample: &Sample<'_, Self::Item>, size: usize) -> Vec<u8>;
    fn drain(rx: &mut Consumer<Self::Item>, n: usize, size: usize) -> Vec<Vec<u8>>;
}

/// Messages of type `[u8; N]`.
struct Typed<const N: usize>;

impl<const N: usize> Kind for Typed<N> {
    type Item = [u8; N];

    fn options(name: &str, _: usize) -> Options<annulus::Spsc<[u8; N]>> {
        annulus::spsc(name)
    }

    fn try_push(tx: &mut Producer<[u8; N]>, message: &[u8]) -> Result<(), TryPushError> {
        tx.try_push(&array(message))
    }

    fn try_push_many(
        tx: &mut Producer<[u8; N]>,
        messages: &[Vec<u8>],
    ) -> Option<Result<usize, TryPushError>> {
        let messages: Vec<[u8; N]> = messages.iter().map(|m| array(m)).collect();
        Some(tx.try_push_many(&messages))
    }

    fn write(loan: &mut Loan<'_, [u8; N]>, message: &[u8]) {
        loan.write(&array(message));
    }

    fn write_run(run: &mut LoanRun<'_, [u8; N]>, i: usize, message: &[u8]) {
        run.write(i, &array(message));
    }

    fn try_pop(rx: &mut Consumer<[u8; N]>, _: usize) -> Result<Vec<u8>, TryPopError> {
        rx.try_pop().map(|m| m.to_vec())
    }

    fn read(sample: &Sample<'_, [u8; N]>, _: usize) -> Vec<u8> {
        sample.read().to_vec()
    }

    fn drain(rx: &mut Consumer<[u8; N]>, n: usize, _: usize) -> Vec<Vec<u8>> {
        rx.drain(n).map(|m| m.to_vec()).collect()
    }
}

fn array<const N: usize>(message: &[u8]) -> [u8; N] {
    message.try_into().expect("a message of this size")
}

/// Messages of bytes.
struct Bytes;

impl Kind for Bytes {
    type Item = [u8];

    fn options(name: &str, size: usize) -> Options<annulus::Spsc<[u8]>> {
        annulus::spsc::<[u8]>(name).slot_size(size)
    }

    fn try_push(tx: &mut Producer<[u8]>, message: &[u8]) -> Result<(), TryPushError> {
        tx.try_push(message)
    }

    fn try_push_many(_: &mut Producer<[u8]>, _: &[Vec<u8>]) -> Option<Result<usize, TryPushError>> {
        None
    }

    fn write(loan: &mut Loan<'_, [u8]>, message: &[u8]) {
        // In two parts, so that offsets are used.
        let (a, b) = message.split_at(message.len() / 3);
        loan.write_at(a.len(), b);
        loan.write_at(0, a);
    }

    fn write_run(run: &mut LoanRun<'_, [u8]>, i: usize, message: &[u8]) {
        run.write_at(i, 0, message);
    }

    fn try_pop(rx: &mut Consumer<[u8]>, size: usize) -> Result<Vec<u8>, TryPopError> {
        let mut message = vec![0; size];
        rx.try_pop_into(&mut message).map(|()| message)
    }

    fn read(sample: &Sample<'_, [u8]>, size: usize) -> Vec<u8> {
        let mut message = vec![0; size];
        let (a, b) = message.split_at_mut(size / 2);
        sample.read_at(a.len(), b);
        sample.read_at(0, a);
        message
    }

    fn drain(rx: &mut Consumer<[u8]>, n: usize, size: usize) -> Vec<Vec<u8>> {
        let (mut drain, mut message, mut got) = (rx.drain(n), vec![0; size], Vec::new());
        while drain.next_into(&mut message) {
            got.push(message.clone());
        }
        got
    }
}

/// The ring, its ends, and what must be in it.
struct Model<K: Kind> {
    ring: Ring<annulus::Spsc<K::Item>>,
    tx: Producer<K::Item>,
    rx: Consumer<K::Item>,
    oracle: VecDeque<Vec<u8>>,
    size: usize,
    capacity: usize,
    /// Positions of the next message to commit and to take.
    tail: u64,
    head: u64,
    rng: Rng,
    made: u64,
}

impl<K: Kind> Model<K> {
    fn new(capacity: usize, size: usize, start: u64, seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        let ring = K::options(&unique("model"), size)
            .backing(rng.pick(&[Backing::Anon, Backing::Memfd]))
            .capacity(capacity as u64)
            .start_position(start)
            .parking(rng.pick(&[Parking::Auto, Parking::Never, Parking::Fenced]))
            .create()
            .expect("a new ring");
        Self {
            tx: ring.producer().expect("a free end"),
            rx: ring.consumer().expect("a free end"),
            ring,
            oracle: VecDeque::new(),
            size,
            capacity,
            tail: start,
            head: start,
            rng,
            made: 0,
        }
    }

    fn message(&mut self) -> Vec<u8> {
        self.made += 1;
        let word = |k: usize| mix(self.made.wrapping_mul(0x1_0001) ^ k as u64) as u8;
        (0..self.size).map(word).collect()
    }

    fn messages(&mut self, n: usize) -> Vec<Vec<u8>> {
        (0..n).map(|_| self.message()).collect()
    }

    fn room(&self) -> usize {
        self.capacity - self.oracle.len()
    }

    fn committed(&mut self, message: Vec<u8>) {
        self.oracle.push_back(message);
        self.tail += 1;
    }

    fn taken(&mut self) -> Option<Vec<u8>> {
        let message = self.oracle.pop_front();
        self.head += u64::from(message.is_some());
        message
    }

    /// Full exactly when the oracle is.
    fn check_full<R>(&self, outcome: &Result<R, TryPushError>) {
        match outcome {
            Ok(_) => assert!(self.room() > 0, "accepted although full"),
            Err(e) => assert_eq!((*e, self.room()), (TryPushError::Full, 0)),
        }
    }

    /// Empty exactly when the oracle is.
    fn check_taken(&mut self, got: Result<Vec<u8>, TryPopError>) {
        let wanted = self.taken().ok_or(TryPopError::Empty);
        assert_eq!(got, wanted);
    }

    fn push(&mut self) {
        let message = self.message();
        let outcome = K::try_push(&mut self.tx, &message);
        self.check_full(&outcome);
        if outcome.is_ok() {
            self.committed(message);
        }
    }

    fn push_many(&mut self) {
        let n = self.rng.below(self.capacity as u64 + 3) as usize;
        let messages = self.messages(n);
        let Some(outcome) = K::try_push_many(&mut self.tx, &messages) else {
            return;
        };
        if n == 0 {
            return assert_eq!(outcome, Ok(0));
        }
        self.check_full(&outcome);
        let sent = outcome.unwrap_or(0);
        assert!(sent <= n.min(self.room()));
        messages
            .into_iter()
            .take(sent)
            .for_each(|m| self.committed(m));
    }

    fn claim(&mut self) {
        let (message, commit) = (self.message(), self.rng.below(3) > 0);
        let (tail, room) = (self.tail, self.room());
        match self.tx.try_claim() {
            Err(e) => return assert_eq!((e, room), (TryPushError::Full, 0)),
            Ok(mut loan) => {
                assert!(room > 0, "claimed although full");
                assert_eq!(loan.position(), tail);
                K::write(&mut loan, &message);
                match commit {
                    true => loan.commit(),
                    false => drop(loan),
                }
            }
        }
        if commit {
            self.committed(message);
        }
    }

    fn claim_run(&mut self) {
        let n = 1 + self.rng.below(self.capacity as u64 + 3) as usize;
        let messages = self.messages(n);
        let (room, choice, part) = (self.room(), self.rng.below(4), self.rng.next());
        let sent = match self.tx.try_claim_run(n) {
            Err(e) => return assert_eq!((e, room), (TryPushError::Full, 0)),
            Ok(mut run) => {
                let len = run.len();
                assert!(
                    len >= 1 && len <= n.min(room),
                    "{len} slots of {n}, room for {room}"
                );
                for (i, message) in messages.iter().take(len).enumerate() {
                    K::write_run(&mut run, i, message);
                }
                match choice {
                    0 => {
                        drop(run);
                        0
                    }
                    1 => {
                        let some = (part % (len as u64 + 1)) as usize;
                        run.commit_first(some);
                        some
                    }
                    _ => {
                        run.commit();
                        len
                    }
                }
            }
        };
        messages
            .into_iter()
            .take(sent)
            .for_each(|m| self.committed(m));
    }

    fn pop(&mut self) {
        let got = K::try_pop(&mut self.rx, self.size);
        self.check_taken(got);
    }

    fn sample(&mut self) {
        let got = self.rx.try_sample().map(|sample| {
            assert_eq!(sample.position(), self.head);
            let message = K::read(&sample, self.size);
            sample.release();
            message
        });
        self.check_taken(got);
    }

    fn drain(&mut self) {
        let n = self.rng.below(self.capacity as u64 + 2) as usize;
        let got = K::drain(&mut self.rx, n, self.size);
        assert_eq!(got.len(), n.min(self.oracle.len()));
        got.into_iter()
            .for_each(|message| self.check_taken(Ok(message)));
    }

    fn check_counts(&self) {
        let n = self.oracle.len() as u64;
        assert_eq!(
            (self.tx.position(), self.rx.position()),
            (self.tail, self.head)
        );
        assert_eq!((self.tx.len(), self.rx.len()), (n, n));
        assert_eq!((self.tx.is_empty(), self.rx.is_empty()), (n == 0, n == 0));
    }

    fn check_status(&self) {
        let status = self.ring.status().expect("the kernel answers");
        assert_eq!(
            (status.taken, status.len),
            (self.head, self.oracle.len() as u64)
        );
    }

    /// An end is left and taken again: nothing is lost, nothing comes twice.
    fn retake(&mut self, producer: bool) {
        // The old end must go before the new one comes; a second ring's ends stand in for it meanwhile.
        let stand_in = K::options(&unique("stand-in"), self.size)
            .backing(Backing::Anon)
            .capacity(2)
            .create()
            .expect("a new ring");
        if producer {
            self.tx = stand_in.producer().expect("a free end");
            self.tx = self.ring.producer().expect("left in order");
        } else {
            self.rx = stand_in.consumer().expect("a free end");
            self.rx = self.ring.consumer().expect("left in order");
        }
        self.check_counts();
    }

    fn step(&mut self) {
        match self.rng.below(1000) {
            0..=249 => self.push(),
            250..=329 => self.push_many(),
            330..=429 => self.claim(),
            430..=499 => self.claim_run(),
            500..=699 => self.pop(),
            700..=849 => self.sample(),
            850..=949 => self.drain(),
            950..=984 => self.check_counts(),
            985..=994 => self.check_status(),
            n => self.retake(n % 2 == 0),
        }
    }

    /// The end of the stream, by one side or the other.
    fn close(mut self) {
        self.check_counts();
        if self.rng.below(2) == 0 {
            self.tx.close();
            assert!(matches!(
                self.ring.producer(),
                Err(annulus::EndpointError::Closed)
            ));
            while let Some(wanted) = self.oracle.pop_front() {
                assert_eq!(K::try_pop(&mut self.rx, self.size), Ok(wanted));
            }
            assert_eq!(
                K::try_pop(&mut self.rx, self.size),
                Err(TryPopError::Closed)
            );
            assert!(matches!(self.rx.try_sample(), Err(TryPopError::Closed)));
        } else {
            self.rx.close();
            assert!(matches!(
                self.ring.consumer(),
                Err(annulus::EndpointError::Closed)
            ));
            let message = vec![7; self.size];
            let sent = (0..2 * self.capacity)
                .take_while(|_| K::try_push(&mut self.tx, &message).is_ok())
                .count();
            assert!(
                sent <= self.capacity,
                "a close is noticed when the ring is full at the latest"
            );
            assert_eq!(
                K::try_push(&mut self.tx, &message),
                Err(TryPushError::Closed)
            );
        }
    }
}

/// Operations on each ring.
const OPERATIONS: usize = 3_000;

/// Every capacity and start position, for messages of `size` bytes: 90,000 operations.
fn case<K: Kind>(size: usize) {
    let seed = rng::seed();
    let _told = SeedOnFailure(seed);
    let mut seeds = Rng::new(seed ^ size as u64);
    for capacity in [2, 4, 8, 16, 32, 64] {
        for start in [0, 1, 61, (1 << 62) - 1, (1 << 62) - 300] {
            let mut model = Model::<K>::new(capacity, size, start, seeds.next());
            (0..OPERATIONS).for_each(|_| model.step());
            model.close();
        }
    }
}

#[test]
fn a_ring_of_a_type_behaves_like_a_queue_of_its_capacity() {
    case::<Typed<1>>(1);
    case::<Typed<7>>(7);
    case::<Typed<8>>(8);
    case::<Typed<9>>(9);
    case::<Typed<56>>(56);
    case::<Typed<57>>(57);
    case::<Typed<120>>(120);
    case::<Typed<200>>(200);
}

#[test]
fn a_ring_of_bytes_behaves_like_a_queue_of_its_capacity() {
    let seed = rng::seed();
    let _told = SeedOnFailure(seed);
    let mut rng = Rng::new(seed);
    for size in [1, 8, 33, 200] {
        case::<Bytes>(size);
    }
    for _ in 0..4 {
        case::<Bytes>(1 + rng.below(200) as usize);
    }
}

#[test]
fn trusting_ends_read_and_write_the_same_messages_in_place() {
    let ring = annulus::spsc::<[u64; 5]>(unique("trusted"))
        .backing(Backing::Anon)
        .capacity(4)
        .create()
        .expect("a new ring");
    // SAFETY: both ends are in this process, which uses the library only and truncates nothing.
    let (mut tx, mut rx) = unsafe {
        (
            ring.producer().expect("a free end").trust_peers(),
            ring.consumer().expect("a free end").trust_peers(),
        )
    };
    for i in 0..1000u64 {
        let mut loan = tx.try_claim().expect("room");
        *loan = [i; 5];
        loan[2] = i * 2;
        loan.commit();
        let mut run = tx.try_claim_run(2).expect("room");
        assert_eq!(run.len(), 2);
        *run.slot_mut(0) = [i + 1; 5];
        run.slot_mut(1)[0] = 99;
        run.commit_first(1);
        assert_eq!(*rx.try_sample().expect("a message"), [i, i, i * 2, i, i]);
        assert_eq!(*rx.try_sample().expect("a message"), [i + 1; 5]);
        assert!(matches!(rx.try_sample(), Err(TryPopError::Empty)));
    }
}

#[test]
fn a_message_survives_a_sample_that_is_forgotten() {
    let ring = annulus::spsc::<u64>(unique("forgotten"))
        .backing(Backing::Anon)
        .capacity(2)
        .create()
        .expect("a new ring");
    let (mut tx, mut rx) = (
        ring.producer().expect("a free end"),
        ring.consumer().expect("a free end"),
    );
    tx.try_push(&5).expect("room");
    std::mem::forget(rx.try_sample().expect("a message"));
    assert_eq!(
        (rx.len(), rx.try_pop()),
        (1, Ok(5)),
        "not released, so still there"
    );
    assert_eq!(rx.try_pop(), Err(TryPopError::Empty));
}

#[test]
fn what_one_side_hears_of_the_count_stays_true_while_the_other_side_works() {
    const MESSAGES: u64 = 200_000;
    let ring = annulus::spsc::<u64>(unique("counts"))
        .backing(Backing::Anon)
        .capacity(64)
        .create()
        .expect("a new ring");
    let (mut tx, mut rx) = (
        ring.producer().expect("a free end"),
        ring.consumer().expect("a free end"),
    );
    // Raised before a commit and before a release: never less than what has happened.
    let (committing, releasing) = (AtomicU64::new(0), AtomicU64::new(0));
    let failed = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let _tell = TellOnPanic(&failed);
            for i in 0..MESSAGES {
                committing.store(i + 1, Ordering::SeqCst);
                while let Err(e) = tx.try_push(&i) {
                    assert_eq!(e, TryPushError::Full);
                    assert!(!failed.load(Ordering::Relaxed));
                    std::thread::yield_now();
                }
                let lag = tx.len();
                // Never less than it is: at most `releasing` were released by the time of asking.
                assert!(
                    lag + releasing.load(Ordering::SeqCst) > i,
                    "lag {lag} at {i}"
                );
                assert!(lag <= 64);
            }
        });
        let _tell = TellOnPanic(&failed);
        for i in 0..MESSAGES {
            let there = rx.len();
            // Never more than there are: at most `committing` were committed by the time of asking.
            assert!(
                i + there <= committing.load(Ordering::SeqCst),
                "{there} at {i}"
            );
            releasing.store(i + 1, Ordering::SeqCst);
            if !rx.is_empty() {
                assert_eq!(rx.try_pop(), Ok(i), "what is there stays there");
                continue;
            }
            while let Err(e) = rx.try_pop().map(|m| assert_eq!(m, i)) {
                assert_eq!(e, TryPopError::Empty);
                assert!(!failed.load(Ordering::Relaxed));
                std::thread::yield_now();
            }
        }
    });
}

/// Lets the other thread of a test end when this one fails.
struct TellOnPanic<'a>(&'a AtomicBool);

impl Drop for TellOnPanic<'_> {
    fn drop(&mut self) {
        self.0.fetch_or(std::thread::panicking(), Ordering::Relaxed);
    }
}
