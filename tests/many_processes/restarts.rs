//! What is left of the rate of four producers and one consumer on two processors while one of the producers is killed
//! (SIGKILL) and replaced every 10 ms.
//!
//! Times of undisturbed work and of kills take turns, and the medians are compared. A replacement is forked from a
//! process that does nothing else, opens the ring by name and attaches, so what is compared includes the kill, the
//! reaping, the fork, the opening and the attaching, on the same two processors.
//!
//! | variable | meaning | unless set |
//! |---|---|---|
//! | `ANNULUS_ROUNDS` | how often the two take turns | 5 |
//! | `ANNULUS_ROUND_MS` | how long each lasts, in milliseconds | 200 |

use crate::common::child::{self, Args, Child, Forked};
use crate::common::page::Page;
use crate::common::spec::Via;
use crate::common::{alone, number_from_env, take};
use crate::kinds::{Place, Queue, Rx, Tx, now_ns, role};
use crate::payload::{Id, Note};
use annulus::{Mpmc, Mpsc, MpscRecords, PopError, Wait};
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

const PRODUCERS: usize = 4;
/// From kill to kill.
const EVERY: Duration = Duration::from_millis(10);
/// How many messages the consumer has taken.
const TAKEN: usize = 0;
/// When each producer was last attached, each in a cache line of its own.
const ATTACHED: usize = 8;
const LINE: usize = 8;
const WORDS: usize = ATTACHED + LINE * PRODUCERS;

/// Keeps this process and those it starts on the first two processors it may use.
fn settle() {
    // SAFETY: plain integers, for which zero is a value.
    let (mut all, mut two): (libc::cpu_set_t, libc::cpu_set_t) = unsafe { std::mem::zeroed() };
    // SAFETY: live sets, and numbers of processors that a set has room for.
    unsafe {
        libc::sched_getaffinity(0, size_of_val(&all), &mut all);
        let usable = (0..libc::CPU_SETSIZE as usize).filter(|&cpu| libc::CPU_ISSET(cpu, &all));
        usable.take(2).for_each(|cpu| libc::CPU_SET(cpu, &mut two));
        libc::sched_setaffinity(0, size_of_val(&two), &two);
    }
}

/// Forks a process that dies with this one.
fn fork(work: impl FnOnce()) -> Forked {
    child::fork(|| {
        // SAFETY: integers only.
        unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
        work();
    })
}

/// Takes for ever, and sees that each life of each producer arrives in order, without a hole.
fn consume<K: Queue>(place: &Place, page: &Page) {
    let mut rx = take(|| K::consumer(&place.open::<K>("")));
    let mut last = [Id::new(0, 0); PRODUCERS];
    let mut taken = 0;
    loop {
        match rx.pop(Wait::park()) {
            Ok(note) => {
                let id = note.whole();
                let last = &mut last[id.who as usize];
                let next = last.life == id.life && last.number + 1 == id.number;
                assert!(
                    next || last.life < id.life && id.number == 0,
                    "{last:?} {id:?}"
                );
                *last = id;
                taken += 1;
                page.word(TAKEN).store(taken, Relaxed);
            }
            // Another one will come.
            Err(PopError::PeerDied) => {}
            Err(e) => panic!("{e}"),
        }
    }
}

/// Sends for ever.
fn produce<K: Queue>(place: &Place, page: &Page, who: usize, life: u64) {
    let mut tx = take(|| K::producer(&place.open::<K>("")));
    page.set(ATTACHED + LINE * who, now_ns());
    for number in 0.. {
        let who = who as u64;
        let note = Note::new(Id { who, life, number });
        tx.push(&note, Wait::park()).expect("the consumer lives");
    }
}

/// The producers, and who replaces them.
struct Restarts<'a> {
    place: &'a Place,
    page: &'a Page,
    producers: [Option<Forked>; PRODUCERS],
    lives: u64,
    /// When each was killed, and how long it took until its successor was attached.
    killed_ns: [u64; PRODUCERS],
    took_ns: Vec<u64>,
}

impl Restarts<'_> {
    fn start<K: Queue>(&mut self, who: usize) {
        let (place, page) = (self.place, self.page);
        self.lives += 1;
        let life = self.lives;
        self.producers[who] = Some(fork(|| produce::<K>(place, page, who, life)));
    }

    /// Kills a producer and starts its successor.
    fn replace<K: Queue>(&mut self, who: usize) {
        let attached = self.page.get(ATTACHED + LINE * who);
        // It may not have got that far.
        if self.killed_ns[who] > 0 && attached > self.killed_ns[who] {
            self.took_ns.push(attached - self.killed_ns[who]);
        }
        self.killed_ns[who] = now_ns();
        drop(self.producers[who].take());
        self.start::<K>(who);
    }

    /// Messages a second while, for `time`, one after the other is replaced, or nobody.
    fn rate<K: Queue>(&mut self, time: Duration, replaces: bool) -> f64 {
        let (began, before) = (now_ns(), self.page.get(TAKEN));
        let passed = || Duration::from_nanos(now_ns() - began);
        let mut turn = 0;
        while passed() < time {
            let next = (EVERY * (turn + 1)).min(time);
            std::thread::sleep(next.saturating_sub(passed()));
            if replaces {
                self.replace::<K>(turn as usize % PRODUCERS);
            }
            turn += 1;
        }
        (self.page.get(TAKEN) - before) as f64 / passed().as_secs_f64()
    }
}

fn median<T: PartialOrd + Copy>(values: &mut [T]) -> T {
    values.sort_by(|a, b| a.partial_cmp(b).expect("numbers"));
    values[values.len() / 2]
}

/// A role: has everybody work, undisturbed and disturbed in turns, and reports both rates in messages a second, how many
/// producers were killed, and how long it took, in the middle, until the successor was attached, in nanoseconds.
pub fn host<K: Queue>(args: &Args) {
    let (rounds, time) = (
        args.number("rounds"),
        Duration::from_millis(args.number("ms")),
    );
    // SAFETY: takes an integer.
    unsafe { libc::alarm(60 + 2 * (rounds * args.number("ms") / 1000) as u32) };
    settle();
    let (place, page) = (Place::from_args(args), Page::open(args.get("page")));
    let _consumer = fork(|| consume::<K>(&place, &page));
    let mut restarts = Restarts {
        place: &place,
        page: &page,
        producers: Default::default(),
        lives: 0,
        killed_ns: [0; PRODUCERS],
        took_ns: Vec::new(),
    };
    (0..PRODUCERS).for_each(|who| restarts.start::<K>(who));
    restarts.rate::<K>(time, false);
    let (mut quiet, mut disturbed) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        quiet.push(restarts.rate::<K>(time, false));
        disturbed.push(restarts.rate::<K>(time, true));
    }
    let kills = restarts.lives - PRODUCERS as u64;
    let took = median(&mut restarts.took_ns);
    child::report(&format!(
        "{:.0} {:.0} {kills} {took}",
        median(&mut quiet),
        median(&mut disturbed)
    ));
}

/// `share`: what must be left of the rate, in percent.
fn goes_on<K: Queue>(capacity: u64, share: f64) {
    let _quiet = alone();
    let mut place = Place::new(Via::Shm, capacity);
    // One more than there are: the place of a dead one is free once nothing hangs on it.
    place.producers = 2 * PRODUCERS as u32;
    let _gone = place.cleanup();
    let (made, page) = (place.create::<K>(), Page::new(WORDS));
    let args = place
        .args()
        .with("page", page.path().to_str().expect("text"));
    let args = args
        .with("rounds", number_from_env("ANNULUS_ROUNDS", 5))
        .with("ms", number_from_env("ANNULUS_ROUND_MS", 200));
    let mut host = Child::start(&role::<K>("restarts"), args);
    let told = host.hear();
    host.finish();
    let told: Vec<f64> = told
        .split(' ')
        .map(|n| n.parse().expect("a number"))
        .collect();
    let [quiet, disturbed, kills, took_ns] = told[..] else {
        panic!("four numbers");
    };
    let left = 100.0 * disturbed / quiet;
    println!(
        "{}: {:.2} million messages a second; {:.2} million, {left:.0} %, while one of {PRODUCERS} producers was killed and replaced every 10 ms ({kills} kills; \
         half of the successors were attached after {:.0} us)",
        K::NAME,
        quiet / 1e6,
        disturbed / 1e6,
        took_ns / 1e3
    );
    place.unlink(&made);
    assert!(left >= share, "{}: {left:.0} % are left", K::NAME);
}

/// What must be left in percent, also on a machine that has other work. Attaching costs several times as much where it is
/// not optimised.
const SHARE: f64 = if cfg!(debug_assertions) { 25.0 } else { 50.0 };

#[test]
fn an_mpsc_ring_keeps_most_of_its_rate_while_producers_are_killed_and_replaced() {
    goes_on::<Mpsc<Note>>(1024, SHARE);
}

#[test]
fn an_mpmc_ring_keeps_most_of_its_rate_while_producers_are_killed_and_replaced() {
    goes_on::<Mpmc<Note>>(1024, SHARE);
}

#[test]
fn a_ring_of_records_keeps_most_of_its_rate_while_producers_are_killed_and_replaced() {
    goes_on::<MpscRecords>(1 << 16, SHARE);
}
