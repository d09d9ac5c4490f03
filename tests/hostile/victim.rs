//! Two victims, one of a type and one of bytes: the calls that are made while the attacker strikes.

use crate::attacker::Attacker;
use crate::victims::{Outcome, deadline, opened};
use annulus::{Consumer, EndpointError, Producer, Ring, Wait, spsc};
use std::time::Duration;

/// Values are not looked at: the attacker may have forged them.
fn of<V, E>(_: Result<V, E>) -> Outcome {
    Outcome::Done
}

/// Kinds of operations of both victims.
pub const OPERATIONS: usize = 20;

/// Somebody who uses the library while it is lied to.
pub trait Victim {
    /// Operation number `op`, with strikes in the middle of it.
    fn operate(&mut self, op: usize, enemy: &mut Attacker) -> Outcome;
    /// Lets go of both ends and takes them again.
    fn attach(&mut self) -> Result<(), EndpointError>;
}

fn some_wait(enemy: &mut Attacker) -> Wait {
    let soon = Duration::from_micros(5);
    [
        Wait::park().spin_for(soon),
        Wait::spin(),
        Wait::spin_then_yield().spin_for(soon),
    ][enemy.random.below(3)]
}

/// Both ends of a ring of numbers.
pub struct Typed {
    pub ring: Ring<annulus::Spsc<u64>>,
    pub tx: Option<Producer<u64>>,
    pub rx: Option<Consumer<u64>>,
}

/// Takes an end again if it is free, and says how that went.
fn retake<E>(end: &mut Option<E>, take: impl FnOnce() -> Result<E, EndpointError>) -> Outcome {
    *end = None;
    match take() {
        Ok(taken) => {
            *end = Some(taken);
            Outcome::Done
        }
        // A damaged ring refuses until it is healed.
        Err(EndpointError::Closed | EndpointError::Corrupt(_)) => Outcome::Over,
        Err(EndpointError::Occupied { .. }) => panic!("the kernel says who is alive, not the peer"),
        Err(e) => panic!("unexpected: {e}"),
    }
}

impl Victim for Typed {
    fn attach(&mut self) -> Result<(), EndpointError> {
        (self.tx, self.rx) = (None, None);
        self.tx = Some(self.ring.producer()?);
        self.rx = Some(self.ring.consumer()?);
        Ok(())
    }

    fn operate(&mut self, op: usize, enemy: &mut Attacker) -> Outcome {
        let n = 1 + enemy.random.below(9);
        let wait = some_wait(enemy);
        let (Some(tx), Some(rx)) = (&mut self.tx, &mut self.rx) else {
            return Outcome::Over;
        };
        match op {
            0 => of(tx.try_push(&7)),
            1 => of(tx.push_until(&7, wait, deadline())),
            2 => of(rx.try_pop()),
            3 => of(rx.pop_until(wait, deadline())),
            4 => of(tx.try_claim().map(|mut loan| {
                enemy.strike();
                loan.write(&8);
                let _ = loan.position();
                enemy.strike();
                if n > 2 { loan.commit() } else { loan.abort() }
            })),
            5 => of(tx.try_claim_run(n).map(|mut run| {
                assert!((1..=n).contains(&run.len()));
                for i in 0..run.len() {
                    enemy.strike();
                    run.write(i, &9);
                }
                let first = run.len().min(n / 2);
                if n > 6 {
                    run.commit()
                } else {
                    run.commit_first(first)
                }
            })),
            6 => of(tx.claim_until(wait, deadline()).map(|loan| loan.commit())),
            7 => of(rx.try_sample().map(|sample| {
                enemy.strike();
                let _ = (sample.read(), sample.position());
                enemy.strike();
            })),
            8 => of(rx
                .sample_until(wait, deadline())
                .map(|sample| sample.release())),
            9 => {
                for (i, _) in rx.drain(n).enumerate() {
                    assert!(i < n);
                    enemy.strike();
                }
                Outcome::Done
            }
            10 => {
                assert!(tx.len() <= tx.capacity() && rx.len() <= rx.capacity());
                let _ = (tx.is_empty(), rx.is_empty(), tx.position(), rx.position());
                Outcome::Done
            }
            11 => {
                let status = self.ring.status().expect("the kernel answers");
                assert!(status.len <= 2 * status.capacity, "{status:?}");
                Outcome::Done
            }
            12 => {
                let _ = (
                    tx.consumer_state(),
                    rx.producer_state(),
                    tx.predecessor(),
                    rx.predecessor(),
                );
                Outcome::Done
            }
            13 => retake(&mut self.tx, || self.ring.producer()),
            14 => retake(&mut self.rx, || self.ring.consumer()),
            15 => of(tx.try_push_many(&[1, 2, 3, 4, 5][..n.min(5)])),
            16 => {
                assert!(self.ring.is_current());
                of(self.ring.clone().status())
            }
            17 => {
                let again = self
                    .ring
                    .descriptor()
                    .expect("a memfd")
                    .try_clone_to_owned()
                    .expect("dup");
                opened(spsc::<u64>("hostile"), again);
                Outcome::Done
            }
            18 if n == 9 => {
                self.tx.take().expect("checked").close();
                Outcome::Over
            }
            19 if n == 9 => {
                self.rx.take().expect("checked").close();
                Outcome::Over
            }
            _ => of(tx.try_push(&6)),
        }
    }
}

/// Both ends of a ring of bytes.
pub struct Bytes {
    pub ring: Ring<annulus::Spsc<[u8]>>,
    pub tx: Option<Producer<[u8]>>,
    pub rx: Option<Consumer<[u8]>>,
    pub buffer: Vec<u8>,
}

impl Victim for Bytes {
    fn attach(&mut self) -> Result<(), EndpointError> {
        (self.tx, self.rx) = (None, None);
        self.tx = Some(self.ring.producer()?);
        self.rx = Some(self.ring.consumer()?);
        Ok(())
    }

    fn operate(&mut self, op: usize, enemy: &mut Attacker) -> Outcome {
        let wait = some_wait(enemy);
        let size = self.buffer.len();
        let (Some(tx), Some(rx)) = (&mut self.tx, &mut self.rx) else {
            return Outcome::Over;
        };
        let at = enemy.random.below(size);
        let len = enemy.random.below(size - at + 1);
        match op {
            0..4 => of(tx.try_push(&self.buffer)),
            4 => of(tx.push_until(&self.buffer, wait, deadline())),
            5 => of(tx.try_claim().map(|mut loan| {
                enemy.strike();
                loan.write_at(at, &self.buffer[..len]);
                loan.commit();
            })),
            6 => of(tx.try_claim_run(3).map(|mut run| {
                run.write_at(0, at, &self.buffer[..len]);
                enemy.strike();
                run.commit();
            })),
            7..11 => of(rx.try_pop_into(&mut self.buffer)),
            11 => of(rx.pop_into_until(&mut self.buffer, wait, deadline())),
            12 => of(rx.try_sample().map(|sample| {
                enemy.strike();
                assert_eq!(sample.slot_size(), size);
                sample.read_at(at, &mut self.buffer[..len]);
            })),
            13 => {
                let mut drain = rx.drain(3);
                while drain.next_into(&mut self.buffer) {
                    enemy.strike();
                }
                Outcome::Done
            }
            14 => retake(&mut self.tx, || self.ring.producer()),
            15 => retake(&mut self.rx, || self.ring.consumer()),
            16 => of(self.ring.status()),
            _ => of(tx.try_push(&self.buffer)),
        }
    }
}
