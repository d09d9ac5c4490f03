//! Our own rings of records, through their public safe API, across processes that open them by name.
//!
//! They take part with both alignments: 8 under the plain name, 64 under a name of its own. Parking they stand beside the
//! kernel's own channels.
//! Invariant: the name is removed when the channel is dropped in the process that made it; `sweep` covers a killed one.

use std::marker::PhantomData;

use annulus::{MpscRecords, Options, RecordQueue, Ring, SpscRecords};

use super::super::fresh_name;
use super::traits;
use crate::scenario::engine::{Across, Traits, WrittenIn};
use crate::scenario::records::harness::Channel;
use crate::scenario::records::ours::{Receiving, Sending, Waiting};
use crate::scenario::records::work::Records;

/// A kind of ring, and for how many producers it is measured.
pub trait Kind: RecordQueue + Sized + 'static {
    /// Whether it is measured with several producers, or with one.
    const SEVERAL: bool;
    /// The ring of that name.
    fn named(name: &str) -> Options<Self>;
}

impl Kind for SpscRecords {
    const SEVERAL: bool = false;

    fn named(name: &str) -> Options<Self> {
        annulus::spsc_records(name)
    }
}

impl Kind for MpscRecords {
    const SEVERAL: bool = true;

    fn named(name: &str) -> Options<Self> {
        annulus::mpsc_records(name)
    }
}

/// A named ring whose records begin on multiples of `ALIGN` bytes, 8 or 64.
pub struct Named<K: Kind, W, const ALIGN: u64> {
    name: String,
    ring: Ring<K>,
    wait: PhantomData<W>,
}

impl<K: Kind, W: Waiting + Sync, const ALIGN: u64> Channel for Named<K, W, ALIGN> {
    const TRAITS: Traits = traits(
        if ALIGN == 8 { "annulus" } else { "annulus-64" },
        Across::Processes,
        WrittenIn::Rust,
        W::NAME,
    );
    type Tx = Sending<K, W>;
    type Rx = Receiving<W>;

    fn carries(records: Records) -> bool {
        K::SEVERAL == (records.producers > 1)
    }

    fn create(records: Records) -> Result<Self, String> {
        let name = fresh_name("records");
        let ring = K::named(&name)
            .capacity_bytes(records.lengths.ring_bytes() as u64)
            .record_align(ALIGN)
            .create()
            .map_err(|error| error.to_string())?;
        Ok(Named {
            name,
            ring,
            wait: PhantomData,
        })
    }

    fn sender(&self) -> Result<Self::Tx, String> {
        let end = self.open()?.producer();
        end.map(Sending::new).map_err(|error| error.to_string())
    }

    fn receiver(&self) -> Result<Self::Rx, String> {
        let end = self.open()?.consumer();
        end.map(Receiving::new).map_err(|error| error.to_string())
    }
}

impl<K: Kind, W, const ALIGN: u64> Named<K, W, ALIGN> {
    /// The ring as any process finds it: a mapping does not survive a fork.
    fn open(&self) -> Result<Ring<K>, String> {
        let options = K::named(&self.name);
        options.open().map_err(|error| error.to_string())
    }
}

impl<K: Kind, W, const ALIGN: u64> Drop for Named<K, W, ALIGN> {
    fn drop(&mut self) {
        // A name that stays is swept at the end of the run.
        let _ = self.ring.unlink();
    }
}
