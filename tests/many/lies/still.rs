//! Lies that stand still: what each end says of words that no honest peer stores.

use crate::victims::memory::{
    ACTIVE, ANNOUNCE, ANNOUNCE_LEN, GATE, GATING, MARKS, Memory, READY, SKIP, STATE, TAIL, TAKEN,
};
use crate::victims::{Shape, Victim, broadcasts, had, joined, queues};
use annulus::{
    Backing, Broadcast, BroadcastRecords, Corrupt, CorruptWord, Join, JoinError, Mpmc, Mpsc,
    Parties, PopError, Ring, Spmc, TryPopError, TryPushError, TryReadError, Wait, broadcast, mpmc,
};
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

fn queue() -> (Ring<Mpmc<u64>>, Memory) {
    let options = mpmc("still").backing(Backing::Memfd).capacity(8);
    let ring = options.producers(3).consumers(3).create().expect("create");
    let memory = Memory::of(&ring);
    (ring, memory)
}

#[test]
fn a_word_that_no_honest_peer_stores_is_corruption_by_name() {
    let (ring, memory) = queue();
    // As far back as an honest one may be: the producer has to ask the slots.
    memory.set(GATE, 0_u64.wrapping_sub(8));
    let (mut tx, mut rx) = (
        ring.producer().expect("free"),
        ring.consumer().expect("free"),
    );
    for at in 0..40_u64 {
        let slot = memory.slot(at);
        let good = memory.get(slot);
        for found in [
            at << 2 | READY,
            at << 2 | SKIP,
            at << 2 | 3,
            (at + 1) << 2,
            (at + 8) << 2 | READY,
        ] {
            memory.set(slot, found);
            let corrupt = Corrupt {
                word: CorruptWord::Ready,
                position: at,
                found,
            };
            assert_eq!(tx.try_push(&7), Err(TryPushError::Corrupt(corrupt)));
            assert_eq!(
                tx.try_claim_many(3).err(),
                Some(TryPushError::Corrupt(corrupt))
            );
        }
        // Nothing is committed at the head, and yet its word says that it was taken.
        for found in [at << 2 | 3, (at + 1) << 2 | READY, (at + 8) << 2] {
            memory.set(slot, found);
            let corrupt = Corrupt {
                word: CorruptWord::Ready,
                position: at,
                found,
            };
            assert_eq!(rx.try_pop(), Err(TryPopError::Corrupt(corrupt)));
            let deadline = Instant::now() + Duration::from_secs(5);
            assert_eq!(
                rx.pop_until(Wait::park(), deadline),
                Err(PopError::Corrupt(corrupt))
            );
            assert!(rx.drain(4).next().is_none());
        }
        memory.set(slot, good);
        assert_eq!((tx.try_push(&at), rx.try_pop()), (Ok(()), Ok(at)));
    }
}

#[test]
fn a_slot_that_nobody_could_have_written_over_is_corruption() {
    let options = broadcast::<u64>("still")
        .backing(Backing::Memfd)
        .capacity(8);
    let ring = options.create().expect("create");
    let memory = Memory::of(&ring);
    let mut tx = ring.producer().expect("free");
    let mut rx = ring.reader(Join::Newest).expect("a place");
    for at in 0..20_u64 {
        tx.try_push(&at).expect("nobody is waited for");
        let good = memory.get(memory.slot(at));
        for found in [
            at << 2 | SKIP,
            (at + 8) << 2 | READY,
            (at + 8) << 2 | 3,
            1 << 62,
        ] {
            memory.set(memory.slot(at), found);
            let corrupt = Corrupt {
                word: CorruptWord::Ready,
                position: at,
                found,
            };
            assert_eq!(
                rx.try_read(),
                Err(TryReadError::Corrupt(corrupt)),
                "{at}: {found:#x}"
            );
        }
        memory.set(memory.slot(at), good);
        assert_eq!(rx.try_read(), Ok(at));
    }
}

#[test]
fn a_frontier_that_lies_lets_nobody_join_for_ever() {
    let options = broadcast::<u64>("still")
        .backing(Backing::Memfd)
        .capacity(64);
    let ring = options.start_position(1000).create().expect("create");
    let memory = Memory::of(&ring);
    for lie in [0, 900, 1064, 1065, 1 << 40, 1 << 63, u64::MAX] {
        memory.set(TAIL, lie);
        for at in [0, 5, 999, 1000, 1001, lie, lie.wrapping_sub(64), u64::MAX] {
            let begun = Instant::now();
            match ring.lossless_reader(Join::At(at)) {
                Ok(_) | Err(JoinError::Gone { .. }) => {}
                Err(e) => assert!(joined::<()>(Err(e)).is_none()),
            }
            assert!(begun.elapsed() < Duration::from_secs(2));
        }
    }
}

#[test]
fn announcements_that_lie_delay_consumers_and_do_no_more() {
    let runs = [
        (0, 0),
        (0, 1),
        (0, u64::MAX),
        (u64::MAX, u64::MAX),
        (u64::MAX - 3, 8),
        (1, 1 << 40),
        (0, 9),
    ];
    for (i, run) in runs.into_iter().enumerate() {
        let (ring, memory) = queue();
        let (mut tx, mut rx) = (
            ring.producer().expect("free"),
            ring.consumer().expect("free"),
        );
        // Of four messages two seem to be in the hands of consumers that died, and two slots in those of producers.
        assert_eq!(tx.try_push_many(&[0, 1, 2, 3]), Ok(4));
        memory.set(TAKEN, 2);
        memory.set(TAIL, 6 << 2);
        for entry in [1, 2, 4, 5].map(|entry| memory.entry(entry)) {
            memory.half(entry + STATE).store(ACTIVE, Relaxed);
            let (from, len) = if entry % 256 == 0 {
                run
            } else {
                runs[(i + 1) % runs.len()]
            };
            memory.set(entry + ANNOUNCE, from);
            memory.set(entry + ANNOUNCE_LEN, len);
        }
        let mut got = Vec::new();
        let end = Instant::now() + Duration::from_millis(60);
        while let Ok(message) = rx.pop_until(Wait::park(), end) {
            got.push(message);
            assert!(got.len() <= 8, "{run:?}: {got:?}");
        }
        assert!(Instant::now() < end + Duration::from_secs(2));
        assert!(got.contains(&2) && got.contains(&3), "{run:?}: {got:?}");
        drop(rx);
        had(ring.consumer());
        had(ring.producer());
    }
}

/// All ends attach to rings whose control words are lies, and look around.
fn attaching<V: Victim>(capacity: u64, attach: impl Fn(&Ring<V::Kind>)) {
    let ring = V::options(&Shape {
        start: 1 << 20,
        ..Shape::of(capacity)
    })
    .create()
    .expect("create");
    let memory = Memory::of(&ring);
    let good: Vec<u64> = (0..memory.len())
        .step_by(8)
        .map(|at| memory.get(at))
        .collect();
    let control = [GATE, TAIL, TAKEN, GATING, MARKS, MARKS + 8];
    let mut lies = vec![
        0,
        1,
        3,
        63,
        capacity,
        (1 << 20) - 1,
        (1 << 20) + 1,
        u64::MAX,
    ];
    lies.extend((0..64).step_by(3).map(|k| 1 << k));
    for at in control {
        for other in control {
            for lie in &lies {
                for more in [*lie, lie.wrapping_add(capacity), lie.wrapping_sub(64)] {
                    memory.set(at, *lie);
                    memory.set(other, more);
                    let begun = Instant::now();
                    attach(&ring);
                    let status = ring.status().expect("the kernel answers");
                    // A reader's cursor is believed, for people.
                    let believed = status.parties == Parties::Broadcast;
                    assert!(believed || status.len <= status.capacity, "{status:?}");
                    assert!(begun.elapsed() < Duration::from_secs(2));
                    for at in control {
                        memory.set(at, good[at / 8]);
                    }
                }
            }
        }
    }
}

#[test]
fn whoever_attaches_to_lies_in_the_control_words_is_told_or_comes_to_sit_somewhere() {
    attaching::<queues::Between<Mpsc<[u8]>>>(8, |ring: &Ring<Mpsc<[u8]>>| {
        had(ring.producer());
        had(ring.consumer());
    });
    attaching::<queues::Between<Spmc<[u8]>>>(8, |ring: &Ring<Spmc<[u8]>>| {
        had(ring.producer());
        had(ring.consumer());
    });
    attaching::<queues::Between<Mpmc<[u8]>>>(8, |ring: &Ring<Mpmc<[u8]>>| {
        had(ring.producer());
        had(ring.consumer());
    });
    attaching::<broadcasts::OfSlots>(8, |ring: &Ring<Broadcast<[u8]>>| {
        had(ring.producer());
        for join in [Join::Newest, Join::Oldest, Join::At(1 << 20)] {
            joined(ring.reader(join));
            joined(ring.lossless_reader(join));
        }
    });
    attaching::<broadcasts::OfRecords>(256, |ring: &Ring<BroadcastRecords>| {
        had(ring.producer());
        for join in [Join::Newest, Join::Oldest, Join::At(1 << 20)] {
            joined(ring.reader(join));
            joined(ring.lossless_reader(join));
        }
    });
}
