//! A ring of records in words, as text that travels to a child, and as the kind it is.

use crate::common::child::Args;
use crate::common::clean::Cleanup;
use crate::common::eventually;
use crate::common::spec::{Spec, Via};
use annulus::{
    EndpointError, MpscRecords, Options, RecordProducer, RecordQueue, Ring, SpscRecords,
};
use std::path::Path;
use std::time::{Duration, Instant};

/// A ring of records in words. The capacity of the spec is in bytes.
#[derive(Clone, Debug)]
pub struct Records {
    pub spec: Spec,
    pub align: u64,
    /// For how many producers there is room, where there are many.
    pub places: u32,
}

impl Records {
    /// 64 KiB, dense, for four producers, in the given place, with a fresh name.
    pub fn new(via: Via) -> Self {
        let mut spec = Spec::new(via);
        spec.capacity = 1 << 16;
        Self {
            spec,
            align: 8,
            places: 4,
        }
    }

    /// For a role.
    pub fn args(&self) -> Args {
        let args = self.spec.args().with("align", self.align);
        args.with("places", self.places)
    }

    /// In a role: the same again.
    pub fn from_args(args: &Args) -> Self {
        Self {
            spec: Spec::from_args(args),
            align: args.number("align"),
            places: args.number("places") as u32,
        }
    }

    fn options<K: Sort>(&self) -> Options<K> {
        self.spec
            .placed(K::options(&self.spec.name, self.places))
            .capacity_bytes(self.spec.capacity)
            .record_align(self.align)
    }

    /// Makes the ring.
    pub fn create<K: Sort>(&self) -> Ring<K> {
        self.options().create().expect("a new ring")
    }

    /// Gets at the ring that another process made. `socket` is where a passed descriptor comes from.
    pub fn open<K: Sort>(&self, socket: &str) -> Ring<K> {
        match self.spec.descriptor(Some(Path::new(socket))) {
            None => self.options().open(),
            Some(fd) => self.options().open_descriptor(fd),
        }
        .expect("a ring")
    }

    /// Removes the ring when dropped, if it is still there.
    pub fn cleanup(&self) -> Cleanup<impl FnMut() + use<>> {
        let spec = self.spec.clone();
        Cleanup(move || spec.remove())
    }

    /// Removes the ring; panics if that leaves a trace.
    pub fn unlink<K: Sort>(&self, ring: &Ring<K>) {
        ring.unlink().expect("a ring can be removed");
        self.spec.assert_no_trace(ring.backing(), ring.instance());
    }
}

/// The two kinds of ring that hold records.
pub trait Sort: RecordQueue + Sized + 'static {
    /// What its roles begin with.
    const NAME: &'static str;
    /// Whether producers share the ring.
    const MANY: bool;
    /// Options for a ring of this name.
    fn options(name: &str, places: u32) -> Options<Self>;
}

impl Sort for SpscRecords {
    const NAME: &'static str = "spsc";
    const MANY: bool = false;

    fn options(name: &str, _: u32) -> Options<Self> {
        annulus::spsc_records(name)
    }
}

impl Sort for MpscRecords {
    const NAME: &'static str = "mpsc";
    const MANY: bool = true;

    fn options(name: &str, places: u32) -> Options<Self> {
        annulus::mpsc_records(name).producers(places)
    }
}

/// The role `role` of the kind `K`.
pub fn role<K: Sort>(role: &str) -> String {
    format!("{} {role}", K::NAME)
}

/// Takes a producing end, and says for how long there was none: places of the dead are free again once the
/// consumer has passed what they left.
pub fn producer<K: Sort>(ring: &Ring<K>) -> (RecordProducer<K>, Duration) {
    let (began, mut refused) = (Instant::now(), Duration::ZERO);
    let mut taken = None;
    eventually("a place for a producer", || match ring.producer() {
        Ok(tx) => {
            taken = Some(tx);
            true
        }
        Err(EndpointError::NoPlace { .. } | EndpointError::Occupied { .. }) => {
            refused = began.elapsed();
            false
        }
        Err(e) => panic!("{e}"),
    });
    (taken.expect("taken"), refused)
}

/// Nanoseconds of the clock that all processes share.
pub fn now_ns() -> u64 {
    let mut now = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: a live timespec; the clock exists.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut now) };
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}
