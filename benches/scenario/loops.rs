//! The loops that are timed, and the loop that checks every byte: one source for all engines written in Rust.
//!
//! Invariants: a message is copied in full from memory the compiler knows nothing about, and exists in full in the
//! consumer's own memory before it counts as received; a waiting side polls with one `spin_loop` per failure.

use std::hint::spin_loop;

use super::message::{Message, differs, in_turn, numbered, table};
use super::opaque::opaque;

/// The sending end of one ring.
pub trait Tx<const WORDS: usize> {
    /// Copies the message in; false when the ring is full. An end that waits in the kernel returns true always.
    fn try_send(&mut self, message: &Message<WORDS>) -> bool;
}

/// The receiving end of one ring.
pub trait Rx<const WORDS: usize> {
    /// Copies one message out, hands the copy to `take` and returns true; false when the ring is empty.
    fn try_receive(&mut self, take: &mut impl FnMut(&Message<WORDS>)) -> bool;
}

/// A message arrived that was not the one sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Damaged;

/// One side of a pair of rings. `count` messages pass per call; both sides call matching operations with equal counts.
pub trait End {
    /// Sends, timed.
    fn send(&mut self, count: u64);
    /// Receives, timed; first and last words are compared.
    fn receive(&mut self, count: u64) -> Result<(), Damaged>;
    /// Sends and waits for the answer, timed; first and last words are compared.
    fn ping(&mut self, count: u64) -> Result<(), Damaged>;
    /// Sends back what arrives.
    fn echo(&mut self, count: u64);
    /// Sends messages that are all different, untimed.
    fn send_numbered(&mut self, count: u64);
    /// Receives what `send_numbered` sent and compares every byte.
    fn receive_numbered(&mut self, count: u64) -> Result<(), Damaged>;
}

/// One side made of a sending end of one ring and the receiving end of the other.
pub struct Duplex<T, R, const WORDS: usize> {
    tx: T,
    rx: R,
    table: Box<[Message<WORDS>]>,
}

impl<T, R, const WORDS: usize> Duplex<T, R, WORDS> {
    /// Joins the ends to one side.
    pub fn new(tx: T, rx: R) -> Self {
        Duplex {
            tx,
            rx,
            table: table(),
        }
    }
}

impl<T: Tx<WORDS>, R: Rx<WORDS>, const WORDS: usize> End for Duplex<T, R, WORDS> {
    fn send(&mut self, count: u64) {
        let Duplex { tx, table, .. } = self;
        in_turn(table, count, |message| send_one(tx, opaque(message)));
    }

    fn receive(&mut self, count: u64) -> Result<(), Damaged> {
        let Duplex { rx, table, .. } = self;
        let mut wrong = 0;
        in_turn(table, count, |expected| {
            receive_one(rx, &mut |message| {
                wrong |= differs(opaque(message), expected)
            });
        });
        verdict(wrong)
    }

    fn ping(&mut self, count: u64) -> Result<(), Damaged> {
        let Duplex { tx, rx, table } = self;
        let mut wrong = 0;
        in_turn(table, count, |expected| {
            send_one(tx, opaque(expected));
            receive_one(rx, &mut |message| {
                wrong |= differs(opaque(message), expected)
            });
        });
        verdict(wrong)
    }

    fn echo(&mut self, count: u64) {
        let Duplex { tx, rx, .. } = self;
        for _ in 0..count {
            receive_one(rx, &mut |message| send_one(tx, opaque(message)));
        }
    }

    fn send_numbered(&mut self, count: u64) {
        for number in 0..count {
            send_one(&mut self.tx, &numbered(number));
        }
    }

    fn receive_numbered(&mut self, count: u64) -> Result<(), Damaged> {
        let mut wrong = false;
        for number in 0..count {
            let expected = numbered(number);
            receive_one(&mut self.rx, &mut |message| wrong |= *message != expected);
        }
        verdict(u64::from(wrong))
    }
}

#[inline(always)]
fn send_one<const WORDS: usize>(tx: &mut impl Tx<WORDS>, message: &Message<WORDS>) {
    while !tx.try_send(message) {
        spin_loop();
    }
}

#[inline(always)]
fn receive_one<const WORDS: usize>(
    rx: &mut impl Rx<WORDS>,
    take: &mut impl FnMut(&Message<WORDS>),
) {
    while !rx.try_receive(take) {
        spin_loop();
    }
}

/// `Ok` when no bit of `wrong` is set.
pub fn verdict(wrong: u64) -> Result<(), Damaged> {
    if wrong == 0 { Ok(()) } else { Err(Damaged) }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::collections::VecDeque;
    use std::rc::Rc;

    use super::*;

    type Queue = Rc<RefCell<VecDeque<Message<7>>>>;

    impl Tx<7> for Queue {
        fn try_send(&mut self, message: &Message<7>) -> bool {
            self.borrow_mut().push_back(*message);
            true
        }
    }

    impl Rx<7> for Queue {
        fn try_receive(&mut self, take: &mut impl FnMut(&Message<7>)) -> bool {
            let message = self.borrow_mut().pop_front();
            message.as_ref().map(take).is_some()
        }
    }

    fn side(queue: &Queue) -> Duplex<Queue, Queue, 7> {
        Duplex::new(Rc::clone(queue), Rc::clone(queue))
    }

    #[test]
    fn what_was_sent_is_accepted() {
        let queue = Queue::default();
        let mut side = side(&queue);
        side.send_numbered(100);
        assert_eq!(side.receive_numbered(100), Ok(()));
        side.send(5000);
        assert_eq!(side.receive(5000), Ok(()));
        assert_eq!(side.ping(100), Ok(()));
        assert!(queue.borrow().is_empty());
    }

    #[test]
    fn one_wrong_bit_in_the_middle_of_a_message_is_found_by_the_checking_pass() {
        let queue = Queue::default();
        let mut side = side(&queue);
        side.send_numbered(100);
        queue.borrow_mut()[50][3] ^= 1 << 40;
        assert_eq!(side.receive_numbered(100), Err(Damaged));
    }

    #[test]
    fn a_lost_lap_of_4096_messages_is_found_by_the_timed_loop() {
        let queue = Queue::default();
        let mut side = side(&queue);
        side.send(5000);
        queue.borrow_mut().drain(100..100 + 4096);
        assert_eq!(side.receive(5000 - 4096), Err(Damaged));
    }
}
