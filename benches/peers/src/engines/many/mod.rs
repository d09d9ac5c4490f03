//! Rings that several parties share: ours and their peers.
//!
//! An engine is a channel; how it is timed is ../../scenario/many's. Competing consumers and broadcasts are channels of their own,
//! for hardly an engine has both.

use std::marker::PhantomData;
use std::sync::Mutex;

use super::{Work, traits};
use crate::scenario::engine::{Engine, Traits};
use crate::scenario::many::content::Slot;
use crate::scenario::many::harness::{self, Channel};
use crate::scenario::pin::Cpus;
use crate::scenario::slices::{Plan, Slice};

mod annulus;
mod disruptor;
#[cfg(any(have_boost_queue, have_concurrentqueue, have_ck, have_dpdk))]
mod foreign;
mod iceoryx;
mod shaq;
mod threads;

/// The one way from a channel to an engine.
struct Entry<C>(PhantomData<C>);

impl<C: Channel> Engine<Work> for Entry<C> {
    fn traits(&self) -> Traits {
        C::TRAITS
    }

    fn carries(&self, work: Work) -> bool {
        matches!(work, Work::Many(many) if C::carries(many))
    }

    fn throughput(&self, cpus: Cpus, work: Work, plan: Plan) -> Result<Vec<Slice>, String> {
        match work {
            Work::Many(many) => harness::stream::<C>(cpus, many, plan),
            _ => Err(String::from("is shared by several parties only")),
        }
    }

    fn rtt(&self, cpus: Cpus, work: Work, plan: Plan) -> Result<Vec<Slice>, String> {
        match work {
            Work::Many(many) => harness::round_trips::<C>(cpus, many, plan),
            _ => Err(String::from("is shared by several parties only")),
        }
    }
}

fn engine<C: Channel + 'static>() -> Box<dyn Engine<Work>> {
    Box::new(Entry::<C>(PhantomData))
}

/// Every engine for shared rings that this program was built with, in the order they take turns.
pub fn all() -> Vec<Box<dyn Engine<Work>>> {
    vec![
        engine::<annulus::Named<::annulus::Mpmc<Slot>>>(),
        engine::<annulus::Named<::annulus::Mpsc<Slot>>>(),
        engine::<annulus::Named<::annulus::Spmc<Slot>>>(),
        engine::<annulus::Named<::annulus::Broadcast<Slot>>>(),
        engine::<threads::Array>(),
        engine::<threads::Crossbeam>(),
        engine::<threads::Kanal>(),
        engine::<threads::NexusMpsc>(),
        engine::<threads::NexusSpmc>(),
        engine::<shaq::Competing>(),
        engine::<disruptor::Competing>(),
        #[cfg(have_concurrentqueue)]
        engine::<foreign::Channel<foreign::Moodycamel>>(),
        #[cfg(have_boost_queue)]
        engine::<foreign::Channel<foreign::Boost>>(),
        #[cfg(have_ck)]
        engine::<foreign::Channel<foreign::Ck>>(),
        #[cfg(have_dpdk)]
        engine::<foreign::Channel<foreign::Dpdk<{ foreign::PLAIN }>>>(),
        #[cfg(have_dpdk)]
        engine::<foreign::Channel<foreign::Dpdk<{ foreign::RTS }>>>(),
        #[cfg(have_dpdk)]
        engine::<foreign::Channel<foreign::Dpdk<{ foreign::HTS }>>>(),
        engine::<shaq::Broadcasting>(),
        engine::<disruptor::ToOne>(),
        engine::<disruptor::ToSeveral>(),
        engine::<iceoryx::Topic>(),
    ]
}

/// Ends that are made together and attached one by one.
struct Ends<T>(Mutex<Vec<T>>);

impl<T> Ends<T> {
    fn new(ends: impl IntoIterator<Item = T>) -> Self {
        Ends(Mutex::new(ends.into_iter().collect()))
    }

    /// The next end that nobody has.
    fn take(&self) -> Result<T, String> {
        let mut ends = self.0.lock().map_err(|error| error.to_string())?;
        ends.pop().ok_or_else(|| String::from("attached too often"))
    }
}
