//! The participant table as those read it who clear up after the dead.

use super::seat::Side;
use crate::layout::participant::Participant;
use crate::ring::announce::{self, Announcements};

impl Announcements for Side {
    fn count(&self) -> u32 {
        self.places()
    }

    fn run(&self, i: u32) -> (u64, u64) {
        announce::run(self.entry(i))
    }

    fn is_dead(&self, i: u32) -> bool {
        !self.is_held(i)
    }
}

/// One side but for some entries: whoever clears up holds their tokens, so that they look alive.
pub(super) struct Others<'a> {
    pub(super) side: &'a Side,
    pub(super) except: [&'a Participant; 2],
}

impl Announcements for Others<'_> {
    fn count(&self) -> u32 {
        self.side.places()
    }

    fn run(&self, i: u32) -> (u64, u64) {
        let entry = self.side.entry(i);
        if self.except.iter().any(|other| std::ptr::eq(*other, entry)) {
            return (0, 0);
        }
        announce::run(entry)
    }

    fn is_dead(&self, i: u32) -> bool {
        self.side.is_dead(i)
    }
}
