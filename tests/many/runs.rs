//! Several messages a call, by those who wait: nothing is lost, a run is no longer than was asked for, and waiting ends
//! when there is a reason. In rings that have gates and in such as are too small for them.

use annulus::{
    Backing, Consumer, Options, Parking, PopError, Producer, PushError, SharedConsumer,
    SharedProducer, SlotKind, Spmc, TryPopError, TryPushError, Wait, mpmc, mpsc, spmc, spsc,
};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

/// With places for two consumers, the first has no gates.
const CAPACITIES: [u64; 3] = [8, 64, 1024];

fn anonymous<K: SlotKind>(options: Options<K>, capacity: u64) -> Options<K> {
    options.backing(Backing::Memfd).capacity(capacity)
}

fn soon() -> Instant {
    Instant::now() + Duration::from_millis(20)
}

/// An end that pushes, alone or not.
trait Tx: Send {
    fn try_push(&mut self, value: u64) -> Result<(), TryPushError>;
    fn push_many(&mut self, values: &[u64], wait: Wait) -> Result<usize, PushError>;
    fn close(self);
}

/// An end that takes, alone or not.
trait Rx: Send {
    fn try_pop(&mut self) -> Result<u64, TryPopError>;
    fn drain_wait(&mut self, n: usize, wait: Wait) -> Result<Vec<u64>, PopError>;
    fn drain_until(&mut self, n: usize, deadline: Instant) -> Result<Vec<u64>, PopError>;
}

macro_rules! ends {
    ($tx:ty,) => {
        impl Tx for $tx {
            fn try_push(&mut self, value: u64) -> Result<(), TryPushError> {
                self.try_push(&value)
            }

            fn push_many(&mut self, values: &[u64], wait: Wait) -> Result<usize, PushError> {
                self.push_many(values, wait)
            }

            fn close(self) {
                self.close();
            }
        }
    };
    ($rx:ty) => {
        impl Rx for $rx {
            fn try_pop(&mut self) -> Result<u64, TryPopError> {
                self.try_pop()
            }

            fn drain_wait(&mut self, n: usize, wait: Wait) -> Result<Vec<u64>, PopError> {
                Ok(self.drain_wait(n, wait)?.collect())
            }

            fn drain_until(&mut self, n: usize, at: Instant) -> Result<Vec<u64>, PopError> {
                Ok(self.drain_until(n, Wait::park(), at)?.collect())
            }
        }
    };
}

ends!(Producer<u64>,);
ends!(Producer<u64, annulus::Untrusted, Spmc<u64>>,);
ends!(SharedProducer<u64>,);
ends!(Consumer<u64>);
ends!(SharedConsumer<u64>);

/// What one producer and one consumer of a ring of `capacity` slots can count on.
fn pair(capacity: u64, mut tx: impl Tx, mut rx: impl Rx) {
    assert_eq!(tx.push_many(&[], Wait::park()), Ok(0));
    // Nothing comes: the deadline counts.
    assert_eq!(rx.drain_until(3, soon()), Err(PopError::TimedOut));
    let all: Vec<u64> = (0..2 * capacity).collect();
    // As many as fit, at least one; and full means full, whatever the gate says.
    let mut sent = 0;
    while sent < capacity as usize {
        let more = tx.push_many(&all[sent..], Wait::park()).expect("room");
        assert!(
            more > 0 && sent + more <= capacity as usize,
            "{sent} {more}"
        );
        sent += more;
    }
    assert_eq!(tx.try_push(0), Err(TryPushError::Full));
    assert_eq!(rx.drain_wait(1, Wait::park()), Ok(vec![0]));
    assert_eq!(tx.push_many(&all[sent..], Wait::park()), Ok(1));
    sent += 1;
    assert_eq!(tx.try_push(0), Err(TryPushError::Full));
    // One slot at a time, far from any gate.
    for i in 1..capacity {
        assert_eq!(rx.try_pop(), Ok(i));
        assert_eq!(tx.push_many(&all[sent..=sent], Wait::spin()), Ok(1));
        sent += 1;
    }
    // Who waits for room gets it.
    let late = thread::scope(|scope| {
        let waits = scope.spawn(|| tx.push_many(&[7, 8], Wait::park()));
        thread::sleep(Duration::from_millis(5));
        assert_eq!(rx.try_pop(), Ok(capacity));
        waits.join().expect("no panic").expect("room")
    });
    assert!((1..=2).contains(&late));
    // In order, and no more than were asked for.
    let mut next = capacity + 1;
    while next < 2 * capacity {
        let run = rx.drain_wait(5, Wait::park()).expect("messages");
        assert!((1..=5).contains(&run.len()));
        for value in run {
            let expected = if next < 2 * capacity { next } else { 7 };
            assert_eq!(value, expected);
            next += 1;
        }
    }
    while rx.try_pop().is_ok() {}
    // Who waits for a message gets it, and learns of the end.
    let tx = thread::scope(|scope| {
        let waits = scope.spawn(|| rx.drain_wait(4, Wait::park()));
        thread::sleep(Duration::from_millis(5));
        tx.try_push(9).expect("room");
        assert_eq!(waits.join().expect("no panic"), Ok(vec![9]));
        tx
    });
    tx.close();
    assert_eq!(rx.drain_wait(4, Wait::park()), Err(PopError::Closed));
    assert_eq!(rx.drain_until(4, soon()), Err(PopError::Closed));
}

#[test]
fn runs_are_waited_for_in_rings_of_every_kind() {
    for capacity in CAPACITIES {
        macro_rules! ends {
            ($options:expr) => {{
                let ring = $options.create().expect("create");
                let tx = ring.producer().expect("producer");
                pair(capacity, tx, ring.consumer().expect("consumer"));
            }};
        }
        ends!(anonymous(spsc::<u64>("runs"), capacity));
        ends!(anonymous(mpsc::<u64>("runs"), capacity).producers(3));
        ends!(anonymous(spmc::<u64>("runs"), capacity).consumers(2));
        ends!(
            anonymous(mpmc::<u64>("runs"), capacity)
                .producers(3)
                .consumers(2)
        );
    }
}

#[test]
#[should_panic(expected = "at least one message")]
fn a_run_of_nothing_is_not_waited_for() {
    let ring = anonymous(mpmc::<u64>("runs"), 8).create().expect("create");
    let mut rx = ring.consumer().expect("consumer");
    let _ = rx.drain_wait(0, Wait::spin());
}

#[test]
fn a_consumer_that_holds_a_message_holds_the_gate_and_nothing_else() {
    // Two consumers: one keeps the oldest message in hand, the other one takes all behind it.
    let options = anonymous(mpmc::<u64>("runs"), 64).producers(1).consumers(2);
    let ring = options.create().expect("create");
    let mut tx = ring.producer().expect("producer");
    let mut keeps = ring.consumer().expect("consumer");
    let mut goes_on = ring.consumer().expect("consumer");
    for lap in 0..4 {
        for i in 0..64 {
            tx.try_push(&(lap * 64 + i)).expect("room");
        }
        let held = keeps.try_sample().expect("the oldest");
        for i in 1..64 {
            assert_eq!(goes_on.try_pop(), Ok(lap * 64 + i));
        }
        assert_eq!(goes_on.try_pop(), Err(TryPopError::Empty));
        assert_eq!(
            tx.try_push(&0),
            Err(TryPushError::Full),
            "not over what is held"
        );
        let at = soon();
        assert_eq!(
            tx.push_until(&0, Wait::park(), at),
            Err(PushError::TimedOut)
        );
        assert_eq!(held.read(), lap * 64);
    }
}

#[test]
fn streams_in_runs_of_any_length_lose_nothing() {
    const EACH: u64 = 150_000;
    for (capacity, parking) in [
        (8, Parking::Fenced),
        (64, Parking::Never),
        (1024, Parking::Asymmetric),
    ] {
        let options = anonymous(mpmc::<u64>("runs"), capacity)
            .producers(2)
            .consumers(2);
        let ring = options.parking(parking).create().expect("create");
        let (left, sum) = (AtomicU64::new(2), AtomicU64::new(0));
        let lists = Mutex::new(Vec::new());
        thread::scope(|scope| {
            for p in 0..2 {
                let mut tx = ring.producer().expect("producer");
                let left = &left;
                scope.spawn(move || {
                    let (mut n, mut length) = (0, 0);
                    while n < EACH {
                        length = (length * 7 + 3) % 29;
                        let end = EACH.min(n + 1 + length);
                        let run: Vec<u64> = (n..end).map(|n| p << 32 | n).collect();
                        n += tx.push_many(&run, Wait::spin_then_yield()).expect("room") as u64;
                    }
                    if left.fetch_sub(1, Relaxed) == 1 {
                        tx.close();
                    }
                });
            }
            for wait in [Wait::spin_then_yield(), Wait::park()] {
                let mut rx = ring.consumer().expect("consumer");
                let (sum, lists) = (&sum, &lists);
                scope.spawn(move || {
                    let mut got = Vec::new();
                    loop {
                        match rx.drain_wait(16, wait) {
                            Ok(run) => got.extend(run),
                            Err(PopError::Closed) => break,
                            Err(e) => panic!("{e}"),
                        }
                    }
                    sum.fetch_add(got.len() as u64, Relaxed);
                    lists.lock().expect("no panic").push(got);
                });
            }
        });
        assert_eq!(sum.into_inner(), 2 * EACH);
        let lists = lists.into_inner().expect("no panic");
        for list in &lists {
            for p in 0..2 {
                assert!(
                    list.iter()
                        .filter(|v| **v >> 32 == p)
                        .is_sorted_by(|a, b| a < b)
                );
            }
        }
        let mut all = lists.concat();
        all.sort_unstable();
        let expected = (0..2).flat_map(|p| (0..EACH).map(move |n| p << 32 | n));
        assert!(all.into_iter().eq(expected), "each once");
    }
}
