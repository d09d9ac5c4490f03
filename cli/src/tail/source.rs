//! Where the records that `tail` shows come from.

use crate::exit::{Failure, Kind};
use crate::stream::format;
use annulus::{
    Backing, Consumer, EndpointError, Observer, OpenError, RecordConsumer, RecordKind, Ring, Seen,
    TryPopError,
};

/// What is known of a record beside its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct About {
    /// Its tag; slots have none.
    pub tag: Option<u16>,
    /// Where it is in the ring: bytes, or slots, since creation.
    pub position: u64,
}

/// What comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// A record, now in the buffer.
    Record(About),
    /// So many bytes were missed.
    Missed(u64),
    /// Nothing for now.
    Nothing,
    /// Nothing for ever.
    End,
}

/// Where records come from.
pub trait Source {
    /// Puts the next record into `record`, or says why not. Never waits.
    fn next(&mut self, record: &mut Vec<u8>) -> Result<Next, Failure>;
}

fn none(e: TryPopError) -> Result<Next, Failure> {
    match e {
        TryPopError::Empty => Ok(Next::Nothing),
        TryPopError::Closed => Ok(Next::End),
        TryPopError::Corrupt(e) => Err(Failure::new(Kind::Failed, e)),
    }
}

/// Looking on.
impl Source for Observer {
    fn next(&mut self, record: &mut Vec<u8>) -> Result<Next, Failure> {
        match self.try_next_into(record) {
            Ok(Seen::Record { tag, position }) => Ok(Next::Record(About {
                tag: Some(tag),
                position,
            })),
            Ok(Seen::Missed { bytes }) => Ok(Next::Missed(bytes)),
            Err(e) => none(e),
        }
    }
}

/// The consumer of a ring of records.
pub struct Records {
    rx: RecordConsumer,
    is_stream: bool,
}

impl Records {
    /// Becomes the consumer of `ring`, which is called `name`.
    pub fn take<K: RecordKind>(ring: Ring<K>, name: &str) -> Result<Self, Failure> {
        Ok(Self {
            rx: ring.consumer().map_err(|e| refused(e, name))?,
            is_stream: ring.status()?.schema == format::SCHEMA,
        })
    }
}

impl Source for Records {
    fn next(&mut self, record: &mut Vec<u8>) -> Result<Next, Failure> {
        let tag = match self.rx.try_peek() {
            Ok(sample) => sample.tag(),
            Err(e) => return none(e),
        };
        if self.is_stream && tag == format::Kind::End.tag() {
            return Ok(Next::End);
        }
        let position = self.rx.position();
        match self.rx.try_pop_into(record) {
            Ok(tag) => Ok(Next::Record(About {
                tag: Some(tag),
                position,
            })),
            Err(e) => none(e),
        }
    }
}

/// The consumer of a ring of slots of bytes.
pub struct Slots {
    rx: Consumer<[u8]>,
}

impl Slots {
    /// Becomes the consumer of the ring `name`.
    pub fn take(backing: Backing, name: &str) -> Result<Self, Failure> {
        let ring = match annulus::spsc::<[u8]>(name).backing(backing).open() {
            Ok(ring) => ring,
            Err(OpenError::Mismatch {
                field: "message type",
                ..
            }) => {
                let message = format!(
                    "{name} has slots of a type of its own; only slots of plain bytes can be taken here"
                );
                return Err(Failure::new(Kind::Ring, message));
            }
            Err(e) => return Err(e.into()),
        };
        let rx = ring.consumer().map_err(|e| refused(e, name))?;
        Ok(Self { rx })
    }
}

impl Source for Slots {
    fn next(&mut self, record: &mut Vec<u8>) -> Result<Next, Failure> {
        let position = self.rx.position();
        record.resize(self.rx.slot_size(), 0);
        match self.rx.try_sample() {
            Ok(sample) => {
                sample.read_at(0, record);
                Ok(Next::Record(About {
                    tag: None,
                    position,
                }))
            }
            Err(e) => none(e),
        }
    }
}

/// The failure of becoming the consumer.
fn refused(e: EndpointError, name: &str) -> Failure {
    match e {
        EndpointError::Occupied { pid } => Failure::new(
            Kind::Busy,
            format!("{name} has a consumer (process {pid}), and records go to one only"),
        ),
        EndpointError::Closed => Failure::new(
            Kind::Ring,
            format!("the consumer of {name} has closed it; nothing more can be taken"),
        ),
        e => e.into(),
    }
}
