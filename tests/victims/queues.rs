//! The ends of slots from one or many to one or many, used in every way while they are lied to.

use super::enemy::Enemy;
use super::{Outcome, Shape, Sides, Victim, deadline, had, some_wait};
use annulus::{
    Backing, Consumer, EndpointError, Mpmc, Mpsc, Options, Producer, Ring, SharedConsumer,
    SharedProducer, SlotKind, Spmc, Spsc, Untrusted,
};

const SIZE: usize = 20;

/// Some producers and some consumers of kind `K`.
pub struct Between<K: Ends> {
    txs: Vec<K::Tx>,
    rxs: Vec<K::Rx>,
    sides: Sides,
    out: [u8; SIZE],
}

/// The ends of a kind.
pub trait Ends: SlotKind + Sized {
    type Tx: Produces;
    type Rx: Consumes;
    /// How many of each there are. There is room for one more where there may be many.
    const ENDS: (usize, usize);
    fn options() -> Options<Self>;
    fn tx(ring: &Ring<Self>) -> Result<Self::Tx, EndpointError>;
    fn rx(ring: &Ring<Self>) -> Result<Self::Rx, EndpointError>;
}

/// What a producing end can do.
pub trait Produces {
    fn operate(&mut self, op: u64, bytes: &[u8], enemy: &mut Enemy);
    fn close(self);
}

/// What a consuming end can do.
pub trait Consumes {
    fn operate(&mut self, op: u64, out: &mut [u8], enemy: &mut Enemy);
    fn close(self);
}

macro_rules! produces {
    ($tx:ty, $run:ident, $forget:path) => {
        impl Produces for $tx {
            fn operate(&mut self, op: u64, bytes: &[u8], enemy: &mut Enemy) {
                let wait = some_wait(enemy);
                let n = enemy.rng.pick(&[1, 2, 3, 9, 100, usize::MAX]);
                match op {
                    0 | 1 => drop(self.try_push(bytes)),
                    2 => drop(self.push_until(bytes, wait, deadline())),
                    3 => drop(self.claim_until(wait, deadline()).map(|loan| loan.commit())),
                    4 => drop(self.try_claim().map(|mut loan| {
                        enemy.strike();
                        loan.write_at(3, &bytes[..9]);
                        enemy.strike();
                        match enemy.rng.below(3) {
                            0 => loan.abort(),
                            1 => $forget(loan),
                            _ => loan.commit(),
                        }
                    })),
                    _ => drop(self.$run(n).map(|mut run| {
                        enemy.strike();
                        let len = run.len();
                        assert!((1..=n).contains(&len));
                        (0..len.min(50)).for_each(|i| run.write(i, bytes));
                        enemy.strike();
                        match enemy.rng.below(4) {
                            0 => run.abort(),
                            1 => $forget(run),
                            2 => run.commit_first(len / 2),
                            _ => run.commit(),
                        }
                    })),
                }
                assert!(self.len() <= self.capacity());
                let _ = (self.is_empty(), self.consumer_state(), self.predecessor());
            }

            fn close(self) {
                self.close();
            }
        }
    };
}

produces!(SharedProducer<[u8]>, try_claim_many, std::mem::forget);
produces!(Producer<[u8], Untrusted, Spmc<[u8]>>, try_claim_run, drop);
produces!(Producer<[u8]>, try_claim_run, drop);

macro_rules! consumes {
    ($rx:ty) => {
        impl Consumes for $rx {
            fn operate(&mut self, op: u64, out: &mut [u8], enemy: &mut Enemy) {
                let wait = some_wait(enemy);
                let n = enemy.rng.pick(&[0, 1, 2, 3, 9, 100, usize::MAX]);
                match op {
                    0 | 1 => drop(self.try_pop_into(out)),
                    2 => drop(self.pop_into_until(out, wait, deadline())),
                    3 => drop(self.sample_until(wait, deadline()).map(std::mem::forget)),
                    4 => drop(self.try_sample().map(|sample| {
                        enemy.strike();
                        sample.read_at(1, &mut out[..7]);
                        sample.read_into(out);
                        enemy.strike();
                    })),
                    _ => {
                        let most = enemy.rng.below(40);
                        let mut drain = self.drain(n);
                        for _ in 0..most {
                            enemy.strike();
                            if !drain.next_into(out) {
                                break;
                            }
                        }
                    }
                }
                let _ = (self.is_empty(), self.producer_state(), self.predecessor());
            }

            fn close(self) {
                self.close();
            }
        }
    };
}

consumes!(SharedConsumer<[u8]>);
consumes!(Consumer<[u8]>);

macro_rules! ends {
    ($kind:ident, $tx:ty, $rx:ty, $ends:expr, $options:expr) => {
        impl Ends for $kind<[u8]> {
            type Tx = $tx;
            type Rx = $rx;
            const ENDS: (usize, usize) = $ends;

            fn options() -> Options<Self> {
                $options
            }

            fn tx(ring: &Ring<Self>) -> Result<Self::Tx, EndpointError> {
                ring.producer()
            }

            fn rx(ring: &Ring<Self>) -> Result<Self::Rx, EndpointError> {
                ring.consumer()
            }
        }
    };
}

ends!(
    Spsc,
    Producer<[u8]>,
    Consumer<[u8]>,
    (1, 1),
    annulus::spsc("lies")
);
ends!(
    Mpsc,
    SharedProducer<[u8]>,
    Consumer<[u8]>,
    (2, 1),
    annulus::mpsc("lies").producers(3)
);
ends!(Spmc, Producer<[u8], Untrusted, Self>, SharedConsumer<[u8]>, (1, 2), annulus::spmc("lies").consumers(3));
ends!(
    Mpmc,
    SharedProducer<[u8]>,
    SharedConsumer<[u8]>,
    (2, 2),
    annulus::mpmc("lies").producers(3).consumers(3)
);

impl<K: Ends + SlotKind<Item = [u8]>> Victim for Between<K> {
    type Kind = K;

    fn options(shape: &Shape) -> Options<K> {
        let options = K::options().backing(Backing::Memfd).slot_size(SIZE);
        let options = options.capacity(shape.capacity).parking(shape.parking);
        options.start_position(shape.start)
    }

    fn attach(ring: &Ring<K>, sides: Sides) -> Option<Self> {
        let (producers, consumers) = K::ENDS;
        let mut between = Self {
            txs: Vec::new(),
            rxs: Vec::new(),
            sides,
            out: [0; SIZE],
        };
        for _ in 0..if sides.produce() { producers } else { 0 } {
            between.txs.push(had(K::tx(ring))?);
        }
        for _ in 0..if sides.consume() { consumers } else { 0 } {
            between.rxs.push(had(K::rx(ring))?);
        }
        Some(between)
    }

    fn operate(&mut self, ring: &Ring<K>, enemy: &mut Enemy) -> Outcome {
        let produce = self.sides.turn(enemy);
        let ends = if produce {
            self.txs.len()
        } else {
            self.rxs.len()
        };
        if ends == 0 {
            return Outcome::Over;
        }
        let i = enemy.rng.below(ends as u64) as usize;
        let bytes: [u8; SIZE] = std::array::from_fn(|_| enemy.rng.next() as u8);
        let op = enemy.rng.below(7);
        match enemy.rng.below(64) {
            0..=55 if produce => self.txs[i].operate(op, &bytes, enemy),
            0..=55 => self.rxs[i].operate(op, &mut self.out, enemy),
            56 | 57 => {
                let status = ring.status().expect("the kernel answers");
                assert!(status.len <= status.capacity, "{status:?}");
            }
            58..=62 if produce => {
                drop(self.txs.swap_remove(i));
                self.txs.extend(had(K::tx(ring)));
            }
            58..=62 => {
                drop(self.rxs.swap_remove(i));
                self.rxs.extend(had(K::rx(ring)));
            }
            _ if enemy.rng.below(8) == 0 => {
                match produce {
                    true => self.txs.swap_remove(i).close(),
                    false => self.rxs.swap_remove(i).close(),
                }
                return Outcome::Over;
            }
            _ => {}
        }
        Outcome::Done
    }
}
