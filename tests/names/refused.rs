//! The two refusals that most tests ask for: of an option, and of a field that is not as it was asked for.

use annulus::{CreateError, OpenError};

/// The option `wanted` was refused.
pub fn no_option<V: std::fmt::Debug>(result: Result<V, CreateError>, wanted: &str) {
    match result {
        Err(CreateError::InvalidOption { option, rule }) => {
            assert_eq!(option, wanted);
            assert!(!rule.is_empty());
        }
        other => panic!("wanted a refusal of {wanted}, got {other:?}"),
    }
}

/// The ring was refused because its field `wanted` is another.
pub fn mismatch<V: std::fmt::Debug>(result: Result<V, OpenError>, wanted: &str) {
    match result {
        Err(OpenError::Mismatch {
            field,
            expected,
            found,
        }) => {
            assert_eq!(field, wanted, "expected {expected}, found {found}");
            assert_ne!(expected, found);
        }
        other => panic!("wanted a mismatch of {wanted}, got {other:?}"),
    }
}
