//! What comes out of the ring of the model: each record once, in order, byte for byte.

use super::{Model, Record};
use crate::common::rng::Rng;
use crate::kinds::{Hands, Kind};
use annulus::{PopError, RecordSample, TryPopError, Wait};
use std::time::Instant;

impl<K: Kind, M: Hands> Model<K, M> {
    pub(super) fn pop(&mut self) {
        let wanted = self.oracle.pop_front();
        let rx = self.rx.as_mut().expect("held");
        let mut bytes = vec![7; self.rng.below(100) as usize];
        let got = match self.rng.below(3) {
            0 => match rx.pop_into_until(&mut bytes, Wait::spin(), Instant::now()) {
                Err(PopError::TimedOut) => Err(TryPopError::Empty),
                other => Ok(other.expect("a record or none")),
            },
            1 if wanted.is_some() => Ok(rx.pop_into(&mut bytes, Wait::spin()).expect("a record")),
            _ => rx.try_pop_into(&mut bytes),
        };
        assert_eq!(
            got.map(|tag| (tag, bytes)),
            wanted.ok_or(TryPopError::Empty)
        );
    }

    /// Looks at the first record in every way. It may stay.
    pub(super) fn sample(&mut self) {
        let rx = self.rx.as_mut().expect("held");
        let (choice, wait) = (self.rng.below(8), Wait::spin());
        let peeked = choice >= 5;
        let sample = match choice {
            0 => rx.sample_until(wait, Instant::now()).ok(),
            1 if !self.oracle.is_empty() => Some(rx.sample(wait).expect("a record")),
            1..=4 => found(rx.try_sample()),
            _ => found(rx.try_peek()),
        };
        let Some(sample) = sample else {
            return assert!(self.oracle.is_empty(), "it must be there");
        };
        let wanted = self.oracle.front().expect("nothing is there");
        check_sample(&mut self.rng, &sample, wanted);
        let stays = match self.rng.below(4) {
            0 => {
                sample.keep();
                true
            }
            1 => {
                sample.release();
                false
            }
            _ => {
                drop(sample);
                peeked
            }
        };
        if !stays {
            self.oracle.pop_front();
        }
    }

    pub(super) fn drain(&mut self) {
        let n = self.rng.below(12) as usize;
        let mut drain = self.rx.as_mut().expect("held").drain(n);
        let (mut got, mut bytes) = (0, Vec::new());
        loop {
            let record = if self.rng.below(2) == 0 {
                drain.next_into(&mut bytes).map(|tag| (tag, bytes.clone()))
            } else {
                drain.next_sample().map(|s| (s.tag(), M::read(&s)))
            };
            let Some(record) = record else {
                break;
            };
            assert_eq!(Some(record), self.oracle.pop_front());
            got += 1;
        }
        assert!(got == n || self.oracle.is_empty(), "{got} of {n}");
    }
}

/// A record, or the news that there is none.
fn found<R>(outcome: Result<R, TryPopError>) -> Option<R> {
    match outcome {
        Ok(record) => Some(record),
        Err(TryPopError::Empty) => None,
        Err(e) => panic!("{e}"),
    }
}

/// The sample is `wanted`, in whatever way it is looked at.
fn check_sample<M: Hands>(rng: &mut Rng, sample: &RecordSample<'_, M>, wanted: &Record) {
    let (tag, bytes) = wanted;
    let len = bytes.len();
    assert_eq!((sample.tag(), sample.len()), (*tag, len));
    assert_eq!(sample.is_empty(), bytes.is_empty());
    match rng.below(4) {
        0 => assert_eq!(&M::read(sample), bytes),
        1 => {
            let room = rng.below(2 * len as u64 + 2) as usize;
            let mut out = vec![7; room];
            let n = sample.copy_to(&mut out);
            assert_eq!((n, &out[..n]), (room.min(len), &bytes[..n]));
            assert!(
                out[n..].iter().all(|b| *b == 7),
                "written beyond the record"
            );
        }
        2 => {
            let from = rng.below(len as u64 + 1) as usize;
            let n = rng.below((len - from) as u64 + 1) as usize;
            let mut out = vec![7; n];
            sample.read_at(from, &mut out);
            assert_eq!(out, bytes[from..from + n]);
        }
        _ => {
            assert_eq!(sample.to_vec(), *bytes);
            let array = |n: usize| (len == n).then_some(&bytes[..]);
            assert_eq!(sample.read::<[u8; 0]>().as_ref().map(|a| &a[..]), array(0));
            assert_eq!(sample.read::<[u8; 9]>().as_ref().map(|a| &a[..]), array(9));
            let number = bytes[..].try_into().ok().map(u64::from_le_bytes);
            assert_eq!(sample.read::<u64>(), number);
        }
    }
}
