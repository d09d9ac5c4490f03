//! `repair`: settles what the dead have left, and says what that was.

use super::{failed, say};
use crate::args::RepairArgs;
use crate::exit::{Failure, Kind};
use crate::look::describe;
use crate::{place, words};
use annulus::{Messages, Obstacle, Parties, Repaired, SideRepaired, Status, Unsettled};

/// Runs `annulus repair`.
pub fn repair(args: &RepairArgs) -> Result<(), Failure> {
    let name = &args.name;
    // Before it is touched, so that what is said is about the ring that was found.
    let (backing, status) = place::find(name, args.backing, |backing| {
        annulus::inspect(backing, name)
    })?;
    let done = annulus::repair(backing, name).map_err(failed)?;
    say(&report(&status, &done))?;
    match done.is_complete() {
        true => Ok(()),
        false => Err(Failure::new(Kind::Unrepaired, "")),
    }
}

/// What was done, in words.
fn report(status: &Status, done: &Repaired) -> String {
    let mut lines = Vec::new();
    settled(status, &done.producers, "producer", &mut lines);
    settled(status, &done.consumers, describe::taker(status), &mut lines);
    if done.dropped > 0 {
        let n = words::grouped(done.dropped);
        lines.push(format!(
            "dropped {n} messages that dead consumers had in hand"
        ));
    }
    if done.close_finished {
        lines.push("finished a close that its maker died in".to_owned());
    }
    for (side, who) in [
        (&done.producers, "producers"),
        (&done.consumers, "consumers"),
    ] {
        if side.woken {
            lines.push(format!("woke {who} that had said that they sleep"));
        }
    }
    for (side, who) in [(&done.producers, "producer"), (&done.consumers, "consumer")] {
        lines.extend(side.waiting.iter().map(|left| waits(status, left, who)));
    }
    if lines.is_empty() {
        lines.push("nothing had to be done".to_owned());
    }
    lines.join("\n") + "\n"
}

fn settled(status: &Status, side: &SideRepaired, who: &str, lines: &mut Vec<String>) {
    let n = side.settled;
    if n == 0 {
        return;
    }
    let what = match (status.parties, status.messages, who) {
        (Parties::Broadcast, ..) => "the producer waits for them no longer",
        (_, Messages::Records, _) => "what they had claimed is padding now",
        (_, _, "producer") => "what they had claimed will be passed over",
        _ => "the slots that they had in hand are free",
    };
    lines.push(format!("settled what {n} dead {who}s left: {what}"));
}

/// What could not be done, and why.
fn waits(status: &Status, left: &Unsettled, who: &str) -> String {
    let unit = match (status.messages, who) {
        (Messages::Records, _) => "bytes",
        (_, "producer") => "slots",
        _ => "messages",
    };
    let why = match left.why {
        Obstacle::Consumer => "the living consumer clears them up when it comes to them",
        Obstacle::Delivery => "the next consumer without work gets them",
        Obstacle::Living => "a living participant is in the way; repair again, or see doctor",
        Obstacle::Busy => "somebody else is at it",
        _ => "they wait",
    };
    let (place, pid, n) = (left.place, left.pid, words::grouped(left.holds));
    format!("{n} {unit} of dead {who} {place} (process {pid}) wait: {why}")
}
