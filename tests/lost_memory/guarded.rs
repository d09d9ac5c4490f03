//! With the guard: whoever touches what is missing goes on with zeros, and is told.

use crate::common::alone;
use crate::common::child::{self, Args, Child};
use crate::common::clean::unique;
use crate::victim::{KINDS, Place, Target};
use annulus::{Join, TryReadError, Wait, broadcast, spsc};
use std::fs::OpenOptions;
use std::time::{Duration, Instant};

/// A victim on one side of a ring that is cut to `len` bytes, and what its last call gave.
fn survives(
    kind: &'static str,
    place: Place,
    start: u64,
    side: u64,
    wait: &str,
    len: u64,
) -> String {
    let target = Target::new(kind, place, start);
    let _other = target.bystander(1 - side);
    let mut victim = target.victim(side, wait, true);
    target.truncate(len);
    let last = victim.hear();
    victim.expect("alive");
    victim.finish();
    println!("{kind}, side {side}, {wait}, cut to {len}: {last}");
    last
}

#[test]
fn a_guarded_process_survives_the_loss_of_a_ring_of_any_kind() {
    let _alone = alone();
    let mut turn = 0;
    for kind in KINDS {
        for side in [0, 1] {
            for wait in ["spin", "park"] {
                let place = [Place::Shm, Place::File][turn % 2];
                let start = [0, 64][turn / 2 % 2];
                survives(kind, place, start, side, wait, 0);
                turn += 1;
            }
        }
    }
}

#[test]
fn a_guarded_process_survives_the_loss_of_a_part_of_a_ring() {
    let _alone = alone();
    // Only the header stays; header and control block stay, and the messages go.
    for len in [4096, 8192] {
        for side in [0, 1] {
            for kind in ["spsc", "mpmc"] {
                survives(kind, Place::Shm, 0, side, "park", len);
            }
        }
    }
}

#[test]
fn a_wait_on_a_lost_ring_ends_though_the_peer_lives() {
    let _alone = alone();
    // Position 0 of a page of zeros is an empty slot: nothing but the loss ends this wait.
    let last = survives("spsc", Place::Shm, 0, 1, "park", 0);
    assert_eq!(last, "Err(\"PeerDied\")");
}

/// Threads of one process on rings of their own, one of which is lost.
pub fn role_threads(args: &Args) {
    annulus::guard::install().expect("a handler");
    let open = |name: &str| spsc::<u64>(name).open().expect("a ring");
    let (lost, kept) = (open(args.get("lost")), open(args.get("kept")));
    let end = Instant::now() + Duration::from_secs(20);
    std::thread::scope(|scope| {
        // Two on the ring that is lost, both of which meet the same pages.
        let (mut tx, mut rx) = (
            lost.producer().expect("free"),
            lost.consumer().expect("free"),
        );
        let (lost, kept) = (&lost, &kept);
        scope.spawn(move || {
            while !lost.is_damaged() {
                assert!(Instant::now() < end);
                let _ = tx.try_push(&1);
            }
            for _ in 0..1000 {
                let _ = tx.try_push(&1);
            }
        });
        scope.spawn(move || {
            while !lost.is_damaged() {
                assert!(Instant::now() < end);
                let _ = rx.try_pop();
            }
            for _ in 0..1000 {
                let _ = rx.try_pop();
            }
        });
        // And two on one that is not: nothing of theirs is lost or changed.
        let (mut tx, mut rx) = (
            kept.producer().expect("free"),
            kept.consumer().expect("free"),
        );
        scope.spawn(move || {
            let mut n = 0;
            while !lost.is_damaged() || n < 200_000 {
                tx.push_until(&n, Wait::spin_then_yield(), end)
                    .expect("room");
                n += 1;
            }
            tx.close();
        });
        scope.spawn(move || {
            let mut n = 0;
            while let Ok(got) = rx.pop_until(Wait::spin_then_yield(), end) {
                assert_eq!(got, n);
                n += 1;
            }
            assert!(n >= 200_000);
        });
        child::report("there");
    });
    assert!(lost.is_damaged() && !kept.is_damaged());
    child::report("alive");
}

#[test]
fn a_loss_is_that_of_one_ring_and_not_of_the_others_of_the_process() {
    let _alone = alone();
    let (lost, kept) = (
        Target::new("spsc", Place::Shm, 0),
        Target::new("spsc", Place::Shm, 0),
    );
    let args = Args::default()
        .with("lost", &lost.name)
        .with("kept", &kept.name);
    let mut child = Child::start("many threads", args);
    child.expect("there");
    std::thread::sleep(Duration::from_millis(50));
    lost.truncate(0);
    child.expect("alive");
    child.finish();
}

#[test]
fn a_reader_that_may_only_read_survives_the_loss_of_the_messages() {
    let _alone = alone();
    // This process is the reader: what it loses is the data's file, and the handler is its own affair.
    annulus::guard::install().expect("a handler");
    let name = unique("lost-data");
    let options = broadcast::<u64>(&name).capacity(512).readers(2);
    let ring = options.read_only_readers(true).create().expect("create");
    let mut tx = ring.producer().expect("free");
    for n in 0..10 {
        tx.try_push(&n).expect("nobody is waited for");
    }
    // Another opening, as another process has it: its data is mapped for reading alone.
    let again = broadcast::<u64>(&name).open().expect("a ring");
    let mut rx = again.reader(Join::Oldest).expect("a place");
    assert_eq!(rx.try_read(), Ok(0));
    let data = format!("/dev/shm/annulus.{:016x}.data", ring.instance());
    let file = OpenOptions::new().write(true).open(data).expect("there");
    file.set_len(0).expect("the owner may");
    // Zeros, where a word should say READY(1).
    let read = rx.try_read();
    assert!(
        matches!(read, Err(TryReadError::Corrupt(_) | TryReadError::Empty)),
        "{read:?}"
    );
    assert!(again.is_damaged() && !ring.is_damaged());
    // The producer meets the loss when it stores, and that is its own mapping.
    let _ = tx.try_push(&10);
    assert!(ring.is_damaged());
    drop((tx, rx, again));
    ring.unlink().expect("unlink");
    let _ = std::fs::remove_file(format!("/dev/shm/annulus.{:016x}.data", ring.instance()));
}
