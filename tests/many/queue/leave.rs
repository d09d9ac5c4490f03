//! Ends of the model's ring come and go, some with something in hand, and at last the stream ends.

use super::ends::{Rx, Shared, Tx};
use super::{Model, Slot};
use annulus::{EndpointError, Peer, PopError, TryPopError, TryPushError};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

impl<K: Shared> Model<K> {
    /// A producer goes. What it has forgotten becomes tombstones.
    pub(super) fn leave_tx(&mut self) {
        let i = self.tx();
        self.txs[i] = None;
        self.give_up(i);
        // Some stay away for a while.
        if self.rng.below(2) == 0 {
            self.tx();
        }
        self.check();
    }

    /// A consumer goes that has nothing in hand.
    pub(super) fn leave_rx(&mut self) {
        let c = self.rx();
        if K::MANY.1 {
            // Tombstones in hand are nothing.
            if self.hands[c].iter().any(|p| self.slots[p] != Slot::Skip) {
                return;
            }
            self.pass(c);
        } else {
            self.head = self.taken();
            self.hands[c].clear();
        }
        self.rxs[c] = None;
        if self.rng.below(2) == 0 {
            self.rx();
        }
        self.check();
    }

    /// A consumer goes with something in hand: to the others it has died. One of them gets it all, and is told.
    pub(super) fn abandon(&mut self) {
        let c = self.rx();
        self.pass(c);
        let mut orphans = std::mem::take(&mut self.hands[c]);
        self.rxs[c] = None;
        if orphans.is_empty() {
            return self.check();
        }
        let dead = |model: &Self| {
            let status = model.ring.status().expect("the kernel answers");
            status
                .consumers
                .iter()
                .filter(|end| end.state == Peer::Died)
                .count()
        };
        assert_eq!(dead(self), 1);
        if self.drops {
            return self.drop_all(orphans);
        }
        let r = self.rx();
        let until = Instant::now() + Duration::from_secs(20);
        while dead(self) > 0 || orphans.iter().any(|p| self.slots[p] != Slot::Skip) {
            assert!(Instant::now() < until, "{orphans:?} were not delivered");
            let soon = Instant::now() + Duration::from_millis(2);
            let rx = self.rxs[r].as_mut().expect("attached");
            match rx.pop_until(self.shape.size, soon) {
                Ok(bytes) if rx.redelivered() => {
                    assert!(self.find(r, 1).is_none(), "others come first");
                    let mut orphans =
                        std::iter::from_fn(|| self.slots.remove(&orphans.pop_front()?));
                    assert_eq!(
                        orphans.find(|slot| *slot != Slot::Skip),
                        Some(Slot::Ready(bytes))
                    );
                }
                Ok(bytes) => {
                    assert_eq!(
                        Some(bytes),
                        self.next(r, false).ok().map(|(_, bytes)| bytes)
                    );
                }
                Err(e) => {
                    assert_eq!(e, PopError::TimedOut);
                    assert_eq!(self.find(r, 1), None);
                }
            }
        }
        for position in orphans {
            self.slots.remove(&position);
        }
        // So that nobody is told of old news.
        self.rxs[r] = None;
        self.check();
    }

    /// The same where the ring drops: nobody gets it. A consumer without work sees to that, or somebody who takes no part.
    fn drop_all(&mut self, orphans: VecDeque<u64>) {
        let messages = orphans.iter().filter(|p| self.slots[*p] != Slot::Skip);
        let messages = messages.count() as u64;
        self.dropped += messages;
        if self.rng.below(2) == 0 {
            let done = self.ring.repair().expect("the kernel answers");
            assert_eq!((done.dropped, done.is_complete()), (messages, true));
            // Whoever comes buries the dead one.
            drop(K::rx(&self.ring).expect("one place more"));
        } else {
            let r = self.rx();
            let until = Instant::now() + Duration::from_secs(20);
            let settled = |model: &Self| {
                let status = model.ring.status().expect("the kernel answers");
                let dead = status.consumers.iter().any(|end| end.state == Peer::Died);
                status.dropped == model.dropped && !dead
            };
            while !settled(self) {
                assert!(Instant::now() < until, "{orphans:?} were not dropped");
                let soon = Instant::now() + Duration::from_millis(2);
                let rx = self.rxs[r].as_mut().expect("attached");
                match rx.pop_until(self.shape.size, soon) {
                    Ok(bytes) => {
                        let next = self.next(r, false).ok().map(|(_, bytes)| bytes);
                        assert_eq!(Some(bytes), next);
                    }
                    Err(e) => {
                        assert_eq!(e, PopError::TimedOut);
                        assert_eq!(self.find(r, 1), None);
                    }
                }
            }
        }
        for position in orphans {
            self.slots.remove(&position);
        }
        self.check();
    }

    /// The end of the stream, by one side or the other.
    pub(super) fn close(mut self) {
        self.check();
        if self.rng.below(2) == 0 {
            self.close_by_producer();
        } else {
            self.close_by_consumer();
        }
    }

    fn close_by_producer(mut self) {
        let i = self.tx();
        self.txs[i].take().expect("attached").close();
        self.give_up(i);
        self.closed = true;
        assert!(matches!(K::tx(&self.ring), Err(EndpointError::Closed)));
        self.refuse();
        self.drain_all();
        // Who comes now is told at once.
        let c = self.rx();
        self.pop_by(c);
    }

    fn close_by_consumer(mut self) {
        let c = self.rx();
        while !self.hands[c].is_empty() {
            self.pop_by(c);
        }
        self.rxs[c].take().expect("attached").close();
        self.closed = true;
        if !K::MANY.1 {
            assert!(matches!(K::rx(&self.ring), Err(EndpointError::Closed)));
        }
        match K::tx(&self.ring) {
            Err(EndpointError::Closed) => {}
            Err(EndpointError::Occupied { .. } | EndpointError::NoPlace { .. }) => {
                assert!(self.txs.iter().all(Option::is_some));
            }
            other => panic!("{:?}", other.err()),
        }

        if K::MANY.0 {
            self.refuse();
        }
        if K::MANY.1 {
            self.drain_all();
            for rx in &mut self.rxs {
                *rx = None;
            }
            // Who comes now is told at once.
            let c = self.rx();
            self.pop_by(c);
        }
    }

    /// Nobody can push any more. What was forgotten is given up on the way.
    fn refuse(&mut self) {
        for i in 0..self.txs.len() {
            let bytes = self.message();
            if let Some(tx) = &mut self.txs[i] {
                assert_eq!(tx.push(&bytes), Err(TryPushError::Closed));
                assert_eq!(tx.push_many(&[bytes]), Err(TryPushError::Closed));
                self.give_up(i);
            }
        }
    }

    /// Consumers take turns until each was told that it is over.
    fn drain_all(&mut self) {
        while self.head < self.tail || self.hands.iter().any(|hands| !hands.is_empty()) {
            let c = self.rng.below(self.rxs.len() as u64) as usize;
            if self.rxs[c].is_none() {
                // A newcomer finds what is left.
                self.rxs[c] = Some(K::rx(&self.ring).expect("a free place"));
            }
            self.pop_by(c);
        }
        assert!(self.slots.is_empty(), "{:?}", self.slots);
        for rx in self.rxs.iter_mut().flatten() {
            assert_eq!(rx.pop(), Err(TryPopError::Closed));
        }
    }
}
