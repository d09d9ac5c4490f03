//! `kill -9` at random moments of the producer and the readers of a broadcast, under load.
//!
//! Each message carries how many were published before it, so every reader can tell by itself whether what it read and
//! what it was told it lost is all there was since it came.

use crate::cast::{Cast, Hear, Interrupt, Publish};
use crate::common::child::{self, Args, Child};
use crate::common::page::Page;
use crate::common::rng::{self, Rng, SeedOnFailure};
use crate::common::spec::{self, Via, Waits};
use crate::common::watch::{Run, Silences, Watch};
use crate::common::{alone, eventually, number_from_env, take};
use crate::kinds::{Place, role};
use crate::payload::{Id, Note};
use annulus::{Broadcast, BroadcastRecords, Join, ReadError, Resume, TryPushError};
use std::sync::atomic::Ordering::SeqCst;
use std::time::{Duration, Instant};

/// 1 when the producer shall close.
const STOP: usize = 0;
/// How many were published in the end.
const PUBLISHED: usize = 1;
/// Messages that readers read, and were told they lost.
const READ: usize = 2;
const LOST: usize = 3;
/// 1 when a reader has seen what it must not see. It says what, if it lives long enough.
const WRONG: usize = 4;
const WORDS: usize = 5;

/// Readers at a time.
const READERS: usize = 3;

/// Message number `number`.
fn id(number: u64) -> Id {
    Id::new(0, number)
}

/// A role: publishes in all the ways there are, until told to stop.
pub fn publish<K: Cast<Tx: Interrupt>>(args: &Args) {
    let (place, page) = (Place::from_args(args), Page::open(args.get("page")));
    let mut rng = Rng::new(args.number("seed"));
    let mut tx = take(|| K::producer(&place.open::<K>("")));
    let wait = place.spec.waits.wait();
    child::report("running");
    while page.get(STOP) == 0 {
        let next = id(tx.published());
        match rng.below(16) {
            0..3 => tx.publish_many(next, 1 + rng.below(20), wait),
            3..6 => match tx.try_publish(next) {
                Ok(()) => {}
                Err(TryPushError::Full) => std::thread::yield_now(),
                Err(e) => panic!("producer: {e}"),
            },
            6 => tx.give_up(Id::new(7, 77), std::thread::yield_now),
            _ => tx.publish(next, wait).expect("readers come and go"),
        }
    }
    page.set(PUBLISHED, tx.published());
    tx.close();
    child::report("done");
}

/// Panics if `holds` is false, and notes that before it may be killed.
fn must(page: &Page, holds: bool, what: impl FnOnce() -> String) {
    if !holds {
        page.set(WRONG, 1);
        panic!("{}", what());
    }
}

/// A role: reads until the end. Panics at the first message that is not the next one.
pub fn read<K: Cast>(args: &Args) {
    let (place, page) = (Place::from_args(args), Page::open(args.get("page")));
    let mut rng = Rng::new(args.number("seed"));
    let lossless = rng.below(2) == 0;
    let join = rng.pick(&[Join::Newest, Join::Oldest]);
    let ring = place.open::<K>("");
    let mut rx = K::reader(&ring, join, lossless).expect("a place");
    rx.resume_at(rng.pick(&[Resume::Oldest, Resume::Newest]));
    let wait = place.spec.waits.wait();
    child::report("running");
    // What comes next; not known before the first message.
    let mut next: Option<u64> = None;
    loop {
        match rx.read(wait) {
            Ok(got) => {
                let number = next.unwrap_or(got.number);
                must(&page, got == id(number), || {
                    format!("{number} was to come, not {got:?}: {join:?}, lossless: {lossless}")
                });
                next = Some(number + 1);
                page.word(READ).fetch_add(1, SeqCst);
            }
            Err(ReadError::Lost(n)) => {
                must(&page, !lossless, || {
                    format!("lossless, but {n} lost before {next:?}: {join:?}")
                });
                next = next.map(|next| next + n);
                page.word(LOST).fetch_add(n, SeqCst);
            }
            // Another will come.
            Err(ReadError::PeerDied) => {}
            Err(ReadError::Closed) => break,
            Err(e) => panic!("reader: {e}"),
        }
    }
    let published = page.get(PUBLISHED);
    assert_eq!(next.unwrap_or(published), published, "{join:?} {lossless}");
    child::report("done");
}

/// The processes of one ring, and who supervises them.
struct Stage<'a> {
    place: &'a Place,
    page: Page,
    rng: &'a mut Rng,
}

impl Stage<'_> {
    fn start<K: Cast>(&mut self, what: &str) -> Child {
        let mut place = self.place.clone();
        place.spec.waits = self.rng.pick(&[Waits::Yield, Waits::Park]);
        let path = self.page.path().to_str().expect("temporary paths are text");
        let args = place.args().with("page", path);
        let args = args.with("seed", self.rng.next());
        let mut child = Child::start(&role::<K>(what), args);
        child.expect("running");
        child
    }
}

/// Kills ends of one ring `kills` times, and starts successors. Gives the kills of producers.
fn round<K: Cast>(
    capacities: [u64; 3],
    kills: u64,
    rng: &mut Rng,
    sums: &mut [u64; WORDS],
    silences: &mut Silences,
) -> u64 {
    let via = rng.pick(&[Via::Shm, Via::SysvName]);
    let mut place = Place::new(via, rng.pick(&capacities));
    place.consumers = READERS as u32;
    place.spec.parking = rng.pick(&spec::PARKINGS);
    place.spec.back_end = rng.pick(&spec::BACK_ENDS);
    let _gone = place.cleanup();
    let made = place.create::<K>();
    let mut stage = Stage {
        place: &place,
        page: Page::new(WORDS),
        rng,
    };
    let mut readers: Vec<Child> = (0..READERS)
        .map(|_| stage.start::<K>("read for ever"))
        .collect();
    let mut producer = stage.start::<K>("publish for ever");
    let watch = Watch::start(stage.page.path(), &[READ, LOST], &[]);
    let mut of_producers = 0;
    for _ in 0..kills {
        std::thread::sleep(Duration::from_micros(stage.rng.below(4000)));
        let victim = stage.rng.below(READERS as u64 + 2) as usize;
        let before = stage.page.get(READ);
        match readers.get_mut(victim) {
            Some(reader) => {
                reader.kill();
                *reader = stage.start::<K>("read for ever");
            }
            None => {
                watch.replacing(true);
                producer.kill();
                producer = stage.start::<K>("publish for ever");
                watch.replacing(false);
                of_producers += 1;
            }
        }
        eventually("somebody reads on", || stage.page.get(READ) > before);
        assert_eq!(stage.page.get(WRONG), 0, "a reader panicked: {place:?}");
    }
    silences.add(watch.stop());
    stage.page.set(STOP, 1);
    for mut child in [producer].into_iter().chain(readers) {
        child.expect("done");
        child.finish();
    }
    for (i, sum) in sums.iter_mut().enumerate() {
        *sum += stage.page.get(i);
    }
    place.unlink(&made);
    of_producers
}

fn survives<K: Cast>(capacities: [u64; 3]) {
    let _quiet = alone();
    let seed = rng::seed();
    let _told = SeedOnFailure(seed);
    let mut rng = Rng::new(seed);
    let wanted = number_from_env("ANNULUS_KILLS", 30);
    let (began, mut sums) = (Instant::now(), [0; WORDS]);
    let (mut kills, mut of_producers) = (0, 0);
    let mut silences = Silences::default();
    while kills < wanted {
        let some = (wanted - kills).min(10.max(wanted / 20));
        of_producers += round::<K>(capacities, some, &mut rng, &mut sums, &mut silences);
        kills += some;
    }
    println!(
        "broadcast of {}: {kills} kills, {of_producers} of producers; {} published, {} read, {} lost; {:?}",
        K::NAME,
        sums[PUBLISHED],
        sums[READ],
        sums[LOST],
        began.elapsed()
    );
    Run {
        kind: &format!("broadcast_{}", K::NAME),
        kills,
        messages: sums[READ],
        redelivered: 0,
        silences,
    }
    .print();
    assert!(sums[READ] > 0);
}

#[test]
fn readers_of_slots_miss_nothing_untold_when_ends_are_killed_at_random() {
    survives::<Broadcast<Note>>([2, 16, 1024]);
}

#[test]
fn readers_of_records_miss_nothing_untold_when_ends_are_killed_at_random() {
    survives::<BroadcastRecords>([1 << 12, 1 << 13, 1 << 16]);
}
