//! What comes out of the model's ring: each message once, in order, byte for byte.

use super::ends::{Rx, Shared};
use super::{Model, Slot};
use annulus::{PopError, TryPopError};
use std::time::Instant;

impl<K: Shared> Model<K> {
    /// What a consumer must be told that finds nothing.
    fn nothing(&self) -> TryPopError {
        match self.closed && self.head == self.tail {
            true => TryPopError::Closed,
            false => TryPopError::Empty,
        }
    }

    /// What the next pop of consumer `c` must give. Taken, unless it stays.
    pub(super) fn next(&mut self, c: usize, stays: bool) -> Result<(u64, Vec<u8>), TryPopError> {
        let Some(bytes) = self.find(c, 1) else {
            return Err(self.nothing());
        };
        let position = self.shape.start + self.hands[c][0];
        if !stays {
            self.release(c);
        }
        Ok((position, bytes))
    }

    pub(super) fn pop(&mut self) {
        let c = self.rx();
        self.pop_by(c);
    }

    pub(super) fn pop_by(&mut self, c: usize) {
        let wanted = self.next(c, false).map(|(_, bytes)| bytes);
        let size = self.shape.size;
        let choice = self.rng.below(4);
        let rx = self.rxs[c].as_mut().expect("attached");
        let got = match choice {
            0 => rx.pop_until(size, Instant::now()).map_err(|e| match e {
                PopError::TimedOut => TryPopError::Empty,
                PopError::Closed => TryPopError::Closed,
                e => panic!("{e}"),
            }),
            1 => rx.pop_into(size),
            _ => rx.pop(),
        };
        assert_eq!(got, wanted);
        assert!(!rx.redelivered());
    }

    pub(super) fn sample(&mut self) {
        let c = self.rx();
        let stays = self.rng.below(3) == 0;
        let wanted = self.next(c, stays);
        let rx = self.rxs[c].as_mut().expect("attached");
        // Positions of slots have 62 bits.
        let same = |(position, bytes)| (position % (1 << 62), bytes);
        let got = rx.sample(self.shape.size, stays);
        assert_eq!(got.map(same), wanted.map(same));
    }

    pub(super) fn drain(&mut self) {
        let c = self.rx();
        let n = match self.rng.below(8) {
            0 => self.rng.below(2 * self.shape.capacity + 2),
            _ => self.rng.below(6),
        } as usize;
        // Some are dropped half-way.
        let most = match self.rng.below(3) {
            0 => self.rng.below(n as u64 + 1) as usize,
            _ => n + 1,
        };
        let mut wanted = Vec::new();
        if n > 0 && K::MANY.1 {
            let _ = self.find(c, n as u64);
        }
        while wanted.len() < most.min(n) {
            if K::MANY.1 {
                self.pass(c);
            } else {
                let _ = self.find(c, 1);
            }
            if self.hands[c].is_empty() {
                break;
            }
            let Slot::Ready(bytes) = self.release(c) else {
                unreachable!("passed over")
            };
            wanted.push(bytes);
        }
        let rx = self.rxs[c].as_mut().expect("attached");
        assert_eq!(rx.drain(n, most), wanted);
    }
}
