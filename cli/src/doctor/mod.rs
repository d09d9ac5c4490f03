//! `doctor` and `repair`: what is the matter with a ring, and what can be done about it.

mod diagnose;
mod repair;

use crate::args::{BackingName, DoctorArgs};
use crate::exit::{Failure, Kind, stdout_failed};
use crate::{place, words};
use annulus::{Backing, Leftover, LeftoverKind, RepairError, Status};
use diagnose::{Diagnosis, Health};
pub use repair::repair;
use std::fmt::Write as _;
use std::io::Write as _;

/// Prints `text` to stdout.
fn say(text: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())
        .and_then(|()| out.flush())
        .map_err(stdout_failed)
}

/// Runs `annulus doctor`.
pub fn doctor(args: &DoctorArgs) -> Result<(), Failure> {
    match &args.name {
        Some(name) => one(name, args.backing),
        None => all(),
    }
}

/// The status of a command that found this.
fn verdict(health: Health) -> Result<(), Failure> {
    match health {
        Health::Good => Ok(()),
        Health::Ends => Err(Failure::new(Kind::Ends, "")),
        Health::Repair => Err(Failure::new(Kind::Unrepaired, "")),
    }
}

fn one(name: &str, backing: Option<BackingName>) -> Result<(), Failure> {
    let (backing, status) = place::find(name, backing, |backing| annulus::inspect(backing, name))?;
    let diagnosis = Diagnosis::of(name, &status);
    say(&page(name, backing, &status, &diagnosis))?;
    verdict(diagnosis.health)
}

/// All rings, and what belongs to none.
fn all() -> Result<(), Failure> {
    let (mut text, mut worst) = (String::new(), Health::Good);
    let mut damaged = None;
    for ring in annulus::list() {
        match &ring.status {
            Ok(status) => {
                let diagnosis = Diagnosis::of(&ring.name, status);
                text += &page(&ring.name, ring.backing, status, &diagnosis);
                text.push('\n');
                worst = worst.max(diagnosis.health);
            }
            Err(e) => {
                // Writing to a String cannot fail.
                let _ = writeln!(text, "{}\n  cannot be used: {e}\n", ring.name);
                damaged = damaged.or(Some(e.to_string()));
            }
        }
    }
    let leftovers = annulus::leftovers();
    if text.is_empty() {
        text += "no rings in /dev/shm or System V memory\n";
    }
    if !leftovers.is_empty() {
        text += "left behind by rings that are not there (none of it holds anybody up)\n";
        leftovers.iter().for_each(|left| text += &leftover(left));
    }
    say(&text)?;
    match damaged {
        Some(_) => Err(Failure::new(Kind::Ring, "")),
        None => verdict(worst),
    }
}

/// What there is to say of one ring.
fn page(name: &str, backing: Backing, status: &Status, diagnosis: &Diagnosis) -> String {
    let mut out = format!(
        "{name} ({}), {}, filled {}\n",
        place::backing_name(backing),
        crate::look::describe::kind(status),
        crate::look::describe::fill(status),
    );
    for line in &diagnosis.lines {
        // Writing to a String cannot fail.
        let _ = writeln!(out, "  {line}");
    }
    out
}

fn leftover(left: &Leftover) -> String {
    let (name, bytes) = (&left.name, words::bytes(left.bytes));
    let what = match left.kind {
        LeftoverKind::Data => {
            format!("{bytes} of messages of a ring with read-only readers; remove it with rm")
        }
        LeftoverKind::Semaphore => {
            "a semaphore of no ring that is listed; rings in files are not".to_owned()
        }
        LeftoverKind::Unnamed => format!(
            "{bytes} of a ring that never got a name; remove it with rm once its creator is gone"
        ),
        LeftoverKind::Key => format!(
            "a System V key without a finished ring; annulus rm --backing sysv {name} removes it"
        ),
        _ => "of a kind unknown to this tool".to_owned(),
    };
    format!("  {name}: {what}\n")
}

/// The failure of a repair that `e` ended.
fn failed(e: RepairError) -> Failure {
    match e {
        RepairError::Open(e) => e.into(),
        RepairError::Os(e) => e.into(),
        other => Failure::new(Kind::Failed, other),
    }
}
