//! Seeds from real rings: for `attach` the golden images, for `queues` and `participants` what real ends leave in a ring,
//! written as lies, with some calls of those who come after them.

use crate::ends::{Broadcasts, Mpmcs, Mpscs, RecordBroadcasts, RecordQueues, Spmcs};
use crate::image::Image;
use crate::play::{Ends, Shape, Stage, image};
use std::path::Path;

/// A seed: its target, its name, its bytes.
pub type Seed = (&'static str, String, Vec<u8>);

/// A call and its details.
type Call = (u8, u8);

/// Calls by name; see `Stage::call`.
const PRODUCER: Call = (12, 0);
const PUSH: Call = (0, 8);
const PUSH_WAITING: Call = (3, 0);
/// Claims and never comes back to it.
const CLAIM: Call = (6, 8);
/// Claims nine at a time and never comes back to them.
const CLAIM_RUN: Call = (7, 36);
const PRODUCER_LEAVES: Call = (14, 0);
const PRODUCER_DIES: Call = (15, 0);
const PRODUCER_CLOSES: Call = (15, 252);
const CONSUMER: Call = (28, 0);
const LOSSLESS: Call = (29, 1);
const POP: Call = (16, 0);
const POP_WAITING: Call = (19, 0);
/// Takes a message and never gives it back.
const HOLD: Call = (20, 0);
const DRAIN: Call = (22, 20);
const LATEST: Call = (22, 20);
const CONSUMER_DIES: Call = (31, 0);
const LOOK: Call = (40, 0);

/// What was done to a ring before the lies begin, under the name of the seed.
const STORIES: [(&str, &[Call]); 10] = [
    ("new", &[]),
    ("filled", &[PUSH, PUSH, PUSH, PUSH, PUSH, PUSH]),
    (
        "round",
        &[
            PUSH, PUSH, POP, POP, PUSH, PUSH, POP, POP, PUSH, PUSH, POP, PUSH,
        ],
    ),
    ("producer-left", &[PUSH, PUSH, PRODUCER_LEAVES]),
    (
        "producer-died-with-a-claim",
        &[CONSUMER, PUSH, CLAIM, PRODUCER_DIES],
    ),
    (
        "two-producers-died-with-runs",
        &[
            CONSUMER,
            PRODUCER,
            CLAIM_RUN,
            PRODUCER,
            CLAIM,
            PRODUCER_DIES,
            PRODUCER_DIES,
        ],
    ),
    (
        "claim-between-messages",
        &[
            PRODUCER,
            PUSH,
            CLAIM,
            PRODUCER,
            (0, 1),
            (0, 1),
            PRODUCER_DIES,
        ],
    ),
    (
        "consumer-died-with-a-message",
        &[PUSH, PUSH, HOLD, CONSUMER_DIES, POP],
    ),
    (
        "two-consumers-died",
        &[
            PUSH,
            PUSH,
            PUSH,
            CONSUMER,
            CONSUMER,
            LOSSLESS,
            HOLD,
            (20, 1),
            CONSUMER_DIES,
            CONSUMER_DIES,
        ],
    ),
    ("closed", &[PUSH, PUSH, POP, PRODUCER_CLOSES]),
];

/// What is done behind the lies.
const AFTER: [Call; 14] = [
    CONSUMER,
    POP_WAITING,
    PRODUCER,
    PUSH,
    LOSSLESS,
    DRAIN,
    LOOK,
    POP,
    PUSH_WAITING,
    CLAIM,
    PRODUCER_DIES,
    CONSUMER,
    LATEST,
    POP_WAITING,
];

/// The story `calls` in a ring of `E`, as an input.
fn told<E: Ends>(shape: Shape, calls: &[Call]) -> Vec<u8> {
    let image = image::<E>(shape);
    let mut stage = Stage::<E>::new(shape, image);
    for (op, arg) in calls {
        stage.call(*op, *arg);
    }
    let Shape {
        kind,
        capacity,
        ends,
        start,
    } = shape;
    let mut input = vec![kind, capacity, ends, start];
    // Whoever is still there is gone when the input is played: killed.
    for (raw, value) in image.changes(&stage.copy.now()) {
        input.push(0x80);
        input.extend(raw.to_le_bytes());
        input.extend(value.to_le_bytes());
    }
    input.extend(AFTER.iter().flat_map(|(op, arg)| [*op, *arg]));
    input
}

fn of<E: Ends>(seeds: &mut Vec<Seed>, kind: u8, what: &str, targets: &[&'static str]) {
    for (i, (name, calls)) in STORIES.iter().enumerate() {
        let shape = Shape {
            kind,
            capacity: (i % 3) as u8,
            ends: 5 + (i % 2) as u8 * 5,
            start: (i % 4) as u8,
        };
        let target = targets[i % targets.len()];
        seeds.push((target, format!("{what}-{name}"), told::<E>(shape, calls)));
    }
    let (shape, _) = Shape::of(&[0, 1, 5, 0]).expect("four bytes");
    let ring = E::options(shape).create().expect("a new ring");
    let bytes = attached(&Image::read(&ring)).expect("a small ring");
    seeds.push(("attach", format!("new-{what}"), bytes));
}

/// All of them, in no order that matters. `golden` is where the golden images are.
pub fn all(golden: &Path) -> Vec<Seed> {
    let mut seeds = Vec::new();
    let (queues, participants) = (["queues", "participants"], ["participants"]);
    of::<Mpscs>(&mut seeds, 0, "mpsc", &queues);
    of::<Spmcs>(&mut seeds, 1, "spmc", &queues);
    of::<Mpmcs>(&mut seeds, 2, "mpmc", &queues);
    of::<Broadcasts>(&mut seeds, 3, "broadcast", &queues);
    of::<RecordBroadcasts>(&mut seeds, 4, "broadcast-records", &queues);
    of::<RecordQueues>(&mut seeds, 5, "records", &participants);
    let mut images: Vec<_> = std::fs::read_dir(golden)
        .expect("the golden images")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    images.sort();
    for path in images {
        let name = path
            .file_stem()
            .expect("a name")
            .to_string_lossy()
            .into_owned();
        let text = std::fs::read_to_string(&path).expect("text");
        seeds.extend(attached(&image_of(&text)).map(|bytes| ("attach", name, bytes)));
    }
    seeds
}

/// The bytes of a golden image.
fn image_of(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        if let Some(size) = line.strip_prefix("size ") {
            bytes = vec![0; size.parse().expect("a number")];
        } else if let Some((at, row)) = line.split_once(' ') {
            let at = usize::from_str_radix(at, 16).expect("an offset");
            for (i, byte) in row.split(' ').enumerate() {
                bytes[at + i] = u8::from_str_radix(byte, 16).expect("a byte");
            }
        }
    }
    bytes
}

/// A ring as an input of `attach`, if its data is where `attach` puts it.
fn attached(bytes: &[u8]) -> Option<Vec<u8>> {
    let used = 1 + bytes.iter().rposition(|byte| *byte != 0)?;
    let data = u64::from_le_bytes(bytes.get(104..112)?.try_into().expect("eight"));
    let small = data == 8192 && used <= 8192 + 2048;
    small.then(|| {
        [
            &bytes[..256],
            &bytes[4096..5120],
            &bytes[5120..5632],
            &bytes[8192..used.max(8193)],
        ]
        .concat()
    })
}
