//! A ring's state in words and as JSON.

use crate::stream::frame;
use crate::{place, words};
use annulus::{Backing, End, Parking, Peer, Status, WaitBackend};
use serde_json::{Value, json};
use std::fmt::Write;
use std::time::{Duration, SystemTime};

/// One end in a few characters: "alive 4711".
pub fn end(end: &End) -> String {
    match state(end.state) {
        "never" => "-".to_owned(),
        word => format!(
            "{word} {}{}",
            end.pid,
            if end.closed { " closed" } else { "" }
        ),
    }
}

/// How full it is: "12/64".
pub fn fill(status: &Status) -> String {
    format!("{}/{}", status.len, status.capacity)
}

fn state(peer: Peer) -> &'static str {
    match peer {
        Peer::Never => "never",
        Peer::Alive => "alive",
        Peer::Left => "left",
        Peer::Died => "died",
    }
}

fn parking(parking: Parking) -> &'static str {
    match parking {
        Parking::Auto => "auto",
        Parking::Never => "never",
        Parking::Fenced => "fenced",
        Parking::Asymmetric => "asymmetric",
    }
}

fn wait_backend(backend: WaitBackend) -> &'static str {
    match backend {
        WaitBackend::Futex => "futex",
        WaitBackend::Semaphore => "sem",
    }
}

/// Everything, for people.
pub fn words(name: &str, backing: Backing, status: &Status) -> String {
    let mut out = String::new();
    let mut line = |what: &str, text: String| {
        // Writing to a String cannot fail.
        let _ = writeln!(out, "{what:<10} {text}");
    };
    line("ring", format!("{name} ({})", place::backing_name(backing)));
    let (slots, slot_size) = (status.capacity, status.slot_size);
    let memory = words::bytes(status.segment_bytes);
    line(
        "shape",
        format!("{slots} slots of {slot_size} bytes, {memory} of memory"),
    );
    line("messages", messages(status));
    line("type", message_type(status));
    line("producer", end_words(&status.producers[0], "ever pushed"));
    line("consumer", end_words(&status.consumer, "ever took"));
    let waiting = match status.parking {
        Parking::Never => "nobody sleeps in this ring".to_owned(),
        kind => format!(
            "ends may sleep on a {} ({} parking)",
            match status.wait_backend {
                WaitBackend::Futex => "futex",
                WaitBackend::Semaphore => "named semaphore",
            },
            parking(kind)
        ),
    };
    line("waiting", waiting);
    line("created", created(status));
    line("instance", format!("{:#018x}", status.instance));
    out
}

fn messages(status: &Status) -> String {
    let full = match status.len {
        0 => "empty",
        len if len >= status.capacity => "full",
        _ => "neither empty nor full",
    };
    let (taken, len) = (words::grouped(status.taken), words::grouped(status.len));
    format!("{taken} taken since creation, {len} waiting ({full})")
}

fn message_type(status: &Status) -> String {
    match (status.type_fingerprint, status.schema) {
        (0, frame::SCHEMA) => "bytes: a stream of annulus send and recv".to_owned(),
        (0, schema) => format!("bytes, schema {schema}"),
        (fingerprint, schema) => format!("fingerprint {fingerprint:#018x}, schema {schema}"),
    }
}

fn end_words(end: &End, verb: &str) -> String {
    let pid = end.pid;
    let who = match end.state {
        Peer::Never => return format!("never there; nobody {verb}"),
        Peer::Alive if end.asleep => format!("process {pid}, alive, asleep"),
        Peer::Alive => format!("process {pid}, alive, awake"),
        Peer::Left => format!("process {pid} left in order"),
        Peer::Died => format!("process {pid} died; another may take its place and resume"),
    };
    let closed = if end.closed { "; closed for good" } else { "" };
    let times = match end.generation {
        0 | 1 => String::new(),
        n => format!("; number {n} at this end"),
    };
    format!("{who}{closed}{times}")
}

fn created(status: &Status) -> String {
    let then = SystemTime::UNIX_EPOCH + Duration::from_nanos(status.created_at_ns);
    let ago = match SystemTime::now().duration_since(then) {
        Ok(age) => format!("{} s ago", words::grouped(age.as_secs())),
        Err(_) => "in the future".to_owned(),
    };
    format!("{ago} by process {}", status.creator_pid)
}

/// Everything, for programs. Numbers that may exceed 2^53 are strings.
pub fn json(name: &str, backing: Backing, status: &Status) -> Value {
    json!({
        "name": name,
        "backing": place::backing_name(backing),
        "capacity": status.capacity,
        "slot_size": status.slot_size,
        "segment_bytes": status.segment_bytes,
        "taken": status.taken,
        "len": status.len,
        "producer": end_json(&status.producers[0]),
        "consumer": end_json(&status.consumer),
        "parking": parking(status.parking),
        "wait_backend": wait_backend(status.wait_backend),
        "schema": status.schema.to_string(),
        "is_stream": status.type_fingerprint == 0 && status.schema == frame::SCHEMA,
        "type_fingerprint": format!("{:#018x}", status.type_fingerprint),
        "created_at_ns": status.created_at_ns.to_string(),
        "instance": format!("{:#018x}", status.instance),
        "creator_pid": status.creator_pid,
    })
}

fn end_json(end: &End) -> Value {
    json!({
        "state": state(end.state),
        // Nobody was ever there: no process to name.
        "pid": (end.pid != 0).then_some(end.pid),
        "generation": end.generation,
        "asleep": end.asleep,
        "closed": end.closed,
    })
}
