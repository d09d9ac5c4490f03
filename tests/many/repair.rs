//! Rings whose ends were left in disorder, and somebody who repairs them without taking part: what is settled, what waits
//! for whom, and that nobody loses the news of a death.
//!
//! Consumers that are dropped with messages in hand look dead to all others, so one thread can do all this. Processes that
//! are killed are tested elsewhere.

use crate::common::clean::TempDir;
use annulus::{
    Backing, CorruptWord, EndpointError, Mpmc, Obstacle, OpenError, Orphans, Peer, PopError,
    PushError, RepairError, Repaired, Ring, SharedConsumer, TryPopError, TryPushError, Wait,
    broadcast, mpmc, mpsc, mpsc_records, spmc, spsc,
};
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

fn ring(consumers: u32, capacity: u64, orphans: Orphans) -> Ring<Mpmc<u64>> {
    let options = mpmc("repair").backing(Backing::Memfd).capacity(capacity);
    let options = options.producers(2).consumers(consumers).orphans(orphans);
    options.create().expect("a new ring")
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(20)
}

/// Leaves a consumer of `ring` in such a way that `n` messages are in its hands.
fn abandon(ring: &Ring<Mpmc<u64>>, n: usize) {
    let mut gone = ring.consumer().expect("a place");
    let mut drain = gone.drain(n + 1);
    assert_eq!(drain.at_most(), n + 1);
    assert!(drain.next().is_some());
}

/// All there is for `rx` now.
fn all(rx: &mut SharedConsumer<u64>) -> Vec<u64> {
    std::iter::from_fn(|| rx.try_pop().ok()).collect()
}

fn repair(ring: &Ring<Mpmc<u64>>) -> Repaired {
    ring.repair().expect("the kernel answers")
}

#[test]
fn a_ring_in_order_has_nothing_to_repair() {
    let done = |done: Repaired| {
        assert!(done.is_complete());
        assert_eq!(done, Repaired::default());
    };
    let ring = ring(2, 8, Orphans::Drop);
    done(repair(&ring));
    let (mut tx, mut rx) = (
        ring.producer().expect("a place"),
        ring.consumer().expect("a place"),
    );
    assert_eq!(tx.try_push_many(&[1, 2, 3]), Ok(3));
    let loan = tx.try_claim().expect("room");
    let sample = rx.try_sample().expect("a message");
    done(repair(&ring));
    drop((loan, sample));
    assert_eq!(all(&mut rx), [2, 3]);
    let one = spsc::<u64>("one").backing(Backing::Memfd).create();
    done(one.expect("a new ring").repair().expect("repaired"));
}

#[test]
fn under_the_drop_policy_what_was_in_hand_is_dropped_by_whoever_repairs() {
    let ring = ring(2, 8, Orphans::Drop);
    let mut tx = ring.producer().expect("a place");
    assert_eq!(tx.try_push_many(&[0, 1, 2, 3, 4, 5, 6, 7]), Ok(8));
    abandon(&ring, 3);
    assert_eq!(tx.try_push_many(&[8, 9]), Ok(1), "what was read is free");
    let before = ring.status().expect("the kernel answers");
    assert_eq!((before.consumers[0].holds, before.dropped), (3, 0));
    assert_eq!(before.orphans, Orphans::Drop);
    let done = repair(&ring);
    assert_eq!((done.dropped, done.consumers.settled), (3, 1));
    assert_eq!((done.consumers.died, done.is_complete()), (1, true));
    assert_eq!(tx.try_push_many(&[9, 10, 11, 12]), Ok(3));
    let after = ring.status().expect("the kernel answers");
    assert_eq!((after.consumers[0].holds, after.dropped), (0, 3));
    assert_eq!(after.consumers[0].state, Peer::Died, "who waits is told");
    // Once more: nothing is left to do.
    let done = repair(&ring);
    assert_eq!((done.dropped, done.consumers.settled), (0, 0));
    let mut rx = ring.consumer().expect("a place");
    assert_eq!(all(&mut rx), [4, 5, 6, 7, 8, 9, 10, 11]);
    assert_eq!((rx.redelivered(), rx.dropped()), (false, 3));
}

#[test]
fn under_the_drop_policy_a_consumer_without_work_drops_and_producers_go_on() {
    let ring = ring(2, 4, Orphans::Drop);
    let mut tx = ring.producer().expect("a place");
    let mut rx = ring.consumer().expect("a place");
    for lap in 0..20 {
        assert_eq!(tx.try_push_many(&[lap; 4]), Ok(4));
        abandon(&ring, 3);
        let wait = std::thread::scope(|scope| {
            // It wants a slot that is in the hands of the dead one.
            let pushes = scope.spawn(|| {
                let first = tx.push_until(&(lap + 100), Wait::park(), soon());
                let second = tx.push_until(&(lap + 200), Wait::park(), soon());
                (first, second)
            });
            let got = [(); 2].map(|()| rx.pop_until(Wait::park(), soon()));
            assert_eq!(got, [Ok(lap + 100), Ok(lap + 200)]);
            assert!(!rx.redelivered());
            pushes.join().expect("no panic")
        });
        assert_eq!(wait, (Ok(()), Ok(())));
        assert_eq!(rx.dropped(), 3 * (lap + 1));
        assert_eq!(rx.try_pop(), Err(TryPopError::Empty));
    }
}

#[test]
fn under_the_drop_policy_whoever_takes_the_last_place_drops_what_hangs_on_it() {
    let ring = ring(1, 4, Orphans::Drop);
    let mut tx = ring.producer().expect("a place");
    for lap in 0..20 {
        assert_eq!(tx.try_push_many(&[lap, lap, lap, 7]), Ok(4));
        abandon(&ring, 2);
        let mut rx = ring.consumer().expect("it left");
        assert_eq!(rx.predecessor(), Peer::Died);
        assert_eq!(tx.try_push_many(&[8, 9, 10]), Ok(3), "all but one are free");
        assert_eq!(all(&mut rx), [7, 8, 9, 10]);
        assert_eq!((rx.redelivered(), rx.dropped()), (false, 2 * (lap + 1)));
    }
}

#[test]
fn under_the_drop_policy_the_end_of_the_stream_comes_without_what_was_dropped() {
    let options = spmc::<u64>("repair").backing(Backing::Memfd).consumers(3);
    let ring = options.orphans(Orphans::Drop).create().expect("a new ring");
    let mut tx = ring.producer().expect("a free end");
    let mut rx = ring.consumer().expect("a place");
    assert_eq!(tx.try_push_many(&[0, 1, 2]), Ok(3));
    let mut gone = ring.consumer().expect("a place");
    assert_eq!(gone.drain(3).next(), Some(0));
    drop(gone);
    tx.close();
    assert_eq!(rx.pop_until(Wait::park(), soon()), Err(PopError::Closed));
    assert_eq!(rx.dropped(), 2);
}

#[test]
fn messages_to_be_delivered_again_wait_for_a_consumer_whoever_repairs() {
    let ring = ring(2, 8, Orphans::Redeliver);
    let mut tx = ring.producer().expect("a place");
    assert_eq!(tx.try_push_many(&[0, 1, 2, 3]), Ok(4));
    abandon(&ring, 2);
    for _ in 0..2 {
        let done = repair(&ring);
        assert!(!done.is_complete());
        let [waits] = done.consumers.waiting[..] else {
            panic!("{done:?}");
        };
        assert_eq!((waits.place, waits.holds), (0, 2));
        assert_eq!(waits.pid, std::process::id());
        assert_eq!(waits.why, Obstacle::Delivery);
        assert_eq!((done.dropped, done.consumers.settled), (0, 0));
    }
    let mut rx = ring.consumer().expect("a place");
    let mut got = Vec::new();
    for _ in 0..3 {
        let message = rx.pop_until(Wait::park(), soon()).expect("nothing is lost");
        got.push((message, rx.redelivered()));
    }
    assert_eq!(got, [(3, false), (1, true), (2, true)]);
    assert!(repair(&ring).is_complete());
}

#[test]
fn a_repair_hides_no_death_from_who_waits() {
    for orphans in [Orphans::Redeliver, Orphans::Drop] {
        let ring = ring(2, 4, orphans);
        let mut tx = ring.producer().expect("a place");
        assert_eq!(tx.try_push_many(&[0, 1, 2, 3]), Ok(4));
        abandon(&ring, 1);
        let _ = repair(&ring);
        // Nobody consumes, and the last one died.
        let mut pushed = Vec::new();
        let end = loop {
            match tx.push_until(&9, Wait::park(), soon()) {
                Ok(()) => pushed.push(9),
                Err(e) => break e,
            }
        };
        assert_eq!(end, PushError::PeerDied, "{orphans:?}");
        let free = if orphans == Orphans::Drop { 2 } else { 1 };
        assert_eq!(pushed.len(), free, "{orphans:?}");
    }
}

#[test]
fn who_is_alive_is_not_robbed_by_a_repair() {
    let options = mpsc::<u64>("repair").backing(Backing::Memfd).capacity(8);
    let ring = options.producers(2).create().expect("a new ring");
    let mut tx = ring.producer().expect("a place");
    let mut loan = tx.try_claim().expect("room");
    let status = ring.status().expect("the kernel answers");
    assert_eq!(
        (status.producers[0].holds, status.producers[0].place),
        (1, 0)
    );
    assert!(!status.producers[0].stopped);
    assert_eq!(ring.repair().expect("repaired"), Repaired::default());
    loan.write(&5);
    loan.commit();
    assert_eq!(ring.consumer().expect("a free end").try_pop(), Ok(5));
    let records = mpsc_records("repair").backing(Backing::Memfd);
    let ring = records.capacity_bytes(4096).create().expect("a new ring");
    let mut tx = ring.producer().expect("a place");
    let mut loan = tx.try_claim(100).expect("room");
    let status = ring.status().expect("the kernel answers");
    assert_eq!(status.producers[0].holds, 112);
    assert_eq!(ring.repair().expect("repaired"), Repaired::default());
    loan.write_at(0, &[1; 100]);
    loan.commit();
    let mut rx = ring.consumer().expect("a free end");
    assert_eq!(rx.try_sample().expect("a record").to_vec(), [1; 100]);
}

#[test]
fn a_repair_finds_out_nothing_about_a_broadcast_in_order() {
    let ring = broadcast::<u64>("repair").backing(Backing::Memfd);
    let ring = ring.capacity(4).create().expect("a new ring");
    let mut tx = ring.producer().expect("a free end");
    let reader = ring.lossless_reader(annulus::Join::Newest);
    let mut reader = reader.expect("a place");
    (0..4).for_each(|n| tx.try_push(&n).expect("room"));
    assert_eq!(ring.repair().expect("repaired"), Repaired::default());
    assert_eq!(tx.try_push(&4), Err(TryPushError::Full), "it lives");
    assert_eq!(reader.try_read(), Ok(0));
}

#[test]
fn consumers_come_and_go_beside_a_repair_of_records_without_end() {
    let records = mpsc_records("repair").backing(Backing::Memfd);
    let ring = records.capacity_bytes(4096).create().expect("a new ring");
    let mut tx = ring.producer().expect("a place");
    std::thread::scope(|scope| {
        let repairs = scope.spawn(|| {
            (0..2000).for_each(|_| assert!(ring.repair().expect("repaired").is_complete()));
        });
        let (mut n, mut out) = (0u64, Vec::new());
        while !repairs.is_finished() {
            let mut rx = loop {
                match ring.consumer() {
                    Ok(rx) => break rx,
                    Err(EndpointError::Occupied { .. }) => std::thread::yield_now(),
                    Err(e) => panic!("{e}"),
                }
            };
            for _ in 0..3 {
                tx.try_push(&n.to_le_bytes()).expect("room");
                let got = rx.pop_into_until(&mut out, Wait::park(), soon());
                assert_eq!((got, &out[..]), (Ok(0), &n.to_le_bytes()[..]));
                n += 1;
            }
        }
        assert!(n > 0);
    });
}

#[test]
fn the_policy_is_the_ring_s_and_not_the_opener_s() {
    let made = ring(2, 4, Orphans::Drop);
    let fd = made.descriptor().expect("a descriptor");
    let fd = fd.try_clone_to_owned().expect("dup");
    let opened = mpmc::<u64>("repair").open_descriptor(fd).expect("open");
    let mut tx = opened.producer().expect("a place");
    assert_eq!(tx.try_push_many(&[0, 1, 2]), Ok(3));
    abandon(&opened, 2);
    let mut rx = opened.consumer().expect("a place");
    let until = Instant::now() + Duration::from_millis(50);
    assert_eq!(rx.pop_until(Wait::park(), until), Err(PopError::TimedOut));
    assert_eq!(rx.dropped(), 2);
    let status = made.status().expect("the kernel answers");
    assert_eq!((status.orphans, status.dropped), (Orphans::Drop, 2));
    let plain = ring(2, 4, Orphans::default()).status();
    assert_eq!(
        plain.expect("the kernel answers").orphans,
        Orphans::Redeliver
    );
}

#[test]
fn what_cannot_be_repaired_is_told_by_its_reason() {
    let dir = TempDir::new("repair");
    let name = dir.file("ring");
    let repair = || annulus::repair(Backing::File, &name);
    let not_found = |e| matches!(e, RepairError::Open(OpenError::NotFound { .. }));
    assert!(repair().is_err_and(not_found));
    let records = mpsc_records(&name).backing(Backing::File);
    let ring = records.capacity_bytes(4096).create().expect("a new ring");
    assert_eq!(repair().expect("repaired"), Repaired::default());
    // The position below which everything was read: no record begins there.
    let file = std::fs::File::options().write(true).open(&name);
    let file = file.expect("a file");
    file.write_all_at(&3u64.to_le_bytes(), 4096 + 640)
        .expect("room");
    match repair() {
        Err(RepairError::Corrupt(e)) => assert_eq!((e.word, e.found), (CorruptWord::Head, 3)),
        other => panic!("{other:?}"),
    }
    drop(ring);
    file.write_all_at(&[0xff; 8], 0).expect("room");
    let no_ring = |e: RepairError| e.to_string().contains("not a ring");
    assert!(repair().is_err_and(no_ring));
}
