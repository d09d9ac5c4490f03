//! `kill -9` at random moments under load.

use crate::common::child::{Args, Child};
use crate::common::rng::{self, Rng, SeedOnFailure};
use crate::common::spec::{self, Via, Waits};
use crate::common::watch::{Run, Silences, Watch};
use crate::common::{alone, number_from_env, take};
use crate::kinds::{Place, Queue, Tx, role};
use crate::ledger::{self, Ledger};
use crate::payload::Note;
use annulus::{ManyConsumers, Mpmc, Mpsc, Orphans, Ring, Spmc};
use std::time::{Duration, Instant};

/// What a run came to.
#[derive(Debug, Default)]
struct Tally {
    kills: u64,
    of_consumers: u64,
    messages: u64,
    again: u64,
    repeats: u64,
    attach_ns: u64,
    /// Of rings that drop: how many were dropped, and how many of those committed did not come.
    dropped: u64,
    missing: u64,
    /// In each window from kill to kill, the longest time without a message.
    silences_ns: Vec<u64>,
    silences: Silences,
}

/// The processes of one ring, and who supervises them.
struct Stage<'a> {
    place: &'a Place,
    ledger: Ledger,
    rng: &'a mut Rng,
    producers: Vec<Child>,
    lives: Vec<u64>,
    consumers: Vec<Child>,
    /// Somebody who takes no part and repairs without end, if there is to be one.
    repairer: Option<Child>,
    watch: Watch,
}

/// How a ring is made.
type Make<K> = fn(&Place) -> Ring<K>;

impl Stage<'_> {
    fn args(&mut self) -> Args {
        let mut place = self.place.clone();
        place.spec.waits = self.rng.pick(&[Waits::Yield, Waits::Park]);
        let args = place.args().with("page", self.ledger.path());
        args.with("lives", self.ledger.lives())
            .with("seed", self.rng.next())
    }

    fn producer<K: Queue>(&mut self, who: usize) -> Child {
        let args = self.args().with("who", who).with("life", self.lives[who]);
        Child::start(&role::<K>("produce"), args)
    }

    fn consumer<K: Queue>(&mut self) -> Child {
        let args = self.args();
        Child::start(&role::<K>("consume"), args)
    }

    /// Starts somebody who repairs.
    fn send_for_a_repairer(&mut self) {
        let mut child = Child::start("repair for ever", self.place.args());
        child.expect("begins");
        self.repairer = Some(child);
    }

    /// Starts so many of both.
    fn begin<K: Queue>(&mut self, producers: usize, consumers: usize) {
        self.lives = vec![0; producers];
        let absent = &ledger::IDLE[producers..];
        absent
            .iter()
            .for_each(|&idle| self.ledger.page.set(idle, 1));
        for _ in 0..consumers {
            let child = self.consumer::<K>();
            self.consumers.push(child);
        }
        for who in 0..producers {
            let child = self.producer::<K>(who);
            self.producers.push(child);
        }
        let all = self.consumers.iter_mut().chain(&mut self.producers);
        all.for_each(|child| child.expect("running"));
    }

    /// Kills one end, or two, and starts successors.
    fn strike<K: Queue>(&mut self, tally: &mut Tally) {
        let (producers, consumers) = (self.producers.len(), self.consumers.len());
        let n = producers + consumers;
        let mut victims = vec![self.rng.below(n as u64) as usize];
        if self.rng.below(4) == 0 {
            let other = self.rng.below(n as u64) as usize;
            victims.extend((other != victims[0]).then_some(other));
        }
        let page = &self.ledger.page;
        page.set(ledger::KILL, page.get(ledger::KILL) + 1);
        let only = |&i: &usize| {
            if i < producers {
                producers == 1
            } else {
                consumers == 1
            }
        };
        self.watch.replacing(victims.iter().any(only));
        for &i in &victims {
            let child = match i.checked_sub(producers) {
                None => {
                    // Where it is the only one, `replacing` says so.
                    page.set(ledger::IDLE[i], u64::from(producers > 1));
                    &self.producers[i]
                }
                Some(i) => &self.consumers[i],
            };
            child.signal(libc::SIGKILL);
        }
        if self.rng.below(3) == 0
            && let Some(mut child) = self.repairer.take()
        {
            child.kill();
            self.send_for_a_repairer();
        }
        for i in victims {
            tally.kills += 1;
            if let Some(i) = i.checked_sub(producers) {
                self.consumers[i].kill();
                tally.of_consumers += 1;
                self.consumers[i] = self.consumer::<K>();
                self.consumers[i].expect("running");
            } else {
                self.producers[i].kill();
                self.lives[i] += 1;
                self.producers[i] = self.producer::<K>(i);
                self.producers[i].expect("running");
            }
        }
        self.watch.replacing(false);
    }

    /// Ends the stream and checks that all that was committed has come.
    fn finish<K: Queue>(mut self, ring: &annulus::Ring<K>, tally: &mut Tally) {
        tally.silences.add(self.watch.stop());
        self.ledger.page.set(ledger::STOP, 1);
        for mut child in self.producers.drain(..) {
            child.expect("done");
            child.finish();
        }
        take(|| K::producer(ring)).close();
        for mut child in self.consumers.drain(..) {
            child.expect("done");
            child.finish();
        }
        drop(self.repairer.take());
        let status = ring.status().expect("the kernel answers");
        if status.orphans == Orphans::Drop {
            tally.dropped += status.dropped;
            tally.missing += self.ledger.check_dropped();
        } else {
            self.ledger.check_drained();
        }
        let page = &self.ledger.page;
        tally.messages += page.get(ledger::TAKEN);
        tally.again += page.get(ledger::AGAIN);
        tally.repeats += page.get(ledger::REPEATS);
        tally.attach_ns = tally.attach_ns.max(page.get(ledger::ATTACH_NS));
        tally.silences_ns.extend(self.ledger.silences());
    }
}

/// Kills ends of one ring that `make` makes `kills` times or a little more; beside a repairer if `repaired`.
fn round<K: Queue>(
    (make, repaired): (Make<K>, bool),
    via: Via,
    ends: (usize, usize),
    kills: u64,
    rng: &mut Rng,
    tally: &mut Tally,
) {
    let mut place = Place::new(via, rng.pick(&[2, 16, 1024]));
    (place.producers, place.consumers) = (3, 3 + rng.below(2) as u32);
    place.spec.parking = rng.pick(&spec::PARKINGS);
    place.spec.back_end = rng.pick(&spec::BACK_ENDS);
    place.spec.start = rng.pick(&[0, 7, (1 << 62) - 3000]);
    let _gone = place.cleanup();
    let made = make(&place);
    let ledger = Ledger::new(kills + 3);
    let mut stage = Stage {
        place: &place,
        watch: Watch::start(ledger.page.path(), &[ledger::TAKEN], &ledger::IDLE),
        ledger,
        rng,
        producers: Vec::new(),
        lives: Vec::new(),
        consumers: Vec::new(),
        repairer: None,
    };
    if repaired {
        stage.send_for_a_repairer();
    }
    stage.begin::<K>(ends.0, ends.1);
    let until = tally.kills + kills;
    while tally.kills < until {
        std::thread::sleep(Duration::from_micros(stage.rng.below(4000)));
        stage.strike::<K>(tally);
        stage.ledger.check();
    }
    stage.finish(&made, tally);
    place.unlink(&made);
}

fn survives<K: Queue>(producers: usize, consumers: usize) {
    survives_as::<K>((Place::create::<K>, false), producers, consumers);
}

fn survives_as<K: Queue>(how: (Make<K>, bool), producers: usize, consumers: usize) {
    let _quiet = alone();
    let seed = rng::seed();
    let _told = SeedOnFailure(seed);
    let mut rng = Rng::new(seed);
    let wanted = number_from_env("ANNULUS_KILLS", 30);
    let (began, mut tally) = (Instant::now(), Tally::default());
    while tally.kills < wanted {
        let via = rng.pick(&[Via::Shm, Via::SysvName]);
        let kills = (wanted - tally.kills).min(10.max(wanted / 20).min(40));
        round::<K>(
            how,
            via,
            (producers, consumers),
            kills,
            &mut rng,
            &mut tally,
        );
    }
    tally.silences_ns.sort_unstable();
    let silences = &tally.silences_ns;
    let [half, most, all] = [50, 90, 100]
        .map(|percent| Duration::from_nanos(silences[(silences.len() - 1) * percent / 100]));
    if tally.dropped > 0 {
        let Tally {
            dropped, missing, ..
        } = tally;
        println!("{dropped} messages were dropped; of those committed {missing} did not come");
        // One that was written down and not given back was dropped as well; who drops may die before it counts.
        assert!(missing <= dropped + tally.of_consumers);
    }
    println!(
        "{}: {} kills, {} of consumers; {} messages came, {} of them from dead hands, {} of those twice; successors found no place for at most {:?}; \
         longest silence after a kill (p50 p90 max) {half:?} {most:?} {all:?}; {:?}",
        K::NAME,
        tally.kills,
        tally.of_consumers,
        tally.messages,
        tally.again,
        tally.repeats,
        Duration::from_nanos(tally.attach_ns),
        began.elapsed()
    );
    Run {
        kind: K::NAME,
        kills: tally.kills,
        messages: tally.messages,
        redelivered: tally.again,
        silences: tally.silences,
    }
    .print();
    assert!(
        tally.repeats <= tally.of_consumers,
        "at most the one that was written down and not given back"
    );
    assert!(tally.messages > 0);
    // While a side has one end, everybody waits for its successor to start.
    let idle = tally.silences.idle;
    assert!(
        idle < Duration::from_secs(1),
        "silent for {idle:?}, and not for want of a processor"
    );
}

#[test]
fn nothing_of_three_producers_and_three_consumers_that_are_killed_at_random_is_lost_or_doubled() {
    survives::<Mpmc<Note>>(3, 3);
}

#[test]
fn nothing_of_three_producers_and_one_consumer_that_are_killed_at_random_is_lost_or_doubled() {
    survives::<Mpsc<Note>>(3, 1);
}

#[test]
fn nothing_of_one_producer_and_three_consumers_that_are_killed_at_random_is_lost_or_doubled() {
    survives::<Spmc<Note>>(1, 3);
}

#[test]
fn somebody_who_repairs_all_the_time_and_is_killed_at_random_makes_no_difference() {
    survives_as::<Mpmc<Note>>((Place::create, true), 3, 3);
    survives_as::<Mpsc<Note>>((Place::create, true), 3, 1);
}

fn dropping<K: Queue + ManyConsumers>(place: &Place) -> Ring<K> {
    let options = K::options(place).orphans(Orphans::Drop);
    options.create().expect("a new ring")
}

#[test]
fn nothing_comes_twice_where_what_the_dead_had_in_hand_is_dropped() {
    survives_as::<Mpmc<Note>>((dropping, true), 3, 3);
    survives_as::<Spmc<Note>>((dropping, false), 1, 3);
}
