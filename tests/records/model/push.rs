//! What goes into the ring of the model: pushes and claims of every sort, each with the answer it must get.

use super::{Model, Record};
use crate::common::rng::Rng;
use crate::kinds::{Hands, Kind};
use annulus::{PushError, TryPushError, Wait};
use std::collections::VecDeque;
use std::time::Instant;

impl<K: Kind, M: Hands> Model<K, M> {
    fn length(&mut self) -> usize {
        let max = self.shape.max_record() as u64;
        (match self.rng.below(16) {
            0..=2 => self.rng.pick(&[0, 1, 7, 8, 9]),
            3 => self
                .rng
                .pick(&[max - 1, max, max, max + 1, 2 * max, u64::MAX >> 16]),
            4 => self.rng.pick(&[55, 56, 57, 63, 64, 65]).min(max),
            5..=10 => self.rng.below(65),
            11..=14 => self.rng.below(max / 4 + 1),
            _ => self.rng.below(max + 1),
        }) as usize
    }

    /// A record of a random length. One that is too long by far is not made in full: its length is given back
    /// instead.
    fn record(&mut self) -> Result<Record, usize> {
        let len = self.length();
        if len > self.pool.len() / 2 {
            return Err(len);
        }
        let from = self.rng.below(self.pool.len() as u64 / 2) as usize;
        let bytes = self.pool[from..from + len].to_vec();
        Ok((self.rng.next() as u16, bytes))
    }

    /// Any producer, attached if need be.
    pub(super) fn tx(&mut self) -> usize {
        let i = self.rng.below(self.txs.len() as u64) as usize;
        if self.txs[i].is_none() {
            let tx = self.ring.producer().expect("a free place");
            self.txs[i] = Some(M::producer(tx));
        }
        i
    }

    pub(super) fn push(&mut self) {
        let i = self.tx();
        let Ok((tag, bytes)) = self.record() else {
            return;
        };
        let verdict = self.verdict(bytes.len());
        let mut tag = tag;
        let tx = self.txs[i].as_mut().expect("attached");
        let wait = Wait::spin();
        let waited = |outcome: Result<(), PushError>| match outcome {
            Ok(()) => Ok(()),
            Err(PushError::TimedOut) => Err(TryPushError::Full),
            Err(PushError::TooLong(e)) => Err(TryPushError::TooLong(e)),
            Err(e) => panic!("{e}"),
        };
        let outcome = match self.rng.below(8) {
            0 | 1 => tx.try_push_tagged(tag, &bytes),
            2 => {
                let (a, b) = bytes.split_at(self.rng.below(bytes.len() as u64 + 1) as usize);
                let (b, c) = b.split_at(b.len() / 2);
                tx.try_push_vectored(tag, &[a, &[], b, c])
            }
            // Waiting for ever is for those who will not have to.
            3 if verdict.is_ok() => waited(tx.push_tagged(tag, &bytes, wait)),
            4 if verdict.is_ok() => {
                let (a, b) = bytes.split_at(bytes.len() / 3);
                waited(tx.push_vectored(tag, &[a, b], wait))
            }
            5 => {
                tag = 0;
                waited(tx.push_until(&bytes, wait, Instant::now()))
            }
            _ => {
                tag = 0;
                tx.try_push(&bytes)
            }
        };
        assert_eq!(outcome, verdict.map(|_| ()));
        if let Ok(need) = verdict {
            self.tail += need;
            self.oracle.push_back((tag, bytes));
        }
    }

    pub(super) fn push_many(&mut self) {
        let i = self.tx();
        let n = self.rng.below(8);
        let records: Vec<Vec<u8>> = (0..n)
            .filter_map(|_| self.record().ok())
            .map(|(_, bytes)| bytes)
            .collect();
        // As documented: what takes a quarter of the ring at most, or the first alone.
        let (mut together, mut total) = (0, 0);
        for record in &records {
            let more = total + self.shape.total(record.len());
            let fits = together == 0 || more <= self.shape.capacity / 4;
            if self.too_long(record.len()).is_some() || !fits {
                break;
            }
            (together, total) = (together + 1, more);
        }
        let wanted = match records.first() {
            None => Ok((0, 0)),
            Some(first) => self.verdict(first.len()).map(|one| {
                let all = self.admitted(total);
                all.map_or((1, one), |need| (together, need))
            }),
        };
        let tx = self.txs[i].as_mut().expect("attached");
        let slices: Vec<&[u8]> = records.iter().map(|record| &record[..]).collect();
        let outcome = tx.try_push_many(&slices);
        assert_eq!(outcome, wanted.map(|(sent, _)| sent));
        if let Ok((sent, need)) = wanted {
            self.tail += need;
            let sent = records.into_iter().take(sent);
            self.oracle.extend(sent.map(|bytes| (0, bytes)));
        }
    }

    pub(super) fn claim(&mut self) {
        let i = self.tx();
        let record = self.record();
        let len = record.as_ref().map_or_else(|len| *len, |r| r.1.len());
        let verdict = self.verdict(len);
        let (mut pieces, choice) = (self.rng.clone(), self.rng.below(8));
        let tx = self.txs[i].as_mut().expect("attached");
        let loan = match choice {
            // Waiting for ever is for those who will not have to.
            0 if verdict.is_ok() => Ok(tx.claim_for(len, Wait::spin()).expect("there is room")),
            _ => tx.try_claim(len),
        };
        let mut loan = match loan {
            Err(e) => return assert_eq!(Err(e), verdict),
            Ok(loan) => loan,
        };
        let need = verdict.expect("it was not to be given");
        let (tag, mut bytes) = record.expect("short enough to be made");
        assert_eq!((loan.len(), loan.is_empty()), (len, len == 0));
        write_in_pieces(&mut pieces, &bytes, |at, piece| {
            M::write(&mut loan, at, piece)
        });
        loan.set_tag(tag);
        let shorter = self.rng.below(len as u64 + 1) as usize;
        let padding = need - self.shape.total(len);
        let sent = match choice {
            0..4 => {
                loan.commit();
                Some(len)
            }
            4 | 5 => {
                loan.commit_len(shorter);
                Some(shorter)
            }
            6 => {
                loan.abort();
                None
            }
            _ => {
                drop(loan);
                None
            }
        };
        // The only producer has nothing to give back; one of many leaves padding.
        self.tail += match sent {
            _ if K::MANY => need,
            Some(sent) => padding + self.shape.total(sent),
            None => padding,
        };
        if let Some(sent) = sent {
            bytes.truncate(sent);
            self.oracle.push_back((tag, bytes));
        }
    }

    /// Several producers write at once, and are done in any order.
    pub(super) fn claims_at_once(&mut self) {
        let mut records = Vec::new();
        for _ in 0..self.txs.len() {
            self.tx();
            records.push(self.record());
        }
        let wait = Instant::now();
        let (shape, head) = (self.shape, self.rx.as_ref().expect("held").position());
        let (rx, oracle, rng) = (
            self.rx.as_mut().expect("held"),
            &mut self.oracle,
            &mut self.rng,
        );
        // What is claimed, in order: nothing yet, nothing ever, or a record.
        let mut claims: Vec<Option<Option<Record>>> = Vec::new();
        let mut open = Vec::new();
        for (tx, record) in self.txs.iter_mut().zip(records) {
            let (Some(tx), Ok(record)) = (tx, record) else {
                continue;
            };
            let total = shape.total(record.1.len());
            let need = shape.padding(self.tail, total) + total;
            let fits =
                record.1.len() <= shape.max_record() && self.tail + need <= head + shape.capacity;
            match tx.try_claim(record.1.len()) {
                Ok(mut loan) => {
                    assert!(fits, "claimed although full");
                    M::write(&mut loan, 0, &record.1);
                    loan.set_tag(record.0);
                    open.push((claims.len(), loan, record));
                    claims.push(None);
                    self.tail += need;
                }
                Err(e) => assert!(!fits, "{e}"),
            }
        }
        let mut claims = VecDeque::from(claims);
        let mut passed = 0;
        loop {
            // The consumer goes up to the first that is unfinished.
            let mut got = Vec::new();
            while let Some(Some(None)) = claims.front() {
                claims.pop_front();
                passed += 1;
            }
            let wanted = match (oracle.pop_front(), claims.front()) {
                (Some(record), _) => Some(record),
                (None, Some(Some(_))) => {
                    passed += 1;
                    claims.pop_front().expect("there").expect("finished")
                }
                (None, _) => None,
            };
            let tag = match rng.below(2) {
                0 => rx.try_pop_into(&mut got).ok(),
                _ => rx.pop_into_until(&mut got, Wait::spin(), wait).ok(),
            };
            assert_eq!(tag.map(|tag| (tag, got)), wanted);
            if rng.below(3) > 0 && wanted.is_some() {
                continue;
            }
            if open.is_empty() {
                break;
            }
            let (i, loan, mut record) = open.swap_remove(rng.below(open.len() as u64) as usize);
            claims[i - passed] = Some(match rng.below(4) {
                0 => {
                    loan.abort();
                    None
                }
                1 => {
                    let shorter = record.1.len() / 2;
                    loan.commit_len(shorter);
                    record.1.truncate(shorter);
                    Some(record)
                }
                _ => {
                    loan.commit();
                    Some(record)
                }
            });
        }
        oracle.extend(claims.into_iter().filter_map(|c| c.expect("finished")));
    }
}

/// Writes all of `bytes`, some of it twice, in an order that is not theirs.
fn write_in_pieces(rng: &mut Rng, bytes: &[u8], mut write: impl FnMut(usize, &[u8])) {
    let cut = rng.below(bytes.len() as u64 + 1) as usize;
    let (front, back) = bytes.split_at(cut);
    write(cut, back);
    let twice = rng.below(cut as u64 + 1) as usize;
    write(twice, &vec![0xee; cut - twice]);
    write(0, front);
}
