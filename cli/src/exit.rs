//! How a command ends: an exit status and one message that says what to do.

use annulus::{CreateError, EndpointError, OpenError, OsError};
use std::fmt::Display;
use std::process::ExitCode;

/// The statuses, for the end of `--help`.
pub const HELP: &str = "\
Exit status:
  0    done; for send and recv: all that was asked for arrived and the checksum was right
  1    the stream, the tail, the bench or the demo failed: the other end died or stopped, the
       checksum was wrong, the input could not be cut as asked, reading or writing failed
  2    wrong usage
  3    the ring is not there, is of another shape or kind, is a leftover, or nobody waits
       (--no-wait)
  4    somebody else holds that end of the ring, or uses the ring
  5    the system refused: permission, no space
  6    the stream of a broadcast came with gaps: recv --lossy lost records, or recv came after
       the beginning (and --from newest was not given)
  7    doctor: repair has something to do; repair: something is left that waits for others
  8    doctor: an end has to come or to come back: the last one died, or is stopped
  128+n  ended by signal n (130 after ctrl-C)";

/// What went wrong, in the classes of the exit status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The work was begun and failed.
    Failed,
    /// The command line makes no sense.
    Usage,
    /// The ring is not there or not as it has to be.
    Ring,
    /// Somebody else is there.
    Busy,
    /// The kernel refused.
    System,
    /// A stream ended well, but not all of it came.
    Gaps,
    /// A ring needs repair, or not all of it could be done.
    Unrepaired,
    /// A ring needs an end that died or does not go on.
    Ends,
    /// This signal ended it.
    Signal(i32),
}

/// A command that did not do what it was asked to.
#[derive(Debug)]
pub struct Failure {
    /// Decides the exit status.
    pub kind: Kind,
    /// For people; says what to do where that is known. Empty: nothing to say.
    pub message: String,
}

impl Failure {
    /// A failure of this kind.
    pub fn new(kind: Kind, message: impl Display) -> Self {
        Self {
            kind,
            message: message.to_string(),
        }
    }

    /// Prints the message and gives the status.
    pub fn report(&self) -> ExitCode {
        if !self.message.is_empty() {
            crate::words::tell(&format!("annulus: {}", self.message));
        }
        ExitCode::from(match self.kind {
            Kind::Failed => 1,
            Kind::Usage => 2,
            Kind::Ring => 3,
            Kind::Busy => 4,
            Kind::System => 5,
            Kind::Gaps => 6,
            Kind::Unrepaired => 7,
            Kind::Ends => 8,
            Kind::Signal(number) => 128u8.saturating_add(u8::try_from(number).unwrap_or(0)),
        })
    }
}

impl From<OsError> for Failure {
    fn from(e: OsError) -> Self {
        Self::new(Kind::System, e)
    }
}

impl From<OpenError> for Failure {
    fn from(e: OpenError) -> Self {
        let kind = match &e {
            OpenError::InvalidOption { .. } => Kind::Usage,
            OpenError::Os(_) => Kind::System,
            _ => Kind::Ring,
        };
        Self::new(kind, e)
    }
}

impl From<CreateError> for Failure {
    fn from(e: CreateError) -> Self {
        let kind = match &e {
            CreateError::Exists { .. } => Kind::Ring,
            CreateError::InvalidOption { .. } => Kind::Usage,
            _ => Kind::System,
        };
        Self::new(kind, e)
    }
}

impl From<EndpointError> for Failure {
    fn from(e: EndpointError) -> Self {
        let kind = match &e {
            EndpointError::Occupied { .. } | EndpointError::NoPlace { .. } => Kind::Busy,
            EndpointError::Os(_) => Kind::System,
            _ => Kind::Ring,
        };
        Self::new(kind, e)
    }
}

/// An error of writing to stdout. Whoever reads it may stop reading when it likes (`annulus ls | head -1`).
pub fn stdout_failed(e: std::io::Error) -> Failure {
    let message = match e.kind() {
        std::io::ErrorKind::BrokenPipe => String::new(),
        _ => format!("stdout: {e}"),
    };
    Failure::new(Kind::Failed, message)
}
