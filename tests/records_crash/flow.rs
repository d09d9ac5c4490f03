//! Streams of records between processes: one producer or several, one consumer, every byte checked.
//!
//! A stream ends by count or by time, whichever comes first, so that a busy machine makes it thin, not slow.
//! Each producer says farewell with an empty record; when all have, one of them closes the ring.

use crate::common::child::{self, Args, Child};
use crate::common::rng::mix;
use crate::common::spec::{BACK_ENDS, PARKINGS, VIAS, Via, WAITS, Waits};
use crate::common::{alone, number_from_env, stream, take};
use crate::payload::{self, Id, LONGEST};
use crate::ring::{Records, Sort, role};
use annulus::{
    MpscRecords, Parking, PopError, PushError, RecordConsumer, RecordProducer, SpscRecords,
    TryPopError, Wait, WaitBackend,
};
use std::time::{Duration, Instant};

/// Tags from here on: the farewell of a producer.
const FAREWELL: u16 = 0x8000;

/// What flows.
#[derive(Clone, Copy, Debug)]
struct Stream {
    /// Producers.
    senders: u64,
    /// Records of each.
    count: u64,
    shortest: u64,
    longest: u64,
    /// How long each may take.
    limit: Duration,
    /// Plain pushes and pops only, for large counts.
    plain: bool,
}

impl Stream {
    fn small(senders: u64, count: u64) -> Self {
        Self {
            senders,
            count,
            shortest: 0,
            longest: 2000,
            limit: Duration::from_millis(200),
            plain: false,
        }
    }

    fn add_to(&self, args: Args) -> Args {
        args.with("senders", self.senders)
            .with("count", self.count)
            .with("shortest", self.shortest)
            .with("longest", self.longest)
            .with("limit_ms", self.limit.as_millis())
            .with("plain", u8::from(self.plain))
    }

    fn from_args(args: &Args) -> Self {
        Self {
            senders: args.number("senders"),
            count: args.number("count"),
            shortest: args.number("shortest"),
            longest: args.number("longest"),
            limit: Duration::from_millis(args.number("limit_ms")),
            plain: args.number("plain") == 1,
        }
    }

    /// How long record `i` of producer `who` is.
    #[inline]
    fn length(&self, who: u64, i: u64) -> usize {
        let spread = self.longest - self.shortest + 1;
        (self.shortest + mix(i ^ who << 48) % spread) as usize
    }
}

fn id(who: u64, number: u64) -> Id {
    let life = 0;
    Id { who, life, number }
}

/// Sends one record in one of the ways there are.
fn send_one<K: Sort>(
    tx: &mut RecordProducer<K>,
    way: u64,
    tag: u16,
    bytes: &[u8],
    wait: Wait,
) -> Result<(), PushError> {
    let half = bytes.len() / 2;
    match way % 8 {
        0 => {
            let mut loan = tx.claim_for(bytes.len(), wait)?;
            loan.set_tag(tag);
            loan.write_at(half, &bytes[half..]);
            loan.write_at(0, &bytes[..half]);
            loan.commit();
        }
        1 => {
            // Longer than needed at first.
            let mut loan = tx.claim_for(bytes.len() + 100, wait)?;
            loan.write_at(0, &[0xee; 90]);
            loan.write_at(0, bytes);
            loan.set_tag(tag);
            loan.commit_len(bytes.len());
        }
        2 => {
            let mut loan = tx.claim_for(64, wait)?;
            loan.write_at(0, &[0x11; 64]);
            loan.abort();
            tx.push_tagged(tag, bytes, wait)?;
        }
        3 => tx.push_vectored(tag, &[&bytes[..half], &[], &bytes[half..]], wait)?,
        _ => tx.push_tagged(tag, bytes, wait)?,
    }
    Ok(())
}

/// Sends the stream of producer `who`, and its farewell. Says how many records that were.
fn pump<K: Sort>(tx: &mut RecordProducer<K>, stream: &Stream, who: u64, wait: Wait) -> u64 {
    let stop = Instant::now() + stream.limit;
    let mut buffer = [0; LONGEST];
    let mut sent = 0;
    while sent < stream.count {
        let bytes = &mut buffer[..stream.length(who, sent)];
        payload::fill(id(who, sent), who as u16, bytes);
        let way = if stream.plain { 7 } else { mix(sent + who) };
        send_one(tx, way, who as u16, bytes, wait).expect("the consumer lives");
        sent += 1;
        if sent.is_multiple_of(64) && Instant::now() >= stop {
            break;
        }
    }
    tx.push_tagged(FAREWELL + who as u16, &[], wait)
        .expect("the consumer lives");
    sent
}

/// Takes one record into `bytes` in one of the ways there are, and gives its tag.
fn take_one(
    rx: &mut RecordConsumer,
    way: u64,
    bytes: &mut Vec<u8>,
    wait: Wait,
) -> Result<u16, PopError> {
    if !way.is_multiple_of(4) {
        return rx.pop_into(bytes, wait);
    }
    // The same record is seen by whoever only looks.
    let peeked = rx.try_peek().ok().map(|peeked| peeked.to_vec());
    if let Some(peeked) = peeked {
        let sample = rx.try_sample().expect("what was peeked at");
        assert_eq!(sample.to_vec(), peeked);
        *bytes = peeked;
        return Ok(sample.tag());
    }
    let sample = rx.sample(wait)?;
    bytes.resize(sample.len(), 0);
    let half = bytes.len() / 2;
    sample.read_at(half, &mut bytes[half..]);
    sample.read_at(0, &mut bytes[..half]);
    Ok(sample.tag())
}

/// Takes records until all producers have said farewell. Says how many there were.
fn swallow(rx: &mut RecordConsumer, stream: &Stream, wait: Wait) -> u64 {
    let mut next = vec![0; stream.senders as usize];
    let mut bytes = Vec::new();
    let (mut got, mut gone) = (0, 0);
    while gone < stream.senders {
        let way = if stream.plain { 7 } else { mix(got) };
        let tag = take_one(rx, way, &mut bytes, wait).expect("producers live");
        if tag >= FAREWELL {
            assert!(bytes.is_empty());
            gone += 1;
            continue;
        }
        let who = u64::from(tag);
        let number = &mut next[tag as usize];
        assert!(
            bytes.len() == stream.length(who, *number)
                && payload::is_whole(id(who, *number), tag, &bytes),
            "of producer {who} record {number} was expected, {} bytes came: {:x?}",
            bytes.len(),
            &bytes[..bytes.len().min(24)]
        );
        *number += 1;
        got += 1;
    }
    got
}

/// The role of a producer.
pub fn send<K: Sort>(args: &Args) {
    let (ring, stream) = (Records::from_args(args), Stream::from_args(args));
    // SAFETY: takes an integer. A long stream takes longer than the usual two minutes.
    unsafe { libc::alarm(120 + stream.limit.as_secs() as u32) };
    let mut tx = take(|| ring.open::<K>(args.get("socket")).producer());
    child::report("ready");
    child::listen();
    let sent = pump(&mut tx, &stream, args.number("who"), ring.spec.waits.wait());
    child::report(&sent.to_string());
    if child::listen() == "close" {
        tx.close();
    }
}

/// The role of the consumer.
pub fn receive<K: Sort>(args: &Args) {
    let (ring, stream) = (Records::from_args(args), Stream::from_args(args));
    // SAFETY: takes an integer; see above.
    unsafe { libc::alarm(120 + stream.limit.as_secs() as u32) };
    let mut rx = take(|| ring.open::<K>(args.get("socket")).consumer());
    child::report("ready");
    child::listen();
    let got = swallow(&mut rx, &stream, ring.spec.waits.wait());
    child::report(&got.to_string());
    assert_eq!(drained(&mut rx), PopError::Closed);
    assert_eq!(
        rx.try_pop_into(&mut Vec::new()),
        Err(TryPopError::Closed),
        "closed stays closed"
    );
}

/// What ends the ring behind the last farewell.
fn drained(rx: &mut RecordConsumer) -> PopError {
    rx.pop_into(&mut Vec::new(), Wait::park())
        .expect_err("nothing was sent behind the farewell")
}

/// Lets a stream flow between children, and says how many records there were.
fn flow<K: Sort>(ring: &Records, stream: &Stream) -> u64 {
    let args = stream.add_to(ring.args());
    if ring.spec.via == Via::Anon {
        let mut host = Child::start(&role::<K>("host"), args);
        let got = host.hear();
        host.finish();
        return got.parse().expect("a number");
    }
    let _gone = ring.cleanup();
    let made = ring.create::<K>();
    let start = |what: &str, who: u64| {
        let args = args.clone().with("who", who);
        stream::start(&role::<K>(what), &ring.spec, made.descriptor(), args)
    };
    let mut receiver = start("receive", 0);
    let mut senders: Vec<Child> = (0..stream.senders).map(|who| start("send", who)).collect();
    for child in senders.iter_mut().chain([&mut receiver]) {
        child.expect("ready");
    }
    receiver.say("go");
    senders.iter_mut().for_each(|child| child.say("go"));
    let sent: Vec<u64> = senders
        .iter_mut()
        .map(|child| child.hear().parse().expect("a number"))
        .collect();
    let got: u64 = receiver.hear().parse().expect("a number");
    assert_eq!(got, sent.iter().sum::<u64>(), "{ring:?}: all that was sent");
    assert!(!sent.contains(&0), "{ring:?}: everybody sent: {sent:?}");
    senders[0].say("close");
    senders[1..].iter_mut().for_each(|child| child.say("leave"));
    senders.into_iter().for_each(Child::finish);
    receiver.finish();
    ring.unlink(&made);
    got
}

/// The role of the consumer of an anonymous ring, who forks the producers.
pub fn host<K: Sort>(args: &Args) {
    let (ring, stream) = (Records::from_args(args), Stream::from_args(args));
    let made = ring.create::<K>();
    let mut rx = made.consumer().expect("a free end");
    let mut peers = Vec::new();
    for who in 0..stream.senders {
        let (made, wait) = (made.clone(), ring.spec.waits.wait());
        peers.push(child::fork(move || {
            let mut tx = made.producer().expect("a free end");
            pump(&mut tx, &stream, who, wait);
        }));
    }
    let got = swallow(&mut rx, &stream, ring.spec.waits.wait());
    assert!(got > 0);
    peers.into_iter().for_each(child::Forked::finish);
    child::report(&got.to_string());
}

// ---- every place ----------------------------------------------------------------------------------------

/// Every way to wait; alignments, back ends, parkings and sizes of the ring in turn.
fn flows_everywhere<K: Sort>(senders: u64) {
    let _quiet = alone();
    let mut turn = 0;
    for via in VIAS {
        for waits in WAITS {
            let mut ring = Records::new(via);
            ring.align = [8, 64][turn % 2];
            ring.spec.capacity = [1 << 16, 1 << 13, 1 << 20][turn % 3];
            ring.spec.waits = waits;
            ring.spec.parking = PARKINGS[turn % 4];
            ring.spec.start = [0, (1 << 62) - (1 << 20)][turn / 2 % 2];
            ring.spec.back_end = match via {
                Via::MemfdPassed | Via::MemfdInherited => WaitBackend::Futex,
                _ => BACK_ENDS[turn / 3 % 2],
            };
            flow::<K>(&ring, &Stream::small(senders, 4_000));
            turn += 1;
        }
    }
}

#[test]
fn records_of_any_length_arrive_whole_and_in_order_in_every_place() {
    flows_everywhere::<SpscRecords>(1);
}

#[test]
fn records_of_several_producers_arrive_whole_and_in_their_order_in_every_place() {
    flows_everywhere::<MpscRecords>(2);
}

#[test]
fn every_alignment_way_to_wait_and_back_end_works_with_records() {
    let _quiet = alone();
    for align in [8, 64] {
        for waits in [Waits::Spin, Waits::Park] {
            for back_end in BACK_ENDS {
                for parking in [Parking::Fenced, Parking::Asymmetric] {
                    let mut ring = Records::new(Via::Shm);
                    (ring.align, ring.spec.capacity) = (align, 1 << 13);
                    (ring.spec.waits, ring.spec.back_end) = (waits, back_end);
                    ring.spec.parking = parking;
                    let mut stream = Stream::small(1, 2_000);
                    stream.limit = Duration::from_millis(80);
                    flow::<SpscRecords>(&ring, &stream);
                    stream.senders = 3;
                    flow::<MpscRecords>(&ring, &stream);
                }
            }
        }
    }
}

#[test]
fn nothing_of_four_producers_is_lost_torn_or_doubled() {
    let _quiet = alone();
    let records = number_from_env("ANNULUS_RECORDS", 400_000);
    let mut ring = Records::new(Via::Shm);
    ring.spec.capacity = 1 << 18;
    let stream = Stream {
        senders: 4,
        count: records / 4,
        shortest: 24,
        longest: 200,
        limit: Duration::from_micros(2_000_000 + 4 * records),
        plain: true,
    };
    let began = Instant::now();
    let got = flow::<MpscRecords>(&ring, &stream);
    let took = began.elapsed();
    println!(
        "{got} records of 24 to 200 bytes from 4 producers in {took:?}, {:.2} million a second",
        got as f64 / took.as_secs_f64() / 1e6
    );
    assert!(got == records / 4 * 4 || took > stream.limit);
}
