//! Broadcasts to several readers: what each has read and what it was told it lost is what was published, in order.

use crate::cast::{Cast, Hear, Publish};
use crate::common::child::{self, Args};
use crate::common::spec::{BACK_ENDS, PARKINGS, Via, WAITS, Waits};
use crate::common::{alone, stream, take};
use crate::flow::Stream;
use crate::kinds::{Place, role};
use crate::payload::{Id, Note};
use annulus::{Broadcast, BroadcastRecords, Join, ReadError, Resume, TryReadError, WaitBackend};
use std::time::{Duration, Instant};

/// The role of the producer.
pub fn publish<K: Cast>(args: &Args) {
    let (place, stream) = (Place::from_args(args), Stream::from_args(args));
    let ring = place.open::<K>(args.get("socket"));
    let mut tx = take(|| K::producer(&ring));
    child::report("ready");
    child::listen();
    let (stop, wait) = (Instant::now() + stream.limit, place.spec.waits.wait());
    let (mut sent, mut turn) = (0, 0);
    while sent < stream.count {
        let n = (stream.count - sent).min(if stream.plain { 64 } else { 1 + turn % 20 });
        tx.publish_many(Id::new(0, sent), n, wait);
        sent += n;
        turn += 1;
        if turn % 16 == 0 && Instant::now() >= stop {
            break;
        }
    }
    tx.close();
    child::report(&sent.to_string());
}

/// The role of a reader, which was there from the beginning.
pub fn read<K: Cast>(args: &Args) {
    let (place, _) = (Place::from_args(args), Stream::from_args(args));
    let ring = place.open::<K>(args.get("socket"));
    let lossless = args.number("lossless") == 1;
    let mut rx = K::reader(&ring, Join::Newest, lossless).expect("a place");
    if args.number("newest") == 1 {
        rx.resume_at(Resume::Newest);
    }
    child::report("ready");
    child::listen();
    let (lazy, wait) = (args.number("lazy") == 1, place.spec.waits.wait());
    let (mut next, mut told) = (0, 0);
    loop {
        match rx.read(wait) {
            Ok(id) => {
                assert_eq!(id, Id::new(0, next), "{lossless}");
                next += 1;
                if lazy && next.is_multiple_of(5000) {
                    std::thread::sleep(Duration::from_millis(2));
                }
            }
            Err(ReadError::Lost(n)) => {
                assert!(!lossless && n > 0, "{lossless} {n}");
                next += n;
                told += n;
            }
            Err(ReadError::Closed) => break,
            Err(e) => panic!("reader: {e}"),
        }
    }
    assert_eq!(
        rx.try_read(),
        Err(TryReadError::Closed),
        "closed stays closed"
    );
    assert_eq!(rx.counts(), (next - told, told));
    child::report(&format!("{next} {told}"));
}

/// What three readers are: whether the producer waits for them; whether they go on at the newest message after a
/// loss; whether they pause now and then.
type Readers = [(bool, bool, bool); 3];

/// Lets a stream flow to three readers, and says how many messages there were and how many each was told it lost.
fn flow<K: Cast>(place: &Place, stream: &Stream, readers: Readers) -> (u64, [u64; 3]) {
    let args = stream.add_to(place.args());
    let _gone = place.cleanup();
    let made = place.create::<K>();
    let start = |what: &str, args: Args| {
        stream::start(&role::<K>(what), &place.spec, made.descriptor(), args)
    };
    let mut readers = readers.map(|(lossless, newest, lazy)| {
        let args = args.clone().with("lossless", u8::from(lossless));
        start(
            "read",
            args.with("newest", u8::from(newest))
                .with("lazy", u8::from(lazy)),
        )
    });
    let mut producer = start("publish", args.clone());
    readers.iter_mut().for_each(|child| child.expect("ready"));
    producer.expect("ready");
    readers.iter_mut().for_each(|child| child.say("go"));
    producer.say("go");
    let sent: u64 = producer.hear().parse().expect("a number");
    assert!(sent > 0);
    producer.finish();
    let lost = readers.map(|mut child| {
        let told = child.hear();
        let (seen, lost) = told.split_once(' ').expect("two numbers");
        assert_eq!(
            seen,
            sent.to_string(),
            "{place:?}: read or lost is what was published"
        );
        child.finish();
        lost.parse().expect("a number")
    });
    place.unlink(&made);
    (sent, lost)
}

fn large<K: Cast>(capacity: u64, readers: Readers) {
    let _quiet = alone();
    let stream = Stream::large(1, 3);
    let mut place = Place::new(Via::Shm, capacity);
    place.spec.waits = Waits::Park;
    let began = Instant::now();
    let (sent, lost) = flow::<K>(&place, &stream, readers);
    let took = began.elapsed();
    println!(
        "broadcast of {}: {sent} messages in {took:?}, {:.1} million a second; lost {lost:?} of {readers:?}",
        K::NAME,
        sent as f64 / took.as_secs_f64() / 1e6
    );
    assert!(sent == stream.count || took > stream.limit);
}

#[test]
fn three_lossless_readers_of_a_broadcast_of_slots_read_everything() {
    large::<Broadcast<Note>>(1 << 13, [(true, false, false); 3]);
}

#[test]
fn three_lossless_readers_of_a_broadcast_of_records_read_everything() {
    large::<BroadcastRecords>(1 << 19, [(true, false, false); 3]);
}

#[test]
fn three_lossy_readers_of_a_broadcast_of_slots_are_told_what_they_lost() {
    large::<Broadcast<Note>>(
        1 << 13,
        [
            (false, false, false),
            (false, true, false),
            (false, false, true),
        ],
    );
}

#[test]
fn three_lossy_readers_of_a_broadcast_of_records_are_told_what_they_lost() {
    large::<BroadcastRecords>(
        1 << 19,
        [
            (false, false, false),
            (false, true, false),
            (false, false, true),
        ],
    );
}

/// Both sorts of readers at once; ways to wait, back ends, parkings and sizes of the ring in turn.
fn flows_everywhere<K: Cast>(capacities: [u64; 3]) {
    let _quiet = alone();
    let vias = [Via::Shm, Via::SysvName, Via::MemfdInherited, Via::File];
    for turn in 0..8 {
        let mut place = Place::new(vias[turn % 4], capacities[turn % 3]);
        place.spec.waits = WAITS[1 + turn / 4];
        place.spec.parking = PARKINGS[turn % 4];
        place.spec.start = [0, (1 << 62) - (1 << 20)][turn / 2 % 2];
        place.spec.back_end = match place.spec.via {
            Via::MemfdInherited => WaitBackend::Futex,
            _ => BACK_ENDS[turn / 4],
        };
        let stream = Stream {
            senders: 1,
            receivers: 3,
            count: 40_000,
            limit: Duration::from_millis(100),
            plain: false,
        };
        let readers = [
            (true, false, turn % 2 == 1),
            (false, false, true),
            (false, true, false),
        ];
        flow::<K>(&place, &stream, readers);
    }
}

#[test]
fn lossless_and_lossy_readers_of_slots_share_a_broadcast_in_every_place() {
    flows_everywhere::<Broadcast<Note>>([2, 16, 1024]);
}

#[test]
fn lossless_and_lossy_readers_of_records_share_a_broadcast_in_every_place() {
    flows_everywhere::<BroadcastRecords>([1 << 12, 1 << 13, 1 << 16]);
}
