//! The peer written from the page and the library talk to each other, in both directions.

use crate::page_end::{CONSUMER, PRODUCER, PageEnd, create_by_the_page, layout};
use crate::scratch::{Scratch, fingerprint, number};
use annulus::{Backing, Peer, TryPopError, TryPushError, Wait, spsc};

/// Message `i` of `len` bytes.
pub fn message(i: u64, len: u64) -> Vec<u8> {
    (0..len).map(|b| (i * 31 + b * 7 + 1) as u8).collect()
}

/// Shapes of rings: capacity, message size, first position.
const SHAPES: [(u64, u64, u64); 8] = [
    (2, 1, 0),
    (4, 8, 0),
    (4, 9, 5),
    (8, 56, (1 << 62) - 3),
    (16, 57, 3),
    (4, 200, (1 << 61) + 1),
    (64, 24, 63),
    (2, 5000, 0),
];

#[test]
fn a_ring_made_by_the_page_serves_the_library_in_both_directions() {
    for (capacity, len, start) in SHAPES {
        let scratch = Scratch::new();
        let l = layout(capacity, len, 8);
        create_by_the_page(&scratch, l, 8, 0, start);
        let options = spsc::<[u8]>(scratch.name())
            .backing(Backing::File)
            .slot_size(len as usize);
        let ring = options.open().expect("the library believes it");
        assert_eq!(ring.instance(), 0x1234_5678_9abc_def0);
        let (mut tx, mut rx) = (
            ring.producer().expect("producer"),
            ring.consumer().expect("consumer"),
        );
        assert_eq!((tx.position(), rx.position()), (start, start));
        let mut out = vec![0; len as usize];
        for i in 0..3 * capacity {
            tx.try_push(&message(i, len)).expect("room");
            rx.try_pop_into(&mut out).expect("a message");
            assert_eq!(out, message(i, len));
        }
    }
}

#[test]
fn the_library_makes_rings_with_the_size_and_stride_of_the_formulas() {
    for (capacity, len, start) in SHAPES {
        let scratch = Scratch::new();
        let l = layout(capacity, len, 8);
        let options = spsc::<[u8]>(scratch.name())
            .backing(Backing::File)
            .slot_size(len as usize);
        let ring = options
            .capacity(capacity)
            .start_position(start)
            .create()
            .expect("create");
        let file = scratch.file();
        assert_eq!(file.metadata().expect("facts").len(), l.segment);
        assert_eq!(number(&file, 32, 8), l.stride);
        for p in start..start + capacity {
            let at = 8192 + p % capacity * l.stride;
            assert_eq!(number(&file, at, 8), p << 2, "the word of {p}");
        }
        drop(ring);
    }
    fn facts<T: annulus::Element>() -> [u64; 3] {
        let scratch = Scratch::new();
        let _ring = spsc::<T>(scratch.name())
            .backing(Backing::File)
            .capacity(2)
            .create()
            .expect("create");
        let file = scratch.file();
        [
            number(&file, 48, 4),
            number(&file, 32, 8),
            number(&file, 56, 8),
        ]
    }
    let by_page = |name, size, align| {
        let l = layout(2, size, align);
        [l.payload_offset, l.stride, fingerprint(name, size, align)]
    };
    assert_eq!(facts::<u8>(), by_page("u8", 1, 1));
    assert_eq!(facts::<u64>(), by_page("u64", 8, 8));
    assert_eq!(facts::<u128>(), by_page("u128", 16, 16));
    assert_eq!(facts::<[u16; 33]>(), by_page("[u16; 33]", 66, 2));
}

#[test]
fn a_producer_written_from_the_page_feeds_the_librarys_consumer() {
    for (capacity, len, start) in SHAPES {
        let scratch = Scratch::new();
        let options = spsc::<[u8]>(scratch.name())
            .backing(Backing::File)
            .slot_size(len as usize);
        let ring = options
            .capacity(capacity)
            .start_position(start)
            .create()
            .expect("create");
        let l = layout(capacity, len, 8);
        let mut theirs = PageEnd::attach(&scratch, l, PRODUCER);
        assert!(ring.producer().is_err(), "the seat is taken");
        assert_eq!(
            ring.status().expect("status").producers[0].state,
            Peer::Alive
        );
        let mut rx = ring.consumer().expect("consumer");
        let mut out = vec![0; len as usize];
        let mut sent = 0;
        for taken in 0..4 * capacity {
            while theirs.push(&message(sent, len)).is_ok() {
                sent += 1;
            }
            assert_eq!(sent - taken, capacity, "full means full");
            rx.try_pop_into(&mut out).expect("a message");
            assert_eq!(out, message(taken, len));
        }
        // It dies with a full ring but one; a successor of the library's goes on where it stopped.
        let stopped = theirs.next;
        drop(theirs);
        assert_eq!(rx.producer_state(), Peer::Died);
        let mut tx = ring.producer().expect("producer");
        assert_eq!((tx.predecessor(), tx.position()), (Peer::Died, stopped));
        tx.try_push(&message(sent, len)).expect("room");
        tx.close();
        for i in 4 * capacity..=sent {
            rx.try_pop_into(&mut out).expect("a message");
            assert_eq!(out, message(i, len));
        }
        assert_eq!(rx.try_pop_into(&mut out), Err(TryPopError::Closed));
    }
}

#[test]
fn a_consumer_written_from_the_page_takes_what_the_librarys_producer_sends() {
    for (capacity, len, start) in SHAPES {
        let scratch = Scratch::new();
        let options = spsc::<[u8]>(scratch.name())
            .backing(Backing::File)
            .slot_size(len as usize);
        let ring = options
            .capacity(capacity)
            .start_position(start)
            .create()
            .expect("create");
        let l = layout(capacity, len, 8);
        let mut theirs = PageEnd::attach(&scratch, l, CONSUMER);
        assert!(ring.consumer().is_err(), "the seat is taken");
        let mut tx = ring.producer().expect("producer");
        let mut sent = 0;
        for taken in 0..4 * capacity {
            while tx.try_push(&message(sent, len)).is_ok() {
                sent += 1;
            }
            assert_eq!(tx.try_push(&message(sent, len)), Err(TryPushError::Full));
            assert_eq!(sent - taken, capacity, "full means full");
            assert_eq!(theirs.pop(), Ok(message(taken, len)));
        }
        theirs.leave(CONSUMER);
        assert_eq!(tx.consumer_state(), Peer::Left);
        // The library takes one, and the next stranger goes on from there.
        let mut rx = ring.consumer().expect("consumer");
        assert_eq!(rx.predecessor(), Peer::Left);
        let mut out = vec![0; len as usize];
        rx.try_pop_into(&mut out).expect("a message");
        assert_eq!(out, message(4 * capacity, len));
        drop(rx);
        let mut theirs = PageEnd::attach(&scratch, l, CONSUMER);
        tx.close();
        for i in 4 * capacity + 1..sent {
            assert_eq!(theirs.pop(), Ok(message(i, len)));
        }
        assert_eq!(theirs.pop(), Err("closed"));
    }
}

#[test]
fn positions_that_were_given_up_are_passed_over() {
    let scratch = Scratch::new();
    let ring = spsc::<u64>(scratch.name())
        .backing(Backing::File)
        .capacity(8)
        .create()
        .expect("create");
    let mut theirs = PageEnd::attach(&scratch, layout(8, 8, 8), PRODUCER);
    let mut rx = ring.consumer().expect("consumer");
    for round in 0u64..20 {
        theirs.skip();
        theirs.push(&round.to_le_bytes()).expect("room");
        theirs.skip();
        theirs.skip();
        theirs.push(&(round + 100).to_le_bytes()).expect("room");
        match round % 3 {
            0 => assert_eq!([rx.try_pop(), rx.try_pop()], [Ok(round), Ok(round + 100)]),
            1 => {
                assert_eq!(rx.try_sample().expect("a message").read(), round);
                assert_eq!(rx.pop(Wait::park()), Ok(round + 100));
            }
            _ => assert_eq!(rx.drain(9).collect::<Vec<_>>(), [round, round + 100]),
        }
        assert_eq!(rx.try_pop(), Err(TryPopError::Empty));
    }
}
