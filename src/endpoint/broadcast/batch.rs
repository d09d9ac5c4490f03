//! Several messages at a time.

use super::super::typed::Element;
use super::super::waiting::Rest;
use super::reader::Reader;
use crate::error::ReadError;
use crate::wait::strategy::Wait;
use std::time::Instant;

/// Up to so many messages that are there already, one by one.
///
/// It ends early at the first that is not there, or not any more: what is the matter the next
/// [`try_read`](Reader::try_read) says, which also counts what was lost.
#[derive(Debug)]
#[must_use = "a drain does nothing until messages are taken from it"]
pub struct ReaderDrain<'a, T: Element + ?Sized> {
    reader: &'a mut Reader<T>,
    left: usize,
    rest: Rest,
}

impl<T: Element + ?Sized> ReaderDrain<'_, T> {
    /// Copies the next message into `out`. `false` when there is none, or as many were taken as were asked for; `out` holds
    /// anything then.
    ///
    /// # Panics
    /// On a ring of bytes, if the length is not the slot size.
    #[inline(always)]
    pub fn next_into(&mut self, out: &mut T) -> bool {
        if self.left == 0 {
            return false;
        }
        if !self.reader.take_into(out, self.rest) {
            self.reader.ran_short();
            return false;
        }
        self.left -= 1;
        true
    }
}

impl<T: Element> Iterator for ReaderDrain<'_, T> {
    type Item = T;

    #[inline]
    fn next(&mut self) -> Option<T> {
        if self.left == 0 {
            return None;
        }
        let message = self.reader.take(self.rest);
        match message {
            Some(_) => self.left -= 1,
            None => self.reader.ran_short(),
        }
        message
    }
}

impl<T: Element + ?Sized> Reader<T> {
    /// Takes up to `n` messages that are there now. Never waits. It ends early when there are no more; whether that is
    /// because nothing was published, or something lost, is what the next [`try_read`](Reader::try_read) says.
    #[inline]
    pub fn drain(&mut self, n: usize) -> ReaderDrain<'_, T> {
        self.up_to(n, Rest::Never)
    }

    /// Takes up to `n` messages that are there, waiting for the first as `wait` says. In full flow it may rest for up to
    /// 0.4 us, first or behind a message, so that there are more. None at all is there if the first was
    /// overwritten meanwhile; the next call says so.
    ///
    /// # Errors
    /// As [`read`](Reader::read).
    ///
    /// # Panics
    /// If `n` is 0.
    #[inline]
    pub fn drain_wait(&mut self, n: usize, wait: Wait) -> Result<ReaderDrain<'_, T>, ReadError> {
        self.wait_for_run(n, wait, None)?;
        Ok(self.up_to(n, Rest::May))
    }

    /// Like [`drain_wait`](Reader::drain_wait), but waits no longer than until `deadline`.
    ///
    /// # Errors
    /// Also [`ReadError::TimedOut`].
    ///
    /// # Panics
    /// If `n` is 0.
    #[inline]
    pub fn drain_until(
        &mut self,
        n: usize,
        wait: Wait,
        deadline: Instant,
    ) -> Result<ReaderDrain<'_, T>, ReadError> {
        self.wait_for_run(n, wait, Some(deadline))?;
        Ok(self.up_to(n, Rest::May))
    }

    fn up_to(&mut self, n: usize, rest: Rest) -> ReaderDrain<'_, T> {
        ReaderDrain {
            reader: self,
            left: n,
            rest,
        }
    }
}
