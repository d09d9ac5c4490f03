//! The work that must be quiet on rings that many share and on broadcasts: everything is done by one thread.
//!
//! Not here: a push that is refused because of a lossless reader. It asks the kernel whether that reader is alive,
//! at most every millisecond. And a loan that is dropped where a claim has an owner: it asks for the process's id,
//! because in a forked child the claim is the parent's.

use super::spec;
use annulus::{
    Backing, Join, Kind, Options, TryPopError, TryPushError, TryReadError, Wait, broadcast,
    broadcast_records, mpmc, mpsc, spmc,
};

/// Kinds of ring that are watched here.
pub const KINDS: usize = 5;

/// All ways of parking and both back ends.
pub fn ways() -> usize {
    spec::PARKINGS.len() * spec::BACK_ENDS.len()
}

const WAIT: Wait = Wait::park();

/// Calls `watch` with what is watched and work on `n` messages that must be quiet, on each kind in each way.
pub fn on_each_kind(n: u64, mut watch: impl FnMut(&str, &mut dyn FnMut())) {
    for parking in spec::PARKINGS {
        for back_end in spec::BACK_ENDS {
            let way = Way { parking, back_end };
            watch("mpsc", &mut many_to_one(&way, n));
            watch("spmc", &mut one_to_many(&way, n));
            watch("mpmc", &mut many_to_many(&way, n));
            watch("broadcast", &mut to_all(&way, n));
            watch("broadcast of records", &mut records_to_all(&way, n));
        }
    }
}

/// How to wait in a ring.
struct Way {
    parking: annulus::Parking,
    back_end: annulus::WaitBackend,
}

impl Way {
    fn ring<K: Kind>(&self, options: Options<K>) -> annulus::Ring<K> {
        options
            .backing(Backing::Anon)
            .parking(self.parking)
            .wait_backend(self.back_end)
            .create()
            .expect("a new ring")
    }
}

fn many_to_one(way: &Way, n: u64) -> impl FnMut() {
    let ring = way.ring(mpsc::<u64>("quiet").capacity(64).producers(2));
    let mut tx = [ring.producer(), ring.producer()].map(|tx| tx.expect("a place"));
    let mut rx = ring.consumer().expect("a free end");
    move || {
        for i in 0..n / 8 {
            for tx in &mut tx {
                tx.try_push(&i).expect("room");
                tx.push(&i, WAIT).expect("room");
                assert_eq!(tx.try_push_many(&[i, i]), Ok(2));
                let mut loan = tx.try_claim().expect("room");
                loan.write(&i);
                loan.commit();
                tx.claim_many(2, WAIT).expect("room").commit_first(1);
            }
            assert_eq!(rx.try_pop(), Ok(i));
            assert_eq!(rx.pop(WAIT), Ok(i));
            assert_eq!(rx.try_sample().expect("a message").read(), i);
            while rx.drain(8).count() > 0 || rx.try_pop().is_ok() {}
            assert_eq!(rx.try_pop(), Err(TryPopError::Empty));
        }
        while tx[0].try_push(&1).is_ok() {}
        for tx in &mut tx {
            assert_eq!(tx.try_push(&1), Err(TryPushError::Full));
        }
        assert_eq!(rx.drain(99).count(), 64);
    }
}

fn one_to_many(way: &Way, n: u64) -> impl FnMut() {
    let ring = way.ring(
        spmc::<[u8]>("quiet")
            .slot_size(24)
            .capacity(64)
            .consumers(2),
    );
    let mut tx = ring.producer().expect("a free end");
    let mut rx = [ring.consumer(), ring.consumer()].map(|rx| rx.expect("a place"));
    move || {
        let (message, mut out) = ([7; 24], [0; 24]);
        for _ in 0..n / 8 {
            for _ in 0..4 {
                tx.try_push(&message).expect("room");
                tx.push(&message, WAIT).expect("room");
            }
            for rx in &mut rx {
                rx.try_pop_into(&mut out).expect("a message");
                rx.pop_into(&mut out, WAIT).expect("a message");
                drop(rx.try_sample().expect("a message"));
                assert!(rx.drain(1).next_into(&mut out));
            }
            for rx in &mut rx {
                assert_eq!(rx.try_pop_into(&mut out), Err(TryPopError::Empty));
            }
        }
        while tx.try_push(&message).is_ok() {}
        let [a, b] = &mut rx;
        while a.drain(5).next_into(&mut out) && b.drain(3).next_into(&mut out) {}
        while b.try_pop_into(&mut out).is_ok() {}
        while a.try_pop_into(&mut out).is_ok() {}
        assert_eq!(out, message);
    }
}

fn many_to_many(way: &Way, n: u64) -> impl FnMut() {
    let options = mpmc::<u64>("quiet").capacity(64);
    let ring = way.ring(options.producers(2).consumers(2));
    let mut tx = [ring.producer(), ring.producer()].map(|tx| tx.expect("a place"));
    let mut rx = [ring.consumer(), ring.consumer()].map(|rx| rx.expect("a place"));
    move || {
        for i in 0..n / 8 {
            for tx in &mut tx {
                tx.try_push(&i).expect("room");
                tx.push(&i, WAIT).expect("room");
                assert_eq!(tx.try_push_many(&[i, i]), Ok(2));
            }
            tx[1].try_claim_many(2).expect("room").commit_first(1);
            for rx in &mut rx {
                assert_eq!(rx.try_pop(), Ok(i));
                assert_eq!(rx.pop(WAIT), Ok(i));
                assert_eq!(rx.sample(WAIT).expect("a message").read(), i);
                assert_eq!(rx.drain(1).count(), 1);
            }
            // The one that was committed of two, and then the one that was not.
            assert!(rx[0].try_pop().is_ok());
            for rx in &mut rx {
                assert_eq!(rx.try_pop(), Err(TryPopError::Empty));
            }
        }
        while tx[0].try_push(&1).is_ok() {}
        assert_eq!(tx[1].try_push(&1), Err(TryPushError::Full));
        assert_eq!(rx[1].drain(99).count(), 64);
    }
}

fn to_all(way: &Way, n: u64) -> impl FnMut() {
    let ring = way.ring(broadcast::<u64>("quiet").capacity(64).readers(3));
    let mut tx = ring.producer().expect("a free end");
    let mut rx = ring.reader(Join::Newest).expect("a place");
    let mut slow = ring.reader(Join::Newest).expect("a place");
    let mut all = ring.lossless_reader(Join::Newest).expect("a place");
    move || {
        for i in 0..n / 4 {
            tx.try_push(&i).expect("room");
            tx.push(&i, WAIT).expect("room");
            assert_eq!(tx.try_push_many(&[i, i]), Ok(2));
            drop(tx.try_claim().expect("room"));
            for _ in 0..4 {
                assert_eq!(rx.try_read(), Ok(i));
                assert_eq!(all.read(WAIT), Ok(i));
            }
            assert_eq!(all.try_read(), Err(TryReadError::Empty));
            assert_eq!(rx.try_latest(), Err(TryReadError::Empty));
            if i % 100 == 50 {
                assert!(matches!(slow.try_read(), Err(TryReadError::Lost(_))));
                assert_eq!(slow.try_latest(), Ok(i));
            }
        }
    }
}

fn records_to_all(way: &Way, n: u64) -> impl FnMut() {
    let ring = way.ring(broadcast_records("quiet").capacity_bytes(4096).readers(3));
    let mut tx = ring.producer().expect("a free end");
    let mut rx = ring.reader(Join::Newest).expect("a place");
    let mut slow = ring.reader(Join::Newest).expect("a place");
    let mut all = ring.lossless_reader(Join::Newest).expect("a place");
    let mut out = Vec::with_capacity(2048);
    move || {
        for i in 0..n / 4 {
            let record = &[9; 200][..i as usize % 200];
            for _ in 0..2 {
                tx.try_push_tagged(3, record).expect("room");
                tx.push(record, WAIT).expect("room");
            }
            for _ in 0..2 {
                assert_eq!(rx.try_read_into(&mut out), Ok(3));
                assert_eq!(out, record);
                assert_eq!(all.read_into(&mut out, WAIT), Ok(3));
                assert_eq!(rx.try_read_into(&mut out), Ok(0));
                assert_eq!(all.try_read_into(&mut out), Ok(0));
            }
            assert_eq!(all.try_read_into(&mut out), Err(TryReadError::Empty));
            assert_eq!(rx.try_latest_into(&mut out), Err(TryReadError::Empty));
            if i % 100 == 50 {
                let lost = slow.try_read_into(&mut out);
                assert!(matches!(lost, Err(TryReadError::Lost(_))));
                assert_eq!(slow.try_latest_into(&mut out), Ok(0));
            }
        }
    }
}
