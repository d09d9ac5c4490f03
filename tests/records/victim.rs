//! The victim: uses a ring of records in every way while it is lied to, and says how long it took.

use crate::kinds::Kind;
use crate::lies::Enemy;
use annulus::{EndpointError, OpenError, RecordConsumer, RecordProducer, Ring, Wait};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// How long the victim is ready to wait.
pub const PATIENCE: Duration = Duration::from_micros(150);

/// What one operation gave. Values are not looked at: the enemy may have forged them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Done,
    Refused,
    /// An end is closed for good, or cannot be had: the ring has to be healed.
    Over,
}

fn of<V, E>(result: Result<V, E>) -> Outcome {
    match result {
        Ok(_) => Outcome::Done,
        Err(_) => Outcome::Refused,
    }
}

/// Kinds of operations.
pub const OPERATIONS: u64 = 20;

/// All ends of a ring.
pub struct Victim<K: Kind> {
    pub ring: Ring<K>,
    pub txs: Vec<RecordProducer<K>>,
    pub rx: Option<RecordConsumer>,
    /// What is pushed, or parts of it.
    pub bytes: Vec<u8>,
    out: Vec<u8>,
}

fn deadline() -> Instant {
    Instant::now() + PATIENCE
}

/// Whether an end could be had.
fn had<E>(taken: Result<E, EndpointError>) -> Option<E> {
    match taken {
        Ok(end) => Some(end),
        // A damaged ring refuses until it is healed.
        Err(EndpointError::Closed | EndpointError::Corrupt(_) | EndpointError::NoPlace { .. }) => {
            None
        }
        Err(EndpointError::Occupied { .. }) => panic!("the kernel says who is alive, not the peer"),
        Err(e) => panic!("unexpected: {e}"),
    }
}

impl<K: Kind> Victim<K> {
    /// Nobody yet. `ring` is one of the enemy's.
    pub fn new(ring: Ring<K>) -> Self {
        let most = ring.max_record();
        Self {
            ring,
            txs: Vec::new(),
            rx: None,
            bytes: (0..=most + 1).map(|i| i as u8).collect(),
            out: Vec::new(),
        }
    }

    /// Lets go of everything.
    pub fn leave(&mut self) {
        self.txs.clear();
        self.rx = None;
    }

    /// Takes all ends but one place.
    pub fn attach(&mut self, producers: usize) -> Result<(), EndpointError> {
        for _ in 0..producers.max(2) - 1 {
            self.txs.push(self.ring.producer()?);
        }
        self.rx = Some(self.ring.consumer()?);
        Ok(())
    }

    /// Operation number `op`, with strikes in the middle of it.
    pub fn operate(&mut self, op: u64, enemy: &mut Enemy) -> Outcome {
        if self.txs.is_empty() || self.rx.is_none() {
            return Outcome::Over;
        }
        match op {
            0..=7 => self.produce(op, enemy),
            8..=14 => self.consume(op, enemy),
            _ => self.change(op, enemy),
        }
    }

    fn produce(&mut self, op: u64, enemy: &mut Enemy) -> Outcome {
        let (rng, most) = (&mut enemy.rng, self.ring.max_record() as u64);
        let len = match rng.below(4) {
            0 => rng.below(most + 2),
            1 => rng.pick(&[0, 1, 8, most - 7, most]),
            _ => rng.below(64),
        } as usize;
        let wait = some_wait(enemy);
        let i = enemy.rng.below(self.txs.len() as u64) as usize;
        let (tx, bytes) = (&mut self.txs[i], &self.bytes[..len]);
        let half = len / 2;
        match op {
            0 | 1 => of(tx.try_push_tagged(op as u16, bytes)),
            2 => of(tx.push_until(bytes, wait, deadline())),
            3 => of(tx.try_push_many(&[bytes, &bytes[half..], b"", &bytes[..half]])),
            4 => of(tx.try_push_vectored(7, &[&bytes[half..], b"", &bytes[..half]])),
            _ => of(tx.try_claim(len).map(|mut loan| {
                enemy.strike();
                loan.write_at(half, &bytes[half..]);
                enemy.strike();
                loan.write_at(0, &bytes[..half]);
                match op {
                    5 => loan.commit(),
                    6 => loan.commit_len(half),
                    _ => loan.abort(),
                }
            })),
        }
    }

    fn consume(&mut self, op: u64, enemy: &mut Enemy) -> Outcome {
        let wait = some_wait(enemy);
        let capacity = self.ring.capacity_bytes() as usize;
        let n = enemy.rng.below(9) as usize;
        let (rx, out) = (self.rx.as_mut().expect("checked"), &mut self.out);
        match op {
            8 | 9 => of(rx.try_pop_into(out)),
            10 => of(rx.pop_into_until(out, wait, deadline())),
            11 => of(rx.try_sample().map(|sample| {
                assert!(sample.len() + 8 <= capacity);
                enemy.strike();
                let _ = (sample.tag(), sample.read::<u64>(), sample.read::<[u8; 0]>());
                assert_eq!(sample.to_vec().len(), sample.len());
                enemy.strike();
                let some = n.min(sample.len());
                sample.read_at(sample.len() - some, &mut out_of(out, some)[..]);
                assert_eq!(sample.copy_to(out_of(out, n)), some);
            })),
            12 => of(rx
                .sample_until(wait, deadline())
                .map(|sample| sample.keep())),
            13 => of(rx.try_peek().map(|sample| {
                enemy.strike();
                if n > 3 {
                    sample.release()
                } else {
                    drop(sample)
                }
            })),
            _ => {
                let mut drain = rx.drain(n);
                let mut got = 0;
                while drain.next_into(out).is_some() {
                    enemy.strike();
                    got += 1;
                }
                assert!(got <= n && rx.capacity_bytes() as usize == capacity);
                Outcome::Done
            }
        }
    }

    fn change(&mut self, op: u64, enemy: &mut Enemy) -> Outcome {
        let i = enemy.rng.below(self.txs.len() as u64) as usize;
        let rarely = enemy.rng.below(8) == 0;
        match op {
            15 => {
                let (tx, rx) = (&self.txs[i], self.rx.as_mut().expect("checked"));
                let _ = (tx.consumer_state(), rx.producer_state(), K::lag(tx));
                let _ = (tx.predecessor(), rx.predecessor(), rx.position());
                let _ = rx.is_empty();
                let status = self.ring.status().expect("the kernel answers");
                assert!(status.len <= status.capacity, "{status:?}");
                Outcome::Done
            }
            16 => {
                drop(self.txs.swap_remove(i));
                self.txs.extend(had(self.ring.producer()));
                Outcome::Done
            }
            17 => {
                self.rx = None;
                self.rx = had(self.ring.consumer());
                Outcome::Done
            }
            18 => {
                let again = self.ring.descriptor().expect("a memfd");
                let again = again.try_clone_to_owned().expect("dup");
                let options = K::options("hostile", self.txs.len()).prefault(false);
                match options.open_descriptor(again) {
                    Ok(_) => Outcome::Done,
                    Err(
                        OpenError::Mismatch { .. }
                        | OpenError::NotARing { .. }
                        | OpenError::Unfinished { .. },
                    ) => Outcome::Refused,
                    // A header that asks for semaphores which do not exist.
                    Err(OpenError::Os(e)) if e.op == "sem_open" => Outcome::Refused,
                    Err(e) => panic!("unexpected: {e}"),
                }
            }
            _ if rarely => {
                if enemy.rng.below(2) == 0 {
                    self.txs.swap_remove(i).close();
                } else {
                    self.rx.take().expect("checked").close();
                }
                Outcome::Over
            }
            // Somebody who dies with a claim in hand.
            _ => {
                if self.txs[i].try_claim(30).map(std::mem::forget).is_ok() {
                    drop(self.txs.swap_remove(i));
                    self.txs.extend(had(self.ring.producer()));
                }
                Outcome::Done
            }
        }
    }
}

/// The first `n` bytes of `out`, made long enough.
fn out_of(out: &mut Vec<u8>, n: usize) -> &mut [u8] {
    out.resize(n, 0);
    out
}

fn some_wait(enemy: &mut Enemy) -> Wait {
    let soon = Duration::from_micros(5);
    match enemy.rng.below(3) {
        0 => Wait::park().spin_for(soon),
        1 => Wait::spin(),
        _ => Wait::spin_then_yield().spin_for(soon),
    }
}

/// Notices when one operation takes for ever, says which, and ends the process.
pub struct Watchdog {
    beat: Arc<AtomicU64>,
}

impl Watchdog {
    /// Begins to watch. It must beat at least every twenty seconds.
    pub fn start() -> Self {
        let beat = Arc::new(AtomicU64::new(0));
        let watched = Arc::clone(&beat);
        std::thread::spawn(move || {
            let (mut last, mut since) = (0, Instant::now());
            loop {
                std::thread::sleep(Duration::from_millis(100));
                let now = watched.load(Relaxed);
                if now == u64::MAX {
                    return;
                }
                if now != last {
                    (last, since) = (now, Instant::now());
                }
                if since.elapsed() > Duration::from_secs(20) {
                    eprintln!("hung in operation {} (kind {})", now >> 8, now & 0xff);
                    std::process::abort();
                }
            }
        });
        Self { beat }
    }

    /// Another operation begins.
    pub fn beat(&self, number: u64, op: u64) {
        self.beat.store(number << 8 | op, Relaxed);
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        self.beat.store(u64::MAX, Relaxed);
    }
}
