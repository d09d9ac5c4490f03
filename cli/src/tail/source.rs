//! Where the records that `tail` shows come from.

use crate::args::Begin;
use crate::exit::{Failure, Kind};
use crate::stream::format;
use annulus::{
    Backing, BroadcastRecords, Consumer, EndpointError, Join, JoinError, Observer, OpenError,
    RecordConsumer, RecordQueue, RecordReader, Ring, Seen, TryPopError, TryReadError,
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
    /// Something was missed.
    Missed(Missed),
    /// Nothing for now.
    Nothing,
    /// Nothing for ever.
    End,
}

/// How much was missed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missed {
    /// So many bytes.
    Bytes(u64),
    /// So many records.
    Records(u64),
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
            Ok(Seen::Missed { bytes }) => Ok(Next::Missed(Missed::Bytes(bytes))),
            Err(e) => none(e),
        }
    }
}

/// A reader of a broadcast that nobody waits for.
pub struct Reading(RecordReader);

impl Reading {
    /// Becomes a lossy reader of `ring`, which is called `name`.
    pub fn begin(ring: &Ring<BroadcastRecords>, name: &str, from: Begin) -> Result<Self, Failure> {
        let join = match from {
            Begin::Oldest => Join::Oldest,
            Begin::Newest => Join::Newest,
        };
        match ring.reader(join) {
            Ok(rx) => Ok(Self(rx)),
            Err(JoinError::Endpoint(e)) => Err(refused(e, name)),
            Err(e) => Err(Failure::new(Kind::Ring, e)),
        }
    }
}

impl Source for Reading {
    fn next(&mut self, record: &mut Vec<u8>) -> Result<Next, Failure> {
        // Of the record that is read, or of padding right before it.
        let position = self.0.position();
        match self.0.try_read_into(record) {
            Ok(tag) => Ok(Next::Record(About {
                tag: Some(tag),
                position,
            })),
            Err(TryReadError::Lost(n)) => Ok(Next::Missed(Missed::Records(n))),
            Err(TryReadError::Empty) => Ok(Next::Nothing),
            Err(TryReadError::Closed) => Ok(Next::End),
            Err(TryReadError::Corrupt(e)) => Err(Failure::new(Kind::Failed, e)),
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
    pub fn take<K: RecordQueue>(ring: Ring<K>, name: &str) -> Result<Self, Failure> {
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
        let options = annulus::spsc::<[u8]>(name).backing(backing);
        let ring = match options.owned_by_anyone().open() {
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

/// The failure of a ring of slots that several share.
pub fn not_taken_here(name: &str) -> Failure {
    let message = format!(
        "{name} is a ring of slots with many producers or consumers; its messages can be taken with annulus recv, if it is \
         a stream of annulus send"
    );
    Failure::new(Kind::Ring, message)
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
        EndpointError::NoPlace { places } => Failure::new(
            Kind::Busy,
            format!("all {places} places for readers of {name} are taken"),
        ),
        e => e.into(),
    }
}
