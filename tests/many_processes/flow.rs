//! Streams through rings that many share: more processes than cores, every message accounted for.
//!
//! Each consumer sees the messages of each producer in their order. Together they have seen what was sent: as many of
//! each producer, with the same sum of fingerprints, so none is lost and none came twice.
//!
//! A stream ends by count or by time, whichever comes first, so that a busy machine makes it thin, not slow.

use crate::common::child::{self, Args, Child};
use crate::common::rng::mix;
use crate::common::spec::{BACK_ENDS, PARKINGS, Via, WAITS, Waits};
use crate::common::{alone, number_from_env, stream, take};
use crate::kinds::{Place, Queue, Rx, Tx, role};
use crate::payload::{Id, Note};
use annulus::{Mpmc, Mpsc, PopError, Spmc, TryPopError, TryPushError, Wait, WaitBackend};
use std::time::{Duration, Instant};

/// Messages at one go in large streams.
const BATCH: usize = 64;

/// What flows.
#[derive(Clone, Copy, Debug)]
pub struct Stream {
    pub senders: u64,
    pub receivers: u64,
    /// Messages of each sender.
    pub count: u64,
    /// How long each may take.
    pub limit: Duration,
    /// Batches only, for large counts; else each way there is.
    pub plain: bool,
}

impl Stream {
    pub fn add_to(&self, args: Args) -> Args {
        args.with("senders", self.senders)
            .with("receivers", self.receivers)
            .with("count", self.count)
            .with("limit_ms", self.limit.as_millis())
            .with("plain", u8::from(self.plain))
    }

    /// In a role: the same again. A long stream takes longer than children usually live.
    pub fn from_args(args: &Args) -> Self {
        let limit = Duration::from_millis(args.number("limit_ms"));
        // SAFETY: takes an integer.
        unsafe { libc::alarm(120 + limit.as_secs() as u32) };
        Self {
            senders: args.number("senders"),
            receivers: args.number("receivers"),
            count: args.number("count"),
            limit,
            plain: args.number("plain") == 1,
        }
    }

    /// So many messages altogether as the environment asks for, or as half a second allows.
    pub fn large(senders: u64, receivers: u64) -> Self {
        let wanted = number_from_env("ANNULUS_MESSAGES", 0);
        let (total, limit) = match wanted {
            0 => (1_000_000, Duration::from_millis(500)),
            n => (n, Duration::from_secs(60) + Duration::from_micros(n)),
        };
        Self {
            senders,
            receivers,
            count: total / senders,
            limit,
            plain: true,
        }
    }
}

/// How many messages, and the sum of their fingerprints.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Sum {
    count: u64,
    prints: u64,
}

impl Sum {
    #[inline]
    fn add(&mut self, id: Id) {
        self.count += 1;
        self.prints = self.prints.wrapping_add(id.print());
    }

    fn plus(self, other: Self) -> Self {
        Self {
            count: self.count + other.count,
            prints: self.prints.wrapping_add(other.prints),
        }
    }
}

/// As text: a number for each field of each.
fn to_text(sums: &[Sum]) -> String {
    let words = sums.iter().flat_map(|sum| [sum.count, sum.prints]);
    words
        .map(|word| word.to_string())
        .collect::<Vec<_>>()
        .join(" ")
}

fn from_text(text: &str) -> Vec<Sum> {
    let words: Vec<u64> = text
        .split(' ')
        .map(|word| word.parse().expect("a number"))
        .collect();
    let sums = words.chunks(2).map(|pair| Sum {
        count: pair[0],
        prints: pair[1],
    });
    sums.collect()
}

/// Sends all of `notes`, at one go if there is room.
fn send_batch(tx: &mut impl Tx, notes: &[Note], wait: Wait) {
    let mut sent = 0;
    while sent < notes.len() {
        match tx.push_many(&notes[sent..]) {
            Ok(n) => sent += n,
            Err(TryPushError::Full) => {
                tx.push(&notes[sent], wait).expect("a consumer lives");
                sent += 1;
            }
            Err(e) => panic!("producer: {e}"),
        }
    }
}

/// Sends the first few of `notes` in one of the ways there are, and says how many.
fn send_some(tx: &mut impl Tx, way: u64, notes: &[Note], wait: Wait) -> usize {
    let (note, few) = (
        &notes[0],
        &notes[..notes.len().min(1 + (way >> 8) as usize % 24)],
    );
    let sent = match way % 8 {
        0 => tx.claim(note, wait, || true).map(|()| 1),
        1 => tx.claim(note, wait, || false).map(|()| 0),
        2 => tx.claim_run(few, wait, |n| n),
        3 => tx.claim_run(few, wait, |n| n / 2),
        4 => {
            send_batch(tx, few, wait);
            Ok(few.len())
        }
        _ => tx.push(note, wait).map(|()| 1),
    };
    sent.expect("a consumer lives")
}

/// Sends the stream of producer `who`.
fn pump(tx: &mut impl Tx, stream: &Stream, who: u64, wait: Wait) -> Sum {
    let stop = Instant::now() + stream.limit;
    let (mut sent, mut turn) = (Sum::default(), 0);
    while sent.count < stream.count {
        let left = BATCH.min((stream.count - sent.count) as usize);
        let notes: [Note; BATCH] =
            std::array::from_fn(|i| Note::new(Id::new(who, sent.count + i as u64)));
        let n = if stream.plain {
            send_batch(tx, &notes[..left], wait);
            left
        } else {
            send_some(tx, mix(turn ^ who << 40), &notes[..left], wait)
        };
        notes[..n].iter().for_each(|note| sent.add(note.whole()));
        turn += 1;
        if turn % 16 == 0 && Instant::now() >= stop {
            break;
        }
    }
    sent
}

/// What one consumer has seen of each producer.
struct Seen {
    sums: Vec<Sum>,
    next: Vec<u64>,
}

impl Seen {
    #[inline]
    fn see(&mut self, note: &Note) {
        let id = note.whole();
        let next = &mut self.next[id.who as usize];
        assert!(
            id.number >= *next && id.life == 0,
            "{id:?} came after number {next} of its producer"
        );
        *next = id.number + 1;
        self.sums[id.who as usize].add(id);
    }
}

/// Takes messages until the ring is closed.
fn swallow<R: Rx>(rx: &mut R, stream: &Stream, me: u64, wait: Wait) -> Vec<Sum> {
    let n = stream.senders as usize;
    let mut seen = Seen {
        sums: vec![Sum::default(); n],
        next: vec![0; n],
    };
    let mut turn = 0;
    loop {
        turn += 1;
        let way = if stream.plain {
            0
        } else {
            mix(turn ^ me << 40) % 8
        };
        let ended = match way {
            0 | 1 if rx.drain(BATCH, |note| seen.see(&note)) > 0 => Ok(()),
            2 => rx.sample(wait, |(_, note, again)| {
                assert!(!again);
                seen.see(&note);
            }),
            3 => {
                rx.grab(5);
                rx.pop(wait).map(|note| seen.see(&note))
            }
            _ => rx.pop(wait).map(|note| seen.see(&note)),
        };
        match ended {
            Ok(()) => assert!(!rx.redelivered(), "nobody died"),
            Err(PopError::Closed) => break,
            Err(e) => panic!("consumer: {e}"),
        }
    }
    assert_eq!(
        rx.try_pop(),
        Err(TryPopError::Closed),
        "closed stays closed"
    );
    seen.sums
}

/// The role of a producer.
pub fn send<K: Queue>(args: &Args) {
    let (place, stream) = (Place::from_args(args), Stream::from_args(args));
    let ring = place.open::<K>(args.get("socket"));
    let mut tx = take(|| K::producer(&ring));
    child::report("ready");
    child::listen();
    let sent = pump(
        &mut tx,
        &stream,
        args.number("who"),
        place.spec.waits.wait(),
    );
    child::report(&to_text(&[sent]));
    if child::listen() == "close" {
        tx.close();
    }
}

/// The role of a consumer.
pub fn receive<K: Queue>(args: &Args) {
    let (place, stream) = (Place::from_args(args), Stream::from_args(args));
    let ring = place.open::<K>(args.get("socket"));
    let mut rx = take(|| K::consumer(&ring));
    child::report("ready");
    child::listen();
    let got = swallow(
        &mut rx,
        &stream,
        args.number("who"),
        place.spec.waits.wait(),
    );
    child::report(&to_text(&got));
}

/// Lets a stream flow between children, and says how many messages there were.
fn flow<K: Queue>(place: &Place, stream: &Stream) -> u64 {
    let args = stream.add_to(place.args());
    let _gone = place.cleanup();
    let made = place.create::<K>();
    let start = |what: &str, who: u64| {
        let args = args.clone().with("who", who);
        stream::start(&role::<K>(what), &place.spec, made.descriptor(), args)
    };
    let mut receivers: Vec<Child> = (0..stream.receivers)
        .map(|who| start("receive", who))
        .collect();
    let mut senders: Vec<Child> = (0..stream.senders).map(|who| start("send", who)).collect();
    for child in receivers.iter_mut().chain(&mut senders) {
        child.expect("ready");
    }
    for child in receivers.iter_mut().chain(&mut senders) {
        child.say("go");
    }
    let sent: Vec<Sum> = senders
        .iter_mut()
        .map(|child| from_text(&child.hear())[0])
        .collect();
    senders[0].say("close");
    senders[1..].iter_mut().for_each(|child| child.say("leave"));
    senders.into_iter().for_each(Child::finish);
    let mut got = vec![Sum::default(); sent.len()];
    for mut child in receivers {
        for (all, part) in got.iter_mut().zip(from_text(&child.hear())) {
            *all = all.plus(part);
        }
        child.finish();
    }
    assert_eq!(got, sent, "{place:?} {stream:?}: all that was sent, once");
    assert!(
        sent.iter().all(|sum| sum.count > 0),
        "{place:?}: everybody sent"
    );
    place.unlink(&made);
    sent.iter().map(|sum| sum.count).sum()
}

// ---- large streams --------------------------------------------------------------------------------------

fn flows<K: Queue>(senders: u64, receivers: u64) {
    let _quiet = alone();
    let stream = Stream::large(senders, receivers);
    let mut place = Place::new(Via::Shm, 1 << 13);
    place.spec.waits = Waits::Park;
    let began = Instant::now();
    let n = flow::<K>(&place, &stream);
    let took = began.elapsed();
    println!(
        "{}: {n} messages of {senders} producers to {receivers} consumers in {took:?}, {:.1} million a second",
        K::NAME,
        n as f64 / took.as_secs_f64() / 1e6
    );
    assert!(n == stream.count * senders || took > stream.limit);
}

#[test]
fn nothing_of_three_producers_is_lost_or_doubled_among_three_consumers() {
    flows::<Mpmc<Note>>(3, 3);
}

#[test]
fn nothing_of_four_producers_is_lost_or_doubled_on_the_way_to_one_consumer() {
    flows::<Mpsc<Note>>(4, 1);
}

#[test]
fn nothing_of_one_producer_is_lost_or_doubled_among_four_consumers() {
    flows::<Spmc<Note>>(1, 4);
}

// ---- every place ----------------------------------------------------------------------------------------

/// Every way to send and to take; ways to wait, back ends, parkings and sizes of the ring in turn.
fn flows_everywhere<K: Queue>(senders: u64, receivers: u64) {
    let _quiet = alone();
    let vias = [Via::Shm, Via::SysvName, Via::MemfdInherited, Via::File];
    for turn in 0..8 {
        let mut place = Place::new(vias[turn % 4], [2, 16, 1024][turn % 3]);
        // Spinning is for whoever has a core of its own.
        place.spec.waits = WAITS[1 + turn / 4];
        place.spec.parking = PARKINGS[turn % 4];
        place.spec.start = [0, (1 << 62) - 3000][turn / 2 % 2];
        place.spec.back_end = match place.spec.via {
            Via::MemfdInherited => WaitBackend::Futex,
            _ => BACK_ENDS[turn / 4],
        };
        let stream = Stream {
            senders,
            receivers,
            count: 20_000,
            limit: Duration::from_millis(100),
            plain: false,
        };
        flow::<K>(&place, &stream);
    }
}

#[test]
fn every_way_to_send_and_to_take_works_between_three_producers_and_three_consumers() {
    flows_everywhere::<Mpmc<Note>>(3, 3);
}

#[test]
fn every_way_to_send_and_to_take_works_between_four_producers_and_one_consumer() {
    flows_everywhere::<Mpsc<Note>>(4, 1);
}

#[test]
fn every_way_to_send_and_to_take_works_between_one_producer_and_four_consumers() {
    flows_everywhere::<Spmc<Note>>(1, 4);
}
