//! Rings for variable-length records: ours and its peers.
//!
//! An engine is a channel in one direction; how it is timed is ../../scenario/records'. An engine whose cells are fixed has
//! as many as the ring's bytes hold of the longest record.

use std::marker::PhantomData;
use std::sync::Mutex;

use ::annulus::{MpscRecords, SpscRecords};

use super::{Work, traits};
use crate::scenario::engine::{Engine, Traits};
use crate::scenario::pin::Cpus;
use crate::scenario::records::harness::{self, Channel};
use crate::scenario::records::ours::{Parking, Spinning, Yielding};
use crate::scenario::slices::{Plan, Slice};

mod annulus;
#[cfg(have_boost_interprocess)]
mod boost;
mod cells;
#[cfg(have_dpdk)]
mod dpdk;
mod iceoryx;
mod kernel;
#[cfg(have_concurrentqueue)]
mod moodycamel;
mod posix_mq;
mod streams;
pub mod sysv;

/// The one way from a channel to an engine.
struct Entry<C>(PhantomData<C>);

impl<C: Channel> Engine<Work> for Entry<C> {
    fn traits(&self) -> Traits {
        C::TRAITS
    }

    fn carries(&self, work: Work) -> bool {
        matches!(work, Work::Records(records) if C::carries(records))
    }

    fn throughput(&self, cpus: Cpus, work: Work, plan: Plan) -> Result<Vec<Slice>, String> {
        match work {
            Work::Records(records) => harness::stream::<C>(cpus, records, plan),
            _ => Err(String::from("carries records only")),
        }
    }

    fn rtt(&self, cpus: Cpus, work: Work, plan: Plan) -> Result<Vec<Slice>, String> {
        match work {
            Work::Records(records) => harness::round_trips::<C>(cpus, records, plan),
            _ => Err(String::from("carries records only")),
        }
    }
}

fn engine<C: Channel + 'static>() -> Box<dyn Engine<Work>> {
    Box::new(Entry::<C>(PhantomData))
}

/// Every engine for records that this program was built with, in the order they take turns.
pub fn all() -> Vec<Box<dyn Engine<Work>>> {
    vec![
        engine::<annulus::Named<SpscRecords, Spinning, 8>>(),
        engine::<annulus::Named<SpscRecords, Spinning, 64>>(),
        engine::<annulus::Named<MpscRecords, Yielding, 8>>(),
        engine::<annulus::Named<MpscRecords, Yielding, 64>>(),
        engine::<streams::Rtrb>(),
        engine::<streams::Ringbuf>(),
        engine::<streams::Bbqueue>(),
        engine::<iceoryx::Slices>(),
        #[cfg(have_boost_interprocess)]
        engine::<boost::Polling>(),
        #[cfg(have_dpdk)]
        engine::<dpdk::Pool>(),
        engine::<cells::Crossbeam>(),
        #[cfg(have_concurrentqueue)]
        engine::<moodycamel::Concurrent>(),
        engine::<annulus::Named<SpscRecords, Parking, 8>>(),
        engine::<annulus::Named<MpscRecords, Parking, 8>>(),
        #[cfg(have_boost_interprocess)]
        engine::<boost::Sleeping>(),
        engine::<kernel::Pipe>(),
        engine::<kernel::Seqpacket>(),
        engine::<posix_mq::Queue>(),
        engine::<sysv::Queue>(),
    ]
}

/// An end that is attached once.
struct Once<T>(Mutex<Option<T>>);

impl<T> Once<T> {
    fn new(end: T) -> Self {
        Once(Mutex::new(Some(end)))
    }

    fn take(&self) -> Result<T, String> {
        let mut end = self.0.lock().map_err(|error| error.to_string())?;
        end.take().ok_or_else(|| String::from("attached twice"))
    }
}
