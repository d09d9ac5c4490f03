//! A ring's state as JSON.

use super::describe::{messages, orphans, parking, parties, state, wait_backend};
use crate::place;
use crate::stream::format;
use annulus::{Backing, End, Messages, Reading, Status};
use serde_json::{Value, json};

/// Everything, for programs. Numbers that may exceed 2^53 are strings, but for positions and lengths.
pub fn ring(name: &str, backing: Backing, status: &Status) -> Value {
    let only = |ends: &[End], places| match (ends, places) {
        ([one], 1) => end(one),
        _ => Value::Null,
    };
    let all = |ends: &[End]| ends.iter().map(end).collect::<Vec<_>>();
    json!({
        "name": name,
        "backing": place::backing_name(backing),
        "kind": parties(status.parties),
        "element": messages(status.messages),
        // Slots, or bytes of records; so are taken and len.
        "capacity": status.capacity,
        // Of records: the longest.
        "slot_size": status.slot_size,
        "segment_bytes": status.segment_bytes,
        // Of a broadcast: of the slowest reader that is waited for.
        "taken": status.taken,
        "len": status.len,
        "lag_bytes": (status.messages == Messages::Records).then_some(status.len),
        // The only one; null where there can be many.
        "producer": only(&status.producers, status.producer_places),
        "producers": all(&status.producers),
        "places": status.producer_places,
        "consumer": only(&status.consumers, status.consumer_places),
        "consumers": all(&status.consumers),
        "consumer_places": status.consumer_places,
        // What becomes of what dead consumers have in hand, where many consume.
        "orphans": orphans(status.orphans),
        "dropped": status.dropped,
        "parking": parking(status.parking),
        "wait_backend": wait_backend(status.wait_backend),
        "schema": status.schema.to_string(),
        "is_stream": status.type_fingerprint == 0 && status.schema == format::SCHEMA,
        "type_fingerprint": format!("{:#018x}", status.type_fingerprint),
        "created_at_ns": status.created_at_ns.to_string(),
        "instance": format!("{:#018x}", status.instance),
        "creator_pid": status.creator_pid,
    })
}

fn end(end: &End) -> Value {
    json!({
        "place": end.place,
        "state": state(end.state),
        "stopped": end.stopped,
        // Nobody was ever there: no process to name.
        "pid": (end.pid != 0).then_some(end.pid),
        "generation": end.generation,
        "asleep": end.asleep,
        "closed": end.closed,
        // Claimed and not committed or released; slots, or bytes of records.
        "holds": end.holds,
        // Null but for readers of a broadcast.
        "reading": end.reading.map(reading),
    })
}

/// `position` and `lag` in slots or bytes, `lost` in messages.
fn reading(reading: Reading) -> Value {
    json!({
        "position": reading.position,
        "lag": reading.lag,
        "lost": reading.lost,
        "lossless": reading.lossless,
    })
}
