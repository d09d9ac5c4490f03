//! The sender's count of its lossless readers: who is there, who has everything, who has gone without it.

use annulus::{Peer, Status};

/// A lossless reader, as it was last seen.
struct Seen {
    /// Process, and number at its place.
    who: (u32, u64),
    position: u64,
    /// Not on the list of the living any more.
    gone: bool,
}

/// All lossless readers that were ever seen.
#[derive(Default)]
pub struct Roll {
    all: Vec<Seen>,
}

/// What has become of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    /// Have read everything.
    pub done: usize,
    /// Are still at it.
    pub reading: usize,
    /// Have gone before.
    pub lost: usize,
}

impl Roll {
    /// Looks at who is there.
    pub fn call(&mut self, status: &Status) {
        for seen in &mut self.all {
            seen.gone = true;
        }
        for end in &status.consumers {
            let Some(reading) = end.reading else {
                continue;
            };
            let who = (end.pid, end.generation);
            let alive = end.state == Peer::Alive;
            let known = self.all.iter_mut().find(|seen| seen.who == who);
            match known {
                Some(seen) => {
                    seen.position = reading.position;
                    seen.gone = !alive;
                }
                // One that has left is waited for no more, whatever it was.
                None if alive && reading.lossless => self.all.push(Seen {
                    who,
                    position: reading.position,
                    gone: false,
                }),
                None => {}
            }
        }
    }

    /// What has become of them, if the stream ends at `end`.
    pub fn count(&self, end: u64) -> Counted {
        let mut counted = Counted::default();
        for seen in &self.all {
            let done = end.wrapping_sub(seen.position).cast_signed() <= 0;
            match (done, seen.gone) {
                (true, _) => counted.done += 1,
                (false, false) => counted.reading += 1,
                (false, true) => counted.lost += 1,
            }
        }
        counted
    }
}
