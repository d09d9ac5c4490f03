//! The loops over a queue that loses, repeats, swaps or damages messages on request.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use super::super::super::shared::Shared;
use super::super::content::sum_of;
use super::*;

#[derive(Clone, Default)]
struct Queue(Rc<RefCell<VecDeque<Slot>>>);

impl Tx for Queue {
    fn try_send(&mut self, message: &Slot) -> bool {
        self.0.borrow_mut().push_back(*message);
        true
    }
}

impl Rx for Queue {
    fn try_receive(&mut self, take: &mut impl FnMut(&Slot)) -> bool {
        let message = self.0.borrow_mut().pop_front();
        message.as_ref().map(take).is_some()
    }
}

fn many(sharing: Sharing, producers: u32, batch: u32) -> Many {
    Many {
        sharing,
        producers,
        consumers: 1,
        batch,
        cores: 2,
    }
}

/// What the only consumer says of a checked pass in which `damage` was done on the way.
fn checked(many: Many, damage: impl FnOnce(&mut VecDeque<Slot>)) -> Result<(), Damaged> {
    let queue = Queue::default();
    let books = Shared::<Books>::new().unwrap();
    for which in 0..many.producers {
        let mut sender = Sender::new(queue.clone(), which, many);
        sender.send_numbered(many.share(many.checked(), which));
    }
    damage(&mut queue.0.borrow_mut());
    Receiver::new(queue, many).receive_numbered(&books)
}

#[test]
fn what_several_producers_sent_is_accepted_and_its_sum_is_entered() {
    for batch in [1, 16] {
        let many = many(Sharing::Competing, 3, batch);
        assert_eq!(checked(many, |_| ()), Ok(()));
        let queue = Queue::default();
        let books = Shared::<Books>::new().unwrap();
        for which in 0..3 {
            Sender::new(queue.clone(), which, many).send(500);
        }
        let mut receiver = Receiver::new(queue.clone(), many);
        assert_eq!(receiver.receive(1500, &books), Ok(()));
        let expected: u64 = (0..3).map(|which| sum_of(which, 500)).sum();
        assert_eq!(books.timed.sum(), expected);
    }
}

#[test]
fn a_message_twice_out_of_order_damaged_or_invented_is_found_by_the_checking_pass() {
    for sharing in [Sharing::Competing, Sharing::Broadcast] {
        let many = many(sharing, 1, 1);
        assert_eq!(checked(many, |_| ()), Ok(()));
        assert_eq!(checked(many, |queue| queue[8] = queue[7]), Err(Damaged));
        assert_eq!(checked(many, |queue| queue.swap(7, 8)), Err(Damaged));
        assert_eq!(checked(many, |queue| queue[7][3] ^= 1), Err(Damaged));
        assert_eq!(
            checked(many, |queue| queue[7] = content::message(1, 7)),
            Err(Damaged)
        );
    }
}

#[test]
fn a_lost_lap_of_a_broadcast_is_found_by_the_timed_loop() {
    let many = many(Sharing::Broadcast, 1, 16);
    let queue = Queue::default();
    let books = Shared::<Books>::new().unwrap();
    Sender::new(queue.clone(), 0, many).send(5000);
    queue.0.borrow_mut().drain(100..100 + 4096);
    let mut receiver = Receiver::new(queue, many);
    assert_eq!(receiver.receive(5000 - 4096, &books), Err(Damaged));
}
