//! shaq across two processes: each maps the same memfd.
//!
//! Written and read in place through its per-message calls; an index is re-read only when the private copy says full or
//! empty, and every message is committed and finalized on its own.

use std::fs::File;
use std::os::fd::FromRawFd;

use shaq::spsc::{Consumer, Producer, minimum_file_size};

use super::Family;
use crate::scenario::engine::{Across, Traits, Wait, WrittenIn};
use crate::scenario::harness::{CAPACITY, Link, over_processes};
use crate::scenario::loops::{Duplex, Rx, Tx};
use crate::scenario::message::Message;
use crate::scenario::pin::Cpus;
use crate::scenario::slices::Party;

/// shaq's spsc queue.
pub struct Shaq;

impl Family for Shaq {
    const TRAITS: Traits = Traits {
        name: "shaq",
        across: Across::Processes,
        written_in: WrittenIn::Rust,
        wait: Wait::Spin,
    };
    type Link<const WORDS: usize> = ShaqLink<WORDS>;
}

/// The memory of both rings, and the near side that initialised it.
pub struct ShaqLink<const WORDS: usize> {
    to_near: File,
    to_far: File,
    near: Option<Side<WORDS>>,
}

type Side<const WORDS: usize> = Duplex<Producer<Message<WORDS>>, Consumer<Message<WORDS>>, WORDS>;

impl<const WORDS: usize> Link for ShaqLink<WORDS> {
    type Near = Side<WORDS>;
    type Far = Side<WORDS>;

    fn create() -> Result<Self, String> {
        let size = minimum_file_size::<Message<WORDS>>(CAPACITY);
        let (to_near, to_far) = (memfd()?, memfd()?);
        // SAFETY: the file is fresh, this call alone initialises it, and this is its only consumer.
        let rx = unsafe { Consumer::create(&to_near, size) }.map_err(|e| e.to_string())?;
        // SAFETY: the file is fresh, this call alone initialises it, and this is its only producer.
        let tx = unsafe { Producer::create(&to_far, size) }.map_err(|e| e.to_string())?;
        Ok(ShaqLink {
            to_near,
            to_far,
            near: Some(Duplex::new(tx, rx)),
        })
    }

    fn near(&mut self) -> Result<Self::Near, String> {
        self.near
            .take()
            .ok_or_else(|| String::from("attached twice"))
    }

    fn far(&mut self) -> Result<Self::Far, String> {
        // SAFETY: the only producer of this file, which `create` initialised for the same type; messages are plain words.
        let tx = unsafe { Producer::join(&self.to_near) }.map_err(|e| e.to_string())?;
        // SAFETY: the only consumer of this file, which `create` initialised for the same type; messages are plain words.
        let rx = unsafe { Consumer::join(&self.to_far) }.map_err(|e| e.to_string())?;
        Ok(Duplex::new(tx, rx))
    }

    fn run<R>(
        self,
        cpus: Cpus,
        near: impl FnOnce(&mut Self::Near, &mut Party<'_>) -> Result<R, String>,
        far: impl FnOnce(&mut Self::Far, &mut Party<'_>) -> Result<(), String> + Send,
    ) -> Result<R, String> {
        over_processes(self, cpus, near, far)
    }
}

/// A fresh file in memory.
pub fn memfd() -> Result<File, String> {
    // SAFETY: the name is a NUL-terminated constant.
    let descriptor =
        unsafe { libc::memfd_create(c"annulus-peers-shaq".as_ptr(), libc::MFD_CLOEXEC) };
    if descriptor < 0 {
        return Err(format!("memfd_create: {}", std::io::Error::last_os_error()));
    }
    // SAFETY: a fresh descriptor that nobody else owns.
    Ok(unsafe { File::from_raw_fd(descriptor) })
}

impl<const WORDS: usize> Tx<WORDS> for Producer<Message<WORDS>> {
    #[inline(always)]
    fn try_send(&mut self, message: &Message<WORDS>) -> bool {
        let written = self.try_write(*message).is_ok() || {
            self.sync();
            self.try_write(*message).is_ok()
        };
        if written {
            self.commit();
        }
        written
    }
}

impl<const WORDS: usize> Rx<WORDS> for Consumer<Message<WORDS>> {
    #[inline(always)]
    fn try_receive(&mut self, take: &mut impl FnMut(&Message<WORDS>)) -> bool {
        let mut copy = self.try_read().copied();
        if copy.is_none() {
            self.sync();
            copy = self.try_read().copied();
        }
        if copy.is_some() {
            self.finalize();
        }
        copy.as_ref().map(take).is_some()
    }
}
