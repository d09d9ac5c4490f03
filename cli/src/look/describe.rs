//! A ring's state in words and as JSON.

use crate::stream::format;
use crate::{place, words};
use annulus::{Backing, End, Messages, Parking, Parties, Peer, Status, WaitBackend};
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

/// The producers in a few characters: as one end, or how many of how many places live (and died).
pub fn producers(status: &Status) -> String {
    if status.parties == Parties::Spsc {
        return status.producers.first().map_or_else(String::new, end);
    }
    let count = |peer| status.producers.iter().filter(move |end| end.state == peer);
    let (alive, died) = (count(Peer::Alive).count(), count(Peer::Died).count());
    let died = match died {
        0 => String::new(),
        n => format!(", {n} died"),
    };
    format!("{alive} of {} alive{died}", status.producer_places)
}

/// Who takes part and what passes: "spsc slots".
pub fn kind(status: &Status) -> String {
    format!("{} {}", parties(status.parties), messages(status.messages))
}

fn parties(parties: Parties) -> &'static str {
    match parties {
        Parties::Spsc => "spsc",
        Parties::Mpsc => "mpsc",
        Parties::Spmc => "spmc",
        Parties::Mpmc => "mpmc",
        Parties::Broadcast => "broadcast",
        _ => "other",
    }
}

fn messages(messages: Messages) -> &'static str {
    match messages {
        Messages::Slots => "slots",
        Messages::Records => "records",
        _ => "other",
    }
}

/// Size of the ring: "64 x 56", slots and bytes of each, or "4.00 MiB".
pub fn shape(status: &Status) -> String {
    match status.messages {
        Messages::Slots => format!("{} x {}", status.capacity, status.slot_size),
        _ => words::bytes(status.capacity),
    }
}

/// How full it is: "12/64" slots, or "1.17 KiB (0 %)".
pub fn fill(status: &Status) -> String {
    match status.messages {
        Messages::Slots => format!("{}/{}", status.len, status.capacity),
        _ => format!("{} ({} %)", words::bytes(status.len), percent(status)),
    }
}

fn percent(status: &Status) -> u64 {
    (status.len.saturating_mul(100)) / status.capacity.max(1)
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
    line("kind", kind_words(status));
    line("shape", shape_words(status));
    line("fill", fill_words(status));
    line("type", message_type(status));
    if status.parties == Parties::Spsc {
        for producer in &status.producers {
            line("producer", end_words(producer, "ever pushed"));
        }
    } else {
        let alive = status.producers.iter();
        let alive = alive.filter(|end| end.state == Peer::Alive).count();
        line(
            "producers",
            format!("{alive} alive, room for {} at a time", status.producer_places),
        );
        for producer in &status.producers {
            line("", end_words(producer, "ever pushed"));
        }
    }
    line("consumer", end_words(&status.consumers[0], "ever took"));
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

fn kind_words(status: &Status) -> String {
    let who = match status.parties {
        Parties::Spsc => "one producer, one consumer",
        Parties::Mpsc => "many producers, one consumer",
        Parties::Spmc => "one producer, many consumers",
        Parties::Mpmc => "many producers, many consumers",
        Parties::Broadcast => "one producer, many readers",
        _ => "unknown to this version",
    };
    format!("{}: {who}", kind(status))
}

fn shape_words(status: &Status) -> String {
    let memory = words::bytes(status.segment_bytes);
    let [capacity, longest] = [status.capacity, status.slot_size].map(words::grouped);
    match status.messages {
        Messages::Slots => format!("{capacity} slots of {longest} bytes, {memory} of memory"),
        _ => {
            format!("{capacity} bytes, records of up to {longest} bytes, {memory} of memory")
        }
    }
}

fn fill_words(status: &Status) -> String {
    let (taken, len) = (words::grouped(status.taken), words::grouped(status.len));
    let full = match status.len {
        0 => "empty",
        len if len >= status.capacity => "full",
        _ => "neither empty nor full",
    };
    match status.messages {
        Messages::Slots => {
            format!("{taken} messages taken since creation, {len} waiting ({full})")
        }
        _ if status.len == 0 => format!("{taken} bytes taken since creation, none waiting (empty)"),
        _ => format!(
            "{taken} bytes taken since creation, the consumer lags by {len} ({} % of the ring)",
            percent(status)
        ),
    }
}

fn message_type(status: &Status) -> String {
    match (status.type_fingerprint, status.schema) {
        (0, format::SCHEMA) => "bytes: a stream of annulus send and recv".to_owned(),
        (0, 0) => "bytes".to_owned(),
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
    let one = status.parties == Parties::Spsc;
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
        "taken": status.taken,
        "len": status.len,
        "lag_bytes": (status.messages == Messages::Records).then_some(status.len),
        // The only one; null where there can be many.
        "producer": status.producers.first().filter(|_| one).map(end_json),
        "producers": status.producers.iter().map(end_json).collect::<Vec<_>>(),
        "places": status.producer_places,
        "consumer": end_json(&status.consumers[0]),
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
