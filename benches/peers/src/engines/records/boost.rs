//! Boost.Interprocess message_queue across processes, polling or sleeping.
//!
//! One foreign call per record. The queue is made before the fork and reached through memory that all processes share; it
//! has no name any more by then.

use std::ffi::{CString, c_char, c_void};
use std::marker::PhantomData;
use std::ptr::NonNull;

use super::super::fresh_name;
use super::traits;
use crate::scenario::engine::{Across, Traits, Wait, WrittenIn};
use crate::scenario::records::harness::Channel;
use crate::scenario::records::loops::{Rx, Tx};
use crate::scenario::records::work::Records;

// What cpp/boost_interprocess.cpp defines. Contracts: `queue` comes from `create` and is not destroyed; `record` has `length`
// readable bytes, at most the queue's longest; `into` has `room` writable bytes, at least the queue's longest.
unsafe extern "C" {
    fn peers_boost_mq_create(name: *const c_char, messages: usize, longest: usize) -> *mut c_void;
    fn peers_boost_mq_destroy(queue: *mut c_void);
    fn peers_boost_mq_try_send(queue: *mut c_void, record: *const c_void, length: usize) -> bool;
    fn peers_boost_mq_send(queue: *mut c_void, record: *const c_void, length: usize);
    fn peers_boost_mq_try_receive(queue: *mut c_void, into: *mut c_void, room: usize) -> i64;
    fn peers_boost_mq_receive(queue: *mut c_void, into: *mut c_void, room: usize) -> i64;
}

/// How an end waits.
pub trait Waiting: 'static {
    /// Poll or sleep.
    const WAIT: Wait;
}

/// Ends that poll.
pub struct Spin;
/// Ends that sleep.
pub struct Park;

impl Waiting for Spin {
    const WAIT: Wait = Wait::Spin;
}

impl Waiting for Park {
    const WAIT: Wait = Wait::Park;
}

/// The queue whose ends poll.
pub type Polling = Queue<Spin>;
/// The queue whose ends sleep.
pub type Sleeping = Queue<Park>;

/// A message queue.
pub struct Queue<W> {
    queue: NonNull<c_void>,
    wait: PhantomData<W>,
}

// SAFETY: message_queue locks itself; its calls may come from any thread or process.
unsafe impl<W> Sync for Queue<W> {}

/// An end of a queue that the channel keeps alive.
pub struct End<W> {
    queue: NonNull<c_void>,
    wait: PhantomData<W>,
}

impl<W: Waiting> Channel for Queue<W> {
    const TRAITS: Traits = traits("boost-mq", Across::Processes, WrittenIn::Cpp, W::WAIT);
    type Tx = End<W>;
    type Rx = End<W>;

    fn create(records: Records) -> Result<Self, String> {
        let name = CString::new(fresh_name("boost")).map_err(|error| error.to_string())?;
        let lengths = records.lengths;
        // SAFETY: the name is a NUL-terminated string.
        let queue = unsafe { peers_boost_mq_create(name.as_ptr(), lengths.cells(), lengths.most) };
        let queue = NonNull::new(queue).ok_or("Boost refused to make a message_queue")?;
        Ok(Queue {
            queue,
            wait: PhantomData,
        })
    }

    fn sender(&self) -> Result<End<W>, String> {
        self.receiver()
    }

    fn receiver(&self) -> Result<End<W>, String> {
        Ok(End {
            queue: self.queue,
            wait: PhantomData,
        })
    }
}

impl<W> Drop for Queue<W> {
    fn drop(&mut self) {
        // SAFETY: made by `create`; the ends are gone, they lived within the run that borrowed this.
        unsafe { peers_boost_mq_destroy(self.queue.as_ptr()) };
    }
}

impl<W: Waiting> Tx for End<W> {
    #[inline(always)]
    fn try_send(&mut self, record: &[u8]) -> bool {
        let (queue, bytes) = (self.queue.as_ptr(), record.as_ptr().cast());
        match W::WAIT {
            // SAFETY: the queue is live and the record is as long as stated.
            Wait::Spin => unsafe { peers_boost_mq_try_send(queue, bytes, record.len()) },
            Wait::Park => {
                // SAFETY: the queue is live and the record is as long as stated.
                unsafe { peers_boost_mq_send(queue, bytes, record.len()) };
                true
            }
        }
    }
}

impl<W: Waiting> Rx for End<W> {
    #[inline(always)]
    fn try_receive(&mut self, into: &mut Vec<u8>) -> bool {
        let (queue, room, bytes) = (
            self.queue.as_ptr(),
            into.capacity(),
            into.as_mut_ptr().cast(),
        );
        let length = match W::WAIT {
            // SAFETY: the queue is live, and `into` has room for the longest record.
            Wait::Spin => unsafe { peers_boost_mq_try_receive(queue, bytes, room) },
            // SAFETY: as above.
            Wait::Park => unsafe { peers_boost_mq_receive(queue, bytes, room) },
        };
        if let Ok(length) = usize::try_from(length) {
            // SAFETY: so many bytes were written just now.
            unsafe { into.set_len(length) };
        }
        length >= 0
    }
}
