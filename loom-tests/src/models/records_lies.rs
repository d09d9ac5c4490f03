//! Words in rings of records that no honest peer stores: they are reported, or believed within the ring; nobody reaches
//! beyond it or looks for ever. One thread each. The rig ends the model at any use of bytes outside.

use crate::layout::record;
use crate::rig::exhaustive;
use crate::rig_records::Rig;
use crate::ring::corrupt::CorruptWord;
use crate::ring::records::head::{Head, Look};
use crate::ring::records::repair::Repair;
use crate::ring::records::{Exactly, Producers, mpsc, spsc};
use crate::ring::words::Words;
use crate::sync::Ordering::Relaxed;

const START: u64 = 64 + 40;

/// Headers of all kinds with lengths that fit, reach the end of the ring, pass it, and are huge; and nonsense.
fn headers() -> impl Iterator<Item = u64> {
    let lens = [0, 8, 16, 17, 24, 56, 64, 1 << 20, u32::MAX - 8, u32::MAX];
    let of_len = |len: u32| {
        let kinds = [record::ready(len, 7), record::pad(u64::from(len) + 8)];
        kinds
            .into_iter()
            .chain([record::busy(len), record::busy(len) | 1 << 16])
    };
    lens.into_iter()
        .flat_map(of_len)
        .chain([4, 8, u64::MAX, 1 << 63])
}

/// Positions near and far, aligned and not.
fn positions() -> impl Iterator<Item = u64> {
    let near = (0..40u64).map(|i| (START + 120).wrapping_sub(6 * i));
    near.chain([0, 1 << 63, u64::MAX - 7, u64::MAX])
}

/// Every header at the consumer's position, for one producer and for many.
pub fn a_lying_header_is_reported_or_stays_inside() {
    exhaustive(|| {
        for (many, lie) in [0, 1]
            .into_iter()
            .flat_map(|m| headers().map(move |l| (m, l)))
        {
            let rig = match many {
                0 => Rig::spsc(64, START),
                _ => Rig::mpsc(64, START, many),
            };
            let mut consumer = rig.consumer();
            // Relaxed: one thread.
            rig.bytes.at(START).store(lie, Relaxed);
            let fits = rig.shape.total(record::len(lie)) <= 24;
            match consumer.head.look(&rig.bytes, &rig.control) {
                Look::Record(record) => {
                    assert!(fits && record::is_ready(lie));
                    assert!(consumer.head.find(&rig.bytes).is_some());
                    consumer.head.release(&rig.bytes, &rig.control, record);
                }
                Look::Empty if many == 1 => {
                    assert!(lie == 0 || fits && record::is_pad(lie) || record::is_busy(lie))
                }
                Look::Empty => assert!(fits && record::is_pad(lie) || !record::is_header(lie)),
                Look::Corrupt(corrupt) => {
                    assert!(consumer.head.find(&rig.bytes).is_none());
                    assert_eq!(corrupt.word, CorruptWord::Record);
                    assert_eq!((corrupt.position, corrupt.found), (START, lie));
                }
                Look::Closed => panic!("nobody closed"),
            }
            match spsc::Tail::resume(&rig.bytes, &rig.control, rig.shape) {
                Ok(tail) => assert!(tail.next().wrapping_sub(START) < 64),
                Err(corrupt) => assert_eq!(corrupt.found, lie),
            }
        }
    });
}

/// A ring full of padding that grows again behind the consumer cannot hold it.
pub fn a_ring_of_padding_is_passed_once() {
    exhaustive(|| {
        let rig = Rig::spsc(64, 0);
        let mut consumer = rig.consumer();
        for i in 0..8 {
            // Relaxed: one thread.
            rig.bytes.at(8 * i).store(record::pad(8), Relaxed);
        }
        assert_eq!(consumer.look(), Look::Empty);
        assert!(consumer.head.next() <= 64 + 8);
    });
}

/// The head's and the gate's words are anything: successors and producers report it, or stay inside the ring.
pub fn lying_positions_buy_nothing_outside() {
    for (one, other) in positions().flat_map(|t| positions().map(move |w| (t, w))) {
        exhaustive(move || {
            successor_of_lies(one, other);
            claim_of_lies(one, other);
        });
    }
}

fn successor_of_lies(taken: u64, wiped: u64) {
    let rig = Rig::mpsc(64, START, 1);
    // Relaxed, both: one thread.
    rig.control.head.0.taken.store(taken, Relaxed);
    rig.control.head.0.wiped.store(wiped, Relaxed);
    let sound =
        taken.is_multiple_of(8) && wiped.is_multiple_of(8) && taken.wrapping_sub(wiped) <= 64;
    let head = Head::resume(&rig.bytes, &rig.control, rig.shape, Producers::Many);
    assert_eq!(head.is_ok(), sound);
    if let Ok(tail) = spsc::Tail::resume(&rig.bytes, &rig.control, rig.shape) {
        assert_eq!(tail.next(), taken);
    }
}

fn claim_of_lies(gate: u64, tail: u64) {
    let rig = Rig::mpsc(64, START, 1);
    // Relaxed, both: one thread.
    rig.control.gate.0.store(gate, Relaxed);
    rig.control.tail.0.store(tail, Relaxed);
    let (lines, mut own) = (rig.line(0), mpsc::Tail::new(&rig.control, rig.shape));
    let Ok(own) = &mut own else { return };
    if let Ok(claim) = own.claim(&rig.bytes, &rig.control, lines, 16, Exactly::No) {
        assert!(claim.next.is_multiple_of(8) && rig.shape.room(claim.next) >= 16);
        assert_eq!(claim.end.wrapping_sub(claim.next), 16);
    }
}

/// The tail and an announcement are anything, and so is the header that was claimed: a repair reports it, waits, or
/// makes padding that ends inside the ring.
pub fn a_repair_of_lies_stays_inside() {
    for (tail, from) in positions().flat_map(|t| positions().map(move |f| (t, f))) {
        exhaustive(move || {
            for len in [0, 8, 12, 64, 72, u64::MAX, START.wrapping_sub(from)] {
                repair_lies(tail, (from, len), 0);
            }
        });
    }
    exhaustive(|| headers().for_each(|lie| repair_lies(START + 16, (START, 16), lie)));
}

fn repair_lies(tail: u64, (from, len): (u64, u64), header: u64) {
    let rig = Rig::mpsc(64, START, 1);
    let consumer = rig.consumer();
    rig.mortal(0, 0, || rig.control.tail.0.load(Relaxed));
    // Relaxed, all: one thread.
    rig.line(0).announce.store(from, Relaxed);
    rig.line(0).announce_len.store(len, Relaxed);
    rig.control.tail.0.store(tail, Relaxed);
    rig.bytes.at(START).store(header, Relaxed);
    let repair = consumer.head.repair(&rig.bytes, &rig.control, &rig.table);
    let word = rig.bytes.at(START).load(Relaxed);
    if repair == Repair::Done {
        let total = rig.shape.total(record::len(word));
        assert!(record::is_pad(word) && total.is_multiple_of(8) && total <= 24);
    } else {
        assert_eq!(word, header);
    }
}
