//! Which kind of ring a command is about to use, and which options go with it.

use super::format::SCHEMA;
use crate::args::{RecvArgs, SendArgs, StreamArgs, StreamKind};
use crate::exit::{Failure, Kind};
use crate::place;
use annulus::{Messages, OpenError, Parties, Status};

/// What a command is about to use.
#[derive(Clone, Copy, Debug)]
pub struct Choice {
    /// The kind of ring.
    pub kind: StreamKind,
    /// Whether it may as well be another one, which is then looked at again.
    pub any: bool,
}

/// The kind of stream that a ring carries, if it carries one.
fn kind_of(status: &Status) -> Option<StreamKind> {
    if (status.type_fingerprint, status.schema) != (0, SCHEMA) {
        return None;
    }
    match (status.parties, status.messages) {
        (Parties::Spsc, Messages::Records) => Some(StreamKind::Spsc),
        (Parties::Mpsc, Messages::Records) => Some(StreamKind::Mpsc),
        (Parties::Spmc, Messages::Slots) => Some(StreamKind::Spmc),
        (Parties::Mpmc, Messages::Slots) => Some(StreamKind::Mpmc),
        (Parties::Broadcast, Messages::Records) => Some(StreamKind::Broadcast),
        _ => None,
    }
}

/// `said`, or what is there, or a ring for one sender and one receiver.
fn choose(args: &StreamArgs, said: Option<StreamKind>) -> Result<Choice, Failure> {
    if let Some(kind) = said {
        return Ok(Choice { kind, any: false });
    }
    let backing = place::shared_backing(args.backing, &args.name)?;
    let found = annulus::inspect(backing, &args.name);
    let (kind, any) = match &found {
        Ok(status) => (kind_of(status), kind_of(status).is_some()),
        Err(OpenError::NotFound { .. } | OpenError::Unfinished { .. }) => (None, true),
        // Opening it says what is wrong.
        Err(_) => (None, false),
    };
    let kind = kind.unwrap_or(if args.slot_size.is_some() {
        StreamKind::Spmc
    } else {
        StreamKind::Spsc
    });
    Ok(Choice { kind, any })
}

/// An option that says nothing about the kind.
fn misplaced(option: &str, kind: StreamKind, wants: &str) -> Failure {
    let kind = kind.name();
    let message = format!("{option} is for {wants}, not for --kind {kind}; leave one of them out");
    Failure::new(Kind::Usage, message)
}

/// Refuses the first of `options` that was said and is not for `kind`.
fn refuse(kind: StreamKind, options: &[(bool, &str, &[StreamKind], &str)]) -> Result<(), Failure> {
    let wrong =
        |(said, _, kinds, _): &&(bool, &str, &[StreamKind], &str)| *said && !kinds.contains(&kind);
    match options.iter().find(wrong) {
        Some((_, option, _, wants)) => Err(misplaced(option, kind, wants)),
        None => Ok(()),
    }
}

const SHARED: &[StreamKind] = &[StreamKind::Spmc, StreamKind::Mpmc];
const SLOTS: &str = "--kind spmc and mpmc";

/// What `send` is about to use.
pub fn for_send(args: &SendArgs) -> Result<Choice, Failure> {
    let implied = if args.wait_readers.is_some() {
        Some(StreamKind::Broadcast)
    } else if args.senders.is_some() {
        Some(StreamKind::Mpmc)
    } else {
        None
    };
    let choice = choose(&args.stream, args.stream.kind.or(implied))?;
    let kind = choice.kind;
    refuse(
        kind,
        &[
            (
                args.wait_readers.is_some(),
                "--wait-readers",
                &[StreamKind::Broadcast],
                "--kind broadcast",
            ),
            (
                args.senders.is_some(),
                "--senders (of send)",
                &[StreamKind::Mpmc],
                "--kind mpmc",
            ),
            (
                args.stream.slot_size.is_some(),
                "--slot-size",
                SHARED,
                SLOTS,
            ),
        ],
    )?;
    if SHARED.contains(&kind) && !args.lines && !args.frames {
        let kind = kind.name();
        let message = format!(
            "with --kind {kind} the input is shared out among receivers, which needs to know where it may be cut: \
             say --lines or --frames"
        );
        return Err(Failure::new(Kind::Usage, message));
    }
    Ok(choice)
}

/// What `recv` is about to use.
pub fn for_recv(args: &RecvArgs) -> Result<Choice, Failure> {
    let senders = args.senders.unwrap_or(1);
    let reads = args.lossy || args.from.is_some();
    let implied = match (reads, senders) {
        (true, _) => Some(StreamKind::Broadcast),
        (false, 2..) => Some(StreamKind::Mpsc),
        _ => None,
    };
    let choice = choose(&args.stream, args.stream.kind.or(implied))?;
    let kind = choice.kind;
    let broadcast: &[_] = &[StreamKind::Broadcast];
    refuse(
        kind,
        &[
            (args.lossy, "--lossy", broadcast, "--kind broadcast"),
            (args.from.is_some(), "--from", broadcast, "--kind broadcast"),
            (
                senders > 1,
                "--senders 2 or more (of recv)",
                &[StreamKind::Mpsc],
                "--kind mpsc",
            ),
            (
                args.senders.is_some(),
                "--senders (of recv)",
                &[StreamKind::Spsc, StreamKind::Mpsc],
                "--kind mpsc",
            ),
            (
                args.stream.slot_size.is_some(),
                "--slot-size",
                SHARED,
                SLOTS,
            ),
        ],
    )?;
    Ok(choice)
}
