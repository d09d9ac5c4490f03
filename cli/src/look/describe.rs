//! A ring's state in words.

use crate::stream::format;
use crate::{place, words};
use annulus::{
    Backing, End, Messages, Orphans, Parking, Parties, Peer, Reading, Status, WaitBackend,
};
use std::fmt::Write;
use std::time::{Duration, SystemTime};

/// One end in a few characters: "alive 4711".
fn end(end: &End) -> String {
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
    side(&status.producers, status.producer_places)
}

/// The consumers or readers in a few characters, likewise; of readers also what they lost in all.
pub fn consumers(status: &Status) -> String {
    let mut out = side(&status.consumers, status.consumer_places);
    let of = |end: &End| end.reading.filter(|_| end.state != Peer::Never);
    let lost: u64 = status.consumers.iter().filter_map(of).map(|r| r.lost).sum();
    if lost > 0 {
        // Writing to a String cannot fail.
        let _ = write!(out, ", lost {}", words::grouped(lost));
    }
    out
}

fn side(ends: &[End], places: u32) -> String {
    if let ([one], 1) = (ends, places) {
        return end(one);
    }
    let count = |peer| ends.iter().filter(move |end| end.state == peer).count();
    let died = match count(Peer::Died) {
        0 => String::new(),
        n => format!(", {n} died"),
    };
    format!("{} of {places} alive{died}", count(Peer::Alive))
}

/// Who takes part and what passes: "spsc slots".
pub fn kind(status: &Status) -> String {
    format!("{} {}", parties(status.parties), messages(status.messages))
}

/// Who takes part, as the command line calls it.
pub fn parties(parties: Parties) -> &'static str {
    match parties {
        Parties::Spsc => "spsc",
        Parties::Mpsc => "mpsc",
        Parties::Spmc => "spmc",
        Parties::Mpmc => "mpmc",
        Parties::Broadcast => "broadcast",
        _ => "other",
    }
}

/// What passes, in a word.
pub fn messages(messages: Messages) -> &'static str {
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

/// How an end is, in a word.
pub fn state(peer: Peer) -> &'static str {
    match peer {
        Peer::Never => "never",
        Peer::Alive => "alive",
        Peer::Left => "left",
        Peer::Died => "died",
    }
}

/// What becomes of what dead consumers have in hand, in a word.
pub fn orphans(orphans: Orphans) -> &'static str {
    match orphans {
        Orphans::Redeliver => "redeliver",
        Orphans::Drop => "drop",
    }
}

/// Who pays for sleeping, in a word.
pub fn parking(parking: Parking) -> &'static str {
    match parking {
        Parking::Auto => "auto",
        Parking::Never => "never",
        Parking::Fenced => "fenced",
        Parking::Asymmetric => "asymmetric",
    }
}

/// What ends sleep on, in a word.
pub fn wait_backend(backend: WaitBackend) -> &'static str {
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
    let sides = [
        ("producer", &status.producers, status.producer_places),
        (taker(status), &status.consumers, status.consumer_places),
    ];
    for (name, ends, places) in sides {
        let verb = match name {
            "producer" => "ever pushed",
            _ => "ever took",
        };
        if places == 1 {
            line(name, end_words(&ends[0], status, verb));
            continue;
        }
        let alive = ends.iter().filter(|end| end.state == Peer::Alive).count();
        line(
            &format!("{name}s"),
            format!("{alive} alive, room for {places} at a time"),
        );
        for end in ends {
            line("", end_words(end, status, verb));
        }
    }
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
    if status.orphans == Orphans::Drop {
        let dropped = words::grouped(status.dropped);
        line("orphans", format!("dropped, {dropped} messages so far"));
    }
    line("created", created(status));
    line("instance", format!("{:#018x}", status.instance));
    out
}

/// What a message goes to.
pub fn taker(status: &Status) -> &'static str {
    match status.parties {
        Parties::Broadcast => "reader",
        _ => "consumer",
    }
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
    let broadcast = status.parties == Parties::Broadcast;
    let (verb, who) = match broadcast {
        true => (
            "read by all that are waited for",
            "the slowest of them lags",
        ),
        false => ("taken since creation", "the consumer lags"),
    };
    match status.messages {
        Messages::Slots if broadcast => {
            format!("{taken} messages {verb}, {who} by {len} ({full})")
        }
        Messages::Slots => {
            format!("{taken} messages {verb}, {len} waiting ({full})")
        }
        _ if status.len == 0 => format!("{taken} bytes {verb}, none waiting (empty)"),
        _ => format!(
            "{taken} bytes {verb}, {who} by {len} ({} % of the ring)",
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

fn end_words(end: &End, status: &Status, verb: &str) -> String {
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
    let reading = end
        .reading
        .map_or_else(String::new, |reading| reading_words(&reading, status));
    format!("{who}{closed}{times}{reading}")
}

/// How far a reader has come.
fn reading_words(reading: &Reading, status: &Status) -> String {
    let unit = match status.messages {
        Messages::Slots => "messages",
        _ => "bytes",
    };
    let how = match reading.lossless {
        true => "lossless",
        false => "lossy",
    };
    let [lag, position, lost] = [reading.lag, reading.position, reading.lost].map(words::grouped);
    format!("; {how}, at {position}, lags by {lag} {unit}, lost {lost} messages")
}

fn created(status: &Status) -> String {
    let then = SystemTime::UNIX_EPOCH + Duration::from_nanos(status.created_at_ns);
    let ago = match SystemTime::now().duration_since(then) {
        Ok(age) => format!("{} s ago", words::grouped(age.as_secs())),
        Err(_) => "in the future".to_owned(),
    };
    format!("{ago} by process {}", status.creator_pid)
}
