//! Producers that die at labelled steps. The consumer and a surviving producer are here; whoever dies is a child.

use crate::common::child::{self, Args, Child};
use crate::common::spec::{BACK_ENDS, Via};
use crate::common::{alone, eventually, take};
use crate::payload::{self, Id};
use crate::ring::{Records, Sort, role};
use annulus::{
    MpscRecords, Peer, PopError, RecordConsumer, RecordProducer, Ring, SpscRecords, TryPopError,
    Wait,
};
use std::time::{Duration, Instant};

/// No survivor may be kept waiting longer.
pub const LIMIT: Duration = Duration::from_millis(100);
/// What a child sends before its step.
pub const BEFORE: u64 = 3;
/// Bytes of an ordinary record.
pub const SHORT: usize = 40;
/// Bytes of one that is never finished.
pub const LONG: usize = 300;
/// A word that a consumer would take for the header of a record of 8 bytes.
const FORGED: u64 = 8 << 32 | 1;

/// Who sends from here.
pub const HERE: u64 = 9;

pub fn id(who: u64, number: u64) -> Id {
    let life = 0;
    Id { who, life, number }
}

fn record(who: u64, number: u64, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    payload::fill(id(who, number), 7, &mut bytes);
    bytes
}

pub fn send<K: Sort>(tx: &mut RecordProducer<K>, who: u64, number: u64) {
    tx.push_tagged(7, &record(who, number, SHORT), Wait::park())
        .expect("room");
}

/// What the next record is, or why there is none.
fn receive(rx: &mut RecordConsumer, wait: Wait, patience: Duration) -> Result<Id, PopError> {
    let mut bytes = Vec::new();
    let tag = rx.pop_into_until(&mut bytes, wait, Instant::now() + patience)?;
    Ok(payload::read(tag, &bytes).expect("a record that is whole"))
}

pub fn expect(rx: &mut RecordConsumer, who: u64, number: u64) {
    let got = receive(rx, Wait::park(), Duration::from_secs(20));
    assert_eq!(got, Ok(id(who, number)));
}

/// The same, and it must come soon.
pub fn expect_soon(rx: &mut RecordConsumer, wait: Wait, number: u64, what: &str) {
    let began = Instant::now();
    let got = receive(rx, wait, Duration::from_secs(20));
    let took = began.elapsed();
    assert_eq!(got, Ok(id(HERE, number)), "{what}");
    assert!(took < LIMIT, "{what}: {took:?}");
}

// ---- producers --------------------------------------------------------------------------------------------

/// A role: sends some records, goes to a step and stands still there, or dies there by itself.
pub fn producer_at<K: Sort>(args: &Args) {
    let ring = Records::from_args(args);
    let made = match args.get("makes") {
        "yes" => ring.create::<K>(),
        _ => ring.open::<K>(""),
    };
    let who = args.number("who");
    let mut tx = made.producer().expect("a free end");
    (0..BEFORE).for_each(|i| send(&mut tx, who, i));
    let stand = || match args.get("end") {
        "dies" => child::kill_myself(),
        _ => child::stand_still(),
    };
    match args.get("step") {
        "claimed" | "claimed to wrap" => {
            let loan = tx.try_claim(LONG).expect("room");
            stand();
            drop(loan);
        }
        "half written" => {
            let whole = record(who, BEFORE, LONG);
            let mut loan = tx.try_claim(LONG).expect("room");
            let forged: Vec<u8> = (0..LONG / 16).flat_map(|_| FORGED.to_le_bytes()).collect();
            loan.write_at(0, &forged);
            stand();
            loan.write_at(0, &whole);
            loan.set_tag(7);
            loan.commit();
            send(&mut tx, who, BEFORE + 1);
        }
        "aborted" => {
            let mut loan = tx.try_claim(LONG).expect("room");
            loan.write_at(0, &FORGED.to_le_bytes());
            loan.abort();
            stand();
        }
        "shortened" => {
            let mut loan = tx.try_claim(LONG).expect("room");
            loan.write_at(0, &record(who, BEFORE, SHORT));
            loan.set_tag(7);
            loan.commit_len(SHORT);
            stand();
        }
        _ => stand(),
    }
    child::report("went on");
    child::listen();
}

/// What a child does.
#[derive(Clone, Copy, Debug)]
struct Step {
    name: &'static str,
    /// Whether it holds a claim then, which stands in the way of what comes after it.
    blocks: bool,
    /// Records it has sent by then.
    sent: u64,
}

const fn step(name: &'static str, blocks: bool, sent: u64) -> Step {
    Step { name, blocks, sent }
}

const STEPS: [Step; 6] = [
    step("attached", false, BEFORE),
    step("claimed", true, BEFORE),
    step("claimed to wrap", true, BEFORE),
    step("half written", true, BEFORE),
    step("aborted", false, BEFORE),
    step("shortened", false, BEFORE + 1),
];

/// A ring whose fourth record of the first producer passes its end if that is long.
pub fn ring_at(via: Via, align: u64, step: &str) -> Records {
    let mut ring = Records::new(via);
    (ring.align, ring.spec.capacity) = (align, 4096);
    ring.spec.start = match step {
        "claimed to wrap" => 3 * 4096 - 256,
        _ => 0,
    };
    ring
}

fn start<K: Sort>(ring: &Records, step: &str, who: u64, end: &str) -> Child {
    let args = ring.args().with("step", step).with("who", who);
    let args = args.with("end", end).with("makes", "no");
    Child::start(&role::<K>("producer at"), args)
}

pub fn stand<K: Sort>(ring: &Records, step: &str, who: u64) -> Child {
    let child = start::<K>(ring, step, who, "stands");
    child.until_stopped();
    child
}

/// Runs `test` in every kind of place, with both alignments and back ends, and each way to wait.
pub fn everywhere(step: &str, test: impl Fn(&Records, Wait)) {
    let waits = [Wait::park(), Wait::spin(), Wait::spin_then_yield()];
    let mut turn = 0;
    for via in [Via::Shm, Via::SysvName, Via::File] {
        for align in [8, 64] {
            let mut ring = ring_at(via, align, step);
            ring.spec.back_end = BACK_ENDS[turn / 2 % 2];
            let _gone = ring.cleanup();
            test(&ring, waits[turn % 3]);
            turn += 1;
        }
    }
}

/// Lets many records pass, several laps of the ring, and removes it.
pub fn goes_on<K: Sort>(
    tx: &mut RecordProducer<K>,
    rx: &mut RecordConsumer,
    made: &Ring<K>,
    ring: &Records,
) {
    for i in 1000..1300 {
        send(tx, HERE, i);
        expect(rx, HERE, i);
    }
    assert_eq!(
        rx.try_pop_into(&mut Vec::new()),
        Err(TryPopError::Empty),
        "nothing invented"
    );
    ring.unlink(made);
}

#[test]
fn a_producer_killed_at_any_step_stops_nobody_for_a_tenth_of_a_second() {
    let _quiet = alone();
    for step in STEPS {
        everywhere(step.name, |ring, wait| {
            let made = ring.create::<MpscRecords>();
            let mut rx = made.consumer().expect("a free end");
            let mut survivor = made.producer().expect("a place");
            let mut child = stand::<MpscRecords>(ring, step.name, 0);
            send(&mut survivor, HERE, 0);
            (0..step.sent).for_each(|i| expect(&mut rx, 0, i));
            if step.blocks {
                let patience = Duration::from_millis(30);
                let robbed = receive(&mut rx, wait, patience);
                assert_eq!(robbed, Err(PopError::TimedOut), "it only stands still");
            }
            child.kill();
            expect_soon(&mut rx, wait, 0, step.name);
            let mut next = made.producer().expect("a place");
            assert_eq!(survivor.consumer_state(), Peer::Alive);
            goes_on(&mut next, &mut rx, &made, ring);
        });
    }
}

#[test]
fn a_producer_that_kills_itself_at_any_step_stops_nobody_for_a_tenth_of_a_second() {
    let _quiet = alone();
    for step in STEPS {
        everywhere(step.name, |ring, wait| {
            let made = ring.create::<MpscRecords>();
            let mut rx = made.consumer().expect("a free end");
            let mut survivor = made.producer().expect("a place");
            let child = start::<MpscRecords>(ring, step.name, 0, "dies");
            (0..step.sent).for_each(|i| expect(&mut rx, 0, i));
            eventually("it is dead", || {
                let status = made.status().expect("the kernel answers");
                status.producers.iter().any(|end| end.state == Peer::Died)
            });
            drop(child);
            send(&mut survivor, HERE, 0);
            expect_soon(&mut rx, wait, 0, step.name);
            goes_on(&mut survivor, &mut rx, &made, ring);
        });
    }
}

#[test]
fn a_ring_whose_maker_died_with_a_claim_in_hand_works() {
    let _quiet = alone();
    everywhere("half written", |ring, wait| {
        let args = ring.args().with("step", "half written").with("who", 0);
        let args = args.with("makes", "yes").with("end", "stands");
        let mut maker = Child::start(&role::<MpscRecords>("producer at"), args);
        maker.until_stopped();
        let made = ring.open::<MpscRecords>("");
        maker.kill();
        let mut rx = made.consumer().expect("a free end");
        let mut tx = made.producer().expect("a place");
        send(&mut tx, HERE, 0);
        (0..BEFORE).for_each(|i| expect(&mut rx, 0, i));
        expect_soon(&mut rx, wait, 0, "the first behind it");
        goes_on(&mut tx, &mut rx, &made, ring);
    });
}

#[test]
fn a_producer_that_is_only_stopped_delays_and_loses_nothing() {
    let _quiet = alone();
    everywhere("half written", |ring, wait| {
        let made = ring.create::<MpscRecords>();
        let mut rx = made.consumer().expect("a free end");
        let mut other = made.producer().expect("a place");
        let mut child = stand::<MpscRecords>(ring, "half written", 0);
        (0..2).for_each(|i| send(&mut other, HERE, i));
        (0..BEFORE).for_each(|i| expect(&mut rx, 0, i));
        let patience = Duration::from_millis(130);
        assert_eq!(receive(&mut rx, wait, patience), Err(PopError::TimedOut));
        child.signal(libc::SIGCONT);
        child.expect("went on");
        expect(&mut rx, 0, BEFORE);
        (0..2).for_each(|i| expect(&mut rx, HERE, i));
        expect(&mut rx, 0, BEFORE + 1);
        goes_on(&mut other, &mut rx, &made, ring);
    });
}

#[test]
fn a_consumer_that_never_waits_goes_on_as_soon() {
    let _quiet = alone();
    for pause in [
        Duration::ZERO,
        Duration::from_millis(1),
        Duration::from_millis(10),
    ] {
        let ring = ring_at(Via::Shm, 8, "claimed");
        let _gone = ring.cleanup();
        let made = ring.create::<MpscRecords>();
        let mut rx = made.consumer().expect("a free end");
        let mut survivor = made.producer().expect("a place");
        let mut child = stand::<MpscRecords>(&ring, "claimed", 0);
        send(&mut survivor, HERE, 0);
        (0..BEFORE).for_each(|i| expect(&mut rx, 0, i));
        child.kill();
        let began = Instant::now();
        let mut bytes = Vec::new();
        while rx.try_pop_into(&mut bytes) == Err(TryPopError::Empty) {
            std::thread::sleep(pause);
        }
        let took = began.elapsed();
        assert_eq!(payload::read(7, &bytes), Some(id(HERE, 0)));
        assert!(took < LIMIT, "looking every {pause:?}: {took:?}");
        goes_on(&mut survivor, &mut rx, &made, &ring);
    }
}

// ---- all producers dead -----------------------------------------------------------------------------------

/// Everything that is there must come before the death is told.
fn all_die(ring: &Records, wait: Wait, steps: [&str; 2]) {
    let made = ring.create::<MpscRecords>();
    let mut children: Vec<Child> = (0..)
        .zip(steps)
        .map(|(who, step)| stand::<MpscRecords>(ring, step, who))
        .collect();
    let mut rx = made.consumer().expect("a free end");
    children.iter_mut().for_each(Child::kill);
    let mut bytes = Vec::new();
    for who in 0..2 {
        for i in 0..BEFORE {
            let got = rx.pop_into(&mut bytes, wait);
            let got = got.map(|tag| payload::read(tag, &bytes));
            assert_eq!(got, Ok(Some(id(who, i))), "{steps:?} {ring:?}");
        }
    }
    for _ in 0..3 {
        let began = Instant::now();
        assert_eq!(rx.pop_into(&mut bytes, wait), Err(PopError::PeerDied));
        assert!(began.elapsed() < LIMIT + Duration::from_millis(50));
    }
    let mut tx = made.producer().expect("a place");
    goes_on(&mut tx, &mut rx, &made, ring);
}

#[test]
fn a_consumer_whose_producers_are_all_dead_is_told_so_once_it_has_everything() {
    let _quiet = alone();
    for steps in [
        ["attached", "attached"],
        ["attached", "claimed"],
        ["claimed", "attached"],
        ["half written", "claimed"],
    ] {
        everywhere("", |ring, wait| all_die(ring, wait, steps));
    }
}

// ---- one producer -----------------------------------------------------------------------------------------

#[test]
fn the_only_producer_killed_at_any_step_leaves_what_it_committed_and_nothing_else() {
    let _quiet = alone();
    for step in STEPS {
        everywhere(step.name, |ring, wait| {
            let made = ring.create::<SpscRecords>();
            let mut rx = made.consumer().expect("a free end");
            let mut child = stand::<SpscRecords>(ring, step.name, 0);
            child.kill();
            (0..step.sent).for_each(|i| expect(&mut rx, 0, i));
            let died = rx.pop_into(&mut Vec::new(), wait);
            assert_eq!(died, Err(PopError::PeerDied), "{step:?}");
            let mut tx = take(|| made.producer());
            assert_eq!(tx.predecessor(), Peer::Died);
            goes_on(&mut tx, &mut rx, &made, ring);
        });
    }
}
