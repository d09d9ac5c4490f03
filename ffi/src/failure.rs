//! What went wrong: from Rust's errors to a code, and the text and errno kept for the thread.
//!
//! The expected outcomes (full, empty, closed, time up, peer died) come without a text of their own, so that
//! a program that polls pays for no formatting. Nothing here unwinds.

use crate::code::{self, *};
use annulus::{
    Corrupt, CreateError, EndpointError, OpenError, OpenOrCreateError, OsError, PopError,
    PushError, TryPopError, TryPushError,
};
use std::any::Any;
use std::cell::{Cell, RefCell};
use std::ffi::{CString, c_char};
use std::fmt::Display;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Why a call did not do what it was asked for.
#[derive(Debug)]
pub(crate) struct Failure {
    code: i32,
    errno: i32,
    /// `None`: the meaning of the code says it all.
    text: Option<String>,
}

impl Failure {
    /// An expected outcome.
    pub(crate) fn expected(code: i32) -> Self {
        Self {
            code,
            errno: 0,
            text: None,
        }
    }

    /// A failure with something to tell.
    pub(crate) fn told(code: i32, text: impl Display) -> Self {
        Self {
            code,
            errno: 0,
            text: Some(text.to_string()),
        }
    }

    /// A pointer parameter that is NULL.
    pub(crate) fn null(what: &str) -> Self {
        Self::told(ANNULUS_E_NULL, format_args!("{what} is NULL"))
    }

    /// A parameter that breaks a rule.
    pub(crate) fn invalid(what: &str, rule: impl Display) -> Self {
        Self::told(ANNULUS_E_INVALID, format_args!("{what}: must be {rule}"))
    }

    fn with_errno(mut self, cause: &OsError) -> Self {
        self.errno = cause.source.raw_os_error().unwrap_or(0);
        self
    }

    /// Keeps text and errno for this thread.
    fn record(self) -> i32 {
        let text = self.text.map(|text| {
            let mut bytes = text.into_bytes();
            bytes.retain(|byte| *byte != 0);
            CString::new(bytes).unwrap_or_default()
        });
        // Fails while the thread ends and its locals are gone: the code must do then.
        let _ = LAST.try_with(|last| {
            last.code.set(self.code);
            last.errno.set(self.errno);
            last.text.replace(text);
        });
        self.code
    }
}

/// A thread's last failure.
struct Last {
    code: Cell<i32>,
    errno: Cell<i32>,
    text: RefCell<Option<CString>>,
}

thread_local! {
    static LAST: Last = const {
        Last { code: Cell::new(ANNULUS_OK), errno: Cell::new(0), text: RefCell::new(None) }
    };
}

/// Runs the body of a function that C calls. Its failure, or its panic, becomes a code.
#[inline]
pub(crate) fn guard(body: impl FnOnce() -> Result<(), Failure>) -> i32 {
    // A handle that was in use when a panic came may only be freed, and C is told so: what the body left
    // half-done is not looked at again.
    match catch_unwind(AssertUnwindSafe(body)) {
        Ok(Ok(())) => ANNULUS_OK,
        Ok(Err(failure)) => failure.record(),
        Err(panic) => panicked(panic),
    }
}

#[cold]
fn panicked(panic: Box<dyn Any + Send>) -> i32 {
    let said = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no text");
    let code = Failure::told(
        ANNULUS_E_PANIC,
        format_args!("a defect of the library: {said}"),
    )
    .record();
    // Dropping a payload may run code that panics again, with nobody left to catch it.
    std::mem::forget(panic);
    code
}

/// What the last failed call of this thread has to say, in English. The empty string before the first
/// failure; calls that succeed change nothing.
///
/// Never NULL. Valid until the next call of this library on the same thread.
#[unsafe(no_mangle)]
pub extern "C" fn annulus_last_error() -> *const c_char {
    LAST.try_with(|last| match (&*last.text.borrow(), last.code.get()) {
        (Some(text), _) => text.as_ptr(),
        (None, ANNULUS_OK) => c"".as_ptr(),
        (None, code) => code::meaning(code).as_ptr(),
    })
    .unwrap_or(c"".as_ptr())
}

/// The errno of the last failed call of this thread, if it failed with `ANNULUS_E_OS` or
/// `ANNULUS_E_NO_SPACE`; 0 if it failed otherwise, or nothing failed yet.
#[unsafe(no_mangle)]
pub extern "C" fn annulus_last_os_error() -> i32 {
    LAST.try_with(|last| last.errno.get()).unwrap_or(0)
}

impl From<OsError> for Failure {
    fn from(e: OsError) -> Self {
        Self::told(ANNULUS_E_OS, &e).with_errno(&e)
    }
}

impl From<Corrupt> for Failure {
    fn from(e: Corrupt) -> Self {
        Self::told(ANNULUS_E_CORRUPT, e)
    }
}

impl From<CreateError> for Failure {
    fn from(e: CreateError) -> Self {
        match &e {
            CreateError::Exists { .. } => Self::told(ANNULUS_E_EXISTS, &e),
            CreateError::NoSpace { cause, .. } => {
                Self::told(ANNULUS_E_NO_SPACE, &e).with_errno(cause)
            }
            CreateError::InvalidOption { .. } => Self::told(ANNULUS_E_INVALID, &e),
            CreateError::Os(cause) => Self::told(ANNULUS_E_OS, &e).with_errno(cause),
            _ => Self::told(ANNULUS_E_OTHER, &e),
        }
    }
}

impl From<OpenError> for Failure {
    fn from(e: OpenError) -> Self {
        match &e {
            OpenError::NotFound { .. } => Self::told(ANNULUS_E_NOT_FOUND, &e),
            OpenError::NotARing { .. } => Self::told(ANNULUS_E_NOT_A_RING, &e),
            OpenError::Unfinished { .. } => Self::told(ANNULUS_E_UNFINISHED, &e),
            OpenError::Mismatch { .. } => Self::told(ANNULUS_E_MISMATCH, &e),
            OpenError::InvalidOption { .. } => Self::told(ANNULUS_E_INVALID, &e),
            OpenError::Os(cause) => Self::told(ANNULUS_E_OS, &e).with_errno(cause),
            _ => Self::told(ANNULUS_E_OTHER, &e),
        }
    }
}

impl From<OpenOrCreateError> for Failure {
    fn from(e: OpenOrCreateError) -> Self {
        match e {
            OpenOrCreateError::Open(e) => e.into(),
            OpenOrCreateError::Create(e) => e.into(),
            e => Self::told(ANNULUS_E_OTHER, e),
        }
    }
}

impl From<EndpointError> for Failure {
    fn from(e: EndpointError) -> Self {
        match &e {
            EndpointError::Occupied { .. } => Self::told(ANNULUS_E_OCCUPIED, &e),
            EndpointError::Closed => Self::told(ANNULUS_E_CLOSED, &e),
            EndpointError::Corrupt(_) => Self::told(ANNULUS_E_CORRUPT, &e),
            EndpointError::Os(cause) => Self::told(ANNULUS_E_OS, &e).with_errno(cause),
            _ => Self::told(ANNULUS_E_OTHER, &e),
        }
    }
}

impl From<TryPushError> for Failure {
    fn from(e: TryPushError) -> Self {
        match e {
            TryPushError::Full => Self::expected(ANNULUS_E_FULL),
            TryPushError::Closed => Self::expected(ANNULUS_E_CLOSED),
            // Rings of slots take one length only, which is checked before.
            TryPushError::TooLong(e) => Self::told(ANNULUS_E_INVALID, e),
            TryPushError::Corrupt(e) => e.into(),
        }
    }
}

impl From<PushError> for Failure {
    fn from(e: PushError) -> Self {
        match e {
            PushError::Closed => Self::expected(ANNULUS_E_CLOSED),
            PushError::PeerDied => Self::expected(ANNULUS_E_PEER_DIED),
            PushError::TimedOut => Self::expected(ANNULUS_E_TIMED_OUT),
            PushError::TooLong(e) => Self::told(ANNULUS_E_INVALID, e),
            PushError::Corrupt(e) => e.into(),
        }
    }
}

impl From<TryPopError> for Failure {
    fn from(e: TryPopError) -> Self {
        match e {
            TryPopError::Empty => Self::expected(ANNULUS_E_EMPTY),
            TryPopError::Closed => Self::expected(ANNULUS_E_CLOSED),
            TryPopError::Corrupt(e) => e.into(),
        }
    }
}

impl From<PopError> for Failure {
    fn from(e: PopError) -> Self {
        match e {
            PopError::Closed => Self::expected(ANNULUS_E_CLOSED),
            PopError::PeerDied => Self::expected(ANNULUS_E_PEER_DIED),
            PopError::TimedOut => Self::expected(ANNULUS_E_TIMED_OUT),
            PopError::Corrupt(e) => e.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::CStr;

    fn last_error() -> String {
        // SAFETY: the text is NUL-terminated and stays until the next call on this thread.
        let text = unsafe { CStr::from_ptr(annulus_last_error()) };
        text.to_str().expect("English").to_owned()
    }

    #[test]
    fn a_panic_becomes_a_code_and_its_text_is_kept() {
        assert_eq!(guard(|| panic!("a literal")), ANNULUS_E_PANIC);
        assert!(last_error().ends_with(": a literal"), "{}", last_error());
        assert_eq!(guard(|| panic!("a number: {}", 7)), ANNULUS_E_PANIC);
        assert!(last_error().ends_with(": a number: 7"), "{}", last_error());
        assert_eq!(guard(|| std::panic::panic_any(7_u8)), ANNULUS_E_PANIC);
        assert!(last_error().ends_with(": no text"), "{}", last_error());
    }

    #[test]
    fn the_last_error_is_the_threads_own_and_success_leaves_it() {
        assert_eq!(last_error(), "");
        assert_eq!(guard(|| Err(Failure::null("out"))), ANNULUS_E_NULL);
        assert_eq!(guard(|| Ok(())), ANNULUS_OK);
        assert_eq!(last_error(), "out is NULL");
        std::thread::spawn(|| assert_eq!(last_error(), ""))
            .join()
            .unwrap();
        assert_eq!(
            guard(|| Err(Failure::expected(ANNULUS_E_FULL))),
            ANNULUS_E_FULL
        );
        assert_eq!(last_error(), "the ring is full");
    }

    #[test]
    fn the_errno_belongs_to_the_last_failure_only() {
        let refused = || OsError {
            op: "open",
            object: "x".to_owned(),
            source: std::io::Error::from_raw_os_error(13),
        };
        assert_eq!(guard(|| Err(refused().into())), ANNULUS_E_OS);
        assert_eq!(annulus_last_os_error(), 13);
        assert!(last_error().starts_with("open x: "), "{}", last_error());
        assert_eq!(guard(|| Err(TryPushError::Full.into())), ANNULUS_E_FULL);
        assert_eq!(annulus_last_os_error(), 0);
    }

    #[test]
    fn a_text_with_a_nul_inside_is_kept_without_it() {
        let with_nul = || Err(Failure::told(ANNULUS_E_OTHER, "a\0b"));
        assert_eq!(guard(with_nul), ANNULUS_E_OTHER);
        assert_eq!(last_error(), "ab");
    }
}
