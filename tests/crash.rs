//! `kill -9`: at random moments under load, and at every step that can be told from outside.
//!
//! What is checked is the contract: whatever moment an endpoint dies at, its peer goes on, a successor
//! resumes, nothing committed is lost, and at most the message in a dead consumer's hands comes again.
//! `ANNULUS_KILLS` sets the number of random kills per place (100 unless set); `ANNULUS_SEED` repeats the
//! supervisor's choices (not the scheduler's).

mod common;

use annulus::{EndpointError, Peer, PopError, PushError, TryPushError, Wait};
use common::child::{self, Args, Child};
use common::clean::Cleanup;
use common::flow::{AnyRing, Rx, Tx};
use common::ledger::{self as log, Ledger};
use common::rng::{self, Rng, SeedOnFailure};
use common::spec::{self, Spec, Via};
use common::watch::{Run, Silences, Watch};
use common::{alone, eventually, number_from_env, take};
use std::time::{Duration, Instant};

#[test]
fn a_child_plays_the_role_it_was_given() {
    child::play(&[
        ("produce", log::produce),
        ("consume", log::consume),
        ("producer at", producer_at),
        ("consumer at", consumer_at),
        ("creator at", creator_at),
        ("create for ever", create_for_ever),
    ]);
}

// ---- random moments -----------------------------------------------------------------------------------

/// What a run of the supervisor came to.
#[derive(Debug, Default)]
struct Tally {
    kills: u64,
    consumer_kills: u64,
    messages: u64,
    repeats: u64,
    silences: Silences,
}

fn successor(role: &str, spec: &Spec, ledger: &Ledger, rng: &mut Rng) -> Child {
    let mut spec = spec.clone();
    spec.waits = rng.pick(&spec::WAITS);
    let path = ledger.0.path().to_str().expect("temporary paths are text");
    let args = spec.args().with("page", path).with("seed", rng.next());
    let mut child = Child::start(role, args);
    child.expect("running");
    child
}

/// Kills the ends of one ring `kills` times at random moments, and starts a successor each time.
fn round(via: Via, kills: u64, rng: &mut Rng, tally: &mut Tally) {
    let mut spec = Spec::new(via);
    spec.kind = rng.pick(&spec::KINDS);
    spec.capacity = rng.pick(&[2, 4, 64, 1024]);
    spec.parking = rng.pick(&spec::PARKINGS);
    spec.back_end = rng.pick(&spec::BACK_ENDS);
    spec.start = rng.pick(&[0, 7, (1 << 62) - 3000]);
    let _gone = Cleanup(|| spec.remove());
    let ring = spec.create();
    let ledger = Ledger::new(spec.start);
    let mut producer = successor("produce", &spec, &ledger, rng);
    let mut consumer = successor("consume", &spec, &ledger, rng);
    let watch = Watch::start(ledger.0.path(), &[log::LOGGED], &[]);
    let mut done = 0;
    while done < kills {
        std::thread::sleep(Duration::from_micros(rng.below(3000)));
        watch.replacing(true);
        let (p, c) = [(true, false), (false, true), (true, true)][rng.pick(&[0, 0, 0, 1, 1, 1, 2])];
        if p {
            producer.kill();
        }
        if c {
            consumer.kill();
            tally.consumer_kills += 1;
        }
        done += u64::from(p) + u64::from(c);
        ledger.check(spec.start);
        if p {
            producer = successor("produce", &spec, &ledger, rng);
        }
        if c {
            consumer = successor("consume", &spec, &ledger, rng);
        }
        watch.replacing(false);
    }
    tally.silences.add(watch.stop());
    ledger.0.set(log::STOP, 1);
    producer.expect("done");
    consumer.expect("done");
    producer.finish();
    consumer.finish();
    ledger.check(spec.start);
    let (committed, logged) = (ledger.0.get(log::COMMITTED), ledger.0.get(log::LOGGED));
    assert_eq!(
        logged, committed,
        "{spec:?}: everything committed was taken"
    );
    tally.kills += done;
    tally.messages += committed - spec.start;
    tally.repeats += ledger.0.get(log::REPEATS);
    ring.unlink();
    spec.assert_gone(&ring);
}

fn survives_random_kills(via: Via) {
    let _quiet = alone();
    let seed = rng::seed();
    let _told = SeedOnFailure(seed);
    let mut rng = Rng::new(seed);
    let (wanted, began) = (number_from_env("ANNULUS_KILLS", 100), Instant::now());
    let mut tally = Tally::default();
    while tally.kills < wanted {
        round(via, (wanted - tally.kills).min(20), &mut rng, &mut tally);
    }
    assert!(
        tally.repeats <= tally.consumer_kills,
        "at most one repeat for each dead consumer"
    );
    println!("{via:?}: {tally:?} in {:?}", began.elapsed());
    Run {
        kind: "spsc",
        kills: tally.kills,
        messages: tally.messages,
        redelivered: tally.repeats,
        silences: tally.silences,
    }
    .print();
}

#[test]
fn nothing_committed_is_lost_when_ends_in_posix_shared_memory_are_killed_at_random() {
    survives_random_kills(Via::Shm);
}

#[test]
fn nothing_committed_is_lost_when_ends_in_system_v_memory_are_killed_at_random() {
    survives_random_kills(Via::SysvName);
}

// ---- labelled steps -----------------------------------------------------------------------------------

/// Produces up to a step and stands still there. Messages 0, 1, 2 are committed before.
fn producer_at(args: &Args) {
    let spec = Spec::from_args(args);
    let mut tx = spec.open(None).producer().expect("a free end");
    (0..3).for_each(|i| tx.try_push(i).expect("room"));
    let wait = Wait::park();
    match args.get("step") {
        "claimed" => tx.claim(77, wait, || {
            child::stand_still();
            true
        }),
        "claimed a run" => tx
            .claim_run((77, 4), wait, |_| {
                child::stand_still();
                4
            })
            .map(|_| ()),
        "committed" => {
            let pushed = tx.push(3, wait);
            child::stand_still();
            pushed
        }
        "parked" => {
            (3..spec.capacity).for_each(|i| tx.try_push(i).expect("room"));
            tx.push(99, wait)
        }
        "left" => {
            drop(tx);
            child::stand_still();
            Ok(())
        }
        _ => {
            tx.close();
            child::stand_still();
            Ok(())
        }
    }
    .expect("room");
}

/// Consumes up to a step and stands still there. Messages 0, 1, 2, 3 are there.
fn consumer_at(args: &Args) {
    let spec = Spec::from_args(args);
    let ring = spec.open(None);
    let mut rx = ring.consumer().expect("a free end");
    let pop = |rx: &mut Rx, i| assert_eq!(rx.try_pop(), Ok(i));
    match args.get("step") {
        "sample in hand" => {
            pop(&mut rx, 0);
            let held = rx.sample(Wait::park(), |_, _| child::stand_still());
            held.expect("a message");
        }
        "released" => {
            (0..2).for_each(|i| pop(&mut rx, i));
            child::stand_still();
        }
        "draining" => match rx {
            Rx::Typed(mut rx) => {
                let mut drain = rx.drain(4);
                assert!(drain.next().is_some() && drain.next().is_some());
                child::stand_still();
            }
            Rx::Bytes(mut rx) => {
                let mut bytes = vec![0; rx.slot_size()];
                let mut drain = rx.drain(4);
                assert!(drain.next_into(&mut bytes) && drain.next_into(&mut bytes));
                child::stand_still();
            }
        },
        "parked" => {
            (0..4).for_each(|i| pop(&mut rx, i));
            let _ = rx.pop(Wait::park());
        }
        "left" => {
            pop(&mut rx, 0);
            drop(rx);
            child::stand_still();
        }
        _ => {
            rx.close();
            child::stand_still();
        }
    }
}

/// A step, and where the flow is when its end has died there.
struct Step {
    name: &'static str,
    /// The position that a successor resumes at.
    resumes: u64,
    /// What is seen of the end while it stands still, and once it is dead.
    seen: (Peer, Peer),
}

const DIES: (Peer, Peer) = (Peer::Alive, Peer::Died);
const IS_GONE: (Peer, Peer) = (Peer::Left, Peer::Left);
const CAPACITY: u64 = 8;

/// Runs `test` in every kind of place, with every back end and every kind of message.
fn everywhere(test: impl Fn(&Spec)) {
    for via in [Via::Shm, Via::SysvName, Via::File] {
        for (back_end, kind) in spec::BACK_ENDS.into_iter().zip(spec::KINDS) {
            let mut spec = Spec::new(via);
            (spec.capacity, spec.back_end, spec.kind) = (CAPACITY, back_end, kind);
            let _gone = Cleanup(|| spec.remove());
            test(&spec);
        }
    }
}

fn stand_at(role: &str, step: &Step, spec: &Spec, ring: &AnyRing) -> Child {
    let child = Child::start(role, spec.args().with("step", step.name));
    if step.name == "parked" {
        eventually("it sleeps", || {
            let status = ring.status();
            status.producers[0].asleep || status.consumers[0].asleep
        });
        child.stop();
    } else {
        child.until_stopped();
    }
    child
}

/// Lets thirty messages pass and removes the ring.
fn goes_on(tx: &mut Tx, rx: &mut Rx, ring: &AnyRing, spec: &Spec) {
    assert_eq!(tx.position(), rx.position(), "drained");
    for i in tx.position()..tx.position() + 30 {
        tx.push(i, Wait::park()).expect("room");
        assert_eq!(rx.pop(Wait::park()), Ok(i));
    }
    ring.unlink();
    spec.assert_gone(ring);
}

/// Far enough to learn of a death, which takes precedence; short where nothing will come.
fn patience(seen: Peer) -> Instant {
    let patience = if seen == Peer::Died { 20_000 } else { 60 };
    Instant::now() + Duration::from_millis(patience)
}

#[test]
fn a_producer_killed_at_any_step_loses_what_it_had_not_committed_and_nothing_else() {
    let steps = [
        ("claimed", 3, DIES),
        ("claimed a run", 3, DIES),
        ("committed", 4, DIES),
    ]
    .into_iter()
    .chain([("parked", CAPACITY, DIES), ("left", 3, IS_GONE)]);
    for (name, resumes, seen) in steps {
        let step = Step {
            name,
            resumes,
            seen,
        };
        everywhere(|spec| producer_dies(spec, &step));
    }
}

fn producer_dies(spec: &Spec, step: &Step) {
    let ring = spec.create();
    let mut rx = ring.consumer().expect("a free end");
    let mut child = stand_at("producer at", step, spec, &ring);
    // Whoever only stands still is not robbed.
    assert_eq!(rx.producer_state(), step.seen.0);
    if step.seen.0 == Peer::Alive {
        match ring.producer() {
            Err(EndpointError::Occupied { pid }) => assert_eq!(pid, child.pid()),
            other => panic!("{}: {other:?}", step.name),
        }
    }
    (0..2).for_each(|i| assert_eq!(rx.pop(Wait::park()), Ok(i)));
    child.kill();
    for i in 2..step.resumes {
        assert_eq!(rx.pop(Wait::park()), Ok(i), "{}", step.name);
    }
    let late = match step.seen.1 {
        Peer::Died => Err(PopError::PeerDied),
        _ => Err(PopError::TimedOut),
    };
    assert_eq!(
        rx.pop_until(Wait::park(), patience(step.seen.1)),
        late,
        "{}",
        step.name
    );
    let mut tx = take(|| ring.producer());
    assert_eq!(
        (tx.predecessor(), tx.position()),
        (step.seen.1, step.resumes),
        "{}",
        step.name
    );
    goes_on(&mut tx, &mut rx, &ring, spec);
}

#[test]
fn a_consumer_killed_at_any_step_leaves_at_most_the_message_in_its_hands_to_come_again() {
    let steps = [
        ("sample in hand", 1, DIES),
        ("released", 2, DIES),
        ("draining", 2, DIES),
    ]
    .into_iter()
    .chain([("parked", 4, DIES), ("left", 1, IS_GONE)]);
    for (name, resumes, seen) in steps {
        let step = Step {
            name,
            resumes,
            seen,
        };
        everywhere(|spec| consumer_dies(spec, &step));
    }
}

fn consumer_dies(spec: &Spec, step: &Step) {
    let ring = spec.create();
    let mut tx = ring.producer().expect("a free end");
    (0..4).for_each(|i| tx.try_push(i).expect("room"));
    let mut child = stand_at("consumer at", step, spec, &ring);
    assert_eq!(tx.consumer_state(), step.seen.0);
    if step.seen.0 == Peer::Alive {
        match ring.consumer() {
            Err(EndpointError::Occupied { pid }) => assert_eq!(pid, child.pid()),
            other => panic!("{}: {other:?}", step.name),
        }
    }
    // Exactly the slots that were given back are free, while it stands still and once it is dead.
    let room = step.resumes + CAPACITY;
    (4..room - 1).for_each(|i| tx.try_push(i).expect("room"));
    child.kill();
    tx.try_push(room - 1).expect("the last free slot");
    assert_eq!(tx.try_push(room), Err(TryPushError::Full), "{}", step.name);
    let late = match step.seen.1 {
        Peer::Died => Err(PushError::PeerDied),
        _ => Err(PushError::TimedOut),
    };
    assert_eq!(
        tx.push_until(room, Wait::park(), patience(step.seen.1)),
        late,
        "{}",
        step.name
    );
    let mut rx = take(|| ring.consumer());
    assert_eq!(
        (rx.predecessor(), rx.position()),
        (step.seen.1, step.resumes),
        "{}",
        step.name
    );
    for i in step.resumes..room {
        assert_eq!(rx.pop(Wait::park()), Ok(i), "{}", step.name);
    }
    goes_on(&mut tx, &mut rx, &ring, spec);
}

#[test]
fn a_peer_that_only_stands_still_is_waited_for_and_not_declared_dead() {
    let step = |name| Step {
        name,
        resumes: 0,
        seen: DIES,
    };
    let later = || Instant::now() + Duration::from_millis(120);
    everywhere(|spec| {
        let ring = spec.create();
        let mut rx = ring.consumer().expect("a free end");
        let child = stand_at("producer at", &step("claimed"), spec, &ring);
        (0..3).for_each(|i| assert_eq!(rx.pop(Wait::park()), Ok(i)));
        assert_eq!(rx.pop_until(Wait::park(), later()), Err(PopError::TimedOut));
        child.signal(libc::SIGCONT);
        assert_eq!(rx.pop(Wait::park()), Ok(77), "its claim was kept for it");
        ring.unlink();
    });
}

#[test]
fn a_side_killed_right_after_it_closed_has_closed() {
    everywhere(|spec| {
        let step = Step {
            name: "closed",
            resumes: 0,
            seen: IS_GONE,
        };
        let ring = spec.create();
        let mut rx = ring.consumer().expect("a free end");
        stand_at("producer at", &step, spec, &ring).kill();
        (0..3).for_each(|i| assert_eq!(rx.pop(Wait::park()), Ok(i)));
        assert_eq!(rx.pop(Wait::park()), Err(PopError::Closed));
        assert!(matches!(ring.producer(), Err(EndpointError::Closed)));
        ring.unlink();

        let ring = spec.create();
        let mut tx = ring.producer().expect("a free end");
        (0..4).for_each(|i| tx.try_push(i).expect("room"));
        stand_at("consumer at", &step, spec, &ring).kill();
        let pushed = (4..8).take_while(|&i| tx.try_push(i).is_ok()).count();
        assert!(pushed <= 1, "the next push but one fails");
        assert_eq!(tx.push(9, Wait::park()), Err(PushError::Closed));
        assert!(matches!(ring.consumer(), Err(EndpointError::Closed)));
        ring.unlink();
        spec.assert_gone(&ring);
    });
}

/// Makes the ring and stands still before anybody used it.
fn creator_at(args: &Args) {
    let ring = Spec::from_args(args).create();
    child::stand_still();
    drop(ring);
}

#[test]
fn a_ring_whose_maker_was_killed_before_its_first_use_works() {
    everywhere(|spec| {
        let mut maker = Child::start("creator at", spec.args());
        maker.until_stopped();
        maker.kill();
        let ring = spec.open(None);
        let (mut tx, mut rx) = (
            ring.producer().expect("a free end"),
            ring.consumer().expect("a free end"),
        );
        assert_eq!(
            (tx.predecessor(), rx.predecessor()),
            (Peer::Never, Peer::Never)
        );
        goes_on(&mut tx, &mut rx, &ring, spec);
    });
}

#[test]
fn a_full_ring_whose_ends_are_both_dead_is_opened_drained_and_used() {
    everywhere(|spec| {
        let ring = spec.create();
        let step = |name| Step {
            name,
            resumes: 0,
            seen: DIES,
        };
        let mut producer = stand_at("producer at", &step("parked"), spec, &ring);
        let mut consumer = stand_at("consumer at", &step("sample in hand"), spec, &ring);
        producer.kill();
        consumer.kill();
        drop(ring);
        let ring = spec.open(None);
        let (mut tx, mut rx) = (take(|| ring.producer()), take(|| ring.consumer()));
        assert_eq!(
            (tx.predecessor(), rx.predecessor()),
            (Peer::Died, Peer::Died)
        );
        (1..CAPACITY).for_each(|i| assert_eq!(rx.pop(Wait::park()), Ok(i)));
        goes_on(&mut tx, &mut rx, &ring, spec);
    });
}

/// Makes and removes the ring again and again.
fn create_for_ever(args: &Args) {
    let spec = Spec::from_args(args);
    child::report("running");
    loop {
        // The name may still carry what a killed predecessor left, finished or not.
        spec.remove();
        drop(spec.create());
    }
}

#[test]
fn a_name_whose_maker_was_killed_at_a_random_moment_can_be_used_again() {
    let seed = rng::seed();
    let _told = SeedOnFailure(seed);
    let mut rng = Rng::new(seed);
    // Opening what a dead maker left in System V memory takes a second: it might be alive.
    for (via, kills) in [
        (Via::Shm, 25),
        (Via::File, 25),
        (Via::SysvName, 6),
        (Via::SysvKey, 6),
    ] {
        let mut spec = Spec::new(via);
        spec.capacity = CAPACITY;
        let _gone = Cleanup(|| spec.remove());
        for _ in 0..kills {
            let mut maker = Child::start("create for ever", spec.args());
            maker.expect("running");
            std::thread::sleep(Duration::from_micros(rng.below(2000)));
            maker.kill();
            if spec.typed().open_or_create().is_err() {
                // A maker that died between its first two calls left what looks like the work of one that
                // is still at it; removing it by name is the documented way out.
                spec.remove();
            }
            let ring = AnyRing::Typed(spec.typed().open_or_create().expect("a ring"));
            let (mut tx, mut rx) = (take(|| ring.producer()), take(|| ring.consumer()));
            goes_on(&mut tx, &mut rx, &ring, &spec);
        }
    }
}
