//! What goes into the model's ring: pushes and claims of every sort, each with the answer it must get.

use super::ends::{Fate, Shared, Tx};
use super::{Model, Slot};
use annulus::{PushError, TryPushError};

impl<K: Shared> Model<K> {
    /// Producer `i` turns to another claim.
    fn begin(&mut self, i: usize) -> Result<(), TryPushError> {
        self.give_up(i);
        match self.free(1) {
            _ if self.closed => Err(TryPushError::Closed),
            0 => Err(TryPushError::Full),
            _ => Ok(()),
        }
    }

    fn append(&mut self, slot: Slot) {
        self.slots.insert(self.tail, slot);
        self.tail += 1;
    }

    pub(super) fn push(&mut self) {
        let i = self.tx();
        let verdict = self.begin(i);
        let bytes = self.message();
        let waits = self.rng.below(4) == 0;
        let tx = self.txs[i].as_mut().expect("attached");
        let outcome = if waits {
            tx.push_now(&bytes).map_err(|e| match e {
                PushError::TimedOut => TryPushError::Full,
                PushError::Closed => TryPushError::Closed,
                e => panic!("{e}"),
            })
        } else {
            tx.push(&bytes)
        };
        assert_eq!(outcome, verdict);
        if verdict.is_ok() {
            self.append(Slot::Ready(bytes));
        }
    }

    fn messages(&mut self) -> Vec<Vec<u8>> {
        let n = match self.rng.below(8) {
            0 => self.rng.below(2 * self.shape.capacity + 2),
            _ => self.rng.below(6),
        };
        (0..n).map(|_| self.message()).collect()
    }

    pub(super) fn push_many(&mut self) {
        let i = self.tx();
        let all = self.messages();
        let n = match <K::Cargo as crate::cargo::Cargo>::SIZE {
            Some(_) => all.len() as u64,
            // Bytes go in one by one.
            None => all.len().min(1) as u64,
        };
        let wanted = match n {
            // Nothing is asked of the ring, so nothing forgotten is given up.
            0 => Ok(0),
            n => self.begin(i).map(|()| self.free(n) as usize),
        };
        let tx = self.txs[i].as_mut().expect("attached");
        assert_eq!(tx.push_many(&all), wanted);
        for bytes in all.into_iter().take(wanted.unwrap_or(0)) {
            self.append(Slot::Ready(bytes));
        }
    }

    pub(super) fn claim(&mut self) {
        let i = self.tx();
        let verdict = self.begin(i);
        let bytes = self.message();
        let fate = match self.rng.below(8) {
            0 => Fate::Abort,
            1 => Fate::Drop,
            2 => Fate::Forget,
            _ => Fate::Commit(1),
        };
        let wanted = verdict.map(|()| self.shape.start + self.tail);
        let tx = self.txs[i].as_mut().expect("attached");
        // A shared tail has 62 bits.
        let same = |position: u64| position % (1 << 62);
        assert_eq!(tx.claim(&bytes, fate).map(same), wanted.map(same));
        if verdict.is_ok() {
            self.settle(i, vec![bytes], fate);
        }
    }

    pub(super) fn claim_many(&mut self) {
        let i = self.tx();
        let mut all = self.messages();
        if all.is_empty() {
            all.push(self.message());
        }
        let wanted = self.begin(i).map(|()| self.free(all.len() as u64) as usize);
        let (choice, sent) = (self.rng.below(8), self.rng.next());
        let mut chosen = Fate::Drop;
        let tx = self.txs[i].as_mut().expect("attached");
        let fate = |n: usize| {
            chosen = match choice {
                0 => Fate::Abort,
                1 => Fate::Drop,
                2 => Fate::Forget,
                3..=5 => Fate::Commit(sent as usize % (n + 1)),
                _ => Fate::Commit(n),
            };
            chosen
        };
        assert_eq!(tx.claim_many(&all, fate), wanted);
        if let Ok(n) = wanted {
            all.truncate(n);
            self.settle(i, all, chosen);
        }
    }

    /// What was claimed by `i` for `all` has come to `fate`.
    fn settle(&mut self, i: usize, all: Vec<Vec<u8>>, fate: Fate) {
        let sent = match fate {
            Fate::Commit(sent) => sent,
            _ => 0,
        };
        for (n, bytes) in all.into_iter().enumerate() {
            match fate {
                _ if n < sent => self.append(Slot::Ready(bytes)),
                // One producer alone has claimed nothing.
                _ if !K::MANY.0 => {}
                Fate::Forget => self.append(Slot::Claimed(i)),
                _ => self.append(Slot::Skip),
            }
        }
    }
}
