//! Our own rings of records as engines: anonymous memory inherited by fork, so that nothing is left behind however this
//! ends.

use crate::scenario::engine::{Across, Engine, Traits, WrittenIn};
use crate::scenario::pin::Cpus;
use crate::scenario::records::harness::{self, Channel};
use crate::scenario::records::ours::{Parking, Receiving, Sending, Spinning, Waiting};
use crate::scenario::records::work::Records;
use annulus::{Backing, Ring, SpscRecords};
use std::marker::PhantomData;

/// Every engine, in the order they take turns.
pub fn engines() -> Vec<Box<dyn Engine<Records>>> {
    vec![
        Box::new(Entry::<Inherited<Spinning, 8>>(PhantomData)),
        Box::new(Entry::<Inherited<Spinning, 64>>(PhantomData)),
        Box::new(Entry::<Inherited<Parking, 8>>(PhantomData)),
    ]
}

/// From a channel to an engine.
struct Entry<C>(PhantomData<C>);

impl<C: Channel> Engine<Records> for Entry<C> {
    fn traits(&self) -> Traits {
        C::TRAITS
    }

    fn throughput(&self, cpus: Cpus, records: Records, count: u64) -> Result<u64, String> {
        harness::stream::<C>(cpus, records, count)
    }

    fn rtt(&self, cpus: Cpus, records: Records, count: u64) -> Result<u64, String> {
        harness::round_trips::<C>(cpus, records, count)
    }
}

/// A ring for one direction whose records begin on multiples of `ALIGN` bytes, 8 or 64.
struct Inherited<W, const ALIGN: u64> {
    ring: Ring<SpscRecords>,
    wait: PhantomData<fn(W)>,
}

impl<W: Waiting, const ALIGN: u64> Channel for Inherited<W, ALIGN> {
    const TRAITS: Traits = Traits {
        name: if ALIGN == 8 { "annulus" } else { "annulus-64" },
        across: Across::Processes,
        written_in: WrittenIn::Rust,
        wait: W::NAME,
    };
    type Tx = Sending<SpscRecords, W>;
    type Rx = Receiving<W>;

    fn create(records: Records) -> Result<Self, String> {
        let ring = annulus::spsc_records("bench")
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
