//! Our own rings of records as engines: anonymous memory inherited by fork, so that nothing is left behind however this
//! ends.

use crate::scenario::engine::{Across, Engine, Traits, WrittenIn};
use crate::scenario::pin::Cpus;
use crate::scenario::records::harness::{self, Channel};
use crate::scenario::records::ours::{Parking, Receiving, Sending, Spinning, Waiting, Yielding};
use crate::scenario::records::work::Records;
use crate::scenario::slices::{Plan, Slice};
use annulus::{Backing, MpscRecords, Options, RecordQueue, Ring, SpscRecords};
use std::marker::PhantomData;

/// Every engine for one producer, in the order they take turns.
pub fn of_one() -> Vec<Box<dyn Engine<Records>>> {
    vec![
        Box::new(Entry::<Inherited<SpscRecords, Spinning, 8>>(PhantomData)),
        Box::new(Entry::<Inherited<SpscRecords, Spinning, 64>>(PhantomData)),
        Box::new(Entry::<Inherited<SpscRecords, Parking, 8>>(PhantomData)),
    ]
}

/// Every engine for several producers. They share cores, where spinning alone would only keep others from running.
pub fn of_many() -> Vec<Box<dyn Engine<Records>>> {
    vec![
        Box::new(Entry::<Inherited<MpscRecords, Yielding, 8>>(PhantomData)),
        Box::new(Entry::<Inherited<MpscRecords, Parking, 8>>(PhantomData)),
    ]
}

/// How the ring of a kind is asked for.
trait Named: RecordQueue + Send + Sync {
    fn named(producers: u32) -> Options<Self>
    where
        Self: Sized;
}

impl Named for SpscRecords {
    fn named(_: u32) -> Options<Self> {
        annulus::spsc_records("bench")
    }
}

impl Named for MpscRecords {
    fn named(producers: u32) -> Options<Self> {
        annulus::mpsc_records("bench").producers(producers)
    }
}

/// From a channel to an engine.
struct Entry<C>(PhantomData<C>);

impl<C: Channel> Engine<Records> for Entry<C> {
    fn traits(&self) -> Traits {
        C::TRAITS
    }

    fn throughput(&self, cpus: Cpus, records: Records, plan: Plan) -> Result<Vec<Slice>, String> {
        harness::stream::<C>(cpus, records, plan)
    }

    fn rtt(&self, cpus: Cpus, records: Records, plan: Plan) -> Result<Vec<Slice>, String> {
        harness::round_trips::<C>(cpus, records, plan)
    }
}

/// A ring for one direction whose records begin on multiples of `ALIGN` bytes, 8 or 64.
struct Inherited<K, W, const ALIGN: u64> {
    ring: Ring<K>,
    wait: PhantomData<fn(W)>,
}

impl<K: Named, W: Waiting, const ALIGN: u64> Channel for Inherited<K, W, ALIGN> {
    const TRAITS: Traits = Traits {
        name: if ALIGN == 8 { "annulus" } else { "annulus-64" },
        across: Across::Processes,
        written_in: WrittenIn::Rust,
        wait: W::NAME,
    };
    type Tx = Sending<K, W>;
    type Rx = Receiving<W>;

    fn create(records: Records) -> Result<Self, String> {
        let ring = K::named(records.producers)
            .backing(Backing::Anon)
            .capacity_bytes(records.lengths.ring_bytes() as u64)
            .record_align(ALIGN)
            .create()
            .map_err(|e| e.to_string())?;
        Ok(Inherited {
            ring,
            wait: PhantomData,
        })
    }

    fn sender(&self) -> Result<Self::Tx, String> {
        let end = self.ring.producer();
        end.map(Sending::new).map_err(|e| e.to_string())
    }

    fn receiver(&self) -> Result<Self::Rx, String> {
        let end = self.ring.consumer();
        end.map(Receiving::new).map_err(|e| e.to_string())
    }
}
