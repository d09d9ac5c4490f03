//! What a participant does that has lost an exchange: it leaves the word to the others for a while, each time in a row for
//! longer.
//!
//! An attempt takes the word's line from whoever has it. Participants that try again and again spend their time on moving it,
//! and whoever stays away for the time of 25 to 200 messages lets the others make them undisturbed. Measured, not derived;
//! see ARCHITECTURE.md. (Exponential back-off: T. E. Anderson, The Performance of Spin Lock Alternatives for Shared-Memory
//! Multiprocessors, IEEE TPDS 1(1), 1990.)

use crate::sync::rest;

/// The first rest.
const FIRST_NS: u64 = 320;
/// The longest rest.
const MOST_NS: u64 = 2560;

/// How long to rest next.
#[derive(Debug)]
pub(super) struct BackOff {
    ns: u64,
}

impl BackOff {
    /// Of who has lost nothing yet.
    #[inline(always)]
    pub(super) fn new() -> Self {
        Self { ns: FIRST_NS }
    }

    /// To be told of each exchange that was lost. What was known of the word is stale then.
    #[inline(always)]
    pub(super) fn lost(&mut self) {
        rest(self.next());
    }

    /// How long to rest now.
    fn next(&mut self) -> u64 {
        let ns = self.ns;
        self.ns = (2 * ns).min(MOST_NS);
        ns
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rests_become_longer_up_to_the_longest() {
        let mut back_off = BackOff::new();
        assert_eq!(
            [(); 5].map(|()| back_off.next()),
            [320, 640, 1280, 2560, 2560]
        );
    }
}
