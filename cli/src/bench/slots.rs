//! Our own rings of slots as engines: anonymous memory inherited by fork, so that nothing is left behind however this ends.
//!
//! Invariant: every size in `PAYLOADS` has its loops.

use crate::scenario::engine::{Engine, Traits};
use crate::scenario::harness::{self, Link, capacity, over_processes};
use crate::scenario::message::Message;
use crate::scenario::ours::{Parking, Side, Spinning, Waiting, side};
use crate::scenario::pin::Cpus;
use crate::scenario::slices::{Party, Plan, Slice};
use annulus::{Backing, Ring};
use std::marker::PhantomData;

/// Message sizes the loops are compiled for, in bytes.
pub const PAYLOADS: [usize; 7] = [8, 56, 120, 256, 1024, 4096, 65536];

/// Every engine, in the order they take turns.
pub fn engines() -> Vec<Box<dyn Engine>> {
    vec![
        Box::new(Ours::<Spinning>(PhantomData)),
        Box::new(Ours::<Parking>(PhantomData)),
    ]
}

/// Rings whose ends wait as `W` says.
struct Ours<W>(PhantomData<W>);

impl<W: Waiting> Engine for Ours<W> {
    fn traits(&self) -> Traits {
        W::TRAITS
    }

    fn throughput(&self, cpus: Cpus, payload: usize, plan: Plan) -> Result<Vec<Slice>, String> {
        match payload {
            8 => harness::stream::<Inherited<W, 1>>(cpus, plan),
            56 => harness::stream::<Inherited<W, 7>>(cpus, plan),
            120 => harness::stream::<Inherited<W, 15>>(cpus, plan),
            256 => harness::stream::<Inherited<W, 32>>(cpus, plan),
            1024 => harness::stream::<Inherited<W, 128>>(cpus, plan),
            4096 => harness::stream::<Inherited<W, 512>>(cpus, plan),
            65536 => harness::stream::<Inherited<W, 8192>>(cpus, plan),
            _ => Err(format!("not compiled for {payload} bytes")),
        }
    }

    fn rtt(&self, cpus: Cpus, payload: usize, plan: Plan) -> Result<Vec<Slice>, String> {
        match payload {
            8 => harness::round_trips::<Inherited<W, 1>>(cpus, plan),
            56 => harness::round_trips::<Inherited<W, 7>>(cpus, plan),
            120 => harness::round_trips::<Inherited<W, 15>>(cpus, plan),
            256 => harness::round_trips::<Inherited<W, 32>>(cpus, plan),
            1024 => harness::round_trips::<Inherited<W, 128>>(cpus, plan),
            4096 => harness::round_trips::<Inherited<W, 512>>(cpus, plan),
            65536 => harness::round_trips::<Inherited<W, 8192>>(cpus, plan),
            _ => Err(format!("not compiled for {payload} bytes")),
        }
    }
}

/// Two rings, one per direction.
struct Inherited<W, const WORDS: usize> {
    to_near: Ring<annulus::Spsc<Message<WORDS>>>,
    to_far: Ring<annulus::Spsc<Message<WORDS>>>,
    wait: PhantomData<W>,
}

fn ring<const WORDS: usize>() -> Result<Ring<annulus::Spsc<Message<WORDS>>>, String> {
    annulus::spsc::<Message<WORDS>>("bench")
        .backing(Backing::Anon)
        .capacity(capacity(8 * WORDS) as u64)
        .create()
        .map_err(|e| e.to_string())
}

impl<W: Waiting, const WORDS: usize> Link for Inherited<W, WORDS> {
    const SLOTS: usize = capacity(8 * WORDS);
    type Near = Side<W, WORDS>;
    type Far = Side<W, WORDS>;

    fn create() -> Result<Self, String> {
        Ok(Inherited {
            to_near: ring()?,
            to_far: ring()?,
            wait: PhantomData,
        })
    }

    fn near(&mut self) -> Result<Self::Near, String> {
        side(&self.to_far, &self.to_near)
    }

    fn far(&mut self) -> Result<Self::Far, String> {
        side(&self.to_near, &self.to_far)
    }

    fn run<R>(
        self,
        cpus: Cpus,
        near: impl FnOnce(&mut Self::Near, &mut Party<'_>) -> Result<R, String>,
        far: impl FnOnce(&mut Self::Far, &mut Party<'_>) -> Result<(), String> + Send,
    ) -> Result<R, String> {
        over_processes(self, cpus, near, far)
    }
}
