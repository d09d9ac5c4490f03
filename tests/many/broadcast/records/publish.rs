//! What is published in the model's broadcast of records, and what must be refused.

use super::{Model, Record};
use annulus::{Laggards, PushError, TooLong, TryPushError, Wait};
use std::time::Instant;

impl Model {
    /// Attaches the producer if need be.
    pub(super) fn attach(&mut self) {
        if self.tx.is_none() {
            let mut tx = self.ring.producer().expect("left in order");
            assert_eq!(
                tx.sequence(),
                self.records.len() as u64,
                "goes on where the last stopped"
            );
            self.refusals = 0;
            tx.laggards(self.laggards);
            self.tx = Some(tx);
        }
    }

    fn length(&mut self) -> usize {
        let max = self.shape.max() as u64;
        (match self.rng.below(16) {
            0..=2 => self.rng.pick(&[0, 1, 7, 8, 9]),
            3 => self.rng.pick(&[max - 1, max, max, max + 1, 2 * max]),
            4 => self.rng.pick(&[55, 56, 57, 63, 64, 65]).min(max),
            5..=10 => self.rng.below(65).min(max),
            11..=14 => self.rng.below(max / 4 + 1),
            _ => self.rng.below(max + 1),
        }) as usize
    }

    fn bytes(&mut self) -> Vec<u8> {
        let len = self.length();
        let from = self.rng.below((self.pool.len() - len) as u64 + 1) as usize;
        self.pool[from..from + len].to_vec()
    }

    /// What `total` bytes take at the end, padding included.
    fn need(&self, total: u64) -> u64 {
        let room = self.shape.capacity - self.end % self.shape.capacity;
        if total <= room { total } else { room + total }
    }

    fn fits(&self, total: u64) -> bool {
        self.need(total) + self.behind() <= self.reach()
    }

    /// What a push of `len` bytes that does not wait must give. Laggards may lose their standing over it.
    fn verdict(&mut self, len: usize) -> Result<(), TryPushError> {
        let max = self.shape.max();
        if len > max {
            return Err(TryPushError::TooLong(TooLong { len, max }));
        }
        let need = self.need(self.shape.total(len));
        if need >= self.shape.capacity / 2 {
            self.large = self.end + 2 * self.shape.capacity;
        }
        if self.fits(self.shape.total(len)) {
            self.refusals = 0;
            return Ok(());
        }
        self.refusals += 1;
        match self.laggards {
            Laggards::Demote { patience } if self.refusals > patience => {
                let (end, reach) = (self.end, self.reach());
                for reader in self.readers.iter_mut().flatten() {
                    reader.lossless &= end - reader.told + need <= reach;
                }
                self.refusals = 0;
                Ok(())
            }
            _ => Err(TryPushError::Full),
        }
    }

    /// Padding goes first, if `total` bytes need it.
    fn pad(&mut self, total: u64) {
        self.end += self.need(total) - total;
        self.begins.insert(self.end, self.records.len());
    }

    fn publish(&mut self, tag: u16, bytes: Vec<u8>) {
        let position = self.end;
        self.end += self.shape.total(bytes.len());
        self.records.push(Record {
            position,
            tag,
            bytes,
        });
        self.begins.insert(self.end, self.records.len());
    }

    pub(super) fn push(&mut self) {
        self.attach();
        let (bytes, mut tag) = (self.bytes(), self.rng.next() as u16);
        let choice = self.rng.below(4);
        let wanted = match choice {
            0 if bytes.len() <= self.shape.max() && !self.fits(self.shape.total(bytes.len())) => {
                // The room it waits for was promised.
                self.large = self.end + 2 * self.shape.capacity;
                Err(TryPushError::Full)
            }
            _ => self.verdict(bytes.len()),
        };
        let tx = self.tx.as_mut().expect("attached");
        let got = match choice {
            0 => {
                let got = tx.push_tagged_until(tag, &bytes, Wait::spin(), Instant::now());
                got.map_err(|e| match e {
                    PushError::TimedOut => TryPushError::Full,
                    PushError::TooLong(e) => TryPushError::TooLong(e),
                    e => panic!("{e}"),
                })
            }
            1 => {
                let (a, b) = bytes.split_at(bytes.len() / 3);
                tx.try_push_vectored(tag, &[a, &[], b])
            }
            2 => {
                tag = 0;
                tx.try_push(&bytes)
            }
            _ => tx.try_push_tagged(tag, &bytes),
        };
        assert_eq!(got, wanted);
        if wanted.is_ok() {
            self.pad(self.shape.total(bytes.len()));
            self.publish(tag, bytes);
        }
    }

    pub(super) fn push_many(&mut self) {
        self.attach();
        let n = self.rng.below(8);
        let all: Vec<_> = (0..n).map(|_| self.bytes()).collect();
        // As documented: what takes a quarter of the ring at most, or the first alone.
        let (mut together, mut total) = (0, 0);
        for bytes in &all {
            let more = total + self.shape.total(bytes.len());
            let fits = together == 0 || more <= self.shape.capacity / 4;
            if bytes.len() > self.shape.max() || !fits {
                break;
            }
            (together, total) = (together + 1, more);
        }
        let wanted = match all.first() {
            None => Ok(0),
            Some(_) if together > 0 && self.fits(total) => {
                // Also for what it takes of the ring, should that be much.
                let _ = self.verdict(all[0].len());
                self.refusals = 0;
                Ok(together)
            }
            Some(first) => {
                total = self.shape.total(first.len());
                self.verdict(first.len()).map(|()| 1)
            }
        };
        let slices: Vec<&[u8]> = all.iter().map(|bytes| &bytes[..]).collect();
        let tx = self.tx.as_mut().expect("attached");
        assert_eq!(tx.try_push_many(&slices), wanted);
        let sent = wanted.unwrap_or(0);
        if sent > 0 {
            self.pad(total);
        }
        all.into_iter()
            .take(sent)
            .for_each(|bytes| self.publish(0, bytes));
    }

    pub(super) fn claim(&mut self) {
        self.attach();
        let (mut bytes, tag) = (self.bytes(), self.rng.next() as u16);
        let wanted = self.verdict(bytes.len());
        let (choice, shorter) = (self.rng.below(6), self.rng.below(bytes.len() as u64 + 1));
        let tx = self.tx.as_mut().expect("attached");
        let mut loan = match tx.try_claim(bytes.len()) {
            Err(e) => return assert_eq!(Err(e), wanted),
            Ok(loan) => loan,
        };
        assert_eq!(wanted, Ok(()));
        assert_eq!(loan.len(), bytes.len());
        loan.write_at(0, &bytes);
        loan.set_tag(tag);
        let total = self.shape.total(bytes.len());
        let sent = match choice {
            0 => {
                loan.abort();
                false
            }
            1 => {
                std::mem::forget(loan);
                false
            }
            2 => {
                bytes.truncate(shorter as usize);
                loan.commit_len(bytes.len());
                true
            }
            _ => {
                loan.commit();
                true
            }
        };
        self.pad(total);
        if sent {
            self.publish(tag, bytes);
        } else {
            // Whether a claim that came to nothing ends a row of refusals is nobody's business.
            self.tx = None;
        }
    }

    pub(super) fn change_producer(&mut self) {
        self.attach();
        let patience = self.rng.below(4);
        self.laggards = self
            .rng
            .pick(&[Laggards::Wait, Laggards::Demote { patience }]);
        let tx = self.tx.as_mut().expect("attached");
        tx.laggards(self.laggards);
        if self.rng.below(2) == 0 {
            self.tx = None;
        }
    }
}
