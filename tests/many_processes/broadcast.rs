//! Broadcasts to several readers: what each has read and what it was told it lost is what was published, in order.

use crate::common::child::{self, Args};
use crate::common::spec::{BACK_ENDS, PARKINGS, Via, WAITS, Waits};
use crate::common::{alone, stream, take};
use crate::flow::Stream;
use crate::kinds::{Place, Sort, Tx, role};
use crate::payload::{Id, LONGEST, Note};
use annulus::{
    Broadcast, BroadcastRecords, EndpointError, Join, JoinError, Options, Producer, PushError,
    ReadError, Reader, RecordProducer, RecordReader, Resume, Ring, TryPushError, TryReadError,
    Untrusted, Wait, WaitBackend,
};
use std::time::{Duration, Instant};

/// A broadcast of slots, or of records.
pub trait Cast: Sort {
    type Tx: Publish;
    type Rx: Hear;
    fn producer(ring: &Ring<Self>) -> Result<Self::Tx, EndpointError>;
    fn reader(ring: &Ring<Self>, join: Join, lossless: bool) -> Result<Self::Rx, JoinError>;
}

/// The producing end.
pub trait Publish {
    fn publish(&mut self, id: Id, wait: Wait) -> Result<(), PushError>;
    fn try_publish(&mut self, id: Id) -> Result<(), TryPushError>;
    /// Publishes the messages `id` and following, `n` of them.
    fn publish_many(&mut self, id: Id, n: u64, wait: Wait);
    /// Messages published since creation, by all producers. For rings that begin at position 0.
    fn published(&self) -> u64;
    fn close(self);
}

/// A reading end.
pub trait Hear {
    fn read(&mut self, wait: Wait) -> Result<Id, ReadError>;
    fn try_read(&mut self) -> Result<Id, TryReadError>;
    /// Messages received, and lost.
    fn counts(&self) -> (u64, u64);
    fn resume_at(&mut self, resume: Resume);
}

impl Sort for Broadcast<Note> {
    const NAME: &'static str = "slots";

    fn options(place: &Place) -> Options<Self> {
        let options = place.spec.placed(annulus::broadcast(&place.spec.name));
        options
            .capacity(place.spec.capacity)
            .readers(place.consumers)
    }
}

impl Cast for Broadcast<Note> {
    type Tx = Producer<Note, Untrusted, Self>;
    type Rx = Reader<Note>;

    fn producer(ring: &Ring<Self>) -> Result<Self::Tx, EndpointError> {
        ring.producer()
    }

    fn reader(ring: &Ring<Self>, join: Join, lossless: bool) -> Result<Self::Rx, JoinError> {
        if lossless {
            ring.lossless_reader(join)
        } else {
            ring.reader(join)
        }
    }
}

impl Publish for Producer<Note, Untrusted, Broadcast<Note>> {
    fn publish(&mut self, id: Id, wait: Wait) -> Result<(), PushError> {
        self.push(&Note::new(id), wait)
    }

    fn try_publish(&mut self, id: Id) -> Result<(), TryPushError> {
        self.try_push(&Note::new(id))
    }

    fn publish_many(&mut self, id: Id, n: u64, wait: Wait) {
        let note = |i| {
            Note::new(Id {
                number: id.number + i,
                ..id
            })
        };
        let notes: Vec<Note> = (0..n).map(note).collect();
        let mut sent = 0;
        while sent < notes.len() {
            match self.push_many(&notes[sent..]) {
                Ok(more) => sent += more,
                Err(TryPushError::Full) => {
                    self.push(&notes[sent], wait).expect("readers live");
                    sent += 1;
                }
                Err(e) => panic!("producer: {e}"),
            }
        }
    }

    fn published(&self) -> u64 {
        self.position()
    }

    fn close(self) {
        self.close();
    }
}

impl Hear for Reader<Note> {
    #[inline]
    fn read(&mut self, wait: Wait) -> Result<Id, ReadError> {
        self.read(wait).map(|note| note.whole())
    }

    fn try_read(&mut self) -> Result<Id, TryReadError> {
        self.try_read().map(|note| note.whole())
    }

    fn counts(&self) -> (u64, u64) {
        (self.received(), self.lost())
    }

    fn resume_at(&mut self, resume: Resume) {
        self.resume_at(resume);
    }
}

impl Sort for BroadcastRecords {
    const NAME: &'static str = "records";

    fn options(place: &Place) -> Options<Self> {
        let options = place
            .spec
            .placed(annulus::broadcast_records(&place.spec.name));
        options
            .capacity_bytes(place.spec.capacity)
            .readers(place.consumers)
    }
}

impl Cast for BroadcastRecords {
    type Tx = RecordProducer<Self>;
    type Rx = RecordEar;

    fn producer(ring: &Ring<Self>) -> Result<Self::Tx, EndpointError> {
        ring.producer()
    }

    fn reader(ring: &Ring<Self>, join: Join, lossless: bool) -> Result<Self::Rx, JoinError> {
        let reader = if lossless {
            ring.lossless_reader(join)
        } else {
            ring.reader(join)
        };
        Ok(RecordEar {
            reader: reader?,
            bytes: Vec::new(),
        })
    }
}

impl Publish for RecordProducer<BroadcastRecords> {
    fn publish(&mut self, id: Id, wait: Wait) -> Result<(), PushError> {
        self.push(id.record(&mut [0; LONGEST]), wait)
    }

    fn try_publish(&mut self, id: Id) -> Result<(), TryPushError> {
        self.try_push(id.record(&mut [0; LONGEST]))
    }

    fn publish_many(&mut self, id: Id, n: u64, wait: Wait) {
        for number in id.number..id.number + n {
            self.publish(Id { number, ..id }, wait)
                .expect("readers live");
        }
    }

    fn published(&self) -> u64 {
        self.sequence()
    }

    fn close(self) {
        self.close();
    }
}

/// A reader of records, and what it has read last.
pub struct RecordEar {
    reader: RecordReader,
    bytes: Vec<u8>,
}

impl RecordEar {
    fn whole(&self) -> Id {
        Id::of_record(&self.bytes).unwrap_or_else(|| panic!("torn: {:x?}", self.bytes))
    }
}

impl Hear for RecordEar {
    fn read(&mut self, wait: Wait) -> Result<Id, ReadError> {
        self.reader.read_into(&mut self.bytes, wait)?;
        Ok(self.whole())
    }

    fn try_read(&mut self) -> Result<Id, TryReadError> {
        self.reader.try_read_into(&mut self.bytes)?;
        Ok(self.whole())
    }

    fn counts(&self) -> (u64, u64) {
        (self.reader.received(), self.reader.lost())
    }

    fn resume_at(&mut self, resume: Resume) {
        self.reader.resume_at(resume);
    }
}

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
