//! What passes through the rings in one workload, as far as the rounds and the report must know it.
//!
//! A plain `usize` is a stream of slots of so many bytes between one producer and one consumer.

use super::harness::capacity;

/// A workload as the report names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Description {
    /// Ring kind: "spsc", "mpsc", "mpmc", "broadcast".
    pub kind: &'static str,
    /// "slots" or "records".
    pub element: &'static str,
    /// Bytes of a message, or their mean.
    pub payload_bytes: u64,
    /// The name of the length class where lengths vary.
    pub payload: Option<String>,
    /// Producers.
    pub producers: u32,
    /// Consumers; of a broadcast, the readers that take part.
    pub consumers: u32,
    /// Messages per call.
    pub batch: u32,
    /// What else tells this workload from others, in a few words.
    pub note: Option<String>,
}

impl Description {
    /// The message size in words: "56 bytes", "24-200 bytes".
    pub fn size(&self) -> String {
        match &self.payload {
            Some(class) => format!("{class} bytes"),
            None => format!("{} bytes", self.payload_bytes),
        }
    }

    /// The parties in words: "4 producers, 1 consumer".
    pub fn parties(&self) -> String {
        let several = |count: u32| if count == 1 { "" } else { "s" };
        let (producers, consumers) = (self.producers, self.consumers);
        format!(
            "{producers} producer{}, {consumers} consumer{}",
            several(producers),
            several(consumers)
        )
    }
}

/// One kind of traffic. Ordered as tables list it.
pub trait Traffic: Copy + Ord {
    /// Messages of the shortest timed slice: two laps of the ring.
    fn shortest_stream(self) -> u64;
    /// How many times longer than others its timed loops last.
    fn stretch(self) -> u64 {
        1
    }
    /// Whether one party sends and one receives, and nobody else takes part.
    fn is_between_two(self) -> bool;
    /// Whether it has more parties than cores to run them on.
    fn is_oversubscribed(self) -> bool {
        false
    }
    /// Whether messages also go back and forth one at a time.
    fn has_round_trips(self) -> bool;
    /// How the report names it.
    fn described(self) -> Description;
}

impl Traffic for usize {
    fn shortest_stream(self) -> u64 {
        2 * capacity(self) as u64
    }

    fn is_between_two(self) -> bool {
        true
    }

    fn has_round_trips(self) -> bool {
        true
    }

    fn described(self) -> Description {
        Description {
            kind: "spsc",
            element: "slots",
            payload_bytes: self as u64,
            payload: None,
            producers: 1,
            consumers: 1,
            batch: 1,
            note: None,
        }
    }
}
