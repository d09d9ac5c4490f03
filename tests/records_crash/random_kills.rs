//! `kill -9` at random moments under load.

use crate::common::child::{Args, Child};
use crate::common::rng::{self, Rng, SeedOnFailure};
use crate::common::spec::{self, Via, Waits};
use crate::common::watch::{Run, Silences, Watch};
use crate::common::{alone, eventually, number_from_env, take};
use crate::ledger::{self, Ledger};
use crate::ring::{Records, Sort, now_ns, role};
use annulus::{MpscRecords, SpscRecords};
use std::time::{Duration, Instant};

/// No survivor may be kept waiting longer.
const LIMIT: Duration = Duration::from_millis(100);

/// Who is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Victims {
    Producers,
    Consumer,
    Anybody,
    /// The same, and somebody who takes no part and repairs all the time.
    AnybodyAndRepairers,
}

/// What a run came to.
#[derive(Debug, Default)]
struct Tally {
    kills: u64,
    consumer_kills: u64,
    /// Of the dead producers so many had a claim in hand.
    with_a_claim: u64,
    records: u64,
    repeats: u64,
    attach_ns: u64,
    /// In each window from kill to kill, the longest time without a record of a survivor.
    silences_ns: Vec<u64>,
    /// How long after the death of the victim the next record of a survivor came.
    passed_ns: Vec<u64>,
    silences: Silences,
}

/// Half, nine tenths, 99 of a hundred, and all of `times` are below these, in microseconds.
fn spread_us(times: &mut [u64]) -> [u64; 4] {
    times.sort_unstable();
    [50, 90, 99, 100].map(|percent| match times.len() {
        0 => 0,
        n => times[(n * percent / 100).min(n - 1)] / 1000,
    })
}

/// The processes of one ring, and who supervises them.
struct Stage<'a> {
    ring: &'a Records,
    ledger: Ledger,
    rng: &'a mut Rng,
    producers: Vec<Child>,
    lives: Vec<u64>,
    consumer: Option<Child>,
    /// Somebody who takes no part and repairs without end, if there is to be one.
    repairer: Option<Child>,
    watch: Watch,
}

impl Stage<'_> {
    fn args(&mut self) -> Args {
        let mut ring = self.ring.clone();
        // Spinning is for whoever has a core of its own.
        ring.spec.waits = match self.lives.len() {
            1 => self.rng.pick(&spec::WAITS),
            _ => self.rng.pick(&[Waits::Yield, Waits::Park]),
        };
        ring.args()
            .with("page", self.ledger.path())
            .with("lives", self.ledger.lives())
            .with("seed", self.rng.next())
    }

    fn start_producer<K: Sort>(&mut self, who: usize) -> Child {
        let args = self.args().with("who", who).with("life", self.lives[who]);
        Child::start(&role::<K>("produce"), args)
    }

    fn start_consumer<K: Sort>(&mut self) {
        let mut child = Child::start(&role::<K>("consume"), self.args());
        child.expect("running");
        self.consumer = Some(child);
    }

    fn start<K: Sort>(&mut self, producers: usize) {
        self.lives = vec![0; producers];
        self.start_consumer::<K>();
        for who in 0..producers {
            let mut child = self.start_producer::<K>(who);
            child.expect("running");
            self.producers.push(child);
        }
    }

    /// Kills the producers in `who`, sees that the survivors are heard, and starts successors.
    fn kill_producers<K: Sort>(&mut self, who: &[usize], tally: &mut Tally) {
        let page = &self.ledger.page;
        let kill = page.get(ledger::KILL) + 1;
        let bits = who.iter().fold(0, |bits, &who| bits | 1 << who);
        page.set(ledger::VICTIMS, bits);
        page.set(ledger::KILL, kill);
        self.watch.replacing(who.len() == self.producers.len());
        for &who in who {
            self.producers[who].signal(libc::SIGKILL);
        }
        for &who in who {
            self.producers[who].kill();
        }
        page.set(ledger::DEAD_AT, now_ns());
        page.set(ledger::DEAD, kill);
        tally.with_a_claim += u64::from((page.get(ledger::HOLDING) & bits).count_ones());
        for &who in who {
            self.ledger.hold(who as u64, false);
        }
        if who.len() < self.producers.len() {
            eventually("a record of a survivor", || {
                self.ledger.page.get(ledger::PASSED) == kill
            });
            tally
                .passed_ns
                .push(self.ledger.page.get(ledger::PASSED_NS));
        }
        for &who in who {
            self.lives[who] += 1;
            self.producers[who] = self.start_producer::<K>(who);
        }
        for &who in who {
            self.producers[who].expect("running");
        }
        self.watch.replacing(false);
    }

    fn send_for_a_repairer(&mut self) {
        let mut child = Child::start("repair for ever", self.ring.args());
        child.expect("begins");
        self.repairer = Some(child);
    }

    fn kill_consumer<K: Sort>(&mut self, tally: &mut Tally) {
        self.watch.replacing(true);
        self.consumer.as_mut().expect("there is one").kill();
        tally.consumer_kills += 1;
        self.start_consumer::<K>();
        self.watch.replacing(false);
    }

    /// One kill, or two.
    fn strike<K: Sort>(&mut self, victims: Victims, tally: &mut Tally) -> u64 {
        let n = self.producers.len();
        if self.rng.below(3) == 0
            && let Some(mut child) = self.repairer.take()
        {
            child.kill();
            self.send_for_a_repairer();
        }
        let consumer = match victims {
            Victims::Producers => false,
            Victims::Consumer => true,
            Victims::Anybody | Victims::AnybodyAndRepairers => self.rng.below(2) == 0,
        };
        if consumer {
            self.kill_consumer::<K>(tally);
            return 1;
        }
        let one = self.rng.below(n as u64) as usize;
        if n > 2 && self.rng.below(6) == 0 {
            self.kill_producers::<K>(&[one, (one + 1) % n], tally);
            return 2;
        }
        self.kill_producers::<K>(&[one], tally);
        1
    }

    /// Ends the stream and checks that all that was committed has arrived.
    fn finish<K: Sort>(mut self, ring: &annulus::Ring<K>, tally: &mut Tally) {
        tally.silences.add(self.watch.stop());
        self.ledger.page.set(ledger::STOP, 1);
        for mut child in self.producers.drain(..) {
            child.expect("done");
            child.finish();
        }
        take(|| ring.producer()).close();
        let mut consumer = self.consumer.take().expect("there is one");
        consumer.expect("done");
        consumer.finish();
        drop(self.repairer.take());
        self.ledger.check_drained();
        let page = &self.ledger.page;
        tally.records += page.get(ledger::TAKEN);
        tally.repeats += page.get(ledger::REPEATS);
        tally.attach_ns = tally.attach_ns.max(page.get(ledger::ATTACH_NS));
        let kills = page.get(ledger::KILL);
        tally
            .silences_ns
            .extend((1..=kills).map(|kill| self.ledger.silence(kill)));
    }
}

/// Kills ends of one ring `kills` times, and starts a successor each time.
fn round<K: Sort>(via: Via, victims: Victims, kills: u64, rng: &mut Rng, tally: &mut Tally) {
    let mut ring = Records::new(via);
    ring.align = rng.pick(&[8, 64]);
    ring.spec.capacity = rng.pick(&[1 << 13, 1 << 16, 1 << 20]);
    ring.spec.parking = rng.pick(&spec::PARKINGS);
    ring.spec.back_end = rng.pick(&spec::BACK_ENDS);
    ring.spec.start = rng.pick(&[0, 64 * 7, (1 << 62) - (1 << 18)]);
    let _gone = ring.cleanup();
    let made = ring.create::<K>();
    let ledger = Ledger::new(kills + 3);
    let mut stage = Stage {
        ring: &ring,
        watch: Watch::start(ledger.page.path(), &[ledger::TAKEN], &[]),
        ledger,
        rng,
        producers: Vec::new(),
        lives: Vec::new(),
        consumer: None,
        repairer: None,
    };
    if victims == Victims::AnybodyAndRepairers {
        stage.send_for_a_repairer();
    }
    stage.start::<K>(if K::MANY { 3 } else { 1 });
    let mut done = 0;
    while done < kills {
        std::thread::sleep(Duration::from_micros(stage.rng.below(4000)));
        done += stage.strike::<K>(victims, tally);
        stage.ledger.check();
    }
    stage.finish(&made, tally);
    tally.kills += done;
    ring.unlink(&made);
}

fn survives<K: Sort>(via: Via, victims: Victims) {
    let _quiet = alone();
    let seed = rng::seed();
    let _told = SeedOnFailure(seed);
    let mut rng = Rng::new(seed);
    let share = if victims == Victims::Producers { 1 } else { 2 };
    let wanted = number_from_env("ANNULUS_KILLS", 60).div_ceil(share);
    let began = Instant::now();
    let mut tally = Tally::default();
    while tally.kills < wanted {
        let kills = (wanted - tally.kills).min(20.max(wanted / 10));
        round::<K>(via, victims, kills, &mut rng, &mut tally);
    }
    let silences = spread_us(&mut tally.silences_ns);
    let passed = spread_us(&mut tally.passed_ns);
    println!(
        "{} {via:?} {victims:?}: {} kills, {} of consumers, {} of producers with a claim in hand; \
         {} records, {} came again; successors found no place for at most {} us; us from a death to the next record of a \
         survivor (p50 p90 p99 max) {passed:?}, longest silence of survivors in the window {silences:?}; {:?}",
        K::NAME,
        tally.kills,
        tally.consumer_kills,
        tally.with_a_claim,
        tally.records,
        tally.repeats,
        tally.attach_ns / 1000,
        began.elapsed()
    );
    Run {
        kind: &format!("{}_records", K::NAME),
        kills: tally.kills,
        messages: tally.records,
        redelivered: tally.repeats,
        silences: tally.silences,
    }
    .print();
    assert!(
        tally.repeats <= tally.consumer_kills,
        "at most one for each"
    );
    assert!(tally.records > 0);
    if victims == Victims::Producers && K::MANY {
        // Others who use the processors can keep a survivor from running for longer; they do so seldom.
        let quiet = std::env::var_os("ANNULUS_QUIET").is_some();
        let (most, all) = (
            Duration::from_micros(silences[1]),
            if quiet { 1 } else { 10 },
        );
        let worst = Duration::from_micros(silences[3].max(passed[3]));
        assert!(
            most < LIMIT,
            "survivors were silent for {most:?} after many kills"
        );
        assert!(worst < LIMIT * all, "survivors were silent for {worst:?}");
        let place = Duration::from_nanos(tally.attach_ns);
        assert!(
            place < LIMIT * all,
            "a successor waited {place:?} for a place"
        );
    }
}

#[test]
fn the_only_producer_and_the_consumer_are_killed_at_random_in_posix_shared_memory() {
    survives::<SpscRecords>(Via::Shm, Victims::Anybody);
}

#[test]
fn the_only_producer_and_the_consumer_are_killed_at_random_in_system_v_memory() {
    survives::<SpscRecords>(Via::SysvName, Victims::Anybody);
}

#[test]
fn one_of_three_producers_is_killed_at_random_in_posix_shared_memory() {
    survives::<MpscRecords>(Via::Shm, Victims::Producers);
}

#[test]
fn one_of_three_producers_is_killed_at_random_in_system_v_memory() {
    survives::<MpscRecords>(Via::SysvName, Victims::Producers);
}

#[test]
fn the_consumer_of_three_producers_is_killed_at_random_in_posix_shared_memory() {
    survives::<MpscRecords>(Via::Shm, Victims::Consumer);
}

#[test]
fn the_consumer_of_three_producers_is_killed_at_random_in_system_v_memory() {
    survives::<MpscRecords>(Via::SysvName, Victims::Consumer);
}

#[test]
fn anybody_is_killed_at_random_in_a_ring_of_three_producers() {
    survives::<MpscRecords>(Via::Shm, Victims::Anybody);
}

#[test]
fn anybody_is_killed_at_random_beside_somebody_who_repairs_all_the_time() {
    survives::<MpscRecords>(Via::Shm, Victims::AnybodyAndRepairers);
    survives::<MpscRecords>(Via::SysvName, Victims::AnybodyAndRepairers);
}
