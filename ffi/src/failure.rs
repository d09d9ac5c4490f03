//! What went wrong: from Rust's errors to a code, and the text and errno kept for the thread.
//!
//! The expected outcomes (full, empty, closed, time up, peer died) come without a text of their own, so that
//! a program that polls pays for no formatting. Nothing here unwinds.

use crate::code::{self, *};
use annulus::{
    Corrupt, CreateError, EndpointError, OpenError, OpenOrCreateError, OsError, PopError, PushError,
    TryPopError, TryPushError,
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
        LAST.with(|last| {
            last.code.set(self.code);
            last.errno.set(self.errno);
            if let Some(text) = self.text {
                let mut bytes = text.into_bytes();
                bytes.retain(|b| *b != 0);
                // A reader of the old text on this thread was told that it ends here.
                last.text.replace(CString::new(bytes).ok());
            } else {
                last.text.replace(None);
            }
        });
        self.code
    }
}

/// The thread's last failure.
struct Last {
    code: Cell<i32>,
    errno: Cell<i32>,
    text: RefCell<Option<CString>>,
}
