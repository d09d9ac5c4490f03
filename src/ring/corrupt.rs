//! What makes no sense in a ring, and whose word it was.

/// A shared word that no honest peer can have stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Corrupt {
    /// Which word.
    pub word: CorruptWord,
    /// The position at which it was met.
    pub position: u64,
    /// What it held.
    pub found: u64,
}

/// The words of a ring that a peer writes and this side relies on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CorruptWord {
    /// A slot's ready word.
    Ready,
    /// A record's header word.
    Record,
    /// The consumer's published position.
    Gate,
    /// How far the consumer has come in a ring of records.
    Head,
    /// Where many producers claim.
    Tail,
}
