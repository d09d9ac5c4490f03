//! `ls`, `stat` and `rm`: rings seen from outside. Nothing here takes part in a ring.

pub mod describe;
mod json;

use crate::args::{LsArgs, RmArgs, StatArgs};
use crate::exit::{Failure, Kind, stdout_failed};
use crate::{place, words};
use annulus::{Backing, Listed, OpenError, Peer, Status};
use std::io::Write;

/// Prints `text` to stdout.
fn say(text: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())
        .and_then(|()| out.flush())
        .map_err(stdout_failed)
}

/// Runs `annulus ls`.
pub fn ls(args: &LsArgs) -> Result<(), Failure> {
    let rings = annulus::list();
    if args.json {
        let all: Vec<_> = rings.iter().map(listed_json).collect();
        return say(&format!("{}\n", serde_json::Value::Array(all)));
    }
    if rings.is_empty() {
        words::tell("no rings in /dev/shm or System V memory");
        return Ok(());
    }
    let width = rings
        .iter()
        .map(|ring| ring.name.len())
        .max()
        .unwrap_or(0)
        .max(4);
    let mut table = format!(
        "{:<width$}  {:<9}  {:<17}  {:>12}  {:>16}  {:<20}  {}\n",
        "NAME", "BACKING", "KIND", "SIZE", "FILLED", "PRODUCERS", "CONSUMERS"
    );
    for ring in &rings {
        let (name, backing) = (&ring.name, place::backing_name(ring.backing));
        match &ring.status {
            Ok(status) => table.push_str(&format!(
                "{name:<width$}  {backing:<9}  {:<17}  {:>12}  {:>16}  {:<20}  {}\n",
                describe::kind(status),
                describe::shape(status),
                describe::fill(status),
                describe::producers(status),
                describe::consumers(status)
            )),
            Err(e) => table.push_str(&format!("{name:<width$}  {backing:<9}  {e}\n")),
        }
    }
    say(&table)
}

fn listed_json(ring: &Listed) -> serde_json::Value {
    match &ring.status {
        Ok(status) => json::ring(&ring.name, ring.backing, status),
        Err(e) => serde_json::json!({
            "name": ring.name,
            "backing": place::backing_name(ring.backing),
            "error": e.to_string(),
        }),
    }
}

/// Runs `annulus stat`.
pub fn stat(args: &StatArgs) -> Result<(), Failure> {
    let (backing, status) = place::find(&args.name, args.backing, |backing| {
        annulus::inspect(backing, &args.name)
    })?;
    if args.json {
        return say(&format!("{}\n", json::ring(&args.name, backing, &status)));
    }
    say(&describe::words(&args.name, backing, &status))
}

/// What `rm` finds under a name.
enum Found {
    /// A ring; without a status where it is damaged or unfinished.
    Ring(Option<Box<Status>>),
    /// What a System V ring without its memory leaves. It is removed.
    Remains,
}

/// Runs `annulus rm`.
pub fn rm(args: &RmArgs) -> Result<(), Failure> {
    let name = &args.name;
    let (backing, found) = place::find(name, args.backing, |backing| {
        match annulus::inspect(backing, name) {
            Ok(status) => Ok(Found::Ring(Some(Box::new(status)))),
            Err(OpenError::Mismatch { .. } | OpenError::Unfinished { .. }) => Ok(Found::Ring(None)),
            Err(OpenError::NotFound { .. }) if matches!(backing, Backing::SysV { .. }) => {
                annulus::unlink(backing, name).map(|()| Found::Remains)
            }
            Err(e) => Err(e),
        }
    })?;
    let Found::Ring(status) = found else {
        return Ok(());
    };
    if let Some(pid) = status.as_deref().and_then(user)
        && !args.force
    {
        let message = format!(
            "{name} is in use by process {pid}; --force removes its name, and who uses it goes on"
        );
        return Err(Failure::new(Kind::Busy, message));
    }
    Ok(annulus::unlink(backing, name)?)
}

/// A living process at one of the ends.
fn user(status: &Status) -> Option<u32> {
    let mut ends = status.producers.iter().chain(&status.consumers);
    ends.find(|end| end.state == Peer::Alive).map(|end| end.pid)
}
