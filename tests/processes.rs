//! Rings between real processes: every backing, every way to wait, both ends coming, leaving and dying.
//!
//! Children are this binary run again (`common::child`); only the anonymous backing forks, and does so in
//! such a child.

mod common;

use annulus::{
    EndpointError, Parking, Peer, PopError, PushError, TryPopError, TryPushError, Wait, WaitBackend,
};
use common::child::{self, Args, Child};
use common::clean::Cleanup;
use common::spec::{self, Spec, Via, Waits};
use common::stream::{self, flow, open};
use common::{alone, eventually, take};
use std::time::{Duration, Instant};

#[test]
fn a_child_plays_the_role_it_was_given() {
    child::play(&[
        ("send", stream::send),
        ("receive", stream::receive),
        ("anon", stream::anon),
        ("hold", hold),
        ("try", try_to_take),
        ("heir", anon_heir),
        ("left behind", left_behind),
    ]);
}

// ---- flows ----------------------------------------------------------------------------------------

/// Every wait, both sorts of message, both capacities, both lazy sides, and back ends in turn.
fn flows_by(via: Via) {
    let _quiet = alone();
    let mut turn = 0;
    for kind in spec::KINDS {
        for waits in spec::WAITS {
            let mut ring = Spec::new(via);
            ring.kind = kind;
            ring.waits = waits;
            ring.capacity = if turn % 2 == 0 { 1024 } else { 2 };
            ring.parking = spec::PARKINGS[turn % 4];
            ring.back_end = match via {
                Via::MemfdPassed | Via::MemfdInherited => WaitBackend::Futex,
                _ => spec::BACK_ENDS[turn / 2 % 2],
            };
            let count = if ring.capacity == 2 { 10_000 } else { 100_000 };
            flow(&ring, count, turn as u64 % 3);
            turn += 1;
        }
    }
}

#[test]
fn messages_arrive_in_order_through_posix_shared_memory() {
    flows_by(Via::Shm);
}

#[test]
fn messages_arrive_in_order_through_system_v_memory_found_by_name() {
    flows_by(Via::SysvName);
}

#[test]
fn messages_arrive_in_order_through_system_v_memory_found_by_key() {
    flows_by(Via::SysvKey);
}

#[test]
fn messages_arrive_in_order_through_a_memfd_passed_over_a_socket() {
    flows_by(Via::MemfdPassed);
}

#[test]
fn messages_arrive_in_order_through_an_inherited_memfd() {
    flows_by(Via::MemfdInherited);
}

#[test]
fn messages_arrive_in_order_through_a_regular_file() {
    flows_by(Via::File);
}

#[test]
fn messages_arrive_in_order_through_anonymous_memory_and_a_fork() {
    flows_by(Via::Anon);
}

#[test]
fn every_way_to_wait_works_with_every_back_end_and_every_parking() {
    let _quiet = alone();
    for (waits, lazy) in [(Waits::Spin, 0), (Waits::Yield, 1), (Waits::Park, 2)] {
        for parking in spec::PARKINGS {
            for back_end in spec::BACK_ENDS {
                for capacity in [2, 1024] {
                    let mut ring = Spec::new(Via::Shm);
                    (ring.waits, ring.parking, ring.back_end) = (waits, parking, back_end);
                    ring.capacity = capacity;
                    flow(&ring, if capacity == 2 { 2_000 } else { 20_000 }, lazy);
                }
            }
        }
    }
}

#[test]
fn a_million_messages_arrive_in_order_while_positions_pass_their_limit() {
    let _quiet = alone();
    let mut ring = Spec::new(Via::Shm);
    ring.start = (1 << 62) - 500_000;
    let got = flow(&ring, 1_000_000, 0);
    assert!(
        got > 500_000,
        "only {got}: too slow a machine to reach the limit"
    );
}

// ---- ends that are held, left, closed ---------------------------------------------------------------

/// Takes an end and holds it until it is killed or told to leave.
fn hold(args: &Args) {
    let (_, ring) = open(args);
    let (mut tx, mut rx) = (None, None);
    match args.get("end") {
        "producer" => tx = Some(ring.producer().expect("a free end")),
        _ => rx = Some(ring.consumer().expect("a free end")),
    }
    child::report("holding");
    match child::listen().as_str() {
        "leave" => {}
        "close" => {
            if let Some(tx) = tx.take() {
                tx.close();
            }
            if let Some(rx) = rx.take() {
                rx.close();
            }
        }
        other => panic!("{other}?"),
    }
    drop((tx, rx));
    child::report("left");
    child::listen();
}

/// What comes of taking an end.
fn verdict<E>(taken: Result<E, EndpointError>) -> String {
    match taken {
        Ok(_) => "taken".to_owned(),
        Err(EndpointError::Occupied { pid }) => format!("held by {pid}"),
        Err(EndpointError::Closed) => "closed".to_owned(),
        Err(e) => e.to_string(),
    }
}

fn try_to_take(args: &Args) {
    let (_, ring) = open(args);
    child::report(&match args.get("end") {
        "producer" => verdict(ring.producer()),
        _ => verdict(ring.consumer()),
    });
}

fn ends(spec: &Spec, end: &str) -> Args {
    spec.args().with("end", end).with("socket", "")
}

/// What another process is told when it asks for an end.
fn asked_from_outside(spec: &Spec, end: &str) -> String {
    let mut child = Child::start("try", ends(spec, end));
    let told = child.hear();
    child.finish();
    told
}

/// The places whose tokens differ in kind.
const PLACES: [Via; 3] = [Via::Shm, Via::SysvName, Via::File];

#[test]
fn a_held_end_is_refused_to_others_and_to_the_same_process() {
    for via in PLACES {
        let spec = Spec::new(via);
        let _gone = Cleanup(|| spec.remove());
        let ring = spec.create();
        for end in ["producer", "consumer"] {
            let mut holder = Child::start("hold", ends(&spec, end));
            holder.expect("holding");
            let held = format!("held by {}", holder.pid());
            let from_here = match end {
                "producer" => verdict(ring.producer()),
                _ => verdict(ring.consumer()),
            };
            assert_eq!(from_here, held);
            assert_eq!(asked_from_outside(&spec, end), held);
            holder.say("leave");
            holder.expect("left");
            assert_eq!(asked_from_outside(&spec, end), "taken", "after it was left");
            holder.say("");
            holder.finish();
        }
        let (tx, rx) = (take(|| ring.producer()), take(|| ring.consumer()));
        let me = format!("held by {}", std::process::id());
        assert_eq!(verdict(ring.producer()), me);
        assert_eq!(verdict(ring.consumer()), me);
        assert_eq!(asked_from_outside(&spec, "producer"), me);
        drop((tx, rx));
    }
}

#[test]
fn a_successor_is_told_how_its_predecessor_went() {
    for via in PLACES {
        let spec = Spec::new(via);
        let _gone = Cleanup(|| spec.remove());
        let ring = spec.create();
        let tx = ring.producer().expect("a free end");
        let rx = ring.consumer().expect("a free end");
        assert_eq!(
            (tx.predecessor(), rx.predecessor()),
            (Peer::Never, Peer::Never)
        );
        drop((tx, rx));
        for end in ["producer", "consumer"] {
            let look = || match end {
                "producer" => take(|| ring.producer()).predecessor(),
                _ => take(|| ring.consumer()).predecessor(),
            };
            assert_eq!(look(), Peer::Left);
            let mut holder = Child::start("hold", ends(&spec, end));
            holder.expect("holding");
            holder.kill();
            assert_eq!(look(), Peer::Died);
            assert_eq!(
                look(),
                Peer::Left,
                "the one that looked before left in order"
            );
        }
    }
}

#[test]
fn a_ring_closed_by_its_producer_refuses_producers_and_is_drained() {
    for via in PLACES {
        let spec = Spec::new(via);
        let _gone = Cleanup(|| spec.remove());
        let ring = spec.create();
        let mut tx = ring.producer().expect("a free end");
        (0..5).for_each(|i| tx.try_push(i).expect("room"));
        tx.close();
        eventually("the copies of other tests' children are gone", || {
            verdict(ring.producer()) == "closed"
        });
        assert_eq!(asked_from_outside(&spec, "producer"), "closed");
        assert_eq!(asked_from_outside(&spec, "consumer"), "taken");
        let mut rx = take(|| ring.consumer());
        (0..2).for_each(|i| assert_eq!(rx.try_pop(), Ok(i)));
        drop(rx);
        let mut rx = take(|| ring.consumer());
        (2..5).for_each(|i| assert_eq!(rx.pop(Wait::park()), Ok(i)));
        assert_eq!(rx.pop(Wait::park()), Err(PopError::Closed));
    }
}

#[test]
fn a_ring_closed_by_its_consumer_refuses_everybody_and_tells_the_producer() {
    for via in PLACES {
        for parking in spec::PARKINGS {
            let mut spec = Spec::new(via);
            (spec.parking, spec.capacity) = (parking, 8);
            let _gone = Cleanup(|| spec.remove());
            let ring = spec.create();
            let mut tx = ring.producer().expect("a free end");
            let mut holder = Child::start("hold", ends(&spec, "consumer"));
            holder.expect("holding");
            tx.try_push(0).expect("room");
            holder.say("close");
            holder.expect("left");
            // The contract: the next push but one at the latest; without parking, when the ring is full.
            let most = if parking == Parking::Never { 8 } else { 1 };
            let pushed = (1..20).take_while(|&i| tx.try_push(i).is_ok()).count();
            assert!(pushed <= most, "{parking:?}: {pushed} pushes went through");
            assert_eq!(tx.try_push(20), Err(TryPushError::Closed));
            assert_eq!(tx.push(20, Wait::park()), Err(PushError::Closed));
            for end in ["producer", "consumer"] {
                let told = asked_from_outside(&spec, end);
                let wanted = match end {
                    "producer" => format!("held by {}", std::process::id()),
                    _ => "closed".to_owned(),
                };
                assert_eq!(told, wanted);
            }
            drop(tx);
            assert_eq!(asked_from_outside(&spec, "producer"), "closed");
        }
    }
}

// ---- death ------------------------------------------------------------------------------------------

/// How long after a kill the waiting side learnt of it, for one kill.
fn time_to_notice(spec: &Spec, end: &str) -> Duration {
    let _gone = Cleanup(|| spec.remove());
    let ring = spec.create();
    let mut holder = Child::start("hold", ends(spec, end));
    holder.expect("holding");
    let killer = || {
        std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(15));
            let at = Instant::now();
            holder.kill();
            at
        })
    };
    let (killed, noticed) = if end == "producer" {
        let mut rx = ring.consumer().expect("a free end");
        let killer = killer();
        assert_eq!(rx.pop(spec.waits.wait()), Err(PopError::PeerDied));
        let noticed = Instant::now();
        assert_eq!(rx.producer_state(), Peer::Died);
        (killer.join().expect("killed"), noticed)
    } else {
        let mut tx = ring.producer().expect("a free end");
        (0..spec.capacity).for_each(|i| tx.try_push(i).expect("room"));
        let killer = killer();
        assert_eq!(tx.push(99, spec.waits.wait()), Err(PushError::PeerDied));
        let noticed = Instant::now();
        assert_eq!(tx.consumer_state(), Peer::Died);
        (killer.join().expect("killed"), noticed)
    };
    noticed.saturating_duration_since(killed)
}

#[test]
fn a_waiting_side_learns_within_a_tenth_of_a_second_that_its_peer_was_killed() {
    let _quiet = alone();
    for via in [Via::Shm, Via::SysvName] {
        for end in ["producer", "consumer"] {
            for (waits, back_end) in [
                (Waits::Spin, WaitBackend::Futex),
                (Waits::Yield, WaitBackend::Futex),
                (Waits::Park, WaitBackend::Futex),
                (Waits::Park, WaitBackend::Semaphore),
            ] {
                let one = || {
                    let mut spec = Spec::new(via);
                    (spec.capacity, spec.waits, spec.back_end) = (4, waits, back_end);
                    time_to_notice(&spec, end)
                };
                // Best of three: another process may hold the cores for a while.
                let best = (0..3).map(|_| one()).min().expect("three");
                assert!(
                    best < Duration::from_millis(100),
                    "{via:?} {end} {waits:?} {back_end:?}: {best:?}"
                );
            }
        }
    }
}

// ---- fork -------------------------------------------------------------------------------------------

/// A forked child that inherits both ends, drops them and exits.
fn anon_heir(args: &Args) {
    let spec = Spec::from_args(args);
    let ring = spec.create();
    let mut tx = ring.producer().expect("a free end");
    let mut rx = ring.consumer().expect("a free end");
    for round in 0..20 {
        (0..3).for_each(|k| tx.try_push(round * 3 + k).expect("room"));
        let copies = (&raw const tx, &raw const rx);
        child::fork(|| {
            // SAFETY: a forked child's own copy of both, dropped once; its process ends right after.
            drop(unsafe { (copies.0.read(), copies.1.read()) });
        })
        .finish();
        let status = ring.status();
        assert_eq!(
            (status.producers[0].state, status.consumers[0].state),
            (Peer::Alive, Peer::Alive)
        );
        assert_eq!(
            verdict(ring.producer()),
            format!("held by {}", std::process::id())
        );
        (0..3).for_each(|k| assert_eq!(rx.try_pop(), Ok(round * 3 + k)));
    }
    assert_eq!(rx.try_pop(), Err(TryPopError::Empty));
    child::report("undisturbed");
}

#[test]
fn a_forked_child_that_drops_inherited_endpoints_does_not_disturb_its_parent() {
    for via in [Via::Anon, Via::Shm, Via::SysvName] {
        let spec = Spec::new(via);
        let _gone = Cleanup(|| spec.remove());
        let mut host = Child::start("heir", spec.args());
        host.expect("undisturbed");
        host.finish();
    }
}

/// Leaves both ends in order while a forked child that has copies of their descriptors lives on.
fn left_behind(args: &Args) {
    let spec = Spec::from_args(args);
    let ring = spec.create();
    let ends = (
        ring.producer().expect("a free end"),
        ring.consumer().expect("a free end"),
    );
    let _idle = child::fork(|| {
        loop {
            std::thread::sleep(Duration::from_secs(1));
        }
    });
    drop(ends);
    let status = ring.status();
    assert_eq!(
        (status.producers[0].state, status.consumers[0].state),
        (Peer::Left, Peer::Left)
    );
    assert_eq!(verdict(ring.producer()), "taken");
    assert_eq!(verdict(ring.consumer()), "taken");
    child::report("free");
}

#[test]
fn an_end_left_in_order_is_free_although_a_forked_child_lives_on() {
    for via in [Via::Anon, Via::Shm, Via::SysvName] {
        let spec = Spec::new(via);
        let _gone = Cleanup(|| spec.remove());
        let mut host = Child::start("left behind", spec.args());
        host.expect("free");
        host.finish();
    }
}
