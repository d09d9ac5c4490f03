//! Golden images: the rings of today equal the committed ones, and the committed ones open and drain.

use crate::exchange::message;
use crate::many_golden;
use crate::record_golden;
use crate::scratch::{Scratch, repository};
use annulus::{
    Backing, Parking, Peer, PopError, Producer, Ring, TryPopError, TryPushError, Wait, spsc,
};
use std::fs;
use std::path::PathBuf;

/// Bytes of the header that differ from run to run: offset and size.
const VARIABLE: [(usize, usize); 4] = [
    (116, 4), // creator pid
    (120, 8), // creator start time
    (128, 8), // created at
    (136, 8), // instance
];

/// Gives the variable fields that are in use a fixed value.
fn normalise(bytes: &mut [u8]) {
    let participants = bytes[96..100].try_into().expect("four bytes");
    let participants = u32::from_le_bytes(participants) as usize;
    let entries = (0..participants).map(|i| 5120 + 128 * i);
    // Pid and start time of each participant.
    let of_entries = entries.flat_map(|at| [(at + 16, 4), (at + 24, 8)]);
    for (i, (at, size)) in VARIABLE.into_iter().chain(of_entries).enumerate() {
        if bytes[at..at + size].iter().any(|b| *b != 0) {
            bytes[at..at + size].fill(i as u8 + 1);
        }
    }
}

/// A golden image and what was done to make it.
pub struct Golden {
    pub name: &'static str,
    pub about: &'static str,
    pub make: fn(&str),
    pub look: fn(&str),
}

fn typed(path: &str) -> annulus::Options<annulus::Spsc<u64>> {
    spsc::<u64>(path)
        .backing(Backing::File)
        .parking(Parking::Fenced)
}

fn bytes56(path: &str) -> annulus::Options<annulus::Spsc<[u8]>> {
    spsc::<[u8]>(path)
        .backing(Backing::File)
        .parking(Parking::Fenced)
        .slot_size(56)
}

/// Keeps an endpoint's entry as if its process had been killed: the image is read while it is attached.
fn attached(ring: &Ring<annulus::Spsc<u64>>) -> (Producer<u64>, annulus::Consumer<u64>) {
    (
        ring.producer().expect("producer"),
        ring.consumer().expect("consumer"),
    )
}

const SLOTS: [Golden; 5] = [
    Golden {
        name: "empty-4x8",
        about: "A new ring of 4 slots of u64, never used.",
        make: |path| drop(typed(path).capacity(4).create().expect("create")),
        look: |path| {
            let ring = typed(path).open().expect("open");
            assert_eq!((ring.capacity(), ring.slot_size()), (4, 8));
            let status = ring.status().expect("status");
            assert_eq!((status.taken, status.len), (0, 0));
            assert_eq!(
                (status.producers[0].state, status.consumers[0].state),
                (Peer::Never, Peer::Never)
            );
            let (mut tx, mut rx) = attached(&ring);
            assert_eq!(rx.try_pop(), Err(TryPopError::Empty));
            tx.try_push(&1).expect("room");
            assert_eq!(rx.try_pop(), Ok(1));
        },
    },
    Golden {
        name: "bytes-8x56",
        about: "8 slots of 56 bytes, schema 9. 11 messages sent, 5 taken, both ends left in order.",
        make: |path| {
            let ring = bytes56(path)
                .capacity(8)
                .schema(9)
                .create()
                .expect("create");
            let (mut tx, mut rx) = (
                ring.producer().expect("producer"),
                ring.consumer().expect("consumer"),
            );
            let mut out = [0; 56];
            for i in 0..11 {
                tx.try_push(&message(i, 56)).expect("room");
                if i < 5 {
                    rx.try_pop_into(&mut out).expect("a message");
                }
            }
        },
        look: |path| {
            let ring = bytes56(path).schema(9).open().expect("open");
            let status = ring.status().expect("status");
            assert_eq!((status.taken, status.len, status.schema), (5, 6, 9));
            assert_eq!(
                (status.producers[0].state, status.consumers[0].state),
                (Peer::Left, Peer::Left)
            );
            let mut rx = ring.consumer().expect("consumer");
            assert_eq!((rx.len(), rx.position()), (6, 5));
            let mut out = [0; 56];
            for i in 5..11 {
                rx.try_pop_into(&mut out).expect("a message");
                assert_eq!(out[..], message(i, 56));
            }
            assert_eq!(rx.try_pop_into(&mut out), Err(TryPopError::Empty));
            assert_eq!(ring.producer().expect("producer").position(), 11);
        },
    },
    Golden {
        name: "closed-4x8",
        about: "4 slots of u64. 3 messages sent (100, 101, 102), 1 taken, then the producer closed.",
        make: |path| {
            let ring = typed(path).capacity(4).create().expect("create");
            let (mut tx, mut rx) = attached(&ring);
            for i in 0..3 {
                tx.try_push(&(100 + i)).expect("room");
            }
            rx.try_pop().expect("a message");
            tx.close();
        },
        look: |path| {
            let ring = typed(path).open().expect("open");
            assert!(matches!(
                ring.producer(),
                Err(annulus::EndpointError::Closed)
            ));
            let mut rx = ring.consumer().expect("consumer");
            assert_eq!(rx.drain(9).collect::<Vec<_>>(), [101, 102]);
            assert_eq!(rx.try_pop(), Err(TryPopError::Closed));
            assert_eq!(rx.pop(Wait::park()), Err(PopError::Closed));
        },
    },
    Golden {
        name: "wrap-4x8",
        about: "4 slots of u64 that start at position 2^62 - 3. 6 messages sent (0 to 5), 2 taken.",
        make: |path| {
            let ring = typed(path)
                .capacity(4)
                .start_position((1 << 62) - 3)
                .create()
                .expect("create");
            let (mut tx, mut rx) = attached(&ring);
            for i in 0..6 {
                tx.try_push(&i).expect("room");
                if i < 2 {
                    rx.try_pop().expect("a message");
                }
            }
        },
        look: |path| {
            let ring = typed(path).open().expect("open");
            assert_eq!(ring.status().expect("status").len, 4);
            let (mut tx, mut rx) = attached(&ring);
            assert_eq!(
                (tx.position(), rx.position()),
                ((1 << 62) + 3, (1 << 62) - 1)
            );
            assert_eq!(tx.try_push(&6), Err(TryPushError::Full));
            for i in 2..20 {
                assert_eq!(rx.try_pop(), Ok(i));
                tx.try_push(&(i + 4)).expect("room");
            }
        },
    },
    Golden {
        name: "killed-8x8",
        about: "8 slots of u64. Both ends were killed: 9 messages sent (0 to 8), 3 taken, of which the gate tells 2.",
        make: |path| {
            let ring = typed(path).capacity(8).create().expect("create");
            let (mut tx, mut rx) = attached(&ring);
            for i in 0..9 {
                tx.try_push(&i).expect("room");
                if i < 3 {
                    rx.try_pop().expect("a message");
                }
            }
            // Whoever forgets an endpoint has not left; the lock goes with the process or its descriptor.
            std::mem::forget((tx, rx));
        },
        look: |path| {
            let ring = typed(path).open().expect("open");
            let status = ring.status().expect("status");
            assert_eq!((status.taken, status.len), (3, 6));
            assert_eq!(
                (status.producers[0].state, status.consumers[0].state),
                (Peer::Died, Peer::Died)
            );
            let (mut tx, mut rx) = attached(&ring);
            assert_eq!(
                (tx.predecessor(), rx.predecessor()),
                (Peer::Died, Peer::Died)
            );
            assert_eq!((tx.position(), rx.position()), (9, 3));
            for _ in 0..2 {
                tx.try_push(&9).expect("room");
            }
            assert_eq!(tx.try_push(&9), Err(TryPushError::Full));
            assert_eq!(rx.drain(99).collect::<Vec<_>>(), [3, 4, 5, 6, 7, 8, 9, 9]);
        },
    },
];

/// All golden images.
fn all() -> impl Iterator<Item = &'static Golden> {
    SLOTS
        .iter()
        .chain(&record_golden::GOLDEN)
        .chain(&many_golden::GOLDEN)
}

fn golden_path(golden: &Golden) -> PathBuf {
    repository()
        .join("tests/golden")
        .join(format!("{}.hex", golden.name))
}

/// Rows of 16 bytes with their offsets, those of zeros left out.
fn to_hex(about: &str, bytes: &[u8]) -> String {
    let mut text = format!(
        "# {about}\n# Variable fields have fixed values. Rows of zeros are left out.\nsize {}\n",
        bytes.len()
    );
    for (i, row) in bytes
        .chunks(16)
        .enumerate()
        .filter(|(_, row)| row.iter().any(|b| *b != 0))
    {
        let hex: Vec<String> = row.iter().map(|b| format!("{b:02x}")).collect();
        text.push_str(&format!("{:08x} {}\n", i * 16, hex.join(" ")));
    }
    text
}

fn from_hex(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        if let Some(size) = line.strip_prefix("size ") {
            bytes.resize(size.parse().expect("a size"), 0);
            continue;
        }
        let (at, row) = line.split_once(' ').expect("an offset");
        let at = usize::from_str_radix(at, 16).expect("an offset");
        for (i, byte) in row.split(' ').enumerate() {
            bytes[at + i] = u8::from_str_radix(byte, 16).expect("a byte");
        }
    }
    bytes
}

/// What the library makes today, with its variable fields fixed.
fn made_today(golden: &Golden) -> Vec<u8> {
    let scratch = Scratch::new();
    (golden.make)(scratch.name());
    let mut bytes = fs::read(&scratch.0).expect("read");
    normalise(&mut bytes);
    bytes
}

#[test]
fn rings_made_today_equal_the_golden_images() {
    for golden in all() {
        let today = made_today(golden);
        let path = golden_path(golden);
        if std::env::var_os("ANNULUS_WRITE_GOLDEN").is_some() {
            fs::write(&path, to_hex(golden.about, &today)).expect("write");
        }
        let text = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        // As text, so that a difference shows its offset.
        let today = to_hex(golden.about, &today);
        for (new, old) in today.lines().zip(text.lines()) {
            assert_eq!(new, old, "{}", golden.name);
        }
        assert_eq!(today, text, "{}", golden.name);
    }
}

#[test]
fn the_golden_images_open_and_drain_to_the_messages_that_were_put_in() {
    for golden in all() {
        let text = fs::read_to_string(golden_path(golden)).expect("a committed image");
        let scratch = Scratch::new();
        fs::write(&scratch.0, from_hex(&text)).expect("write");
        (golden.look)(scratch.name());
    }
}
