//! What the readers of the model's broadcast of records get.

use super::{Model, Reading};
use annulus::{Join, JoinError, ReadError, Resume, TryReadError, Wait};
use std::time::Instant;

impl Model {
    /// Any reader's place, with one in it if there is to be one.
    fn reader(&mut self) -> usize {
        let i = self.rng.below(self.readers.len() as u64) as usize;
        if self.readers[i].is_none() {
            self.join(i);
        }
        i
    }

    /// A position to join at: where something begins, near that, or anywhere.
    fn some_position(&mut self) -> u64 {
        let from = self
            .end
            .saturating_sub(self.rng.below(2 * self.shape.capacity));
        let begins = self.begins.range(from..).next().expect("the end at least");
        match self.rng.below(8) {
            0 => self
                .rng
                .pick(&[0, 1, self.end + 8, self.end + 64, u64::MAX, u64::MAX - 63]),
            1 => from,
            2 => begins.0 + 8,
            _ => *begins.0,
        }
    }

    pub(super) fn join(&mut self, i: usize) {
        let lossless = self.rng.below(3) == 0;
        let join = match self.rng.below(3) {
            0 => Join::Newest,
            1 => Join::Oldest,
            _ => Join::At(self.some_position()),
        };
        let attach = |join| match lossless {
            true => self.ring.lossless_reader(join),
            false => self.ring.reader(join),
        };
        let rx = match (attach(join), join) {
            (Ok(rx), _) => rx,
            (Err(JoinError::Gone { oldest, newest }), Join::At(position)) => {
                assert_eq!(newest, self.end);
                assert!(self.begins.contains_key(&oldest) && !self.is_overtaken(oldest));
                let is_there = self.begins.contains_key(&position) && position >= oldest;
                assert!(!is_there, "{position} is there");
                attach(Join::At(oldest)).expect("it is there")
            }
            (Err(e), _) => panic!("{e}"),
        };
        let position = rx.position();
        let next = *self.begins.get(&position).expect("something begins there");
        assert!(!self.is_overtaken(position));
        if join == Join::Newest {
            assert_eq!(position, self.end);
        }
        self.readers[i] = Some(Reading {
            next,
            told: position,
            joined: next,
            lossless,
            resume: Resume::Oldest,
            received: 0,
            lost: 0,
            skipped: 0,
            rx,
        });
    }

    pub(super) fn read(&mut self) {
        let i = self.reader();
        if self.rng.below(5) == 0 {
            self.latest_by(i);
        } else {
            self.read_by(i);
        }
    }

    fn nothing(&self) -> TryReadError {
        match self.closed {
            true => TryReadError::Closed,
            false => TryReadError::Empty,
        }
    }

    pub(super) fn read_by(&mut self, i: usize) {
        let waits = self.rng.below(4) == 0;
        let nothing = self.nothing();
        let reader = self.readers[i].as_mut().expect("joined");
        let (rx, next) = (&mut reader.rx, reader.next);
        let before = rx.position();
        let mut out = vec![7; 3];
        let got = if waits {
            let got = rx.read_into_until(&mut out, Wait::spin(), Instant::now());
            got.map_err(|e| match e {
                ReadError::TimedOut => TryReadError::Empty,
                ReadError::Lost(n) => TryReadError::Lost(n),
                ReadError::Closed => TryReadError::Closed,
                e => panic!("{e}"),
            })
        } else {
            rx.try_read_into(&mut out)
        };
        let position = reader.rx.position();
        let resume = reader.resume;
        let record = self.records.get(next).cloned();
        // What it can be told, by where it was.
        match (got, record) {
            (Ok(tag), Some(record)) => {
                assert_eq!((tag, &out), (record.tag, &record.bytes));
                assert!(!self.is_overtaken(record.position), "it may be torn");
                assert_eq!(position, record.position + self.shape.total(out.len()));
            }
            (Err(TryReadError::Lost(lost)), Some(_)) => {
                assert!(self.is_overtaken(before), "nothing was lost");
                assert!(lost > 0 && !self.is_overtaken(position));
                assert_eq!(self.begins[&position], next + lost as usize);
                if resume == Resume::Newest {
                    assert_eq!(position, self.end);
                }
            }
            (Err(e), None) => assert_eq!((e, position), (nothing, self.end)),
            // Nothing but padding was lost, or it goes on with the next record to come.
            (got, record) => panic!("{got:?} instead of {record:?}"),
        }
        let reader = self.readers[i].as_mut().expect("joined");
        match got {
            Ok(_) => {
                reader.received += 1;
                reader.next += 1;
            }
            Err(TryReadError::Lost(lost)) => {
                assert!(!reader.lossless, "it was to be waited for");
                reader.lost += lost as usize;
                reader.next += lost as usize;
            }
            Err(_) => {}
        }
        let lost_on_the_way = waits && matches!(got, Err(TryReadError::Lost(_)));
        self.tell(i, got.is_err() && !lost_on_the_way);
    }

    /// The reader says where it is once it has come far, and when it found nothing.
    fn tell(&mut self, i: usize, now: bool) {
        let reader = self.readers[i].as_mut().expect("joined");
        let position = reader.rx.position();
        if now || position - reader.told >= self.shape.capacity / 4 {
            reader.told = position;
        }
    }

    fn latest_by(&mut self, i: usize) {
        let nothing = self.nothing();
        let reader = self.readers[i].as_mut().expect("joined");
        let mut out = vec![7; 3];
        let got = reader.rx.try_latest_into(&mut out);
        let len = self.records.len();
        let position = reader.rx.position();
        let next = std::mem::replace(&mut reader.next, len);
        if got.is_ok() {
            let record = &self.records[len - 1];
            assert!(next < len, "it was read before");
            assert_eq!((got, &out), (Ok(record.tag), &record.bytes));
            assert_eq!(position, record.position + self.shape.total(out.len()));
            reader.skipped += len - 1 - next;
            reader.received += 1;
        } else {
            assert_eq!((got, position), (Err(nothing), self.end));
            reader.skipped += len - next;
            // The newest may be lost, or be lost sight of, only where a large one was on its way.
            let lost = self.records[next..].last();
            assert!(lost.is_none_or(|record| record.position < self.large));
        }
        self.tell(i, got.is_err());
    }

    pub(super) fn change_reader(&mut self) {
        let i = self.reader();
        let reader = self.readers[i].as_mut().expect("joined");
        match self.rng.below(4) {
            0 => {
                reader.resume = self.rng.pick(&[Resume::Oldest, Resume::Newest]);
                reader.rx.resume_at(reader.resume);
            }
            1 => {
                reader.rx.become_lossy();
                reader.lossless = false;
            }
            _ => self.readers[i] = None,
        }
    }
}
