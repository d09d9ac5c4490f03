//! Opening a stream's ring, or making it, whatever its kind.

use super::choose::Choice;
use crate::args::{Owner, StreamArgs};
use crate::exit::{Failure, Kind};
use annulus::{CreateError, OpenError, Options, Ring};
use std::time::{Duration, Instant};

/// How long a ring may change hands under us before we stop trying.
pub const RACES: Duration = Duration::from_secs(2);
/// Pause between two looks at a ring that is changing.
pub const PAUSE: Duration = Duration::from_millis(5);

/// The kinds of ring that carry streams, as rings are called.
const CARRIERS: [&str; 5] = [
    "spsc records",
    "mpsc records",
    "spmc slots",
    "mpmc slots",
    "broadcast records",
];

/// Which ring is meant.
pub struct Opening<'a> {
    /// The command line.
    pub args: &'a StreamArgs,
    /// Of what kind it is.
    pub choice: Choice,
    /// Whether it is made if it is not there.
    pub may_make: bool,
}

impl Opening<'_> {
    /// Opens the ring as `open` says, or makes it as `create` says, after asking `permit`. If that may
    /// not be, fails with `nobody`. `None`: there is a ring of another kind, which may be used as well.
    pub fn ring<K: annulus::Kind>(
        &self,
        open: &Options<K>,
        create: &Options<K>,
        permit: impl Fn() -> Result<(), Failure>,
        nobody: impl Fn() -> Failure,
    ) -> Result<Option<Ring<K>>, Failure> {
        let open = match self.args.owner {
            None => open.clone(),
            Some(Owner::User(uid)) => open.clone().owned_by(uid),
            Some(Owner::Any) => open.clone().owned_by_anyone(),
        };
        let mut create = create.clone();
        if let Some(backend) = self.args.wait_backend {
            create = create.wait_backend(backend.backend());
        }
        let give_up = Instant::now() + RACES;
        loop {
            let unfinished = match open.open() {
                Ok(ring) => {
                    self.compare(&ring)?;
                    return Ok(Some(ring));
                }
                Err(OpenError::Mismatch { field: "kind", .. }) if self.choice.any => {
                    return Ok(None);
                }
                Err(OpenError::NotFound { .. } | OpenError::Unfinished { .. })
                    if !self.may_make =>
                {
                    return Err(nobody());
                }
                Err(OpenError::NotFound { .. }) => None,
                Err(e @ OpenError::Unfinished { .. }) => Some(e),
                Err(e) => return Err(self.refused(e)),
            };
            permit()?;
            match create.create() {
                Ok(ring) => return Ok(Some(ring)),
                Err(CreateError::Exists { .. }) if Instant::now() < give_up => {}
                Err(e) => return Err(unfinished.map_or_else(|| e.into(), Failure::from)),
            }
            std::thread::sleep(PAUSE);
        }
    }

    /// A ring that is not as one of the options says.
    pub fn other(&self, what: &str, option: &str) -> Failure {
        let name = &self.args.name;
        let message =
            format!("{name} {what}; leave {option} out to use it as it is, or take another name");
        Failure::new(Kind::Ring, message)
    }

    /// What the library does not compare.
    fn compare<K: annulus::Kind>(&self, ring: &Ring<K>) -> Result<(), Failure> {
        match self.args.wait_backend {
            Some(backend) if backend.backend() != ring.status()?.wait_backend => {
                Err(self.other("has the other wait back end", "--wait-backend"))
            }
            _ => Ok(()),
        }
    }

    /// The failure of a ring that is not the one asked for.
    fn refused(&self, e: OpenError) -> Failure {
        let name = &self.args.name;
        let failed = |message: String| Failure::new(Kind::Ring, message);
        match &e {
            OpenError::Mismatch {
                field: "kind",
                found,
                ..
            } if CARRIERS.contains(&found.as_str()) => {
                let kind = self.choice.kind.name();
                failed(format!(
                    "{name} is a ring of {found}, not one for --kind {kind}; leave --kind out to use it as it is, start \
                     every end with the same --kind, or take another name"
                ))
            }
            OpenError::Mismatch {
                field: "owner",
                expected,
                found,
            } => failed(format!(
                "{name} is a ring of user {found}, not of {expected}; say --owner {found} if that is who you mean, else \
                 take another name"
            )),
            OpenError::Mismatch {
                field: "slot size",
                found,
                ..
            } => self.other(&format!("has slots of {found} bytes"), "--slot-size"),
            OpenError::Mismatch {
                field: "kind" | "schema version" | "message type",
                ..
            } => failed(format!(
                "{name} is a ring of another program, not one of annulus send and recv; \
                 take another name (annulus stat {name} shows it)"
            )),
            OpenError::Mismatch { .. } | OpenError::NotARing { .. } => {
                failed(format!("{e}; take another name"))
            }
            _ => e.into(),
        }
    }
}
