//! The two ends of a stream as they see each other while they meet.

use super::kind::Streaming;
use annulus::{EndpointError, Peer, RecordConsumer, RecordProducer, Ring, Status};

/// What one end sees of the other.
#[derive(Clone, Copy, Debug)]
pub struct Others {
    /// Somebody living is there.
    pub alive: bool,
    /// It has sent what nobody has taken.
    pub has_sent: bool,
    /// It has closed.
    pub closed: bool,
    /// How many have been there.
    pub comings: u64,
}

/// One of the two ends.
pub trait Side<K: Streaming>: Sized {
    /// What it is called.
    const ME: &'static str;
    /// What the other is called.
    const OTHER: &'static str;
    /// The command that starts the other.
    const OTHER_COMMAND: &'static str;

    /// Takes this end.
    fn attach(ring: &Ring<K>) -> Result<Self, EndpointError>;
    /// Whether nothing is there to be received, as seen from this end.
    fn is_empty(&mut self) -> bool;
    /// Whether a stream may begin here. `empty` is what [`Side::is_empty`] said before `status` was taken.
    fn may_begin(&self, empty: bool, status: &Status) -> bool;
    /// The other end.
    fn others(status: &Status) -> Others;
}

impl<K: Streaming> Side<K> for RecordProducer<K> {
    const ME: &'static str = "sender";
    const OTHER: &'static str = "receiver";
    const OTHER_COMMAND: &'static str = "recv";

    fn attach(ring: &Ring<K>) -> Result<Self, EndpointError> {
        ring.producer()
    }

    fn is_empty(&mut self) -> bool {
        // Nothing is ever received here.
        true
    }

    fn may_begin(&self, _: bool, status: &Status) -> bool {
        let joins = K::MANY && status.consumers[0].state == Peer::Alive;
        joins || (status.taken, status.len) == (0, 0)
    }

    fn others(status: &Status) -> Others {
        let end = &status.consumers[0];
        Others {
            alive: end.state == Peer::Alive,
            has_sent: false,
            closed: end.closed,
            comings: end.generation,
        }
    }
}

impl<K: Streaming> Side<K> for RecordConsumer {
    const ME: &'static str = "receiver";
    const OTHER: &'static str = "sender";
    const OTHER_COMMAND: &'static str = "send";

    fn attach(ring: &Ring<K>) -> Result<Self, EndpointError> {
        ring.consumer()
    }

    fn is_empty(&mut self) -> bool {
        RecordConsumer::is_empty(self)
    }

    fn may_begin(&self, empty: bool, status: &Status) -> bool {
        // Records of a living sender are the beginning of its stream, and all of it is there.
        self.position() == 0 && (empty || <Self as Side<K>>::others(status).alive)
    }

    fn others(status: &Status) -> Others {
        let all = &status.producers;
        Others {
            alive: all.iter().any(|end| end.state == Peer::Alive),
            has_sent: status.len > 0,
            closed: all.iter().any(|end| end.closed),
            comings: all.iter().map(|end| end.generation).sum(),
        }
    }
}
