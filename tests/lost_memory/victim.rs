//! Victims: one end of a ring of any kind, at work or asleep when the memory goes.

use crate::common::child::{self, Args, Child};
use crate::common::clean::unique;
use annulus::{Backing, Join, Wait};
use std::fs::OpenOptions;
use std::time::{Duration, Instant};

/// Slots of a ring of slots: few, so that a producer soon waits.
const SLOTS: u64 = 4;

/// The kinds, each with the two sides: 0 produces, 1 consumes.
pub const KINDS: [&str; 5] = ["spsc", "mpmc", "records", "broadcast", "broadcast_records"];

/// Where a ring is that has a name: in `/dev/shm`, or in a file.
#[derive(Clone, Copy, Debug)]
pub enum Place {
    Shm,
    File,
}

/// A ring's name, place and kind. It is gone when this is dropped.
pub struct Target {
    pub kind: &'static str,
    pub place: Place,
    pub name: String,
    /// The first position: one at which a zero means something, or one at which it does not.
    pub start: u64,
}

impl Target {
    pub fn new(kind: &'static str, place: Place, start: u64) -> Self {
        let name = match place {
            Place::Shm => unique("lost"),
            Place::File => {
                let path = std::env::temp_dir().join(unique("lost"));
                path.to_str().expect("text").to_owned()
            }
        };
        let target = Self {
            kind,
            place,
            name,
            start,
        };
        drop(ring(&target.args(), true));
        target
    }

    pub fn path(&self) -> String {
        match self.place {
            Place::Shm => format!("/dev/shm/{}", self.name),
            Place::File => self.name.clone(),
        }
    }

    pub fn args(&self) -> Args {
        Args::default()
            .with("kind", self.kind)
            .with("place", format!("{:?}", self.place))
            .with("name", &self.name)
            .with("start", self.start)
    }

    /// A process that holds one side and touches nothing.
    pub fn bystander(&self, side: u64) -> Child {
        let mut child = Child::start("bystander", self.args().with("side", side));
        child.expect("there");
        child
    }

    /// A process at work on one side, or asleep there.
    pub fn victim(&self, side: u64, wait: &str, guard: bool) -> Child {
        let args = self.args().with("side", side).with("wait", wait);
        let mut child = Child::start("victim", args.with("guard", u64::from(guard)));
        child.expect("there");
        // Until it sleeps, or has the ring full, or empty.
        std::thread::sleep(Duration::from_millis(60));
        child
    }

    /// Cuts the ring off.
    pub fn truncate(&self, len: u64) {
        let file = OpenOptions::new().write(true).open(self.path());
        file.expect("there").set_len(len).expect("a writer may");
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(self.path());
    }
}

/// Something that waits for a message, or for room, without a deadline; `Err` says what else came.
pub type Work = Box<dyn FnMut() -> Result<(), String>>;

/// A ring, whatever its kind: both its sides, and whether it is damaged.
pub struct AnyRing {
    pub work: Box<dyn Fn(u64, Wait) -> Work>,
    pub is_damaged: Box<dyn Fn() -> bool>,
}

macro_rules! any_ring {
    ($options:expr, $args:expr, $create:expr, $tx:expr, $rx:expr) => {{
        let place = match $args.get("place") {
            "Shm" => Backing::PosixShm,
            _ => Backing::File,
        };
        let options = $options.backing(place);
        let ring = match $create {
            true => options.start_position($args.number("start")).create(),
            false => return_open(options),
        };
        let ring = ring.expect("a ring");
        let again = ring.clone();
        AnyRing {
            work: Box::new(move |side, wait| match side {
                0 => $tx(ring.producer().expect("free"), wait),
                _ => $rx(&ring, wait),
            }),
            is_damaged: Box::new(move || again.is_damaged()),
        }
    }};
}

/// Opens, and says failures as creation does.
fn return_open<K: annulus::Kind>(
    options: annulus::Options<K>,
) -> Result<annulus::Ring<K>, annulus::CreateError> {
    Ok(options.open().expect("a ring"))
}

fn said<V, E: std::fmt::Debug>(result: Result<V, E>) -> Result<(), String> {
    result.map(|_| ()).map_err(|e| format!("{e:?}"))
}

/// Opens or creates the ring of `args`.
pub fn ring(args: &Args, create: bool) -> AnyRing {
    let name = args.get("name");
    match args.get("kind") {
        "spsc" => any_ring!(
            annulus::spsc::<u64>(name).capacity(SLOTS),
            args,
            create,
            |mut tx: annulus::Producer<u64>, wait| -> Work {
                Box::new(move || said(tx.push(&1, wait)))
            },
            |ring: &annulus::Ring<annulus::Spsc<u64>>, wait| -> Work {
                let mut rx = ring.consumer().expect("free");
                Box::new(move || said(rx.pop(wait)))
            }
        ),
        "mpmc" => any_ring!(
            annulus::mpmc::<u64>(name).capacity(SLOTS),
            args,
            create,
            |mut tx: annulus::SharedProducer<u64>, wait| -> Work {
                Box::new(move || said(tx.push(&1, wait)))
            },
            |ring: &annulus::Ring<annulus::Mpmc<u64>>, wait| -> Work {
                let mut rx = ring.consumer().expect("free");
                Box::new(move || said(rx.pop(wait)))
            }
        ),
        "records" => any_ring!(
            annulus::mpsc_records(name).capacity_bytes(256),
            args,
            create,
            |mut tx: annulus::RecordProducer<annulus::MpscRecords>, wait| -> Work {
                Box::new(move || said(tx.push(b"a record", wait)))
            },
            |ring: &annulus::Ring<annulus::MpscRecords>, wait| -> Work {
                let (mut rx, mut out) = (ring.consumer().expect("free"), Vec::new());
                Box::new(move || said(rx.pop_into(&mut out, wait)))
            }
        ),
        "broadcast" => any_ring!(
            annulus::broadcast::<u64>(name).capacity(SLOTS),
            args,
            create,
            |mut tx: annulus::Producer<u64, annulus::Untrusted, annulus::Broadcast<u64>>,
             wait|
             -> Work { Box::new(move || said(tx.push(&1, wait))) },
            |ring: &annulus::Ring<annulus::Broadcast<u64>>, wait| -> Work {
                let mut rx = ring.lossless_reader(Join::Oldest).expect("a place");
                Box::new(move || said(rx.read(wait)))
            }
        ),
        _ => any_ring!(
            annulus::broadcast_records(name).capacity_bytes(256),
            args,
            create,
            |mut tx: annulus::RecordProducer<annulus::BroadcastRecords>, wait| -> Work {
                Box::new(move || said(tx.push(b"a record", wait)))
            },
            |ring: &annulus::Ring<annulus::BroadcastRecords>, wait| -> Work {
                let mut rx = ring.lossless_reader(Join::Oldest).expect("a place");
                let mut out = Vec::new();
                Box::new(move || said(rx.read_into(&mut out, wait)))
            }
        ),
    }
}

/// Holds one side and touches nothing.
pub fn role_bystander(args: &Args) {
    let ring = ring(args, false);
    let _work = (ring.work)(args.number("side"), Wait::spin());
    child::report("there");
    child::listen();
    // Leaving would touch the memory.
    child::kill_myself();
}

/// Works until the memory is gone, then a little more. Reports what the last calls gave.
pub fn role_victim(args: &Args) {
    if args.number("guard") == 1 {
        annulus::guard::install().expect("a handler");
        annulus::guard::install().expect("again is nothing");
        assert!(annulus::guard::is_installed());
    }
    let wait = match args.get("wait") {
        "spin" => Wait::spin(),
        _ => Wait::park().spin_for(Duration::from_micros(5)),
    };
    let ring = ring(args, false);
    let mut work = (ring.work)(args.number("side"), wait);
    assert!(!(ring.is_damaged)());
    child::report("there");
    let mut last = Ok(());
    let end = Instant::now() + Duration::from_secs(20);
    while !(ring.is_damaged)() {
        assert!(Instant::now() < end, "nothing happened: {last:?}");
        last = work();
    }
    // Whatever it finds from now on, it comes back, and soon.
    for _ in 0..20 {
        let begun = Instant::now();
        let said = work();
        assert!(begun.elapsed() < Duration::from_secs(2), "{said:?}");
        last = said;
    }
    child::report(&format!("{last:?}"));
    // Leaving works as well.
    drop((work, ring));
    child::report("alive");
}
