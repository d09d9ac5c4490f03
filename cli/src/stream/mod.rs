//! `send` and `recv`: a stream of bytes, or one of every sender, through one ring.
//!
//! `broadcast` and `shared` are for several receivers and say what holds there. Invariants of one receiver:
//! * A ring serves one receiver. An end that finds traces of another one leaves it alone and says so.
//! * A sender sends nothing before a living receiver is there, so a ring whose sender died waiting is empty and can be
//!   used by the next.
//! * A sender succeeds only when the receiver has released its end record, which it does only after writing everything
//!   before it and finding the checksum right.
//! * While it lives only the receiver removes the ring; the last sender removes it when the receiver is gone and the name
//!   still leads to it. Meanwhile nobody else takes that end of the ring, so no ring of somebody else is removed.

mod broadcast;
mod choose;
mod desk;
pub mod format;
mod kind;
mod meet;
mod open;
pub mod output;
mod pieces;
mod progress;
pub mod recv;
pub mod send;
mod shared;
mod side;

use crate::exit::{self, Failure};
use crate::sys;
use annulus::{Backing, Corrupt, Kind, Peer, Ring};
use std::io;
use std::time::{Duration, Instant};

/// How long an end waits before it looks whether it is still wanted. Longer than the ring's own look at its peer (40 ms),
/// so that a death is noticed by the ring first.
pub const TICK: Duration = Duration::from_millis(100);
/// How long an end that gives up waits for the other to take notice.
pub const PARTING: Duration = Duration::from_secs(1);
/// Nothing is known of a peer in a System V ring that was removed under it: its liveness token is gone with the name. If
/// nothing moves there for so long, the stream is given up.
const SILENCE: Duration = Duration::from_secs(5);

/// Why a stream ended before its end.
#[derive(Debug)]
pub enum Stop {
    /// This process was told to stop.
    Signal(i32),
    /// The other end was killed.
    PeerDied,
    /// The other end stopped in order, or not in order but alive.
    PeerStopped(String),
    /// Reading the input failed.
    Input(io::Error),
    /// The input is not what the command line says it is.
    Malformed(String),
    /// Writing the output failed.
    Output(io::Error),
    /// What came is not what was sent.
    Damaged(String),
    /// The ring was removed, and nothing moves any more.
    Removed,
}

impl From<Corrupt> for Stop {
    fn from(e: Corrupt) -> Self {
        Self::Damaged(e.to_string())
    }
}

impl Stop {
    /// What the user is told; `other` is "sender" or "receiver", `moved` how many bytes went through.
    pub fn failure(self, other: &str, moved: u64) -> Failure {
        let after = format!("after {} bytes", crate::words::grouped(moved));
        let failed = |message: String| Failure::new(exit::Kind::Failed, message);
        match self {
            Self::Signal(number) => {
                Failure::new(exit::Kind::Signal(number), format!("interrupted {after}"))
            }
            Self::PeerDied => failed(format!(
                "the {other} died {after}; the stream is incomplete: start both ends again"
            )),
            Self::PeerStopped(why) => failed(format!("{why} {after}; the stream is incomplete")),
            Self::Input(e) => failed(format!("reading the input {after}: {e}")),
            Self::Malformed(what) => failed(what),
            Self::Output(e) if e.kind() == io::ErrorKind::BrokenPipe => {
                failed(format!("whoever read the output stopped reading {after}"))
            }
            Self::Output(e) if e.kind() == io::ErrorKind::StorageFull => failed(format!(
                "writing the output {after}: {e}; free some space and start both ends again"
            )),
            Self::Output(e) => failed(format!("writing the output {after}: {e}")),
            Self::Damaged(what) => failed(format!("{what}; {after} the stream cannot be trusted")),
            Self::Removed => failed(format!(
                "the ring was removed and nothing has moved for {} s {after}",
                SILENCE.as_secs()
            )),
        }
    }
}

/// What an end does every [`TICK`] it spends waiting.
#[derive(Debug)]
struct Watch {
    deadline: Instant,
    mark: u64,
    moved_at: Instant,
}

impl Watch {
    fn new() -> Self {
        let now = Instant::now();
        Self {
            deadline: now + TICK,
            mark: 0,
            moved_at: now,
        }
    }

    /// Until when to wait before calling [`Watch::tick`].
    fn deadline(&self) -> Instant {
        self.deadline
    }

    /// The other end is not what is waited for.
    fn rest(&mut self) {
        self.moved_at = Instant::now();
    }

    /// The deadline has passed: is there still a reason to wait? `peer` is the state of the other end, `mark` a number
    /// that is another one whenever it has done something.
    fn tick<K: Kind>(&mut self, mark: u64, peer: Peer, ring: &Ring<K>) -> Result<(), Stop> {
        let now = Instant::now();
        self.deadline = now + TICK;
        if mark != self.mark {
            self.mark = mark;
            self.moved_at = now;
        }
        if let Some(signal) = sys::stop_signal() {
            return Err(Stop::Signal(signal));
        }
        if peer == Peer::Died {
            return Err(Stop::PeerDied);
        }
        let blind = matches!(ring.backing(), Backing::SysV { .. }) && !ring.is_current();
        if blind && now.duration_since(self.moved_at) > SILENCE {
            return Err(Stop::Removed);
        }
        Ok(())
    }
}

/// A peer that is no longer there, seen while waiting for it to move. `other` is what it is called.
fn gone(peer: Peer, other: &str) -> Option<Stop> {
    match peer {
        Peer::Died => Some(Stop::PeerDied),
        Peer::Left => Some(Stop::PeerStopped(format!("the {other} left"))),
        Peer::Never | Peer::Alive => None,
    }
}
