//! Broadcasts, one situation at a time: where readers begin, whom the producer waits for, and for how long.

use annulus::{
    Backing, Broadcast, BroadcastRecords, EndpointError, Join, JoinError, Laggards, Peer,
    PushError, ReadError, Reader, Resume, Ring, TryPushError, TryReadError, Wait, broadcast,
    broadcast_records,
};
use std::time::{Duration, Instant};

fn ring(capacity: u64) -> Ring<Broadcast<u64>> {
    let options = broadcast("news").backing(Backing::Memfd).capacity(capacity);
    options.readers(8).create().expect("a new ring")
}

fn records(capacity: u64, align: u64) -> Ring<BroadcastRecords> {
    let options = broadcast_records("news").backing(Backing::Memfd);
    let options = options.capacity_bytes(capacity).record_align(align);
    options.readers(8).create().expect("a new ring")
}

fn all(rx: &mut Reader<u64>) -> Vec<u64> {
    std::iter::from_fn(|| rx.try_read().ok()).collect()
}

#[test]
fn readers_begin_where_they_ask_to() {
    let ring = ring(16);
    let mut tx = ring.producer().expect("a free end");
    for n in 0..100 {
        tx.try_push(&n).expect("nobody is waited for");
    }
    let oldest = ring.reader(Join::Oldest).expect("a place").position();
    assert!(
        (84..=92).contains(&oldest),
        "{oldest}: half of the ring is there"
    );
    for lossless in [false, true] {
        let join = |join| match lossless {
            true => ring.lossless_reader(join),
            false => ring.reader(join),
        };
        for at in oldest..=100 {
            let mut rx = join(Join::At(at)).expect("it is there");
            assert_eq!(
                (rx.position(), rx.lag(), rx.is_lossless()),
                (at, 100 - at, lossless)
            );
            assert_eq!(all(&mut rx), (at..100).collect::<Vec<_>>());
        }
        let mut rx = join(Join::Newest).expect("a place");
        assert_eq!(rx.try_read(), Err(TryReadError::Empty));
        assert_eq!(
            all(&mut join(Join::Oldest).expect("a place")),
            (oldest..100).collect::<Vec<_>>()
        );
        for at in [0, oldest - 1, 101, 116, u64::MAX] {
            match join(Join::At(at)) {
                Err(
                    e @ JoinError::Gone {
                        oldest: o,
                        newest: 100,
                    },
                ) => {
                    assert_eq!(o, oldest);
                    assert!(e.to_string().contains("100"));
                }
                other => panic!("{at}: {other:?}"),
            }
        }
    }
    // Nobody that was refused is waited for.
    assert!(tx.is_empty());
    (0..100).for_each(|n| tx.try_push(&n).expect("nobody is waited for"));
}

#[test]
fn a_lossless_reader_gates_by_the_whole_ring_and_tells_a_quarter_at_a_time() {
    let ring = ring(16);
    let mut tx = ring.producer().expect("a free end");
    let mut rx = ring.lossless_reader(Join::Newest).expect("a place");
    for lap in 0..10 {
        for n in 0..16 {
            assert_eq!(tx.len(), n);
            tx.try_push(&(16 * lap + n))
                .expect("less than a ring behind");
        }
        assert_eq!(tx.try_push(&0), Err(TryPushError::Full));
        assert_eq!(rx.lag(), 16);
        for n in 0..3 {
            assert_eq!(rx.try_read(), Ok(16 * lap + n));
            assert_eq!(tx.try_push(&0), Err(TryPushError::Full), "not told yet");
        }
        assert_eq!((rx.try_read(), tx.len()), (Ok(16 * lap + 3), 12));
        assert_eq!(all(&mut rx).len(), 12);
        // It found nothing, so it has told everything.
        assert!(tx.is_empty());
        assert_eq!((rx.lost(), rx.skipped(), rx.is_lossless()), (0, 0, true));
    }
}

#[test]
fn the_slowest_of_those_who_are_waited_for_counts_and_no_other() {
    let ring = ring(8);
    let mut tx = ring.producer().expect("a free end");
    let mut lossy = ring.reader(Join::Newest).expect("a place");
    let mut slow = ring.lossless_reader(Join::Newest).expect("a place");
    for n in 0..4 {
        tx.try_push(&n).expect("room");
    }
    let mut quick = ring.lossless_reader(Join::Newest).expect("a place");
    (4..8).for_each(|n| tx.try_push(&n).expect("room"));
    assert_eq!(tx.try_push(&8), Err(TryPushError::Full));
    assert_eq!(all(&mut quick), [4, 5, 6, 7]);
    assert_eq!(tx.try_push(&8), Err(TryPushError::Full));
    slow.become_lossy();
    assert!(!slow.is_lossless() && quick.is_lossless());
    (8..16).for_each(|n| tx.try_push(&n).expect("the quick one has read"));
    assert_eq!(tx.try_push(&16), Err(TryPushError::Full));
    drop(quick);
    (16..24).for_each(|n| tx.try_push(&n).expect("nobody is waited for"));
    for rx in [&mut lossy, &mut slow] {
        let lost = match rx.try_read() {
            Err(TryReadError::Lost(lost)) => lost,
            other => panic!("{other:?}"),
        };
        assert_eq!(all(rx), (lost..24).collect::<Vec<_>>());
        assert_eq!((rx.lost(), rx.received()), (lost, 24 - lost));
    }
}

#[test]
fn patience_is_counted_in_refusals_and_begins_anew() {
    for patience in [0, 1, 3] {
        let ring = ring(8);
        let mut tx = ring.producer().expect("a free end");
        tx.laggards(Laggards::Demote { patience });
        let mut first = ring.lossless_reader(Join::Newest).expect("a place");
        (0..2).for_each(|n| tx.try_push(&n).expect("room"));
        let second = ring.lossless_reader(Join::Newest).expect("a place");
        (2..8).for_each(|n| tx.try_push(&n).expect("room"));
        let refuse = |tx: &mut annulus::Producer<u64, _, _>| {
            for i in 0..patience {
                let refused = match i % 2 {
                    0 => tx.try_push(&0).err(),
                    _ => tx.try_claim().err(),
                };
                assert_eq!(refused, Some(TryPushError::Full), "patience {patience}");
            }
        };
        refuse(&mut tx);
        // Waiting is no refusal, and ends no row of them.
        let now = tx.push_until(&0, Wait::spin(), Instant::now());
        assert_eq!(now, Err(PushError::TimedOut));
        assert!(first.is_lossless());
        tx.try_push(&8).expect("out of patience");
        assert!(!first.is_lossless() && second.is_lossless());
        tx.try_push(&9)
            .expect("the second is less than a ring behind");
        refuse(&mut tx);
        assert!(second.is_lossless());
        tx.try_push(&10).expect("out of patience");
        assert!(!second.is_lossless());
        assert!(matches!(first.try_read(), Err(TryReadError::Lost(3..))));
    }
}

#[test]
fn patience_with_readers_of_records_is_for_refusals_in_a_row() {
    let ring = records(1024, 8);
    let mut tx = ring.producer().expect("a free end");
    tx.laggards(Laggards::Demote { patience: 2 });
    let rx = ring.lossless_reader(Join::Newest).expect("a place");
    tx.try_push(&[0; 500]).expect("room");
    tx.try_push(&[0; 8]).expect("room");
    // Between two large ones that do not fit, small ones do.
    for _ in 0..20 {
        assert_eq!(tx.try_push(&[0; 500]), Err(TryPushError::Full));
        assert_eq!(tx.try_push(&[0; 500]), Err(TryPushError::Full));
        tx.try_push(&[0; 8]).expect("room");
    }
    assert!(rx.is_lossless());
    assert_eq!(tx.try_push(&[0; 500]), Err(TryPushError::Full));
    assert_eq!(tx.try_push(&[0; 500]), Err(TryPushError::Full));
    tx.try_push(&[0; 500]).expect("out of patience");
    assert!(!rx.is_lossless());
}

#[test]
fn who_waits_for_laggards_is_woken_by_their_reading_and_by_their_leaving() {
    let ring = ring(4);
    let mut tx = ring.producer().expect("a free end");
    tx.laggards(Laggards::Demote { patience: 0 });
    for how in 0..3 {
        let mut rx = ring.lossless_reader(Join::Newest).expect("a place");
        while tx.len() < 4 {
            tx.try_push(&0).expect("room");
        }
        std::thread::scope(|s| {
            s.spawn(move || {
                std::thread::sleep(Duration::from_millis(20));
                match how {
                    0 => drop(rx),
                    1 => rx.become_lossy(),
                    _ => assert_eq!(rx.try_read(), Ok(0)),
                }
            });
            let deadline = Instant::now() + Duration::from_secs(20);
            assert_eq!(tx.push_until(&0, Wait::park(), deadline), Ok(()));
        });
    }
}

#[test]
fn readers_resume_as_they_were_told_to() {
    let ring = ring(8);
    let mut tx = ring.producer().expect("a free end");
    let mut oldest = ring.reader(Join::Newest).expect("a place");
    let mut newest = ring.reader(Join::Newest).expect("a place");
    newest.resume_at(Resume::Newest);
    (0..50).for_each(|n| tx.try_push(&n).expect("nobody is waited for"));
    assert_eq!(newest.try_read(), Err(TryReadError::Lost(50)));
    assert_eq!(newest.try_read(), Err(TryReadError::Empty));
    assert!(matches!(
        oldest.try_read(),
        Err(TryReadError::Lost(42..=44))
    ));
    assert_eq!(oldest.position(), oldest.lost());
    assert_eq!(oldest.try_latest(), Ok(49));
    assert_eq!(oldest.lost() + oldest.skipped() + oldest.received(), 50);
    assert_eq!(oldest.try_latest(), Err(TryReadError::Empty));
    tx.try_push(&50).expect("nobody is waited for");
    assert_eq!((oldest.try_latest(), newest.try_read()), (Ok(50), Ok(50)));
    // The newest is never lost, however far one is behind, and what is passed over is not lost.
    let lost = newest.lost();
    (0..100).for_each(|n| tx.try_push(&n).expect("nobody is waited for"));
    assert_eq!(
        (newest.try_latest(), newest.skipped(), newest.lost()),
        (Ok(99), 99, lost)
    );
}

#[test]
fn half_of_the_ring_is_there_for_a_newcomer_however_often_the_producer_changed() {
    for align in [8, 64] {
        let ring = records(4096, align);
        let mut out = Vec::new();
        for n in 0..200_u8 {
            let mut tx = ring.producer().expect("left in order");
            tx.try_push(&[n; 8]).expect("nobody is waited for");
            drop(tx);
            let mut rx = ring.reader(Join::Oldest).expect("a place");
            let mut there = 0;
            while rx.try_read_into(&mut out).is_ok() {
                there += 1;
            }
            assert_eq!(out, [n; 8]);
            let half = 2048 / 16_u64.next_multiple_of(align);
            assert!(there >= half.min(u64::from(n) + 1), "{there} after {n}");
        }
    }
}

#[test]
fn a_reader_at_the_end_is_not_told_of_losses_by_successors() {
    let ring = ring(8);
    let mut rx = ring.reader(Join::Newest).expect("a place");
    for n in 0..100 {
        let mut tx = ring.producer().expect("left in order");
        assert_eq!((tx.position(), tx.predecessor() != Peer::Died), (n, true));
        tx.try_push(&n).expect("nobody is waited for");
        tx.try_claim().expect("nobody is waited for").abort();
        drop(tx);
        assert_eq!(rx.try_read(), Ok(n));
        assert_eq!(rx.try_read(), Err(TryReadError::Empty));
    }
}

#[test]
fn the_longest_and_the_shortest_records_arrive_at_every_place_of_the_ring() {
    for (capacity, align) in [(256, 8), (256, 64), (1024, 8), (1024, 64)] {
        let ring = records(capacity, align);
        let mut tx = ring.producer().expect("a free end");
        let mut rx = ring.lossless_reader(Join::Newest).expect("a place");
        let max = ring.max_record();
        assert_eq!(max as u64, capacity / 2 - 8);
        let mut out = Vec::new();
        for n in 0..200_usize {
            for len in [max, 0, n % (max + 1)] {
                let bytes = vec![n as u8; len];
                tx.try_push_tagged(n as u16, &bytes)
                    .expect("everything was read");
                assert_eq!(rx.try_read_into(&mut out), Ok(n as u16));
                assert_eq!(out, bytes);
                assert_eq!(rx.try_read_into(&mut out), Err(TryReadError::Empty));
            }
        }
        assert!(matches!(
            tx.try_push(&vec![0; max + 1]),
            Err(TryPushError::TooLong(_))
        ));
        assert_eq!(tx.sequence(), 600);
    }
}

#[test]
fn everything_is_read_before_the_end() {
    let ring = ring(8);
    let mut tx = ring.producer().expect("a free end");
    let mut rx = ring.reader(Join::Newest).expect("a place");
    (0..5).for_each(|n| tx.try_push(&n).expect("nobody is waited for"));
    tx.close();
    assert!(matches!(ring.producer(), Err(EndpointError::Closed)));
    assert_eq!(all(&mut rx), [0, 1, 2, 3, 4]);
    assert_eq!(rx.try_read(), Err(TryReadError::Closed));
    assert_eq!(rx.read(Wait::park()), Err(ReadError::Closed));
    // Whoever comes late still finds what is there.
    let mut late = ring.lossless_reader(Join::Oldest).expect("a place");
    assert_eq!(all(&mut late), [0, 1, 2, 3, 4]);
    assert_eq!(late.try_latest(), Err(TryReadError::Closed));
    let mut late = ring.reader(Join::At(3)).expect("a place");
    assert_eq!(
        (late.try_latest(), late.try_read()),
        (Ok(4), Err(TryReadError::Closed))
    );
}

#[test]
fn deadlines_end_waits_for_news() {
    let ring = ring(4);
    let mut tx = ring.producer().expect("a free end");
    let mut rx = ring.lossless_reader(Join::Newest).expect("a place");
    for wait in [Wait::park(), Wait::spin(), Wait::spin_then_yield()] {
        let deadline = Instant::now() + Duration::from_millis(15);
        assert_eq!(rx.read_until(wait, deadline), Err(ReadError::TimedOut));
        assert!(Instant::now() >= deadline);
        (0..4).for_each(|n| tx.try_push(&n).expect("room"));
        let deadline = Instant::now() + Duration::from_millis(15);
        assert_eq!(tx.push_until(&4, wait, deadline), Err(PushError::TimedOut));
        assert!(Instant::now() >= deadline);
        assert_eq!(all(&mut rx), [0, 1, 2, 3]);
    }
}
