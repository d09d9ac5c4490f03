//! Readers that wait for several messages at a time.

use annulus::{Backing, Join, ReadError, Wait};
use std::thread;
use std::time::{Duration, Instant};

#[test]
fn a_reader_asleep_in_a_drain_wakes_for_messages_and_for_the_close_and_not_before_its_deadline() {
    let options = annulus::broadcast::<u64>("drains").backing(Backing::Memfd);
    let ring = options.capacity(8).create().expect("a new ring");
    let mut rx = ring.lossless_reader(Join::Newest).expect("a place");
    let mut tx = ring.producer().expect("the only one");
    let sleeps = Wait::park().spin_for(Duration::ZERO);

    let (began, soon) = (Instant::now(), Duration::from_millis(20));
    let timed_out = rx.drain_until(4, sleeps, began + soon).err();
    assert!(
        matches!(timed_out, Some(ReadError::TimedOut)),
        "{timed_out:?}"
    );
    assert!(began.elapsed() >= soon);

    let publishes = thread::spawn(move || {
        for n in 0..40 {
            if n % 8 == 0 {
                thread::sleep(Duration::from_millis(10));
            }
            tx.push(&n, sleeps).expect("the reader makes room");
        }
        thread::sleep(Duration::from_millis(10));
        tx.close();
    });
    let mut got = Vec::new();
    let end = loop {
        match rx.drain_wait(3, sleeps) {
            Ok(drain) => {
                let before = got.len();
                got.extend(drain);
                assert!((1..=3).contains(&(got.len() - before)));
            }
            Err(end) => break end,
        }
    };
    publishes.join().expect("it ends");
    assert!(matches!(end, ReadError::Closed), "{end:?}");
    assert_eq!(got, Vec::from_iter(0..40));
}
